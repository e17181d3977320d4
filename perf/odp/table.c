// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Tables on standard output, in the style of perftest, and verdicts. */
#include "odp.h"

#define LINE	"---------------------------------------------------------------------------------------"
#define BAR	50

static bool all_good = true;

void odp_table_title(const char *title, const char *words)
{
	printf(LINE "\n                    %s: %s\n" LINE "\n", title, words);
	fflush(stdout);
}

static void show_failed(const struct perf_round *round, const struct perf_side *side,
			const struct perf_point *point)
{
	if (!point->failed)
		return;
	printf(" # %s, %s: %s\n", side ? side->name : round->extra,
	       round->op ? round->op : round->subject, point->why);
	if (!point->lacking)
		all_good = false;
}

static void show_place(const struct perf_round *round)
{
	printf(" %-6s %-6s %-9zu %-7s %-8s", round->op, round->where, round->size,
	       round->pages, round->state);
}

static void show_histogram(struct stats *all)
{
	double low = stats_min(all), high;
	size_t count, most = 1;

	for (int pass = 0; pass < 2; pass++) {
		for (double bound = stats_bound(low); ; bound = high) {
			high = stats_bound_next(bound);
			count = stats_between(all, bound, high);
			if (!pass)
				most = count > most ? count : most;
			else if (count)
				printf("   %10.2f - %10.2f usec %8zu %.*s\n", bound / 1e3,
				       high / 1e3, count, (int)(BAR * count / most),
				       "##################################################");
			if (high > stats_max(all))
				break;
		}
	}
}

/* Print one line for each side, with the CPU's times beside it. */
void odp_table_times(const struct perf_round *round, struct stats *cpu)
{
	static const char *subject;
	double touch = cpu && cpu->num ? stats_median(cpu) : 0;

	if (subject != round->subject)
		printf(" #op    #where #bytes    #pages  #state   #side            #iter"
		       "  t_min[usec] t_typical    p90       p99       p99.9     t_max"
		       "     faults/sec CPU[usec] ratio\n");
	subject = round->subject;
	for (size_t i = 0; i < round->num; i++) {
		struct perf_point *point = round->point[i];
		struct stats *all;
		double typical;

		if (!point)
			continue;
		show_failed(round, &odp_opts.run.side[i], point);
		all = &point->all;
		if (point->failed || !all->num)
			continue;
		typical = stats_median(all);
		show_place(round);
		printf(" %-16s %-6zu %-11.2f %-9.2f %-9.2f %-9.2f %-9.2f %-9.2f",
		       odp_opts.run.side[i].name, all->num, stats_min(all) / 1e3,
		       typical / 1e3, stats_quantile(all, 0.9) / 1e3,
		       stats_quantile(all, 0.99) / 1e3, stats_quantile(all, 0.999) / 1e3,
		       stats_max(all) / 1e3);
		if (touch)
			printf(" %-10.0f %-9.2f %.2f", 1e9 / typical, touch / 1e3,
			       typical / touch);
		printf("\n");
		if (odp_opts.histogram)
			show_histogram(all);
	}
	fflush(stdout);
}

/* Print one line for a configuration, with the value of every side. */
void odp_table_values(const struct perf_round *round, double scale, const char *unit)
{
	printf(" %-16s %-8s %-12zu", round->subject, round->op ? round->op : "",
	       round->size);
	for (size_t i = 0; i < round->num; i++) {
		struct perf_point *point = round->point[i];

		if (point && !point->failed && point->samples.num)
			printf("  %s %.4g %s", i < round->sides ?
			       odp_opts.run.side[i].name : round->extra,
			       stats_median_in_order(&point->samples) / scale, unit);
	}
	printf("\n");
	for (size_t i = 0; i < round->num; i++)
		if (round->point[i])
			show_failed(round, i < round->sides ?
				    &odp_opts.run.side[i] : NULL, round->point[i]);
	fflush(stdout);
}

/* Report a subject that could not be measured, with the last reason. */
void odp_table_lacking(const char *subject)
{
	printf(" # %s: %s\n", subject, perf_why());
	fflush(stdout);
	if (!perf_is_lacking())
		all_good = false;
}

/* Print PASS if @value is at most @bound, otherwise FAIL. */
void odp_verdict(const char *what, double value, double bound, const char *unit)
{
	bool good = value <= bound;

	printf(" %s: %s: %.4g%s, at most %.4g%s\n", good ? "PASS" : "FAIL", what, value, unit,
	       bound, unit);
	fflush(stdout);
	if (!good)
		all_good = false;
}

bool odp_all_good(void)
{
	return all_good;
}
