// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Waiting for pages. An access that misses parks its half of the QP and keeps
 * the packets that arrive; whoever may sleep resolves the miss and lets the
 * half go on. Other QPs notice nothing.
 */
#include "transport/internal.h"

static struct workqueue_struct *nopin_fault_wq;

/**
 * nopin_park_submit - let a worker resolve the miss
 * @park: waiting
 *
 * Context: any.
 */
void nopin_park_submit(struct nopin_park *park)
{
	queue_work(nopin_fault_wq, &park->work);
}

/**
 * nopin_park_miss - wait for a page, or learn that it cannot be had
 * @park: of the half that missed; its lock is held
 * @miss: what the access left; taken over
 * @remaining: bytes that the message goes on to access from the missing one
 *
 * Context: BH off.
 * Return: -EAGAIN when the half now waits; else the error that resolving the
 *	same access gave before: it is final.
 */
int nopin_park_miss(struct nopin_park *park, struct nopin_miss *miss, u64 remaining)
{
	int err = park->error;

	park->error = 0;
	/* In loopback the retry may miss at the other end, a page of its own. */
	if (err && miss->region == park->error_region && miss->va == park->error_va) {
		nopin_miss_drop(miss);
		return err;
	}
	nopin_miss_widen(miss, remaining);
	park->miss = *miss;
	miss->region = NULL; /* the reference went with it */
	park->waiting = true;
	if (!park->defer)
		nopin_park_submit(park);
	return -EAGAIN;
}

/**
 * nopin_park_skb - keep a packet until its half goes on
 * @parked: the half's queue
 * @skb: data at the BTH; taken over
 *
 * Context: BH off, the half's lock held.
 */
void nopin_park_skb(struct sk_buff_head *parked, struct sk_buff *skb)
{
	skb_dst_drop(skb);
	skb_orphan(skb);
	__skb_queue_tail(parked, skb);
}

/**
 * nopin_park_parse - read the headers of a kept packet again
 * @skb: from nopin_park_skb()
 * @pkt: gets them
 *
 * Padding and ICRC were cut off; the parser wants their length back.
 *
 * Context: any.
 */
void nopin_park_parse(struct sk_buff *skb, struct nopin_pkt *pkt)
{
	u8 pad = skb->data[1] >> 4 & 3;

	WARN_ON_ONCE(nopin_pkt_parse(pkt, skb->data, skb_headlen(skb),
				     skb->len + pad + NOPIN_ICRC_LEN));
}

/*
 * Fetch the page. Too much contention to settle now is no verdict on it: the
 * access is simply tried again. The half is not touched while it waits.
 */
static void nopin_park_resolve(struct nopin_park *park)
{
	int err;

	park->error_region = park->miss.region;
	park->error_va = park->miss.va;
	err = nopin_miss_resolve(&park->miss);
	park->error = err == -EBUSY || err == -EINTR ? 0 : err;
}

/**
 * nopin_sq_resolve - fetch the page that the requester waits for, and go on
 * @qp: the QP; sq.park.waiting is set and this caller is its resolver
 *
 * Context: process, no lock held.
 */
void nopin_sq_resolve(struct nopin_qp *qp)
{
	nopin_park_resolve(&qp->sq.park);
	spin_lock_bh(&qp->sq.lock);
	qp->sq.park.waiting = false;
	nopin_completer_resume(qp);
	qp->sq.park.error = 0; /* the access that it was for has been retried */
	spin_unlock_bh(&qp->sq.lock);
}

/**
 * nopin_sq_fault - work: resolve the requester's miss
 * @work: sq.park.work
 *
 * Context: process.
 */
void nopin_sq_fault(struct work_struct *work)
{
	nopin_sq_resolve(container_of(work, struct nopin_qp, sq.park.work));
}

/**
 * nopin_rq_fault - work: resolve the responder's miss, and go on
 * @work: rq.park.work
 *
 * Context: process.
 */
void nopin_rq_fault(struct work_struct *work)
{
	struct nopin_qp *qp = container_of(work, struct nopin_qp, rq.park.work);

	nopin_park_resolve(&qp->rq.park);
	spin_lock_bh(&qp->rq.lock);
	qp->rq.park.waiting = false;
	spin_unlock_bh(&qp->rq.lock);
	nopin_responder_resume(qp);
}

/**
 * nopin_park_init - make the workers
 *
 * Context: module init.
 * Return: 0 or -ENOMEM.
 */
int nopin_park_init(void)
{
	nopin_fault_wq = alloc_workqueue("nopin_fault", WQ_UNBOUND | WQ_SYSFS,
					 WQ_UNBOUND_MAX_ACTIVE);
	return nopin_fault_wq ? 0 : -ENOMEM;
}

/**
 * nopin_park_exit - end the workers; no QP is left
 *
 * Context: module exit.
 */
void nopin_park_exit(void)
{
	destroy_workqueue(nopin_fault_wq);
}
