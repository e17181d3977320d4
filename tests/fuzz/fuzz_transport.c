// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Both halves of a QP, of each transport service, against a peer that sends anything: the
 * input says which packets come, what is posted, which pages are there, and when the rest
 * goes on. kernel/ itself is under test, built for this program with its address checked.
 *
 * Besides what the sanitizer sees, such as an access behind a region or a use of what was
 * freed, it is a fault when
 *
 *   - memory changes that no key gives the peer the right to write
 *   - bytes leave that no key gives the peer the right to read
 *   - a request that is not due changes what the responder is at (IBTA 9.7.4)
 *   - more receives complete than were posted
 *   - something is left at the end: packets, memory, or work that never ends
 */
#include <linux/slab.h>

#include "device.h"
#include "entry/doorbell.h"
#include "entry/entry.h"
#include "entry/receive.h"
#include "entry/service.h"
#include "mem/region.h"
#include "mem/window.h"
#include "qp/qp.h"
#include "qp/srq.h"
#include "qp/xrc.h"
#include "queue/cq.h"
#include "below.h"
#include "host.h"

#define QPN_OF_PEER	7
#define QKEY		0x11223344
#define DIRECT_BYTES	5000
#define RING		8
#define MOST_STEPS	200

/* What nobody may read or write, what only the program may read, and what is only read. */
#define SECRET		0x5e
#define LOCAL		0x5d
#define READ_ONLY	0x3c

enum region_kind {
	OPEN,		/* mirrored, all rights */
	OPEN_DIRECT,	/* no page is ever missing */
	ONLY_READ,	/* by peers, and by the program */
	ONLY_LOCAL,	/* peers have no right */
	FOREIGN,	/* of another PD */
	REGIONS
};

static const int region_access[REGIONS] = {
	[OPEN] = NOPIN_REGION_ACCESS & ~(IB_ZERO_BASED | IB_ACCESS_HUGETLB),
	[OPEN_DIRECT] = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |
			IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC,
	[ONLY_READ] = IB_ACCESS_REMOTE_READ,
	[ONLY_LOCAL] = 0,
	[FOREIGN] = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |
		    IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC,
};

static struct world {
	struct nopin_dev *dev;
	struct net_device *ndev;
	struct ib_pd pd, other_pd;
	struct nopin_cq *scq, *rcq;
	struct nopin_srq *srq;
	struct nopin_xrcd xrcd;
	struct nopin_qp *qp;
	const struct nopin_service *service;
	enum ib_qp_type type;
	struct nopin_region *region[REGIONS];
	struct nopin_window window[2];
	u8 *bytes[REGIONS];
	size_t len[REGIONS];
	u32 receives;
	u32 received;
} w;

/* --- the input --- */

static const u8 *input, *input_end;

static u8 take8(void)
{
	return input < input_end ? *input++ : 0;
}

static u32 take16(void)
{
	u32 low = take8();

	return low | take8() << 8;
}

static u64 take64(void)
{
	u64 value = 0;
	int i;

	for (i = 0; i < 8; i++)
		value = value << 8 | take8();
	return value;
}

/* --- the world --- */

static void no_event(struct ib_event *event, void *context)
{
}

static void no_completion(struct ib_cq *cq, void *context)
{
}

static void device_make(void)
{
	struct nopin_dev *dev = calloc(1, sizeof(*dev));

	xa_init_flags(&dev->keys, XA_FLAGS_ALLOC1);
	xa_init_flags(&dev->avs, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ);
	xa_init_flags(&dev->xrc_srqs, XA_FLAGS_ALLOC1);
	dev->stats.counter = calloc(NOPIN_COUNTERS, sizeof(s64));
	w.ndev = calloc(1, sizeof(*w.ndev));
	w.ndev->mtu = 9000;
	dev->ndev = w.ndev;
	w.dev = dev;
	w.pd.device = &dev->ibdev;
	w.other_pd.device = &dev->ibdev;
}

static struct nopin_cq *cq_make(u32 entries)
{
	struct nopin_cq *cq = calloc(1, sizeof(*cq));
	struct nopin_ring_info info;

	cq->ibcq.device = &w.dev->ibdev;
	cq->ibcq.comp_handler = no_completion;
	cq->ibcq.event_handler = no_event;
	fuzz_require(!nopin_cq_create(cq, NULL, entries, &info));
	return cq;
}

