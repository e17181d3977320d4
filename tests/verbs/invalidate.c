// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Keys invalidated by work requests: LOCAL_INV, and SEND_WITH_INV of the peer (IBTA 10.6.5,
 * 10.8.2).
 */
#include "mw.h"

static void type_2_is_invalidated_here(const void *arg)
{
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS);
	for (int i = 0; i < 5; i++) {
		mw_refuse_bind(&s, mw_part(s.mem, 0, LEN, RIGHTS));
		s.mw->rkey = s.rkey; /* a refused binding leaves the key */
		mw_local_inv(&s.pair->b, ibv_inc_rkey(s.rkey), IBV_WC_MW_BIND_ERR);
		rc_reconnect(s.pair);
		mw_use(&s);
		mw_local_inv(&s.pair->b, s.rkey, IBV_WC_SUCCESS);
		mw_refuse(&s, IBV_WR_RDMA_WRITE, s.rkey, s.base, 1);
		mw_scene_bind(&s, vt_below(4000), 5000, RIGHTS);
		mw_use(&s);
	}
}

/* The peer invalidates the window with the last packet of a message of any length. */
static void send_inv(struct mw_scene *s, size_t len)
{
	struct vt_mem *dst = vt_mem_new(s->pair->b.pd, s->kind, LEN, VT_ACCESS_ALL);
	struct ibv_sge sge = vt_sge(dst, 0, LEN);
	struct vt_wr wr;
	struct ibv_wc wc;

	vt_ok(rc_post_recv(&s->pair->b, 7, &sge, 1));
	vt_fill(s->local->addr, len);
	vt_wr_init(&wr, IBV_WR_SEND_WITH_INV, 1);
	vt_wr_local(&wr, s->local, 0, len);
	wr.wr.invalidate_rkey = s->rkey;
	vt_ok(rc_post(&s->pair->a, &wr));
	wc = vt_want(s->pair->b.rcq, 7, IBV_WC_SUCCESS);
	vt_require(wc.opcode == IBV_WC_RECV && wc.byte_len == len &&
		   wc.wc_flags == IBV_WC_WITH_INV && wc.invalidated_rkey == s->rkey,
		   "opcode %d, %u bytes, flags %#x, key %#x of %#x", wc.opcode, wc.byte_len,
		   wc.wc_flags, wc.invalidated_rkey, s->rkey);
	vt_require(!memcmp(dst->addr, s->local->addr, len), "data differ");
	wc = vt_want(s->pair->a.scq, 1, IBV_WC_SUCCESS);
	vt_require(wc.opcode == IBV_WC_SEND, "opcode %d", wc.opcode);
}

static void type_2_is_invalidated_by_peer(const void *arg)
{
	static const size_t lens[] = { 0, 1, 100, 1024, 1025, 5000, LEN };
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		mw_use(&s);
		send_inv(&s, lens[i]);
		mw_refuse(&s, IBV_WR_RDMA_WRITE, s.rkey, s.base, 1);
		mw_scene_bind(&s, vt_below(4000), 5000, RIGHTS);
	}
}

/* When the invalidation has completed, no byte changes any more. */
static void invalidated_under_traffic(const void *arg)
{
	struct ibv_wc wc[32];
	struct mw_scene s;
	int i, n;

	mw_scene_init(&s, arg, RIGHTS);
	vt_fill(s.local->addr, LEN);
	for (int round = 0; round < 20; round++) {
		for (i = 0; i < 32; i++) {
			struct vt_wr wr;

			vt_wr_init(&wr, IBV_WR_RDMA_WRITE, i);
			vt_wr_local(&wr, s.local, i, s.len); /* all write other data */
			wr.wr.wr.rdma.rkey = s.rkey;
			wr.wr.wr.rdma.remote_addr = s.base;
			vt_ok(rc_post(&s.pair->a, &wr));
		}
		mw_local_inv(&s.pair->b, s.rkey, IBV_WC_SUCCESS);
		memcpy(s.model, s.mem->addr, LEN);
		n = vt_poll_for(s.pair->a.scq, wc, 32, vt_patience_ms());
		vt_require(n == 32, "%d of 32 have completed", n);
		for (i = 0; i < 32 && wc[i].status == IBV_WC_SUCCESS; i++)
			;
		vt_require(i == 32 || wc[i].status == IBV_WC_REM_ACCESS_ERR, "%s",
			   ibv_wc_status_str(wc[i].status));
		mw_scene_guards(&s);
		rc_reconnect(s.pair);
		mw_scene_bind(&s, vt_below(4000), 5000, RIGHTS);
	}
}

