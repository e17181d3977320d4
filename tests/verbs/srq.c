// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Shared receive queues: one ring of receives for all QPs of a server (IBTA 10.2.9). */
#include "rc.h"

#define QPS	3	/* clients, and QPs that share the queue */
#define ROOM	20000	/* bytes of a receive */
#define WRS	16	/* receives */

struct shared {
	struct ibv_srq *srq;
	struct ibv_pd *pd;		/* of the server */
	struct rc_end client[QPS], server[QPS];
	struct vt_mem *src, *dst;	/* @dst: ROOM bytes for each receive */
	uint64_t posted;		/* receives posted so far; the next wr_id */
	uint64_t taken;
};

static void free_srq(void *obj)
{
	ibv_destroy_srq(obj);
}

static struct ibv_srq *new_srq(struct ibv_pd *pd, uint32_t wr, uint32_t sge)
{
	struct ibv_srq_init_attr init = { .attr = { .max_wr = wr, .max_sge = sge } };
	struct ibv_srq *srq = ibv_create_srq(pd, &init);

	vt_require(srq, "create_srq: %s", strerror(errno));
	vt_require(init.attr.max_wr >= wr && init.attr.max_sge >= sge,
		   "granted %u requests of %u elements", init.attr.max_wr, init.attr.max_sge);
	vt_defer(free_srq, srq);
	return srq;
}

/* Replace the QP of @end by one that uses the SRQ. */
static void share(struct rc_end *end, struct ibv_srq *srq)
{
	struct ibv_qp_init_attr init = {
		.send_cq = end->scq,
		.recv_cq = end->rcq,
		.srq = srq,
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = WRS, .max_send_sge = 1 },
	};

	vt_release(end->qp);
	end->qp = ibv_create_qp(end->pd, &init);
	vt_require(end->qp, "create_qp: %s", strerror(errno));
	vt_defer(vt_free_qp, end->qp);
}

static void connect_pair(struct shared *s, int i)
{
	struct rc_addr client = rc_end_addr(&s->client[i]);
	struct rc_addr server = rc_end_addr(&s->server[i]);

	rc_connect(&s->client[i], &rc_attr_default, &server);
	rc_connect(&s->server[i], &rc_attr_default, &client);
}

static void shared_init(struct shared *s, enum vt_kind kind)
{
	struct ibv_pd *clients;

	memset(s, 0, sizeof(*s));
	rc_end_open(&s->server[0], vt_dev(1), NULL, &rc_attr_default);
	rc_end_open(&s->client[0], vt_dev(0), NULL, &rc_attr_default);
	s->pd = s->server[0].pd;
	clients = s->client[0].pd;
	vt_need_kind(vt_dev(1), kind, IBV_ODP_SUPPORT_RECV | IBV_ODP_SUPPORT_SRQ_RECV);
	for (int i = 1; i < QPS; i++) {
		rc_end_open(&s->server[i], vt_dev(1), s->pd, &rc_attr_default);
		rc_end_open(&s->client[i], vt_dev(0), clients, &rc_attr_default);
	}
	s->srq = new_srq(s->pd, WRS, 2);
	for (int i = 0; i < QPS; i++) {
		share(&s->server[i], s->srq);
		connect_pair(s, i);
	}
	s->src = vt_mem_new(clients, VT_PINNED, ROOM, VT_ACCESS_ALL);
	s->dst = vt_mem_new(s->pd, kind, WRS * ROOM, VT_ACCESS_ALL);
	vt_drain_events(vt_dev(1));
}

/* Post one more receive, with two elements. */
static void post(struct shared *s)
{
	size_t off = s->posted % WRS * ROOM;
	size_t len = vt_below(ROOM);
	struct ibv_sge sge[2] = { vt_sge(s->dst, off, len),
				  vt_sge(s->dst, off + len, ROOM - len) };
	struct ibv_recv_wr *bad, wr = { .wr_id = s->posted, .sg_list = sge, .num_sge = 2 };

	vt_ok(ibv_post_srq_recv(s->srq, &wr, &bad));
	s->posted++;
}

static void send_to(struct shared *s, int i, size_t len)
{
	struct vt_wr wr;

	vt_fill(s->src->addr, len);
	vt_wr_init(&wr, IBV_WR_SEND, s->taken);
	vt_wr_local(&wr, s->src, 0, len);
	vt_ok(rc_post(&s->client[i], &wr));
}

