// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A round: all sides take turns at one configuration. Rates vary from minute to minute and
 * from boot to boot, so only values measured side by side can be compared.
 */
#include <math.h>
#include <stdio.h>

#include "perf.h"

#define TURNS_MIN	2

static bool all_good = true;

static void describe(struct perf_point *point, const struct perf_round *round)
{
	if (round->op)
		perf_point_text(point, "op", round->op);
	if (round->pages)
		perf_point_text(point, "pages", round->pages);
	if (round->state)
		perf_point_text(point, "state", round->state);
	if (round->where)
		perf_point_text(point, "where", round->where);
	perf_point_text(point, "path", perf_path_name[round->path]);
	if (round->size)
		perf_point_number(point, "size", round->size);
	if (round->align)
		perf_point_number(point, "align", round->align);
	if (round->qps)
		perf_point_number(point, "qps", round->qps);
	if (round->threads)
		perf_point_number(point, "threads", round->threads);
	if (round->post)
		perf_point_number(point, "post", round->post);
	if (round->flight)
		perf_point_number(point, "flight", round->flight);
}

/*
 * The point of side i is point[i], NULL if the side is left out; that of @extra comes after
 * them.
 */
void perf_round_init(struct perf_round *round, const struct perf_run *run,
		     unsigned int kinds, const char *extra)
{
	round->extra = extra;
	round->sides = run->num_sides;
	round->num = run->num_sides + !!extra;
	for (size_t i = 0; i < round->num; i++) {
		const struct perf_side *side = &run->side[i];

		round->point[i] = NULL;
		if (i < run->num_sides && side->by_kind && !(kinds & 1U << side->kind))
			continue;
		round->point[i] = perf_point(round->subject,
					     i < run->num_sides ? side->name : extra,
					     round->unit);
		describe(round->point[i], round);
		if (i < run->num_sides && !side->nic)
			perf_point_fail(round->point[i], side->missing);
	}
}

struct attempt {
	int (*sample)(void *arg, size_t i, double *value);
	void *arg;
	size_t i;
	double *value;
};

static int attempt_sample(void *arg)
{
	struct attempt *try = arg;

	return try->sample(try->arg, try->i, try->value);
}

static int try_sample(int (*sample)(void *arg, size_t i, double *value), void *arg,
		      size_t i, double *value)
{
	struct attempt try = { sample, arg, i, value };

	return perf_try(attempt_sample, &try);
}

/* What others cannot do, and what is lacking here, is told by the result alone. */
static void fail(struct perf_round *round, const struct perf_run *run, size_t i)
{
	struct perf_point *point = round->point[i];

	perf_point_fail(point, perf_why());
	if (point->lacking || i >= run->num_sides || run->side[i].nic != run->nopin)
		return;
	all_good = false;
	perf_progress("%s %s, %s failed: %s", round->subject, round->op ? round->op : "",
		      run->side[i].name, point->why);
}

static void take(struct perf_round *round, const struct perf_run *run, size_t i,
		 int (*sample)(void *arg, size_t i, double *value), void *arg)
{
	struct perf_point *point = round->point[i];
	uint64_t drops = vt_backlog_drops();
	double value;
	int err;

	if (!point || point->failed)
		return;
	err = try_sample(sample, arg, i, &value);
	if (!err && !stats_add(&point->samples, value))
		err = perf_fail("not a number");
	if (err)
		fail(round, run, i);
	point->drops += vt_backlog_drops() - drops;
}

static void size_text(char *text, size_t len, size_t size)
{
	if (size >= MIB && size % MIB == 0)
		snprintf(text, len, "%zu MiB", size / MIB);
	else if (size >= KIB && size % KIB == 0)
		snprintf(text, len, "%zu KiB", size / KIB);
	else
		snprintf(text, len, "%zu B", size);
}

static void show_point(char *text, size_t len, struct perf_point *point, const char *side,
		       const char *unit)
{
	double value = stats_median_in_order(&point->samples);

	if (point->failed || isnan(value)) {
		snprintf(text, len, "  %s -", side);
		return;
	}
	if (!strcmp(unit, "B/s"))
		snprintf(text, len, "  %s %.4g MB/s", side, value / 1e6);
	else if (!strcmp(unit, "ns"))
		snprintf(text, len, "  %s %.4g us", side, value / 1e3);
	else
		snprintf(text, len, "  %s %.4g %s", side, value, unit);
}

static void show(const struct perf_round *round, const struct perf_run *run)
{
	char line[512] = "", size[32] = "", what[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < round->num; i++) {
		if (!round->point[i])
			continue;
		show_point(line + used, sizeof(line) - used, round->point[i],
			   i < run->num_sides ? run->side[i].name : round->extra, round->unit);
		used = strlen(line);
	}
	if (round->size)
		size_text(size, sizeof(size), round->size);
	if (round->state)
		snprintf(what, sizeof(what), " %s %s pages, %s", round->state, round->pages,
			 round->where);
	if (round->qps > 1)
		snprintf(what, sizeof(what), " %u QPs", round->qps);
	if (round->threads > 1)
		snprintf(what, sizeof(what), " %u threads", round->threads);
	perf_progress("%s %s %s %s%s:%s", round->subject, round->op ? round->op : "", size,
		      perf_path_name[round->path], what, line);
}

/*
 * Each turn begins with another side. On a slow or busy machine there are fewer turns: the
 * overhead of samples (data, connections, last completions) may double the total time, not
 * more.
 */
void perf_round_run(struct perf_round *round, const struct perf_run *run,
		    int (*sample)(void *arg, size_t i, double *value), void *arg)
{
	uint64_t start = perf_now(), limit = 2 * run->ns * run->repeats * round->num;

	for (unsigned int turn = 0; turn < run->repeats; turn++) {
		if (turn >= TURNS_MIN && perf_now() - start > limit)
			break;
		for (size_t k = 0; k < round->num; k++)
			take(round, run, (turn + k) % round->num, sample, arg);
	}
	show(round, run);
}

void perf_round_fail_with(struct perf_round *round, const struct perf_round *cause)
{
	for (size_t i = 0; i < cause->num; i++) {
		struct perf_point *point = round->point[i], *failed = cause->point[i];

		if (!point || point->failed || !failed || !failed->failed)
			continue;
		perf_point_fail(point, failed->why);
		point->lacking = failed->lacking;
	}
}

bool perf_all_good(void)
{
	return all_good;
}
