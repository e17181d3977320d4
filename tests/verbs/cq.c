// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Completion queues: events, resizing, overrun, the extended polling. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "rc.h"

static struct rc_pair *pair_with_events(void)
{
	struct rc_attr attr = rc_attr_default;

	attr.channel = true;
	return rc_pair_new(&attr);
}

static void send_flags(struct rc_pair *pair, uint64_t id, int flags)
{
	struct vt_wr wr;

	vt_wr_init(&wr, IBV_WR_SEND, id);
	wr.wr.send_flags = flags;
	vt_ok(rc_post_recv(&pair->b, id, NULL, 0));
	vt_ok(rc_post(&pair->a, &wr));
}

static bool event_within(struct rc_end *end, int ms, struct ibv_cq *want)
{
	struct pollfd fd = { .fd = end->channel->fd, .events = POLLIN };
	struct ibv_cq *cq;
	void *context;

	if (poll(&fd, 1, ms) != 1)
		return false;
	vt_ok(ibv_get_cq_event(end->channel, &cq, &context));
	vt_require(cq == want, "event of another CQ");
	ibv_ack_cq_events(cq, 1);
	return true;
}

/* --- events --- */

/* Each arming gives one event; an unarmed CQ gives none. */
static void notify_any(const void *arg)
{
	struct rc_pair *pair = pair_with_events();
	struct rc_end *a = &pair->a;

	(void)arg;
	send_flags(pair, 1, IBV_SEND_SIGNALED);
	vt_want(a->scq, 1, IBV_WC_SUCCESS);
	vt_require(!event_within(a, 50, a->scq), "event without arming");
	for (int i = 2; i < 20; i++) {
		vt_ok(ibv_req_notify_cq(a->scq, 0));
		vt_require(!event_within(a, i == 2 ? 50 : 0, a->scq), "event of nothing");
		send_flags(pair, i, IBV_SEND_SIGNALED);
		vt_require(event_within(a, 10000, a->scq), "no event");
		vt_want(a->scq, i, IBV_WC_SUCCESS);
		send_flags(pair, 1000, IBV_SEND_SIGNALED);
		vt_want(a->scq, 1000, IBV_WC_SUCCESS);
		vt_require(!event_within(a, 5, a->scq), "second event for one arming");
	}
}

/* Armed for solicited completions: only a solicited SEND or an error wakes. */
static void notify_solicited(const void *arg)
{
	struct rc_pair *pair = pair_with_events();
	struct rc_end *b = &pair->b;

	(void)arg;
	vt_ok(ibv_req_notify_cq(b->rcq, 1));
	send_flags(pair, 1, IBV_SEND_SIGNALED);
	vt_want(b->rcq, 1, IBV_WC_SUCCESS);
	vt_require(!event_within(b, 100, b->rcq), "event of an unsolicited SEND");
	send_flags(pair, 2, IBV_SEND_SIGNALED | IBV_SEND_SOLICITED);
	vt_require(event_within(b, 10000, b->rcq), "no event of a solicited SEND");
	vt_want(b->rcq, 2, IBV_WC_SUCCESS);
	vt_ok(ibv_req_notify_cq(b->rcq, 1));
	vt_ok(rc_post_recv(b, 3, NULL, 0));
	vt_ok(rc_to_state(b, IBV_QPS_ERR));
	vt_require(event_within(b, 10000, b->rcq), "no event of an error");
	vt_want(b->rcq, 3, IBV_WC_WR_FLUSH_ERR);
}

/* Armed for any completion and then for solicited ones only: the wider arming stays. */
static void notify_widened(const void *arg)
{
	struct rc_pair *pair = pair_with_events();
	struct rc_end *b = &pair->b;

	(void)arg;
	vt_ok(ibv_req_notify_cq(b->rcq, 0));
	vt_ok(ibv_req_notify_cq(b->rcq, 1));
	send_flags(pair, 1, IBV_SEND_SIGNALED);
	vt_require(event_within(b, 10000, b->rcq), "no event");
	vt_want(b->rcq, 1, IBV_WC_SUCCESS);
}

