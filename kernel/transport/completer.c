// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The completer: takes ACKs, NAKs and responses, and ends send requests
 * (IBTA 9.7.5). Everything is in PSN order: una_psn is both the oldest
 * unacknowledged PSN and, for a READ, the next response that is wanted.
 */
#include "transport/internal.h"

static struct nopin_swqe *nopin_sq_oldest(struct nopin_sq *sq)
{
	return nopin_sq_wqe(sq, sq->queue.index);
}

/**
 * nopin_completer_progress - something was acknowledged
 * @qp: the QP, una_psn moved on
 *
 * The peer is alive, so all patience is restored.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_completer_progress(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_reads *reads = &sq->reads;

	sq->progress = jiffies;
	sq->retries = qp->attr.retry_cnt;
	sq->rnr_retries = qp->attr.rnr_retry;
	sq->probing = false;
	sq->resent = false;

	while (reads->count &&
	       nopin_psn_diff(sq->una_psn, reads->end_psn[reads->head]) > 0) {
		reads->head = (reads->head + 1) % reads->size;
		reads->count--;
	}
	/* An ACK of what was about to be sent again. */
	if (nopin_psn_diff(sq->una_psn, sq->next_psn) > 0) {
		sq->next_psn = sq->una_psn;
		sq->next = sq->queue.index;
	}
}

/**
 * nopin_completer_advance - the oldest request has got as far as @psn
 * @qp: the QP
 * @psn: first PSN not acknowledged, at most one beyond the request's last
 *
 * Context: sq.lock held, BH off.
 */
void nopin_completer_advance(struct nopin_qp *qp, u32 psn)
{
	struct nopin_sq *sq = &qp->sq;

	if (nopin_psn_diff(psn, nopin_sq_oldest(sq)->last_psn) > 0)
		nopin_sq_complete(qp, IB_WC_SUCCESS);
	sq->una_psn = psn;
	nopin_completer_progress(qp);
}

/*
 * Acknowledge every PSN before @psn. False: among them is a READ or atomic
 * whose answer has not come, so it was lost and has to be asked for again.
 */
static bool nopin_completer_acknowledge(struct nopin_qp *qp, u32 psn)
{
	struct nopin_sq *sq = &qp->sq;

	while (nopin_psn_diff(psn, sq->una_psn) > 0) {
		struct nopin_swqe *wqe = nopin_sq_oldest(sq);
		u32 end = nopin_psn_add(wqe->last_psn, 1);

		if (wqe->request->answered)
			return false;
		nopin_completer_advance(qp, nopin_psn_diff(psn, end) < 0 ? psn : end);
	}
	return true;
}

/*
 * A gap in the answers, seen by the one to @psn: go back once, not for each answer
 * behind the gap; again only for what was sent after that.
 */
static void nopin_completer_resend(struct nopin_qp *qp, u32 psn)
{
	struct nopin_sq *sq = &qp->sq;

	if (sq->resent && nopin_psn_diff(psn, sq->resent_psn) < 0)
		return;
	nopin_requester_rewind(qp);
	sq->resent = true;
	sq->resent_psn = sq->unsent_psn;
}

/**
 * nopin_completer_rnr - the peer has no receive posted
 * @qp: the QP
 * @code: how long to wait, RNR timer code in the low 5 bits
 *
 * Context: sq.lock held, BH off.
 */
void nopin_completer_rnr(struct nopin_qp *qp, u8 code)
{
	struct nopin_sq *sq = &qp->sq;

	nopin_stat_inc(&qp->dev->stats, NOPIN_RNR_NAKS_RECEIVED);
	/* Gone back already; a pause for want of memory is something else. */
	if (sq->paused && sq->next_psn == sq->una_psn)
		return;
	if (!sq->rnr_retries) {
		nopin_requester_fail(qp, IB_WC_RNR_RETRY_EXC_ERR);
		return;
	}
	if (sq->rnr_retries != NOPIN_RNR_FOREVER)
		sq->rnr_retries--;
	nopin_requester_rewind(qp);
	sq->probing = true;
	nopin_sq_timer_rnr(qp, code);
}

