// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The choice between CRC32s is made in the kernel; the others are tested here. */
#include <linux/crc32.h>

#include "wire/crc32.h"

u32 nopin_crc32(u32 crc, const void *data, size_t len)
{
	return crc32_le(crc, data, len);
}

u32 nopin_crc32_headed(u32 crc, const void *head, const void *data, size_t len)
{
	return crc32_le(crc32_le(crc, head, NOPIN_CRC32_HEAD), data, len);
}
