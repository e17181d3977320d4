// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Malicious neighbours, and networks that duplicate and delay packets. A packet that is not
 * due must change nothing, the packets kept for a waiting QP are bounded, and every flushed
 * request must complete.
 *
 * For QPs of one device set /sys/module/nopin/parameters/loopback so that packets go over lo.
 */
#include "stranger.h"

#define STRANGE_KEY	0xdeadbeef

/* --- requests that are not due --- */

/* Every kind of request, with PSNs from the whole range except the expected one. */
static void strange_requests(const void *arg)
{
	static const uint8_t ops[] = {
		FORGE_READ, FORGE_SEND_MIDDLE, FORGE_SEND_ONLY,
		FORGE_WRITE_MIDDLE, FORGE_WRITE_ONLY,
	};
	struct rc_pair *pair = rc_pair();
	struct stranger stranger;
	struct forge_packet packet;

	(void)arg;
	rc_works(pair);
	stranger_open(&stranger, &pair->a, &pair->b);
	for (uint32_t i = 0; i < 64; i++)
		for (size_t op = 0; op < ARRAY_SIZE(ops); op++) {
			stranger_asks(&stranger, &packet, ops[op],
				      rq_psn(&pair->b) + 1000 + i * 0x3ffff);
			if (ops[op] == FORGE_READ || ops[op] == FORGE_WRITE_ONLY)
				forge_reth(&packet, 0x1234, STRANGE_KEY, 8);
			stranger_sends(&stranger, &packet);
		}
	vt_sleep_ms(SETTLE_MS);
	want_unhurt(pair);
	forge_close(&stranger.forge);
}

/* --- responses that are not due --- */

/*
 * The peer is gone, and a stranger sends old ACKs and responses in its name. The requester
 * must still detect that the peer is gone, without delay.
 */
