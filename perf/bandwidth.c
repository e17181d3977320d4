// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Bandwidth by message size, with one request per post, and by the number of large requests
 * in flight. Message rates with 64 requests per post, by the number in flight. For
 * comparison, the bandwidth of a CPU copy over the same buffers.
 */
#include <string.h>

#include "perf.h"

#define WINDOW	(512 * KIB)	/* bytes of each batch */
#define BATCHES	2		/* in flight; subject "depth" varies it */

struct bandwidth {
	const struct perf_run *run;
	struct perf_link link[PERF_SIDES];
	enum perf_op op;
	size_t size;
	unsigned int batch, post, flight;
};

static int sample_copy(struct bandwidth *bw, double *rate)
{
	uint8_t *from = bw->link->memory[0], *to = bw->link->memory[1];
	uint64_t start = perf_now(), messages = 0, now;
	unsigned int num = bw->flight * bw->batch;

	vt_fill(from, num * bw->size);
	do {
		for (unsigned int i = 0; i < num; i++)
			perf_copy(to + i * bw->size, from + i * bw->size, bw->size);
		messages += num;
		now = perf_now();
	} while (now - start < bw->run->ns / 2);
	*rate = messages * 1e9 / (now - start);
	return 0;
}

static int sample(void *arg, size_t i, double *value)
{
	struct bandwidth *bw = arg;
	struct perf_flow flow;
	int err;

	if (i == bw->run->num_sides) {
		err = sample_copy(bw, value);
	} else {
		if (perf_link_open(&bw->link[i]))
			return -1;
		perf_flow_init(&flow, &bw->link[i], bw->op, bw->size, bw->batch, bw->post,
			       bw->flight);
		err = perf_flow_rate(&flow, 1, bw->run->ns, value);
		perf_flow_free(&flow);
	}
	if (bw->post == 1)
		*value *= bw->size;
	return err;
}

static void measure(struct bandwidth *bw, enum perf_path path, size_t size,
		    unsigned int post, unsigned int flight)
{
	struct perf_round round = {
		.subject = post > 1 ? "rate" : flight == BATCHES ? "bandwidth" : "depth",
		.op = perf_op_name[bw->op], .unit = post == 1 ? "B/s" : "msg/s",
		.path = path, .size = size, .post = post,
	};

	bw->size = size;
	bw->post = post;
	bw->batch = perf_batch(size, WINDOW, 64);
	bw->flight = flight;
	if (strcmp(round.subject, "bandwidth"))
		round.flight = flight * bw->batch;
	perf_round_init(&round, bw->run, PERF_ALL_KINDS, "memcpy");
	perf_round_run(&round, bw->run, sample, bw);
}

static void sweep(struct bandwidth *bw, enum perf_path path)
{
	static const size_t sizes[] = {
		2, 64, 512, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 8 * MIB,
	};
	static const size_t rate_sizes[] = { 64, 2, 512, 4 * KIB };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		measure(bw, path, sizes[i], 1, BATCHES);
	for (unsigned int flight = 1; flight <= 8; flight *= 2)
		if (flight != BATCHES)
			measure(bw, path, MIB, 1, flight);
	for (size_t i = 0; i < ARRAY_SIZE(rate_sizes); i++)
		measure(bw, path, rate_sizes[i], 64, BATCHES);
	measure(bw, path, 64, 64, 1);
	measure(bw, path, 64, 64, 4);
	measure(bw, path, 64, 64, PERF_FLIGHT / 64);
}

/*
 * The configurations that the targets are about. WRITEs get more samples, as few samples
 * scatter by more than the cost of ODP.
 */
static void sweep_quick(struct bandwidth *bw, enum perf_path path)
{
	const struct perf_run *run = bw->run;
	struct perf_run often = *run;

	often.repeats *= 3;
	if (bw->op == PERF_WRITE)
		bw->run = &often;
	measure(bw, path, 64 * KIB, 1, BATCHES);
	if (bw->op != PERF_SEND)
		measure(bw, path, MIB, 1, BATCHES);
	if (bw->op == PERF_WRITE) {
		measure(bw, path, MIB, 1, 2 * BATCHES);
		measure(bw, path, 64, 64, BATCHES);
		measure(bw, path, 64, 64, PERF_FLIGHT / 64);
	}
	bw->run = run;
}

void perf_bandwidth(const struct perf_run *run)
{
	size_t len = run->quick ? 4 * MIB : PERF_MEMORY;
	struct rc_attr attr = perf_attr();
	struct bandwidth bw = { .run = run };

	for (enum perf_path path = 0; path < PERF_PATHS; path++) {
		size_t mark = vt_mark();

		perf_links_init(bw.link, run, path, len, &attr);
		for (bw.op = 0; bw.op < PERF_OPS; bw.op++)
			run->quick ? sweep_quick(&bw, path) : sweep(&bw, path);
		vt_release_to(mark);
	}
}
