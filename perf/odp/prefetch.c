// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The time to make untouched memory accessible to the NIC without faults: by advice about
 * an on-demand region, by pinned registration, or by an access of the NIC to each page
 * ("demand"). For comparison the CPU touches as many pages. "present" is advice with
 * IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT about pages that the CPU has already touched.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "odp.h"

#define PART		GIB	/* bytes of one call: an element's length has 32 bits */
#define PROBES		16
#define FLIGHT		64

enum way { PREFETCH_WRITE, PREFETCH_READ, PRESENT, DEMAND, WAYS };

static const char *const way_name[WAYS] = { "write", "read", "present", "demand" };

struct prefetch {
	enum way way;
	size_t len;
	struct odp_link link[PERF_SIDES];
};

static uint8_t *fresh(size_t len)
{
	uint8_t *map = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED) {
		perf_fail("mmap of %zu bytes: %s", len, strerror(errno));
		return NULL;
	}
	madvise(map, len, MADV_NOHUGEPAGE);
	return map;
}

static void touch_all(uint8_t *map, size_t len, bool write)
{
	for (size_t off = 0; off < len; off += ODP_PAGE) {
		if (write)
			*(volatile uint8_t *)(map + off) = 1;
		else
			(void)*(volatile uint8_t *)(map + off);
	}
}