struct pump {
	struct rc_pair *pair;
	int count;
};

static void *pump_run(void *arg)
{
	struct pump *pump = arg;
	struct ibv_wc wc;
	struct vt_wr wr;
	int flight = 0;

	vt_reseed(pump->count);
	for (int i = 0; i < pump->count; i++) {
		vt_wr_init(&wr, IBV_WR_SEND, i);
		vt_ok(rc_post(&pump->pair->a, &wr));
		if (++flight < 32)
			continue;
		wc = vt_poll(pump->pair->a.scq);
		vt_require(wc.status == IBV_WC_SUCCESS, "send: %s",
			   ibv_wc_status_str(wc.status));
		flight--;
	}
	while (flight--) {
		wc = vt_poll(pump->pair->a.scq);
		vt_require(wc.status == IBV_WC_SUCCESS, "send: %s",
			   ibv_wc_status_str(wc.status));
	}
	return NULL;
}

/* The usual event loop (arm, poll, wait) loses nothing while a peer sends. */
static void event_loop(const void *arg)
{
	struct rc_pair *pair = pair_with_events();
	struct pump pump = { pair, 2000 };
	struct rc_end *b = &pair->b;
	struct ibv_wc wc[8];
	pthread_t thread;
	int got = 0, n, posted = 0;

	(void)arg;
	for (; posted < 48; posted++)
		vt_ok(rc_post_recv(b, posted, NULL, 0));
	vt_ok(ibv_req_notify_cq(b->rcq, 0));
	vt_ok(pthread_create(&thread, NULL, pump_run, &pump));
	while (got < pump.count) {
		vt_require(event_within(b, vt_patience_ms(), b->rcq),
			   "no event after %d completions", got);
		vt_ok(ibv_req_notify_cq(b->rcq, 0));
		while ((n = ibv_poll_cq(b->rcq, ARRAY_SIZE(wc), wc)) > 0)
			for (int i = 0; i < n; i++, got++) {
				vt_require(wc[i].wr_id == (uint64_t)got, "out of order");
				vt_ok(rc_post_recv(b, posted++, NULL, 0));
			}
	}
	vt_ok(pthread_join(thread, NULL));
}

/* --- moderation --- */

#define PERIOD_US	UINT16_MAX
#define TRIES		20

static int moderate(struct ibv_cq *cq, uint32_t mask, uint16_t count, uint16_t period)
{
	struct ibv_modify_cq_attr attr = {
		.attr_mask = mask, .moderate = { .cq_count = count, .cq_period = period },
	};

	return ibv_modify_cq(cq, &attr);
}

/* The time from before the first of @n completions until their event, in us. */
static uint64_t event_after(struct rc_pair *pair, int n)
{
	struct rc_end *a = &pair->a;
	uint64_t start, took;

	vt_ok(ibv_req_notify_cq(a->scq, 0));
	start = vt_now_ns();
	for (int i = 0; i < n; i++)
		send_flags(pair, i, IBV_SEND_SIGNALED);
	vt_require(event_within(a, vt_patience_ms(), a->scq), "no event of %d completions", n);
	took = (vt_now_ns() - start) / 1000;
	for (int i = 0; i < n; i++) {
		vt_want(a->scq, i, IBV_WC_SUCCESS);
		vt_want(pair->b.rcq, i, IBV_WC_SUCCESS);
	}
	return took;
}

/* On a busy machine the event may come late, but not each time. */
static void want_event_early(struct rc_pair *pair, int n)
{
	int tries = 0;

	while (event_after(pair, n) >= PERIOD_US)
		vt_require(++tries < TRIES, "%d completions wait for the period", n);
}

