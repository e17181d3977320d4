// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Waiting for pages. An access that misses parks its half of the QP and keeps
 * the packets that arrive; whoever may sleep resolves the miss and lets the
 * half go on. Other QPs notice nothing.
 */
#include <linux/sched/signal.h>

#include "transport/internal.h"

/* Between the tries for memory, in total. */
#define NOPIN_NOMEM_PATIENCE_MS	256

/* Misses that one doorbell resolves before it leaves the next to a worker. */
#define NOPIN_RESOLVES		64

/*
 * Faults that the kernel resolves, if by way of a file system, and those that a
 * program has to answer (userfaultfd): it may fill their queue for as long as it likes.
 */
static struct workqueue_struct *nopin_fault_wq;
static struct workqueue_struct *nopin_patient_wq;

/* Let a worker resolve the miss. */
static void nopin_wait_submit(struct nopin_wait *wait)
{
	wait->patient = false;
	queue_work(nopin_fault_wq, &wait->work);
}

static void nopin_wait_submit_patient(struct nopin_wait *wait)
{
	wait->patient = true;
	queue_work(nopin_patient_wq, &wait->work);
}

/* Wait for a page. False: resolving the same access gave an error before: it is final. */
static bool nopin_park_miss(struct nopin_park *park, struct nopin_miss *miss)
{
	int err = park->error;

	park->error = 0;
	/* In loopback the retry may miss at the other end, a page of its own. */
	if (err && miss->memory == park->error_memory && miss->va == park->error_va) {
		nopin_miss_drop(miss);
		return false;
	}
	park->wait->miss = *miss;
	miss->memory = NULL; /* the reference went with it */
	park->waiting = true;
	park->silent = false;
	if (!park->defer)
		nopin_wait_submit(park->wait);
	return true;
}

static enum nopin_copied nopin_park_missed(struct nopin_park *park,
					   struct nopin_copy *copy)
{
	if (nopin_park_miss(park, &copy->miss))
		return NOPIN_COPY_MISS;
	return copy->source_failed ? NOPIN_COPY_BAD_SOURCE : NOPIN_COPY_BAD_DESTINATION;
}

/**
 * nopin_park_copy - copy, and wait for a page that is missing
 * @park: of the half that would wait; its lock is held
 * @copy: as for nopin_copy()
 *
 * Context: BH off.
 * Return: NOPIN_COPY_MISS: the half waits, and copies again afterwards; else as
 *	nopin_copy().
 */
enum nopin_copied nopin_park_copy(struct nopin_park *park, struct nopin_copy *copy)
{
	enum nopin_copied copied = nopin_copy(copy);

	return likely(copied != NOPIN_COPY_MISS) ? copied : nopin_park_missed(park, copy);
}

/**
 * nopin_park_atomic - do an atomic operation, and wait for a page that is missing
 * @park: of the half that would wait; its lock is held
 * @copy: as for nopin_copy_atomic()
 * @atomic: likewise
 *
 * Context: BH off.
 * Return: as nopin_park_copy().
 */
enum nopin_copied nopin_park_atomic(struct nopin_park *park, struct nopin_copy *copy,
				    struct nopin_atomic *atomic)
{
	enum nopin_copied copied = nopin_copy_atomic(copy, atomic);

	return copied != NOPIN_COPY_MISS ? copied : nopin_park_missed(park, copy);
}

/**
 * nopin_park_skb - keep a packet until its half goes on
 * @parked: the half's queue
 * @skb: data at the BTH, as handed up
 *
 * Context: BH off, the half's lock held.
 * Return: false without memory: as if lost on the way.
 */
