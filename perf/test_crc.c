// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Both CRC functions that are measured give the same result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crc.h"

#define LONGEST	4200

static void test_agree(void **state)
{
	static uint8_t data[LONGEST];
	crc_fn folding = crc_folding();

	(void)state;
	if (!folding)
		skip();
	for (size_t i = 0; i < LONGEST; i++)
		data[i] = random();
	for (size_t len = 0; len <= LONGEST; len++)
		assert_int_equal(folding(len, data, len), crc_tables(len, data, len));
}

/* CRC-32 of "123456789", the usual check value. */
static void test_check_value(void **state)
{
	(void)state;
	assert_int_equal(~crc_tables(~0U, "123456789", 9), 0xcbf43926);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agree),
		cmocka_unit_test(test_check_value),
	};

	return cmocka_run_group_tests_name("perf-crc", tests, NULL, NULL);
}
