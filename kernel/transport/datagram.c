// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The responder of UD (IBTA 9.8.3). Each datagram uses a receive, whatever its PSN, and
 * gets no answer. If there is no receive, or the receive is too short, the datagram is
 * dropped and the receive is left for the next. A datagram whose page is missing is kept,
 * and later ones are kept behind it.
 */
#include <linux/ip.h>

#include "device.h"
#include "mem/copy.h"
#include "transport/backlog.h"
#include "transport/datagram.h"
#include "transport/execute.h"
#include "transport/transmit.h"

/* Is there a receive with room for the datagram? Takes one into rq.recv, if there is one. */
static bool nopin_datagram_has_recv(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	return nopin_rq_take_recv(qp) &&
	       NOPIN_GRH_LEN + pkt->payload_len <= qp->rq.recv->length;
}

static void nopin_datagram_complete(struct nopin_qp *qp, const struct sk_buff *skb,
				    const struct nopin_pkt *pkt)
{
	struct nopin_cqe cqe = {
		.status = IB_WC_SUCCESS,
		.opcode = IB_WC_RECV,
		.byte_len = NOPIN_GRH_LEN + pkt->payload_len,
		.src_qp = pkt->src_qp,
		.wc_flags = NOPIN_WC_GRH,
		.sl = ip_hdr(skb)->version == 4 ? NOPIN_SL_IPV4 : NOPIN_SL_IPV6,
	};

	if (nopin_pkt_op(pkt)->headers & NOPIN_HDR_IMM) {
		cqe.imm_data = pkt->imm_data;
		cqe.wc_flags |= NOPIN_WC_WITH_IMM;
	}
	nopin_rq_complete(qp, &cqe, pkt->solicited);
}

/* Copy a part of the datagram into the receive, @offset bytes from its beginning. */
static enum nopin_copied nopin_datagram_copy(struct nopin_qp *qp,
					     const struct nopin_place *from,
					     u32 offset, u32 len)
{
	struct nopin_copy copy __uninitialized;
	struct nopin_place to __uninitialized;
	struct nopin_rq *rq = &qp->rq;

	if (!len)
		return NOPIN_COPIED;
	nopin_place_sges(&to, rq->pd, rq->recv->sge, rq->recv->num_sge, offset);
	nopin_copy_init(&copy, from, &to, len, len);
	return nopin_park_copy(&rq->park, &copy);
}

/* The program's receive names wrong memory: it completes with an error, and the QP fails. */
static void nopin_datagram_fail(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	struct nopin_cqe cqe = {
		.status = IB_WC_LOC_PROT_ERR,
		.opcode = IB_WC_RECV,
	};

	nopin_rq_complete(qp, &cqe, false);
	nopin_rq_refuse(&qp->rq, pkt->psn, 0, IB_EVENT_QP_FATAL);
}

/* False: it waits for a page. */
static bool nopin_datagram_deliver(struct nopin_qp *qp, struct sk_buff *skb,
				   const struct nopin_pkt *pkt)
{
	struct nopin_place from __uninitialized;
	u8 grh[NOPIN_GRH_LEN];
	enum nopin_copied copied;

	if (!nopin_rq_accepts(qp) || !nopin_datagram_has_recv(qp, pkt)) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_DROP_NO_RECEIVE);
		return true;
	}
	nopin_net_copy_grh(skb, pkt, grh);
	nopin_place_bytes(&from, grh);
	copied = nopin_datagram_copy(qp, &from, 0, sizeof(grh));
	nopin_place_packet(&from, skb, pkt->hdr_len);
	if (copied == NOPIN_COPIED)
		copied = nopin_datagram_copy(qp, &from, NOPIN_GRH_LEN, pkt->payload_len);
	if (copied == NOPIN_COPY_MISS)
		return false;
	if (copied == NOPIN_COPIED)
		nopin_datagram_complete(qp, skb, pkt);
	else
		nopin_datagram_fail(qp, pkt);
	return true;
}

/**
 * nopin_datagram_take_small - take a datagram that is short, if its page is present
 * @qp: the QP
 * @skb: data at the BTH
 * @pkt: its headers
 * @hold: keeps open a page that the receives name
 *
 * Context: rq.lock held, BH off, in an RCU read-side section.
 * Return: false: it cannot, and nothing was done that nopin_datagram_take() would not do.
 */
bool nopin_datagram_take_small(struct nopin_qp *qp, const struct sk_buff *skb,
			       const struct nopin_pkt *pkt, struct nopin_hold *hold)
{
	void *to;

	if (nopin_rq_is_busy(&qp->rq) || !nopin_rq_accepts(qp) ||
	    pkt->payload_len > NOPIN_SMALL || skb_is_nonlinear(skb))
		return false;
	to = nopin_execute_reach_recv(qp, hold, NOPIN_GRH_LEN + pkt->payload_len);
	if (!to)
		return false;
	nopin_net_copy_grh(skb, pkt, to);
	nopin_memcpy(to + NOPIN_GRH_LEN, skb->data + pkt->hdr_len, pkt->payload_len);
	nopin_datagram_complete(qp, skb, pkt);
	return true;
}

/**
 * nopin_datagram_take - take a datagram
 * @qp: the QP
 * @skb: data at the BTH; stays the caller's
 * @pkt: its headers
 *
 * Context: rq.lock held, BH off; nopin_rq_unlock() drops it.
 */
void nopin_datagram_take(struct nopin_qp *qp, struct sk_buff *skb,
			 const struct nopin_pkt *pkt)
{
	nopin_backlog_take(qp, skb, pkt, nopin_datagram_deliver);
}

/**
 * nopin_datagram_resume - nopin_service.resume of UD
 * @qp: the QP
 *
 * Context: rq.lock held, BH off; nopin_rq_unlock() drops it.
 */
void nopin_datagram_resume(struct nopin_qp *qp)
{
	nopin_backlog_resume(qp, nopin_datagram_deliver);
}
