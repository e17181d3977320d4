// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Doorbells that are left out.
 *
 * While the kernel attends a send ring (NOPIN_RING_ATTENDED) it soon looks at the ring
 * again by itself. A request posted meanwhile gets no doorbell, but the thread that
 * posted it owes one. The thread pays, which is to ring the doorbell, before it posts to
 * another QP, when it polls a CQ and finds nothing, before it waits for an event, forks
 * or ends, and before the QP is changed. So one system call announces all requests that
 * a thread posts in a row, at a time when the thread has nothing else to do.
 *
 * A program that waits for its data in another way does not pay, and the kernel finds
 * its requests late. The provider notices this, and for a while rings the doorbells of
 * such a QP at once: the longer, the more often it happens.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "nopin.h"

/* Posts that get their doorbell at once after the kernel came late. */
#define DOUBT_FIRST	256u
#define DOUBT_MOST	(1u << 20)

/* Each doorbell that is left out takes this part, one in so many, off the doubt. */
#define DOUBT_PARTS	64u

/* Of each thread: the QP that it may owe a doorbell, with a reference; or NULL. */
static pthread_key_t debt_key;
static pthread_once_t debt_once = PTHREAD_ONCE_INIT;
static int debt_err;

static bool debt_moves(struct nopin_qp *qp, enum nopin_debt from, enum nopin_debt to)
{
	return __atomic_compare_exchange_n(&qp->debt, &from, to, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/**
 * nopin_pay_qp() - ring the doorbell that a QP is owed by any thread
 * @qp: the QP, not locked
 *
 * A doorbell that fails does no harm: the kernel looks by itself, or the device is gone.
 *
 * Return: true if it was rung, so that there may be completions now.
 */
bool nopin_pay_qp(struct nopin_qp *qp)
{
	bool attended;

	if (!debt_moves(qp, NOPIN_DEBT_OWED, NOPIN_DEBT_PAYING))
		return false;

	attended = nopin_queue_flags(&qp->sq.queue) & NOPIN_RING_ATTENDED;
	if (attended)
		nopin_doorbell_send(&qp->vqp.qp);
	else /* the kernel has looked already, and late */
		__atomic_store_n(&qp->late, true, __ATOMIC_RELAXED);
	__atomic_store_n(&qp->debt, NOPIN_DEBT_NONE, __ATOMIC_RELEASE);
	return attended;
}

static bool debt_settle(struct nopin_qp *qp)
{
	bool rung = nopin_pay_qp(qp);

	nopin_qp_put(qp);
	return rung;
}

/* Called at the end of a thread, never with NULL. */
static void debt_of_thread(void *qp)
{
	debt_settle(qp);
}

/* Called at the end of the process, and before a fork, so that only the parent rings. */
static void debt_of_caller(void)
{
	nopin_pay();
}

static void debt_init(void)
{
	debt_err = pthread_key_create(&debt_key, debt_of_thread);
	if (!debt_err)
		debt_err = pthread_atfork(debt_of_caller, NULL, NULL);
	if (!debt_err && atexit(debt_of_caller))
		debt_err = ENOMEM;
}

/**
 * nopin_defer_init() - get ready, before any QP is created
 *
 * Return: 0 or an errno.
 */
int nopin_defer_init(void)
{
	pthread_once(&debt_once, debt_init);
	return debt_err;
}

/**
 * nopin_pay() - ring the doorbell that the calling thread owes
 *
 * Context: no lock held.
 * Return: true if it was rung, so that there may be completions now.
 */
bool nopin_pay(void)
{
	struct nopin_qp *qp = pthread_getspecific(debt_key);

	if (!qp)
		return false;
	pthread_setspecific(debt_key, NULL);
	return debt_settle(qp);
}

/**
 * nopin_pay_others() - as nopin_pay(), unless the doorbell is owed to one QP
 * @qp: the QP that is about to be posted to
 */
void nopin_pay_others(const struct nopin_qp *qp)
{
	if (pthread_getspecific(debt_key) != qp)
		nopin_pay();
}

/*
 * True: the doorbell is owed. False: ring it, also if another thread is ringing it now, as
 * the kernel may answer that one without seeing the latest requests.
 */
static bool debt_make(struct nopin_qp *qp)
{
	struct nopin_qp *owed = pthread_getspecific(debt_key);

	if (owed && owed != qp) /* a thread remembers one QP */
		return false;
	if (!owed) {
		if (pthread_setspecific(debt_key, qp))
			return false;
		nopin_qp_get(qp);
	}
	if (debt_moves(qp, NOPIN_DEBT_NONE, NOPIN_DEBT_OWED)) {
		qp->doubt -= qp->doubt / DOUBT_PARTS;
		return true;
	}
	return __atomic_load_n(&qp->debt, __ATOMIC_RELAXED) == NOPIN_DEBT_OWED;
}

static void debt_doubt(struct nopin_qp *qp)
{
	qp->doubt = 2 * qp->doubt + DOUBT_FIRST;
	if (qp->doubt > DOUBT_MOST)
		qp->doubt = DOUBT_MOST;
	qp->cautious = qp->doubt;
}

/**
 * nopin_defer() - may requests just published go without a doorbell for now?
 * @qp: the QP, its SQ locked
 *
 * Return: true if the doorbell is owed; false if the caller has to ring it.
 */
bool nopin_defer(struct nopin_qp *qp)
{
	if (qp->cautious) {
		qp->cautious--;
		return false;
	}
	if (nopin_queue_flags(&qp->sq.queue) & NOPIN_RING_ATTENDED)
		return debt_make(qp);

	if (debt_moves(qp, NOPIN_DEBT_OWED, NOPIN_DEBT_NONE) ||
	    __atomic_exchange_n(&qp->late, false, __ATOMIC_RELAXED))
		debt_doubt(qp);
	nopin_queue_attend(&qp->sq.queue, !qp->cautious);
	return false;
}

/**
 * nopin_defer_end() - ring a doorbell that is owed to a QP that is about to be destroyed,
 *	or whose context is about to be closed
 * @qp: the QP; no thread posts to it any more
 *
 * Waits until no other thread is ringing one, so that none uses the device afterwards.
 */
void nopin_defer_end(struct nopin_qp *qp)
{
	static const struct timespec moment = { .tv_nsec = 10000 };

	nopin_pay_qp(qp);
	while (__atomic_load_n(&qp->debt, __ATOMIC_ACQUIRE) != NOPIN_DEBT_NONE)
		nanosleep(&moment, NULL); /* that thread may have a lower priority */
}