static void moderation(const void *arg)
{
	struct rc_pair *pair = pair_with_events();
	struct ibv_cq *cq = pair->a.scq;
	uint64_t took;

	(void)arg;
	if (!vt_dev(0)->attr.cq_mod_caps.max_cq_period)
		vt_skip("the device does not moderate events");
	for (int count = 0; count <= 4; count += 4) {
		vt_ok(moderate(cq, IBV_CQ_ATTR_MODERATE, count, PERIOD_US));
		took = event_after(pair, 3);
		vt_require(took >= PERIOD_US, "3 completions, count %d: event after %llu us",
			   count, (unsigned long long)took);
	}
	want_event_early(pair, 4);
	vt_ok(moderate(cq, IBV_CQ_ATTR_MODERATE, 4, 0));
	want_event_early(pair, 1);
	vt_ok(moderate(cq, IBV_CQ_ATTR_MODERATE, 1, PERIOD_US));
	want_event_early(pair, 1);
	vt_require(moderate(cq, 0, 1, 1) == EINVAL, "nothing to change");
	vt_require(moderate(cq, IBV_CQ_ATTR_MODERATE << 1, 1, 1), "an unknown bit");
	vt_require(!event_within(&pair->a, 5, cq), "a second event");
	/* The CQ goes while it holds an event back. */
	vt_ok(moderate(cq, IBV_CQ_ATTR_MODERATE, 4, PERIOD_US));
	vt_ok(ibv_req_notify_cq(cq, 0));
	send_flags(pair, 1, IBV_SEND_SIGNALED);
	vt_want(cq, 1, IBV_WC_SUCCESS);
}

/* --- resizing --- */

/* Completions that wait in the CQ survive resizing. */
static void resize_keeps(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	static const int sizes[] = { 65, 500, 41, 4000, 40, 100 };

	(void)arg;
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (int i = 0; i < 40; i++)
			send_flags(pair, i, IBV_SEND_SIGNALED);
		for (int i = 0; i < 40; i++)
			vt_want(pair->b.rcq, i, IBV_WC_SUCCESS);
		vt_sleep_ms(50);	/* all are in the send CQ by now */
		vt_ok(ibv_resize_cq(pair->a.scq, sizes[s]));
		vt_require(pair->a.scq->cqe >= sizes[s], "cqe is %d", pair->a.scq->cqe);
		for (int i = 0; i < 40; i++)
			vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
		vt_want_none(pair->a.scq, 2);
	}
}

/*
 * A CQ neither shrinks below the number of its completions nor grows beyond the device's
 * limit.
 */
static void resize_refused(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	int max = vt_dev(0)->attr.orig_attr.max_cqe;

	(void)arg;
	for (int i = 0; i < 40; i++)
		send_flags(pair, i, IBV_SEND_SIGNALED);
	for (int i = 0; i < 40; i++)
		vt_want(pair->b.rcq, i, IBV_WC_SUCCESS);
	vt_sleep_ms(50);
	vt_require(ibv_resize_cq(pair->a.scq, 1), "shrank to 1 with 40 inside");
	if (max < INT32_MAX)
		vt_require(ibv_resize_cq(pair->a.scq, max + 1), "grew beyond max_cqe");
	vt_require(ibv_resize_cq(pair->a.scq, 0), "resized to 0");
	for (int i = 0; i < 40; i++)
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
}

/* Resizing again and again while completions pour in and are polled. */
static void resize_under_load(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct pump pump = { pair, 3000 };
	struct rc_end *b = &pair->b;
	pthread_t thread;
	int posted = 0;

	(void)arg;
	for (; posted < 48; posted++)
		vt_ok(rc_post_recv(b, posted, NULL, 0));
	vt_ok(pthread_create(&thread, NULL, pump_run, &pump));
	for (int got = 0; got < pump.count; got++) {
		if (got % 20 == 0)
			vt_ok(ibv_resize_cq(b->rcq, 64 + vt_below(1000)));
		vt_want(b->rcq, got, IBV_WC_SUCCESS);
		vt_ok(rc_post_recv(b, posted++, NULL, 0));
	}
	vt_ok(pthread_join(thread, NULL));
}

/* --- overrun --- */

/*
 * More completions than the CQ holds: the CQ fails with an asynchronous event, and its QP
 * fails, too.
 */
