// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* ACKs, NAKs and atomic results: the responder's packets without payload. */
#include "transport/internal.h"

static void nopin_reply_send(struct nopin_qp *qp, struct nopin_pkt *pkt)
{
	struct sk_buff *skb = nopin_net_alloc(0);

	if (!skb) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_SEND_ERRORS);
		return;
	}
	pkt->pkey = NOPIN_DEFAULT_PKEY;
	pkt->qpn = qp->attr.dest_qp_num;
	pkt->msn = qp->rq.msn;
	if (nopin_net_send(&qp->route, skb, pkt))
		nopin_stat_inc(&qp->dev->stats, NOPIN_SEND_ERRORS);
	else
		nopin_stat_inc(&qp->dev->stats, NOPIN_SENT_PACKETS);
}

/**
 * nopin_reply - send an ACK or a NAK
 * @qp: the QP
 * @psn: of the packet that is answered
 * @syndrome: NOPIN_AETH_*
 *
 * A reply that is lost, here or on the way, is asked for again by the peer.
 *
 * Context: rq.lock held, BH off.
 */
void nopin_reply(struct nopin_qp *qp, u32 psn, u8 syndrome)
{
	struct nopin_pkt pkt = {
		.opcode = NOPIN_RC_ACK,
		.psn = psn,
		.syndrome = syndrome,
	};

	nopin_reply_send(qp, &pkt);
}

/**
 * nopin_reply_atomic - send the result of an atomic
 * @qp: the QP
 * @psn: of the request
 * @original: what the memory held before
 *
 * Context: rq.lock held, BH off.
 */
void nopin_reply_atomic(struct nopin_qp *qp, u32 psn, u64 original)
{
	struct nopin_pkt pkt = {
		.opcode = NOPIN_RC_ATOMIC_ACK,
		.psn = psn,
		.syndrome = NOPIN_AETH_ACK | NOPIN_AETH_NO_CREDITS,
		.original = original,
	};

	nopin_reply_send(qp, &pkt);
}