/* In one call: send to the peer, invalidate a window, bind it again, send again. */
static void requests_are_in_order(const void *arg)
{
	struct vt_wr wr[4];
	struct ibv_sge sge;
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS);
	for (int i = 0; i < 50; i++) {
		uint32_t rkey = ibv_inc_rkey(s.rkey);

		sge = vt_sge(s.local, 0, LEN);
		vt_ok(rc_post_recv(&s.pair->a, 1, &sge, 1));
		vt_ok(rc_post_recv(&s.pair->a, 2, &sge, 1));
		vt_wr_init(&wr[0], IBV_WR_SEND, 10);
		vt_wr_local(&wr[0], s.mem, 0, vt_below(3000));
		vt_wr_init(&wr[1], IBV_WR_LOCAL_INV, 11);
		wr[1].wr.invalidate_rkey = s.rkey;
		vt_wr_init(&wr[2], IBV_WR_BIND_MW, 12);
		wr[2].wr.bind_mw.mw = s.mw;
		wr[2].wr.bind_mw.rkey = rkey;
		wr[2].wr.bind_mw.bind_info = mw_part(s.mem, s.off, s.len, RIGHTS);
		vt_wr_init(&wr[3], IBV_WR_SEND, 13);
		vt_wr_local(&wr[3], s.mem, 0, 4);
		vt_wr_chain(wr, vt_chance(50) ? 4 : 3);
		vt_ok(rc_post(&s.pair->b, wr));
		for (int id = 10; id < 13; id++)
			vt_want(s.pair->b.scq, id, IBV_WC_SUCCESS);
		if (!wr[2].wr.next)
			vt_ok(rc_post(&s.pair->b, &wr[3]));
		vt_want(s.pair->b.scq, 13, IBV_WC_SUCCESS);
		vt_want(s.pair->a.rcq, 1, IBV_WC_SUCCESS);
		vt_want(s.pair->a.rcq, 2, IBV_WC_SUCCESS);
		s.rkey = rkey;
		mw_use(&s);
	}
}

/* LOCAL_INV waits for the requests before it, which may have to be sent again. */
static void local_inv_waits(const void *arg)
{
	struct vt_wr wr[2];
	struct ibv_sge sge;
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS);
	vt_wr_init(&wr[0], IBV_WR_SEND, 10);
	vt_wr_local(&wr[0], s.mem, 0, 4);
	vt_wr_init(&wr[1], IBV_WR_LOCAL_INV, 11);
	wr[1].wr.invalidate_rkey = s.rkey;
	vt_wr_chain(wr, 2);
	vt_ok(rc_post(&s.pair->b, wr));		/* the peer has no receive yet */
	vt_want_none(s.pair->b.scq, 20);
	mw_use(&s);
	sge = vt_sge(s.local, 0, LEN);
	vt_ok(rc_post_recv(&s.pair->a, 1, &sge, 1));
	vt_want(s.pair->a.rcq, 1, IBV_WC_SUCCESS);
	vt_want(s.pair->b.scq, 10, IBV_WC_SUCCESS);
	vt_want(s.pair->b.scq, 11, IBV_WC_SUCCESS);
	mw_refuse(&s, IBV_WR_RDMA_WRITE, s.rkey, s.base, 1);
}

static void type_1_is_not_invalidated(const void *arg)
{
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS);
	mw_local_inv(&s.pair->b, s.rkey, IBV_WC_MW_BIND_ERR);
	rc_reconnect(s.pair);
	mw_use(&s);
}

/* --- keys that must not be invalidated --- */
/* The QP has failed, and after a reconnect the region of @mem still works. */
static void is_alive(struct rc_pair *pair, const struct vt_mem *mem)
{
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, LEN, VT_ACCESS_ALL);

	vt_require(rc_state(&pair->a) == IBV_QPS_ERR, "the QP has not failed");
	rc_reconnect(pair);
	vt_fill(src->addr, LEN);
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, src, 0, mem, 0, LEN, IBV_WC_SUCCESS);
	vt_require(!memcmp(src->addr, mem->addr, LEN), "data differ");
}

/* LOCAL_INV cannot end a region that the program has registered. */
static void region_is_not_invalidated_here(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = vt_mem_new(pair->a.pd, *(const enum vt_kind *)arg, LEN,
					VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_new(pair->b.pd, VT_PINNED, LEN, VT_ACCESS_ALL);
	struct ibv_wc wc;

	/* requests before it succeed, requests behind it are flushed */
	rc_start(&pair->a, IBV_WR_RDMA_WRITE, 1, mem, 0, dst, 0, LEN);
	rc_start(&pair->a, IBV_WR_RDMA_READ, 2, mem, 0, dst, 0, LEN);
	mw_post_inv(&pair->a, IBV_WR_LOCAL_INV, 3, mem->mr->rkey);
	mw_post_inv(&pair->a, IBV_WR_LOCAL_INV, 4, mem->mr->rkey);
	vt_want(pair->a.scq, 1, IBV_WC_SUCCESS);
	vt_want(pair->a.scq, 2, IBV_WC_SUCCESS);
	wc = vt_want(pair->a.scq, 3, IBV_WC_MW_BIND_ERR);
	vt_require(wc.qp_num == pair->a.qp->qp_num, "completion of QP %u", wc.qp_num);
	vt_want(pair->a.scq, 4, IBV_WC_WR_FLUSH_ERR);
	is_alive(pair, dst);
}

/* Nor can a SEND_WITH_INV of the peer: its data may arrive, but the receive fails. */
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

	TYPE_2(type_2_is_invalidated_here);
	TYPE_2(type_2_is_invalidated_by_peer);
	TYPE_2(invalidated_under_traffic);
	TYPE_2(requests_are_in_order);
	TYPE_2(local_inv_waits);
	TYPE_1(type_1_is_not_invalidated);
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