/* Check that QP @i took the oldest receive, and that it holds the data sent. */
static void received(struct shared *s, int i, size_t len)
{
	size_t off = s->taken % WRS * ROOM;
	struct ibv_wc wc;

	wc = vt_want(s->server[i].rcq, s->taken, IBV_WC_SUCCESS);
	vt_want(s->client[i].scq, s->taken, IBV_WC_SUCCESS);
	s->taken++;
	vt_require(wc.opcode == IBV_WC_RECV && wc.byte_len == len, "%u bytes of %zu",
		   wc.byte_len, len);
	vt_require(wc.qp_num == s->server[i].qp->qp_num, "received by QP %u", wc.qp_num);
	vt_require(!memcmp(s->dst->addr + off, s->src->addr, len), "data differ");
}

/* Each message, to whichever QP, takes the oldest receive. */
static void srq_is_shared(const void *arg)
{
	struct shared s;

	shared_init(&s, *(const enum vt_kind *)arg);
	for (int i = 0; i < WRS; i++)
		post(&s);
	for (unsigned int n = 0; n < 100 * vt_opts.rounds; n++) {
		size_t len = vt_length(ROOM, 1024);
		int i = vt_below(QPS);

		send_to(&s, i, len);
		received(&s, i, len);
		post(&s);
	}
	vt_mem_guards(s.dst);
}

/* A message waits for a receive as long as its sender's RNR retries allow. */
static void srq_is_dry(const void *arg)
{
	struct shared s;

	(void)arg;
	shared_init(&s, VT_PINNED);
	send_to(&s, 1, 3000);
	vt_want_none(s.server[1].rcq, 30);
	post(&s);
	received(&s, 1, 3000);
}

/* The owner gets one event when fewer receives are left than the limit. */
static void srq_limit(const void *arg)
{
	struct ibv_srq_attr attr = { .srq_limit = 2 };
	struct shared s;

	(void)arg;
	shared_init(&s, VT_PINNED);
	for (int i = 0; i < 4; i++)
		post(&s);
	vt_ok(ibv_modify_srq(s.srq, &attr, IBV_SRQ_LIMIT));
	vt_ok(ibv_query_srq(s.srq, &attr));
	vt_require(attr.srq_limit == 2, "the limit is %u", attr.srq_limit);
	for (int i = 0; i < 2; i++) {
		send_to(&s, i, 100);
		received(&s, i, 100);
	}
	vt_require(vt_async_event(vt_dev(1), 50) < 0, "told with 2 left");
	send_to(&s, 0, 100);
	received(&s, 0, 100);
	vt_want_event(vt_dev(1), IBV_EVENT_SRQ_LIMIT_REACHED);
	vt_ok(ibv_query_srq(s.srq, &attr));
	vt_require(!attr.srq_limit, "still armed, for %u", attr.srq_limit);
	send_to(&s, 0, 100);
	received(&s, 0, 100);
	vt_require(vt_async_event(vt_dev(1), 50) < 0, "told twice");
}

/* The limit has no meaning when an SRQ is created (ibv_create_srq(3)). */
static void srq_limit_at_creation(const void *arg)
{
	static const uint32_t limits[] = { 2, WRS + 1, ~0U };

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct ibv_srq_init_attr init = {
			.attr = { .max_wr = WRS, .max_sge = 1, .srq_limit = limits[i] } };
		struct ibv_srq *srq = ibv_create_srq(vt_new_pd(vt_dev(0)->ctx), &init);
		struct ibv_srq_attr attr;

		vt_require(srq, "a limit of %u: %s", limits[i], strerror(errno));
		vt_defer(free_srq, srq);
		vt_ok(ibv_query_srq(srq, &attr));
		vt_require(!attr.srq_limit, "the limit is %u", attr.srq_limit);
	}
}

/* A QP that is used again tells its owner again when it takes no more, in any state. */
static void srq_last_wqe_again(const void *arg)
{
	struct shared s;

	(void)arg;
	shared_init(&s, VT_PINNED);
	vt_ok(rc_to_state(&s.server[0], IBV_QPS_ERR));
	vt_want_event(vt_dev(1), IBV_EVENT_QP_LAST_WQE_REACHED);
	vt_ok(rc_to_state(&s.server[0], IBV_QPS_RESET));
	vt_ok(rc_to_init(&s.server[0], &rc_attr_default));
	vt_ok(rc_to_state(&s.server[0], IBV_QPS_ERR));
	vt_want_event(vt_dev(1), IBV_EVENT_QP_LAST_WQE_REACHED);
}

/*
 * When a QP fails its receives stay for the others, and an event tells its owner that it
 * takes no more.
 */
