/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Leave to use the vector registers.
 *
 * User Mode Linux has these functions too, and they do nothing. They need not: its
 * kernel is a program of the host, and its processes are others, whose registers it
 * never holds. What interrupts it is a signal, for which the host saves the vector
 * registers, also when the handler goes on to another task; and whoever switches
 * tasks otherwise does so in a call, across which the compiler keeps none of them.
 * The rule is the same as elsewhere: no sleep between begin and end.
 */
#ifndef NOPIN_SIMD_H
#define NOPIN_SIMD_H

#include <linux/types.h>

#ifdef CONFIG_X86_64
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>

/* What the kernel is lent meanwhile. */
struct nopin_simd {
};

static inline bool nopin_simd_begin(struct nopin_simd *simd)
{
	if (!irq_fpu_usable())
		return false;
	kernel_fpu_begin();
	return true;
}

static inline void nopin_simd_end(struct nopin_simd *simd)
{
	kernel_fpu_end();
}

static inline bool nopin_simd_has_fold(void)
{
	return boot_cpu_has(X86_FEATURE_PCLMULQDQ) && boot_cpu_has(X86_FEATURE_XMM4_1);
}

/* 512 bits wide; without the state in XCR0 the kernel clears the feature. */
static inline bool nopin_simd_has_wide(void)
{
	return boot_cpu_has(X86_FEATURE_VPCLMULQDQ) && boot_cpu_has(X86_FEATURE_AVX512F);
}
#endif

#ifdef CONFIG_ARM64
#include <asm/cpufeature.h>

#include "compat.h"

struct nopin_simd {
	struct nopin_neon_state state;
};

static inline bool nopin_simd_begin(struct nopin_simd *simd)
{
	if (!may_use_simd())
		return false;
	nopin_neon_begin(&simd->state);
	return true;
}

static inline void nopin_simd_end(struct nopin_simd *simd)
{
	nopin_neon_end(&simd->state);
}

static inline bool nopin_simd_has_fold(void)
{
	return system_supports_fpsimd() && cpu_have_named_feature(PMULL);
}
#endif

#endif /* NOPIN_SIMD_H */
