// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <math.h>
#include <stdlib.h>

#include "stats.h"

static bool stats_grow(struct stats *stats)
{
	size_t room = stats->room ? 2 * stats->room : 16;
	double *value = realloc(stats->value, room * sizeof(*value));

	if (!value)
		return false;
	stats->value = value;
	stats->room = room;
	return true;
}

bool stats_add(struct stats *stats, double value)
{
	if (!isfinite(value))
		return false;
	if (stats->num == stats->room && !stats_grow(stats))
		return false;
	stats->value[stats->num++] = value;
	stats->sorted = false;
	return true;
}

bool stats_add_all(struct stats *stats, const struct stats *more)
{
	for (size_t i = 0; i < more->num; i++)
		if (!stats_add(stats, more->value[i]))
			return false;
	return true;
}

void stats_clear(struct stats *stats)
{
	free(stats->value);
	*stats = (struct stats){ 0 };
}

static int stats_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void stats_sort(struct stats *stats)
{
	if (stats->sorted)
		return;
	qsort(stats->value, stats->num, sizeof(*stats->value), stats_compare);
	stats->sorted = true;
}

/* Interpolates linearly between two values. */
double stats_quantile(struct stats *stats, double q)
{
	double at, below;
	size_t i;

	if (!stats->num)
		return 0;
	stats_sort(stats);
	at = (stats->num - 1) * fmin(fmax(q, 0), 1);
	i = (size_t)at;
	below = stats->value[i];
	if (i + 1 == stats->num)
		return below;
	return below + (at - i) * (stats->value[i + 1] - below);
}

double stats_median(struct stats *stats)
{
	return stats_quantile(stats, 0.5);
}

double stats_median_in_order(const struct stats *stats)
{
	struct stats copy = { 0 };
	double median;

	if (!stats_add_all(&copy, stats))
		return NAN;
	median = stats_median(&copy);
	stats_clear(&copy);
	return median;
}

double stats_min(struct stats *stats)
{
	return stats_quantile(stats, 0);
}

double stats_max(struct stats *stats)
{
	return stats_quantile(stats, 1);
}

/* --- a histogram --- */

static const double steps[] = { 1, 2, 5, 10 };

/*
 * The lower bound of the bucket of @value, which must be 1 or more; with @after 1 that of
 * the next bucket.
 */
static double bucket(double value, int after)
{
	double ten = 1;
	int i = 0;

	while (ten * 10 <= value)
		ten *= 10;
	while (ten * steps[i + 1] <= value)
		i++;
	return ten * steps[i + after];
}

/* Values from 0 to 1 share one bucket. */
double stats_bound(double value)
{
	return value < 1 ? 0 : bucket(value, 0);
}

double stats_bound_next(double bound)
{
	return bound < 1 ? 1 : bucket(bound, 1);
}

size_t stats_between(const struct stats *stats, double low, double high)
{
	size_t count = 0;

	for (size_t i = 0; i < stats->num; i++)
		count += stats->value[i] >= low && stats->value[i] < high;
	return count;
}
