// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Malicious neighbours, and networks that duplicate and delay packets. A packet that is not
 * due must change nothing, the packets kept for a waiting QP are bounded, and every flushed
 * request must complete.
 *
 * A stranger here is a user of the peer's host with a UDP socket (../hostile/forge.h). For
 * QPs of one device set /sys/module/nopin/parameters/loopback so that packets go over lo.
 */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "forge.h"
#include "odp_system.h"
#include "rc.h"

#define PAGE		4096UL
#define STRANGE_KEY	0xdeadbeef
#define PSN_MASK	0xffffffU
#define SETTLE_MS	300	/* until the packets sent have been processed */

static uint32_t rq_psn(const struct rc_end *end)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	vt_ok(ibv_query_qp(end->qp, &attr, IBV_QP_RQ_PSN, &init));
	return attr.rq_psn;
}

static void want_unhurt(struct rc_pair *pair)
{
	vt_require(rc_state(&pair->a) == IBV_QPS_RTS && rc_state(&pair->b) == IBV_QPS_RTS,
		   "the QPs are in states %d and %d", rc_state(&pair->a),
		   rc_state(&pair->b));
	rc_works(pair);
}

/* A stranger on the host of end @from, who sends packets to the QP of end @to. */
struct stranger {
	struct forge forge;
	uint32_t qpn;
};

static void stranger_open(struct stranger *s, const struct rc_end *from,
			  const struct rc_end *to)
{
	s->qpn = to->qp->qp_num;
	memcpy(&s->forge.saddr, &from->dev->gid, sizeof(s->forge.saddr));
	memcpy(&s->forge.daddr, &to->dev->gid, sizeof(s->forge.daddr));
	s->forge.as_ipv6 = false;
	if (!IN6_IS_ADDR_V4MAPPED(&s->forge.saddr) || !IN6_IS_ADDR_V4MAPPED(&s->forge.daddr))
		vt_skip("no IPv4 address");
	forge_open_udp(&s->forge, NULL);
}

/* Begin a request that asks for an ACK. */
static void stranger_asks(const struct stranger *s, struct forge_packet *packet,
			  uint8_t opcode, uint32_t psn)
{
	forge_begin(packet, opcode, s->qpn, (psn & PSN_MASK) | FORGE_ACK_REQ);
}

static void stranger_sends(struct stranger *s, struct forge_packet *packet)
{
	vt_ok(forge_send(&s->forge, packet));
}

static void stranger_reads(struct stranger *s, uint32_t psn, uint64_t addr, uint32_t rkey,
			   uint32_t len)
{
	struct forge_packet packet;

	stranger_asks(s, &packet, FORGE_READ, psn);
	forge_reth(&packet, addr, rkey, len);
	stranger_sends(s, &packet);
}

/* Has the device of the peer sent more than @sent packets? Wait for it for @ms at most. */
static bool has_answered(long long sent, unsigned int ms)
{
	uint64_t end = vt_now_ms() + ms;

	while (vt_counter(vt_dev(1), "sent_packets") == sent && vt_now_ms() < end)
		;
	return vt_counter(vt_dev(1), "sent_packets") > sent;
}

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

