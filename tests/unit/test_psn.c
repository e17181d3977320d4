// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Arithmetic of packet sequence numbers around the wrap. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/kernel.h>

#include "wire/psn.h"

static void add_wraps(void **state)
{
	(void)state;
	assert_int_equal(nopin_psn_add(0, 0), 0);
	assert_int_equal(nopin_psn_add(5, 7), 12);
	assert_int_equal(nopin_psn_add(0xffffff, 1), 0);
	assert_int_equal(nopin_psn_add(0xfffff0, 0x20), 0x10);
	assert_int_equal(nopin_psn_add(3, NOPIN_PSN_MASK), 2);
	assert_int_equal(nopin_psn_add(3, (u32)-4), 0xffffff);
}

static void diff_is_signed(void **state)
{
	(void)state;
	assert_int_equal(nopin_psn_diff(9, 9), 0);
	assert_int_equal(nopin_psn_diff(9, 4), 5);
	assert_int_equal(nopin_psn_diff(4, 9), -5);
	assert_int_equal(nopin_psn_diff(0, 0xffffff), 1);
	assert_int_equal(nopin_psn_diff(0xffffff, 0), -1);
	assert_int_equal(nopin_psn_diff(0x7fffff, 0), 0x7fffff);
	/* a PSN half the space away counts as behind: IBTA 9.7.2, the duplicate region */
	assert_int_equal(nopin_psn_diff(0x800000, 0), -0x800000);
}

static void diff_undoes_add(void **state)
{
	static const u32 starts[] = { 0, 1, 0x7fffff, 0x800000, 0xfffffe, 0xffffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		for (u32 n = 0; n < 0x800000; n = n * 3 + 1) {
			u32 psn = nopin_psn_add(starts[i], n);

			assert_true(psn <= NOPIN_PSN_MASK);
			assert_int_equal(nopin_psn_diff(psn, starts[i]), n);
			assert_int_equal(nopin_psn_diff(starts[i], psn), -(s32)n);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_wraps),
		cmocka_unit_test(diff_is_signed),
		cmocka_unit_test(diff_undoes_add),
	};

	return cmocka_run_group_tests_name("psn", tests, NULL, NULL);
}