static void srq_make(bool xrc)
{
	struct ib_srq_attr attr = { .max_wr = RING, .max_sge = 4 };
	struct nopin_create_srq_resp resp;

	w.srq = calloc(1, sizeof(*w.srq));
	w.srq->ibsrq.device = &w.dev->ibdev;
	w.srq->ibsrq.pd = &w.pd;
	w.srq->ibsrq.event_handler = no_event;
	w.srq->ibsrq.ext.cq = &w.rcq->ibcq;
	w.srq->ibsrq.srq_type = xrc ? IB_SRQT_XRC : IB_SRQT_BASIC;
	w.srq->ibsrq.ext.xrc.xrcd = xrc ? &w.xrcd.ibxrcd : NULL;
	fuzz_require(!nopin_srq_create(w.srq, &attr, NULL, &resp));
	if (xrc)
		fuzz_require(!nopin_xrc_publish(w.srq));
}

static void region_make(enum region_kind kind)
{
	struct ib_pd *pd = kind == FOREIGN ? &w.other_pd : &w.pd;
	u64 va = (uintptr_t)w.bytes[kind];

	w.region[kind] = kind == OPEN ?
		nopin_region_create(pd, va, w.len[kind], va, region_access[kind]) :
		nopin_region_create_direct(pd, va, w.len[kind], va, region_access[kind]);
	fuzz_require(!IS_ERR(w.region[kind]));
}

/* Of a mirrored region whole pages, of the others what ends in the midst of one. */
static void regions_make(void)
{
	static const u8 fill[REGIONS] = {
		[ONLY_READ] = READ_ONLY, [ONLY_LOCAL] = LOCAL, [FOREIGN] = SECRET,
	};
	enum region_kind kind;

	below_space = aligned_alloc(PAGE_SIZE, BELOW_PAGES * PAGE_SIZE);
	for (kind = 0; kind < REGIONS; kind++) {
		w.len[kind] = kind == OPEN ? BELOW_PAGES * PAGE_SIZE : DIRECT_BYTES;
		w.bytes[kind] = kind == OPEN ? below_space : malloc(DIRECT_BYTES);
		memset(w.bytes[kind], fill[kind], w.len[kind]);
		region_make(kind);
	}
}

/* One of each type. */
static void windows_make(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(w.window); i++) {
		w.window[i].ibmw.device = &w.dev->ibdev;
		w.window[i].ibmw.pd = &w.pd;
		w.window[i].ibmw.type = i ? IB_MW_TYPE_2 : IB_MW_TYPE_1;
		fuzz_require(!nopin_window_create(&w.window[i]));
	}
}

static void qp_set_init_attr(struct ib_qp_init_attr *init)
{
	init->cap.max_send_wr = RING;
	init->cap.max_recv_wr = RING;
	init->cap.max_send_sge = 4;
	init->cap.max_recv_sge = 4;
	init->cap.max_inline_data = 64;
	init->sq_sig_type = IB_SIGNAL_ALL_WR;
	init->xrcd = w.type == IB_QPT_XRC_TGT ? &w.xrcd.ibxrcd : NULL;
}

static void qp_make(bool shared)
{
	bool target = w.type == IB_QPT_XRC_TGT;
	struct nopin_create_qp_resp resp;
	struct ib_qp_init_attr init = {};
	struct nopin_qp *qp;

	w.service = nopin_service_find(w.type, !target);
	qp_set_init_attr(&init);
	qp = aligned_alloc(64, ALIGN(sizeof(*qp), 64));
	memset(qp, 0, sizeof(*qp));
	qp->ibqp.device = &w.dev->ibdev;
	qp->ibqp.pd = target ? NULL : &w.pd;
	qp->ibqp.qp_type = w.type;
	qp->ibqp.event_handler = no_event;
	qp->ibqp.send_cq = target ? NULL : &w.scq->ibcq;
	qp->ibqp.recv_cq = target ? NULL : &w.rcq->ibcq;
	qp->ibqp.srq = shared && !target ? &w.srq->ibsrq : NULL;
	fuzz_require(!nopin_qp_create(qp, w.service, &init, NULL, &resp));
	w.qp = qp;
}