/* A duplicate of a successful READ arrives after its region is deregistered. */
static void read_again_without_region(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	struct vt_mem *far = vt_mem_new(pair->b.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	uint64_t addr = far->iova;
	uint32_t rkey = far->mr->rkey, psn = rq_psn(&pair->b);
	struct stranger stranger;

	(void)arg;
	rc_do(&pair->a, IBV_WR_RDMA_READ, near, 0, far, 0, 64, IBV_WC_SUCCESS);
	stranger_open(&stranger, &pair->a, &pair->b);
	stranger_reads(&stranger, psn, addr, rkey, 64);	/* the response is dropped */
	vt_release(far->mr);
	for (int i = 0; i < 10; i++)
		stranger_reads(&stranger, psn, addr, rkey, 64);
	vt_sleep_ms(SETTLE_MS);
	want_unhurt(pair);
	forge_close(&stranger.forge);
}

/*
 * The responder must answer a repeated READ even in the middle of a later message: the
 * requester's window may fill up before that message ends.
 */
static void read_again_amid_message(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	struct vt_mem *far = vt_mem_new(pair->b.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	uint32_t psn = rq_psn(&pair->b);
	struct forge_packet packet;
	struct stranger stranger;
	uint8_t data[1024] = {};
	long long sent;

	(void)arg;
	rc_do(&pair->a, IBV_WR_RDMA_READ, near, 0, far, 0, 64, IBV_WC_SUCCESS);
	stranger_open(&stranger, &pair->a, &pair->b);
	forge_begin(&packet, FORGE_WRITE_FIRST, stranger.qpn, (psn + 1) & PSN_MASK);
	forge_reth(&packet, far->iova, far->mr->rkey, 2 * sizeof(data));
	forge_put(&packet, data, sizeof(data));
	stranger_sends(&stranger, &packet);
	vt_sleep_ms(SETTLE_MS);
	sent = vt_counter(vt_dev(1), "sent_packets");
	stranger_reads(&stranger, psn, far->iova, far->mr->rkey, 64);
	vt_require(has_answered(sent, vt_patience_ms()), "it was not answered");
	vt_require(vt_counter(vt_dev(1), "sent_packets") == sent + 1, "two answers");
	forge_close(&stranger.forge);
}

static void change_depth(struct rc_end *end, uint8_t depth)
{
	struct ibv_qp_attr attr = { .max_dest_rd_atomic = depth };

	vt_ok(rc_to_state(end, IBV_QPS_SQD));
	vt_ok(ibv_modify_qp(end->qp, &attr, IBV_QP_MAX_DEST_RD_ATOMIC));
	vt_ok(rc_to_state(end, IBV_QPS_RTS));
}

/* Send an atomic with an old PSN. True: it was answered within @ms. */
static bool answers_atomic(struct stranger *s, uint32_t psn, const struct vt_mem *far,
			   unsigned int ms)
{
	long long sent = vt_counter(vt_dev(1), "sent_packets");
	struct forge_packet packet;

	stranger_asks(s, &packet, FORGE_FETCH_ADD, psn);
	forge_atomic(&packet, far->iova, far->mr->rkey, 1, 0);
	stranger_sends(s, &packet);
	return has_answered(sent, ms);
}

static void want_atomic(struct stranger *s, uint32_t psn, const struct vt_mem *far,
			const char *which)
{
	vt_require(answers_atomic(s, psn, far, vt_patience_ms()), "not answered: %s", which);
}

/* When max_dest_rd_atomic changes, the newest atomics stay remembered, as many as fit. */
static void atomic_again_after_change(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	uint64_t *word = vt_map(PAGE, 0);	/* an atomic wants it aligned */
	struct vt_mem *far = vt_mem_at(pair->b.pd, VT_PINNED, word, PAGE, VT_ACCESS_ALL);
	uint32_t psn = rq_psn(&pair->b);
	struct stranger s;

	(void)arg;
	for (int i = 0; i < 3; i++)
		rc_do(&pair->a, IBV_WR_ATOMIC_FETCH_AND_ADD, near, 0, far, 0, 8,
		      IBV_WC_SUCCESS);
	stranger_open(&s, &pair->a, &pair->b);
	want_atomic(&s, psn, far, "the oldest before the change");
	change_depth(&pair->b, 2);
	want_atomic(&s, psn + 2, far, "the newest of 2");
	want_atomic(&s, psn + 1, far, "the older one of 2");
	vt_require(!answers_atomic(&s, psn, far, SETTLE_MS), "answered: one that did not fit");
	change_depth(&pair->b, pair->attr.rd_atomic);
	want_atomic(&s, psn + 2, far, "the newest, with more room");
	want_atomic(&s, psn + 1, far, "the older one, with more room");
	rc_do(&pair->a, IBV_WR_ATOMIC_FETCH_AND_ADD, near, 0, far, 0, 8, IBV_WC_SUCCESS);
	want_atomic(&s, psn + 3, far, "one after the change");
	want_atomic(&s, psn + 1, far, "the oldest after another");
	/* Those of the peer add 0, the stranger's 1. */
	vt_require(!*word, "%ld duplicates were carried out", (long)*word);
	want_unhurt(pair);
	forge_close(&s.forge);
}

/* The same without a stranger: run this with a network that duplicates and delays packets. */
static void reads_then_no_region(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);

	(void)arg;
	for (int i = 0; i < 100; i++) {
		struct vt_mem *far = vt_mem_new(pair->b.pd, VT_PINNED, PAGE,
						VT_ACCESS_ALL);

		rc_do(&pair->a, IBV_WR_RDMA_READ, near, 0, far, 0, 64, IBV_WC_SUCCESS);
		vt_release(far->mr);
	}
	vt_sleep_ms(SETTLE_MS);
	want_unhurt(pair);
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

struct wait {
	struct rc_pair *pair;
	struct vt_mem *near, *far;
	int uffd;
	struct stranger stranger;
	uint32_t psn;	/* of the WRITE that waits for its page */
};

static void wait_begin(struct wait *w, uint8_t rd_atomic)
{
	struct rc_attr attr = rc_attr_default;
	void *hole = vt_map(PAGE, 0);

	attr.rd_atomic = rd_atomic;
	vt_need_kind(vt_dev(1), VT_ODP, 0x1f);
	w->pair = rc_pair_new(&attr);
	w->near = vt_mem_new(w->pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	w->far = vt_mem_at(w->pair->b.pd, VT_ODP, hole, PAGE, VT_ACCESS_ALL);
	w->uffd = odp_uffd(hole, PAGE, UFFDIO_REGISTER_MODE_MISSING);
	w->psn = rq_psn(&w->pair->b);
	stranger_open(&w->stranger, &w->pair->a, &w->pair->b);
	rc_start(&w->pair->a, IBV_WR_RDMA_WRITE, 1, w->near, 0, w->far, 0, 64);
	odp_uffd_wait(w->uffd);
}

static void wait_end(struct wait *w)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)w->far->addr, PAGE } };

	vt_ok(ioctl(w->uffd, UFFDIO_ZEROPAGE, &zero));
	vt_want(w->pair->a.scq, 1, IBV_WC_SUCCESS);
	close(w->uffd);
	forge_close(&w->stranger.forge);
}

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
	wait_begin(&w, 4);
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

	wait_begin(&w, 4);
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
	VT_TEST(read_again_without_region);
	VT_TEST(read_again_amid_message);
	VT_TEST(atomic_again_after_change);
	VT_TEST(reads_then_no_region);
	VT_TEST(dead_peer);
	VT_TEST(strangers_while_waiting);
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		vt_test(many_reads, &reads[i], "many_reads_%d", reads[i]);
	VT_TEST(flush_at_once);
	VT_TEST(flush_after_failure);
	VT_TEST(reset_while_flushing);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
