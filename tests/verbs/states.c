// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The QP's states, receives that are not there, peers that are gone, and the order
 * in which a dead queue gives back its work.
 */
#include "rc.h"

/* --- receiver not ready --- */

static void post_send(struct rc_end *end, uint64_t id)
{
	struct rc_wr wr;

	rc_wr_init(&wr, IBV_WR_SEND, id);
	rc_ok(rc_post(end, &wr));
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
	rc_want(pair->a.scq, 1, IBV_WC_RNR_RETRY_EXC_ERR);
	rc_want(pair->a.scq, 2, IBV_WC_WR_FLUSH_ERR);
	rc_require(rc_state(&pair->b) == IBV_QPS_RTS, "the receiver was hurt");
}

/* Three retries, each after at least the time that the receiver asks for. */
static void rnr_give_up_in_time(const void *arg)
{
	struct rc_pair *pair = rnr_pair(3, 24);	/* 40.96 ms */
	uint64_t start = rc_now_ms(), took;

	(void)arg;
	post_send(&pair->a, 1);
	rc_want(pair->a.scq, 1, IBV_WC_RNR_RETRY_EXC_ERR);
	took = rc_now_ms() - start;
	rc_require(took >= 3 * 40, "gave up after %llu ms", (unsigned long long)took);
	rc_require(took < 5000, "gave up after %llu ms", (unsigned long long)took);
}

/* Retries without end: the receive may come as late as it likes. */
static void rnr_for_ever(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 12);	/* 0.64 ms */

	(void)arg;
	for (int i = 0; i < 3; i++) {
		post_send(&pair->a, i);
		rc_want_none(pair->a.scq, 100);
		rc_ok(rc_post_recv(&pair->b, i, NULL, 0));
		rc_want(pair->b.rcq, i, IBV_WC_SUCCESS);
		rc_want(pair->a.scq, i, IBV_WC_SUCCESS);
	}
	rc_works(pair);
}

/* A stream of SENDs against receives that trickle in: each once, in order. */
static void rnr_stream(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 1);
	struct rc_mem *src = rc_mem_new(pair->a.pd, RC_PINNED, 50 * 4000, RC_ACCESS_ALL);
	struct rc_mem *dst = rc_mem_new(pair->b.pd, RC_PINNED, 50 * 4000, RC_ACCESS_ALL);
	struct ibv_sge sge;
	struct rc_wr wr;

	(void)arg;
	rc_fill(src->addr, src->len);
	for (int i = 0; i < 50; i++) {
		rc_wr_init(&wr, IBV_WR_SEND, i);
		rc_wr_local(&wr, src, i * 4000, 4000);
		rc_ok(rc_post(&pair->a, &wr));
	}
	for (int i = 0; i < 50; i++) {
		sge = rc_sge(dst, i * 4000, 4000);
		rc_ok(rc_post_recv(&pair->b, i, &sge, 1));
		if (rc_chance(50))
			rc_sleep_ms(2);
	}
	for (int i = 0; i < 50; i++) {
		rc_want(pair->b.rcq, i, IBV_WC_SUCCESS);
		rc_want(pair->a.scq, i, IBV_WC_SUCCESS);
	}
	rc_require(!memcmp(src->addr, dst->addr, src->len), "data differ");
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
	rc_want(a->scq, 0, IBV_WC_RETRY_EXC_ERR);
	for (int i = 1; i < 5; i++)
		rc_want(a->scq, i, IBV_WC_WR_FLUSH_ERR);
	rc_require(rc_state(a) == IBV_QPS_ERR, "state %d", rc_state(a));
}

static void peer_destroyed(const void *arg)
{
	struct rc_pair *pair = impatient_pair();

	(void)arg;
	rc_release(pair->b.qp);
	expect_retry_exceeded(&pair->a);
}

static void peer_reset(const void *arg)
{
	struct rc_pair *pair = impatient_pair();

	(void)arg;
	rc_ok(rc_to_state(&pair->b, IBV_QPS_RESET));
	expect_retry_exceeded(&pair->a);
}

static void peer_in_error(const void *arg)
{
	struct rc_pair *pair = impatient_pair();

	(void)arg;
	rc_ok(rc_to_state(&pair->b, IBV_QPS_ERR));
	expect_retry_exceeded(&pair->a);
}

/* --- flushing --- */

/* Both queues give back everything in order; what is posted later, too. */
static void flush_in_order(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 20);
	struct rc_end *a = &pair->a;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		post_send(a, i);
		rc_ok(rc_post_recv(a, 100 + i, NULL, 0));
	}
	rc_ok(rc_to_state(a, IBV_QPS_ERR));
	for (int i = 0; i < 20; i++) {
		rc_want(a->scq, i, IBV_WC_WR_FLUSH_ERR);
		rc_want(a->rcq, 100 + i, IBV_WC_WR_FLUSH_ERR);
	}
	for (int i = 20; i < 150; i++) {
		post_send(a, i);
		rc_want(a->scq, i, IBV_WC_WR_FLUSH_ERR);
		rc_ok(rc_post_recv(a, 100 + i, NULL, 0));
		rc_want(a->rcq, 100 + i, IBV_WC_WR_FLUSH_ERR);
	}
	rc_want_none(a->scq, 10);
	rc_want_none(a->rcq, 2);
}

