// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Medians of samples, and the slack that a busy machine gets. */
#include <stdlib.h>

#include "cost.h"

/**
 * cost_slack - what a bound is multiplied by
 *
 * Return: 1, and NOPIN_SLACK percent more.
 */
double cost_slack(void)
{
	const char *percent = getenv("NOPIN_SLACK");

	return 1 + (percent ? atof(percent) : 0) / 100;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/**
 * cost_quantile - the sample below which a share of the samples lies
 * @v: the samples, sorted by this
 * @n: how many
 * @q: the share, 0 to 1
 */
double cost_quantile(double *v, size_t n, double q)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[(size_t)((n - 1) * q)];
}

double cost_median(double *v, size_t n)
{
	return cost_quantile(v, n, 0.5);
}
