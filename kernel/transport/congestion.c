// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Congestion (IBTA A17.9). A congested router marks packets whose sender takes part in
 * ECN. The receiver of a marked packet tells its sender by a CNP, and the sender reduces
 * what it has in flight (qp/flight.c). The responses to READs count as in flight at the
 * requester: if they are marked, it reduces its own window, too.
 */
#include "device.h"
#include "transport/congestion.h"
#include "transport/transmit.h"

/* A half of a QP sends at most one CNP in this time. */
#define NOPIN_CNP_NS	(50 * NSEC_PER_USEC)

static void nopin_congestion_tell(struct nopin_qp *qp, struct nopin_train *train,
				  u64 *notified)
{
	struct nopin_pkt pkt = { .opcode = NOPIN_CNP };
	u64 now = ktime_get_ns();

	nopin_stat_inc(&qp->dev->stats, NOPIN_ECN_MARKED);
	if (now - *notified < NOPIN_CNP_NS)
		return;
	*notified = now;
	if (!nopin_transmit_begin(qp, train, &pkt, 0)) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_SEND_ERRORS);
		return;
	}
	nopin_transmit_end(qp, train, &pkt);
	nopin_transmit_flush(qp, train);
	nopin_stat_inc(&qp->dev->stats, NOPIN_CNPS_SENT);
}

/**
 * nopin_congestion_of_requests - a request packet from the peer was marked
 * @qp: the QP
 *
 * Context: rq.lock held, BH off.
 */
void nopin_congestion_of_requests(struct nopin_qp *qp)
{
	lockdep_assert_held(&qp->rq.lock);
	nopin_congestion_tell(qp, &qp->rq.train, &qp->rq.notified);
}

/**
 * nopin_congestion_of_answers - a response from the peer was marked
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 */
void nopin_congestion_of_answers(struct nopin_qp *qp)
{
	lockdep_assert_held(&qp->sq.lock);
	nopin_congestion_tell(qp, &qp->sq.train, &qp->sq.notified);
	nopin_flight_marked(qp);
}

/**
 * nopin_congestion_told - the peer has sent a CNP
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 */
void nopin_congestion_told(struct nopin_qp *qp)
{
	nopin_stat_inc(&qp->dev->stats, NOPIN_CNPS_HANDLED);
	nopin_flight_marked(qp);
}
