// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Packet damming and packet floods (odp_pitfall.h): measures their cost in time, ACK
 * timeouts and retransmitted packets, and checks that it is within bounds.
 */
#include "odp.h"
#include "odp_pitfall.h"

#define DELAY_MS	200	/* duration of a fault: longer than the usual ACK timeout */
#define LATE_MS		400	/* tolerance for a busy or emulated machine */
#define FLOOD_MS	1000	/* bound of a round of all QPs */
#define AGAIN_PERCENT	1	/* bound of retransmissions */
#define ROUNDS		3

/* A side's results over all configurations; @num: how many samples there were. */
struct tally {
	unsigned int num;
	double worst_ms;
	int64_t counter[ODP_COUNTERS];
};

/* @mark: what a sample makes is released to this, also what one that failed has left. */
struct pitfalls {
	struct odp_damming damming;
	struct odp_flood flood;
	enum perf_path path;
	size_t mark;
	struct perf_round *round;
	struct tally tally[PERF_SIDES];
};

static struct vt_dev *device(const struct pitfalls *p, size_t i, int end)
{
	return &odp_opts.run.side[i].nic->dev[end && p->path == PERF_WIRE];
}

/* The counters of both devices of a side; -1 for counters that they lack. */
static void read_counters(const struct pitfalls *p, size_t i, int64_t *counter)
{
	int64_t far[ODP_COUNTERS];

	odp_counters(device(p, i, 0), counter);
	if (p->path != PERF_WIRE)
		return;
	odp_counters(device(p, i, 1), far);
	for (int c = 0; c < ODP_COUNTERS; c++)
		counter[c] = counter[c] < 0 || far[c] < 0 ? -1 : counter[c] + far[c];
}

static void count(struct pitfalls *p, size_t i, const int64_t *before, double ms)
{
	struct tally *tally = &p->tally[i];
	int64_t now[ODP_COUNTERS];

	read_counters(p, i, now);
	for (int c = 0; c < ODP_COUNTERS; c++) {
		if (now[c] < 0)
			tally->counter[c] = -1;
		else
			tally->counter[c] += now[c] - before[c];
	}
	if (ms > tally->worst_ms)
		tally->worst_ms = ms;
	tally->num++;
}

static int sample_damming(void *arg, size_t i, double *value)
{
	struct pitfalls *p = arg;
	struct rc_attr attr = rc_attr_default;
	int64_t before[ODP_COUNTERS];
	double ms;

	vt_release_to(p->mark);
	read_counters(p, i, before);
	attr.timeout = odp_opts.ack_timeout;
	p->damming.kind = odp_opts.run.side[i].kind;
	ms = odp_damming_run(rc_pair_between(device(p, i, 0), device(p, i, 1), &attr),
			     &p->damming);
	vt_release_to(p->mark);
	count(p, i, before, ms - DELAY_MS * (p->damming.where == ODP_BOTH ? 2 : 1));
	*value = ms * 1e6;
	return 0;
}

/* Measure the longest of some rounds. */
static int sample_flood(void *arg, size_t i, double *value)
{
	struct pitfalls *p = arg;
	int64_t before[ODP_COUNTERS];
	struct odp_flooding *f;
	double most = 0;

	vt_release_to(p->mark);
	p->flood.kind = odp_opts.run.side[i].kind;
	f = odp_flood_open(device(p, i, 0), device(p, i, 1), &p->flood, odp_opts.ack_timeout);
	read_counters(p, i, before);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = perf_now();

		odp_flood_round(f);
		if (perf_now() - start > most)
			most = perf_now() - start;
	}
	odp_flood_close(f);
	vt_release_to(p->mark);
	count(p, i, before, most / 1e6);
	*value = most;
	return 0;
}

/* --- verdicts --- */

static void judge_counters(const char *what, const char *side, const int64_t *counter)
{
	char text[128];
	double bound = counter[ODP_SENT] / 100.0 * AGAIN_PERCENT;

	for (int c = ODP_TIMEOUTS; c <= ODP_RETRANSMITS; c++) {
		snprintf(text, sizeof(text), "%s, %s: %s", side, what, odp_counter_name[c]);
		if (counter[c] < 0)
			printf(" # %s: the device does not count them\n", text);
		else if (c == ODP_TIMEOUTS)
			odp_verdict(text, counter[c], 0, "");
		else
			odp_verdict(text, counter[c], bound < 1 ? 1 : bound, "");
	}
}

