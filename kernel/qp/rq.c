// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The responder's turn (IBTA 9.7.4): which PSN it expects, and what a request may do.
 * Only this file moves the expected PSN and the MSN, both for requests that came as
 * packets and for those carried out within the device.
 */
#include "device.h"
#include "qp/qp.h"
#include "qp/srq.h"
#include "wire/packet.h"

/**
 * nopin_rq_start - begin to take requests
 * @qp: the QP; attr.rq_psn is the first PSN that it expects
 *
 * Context: rq.lock held.
 */
void nopin_rq_start(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;
	u32 i;

	lockdep_assert_held(&rq->lock);
	rq->expected_psn = qp->attr.rq_psn;
	rq->ack_psn = nopin_psn_add(qp->attr.rq_psn, NOPIN_PSN_MASK);
	rq->msn = 0;
	rq->nak_sent = false;
	rq->failed = false;
	rq->ended = false;
	rq->established = false;
	rq->in_message = NOPIN_NO_OPERATION;
	rq->resource_next = 0;
	for (i = 0; i < rq->resources_size; i++)
		rq->resources[i].packets = 0;
}

/**
 * nopin_rq_establish - note that the peer has sent its first expected request
 * @qp: the QP, which accepts requests
 *
 * Context: rq.lock held.
 */
void nopin_rq_establish(struct nopin_qp *qp)
{
	if (likely(qp->rq.established))
		return;
	qp->rq.established = true;
	if (qp->state == IB_QPS_RTR)
		nopin_qp_event(qp, IB_EVENT_COMM_EST);
}

static bool nopin_rq_take_own(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;
	int pending = nopin_queue_pending(&rq->queue);

	if (pending < 0)
		ibdev_warn_ratelimited(qp->ibqp.device,
				       "QP %u: receive ring overrun\n",
				       qp->ibqp.qp_num);
	if (pending <= 0)
		return false;
	if (nopin_rwqe_take(rq->recv, nopin_queue_entry(&rq->queue, 0),
			    qp->cap.max_recv_sge))
		ibdev_warn_ratelimited(qp->ibqp.device,
				       "QP %u: malformed receive request\n",
				       qp->ibqp.qp_num);
	nopin_queue_consume(&rq->queue, 1);
	return true;
}

/**
 * nopin_rq_take_recv - take a receive into rq.recv, unless one is there
 * @qp: the QP
 *
 * Context: rq.lock held.
 * Return: false: no receive is posted.
 */
bool nopin_rq_take_recv(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;

	lockdep_assert_held(&rq->lock);
	if (!rq->recv_taken)
		rq->recv_taken = rq->srq ? nopin_srq_take(rq->srq, rq->recv) :
					   nopin_rq_take_own(qp);
	return rq->recv_taken;
}

/**
 * nopin_rq_may_read - may the peer send READs to this QP?
 * @qp: the QP
 *
 * Context: rq.lock held.
 * Return: false: the right is missing, or max_dest_rd_atomic is 0.
 */
bool nopin_rq_may_read(const struct nopin_qp *qp)
{
	return qp->attr.qp_access_flags & IB_ACCESS_REMOTE_READ && qp->rq.resources_size;
}

/* The claim of a request with a RETH. */
static struct nopin_claim nopin_rq_claim(const struct nopin_qp *qp, struct ib_pd *pd,
					 const struct nopin_pkt *pkt, int rights)
{
	return (struct nopin_claim){
		.pd = pd,
		.qp = qp->id,
		.key = pkt->rkey,
		.rights = rights,
	};
}

/**
 * nopin_rq_grants - may the peer access all of the memory that a request names?
 * @qp: the QP
 * @pd: protection domain of the key
 * @pkt: the request, with a RETH
 * @right: IB_ACCESS_REMOTE_*
 *
 * The key of an empty message is not checked (IBTA 9.7.4.1.4).
 *
 * Context: rq.lock held.
 * Return: true when it may.
 */
bool nopin_rq_grants(const struct nopin_qp *qp, struct ib_pd *pd,
		     const struct nopin_pkt *pkt, int right)
{
	struct nopin_claim claim = nopin_rq_claim(qp, pd, pkt, right);

	return !pkt->dma_len ||
	       !nopin_key_check(&claim, pkt->remote_addr, pkt->dma_len);
}

/**
 * nopin_rq_may_flush - may the peer FLUSH what a request names?
 * @qp: the QP
 * @pd: protection domain of the key
 * @pkt: the request
 * @rights: IB_ACCESS_FLUSH_*
 *
 * Unlike that of other requests, the key of a FLUSH is checked even if its length is 0.
 *
 * Context: rq.lock held.
 * Return: true when it may.
 */
bool nopin_rq_may_flush(const struct nopin_qp *qp, struct ib_pd *pd,
			const struct nopin_pkt *pkt, int rights)
{
	struct nopin_claim claim = nopin_rq_claim(qp, pd, pkt, rights);

	if (pkt->flush_level == NOPIN_FLUSH_MR)
		return !nopin_key_check_whole(&claim);
	return !nopin_key_check(&claim, pkt->remote_addr, pkt->dma_len);
}

