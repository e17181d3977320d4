// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory: registering much more memory than the machine has, first accesses by
 * the NIC, holes, read-only mappings. Nothing may be pinned at any time.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rc.h"

#define PAGE	4096UL

static struct rc_pair *odp_pair(enum vt_kind kind)
{
	vt_need_kind(vt_dev(0), kind, 0x1f);
	vt_need_kind(vt_dev(1), kind, 0x1f);
	return rc_pair();
}

static void nothing_pinned(long locked_before)
{
	vt_require(vt_status_kib("VmPin") == 0, "VmPin is %ld KiB", vt_status_kib("VmPin"));
	vt_require(vt_status_kib("VmLck") == locked_before, "VmLck is %ld KiB",
		   vt_status_kib("VmLck"));
}

/* --- registration --- */

static uint64_t time_to_register(struct rc_pair *pair, void *addr, size_t len)
{
	uint64_t best = UINT64_MAX, start, took;
	struct ibv_mr *mr;

	for (int i = 0; i < 20; i++) {
		start = vt_now_ns();
		mr = ibv_reg_mr(pair->a.pd, addr, len, VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
		took = vt_now_ns() - start;
		vt_require(mr, "reg_mr of %zu bytes: %s", len, strerror(errno));
		vt_ok(ibv_dereg_mr(mr));
		best = took < best ? took : best;
	}
	return best;
}

/* Registering 1 TiB (vt_map_large()) takes as long as registering 4 KiB, and pins nothing. */
static void register_terabyte(const void *arg)
{
	struct rc_pair *pair = odp_pair(VT_ODP);
	size_t len = 1024 * GIB;
	uint8_t *addr = vt_map_large(&len);
	uint64_t small, large;
	struct vt_mem *mem, *src;

	(void)arg;
	small = time_to_register(pair, addr, PAGE);
	large = time_to_register(pair, addr, len);
	vt_note("4 KiB registered in %llu ns, %llu GiB in %llu ns", (unsigned long long)small,
		(unsigned long long)(len / GIB), (unsigned long long)large);
	vt_require(large < 5000000, "1 TiB took %llu ns", (unsigned long long)large);
	vt_require(large < 4 * small, "1 TiB is not O(1)");
	mem = vt_mem_at(pair->b.pd, VT_ODP, addr, len, VT_ACCESS_ALL);
	src = vt_mem_new(pair->a.pd, VT_PINNED, 100000, VT_ACCESS_ALL);
	vt_fill(src->addr, src->len);
	vt_release(src->mr);
	src->mr = vt_reg(pair->a.pd, VT_ODP, src->addr, src->len, src->iova, VT_ACCESS_ALL);
	for (int i = 0; i < 20; i++) {
		size_t off = i == 0 ? len - src->len : vt_below(len - src->len);

		rc_do(&pair->a, IBV_WR_RDMA_WRITE, src, 0, mem, off, src->len, IBV_WC_SUCCESS);
		vt_require(!memcmp(addr + off, src->addr, src->len), "data differ");
	}
	nothing_pinned(0);
}

/* An implicit region covers memory that is mapped before and after its registration. */
static void implicit_reaches_all(const void *arg)
{
	struct rc_pair *pair = odp_pair(VT_IMPLICIT);
	uint8_t *before = vt_map(64 * KIB, 0), *after, local[256];
	struct vt_mem *all = vt_mem_at(pair->b.pd, VT_IMPLICIT, before, 64 * KIB,
				       VT_ACCESS_ALL);
	struct vt_mem *mine = vt_mem_at(pair->a.pd, VT_IMPLICIT, local, sizeof(local),
					VT_ACCESS_ALL);
	static uint8_t data[256];

	(void)arg;
	after = vt_map(64 * KIB, 0);
	vt_fill(local, sizeof(local));
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, mine, 0, all, 100, 256, IBV_WC_SUCCESS);
	vt_require(!memcmp(before + 100, local, 256), "mapped before: data differ");
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, mine, 0, all, after - before + 5, 256,
	      IBV_WC_SUCCESS);
	vt_require(!memcmp(after + 5, local, 256), "mapped after: data differ");
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, mine, 0, all, data - before, 256, IBV_WC_SUCCESS);
	vt_require(!memcmp(data, local, 256), "static data differ");
	nothing_pinned(0);
}

/* --- first accesses --- */

