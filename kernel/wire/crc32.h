/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The CRC under the ICRC, as fast as this CPU computes it. */
#ifndef NOPIN_CRC32_H
#define NOPIN_CRC32_H

#include <linux/types.h>

/* Bytes of a message that may lie elsewhere, in front of the rest. */
#define NOPIN_CRC32_HEAD	64

/* What is computed at a time: a rest of other length behind the head costs more. */
#define NOPIN_CRC32_PIECE	16

u32 nopin_crc32(u32 crc, const void *data, size_t len);
u32 nopin_crc32_headed(u32 crc, const void *head, const void *data, size_t len);
const char *nopin_crc32_init(void);

/* What an architecture has for carry-less multiplication, by the instruction's name. */
#if defined(__x86_64__)
#define NOPIN_CRC32_FOLD	"pclmul"
#define NOPIN_CRC32_WIDE	"vpclmul"
#elif defined(__AARCH64EL__)
#define NOPIN_CRC32_FOLD	"pmull"
#endif

/* The least that the wider one takes behind the head. */
#define NOPIN_CRC32_WIDE_MIN	192

u32 nopin_crc32_fold(u32 crc, const void *head, const void *data, size_t len);
u32 nopin_crc32_wide(u32 crc, const void *head, const void *data, size_t len);

#endif /* NOPIN_CRC32_H */
