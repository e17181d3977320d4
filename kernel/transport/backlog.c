// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * UC and UD acknowledge nothing, so their peers send nothing again. A packet whose page is
 * missing is kept, and packets that arrive meanwhile are kept behind it in order, within
 * the budget of the QP. A packet beyond the budget is dropped, as if lost on the way.
 */
#include "device.h"
#include "transport/backlog.h"

/* False: it is dropped. */
static bool nopin_backlog_keep(struct nopin_qp *qp, struct sk_buff *skb)
{
	const struct nopin_kept_info info = {};
	bool kept = !nopin_kept_add(&qp->rq.parked, skb, info);

	nopin_stat_inc(&qp->dev->stats, kept ? NOPIN_PARKED_PACKETS : NOPIN_DROP_NO_RECEIVE);
	return kept;
}

/**
 * nopin_backlog_take - deliver a packet, or keep it
 * @qp: the QP
 * @skb: data at the BTH; stays the caller's
 * @pkt: its headers
 * @deliver: delivers it
 *
 * Context: rq.lock held, BH off; nopin_rq_unlock() drops it.
 */
void nopin_backlog_take(struct nopin_qp *qp, struct sk_buff *skb,
			const struct nopin_pkt *pkt, nopin_deliver_fn deliver)
{
	bool busy = nopin_rq_is_busy(&qp->rq);

	if (!busy && deliver(qp, skb, pkt))
		return;
	if (!nopin_backlog_keep(qp, skb) && !busy)
		nopin_park_lose(&qp->rq.park);
}

/* Deliver one kept packet. False: nothing can be done now. */
static bool nopin_backlog_step(struct nopin_qp *qp, nopin_deliver_fn deliver)
{
	struct nopin_rq *rq = &qp->rq;
	struct nopin_pkt pkt;
	struct sk_buff *skb;

	if (rq->park.waiting || rq->failed)
		return false;
	skb = nopin_kept_take(&rq->parked, &pkt);
	if (!skb)
		return false;
	if (!deliver(qp, skb, &pkt)) {
		nopin_kept_return(&rq->parked, skb);
		return false;
	}
	consume_skb(skb);
	return true;
}

/**
 * nopin_backlog_resume - go on with the packets that were kept
 * @qp: the QP
 * @deliver: delivers a packet
 *
 * Context: rq.lock held, BH off; nopin_rq_unlock() drops it.
 */
void nopin_backlog_resume(struct nopin_qp *qp, nopin_deliver_fn deliver)
{
	struct nopin_rq *rq = &qp->rq;
	u64 begun = ktime_get_ns();

	while (nopin_backlog_step(qp, deliver)) {
		if (!nopin_quantum_is_over(begun))
			continue;
		tasklet_schedule(&rq->task);
		break;
	}
	if (!rq->park.waiting) /* the access that it belongs to was retried */
		rq->park.error = 0;
}