/* A READ of pages never touched returns zeros; a WRITE then allocates private pages. */
static void zero_page(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;
	struct rc_pair *pair = odp_pair(kind);
	uint8_t *cold = vt_map(64 * PAGE, 0), *other = vt_map(64 * PAGE, 0);
	struct vt_mem *remote = vt_mem_at(pair->b.pd, kind, cold, 64 * PAGE, VT_ACCESS_ALL);
	struct vt_mem *local = vt_mem_new(pair->a.pd, kind, 64 * PAGE, VT_ACCESS_ALL);
	uint8_t sum = 0;

	(void)arg;
	rc_do(&pair->a, IBV_WR_RDMA_READ, local, 0, remote, 0, 64 * PAGE, IBV_WC_SUCCESS);
	for (size_t i = 0; i < 64 * PAGE; i++)
		vt_require(!local->addr[i], "byte %zu of an untouched page is %#x", i,
			   local->addr[i]);
	for (size_t i = 0; i < 64; i++)		/* maps the zero page */
		sum |= __atomic_load_n(&other[i * PAGE], __ATOMIC_RELAXED);
	vt_fill(local->addr, local->len);
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, local, 0, remote, 0, 64 * PAGE, IBV_WC_SUCCESS);
	vt_require(!memcmp(cold, local->addr, 64 * PAGE), "data differ");
	for (size_t i = 0; i < 64 * PAGE; i++)
		sum |= other[i];
	vt_require(!sum, "the WRITE reached the shared zero page");
}

struct cold {
	const struct rc_op *op;
	enum vt_kind kind;
	bool source, target;	/* which end's memory has no pages */
};

static void make_cold(struct vt_mem *mem)
{
	vt_ok(madvise(mem->map, mem->map_len, MADV_DONTNEED));
}

static void make_warm(struct vt_mem *mem)
{
	vt_fill(mem->addr, mem->len);
}

/* Messages of several MiB where pages are missing at neither, one or both ends. */
static void cold_message(const void *arg)
{
	const struct cold *c = arg;
	struct rc_pair *pair = odp_pair(c->kind);
	size_t len = 3 * MIB + 1234;
	struct vt_mem *local = vt_mem_new(pair->a.pd, c->kind, len, VT_ACCESS_ALL);
	struct vt_mem *remote = vt_mem_new(pair->b.pd, c->kind, len, VT_ACCESS_ALL);
	struct vt_mem *src = c->op->fetches ? remote : local;
	struct vt_mem *dst = c->op->fetches ? local : remote;
	struct vt_wr wr;

	for (int i = 0; i < 3; i++) {
		struct ibv_sge sge = vt_sge(remote, 0, len);
		uint8_t *want = vt_map(len, 0);

		make_warm(src);
		make_warm(dst);
		if (c->source)
			make_cold(src);
		else
			memcpy(want, src->addr, len);
		if (c->target)
			make_cold(dst);
		vt_wr_init(&wr, c->op->op, i);
		vt_wr_local(&wr, local, 0, len);
		if (c->op->rdma)
			vt_wr_remote(&wr, remote, 0);
		else
			vt_ok(rc_post_recv(&pair->b, i, &sge, 1));
		vt_ok(rc_post(&pair->a, &wr));
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
		if (c->op->recv)
			vt_want(pair->b.rcq, i, IBV_WC_SUCCESS);
		vt_require(!memcmp(dst->addr, want, len), "target data differ");
		vt_require(!memcmp(src->addr, want, len), "source data changed");
	}
	nothing_pinned(0);
}

/* Many requests at once to missing pages, in an order that is bad for read-around. */
static void cold_storm(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;
	struct rc_pair *pair = odp_pair(kind);
	size_t len = 64 * 16 * KIB;
	struct vt_mem *local = vt_mem_new(pair->a.pd, kind, len, VT_ACCESS_ALL);
	struct vt_mem *remote = vt_mem_new(pair->b.pd, kind, len, VT_ACCESS_ALL);
	struct vt_wr wr;

	for (unsigned int round = 0; round < 5 * vt_opts.rounds; round++) {
		make_warm(local);
		make_cold(remote);
		for (int i = 0; i < 64; i++) {
			size_t off = (i * 37 % 64) * 16 * KIB;

			vt_wr_init(&wr, IBV_WR_RDMA_WRITE, i);
			vt_wr_local(&wr, local, off, 16 * KIB);
			vt_wr_remote(&wr, remote, off);
			vt_ok(rc_post(&pair->a, &wr));
		}
		for (int i = 0; i < 64; i++)
			vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
		vt_require(!memcmp(local->addr, remote->addr, len), "data differ");
	}
}

