/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* crc32_le() as in the kernel: without inversion before or after. */
#ifndef NOPIN_TEST_LINUX_CRC32_H
#define NOPIN_TEST_LINUX_CRC32_H

#include <linux/types.h>

static inline u32 crc32_le(u32 crc, const unsigned char *p, size_t len)
{
	while (len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
	}
	return crc;
}

#endif /* NOPIN_TEST_LINUX_CRC32_H */
