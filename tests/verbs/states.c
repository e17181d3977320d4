// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The states of a QP, missing receives, peers that are gone, and the order in which a QP in
 * error flushes its requests.
 */
#include "rc.h"

/* --- receiver not ready --- */

static void post_send(struct rc_end *end, uint64_t id)
{
	struct vt_wr wr;

	vt_wr_init(&wr, IBV_WR_SEND, id);
	vt_ok(rc_post(end, &wr));
}

static struct rc_pair *rnr_pair(uint8_t rnr_retry, uint8_t min_rnr_timer)
{
	struct rc_attr attr = rc_attr_default;

	attr.rnr_retry = rnr_retry;
	attr.min_rnr_timer = min_rnr_timer;
	return rc_pair_new(&attr);
}

static void rnr_give_up(const void *arg)
{
	struct rc_pair *pair = rnr_pair(0, 1);

	(void)arg;
	post_send(&pair->a, 1);
	post_send(&pair->a, 2);
	vt_want(pair->a.scq, 1, IBV_WC_RNR_RETRY_EXC_ERR);
	vt_want(pair->a.scq, 2, IBV_WC_WR_FLUSH_ERR);
	vt_require(rc_state(&pair->b) == IBV_QPS_RTS, "the receiver was hurt");
}

/* Three retries, each after at least the time that the responder's RNR NAK asks for. */
static void rnr_give_up_in_time(const void *arg)
{
	struct rc_pair *pair = rnr_pair(3, 24);	/* 40.96 ms */
	uint64_t start = vt_now_ms(), took;

	(void)arg;
	post_send(&pair->a, 1);
	vt_want(pair->a.scq, 1, IBV_WC_RNR_RETRY_EXC_ERR);
	took = vt_now_ms() - start;
	vt_require(took >= 3 * 40, "gave up after %llu ms", (unsigned long long)took);
	vt_require(took < 5000, "gave up after %llu ms", (unsigned long long)took);
}

/* Endless RNR retries: the receive may be posted at any later time. */
static void rnr_for_ever(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 12);	/* 0.64 ms */

	(void)arg;
	for (int i = 0; i < 3; i++) {
		post_send(&pair->a, i);
		vt_want_none(pair->a.scq, 100);
		vt_ok(rc_post_recv(&pair->b, i, NULL, 0));
		vt_want(pair->b.rcq, i, IBV_WC_SUCCESS);
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
	}
	rc_works(pair);
}

/* A stream of SENDs while receives are posted slowly: each SEND arrives once, in order. */
static void rnr_stream(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 1);
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, 50 * 4000, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_new(pair->b.pd, VT_PINNED, 50 * 4000, VT_ACCESS_ALL);
	struct ibv_sge sge;
	struct vt_wr wr;

	(void)arg;
	vt_fill(src->addr, src->len);
	for (int i = 0; i < 50; i++) {
		vt_wr_init(&wr, IBV_WR_SEND, i);
		vt_wr_local(&wr, src, i * 4000, 4000);
		vt_ok(rc_post(&pair->a, &wr));
	}
	for (int i = 0; i < 50; i++) {
		sge = vt_sge(dst, i * 4000, 4000);
		vt_ok(rc_post_recv(&pair->b, i, &sge, 1));
		if (vt_chance(50))
			vt_sleep_ms(2);
	}
	for (int i = 0; i < 50; i++) {
		vt_want(pair->b.rcq, i, IBV_WC_SUCCESS);
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
	}
	vt_require(!memcmp(src->addr, dst->addr, src->len), "data differ");
}

/* --- a peer that does not answer --- */

static struct rc_pair *impatient_pair(void)
{
	struct rc_attr attr = rc_attr_default;

	attr.timeout = 12;	/* 17 ms */
	attr.retry_cnt = 2;
	return rc_pair_new(&attr);
}

static void expect_retry_exceeded(struct rc_end *a)
{
	for (int i = 0; i < 5; i++)
		post_send(a, i);
	vt_want(a->scq, 0, IBV_WC_RETRY_EXC_ERR);
	for (int i = 1; i < 5; i++)
		vt_want(a->scq, i, IBV_WC_WR_FLUSH_ERR);
	vt_require(rc_state(a) == IBV_QPS_ERR, "state %d", rc_state(a));
}