static void cold_atomics(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;
	struct rc_pair *pair = odp_pair(kind);
	uint64_t *words = vt_map(256 * PAGE, 0);
	struct vt_mem *remote = vt_mem_at(pair->b.pd, kind, words, 256 * PAGE, VT_ACCESS_ALL);
	struct vt_mem *local = vt_mem_new(pair->a.pd, kind, 8, VT_ACCESS_ALL);
	struct vt_wr wr;

	for (int i = 0; i < 256; i++) {
		vt_wr_init(&wr, IBV_WR_ATOMIC_FETCH_AND_ADD, i);
		vt_wr_local(&wr, local, 0, 8);
		vt_wr_remote(&wr, remote, i * PAGE + 8 * (i % 512));
		vt_wr_atomic(&wr, i + 1, 0);
		make_cold(local);
		vt_ok(rc_post(&pair->a, &wr));
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
		vt_require(words[i * 512 + i % 512] == (uint64_t)i + 1, "word %d is wrong", i);
	}
}

/* --- holes and rights --- */

static void try_hole(enum vt_kind kind, const struct rc_op *op, size_t off, size_t len)
{
	struct rc_pair *pair = rc_pair();
	uint8_t *map = vt_map(16 * PAGE, 0);
	struct vt_mem *remote = vt_mem_at(pair->b.pd, kind, map, 16 * PAGE, VT_ACCESS_ALL);
	struct vt_mem *local = vt_mem_new(pair->a.pd, kind, 16 * PAGE, VT_ACCESS_ALL);

	memset(map, 1, 16 * PAGE);
	vt_ok(munmap(map + 8 * PAGE, PAGE));
	rc_do(&pair->a, op->op, local, 0, remote, off, len, IBV_WC_REM_ACCESS_ERR);
	vt_want_event(pair->b.dev, IBV_EVENT_QP_ACCESS_ERR);
}

/* A page that is not mapped causes an access error, anywhere in a message. */
static void hole(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;
	static const enum ibv_wr_opcode ops[] = {
		IBV_WR_RDMA_READ, IBV_WR_RDMA_WRITE, IBV_WR_ATOMIC_FETCH_AND_ADD,
	};

	odp_pair(kind);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		try_hole(kind, rc_op(ops[i]), 8 * PAGE + 16, 8);
	try_hole(kind, rc_op(IBV_WR_RDMA_READ), 0, 16 * PAGE);
	try_hole(kind, rc_op(IBV_WR_RDMA_WRITE), 0, 16 * PAGE);
	try_hole(kind, rc_op(IBV_WR_RDMA_READ), 8 * PAGE - 1, 2);
	try_hole(kind, rc_op(IBV_WR_RDMA_WRITE), 8 * PAGE - 1, 2);
}

/* The same for local memory: the source, or the destination of the response, is not mapped. */
static void local_hole(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;

	odp_pair(kind);
	for (int i = 0; i < 2; i++) {
		struct rc_pair *pair = rc_pair();
		uint8_t *map = vt_map(16 * PAGE, 0);
		struct vt_mem *local = vt_mem_at(pair->a.pd, kind, map, 16 * PAGE,
						 VT_ACCESS_ALL);
		struct vt_mem *remote = vt_mem_new(pair->b.pd, kind, 16 * PAGE,
						   VT_ACCESS_ALL);

		vt_ok(munmap(map + 8 * PAGE, PAGE));
		rc_do(&pair->a, i ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, local, 0,
		      remote, 0, 16 * PAGE, IBV_WC_LOC_PROT_ERR);
	}
}

static void recv_hole(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;
	struct rc_pair *pair = odp_pair(kind);
	uint8_t *map = vt_map(16 * PAGE, 0);
	struct vt_mem *dst = vt_mem_at(pair->b.pd, kind, map, 16 * PAGE, VT_ACCESS_ALL);
	struct vt_mem *src = vt_mem_new(pair->a.pd, kind, 16 * PAGE, VT_ACCESS_ALL);
	struct ibv_sge sge = vt_sge(dst, 0, 16 * PAGE);

	vt_ok(munmap(map + 8 * PAGE, PAGE));
	vt_ok(rc_post_recv(&pair->b, 1, &sge, 1));
	rc_do(&pair->a, IBV_WR_SEND, src, 0, NULL, 0, 16 * PAGE, IBV_WC_REM_OP_ERR);
	vt_want(pair->b.rcq, 1, IBV_WC_LOC_PROT_ERR);
}

