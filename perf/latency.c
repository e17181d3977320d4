// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Latency. The other end answers a WRITE or a SEND with the same operation, and half of the
 * round trip counts. For a READ the time to its completion counts. One thread serves both
 * ends: on a machine with one CPU two polling threads would alternate in time slices of 10
 * ms.
 */
#include <sched.h>

#include "perf.h"

#define SAMPLES_MAX	20000	/* exchanges of one sample */
#define REAP_EVERY	32
#define LATE_NS		100000000

struct latency {
	const struct perf_run *run;
	struct perf_link link[PERF_SIDES];
	struct perf_round *round;
	enum perf_op op;
	size_t size;
	uint8_t turn;
	unsigned int unreaped[2];
};

static int post(struct latency *lat, struct perf_link *link, int from)
{
	struct ibv_sge sge = vt_sge(link->mem[from], 0, lat->size);
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .send_flags = IBV_SEND_SIGNALED,
		.opcode = lat->op == PERF_WRITE ? IBV_WR_RDMA_WRITE :
			  lat->op == PERF_READ ? IBV_WR_RDMA_READ : IBV_WR_SEND,
	};
	int err;

	if (lat->size <= link->attr.inline_len && lat->op != PERF_READ)
		wr.send_flags |= IBV_SEND_INLINE;
	if (wr.send_flags & IBV_SEND_INLINE)
		sge.addr = (uintptr_t)link->mem[from]->addr;
	if (lat->op != PERF_SEND) {
		/* incoming data go behind outgoing data */
		wr.wr.rdma.remote_addr = link->mem[!from]->iova + MIB;
		wr.wr.rdma.rkey = link->mem[!from]->mr->rkey;
	}
	lat->unreaped[from]++;
	err = ibv_post_send(link->end[from].qp, &wr, &bad);
	return err ? perf_fail("post_send: %s", strerror(err)) : 0;
}

static int post_receive(struct latency *lat, struct perf_link *link, int to)
{
	struct ibv_sge sge = vt_sge(link->mem[to], MIB, lat->size);
	int err = rc_post_recv(&link->end[to], 0, &sge, 1);

	return err ? perf_fail("post_recv: %s", strerror(err)) : 0;
}

static int idle(uint64_t start)
{
	sched_yield();
	return perf_now() - start > PERF_SILENCE_NS ? perf_fail("no completion") : 0;
}

/* Wait until at most @left requests of an end are outstanding. */
static int reap(struct latency *lat, struct perf_link *link, int end, unsigned int left)
{
	uint64_t start = perf_now();
	int got;

	while (lat->unreaped[end] > left) {
		got = perf_completion(link->end[end].scq, REAP_EVERY);
		if (got < 0 || (!got && idle(start)))
			return -1;
		lat->unreaped[end] -= got;
	}
	return 0;
}

/* Wait for the last byte of a WRITE, which arrives last. */
static int arrive_write(struct latency *lat, struct perf_link *link, int to)
{
	volatile uint8_t *last = link->mem[to]->addr + MIB + lat->size - 1;
	uint64_t start = perf_now();
	int got;

	while (*last != lat->turn) {
		if (idle(start))
			return -1;
		if (perf_now() - start < LATE_NS)
			continue;
		/* has the request failed? */
		got = perf_completion(link->end[!to].scq, REAP_EVERY);
		if (got < 0)
			return -1;
		lat->unreaped[!to] -= got;
	}
	return 0;
}

static int arrive_send(struct latency *lat, struct perf_link *link, int to)
{
	uint64_t start = perf_now();
	int got;

	for (;;) {
		got = perf_completion(link->end[to].rcq, 1);
		if (got < 0)
			return -1;
		if (got)
			return post_receive(lat, link, to);
		if (idle(start))
			return -1;
	}
}

static int one_way(struct latency *lat, struct perf_link *link, int from)
{
	link->mem[from]->addr[lat->size - 1] = lat->turn;
	if (post(lat, link, from))
		return -1;
	if (lat->op == PERF_WRITE ? arrive_write(lat, link, !from) :
				    arrive_send(lat, link, !from))
		return -1;
	return reap(lat, link, from, REAP_EVERY);
}

