// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Carrying out one new request packet. Everything that the packet claims is checked
 * before anything is changed, so that a packet that has to wait for a page, or for a
 * receive, can be carried out again from the start.
 */
#include "compat.h"
#include "device.h"
#include "mem/copy.h"
#include "qp/xrc.h"
#include "queue/cq.h"
#include "transport/execute.h"
#include "transport/read.h"
#include "transport/reply.h"
#include "transport/transmit.h"

/*
 * A SEND does not say how long it will be. Its receive buffer is faulted in this many
 * bytes ahead, or as many as have been received, if these are more.
 */
#define NOPIN_SEND_AHEAD	(64U << 10)

/* May a packet of this kind come at this point of a message? (IBTA 9.7.4.1.5) */
static bool nopin_execute_in_order(const struct nopin_rq *rq,
				   const struct nopin_opcode_info *op)
{
	if (op->place & NOPIN_FIRST)
		return !rq->in_message;
	return rq->in_message == op->operation;
}

/**
 * nopin_execute_length_ok - may a packet of this kind carry so much?
 * @qp: the QP
 * @pkt: a request; every packet of a message but the last is exactly one MTU
 *
 * Context: any, from RTR on.
 * Return: false for one that is not to be carried out, whatever its PSN.
 */
bool nopin_execute_length_ok(const struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);

	if (op->operation == NOPIN_ATOMIC_WRITE)
		return pkt->payload_len == sizeof(u64) && pkt->dma_len == sizeof(u64);
	if (!nopin_opcode_is_data(op))
		return true;
	if (op->place & NOPIN_LAST)
		return pkt->payload_len <= qp->mtu;
	return pkt->payload_len == qp->mtu;
}

static void nopin_execute_fail_recv(struct nopin_qp *qp, enum ib_wc_status status)
{
	struct nopin_cqe cqe = {
		.status = status,
		.opcode = IB_WC_RECV,
	};

	nopin_rq_complete(qp, &cqe, false);
}

/**
 * nopin_execute_complete_recv - complete the receive that a message has used
 * @qp: the QP; rq.received bytes have come
 * @pkt: the last packet of the message
 *
 * Context: rq.lock held, BH off.
 */
void nopin_execute_complete_recv(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);
	struct nopin_cqe cqe = {
		.status = IB_WC_SUCCESS,
		.opcode = op->operation == NOPIN_SEND ? IB_WC_RECV :
							IB_WC_RECV_RDMA_WITH_IMM,
		.byte_len = qp->rq.received,
	};

	if (op->headers & NOPIN_HDR_IMM) {
		cqe.imm_data = pkt->imm_data;
		cqe.wc_flags = NOPIN_WC_WITH_IMM;
	} else if (op->headers & NOPIN_HDR_IETH) {
		cqe.invalidated_rkey = pkt->rkey;
		cqe.wc_flags = NOPIN_WC_WITH_INV;
	}
	nopin_rq_complete(qp, &cqe, pkt->solicited);
}

/* Does a message that ends with this packet complete a receive? */
static bool nopin_execute_takes_recv(const struct nopin_opcode_info *op)
{
	return op->operation == NOPIN_SEND || op->headers & NOPIN_HDR_IMM;
}

/* A SEND or WRITE packet, or @packets of them in one piece, has been carried out. */
static enum nopin_verdict nopin_execute_advance(struct nopin_qp *qp,
						const struct nopin_pkt *pkt, u32 packets)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);

	nopin_rq_received(&qp->rq, pkt, packets);
	if (op->place & NOPIN_LAST && nopin_execute_takes_recv(op))
		nopin_execute_complete_recv(qp, pkt);
	if (pkt->ack_req && qp->service->reliable)
		nopin_reply(qp, pkt->psn, NOPIN_AETH_ACK | NOPIN_AETH_NO_CREDITS);
	return NOPIN_DONE;
}

/* The verdict that follows from a copy; @refused: the fault is in its destination. */
static enum nopin_verdict nopin_execute_verdict(enum nopin_copied copied,
						enum nopin_verdict refused)
{
	switch (copied) {
	case NOPIN_COPIED:
		return NOPIN_DONE;
	case NOPIN_COPY_MISS:
		return NOPIN_PARKED;
	case NOPIN_COPY_BAD_SOURCE:
		return NOPIN_SOURCE_ERROR;
	default:
		return refused;
	}
}