/* A read-only mapping: READ returns data, WRITE and atomics fail at once. */
static void read_only(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;
	static const enum ibv_wr_opcode ops[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_ATOMIC_FETCH_AND_ADD,
	};

	odp_pair(kind);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct rc_pair *pair = rc_pair();
		uint8_t *map = vt_map(16 * PAGE, 0);
		struct vt_mem *remote = vt_mem_at(pair->b.pd, kind, map, 16 * PAGE,
						  VT_ACCESS_ALL);
		struct vt_mem *local = vt_mem_new(pair->a.pd, kind, 16 * PAGE,
						  VT_ACCESS_ALL);
		uint64_t start;

		vt_fill(map, 16 * PAGE);
		vt_ok(mprotect(map, 16 * PAGE, PROT_READ));
		rc_do(&pair->a, IBV_WR_RDMA_READ, local, 0, remote, 0, 16 * PAGE,
		      IBV_WC_SUCCESS);
		vt_require(!memcmp(local->addr, map, 16 * PAGE), "data differ");
		start = vt_now_ms();
		rc_do(&pair->a, ops[i], local, 0, remote, 64, 8, IBV_WC_REM_ACCESS_ERR);
		vt_require(vt_now_ms() - start < 2000, "the error took %llu ms",
			   (unsigned long long)(vt_now_ms() - start));
		vt_require(!memcmp(local->addr, map, 16 * PAGE), "it was written");
	}
}

/* --- registration that must fail --- */

static void refuse(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova, int access,
		   const char *what)
{
	struct ibv_mr *mr = ibv_reg_mr_iova(pd, addr, len, iova, access);

	vt_require(!mr, "registered %s", what);
}

static void register_refused(const void *arg)
{
	struct rc_pair *pair = odp_pair(VT_ODP);
	uint8_t *map = vt_map(4 * PAGE, 0);
	const int odp = VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND;
	struct ibv_pd *pd = pair->a.pd;
	uint64_t va = (uintptr_t)map;

	(void)arg;
	refuse(pd, map, SIZE_MAX - 100, va, odp, "a range that wraps");
	refuse(pd, (void *)(~0UL - PAGE + 1), 2 * PAGE, 0, odp, "a range that wraps");
	refuse(pd, map, PAGE, 0 - PAGE + va % PAGE + PAGE / 2, odp, "another offset in the page");
	refuse(pd, map, 4 * PAGE, 0 - PAGE, odp, "an IOVA that wraps");
	refuse(pd, map, PAGE, va, IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_ON_DEMAND,
	       "remote without local write");
	refuse(pd, map, PAGE, va, odp | 1 << 15, "an unknown access flag");
	refuse(pd, map, 4 * PAGE, va, VT_ACCESS_ALL | 1 << 15, "an unknown access flag");
	refuse(pd, NULL, 4 * PAGE, 0, VT_ACCESS_ALL, "pinned memory that is not there");
	refuse(pd, map, SIZE_MAX / 2, va, VT_ACCESS_ALL, "half of all addresses, pinned");
}

static const enum vt_kind kinds[] = { VT_ODP, VT_IMPLICIT };
static struct cold colds[64];

static void add_cold_messages(void)
{
	static const enum ibv_wr_opcode ops[] = {
		IBV_WR_SEND, IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ,
	};
	struct cold *c = colds;

	for (size_t o = 0; o < ARRAY_SIZE(ops); o++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			for (int sides = 0; sides < 4; sides++, c++) {
				static const char *const names[] = {
					"none", "source", "target", "both",
				};

				*c = (struct cold){ rc_op(ops[o]), kinds[k],
						    sides & 1, sides & 2 };
				vt_test(cold_message, c, "cold_%s_%s_%s", c->op->name,
					vt_kind_name[kinds[k]], names[sides]);
			}
}

static void add_for_kinds(vt_fn fn, const char *name)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		vt_test(fn, &kinds[k], "%s_%s", name, vt_kind_name[kinds[k]]);
}

static void add_tests(void)
{
	VT_TEST(register_terabyte);
	VT_TEST(register_refused);
	VT_TEST(implicit_reaches_all);
	add_for_kinds(zero_page, "zero_page");
	add_cold_messages();
	add_for_kinds(cold_storm, "cold_storm");
	add_for_kinds(cold_atomics, "cold_atomics");
	add_for_kinds(hole, "hole");
	add_for_kinds(local_hole, "local_hole");
	add_for_kinds(recv_hole, "recv_hole");
	add_for_kinds(read_only, "read_only");
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
