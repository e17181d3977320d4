// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The requester's packets (IBTA 9.7.2). Each function sends the next packet of a request:
 * its PSN is sq.next_psn.
 */
#include "device.h"
#include "mem/copy.h"
#include "mem/engine.h"
#include "qp/address.h"
#include "transport/ahead.h"
#include "transport/send.h"
#include "transport/transmit.h"

/* A READ asks for at most this many responses at a time, so that it flows like a WRITE. */
#define NOPIN_READ_SEGMENT	64

/* Begin a packet. Returns where its payload goes, or NULL: the timer retries later. */
static void *nopin_send_open(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	struct nopin_sq *sq = &qp->sq;
	u32 more = sq->train.packets ? 0 : max(nopin_sq_waiting(sq), 0);
	void *payload = nopin_transmit_begin(qp, &sq->train, pkt, more);

	if (!payload)
		nopin_sq_timer_nomem(qp);
	return payload;
}

static void nopin_send_close(struct nopin_qp *qp, struct nopin_pkt *pkt)
{
	pkt->psn = qp->sq.next_psn;
	qp->sq.burst += pkt->payload_len;
	nopin_transmit_end(qp, &qp->sq.train, pkt);
}

/* Is no request known whose packets will follow those of the present one? */
static bool nopin_send_is_last(const struct nopin_qp *qp)
{
	const struct nopin_sq *sq = &qp->sq;

	if (sq->next + 1 != sq->taken)
		return nopin_request_is_local(nopin_sq_wqe(sq, sq->next + 1)->request);
	return qp->state == IB_QPS_SQD || nopin_sq_waiting(sq) <= 0 ||
	       nopin_sq_local_follows(qp);
}

/*
 * Ask for an ACK when no packet follows at once, before the window closes, and once in
 * NOPIN_ACK_EVERY packets; the response to a READ or atomic that follows acknowledges as
 * well. A packet to a QP of the same device always asks: loopback waits for its ACK.
 */
static bool nopin_send_wants_ack(struct nopin_qp *qp, bool last)
{
	struct nopin_sq *sq = &qp->sq;
	bool want = sq->peer || ++sq->since_ack_req >= NOPIN_ACK_EVERY ||
		    nopin_sq_room(sq) <= 1 || sq->probing;

	if (last && nopin_send_is_last(qp))
		want = true;
	if (want)
		sq->since_ack_req = 0;
	return want;
}

/* Copy a small payload by sq.hold, which keeps its page open. False: it cannot. */
static bool nopin_send_gather_small(struct nopin_qp *qp,
				    const struct nopin_swqe *wqe, u32 offset,
				    u32 len, void *payload)
{
	const struct nopin_sge *sge = &wqe->sge[0];
	const void *from;

	if (wqe->num_sge != 1 || !len || len > NOPIN_SMALL)
		return false;
	from = nopin_hold_reach(&qp->sq.hold, sge->lkey, sge->addr + offset, len, 0);
	if (from)
		nopin_memcpy(payload, from, len);
	return from;
}

static enum nopin_copied nopin_send_gather_any(struct nopin_qp *qp,
					       const struct nopin_swqe *wqe,
					       u32 offset, u32 len, void *payload)
{
	struct nopin_place from __uninitialized, to __uninitialized;
	struct nopin_copy copy __uninitialized;

	nopin_place_sges(&from, qp->ibqp.pd, wqe->sge, wqe->num_sge, offset);
	nopin_place_bytes(&to, payload);
	nopin_copy_init(&copy, &from, &to, len, wqe->length - offset);
	return nopin_park_copy(&qp->sq.park, &copy);
}

static enum nopin_copied nopin_send_gather(struct nopin_qp *qp,
					   const struct nopin_swqe *wqe,
					   u32 offset, u32 len, void *payload)
{
	if (wqe->flags & NOPIN_SEND_INLINE) {
		memcpy(payload, wqe->data + offset, len);
		return NOPIN_COPIED;
	}
	if (nopin_send_gather_small(qp, wqe, offset, len, payload))
		return NOPIN_COPIED;
	return nopin_send_gather_any(qp, wqe, offset, len, payload);
}

