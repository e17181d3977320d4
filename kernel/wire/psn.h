/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Packet sequence numbers: 24 bits, compared modulo 2^24 (IBTA 9.7.1). */
#ifndef NOPIN_PSN_H
#define NOPIN_PSN_H

#include <linux/types.h>

#define NOPIN_PSN_MASK	0xffffffU

/* Any peer takes a PSN this far back for long past: a quarter of all PSNs. */
#define NOPIN_PSN_PAST	0x400000U

static inline u32 nopin_psn_add(u32 psn, u32 n)
{
	return (psn + n) & NOPIN_PSN_MASK;
}

/**
 * nopin_psn_diff - signed distance from @b to @a
 * @a: a PSN
 * @b: a PSN
 *
 * Return: negative when @a comes before @b, 0 when equal, else positive.
 */
static inline s32 nopin_psn_diff(u32 a, u32 b)
{
	return (s32)((a - b) << 8) >> 8;
}

#endif /* NOPIN_PSN_H */
