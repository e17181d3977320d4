// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory four times the limit of its cgroup: most of it is swapped out at any
 * time, all data must be right, and nothing may be pinned.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "odp_bench.h"
#include "odp_system.h"

#define LIMIT	(10 * MIB)
#define WORKING	(4 * LIMIT)
#define CHUNK	(64 * KIB)
#define CHUNKS	(WORKING / CHUNK)

/* How often each chunk was written: that and the chunk's number determine its contents. */
static uint32_t written[CHUNKS];

static void fill_chunk(uint64_t *p, size_t chunk)
{
	for (size_t i = 0; i < CHUNK / sizeof(*p); i++)
		p[i] = chunk << 48 | (uint64_t)written[chunk] << 16 | i;
}

static void check_chunk(const uint64_t *p, size_t chunk, const char *who)
{
	for (size_t i = 0; i < CHUNK / sizeof(*p); i++)
		vt_require(p[i] == (chunk << 48 | (uint64_t)written[chunk] << 16 | i),
			   "chunk %zu, word %zu: %s sees %#llx", chunk, i, who,
			   (unsigned long long)p[i]);
}

struct mover {
	struct rc_pair *pair;
	struct vt_mem *mem, *buf;
	bool local;
};

/* A put or get of one chunk; unlike in a bench the other end has memory for one chunk only. */
static void move(struct mover *m, size_t chunk, bool put)
{
	const struct vt_mem *here = m->local ? m->mem : m->buf;
	const struct vt_mem *there = m->local ? m->buf : m->mem;
	size_t off = chunk * CHUNK;

	rc_do(&m->pair->a, put == m->local ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE,
	      here, m->local ? off : 0, there, m->local ? 0 : off, CHUNK, IBV_WC_SUCCESS);
}

static void put_chunk(struct mover *m, size_t chunk)
{
	written[chunk]++;
	fill_chunk((uint64_t *)m->buf->addr, chunk);
	move(m, chunk, true);
}

static void get_chunk(struct mover *m, size_t chunk)
{
	memset(m->buf->addr, 0, CHUNK);
	move(m, chunk, false);
	check_chunk((uint64_t *)m->buf->addr, chunk, "the NIC");
}

static struct mover mover(const struct odp_variant *v)
{
	struct mover m = { .local = v->side == ODP_LOCAL };
	struct rc_attr attr = rc_attr_default;

	odp_need(v->kind);
	attr.mtu = 4096;
	m.pair = rc_pair_new(&attr);
	m.mem = vt_mem_at(m.local ? m.pair->a.pd : m.pair->b.pd, v->kind, vt_map(WORKING, 0),
			  WORKING, VT_ACCESS_ALL);
	m.buf = vt_mem_at(m.local ? m.pair->b.pd : m.pair->a.pd, v->kind, vt_map(CHUNK, 0),
			  CHUNK, VT_ACCESS_ALL);
	memset(written, 0, sizeof(written));
	return m;
}

static void four_times_the_limit(const void *arg)
{
	long pinned = odp_vmstat("nr_foll_pin_acquired"), out = odp_vmstat("pswpout");
	long in = odp_vmstat("pswpin");
	const char *cgroup;
	struct mover m;

	odp_swap_on(256);
	cgroup = odp_cgroup(LIMIT);
	m = mover(arg);
	odp_cgroup_enter(cgroup);
	for (size_t i = 0; i < CHUNKS; i++)
		put_chunk(&m, i);
	for (size_t i = 0; i < CHUNKS; i++)
		get_chunk(&m, i);
	for (unsigned int i = 0; i < CHUNKS / 4 * vt_opts.rounds; i++) {
		size_t chunk = vt_below(CHUNKS);

		if (vt_chance(50))
			put_chunk(&m, chunk);
		else
			get_chunk(&m, chunk);
	}
	for (size_t i = 0; i < CHUNKS; i += 1 + vt_below(8))
		check_chunk((uint64_t *)(m.mem->addr + i * CHUNK), i, "the CPU");

	vt_require(vt_status_kib("VmPin") == 0, "VmPin is %ld KiB", vt_status_kib("VmPin"));
	vt_require(vt_status_kib("VmLck") == 0, "VmLck is %ld KiB", vt_status_kib("VmLck"));
	vt_require(odp_vmstat("nr_foll_pin_acquired") == pinned, "%ld pages were pinned meanwhile",
		   odp_vmstat("nr_foll_pin_acquired") - pinned);
	out = odp_vmstat("pswpout") - out;
	in = odp_vmstat("pswpin") - in;
	vt_require(out * PAGE >= WORKING - LIMIT, "only %ld pages were swapped out", out);
	vt_require(in * PAGE >= WORKING - LIMIT, "only %ld pages were swapped in", in);
	vt_note("%ld pages out, %ld in", out, in);
}

static void add_tests(void)
{
	odp_test(four_times_the_limit, "four_times_the_limit", ODP_RDMA_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
