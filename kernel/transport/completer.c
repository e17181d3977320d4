// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The completer: takes ACKs, NAKs and responses, and completes send requests
 * (IBTA 9.7.5). Everything is in PSN order: una_psn is both the oldest
 * unacknowledged PSN and, for a READ, the next response that is wanted.
 */
#include "device.h"
#include "mem/copy.h"
#include "transport/completer.h"
#include "transport/reply.h"

static void nopin_completer_nak(struct nopin_qp *qp, u8 syndrome)
{
	const struct nopin_refusal *refusal = nopin_refusal_by_nak(syndrome);

	if (syndrome != NOPIN_NAK_PSN_SEQUENCE) {
		nopin_sq_fail(qp, refusal ? refusal->status : IB_WC_BAD_RESP_ERR);
		return;
	}
	nopin_stat_inc(&qp->dev->stats, NOPIN_SEQ_NAKS_RECEIVED);
	nopin_sq_retry(qp);
}

/*
 * Is it a NAK that refuses the READ or atomic whose response is missing? Packets sent by
 * different CPUs overtake each other, and a peer that has refused a request sends no more.
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

	if (!nopin_sq_acknowledge(qp, acked) && !nopin_completer_is_refused(qp, pkt)) {
		nopin_sq_resend(qp, pkt->psn);
	} else if (type == NOPIN_AETH_RNR) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_RNR_NAKS_RECEIVED);
		nopin_sq_retry_rnr(qp, pkt->syndrome);
	} else if (type == NOPIN_AETH_NAK) {
		nopin_completer_nak(qp, pkt->syndrome);
	}
}

/*
 * A response acknowledges all PSNs before its own. False: it is not the response that is
 * wanted next.
 */
static bool nopin_completer_expects(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	if (!nopin_sq_acknowledge(qp, pkt->psn)) {
		nopin_sq_resend(qp, pkt->psn);
		return false;
	}
	return pkt->psn == qp->sq.una_psn;
}

/* Copy the data of a response to the memory that its request names. */
static enum nopin_copied nopin_completer_place(struct nopin_qp *qp,
					       const struct nopin_swqe *wqe,
					       const struct nopin_place *from,
					       u32 offset, u32 len)
{
	struct nopin_copy copy __uninitialized;
	struct nopin_place to __uninitialized;
	enum nopin_copied copied;

	nopin_place_sges(&to, qp->ibqp.pd, wqe->sge, wqe->num_sge, offset);
	nopin_copy_init(&copy, from, &to, len, wqe->length - offset);
	copied = nopin_park_copy(&qp->sq.park, &copy);
	if (copied != NOPIN_COPIED && copied != NOPIN_COPY_MISS)
		nopin_sq_fail(qp, IB_WC_LOC_PROT_ERR);
	return copied;
}

/* Take a response to the oldest request. True: the requester is parked. */
static bool nopin_completer_answer(struct nopin_qp *qp, const struct nopin_pkt *pkt,
				   const struct nopin_place *from, u32 offset, u32 len)
{
	const struct nopin_swqe *wqe = nopin_sq_oldest(&qp->sq);
	enum nopin_copied copied = nopin_completer_place(qp, wqe, from, offset, len);

	if (copied == NOPIN_COPIED)
		nopin_sq_acked(qp, nopin_psn_add(pkt->psn, 1));
	return copied == NOPIN_COPY_MISS;
}

/* An ATOMIC WRITE or FLUSH is answered by a response without data. */
static bool nopin_completer_is_confirmation(const struct nopin_swqe *wqe,
					    const struct nopin_pkt *pkt)
{
	return nopin_request_is_confirmed(wqe->request) && !pkt->payload_len &&
	       nopin_pkt_base(pkt) == NOPIN_RC_READ_RESPONSE_ONLY;
}

static bool nopin_completer_read(struct nopin_qp *qp, struct sk_buff *skb,
				 const struct nopin_pkt *pkt)
{
	struct nopin_place from __uninitialized;
	struct nopin_swqe *wqe;
	u32 offset;

	if (!nopin_completer_expects(qp, pkt))
		return false;
	wqe = nopin_sq_oldest(&qp->sq);
	if (nopin_completer_is_confirmation(wqe, pkt)) {
		nopin_sq_acked(qp, nopin_psn_add(pkt->psn, 1));
		return false;
	}
	offset = nopin_wqe_offset(qp, wqe, pkt->psn);
	if (wqe->request->operation != NOPIN_RDMA_READ ||
	    pkt->payload_len != min(qp->mtu, wqe->length - offset)) {
		nopin_sq_fail(qp, IB_WC_BAD_RESP_ERR);
		return false;
	}
	nopin_place_packet(&from, skb, pkt->hdr_len);
	return nopin_completer_answer(qp, pkt, &from, offset, pkt->payload_len);
}