bool nopin_park_skb(struct sk_buff_head *parked, struct sk_buff *skb)
{
	skb = nopin_net_keep(skb);
	if (!skb)
		return false;
	skb_dst_drop(skb);
	skb_orphan(skb);
	__skb_queue_tail(parked, skb);
	return true;
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
 * Memory may be short for a moment only, and giving up costs the program its
 * connection.
 */
static int nopin_wait_fetch(struct nopin_wait *wait, bool prompt)
{
	unsigned int ms;
	int err;

	for (ms = 1; ms <= NOPIN_NOMEM_PATIENCE_MS; ms *= 2) {
		err = nopin_miss_resolve(&wait->miss, prompt, &wait->pages);
		if (err != -ENOMEM)
			break;
		msleep(ms);
	}
	return err;
}

static void nopin_wait_count(struct nopin_wait *wait, struct nopin_qp *qp)
{
	nopin_stat_add(&qp->dev->stats, NOPIN_PAGE_FAULTS, wait->pages);
	wait->pages = 0;
}

/*
 * Give the result to the half that waits. Too much contention to settle now, or a
 * wait in which the memory may have become another, is no verdict on the page: the
 * access is simply tried again. False: the half has been reset, which may have been
 * long ago.
 */
static bool nopin_park_end(struct nopin_park *park, struct nopin_wait *wait, int err)
{
	if (park->wait != wait)
		return false;
	park->waiting = false;
	park->error = err == -EBUSY || err == -EAGAIN || err == -EINTR ? 0 : err;
	park->error_memory = wait->miss.memory;
	park->error_va = wait->miss.va;
	nopin_miss_drop(&wait->miss);
	return true;
}

/**
 * nopin_park_claim - find a resolver for what a half has missed
 * @park: of the half, with @park->defer set; its lock is held
 * @worker: the caller may wait for anything; else it is the program that posted,
 *	which resolves only what is its own memory
 *
 * Context: process, BH off.
 * Return: what the caller is to resolve; else NULL: nothing waits, or another
 *	worker resolves it.
 */
struct nopin_wait *nopin_park_claim(struct nopin_park *park, bool worker)
{
	park->defer = false;
	if (!park->waiting)
		return NULL;
	if (worker || nopin_miss_is_current(&park->wait->miss))
		return park->wait;
	nopin_wait_submit(park->wait);
	return NULL;
}

/*
 * Has the half waited, then it goes on. What it misses next is the caller's too:
 * on another CPU, what is sent then might overtake what was sent here.
 */
static bool nopin_sq_end_wait(struct nopin_qp *qp, struct nopin_wait *wait, int err,
			      bool worker, struct nopin_wait **next)
{
	struct nopin_park *park = &qp->sq.park;
	bool waited;

	spin_lock_bh(&qp->sq.lock);
	waited = nopin_park_end(park, wait, err);
	if (waited) {
		park->defer = true;
		nopin_completer_resume(qp);
		park->error = 0; /* the access that it was for has been retried */
		*next = nopin_park_claim(park, worker);
	}
	spin_unlock_bh(&qp->sq.lock);
	return waited;
}

/* The same for a responder, which only workers resolve for. */
static bool nopin_rq_end_wait(struct nopin_qp *qp, struct nopin_wait *wait, int err,
			      struct nopin_wait **next)
{
	struct nopin_park *park = &qp->rq.park;
	bool waited;

	spin_lock_bh(&qp->rq.lock);
	waited = nopin_park_end(park, wait, err);
	if (waited) {
		park->defer = true;
		nopin_responder_resume(qp);
		*next = nopin_park_claim(park, true);
	}
	nopin_responder_unlock(qp);
	return waited;
}

static void nopin_wait_free(struct nopin_wait *wait)
{
	nopin_miss_drop(&wait->miss);
	kfree(wait);
}

/**
 * nopin_sq_resolve - fetch the page that the requester waits for, and go on
 * @qp: the QP, kept by the caller
 * @wait: from nopin_park_claim(); so is what is missed in going on
 *
 * Posting a request must not wait for a userfaultfd handler: the program that
 * posts may have other QPs to see to, or be the handler. Nor must it take for
 * ever when pages go as fast as they come, or when the program has been killed
 * and its faults come to nothing. A worker waits instead.
 *
 * Context: process, no lock held.
 */
void nopin_sq_resolve(struct nopin_qp *qp, struct nopin_wait *wait)
{
	unsigned int tries = NOPIN_RESOLVES;

	while (wait) {
		struct nopin_wait *next = NULL;
		int err = -EINPROGRESS;

		if (tries-- && !fatal_signal_pending(current))
			err = nopin_wait_fetch(wait, true);
		nopin_wait_count(wait, qp);
		if (err == -EINPROGRESS || err == -EINTR)
			nopin_wait_submit(wait);
		else if (!nopin_sq_end_wait(qp, wait, err, false, &next))
			nopin_wait_free(wait);
		wait = next;
	}
}

/* Let the half of a fetched page go on; what it waits for then, or NULL. */
static struct nopin_wait *nopin_wait_end(struct nopin_wait *wait, int err)
{
	/* Of its QP only the number is sure; the wait itself says if it is the same. */
	struct nopin_qp *qp = nopin_qp_lookup(wait->qpn);
	struct nopin_wait *next = NULL;
	bool waited = false;

	if (qp) {
		nopin_wait_count(wait, qp);
		waited = wait->requester ?
			 nopin_sq_end_wait(qp, wait, err, true, &next) :
			 nopin_rq_end_wait(qp, wait, err, &next);
		nopin_qp_put(qp);
	}
	if (!waited)
		nopin_wait_free(wait);
	return next;
}

/**
 * nopin_fault_work - fetch the pages that a half waits for, one after the other
 * @work: of a struct nopin_wait
 *
 * Context: process.
 */
void nopin_fault_work(struct work_struct *work)
{
	struct nopin_wait *wait = container_of(work, struct nopin_wait, work);
	bool patient = wait->patient;

	while (wait) {
		int err = nopin_wait_fetch(wait, !patient);

		if (err == -EINPROGRESS) {
			nopin_wait_submit_patient(wait);
			return;
		}
		wait = nopin_wait_end(wait, err);
		cond_resched();
	}
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
	if (!nopin_fault_wq)
		return -ENOMEM;
	nopin_patient_wq = alloc_workqueue("nopin_patient", WQ_UNBOUND | WQ_SYSFS,
					   WQ_UNBOUND_MAX_ACTIVE);
	if (nopin_patient_wq)
		return 0;
	destroy_workqueue(nopin_fault_wq);
	return -ENOMEM;
}

/**
 * nopin_park_exit - end the workers; no QP is left
 *
 * Context: module exit.
 */
void nopin_park_exit(void)
{
	/* Of the first the works may go on to the second, not back. */
	destroy_workqueue(nopin_fault_wq);
	destroy_workqueue(nopin_patient_wq);
}