static void peer_destroyed(const void *arg)
{
	struct rc_pair *pair = impatient_pair();

	(void)arg;
	vt_release(pair->b.qp);
	expect_retry_exceeded(&pair->a);
}

static void peer_reset(const void *arg)
{
	struct rc_pair *pair = impatient_pair();

	(void)arg;
	vt_ok(rc_to_state(&pair->b, IBV_QPS_RESET));
	expect_retry_exceeded(&pair->a);
}

static void peer_in_error(const void *arg)
{
	struct rc_pair *pair = impatient_pair();

	(void)arg;
	vt_ok(rc_to_state(&pair->b, IBV_QPS_ERR));
	expect_retry_exceeded(&pair->a);
}

/* --- flushing --- */

/* Both queues flush all requests in order, also requests posted later. */
static void flush_in_order(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 20);
	struct rc_end *a = &pair->a;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		post_send(a, i);
		vt_ok(rc_post_recv(a, 100 + i, NULL, 0));
	}
	vt_ok(rc_to_state(a, IBV_QPS_ERR));
	for (int i = 0; i < 20; i++) {
		vt_want(a->scq, i, IBV_WC_WR_FLUSH_ERR);
		vt_want(a->rcq, 100 + i, IBV_WC_WR_FLUSH_ERR);
	}
	for (int i = 20; i < 150; i++) {
		post_send(a, i);
		vt_want(a->scq, i, IBV_WC_WR_FLUSH_ERR);
		vt_ok(rc_post_recv(a, 100 + i, NULL, 0));
		vt_want(a->rcq, 100 + i, IBV_WC_WR_FLUSH_ERR);
	}
	vt_want_none(a->scq, 10);
	vt_want_none(a->rcq, 2);
}

/* Unsignaled requests in flight complete as flushed or not at all. */
static void flush_unsignaled(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 20);
	struct vt_wr wr;

	(void)arg;
	for (int i = 0; i < 10; i++) {
		vt_wr_init(&wr, IBV_WR_SEND, i);
		wr.wr.send_flags = 0;
		vt_ok(rc_post(&pair->a, &wr));
	}
	vt_ok(rc_to_state(&pair->a, IBV_QPS_ERR));
	for (int i = 0; i < 10; i++)
		vt_want(pair->a.scq, i, IBV_WC_WR_FLUSH_ERR);
}

/* RESET drops all requests without completions, and the QP works again afterwards. */
static void reset_and_again(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 20);

	(void)arg;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 10; i++) {
			post_send(&pair->a, i);
			vt_ok(rc_post_recv(&pair->a, i, NULL, 0));
		}
		if (round % 2)
			vt_ok(rc_to_state(&pair->a, IBV_QPS_ERR));
		rc_reconnect(pair);
		vt_want_none(pair->a.scq, 5);
		rc_works(pair);
	}
}

/* --- states --- */

/* Posting fails at once in a state that does not allow it. */
static void post_in_wrong_state(const void *arg)
{
	const struct rc_attr *attr = &rc_attr_default;
	struct rc_addr to;
	struct rc_end end;
	struct vt_wr wr;

	(void)arg;
	vt_wr_init(&wr, IBV_WR_SEND, 1);
	rc_end_open(&end, vt_dev(0), NULL, attr);
	to = rc_end_addr(&end);
	vt_require(rc_post(&end, &wr), "a send was posted in RESET");
	vt_require(rc_post_recv(&end, 1, NULL, 0), "a receive was posted in RESET");
	vt_ok(rc_to_init(&end, attr));
	vt_require(rc_post(&end, &wr), "a send was posted in INIT");
	vt_ok(rc_post_recv(&end, 1, NULL, 0));
	vt_ok(rc_to_rtr(&end, attr, &to));
	vt_require(rc_post(&end, &wr), "a send was posted in RTR");
	vt_ok(rc_post_recv(&end, 2, NULL, 0));
	vt_ok(rc_to_rts(&end, attr));
	vt_want_none(end.scq, 5);
	vt_ok(rc_to_state(&end, IBV_QPS_ERR));
	vt_want(end.rcq, 1, IBV_WC_WR_FLUSH_ERR);
	vt_want(end.rcq, 2, IBV_WC_WR_FLUSH_ERR);
}

