// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The responder's turn (IBTA 9.7.4): which request is due, and what it is entitled to.
 * Nothing outside this file moves the expected PSN or the MSN, whether a request came
 * as packets or is carried out within the device.
 */
#include "device.h"
#include "qp/qp.h"
#include "qp/srq.h"
#include "wire/packet.h"

/**
 * nopin_rq_start - begin to take requests
 * @qp: the QP, whose attributes say from which PSN on
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
 * nopin_rq_establish - a request is due: the peer is there
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
 * nopin_rq_take_recv - have a receive in rq.recv
 * @qp: the QP
 *
 * Context: rq.lock held.
 * Return: false: the program has posted none.
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
 * nopin_rq_may_read - may the peer READ here?
 * @qp: the QP
 *
 * Context: rq.lock held.
 * Return: false: rights or resources are missing.
 */
bool nopin_rq_may_read(const struct nopin_qp *qp)
{
	return qp->attr.qp_access_flags & IB_ACCESS_REMOTE_READ && qp->rq.resources_size;
}

/* By the key that a request with a RETH names. */
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
 * nopin_rq_grants - may the peer have all of the memory that a request names?
 * @qp: the QP
 * @pd: protection domain that its key is of
 * @pkt: the request, with a RETH
 * @right: IB_ACCESS_REMOTE_*
 *
 * The key of an empty message is not looked at (IBTA 9.7.4.1.4).
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
 * @pd: protection domain that its key is of
 * @pkt: the request
 * @rights: IB_ACCESS_FLUSH_*
 *
 * Unlike that of an empty message its key is looked at, whatever its length.
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
 * nopin_rq_follows - does a packet begin a message, or go on with the one under way?
 * @rq: the responder of a service that acknowledges nothing
 * @pkt: its headers
 *
 * A message may begin with any PSN; one of which a part is missing is over
 * (IBTA 9.8.2.2).
 *
 * Context: rq.lock held.
 * Return: true when it does; else it is to be passed over.
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
 * @rq: the responder of a service that acknowledges nothing
 * @psn: the first that has not come yet
 *
 * The receive that the message has begun to fill is the next one's (IBTA 9.8.2.3).
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
 * nopin_rq_received - a SEND or WRITE packet, or several in one piece, is carried out
 * @rq: the responder
 * @pkt: its headers; payload_len counts all of the piece
 * @packets: PSNs that it takes
 *
 * Context: rq.lock held.
 */
void nopin_rq_received(struct nopin_rq *rq, const struct nopin_pkt *pkt, u32 packets)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);
	bool last = op->place & NOPIN_LAST;

	rq->received += pkt->payload_len;
	rq->ack_psn = nopin_psn_add(rq->expected_psn, packets - 1);
	rq->expected_psn = nopin_psn_add(rq->expected_psn, packets);
	rq->in_message = last ? NOPIN_NO_OPERATION : op->operation;
	if (last)
		rq->msn = nopin_psn_add(rq->msn, 1);
}

/**
 * nopin_rq_received_whole - SENDs or WRITEs of one PSN each are carried out
 * @rq: the responder, with no message under way
 * @messages: how many
 * @length: bytes of the last one
 *
 * Context: rq.lock held.
 */
void nopin_rq_received_whole(struct nopin_rq *rq, u32 messages, u32 length)
{
	rq->received = length;
	rq->ack_psn = nopin_psn_add(rq->expected_psn, messages - 1);
	rq->expected_psn = nopin_psn_add(rq->expected_psn, messages);
	rq->msn = nopin_psn_add(rq->msn, messages);
}

/**
 * nopin_rq_answered - a READ, or a piece of one, or an atomic is carried out
 * @rq: the responder
 * @packets: PSNs that it takes
 * @last: it ends the message
 *
 * Its own answer acknowledges it. An ACK that named its last PSN would be taken for
 * that answer by some requesters (rxe), so ack_psn stays behind; but not so far that
 * it could be taken for a PSN to come.
 *
 * Context: rq.lock held.
 */
void nopin_rq_answered(struct nopin_rq *rq, u32 packets, bool last)
{
	u32 behind = nopin_psn_diff(rq->expected_psn, rq->ack_psn) + packets;

	rq->expected_psn = nopin_psn_add(rq->expected_psn, packets);
	if (behind > NOPIN_PSN_PAST)
		rq->ack_psn = nopin_psn_add(rq->expected_psn, -NOPIN_PSN_PAST);
	if (last)
		rq->msn = nopin_psn_add(rq->msn, 1);
}

/**
 * nopin_rq_refuse - carry out nothing more; the QP is to fail
 * @rq: the responder
 * @psn: of the request that is refused
 * @nak: AETH syndrome that the peer is told; 0: it is told nothing
 * @event: that the owner is told
 *
 * Context: rq.lock held; nopin_rq_unlock() does the rest without it.
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
