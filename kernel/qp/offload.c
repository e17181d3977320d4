// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Waiting for copies by a DMA engine. The half parks as for a missing page. Afterwards it
 * makes the same copy again, and finds that the engine has carried it out:
 *
 *  half, lock held                engine            worker
 *  submit the copy, park
 *  (neither sends nor receives)
 *                                 copies
 *                                                   lock
 *                                                    give the job to the half
 *                                                    the half copies again: the job
 *                                                     is of this copy: it is done, or
 *                                                     the CPU copies if the engine
 *                                                     failed
 *                                                    free the job if no copy took it
 *                                                   unlock
 *
 * So all other steps of the access are carried out again, with the state of that time, and
 * neither peer nor program is told of the access before the bytes are in place.
 *
 * The payloads of packets to be sent are copied ahead of the packets, into their buffers
 * (nopin_park_ahead()). They leave as soon as the half goes on; a buffer that is not of the
 * next packet then is freed with the job, for example because a NAK has come meanwhile.
 *
 * When a work request completes, its memory belongs to the program again. So while an
 * engine copies for a QP, neither that QP nor its peer on the same device may complete a
 * request with an error or flush it. A failed QP enters the error state when the copy has
 * ended (qp/fail.c); modify and destroy wait for the copy.
 */
#include <linux/wait_bit.h>

#include "mem/offload.h"
#include "qp/qp.h"

/* The destruction of a QP waits for this queue's works, so they must not wait for faults. */
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
 * @qp: the QP, in a state in which no new copy can begin
 *
 * Context: process, sleeps, for as long as an engine may take.
 */
void nopin_qp_await_copies(struct nopin_qp *qp)
{
	wait_var_event(&qp->copies, !atomic_read_acquire(&qp->copies));
}

/* nopin_job_fn: the copy has ended. */
static void nopin_park_job_over(struct nopin_engine_job *job)
{
	struct nopin_wait *wait = job->ctx;

	queue_work(nopin_copied_wq, &wait->copied);
}

/* A QP that has failed waits until no engine copies for it: let no further copy begin. */
static bool nopin_park_fails(struct nopin_park *park)
{
	const struct nopin_qp *qp = nopin_park_qp(park);
	const struct nopin_qp *peer = park->wait->requester ? qp->sq.peer : NULL;

	return READ_ONCE(qp->sq.failed) || READ_ONCE(qp->rq.failed) ||
	       (peer && (READ_ONCE(peer->sq.failed) || READ_ONCE(peer->rq.failed)));
}

static bool nopin_park_begin(struct nopin_park *park, struct nopin_copy *copy)
{
	struct nopin_wait *wait = park->wait;
	struct nopin_engine_job *job;

	if (nopin_park_fails(park))
		return false;
	job = nopin_offload_prepare(copy);
	if (!job)
		return false;
	INIT_WORK(&wait->copied, nopin_copied);
	wait->job = job;
	wait->qp = nopin_park_qp(park);
	wait->peer = wait->requester ? wait->qp->sq.peer : NULL;
	nopin_copies_begin(wait->qp);
	if (wait->peer)
		nopin_copies_begin(wait->peer);
	park->waiting = true;
	park->silent = false;
	park->lost = false;
	job->over = nopin_park_job_over;
	job->ctx = wait;
	nopin_engine_submit(job);
	return true;
}

/*
 * The half has waited for a copy. Was it this one, and has the engine copied all of it?
 * @again: gets true when it was another copy, so that the engine may be asked for this one.
 */
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

/*
 * The destruction of an SRQ, whose receive a packet for an XRC target may fill, waits for no
 * engine. And while a requester waits for an engine that fills a receive of the peer, a
 * packet may complete that receive, unless the service is reliable.
 */
static bool nopin_park_needs_cpu(struct nopin_park *park)
{
	const struct nopin_service *service = nopin_park_qp(park)->service;

	return service->role == NOPIN_TARGET ||
	       (park->wait->requester && !service->reliable);
}

/**
 * nopin_park_offload - try to have an engine carry out a copy of nopin_park_copy()
 * @park: of the half that would wait; its lock is held
 * @copy: as for nopin_copy()
 * @copied: with true: NOPIN_COPIED, or NOPIN_COPY_MISS when the half waits for the engine
 *
 * Some accesses make two copies, as those of a datagram's GRH and payload. A copy that only
 * the CPU can make leaves park->job alone, which belongs to the other copy. The CPU makes all
 * copies while park->job has buffers of packets that are about to leave.
 *
 * Context: BH off.
 * Return: false: the CPU has to copy.
 */
bool nopin_park_offload(struct nopin_park *park, struct nopin_copy *copy,
			enum nopin_copied *copied)
{
	bool again = true;

	if (!nopin_offload_may(copy) || nopin_park_needs_cpu(park) ||
	    (park->job && nopin_offload_is_ahead(park->job)))
		return false;
	if (park->job && nopin_park_was_copied(park, copy, &again)) {
		*copied = NOPIN_COPIED;
		return true;
	}
	*copied = NOPIN_COPY_MISS;
	return again && nopin_park_begin(park, copy);
}

/**
 * nopin_park_take_ahead - take the buffer of the next packet, if an engine has filled it
 * @park: of the half that sends; its lock is held
 * @copy: into the buffers of the next packet and of others behind it
 *
 * Context: BH off.
 * Return: the buffer, with its payload; NULL: an engine was not asked; -EIO: it has failed,
 *	and the CPU has to gather.
 */
struct sk_buff *nopin_park_take_ahead(struct nopin_park *park, const struct nopin_copy *copy)
{
	if (!park->job || !nopin_offload_has_next(park->job, copy))
		return NULL;
	return nopin_offload_take(park->job) ?: ERR_PTR(-EIO);
}

/**
 * nopin_park_ahead - try to have an engine gather the payloads of packets to be sent
 * @park: of the half that would wait; its lock is held
 * @copy: into the buffers of packets that may be sent at once
 *
 * A job needs the pages of many packets at the same time, and some may be missing.
 *
 * Context: BH off.
 * Return: true: the half waits for the engine, and then tries again, beginning with
 *	nopin_park_take_ahead(). false: nopin_park_fetch_ahead() if @copy->miss says what is
 *	missing; else the CPU has to gather.
 */
bool nopin_park_ahead(struct nopin_park *park, struct nopin_copy *copy)
{
	if (nopin_park_needs_cpu(park))
		return false;
	/* A page that the next packet itself has missed cannot be had: the CPU reports that. */
	if (park->error && !park->fetched)
		return false;
	park->error = 0; /* that was about the pages of several packets */
	if (!nopin_park_begin(park, copy))
		return false;
	park->fetched = false;
	return true;
}

/**
 * nopin_park_settle - free the job of a copy that has been made again, or will not be
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
 * nopin_copied_end - drop the references of a copy after its half has gone on
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
 * nopin_offload_init - make the workqueue
 * @copied: work function of nopin_wait.copied
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
 * nopin_offload_exit - destroy the workqueue; no QP is left
 *
 * Context: module exit; nopin_park_exit() comes after it.
 */
void nopin_offload_exit(void)
{
	destroy_workqueue(nopin_copied_wq);
}