static void nopin_completer_sequence_nak(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	nopin_stat_inc(&qp->dev->stats, NOPIN_SEQ_NAKS_RECEIVED);
	if (!sq->retries) {
		nopin_requester_fail(qp, IB_WC_RETRY_EXC_ERR);
		return;
	}
	sq->retries--;
	nopin_requester_rewind(qp);
}

static void nopin_completer_nak(struct nopin_qp *qp, u8 syndrome)
{
	const struct nopin_refusal *refusal = nopin_refusal_by_nak(syndrome);

	if (syndrome == NOPIN_NAK_PSN_SEQUENCE)
		nopin_completer_sequence_nak(qp);
	else
		nopin_requester_fail(qp, refusal ? refusal->status : IB_WC_BAD_RESP_ERR);
}

/*
 * A verdict on the READ whose responses are missing? Packets from different CPUs
 * overtake each other, and a peer that has refused a request says no more.
 */
static bool nopin_completer_is_refused(struct nopin_qp *qp,
				       const struct nopin_pkt *pkt)
{
	const struct nopin_swqe *wqe = nopin_sq_oldest(&qp->sq);

	return (pkt->syndrome & NOPIN_AETH_TYPE) == NOPIN_AETH_NAK &&
	       pkt->syndrome != NOPIN_NAK_PSN_SEQUENCE &&
	       nopin_psn_diff(pkt->psn, wqe->last_psn) <= 0;
}

static void nopin_completer_ack(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	u8 type = pkt->syndrome & NOPIN_AETH_TYPE;
	u32 acked = type == NOPIN_AETH_ACK ? nopin_psn_add(pkt->psn, 1) : pkt->psn;

	if (!nopin_completer_acknowledge(qp, acked) &&
	    !nopin_completer_is_refused(qp, pkt)) {
		nopin_completer_resend(qp, pkt->psn);
		return;
	}
	if (type == NOPIN_AETH_RNR)
		nopin_completer_rnr(qp, pkt->syndrome);
	else if (type == NOPIN_AETH_NAK)
		nopin_completer_nak(qp, pkt->syndrome);
}

/*
 * Bring the requester to the request that a response is for. False: not the
 * response that is wanted next.
 */
static bool nopin_completer_expects(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	if (!nopin_completer_acknowledge(qp, pkt->psn)) {
		nopin_completer_resend(qp, pkt->psn);
		return false;
	}
	return pkt->psn == qp->sq.una_psn;
}

/* Put an answer where its request wants it. */
static enum nopin_copied nopin_completer_place(struct nopin_qp *qp,
					       const struct nopin_swqe *wqe,
					       struct nopin_place from, u32 offset, u32 len)
{
	struct nopin_copy copy = {
		.from = from,
		.to = nopin_place_sges(qp->ibqp.pd, wqe->sge, wqe->num_sge, offset),
		.length = len,
		.want = wqe->length - offset,
	};
	enum nopin_copied copied = nopin_park_copy(&qp->sq.park, &copy);

	if (copied != NOPIN_COPIED && copied != NOPIN_COPY_MISS)
		nopin_requester_fail(qp, IB_WC_LOC_PROT_ERR);
	return copied;
}

/* An answer to the oldest request: true when it is parked. */
static bool nopin_completer_answer(struct nopin_qp *qp, const struct nopin_pkt *pkt,
				   struct nopin_place from, u32 offset, u32 len)
{
	const struct nopin_swqe *wqe = nopin_sq_oldest(&qp->sq);
	enum nopin_copied copied = nopin_completer_place(qp, wqe, from, offset, len);

	if (copied == NOPIN_COPIED)
		nopin_completer_advance(qp, nopin_psn_add(pkt->psn, 1));
	return copied == NOPIN_COPY_MISS;
}

static bool nopin_completer_read(struct nopin_qp *qp, struct sk_buff *skb,
				 const struct nopin_pkt *pkt)
{
	struct nopin_swqe *wqe;
	u32 offset;

	if (!nopin_completer_expects(qp, pkt))
		return false;
	wqe = nopin_sq_oldest(&qp->sq);
	offset = ((pkt->psn - wqe->first_psn) & NOPIN_PSN_MASK) * qp->mtu;
	if (wqe->request->operation != NOPIN_RDMA_READ ||
	    pkt->payload_len != min(qp->mtu, wqe->length - offset)) {
		nopin_requester_fail(qp, IB_WC_BAD_RESP_ERR);
		return false;
	}
	return nopin_completer_answer(qp, pkt, nopin_place_packet(skb, pkt->hdr_len),
				      offset, pkt->payload_len);
}

