// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The way in: finds the QP of an arriving packet and hands the packet to one of its halves. */
#include <net/inet_ecn.h>

#include "device.h"
#include "entry/gsi.h"
#include "entry/receive.h"
#include "qp/address.h"
#include "qp/group.h"
#include "transport/completer.h"
#include "transport/congestion.h"
#include "transport/datagram.h"
#include "transport/requester.h"
#include "transport/responder.h"
#include "transport/unreliable.h"

/*
 * A connected QP admits packets only from RTR on, and only from its peer: from the peer's
 * address to the QP's own, by the interface that leads to the peer. The packet has not
 * changed anything of the QP before this check, and is counted whatever the result.
 * Called with the lock of either half held: the route and the state change under both.
 */
static bool nopin_receive_admits(struct nopin_qp *qp, const struct nopin_arrival *arrival)
{
	bool admits = qp->state >= IB_QPS_RTR && qp->route.net == arrival->net &&
		      nopin_route_matches(&qp->route, arrival->skb);

	nopin_stat_inc(&qp->dev->stats,
		       admits ? NOPIN_RECEIVED_PACKETS : NOPIN_DROP_NO_QP);
	return admits;
}

/* Is the packet of another service than the QP's, or of another partition? */
static bool nopin_receive_is_foreign(const struct nopin_qp *qp,
				     const struct nopin_pkt *pkt)
{
	return (pkt->opcode & NOPIN_WIRE_SERVICE) != qp->service->wire ||
	       (pkt->pkey ^ NOPIN_DEFAULT_PKEY) & 0x7fff;
}

/* Is the packet a request for this QP? Its sender is not checked here. */
static bool nopin_receive_is_request(const struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	return pkt->qpn == qp->ibqp.qp_num && !nopin_receive_is_foreign(qp, pkt) &&
	       !nopin_opcode_is_response(nopin_pkt_op(pkt));
}

/* Act on the ECN field of an admitted answer. */
static void nopin_receive_marks_of_answer(struct nopin_qp *qp,
					  const struct nopin_arrival *arrival)
{
	u8 ecn = nopin_net_ecn(arrival->skb);

	nopin_sq_heard(&qp->sq, ecn);
	if (unlikely(ecn == INET_ECN_CE) && arrival->pkt.payload_len && nopin_sq_is_live(qp))
		nopin_congestion_of_answers(qp);
}

static void nopin_receive_response(struct nopin_qp *qp, const struct nopin_arrival *arrival)
{
	spin_lock_bh(&qp->sq.lock);
	if (nopin_receive_admits(qp, arrival)) {
		nopin_receive_marks_of_answer(qp, arrival);
		nopin_completer_take(qp, arrival->skb, &arrival->pkt);
		nopin_requester_continue(qp);
	}
	nopin_sq_unlock(qp);
}

/* A router has marked a request: tell the peer by a CNP. */
static noinline void nopin_receive_marked_request(struct nopin_qp *qp)
{
	if (nopin_rq_accepts(qp))
		nopin_congestion_of_requests(qp);
}

/* False: the present packet is no CNP. */
static bool nopin_receive_congestion(struct nopin_qp *qp, struct nopin_arrival *arrival)
{
	if (arrival->pkt.opcode != NOPIN_CNP)
		return false;
	spin_lock_bh(&qp->sq.lock);
	if (nopin_receive_admits(qp, arrival) && nopin_sq_is_live(qp))
		nopin_congestion_told(qp);
	nopin_sq_unlock(qp);
	nopin_net_next(arrival);
	return true;
}

/*
 * Take a packet for the responder: nopin_take_small_fn takes only a small, plain one, whose
 * page it shares with its neighbours, or returns false; nopin_take_fn takes any.
 */
typedef bool (*nopin_take_small_fn)(struct nopin_qp *qp, const struct sk_buff *skb,
				    const struct nopin_pkt *pkt, struct nopin_hold *hold);
typedef void (*nopin_take_fn)(struct nopin_qp *qp, struct sk_buff *skb,
			      const struct nopin_pkt *pkt);

/*
 * Take the present packet and the requests behind it. Small ones for the same page share
 * one look-up of that page, in a hold. The hold ends before any packet is sent.
 */