/**
 * nopin_send_describe - the headers of a piece of a SEND or WRITE
 * @pkt: gets those that follow from the request
 * @qp: the QP
 * @wqe: the request
 * @offset: where the piece begins in the message, in bytes
 * @len: bytes of the piece
 *
 * Context: any.
 */
void nopin_send_describe(struct nopin_pkt *pkt, const struct nopin_qp *qp,
			 const struct nopin_swqe *wqe, u32 offset, u32 len)
{
	bool last = offset + len == wqe->length;
	u32 place = (offset ? 0 : NOPIN_FIRST) | (last ? NOPIN_LAST : 0);

	pkt->opcode = wqe->request->opcode[place] | qp->service->wire;
	pkt->payload_len = len;
	pkt->remote_addr = wqe->remote_addr;
	pkt->rkey = wqe->rkey;
	pkt->dma_len = wqe->length;
	pkt->imm_data = wqe->imm_data;
	pkt->srqn = wqe->remote_srqn;
	pkt->solicited = last && wqe->flags & NOPIN_SEND_SOLICITED;
}

/*
 * Begin a packet with a piece of the message. False: not now, or @wqe has got a status
 * because its memory is not accessible.
 */
static __always_inline bool nopin_send_fill(struct nopin_qp *qp, struct nopin_swqe *wqe,
					    u32 offset, u32 len, struct nopin_pkt *pkt)
{
	enum nopin_copied copied;
	void *payload;

	nopin_send_describe(pkt, qp, wqe, offset, len);
	payload = nopin_send_open(qp, pkt);
	if (!payload)
		return false;
	copied = nopin_send_gather(qp, wqe, offset, len, payload);
	if (likely(copied == NOPIN_COPIED))
		return true;
	nopin_train_abandon(&qp->sq.train);
	if (copied != NOPIN_COPY_MISS)
		wqe->status = IB_WC_LOC_PROT_ERR;
	return false;
}

/* Begin a packet whose payload an engine gathers. False: the CPU has to do it. */
static noinline bool nopin_send_ahead(struct nopin_qp *qp, const struct nopin_swqe *wqe,
				      u32 offset, u32 len, struct nopin_pkt *pkt,
				      enum nopin_copied *copied)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_ahead ahead = {
		.park = &sq->park,
		.train = &sq->train,
		.psn = sq->next_psn,
		.rest = wqe->length - offset,
		.room = sq->probing ? 1 : nopin_sq_room(sq),
		.waits = nopin_sq_inflight(sq) > sq->since_ack_req, /* one has asked */
	};

	if (wqe->flags & NOPIN_SEND_INLINE || !qp->service->reliable)
		return false;
	nopin_place_sges(&ahead.from, qp->ibqp.pd, wqe->sge, wqe->num_sge, offset);
	nopin_send_describe(pkt, qp, wqe, offset, len);
	return nopin_ahead_fill(qp, &ahead, pkt, copied);
}

/* nopin_send_fill() for a packet of a SEND or WRITE. */
static __always_inline bool nopin_send_fill_data(struct nopin_qp *qp,
						 struct nopin_swqe *wqe, u32 offset,
						 u32 len, struct nopin_pkt *pkt)
{
	enum nopin_copied copied;

	if (nopin_engine_is_wanted() && nopin_send_ahead(qp, wqe, offset, len, pkt, &copied))
		return copied == NOPIN_COPIED;
	return nopin_send_fill(qp, wqe, offset, len, pkt);
}

/*
 * Does the window have no room for so many packets? If no packet in flight has asked for an
 * ACK, nothing would ever open the window: then one more request goes, and asks.
 */
static bool nopin_send_is_shut(const struct nopin_sq *sq, u32 packets)
{
	return packets > nopin_sq_room(sq) && nopin_sq_inflight(sq) && !sq->since_ack_req;
}

