// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The responder: takes request packets in PSN order (IBTA 9.7.4), answers
 * duplicates, and keeps what arrives while it waits for a page or streams the
 * responses of a READ.
 */
#include "transport/internal.h"

/**
 * nopin_responder_refuse - carry out nothing more; the QP is to fail
 * @qp: the QP
 * @psn: of the packet that is refused
 * @refusal: why
 *
 * Context: rq.lock held; nopin_rq_unlock() does the rest without it.
 */
void nopin_responder_refuse(struct nopin_qp *qp, u32 psn,
			    const struct nopin_refusal *refusal)
{
	qp->rq.refused_psn = psn;
	qp->rq.refused_nak = refusal->nak;
	qp->rq.nak_sent = true;
	qp->rq.failed = true;
	qp->rq.event = refusal->event;
}

static void nopin_responder_rnr(struct nopin_qp *qp)
{
	nopin_stat_inc(&qp->dev->stats, NOPIN_RNR_NAKS_SENT);
	nopin_reply(qp, qp->rq.expected_psn,
		    NOPIN_AETH_RNR | (qp->attr.min_rnr_timer & NOPIN_AETH_VALUE));
	qp->rq.nak_sent = true;
}

/* Tell the peer the verdict on its request packet @psn. */
static void nopin_responder_conclude(struct nopin_qp *qp, u32 psn,
				     enum nopin_verdict verdict)
{
	const struct nopin_refusal *refusal = nopin_refusal_by_verdict(verdict);

	if (verdict == NOPIN_RNR)
		nopin_responder_rnr(qp);
	if (refusal) {
		nopin_reply(qp, psn, refusal->nak);
		nopin_responder_refuse(qp, psn, refusal);
	}
}

/*
 * The NAK of a refused request may be lost like any packet. The requester, when
 * it asks again, is told again, or it would take the peer for dead.
 */
static void nopin_responder_repeat_nak(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	if (qp->rq.refused_nak && pkt->ack_req)
		nopin_reply(qp, qp->rq.refused_psn, qp->rq.refused_nak);
}

/* Tell the peer again what it has been told. */
static void nopin_responder_repeat_ack(struct nopin_qp *qp)
{
	nopin_reply(qp, qp->rq.ack_psn, NOPIN_AETH_ACK | NOPIN_AETH_NO_CREDITS);
}

/**
 * nopin_responder_show_life - a request waits for a page, however long
 * @qp: the QP
 *
 * An ACK among the responses to a READ would end it for some requesters (rxe), with
 * success and without the data; and one that was sent before the first may come after
 * it, if it takes the way of another CPU. When the READ is asked for again, the ACK may
 * also be of a request after it, and would say that the responses were lost.
 *
 * Context: rq.lock held, BH off.
 */
void nopin_responder_show_life(struct nopin_qp *qp)
{
	if (qp->rq.read.active)
		nopin_reply_stale(qp, qp->rq.read.psn);
	else
		nopin_responder_repeat_ack(qp);
}

static void nopin_responder_replay_atomic(struct nopin_qp *qp, u32 psn)
{
	struct nopin_rq *rq = &qp->rq;
	const struct nopin_atomic_result *result;
	u32 i;

	/* From the newest on: an old one may have its PSN from 2^24 packets ago. */
	for (i = 1; i <= rq->atomics_size; i++) {
		result = &rq->atomics[(rq->atomic_next + rq->atomics_size - i) %
				      rq->atomics_size];
		if (result->valid && result->psn == psn) {
			nopin_reply_atomic(qp, psn, result->original);
			return;
		}
	}
}

/* A request seen before: the answer was lost, or is still on its way. */
static enum nopin_verdict nopin_responder_duplicate(struct nopin_qp *qp,
						    const struct nopin_pkt *pkt)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);

	nopin_stat_inc(&qp->dev->stats, NOPIN_DUPLICATES);
	if (op->operation == NOPIN_RDMA_READ)
		return nopin_read_begin(qp, pkt);
	if (!nopin_opcode_is_data(op))
		nopin_responder_replay_atomic(qp, pkt->psn);
	else if (pkt->ack_req)
		nopin_responder_repeat_ack(qp);
	return NOPIN_DONE;
}

static void nopin_responder_gap(struct nopin_qp *qp)
{
	if (qp->rq.nak_sent)
		return;
	nopin_stat_inc(&qp->dev->stats, NOPIN_SEQ_NAKS_SENT);
	nopin_reply(qp, qp->rq.expected_psn, NOPIN_NAK_PSN_SEQUENCE);
	qp->rq.nak_sent = true;
}

/**
 * nopin_responder_accepts - may requests be carried out in this state?
 * @qp: the QP
 *
 * Context: rq.lock held.
 * Return: true from RTR on, until the QP fails.
 */
bool nopin_responder_accepts(struct nopin_qp *qp)
{
	switch (qp->state) {
	case IB_QPS_RTR:
		if (!qp->rq.established)
			nopin_qp_event(qp, IB_EVENT_COMM_EST);
		qp->rq.established = true;
		return !qp->rq.failed;
	case IB_QPS_RTS:
	case IB_QPS_SQD:
		return !qp->rq.failed;
	default:
		return false;
	}
}

static enum nopin_verdict nopin_responder_handle(struct nopin_qp *qp,
						 struct sk_buff *skb,
						 const struct nopin_pkt *pkt)
{
	enum nopin_verdict verdict = NOPIN_DONE;
	s32 ahead;

	if (!nopin_responder_accepts(qp)) {
		nopin_responder_repeat_nak(qp, pkt);
		return NOPIN_DONE;
	}
	ahead = nopin_psn_diff(pkt->psn, qp->rq.expected_psn);
	if (ahead > 0) {
		nopin_responder_gap(qp);
	} else if (ahead < 0) {
		verdict = nopin_responder_duplicate(qp, pkt);
	} else {
		qp->rq.nak_sent = false;
		verdict = nopin_execute(qp, skb, pkt);
	}
	nopin_responder_conclude(qp, pkt->psn, verdict);
	return verdict;
}

