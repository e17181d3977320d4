// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * CRC32 by the carry-less multiplications of x86: PCLMULQDQ, and VPCLMULQDQ, where each
 * of the four pieces of wire/crc32_fold.h consists of four pieces of 128 bits.
 *
 * Functions on 128 bits must be inlined: out of line they would use the legacy SSE
 * encoding, which is slow while the wide registers are in use.
 */
#ifndef __CHECKER__ /* sparse does not know vectors */

#include "wire/crc32_fold.h"

static __always_inline struct nopin_v128 nopin_mul_low(struct nopin_v128 a, struct nopin_v128 b)
{
	a.v = __builtin_ia32_pclmulqdq128(a.v, b.v, 0x00);
	return a;
}

static __always_inline struct nopin_v128 nopin_mul_high(struct nopin_v128 a, struct nopin_v128 b)
{
	a.v = __builtin_ia32_pclmulqdq128(a.v, b.v, 0x11);
	return a;
}

/**
 * nopin_crc32_fold - continue a running CRC32
 * @crc: the running CRC, as of crc32_le()
 * @head: the next NOPIN_CRC32_HEAD bytes, of any alignment
 * @data: what follows them, of any alignment
 * @len: how many bytes that is
 *
 * Return: the running CRC after both.
 * Context: any in which the vector registers may be used; needs PCLMULQDQ and SSE4.1.
 */
u32 nopin_crc32_fold(u32 crc, const void *head, const void *data, size_t len)
{
	return nopin_fold_all(crc, head, data, len);
}

#define NOPIN_WIDE __attribute__((target("avx512f,vpclmulqdq")))

static const struct nopin_v128 nopin_fold_2048 = { { 0x11542778a, 0x1322d1430 } };

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

/* Fold the first three quarters into the last. */
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
 * nopin_crc32_wide - continue a running CRC32
 * @crc: the running CRC, as of crc32_le()
 * @head: the next NOPIN_CRC32_HEAD bytes, of any alignment
 * @data: what follows them, of any alignment
 * @len: how many bytes that is, at least NOPIN_CRC32_WIDE_MIN
 *
 * Return: the running CRC after both.
 * Context: any in which the vector registers may be used; needs VPCLMULQDQ, AVX512F.
 */
NOPIN_WIDE u32 nopin_crc32_wide(u32 crc, const void *head, const void *data, size_t len)
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
