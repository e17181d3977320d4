// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Compares the vectorised CRC32 with a plain loop, for all alignments and lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <linux/crc32.h>
#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "wire/crc32.h"

#define LONGEST		4352	/* beyond a page and the largest payload */
#define ALIGNMENTS	64

static u8 data[LONGEST + ALIGNMENTS];

static void fill(unsigned int seed)
{
	srandom(seed);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = random();
}

#ifdef NOPIN_CRC32_FOLD
struct way {
	u32 (*crc32)(u32 crc, const void *head, const void *data, size_t len);
	size_t min;	/* least length behind the head */
	int available;
};

static struct way fold = {
	.crc32 = nopin_crc32_fold,
};

#ifdef NOPIN_CRC32_WIDE
static struct way wide = {
	.crc32 = nopin_crc32_wide,
	.min = NOPIN_CRC32_WIDE_MIN,
};
#endif

static const struct way *have(void **state)
{
	const struct way *way = *state;

	if (!way->available)
		skip();
	return way;
}

static u32 crc32(const struct way *way, u32 seed, const u8 *from, size_t len)
{
	return way->crc32(seed, from, from + NOPIN_CRC32_HEAD, len - NOPIN_CRC32_HEAD);
}

static size_t least(const struct way *way)
{
	return NOPIN_CRC32_HEAD + way->min;
}

static void check(const struct way *way, size_t align, size_t len, u32 seed)
{
	u32 want = crc32_le(seed, data + align, len);

	assert_int_equal(crc32(way, seed, data + align, len), want);
}

static void test_lengths(void **state)
{
	const struct way *way = have(state);

	fill(1);
	for (size_t len = least(way); len <= LONGEST; len++)
		check(way, len % ALIGNMENTS, len, len * 2654435761U);
}

static void test_alignments(void **state)
{
	const struct way *way = have(state);

	fill(2);
	for (size_t align = 0; align < ALIGNMENTS; align++)
		for (size_t len = least(way); len < 2 * least(way) + 320; len++)
			check(way, align, len, ~0U);
}

/* A CRC computed in pieces equals that of the whole. */
static void test_continues(void **state)
{
	const struct way *way = have(state);

	fill(3);
	for (size_t cut = least(way); cut <= LONGEST - least(way); cut += 37) {
		u32 crc = crc32(way, ~0U, data, cut);

		crc = crc32(way, crc, data + cut, LONGEST - cut);
		assert_int_equal(crc, crc32_le(~0U, data, LONGEST));
	}
}

/* The head may be anywhere in memory, before or behind the data that follow it. */
static void test_heads(void **state)
{
	const struct way *way = have(state);
	size_t len = LONGEST / 2;

	fill(4);
	for (size_t at = 0; at <= LONGEST - NOPIN_CRC32_HEAD; at += 29) {
		u32 want = crc32_le(~0U, data + at, NOPIN_CRC32_HEAD);

		want = crc32_le(want, data + at / 2, len);
		assert_int_equal(way->crc32(~0U, data + at, data + at / 2, len), want);
	}
}

#ifdef __x86_64__
static void look(void)
{
	fold.available = __builtin_cpu_supports("pclmul");
	wide.available = __builtin_cpu_supports("vpclmulqdq") &&
			 __builtin_cpu_supports("avx512f");
}
#else
static void look(void)
{
	fold.available = !!(getauxval(AT_HWCAP) & HWCAP_PMULL);
}
#endif

#define OF(way, name)								\
	{ "test_lengths " name, test_lengths, NULL, NULL, &way },		\
	{ "test_alignments " name, test_alignments, NULL, NULL, &way },		\
	{ "test_continues " name, test_continues, NULL, NULL, &way },		\
	{ "test_heads " name, test_heads, NULL, NULL, &way }
#endif

int main(void)
{
#ifdef NOPIN_CRC32_FOLD
	const struct CMUnitTest tests[] = {
		OF(fold, NOPIN_CRC32_FOLD),
#ifdef NOPIN_CRC32_WIDE
		OF(wide, NOPIN_CRC32_WIDE),
#endif
	};

	look();
	return cmocka_run_group_tests_name("crc32", tests, NULL, NULL);
#else
	return 0;
#endif
}