/* The message's data is in place: invalidate the key that it names before it completes. */
static enum nopin_verdict nopin_execute_invalidate(struct nopin_qp *qp,
						   const struct nopin_pkt *pkt)
{
	if (!nopin_key_invalidate(nopin_rq_keys(qp), pkt->rkey, qp->id))
		return NOPIN_DONE;
	nopin_execute_fail_recv(qp, IB_WC_REM_INV_REQ_ERR);
	return NOPIN_ACCESS_ERROR;
}

/*
 * A message is longer than its receive. A reliable QP reports that to both sides. An
 * unreliable one drops the message, and keeps the receive (IBTA 9.9.3, class D).
 */
static enum nopin_verdict nopin_execute_too_long(struct nopin_qp *qp)
{
	if (qp->service->reliable)
		nopin_execute_fail_recv(qp, IB_WC_LOC_LEN_ERR);
	return NOPIN_INVALID_REQUEST;
}

static enum nopin_verdict nopin_execute_send(struct nopin_qp *qp,
					     const struct nopin_inbound *in)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(in->pkt);
	struct nopin_copy copy __uninitialized;
	struct nopin_place to __uninitialized;
	u32 len = in->pkt->payload_len;
	struct nopin_rq *rq = &qp->rq;
	enum nopin_verdict verdict;

	if (!nopin_rq_take_recv(qp))
		return NOPIN_RNR;
	if (op->place & NOPIN_FIRST)
		rq->received = 0;
	if ((u64)rq->received + len > min_t(u64, rq->recv->length, NOPIN_MAX_MSG))
		return nopin_execute_too_long(qp);
	nopin_place_sges(&to, rq->pd, rq->recv->sge, rq->recv->num_sge, rq->received);
	nopin_copy_init(&copy, &in->from, &to, len,
			op->place & NOPIN_LAST ? 0 : max(rq->received, NOPIN_SEND_AHEAD));
	verdict = nopin_execute_verdict(nopin_park_copy(in->park, &copy),
					NOPIN_OPERATION_ERROR);
	if (verdict == NOPIN_OPERATION_ERROR)
		nopin_execute_fail_recv(qp, IB_WC_LOC_PROT_ERR);
	else if (verdict == NOPIN_DONE && op->headers & NOPIN_HDR_IETH)
		verdict = nopin_execute_invalidate(qp, in->pkt);
	if (verdict != NOPIN_DONE)
		return verdict;
	return nopin_execute_advance(qp, in->pkt, in->packets);
}

/*
 * The first packet of a WRITE: may the whole message go where it says? If the copy that
 * comes next is all that there is to the message, the copy checks that.
 */
static enum nopin_verdict nopin_execute_begin_write(struct nopin_qp *qp,
						    const struct nopin_pkt *pkt)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);
	bool judge_now = op->place != NOPIN_ONLY || op->headers & NOPIN_HDR_IMM;
	struct nopin_rq *rq = &qp->rq;

	if (!(qp->attr.qp_access_flags & IB_ACCESS_REMOTE_WRITE) ||
	    pkt->dma_len > NOPIN_MAX_MSG)
		return NOPIN_INVALID_REQUEST;
	if (judge_now && !nopin_rq_grants(qp, nopin_rq_keys(qp), pkt, IB_ACCESS_REMOTE_WRITE))
		return NOPIN_ACCESS_ERROR;
	rq->write.remote_addr = pkt->remote_addr;
	rq->write.rkey = pkt->rkey;
	rq->write.length = pkt->dma_len;
	rq->received = 0;
	return NOPIN_DONE;
}

static bool nopin_execute_write_fits(const struct nopin_rq *rq,
				     const struct nopin_pkt *pkt)
{
	u64 end = (u64)rq->received + pkt->payload_len;

	if (nopin_pkt_op(pkt)->place & NOPIN_LAST)
		return end == rq->write.length;
	return end < rq->write.length;
}