/*
 * Keep a packet for later. When too many wait for one page, the peer is asked
 * to wait and to send them again: only then is anything sent twice.
 */
static void nopin_responder_keep(struct nopin_qp *qp, struct sk_buff *skb)
{
	struct nopin_rq *rq = &qp->rq;

	if (qp->state != IB_QPS_RTR && qp->state != IB_QPS_RTS &&
	    qp->state != IB_QPS_SQD)
		return;
	if (skb_queue_len(&rq->parked) < NOPIN_PARKED_MAX) {
		if (nopin_park_skb(&rq->parked, skb))
			nopin_stat_inc(&qp->dev->stats, NOPIN_PARKED_PACKETS);
	} else if (rq->park.waiting && !rq->read.active && !rq->nak_sent) {
		nopin_responder_rnr(qp);
		__skb_queue_purge(&rq->parked);
	}
}

/**
 * nopin_responder_busy - does a request have to wait its turn?
 * @rq: the responder half
 *
 * Context: rq.lock held.
 * Return: true when earlier packets are still being dealt with.
 */
bool nopin_responder_busy(const struct nopin_rq *rq)
{
	return rq->park.waiting || rq->read.active || !skb_queue_empty(&rq->parked);
}

/* One parked packet. False: it has to wait again. */
static bool nopin_responder_unpark(struct nopin_qp *qp, struct sk_buff *skb)
{
	struct nopin_pkt pkt;

	nopin_park_parse(skb, &pkt);
	if (nopin_responder_handle(qp, skb, &pkt) == NOPIN_PARKED) {
		__skb_queue_head(&qp->rq.parked, skb);
		return false;
	}
	consume_skb(skb);
	return true;
}

/*
 * Responses first, then the requests behind them. True: more is left for a
 * later softirq.
 */
static bool nopin_responder_run(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;
	enum nopin_verdict verdict;
	struct sk_buff *skb;

	while (!rq->park.waiting && !rq->failed) {
		if (rq->read.active) {
			verdict = nopin_read_burst(qp);
			nopin_responder_conclude(qp, rq->read.psn, verdict);
			if (rq->read.active)
				return !rq->park.waiting && !rq->failed;
			continue;
		}
		skb = __skb_dequeue(&rq->parked);
		if (!skb || !nopin_responder_unpark(qp, skb))
			break;
	}
	return false;
}

/**
 * nopin_responder_resume - go on: parked packets and responses
 * @qp: the QP
 *
 * Context: rq.lock held, BH off; nopin_rq_unlock() drops it.
 */
void nopin_responder_resume(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;

	if (nopin_responder_run(qp))
		tasklet_schedule(&rq->task);
	if (rq->park.waiting)
		nopin_rq_timer_start(qp);
	else /* the access that it was for has been retried */
		rq->park.error = 0;
}

/* False: not such a packet, and nothing was done. */
static bool nopin_responder_take_small(struct nopin_qp *qp, const struct sk_buff *skb,
				       const struct nopin_pkt *pkt,
				       struct nopin_hold *hold)
{
	struct nopin_rq *rq = &qp->rq;

	if (nopin_responder_busy(rq) || !nopin_responder_accepts(qp) ||
	    pkt->psn != rq->expected_psn || !nopin_execute_small(qp, skb, pkt, hold))
		return false;
	rq->nak_sent = false;
	return true;
}

static void nopin_responder_take(struct nopin_qp *qp, struct sk_buff *skb,
				 const struct nopin_pkt *pkt)
{
	if (nopin_responder_busy(&qp->rq) ||
	    nopin_responder_handle(qp, skb, pkt) == NOPIN_PARKED)
		nopin_responder_keep(qp, skb);
	nopin_responder_resume(qp);
}

/**
 * nopin_responder_rx - take packets for the responder
 * @qp: the QP
 * @arrival: the present packet is a request for it
 *
 * Those after it that are, too, are taken as well: small ones share the pages that they
 * are for. The stack never has a packet of ours while one of these pages is held.
 *
 * Context: softirq, in an RCU read-side section.
 */
void nopin_responder_rx(struct nopin_qp *qp, struct nopin_arrival *arrival)
{
	struct nopin_hold hold __uninitialized; /* by nopin_hold_begin(), as needed */

	nopin_hold_begin(&hold, qp->ibqp.pd);
	spin_lock_bh(&qp->rq.lock);
	do {
		if (!nopin_transport_admits(qp, arrival->net, arrival->skb))
			continue;
		if (nopin_responder_take_small(qp, arrival->skb, &arrival->pkt, &hold))
			continue;
		nopin_hold_end(&hold);
		nopin_responder_take(qp, arrival->skb, &arrival->pkt);
	} while (nopin_net_next(arrival) &&
		 nopin_transport_is_request(qp, &arrival->pkt));
	nopin_hold_end(&hold);
	nopin_rq_unlock(qp);
}

/**
 * nopin_rq_task - tasklet: go on sending responses
 * @task: rq.task
 *
 * Context: softirq.
 */
void nopin_rq_task(struct tasklet_struct *task)
{
	struct nopin_qp *qp = from_tasklet(qp, task, rq.task);

	spin_lock_bh(&qp->rq.lock);
	nopin_responder_resume(qp);
	nopin_rq_unlock(qp);
}
