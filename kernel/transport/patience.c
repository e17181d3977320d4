// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * While a request waits for a page, however long: show the peer that we live, so that it
 * does not send again what is kept.
 */
#include <linux/jiffies.h>

#include "transport/patience.h"
#include "transport/reply.h"

#define NOPIN_PATIENCE_MS	20

/**
 * nopin_responder_repeat_ack - tell the peer again what it has been told
 * @qp: the QP
 *
 * Context: rq.lock held, BH off.
 */
void nopin_responder_repeat_ack(struct nopin_qp *qp)
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
	struct nopin_rq *rq = &qp->rq;

	if (rq->read.active)
		nopin_reply_alive(qp, rq->read.psn);
	if (rq->read.active && !rq->read.again)
		return;
	nopin_reply_alive(qp, rq->expected_psn);
	if (!rq->read.active)
		nopin_responder_repeat_ack(qp);
}

/* What the peer waits for an ACK is not known; likely as long as we would. */
static unsigned long nopin_patience(const struct nopin_qp *qp)
{
	unsigned long most = msecs_to_jiffies(NOPIN_PATIENCE_MS);

	return qp->attr.timeout ? min(nopin_ack_timeout(qp) / NOPIN_SIGNS, most) : most;
}

/**
 * nopin_rq_timer_start - a request waits for a page: ask the peer for patience
 * @qp: the QP
 *
 * Called with every packet that comes meanwhile, as well: the CPU that has the timer
 * may be busy in the kernel for seconds (compacting memory, say), and the page's
 * worker with it. The packet does the work of a timer that is late, and the timer
 * comes to this CPU.
 *
 * Context: rq.lock held, BH off.
 */
void nopin_rq_timer_start(struct nopin_qp *qp)
{
	struct timer_list *timer = &qp->rq.timer;
	unsigned long patience = nopin_patience(qp);

	if (timer_pending(timer)) {
		if (time_before_eq(jiffies, READ_ONCE(timer->expires) + patience))
			return;
		if (nopin_rq_accepts(qp))
			nopin_responder_show_life(qp);
	}
	mod_timer(timer, jiffies + patience);
}
