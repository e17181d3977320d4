/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Permission to use the vector registers.
 *
 * Under User Mode Linux these functions do nothing, and nothing is needed. The UML
 * kernel is a process of the host, and UML's own processes are other processes of the
 * host, whose registers it never holds. An interrupt is a signal: the host saves the
 * vector registers around its handler, even if the handler switches to another task.
 * Any other task switch is a function call, across which the compiler keeps no vector
 * register. The rule is the same as elsewhere: do not sleep between begin and end.
 */
#ifndef NOPIN_SIMD_H
#define NOPIN_SIMD_H

#include <linux/types.h>

#ifdef CONFIG_X86_64
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>

/* Memory lent to the kernel between begin and end: none on x86. */
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

/* 512 bits wide. Without its state in XCR0 the kernel clears the feature. */
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