/* Through the states in which it is not what it is for. */
static void qp_connect(u8 how)
{
	struct ib_qp_attr attr = {
		.qp_state = IB_QPS_INIT,
		.qkey = QKEY,
		.path_mtu = how & 1 ? IB_MTU_256 : IB_MTU_1024,
		.dest_qp_num = how & 0x40 ? w.qp->ibqp.qp_num : QPN_OF_PEER,
		.rq_psn = how & 2 ? 0xfffffe : 100,
		.sq_psn = how & 2 ? 0xfffffd : 200,
		.max_dest_rd_atomic = how >> 2 & 3,
		.max_rd_atomic = 1 + (how >> 4 & 1),
		.qp_access_flags = how & 0x20 ? 0 : IB_ACCESS_REMOTE_WRITE |
				   IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC |
				   IB_ACCESS_FLUSH_GLOBAL,
		.timeout = 10, .retry_cnt = 1, .rnr_retry = 1, .min_rnr_timer = 5,
	};

	below_own = how & 0x40;
	nopin_qp_modify(w.qp, &attr, IB_QP_STATE | IB_QP_QKEY | IB_QP_ACCESS_FLAGS);
	attr.qp_state = IB_QPS_RTR;
	nopin_qp_modify(w.qp, &attr, IB_QP_STATE | IB_QP_AV | IB_QP_PATH_MTU |
			IB_QP_DEST_QPN | IB_QP_RQ_PSN | IB_QP_MAX_DEST_RD_ATOMIC |
			IB_QP_MIN_RNR_TIMER);
	attr.qp_state = IB_QPS_RTS;
	nopin_qp_modify(w.qp, &attr, IB_QP_STATE | IB_QP_TIMEOUT | IB_QP_RETRY_CNT |
			IB_QP_RNR_RETRY | IB_QP_SQ_PSN | IB_QP_MAX_QP_RD_ATOMIC);
}

static void world_make(u8 how, u8 connection)
{
	static const enum ib_qp_type types[] = {
		IB_QPT_RC, IB_QPT_UC, IB_QPT_UD, IB_QPT_XRC_TGT, IB_QPT_XRC_INI,
	};

	memset(&w, 0, sizeof(w));
	memset(below_absent, 0, sizeof(below_absent));
	below_fails = false;
	below_foreign = false;
	below_ecn = 0;
	w.type = types[how % ARRAY_SIZE(types)];
	device_make();
	w.scq = cq_make(4 * RING);
	w.rcq = cq_make(how & 0x40 ? RING : 4 * RING);
	mutex_init(&w.xrcd.lock);
	INIT_LIST_HEAD(&w.xrcd.targets);
	srq_make(w.type == IB_QPT_XRC_TGT);
	regions_make();
	windows_make();
	qp_make(how & 0x80);
	qp_connect(connection);
}

/* Not while windows are bound to it. */
static void region_end(enum region_kind kind)
{
	if (!w.region[kind] || nopin_region_close(w.region[kind]))
		return;
	nopin_region_destroy(w.region[kind]);
	w.region[kind] = NULL;
}

static void cq_end(struct nopin_cq *cq)
{
	nopin_cq_destroy(cq);
	free(cq);
}

static void world_end(void)
{
	enum region_kind kind;

	nopin_qp_destroy(w.qp);
	host_settle();
	free(w.qp);
	if (w.type == IB_QPT_XRC_TGT)
		nopin_xrc_withdraw(w.srq);
	nopin_srq_destroy(w.srq);
	free(w.srq);
	cq_end(w.scq);
	cq_end(w.rcq);
	nopin_window_destroy(&w.window[0]);
	nopin_window_destroy(&w.window[1]);
	for (kind = 0; kind < REGIONS; kind++) {
		region_end(kind);
		free(w.bytes[kind]);
	}
	host_settle();
	xa_destroy(&w.dev->keys);
	host_run_rcu();
	free(w.dev->stats.counter);
	free(w.dev);
	free(w.ndev);
	if (host_skbs())
		fuzz_fault("%zu packets are left", host_skbs());
}

/* --- what must be so --- */

static void want_all(enum region_kind kind, u8 value)
{
	size_t i;

	for (i = 0; i < w.len[kind]; i++)
		if (w.bytes[kind][i] != value)
			fuzz_fault("region %d was written at %zu", kind, i);
}

