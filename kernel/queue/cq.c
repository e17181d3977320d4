// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Completion queues: posting, arming, moderation, moving to another ring, polling. */
#include <linux/build_bug.h>
#include <linux/ktime.h>

#include "compat.h"
#include "queue/cq.h"

/* Completions that a resize copies with interrupts off, which takes some microseconds. */
#define NOPIN_CQ_COPY_MOST	256

static void nopin_cq_tell(struct tasklet_struct *task)
{
	struct nopin_cq *cq = from_tasklet(cq, task, tell);

	cq->ibcq.comp_handler(&cq->ibcq, cq->ibcq.cq_context);
}

static enum hrtimer_restart nopin_cq_period_over(struct hrtimer *timer);

/**
 * nopin_cq_create - make a CQ ready for use
 * @cq: what the core does not set is zero
 * @uctx: context of the program that will poll it; NULL: a kernel consumer will
 * @entries: completions that it must hold; ibcq.cqe is set to what it does hold
 * @info: filled in with the ring, for the program
 *
 * Return: 0 or a negative errno.
 * Context: process.
 */
int nopin_cq_create(struct nopin_cq *cq, struct ib_ucontext *uctx, u32 entries,
		    struct nopin_ring_info *info)
{
	int err;

	BUILD_BUG_ON(sizeof(struct nopin_cqe) != NOPIN_CACHE_LINE);

	mutex_init(&cq->resize_lock);
	spin_lock_init(&cq->lock);
	tasklet_setup(&cq->tell, nopin_cq_tell);
	hrtimer_setup(&cq->timer, nopin_cq_period_over, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	err = nopin_queue_create(&cq->queue, uctx, entries,
				 sizeof(struct nopin_cqe), info);
	if (err)
		return err;
	cq->ibcq.cqe = cq->queue.entries;
	return 0;
}

/**
 * nopin_cq_destroy - free the ring of a CQ
 * @cq: the CQ; no QP uses it any more
 *
 * Context: process.
 */
void nopin_cq_destroy(struct nopin_cq *cq)
{
	hrtimer_cancel(&cq->timer);
	tasklet_kill(&cq->tell);
	nopin_queue_destroy(&cq->queue);
}

/* Reads memory that the program can write, but only to copy it to the same program. */
static void nopin_cq_copy(struct nopin_queue *to, const struct nopin_queue *from,
			  u32 first, u32 end)
{
	struct nopin_queue view = *from;

	for (view.index = first; view.index != end; view.index++) {
		memcpy(nopin_queue_slot(to), nopin_queue_entry(&view, 0),
		       sizeof(struct nopin_cqe));
		nopin_queue_produce(to);
	}
}

/* The index of the oldest completion that has not been polled. */
static u32 nopin_cq_oldest(const struct nopin_cq *cq)
{
	return cq->queue.index - nopin_queue_unread(&cq->queue);
}

/*
 * Switch to the new ring, which has the completions from @first to @end already.
 * -EAGAIN: too many more were posted meanwhile; -EINVAL: they do not fit.
 */
static int nopin_cq_switch(struct nopin_cq *cq, struct nopin_queue *queue, u32 first,
			   u32 end)
{
	u32 index = cq->queue.index;

	lockdep_assert_held(&cq->lock);
	if (index - first > queue->entries)
		return -EINVAL;
	if (index - end > NOPIN_CQ_COPY_MOST)
		return -EAGAIN;
	nopin_cq_copy(queue, &cq->queue, end, index);
	swap(cq->queue, *queue);
	cq->ibcq.cqe = cq->queue.entries;
	return 0;
}

/**
 * nopin_cq_replace - move a CQ to another ring
 * @cq: the CQ, resize_lock held
 * @queue: the new ring, empty; on success it becomes the old one, for the caller to
 *	destroy
 *
 * All but the last few unpolled completions are copied without the lock, as nopin_cq_post()
 * must not wait for a long copy and does not change a completion that it has posted. Many
 * more may be posted during such a copy; then there is another one. These copies end: none
 * copies a completion again, and together they fill the new ring at most.
 *
 * Return: 0, or -EINVAL when the unpolled completions do not fit into @queue,
 *	which then is still the new ring.
 * Context: process.
 */
int nopin_cq_replace(struct nopin_cq *cq, struct nopin_queue *queue)
{
	struct nopin_queue old;
	u32 first, end;
	int err;

	lockdep_assert_held(&cq->resize_lock);
	spin_lock_irq(&cq->lock);
	first = nopin_cq_oldest(cq);
	end = first;
	while ((err = nopin_cq_switch(cq, queue, first, end)) == -EAGAIN) {
		old = cq->queue;
		spin_unlock_irq(&cq->lock);
		nopin_cq_copy(queue, &old, end, old.index);
		end = old.index;
		spin_lock_irq(&cq->lock);
	}
	spin_unlock_irq(&cq->lock);
	return err;
}

/* Does this completion end the wait that the consumer armed the CQ for? */
static bool nopin_cq_fires(const struct nopin_cq *cq, const struct nopin_cqe *cqe,
			   bool solicited)
{
	if (cq->armed == IB_CQ_SOLICITED)
		return solicited || cqe->status != IB_WC_SUCCESS;
	return cq->armed == IB_CQ_NEXT_COMP;
}

/* Hold back the event for this completion? Moderation is off unless there is a period. */
static bool nopin_cq_holds(struct nopin_cq *cq)
{
	lockdep_assert_held(&cq->lock);
	if (!cq->period_us)
		return false;
	cq->held++;
	if (cq->most && cq->held >= cq->most)
		return false;
	if (cq->held == 1)
		hrtimer_start(&cq->timer, ns_to_ktime(cq->period_us * NSEC_PER_USEC),
			      HRTIMER_MODE_REL_SOFT);
	return true;
}

/* The event is raised: wait to be armed again. */
static void nopin_cq_disarm(struct nopin_cq *cq)
{
	lockdep_assert_held(&cq->lock);
	cq->armed = 0;
	cq->held = 0;
}

/* Return: true when this completion is the first to find no room. */
static bool nopin_cq_put(struct nopin_cq *cq, const struct nopin_cqe *cqe)
{
	bool first = !cq->overrun;

	lockdep_assert_held(&cq->lock);
	if (cq->overrun || nopin_queue_unread(&cq->queue) == cq->queue.entries) {
		cq->overrun = true;
		return first;
	}
	memcpy(nopin_queue_slot(&cq->queue), cqe, sizeof(*cqe));
	nopin_queue_produce(&cq->queue);
	return false;
}

static void nopin_cq_report_overrun(struct nopin_cq *cq)
{
	struct ib_event event = {
		.device = cq->ibcq.device,
		.event = IB_EVENT_CQ_ERR,
		.element.cq = &cq->ibcq,
	};

	if (cq->ibcq.event_handler)
		cq->ibcq.event_handler(&event, cq->ibcq.cq_context);
}

/*
 * nopin_cq_post() runs with a QP's locks held. The handlers of a program's CQ and of
 * ib_alloc_cq() (which sets ibcq.wc) only wake or queue somebody else. The handler of any
 * other kernel consumer may itself poll and post, which takes those locks, so it has to
 * run in a tasklet.
 */
static bool nopin_cq_tells_later(const struct nopin_cq *cq)
{
	return !cq->ibcq.uobject && !cq->ibcq.wc;
}

static void nopin_cq_report(struct nopin_cq *cq)
{
	if (!cq->ibcq.comp_handler)
		return;
	if (nopin_cq_tells_later(cq))
		tasklet_schedule(&cq->tell);
	else
		cq->ibcq.comp_handler(&cq->ibcq, cq->ibcq.cq_context);
}

static enum hrtimer_restart nopin_cq_period_over(struct hrtimer *timer)
{
	struct nopin_cq *cq = container_of(timer, struct nopin_cq, timer);
	unsigned long flags;
	bool fires;

