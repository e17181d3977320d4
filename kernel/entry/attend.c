// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Doorbells that are left out. A program that posts one request after the other pays
 * a system call for each, although the first call could have done the work of all. So
 * when doorbells follow each other closely, and the program asks for it, the kernel
 * promises to come back to the send ring by itself, and shows that in the ring:
 *
 *	program			kernel
 *	post, doorbell
 *	post, doorbell		attended, from here on
 *	post
 *	post
 *	poll: nothing there,
 *	so doorbell		does both; attended for as long again
 *	post
 *	(does something else)	the time is over: does it, no longer attended
 *
 * The program rings when it polls and finds nothing, so the timer only fires when
 * there is nothing to do any more or when the program does not poll. The latter
 * delays what was posted; the provider counts on it less and less then.
 */
#include <linux/hrtimer.h>
#include <linux/moduleparam.h>

#include "device.h"
#include "entry/attend.h"
#include "transport/requester.h"

/*
 * How long a ring is attended after a doorbell, and as much again where that saves an
 * interrupt. It begins with the least. A program that leaves no request waiting earns
 * more of it, so that the timer costs less; one that does begins anew.
 */
#define NOPIN_ATTEND_MAX_US	4000

/* Of such times in a row, so many make it twice as long. */
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
 * nopin_sq_attend - a doorbell was answered: are more requests likely to come?
 * @qp: a program's QP
 * @came: when it was rung, as what answering it took is not the program's doing; 0:
 *	the program did not ask for the ring to be attended
 *
 * The timer is moved only when half of its time is over.
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

/* Do what a doorbell would have done. */
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

	/* Moved, or ended, while it waited for the lock. */
	if (!attend->on || hrtimer_is_queued(&attend->timer))
		return HRTIMER_NORESTART;
	if (attend->busy) {
		hrtimer_forward_now(&attend->timer,
				    ns_to_ktime(attend->us * NSEC_PER_USEC));
		return HRTIMER_RESTART;
	}
	nopin_sq_unattend(&qp->sq);
	nopin_sq_unrung(qp);
	return HRTIMER_NORESTART;
}

/**
 * nopin_sq_attendant - the time is over
 * @timer: sq.attend.timer
 *
 * What was posted by a program that saw the flag is seen here, after it is gone. Not
 * in the middle of a doorbell's work, though: the program has no time to ring again.
 *
 * Context: softirq.
 * Return: whether the time begins anew.
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