static void walk_to(struct rc_end *end, enum ibv_qp_state state)
{
	struct rc_addr to = rc_end_addr(end);

	if (state == IBV_QPS_RESET)
		return;
	vt_ok(rc_to_init(end, &rc_attr_default));
	if (state == IBV_QPS_INIT)
		return;
	if (state == IBV_QPS_ERR) {
		vt_ok(rc_to_state(end, IBV_QPS_ERR));
		return;
	}
	vt_ok(rc_to_rtr(end, &rc_attr_default, &to));
	if (state == IBV_QPS_RTS)
		vt_ok(rc_to_rts(end, &rc_attr_default));
}

static int step_to(struct rc_end *end, enum ibv_qp_state state)
{
	struct rc_addr to = rc_end_addr(end);

	switch (state) {
	case IBV_QPS_INIT:
		return rc_to_init(end, &rc_attr_default);
	case IBV_QPS_RTR:
		return rc_to_rtr(end, &rc_attr_default, &to);
	case IBV_QPS_RTS:
		return rc_to_rts(end, &rc_attr_default);
	default:
		return rc_to_state(end, state);
	}
}

/*
 * Every transition between RESET, INIT, RTR, RTS and ERR, legal or not. The kernel does not
 * allow the one from RESET to ERR.
 */
static void transitions(const void *arg)
{
	static const enum ibv_qp_state states[] = {
		IBV_QPS_RESET, IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QPS_ERR,
	};
	static const bool legal[5][5] = {
		{ true, true, false, false, false },
		{ true, true, true, false, true },
		{ true, false, false, true, true },
		/* RTS to RTS is legal, but not with the attributes of RTR to RTS */
		{ true, false, false, false, true },
		{ true, false, false, false, true },
	};

	(void)arg;
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 5; j++) {
			struct rc_end end;
			int ret;

			rc_end_open(&end, vt_dev(0), NULL, &rc_attr_default);
			walk_to(&end, states[i]);
			ret = step_to(&end, states[j]);
			vt_require(!ret == legal[i][j], "from %d to %d: %s", states[i],
				   states[j], strerror(ret));
			vt_require(rc_state(&end) == (ret ? states[i] : states[j]),
				   "from %d to %d: now in %d", states[i], states[j],
				   rc_state(&end));
		}
}

/* Invalid attributes are refused, and the state stays. */
static void bad_attributes(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_end end;
	struct rc_addr to;

	(void)arg;
	rc_end_open(&end, vt_dev(0), NULL, &attr);
	to = rc_end_addr(&end);
	vt_ok(rc_to_init(&end, &attr));
	attr.rd_atomic = 255;
	if (vt_dev(0)->attr.orig_attr.max_qp_rd_atom < 255)
		vt_require(rc_to_rtr(&end, &attr, &to), "rd_atomic 255 was taken");
	attr = rc_attr_default;
	end.dev->gid_index += 200;
	vt_require(rc_to_rtr(&end, &attr, &to), "a GID that is not there was taken");
	end.dev->gid_index -= 200;
	vt_require(rc_state(&end) == IBV_QPS_INIT, "state %d", rc_state(&end));
	vt_ok(rc_to_rtr(&end, &attr, &to));
	attr.rd_atomic = 255;
	if (vt_dev(0)->attr.orig_attr.max_qp_init_rd_atom < 255)
		vt_require(rc_to_rts(&end, &attr), "rd_atomic 255 was taken");
	vt_require(rc_state(&end) == IBV_QPS_RTR, "state %d", rc_state(&end));
}

