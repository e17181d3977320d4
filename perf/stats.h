/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Order statistics of a growing set of values. */
#ifndef PERF_STATS_H
#define PERF_STATS_H

#include <stdbool.h>
#include <stddef.h>

struct stats {
	double *value;
	size_t num, room;
	bool sorted;
};

/* Returns false if there is no memory or the value is not finite. */
bool stats_add(struct stats *stats, double value);
bool stats_add_all(struct stats *stats, const struct stats *more);
void stats_clear(struct stats *stats);

/* These return 0 for an empty set. */
double stats_quantile(struct stats *stats, double q);
double stats_median(struct stats *stats);
/* The same, but the samples keep their order. Returns NAN if memory is short. */
double stats_median_in_order(const struct stats *stats);
double stats_min(struct stats *stats);
double stats_max(struct stats *stats);

/*
 * Histogram with bounds 0, 1, 2, 5, 10, 20 and so on: the bound at or below @value, the
 * bound after @bound, and the number of values from @low to below @high.
 */
double stats_bound(double value);
double stats_bound_next(double bound);
size_t stats_between(const struct stats *stats, double low, double high);

#endif /* PERF_STATS_H */
