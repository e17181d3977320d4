// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * RDMA FLUSH (IBTA A19). Not every libibverbs can post it, so the test writes the requests
 * of end a into its ring, as the provider would. This does not work with rxe, which
 * computes a wrong ICRC for FLUSH: it treats the packet's headers as its payload, too.
 */
#include <rdma/ib_user_verbs.h>
#include <stdio.h>

#include "raw.h"

#define BYTES	4096
#define DEPTH	8

/* Constants for which an older libibverbs has no names. */
#define WR_FLUSH		14
#define WC_FLUSH		8
#define ACCESS_GLOBAL		(1 << 8)
#define DEVICE_FLUSH_GLOBAL	(1ULL << 38)

#define ACCESS		(VT_ACCESS_ALL | ACCESS_GLOBAL)

struct flushes {
	struct rc_pair *pair;
	struct raw_rings rings;
};

static void flushes_open(struct flushes *f, int access)
{
	struct rc_attr attr = rc_attr_default;
	struct raw_rings others;

	if (!vt_is_nopin(vt_dev(0)) || !vt_is_nopin(vt_dev(1)))
		vt_skip("rings of another driver");
	for (int i = 0; i < 2; i++)
		if (!(vt_dev(i)->attr.device_cap_flags_ex & DEVICE_FLUSH_GLOBAL))
			vt_skip("the device has no FLUSH");
	attr.access = access;
	raw_find_maps(&others);
	f->pair = rc_pair_new(&attr);
	raw_find_rings(&f->rings, &f->pair->a);
}

static void ring(struct flushes *f)
{
	struct rc_end *end = &f->pair->a;

	raw_doorbell(end->dev->ctx, end->qp->handle, IB_USER_VERBS_CMD_POST_SEND);
}

static void post_write(struct flushes *f, const struct vt_mem *from, const struct vt_mem *to,
		       size_t at, size_t len)
{
	struct nopin_sge sge = { from->iova + at, len, from->mr->lkey };

	raw_post(f->rings.sq, &(struct nopin_send_wqe){
		.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .num_sge = 1,
		.rkey = to->mr->rkey, .remote_addr = to->iova + at,
	}, &sge);
}

static struct nopin_send_wqe flush_of(const struct vt_mem *mem, uint64_t id)
{
	return (struct nopin_send_wqe){
		.wr_id = id, .opcode = WR_FLUSH, .flags = NOPIN_SEND_SIGNALED,
		.rkey = mem->mr->rkey, .remote_addr = mem->iova, .flush_length = mem->len,
		.flush_type = NOPIN_FLUSH_GLOBAL, .flush_level = NOPIN_FLUSH_RANGE,
	};
}

static void want_flushed(struct flushes *f, uint64_t id)
{
	struct ibv_wc wc = vt_want(f->pair->a.scq, id, IBV_WC_SUCCESS);

	vt_require((int)wc.opcode == WC_FLUSH, "opcode %d", wc.opcode);
}

/* Unsignaled WRITEs, then a FLUSH: when the FLUSH completes, all WRITEs have been placed. */
static void after_writes(const void *arg)
{
	const enum vt_kind *kind = arg;
	struct vt_mem *src, *dst;
	struct flushes f;

	vt_need_kind(vt_dev(0), *kind, 0);
	vt_need_kind(vt_dev(1), *kind, 0);
	flushes_open(&f, ACCESS);
	src = vt_mem_new(f.pair->a.pd, *kind, BYTES, VT_ACCESS_ALL);
	dst = vt_mem_new(f.pair->b.pd, *kind, BYTES, ACCESS);
	for (unsigned int n = 0; n < 30 * vt_opts.rounds; n++) {
		struct nopin_send_wqe flush = flush_of(dst, n);

		vt_fill(src->addr, BYTES);
		for (int i = 0; i < DEPTH; i++)
			post_write(&f, src, dst, i * (BYTES / DEPTH), BYTES / DEPTH);
		if (vt_chance(30)) {
			flush.flush_level = NOPIN_FLUSH_MR;
			flush.remote_addr = vt_rand(); /* ignored */
			flush.flush_length = (uint32_t)vt_rand();
		}
		raw_post(f.rings.sq, &flush, NULL);
		ring(&f);
		want_flushed(&f, n);
		vt_require(!memcmp(src->addr, dst->addr, BYTES), "data differs");
		vt_mem_guards(dst);
	}
}

/* As many in flight as the ring holds; max_rd_atomic limits them, as it does READs. */
static void many(const void *arg)
{
	struct vt_mem *dst;
	struct flushes f;

	(void)arg;
	flushes_open(&f, ACCESS);
	dst = vt_mem_new(f.pair->b.pd, VT_PINNED, BYTES, ACCESS);
	for (int i = 0; i < 2 * DEPTH; i++) {
		struct nopin_send_wqe flush = flush_of(dst, i);

		flush.flush_length = vt_below(BYTES + 1);
		raw_post(f.rings.sq, &flush, NULL);
	}
	ring(&f);
	for (int i = 0; i < 2 * DEPTH; i++)
		want_flushed(&f, i);
}

