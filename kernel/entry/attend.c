// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Attended send rings: the program leaves out doorbells. A program that posts one request
 * after the other pays a system call for each. When its doorbells follow each other
 * closely, and it asks for this in the ring, the kernel promises to look at the send ring
 * again by itself. It shows the promise as NOPIN_RING_ATTENDED in the ring:
 *
 *	program			kernel
 *	post, doorbell
 *	post, doorbell		sets NOPIN_RING_ATTENDED, starts the timer
 *	post
 *	post
 *	poll: nothing there,
 *	so doorbell		carries out both; restarts the timer
 *	post
 *	(does something else)	timer: clears the flag, carries out the request
 *
 * The program rings when it polls and finds nothing. So the timer fires only when there
 * is nothing left to do, or when the program does not poll. In the latter case the timer
 * delays the posted requests, and the provider leaves out fewer doorbells.
 */
#include <linux/hrtimer.h>
#include <linux/moduleparam.h>

#include "device.h"
#include "entry/attend.h"
#include "transport/requester.h"

/*
 * The longest time for which a ring is attended after a doorbell; the timer may fire up
 * to twice as late where that saves an interrupt. The time begins at attend_us and grows
 * while the timer finds no request waiting, so that the timer costs less. When it finds
 * one, the time is attend_us again.
 */
#define NOPIN_ATTEND_MAX_US	4000

/* After so many such times in a row without a waiting request the time doubles. */
#define NOPIN_ATTEND_GOOD	4

static unsigned int nopin_attend_us = 100;
module_param_named(attend_us, nopin_attend_us, uint, 0644);
MODULE_PARM_DESC(attend_us, "microseconds between doorbells, at first, for later ones to be left out, at most 1000000; 0: none is (default: 100)");

static u32 nopin_attend_least_us(void)
{
	return min_t(unsigned int, READ_ONCE(nopin_attend_us), USEC_PER_SEC);
}

static void nopin_attend_anew(struct nopin_attend *attend)
{
	attend->us = nopin_attend_least_us();
	attend->good = 0;
}

static void nopin_attend_longer(struct nopin_attend *attend)
{
	u32 most = max_t(u32, nopin_attend_least_us(), NOPIN_ATTEND_MAX_US);

	if (++attend->good < NOPIN_ATTEND_GOOD)
		return;
	attend->us = min(2 * attend->us, most);
	attend->good = 0;
}

/**
 * nopin_sq_attend - attend the ring if more requests are likely to follow a doorbell
 * @qp: a program's QP; its doorbell has been answered
 * @came: when the doorbell was rung, so that the time it took to answer does not count;
 *	0: the program did not ask for the ring to be attended
 *
 * A running timer is moved only when half of its time has passed.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_attend(struct nopin_qp *qp, ktime_t came)
{
	struct nopin_attend *attend = &qp->sq.attend;
	ktime_t now, last = attend->rung;
	s64 ns;

	if (!came || qp->state != IB_QPS_RTS)
		return;
	if (!attend->us)
		nopin_attend_anew(attend);
	ns = attend->us * NSEC_PER_USEC;
	now = ktime_get();
	attend->rung = now;
	attend->seen = nopin_queue_producer(&qp->sq.queue);
	if (!ns || ktime_sub(came, last) > ns)
		return;
	if (attend->on) {
		if (ktime_sub(hrtimer_get_softexpires(&attend->timer), now) > ns / 2)
			return;
		nopin_attend_longer(attend);
	}
	hrtimer_start_range_ns(&attend->timer, ktime_add_ns(now, ns), ns, HRTIMER_MODE_ABS_SOFT);
	if (!attend->on) {
		attend->on = true;
		nopin_queue_set_flags(&qp->sq.queue, NOPIN_RING_ATTENDED);
	}
}

/* The timer has fired: do what a doorbell would have done. */
static void nopin_sq_unrung(struct nopin_qp *qp)
{
	struct nopin_attend *attend = &qp->sq.attend;

	if (nopin_sq_waiting(&qp->sq) > 0 &&
	    attend->seen != nopin_queue_producer(&qp->sq.queue)) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_LATE_DOORBELLS);
		nopin_attend_anew(attend);
	} else {
		nopin_attend_longer(attend);
	}
	if (nopin_sq_is_dead(qp) && nopin_sq_flush(qp))
		tasklet_schedule(&qp->sq.task);
	nopin_requester_continue(qp);
}

static enum hrtimer_restart nopin_sq_attend_over(struct nopin_qp *qp)
{
	struct nopin_attend *attend = &qp->sq.attend;

	/* A doorbell moved the timer, or a reset ended it, while it waited for the lock. */
	if (!attend->on || hrtimer_is_queued(&attend->timer))
		return HRTIMER_NORESTART;
	if (attend->busy && nopin_sq_is_live(qp)) {
		hrtimer_forward_now(&attend->timer,
				    ns_to_ktime(attend->us * NSEC_PER_USEC));
		return HRTIMER_RESTART;
	}
	nopin_sq_unattend(&qp->sq);
	nopin_sq_unrung(qp);
	return HRTIMER_NORESTART;
}

/**
 * nopin_sq_attendant - the time for which a ring is attended has passed
 * @timer: sq.attend.timer
 *
 * The flag is cleared before the ring is looked at, so that a request posted by a program
 * that still saw the flag is found here. While more is left than one burst (attend.busy)
 * the timer starts again: the program may be inside its doorbell call, and cannot ring.
 *
 * Context: softirq.
 * Return: HRTIMER_RESTART when the timer starts again.
 */
enum hrtimer_restart nopin_sq_attendant(struct hrtimer *timer)
{
	struct nopin_qp *qp = container_of(timer, struct nopin_qp, sq.attend.timer);
	enum hrtimer_restart restart;

	spin_lock_bh(&qp->sq.lock);
	restart = nopin_sq_attend_over(qp);
	nopin_sq_unlock(qp);
	return restart;
}
