// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The scalar CRC32 in place of the kernel's run-time choice; test_crc32.c tests the others. */
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
