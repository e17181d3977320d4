/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The CRC under the ICRC, as fast as this CPU computes it. */
#ifndef NOPIN_CRC32_H
#define NOPIN_CRC32_H

#include <linux/types.h>

u32 nopin_crc32(u32 crc, const void *data, size_t len);
const char *nopin_crc32_init(void);

#ifdef __x86_64__
#define NOPIN_CRC32_PCLMUL

/* Bytes from which folding pays, and the least that it accepts. */
#define NOPIN_CRC32_PCLMUL_MIN	64
#define NOPIN_CRC32_VPCLMUL_MIN	256

u32 nopin_crc32_pclmul(u32 crc, const void *data, size_t len);
u32 nopin_crc32_vpclmul(u32 crc, const void *data, size_t len);
#endif

#endif /* NOPIN_CRC32_H */