static __always_inline void nopin_receive_requests(struct nopin_qp *qp,
						   struct nopin_arrival *arrival,
						   nopin_take_small_fn take_small,
						   nopin_take_fn take)
{
	struct nopin_hold hold __uninitialized; /* by nopin_hold_begin(), as needed */

	nopin_hold_begin(&hold, qp->ibqp.pd, qp->id);
	spin_lock_bh(&qp->rq.lock);
	do {
		if (!nopin_receive_admits(qp, arrival))
			continue;
		if (unlikely(nopin_net_ecn(arrival->skb) == INET_ECN_CE)) {
			nopin_hold_end(&hold);
			nopin_receive_marked_request(qp);
		}
		if (take_small && take_small(qp, arrival->skb, &arrival->pkt, &hold))
			continue;
		nopin_hold_end(&hold);
		take(qp, arrival->skb, &arrival->pkt);
	} while (nopin_net_next(arrival) && nopin_receive_is_request(qp, &arrival->pkt));
	nopin_hold_end(&hold);
	nopin_rq_unlock(qp);
}

/**
 * nopin_receive_connected - nopin_service.arrive of reliable connections
 * @qp: the QP
 * @arrival: the present packet is for it
 *
 * Context: softirq, in an RCU read-side section.
 */
void nopin_receive_connected(struct nopin_qp *qp, struct nopin_arrival *arrival)
{
	const struct nopin_pkt *pkt = &arrival->pkt;

	if (unlikely(nopin_receive_congestion(qp, arrival)))
		return;
	if (nopin_receive_is_foreign(qp, pkt)) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_DROP_NO_QP);
	} else if (nopin_opcode_is_response(nopin_pkt_op(pkt))) {
		nopin_receive_response(qp, arrival);
	} else {
		nopin_receive_requests(qp, arrival, nopin_responder_take_small,
				       nopin_responder_take);
		return;
	}
	nopin_net_next(arrival);
}

static void nopin_receive_nothing(struct nopin_qp *qp, struct nopin_arrival *arrival)
{
	nopin_stat_inc(&qp->dev->stats, NOPIN_DROP_NO_QP);
	nopin_net_next(arrival);
}

/**
 * nopin_receive_answers - nopin_service.arrive of XRC initiators
 * @qp: the QP
 * @arrival: the present packet is for it
 *
 * Context: softirq, in an RCU read-side section.
 */
void nopin_receive_answers(struct nopin_qp *qp, struct nopin_arrival *arrival)
{
	const struct nopin_pkt *pkt = &arrival->pkt;

	if (nopin_receive_congestion(qp, arrival))
		return;
	if (nopin_receive_is_foreign(qp, pkt) ||
	    !nopin_opcode_is_response(nopin_pkt_op(pkt))) {
		nopin_receive_nothing(qp, arrival);
		return;
	}
	nopin_receive_response(qp, arrival);
	nopin_net_next(arrival);
}

/**
 * nopin_receive_for_srqs - nopin_service.arrive of XRC targets
 * @qp: the QP
 * @arrival: the present packet is for it
 *
 * Context: softirq, in an RCU read-side section.
 */
void nopin_receive_for_srqs(struct nopin_qp *qp, struct nopin_arrival *arrival)
{
	if (nopin_receive_is_request(qp, &arrival->pkt))
		nopin_receive_requests(qp, arrival, NULL, nopin_responder_take);
	else
		nopin_receive_nothing(qp, arrival);
}

/**
 * nopin_receive_unacknowledged - nopin_service.arrive of UC
 * @qp: the QP
 * @arrival: the present packet is for it
 *
 * Context: softirq, in an RCU read-side section.
 */
void nopin_receive_unacknowledged(struct nopin_qp *qp, struct nopin_arrival *arrival)
{
	if (nopin_receive_is_request(qp, &arrival->pkt)) {
		nopin_receive_requests(qp, arrival, nopin_unreliable_take_small,
				       nopin_unreliable_take);
		return;
	}
	nopin_receive_nothing(qp, arrival);
}

/*
 * A UD QP admits any sender that knows its Q_Key. @here: the packet is for an address of
 * the device; packets that arrive in one piece have the same addresses, so the caller
 * checks that once for all of them.
 */