/* Copy a piece of a WRITE to its destination. */
static enum nopin_verdict nopin_execute_put(struct nopin_qp *qp,
					    const struct nopin_inbound *in)
{
	struct nopin_copy copy __uninitialized;
	struct nopin_place to __uninitialized;
	struct nopin_rq *rq = &qp->rq;

	nopin_place_range(&to, nopin_rq_keys(qp), qp->id, rq->write.rkey,
			  rq->write.remote_addr + rq->received, IB_ACCESS_REMOTE_WRITE);
	nopin_copy_init(&copy, &in->from, &to, in->pkt->payload_len,
			rq->write.length - rq->received);
	return nopin_execute_verdict(nopin_park_copy(in->park, &copy), NOPIN_ACCESS_ERROR);
}

static enum nopin_verdict nopin_execute_write(struct nopin_qp *qp,
					      const struct nopin_inbound *in)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(in->pkt);
	enum nopin_verdict verdict = NOPIN_DONE;
	struct nopin_rq *rq = &qp->rq;

	if (op->place & NOPIN_FIRST)
		verdict = nopin_execute_begin_write(qp, in->pkt);
	if (verdict != NOPIN_DONE)
		return verdict;
	if (!nopin_execute_write_fits(rq, in->pkt))
		return NOPIN_INVALID_REQUEST;
	if (op->headers & NOPIN_HDR_IMM && !nopin_rq_take_recv(qp))
		return NOPIN_RNR;
	if (in->pkt->payload_len)
		verdict = nopin_execute_put(qp, in);
	if (verdict != NOPIN_DONE)
		return verdict;
	return nopin_execute_advance(qp, in->pkt, in->packets);
}

static enum nopin_verdict nopin_execute_atomic(struct nopin_qp *qp,
					       const struct nopin_pkt *pkt)
{
	struct nopin_atomic atomic = {
		.op = nopin_pkt_base(pkt) == NOPIN_RC_CMP_SWAP ? NOPIN_ATOMIC_CMP_SWAP :
							 NOPIN_ATOMIC_FETCH_ADD,
		.compare = pkt->compare,
		.swap_add = pkt->swap_add,
	};
	struct nopin_copy copy __uninitialized;
	struct nopin_place to __uninitialized;
	struct nopin_rq *rq = &qp->rq;
	enum nopin_copied copied;

	if (!(qp->attr.qp_access_flags & IB_ACCESS_REMOTE_ATOMIC) ||
	    !rq->resources_size || pkt->remote_addr % sizeof(u64))
		return NOPIN_INVALID_REQUEST;
	nopin_place_range(&to, nopin_rq_keys(qp), qp->id, pkt->rkey,
			  pkt->remote_addr, IB_ACCESS_REMOTE_ATOMIC);
	nopin_copy_init(&copy, NULL, &to, sizeof(u64), sizeof(u64));
	copied = nopin_park_atomic(&rq->park, &copy, &atomic);
	if (copied != NOPIN_COPIED)
		return nopin_execute_verdict(copied, NOPIN_ACCESS_ERROR);

	nopin_resource_keep_atomic(rq, pkt, atomic.old);
	nopin_rq_answered(rq, 1, true);
	rq->answered++;
	nopin_reply_atomic(qp, pkt->psn, atomic.old);
	return NOPIN_DONE;
}

/* An ATOMIC WRITE or FLUSH is done: remember it and answer it. */
static void nopin_execute_confirm(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	nopin_resource_keep_atomic(&qp->rq, pkt, 0);
	nopin_rq_answered(&qp->rq, 1, true);
	qp->rq.answered++;
	nopin_reply_done(qp, pkt->psn);
}

