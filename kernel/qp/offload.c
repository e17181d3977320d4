// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Waiting for copies by an engine. The half parks as for a page, and afterwards makes the
 * same copy again, which finds that it has been carried out:
 *
 *  half, lock held                engine            worker
 *  copy: begun, wait
 *  (neither sends nor receives)
 *                                 over
 *                                                   lock
 *                                                    job is the half's
 *                                                    copy, once more: the job is of
 *                                                     it: done, or the CPU's if the
 *                                                     engine failed
 *                                                    a job that nobody took goes
 *                                                   unlock
 *
 * So everything else that the access is made of is looked at again as it is then, and
 * nothing is told to anybody before the bytes are there.
 *
 * While an engine copies for a QP, or to or from the other end of its connection on the
 * same device, neither may say that a work request has ended: its memory is the program's
 * again then. A QP that fails does so when the copy is over (qp/fail.c), and who asks for
 * the error state, or the end, waits for it.
 */
#include <linux/wait_bit.h>

#include "mem/offload.h"
#include "qp/qp.h"

/* Nothing there waits for anything, as the end of a QP waits for it. */
static struct workqueue_struct *nopin_copied_wq;
static work_func_t nopin_copied;

static void nopin_copies_begin(struct nopin_qp *qp)
{
	atomic_inc(&qp->copies);
	refcount_inc(&qp->handle->ref);
}

static void nopin_copies_end(struct nopin_qp *qp)
{
	if (atomic_dec_and_test(&qp->copies))
		wake_up_var(&qp->copies);
	nopin_qp_fail(qp);
	nopin_qp_put(qp);
}

/**
 * nopin_qp_await_copies - wait until no engine copies for a QP
 * @qp: the QP, in a state in which nothing begins
 *
 * Context: process, sleeps, for as long as an engine may take.
 */
void nopin_qp_await_copies(struct nopin_qp *qp)
{
	wait_var_event(&qp->copies, !atomic_read_acquire(&qp->copies));
}

static struct nopin_qp *nopin_wait_qp(struct nopin_park *park)
{
	if (park->wait->requester)
		return container_of(park, struct nopin_qp, sq.park);
	return container_of(park, struct nopin_qp, rq.park);
}

/* nopin_job_fn */
static void nopin_park_job_over(struct nopin_engine_job *job)
{
	struct nopin_wait *wait = job->ctx;

	queue_work(nopin_copied_wq, &wait->copied);
}

static bool nopin_park_begin(struct nopin_park *park, struct nopin_copy *copy)
{
	struct nopin_engine_job *job = nopin_offload_prepare(copy);
	struct nopin_wait *wait = park->wait;

	if (!job)
		return false;
	INIT_WORK(&wait->copied, nopin_copied);
	wait->job = job;
	wait->qp = nopin_wait_qp(park);
	wait->peer = wait->requester ? wait->qp->sq.peer : NULL;
	nopin_copies_begin(wait->qp);
	if (wait->peer)
		nopin_copies_begin(wait->peer);
	park->waiting = true;
	park->silent = false;
	job->over = nopin_park_job_over;
	job->ctx = wait;
	nopin_engine_submit(job);
	return true;
}

/* The half has waited for a copy. Was it this one, and has all of it been copied? */
static bool nopin_park_was_copied(struct nopin_park *park, const struct nopin_copy *copy,
				  bool *again)
{
	struct nopin_engine_job *job = park->job;
	bool same = nopin_offload_is_of(job, copy);
	bool done = same && !job->error;

	*again = !same;
	nopin_park_settle(park);
	return done;
}

/**
 * nopin_park_offload - nopin_park_copy() where an engine is wanted
 * @park: of the half that would wait; its lock is held
 * @copy: as for nopin_copy()
 * @copied: gets what came of it: NOPIN_COPIED or NOPIN_COPY_MISS
 *
 * Some accesses are two copies, as a datagram's GRH and its payload are. The one that is
 * the CPU's leaves alone what the half has waited for, which is of the other.
 *
 * Context: BH off.
 * Return: false: the CPU is to copy.
 */
bool nopin_park_offload(struct nopin_park *park, struct nopin_copy *copy,
			enum nopin_copied *copied)
{
	bool again = true;

	if (!nopin_offload_may(copy))
		return false;
	if (park->job && nopin_park_was_copied(park, copy, &again)) {
		*copied = NOPIN_COPIED;
		return true;
	}
	*copied = NOPIN_COPY_MISS;
	return again && nopin_park_begin(park, copy);
}

/**
 * nopin_park_settle - the copy that was waited for has been made again, or nobody will
 * @park: of the half; its lock is held
 *
 * Context: any.
 */
void nopin_park_settle(struct nopin_park *park)
{
	if (park->job)
		nopin_engine_free(park->job);
	park->job = NULL;
}

/**
 * nopin_copied_end - a copy is over, and the half that waited for it has gone on
 * @qp: nopin_wait.qp
 * @peer: nopin_wait.peer, or NULL
 *
 * Context: process, no lock held.
 */
void nopin_copied_end(struct nopin_qp *qp, struct nopin_qp *peer)
{
	if (peer)
		nopin_copies_end(peer);
	nopin_copies_end(qp);
}

/**
 * nopin_offload_init - make the worker
 * @copied: what it does for a struct nopin_wait with a copy
 *
 * Context: module init.
 * Return: 0 or -ENOMEM.
 */
int nopin_offload_init(work_func_t copied)
{
	nopin_copied = copied;
	nopin_copied_wq = alloc_workqueue("nopin_copied", WQ_UNBOUND | WQ_HIGHPRI, 0);
	return nopin_copied_wq ? 0 : -ENOMEM;
}

/**
 * nopin_offload_exit - end the worker; no QP is left
 *
 * Context: module exit; nopin_park_exit() comes after it.
 */
void nopin_offload_exit(void)
{
	destroy_workqueue(nopin_copied_wq);
}
