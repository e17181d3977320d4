// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * CRC32 by carry-less multiplication. A message is a polynomial over GF(2) and
 * its CRC the remainder modulo P, so a 128-bit piece may be replaced by anything
 * congruent to it further on: multiplied by x^n mod P, it is folded into the
 * piece n bits later. Four pieces are folded side by side to hide the latency
 * of the multiplier, then into one, whose own CRC is that of the message. With
 * VPCLMULQDQ each of the four is itself four of 128 bits.
 *
 * This file alone is compiled with vector instructions; callers bracket it with
 * nopin_simd_begin() and nopin_simd_end(). What works on 128 bits is inlined for
 * good: as a function it would be of the old encoding, which is slow while the
 * wide registers are in use.
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
static const struct nopin_v128 nopin_fold_2048 = { { 0x11542778a, 0x1322d1430 } };

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
	onto.v ^= __builtin_ia32_pclmulqdq128(a.v, by.v, 0x00) ^
		  __builtin_ia32_pclmulqdq128(a.v, by.v, 0x11);
	return onto;
}

/* The CRC of what was folded into @a and the @len bytes behind it. */
static __always_inline u32 nopin_reduce(struct nopin_v128 a, const u8 *p, size_t len)
{
	u8 rest[16];
	u32 crc;

	for (; len >= 16; p += 16, len -= 16)
		a = nopin_fold(a, nopin_fold_128, nopin_load(p));
	__builtin_memcpy(rest, &a, sizeof(rest));
	crc = crc32_le(0, rest, sizeof(rest));
	return crc32_le(crc, p, len);
}

/**
 * nopin_crc32_pclmul - continue a running CRC32
 * @crc: the running CRC, as of crc32_le()
 * @head: the next NOPIN_CRC32_HEAD bytes, of any alignment
 * @data: what follows them, of any alignment
 * @len: how many bytes that is
 *
 * Return: the running CRC after both.
 * Context: any in which the vector registers may be used; PCLMULQDQ and SSE4.1.
 */
u32 nopin_crc32_pclmul(u32 crc, const void *head, const void *data, size_t len)
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

#define NOPIN_WIDE __attribute__((target("avx512f,vpclmulqdq")))

struct nopin_v512 {
	__attribute__((vector_size(64))) long long v;
};

static inline NOPIN_WIDE struct nopin_v512 nopin_wide_load(const void *data)
{
	struct nopin_v512 v;

	__builtin_memcpy(&v, data, sizeof(v));
	return v;
}

static inline NOPIN_WIDE struct nopin_v512 nopin_wide_repeat(struct nopin_v128 k)
{
	const struct nopin_v512 wide = { { k.v[0], k.v[1], k.v[0], k.v[1],
					   k.v[0], k.v[1], k.v[0], k.v[1] } };

	return wide;
}

static inline NOPIN_WIDE struct nopin_v512 nopin_wide_add(struct nopin_v512 a,
							  struct nopin_v512 b)
{
	a.v ^= b.v;
	return a;
}

static inline NOPIN_WIDE struct nopin_v512 nopin_wide_fold(struct nopin_v512 a,
							   struct nopin_v512 by,
							   struct nopin_v512 onto)
{
	onto.v ^= __builtin_ia32_vpclmulqdq_v8di(a.v, by.v, 0x00) ^
		  __builtin_ia32_vpclmulqdq_v8di(a.v, by.v, 0x11);
	return onto;
}

/* Fold the four quarters into the last of them. */
static inline NOPIN_WIDE struct nopin_v128 nopin_wide_narrow(struct nopin_v512 v)
{
	u8 lanes[sizeof(v)];
	struct nopin_v128 a;

	__builtin_memcpy(lanes, &v, sizeof(v));
	a = nopin_fold(nopin_load(lanes), nopin_fold_128, nopin_load(lanes + 16));
	a = nopin_fold(a, nopin_fold_128, nopin_load(lanes + 32));
	return nopin_fold(a, nopin_fold_128, nopin_load(lanes + 48));
}

/**
 * nopin_crc32_vpclmul - continue a running CRC32
 * @crc: the running CRC, as of crc32_le()
 * @head: the next NOPIN_CRC32_HEAD bytes, of any alignment
 * @data: what follows them, of any alignment
 * @len: how many bytes that is, at least NOPIN_CRC32_VPCLMUL_MIN
 *
 * Return: the running CRC after both.
 * Context: any in which the vector registers may be used; VPCLMULQDQ, AVX512F.
 */
NOPIN_WIDE u32 nopin_crc32_vpclmul(u32 crc, const void *head, const void *data,
				   size_t len)
{
	const struct nopin_v512 by_2048 = nopin_wide_repeat(nopin_fold_2048);
	const struct nopin_v512 seed = { { crc } };
	const struct nopin_v512 by_512 = nopin_wide_repeat(nopin_fold_512);
	const u8 *p = data;
	struct nopin_v512 a = nopin_wide_add(nopin_wide_load(head), seed);
	struct nopin_v512 b = nopin_wide_load(p);
	struct nopin_v512 c = nopin_wide_load(p + 64);
	struct nopin_v512 d = nopin_wide_load(p + 128);

	for (p += 192, len -= 192; len >= 256; p += 256, len -= 256) {
		a = nopin_wide_fold(a, by_2048, nopin_wide_load(p));
		b = nopin_wide_fold(b, by_2048, nopin_wide_load(p + 64));
		c = nopin_wide_fold(c, by_2048, nopin_wide_load(p + 128));
		d = nopin_wide_fold(d, by_2048, nopin_wide_load(p + 192));
	}
	a = nopin_wide_fold(a, by_512, b);
	a = nopin_wide_fold(a, by_512, c);
	a = nopin_wide_fold(a, by_512, d);
	for (; len >= 64; p += 64, len -= 64)
		a = nopin_wide_fold(a, by_512, nopin_wide_load(p));
	return nopin_reduce(nopin_wide_narrow(a), p, len);
}

#endif /* __CHECKER__ */