/* The bytes are stored in the order that they have on the wire. */
static enum nopin_verdict nopin_execute_atomic_write(struct nopin_qp *qp,
						     const struct sk_buff *skb,
						     const struct nopin_pkt *pkt)
{
	struct nopin_atomic atomic = { .op = NOPIN_ATOMIC_STORE };
	struct nopin_copy copy __uninitialized;
	struct nopin_place to __uninitialized;
	struct nopin_rq *rq = &qp->rq;
	enum nopin_copied copied;

	if (!(qp->attr.qp_access_flags & IB_ACCESS_REMOTE_WRITE) ||
	    !rq->resources_size || pkt->remote_addr % sizeof(u64) ||
	    skb_copy_bits(skb, pkt->hdr_len, &atomic.swap_add, sizeof(u64)))
		return NOPIN_INVALID_REQUEST;
	nopin_place_range(&to, nopin_rq_keys(qp), qp->id, pkt->rkey,
			  pkt->remote_addr, IB_ACCESS_REMOTE_WRITE);
	nopin_copy_init(&copy, NULL, &to, sizeof(u64), sizeof(u64));
	copied = nopin_park_atomic(&rq->park, &copy, &atomic);
	if (copied != NOPIN_COPIED)
		return nopin_execute_verdict(copied, NOPIN_ACCESS_ERROR);

	nopin_execute_confirm(qp, pkt);
	return NOPIN_DONE;
}

/* The rights that a FLUSH needs, or 0: it is not valid. */
static int nopin_execute_flush_rights(const struct nopin_pkt *pkt)
{
	int rights = 0;

	if (pkt->flush_type & ~NOPIN_FLUSH_TYPES || pkt->flush_level > NOPIN_FLUSH_MR)
		return 0;
	if (pkt->flush_type & NOPIN_FLUSH_GLOBAL)
		rights |= IB_ACCESS_FLUSH_GLOBAL;
	if (pkt->flush_type & NOPIN_FLUSH_PERSISTENT)
		rights |= IB_ACCESS_FLUSH_PERSISTENT; /* which no region has */
	return rights;
}

/*
 * The bytes of earlier requests are in memory before a request begins. So a FLUSH only
 * has to order them before its response.
 */
static enum nopin_verdict nopin_execute_flush(struct nopin_qp *qp,
					      const struct nopin_pkt *pkt)
{
	int rights = nopin_execute_flush_rights(pkt);

	if (!rights || rights & ~qp->attr.qp_access_flags || !qp->rq.resources_size)
		return NOPIN_INVALID_REQUEST;
	if (!nopin_rq_may_flush(qp, nopin_rq_keys(qp), pkt, rights))
		return NOPIN_ACCESS_ERROR;
	mb(); /* the written bytes are visible before the response is */
	nopin_execute_confirm(qp, pkt);
	return NOPIN_DONE;
}

/* A new READ takes the PSNs of its responses. */
static enum nopin_verdict nopin_execute_read(struct nopin_qp *qp,
					     const struct nopin_pkt *pkt)
{
	enum nopin_verdict verdict = nopin_read_begin(qp, pkt, false);
	u32 packets = nopin_packets(qp, pkt->dma_len);

	if (verdict != NOPIN_DONE)
		return verdict;
	nopin_resource_keep_read(&qp->rq, pkt, packets);
	nopin_rq_answered(&qp->rq, packets, true);
	return NOPIN_DONE;
}

/**
 * nopin_execute_data - carry out a SEND or WRITE packet, or a run of them
 * @qp: the QP
 * @in: the packet; its PSN is the expected one
 *
 * Context: rq.lock held, BH off.
 * Return: NOPIN_DONE, or why it was not done.
 */
enum nopin_verdict nopin_execute_data(struct nopin_qp *qp,
				      const struct nopin_inbound *in)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(in->pkt);

	if (!nopin_execute_in_order(&qp->rq, op))
		return NOPIN_INVALID_REQUEST;
	if (op->operation == NOPIN_RDMA_WRITE)
		return nopin_execute_write(qp, in);
	return nopin_execute_send(qp, in);
}

/**
 * nopin_execute_reach_recv - find the destination of a small SEND
 * @qp: the responder
 * @hold: keeps open a page that the receives name
 * @len: bytes, not 0
 *
 * Takes a receive into rq.recv, even if it returns NULL: nopin_execute_data() uses it.
 *
 * Context: rq.lock held, in an RCU read-side section.
 * Return: as nopin_hold_reach(); NULL also unless there is a receive with room for it, of
 *	one element and of the QP's own PD.
 */