/* ibv_query_qp() returns the attributes that were set. */
static void query_qp(const void *arg)
{
	struct rc_pair *pair = rnr_pair(5, 14);
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	(void)arg;
	vt_ok(ibv_query_qp(pair->a.qp, &attr, IBV_QP_DEST_QPN * 2 - 1, &init));
	vt_require(attr.qp_state == IBV_QPS_RTS, "state %d", attr.qp_state);
	vt_require(attr.dest_qp_num == pair->b.qp->qp_num, "dest_qp_num");
	vt_require(attr.rq_psn == pair->b.psn, "rq_psn %#x", attr.rq_psn);
	vt_require(attr.path_mtu == IBV_MTU_1024, "path_mtu %d", attr.path_mtu);
	vt_require(attr.timeout == pair->attr.timeout, "timeout %d", attr.timeout);
	vt_require(attr.retry_cnt == 7, "retry_cnt %d", attr.retry_cnt);
	vt_require(attr.rnr_retry == 5, "rnr_retry %d", attr.rnr_retry);
	vt_require(attr.min_rnr_timer == 14, "min_rnr_timer %d", attr.min_rnr_timer);
	vt_require(attr.qp_access_flags == VT_ACCESS_ALL, "access %#x", attr.qp_access_flags);
	vt_require(attr.max_rd_atomic >= pair->attr.rd_atomic, "max_rd_atomic");
	vt_require(attr.ah_attr.is_global && attr.ah_attr.port_num == vt_opts.port, "ah_attr");
	vt_require(!memcmp(&attr.ah_attr.grh.dgid, &pair->b.dev->gid, 16), "dgid");
	vt_require(init.cap.max_send_wr >= pair->attr.wr, "max_send_wr");
	vt_require(init.cap.max_inline_data >= pair->attr.inline_len, "max_inline_data");
	vt_require(init.send_cq == pair->a.scq && init.recv_cq == pair->a.rcq, "CQs");
}

/* SQD: requests in flight complete, an event reports that, later requests wait for RTS. */
static void drain_send_queue(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct rc_end *a = &pair->a;
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_SQD,
		.en_sqd_async_notify = 1,
	};

	(void)arg;
	for (int i = 0; i < 20; i++) {
		vt_ok(rc_post_recv(&pair->b, i, NULL, 0));
		if (i < 10)
			post_send(a, i);
	}
	vt_ok(ibv_modify_qp(a->qp, &attr, IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY));
	for (int i = 10; i < 20; i++)
		post_send(a, i);
	vt_want_event(a->dev, IBV_EVENT_SQ_DRAINED);
	for (int i = 0; i < 10; i++)
		vt_want(a->scq, i, IBV_WC_SUCCESS);
	vt_want_none(a->scq, 50);
	vt_ok(rc_to_state(a, IBV_QPS_RTS));
	for (int i = 10; i < 20; i++)
		vt_want(a->scq, i, IBV_WC_SUCCESS);
	for (int i = 0; i < 20; i++)
		vt_want(pair->b.rcq, i, IBV_WC_SUCCESS);
	rc_works(pair);
}

static int set_read_depth(struct rc_end *end, uint8_t depth)
{
	struct ibv_qp_attr attr = { .max_rd_atomic = depth };

	return ibv_modify_qp(end->qp, &attr, IBV_QP_MAX_QP_RD_ATOMIC);
}

static void want_read_depth(struct rc_end *end, uint8_t depth)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	vt_ok(ibv_query_qp(end->qp, &attr, IBV_QP_MAX_QP_RD_ATOMIC, &init));
	vt_require(attr.max_rd_atomic == depth, "max_rd_atomic is %u, not %u",
		   attr.max_rd_atomic, depth);
}

/* max_rd_atomic may change in SQD, but only when no request is in flight any more. */
static void change_read_depth(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 12);
	struct rc_end *a = &pair->a;
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_SQD, .en_sqd_async_notify = 1 };
	struct vt_mem *src = vt_mem_new(a->pd, VT_PINNED, 4096, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_new(pair->b.pd, VT_PINNED, 4096, VT_ACCESS_ALL);

	(void)arg;
	post_send(a, 1);
	vt_ok(ibv_modify_qp(a->qp, &attr, IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY));
	vt_require(set_read_depth(a, 1) == EINVAL, "changed with a request in flight");
	want_read_depth(a, pair->attr.rd_atomic);
	vt_ok(rc_post_recv(&pair->b, 2, NULL, 0));
	vt_want_event(a->dev, IBV_EVENT_SQ_DRAINED);
	vt_want(a->scq, 1, IBV_WC_SUCCESS);
	vt_want(pair->b.rcq, 2, IBV_WC_SUCCESS);
	vt_ok(set_read_depth(a, 1));
	want_read_depth(a, 1);
	vt_ok(rc_to_state(a, IBV_QPS_RTS));
	for (int i = 0; i < 8; i++)
		rc_start(a, IBV_WR_RDMA_READ, i, src, 0, dst, 0, 64);
	for (int i = 0; i < 8; i++)
		vt_want(a->scq, i, IBV_WC_SUCCESS);
	rc_works(pair);
}