/* --- what is refused --- */

struct trouble {
	const char *name;
	int access;		/* of the region */
	int qp_access;
	int64_t skew;		/* of the address */
	uint32_t type;
	uint32_t level, num_sge, inline_len;
	uint64_t more;		/* added to the length */
	enum ibv_wc_status status;
};

static const struct trouble troubles[] = {
	{ "no right of the region", VT_ACCESS_ALL, ACCESS, 0, NOPIN_FLUSH_GLOBAL,
	  .status = IBV_WC_REM_ACCESS_ERR },
	{ "no right of all of the region", VT_ACCESS_ALL, ACCESS, 0, NOPIN_FLUSH_GLOBAL,
	  .level = NOPIN_FLUSH_MR, .status = IBV_WC_REM_ACCESS_ERR },
	{ "no right of the QP", ACCESS, VT_ACCESS_ALL, 0, NOPIN_FLUSH_GLOBAL,
	  .status = IBV_WC_REM_INV_REQ_ERR },
	{ "below the region", ACCESS, ACCESS, -1, NOPIN_FLUSH_GLOBAL,
	  .status = IBV_WC_REM_ACCESS_ERR },
	{ "beyond the region", ACCESS, ACCESS, 1, NOPIN_FLUSH_GLOBAL,
	  .status = IBV_WC_REM_ACCESS_ERR },
	{ "persistent", ACCESS, ACCESS, 0, NOPIN_FLUSH_PERSISTENT,
	  .status = IBV_WC_REM_INV_REQ_ERR },
	{ "no type", ACCESS, ACCESS, 0, 0, .status = IBV_WC_LOC_QP_OP_ERR },
	{ "another type", ACCESS, ACCESS, 0, 5, .status = IBV_WC_LOC_QP_OP_ERR },
	{ "another level", ACCESS, ACCESS, 0, NOPIN_FLUSH_GLOBAL,
	  .level = 2, .status = IBV_WC_LOC_QP_OP_ERR },
	{ "33 bits of length", ACCESS, ACCESS, 0, NOPIN_FLUSH_GLOBAL,
	  .more = 1ULL << 32, .status = IBV_WC_LOC_QP_OP_ERR },
	{ "an element", ACCESS, ACCESS, 0, NOPIN_FLUSH_GLOBAL,
	  .num_sge = 1, .status = IBV_WC_LOC_QP_OP_ERR },
	{ "inline data", ACCESS, ACCESS, 0, NOPIN_FLUSH_GLOBAL,
	  .inline_len = 8, .status = IBV_WC_LOC_QP_OP_ERR },
};

static void refused(const void *arg)
{
	const struct trouble *trouble = arg;
	struct nopin_send_wqe flush;
	struct nopin_sge sge;
	struct vt_mem *mem;
	struct flushes f;

	flushes_open(&f, trouble->qp_access);
	mem = vt_mem_new(f.pair->b.pd, VT_PINNED, BYTES, trouble->access);
	flush = flush_of(mem, 5);
	flush.remote_addr += trouble->skew;
	flush.flush_length += trouble->more;
	flush.flush_type = trouble->type;
	flush.flush_level = trouble->level;
	flush.num_sge = trouble->num_sge;
	flush.inline_len = trouble->inline_len;
	if (trouble->inline_len)
		flush.flags |= NOPIN_SEND_INLINE;
	sge = (struct nopin_sge){ mem->iova, 8, mem->mr->lkey };
	raw_post(f.rings.sq, &flush, &sge);
	ring(&f);
	vt_want(f.pair->a.scq, 5, trouble->status);
	vt_mem_guards(mem);
}

/* A region that may be flushed persistently is refused: the device has no persistent memory. */
static void no_persistent_region(const void *arg)
{
	struct ibv_pd *pd = vt_new_pd(vt_dev(0)->ctx);

	(void)arg;
	if (!vt_is_nopin(vt_dev(0)))
		vt_skip("another driver");
	vt_require(!ibv_reg_mr(pd, vt_map(BYTES, 0), BYTES, VT_ACCESS_ALL | 1 << 9) &&
		   (errno == EOPNOTSUPP || errno == EINVAL), "reg_mr: %s", strerror(errno));
}

static void add_tests(void)
{
	static const enum vt_kind kinds[] = { VT_PINNED, VT_ODP, VT_IMPLICIT };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		vt_test(after_writes, &kinds[i], "after writes, %s", vt_kind_name[kinds[i]]);
	VT_TEST(many);
	for (size_t i = 0; i < ARRAY_SIZE(troubles); i++)
		vt_test(refused, &troubles[i], "refused, %s", troubles[i].name);
	VT_TEST(no_persistent_region);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