void *nopin_execute_reach_recv(struct nopin_qp *qp, struct nopin_hold *hold, u32 len)
{
	const struct nopin_rwqe *recv = qp->rq.recv;

	if (!nopin_rq_take_recv(qp) || recv->num_sge != 1 || recv->length < len ||
	    qp->rq.pd != qp->ibqp.pd)
		return NULL;
	return nopin_hold_reach(hold, recv->sge[0].lkey, recv->sge[0].addr, len,
				IB_ACCESS_LOCAL_WRITE);
}

/* The destination of a message of one packet, or NULL: nopin_execute() has to find it. */
static void *nopin_execute_reach(struct nopin_qp *qp, const struct nopin_pkt *pkt,
				 struct nopin_hold *hold)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);
	u32 len = pkt->payload_len;

	if (op->headers & NOPIN_HDR_IETH)
		return NULL;
	if (op->operation == NOPIN_SEND)
		return nopin_execute_reach_recv(qp, hold, len);
	if (op->headers & NOPIN_HDR_IMM || pkt->dma_len != len)
		return NULL;
	return nopin_execute_reach_remote(qp, hold, pkt->rkey, pkt->remote_addr, len);
}

/**
 * nopin_execute_small - carry out the next request packet, if it is a plain one
 * @qp: the QP
 * @skb: data at the BTH
 * @pkt: its headers; its PSN is the expected one
 * @hold: keeps open a page that such packets name
 *
 * A plain packet is a whole short message. It goes to one page, asks for no ACK, and
 * passes every check.
 *
 * Context: rq.lock held, in an RCU read-side section.
 * Return: false when it is not, and nothing was done that nopin_execute() would not do.
 */
bool nopin_execute_small(struct nopin_qp *qp, const struct sk_buff *skb,
			 const struct nopin_pkt *pkt, struct nopin_hold *hold)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);
	u32 len = pkt->payload_len;
	void *to;

	if (!nopin_opcode_is_data(op) || op->place != NOPIN_ONLY ||
	    pkt->ack_req || qp->rq.in_message || !len ||
	    len > min_t(u32, NOPIN_SMALL, qp->mtu) || skb_is_nonlinear(skb))
		return false;
	to = nopin_execute_reach(qp, pkt, hold);
	if (!to)
		return false;
	nopin_memcpy(to, skb->data + pkt->hdr_len, len);
	qp->rq.received = 0;
	nopin_execute_advance(qp, pkt, 1);
	return true;
}

/**
 * nopin_execute - carry out the next request packet
 * @qp: the QP
 * @skb: data at the BTH; stays the caller's
 * @pkt: its headers; its PSN is the expected one
 *
 * Context: rq.lock held, BH off.
 * Return: NOPIN_DONE, or why it was not done.
 */
enum nopin_verdict nopin_execute(struct nopin_qp *qp, struct sk_buff *skb,
				 const struct nopin_pkt *pkt)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);
	struct nopin_inbound in __uninitialized;

	if (!nopin_execute_length_ok(qp, pkt))
		return NOPIN_INVALID_REQUEST;
	if (op->headers & NOPIN_HDR_XRCETH && !nopin_xrc_choose(qp, pkt->srqn))
		return NOPIN_INVALID_REQUEST;
	if (nopin_opcode_is_data(op)) {
		in.pkt = pkt;
		in.packets = 1;
		nopin_place_packet(&in.from, skb, pkt->hdr_len);
		in.park = &qp->rq.park;
		return nopin_execute_data(qp, &in);
	}
	/* The peer may have no more READs and atomics outstanding (IBTA 9.7.4.1.4). */
	if (!nopin_execute_in_order(&qp->rq, op) ||
	    qp->rq.outstanding >= qp->rq.resources_size)
		return NOPIN_INVALID_REQUEST;
	if (op->operation == NOPIN_RDMA_READ)
		return nopin_execute_read(qp, pkt);
	if (op->operation == NOPIN_ATOMIC_WRITE)
		return nopin_execute_atomic_write(qp, skb, pkt);
	if (op->operation == NOPIN_FLUSH)
		return nopin_execute_flush(qp, pkt);
	return nopin_execute_atomic(qp, pkt);
}