static void overrun(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_pair *pair;
	struct ibv_wc wc;
	int cqe, good = 0;

	(void)arg;
	attr.cqe = 4;
	pair = rc_pair_new(&attr);
	cqe = pair->a.scq->cqe;
	for (int i = 0; i < cqe + 20; i++) {
		struct vt_wr wr;

		vt_wr_init(&wr, IBV_WR_RDMA_WRITE, i);
		if (rc_post(&pair->a, &wr))
			break;
		vt_sleep_ms(1);
	}
	vt_want_event(pair->a.dev, IBV_EVENT_CQ_ERR);
	while (good <= cqe && ibv_poll_cq(pair->a.scq, 1, &wc) == 1) {
		vt_require(wc.wr_id == (uint64_t)good, "out of order");
		good++;
	}
	vt_require(good <= cqe, "%d completions from a CQ of %d", good, cqe);
	rc_works(rc_pair());
}

/* --- sizes --- */

static void sizes_refused(const void *arg)
{
	static const int bad[] = { 0, -1, INT32_MIN };
	struct vt_dev *dev = vt_dev(0);
	struct ibv_cq *cq;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cq = ibv_create_cq(dev->ctx, bad[i], NULL, NULL, 0);
		vt_require(!cq, "a CQ of %d entries", bad[i]);
	}
	cq = ibv_create_cq(dev->ctx, dev->attr.orig_attr.max_cqe + 1, NULL, NULL, 0);
	vt_require(!cq, "a CQ beyond max_cqe");
	cq = ibv_create_cq(dev->ctx, 10, NULL, NULL, dev->ctx->num_comp_vectors);
	vt_require(!cq, "a completion vector that is not there");
}

/* --- the extended interface --- */

static void free_cq_ex(void *obj)
{
	ibv_destroy_cq(ibv_cq_ex_to_cq(obj));
}

/* Replace the QP of an end by one whose receive CQ is an extended CQ. */
static struct ibv_cq_ex *extended_cq(struct rc_end *end, uint64_t wc_flags)
{
	struct ibv_cq_init_attr_ex cq_attr = { .cqe = 100, .wc_flags = wc_flags };
	struct ibv_cq_ex *cq = ibv_create_cq_ex(end->dev->ctx, &cq_attr);
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.cap = { 64, 64, 1, 1, 0 },
	};

	if (!cq && errno == EOPNOTSUPP)
		vt_skip("no extended CQ with flags %#llx", (unsigned long long)wc_flags);
	vt_require(cq, "create_cq_ex: %s", strerror(errno));
	vt_defer(free_cq_ex, cq);
	init.send_cq = end->scq;
	init.recv_cq = ibv_cq_ex_to_cq(cq);
	end->qp = ibv_create_qp(end->pd, &init);
	vt_require(end->qp, "create_qp: %s", strerror(errno));
	vt_defer(vt_free_qp, end->qp);
	return cq;
}

static struct ibv_cq_ex *extended_pair(struct rc_pair *pair, uint64_t wc_flags)
{
	struct rc_addr a, b;
	struct ibv_cq_ex *cq;

	rc_end_open(&pair->a, vt_dev(0), NULL, &rc_attr_default);
	rc_end_open(&pair->b, vt_dev(1), NULL, &rc_attr_default);
	cq = extended_cq(&pair->b, wc_flags);
	a = rc_end_addr(&pair->a);
	b = rc_end_addr(&pair->b);
	rc_connect(&pair->a, &rc_attr_default, &b);
	rc_connect(&pair->b, &rc_attr_default, &a);
	return cq;
}

static void send_imm(struct rc_pair *pair, uint64_t id, size_t len)
{
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, len + 1, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_new(pair->b.pd, VT_PINNED, len + 1, VT_ACCESS_ALL);
	struct ibv_sge sge = vt_sge(dst, 0, len);
	struct vt_wr wr;

	vt_ok(rc_post_recv(&pair->b, id, &sge, 1));
	vt_wr_init(&wr, IBV_WR_SEND_WITH_IMM, id);
	wr.wr.imm_data = htobe32(id);
	vt_wr_local(&wr, src, 0, len);
	vt_ok(rc_post(&pair->a, &wr));
	vt_want(pair->a.scq, id, IBV_WC_SUCCESS);
}