/**
 * nopin_rq_follows - does a packet begin a message, or continue the present one?
 * @rq: the responder of an unreliable service
 * @pkt: headers of the packet
 *
 * A message may begin with any PSN. When a packet is missing, the rest of its message is
 * dropped (IBTA 9.8.2.2).
 *
 * Context: rq.lock held.
 * Return: true when it does; else the packet has to be passed over.
 */
bool nopin_rq_follows(struct nopin_rq *rq, const struct nopin_pkt *pkt)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);

	lockdep_assert_held(&rq->lock);
	if (!(op->place & NOPIN_FIRST))
		return rq->in_message == op->operation && rq->expected_psn == pkt->psn;
	rq->in_message = NOPIN_NO_OPERATION;
	rq->expected_psn = pkt->psn;
	return true;
}

/**
 * nopin_rq_pass - pass over the rest of a message
 * @rq: the responder of an unreliable service
 * @psn: the next PSN
 *
 * The next message uses the receive that this one has begun to fill (IBTA 9.8.2.3).
 *
 * Context: rq.lock held.
 */
void nopin_rq_pass(struct nopin_rq *rq, u32 psn)
{
	lockdep_assert_held(&rq->lock);
	rq->in_message = NOPIN_NO_OPERATION;
	rq->expected_psn = psn;
}

/**
 * nopin_rq_received - move on past a SEND or WRITE packet, or past several in one piece
 * @rq: the responder
 * @pkt: headers of the piece; payload_len counts all of it
 * @packets: PSNs that it takes
 *
 * A program that polls its memory sees requests in their order (IBTA 9.5): what one of them
 * has written is visible before what the next one writes.
 *
 * Context: rq.lock held.
 */
void nopin_rq_received(struct nopin_rq *rq, const struct nopin_pkt *pkt, u32 packets)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);
	bool last = op->place & NOPIN_LAST;

	smp_wmb(); /* pairs with the program's own barrier */
	rq->received += pkt->payload_len;
	rq->ack_psn = nopin_psn_add(rq->expected_psn, packets - 1);
	rq->expected_psn = nopin_psn_add(rq->expected_psn, packets);
	rq->in_message = last ? NOPIN_NO_OPERATION : op->operation;
	if (last)
		rq->msn = nopin_psn_add(rq->msn, 1);
}

/**
 * nopin_rq_received_whole - move on past SENDs or WRITEs of one PSN each
 * @rq: the responder, which is not amid a message
 * @messages: how many
 * @length: bytes of the last one
 *
 * Context: rq.lock held.
 */
void nopin_rq_received_whole(struct nopin_rq *rq, u32 messages, u32 length)
{
	smp_wmb(); /* as in nopin_rq_received() */
	rq->received = length;
	rq->ack_psn = nopin_psn_add(rq->expected_psn, messages - 1);
	rq->expected_psn = nopin_psn_add(rq->expected_psn, messages);
	rq->msn = nopin_psn_add(rq->msn, messages);
}

/**
 * nopin_rq_answered - move on past a READ, a piece of one, or an atomic
 * @rq: the responder
 * @packets: PSNs that it takes
 * @last: it ends the message
 *
 * The response acknowledges it. Some requesters (rxe) would take an ACK with its last PSN
 * for the response, so ack_psn stays behind; but not so far behind that it would look like
 * a future PSN.
 *
 * A program that writes data, then a flag, is read in that order by a READ of the flag and
 * one of the data.
 *
 * Context: rq.lock held.
 */
void nopin_rq_answered(struct nopin_rq *rq, u32 packets, bool last)
{
	u32 behind = nopin_psn_diff(rq->expected_psn, rq->ack_psn) + packets;

	smp_rmb(); /* pairs with the program's own barrier */
	rq->expected_psn = nopin_psn_add(rq->expected_psn, packets);
	if (behind > NOPIN_PSN_PAST)
		rq->ack_psn = nopin_psn_add(rq->expected_psn, -NOPIN_PSN_PAST);
	if (last)
		rq->msn = nopin_psn_add(rq->msn, 1);
}

/**
 * nopin_rq_refuse - mark the responder as failed, so that it carries out nothing more
 * @rq: the responder
 * @psn: PSN of the refused request
 * @nak: AETH syndrome of the NAK that the peer gets; 0: it gets none
 * @event: event for the owner
 *
 * Context: rq.lock held; nopin_rq_unlock() drops it and fails the QP.
 */
void nopin_rq_refuse(struct nopin_rq *rq, u32 psn, u8 nak, enum ib_event_type event)
{
	lockdep_assert_held(&rq->lock);
	rq->refused_psn = psn;
	rq->refused_nak = nak;
	rq->nak_sent = true;
	rq->failed = true;
	rq->event = event;
}
