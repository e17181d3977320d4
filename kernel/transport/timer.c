// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The timers of a QP. The requester's, in one timer_list:
 *
 *   ACK timeout   (IBTA 9.7.6.1.3) 4.096 us * 2^timeout without a sign of life:
 *                 send again from the oldest unacknowledged PSN
 *   RNR wait      (IBTA 9.7.5.2.8) the peer had no receive: send again after
 *                 the time that its NAK names
 *   no memory     for a packet: try again soon
 *   loopback      a request to a QP of the same device waits for a page: nothing
 *                 is in flight, but is the peer still there?
 *
 * The responder's:
 *
 *   patience      while a request waits for a page, however long: show the peer
 *                 that we live, so that it does not send again what is kept
 */
#include <linux/jiffies.h>

#include "compat.h"
#include "transport/internal.h"

/* AETH RNR timer codes in units of 10 us (IBTA table 46). */
static const u32 nopin_rnr_10us[32] = {
	65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192,
	256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288,
	16384, 24576, 32768, 49152,
};

#define NOPIN_NOMEM_US	1000

/* Of the ACK timeout; room for some signs of life within it. */
#define NOPIN_SIGNS		4
#define NOPIN_PATIENCE_MS	20

static unsigned long nopin_ack_timeout(const struct nopin_qp *qp)
{
	return max(nsecs_to_jiffies(4096ULL << qp->attr.timeout) + 1,
		   (u64)NOPIN_SIGNS);
}

/**
 * nopin_sq_timer_start - a packet is about to be in flight: expect its ACK
 * @qp: the QP; next_psn is still that of the packet
 *
 * A running timer is left alone: it looks at sq.progress when it fires, which
 * costs less than moving it with every ACK.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_timer_start(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	if (!qp->attr.timeout)
		return;
	if (sq->una_psn == sq->next_psn) /* nothing was: the time begins now */
		sq->progress = jiffies;
	if (!timer_pending(&sq->timer))
		mod_timer(&sq->timer, jiffies + nopin_ack_timeout(qp));
}

static void nopin_sq_pause(struct nopin_qp *qp, unsigned long us)
{
	qp->sq.paused = true;
	mod_timer(&qp->sq.timer, jiffies + usecs_to_jiffies(us));
}

/**
 * nopin_sq_timer_rnr - send nothing for as long as the peer asks
 * @qp: the QP
 * @code: RNR timer code of the NAK, 5 bits
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_timer_rnr(struct nopin_qp *qp, u8 code)
{
	nopin_sq_pause(qp, 10UL * nopin_rnr_10us[code & NOPIN_AETH_VALUE]);
}

/**
 * nopin_sq_timer_nomem - send nothing until memory may be back
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_timer_nomem(struct nopin_qp *qp)
{
	nopin_stat_inc(&qp->dev->stats, NOPIN_SEND_ERRORS);
	nopin_sq_pause(qp, NOPIN_NOMEM_US);
}

static void nopin_sq_timeout(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	nopin_stat_inc(&qp->dev->stats, NOPIN_TIMEOUTS);
	if (!sq->retries) {
		nopin_requester_fail(qp, IB_WC_RETRY_EXC_ERR);
		return;
	}
	sq->retries--;
	nopin_requester_rewind(qp);
	nopin_requester_continue(qp);
}

/*
 * Without packets the page may be another process's, which is no more or never
 * answers its fault. A peer on the wire would be silent then: that takes as long here.
 */
static void nopin_sq_expire_parked(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	if (nopin_loopback_is_alive(qp))
		sq->retries = qp->attr.retry_cnt + 1;
	if (!sq->retries) {
		nopin_requester_fail(qp, IB_WC_RETRY_EXC_ERR);
		return;
	}
	sq->retries--;
	mod_timer(&sq->timer, jiffies + nopin_ack_timeout(qp));
}

static void nopin_sq_expire(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	unsigned long due = sq->progress + nopin_ack_timeout(qp);

	if (sq->paused) {
		sq->paused = false;
		nopin_requester_continue(qp);
		if (sq->una_psn != sq->next_psn) /* the pause cut its time short */
			nopin_sq_timer_start(qp);
		return;
	}
	if (!qp->attr.timeout)
		return;
	if (sq->una_psn == sq->unsent_psn) {
		/* Nobody answers what was not sent: our own page may take its time. */
		if (sq->park.waiting && sq->park.silent)
			nopin_sq_expire_parked(qp);
		return;
	}
	if (sq->park.waiting) /* the answer may be among the parked packets */
		due = jiffies + nopin_ack_timeout(qp);
	if (time_before(jiffies, due))
		mod_timer(&sq->timer, due);
	else
		nopin_sq_timeout(qp);
}

/**
 * nopin_sq_timer - the timer fired
 * @timer: sq.timer
 *
 * Context: softirq.
 */
void nopin_sq_timer(struct timer_list *timer)
{
	struct nopin_qp *qp = timer_container_of(qp, timer, sq.timer);

	spin_lock_bh(&qp->sq.lock);
	if (qp->state == IB_QPS_RTS || qp->state == IB_QPS_SQD)
		nopin_sq_expire(qp);
	spin_unlock_bh(&qp->sq.lock);
}

/* What the peer waits for an ACK is not known; likely as long as we would. */
static unsigned long nopin_patience(const struct nopin_qp *qp)
{
	unsigned long most = msecs_to_jiffies(NOPIN_PATIENCE_MS);

	return qp->attr.timeout ? min(nopin_ack_timeout(qp) / NOPIN_SIGNS, most) : most;
}

/**
 * nopin_rq_timer_start - a request waits for a page: ask the peer for patience
 * @qp: the QP
 *
 * Called with every packet that comes meanwhile, as well: the CPU that has the timer
 * may be busy in the kernel for seconds (compacting memory, say), and the page's
 * worker with it. The packet does the work of a timer that is late, and the timer
 * comes to this CPU.
 *
 * Context: rq.lock held, BH off.
 */
void nopin_rq_timer_start(struct nopin_qp *qp)
{
	struct timer_list *timer = &qp->rq.timer;
	unsigned long patience = nopin_patience(qp);

	if (timer_pending(timer)) {
		if (time_before_eq(jiffies, READ_ONCE(timer->expires) + patience))
			return;
		if (nopin_responder_accepts(qp))
			nopin_responder_show_life(qp);
	}
	mod_timer(timer, jiffies + patience);
}

/**
 * nopin_rq_timer - the timer fired
 * @timer: rq.timer
 *
 * Context: softirq.
 */
void nopin_rq_timer(struct timer_list *timer)
{
	struct nopin_qp *qp = timer_container_of(qp, timer, rq.timer);

	spin_lock_bh(&qp->rq.lock);
	if (qp->rq.park.waiting && nopin_responder_accepts(qp)) {
		nopin_responder_show_life(qp);
		nopin_rq_timer_start(qp);
	}
	spin_unlock_bh(&qp->rq.lock);
}
