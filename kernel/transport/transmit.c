// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The way out: what a half of a QP sends in one go leaves as few trains. */
#include "transport/internal.h"

/**
 * nopin_transmit_flush - send what nopin_transmit() has collected
 * @qp: the QP
 * @train: the half's
 *
 * Context: the half's lock held, BH off.
 */
void nopin_transmit_flush(struct nopin_qp *qp, struct nopin_train *train)
{
	unsigned int packets = train->packets;

	if (!packets)
		return;
	if (nopin_train_depart(train, &qp->route)) /* as if lost on the way */
		nopin_stat_add(&qp->dev->stats, NOPIN_SEND_ERRORS, packets);
	else
		nopin_stat_add(&qp->dev->stats, NOPIN_SENT_PACKETS, packets);
}

/**
 * nopin_transmit - send a packet, at the latest with nopin_transmit_flush()
 * @qp: the QP
 * @train: the half's
 * @skb: from nopin_net_alloc(), consumed
 * @pkt: its opcode, PSN and whatever goes with them
 *
 * Context: the half's lock held, BH off.
 */
void nopin_transmit(struct nopin_qp *qp, struct nopin_train *train,
		    struct sk_buff *skb, struct nopin_pkt *pkt)
{
	int err;

	pkt->pkey = NOPIN_DEFAULT_PKEY;
	pkt->qpn = qp->attr.dest_qp_num;
	train->limit = NOPIN_BURST;
	err = nopin_train_add(train, &qp->route, skb, pkt);
	if (err == -ENOSPC) {
		nopin_transmit_flush(qp, train);
		err = nopin_train_add(train, &qp->route, skb, pkt);
	}
	if (err) /* as if lost on the way */
		nopin_stat_inc(&qp->dev->stats, NOPIN_SEND_ERRORS);
}