/* Unsignaled requests that were under way complete as flushed or not at all. */
static void flush_unsignaled(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 20);
	struct rc_wr wr;

	(void)arg;
	for (int i = 0; i < 10; i++) {
		rc_wr_init(&wr, IBV_WR_SEND, i);
		wr.wr.send_flags = 0;
		rc_ok(rc_post(&pair->a, &wr));
	}
	rc_ok(rc_to_state(&pair->a, IBV_QPS_ERR));
	for (int i = 0; i < 10; i++)
		rc_want(pair->a.scq, i, IBV_WC_WR_FLUSH_ERR);
}

/* RESET forgets: no completion of what was posted, and the QP serves again. */
static void reset_and_again(const void *arg)
{
	struct rc_pair *pair = rnr_pair(7, 20);

	(void)arg;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 10; i++) {
			post_send(&pair->a, i);
			rc_ok(rc_post_recv(&pair->a, i, NULL, 0));
		}
		if (round % 2)
			rc_ok(rc_to_state(&pair->a, IBV_QPS_ERR));
		rc_reconnect(pair);
		rc_want_none(pair->a.scq, 5);
		rc_works(pair);
	}
}

/* --- states --- */

/* Where the QP is not ready, posting is refused at once. */
static void post_in_wrong_state(const void *arg)
{
	const struct rc_attr *attr = &rc_attr_default;
	struct rc_addr to;
	struct rc_end end;
	struct rc_wr wr;

	(void)arg;
	rc_wr_init(&wr, IBV_WR_SEND, 1);
	rc_end_open(&end, rc_dev(0), NULL, attr);
	to = rc_end_addr(&end);
	rc_require(rc_post(&end, &wr), "a send was posted in RESET");
	rc_require(rc_post_recv(&end, 1, NULL, 0), "a receive was posted in RESET");
	rc_ok(rc_to_init(&end, attr));
	rc_require(rc_post(&end, &wr), "a send was posted in INIT");
	rc_ok(rc_post_recv(&end, 1, NULL, 0));
	rc_ok(rc_to_rtr(&end, attr, &to));
	rc_require(rc_post(&end, &wr), "a send was posted in RTR");
	rc_ok(rc_post_recv(&end, 2, NULL, 0));
	rc_ok(rc_to_rts(&end, attr));
	rc_want_none(end.scq, 5);
	rc_ok(rc_to_state(&end, IBV_QPS_ERR));
	rc_want(end.rcq, 1, IBV_WC_WR_FLUSH_ERR);
	rc_want(end.rcq, 2, IBV_WC_WR_FLUSH_ERR);
}

static void walk_to(struct rc_end *end, enum ibv_qp_state state)
{
	struct rc_addr to = rc_end_addr(end);

	if (state == IBV_QPS_RESET)
		return;
	rc_ok(rc_to_init(end, &rc_attr_default));
	if (state == IBV_QPS_INIT)
		return;
	if (state == IBV_QPS_ERR) {
		rc_ok(rc_to_state(end, IBV_QPS_ERR));
		return;
	}
	rc_ok(rc_to_rtr(end, &rc_attr_default, &to));
	if (state == IBV_QPS_RTS)
		rc_ok(rc_to_rts(end, &rc_attr_default));
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
 * Every transition of RESET, INIT, RTR, RTS and ERR, legal or not. As the kernel
 * has it, a QP in RESET does not go to ERR.
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

			rc_end_open(&end, rc_dev(0), NULL, &rc_attr_default);
			walk_to(&end, states[i]);
			ret = step_to(&end, states[j]);
			rc_require(!ret == legal[i][j], "from %d to %d: %s", states[i],
				   states[j], strerror(ret));
			rc_require(rc_state(&end) == (ret ? states[i] : states[j]),
				   "from %d to %d: now in %d", states[i], states[j],
				   rc_state(&end));
		}
}

/* Attributes that no QP can have are refused, and the state stays. */
static void bad_attributes(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_end end;
	struct rc_addr to;

	(void)arg;
	rc_end_open(&end, rc_dev(0), NULL, &attr);
	to = rc_end_addr(&end);
	rc_ok(rc_to_init(&end, &attr));
	attr.rd_atomic = 255;
	if (rc_dev(0)->attr.orig_attr.max_qp_rd_atom < 255)
		rc_require(rc_to_rtr(&end, &attr, &to), "rd_atomic 255 was taken");
	attr = rc_attr_default;
	end.dev->gid_index += 200;
	rc_require(rc_to_rtr(&end, &attr, &to), "a GID that is not there was taken");
	end.dev->gid_index -= 200;
	rc_require(rc_state(&end) == IBV_QPS_INIT, "state %d", rc_state(&end));
	rc_ok(rc_to_rtr(&end, &attr, &to));
	attr.rd_atomic = 255;
	if (rc_dev(0)->attr.orig_attr.max_qp_init_rd_atom < 255)
		rc_require(rc_to_rts(&end, &attr), "rd_atomic 255 was taken");
	rc_require(rc_state(&end) == IBV_QPS_RTR, "state %d", rc_state(&end));
}