static void dead_peer(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_pair *pair;
	struct vt_mem *near, *far;
	struct stranger stranger;
	struct forge_packet packet;
	struct ibv_wc wc;
	uint64_t begun;
	uint32_t psn;

	(void)arg;
	if (vt_dev(0) != vt_dev(1))
		vt_skip("the stranger has to be on the host of both");
	attr.timeout = 14;	/* 67 ms */
	attr.retry_cnt = 3;
	pair = rc_pair_new(&attr);
	near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	far = vt_mem_new(pair->b.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	rc_works(pair);
	psn = rq_psn(&pair->b);
	vt_ok(rc_to_state(&pair->b, IBV_QPS_RESET));
	stranger_open(&stranger, &pair->b, &pair->a);
	rc_start(&pair->a, IBV_WR_RDMA_WRITE, 1, near, 0, far, 0, 64);
	begun = vt_now_ms();
	do {
		for (int half = 0; half < 2; half++) {
			uint8_t op = half ? FORGE_READ_RESPONSE_ONLY : FORGE_ACK;

			for (uint32_t back = 1; back < 0x800000; back = 5 * back + 1) {
				forge_begin(&packet, op, stranger.qpn,
					    (psn - back) & PSN_MASK);
				forge_put32(&packet, 0x1f000000);	/* the AETH of an ACK */
				stranger_sends(&stranger, &packet);
			}
		}
		vt_require(vt_now_ms() - begun < vt_patience_ms() / 3,
			   "the dead peer has not been noticed");
	} while (vt_poll_for(pair->a.scq, &wc, 1, 10) != 1);
	vt_require(wc.status == IBV_WC_RETRY_EXC_ERR, "status %d", wc.status);
	forge_close(&stranger.forge);
}

/* --- what waits --- */

/*
 * While the responder waits for a page it keeps none of a stranger's packets and loses no
 * others.
 */
static void strangers_while_waiting(const void *arg)
{
	static const uint8_t payload[1024];
	struct forge_packet packet;
	struct wait w;
	long long kept;

	(void)arg;
	wait_open(&w, 4);
	wait_begin(&w);
	vt_sleep_ms(SETTLE_MS);
	kept = vt_counter(w.pair->b.dev, "parked_packets");
	for (uint32_t i = 1; i < 4000; i++) {
		uint32_t psn = w.psn + 1 + i * 0x1003;

		stranger_asks(&w.stranger, &packet, i & 1 ? FORGE_WRITE_MIDDLE : FORGE_READ,
			      psn);
		if (i & 1)
			forge_put(&packet, payload, sizeof(payload));
		else
			forge_reth(&packet, w.far->iova, w.far->mr->rkey, 64);
		stranger_sends(&w.stranger, &packet);
	}
	vt_sleep_ms(SETTLE_MS);
	kept = vt_counter(w.pair->b.dev, "parked_packets") - kept;
	vt_require(!kept, "%lld packets of a stranger were kept", kept);
	wait_end(&w);
	want_unhurt(w.pair);
}

/* @arg READs at once, all with correct PSNs, where max_dest_rd_atomic is 4. */
static void many_reads(const void *arg)
{
	int num = *(const int *)arg;
	struct vt_mem *mem;
	struct wait w;

	wait_open(&w, 4);
	wait_begin(&w);
	mem = vt_mem_new(w.pair->b.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	for (int i = 0; i < num; i++)
		stranger_reads(&w.stranger, w.psn + 1 + i, mem->iova, mem->mr->rkey, 64);
	vt_sleep_ms(SETTLE_MS);
	wait_end(&w);
	vt_sleep_ms(SETTLE_MS);
	if (num <= 4)
		vt_require(rc_state(&w.pair->b) == IBV_QPS_RTS, "%d were refused", num);
	else
		vt_require(rc_state(&w.pair->b) == IBV_QPS_ERR, "%d were answered", num);
}

/* --- what is flushed --- */

#define FLUSHED	8192

static struct rc_pair *deep_pair(void)
{
	struct rc_attr attr = rc_attr_default;

	attr.wr = FLUSHED;
	attr.cqe = 2 * FLUSHED;
	return rc_pair_new(&attr);
}

/* Expect all flush completions, in order, each at most @ms after the one before it. */
static void want_flushed(struct ibv_cq *cq, unsigned int ms)
{
	struct ibv_wc wc;

	for (unsigned int i = 0; i < FLUSHED; i++) {
		vt_require(vt_poll_for(cq, &wc, 1, ms) == 1, "%u of %u were told", i,
			   FLUSHED);
		vt_require(wc.status == IBV_WC_WR_FLUSH_ERR, "status %d", wc.status);
		vt_require(wc.wr_id == i, "%lu instead of %u", (long)wc.wr_id, i);
	}
	vt_want_none(cq, 0);
}

static void fill(struct rc_end *end, bool sends)
{
	struct vt_wr wr;

	for (unsigned int i = 0; i < FLUSHED; i++) {
		vt_wr_init(&wr, IBV_WR_SEND, i);
		if (sends)
			vt_ok(rc_post(end, &wr));
		vt_ok(rc_post_recv(end, i, NULL, 0));
	}
}

/* When the call that moves a QP to the error state returns, all requests have been flushed. */
static void flush_at_once(const void *arg)
{
	struct rc_pair *pair = deep_pair();

	(void)arg;
	vt_ok(rc_to_state(&pair->a, IBV_QPS_SQD));
	fill(&pair->a, true);
	vt_ok(rc_to_state(&pair->a, IBV_QPS_ERR));
	want_flushed(pair->a.scq, 0);
	want_flushed(pair->a.rcq, 0);
}

/* Post a WRITE that end b refuses: its QP fails without a call of the program. */
static void fail_far(struct rc_pair *pair)
{
	struct vt_mem *mem = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	struct vt_wr wr;

	vt_wr_init(&wr, IBV_WR_RDMA_WRITE, 1);
	vt_wr_local(&wr, mem, 0, 64);
	wr.wr.wr.rdma.remote_addr = 0x1234;
	wr.wr.wr.rdma.rkey = STRANGE_KEY;
	vt_ok(rc_post(&pair->a, &wr));
	vt_want(pair->a.scq, 1, IBV_WC_REM_ACCESS_ERR);
}

static void flush_after_failure(const void *arg)
{
	struct rc_pair *pair = deep_pair();

	(void)arg;
	fill(&pair->b, false);
	fail_far(pair);
	want_flushed(pair->b.rcq, vt_patience_ms());
}

/* After a reset no completion of an earlier request appears. */
static void reset_while_flushing(const void *arg)
{
	struct rc_pair *pair = deep_pair();

	(void)arg;
	for (int i = 0; i < 5; i++) {
		fill(&pair->b, false);
		fail_far(pair);
		vt_ok(rc_to_state(&pair->b, IBV_QPS_RESET));
		vt_want_none(pair->b.rcq, 50);
		rc_reconnect(pair);
		rc_works(pair);
	}
}

static void add_tests(void)
{
	static const int reads[] = { 4, 5, 200 };

	VT_TEST(strange_requests);
	VT_TEST(dead_peer);
	VT_TEST(strangers_while_waiting);
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		vt_test(many_reads, &reads[i], "many_reads_%d", reads[i]);
	VT_TEST(flush_at_once);
	VT_TEST(flush_after_failure);
	VT_TEST(reset_while_flushing);
	hostile_again_add();
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