static void check_memory(void)
{
	want_all(ONLY_READ, READ_ONLY);
	want_all(ONLY_LOCAL, LOCAL);
	want_all(FOREIGN, SECRET);
}

/* Where peers may read it, LOCAL can only have been put by a QP that sends to itself. */
static bool is_secret(u8 byte)
{
	return byte == SECRET || (byte == LOCAL && !below_own);
}

static void check_sent(const struct nopin_pkt *pkt, const void *payload)
{
	const u8 *bytes = payload;
	u32 i, run = 0;

	if (!nopin_opcode_is_response(nopin_pkt_op(pkt)))
		return;
	for (i = 0; i < pkt->payload_len; i++) {
		run = is_secret(bytes[i]) ? run + 1 : 0;
		if (run == 16)
			fuzz_fault("the peer has read a secret");
	}
}

/* What the responder is at. */
struct place {
	enum ib_qp_state state;
	bool failed, recv_taken;
	u8 in_message;
	u32 expected_psn, msn, received;
};

static struct place place_now(void)
{
	const struct nopin_rq *rq = &w.qp->rq;

	return (struct place){
		.state = w.qp->state, .failed = rq->failed, .recv_taken = rq->recv_taken,
		.in_message = rq->in_message, .expected_psn = rq->expected_psn,
		.msn = rq->msn, .received = rq->received,
	};
}

static void check_unmoved(const struct place *was, const struct nopin_pkt *pkt)
{
	struct place is = place_now();

	if (is.state != was->state || is.failed != was->failed ||
	    is.recv_taken != was->recv_taken || is.in_message != was->in_message ||
	    is.expected_psn != was->expected_psn || is.msn != was->msn ||
	    is.received != was->received)
		fuzz_fault("%s with PSN %u, not %u, moved the responder",
			   nopin_pkt_op(pkt)->name, pkt->psn, was->expected_psn);
}

/* --- packets --- */

static u32 some_key(void)
{
	u8 kind = take8();
	u32 key;

	if (kind % 16 < REGIONS && w.region[kind % 16])
		key = w.region[kind % 16]->ibmr.rkey;
	else if (kind % 16 >= 14)
		key = w.window[kind & 1].key->last;
	else if (kind % 16 < 8 && w.region[OPEN])
		key = w.region[OPEN]->ibmr.rkey;
	else
		key = take16();
	return kind & 0x80 ? key ^ 1 : key;
}

/* In the region of the last key, or just outside of it. */
static u64 some_address(void)
{
	u8 kind = take8();
	u64 base = (uintptr_t)w.bytes[kind % REGIONS];

	if ((kind & 0xf0) == 0xf0)
		return take64();
	if (kind & 0x08)
		return base + (take16() & ~7U);
	return base + take16() - (kind & 0x10 ? 16 : 0);
}

static u32 some_psn(u32 due)
{
	u8 kind = take8();

	if (kind < 0xa0)
		return due;
	if (kind < 0xf0)
		return (due + kind - 0xc8) & NOPIN_PSN_MASK;
	return (due + (kind & 1 ? 0x800000 : 0) + take16()) & NOPIN_PSN_MASK;
}

static u32 some_length(void)
{
	u8 kind = take8();

	switch (kind & 7) {
	case 0:
		return 0;
	case 1:
		return w.qp->mtu;
	case 2:
		return w.qp->mtu * (kind >> 3);
	case 3:
		return 8;
	default:
		return take16() % 5000;
	}
}