static bool nopin_completer_atomic(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	struct nopin_place from __uninitialized;

	if (!nopin_completer_expects(qp, pkt))
		return false;
	if (!nopin_request_is_atomic(nopin_sq_oldest(&qp->sq)->request)) {
		nopin_sq_fail(qp, IB_WC_BAD_RESP_ERR);
		return false;
	}
	nopin_place_bytes(&from, &pkt->original);
	return nopin_completer_answer(qp, pkt, &from, 0, sizeof(pkt->original));
}

static bool nopin_completer_awaits(const struct nopin_qp *qp, u32 psn)
{
	return nopin_sq_is_live(qp) && nopin_sq_awaits(&qp->sq, psn);
}

/*
 * Take a packet that answers nothing in flight. A responder that waits for a page sends
 * such packets as signs of life (nopin_reply_alive()): then nothing need be sent again.
 */
static void nopin_completer_old(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	u32 due = nopin_psn_add(pkt->psn, NOPIN_PSN_PAST);

	if (nopin_pkt_base(pkt) == NOPIN_RC_READ_RESPONSE_ONLY && !pkt->payload_len &&
	    nopin_completer_awaits(qp, due)) {
		qp->sq.progress = jiffies;
		qp->sq.retries = qp->attr.retry_cnt; /* those count silence */
	} else {
		nopin_stat_inc(&qp->dev->stats, NOPIN_DROP_STALE);
	}
}

/* True: the requester is parked, and has to handle this packet again afterwards. */
static bool nopin_completer_handle(struct nopin_qp *qp, struct sk_buff *skb,
				   const struct nopin_pkt *pkt)
{
	bool parked = false;

	if (!nopin_completer_awaits(qp, pkt->psn)) {
		nopin_completer_old(qp, pkt);
		return false;
	}
	if (nopin_pkt_base(pkt) == NOPIN_RC_ACK)
		nopin_completer_ack(qp, pkt);
	else if (nopin_pkt_base(pkt) == NOPIN_RC_ATOMIC_ACK)
		parked = nopin_completer_atomic(qp, pkt);
	else
		parked = nopin_completer_read(qp, skb, pkt);
	nopin_sq_settle(qp);
	return parked;
}

/* If there is no room for the packet it is lost, and the requester asks again. */
static void nopin_completer_keep(struct nopin_qp *qp, struct sk_buff *skb,
				 const struct nopin_pkt *pkt)
{
	const struct nopin_kept_info info = {};

	if (!nopin_completer_awaits(qp, pkt->psn))
		nopin_completer_old(qp, pkt);
	else if (!nopin_kept_add(&qp->sq.parked, skb, info))
		nopin_stat_inc(&qp->dev->stats, NOPIN_PARKED_PACKETS);
}

/**
 * nopin_completer_take - take one packet for the requester
 * @qp: the QP
 * @skb: data at the BTH; stays the caller's
 * @pkt: its headers
 *
 * Context: sq.lock held, BH off; nopin_sq_unlock() drops it.
 */
void nopin_completer_take(struct nopin_qp *qp, struct sk_buff *skb,
			  const struct nopin_pkt *pkt)
{
	struct nopin_sq *sq = &qp->sq;

	if (sq->park.waiting || !skb_queue_empty(&sq->parked.skbs) ||
	    nopin_completer_handle(qp, skb, pkt))
		nopin_completer_keep(qp, skb, pkt);
}

/**
 * nopin_completer_resume - go on with the packets that were kept
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 * Return: false when the task, or the end of a fault, is to go on with them; else true.
 */
bool nopin_completer_resume(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	u64 begun = ktime_get_ns();
	struct nopin_pkt pkt;
	struct sk_buff *skb;

	while (!sq->park.waiting && (skb = nopin_kept_take(&sq->parked, &pkt))) {
		if (nopin_completer_handle(qp, skb, &pkt)) {
			nopin_kept_return(&sq->parked, skb);
			return false;
		}
		consume_skb(skb);
		if (nopin_quantum_is_over(begun)) {
			tasklet_schedule(&sq->task);
			return false;
		}
	}
	return true;
}
