/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* How much a requester may have in flight, by what the network does to it. */
#ifndef NOPIN_FLIGHT_H
#define NOPIN_FLIGHT_H

#include <linux/minmax.h>
#include <linux/types.h>

struct nopin_qp;

/* How long without an answer before the first probe for a loss; jiffies. */
#define NOPIN_PROBE		2

/* PSNs in flight at most: keeps a few QPs within netdev_max_backlog of one CPU. */
#define NOPIN_WINDOW		128

/* The window never gets smaller than this, however many losses and CNPs there are. */
#define NOPIN_WINDOW_LEAST	8

/**
 * struct nopin_flight - how much may be in flight
 * @window: how many PSNs may be, NOPIN_WINDOW_LEAST to NOPIN_WINDOW
 * @run: PSNs acknowledged since the last loss, at most NOPIN_WINDOW
 * @credit: PSNs acknowledged since @window last changed
 * @cut: @window shrank, and not all that was in flight then has been acknowledged
 * @cut_psn: with @cut: first PSN that had not been sent when @window shrank
 * @lossy: until when probes are sent, jiffies
 * @probe: how long after the last sign of life the next probe is sent, jiffies
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

/* @acked PSNs have been acknowledged; the next that has not is @una_psn. */
static inline void nopin_flight_acked(struct nopin_flight *flight, u32 una_psn, u32 acked)
{
	flight->run = min_t(u32, flight->run + acked, NOPIN_WINDOW);
	if (unlikely(flight->window < NOPIN_WINDOW || flight->cut))
		nopin_flight_grow(flight, una_psn, acked);
}

/* The peer has just shown that it is alive. */
static inline void nopin_flight_alive(struct nopin_flight *flight)
{
	flight->probe = NOPIN_PROBE;
}

#endif /* NOPIN_FLIGHT_H */
