// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The vectorised CRC32 against the plain loop: all alignments and lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <linux/crc32.h>

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

#ifdef NOPIN_CRC32_PCLMUL
static void check(size_t align, size_t len, u32 seed)
{
	u32 want = crc32_le(seed, data + align, len);

	assert_int_equal(nopin_crc32_pclmul(seed, data + align, len), want);
}

static void test_pclmul_lengths(void **state)
{
	(void)state;
	if (!__builtin_cpu_supports("pclmul"))
		skip();
	fill(1);
	for (size_t len = NOPIN_CRC32_PCLMUL_MIN; len <= LONGEST; len++)
		check(len % ALIGNMENTS, len, len * 2654435761U);
}

static void test_pclmul_alignments(void **state)
{
	(void)state;
	if (!__builtin_cpu_supports("pclmul"))
		skip();
	fill(2);
	for (size_t align = 0; align < ALIGNMENTS; align++)
		for (size_t len = NOPIN_CRC32_PCLMUL_MIN; len < 320; len++)
			check(align, len, ~0U);
}

/* A CRC continued in pieces is that of the whole. */
static void test_pclmul_continues(void **state)
{
	(void)state;
	if (!__builtin_cpu_supports("pclmul"))
		skip();
	fill(3);
	for (size_t cut = 64; cut <= LONGEST - 64; cut += 37) {
		u32 crc = nopin_crc32_pclmul(~0U, data, cut);

		crc = nopin_crc32_pclmul(crc, data + cut, LONGEST - cut);
		assert_int_equal(crc, crc32_le(~0U, data, LONGEST));
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef NOPIN_CRC32_PCLMUL
		cmocka_unit_test(test_pclmul_lengths),
		cmocka_unit_test(test_pclmul_alignments),
		cmocka_unit_test(test_pclmul_continues),
#endif
	};

	return cmocka_run_group_tests_name("crc32", tests, NULL, NULL);
}
