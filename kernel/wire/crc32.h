/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The CRC under the ICRC, as fast as this CPU computes it. */
#ifndef NOPIN_CRC32_H
#define NOPIN_CRC32_H

#include <linux/types.h>

/* The first bytes of a message, which may lie in another buffer than the rest. */
#define NOPIN_CRC32_HEAD	64

/* Bytes that are folded at a time: behind the head, a tail of fewer bytes costs more. */
#define NOPIN_CRC32_PIECE	16

u32 nopin_crc32(u32 crc, const void *data, size_t len);
u32 nopin_crc32_headed(u32 crc, const void *head, const void *data, size_t len);
const char *nopin_crc32_init(void);

/* The carry-less multiplications of an architecture, by their instructions' names. */
#if defined(__x86_64__)
#define NOPIN_CRC32_FOLD	"pclmul"
#define NOPIN_CRC32_WIDE	"vpclmul"
#elif defined(__AARCH64EL__)
#define NOPIN_CRC32_FOLD	"pmull"
#endif

/* nopin_crc32_wide() needs at least this many bytes behind the head. */
#define NOPIN_CRC32_WIDE_MIN	192

u32 nopin_crc32_fold(u32 crc, const void *head, const void *data, size_t len);
u32 nopin_crc32_wide(u32 crc, const void *head, const void *data, size_t len);

#endif /* NOPIN_CRC32_H */
