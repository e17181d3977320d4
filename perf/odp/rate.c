// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults per second: several requests in flight, each to a page that has never been
 * touched. For comparison the CPU touches such pages, one after the other. Then all sides
 * do the same with pages that are present.
 */
#include <sched.h>

#include "odp.h"

#define PAGES	2048
#define SIZE	64

struct rate {
	enum odp_op op;
	enum odp_state state;
	enum perf_path path;
	unsigned int flight;
	size_t pages;
	struct odp_link link[PERF_SIDES];
	struct perf_round *touch;
};

static int post(const struct rate *rate, struct odp_link *link, size_t page)
{
	struct odp_end *near = &link->end[0], *far = &link->end[1];
	struct ibv_sge sge = {
		.addr = near->iova[ODP_PLAIN] + page * SIZE, .length = SIZE,
		.lkey = near->lkey[ODP_PLAIN],
	};
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .send_flags = IBV_SEND_SIGNALED,
		.opcode = rate->op == ODP_READ ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE,
		.wr.rdma = {
			.remote_addr = far->iova[ODP_AREA] + page * ODP_PAGE,
			.rkey = far->rkey[ODP_AREA],
		},
	};
	int err = ibv_post_send(near->rc.qp, &wr, &bad);

	return err ? perf_fail("post_send: %s", strerror(err)) : 0;
}

/* Access each page once; returns the time in @ns. */
static int all_pages(const struct rate *rate, struct odp_link *link, double *ns)
{
	uint64_t start = perf_now(), last = start;
	size_t posted = 0, done = 0;
	int got;

	while (done < rate->pages) {
		while (posted < rate->pages && posted - done < rate->flight)
			if (post(rate, link, posted++))
				return -1;
		got = perf_completion(link->end[0].rc.scq, rate->flight);
		if (got < 0)
			return -1;
		done += got;
		if (got) {
			last = perf_now();
			continue;
		}
		sched_yield();
		if (perf_now() - last > PERF_SILENCE_NS)
			return perf_fail("no completion");
	}
	*ns = perf_now() - start;
	return 0;
}

static int touch(struct rate *rate, struct odp_end *end)
{
	struct odp_ask ask = {
		.what = ODP_ASK_TOUCH, .len = SIZE, .num = rate->pages, .stride = ODP_PAGE,
		.op = rate->op,
	};
	struct stats times = { 0 };
	double sum = 0;
	int err = odp_ask(end, &ask, &times);

	for (size_t i = 0; i < times.num; i++)
		sum += times.value[i];
	stats_clear(&times);
	if (!err && !stats_add(&rate->touch->point[0]->samples, rate->pages * 1e9 / sum))
		err = perf_fail("out of memory");
	return err;
}

/* READs have brought the start of each page, WRITEs the pieces of the plain buffer. */
static int check(const struct rate *rate, struct odp_link *link, uint64_t written,
		 uint64_t held)
{
	bool read = rate->op == ODP_READ;
	struct odp_ask ask = {
		.what = ODP_ASK_CHECK, .which = read ? ODP_PLAIN : ODP_AREA, .len = SIZE,
		.stride = read ? SIZE : ODP_PAGE, .step = read ? ODP_PAGE : SIZE,
		.num = rate->pages, .seed = read ? held : written,
	};

	return odp_opts.check ? odp_ask(&link->end[!read], &ask, NULL) : 0;
}

static int turn(struct rate *rate, struct odp_link *link, double *value)
{
	uint64_t seed = vt_rand() | 1;
	struct odp_ask want = {
		.kind = link->side->kind, .pages = ODP_SMALL, .state = rate->state,
		.seed = seed, .len = rate->pages * ODP_PAGE, .plain_len = rate->pages * SIZE,
	};
	/* not what the first pass has left at either end */
	struct odp_ask fill = { .what = ODP_ASK_FILL, .seed = vt_rand() | 1 };
	bool warm = rate->state == ODP_WARM;
	double ns;

	if (odp_link_memory(link, 1, &want))
		return -1;
	if (warm ? all_pages(rate, link, &ns) : touch(rate, &link->end[1]))
		return -1;
	if (odp_ask(&link->end[0], &fill, NULL) || all_pages(rate, link, &ns))
		return -1;
	*value = rate->pages * 1e9 / ns;
	return check(rate, link, fill.seed, warm ? seed : 0);
}

static int sample(void *arg, size_t i, double *value)
{
	struct rate *rate = arg;

	if (odp_link_open(&rate->link[i]))
		return -1;
	return odp_link_done(&rate->link[i], turn(rate, &rate->link[i], value));
}

static void measure(struct rate *rate)
{
	const struct perf_run *run = &odp_opts.run;
	unsigned int kinds = rate->state == ODP_WARM ? PERF_ALL_KINDS :
			     1U << VT_ODP | 1U << VT_IMPLICIT;
	struct perf_round round = {
		.subject = "odp-rate", .op = odp_op_name[rate->op], .unit = "pages/s",
		.pages = odp_pages_name[ODP_SMALL], .state = odp_state_name[rate->state],
		.where = odp_where_name[ODP_REMOTE], .path = rate->path, .size = SIZE,
		.flight = rate->flight,
	};
	struct perf_round touched = round;
	struct perf_run nobody = { };

	rate->touch = &touched;
	perf_round_init(&round, run, kinds, NULL);
	if (rate->state != ODP_WARM)
		perf_round_init(&touched, &nobody, 0, "CPU");
	perf_round_run(&round, run, sample, rate);
	odp_table_values(&round, 1, "pages/s");
	if (rate->state != ODP_WARM)
		odp_table_values(&touched, 1, "pages/s");
}

static void measure_states(struct rate *rate)
{
	static const enum odp_state states[] = { ODP_WARM, ODP_COLD };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		rate->state = states[i];
		if (odp_opts.states & 1U << rate->state)
			measure(rate);
	}
}

void odp_rate(void)
{
	static const unsigned int flights[] = { 1, 16, 64 };
	struct rate rate = { .pages = odp_opts.iters ? odp_opts.iters : PAGES };
	size_t first = odp_opts.run.quick ? ARRAY_SIZE(flights) - 1 : 0;

	if (odp_opts.run.quick && !odp_opts.iters)
		rate.pages /= 4;
	odp_table_title("Rate", "64 bytes to each page, many requests in flight");
	for (rate.path = 0; rate.path < PERF_PATHS; rate.path++) {
		if (!(odp_opts.paths & 1U << rate.path))
			continue;
		odp_links_init(rate.link, rate.path);
		for (rate.op = ODP_WRITE; rate.op <= ODP_READ; rate.op++)
			for (size_t i = first; i < ARRAY_SIZE(flights); i++) {
				rate.flight = flights[i];
				if (odp_opts.ops & 1U << rate.op)
					measure_states(&rate);
			}
		odp_links_close(rate.link);
	}
}
