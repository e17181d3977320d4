// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The timers of a QP. The requester has one timer_list for all of these:
 *
 *   ACK timeout   (IBTA 9.7.6.1.3) 4.096 us * 2^timeout without a sign of life:
 *                 send again from the oldest unacknowledged PSN
 *   probe         earlier than that where packets have just been lost (qp/flight.c)
 *   RNR wait      (IBTA 9.7.5.2.8) the peer had no receive: send again after
 *                 the time that its NAK names
 *   no memory     for a packet: try again soon
 *   loopback      a request to a QP of the same device waits for a page: nothing
 *                 is in flight, but is the peer still there?
 *
 * The responder has one for:
 *
 *   patience      while a request waits for a page, however long: show the peer that
 *                 the responder is alive, so that it does not send again what is kept
 */
#include <linux/jiffies.h>

#include "compat.h"
#include "device.h"
#include "entry/expire.h"
#include "transport/loopback.h"
#include "transport/patience.h"
#include "transport/requester.h"

static void nopin_sq_timeout(struct nopin_qp *qp)
{
	nopin_stat_inc(&qp->dev->stats, NOPIN_TIMEOUTS);
	nopin_sq_retry(qp);
	nopin_requester_continue(qp);
}

/*
 * A loopback request waits for a page, perhaps one of the peer's process, whose fault may
 * never be answered. The wait goes on while the peer's QP accepts requests. When it does
 * not, a peer on the wire would be silent, so the request fails after as many timeouts
 * as it would there.
 */
static void nopin_sq_expire_parked(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	if (nopin_loopback_is_alive(qp))
		sq->retries = qp->attr.retry_cnt + 1;
	if (!sq->retries) {
		nopin_sq_fail(qp, IB_WC_RETRY_EXC_ERR);
		return;
	}
	sq->retries--;
	mod_timer(&sq->timer, jiffies + nopin_ack_timeout(qp));
}

/* The ACK timeout has not passed, but after a recent loss it may be time for a probe. */
static void nopin_sq_expire_early(struct nopin_qp *qp, unsigned long due)
{
	struct nopin_sq *sq = &qp->sq;
	unsigned long probe;

	if (nopin_flight_is_lossy(&sq->flight)) {
		if (time_after_eq(jiffies, sq->progress + sq->flight.probe)) {
			nopin_sq_probe(qp);
			nopin_requester_continue(qp);
		}
		probe = sq->progress + sq->flight.probe;
		due = time_before(probe, due) ? probe : due;
	}
	if (!sq->paused) /* else the timer has been set for the end of the pause */
		mod_timer(&sq->timer, due);
}

static void nopin_sq_expire(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	unsigned long due;

	if (sq->paused) {
		if (timer_pending(&sq->timer)) /* paused while this waited for the lock */
			return;
		sq->paused = false;
		sq->progress = jiffies;
		nopin_requester_continue(qp);
		if (sq->una_psn != sq->next_psn) /* the pause replaced the ACK timeout */
			nopin_sq_timer_start(qp);
		return;
	}
	if (!qp->attr.timeout)
		return;
	if (sq->una_psn == sq->unsent_psn) {
		/* Nothing sent awaits an answer, so a page of our own may take any time. */
		if (sq->park.waiting && sq->park.silent)
			nopin_sq_expire_parked(qp);
		return;
	}
	if (sq->park.waiting) /* the answer may be among the packets in sq->parked */
		sq->progress = jiffies;
	due = sq->progress + nopin_ack_timeout(qp);
	if (time_before(jiffies, due))
		nopin_sq_expire_early(qp, due);
	else
		nopin_sq_timeout(qp);
}

/**
 * nopin_sq_timer - the requester's timer fired
 * @timer: sq.timer
 *
 * Context: softirq.
 */
void nopin_sq_timer(struct timer_list *timer)
{
	struct nopin_qp *qp = timer_container_of(qp, timer, sq.timer);

	spin_lock_bh(&qp->sq.lock);
	if (qp->state == IB_QPS_RTS || qp->state == IB_QPS_SQD)
		nopin_sq_expire(qp);
	nopin_sq_unlock(qp);
}

/**
 * nopin_rq_timer - the responder's timer fired
 * @timer: rq.timer
 *
 * Context: softirq.
 */
void nopin_rq_timer(struct timer_list *timer)
{
	struct nopin_qp *qp = timer_container_of(qp, timer, rq.timer);

	spin_lock_bh(&qp->rq.lock);
	if (qp->rq.park.waiting && nopin_rq_accepts(qp)) {
		nopin_responder_show_life(qp);
		nopin_rq_timer_start(qp);
	}
	spin_unlock_bh(&qp->rq.lock);
}