static void judge(const struct pitfalls *p, const char *what, const char *words, double bound)
{
	for (size_t i = 0; i < odp_opts.run.num_sides; i++) {
		const struct perf_side *side = &odp_opts.run.side[i];
		char text[128];

		if (side->kind == VT_PINNED)
			continue;
		if (!p->tally[i].num) {
			printf(" # %s, %s: nothing was measured\n", side->name, what);
			continue;
		}
		snprintf(text, sizeof(text), "%s, %s: %s", side->name, what, words);
		odp_verdict(text, p->tally[i].worst_ms, bound, " ms");
		judge_counters(what, side->name, p->tally[i].counter);
	}
}

/* Add the counts of all sides so far to the points of the last round. */
static void keep_counters(const struct pitfalls *p)
{
	for (size_t i = 0; i < p->round->num; i++)
		for (int c = 0; p->round->point[i] && c < ODP_COUNTERS; c++)
			if (p->tally[i].counter[c] >= 0)
				perf_point_number(p->round->point[i], odp_counter_name[c],
						  p->tally[i].counter[c]);
}

/* --- configurations --- */

static void measure(struct pitfalls *p, struct perf_round *round, unsigned int gap,
		    int (*sample)(void *arg, size_t i, double *value))
{
	struct perf_run run = odp_opts.run;

	run.repeats = run.quick ? 1 : 2;
	p->round = round;
	perf_round_init(round, &run, 1U << VT_ODP | 1U << VT_IMPLICIT, NULL);
	for (size_t i = 0; i < round->num; i++)
		if (round->point[i] && gap)
			perf_point_number(round->point[i], "gap", gap);
	p->mark = vt_mark();
	perf_round_run(round, &run, sample, p);
	vt_release_to(p->mark);
	odp_table_values(round, 1e6, "msec");
}

static bool on_demand(void)
{
	for (size_t i = 0; i < odp_opts.run.num_sides; i++)
		if (odp_opts.run.side[i].kind != VT_PINNED)
			return true;
	perf_lacks("no device has on-demand paging");
	return false;
}

/* Prefer a wire, as these subjects are about packets; on one device there may be none. */
static enum perf_path path(void)
{
	return odp_opts.paths & 1U << PERF_WIRE ? PERF_WIRE : PERF_LOCAL;
}

void odp_damming(void)
{
	static const char *const words[] = { "", "requester", "responder", "both" };
	static const unsigned int gaps[] = { 1, 0, 3, 10 };
	struct pitfalls p = { .path = path() };
	size_t num = odp_opts.run.quick ? 1 : ARRAY_SIZE(gaps);

	odp_table_title("Damming", "two requests, of which the first one needs a slow page");
	if (!on_demand()) {
		odp_table_lacking("damming");
		return;
	}
	for (int write = 0; write <= 1; write++)
		for (enum odp_faulting where = ODP_REQUESTER; where <= ODP_BOTH; where++)
			for (size_t g = 0; g < num; g++) {
				struct perf_round round = {
					.subject = "odp-damming", .unit = "ns", .path = p.path,
					.op = write ? "write" : "read", .where = words[where],
				};

				p.damming = (struct odp_damming){
					.op = write ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
					.where = where, .gap_ms = gaps[g],
					.delay_ms = DELAY_MS,
				};
				measure(&p, &round, gaps[g], sample_damming);
				keep_counters(&p);
			}
	judge(&p, "damming", "time beyond that of the faults", LATE_MS);
}

void odp_flood(void)
{
	static const unsigned int qps[] = { 16, 1, 64, ODP_PITFALL_QPS };
	struct pitfalls p = { .path = path() };
	size_t num = odp_opts.run.quick ? 1 : ARRAY_SIZE(qps);

	odp_table_title("Flood", "many QPs that need a page at the same time");
	if (!on_demand()) {
		odp_table_lacking("flood");
		return;
	}
	for (size_t q = 0; q < num; q++)
		for (int kind = 0; kind < 4; kind++) {
			struct perf_round round = {
				.subject = "odp-flood", .unit = "ns", .path = p.path,
				.op = kind & 1 ? "one page" : "a page each", .qps = qps[q],
				.where = kind & 2 ? "disturbed" : "undisturbed",
			};

			p.flood = (struct odp_flood){
				.qps = qps[q], .same_page = kind & 1, .disturbed = kind & 2,
			};
			measure(&p, &round, 0, sample_flood);
			keep_counters(&p);
		}
	judge(&p, "flood", "longest round", FLOOD_MS);
}