static void check_extended(struct ibv_cq_ex *cq, struct rc_pair *pair, uint64_t id)
{
	vt_require(cq->wr_id == id, "wr_id %llu", (unsigned long long)cq->wr_id);
	vt_require(cq->status == IBV_WC_SUCCESS, "status %d", cq->status);
	vt_require(ibv_wc_read_opcode(cq) == IBV_WC_RECV, "opcode");
	vt_require(ibv_wc_read_byte_len(cq) == 100 * id, "byte_len");
	vt_require(ibv_wc_read_imm_data(cq) == htobe32(id), "imm_data");
	vt_require(ibv_wc_read_qp_num(cq) == pair->b.qp->qp_num, "qp_num");
	vt_require(ibv_wc_read_wc_flags(cq) & IBV_WC_WITH_IMM, "wc_flags");
	vt_require(ibv_wc_read_vendor_err(cq) == 0, "vendor_err");
}

static void extended_poll(const void *arg)
{
	struct ibv_poll_cq_attr poll_attr = { };
	struct rc_pair pair;
	struct ibv_cq_ex *cq;

	(void)arg;
	cq = extended_pair(&pair, IBV_WC_EX_WITH_BYTE_LEN | IBV_WC_EX_WITH_IMM |
			   IBV_WC_EX_WITH_QP_NUM);
	vt_require(ibv_start_poll(cq, &poll_attr) == ENOENT, "an empty CQ polls");
	for (int i = 1; i <= 20; i++)
		send_imm(&pair, i, 100 * i);
	for (int i = 1; i <= 20; i++) {
		bool first = i == 1 || i == 11;

		vt_ok(first ? ibv_start_poll(cq, &poll_attr) : ibv_next_poll(cq));
		check_extended(cq, &pair, i);
		if (i == 10)
			ibv_end_poll(cq);
	}
	vt_require(ibv_next_poll(cq) == ENOENT, "21 completions");
	ibv_end_poll(cq);
}

static uint64_t wallclock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/*
 * The wall clock time of a completion lies between posting and polling. On nopin the raw
 * timestamp is the same value.
 */
static void timestamps(const void *arg)
{
	bool raw = *(const uint64_t *)arg == IBV_WC_EX_WITH_COMPLETION_TIMESTAMP;
	struct ibv_poll_cq_attr poll_attr = { };
	struct rc_pair pair;
	struct ibv_cq_ex *cq;

	if (raw && !vt_dev(0)->is_nopin)
		vt_skip("a clock of its own");
	cq = extended_pair(&pair, *(const uint64_t *)arg);
	for (int i = 1; i <= 20; i++) {
		uint64_t before = wallclock(), stamp;

		send_imm(&pair, i, 100 * i);
		vt_sleep_ms(1);
		vt_ok(ibv_start_poll(cq, &poll_attr));
		stamp = raw ? ibv_wc_read_completion_ts(cq) :
			      ibv_wc_read_completion_wallclock_ns(cq);
		ibv_end_poll(cq);
		vt_require(stamp >= before && stamp <= wallclock(),
			   "%llu is not after %llu", (unsigned long long)stamp,
			   (unsigned long long)before);
	}
}

static void add_tests(void)
{
	static const uint64_t raw = IBV_WC_EX_WITH_COMPLETION_TIMESTAMP;
	static const uint64_t wallclock_ns = IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK;

	VT_TEST(notify_any);
	VT_TEST(notify_solicited);
	VT_TEST(notify_widened);
	VT_TEST(event_loop);
	VT_TEST(moderation);
	VT_TEST(resize_keeps);
	VT_TEST(resize_refused);
	VT_TEST(resize_under_load);
	VT_TEST(overrun);
	VT_TEST(sizes_refused);
	VT_TEST(extended_poll);
	vt_test(timestamps, &raw, "timestamps");
	vt_test(timestamps, &wallclock_ns, "timestamps_wallclock");
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
