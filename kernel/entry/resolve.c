// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A context that may sleep fetches the page that a half of a QP waits for, and lets the
 * half go on: the doorbell call, where the page belongs to its program, or else a worker.
 */
#include <linux/sched/signal.h>

#include "device.h"
#include "entry/resolve.h"
#include "mem/engine.h"
#include "transport/requester.h"

/* How long to wait for memory, in total, before the last try: a power of two. */
#define NOPIN_NOMEM_PATIENCE_MS	256

/* A doorbell call resolves at most this many misses, and leaves the next to a worker. */
#define NOPIN_RESOLVES		64

/* Memory may be short only for a moment, and giving up would end the connection. */
static int nopin_wait_fetch(struct nopin_wait *wait, bool prompt)
{
	unsigned int ms;
	int err;

	for (ms = 1;; ms *= 2) {
		err = nopin_miss_resolve(&wait->miss, prompt, &wait->pages);
		if (err != -ENOMEM || ms == NOPIN_NOMEM_PATIENCE_MS)
			return err;
		msleep(ms);
	}
}

static void nopin_wait_count(struct nopin_wait *wait, struct nopin_qp *qp)
{
	nopin_stat_add(&qp->dev->stats, NOPIN_PAGE_FAULTS, wait->pages);
	wait->pages = 0;
}

/*
 * Let the half go on if it still waits for @wait. The caller resolves the next miss too:
 * packets sent from another CPU might overtake those sent here. True: it did wait.
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
		qp->sq.progress = jiffies; /* the peer has had nothing to answer */
		nopin_requester_resume(qp);
		park->error = 0; /* the access that failed has been retried */
		nopin_park_settle(park);
		*next = nopin_park_claim(park, worker);
	}
	nopin_sq_unlock(qp);
	return waited;
}

/* The same for a responder, whose misses only workers resolve. */
static bool nopin_rq_end_wait(struct nopin_qp *qp, struct nopin_wait *wait, int err,
			      struct nopin_wait **next)
{
	struct nopin_park *park = &qp->rq.park;
	bool waited;

	spin_lock_bh(&qp->rq.lock);
	waited = nopin_park_end(park, wait, err);
	if (waited) {
		park->defer = true;
		qp->service->resume(qp);
		nopin_park_settle(park);
		*next = nopin_park_claim(park, true);
	}
	nopin_rq_unlock(qp);
	return waited;
}

/**
 * nopin_sq_resolve - fetch the page that the requester waits for, and go on
 * @qp: the QP, kept by the caller
 * @wait: from nopin_park_claim(), as are those of later misses, resolved here too
 *
 * Posting a request must not wait for a userfaultfd handler: the program that posts may
 * have other QPs to serve, or be the handler itself. Nor may it loop for ever when pages
 * are taken away as fast as they are fetched, or when the program has been killed and its
 * faults fail. In all these cases a worker resolves the miss.
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

/* The page is fetched: let its half go on. Return: its next miss, or NULL. */
static struct nopin_wait *nopin_wait_end(struct nopin_wait *wait, int err)
{
	/* The number may belong to another QP by now; nopin_park_end() compares @wait. */
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
 * A half that still misses pages after a quantum goes to the end of the queue.
 *
 * Context: process.
 */
void nopin_fault_work(struct work_struct *work)
{
	struct nopin_wait *wait = container_of(work, struct nopin_wait, work);
	bool patient = wait->patient;
	u64 begun = ktime_get_ns();

	do {
		/* Patience with the page before this one does not extend to a peer's. */
		int err = nopin_wait_fetch(wait, !patient || wait->far);

		if (err == -EINPROGRESS && !wait->far) {
			nopin_wait_submit_patient(wait);
			return;
		}
		wait = nopin_wait_end(wait, err);
		cond_resched();
	} while (wait && !nopin_quantum_is_over(begun));

	if (wait && patient)
		nopin_wait_submit_patient(wait);
	else if (wait)
		nopin_wait_submit(wait);
}

/**
 * nopin_copied_work - let a half go on after a copy by an engine
 * @work: nopin_wait.copied
 *
 * The destruction of a QP waits for this work, so it must not wait for faults.
 *
 * Context: process.
 */
void nopin_copied_work(struct work_struct *work)
{
	struct nopin_wait *wait = container_of(work, struct nopin_wait, copied);
	const struct nopin_engine_job *job = wait->job;
	struct nopin_qp *qp = wait->qp, *peer = wait->peer;
	struct nopin_wait *next = NULL;
	bool waited;

	nopin_stat_inc(&qp->dev->stats, job->error ? NOPIN_DMA_ERRORS : NOPIN_DMA_COPIES);
	if (!job->error)
		nopin_stat_add(&qp->dev->stats, NOPIN_DMA_BYTES, job->length);
	waited = wait->requester ? nopin_sq_end_wait(qp, wait, 0, true, &next) :
				   nopin_rq_end_wait(qp, wait, 0, &next);
	if (!waited)
		nopin_wait_free(wait);
	if (next)
		nopin_wait_submit(next);
	nopin_copied_end(qp, peer);
}