	spin_lock_irqsave(&cq->lock, flags);
	fires = cq->held;
	if (fires)
		nopin_cq_disarm(cq);
	spin_unlock_irqrestore(&cq->lock, flags);

	if (fires)
		nopin_cq_report(cq);
	return HRTIMER_NORESTART;
}

/**
 * nopin_cq_moderate - let one event tell of several completions
 * @cq: the CQ
 * @most: completions that raise the event of an armed CQ; 0: any number does not
 * @period_us: microseconds after the first of them after which it comes with fewer;
 *	0: each completion raises it
 *
 * Context: any.
 */
void nopin_cq_moderate(struct nopin_cq *cq, u16 most, u16 period_us)
{
	unsigned long flags;

	spin_lock_irqsave(&cq->lock, flags);
	cq->most = most;
	cq->period_us = period_us;
	spin_unlock_irqrestore(&cq->lock, flags);
}

/**
 * nopin_cq_post - add a completion
 * @cq: the CQ
 * @cqe: the completion; timestamp and rsvd1 are filled in here
 * @qp: the QP that it is for
 * @solicited: the sender asked for an event (IBTA 9.2.3)
 *
 * A full CQ loses the completion and every later one, and raises IB_EVENT_CQ_ERR once.
 *
 * Context: any; no lock other than those of the QP held.
 */
void nopin_cq_post(struct nopin_cq *cq, struct nopin_cqe *cqe,
		   struct ib_qp *qp, bool solicited)
{
	unsigned long flags;
	bool overrun, fires;

