// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A working set several times as large as the process's memory limit: a cgroup limits its
 * memory, and the rest is in swap. In random order each chunk is read, compared and written
 * again, by the NIC or by a copy of the CPU. Only the transfers are timed.
 */
#include <sys/mman.h>

#include "odp.h"
#include "odp_system.h"

#define TIMES	4
#define CHUNK	(64 * KIB)

struct overcommit {
	size_t len, chunks;
	uint32_t *order;
	struct odp_link link[PERF_SIDES];
	struct perf_round *round;
};

/* One side's turn; the CPU's turn has no link. */
struct mover {
	struct odp_link *link;
	struct ibv_mr *mr;
	uint8_t *map, *buf;
	uint64_t seed;
	double ns;
};

static void shuffle(struct overcommit *oc)
{
	for (size_t i = 0; i < oc->chunks; i++)
		oc->order[i] = i;
	for (size_t i = oc->chunks - 1; i > 0; i--) {
		size_t k = vt_below(i + 1);
		uint32_t one = oc->order[i];

		oc->order[i] = oc->order[k];
		oc->order[k] = one;
	}
}

static int transfer(struct mover *m, size_t chunk, bool put)
{
	struct odp_end *near = &m->link->end[0];
	struct ibv_sge sge = { near->iova[ODP_PLAIN], CHUNK, near->lkey[ODP_PLAIN] };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .send_flags = IBV_SEND_SIGNALED,
		.opcode = put ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
		.wr.rdma = {
			.remote_addr = (uintptr_t)m->map + chunk * CHUNK,
			.rkey = m->mr->rkey,
		},
	};
	int err = ibv_post_send(near->rc.qp, &wr, &bad);

	return err ? perf_fail("post_send: %s", strerror(err)) :
		     perf_wait(near->rc.scq, 1);
}

static int move(struct mover *m, size_t chunk, bool put)
{
	uint8_t *there = m->map + chunk * CHUNK;
	uint64_t start = perf_now();
	int err = 0;

	if (m->link)
		err = transfer(m, chunk, put);
	else
		memcpy(put ? there : m->buf, put ? m->buf : there, CHUNK);
	m->ns += perf_now() - start;
	return err;
}

static int put(struct mover *m, size_t chunk)
{
	odp_pattern(m->buf, CHUNK, m->seed, chunk * CHUNK);
	return move(m, chunk, true);
}

static int get(struct mover *m, size_t chunk)
{
	memset(m->buf, 0, CHUNK);
	if (move(m, chunk, false))
		return -1;
	if (odp_opts.check && odp_pattern_differs(m->buf, CHUNK, m->seed, chunk * CHUNK))
		return perf_fail("the data differ, in chunk %zu", chunk);
	return 0;
}

static int run(struct overcommit *oc, struct mover *m, double *value)
{
	for (size_t i = 0; i < oc->chunks; i++)
		if (put(m, oc->order[i]))
			return -1;
	shuffle(oc);
	m->ns = 0;
	for (size_t i = 0; i < oc->chunks; i++)
		if (get(m, oc->order[i]) || put(m, oc->order[i]))
			return -1;
	*value = 2 * oc->len * 1e9 / m->ns;
	return 0;
}

static int turn(struct overcommit *oc, struct odp_link *link, double *value)
{
	struct odp_ask want = { .plain_len = CHUNK };
	struct mover m = { .link = link, .seed = vt_rand() | 1 };
	size_t mark = vt_mark();
	int err;

	if (link && odp_link_memory(link, 1, &want))
		return -1;
	m.map = vt_map(oc->len, 0);
	madvise(m.map, oc->len, MADV_NOHUGEPAGE);
	if (link) {
		m.mr = vt_reg(link->end[1].rc.pd, link->side->kind, m.map, oc->len,
			      (uintptr_t)m.map, VT_ACCESS_ALL);
		m.buf = link->end[0].plain.addr;
	} else {
		m.buf = vt_map(CHUNK, 0);
	}
	err = run(oc, &m, value);
	vt_release_to(mark);
	return err;
}

static int sample(void *arg, size_t i, double *value)
{
	struct overcommit *oc = arg;

	if (i == oc->round->sides)
		return turn(oc, NULL, value);
	return odp_link_done(&oc->link[i], turn(oc, &oc->link[i], value));
}

/* Make the links, then enter a cgroup with a memory limit. */
static int confine(void *arg)
{
	struct overcommit *oc = arg;
	const struct perf_run *run = &odp_opts.run;
	size_t limit = oc->len / TIMES;

	for (size_t i = 0; i < run->num_sides; i++)
		if (run->side[i].kind != VT_PINNED && odp_link_open(&oc->link[i]))
			return -1;
	oc->chunks = oc->len / CHUNK;
	oc->order = calloc(oc->chunks, sizeof(*oc->order));
	vt_require(oc->order, "out of memory");
	vt_defer(free, oc->order);
	shuffle(oc);
	odp_swap_on(2 * oc->len / MIB);
	odp_cgroup_enter(odp_cgroup(limit));
	return 0;
}

void odp_overcommit(void)
{
	struct overcommit oc = { .len = TIMES * (odp_opts.run.quick ? 10 : 32) * MIB };
	struct perf_round round = {
		.subject = "odp-overcommit", .op = "write", .unit = "B/s", .size = oc.len,
	};
	struct perf_run few = odp_opts.run;
	size_t mark = vt_mark();

	/* a turn takes long, whatever the duration of a sample */
	if (few.repeats > 3)
		few.repeats = 3;
	odp_table_title("Overcommit", "a working set of four times the memory, and swap");
	oc.round = &round;
	odp_links_init(oc.link, PERF_LOCAL);
	if (perf_try(confine, &oc)) {
		odp_table_lacking("overcommit");
	} else {
		perf_round_init(&round, &few, 1U << VT_ODP | 1U << VT_IMPLICIT, "CPU");
		perf_round_run(&round, &few, sample, &oc);
		odp_table_values(&round, 1e6, "MB/s");
	}
	odp_links_close(oc.link);
	vt_release_to(mark);
}