static void srq_survives_qp(const void *arg)
{
	struct shared s;

	(void)arg;
	shared_init(&s, VT_PINNED);
	post(&s);
	post(&s);
	vt_ok(rc_to_state(&s.server[0], IBV_QPS_ERR));
	vt_want_event(vt_dev(1), IBV_EVENT_QP_LAST_WQE_REACHED);
	vt_want_none(s.server[0].rcq, 20);
	send_to(&s, 1, 5000);
	received(&s, 1, 5000);
	vt_release(s.server[0].qp);
	send_to(&s, 2, 5000);
	received(&s, 2, 5000);
}

/* A receive that is too short fails the QP that took it, and no other. */
static void srq_too_short(const void *arg)
{
	struct ibv_recv_wr *bad, wr = { .wr_id = 77, .num_sge = 1 };
	struct shared s;

	(void)arg;
	shared_init(&s, VT_PINNED);
	wr.sg_list = &(struct ibv_sge){ 0 };
	*wr.sg_list = vt_sge(s.dst, 0, 99);
	vt_ok(ibv_post_srq_recv(s.srq, &wr, &bad));
	send_to(&s, 0, 100);
	vt_want(s.server[0].rcq, 77, IBV_WC_LOC_LEN_ERR);
	vt_want(s.client[0].scq, 0, IBV_WC_REM_INV_REQ_ERR);
	post(&s);
	send_to(&s, 1, 100);
	received(&s, 1, 100);
}

/*
 * The ring takes the granted number of receives, and a receive the granted number of
 * elements.
 */
static void srq_is_full(const void *arg)
{
	struct ibv_sge sge[3] = {};
	struct ibv_recv_wr *bad, wr = { .sg_list = sge, .num_sge = 3 };
	struct ibv_srq_attr attr;
	struct shared s;

	(void)arg;
	shared_init(&s, VT_PINNED);
	vt_ok(ibv_query_srq(s.srq, &attr));
	vt_require(ibv_post_srq_recv(s.srq, &wr, &bad) && bad == &wr, "3 elements of 2");
	for (uint32_t i = 0; i < attr.max_wr; i++)
		post(&s);
	wr.num_sge = 0;
	vt_require(ibv_post_srq_recv(s.srq, &wr, &bad) == ENOMEM, "more than there is room for");
	send_to(&s, 0, 10);
	received(&s, 0, 10);
	post(&s);
}

static void srq_refused(const void *arg)
{
	struct ibv_srq_init_attr wide = { .attr = { .max_wr = 4, .max_sge = 1 } };
	struct ibv_srq_init_attr huge = wide;
	struct vt_dev *dev = vt_dev(1);
	struct ibv_pd *pd = ibv_alloc_pd(dev->ctx);

	(void)arg;
	vt_defer(vt_free_pd, pd);
	wide.attr.max_sge = dev->attr.orig_attr.max_srq_sge + 1;
	huge.attr.max_wr = dev->attr.orig_attr.max_srq_wr + 1;
	vt_require(!ibv_create_srq(pd, &wide) && errno == EINVAL, "too many elements");
	vt_require(!ibv_create_srq(pd, &huge) && errno == EINVAL, "too many requests");
}

static int resize(struct shared *s, uint32_t wr)
{
	struct ibv_srq_attr attr = { .max_wr = wr };

	return ibv_modify_srq(s->srq, &attr, IBV_SRQ_MAX_WR);
}

static uint32_t room_of(struct shared *s)
{
	struct ibv_srq_attr attr;

	vt_ok(ibv_query_srq(s->srq, &attr));
	return attr.max_wr;
}

/* After resizing, the SRQ holds the same receives in the same order. */
static void srq_resize(const void *arg)
{
	static const uint32_t sizes[] = { 2 * WRS, 8 * WRS, WRS };
	struct shared s;

	(void)arg;
	shared_init(&s, VT_PINNED);
	for (int i = 0; i < WRS; i++)
		post(&s);
	for (unsigned int n = 0; n < 30 * vt_opts.rounds; n++) {
		uint32_t size = sizes[n % ARRAY_SIZE(sizes)];

		vt_ok(resize(&s, size));
		vt_require(room_of(&s) >= size, "%u requests of %u", room_of(&s), size);
		for (unsigned int i = vt_below(2 * WRS); i > 0; i--) {
			size_t len = vt_length(ROOM, 1024);

			send_to(&s, i % QPS, len);
			received(&s, i % QPS, len);
			post(&s);
		}
	}
	vt_mem_guards(s.dst);
}