static int advise(struct ibv_mr *mr, uint8_t *map, size_t len, enum way way)
{
	static const enum ibv_advise_mr_advice advice[WAYS] = {
		[PREFETCH_WRITE] = IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
		[PREFETCH_READ] = IBV_ADVISE_MR_ADVICE_PREFETCH,
		[PRESENT] = IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
	};
	int err;

	for (size_t off = 0; off < len; off += PART) {
		size_t part = len - off < PART ? len - off : PART;
		struct ibv_sge sge = { (uintptr_t)map + off, part, mr->lkey };

		err = ibv_advise_mr(mr->pd, advice[way], IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
		if (err == EOPNOTSUPP)
			return perf_lacks("the device takes no advice");
		if (err)
			return perf_fail("advise_mr: %s", strerror(err));
	}
	return 0;
}

/* WRITE one byte to each @step bytes of the memory, with several requests in flight. */
static int reach(struct odp_link *link, struct ibv_mr *mr, uint8_t *map, size_t len,
		 size_t step)
{
	struct odp_end *near = &link->end[0];
	struct ibv_sge sge = { near->iova[ODP_PLAIN], 1, near->lkey[ODP_PLAIN] };
	size_t flying = 0;

	for (size_t off = 0; off < len || flying; off += off < len ? step : 0) {
		struct ibv_send_wr *bad, wr = {
			.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE,
			.send_flags = IBV_SEND_SIGNALED,
			.wr.rdma = { .remote_addr = (uintptr_t)map + off, .rkey = mr->rkey },
		};
		int err = off < len ? ibv_post_send(near->rc.qp, &wr, &bad) : 0;

		if (err)
			return perf_fail("post_send: %s", strerror(err));
		flying += off < len;
		if (flying < FLIGHT && off + step < len)
			continue;
		if (perf_wait(near->rc.scq, flying))
			return -1;
		flying = 0;
	}
	return 0;
}

/* Check that accesses work, and do not fault if the device counts faults. */
static int check(struct odp_link *link, struct ibv_mr *mr, uint8_t *map, size_t len,
		 enum way way)
{
	size_t step = len / PROBES < ODP_PAGE ? ODP_PAGE : len / PROBES & ~(ODP_PAGE - 1);
	long long before, after;
	uint8_t value = vt_rand() | 1;

	if (!odp_opts.check)
		return 0;
	before = odp_counter(link->end[1].dev, "page_faults");
	*link->end[0].plain.addr = value;
	if (reach(link, mr, map, len, step))
		return -1;
	for (size_t off = 0; off < len; off += step)
		if (map[off] != value)
			return perf_fail("the data differ, at %zu", off);
	after = odp_counter(link->end[1].dev, "page_faults");
	/* without advice to write a device may map pages read-only */
	if (before >= 0 && after != before && way != PREFETCH_READ && way != PRESENT)
		return perf_fail("%lld faults after all was there", after - before);
	return 0;
}

static int timed(struct prefetch *p, struct odp_link *link, uint8_t *map, double *value)
{
	enum vt_kind kind = link->side->kind;
	int access = VT_ACCESS_ALL | (kind == VT_PINNED ? 0 : IBV_ACCESS_ON_DEMAND);
	struct ibv_pd *pd = link->end[1].rc.pd;
	uint64_t start = perf_now();
	struct ibv_mr *mr = kind == VT_IMPLICIT ? ibv_reg_mr(pd, NULL, SIZE_MAX, access) :
						  ibv_reg_mr(pd, map, p->len, access);
	int err = mr ? 0 : perf_fail("reg_mr: %s", strerror(errno));

	if (kind != VT_PINNED)
		start = perf_now();
	if (!err && kind != VT_PINNED)
		err = p->way == DEMAND ? reach(link, mr, map, p->len, ODP_PAGE) :
					 advise(mr, map, p->len, p->way);
	*value = perf_now() - start;
	if (!err)
		err = check(link, mr, map, p->len, p->way);
	if (mr && ibv_dereg_mr(mr) && !err)
		err = perf_fail("dereg_mr: %s", strerror(errno));
	return err;
}

static int sample_cpu(struct prefetch *p, double *value)
{
	uint8_t *map = fresh(p->len);
	uint64_t start;

	if (!map)
		return -1;
	if (p->way == PRESENT)
		touch_all(map, p->len, true);
	start = perf_now();
	touch_all(map, p->len, p->way != PREFETCH_READ);
	*value = perf_now() - start;
	munmap(map, p->len);
	return 0;
}

static int turn(struct prefetch *p, struct odp_link *link, double *value)
{
	struct odp_ask want = { .plain_len = ODP_PAGE };
	uint8_t *map;
	int err;

	if (odp_link_memory(link, 1, &want))
		return -1;
	map = fresh(p->len);
	if (!map)
		return -1;
	if (p->way == PRESENT)
		touch_all(map, p->len, true);
	err = timed(p, link, map, value);
	munmap(map, p->len);
	return err;
}

static int sample(void *arg, size_t i, double *value)
{
	struct prefetch *p = arg;

	if (i == odp_opts.run.num_sides)
		return sample_cpu(p, value);
	if (odp_link_open(&p->link[i]))
		return -1;
	return odp_link_done(&p->link[i], turn(p, &p->link[i], value));
}

static void measure(struct prefetch *p)
{
	unsigned int on_demand = 1U << VT_ODP | 1U << VT_IMPLICIT;
	struct perf_round round = {
		.subject = "odp-prefetch", .op = way_name[p->way], .unit = "ns", .size = p->len,
	};
	bool pins = p->way == PREFETCH_WRITE || p->way == PRESENT;

	perf_round_init(&round, &odp_opts.run, pins ? PERF_ALL_KINDS : on_demand, "CPU");
	perf_round_run(&round, &odp_opts.run, sample, p);
	odp_table_values(&round, 1e6, "msec");
}

/* Touch memory before it is timed: a host gives a VM its memory at the first touch. */
static void touch_before(size_t len)
{
	uint8_t *map = fresh(len);

	if (!map)
		return;
	touch_all(map, len, true);
	munmap(map, len);
}

void odp_prefetch(void)
{
	static const size_t sizes[] = {
		64 * KIB, MIB, 16 * MIB, 64 * MIB, 256 * MIB, GIB,
	};
	struct prefetch p = { };

	odp_table_title("Prefetch", "until the NIC reaches all of fresh memory");
	odp_links_init(p.link, PERF_LOCAL);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		p.len = sizes[i];
		if (p.len > odp_room()) {
			perf_progress("no room for %zu MiB", p.len / MIB);
			break;
		}
		if (odp_opts.run.quick && p.len != MIB && p.len != GIB)
			continue;
		touch_before(p.len);
		for (p.way = 0; p.way < WAYS; p.way++)
			if (p.way == PREFETCH_WRITE || p.len <= 16 * MIB)
				measure(&p);
	}
	odp_links_close(p.link);
}
