// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Shared receive queues. A program fills the ring; a responder that needs a receive
 * takes the oldest. The receive belongs to that QP until its message is complete.
 */

#include "device.h"
#include "qp/srq.h"

/**
 * nopin_srq_create_ring - make a ring for a shared receive queue
 * @srq: the SRQ; max_sge is set
 * @queue: filled in with the ring, which is empty
 * @wr: receives that it has to hold, at least one
 * @uctx: context of the program that maps it; NULL: a kernel user
 * @resp: filled in with the ring, for the program
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
 * @uctx: context of the program that maps its ring; NULL: a kernel user
 * @resp: filled in with the ring, for the program
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

/* Reads memory that the program can write, but only to copy it to the same program. */
static void nopin_srq_copy(struct nopin_queue *to, const struct nopin_queue *from, int n)
{
	int i;

	for (i = 0; i < n; i++)
		memcpy(nopin_queue_at(to, i), nopin_queue_entry(from, i), to->stride);
	/* The ring is not in use yet, so this needs no barrier. */
	to->ring->producer = n;
}

/*
 * Switch to the new ring, less the receives that were taken since they were copied.
 * -EBUSY: the program has posted since; -EINVAL: the limit is above the ring's size.
 */
static int nopin_srq_switch(struct nopin_srq *srq, struct nopin_queue *queue,
			    const u32 *limit, const struct nopin_queue *copied, int n)
{
	u32 armed = limit ? *limit : srq->limit;

	lockdep_assert_held(&srq->lock);
	if (nopin_queue_producer(&srq->queue) != copied->index + n)
		return -EBUSY;
	if (armed > queue->entries)
		return -EINVAL;
	nopin_queue_consume(queue, srq->queue.index - copied->index);
	swap(srq->queue, *queue);
	srq->limit = armed;
	return 0;
}

/**
 * nopin_srq_replace - move a shared receive queue to another ring
 * @srq: the SRQ, resize_lock held
 * @queue: the new ring, empty; on success it becomes the old one, for the caller to
 *	destroy
 * @limit: the limit from then on, see nopin_srq_set_limit(); NULL: it stays
 *
 * Receives are copied without the lock, as a responder that takes one must not wait for a
 * long copy. The program must not change them once they are posted.
 *
 * Context: process.
 * Return: 0; -EINVAL: there are more receives, or a higher limit, than @queue has room
 *	for; -EBUSY: the program posts meanwhile. On error @queue is still the new ring.
 */
int nopin_srq_replace(struct nopin_srq *srq, struct nopin_queue *queue,
		      const u32 *limit)
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
	err = nopin_srq_switch(srq, queue, limit, &old, pending);
	spin_unlock_bh(&srq->lock);
	return err;
}

/**
 * nopin_srq_destroy - free a shared receive queue
 * @srq: the SRQ; no QP uses it any more
 *
 * Receives that are left in it get no completion (IBTA 11.2.3.4).
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

/* Has the number of receives fallen below the limit? True only once (IBTA 10.2.9.3). */
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
 * @recv: filled in with it; has room for nopin_srq.max_sge elements
 *
 * Context: BH off; an rq.lock held.
 * Return: false: no receive is posted.
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
 * nopin_srq_set_limit - set the limit below which the owner is told
 * @srq: the SRQ
 * @limit: the owner is told once when fewer receives are left; 0: it is not told
 *
 * Where fewer are left already, the owner is told when the next one is taken.
 *
 * Context: process.
 * Return: 0, or -EINVAL for a limit above the size of the ring.
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
 * nopin_srq_query - query the attributes of a shared receive queue
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
