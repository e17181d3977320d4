// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Keys that work requests invalidate (IBTA 10.6.5, 10.8.2). */
#include "rc.h"

#define LEN	9000	/* bytes of a region: several pages and packets */

static void post_inv(struct rc_end *end, enum ibv_wr_opcode op, uint64_t id, uint32_t key)
{
	struct vt_wr wr;

	vt_wr_init(&wr, op, id);
	wr.wr.invalidate_rkey = key;
	vt_ok(rc_post(end, &wr));
}

/* The QP has failed for it, and @mem is as good as before. */
static void is_alive(struct rc_pair *pair, const struct vt_mem *mem)
{
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, LEN, VT_ACCESS_ALL);

	vt_require(rc_state(&pair->a) == IBV_QPS_ERR, "the QP has not failed");
	rc_reconnect(pair);
	vt_fill(src->addr, LEN);
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, src, 0, mem, 0, LEN, IBV_WC_SUCCESS);
	vt_require(!memcmp(src->addr, mem->addr, LEN), "data differ");
}

/* What the program has registered only the program ends. */
static void region_is_not_invalidated_here(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = vt_mem_new(pair->a.pd, *(const enum vt_kind *)arg, LEN,
					VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_new(pair->b.pd, VT_PINNED, LEN, VT_ACCESS_ALL);
	struct ibv_wc wc;

	/* What is before it is done first, and what is behind it is not. */
	rc_start(&pair->a, IBV_WR_RDMA_WRITE, 1, mem, 0, dst, 0, LEN);
	rc_start(&pair->a, IBV_WR_RDMA_READ, 2, mem, 0, dst, 0, LEN);
	post_inv(&pair->a, IBV_WR_LOCAL_INV, 3, mem->mr->rkey);
	post_inv(&pair->a, IBV_WR_LOCAL_INV, 4, mem->mr->rkey);
	vt_want(pair->a.scq, 1, IBV_WC_SUCCESS);
	vt_want(pair->a.scq, 2, IBV_WC_SUCCESS);
	wc = vt_want(pair->a.scq, 3, IBV_WC_MW_BIND_ERR);
	vt_require(wc.qp_num == pair->a.qp->qp_num, "completion of QP %u", wc.qp_num);
	vt_want(pair->a.scq, 4, IBV_WC_WR_FLUSH_ERR);
	is_alive(pair, dst);
}

/* Nor does a peer. The data of the SEND may have come, but the receive has failed. */
static void region_is_not_invalidated_by_peer(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = vt_mem_new(pair->b.pd, *(const enum vt_kind *)arg, LEN,
					VT_ACCESS_ALL);
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, LEN, VT_ACCESS_ALL);
	struct ibv_sge sge = vt_sge(mem, 0, LEN);
	struct vt_wr wr;

	vt_ok(rc_post_recv(&pair->b, 7, &sge, 1));
	vt_wr_init(&wr, IBV_WR_SEND_WITH_INV, 1);
	vt_wr_local(&wr, src, 0, vt_length(LEN, pair->attr.mtu));
	wr.wr.invalidate_rkey = vt_chance(50) ? mem->mr->rkey : vt_rand();
	vt_ok(rc_post(&pair->a, &wr));
	vt_want(pair->a.scq, 1, IBV_WC_REM_ACCESS_ERR);
	vt_want(pair->b.rcq, 7, IBV_WC_REM_INV_REQ_ERR);
	vt_want_event(pair->b.dev, IBV_EVENT_QP_ACCESS_ERR);
	is_alive(pair, mem);
}

static void add_tests(void)
{
	static const enum vt_kind kinds[] = { VT_PINNED, VT_ODP, VT_IMPLICIT };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		vt_test(region_is_not_invalidated_here, &kinds[i],
			"region_is_not_invalidated_here, %s", vt_kind_name[kinds[i]]);
		vt_test(region_is_not_invalidated_by_peer, &kinds[i],
			"region_is_not_invalidated_by_peer, %s", vt_kind_name[kinds[i]]);
	}
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
