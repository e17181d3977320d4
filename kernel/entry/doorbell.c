// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The doorbell call: where possible, its caller carries out the requests that it posted. */
#include "entry/attend.h"
#include "entry/doorbell.h"
#include "entry/resolve.h"
#include "transport/requester.h"

/* A doorbell call stops after so many bursts and leaves the rest to softirq. */
#define NOPIN_DOORBELL_BURSTS	128

/*
 * Send one burst, and resolve misses of the caller's own memory on the spot. Over lo and
 * veth the receiving side runs when the unlock enables BH. nopin_flush_all() and
 * nopin_qp_fail() flush what was posted by then; what was posted later is flushed here.
 * True: more may be left, and nothing but the caller will send it.
 */
static bool nopin_doorbell_burst(struct nopin_qp *qp, ktime_t came)
{
	struct nopin_park *park = &qp->sq.park;
	struct nopin_wait *wait = NULL;
	bool more;

	spin_lock_bh(&qp->sq.lock);
	if (unlikely(nopin_sq_is_dead(qp)) && nopin_sq_flush(qp))
		tasklet_schedule(&qp->sq.task);
	park->defer = !park->waiting;
	more = nopin_requester_run(qp);
	if (!more)
		nopin_sq_attend(qp, came);
	if (park->defer)
		wait = nopin_park_claim(park, false);
	nopin_sq_unlock(qp);

	if (wait)
		nopin_sq_resolve(qp, wait);
	return more;
}

/**
 * nopin_doorbell - send requests were posted
 * @qp: a program's QP
 *
 * Context: process, in the program that posted.
 */
void nopin_doorbell(struct nopin_qp *qp)
{
	ktime_t came = nopin_queue_asks(&qp->sq.queue) ? ktime_get() : 0;
	unsigned int n;

	for (n = 0; n < NOPIN_DOORBELL_BURSTS; n++)
		if (!nopin_doorbell_burst(qp, came))
			return;
	tasklet_schedule(&qp->sq.task);
}

/**
 * nopin_doorbell_kernel - send requests of a kernel user were posted
 * @qp: its QP
 *
 * With interrupts off nothing can be sent, so the tasklet sends. Only memory of a peer on
 * the same device can be missing, and a worker fetches it.
 *
 * Context: any.
 */
void nopin_doorbell_kernel(struct nopin_qp *qp)
{
	if (irqs_disabled() || in_hardirq()) {
		tasklet_schedule(&qp->sq.task);
		return;
	}
	spin_lock_bh(&qp->sq.lock);
	if (unlikely(nopin_sq_is_dead(qp)) && nopin_sq_flush(qp))
		tasklet_schedule(&qp->sq.task);
	nopin_requester_continue(qp);
	nopin_sq_unlock(qp);
}

/**
 * nopin_recv_doorbell_kernel - receives of a kernel user were posted
 * @qp: its QP
 *
 * Context: any.
 */
void nopin_recv_doorbell_kernel(struct nopin_qp *qp)
{
	if (nopin_rq_has_ring(&qp->rq) && nopin_queue_wants_doorbell(&qp->rq.queue))
		tasklet_schedule(&qp->rq.task);
}

/**
 * nopin_recv_doorbell - receives were posted in the error state
 * @qp: a program's QP
 *
 * Context: process.
 */
void nopin_recv_doorbell(struct nopin_qp *qp)
{
	spin_lock_bh(&qp->rq.lock);
	if (qp->state == IB_QPS_ERR && nopin_rq_flush(qp))
		tasklet_schedule(&qp->rq.task);
	spin_unlock_bh(&qp->rq.lock);
}