/**
 * nopin_send_data - send the next packet of a SEND or WRITE
 * @qp: the QP
 * @wqe: the request; gets a status if its memory is not accessible
 *
 * Context: sq.lock held, BH off.
 * Return: false: not now, or @wqe has got a status.
 */
bool nopin_send_data(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	struct nopin_sq *sq = &qp->sq;
	u32 offset = nopin_wqe_offset(qp, wqe, sq->next_psn);
	bool last = sq->next_psn == wqe->last_psn;
	u32 len = min(qp->mtu, wqe->length - offset);
	struct nopin_pkt pkt __uninitialized; /* fields that its opcode has no header for */

	if (nopin_send_is_shut(sq, 1) || !nopin_send_fill_data(qp, wqe, offset, len, &pkt))
		return false;
	pkt.ack_req = qp->service->reliable && nopin_send_wants_ack(qp, last);
	nopin_send_close(qp, &pkt);
	if (likely(qp->service->reliable))
		nopin_sq_sent(qp, wqe, sq->next_psn);
	else
		nopin_sq_carried(qp, wqe, 1);
	return true;
}

/**
 * nopin_send_read - ask for the next segment of a READ
 * @qp: the QP
 * @wqe: the request
 *
 * Segments end at fixed distances from the first PSN, so that a segment that is asked for
 * again never spans two that the peer has seen.
 *
 * Context: sq.lock held, BH off.
 * Return: false: not now.
 */
bool nopin_send_read(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	struct nopin_sq *sq = &qp->sq;
	u32 index = (sq->next_psn - wqe->first_psn) & NOPIN_PSN_MASK;
	u32 packets = nopin_packets(qp, wqe->length) - index;
	u32 offset = nopin_wqe_offset(qp, wqe, sq->next_psn);
	struct nopin_pkt pkt = {
		.opcode = wqe->request->opcode[NOPIN_ONLY] | qp->service->wire,
		.srqn = wqe->remote_srqn,
		.remote_addr = wqe->remote_addr + offset,
		.rkey = wqe->rkey,
		.ack_req = true,
	};
	u32 last;

	packets = min(packets, NOPIN_READ_SEGMENT - index % NOPIN_READ_SEGMENT);
	if (sq->probing) /* a probe is one packet, on its way back as well */
		packets = 1;
	if (nopin_sq_reads_full(sq) || nopin_send_is_shut(sq, packets))
		return false;
	if (!nopin_send_open(qp, &pkt))
		return false;
	last = nopin_psn_add(sq->next_psn, packets - 1);
	pkt.dma_len = min(packets * qp->mtu, wqe->length - offset);
	nopin_send_close(qp, &pkt);
	nopin_sq_sent(qp, wqe, last);
	return true;
}

/* Send a request of one packet without payload, which gets a response of its own. */
static bool nopin_send_answered(struct nopin_qp *qp, const struct nopin_swqe *wqe,
				struct nopin_pkt *pkt)
{
	struct nopin_sq *sq = &qp->sq;

	if (nopin_sq_reads_full(sq) || nopin_send_is_shut(sq, 1) || !nopin_send_open(qp, pkt))
		return false;
	nopin_send_close(qp, pkt);
	nopin_sq_sent(qp, wqe, sq->next_psn);
	return true;
}

/**
 * nopin_send_atomic - send an atomic
 * @qp: the QP
 * @wqe: the request
 *
 * Context: sq.lock held, BH off.
 * Return: false: not now.
 */
bool nopin_send_atomic(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	bool swap = wqe->request->operation == NOPIN_CMP_SWAP;
	struct nopin_pkt pkt = {
		.opcode = wqe->request->opcode[NOPIN_ONLY] | qp->service->wire,
		.srqn = wqe->remote_srqn,
		.remote_addr = wqe->remote_addr,
		.rkey = wqe->rkey,
		.swap_add = swap ? wqe->swap : wqe->compare_add,
		.compare = swap ? wqe->compare_add : 0,
		.ack_req = true,
	};

	return nopin_send_answered(qp, wqe, &pkt);
}

