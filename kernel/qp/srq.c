// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Shared receive queues. A program fills the ring; a responder that needs a receive
 * takes the oldest. What is taken belongs to that QP until its message is complete.
 */

#include "device.h"
#include "qp/srq.h"

/**
 * nopin_srq_create_ring - make a ring for a shared receive queue
 * @srq: the SRQ, whose max_sge is known
 * @queue: gets the ring, empty
 * @wr: receives that it has to hold, at least one
 * @uctx: of the program that maps it
 * @resp: gets it
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int nopin_srq_create_ring(const struct nopin_srq *srq, struct nopin_queue *queue, u32 wr,
			  struct ib_ucontext *uctx, struct nopin_create_srq_resp *resp)
{
	return nopin_queue_create(queue, uctx, wr,
				  sizeof(struct nopin_recv_wqe) +
				  srq->max_sge * sizeof(struct nopin_sge), &resp->srq);
}

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
	int err;

	mutex_init(&srq->resize_lock);
	spin_lock_init(&srq->lock);
	spin_lock_init(&srq->post_lock);
	srq->max_sge = max(attr->max_sge, 1U);
	err = nopin_srq_create_ring(srq, &srq->queue, max(attr->max_wr, 1U), uctx, resp);
	if (err)
		return err;
	attr->max_wr = srq->queue.entries;
	attr->max_sge = srq->max_sge;
	return 0;
}

/* Read the program's ring, but only to write it back to the same program. */
static void nopin_srq_copy(struct nopin_queue *to, const struct nopin_queue *from, int n)
{
	int i;

	for (i = 0; i < n; i++)
		memcpy(nopin_queue_at(to, i), nopin_queue_entry(from, i), to->stride);
	/* Nobody has seen this ring yet. */
	to->ring->producer = n;
}

/* Whether what was copied is still all that there is, but for what was taken since. */
static int nopin_srq_switch(struct nopin_srq *srq, struct nopin_queue *queue,
			    const struct nopin_queue *copied, int n)
{
	lockdep_assert_held(&srq->lock);
	if (nopin_queue_producer(&srq->queue) != copied->index + n)
		return -EBUSY;
	if (srq->limit > queue->entries)
		return -EINVAL;
	nopin_queue_consume(queue, srq->queue.index - copied->index);
	swap(srq->queue, *queue);
	return 0;
}

/**
 * nopin_srq_replace - go on with another ring
 * @srq: the SRQ, resize_lock held
 * @queue: the new ring, empty; becomes the old one, for the caller to destroy
 *
 * Receives are copied without the lock: those that have been posted do not change, and
 * taking them must not wait for a long copy.
 *
 * Context: process.
 * Return: 0; -EINVAL: there are more receives, or a higher limit, than @queue has room
 *	for; -EBUSY: the program posts meanwhile. @queue then still is the new one.
 */
int nopin_srq_replace(struct nopin_srq *srq, struct nopin_queue *queue)
{
	struct nopin_queue old;
	int pending, err;

	lockdep_assert_held(&srq->resize_lock);
	spin_lock_bh(&srq->lock);
	pending = nopin_queue_pending(&srq->queue);
	old = srq->queue;
	spin_unlock_bh(&srq->lock);

	if (pending < 0 || pending > queue->entries)
		return -EINVAL;
	nopin_srq_copy(queue, &old, pending);
	spin_lock_bh(&srq->lock);
	err = nopin_srq_switch(srq, queue, &old, pending);
	spin_unlock_bh(&srq->lock);
	return err;
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
	int err = 0;

	spin_lock_bh(&srq->lock);
	if (limit <= srq->queue.entries)
		srq->limit = limit;
	else
		err = -EINVAL;
	spin_unlock_bh(&srq->lock);
	return err;
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
