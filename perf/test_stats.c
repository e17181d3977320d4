// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Tests of the statistics behind the results. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats.h"

static void add(struct stats *stats, size_t num, const double *value)
{
	for (size_t i = 0; i < num; i++)
		assert_true(stats_add(stats, value[i]));
}

static void test_empty(void **state)
{
	struct stats stats = { 0 };

	(void)state;
	assert_float_equal(stats_median(&stats), 0, 0);
	assert_float_equal(stats_max(&stats), 0, 0);
}

static void test_one(void **state)
{
	struct stats stats = { 0 };

	(void)state;
	add(&stats, 1, (double[]){ 7 });
	assert_float_equal(stats_min(&stats), 7, 0);
	assert_float_equal(stats_median(&stats), 7, 0);
	assert_float_equal(stats_quantile(&stats, 0.99), 7, 0);
	stats_clear(&stats);
}

static void test_odd_and_even(void **state)
{
	struct stats stats = { 0 };

	(void)state;
	add(&stats, 3, (double[]){ 30, 10, 20 });
	assert_float_equal(stats_median_in_order(&stats), 20, 0);
	assert_float_equal(stats.value[0], 30, 0);
	assert_float_equal(stats_median(&stats), 20, 0);
	add(&stats, 1, (double[]){ 1000 });
	assert_float_equal(stats_median(&stats), 25, 1e-9);
	assert_float_equal(stats_min(&stats), 10, 0);
	assert_float_equal(stats_max(&stats), 1000, 0);
	stats_clear(&stats);
}

/* The quantiles of 0 to 1000 are right for any order of adding. */
static void test_quantiles(void **state)
{
	struct stats stats = { 0 };

	(void)state;
	for (int i = 0; i <= 1000; i++)
		assert_true(stats_add(&stats, i * 379 % 1001));
	for (int i = 0; i <= 1000; i++)
		assert_float_equal(stats_quantile(&stats, i / 1000.0), i, 1e-6);
	assert_float_equal(stats_quantile(&stats, 0.0005), 0.5, 1e-6);
	assert_float_equal(stats_quantile(&stats, -1), 0, 0);
	assert_float_equal(stats_quantile(&stats, 2), 1000, 0);
	stats_clear(&stats);
}

/* A value added after a query counts in the next query. */
static void test_add_after(void **state)
{
	struct stats stats = { 0 }, more = { 0 };

	(void)state;
	add(&stats, 3, (double[]){ 3, 2, 1 });
	assert_float_equal(stats_median(&stats), 2, 0);
	add(&more, 4, (double[]){ 0, -1, -2, -3 });
	assert_true(stats_add_all(&stats, &more));
	assert_float_equal(stats_median(&stats), 0, 0);
	assert_float_equal(stats_min(&stats), -3, 0);
	stats_clear(&stats);
	stats_clear(&more);
}

static void test_no_number(void **state)
{
	struct stats stats = { 0 };

	(void)state;
	assert_false(stats_add(&stats, NAN));
	assert_false(stats_add(&stats, INFINITY));
	assert_int_equal(stats.num, 0);
}

/* Every value is in exactly one bucket, and the bounds are 1, 2, 5 times powers of ten. */
static void test_histogram(void **state)
{
	static const double want[] = { 0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000 };
	struct stats stats = { 0 };
	double bound = 0;
	size_t sum = 0;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(want) / sizeof(*want); i++) {
		assert_float_equal(bound, want[i], 0);
		assert_float_equal(stats_bound(want[i]), want[i], 0);
		assert_float_equal(stats_bound((want[i] + want[i + 1]) / 2), want[i], 0);
		bound = stats_bound_next(bound);
	}
	for (int i = 0; i < 1000; i++)
		assert_true(stats_add(&stats, i * 379 % 1000));
	assert_int_equal(stats_between(&stats, 20, 50), 30);
	for (bound = stats_bound(stats_min(&stats)); bound <= stats_max(&stats);
	     bound = stats_bound_next(bound))
		sum += stats_between(&stats, bound, stats_bound_next(bound));
	assert_int_equal(sum, 1000);
	stats_clear(&stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_odd_and_even),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_add_after),
		cmocka_unit_test(test_no_number),
		cmocka_unit_test(test_histogram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
