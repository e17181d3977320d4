// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The responder of UC (IBTA 9.8.2). A message may begin with any PSN, and completes as a
 * whole or not at all. If one of its packets is missing, or may not do what it asks for,
 * the rest of the message is dropped silently, and the next message uses its receive.
 */
#include "device.h"
#include "transport/backlog.h"
#include "transport/execute.h"
#include "transport/unreliable.h"

/**
 * nopin_unreliable_conclude - act on the verdict on a piece of a message
 * @qp: the responder
 * @psn: the first behind the piece
 * @verdict: on the piece; the peer is not told
 *
 * Only an error in the program's own receive, which has completed with it, is fatal (IBTA
 * 9.9.3, class A).
 *
 * Context: rq.lock held, BH off.
 */
void nopin_unreliable_conclude(struct nopin_qp *qp, u32 psn, enum nopin_verdict verdict)
{
	if (verdict == NOPIN_DONE || verdict == NOPIN_PARKED)
		return;
	nopin_rq_pass(&qp->rq, psn);
	if (verdict == NOPIN_OPERATION_ERROR)
		nopin_rq_refuse(&qp->rq, psn, 0, IB_EVENT_QP_FATAL);
	else
		nopin_stat_inc(&qp->dev->stats, verdict == NOPIN_RNR ? NOPIN_DROP_NO_RECEIVE :
								       NOPIN_DROP_STALE);
}

/* False: it waits for a page. */
static bool nopin_unreliable_deliver(struct nopin_qp *qp, struct sk_buff *skb,
				     const struct nopin_pkt *pkt)
{
	enum nopin_verdict verdict = NOPIN_INVALID_REQUEST;

	if (!nopin_rq_accepts(qp))
		return true;
	if (nopin_rq_follows(&qp->rq, pkt)) {
		nopin_rq_establish(qp);
		verdict = nopin_execute(qp, skb, pkt);
	}
	nopin_unreliable_conclude(qp, nopin_psn_add(pkt->psn, 1), verdict);
	return verdict != NOPIN_PARKED;
}

/**
 * nopin_unreliable_take_small - take a request, if it is a plain one
 * @qp: the QP
 * @skb: data at the BTH
 * @pkt: its headers
 * @hold: keeps open a page that such requests name
 *
 * Context: rq.lock held, BH off, in an RCU read-side section.
 * Return: false: it is not, and nothing was done that nopin_unreliable_take() would not
 *	do.
 */
bool nopin_unreliable_take_small(struct nopin_qp *qp, const struct sk_buff *skb,
				 const struct nopin_pkt *pkt, struct nopin_hold *hold)
{
	if (nopin_rq_is_busy(&qp->rq) || !nopin_rq_accepts(qp) ||
	    !nopin_rq_follows(&qp->rq, pkt) || !nopin_execute_small(qp, skb, pkt, hold))
		return false;
	nopin_rq_establish(qp);
	return true;
}

/**
 * nopin_unreliable_take - take a request
 * @qp: the QP
 * @skb: data at the BTH; stays the caller's
 * @pkt: its headers
 *
 * Context: rq.lock held, BH off; nopin_rq_unlock() drops it.
 */
void nopin_unreliable_take(struct nopin_qp *qp, struct sk_buff *skb,
			   const struct nopin_pkt *pkt)
{
	nopin_backlog_take(qp, skb, pkt, nopin_unreliable_deliver);
}

/**
 * nopin_unreliable_resume - nopin_service.resume of UC
 * @qp: the QP
 *
 * Context: rq.lock held, BH off; nopin_rq_unlock() drops it.
 */
void nopin_unreliable_resume(struct nopin_qp *qp)
{
	nopin_backlog_resume(qp, nopin_unreliable_deliver);
}