static bool nopin_completer_atomic(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	if (!nopin_completer_expects(qp, pkt))
		return false;
	if (!nopin_request_is_atomic(nopin_sq_oldest(&qp->sq)->request)) {
		nopin_requester_fail(qp, IB_WC_BAD_RESP_ERR);
		return false;
	}
	return nopin_completer_answer(qp, pkt, nopin_place_bytes(&pkt->original), 0,
				      sizeof(pkt->original));
}

/*
 * What a responder sends while it waits for a page: it is alive and has what was sent.
 * Whatever PSN it names, its answer to the oldest request may have been lost.
 */
static void nopin_completer_note_life(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	if ((pkt->opcode == NOPIN_RC_ACK || pkt->opcode == NOPIN_RC_READ_RESPONSE_ONLY) &&
	    (pkt->syndrome & NOPIN_AETH_TYPE) == NOPIN_AETH_ACK &&
	    nopin_psn_diff(pkt->psn, qp->sq.unsent_psn) < 0)
		qp->sq.progress = jiffies;
}

static bool nopin_completer_accepts(const struct nopin_qp *qp,
				    const struct nopin_pkt *pkt)
{
	const struct nopin_sq *sq = &qp->sq;

	return (qp->state == IB_QPS_RTS || qp->state == IB_QPS_SQD) &&
	       nopin_psn_diff(pkt->psn, sq->una_psn) >= 0 &&
	       nopin_psn_diff(pkt->psn, sq->unsent_psn) < 0;
}

/* True: the requester waits for a page, and then for this packet again. */
static bool nopin_completer_handle(struct nopin_qp *qp, struct sk_buff *skb,
				   const struct nopin_pkt *pkt)
{
	bool parked = false;

	nopin_completer_note_life(qp, pkt);
	if (!nopin_completer_accepts(qp, pkt))
		return false;
	if (pkt->opcode == NOPIN_RC_ACK)
		nopin_completer_ack(qp, pkt);
	else if (pkt->opcode == NOPIN_RC_ATOMIC_ACK)
		parked = nopin_completer_atomic(qp, pkt);
	else
		parked = nopin_completer_read(qp, skb, pkt);
	nopin_requester_settle(qp);
	return parked;
}

/**
 * nopin_completer_rx - take one packet for the requester
 * @qp: the QP
 * @net: the namespace that it arrived in
 * @skb: data at the BTH
 * @pkt: its headers
 *
 * Context: softirq.
 */
void nopin_completer_rx(struct nopin_qp *qp, const struct net *net,
			struct sk_buff *skb, const struct nopin_pkt *pkt)
{
	struct nopin_sq *sq = &qp->sq;
	bool keep;

	spin_lock_bh(&sq->lock);
	if (!nopin_transport_admits(qp, net, skb)) {
		spin_unlock_bh(&sq->lock);
		return;
	}
	keep = sq->park.waiting || !skb_queue_empty(&sq->parked);
	if (!keep)
		keep = nopin_completer_handle(qp, skb, pkt);
	if (keep && skb_queue_len(&sq->parked) < NOPIN_PARKED_MAX &&
	    (qp->state == IB_QPS_RTS || qp->state == IB_QPS_SQD) &&
	    nopin_park_skb(&sq->parked, skb))
		nopin_stat_inc(&qp->dev->stats, NOPIN_PARKED_PACKETS);
	nopin_requester_continue(qp);
	spin_unlock_bh(&sq->lock);
}

/**
 * nopin_completer_resume - go on after a fault: parked packets, then requests
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 */
void nopin_completer_resume(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_pkt pkt;
	struct sk_buff *skb;

	while (!sq->park.waiting && (skb = __skb_dequeue(&sq->parked))) {
		nopin_park_parse(skb, &pkt);
		if (nopin_completer_handle(qp, skb, &pkt)) {
			__skb_queue_head(&sq->parked, skb);
			return;
		}
		consume_skb(skb);
	}
	nopin_requester_continue(qp);
}
