// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Which CRC32 is the fastest depends on the machine more than on the CPU: under
 * software emulation a vector instruction costs a function call. So nopin_crc32_init()
 * times each one that the CPU supports, and the fastest is used.
 */
#include <linux/crc32.h>
#include <linux/jump_label.h>
#include <linux/ktime.h>

#include "wire/crc32.h"
#include "wire/simd.h"

#ifdef NOPIN_CRC32_FOLD
static DEFINE_STATIC_KEY_FALSE(nopin_crc32_use_fold);

#ifdef NOPIN_CRC32_WIDE
static DEFINE_STATIC_KEY_FALSE(nopin_crc32_use_wide);

static inline bool nopin_crc32_is_wide(size_t len)
{
	return static_branch_likely(&nopin_crc32_use_wide) && len >= NOPIN_CRC32_WIDE_MIN;
}
#else
static inline bool nopin_crc32_is_wide(size_t len)
{
	return false;
}
#endif

/* Compute @crc in vector registers. False: they may not be used in this context. */
static bool nopin_crc32_simd(u32 *crc, const void *head, const void *data, size_t len)
{
	struct nopin_simd simd;

	if (!nopin_simd_begin(&simd))
		return false;
	if (nopin_crc32_is_wide(len))
		*crc = nopin_crc32_wide(*crc, head, data, len);
	else
		*crc = nopin_crc32_fold(*crc, head, data, len);
	nopin_simd_end(&simd);
	return true;
}
#endif

/**
 * nopin_crc32_headed - continue a running CRC32 over bytes from two places
 * @crc: the running CRC, as of crc32_le()
 * @head: the next NOPIN_CRC32_HEAD bytes
 * @data: what follows them
 * @len: how many bytes that is
 *
 * Return: the running CRC after both.
 * Context: any.
 */
u32 nopin_crc32_headed(u32 crc, const void *head, const void *data, size_t len)
{
#ifdef NOPIN_CRC32_FOLD
	if (static_branch_likely(&nopin_crc32_use_fold) &&
	    nopin_crc32_simd(&crc, head, data, len))
		return crc;
#endif
	crc = crc32_le(crc, head, NOPIN_CRC32_HEAD);
	return crc32_le(crc, data, len);
}

/**
 * nopin_crc32 - continue a running CRC32
 * @crc: the running CRC, as of crc32_le()
 * @data: the next bytes, of any alignment
 * @len: how many
 *
 * Return: the running CRC after them.
 * Context: any.
 */
u32 nopin_crc32(u32 crc, const void *data, size_t len)
{
	if (len < NOPIN_CRC32_HEAD)
		return crc32_le(crc, data, len);
	return nopin_crc32_headed(crc, data, data + NOPIN_CRC32_HEAD,
				  len - NOPIN_CRC32_HEAD);
}

#ifdef NOPIN_CRC32_FOLD
#define NOPIN_TRIAL_LEN		4096	/* bytes of payload of the largest packet */
#define NOPIN_TRIALS		4
#define NOPIN_TRIAL_CALLS	64	/* clocks may be coarse */

/*
 * The shortest of several trials: a CPU takes some 20 us to power up its widest units,
 * and any trial may be interrupted.
 */
static u64 nopin_crc32_time(const void *data)
{
	u64 best = U64_MAX;
	u32 crc = 0;
	int i, call;

	for (i = 0; i < NOPIN_TRIALS; i++) {
		u64 start = ktime_get_ns();

		for (call = 0; call < NOPIN_TRIAL_CALLS; call++)
			crc = nopin_crc32(crc, data, NOPIN_TRIAL_LEN);
		barrier_data(&crc);
		best = min(best, ktime_get_ns() - start);
	}
	return best;
}

/* Leave @key enabled only if what it selects beats @best, the best time so far. */
static bool nopin_crc32_try(struct static_key_false *key, const void *data, u64 *best)
{
	u64 time;

	static_branch_enable(key);
	time = nopin_crc32_time(data);
	if (time < *best) {
		*best = time;
		return true;
	}
	static_branch_disable(key);
	return false;
}

/**
 * nopin_crc32_init - choose between the ways to compute a CRC32
 *
 * Return: the name of the chosen one, to be shown.
 * Context: module init.
 */
const char *nopin_crc32_init(void)
{
	const void *data = nopin_crc32_init; /* any bytes do: this code's page */
	u64 best;

	data = (const void *)((unsigned long)data & ~(NOPIN_TRIAL_LEN - 1UL));
	best = nopin_crc32_time(data);
	if (!nopin_simd_has_fold() ||
	    !nopin_crc32_try(&nopin_crc32_use_fold, data, &best))
		return "crc32_le";
#ifdef NOPIN_CRC32_WIDE
	if (nopin_simd_has_wide() &&
	    nopin_crc32_try(&nopin_crc32_use_wide, data, &best))
		return NOPIN_CRC32_WIDE;
#endif
	return NOPIN_CRC32_FOLD;
}
#else
const char *nopin_crc32_init(void)
{
	return "crc32_le";
}
#endif
