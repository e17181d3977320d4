// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * How much may be in flight. A responder takes nothing behind a gap (IBTA 9.7.4.1), so the
 * requester sends all packets behind a lost one again, and a large window wastes much. A
 * window of twice the packets that arrive between two losses wastes little and is still
 * large enough. It also sends less where sending too much at once causes the losses.
 *
 * A network that loses packets also loses NAKs and retransmissions. Then the responder says
 * nothing, and the ACK timeout is many times as long as an answer takes. So for a while
 * after a loss the requester probes: when nothing has come for a few jiffies it sends its
 * oldest packet again, and that one alone. On a network without losses it does not, as the
 * peer may only be waiting for a page.
 */
#include <linux/jiffies.h>

#include "device.h"
#include "qp/qp.h"

/* For how long after a loss the requester sends probes, jiffies. */
#define NOPIN_LOSSY		HZ

/* The window grows by so many PSNs for each full window of PSNs acknowledged. */
#define NOPIN_GROWTH		4

/**
 * nopin_flight_start - begin with the largest window
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
 * nopin_flight_grow - widen the window as PSNs are acknowledged
 * @flight: of the QP; its window is below NOPIN_WINDOW, or was cut lately
 * @una_psn: first PSN not acknowledged
 * @acked: PSNs that the last answer acknowledged
 *
 * Context: sq.lock held, BH off.
 */
void nopin_flight_grow(struct nopin_flight *flight, u32 una_psn, u32 acked)
{
	if (flight->cut && nopin_psn_diff(una_psn, flight->cut_psn) >= 0)
		flight->cut = false;
	if (flight->window == NOPIN_WINDOW)
		return;
	flight->credit += acked;
	if (flight->credit < flight->window / NOPIN_GROWTH)
		return;
	flight->credit = 0;
	flight->window++;
}

/* Shrink the window, once for all that is in flight now. */
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
 * nopin_flight_lost - a packet was lost, or another one overtook it
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
 * nopin_flight_marked - halve the window: a CNP or a marked response shows congestion
 * @qp: the QP
 *
 * The window shrinks once for all that is in flight, and never below NOPIN_WINDOW_LEAST. So
 * a forged CNP only makes the QP slow for some round trips.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_flight_marked(struct nopin_qp *qp)
{
	lockdep_assert_held(&qp->sq.lock);
	nopin_flight_cut(&qp->sq, qp->sq.flight.window / 2);
}

/**
 * nopin_flight_is_lossy - has a packet been lost lately?
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
 * nopin_flight_probed - a probe is sent: wait twice as long before the next one
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
 * nopin_flight_patience - how long without an answer before the timer has to act
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
