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

typedef long long nopin_v128 __attribute__((vector_size(16)));

/* x^n mod P, bit-reflected and shifted by one, for the low and the high half. */
#define NOPIN_FOLD_4	((nopin_v128){ 0x154442bd4, 0x1c6e41596 }) /* n = 512 */
#define NOPIN_FOLD_1	((nopin_v128){ 0x1751997d0, 0x0ccaa009e }) /* n = 128 */

static inline nopin_v128 nopin_load(const u8 *data)
{
	nopin_v128 v;

	__builtin_memcpy(&v, data, sizeof(v));
	return v;
}

static inline nopin_v128 nopin_fold(nopin_v128 v, nopin_v128 by, nopin_v128 onto)
{
	return __builtin_ia32_pclmulqdq128(v, by, 0x00) ^
	       __builtin_ia32_pclmulqdq128(v, by, 0x11) ^ onto;
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
	const u8 *p = data;
	nopin_v128 a = nopin_load(p) ^ (nopin_v128){ crc, 0 };
	nopin_v128 b = nopin_load(p + 16);
	nopin_v128 c = nopin_load(p + 32);
	nopin_v128 d = nopin_load(p + 48);
	u8 rest[16];

	for (p += 64, len -= 64; len >= 64; p += 64, len -= 64) {
		a = nopin_fold(a, NOPIN_FOLD_4, nopin_load(p));
		b = nopin_fold(b, NOPIN_FOLD_4, nopin_load(p + 16));
		c = nopin_fold(c, NOPIN_FOLD_4, nopin_load(p + 32));
		d = nopin_fold(d, NOPIN_FOLD_4, nopin_load(p + 48));
	}
	a = nopin_fold(a, NOPIN_FOLD_1, b);
	a = nopin_fold(a, NOPIN_FOLD_1, c);
	a = nopin_fold(a, NOPIN_FOLD_1, d);
	for (; len >= 16; p += 16, len -= 16)
		a = nopin_fold(a, NOPIN_FOLD_1, nopin_load(p));

	__builtin_memcpy(rest, &a, sizeof(rest));
	crc = crc32_le(0, rest, sizeof(rest));
	return crc32_le(crc, p, len);
}

#endif /* __CHECKER__ */
