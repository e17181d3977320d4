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
#define TRIES		3	/* of a sample */
#define STALLS_EVERY	16	/* samples, in which one more may be repeated */

/* @ms: the part of the time that has a bound. */
struct outcome {
	double ns, ms;
	int64_t counter[ODP_COUNTERS];
};

/*
 * A side's results over all configurations; @num: how many samples there were; @repeated:
 * how often one was taken again.
 */
struct tally {
	unsigned int num, repeated;
	double worst_ms;
	int64_t counter[ODP_COUNTERS];
};

/* @mark: what a try makes is released to this, also what one that failed has left. */
struct pitfalls {
	void (*provoke)(struct pitfalls *p, size_t i, struct outcome *out);
	double bound_ms;
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

static void provoke_damming(struct pitfalls *p, size_t i, struct outcome *out)
{
	struct rc_attr attr = rc_attr_default;
	double ms;

	attr.timeout = odp_opts.ack_timeout;
	p->damming.kind = odp_opts.run.side[i].kind;
	ms = odp_damming_run(rc_pair_between(device(p, i, 0), device(p, i, 1), &attr),
			     &p->damming);
	out->ns = ms * 1e6;
	out->ms = ms - DELAY_MS * (p->damming.where == ODP_BOTH ? 2 : 1);
}

/* The longest of some rounds. */
static void provoke_flood(struct pitfalls *p, size_t i, struct outcome *out)
{
	struct odp_flooding *f;
	double most = 0;

	p->flood.kind = odp_opts.run.side[i].kind;
	f = odp_flood_open(device(p, i, 0), device(p, i, 1), &p->flood, odp_opts.ack_timeout);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = perf_now();

		odp_flood_round(f);
		if (perf_now() - start > most)
			most = perf_now() - start;
	}
	odp_flood_close(f);
	out->ns = most;
	out->ms = most / 1e6;
}

static void try_once(struct pitfalls *p, size_t i, struct outcome *out)
{
	int64_t before[ODP_COUNTERS];

	vt_release_to(p->mark);
	read_counters(p, i, before);
	p->provoke(p, i, out);
	vt_release_to(p->mark);
	read_counters(p, i, out->counter);
	for (int c = 0; c < ODP_COUNTERS; c++)
		if (out->counter[c] >= 0)
			out->counter[c] -= before[c];
}

static void count(struct tally *tally, const struct outcome *out)
{
	for (int c = 0; c < ODP_COUNTERS; c++) {
		if (out->counter[c] < 0)
			tally->counter[c] = -1;
		else
			tally->counter[c] += out->counter[c];
	}
	if (out->ms > tally->worst_ms)
		tally->worst_ms = out->ms;
	tally->num++;
}

static bool is_bad(const struct pitfalls *p, const struct outcome *out)
{
	return out->ms > p->bound_ms || out->counter[ODP_TIMEOUTS] > 0;
}

/*
 * An ACK timeout is short, and a machine that stands still for longer looks like a pitfall.
 * But a pitfall repeats: the last try counts, and few samples may need more than one.
 */
static int sample(void *arg, size_t i, double *value)
{
	struct pitfalls *p = arg;
	struct outcome out;

	try_once(p, i, &out);
	for (int tries = 1; is_bad(p, &out) && tries < TRIES; tries++) {
		p->tally[i].repeated++;
		try_once(p, i, &out);
	}
	count(&p->tally[i], &out);
	*value = out.ns;
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

static void judge(const struct pitfalls *p, const char *what, const char *words)
{
	for (size_t i = 0; i < odp_opts.run.num_sides; i++) {
		const struct perf_side *side = &odp_opts.run.side[i];
		const struct tally *tally = &p->tally[i];
		char text[128];

		if (side->kind == VT_PINNED)
			continue;
		if (!tally->num) {
			printf(" # %s, %s: nothing was measured\n", side->name, what);
			continue;
		}
		snprintf(text, sizeof(text), "%s, %s: %s", side->name, what, words);
		odp_verdict(text, tally->worst_ms, p->bound_ms, " ms");
		judge_counters(what, side->name, tally->counter);
		snprintf(text, sizeof(text), "%s, %s: samples repeated", side->name, what);
		odp_verdict(text, tally->repeated, 1 + tally->num / STALLS_EVERY, "");
	}
}

/* Add the counts of all sides so far to the points of the last round. */
static void keep_counters(const struct pitfalls *p)
{
	for (size_t i = 0; i < p->round->num; i++) {
		struct perf_point *point = p->round->point[i];

		if (!point || point->failed)
			continue;
		for (int c = 0; c < ODP_COUNTERS; c++)
			if (p->tally[i].counter[c] >= 0)
				perf_point_number(point, odp_counter_name[c],
						  p->tally[i].counter[c]);
		perf_point_number(point, "repeated", p->tally[i].repeated);
	}
}

/* --- configurations --- */

static void measure(struct pitfalls *p, struct perf_round *round, unsigned int gap)
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
	struct pitfalls p = {
		.provoke = provoke_damming, .bound_ms = LATE_MS, .path = path(),
	};
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
				measure(&p, &round, gaps[g]);
				keep_counters(&p);
			}
	judge(&p, "damming", "time beyond that of the faults");
}

void odp_flood(void)
{
	static const unsigned int qps[] = { 16, 1, 64, ODP_PITFALL_QPS };
	struct pitfalls p = {
		.provoke = provoke_flood, .bound_ms = FLOOD_MS, .path = path(),
	};
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
			measure(&p, &round, 0);
			keep_counters(&p);
		}
	judge(&p, "flood", "longest round");
}