static void srq_resize_bounds(const void *arg)
{
	struct ibv_srq_attr attr = { .srq_limit = 6 };
	struct ibv_recv_wr *bad, wr = {};
	struct shared s;

	(void)arg;
	shared_init(&s, VT_PINNED);
	for (int i = 0; i < WRS; i++)
		post(&s);
	vt_require(resize(&s, WRS / 2) == EINVAL, "shorter than what was posted");
	vt_require(resize(&s, 0) == EINVAL, "nothing");
	vt_require(resize(&s, vt_dev(1)->attr.orig_attr.max_srq_wr + 1) == EINVAL,
		   "longer than may be");
	for (int i = 0; i < WRS - 4; i++) {
		send_to(&s, 0, 100);
		received(&s, 0, 100);
	}
	vt_ok(ibv_modify_srq(s.srq, &attr, IBV_SRQ_LIMIT));
	vt_require(resize(&s, 4) == EINVAL, "shorter than the limit");
	attr.srq_limit = 0;
	vt_ok(ibv_modify_srq(s.srq, &attr, IBV_SRQ_LIMIT));
	vt_ok(resize(&s, 4));
	vt_require(room_of(&s) != 4 || ibv_post_srq_recv(s.srq, &wr, &bad) == ENOMEM,
		   "5 requests of 4");
	vt_ok(resize(&s, WRS));
	for (int i = 0; i < 4; i++) {
		send_to(&s, i % QPS, 1000);
		received(&s, i % QPS, 1000);
	}
	post(&s);
	send_to(&s, 0, 1000);
	received(&s, 0, 1000);
}

static int resize_and_limit(struct shared *s, uint32_t wr, uint32_t limit)
{
	struct ibv_srq_attr attr = { .max_wr = wr, .srq_limit = limit };

	return ibv_modify_srq(s->srq, &attr, IBV_SRQ_MAX_WR | IBV_SRQ_LIMIT);
}

static void want_limit(struct shared *s, uint32_t wr, uint32_t limit)
{
	struct ibv_srq_attr attr;

	vt_ok(ibv_query_srq(s->srq, &attr));
	vt_require(attr.max_wr >= wr && attr.max_wr < 2 * wr, "%u requests of %u",
		   attr.max_wr, wr);
	vt_require(attr.srq_limit == limit, "the limit is %u, not %u", attr.srq_limit,
		   limit);
}

/* Size and limit change together or not at all; the new limit has to fit the new size. */
static void srq_resize_and_limit(const void *arg)
{
	struct shared s;

	(void)arg;
	shared_init(&s, VT_PINNED);
	vt_ok(resize_and_limit(&s, WRS, WRS));
	vt_require(resize_and_limit(&s, 4, 5) == EINVAL, "a limit above the new size");
	want_limit(&s, WRS, WRS);
	vt_ok(resize_and_limit(&s, 4, 2));
	want_limit(&s, 4, 2);
	vt_ok(resize_and_limit(&s, 4 * WRS, 3 * WRS));
	want_limit(&s, 4 * WRS, 3 * WRS);
	for (int i = 0; i < WRS; i++)
		post(&s);
	vt_require(resize_and_limit(&s, WRS / 2, 1) == EINVAL, "shorter than what was posted");
	want_limit(&s, 4 * WRS, 3 * WRS);
	vt_ok(resize_and_limit(&s, WRS, WRS - 1));
	vt_drain_events(vt_dev(1));
	send_to(&s, 0, 100);
	received(&s, 0, 100);
	vt_require(vt_async_event(vt_dev(1), 50) < 0, "told with as many left");
	send_to(&s, 1, 100);
	received(&s, 1, 100);
	vt_want_event(vt_dev(1), IBV_EVENT_SRQ_LIMIT_REACHED);
}

static void add_tests(void)
{
	static const enum vt_kind kinds[VT_KINDS] = { VT_PINNED, VT_ODP, VT_IMPLICIT };

	for (int i = 0; i < VT_KINDS; i++)
		vt_test(srq_is_shared, &kinds[i], "srq_is_shared_%s", vt_kind_name[kinds[i]]);
	VT_TEST(srq_is_dry);
	VT_TEST(srq_limit);
	VT_TEST(srq_limit_at_creation);
	VT_TEST(srq_survives_qp);
	VT_TEST(srq_last_wqe_again);
	VT_TEST(srq_too_short);
	VT_TEST(srq_is_full);
	VT_TEST(srq_refused);
	VT_TEST(srq_resize);
	VT_TEST(srq_resize_bounds);
	VT_TEST(srq_resize_and_limit);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