/**
 * nopin_send_atomic_write - send an ATOMIC WRITE
 * @qp: the QP
 * @wqe: the request; gets a status if its memory is not accessible
 *
 * Context: sq.lock held, BH off.
 * Return: false: not now, or @wqe has got a status.
 */
bool nopin_send_atomic_write(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	struct nopin_pkt pkt __uninitialized; /* as for nopin_send_data() */
	struct nopin_sq *sq = &qp->sq;

	if (nopin_sq_reads_full(sq) || nopin_send_is_shut(sq, 1) ||
	    !nopin_send_fill(qp, wqe, 0, wqe->length, &pkt))
		return false;
	pkt.ack_req = true;
	nopin_send_close(qp, &pkt);
	nopin_sq_sent(qp, wqe, sq->next_psn);
	return true;
}

/**
 * nopin_send_flush - send a FLUSH
 * @qp: the QP
 * @wqe: the request
 *
 * Context: sq.lock held, BH off.
 * Return: false: not now.
 */
bool nopin_send_flush(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	struct nopin_pkt pkt = {
		.opcode = wqe->request->opcode[NOPIN_ONLY] | qp->service->wire,
		.srqn = wqe->remote_srqn,
		.remote_addr = wqe->remote_addr,
		.rkey = wqe->rkey,
		.dma_len = wqe->flush_length,
		.flush_type = wqe->flush_type,
		.flush_level = wqe->flush_level,
		.ack_req = true,
	};

	return nopin_send_answered(qp, wqe, &pkt);
}

/* Set the route of a datagram: all packets of a train take one. False: no such address. */
static bool nopin_send_address(struct nopin_qp *qp, const struct nopin_swqe *wqe)
{
	struct nopin_av *av = nopin_av_find(qp->dev, wqe->ah);
	struct nopin_train *train = &qp->sq.train;

	if (!av || av->pd != qp->ibqp.pd)
		return false;
	if (train->route != &av->route) {
		nopin_transmit_flush(qp, train);
		train->route = &av->route;
	}
	return true;
}

/* A Q_Key with the top bit set stands for the QP's own (IBTA 10.2.5). */
static u32 nopin_send_qkey(const struct nopin_qp *qp, u32 qkey)
{
	return qkey & BIT(31) ? qp->attr.qkey : qkey;
}

/**
 * nopin_send_datagram - send a datagram, and complete its request
 * @qp: the QP
 * @wqe: the request; gets a status if its memory is not accessible or its address is wrong
 *
 * Context: sq.lock held, BH off, in an RCU read-side section until the train has left.
 * Return: false: not now, or @wqe has got a status.
 */
bool nopin_send_datagram(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	struct nopin_pkt pkt = {
		.opcode = wqe->request->opcode[NOPIN_ONLY] | qp->service->wire,
		.qpn = wqe->remote_qpn & NOPIN_PSN_MASK,
		.qkey = nopin_send_qkey(qp, wqe->remote_qkey),
		.src_qp = qp->ibqp.qp_num,
		.imm_data = wqe->imm_data,
		.solicited = wqe->flags & NOPIN_SEND_SOLICITED,
		.payload_len = wqe->length,
	};
	enum nopin_copied copied;
	void *payload;

	if (!nopin_send_address(qp, wqe)) {
		wqe->status = IB_WC_LOC_QP_OP_ERR;
		return false;
	}
	payload = nopin_send_open(qp, &pkt);
	if (!payload)
		return false;
	copied = nopin_send_gather(qp, wqe, 0, wqe->length, payload);
	if (copied != NOPIN_COPIED) {
		nopin_train_abandon(&qp->sq.train);
		if (copied != NOPIN_COPY_MISS)
			wqe->status = IB_WC_LOC_PROT_ERR;
		return false;
	}
	nopin_send_close(qp, &pkt);
	nopin_sq_carried_whole(qp);
	return true;
}
