// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * How much may be in flight. A responder takes nothing behind a gap (IBTA 9.7.4.1), so all
 * that was in flight behind what is lost is sent again: the more, the more is wasted.
 * Twice of what the network brings between two losses is enough to go on with. If losses
 * come of too much being sent at once, less is sent, too.
 *
 * Where packets are lost, so are NAKs and what is sent again. A responder says nothing
 * then, and the ACK timeout is many times as long as an answer takes. So for a while after
 * a loss the requester sends its oldest packet again, and that alone, when nothing has come
 * for a few jiffies. On a sound network it never does: a peer may be slow because of a page.
 */
#include <linux/jiffies.h>

#include "device.h"
#include "qp/qp.h"

/* How long one loss is reason to look for the next, jiffies. */
#define NOPIN_LOSSY		HZ

/* PSNs that the window grows by while as many are acknowledged as are in it. */
#define NOPIN_GROWTH		4

/**
 * nopin_flight_start - nothing is known of the network
 * @flight: of a connection that begins
 *
 * Context: sq.lock held.
 */
void nopin_flight_start(struct nopin_flight *flight)
{
	*flight = (struct nopin_flight){
		.window = NOPIN_WINDOW,
		.lossy = jiffies,
		.probe = NOPIN_PROBE,
	};
}

/**
 * nopin_flight_grow - what arrives makes room for more
 * @flight: whose window is not as large as it may be
 * @una_psn: first PSN not acknowledged
 * @acked: how many have been, with the last answer
 *
 * Context: sq.lock held, BH off.
 */
void nopin_flight_grow(struct nopin_flight *flight, u32 una_psn, u32 acked)
{
	if (flight->cut && nopin_psn_diff(una_psn, flight->cut_psn) >= 0)
		flight->cut = false;
	flight->credit += acked;
	if (flight->credit < flight->window / NOPIN_GROWTH)
		return;
	flight->credit = 0;
	flight->window++;
}

/* Once for all that is in flight now. */
static void nopin_flight_cut(struct nopin_sq *sq, u32 window)
{
	struct nopin_flight *flight = &sq->flight;

	if (flight->cut && nopin_psn_diff(sq->una_psn, flight->cut_psn) < 0)
		return;
	flight->window = clamp_t(u32, window, NOPIN_WINDOW_LEAST, flight->window);
	flight->credit = 0;
	flight->cut = true;
	flight->cut_psn = sq->unsent_psn;
}

/**
 * nopin_flight_lost - a packet was lost, or overtaken
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 */
void nopin_flight_lost(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_flight *flight = &sq->flight;

	lockdep_assert_held(&sq->lock);
	nopin_flight_cut(sq, max(flight->window / 2, 2 * flight->run));
	flight->run = 0;
	flight->lossy = jiffies + NOPIN_LOSSY;
	if (qp->attr.timeout && !sq->paused)
		timer_reduce(&sq->timer, jiffies + nopin_flight_patience(qp));
}

/**
 * nopin_flight_marked - there is congestion on the way to the peer, or from it
 * @qp: the QP
 *
 * Once for all that is in flight, and never below NOPIN_WINDOW_LEAST: whoever forges
 * such a message makes the QP slow for some round trips, and no more.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_flight_marked(struct nopin_qp *qp)
{
	lockdep_assert_held(&qp->sq.lock);
	nopin_flight_cut(&qp->sq, qp->sq.flight.window / 2);
}

/**
 * nopin_flight_is_lossy - is it likely that something is lost?
 * @flight: of a QP
 *
 * Context: sq.lock held.
 * Return: true for a while after a loss.
 */
bool nopin_flight_is_lossy(const struct nopin_flight *flight)
{
	return time_before(jiffies, flight->lossy);
}

/**
 * nopin_flight_probed - the oldest packet is sent again; the next time is later
 * @flight: of a QP
 *
 * Context: sq.lock held.
 */
void nopin_flight_probed(struct nopin_flight *flight)
{
	flight->probe = min_t(unsigned long, 2 * flight->probe, HZ);
}

/**
 * nopin_ack_timeout - how long an ACK may take
 * @qp: the QP
 *
 * Context: the lock of either half held.
 * Return: jiffies.
 */
unsigned long nopin_ack_timeout(const struct nopin_qp *qp)
{
	return max(nsecs_to_jiffies(4096ULL << qp->attr.timeout) + 1,
		   (u64)NOPIN_SIGNS);
}

/**
 * nopin_flight_patience - how long nothing need come before it is looked into
 * @qp: the QP
 *
 * Context: sq.lock held.
 * Return: jiffies, at most nopin_ack_timeout().
 */
unsigned long nopin_flight_patience(const struct nopin_qp *qp)
{
	unsigned long timeout = nopin_ack_timeout(qp);

	if (!nopin_flight_is_lossy(&qp->sq.flight))
		return timeout;
	return min(qp->sq.flight.probe, timeout);
}
