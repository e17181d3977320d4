// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Sending: the packets of a burst leave a half of a QP in as few trains as possible. */
#include "device.h"
#include "transport/transmit.h"

/**
 * nopin_transmit_flush - send what nopin_transmit_end() has collected
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
	if (train == &qp->sq.train) /* an invalidation does not wait for the stack */
		nopin_hold_end(&qp->sq.hold);
	if (nopin_train_depart(train)) /* as if lost on the way */
		nopin_stat_add(&qp->dev->stats, NOPIN_SEND_ERRORS, packets);
	else
		nopin_stat_add(&qp->dev->stats, NOPIN_SENT_PACKETS, packets);
}

static void nopin_transmit_make_room(struct nopin_qp *qp, struct nopin_train *train,
				     const struct nopin_pkt *pkt)
{
	train->limit = NOPIN_BURST;
	if (nopin_train_is_full(train, pkt))
		nopin_transmit_flush(qp, train);
}

/**
 * nopin_transmit_begin - begin a packet
 * @qp: the QP
 * @train: the half's
 * @pkt: its opcode and payload_len
 * @more: packets like this one that are expected to follow
 *
 * To be followed by nopin_transmit_end() or nopin_train_abandon().
 *
 * Context: the half's lock held, BH off.
 * Return: where its payload goes, or NULL: there is no memory.
 */
void *nopin_transmit_begin(struct nopin_qp *qp, struct nopin_train *train,
			   const struct nopin_pkt *pkt, u32 more)
{
	nopin_transmit_make_room(qp, train, pkt);
	return nopin_train_open(train, pkt, more);
}

/**
 * nopin_transmit_use - begin a packet with a buffer that has its payload
 * @qp: the QP
 * @train: the half's
 * @pkt: its opcode and payload_len
 * @skb: from nopin_train_alloc()
 *
 * Context: the half's lock held, BH off.
 */
void nopin_transmit_use(struct nopin_qp *qp, struct nopin_train *train,
			const struct nopin_pkt *pkt, struct sk_buff *skb)
{
	nopin_transmit_make_room(qp, train, pkt);
	nopin_train_use(train, skb);
}

/**
 * nopin_transmit_end - send a packet, at the latest with nopin_transmit_flush()
 * @qp: the QP
 * @train: the half's
 * @pkt: now with its PSN and all other fields that its opcode has; a datagram also with
 *	its destination
 *
 * Context: the half's lock held, BH off.
 */
void nopin_transmit_end(struct nopin_qp *qp, struct nopin_train *train,
			struct nopin_pkt *pkt)
{
	pkt->pkey = NOPIN_DEFAULT_PKEY;
	if (qp->service->connected)
		pkt->qpn = qp->attr.dest_qp_num;
	if (nopin_train_close(train, pkt)) /* as if lost on the way */
		nopin_stat_inc(&qp->dev->stats, NOPIN_SEND_ERRORS);
}
