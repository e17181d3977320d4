// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The way in: from a packet to the half of the QP that it is for. */
#include "transport/internal.h"
#include "transport/transport.h"

static const struct nopin_qp_ops nopin_transport_qp_ops = {
	.gsi_create	= nopin_gsi_create,
	.gsi_destroy	= nopin_gsi_destroy,
	.sq_timer	= nopin_sq_timer,
	.rq_timer	= nopin_rq_timer,
	.sq_task	= nopin_sq_task,
	.rq_task	= nopin_rq_task,
	.fault		= nopin_fault_work,
};

/*
 * Only the connected peer, at the address it was connected from, reaches a QP.
 * The route is stable from RTR on; before, no packet is believed.
 */
static bool nopin_transport_believes(struct nopin_qp *qp, struct net *net,
				     const struct sk_buff *skb,
				     const struct nopin_pkt *pkt)
{
	if (!qp->user || READ_ONCE(qp->state) < IB_QPS_RTR)
		return false;
	if (nopin_pkt_op(pkt)->flags & NOPIN_OP_DETH)
		return false;
	if ((pkt->pkey ^ NOPIN_DEFAULT_PKEY) & 0x7fff)
		return false;
	return qp->route.net == net && nopin_route_matches(&qp->route, skb);
}

static void nopin_transport_deliver(struct nopin_qp *qp, struct sk_buff *skb,
				    const struct nopin_pkt *pkt)
{
	nopin_stat_inc(&qp->dev->stats, NOPIN_RECEIVED_PACKETS);
	if (nopin_pkt_op(pkt)->flags & NOPIN_OP_RESPONSE)
		nopin_completer_rx(qp, skb, pkt);
	else
		nopin_responder_rx(qp, skb, pkt);
}

/**
 * nopin_transport_rx - take a packet whose format and ICRC are right
 * @net: the namespace it arrived in
 * @skb: data at the BTH; consumed
 * @pkt: its headers
 *
 * Context: softirq.
 */
void nopin_transport_rx(struct net *net, struct sk_buff *skb,
			const struct nopin_pkt *pkt)
{
	struct nopin_qp *qp;

	if (pkt->qpn == NOPIN_GSI_QPN) {
		nopin_gsi_rx(net, skb, pkt);
		return;
	}
	qp = nopin_qp_lookup(pkt->qpn);
	if (!qp) {
		kfree_skb(skb);
		return;
	}
	if (nopin_transport_believes(qp, net, skb, pkt)) {
		nopin_transport_deliver(qp, skb, pkt);
	} else {
		nopin_stat_inc(&qp->dev->stats, NOPIN_DROP_NO_QP);
		kfree_skb(skb);
	}
	nopin_qp_put(qp);
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
	return nopin_park_init();
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
