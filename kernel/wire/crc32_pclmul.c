// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * CRC32 by carry-less multiplication. A message is a polynomial over GF(2) and
 * its CRC the remainder modulo P, so a 128-bit piece may be replaced by anything
 * congruent to it further on: multiplied by x^n mod P, it is folded into the
 * piece n bits later. Four pieces are folded side by side to hide the latency
 * of the multiplier, then into one, whose own CRC is that of the message.
 *
 * This file alone is compiled with vector instructions; callers bracket it with
 * kernel_fpu_begin() and kernel_fpu_end().
 */
#include <linux/crc32.h>
#include <linux/string.h>

#include "wire/crc32.h"

#ifndef __CHECKER__ /* sparse does not know vectors */

struct nopin_v128 {
	__attribute__((vector_size(16))) long long v;
};

/* x^n mod P, bit-reflected and shifted by one, for the low and the high half. */
static const struct nopin_v128 nopin_fold_512 = { { 0x154442bd4, 0x1c6e41596 } };
static const struct nopin_v128 nopin_fold_128 = { { 0x1751997d0, 0x0ccaa009e } };

static inline struct nopin_v128 nopin_load(const u8 *data)
{
	struct nopin_v128 v;

	__builtin_memcpy(&v, data, sizeof(v));
	return v;
}

static inline struct nopin_v128 nopin_add(struct nopin_v128 a, struct nopin_v128 b)
{
	a.v ^= b.v;
	return a;
}

static inline struct nopin_v128 nopin_fold(struct nopin_v128 a, struct nopin_v128 by,
					   struct nopin_v128 onto)
{
	onto.v ^= __builtin_ia32_pclmulqdq128(a.v, by.v, 0x00) ^
		  __builtin_ia32_pclmulqdq128(a.v, by.v, 0x11);
	return onto;
}

/**
 * nopin_crc32_pclmul - continue a running CRC32
 * @crc: the running CRC, as of crc32_le()
 * @data: the next bytes, of any alignment
 * @len: how many, at least NOPIN_CRC32_PCLMUL_MIN
 *
 * Return: the running CRC after them.
 * Context: any in which the vector registers may be used.
 */
u32 nopin_crc32_pclmul(u32 crc, const void *data, size_t len)
{
	const struct nopin_v128 seed = { { crc, 0 } };
	const u8 *p = data;
	struct nopin_v128 a = nopin_add(nopin_load(p), seed);
	struct nopin_v128 b = nopin_load(p + 16);
	struct nopin_v128 c = nopin_load(p + 32);
	struct nopin_v128 d = nopin_load(p + 48);
	u8 rest[16];

	for (p += 64, len -= 64; len >= 64; p += 64, len -= 64) {
		a = nopin_fold(a, nopin_fold_512, nopin_load(p));
		b = nopin_fold(b, nopin_fold_512, nopin_load(p + 16));
		c = nopin_fold(c, nopin_fold_512, nopin_load(p + 32));
		d = nopin_fold(d, nopin_fold_512, nopin_load(p + 48));
	}
	a = nopin_fold(a, nopin_fold_128, b);
	a = nopin_fold(a, nopin_fold_128, c);
	a = nopin_fold(a, nopin_fold_128, d);
	for (; len >= 16; p += 16, len -= 16)
		a = nopin_fold(a, nopin_fold_128, nopin_load(p));

	__builtin_memcpy(rest, &a, sizeof(rest));
	crc = crc32_le(0, rest, sizeof(rest));
	return crc32_le(crc, p, len);
}

#endif /* __CHECKER__ */
