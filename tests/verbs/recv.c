// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Receives that are too short for the message, or that name memory that cannot be accessed. */
#include "rc.h"

struct landing {
	struct rc_pair *pair;
	struct vt_mem *src, *dst;
	struct ibv_sge sge[2];
};

static void landing_init(struct landing *l, int access)
{
	l->pair = rc_pair();
	l->src = vt_mem_new(l->pair->a.pd, VT_PINNED, 20000, VT_ACCESS_ALL);
	l->dst = vt_mem_new(l->pair->b.pd, VT_PINNED, 20000, access);
	l->sge[0] = vt_sge(l->dst, 0, 10000);
	l->sge[1] = vt_sge(l->dst, 10000, 10000);
}

/* SEND @len bytes into the two elements; expect these completions at sender and receiver. */
static void land(struct landing *l, size_t len, enum ibv_wc_status sender,
		 enum ibv_wc_status receiver)
{
	struct rc_end *a = &l->pair->a, *b = &l->pair->b;
	struct vt_wr wr;

	vt_ok(rc_post_recv(b, 1, l->sge, 2));
	vt_ok(rc_post_recv(b, 2, NULL, 0));
	vt_wr_init(&wr, IBV_WR_SEND, 3);
	vt_wr_local(&wr, l->src, 0, len);
	vt_ok(rc_post(a, &wr));
	vt_want(b->rcq, 1, receiver);
	vt_want(b->rcq, 2, IBV_WC_WR_FLUSH_ERR);
	vt_want(a->scq, 3, sender);
	vt_require(rc_state(a) == IBV_QPS_ERR, "the sender is in state %d", rc_state(a));
	vt_require(rc_state(b) == IBV_QPS_ERR, "the receiver is in state %d", rc_state(b));
	vt_mem_guards(l->dst);
	rc_works(rc_pair());
}

static void recv_too_short(const void *arg)
{
	static const size_t have[] = { 0, 1, 8, 1000, 1023, 9999 };
	struct landing l;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(have); i++) {
		landing_init(&l, VT_ACCESS_ALL);
		l.sge[0].length = have[i] / 2;
		l.sge[1].length = have[i] - have[i] / 2;
		land(&l, have[i] + 1, IBV_WC_REM_INV_REQ_ERR, IBV_WC_LOC_LEN_ERR);
	}
}

#define RUN	8	/* SENDs in one call */
#define ROOM	64	/* bytes of each receive, and of each gap between receives */

/* Post RUN SENDs that fit, except number @bad. @want: the memory expected afterwards. */
static void post_run(struct landing *l, struct vt_wr *wr, int bad, uint8_t *want)
{
	for (int i = 0; i < RUN; i++) {
		size_t off = i * 2 * ROOM, len = 1 + vt_below(ROOM);
		struct ibv_sge sge = vt_sge(l->dst, off, ROOM);

		vt_ok(rc_post_recv(&l->pair->b, i, &sge, 1));
		vt_wr_init(&wr[i], IBV_WR_SEND, i);
		vt_wr_local(&wr[i], l->src, off, i == bad ? ROOM + len : len);
		wr[i].wr.send_flags = 0;
		if (i < bad)
			memcpy(want + off, l->src->addr + off, len);
	}
	vt_wr_chain(wr, RUN);
	vt_ok(rc_post(&l->pair->a, &wr[0]));
}

static void end_run(struct landing *l, const struct vt_wr *wr, int bad)
{
	struct ibv_cq *sent = l->pair->a.scq, *received = l->pair->b.rcq;

	for (int i = 0; i < bad; i++) {
		struct ibv_wc wc = vt_want(received, i, IBV_WC_SUCCESS);

		vt_require(wc.byte_len == wr[i].sge[0].length, "received %u bytes", wc.byte_len);
	}
	vt_want(received, bad, IBV_WC_LOC_LEN_ERR);
	vt_want(sent, bad, IBV_WC_REM_INV_REQ_ERR);
	for (int i = bad + 1; i < RUN; i++) {
		vt_want(received, i, IBV_WC_WR_FLUSH_ERR);
		vt_want(sent, i, IBV_WC_WR_FLUSH_ERR);
	}
}

/* Messages before the bad one in the same call are received, and no other memory changes. */
static void recv_too_short_in_run(const void *arg)
{
	struct vt_wr wr[RUN];
	struct landing l;
	uint8_t *want;

	(void)arg;
	for (unsigned int i = 0; i < 4 * vt_opts.rounds; i++) {
		int bad = vt_below(RUN);

		landing_init(&l, VT_ACCESS_ALL);
		vt_fill(l.src->addr, l.src->len);
		want = vt_map(l.dst->len, 0);
		memcpy(want, l.dst->addr, l.dst->len);
		post_run(&l, wr, bad, want);
		end_run(&l, wr, bad);
		vt_require(!memcmp(l.dst->addr, want, l.dst->len), "data differ");
		vt_mem_guards(l.dst);
	}
	rc_works(rc_pair());
}

static void recv_bad_lkey(const void *arg)
{
	struct landing l;

	(void)arg;
	for (int element = 0; element < 2; element++) {
		landing_init(&l, VT_ACCESS_ALL);
		l.sge[element].lkey ^= VT_WRONG_KEY;
		land(&l, 20000, IBV_WC_REM_OP_ERR, IBV_WC_LOC_PROT_ERR);
	}
}

static void recv_read_only(const void *arg)
{
	struct landing l;

	(void)arg;
	landing_init(&l, IBV_ACCESS_REMOTE_READ);
	land(&l, 20000, IBV_WC_REM_OP_ERR, IBV_WC_LOC_PROT_ERR);
}

static void recv_out_of_range(const void *arg)
{
	struct landing l;

	(void)arg;
	landing_init(&l, VT_ACCESS_ALL);
	l.sge[1].addr++;
	land(&l, 20000, IBV_WC_REM_OP_ERR, IBV_WC_LOC_PROT_ERR);
	landing_init(&l, VT_ACCESS_ALL);
	l.sge[1].addr = UINT64_MAX - 100;
	land(&l, 20000, IBV_WC_REM_OP_ERR, IBV_WC_LOC_PROT_ERR);
}

static void recv_other_pd(const void *arg)
{
	struct landing l;

	(void)arg;
	landing_init(&l, VT_ACCESS_ALL);
	l.sge[0].lkey = vt_reg(rc_pair()->b.pd, VT_PINNED, l.dst->addr, l.dst->len,
			       l.dst->iova, VT_ACCESS_ALL)->lkey;
	land(&l, 20000, IBV_WC_REM_OP_ERR, IBV_WC_LOC_PROT_ERR);
}

static void add_tests(void)
{
	VT_TEST(recv_too_short);
	VT_TEST(recv_too_short_in_run);
	VT_TEST(recv_bad_lkey);
	VT_TEST(recv_read_only);
	VT_TEST(recv_out_of_range);
	VT_TEST(recv_other_pd);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