/* With @ahead packets before it in the same train. */
static void describe(struct nopin_pkt *pkt, unsigned int ahead)
{
	u8 opcode = take8();

	pkt->opcode = opcode & 0x20 ? take8() :
		      (opcode & ~NOPIN_WIRE_SERVICE) | w.service->wire;
	pkt->qpn = w.qp->ibqp.qp_num;
	pkt->pkey = NOPIN_DEFAULT_PKEY;
	pkt->ack_req = opcode & 0x40;
	pkt->solicited = opcode & 0x80;
	pkt->psn = some_psn(nopin_opcode_is_response(nopin_pkt_op(pkt)) ?
			    w.qp->sq.una_psn :
			    (w.qp->rq.expected_psn + ahead) & NOPIN_PSN_MASK);
	pkt->rkey = some_key();
	pkt->remote_addr = some_address();
	pkt->dma_len = some_length();
	pkt->payload_len = some_length();
	if (!nopin_pkt_op(pkt)->payload)
		pkt->payload_len = 0;
	pkt->swap_add = pkt->dma_len;
	pkt->compare = 0;
	pkt->original = pkt->rkey;
	pkt->syndrome = take8();
	pkt->msn = w.qp->rq.msn + (s8)take8();
	pkt->qkey = QKEY ^ (pkt->syndrome == 0xff);
	pkt->src_qp = QPN_OF_PEER;
	pkt->srqn = w.srq->num ^ (pkt->syndrome == 0xfe);
	pkt->flush_type = pkt->syndrome & 3;
	pkt->flush_level = pkt->msn & 3;
}

/* As the network hands them up. */
static void arrive(void)
{
	const struct nopin_pkt *first = &below_train[0].pkt;
	bool busy = nopin_rq_is_busy(&w.qp->rq);
	struct nopin_arrival arrival = {};
	struct place was = place_now();
	unsigned int i;

	below_arrive(&arrival);
	nopin_receive(&arrival);
	if (below_packets == 1 && w.service->reliable && !busy &&
	    !nopin_opcode_is_response(nopin_pkt_op(first)) && first->psn != was.expected_psn)
		check_unmoved(&was, first);
	for (i = 0; i < below_packets; i++)
		consume_skb(below_train[i].skb);
	below_packets = 0;
}

static void couple(const void *data, size_t len)
{
	struct below_packet *packet = &below_train[below_packets];

	if (nopin_pkt_parse(&packet->pkt, data, len, len))
		return;
	packet->skb = host_skb(data, len - packet->pkt.pad - NOPIN_ICRC_LEN);
	below_packets++;
}

static void packet(void)
{
	struct nopin_pkt pkt = {};
	size_t head, len;
	u8 *data;

	describe(&pkt, below_packets);
	if (!nopin_pkt_op(&pkt)->name)
		return;
	len = nopin_pkt_len(&pkt);
	data = malloc(len + NOPIN_MAX_HDR_LEN);
	head = nopin_pkt_build(&pkt, data);
	memset(data + head, 0x70 + (pkt.psn & 7), len - head);
	couple(data, len);
	free(data);
}

static void packets(unsigned int num)
{
	while (num--)
		packet();
	arrive();
}

/* Not even made by the rules. */
static void raw_packet(void)
{
	u8 data[128];
	size_t len = take8() % sizeof(data), i;

	for (i = 0; i < len; i++)
		data[i] = take8();
	if (len >= NOPIN_BTH_LEN && data[0] & 1)
		memset(data + 5, 0, 2); /* a QPN that there is, more often */
	if (len >= NOPIN_BTH_LEN && !(data[0] & 1))
		data[7] = w.qp->ibqp.qp_num;
	couple(data, len);
	arrive();
}

/* --- the program --- */

static void some_sge(struct nopin_sge *sge)
{
	u8 kind = take8();
	u32 region = kind % REGIONS;

	sge->addr = (uintptr_t)w.bytes[region] + (kind & 0x10 ? take16() : 0);
	sge->length = some_length();
	sge->lkey = w.region[region] ? w.region[region]->ibmr.lkey : 0;
	if (kind & 0x80)
		sge->lkey ^= 1U << (kind >> 5 & 3);
}

/* Receives that the secret may not end up in are those that the program itself posts. */
static void post_receive(void)
{
	const struct nopin_queue *queue = nopin_rq_has_ring(&w.qp->rq) ? &w.qp->rq.queue :
								       &w.srq->queue;
	struct nopin_recv_wqe *head = nopin_queue_vacancy(queue);
	struct nopin_sge *sge = (struct nopin_sge *)(head + 1);
	u8 kind = take8();
	u32 i;

	if (!head || !w.service->rings || w.type == IB_QPT_XRC_INI)
		return;
	head->wr_id = 1;
	head->num_sge = kind & 0x80 ? take8() : kind % 5;
	head->rsvd = 0;
	for (i = 0; i < min(head->num_sge, 4U); i++)
		some_sge(&sge[i]);
	nopin_queue_post(queue);
	w.receives++;
	if (nopin_rq_has_ring(&w.qp->rq)) /* an SRQ has no doorbell */
		nopin_recv_doorbell_kernel(w.qp);
}

