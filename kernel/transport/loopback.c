// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Requests between two QPs of one device: one copy, from the source's pages to the
 * destination's, as in the internal loopback of a NIC.
 *
 * A piece is carried out exactly as if the packets that it stands for had been
 * sent, received and acknowledged: the PSNs of both sides move on by as many. So
 * whatever is not worth doing here (atomics, a peer that is busy with packets,
 * QPs whose PSNs disagree) goes as packets, at any point of a message.
 */
#include <linux/moduleparam.h>

#include "device.h"
#include "mem/copy.h"
#include "transport/execute.h"
#include "transport/loopback.h"
#include "transport/reply.h"
#include "transport/send.h"
#include "transport/unreliable.h"

static bool nopin_loopback = true;
module_param_named(loopback, nopin_loopback, bool, 0644);
MODULE_PARM_DESC(loopback, "copy between QPs of one device without making packets (default: yes)");

/* Bytes copied at a time, with both halves locked and BH off. */
#define NOPIN_LOOPBACK_PIECE	(64U << 10)

/**
 * struct nopin_piece - a part of a message that is copied in one go
 * @offset: of its first byte in the message
 * @len: bytes
 * @packets: how many packets it stands for
 */
struct nopin_piece {
	u32 offset;
	u32 len;
	u32 packets;
};

static struct nopin_qp *nopin_loopback_find(struct nopin_qp *qp)
{
	struct nopin_qp *peer;

	if (!qp->own_address)
		return NULL;
	peer = nopin_qp_lookup(qp->attr.dest_qp_num);
	if (!peer)
		return NULL;
	if (peer->dev == qp->dev && peer->service->wire == qp->service->wire &&
	    qp->service->role == NOPIN_BOTH_HALVES)
		return peer;
	nopin_qp_put(peer);
	return NULL;
}

/**
 * nopin_loopback_peer - find the QP that the requests of this one are for
 * @qp: the QP
 *
 * Context: sq.lock held.
 * Return: the peer with a reference for nopin_qp_put(), or NULL when it is not
 *	a QP of the same device. Whether it is connected back can only be told with
 *	its rq.lock held.
 */
struct nopin_qp *nopin_loopback_peer(struct nopin_qp *qp)
{
	return READ_ONCE(nopin_loopback) ? nopin_loopback_find(qp) : NULL;
}

/**
 * nopin_loopback_is_connected - is the peer connected back?
 * @qp: the QP
 * @peer: from nopin_loopback_peer()
 *
 * Context: sq.lock and the peer's rq.lock held: neither end changes.
 * Return: true when it is.
 */
bool nopin_loopback_is_connected(const struct nopin_qp *qp, const struct nopin_qp *peer)
{
	lockdep_assert_held(&qp->sq.lock);
	lockdep_assert_held(&peer->rq.lock);
	return peer->state >= IB_QPS_RTR &&
	       peer->attr.dest_qp_num == qp->ibqp.qp_num && peer->mtu == qp->mtu &&
	       ipv6_addr_equal(&peer->route.saddr, &qp->route.daddr) &&
	       ipv6_addr_equal(&peer->route.daddr, &qp->route.saddr);
}

/**
 * nopin_loopback_is_alive - would the peer take a request?
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 * Return: false when it would have to go as packets, even if nobody receives them.
 */
bool nopin_loopback_is_alive(struct nopin_qp *qp)
{
	struct nopin_qp *peer = nopin_loopback_find(qp);
	bool alive;

	if (!peer)
		return false;
	spin_lock(&peer->rq.lock);
	alive = nopin_loopback_is_connected(qp, peer) && nopin_rq_accepts(peer);
	spin_unlock(&peer->rq.lock);
	nopin_qp_put(peer);
	return alive;
}

/* The requester's own memory from @offset on, or what it posted inline. */
static void nopin_loopback_own(struct nopin_place *place, const struct nopin_qp *qp,
			       const struct nopin_swqe *wqe, u32 offset)
{
	if (wqe->flags & NOPIN_SEND_INLINE)
		nopin_place_bytes(place, wqe->data + offset);
	else
		nopin_place_sges(place, qp->ibqp.pd, wqe->sge, wqe->num_sge, offset);
}

