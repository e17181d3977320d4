// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * How a QP fails. A half that cannot go on only marks itself as failed, under its own
 * lock (nopin_sq_fail(), nopin_rq_refuse()), and does nothing from then on. The context
 * that holds the lock calls nopin_qp_fail() after it has dropped the lock. With both locks
 * held the oldest request completes with its error; all others are flushed (IBTA 10.3.1.5).
 */
#include "device.h"
#include "qp/qp.h"

/**
 * nopin_qp_lock - take the locks of both halves
 * @qp: the QP
 *
 * Context: any with interrupts on.
 */
void nopin_qp_lock(struct nopin_qp *qp)
	__acquires(&qp->sq.lock) __acquires(&qp->rq.lock)
{
	spin_lock_bh(&qp->sq.lock);
	spin_lock(&qp->rq.lock);
}

/**
 * nopin_qp_unlock - drop the locks of both halves
 * @qp: the QP
 *
 * Context: as nopin_qp_lock().
 */
void nopin_qp_unlock(struct nopin_qp *qp)
	__releases(&qp->rq.lock) __releases(&qp->sq.lock)
{
	spin_unlock(&qp->rq.lock);
	spin_unlock_bh(&qp->sq.lock);
}

/**
 * nopin_qp_set_state - move to a state
 * @qp: the QP; QP 1 reads its state without a lock
 * @state: the state
 *
 * Context: both halves' locks held.
 */
void nopin_qp_set_state(struct nopin_qp *qp, enum ib_qp_state state)
{
	lockdep_assert_held(&qp->sq.lock);
	lockdep_assert_held(&qp->rq.lock);
	WRITE_ONCE(qp->state, state);
}

/**
 * nopin_qp_stop - move to a state in which nothing is sent or carried out
 * @qp: the QP; its timers, tasks and pending faults check the state and stop by themselves
 * @state: IB_QPS_ERR or IB_QPS_RESET
 *
 * Context: both halves' locks held.
 */
void nopin_qp_stop(struct nopin_qp *qp, enum ib_qp_state state)
{
	nopin_qp_set_state(qp, state);
	nopin_kept_purge(&qp->sq.parked);
	nopin_kept_purge(&qp->rq.parked);
	qp->rq.due = 0;
	qp->rq.ahead = false;
	qp->rq.read.active = false;
	qp->sq.paused = false;
	qp->sq.draining = false;
}

/**
 * nopin_qp_enter_error - move to the error state
 * @qp: the QP
 *
 * Requests are not flushed here, under both locks: nopin_flush_all() does that, or
 * nopin_qp_flush_soon() and the tasks.
 *
 * Context: both halves' locks held.
 */
void nopin_qp_enter_error(struct nopin_qp *qp)
{
	if (qp->state == IB_QPS_ERR)
		return;
	nopin_qp_stop(qp, IB_QPS_ERR);
	if (qp->service->rings && nopin_rq_has_ring(&qp->rq))
		nopin_queue_set_flags(&qp->rq.queue, NOPIN_RING_NEED_DOORBELL);
}

/* Only the send queue stops: the responder goes on (IBTA 10.3.1.7). */
static void nopin_qp_enter_sqe(struct nopin_qp *qp)
{
	nopin_qp_set_state(qp, IB_QPS_SQE);
	nopin_kept_purge(&qp->sq.parked);
	qp->sq.failed = false;
	qp->sq.paused = false;
	qp->sq.draining = false;
}

static bool nopin_qp_may_fail(const struct nopin_qp *qp)
{
	return qp->state != IB_QPS_ERR && qp->state != IB_QPS_RESET;
}

/* Flush a first batch of send requests; the tasks flush the rest, and the receives. */
static void nopin_qp_flush_soon(struct nopin_qp *qp)
{
	bool more;

	spin_lock_bh(&qp->sq.lock);
	more = nopin_sq_is_dead(qp) && nopin_sq_flush(qp);
	spin_unlock_bh(&qp->sq.lock);
	if (more)
		tasklet_schedule(&qp->sq.task);
	tasklet_schedule(&qp->rq.task);
}

/**
 * nopin_qp_fail - move a QP with a failed half to the ERR or SQE state
 * @qp: the QP
 *
 * Does nothing when this has been done already, or when the QP has been reset since. While
 * an engine copies it does nothing either: offload.c calls it again after the copy.
 *
 * Context: any, without a lock of the QP.
 */
void nopin_qp_fail(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	bool fails, refused, sender;

	nopin_qp_lock(qp);
	refused = qp->rq.failed;
	sender = sq->failed;
	fails = (sender || refused) && nopin_qp_may_fail(qp) && !atomic_read(&qp->copies);
	if (fails) {
		/* First the state: a program that sees the completion may modify at once. */
		if (refused || qp->service->reliable)
			nopin_qp_enter_error(qp);
		else
			nopin_qp_enter_sqe(qp);
		if (sender && !nopin_sq_is_empty(sq))
			nopin_sq_complete(qp, sq->failure);
	}
	nopin_qp_unlock(qp);
	if (!fails)
		return;
	nopin_qp_flush_soon(qp);
	if (refused)
		nopin_qp_event(qp, qp->rq.event);
}

/**
 * nopin_sq_unlock - drop the requester's lock; if the half has failed, fail the QP
 * @qp: the QP
 *
 * Context: sq.lock held, which is released; no other lock, interrupts on.
 */
void nopin_sq_unlock(struct nopin_qp *qp)
	__releases(&qp->sq.lock)
{
	bool failed = qp->sq.failed && nopin_qp_may_fail(qp);

	spin_unlock_bh(&qp->sq.lock);
	if (unlikely(failed))
		nopin_qp_fail(qp);
}

/**
 * nopin_rq_unlock - drop the responder's lock; if the half has failed, fail the QP
 * @qp: the QP
 *
 * Context: rq.lock held, which is released; no other lock, interrupts on.
 */
void nopin_rq_unlock(struct nopin_qp *qp)
	__releases(&qp->rq.lock)
{
	bool failed = qp->rq.failed && nopin_qp_may_fail(qp);

	spin_unlock_bh(&qp->rq.lock);
	if (unlikely(failed))
		nopin_qp_fail(qp);
}