/* A number of retries that changes in SQD holds from the next request on. */
static void change_rnr_retry(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 1);
	struct ibv_qp_attr attr = { .rnr_retry = 0 };

	(void)arg;
	rc_works(pair);
	vt_ok(rc_to_state(&pair->a, IBV_QPS_SQD));
	vt_ok(ibv_modify_qp(pair->a.qp, &attr, IBV_QP_RNR_RETRY));
	vt_ok(rc_to_state(&pair->a, IBV_QPS_RTS));
	post_send(&pair->a, 1);
	vt_want(pair->a.scq, 1, IBV_WC_RNR_RETRY_EXC_ERR);
}

/* A pair whose requester has this ACK timeout, code of IBTA 9.7.6.1.3. */
static struct rc_pair *timeout_pair(uint8_t timeout)
{
	struct rc_attr attr = rc_attr_default;

	attr.timeout = timeout;
	return rc_pair_new(&attr);
}

static void set_timeout(struct rc_end *end, uint8_t timeout)
{
	struct ibv_qp_attr attr = { .timeout = timeout };

	vt_ok(ibv_modify_qp(end->qp, &attr, IBV_QP_TIMEOUT));
}

/* An ACK timeout that changes in SQD holds at once, though the timer ran for hours. */
static void change_timeout(const void *arg)
{
	struct rc_pair *pair = timeout_pair(31);

	(void)arg;
	rc_works(pair);
	vt_ok(rc_to_state(&pair->a, IBV_QPS_SQD));
	set_timeout(&pair->a, 14);
	vt_ok(rc_to_state(&pair->a, IBV_QPS_RTS));
	vt_ok(rc_to_state(&pair->b, IBV_QPS_RESET));
	post_send(&pair->a, 1);
	vt_want(pair->a.scq, 1, IBV_WC_RETRY_EXC_ERR);
}

/* It holds for what was sent without a timeout, too. */
static void begin_timeout(const void *arg)
{
	struct rc_pair *pair = timeout_pair(0);

	(void)arg;
	rc_works(pair);
	vt_ok(rc_to_state(&pair->b, IBV_QPS_RESET));
	post_send(&pair->a, 1);
	vt_ok(rc_to_state(&pair->a, IBV_QPS_SQD));
	vt_sleep_ms(100);
	set_timeout(&pair->a, 14);
	vt_want(pair->a.scq, 1, IBV_WC_RETRY_EXC_ERR);
}

/* A QP in RTR answers packets, and the first one raises an event. */
static void receive_in_rtr(const void *arg)
{
	const struct rc_attr *attr = &rc_attr_default;
	struct rc_addr to_a, to_b;
	struct rc_end a, b;

	(void)arg;
	rc_end_open(&a, vt_dev(0), NULL, attr);
	rc_end_open(&b, vt_dev(1), NULL, attr);
	to_a = rc_end_addr(&a);
	to_b = rc_end_addr(&b);
	vt_ok(rc_to_init(&b, attr));
	vt_ok(rc_to_rtr(&b, attr, &to_a));
	rc_connect(&a, attr, &to_b);
	vt_drain_events(b.dev);
	vt_ok(rc_post_recv(&b, 1, NULL, 0));
	post_send(&a, 2);
	vt_want(a.scq, 2, IBV_WC_SUCCESS);
	vt_want(b.rcq, 1, IBV_WC_SUCCESS);
	vt_want_event(b.dev, IBV_EVENT_COMM_EST);
}

static void add_tests(void)
{
	VT_TEST(rnr_give_up);
	VT_TEST(rnr_give_up_in_time);
	VT_TEST(rnr_for_ever);
	VT_TEST(rnr_stream);
	VT_TEST(peer_destroyed);
	VT_TEST(peer_reset);
	VT_TEST(peer_in_error);
	VT_TEST(flush_in_order);
	VT_TEST(flush_unsignaled);
	VT_TEST(reset_and_again);
	VT_TEST(post_in_wrong_state);
	VT_TEST(transitions);
	VT_TEST(bad_attributes);
	VT_TEST(query_qp);
	VT_TEST(drain_send_queue);
	VT_TEST(change_read_depth);
	VT_TEST(change_rnr_retry);
	VT_TEST(change_timeout);
	VT_TEST(begin_timeout);
	VT_TEST(receive_in_rtr);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