static enum nopin_verdict nopin_loopback_data(struct nopin_qp *qp, struct nopin_qp *peer,
					      const struct nopin_swqe *wqe,
					      const struct nopin_piece *piece)
{
	struct nopin_pkt pkt = { .psn = qp->sq.next_psn };
	struct nopin_inbound in __uninitialized;

	in.pkt = &pkt;
	in.packets = piece->packets;
	nopin_loopback_own(&in.from, qp, wqe, piece->offset);
	in.park = &qp->sq.park;
	nopin_send_describe(&pkt, qp, wqe, piece->offset, piece->len);
	if (!peer->service->reliable && !nopin_rq_follows(&peer->rq, &pkt))
		return NOPIN_INVALID_REQUEST;
	return nopin_execute_data(peer, &in);
}

static enum nopin_verdict nopin_loopback_read(struct nopin_qp *qp, struct nopin_qp *peer,
					      const struct nopin_swqe *wqe,
					      const struct nopin_piece *piece)
{
	struct nopin_place from __uninitialized, to __uninitialized;
	enum nopin_copied copied = NOPIN_COPIED;
	struct nopin_copy copy __uninitialized;

	if (!nopin_rq_may_read(peer) || peer->rq.in_message)
		return NOPIN_INVALID_REQUEST;
	nopin_place_range(&from, peer->ibqp.pd, peer->id, wqe->rkey,
			  wqe->remote_addr + piece->offset, IB_ACCESS_REMOTE_READ);
	nopin_loopback_own(&to, qp, wqe, piece->offset);
	nopin_copy_init(&copy, &from, &to, piece->len, wqe->length - piece->offset);
	if (piece->len)
		copied = nopin_park_copy(&qp->sq.park, &copy);
	if (copied == NOPIN_COPY_MISS)
		return NOPIN_PARKED;
	if (copied != NOPIN_COPIED)
		return copied == NOPIN_COPY_BAD_SOURCE ? NOPIN_ACCESS_ERROR :
							 NOPIN_SOURCE_ERROR;
	nopin_rq_answered(&peer->rq, piece->packets,
			  piece->offset + piece->len == wqe->length);
	return NOPIN_DONE;
}

/*
 * With the peer's rq.lock held: what the peer does besides answering. If the peer fails,
 * its own tasklet moves it to the error state.
 */
static void nopin_loopback_conclude_peer(struct nopin_qp *peer,
					 enum nopin_verdict verdict)
{
	const struct nopin_refusal *refusal = nopin_refusal_by_verdict(verdict);

	if (verdict == NOPIN_RNR)
		nopin_stat_inc(&peer->dev->stats, NOPIN_RNR_NAKS_SENT);
	if (refusal) {
		nopin_rq_refuse(&peer->rq, peer->rq.expected_psn, refusal->nak,
				refusal->event);
		tasklet_schedule(&peer->rq.task);
	}
}

/*
 * The same for UC. The requester does not learn what the peer does with the message: once
 * it has gone, the verdict is NOPIN_DONE.
 */
static enum nopin_verdict nopin_loopback_conclude_sent(struct nopin_qp *peer, u32 psn,
						       enum nopin_verdict verdict)
{
	if (verdict == NOPIN_SOURCE_ERROR) /* then the requester sends nothing */
		return verdict;
	nopin_unreliable_conclude(peer, psn, verdict);
	if (peer->rq.failed)
		tasklet_schedule(&peer->rq.task);
	return verdict == NOPIN_PARKED ? verdict : NOPIN_DONE;
}

/* Without the peer's lock: do as the requester would do upon the peer's ACK or NAK. */
static void nopin_loopback_conclude(struct nopin_qp *qp, const struct nopin_swqe *wqe,
				    u32 packets, u8 rnr_timer,
				    enum nopin_verdict verdict)
{
	const struct nopin_refusal *refusal = nopin_refusal_by_verdict(verdict);

