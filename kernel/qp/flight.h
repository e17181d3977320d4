/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* How much a requester may have in flight, by what the network does to it. */
#ifndef NOPIN_FLIGHT_H
#define NOPIN_FLIGHT_H

#include <linux/minmax.h>
#include <linux/types.h>

struct nopin_qp;

/* After how long without an answer a loss is looked for, the first time; jiffies. */
#define NOPIN_PROBE		2

/* PSNs in flight at most: keeps a few QPs within netdev_max_backlog of one CPU. */
#define NOPIN_WINDOW		128

/* However bad the network, or whoever says so. */
#define NOPIN_WINDOW_LEAST	8

/**
 * struct nopin_flight - what may be in flight
 * @window: how many PSNs, NOPIN_WINDOW_LEAST to NOPIN_WINDOW
 * @run: how many have been acknowledged since one was lost, at most NOPIN_WINDOW
 * @credit: how many since @window grew
 * @cut: @window shrank, and not all that was in flight then has been acknowledged
 * @cut_psn: first PSN that had not been sent then
 * @lossy: a loss is looked for early until then, jiffies
 * @probe: how long after the last sign of life, jiffies
 *
 * Protected by sq.lock.
 */
struct nopin_flight {
	u32 window;
	u32 run;
	u32 credit;
	bool cut;
	u32 cut_psn;
	unsigned long lossy;
	unsigned long probe;
};

void nopin_flight_start(struct nopin_flight *flight);
void nopin_flight_grow(struct nopin_flight *flight, u32 una_psn, u32 acked);
void nopin_flight_lost(struct nopin_qp *qp);
void nopin_flight_marked(struct nopin_qp *qp);
bool nopin_flight_is_lossy(const struct nopin_flight *flight);
void nopin_flight_probed(struct nopin_flight *flight);
unsigned long nopin_flight_patience(const struct nopin_qp *qp);
unsigned long nopin_ack_timeout(const struct nopin_qp *qp);

/* So many PSNs were acknowledged, up to this one. */
static inline void nopin_flight_acked(struct nopin_flight *flight, u32 una_psn, u32 acked)
{
	flight->run = min_t(u32, flight->run + acked, NOPIN_WINDOW);
	if (unlikely(flight->window < NOPIN_WINDOW))
		nopin_flight_grow(flight, una_psn, acked);
}

/* The peer has just said something. */
static inline void nopin_flight_alive(struct nopin_flight *flight)
{
	flight->probe = NOPIN_PROBE;
}

#endif /* NOPIN_FLIGHT_H */