/* What a program wrote into its ring, which may be anything. */
static void post_send(void)
{
	struct nopin_queue *queue = &w.qp->sq.queue;
	struct nopin_send_wqe *head = nopin_queue_vacancy(queue);
	struct nopin_sge *sge = (struct nopin_sge *)(head + 1);
	u32 i;

	if (!head || w.type == IB_QPT_XRC_TGT)
		return;
	memset(head, 0, sizeof(*head));
	head->wr_id = 2;
	head->opcode = take8() % 20;
	head->flags = take8() & NOPIN_SEND_FLAGS;
	head->num_sge = head->flags & NOPIN_SEND_INLINE ? 0 : take8() % 6;
	head->inline_len = head->flags & NOPIN_SEND_INLINE ? take8() : 0;
	head->rkey = some_key();
	head->remote_addr = some_address();
	head->compare_add = some_length();
	head->bind_lkey = w.region[OPEN] ? w.region[OPEN]->ibmr.lkey : 0;
	head->bind_access = region_access[OPEN] & take16();
	for (i = 0; i < min(head->num_sge, 4U); i++)
		some_sge(&sge[i]);
	nopin_queue_post(queue);
	nopin_doorbell_kernel(w.qp);
}

static void poll(void)
{
	struct ib_wc wc[4];
	int n = nopin_cq_poll(w.rcq, 4, wc);

	if (n > 0)
		w.received += n;
	if (w.received > w.receives)
		fuzz_fault("%u receives completed, of %u", w.received, w.receives);
	nopin_cq_poll(w.scq, 4, wc);
	nopin_cq_arm(w.rcq, IB_CQ_NEXT_COMP);
}

static void change_state(void)
{
	static const enum ib_qp_state states[] = {
		IB_QPS_ERR, IB_QPS_RESET, IB_QPS_SQD, IB_QPS_RTS,
	};
	struct ib_qp_attr attr = {};
	u8 kind = take8();

	attr.qp_state = states[kind % ARRAY_SIZE(states)];
	nopin_qp_modify(w.qp, &attr, IB_QP_STATE);
	if (attr.qp_state == IB_QPS_RESET)
		qp_connect(kind >> 2);
}

static void change_region(void)
{
	enum region_kind kind = take8() % REGIONS;

	if (w.region[kind])
		region_end(kind);
	else
		region_make(kind);
}

static void change_pages(void)
{
	u8 absent = take8(), i;

	for (i = 0; i < BELOW_PAGES; i++)
		below_absent[i] = absent & BIT(i);
}

static void change_network(void)
{
	u8 how = take8();

	below_foreign = (how & 0x0f) == 1;
	below_fails = (how & 0xf0) == 0x10;
	below_ecn = how >> 6;
}

/* --- */

static void step(void)
{
	u8 kind = take8();

	switch (kind % 24) {
	case 0:
		raw_packet();
		break;
	case 1:
		change_state();
		break;
	case 2:
		change_region();
		break;
	case 3:
		change_pages();
		break;
	case 4:
		change_network();
		break;
	case 5:
		host_pass(kind);
		break;
	case 6:
		poll();
		break;
	case 7:
	case 8:
		host_run_tasklets();
		break;
	case 9:
		host_run_works();
		break;
	case 10:
		host_run_rcu();
		break;
	case 11:
	case 12:
		post_send();
		break;
	case 13:
	case 14:
	case 15:
		post_receive();
		break;
	case 16:
		packets(2 + (kind >> 5 & 1));
		break;
	case 17:
		packets(BELOW_TRAIN);
		break;
	default:
		packets(1);
	}
	if (kind & 0x80)
		host_settle();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static bool begun;
	unsigned int steps;

	if (!begun) {
		host_init();
		fuzz_require(!nopin_entry_init());
		below_sent = check_sent;
		begun = true;
	}
	input = data;
	input_end = data + size;
	world_make(take8(), take8());
	for (steps = 0; input < input_end && steps < MOST_STEPS; steps++)
		step();
	host_settle();
	check_memory();
	poll();
	world_end();
	return 0;
}