	if (verdict == NOPIN_DONE) {
		nopin_sq_carried(qp, wqe, packets);
	} else if (verdict == NOPIN_RNR) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_RNR_NAKS_RECEIVED);
		nopin_sq_retry_rnr(qp, rnr_timer);
	} else if (verdict == NOPIN_SOURCE_ERROR) {
		nopin_sq_fail(qp, IB_WC_LOC_PROT_ERR);
	} else if (refusal) {
		nopin_sq_fail(qp, refusal->status);
	}
}

static enum nopin_verdict nopin_loopback_piece(struct nopin_qp *qp,
					       struct nopin_qp *peer,
					       const struct nopin_swqe *wqe,
					       u32 *packets)
{
	u32 offset = nopin_wqe_offset(qp, wqe, qp->sq.next_psn);
	struct nopin_piece piece = {
		.offset = offset,
		.packets = min(nopin_packets(qp, wqe->length - offset),
			       NOPIN_LOOPBACK_PIECE / qp->mtu),
	};

	piece.len = min(piece.packets * qp->mtu, wqe->length - offset);
	*packets = piece.packets;
	if (wqe->request->operation == NOPIN_RDMA_READ)
		return nopin_loopback_read(qp, peer, wqe, &piece);
	return nopin_loopback_data(qp, peer, wqe, &piece);
}

/**
 * nopin_loopback_is_ready - would the peer carry out the next packet at once?
 * @sq: the requester half
 * @peer: connected to it
 *
 * Context: sq.lock and the peer's rq.lock held, BH off.
 * Return: true when it would; then the connection is established for the peer, too.
 */
bool nopin_loopback_is_ready(const struct nopin_sq *sq, struct nopin_qp *peer)
{
	if (!nopin_rq_accepts(peer) || nopin_rq_is_busy(&peer->rq) ||
	    peer->rq.expected_psn != sq->next_psn)
		return false;
	nopin_rq_establish(peer);
	return true;
}

/**
 * nopin_loopback_step - carry out the next piece of a request without packets
 * @qp: the QP, with a peer
 * @wqe: the request; it has its PSNs
 * @packets: gets how many packets the piece stands for; 0: none was carried out
 *
 * Context: sq.lock held, BH off. Takes the peer's rq.lock, which comes after
 *	every sq.lock.
 * Return: false when it has to go as packets.
 */
bool nopin_loopback_step(struct nopin_qp *qp, const struct nopin_swqe *wqe, u32 *packets)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_qp *peer = sq->peer;
	enum nopin_verdict verdict;
	bool connected, waits;
	u8 rnr_timer;
	u32 behind;

	*packets = 0;
	if (wqe->request->answered && wqe->request->operation != NOPIN_RDMA_READ)
		return false;

	spin_lock(&peer->rq.lock);
	connected = nopin_loopback_is_connected(qp, peer);
	waits = sq->una_psn != sq->next_psn; /* for the ACK of packets in flight */
	if (waits || !connected || !nopin_loopback_is_ready(sq, peer)) {
		spin_unlock(&peer->rq.lock);
		/* If none of those packets has asked for the ACK, one more packet does. */
		return waits && connected && !sq->since_ack_req;
	}
	verdict = nopin_loopback_piece(qp, peer, wqe, packets);
	behind = nopin_psn_add(sq->next_psn, *packets);
	if (likely(peer->service->reliable))
		nopin_loopback_conclude_peer(peer, verdict);
	else
		verdict = nopin_loopback_conclude_sent(peer, behind, verdict);
	rnr_timer = peer->attr.min_rnr_timer;
	spin_unlock(&peer->rq.lock);

	if (sq->park.away) { /* the peer itself waits for its page, with a packet */
		sq->park.away = false;
		*packets = 0;
		return false;
	}
	nopin_loopback_conclude(qp, wqe, *packets, rnr_timer, verdict);
	if (verdict == NOPIN_PARKED) {
		sq->park.silent = true;
		nopin_sq_timer_start(qp);
	}
	if (verdict != NOPIN_DONE)
		*packets = 0;
	return true;
}