/* Returns the nanoseconds of one exchange, negative on failure. */
static double exchange(struct latency *lat, struct perf_link *link)
{
	uint64_t start = perf_now();

	lat->turn++;
	if (lat->op == PERF_READ) {
		link->mem[1]->addr[MIB + lat->size - 1] = lat->turn;
		if (post(lat, link, 0) || reap(lat, link, 0, 0))
			return -1;
		return perf_now() - start;
	}
	if (one_way(lat, link, 0) || one_way(lat, link, 1))
		return -1;
	return (perf_now() - start) / 2.0;
}

static int exchanges(struct latency *lat, struct perf_link *link, struct stats *times)
{
	uint64_t end = perf_now() + lat->run->ns;
	double ns;

	for (int i = 0; i < 10; i++)
		if (exchange(lat, link) < 0)
			return -1;
	while (times->num < SAMPLES_MAX && (perf_now() < end || times->num < 10)) {
		ns = exchange(lat, link);
		if (ns < 0 || !stats_add(times, ns))
			return -1;
	}
	return reap(lat, link, 0, 0) || reap(lat, link, 1, 0) ? -1 : 0;
}

static int check(struct latency *lat, struct perf_link *link)
{
	struct vt_mem **mem = link->mem;
	bool same = lat->op == PERF_READ ?
		!memcmp(mem[0]->addr, mem[1]->addr + MIB, lat->size) :
		!memcmp(mem[1]->addr + MIB, mem[0]->addr, lat->size) &&
		!memcmp(mem[0]->addr + MIB, mem[1]->addr, lat->size);

	return same ? 0 : perf_fail("the data differ");
}

/*
 * Begin a sample. SENDs need one receive at each end; each sample leaves it posted for the
 * next.
 */
static int begin(struct latency *lat, struct perf_link *link, bool fresh)
{
	for (int i = 0; i < 2; i++) {
		lat->unreaped[i] = 0;
		vt_fill(link->mem[i]->addr, lat->size);
		vt_fill(link->mem[i]->addr + MIB, lat->size);
		/* differs from the first value sent */
		link->mem[i]->addr[MIB + lat->size - 1] = lat->turn;
		if (lat->op == PERF_SEND && fresh && post_receive(lat, link, i))
			return -1;
	}
	return 0;
}

static int sample(void *arg, size_t i, double *value)
{
	struct latency *lat = arg;
	struct perf_link *link = &lat->link[i];
	bool fresh = !link->open;
	struct stats times = { 0 };
	int err = -1;

	if (perf_link_open(link))
		return -1;
	if (!begin(lat, link, fresh))
		err = exchanges(lat, link, &times);
	if (!err)
		err = check(lat, link);
	if (err)
		perf_link_fail(link);
	*value = stats_median(&times);
	if (!err && !stats_add_all(&lat->round->point[i]->all, &times))
		err = perf_fail("out of memory");
	stats_clear(&times);
	return err;
}

static void measure(struct latency *lat, enum perf_path path, enum perf_op op, size_t size)
{
	struct perf_round round = {
		.subject = "latency", .op = perf_op_name[op], .unit = "ns",
		.path = path, .size = size,
	};
	struct rc_attr attr = perf_attr();
	size_t mark = vt_mark();

	lat->op = op;
	lat->size = size;
	lat->round = &round;
	perf_links_init(lat->link, lat->run, path, 2 * MIB, &attr);
	perf_round_init(&round, lat->run, PERF_ALL_KINDS, NULL);
	perf_round_run(&round, lat->run, sample, lat);
	vt_release_to(mark);
}

void perf_latency(const struct perf_run *run)
{
	struct latency lat = { .run = run };

	for (enum perf_path path = 0; path < PERF_PATHS; path++) {
		measure(&lat, path, PERF_WRITE, 2);
		measure(&lat, path, PERF_READ, 2);
		if (run->quick)
			continue;
		measure(&lat, path, PERF_SEND, 2);
		measure(&lat, path, PERF_WRITE, 4 * KIB);
		measure(&lat, path, PERF_WRITE, 64 * KIB);
	}
}
