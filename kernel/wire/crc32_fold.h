/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * CRC32 by carry-less multiplication. A message is a polynomial over GF(2) and
 * its CRC the remainder modulo P. So a 128-bit piece may be replaced by something
 * congruent to it further on: it is multiplied by x^n mod P, and added to the piece
 * n bits later. Four pieces are folded side by side to hide the latency of the
 * multiplier, then into one, whose CRC is that of the message.
 *
 * Each architecture has one file that includes this header and is compiled for
 * vector registers. Its callers bracket it with nopin_simd_begin() and
 * nopin_simd_end(). Every function here is inlined.
 */
#ifndef NOPIN_CRC32_FOLD_H
#define NOPIN_CRC32_FOLD_H

#include <linux/crc32.h>
#include <linux/string.h>

#include "wire/crc32.h"

struct nopin_v128 {
	__attribute__((vector_size(16))) long long v;
};

/* Defined by the architecture: the products of the low and of the high halves. */
static __always_inline struct nopin_v128 nopin_mul_low(struct nopin_v128 a, struct nopin_v128 b);
static __always_inline struct nopin_v128 nopin_mul_high(struct nopin_v128 a, struct nopin_v128 b);

/* x^n mod P, bit-reflected and shifted by one, for the low and the high half. */
static const struct nopin_v128 nopin_fold_512 = { { 0x154442bd4, 0x1c6e41596 } };
static const struct nopin_v128 nopin_fold_128 = { { 0x1751997d0, 0x0ccaa009e } };

static __always_inline struct nopin_v128 nopin_load(const void *data)
{
	struct nopin_v128 v;

	__builtin_memcpy(&v, data, sizeof(v));
	return v;
}

static __always_inline struct nopin_v128 nopin_add(struct nopin_v128 a, struct nopin_v128 b)
{
	a.v ^= b.v;
	return a;
}

static __always_inline struct nopin_v128
nopin_fold(struct nopin_v128 a, struct nopin_v128 by, struct nopin_v128 onto)
{
	onto = nopin_add(onto, nopin_mul_low(a, by));
	return nopin_add(onto, nopin_mul_high(a, by));
}

/* The lower half of the product of @a and @k. */
static __always_inline u64 nopin_multiply(u64 a, u64 k)
{
	const struct nopin_v128 x = { { a } }, by = { { k } };

	return nopin_mul_low(x, by).v[0];
}

/*
 * The remainder of 128 bits. The first half is folded into the second, which leaves 96
 * bits; the first 32 of them are folded once more. Barrett reduction of the 64 bits left
 * multiplies by floor(x^64 / P), then by P.
 */
static __always_inline u32 nopin_remainder(struct nopin_v128 a)
{
	const struct nopin_v128 by = { { nopin_fold_128.v[1] } };
	struct nopin_v128 b = { { a.v[1] } };
	u64 rest, quotient;

	b = nopin_add(b, nopin_mul_low(a, by));
	rest = (u64)b.v[0] >> 32 | (u64)b.v[1] << 32;
	rest ^= nopin_multiply((u32)b.v[0], 0x163cd6124);
	quotient = nopin_multiply((u32)rest, 0x1f7011641);
	return (rest ^ nopin_multiply((u32)quotient, 0x1db710641)) >> 32;
}

/* The CRC of a message of which all before @p is folded into @a, and @len bytes are left. */
static __always_inline u32 nopin_reduce(struct nopin_v128 a, const u8 *p, size_t len)
{
	u32 crc;

	for (; len >= 16; p += 16, len -= 16)
		a = nopin_fold(a, nopin_fold_128, nopin_load(p));
	crc = nopin_remainder(a);
	return len ? crc32_le(crc, p, len) : crc;
}

/* As nopin_crc32_fold(). */
static __always_inline u32 nopin_fold_all(u32 crc, const void *head, const void *data,
					  size_t len)
{
	const struct nopin_v128 seed = { { crc, 0 } };
	const u8 *p = data;
	struct nopin_v128 a = nopin_add(nopin_load(head), seed);
	struct nopin_v128 b = nopin_load(head + 16);
	struct nopin_v128 c = nopin_load(head + 32);
	struct nopin_v128 d = nopin_load(head + 48);

	for (; len >= 64; p += 64, len -= 64) {
		a = nopin_fold(a, nopin_fold_512, nopin_load(p));
		b = nopin_fold(b, nopin_fold_512, nopin_load(p + 16));
		c = nopin_fold(c, nopin_fold_512, nopin_load(p + 32));
		d = nopin_fold(d, nopin_fold_512, nopin_load(p + 48));
	}
	a = nopin_fold(a, nopin_fold_128, b);
	a = nopin_fold(a, nopin_fold_128, c);
	a = nopin_fold(a, nopin_fold_128, d);
	return nopin_reduce(a, p, len);
}

#endif /* NOPIN_CRC32_FOLD_H */