	/* On some machines the clock is the slowest part of a completion. */
	cqe->timestamp = cq->timestamps ? ktime_get_real_ns() : 0;
	/* No program maps a kernel consumer's ring, so it may hold a kernel pointer. */
	cqe->rsvd1 = cq->ibcq.uobject ? 0 : (uintptr_t)qp;

	spin_lock_irqsave(&cq->lock, flags);
	overrun = nopin_cq_put(cq, cqe);
	fires = nopin_cq_fires(cq, cqe, solicited) && !nopin_cq_holds(cq);
	if (fires)
		nopin_cq_disarm(cq);
	spin_unlock_irqrestore(&cq->lock, flags);

	if (unlikely(overrun))
		nopin_cq_report_overrun(cq);
	if (fires)
		nopin_cq_report(cq);
}

/**
 * nopin_cq_arm - ask for an event
 * @cq: the CQ
 * @flags: IB_CQ_SOLICITED or IB_CQ_NEXT_COMP, and IB_CQ_REPORT_MISSED_EVENTS
 *
 * A CQ armed for any completion stays so until there is one (IBTA 11.4.2.2). Some callers
 * (SMC) set both flags and mean any completion.
 *
 * Return: 1 when @flags has IB_CQ_REPORT_MISSED_EVENTS and completions are waiting already;
 *	else 0.
 * Context: any.
 */
int nopin_cq_arm(struct nopin_cq *cq, enum ib_cq_notify_flags flags)
{
	unsigned long irq;
	int missed;

	spin_lock_irqsave(&cq->lock, irq);
	if (cq->armed != IB_CQ_NEXT_COMP)
		cq->armed = flags & IB_CQ_NEXT_COMP ?: flags & IB_CQ_SOLICITED;
	missed = flags & IB_CQ_REPORT_MISSED_EVENTS &&
		 nopin_queue_unread(&cq->queue);
	spin_unlock_irqrestore(&cq->lock, irq);
	return missed;
}

/* Without this the core guesses from the bytes which IP header a receive begins with. */
static void nopin_cqe_put_network(const struct nopin_cqe *cqe, struct ib_wc *wc)
{
	wc->wc_flags |= IB_WC_WITH_NETWORK_HDR_TYPE;
	wc->network_hdr_type = cqe->sl == NOPIN_SL_IPV4 ? RDMA_NETWORK_IPV4 :
							  RDMA_NETWORK_IPV6;
}

static void nopin_cqe_to_wc(const struct nopin_cqe *cqe, struct ib_wc *wc)
{
	memset(wc, 0, sizeof(*wc));
	wc->wr_id = cqe->wr_id;
	wc->status = cqe->status;
	wc->opcode = cqe->opcode;
	wc->byte_len = cqe->byte_len;
	wc->qp = (struct ib_qp *)(uintptr_t)cqe->rsvd1;
	wc->ex.imm_data = cqe->imm_data;
	wc->src_qp = cqe->src_qp;
	wc->wc_flags = cqe->wc_flags & (NOPIN_WC_GRH | NOPIN_WC_WITH_IMM);
	if (cqe->wc_flags & NOPIN_WC_GRH)
		nopin_cqe_put_network(cqe, wc);
	if (cqe->wc_flags & NOPIN_WC_WITH_INV) {
		wc->wc_flags |= IB_WC_WITH_INVALIDATE; /* not NOPIN_WC_WITH_INV's bit */
		wc->ex.invalidate_rkey = cqe->invalidated_rkey;
	}
	wc->port_num = 1;
	if (cqe->wc_flags & NOPIN_WC_KERNEL_VLAN) {
		wc->wc_flags |= IB_WC_WITH_VLAN;
		wc->vlan_id = cqe->vendor_err;
	} else {
		wc->vendor_err = cqe->vendor_err;
	}
}

/**
 * nopin_cq_poll - take completions out for a kernel consumer
 * @cq: the CQ
 * @num: at most this many
 * @wc: filled in
 *
 * Return: how many were taken, or -EOPNOTSUPP for a program's CQ, which the
 *	program polls by itself.
 * Context: any.
 */
int nopin_cq_poll(struct nopin_cq *cq, int num, struct ib_wc *wc)
{
	struct nopin_queue view;
	unsigned long flags;
	int i;

	if (cq->ibcq.uobject)
		return -EOPNOTSUPP;

	spin_lock_irqsave(&cq->lock, flags);
	num = min_t(u32, max(num, 0), nopin_queue_unread(&cq->queue));
	view = cq->queue;
	view.index = nopin_cq_oldest(cq);
	for (i = 0; i < num; i++)
		nopin_cqe_to_wc(nopin_queue_entry(&view, i), wc + i);
	nopin_queue_consume(&view, num);
	spin_unlock_irqrestore(&cq->lock, flags);
	return num;
}
