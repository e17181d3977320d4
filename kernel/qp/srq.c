// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Shared receive queues. A program fills the ring; a responder that needs a receive
 * takes the oldest. What is taken belongs to that QP until its message is complete.
 */
#include <linux/log2.h>

#include "device.h"
#include "qp/srq.h"

/**
 * nopin_srq_create - make a shared receive queue
 * @srq: zeroed but for what the core has set
 * @attr: what is asked for, checked; becomes what is granted
 * @uctx: of the program that maps its ring, NULL: a kernel user
 * @resp: gets the ring
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int nopin_srq_create(struct nopin_srq *srq, struct ib_srq_attr *attr,
		     struct ib_ucontext *uctx, struct nopin_create_srq_resp *resp)
{
	u32 entries = roundup_pow_of_two(max(attr->max_wr, 1U));
	u32 sges = max(attr->max_sge, 1U);
	int err;

	spin_lock_init(&srq->lock);
	spin_lock_init(&srq->post_lock);
	err = nopin_queue_create(&srq->queue, uctx, entries,
				 sizeof(struct nopin_recv_wqe) +
				 sges * sizeof(struct nopin_sge), &resp->srq);
	if (err)
		return err;
	srq->max_sge = sges;
	attr->max_wr = entries;
	attr->max_sge = sges;
	return 0;
}

/**
 * nopin_srq_destroy - free a shared receive queue
 * @srq: the SRQ; no QP uses it any more
 *
 * Receives that are left are gone without a completion (IBTA 11.2.3.4).
 *
 * Context: process.
 */
void nopin_srq_destroy(struct nopin_srq *srq)
{
	nopin_queue_destroy(&srq->queue);
}

static void nopin_srq_tell_limit(struct nopin_srq *srq)
{
	struct ib_event event = {
		.device = srq->ibsrq.device,
		.event = IB_EVENT_SRQ_LIMIT_REACHED,
		.element.srq = &srq->ibsrq,
	};

	if (srq->ibsrq.event_handler)
		srq->ibsrq.event_handler(&event, srq->ibsrq.srq_context);
}

/* Whether the owner asked to be told, which it is once (IBTA 10.2.9.3). */
static bool nopin_srq_falls_short(struct nopin_srq *srq, u32 left)
{
	lockdep_assert_held(&srq->lock);
	if (left >= srq->limit)
		return false;
	srq->limit = 0;
	return true;
}

static void nopin_srq_complain(const struct nopin_srq *srq, const char *what)
{
	ibdev_warn_ratelimited(srq->ibsrq.device, "SRQ: %s\n", what);
}

/**
 * nopin_srq_take - take the oldest receive
 * @srq: the SRQ
 * @recv: gets it, has room for nopin_srq.max_sge elements
 *
 * Context: BH off; an rq.lock held.
 * Return: false: the program has posted none.
 */
bool nopin_srq_take(struct nopin_srq *srq, struct nopin_rwqe *recv)
{
	bool short_of = false;
	int pending;

	spin_lock(&srq->lock);
	pending = nopin_queue_pending(&srq->queue);
	if (pending < 0)
		nopin_srq_complain(srq, "receive ring overrun");
	if (pending > 0) {
		if (nopin_rwqe_take(recv, nopin_queue_entry(&srq->queue, 0), srq->max_sge))
			nopin_srq_complain(srq, "malformed receive request");
		nopin_queue_consume(&srq->queue, 1);
		short_of = nopin_srq_falls_short(srq, pending - 1);
	}
	spin_unlock(&srq->lock);
	if (unlikely(short_of))
		nopin_srq_tell_limit(srq);
	return pending > 0;
}

/**
 * nopin_srq_set_limit - tell the owner when receives run short
 * @srq: the SRQ
 * @limit: with fewer than that left; 0: never
 *
 * Where there are fewer already the owner is told with the next that is taken.
 *
 * Context: process.
 * Return: 0, or -EINVAL for more than there is room for.
 */
int nopin_srq_set_limit(struct nopin_srq *srq, u32 limit)
{
	if (limit > srq->queue.entries)
		return -EINVAL;
	spin_lock_bh(&srq->lock);
	srq->limit = limit;
	spin_unlock_bh(&srq->lock);
	return 0;
}

/**
 * nopin_srq_query - tell the attributes of a shared receive queue
 * @srq: the SRQ
 * @attr: gets them
 *
 * Context: process.
 */
void nopin_srq_query(struct nopin_srq *srq, struct ib_srq_attr *attr)
{
	spin_lock_bh(&srq->lock);
	attr->max_wr = srq->queue.entries;
	attr->max_sge = srq->max_sge;
	attr->srq_limit = srq->limit;
	spin_unlock_bh(&srq->lock);
}