static bool nopin_receive_admits_datagram(struct nopin_qp *qp, const struct nopin_pkt *pkt,
					  bool here)
{
	bool admits = here && !nopin_receive_is_foreign(qp, pkt) && nopin_rq_accepts(qp) &&
		      pkt->qkey == qp->attr.qkey;

	nopin_stat_inc(&qp->dev->stats,
		       admits ? NOPIN_RECEIVED_PACKETS : NOPIN_DROP_NO_QP);
	return admits;
}

/**
 * nopin_receive_datagrams - nopin_service.arrive of UD
 * @qp: the QP
 * @arrival: the present packet is for it
 *
 * Context: softirq, in an RCU read-side section.
 */
void nopin_receive_datagrams(struct nopin_qp *qp, struct nopin_arrival *arrival)
{
	bool here = arrival->net == qp->dev->net &&
		    nopin_address_admits(qp->dev, arrival->skb);
	const struct nopin_pkt *pkt = &arrival->pkt;
	struct nopin_hold hold __uninitialized; /* by nopin_hold_begin(), as needed */

	nopin_hold_begin(&hold, qp->ibqp.pd, qp->id);
	spin_lock_bh(&qp->rq.lock);
	do {
		if (!nopin_receive_admits_datagram(qp, pkt, here))
			continue;
		if (nopin_datagram_take_small(qp, arrival->skb, pkt, &hold))
			continue;
		nopin_hold_end(&hold);
		nopin_datagram_take(qp, arrival->skb, pkt);
	} while (nopin_net_next(arrival) && pkt->qpn == qp->ibqp.qp_num);
	nopin_hold_end(&hold);
	nopin_rq_unlock(qp);
}

/* Give a member of a multicast group its own clone of a datagram, which it may keep. */
static void nopin_receive_copy(struct nopin_qp *qp, const struct nopin_arrival *arrival)
{
	const struct nopin_pkt *pkt = &arrival->pkt;
	struct sk_buff *skb = skb_clone(arrival->skb, GFP_ATOMIC);

	if (!skb) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_DROP_NO_RECEIVE);
		return;
	}
	spin_lock_bh(&qp->rq.lock);
	if (nopin_receive_admits_datagram(qp, pkt, true))
		nopin_datagram_take(qp, skb, pkt);
	nopin_rq_unlock(qp);
	consume_skb(skb);
}

/* False: no QP here is a member of the group that the present packet is for. */
static bool nopin_receive_group(struct nopin_arrival *arrival)
{
	struct nopin_membership *member = NULL;
	struct in6_addr saddr, group;
	bool claimed = false;

	nopin_net_addresses(arrival->skb, &saddr, &group);
	while ((member = nopin_group_next(&group, member))) {
		struct nopin_qp *qp = nopin_qp_hold(member->handle);

		if (!qp)
			continue;
		if (qp->dev->net == arrival->net &&
		    nopin_address_admits_to_group(qp->dev, arrival->skb)) {
			nopin_receive_copy(qp, arrival);
			claimed = true;
		}
		nopin_qp_put(qp);
	}
	return claimed;
}

/* A packet to QP 1 or to a multicast group. False: it is neither, or nobody takes it. */
static bool nopin_receive_special(struct nopin_arrival *arrival)
{
	switch (arrival->pkt.qpn) {
	case NOPIN_GSI_QPN:
		return nopin_gsi_rx(arrival->net, arrival->skb, &arrival->pkt);
	case NOPIN_MULTICAST_QPN:
		return nopin_receive_group(arrival);
	default:
		return false;
	}
}

/**
 * nopin_receive - take packets whose format and ICRC are right
 * @arrival: the packets
 *
 * Context: softirq, in an RCU read-side section.
 */
void nopin_receive(struct nopin_arrival *arrival)
{
	struct nopin_qp *qp;

	while (arrival->present) {
		qp = nopin_qp_lookup(arrival->pkt.qpn);
		if (qp) {
			qp->service->arrive(qp, arrival);
			nopin_qp_put(qp);
			continue;
		}
		if (!nopin_receive_special(arrival))
			nopin_net_unclaimed(arrival);
		nopin_net_next(arrival);
	}
}
