// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The way in: from a packet to the half of the QP that it is for. */
#include "transport/internal.h"
#include "transport/transport.h"

static const struct nopin_qp_ops nopin_transport_qp_ops = {
	.gsi_create	= nopin_gsi_create,
	.gsi_destroy	= nopin_gsi_destroy,
	.sq_timer	= nopin_sq_timer,
	.rq_timer	= nopin_rq_timer,
	.sq_attendant	= nopin_sq_attendant,
	.sq_task	= nopin_sq_task,
	.rq_task	= nopin_rq_task,
};

/**
 * nopin_transport_admits - does a packet come from the peer of a QP?
 * @qp: the QP
 * @net: the namespace that the packet arrived in
 * @skb: the packet, as handed up
 *
 * Only the connected peer, at the address it was connected from, reaches a QP,
 * and before RTR nobody does.
 *
 * Context: the lock of either half held, for the route and the state change
 *	under both.
 * Return: true when it does; counted either way.
 */
bool nopin_transport_admits(struct nopin_qp *qp, const struct net *net,
			    const struct sk_buff *skb)
{
	bool admits = qp->state >= IB_QPS_RTR && qp->route.net == net &&
		      nopin_route_matches(&qp->route, skb);

	nopin_stat_inc(&qp->dev->stats,
		       admits ? NOPIN_RECEIVED_PACKETS : NOPIN_DROP_NO_QP);
	return admits;
}

/* What no RC QP has a use for, whatever it is connected to. */
static bool nopin_transport_is_foreign(const struct nopin_qp *qp,
				       const struct nopin_pkt *pkt)
{
	return !qp->user || (pkt->opcode & NOPIN_WIRE_SERVICE) != NOPIN_WIRE_RC ||
	       (pkt->pkey ^ NOPIN_DEFAULT_PKEY) & 0x7fff;
}

/**
 * nopin_transport_is_request - is a packet for the responder of a QP?
 * @qp: the QP
 * @pkt: the packet's headers
 *
 * Context: any.
 * Return: true when it is, whoever sent it.
 */
bool nopin_transport_is_request(const struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	return pkt->qpn == qp->ibqp.qp_num && !nopin_transport_is_foreign(qp, pkt) &&
	       !nopin_opcode_is_response(nopin_pkt_op(pkt));
}

/* The present packet, which is for this QP, and maybe some after it. */
static void nopin_transport_deliver(struct nopin_qp *qp, struct nopin_arrival *arrival)
{
	const struct nopin_pkt *pkt = &arrival->pkt;

	if (nopin_transport_is_foreign(qp, pkt)) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_DROP_NO_QP);
	} else if (nopin_opcode_is_response(nopin_pkt_op(pkt))) {
		nopin_completer_rx(qp, arrival->net, arrival->skb, pkt);
	} else {
		nopin_responder_rx(qp, arrival);
		return;
	}
	nopin_net_next(arrival);
}

/**
 * nopin_transport_rx - take packets whose format and ICRC are right
 * @arrival: the packets
 *
 * Context: softirq, in an RCU read-side section.
 */
void nopin_transport_rx(struct nopin_arrival *arrival)
{
	struct nopin_qp *qp;

	while (arrival->present) {
		qp = nopin_qp_lookup(arrival->pkt.qpn);
		if (qp) {
			nopin_transport_deliver(qp, arrival);
			nopin_qp_put(qp);
			continue;
		}
		if (arrival->pkt.qpn == NOPIN_GSI_QPN)
			nopin_gsi_rx(arrival->net, arrival->skb, &arrival->pkt);
		nopin_net_next(arrival);
	}
}

/**
 * nopin_transport_init - get ready for the first QP
 *
 * Context: module init.
 * Return: 0 or -ENOMEM.
 */
int nopin_transport_init(void)
{
	nopin_qp_table_init(&nopin_transport_qp_ops);
	return nopin_park_init(nopin_fault_work);
}

/**
 * nopin_transport_exit - no QP is left
 *
 * Context: module exit.
 */
void nopin_transport_exit(void)
{
	nopin_qp_table_exit();
	nopin_park_exit();
}
