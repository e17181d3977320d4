// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * While a request waits for a page, however long, the responder shows the peer that it is
 * alive, so that the peer does not resend packets that are kept.
 */
#include <linux/jiffies.h>

#include "transport/patience.h"
#include "transport/reply.h"

#define NOPIN_PATIENCE_MS	20

/**
 * nopin_responder_repeat_ack - repeat the ACK of the last SEND or WRITE packet
 * @qp: the QP
 *
 * Context: rq.lock held, BH off.
 */
void nopin_responder_repeat_ack(struct nopin_qp *qp)
{
	nopin_reply(qp, qp->rq.ack_psn, NOPIN_AETH_ACK | NOPIN_AETH_NO_CREDITS);
}

/**
 * nopin_responder_show_life - tell the peer that the waiting request is worked on
 * @qp: the QP
 *
 * No ACK goes out while a READ is answered. Some requesters (rxe) complete a READ with
 * success, and without its data, when they get an ACK among its responses; an ACK that
 * another CPU sent before the first response may arrive after it. When the READ is a
 * duplicate, the ACK may be of a later request, and would say that responses were lost.
 * What the peer waits for has then been carried out, perhaps all of it, and may be any part
 * up to the newest.
 *
 * Context: rq.lock held, BH off.
 */
void nopin_responder_show_life(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;

	if (rq->read.active && !rq->read.again) {
		nopin_reply_alive(qp, rq->read.psn);
		return;
	}
	nopin_reply_alive(qp, rq->expected_psn);
	if (nopin_rq_repeats(rq))
		nopin_reply_alive(qp, nopin_psn_add(rq->expected_psn, -1));
	else
		nopin_responder_repeat_ack(qp);
}

/* How long the peer waits for an ACK is not known; likely as long as this QP would. */
static unsigned long nopin_patience(const struct nopin_qp *qp)
{
	unsigned long most = msecs_to_jiffies(NOPIN_PATIENCE_MS);

	return qp->attr.timeout ? min(nopin_ack_timeout(qp) / NOPIN_SIGNS, most) : most;
}

/**
 * nopin_rq_timer_start - show life from time to time while a request waits for a page
 * @qp: the QP
 *
 * Each packet that arrives meanwhile calls this as well. The CPU that has the timer may
 * be busy in the kernel for seconds (compacting memory, for example), and so may the
 * worker that fetches the page. If the timer is late, this call does its work, and moves
 * it to this CPU.
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
