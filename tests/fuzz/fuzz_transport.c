// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Fuzzes both halves of a QP, of each transport service, against a peer that sends
 * anything. The input decides which packets arrive, what is posted, which pages are
 * present, and when deferred work runs. The code under test is kernel/ itself, built into
 * this program with AddressSanitizer.
 *
 * Besides errors that the sanitizer reports, such as an access beyond a region or a use
 * after free, it is a fault when
 *
 *   - memory changes that no key allows the peer to write - bytes are sent that no key
 *   allows the peer to read - a request that is not due changes the state of the responder
 *   (IBTA 9.7.4) - more receives complete than were posted - packets or memory are left at
 *   the end, or work never ends
 */
#include <linux/slab.h>

#include "entry/doorbell.h"
#include "entry/entry.h"
#include "entry/receive.h"
#include "below.h"
#include "host.h"
#include "world.h"

#define MOST_STEPS	200

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

/* --- checks --- */

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

/*
 * A byte that must not be sent. LOCAL bytes may get into memory that peers may read only by
 * a QP that sends to itself.
 */
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

/* The state of the responder that only a due request may change. */
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

/* An address in some region, or just outside of it. */
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

/* Describe a packet that has @ahead packets before it in the same train. */
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

/* Let the packets arrive as the network would deliver them. */
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

/* A packet of random bytes. */
static void raw_packet(void)
{
	u8 data[128];
	size_t len = take8() % sizeof(data), i;

	for (i = 0; i < len; i++)
		data[i] = take8();
	if (len >= NOPIN_BTH_LEN && data[0] & 1)
		memset(data + 5, 0, 2); /* make an existing QPN more likely */
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

/* Post a receive to the QP's ring or to the SRQ, with any elements. */
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
	if (nopin_rq_has_ring(&w.qp->rq)) /* SRQs have no doorbell */
		nopin_recv_doorbell_kernel(w.qp);
}

/* Post a send request with any contents, as a program could write it into its ring. */
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