/* What was set is what query_qp tells. */
static void query_qp(const void *arg)
{
	struct rc_pair *pair = rnr_pair(5, 14);
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	(void)arg;
	rc_ok(ibv_query_qp(pair->a.qp, &attr, IBV_QP_DEST_QPN * 2 - 1, &init));
	rc_require(attr.qp_state == IBV_QPS_RTS, "state %d", attr.qp_state);
	rc_require(attr.dest_qp_num == pair->b.qp->qp_num, "dest_qp_num");
	rc_require(attr.rq_psn == pair->b.psn, "rq_psn %#x", attr.rq_psn);
	rc_require(attr.path_mtu == IBV_MTU_1024, "path_mtu %d", attr.path_mtu);
	rc_require(attr.timeout == pair->attr.timeout, "timeout %d", attr.timeout);
	rc_require(attr.retry_cnt == 7, "retry_cnt %d", attr.retry_cnt);
	rc_require(attr.rnr_retry == 5, "rnr_retry %d", attr.rnr_retry);
	rc_require(attr.min_rnr_timer == 14, "min_rnr_timer %d", attr.min_rnr_timer);
	rc_require(attr.qp_access_flags == RC_ACCESS_ALL, "access %#x", attr.qp_access_flags);
	rc_require(attr.max_rd_atomic >= pair->attr.rd_atomic, "max_rd_atomic");
	rc_require(attr.ah_attr.is_global && attr.ah_attr.port_num == RC_PORT, "ah_attr");
	rc_require(!memcmp(&attr.ah_attr.grh.dgid, &pair->b.dev->gid, 16), "dgid");
	rc_require(init.cap.max_send_wr >= pair->attr.wr, "max_send_wr");
	rc_require(init.cap.max_inline_data >= pair->attr.inline_len, "max_inline_data");
	rc_require(init.send_cq == pair->a.scq && init.recv_cq == pair->a.rcq, "CQs");
}

/* SQD: what was begun ends, an event tells so, what comes later waits for RTS. */
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
		rc_ok(rc_post_recv(&pair->b, i, NULL, 0));
		if (i < 10)
			post_send(a, i);
	}
	rc_ok(ibv_modify_qp(a->qp, &attr, IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY));
	for (int i = 10; i < 20; i++)
		post_send(a, i);
	rc_want_event(a->dev, IBV_EVENT_SQ_DRAINED);
	for (int i = 0; i < 10; i++)
		rc_want(a->scq, i, IBV_WC_SUCCESS);
	rc_want_none(a->scq, 50);
	rc_ok(rc_to_state(a, IBV_QPS_RTS));
	for (int i = 10; i < 20; i++)
		rc_want(a->scq, i, IBV_WC_SUCCESS);
	for (int i = 0; i < 20; i++)
		rc_want(pair->b.rcq, i, IBV_WC_SUCCESS);
	rc_works(pair);
}

/* Packets before RTS are answered in RTR already; the first one is announced. */
static void receive_in_rtr(const void *arg)
{
	const struct rc_attr *attr = &rc_attr_default;
	struct rc_addr to_a, to_b;
	struct rc_end a, b;

	(void)arg;
	rc_end_open(&a, rc_dev(0), NULL, attr);
	rc_end_open(&b, rc_dev(1), NULL, attr);
	to_a = rc_end_addr(&a);
	to_b = rc_end_addr(&b);
	rc_ok(rc_to_init(&b, attr));
	rc_ok(rc_to_rtr(&b, attr, &to_a));
	rc_connect(&a, attr, &to_b);
	rc_drain_events(b.dev);
	rc_ok(rc_post_recv(&b, 1, NULL, 0));
	post_send(&a, 2);
	rc_want(a.scq, 2, IBV_WC_SUCCESS);
	rc_want(b.rcq, 1, IBV_WC_SUCCESS);
	rc_want_event(b.dev, IBV_EVENT_COMM_EST);
}

static void add_tests(void)
{
	RC_TEST(rnr_give_up);
	RC_TEST(rnr_give_up_in_time);
	RC_TEST(rnr_for_ever);
	RC_TEST(rnr_stream);
	RC_TEST(peer_destroyed);
	RC_TEST(peer_reset);
	RC_TEST(peer_in_error);
	RC_TEST(flush_in_order);
	RC_TEST(flush_unsignaled);
	RC_TEST(reset_and_again);
	RC_TEST(post_in_wrong_state);
	RC_TEST(transitions);
	RC_TEST(bad_attributes);
	RC_TEST(query_qp);
	RC_TEST(drain_send_queue);
	RC_TEST(receive_in_rtr);
}

int main(int argc, char **argv)
{
	return rc_main(argc, argv, add_tests);
}
