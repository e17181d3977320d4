// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * CRC32 by the carry-less multiplication of arm64, PMULL. crc32_le() uses the CRC32
 * instructions instead, where the CPU has them.
 */
#include "wire/crc32.h"

#ifdef NOPIN_CRC32_FOLD /* not for big endian */

#include "wire/crc32_fold.h"

static __always_inline struct nopin_v128 nopin_mul_low(struct nopin_v128 a, struct nopin_v128 b)
{
	struct nopin_v128 product;

	asm(".arch_extension crypto\n\tpmull %0.1q, %1.1d, %2.1d"
	    : "=w" (product.v) : "w" (a.v), "w" (b.v));
	return product;
}

static __always_inline struct nopin_v128 nopin_mul_high(struct nopin_v128 a, struct nopin_v128 b)
{
	struct nopin_v128 product;

	asm(".arch_extension crypto\n\tpmull2 %0.1q, %1.2d, %2.2d"
	    : "=w" (product.v) : "w" (a.v), "w" (b.v));
	return product;
}

/**
 * nopin_crc32_fold - continue a running CRC32
 * @crc: the running CRC, as of crc32_le()
 * @head: the next NOPIN_CRC32_HEAD bytes, of any alignment
 * @data: what follows them, of any alignment
 * @len: how many bytes that is
 *
 * Return: the running CRC after both.
 * Context: any in which the vector registers may be used; needs PMULL.
 */
u32 nopin_crc32_fold(u32 crc, const void *head, const void *data, size_t len)
{
	return nopin_fold_all(crc, head, data, len);
}

#endif /* NOPIN_CRC32_FOLD */
