// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_post_send() and ibv_post_recv().
 *
 * A list of work requests is written to the ring, published with one store and
 * announced with one doorbell, or none (defer.c). When one request of the list
 * is refused, those before it are posted.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "send.h"

#define SAME_PLACE(_member)                                                    \
	(offsetof(struct nopin_sge, _member) ==                                \
	 offsetof(struct ibv_sge, _member))

static_assert(SAME_PLACE(addr) && SAME_PLACE(length) && SAME_PLACE(lkey) &&
	      sizeof(struct nopin_sge) == sizeof(struct ibv_sge),
	      "elements are copied as they are");
static_assert((int)IBV_SEND_FENCE == NOPIN_SEND_FENCE &&
	      (int)IBV_SEND_SIGNALED == NOPIN_SEND_SIGNALED &&
	      (int)IBV_SEND_SOLICITED == NOPIN_SEND_SOLICITED &&
	      (int)IBV_SEND_INLINE == NOPIN_SEND_INLINE,
	      "flags are passed as they are");

static const uint16_t send_ops[] = {
	[IBV_WR_RDMA_WRITE] = NOPIN_OP_VALID | NOPIN_OP_INLINE | NOPIN_OP_RDMA |
			      NOPIN_OP_UNANSWERED,
	[IBV_WR_RDMA_WRITE_WITH_IMM] = NOPIN_OP_VALID | NOPIN_OP_INLINE |
				       NOPIN_OP_RDMA | NOPIN_OP_IMM |
				       NOPIN_OP_UNANSWERED,
	[IBV_WR_SEND] = NOPIN_OP_VALID | NOPIN_OP_INLINE | NOPIN_OP_DATAGRAM |
			NOPIN_OP_UNANSWERED,
	[IBV_WR_SEND_WITH_IMM] = NOPIN_OP_VALID | NOPIN_OP_INLINE |
				 NOPIN_OP_IMM | NOPIN_OP_DATAGRAM |
				 NOPIN_OP_UNANSWERED,
	[IBV_WR_RDMA_READ] = NOPIN_OP_VALID | NOPIN_OP_RDMA,
	[IBV_WR_ATOMIC_CMP_AND_SWP] = NOPIN_OP_VALID | NOPIN_OP_ATOMIC,
	[IBV_WR_ATOMIC_FETCH_AND_ADD] = NOPIN_OP_VALID | NOPIN_OP_ATOMIC,
	[IBV_WR_LOCAL_INV] = NOPIN_OP_VALID | NOPIN_OP_INV | NOPIN_OP_LOCAL |
			     NOPIN_OP_UNANSWERED,
	[IBV_WR_BIND_MW] = NOPIN_OP_VALID | NOPIN_OP_BIND | NOPIN_OP_LOCAL |
			   NOPIN_OP_UNANSWERED,
#ifdef NOPIN_HAVE_ATOMIC_WRITE
	[IBV_WR_ATOMIC_WRITE] = NOPIN_OP_VALID | NOPIN_OP_INLINE | NOPIN_OP_RDMA,
#endif
	[IBV_WR_SEND_WITH_INV] = NOPIN_OP_VALID | NOPIN_OP_INLINE | NOPIN_OP_INV,
};

/**
 * nopin_send_op() - what is known about an opcode
 * @opcode: enum ibv_wr_opcode, unchecked
 *
 * Return: NOPIN_OP_*; 0 for an opcode that cannot be posted.
 */
unsigned int nopin_send_op(unsigned int opcode)
{
	return opcode < sizeof(send_ops) / sizeof(send_ops[0]) ? send_ops[opcode] : 0;
}

/**
 * nopin_qp_may_send() - whether the state of a QP accepts sends
 * @ibqp: the QP
 *
 * Before RTS a send is an immediate error. In the error state it is accepted,
 * and the kernel completes it with a flush error.
 *
 * Return: true if sends may be posted.
 */
bool nopin_qp_may_send(const struct ibv_qp *ibqp)
{
	switch (ibqp->state) {
	case IBV_QPS_RTS:
	case IBV_QPS_SQD:
	case IBV_QPS_SQE:
	case IBV_QPS_ERR:
		return true;
	default:
		return false;
	}
}

/**
 * nopin_wq_restart() - start an empty queue at the index that the kernel has reached
 * @wq: the queue, not in use; one without entries is left alone
 */
void nopin_wq_restart(struct nopin_wq *wq)
{
	if (!wq->queue.ring)
		return;

	nopin_wq_lock(wq);
	wq->consumer = nopin_queue_consumer(&wq->queue);
	wq->producer = wq->consumer;
	nopin_queue_produce(&wq->queue, wq->producer);
	nopin_wq_unlock(wq);
}

/**
 * nopin_wq_has_room() - whether the entry of an index may be written
 * @wq: the queue, locked
 * @index: at or after its producer
 *
 * The kernel's index is read again only when its last value leaves no room.
 *
 * Return: true if the entry is free.
 */
bool nopin_wq_has_room(struct nopin_wq *wq, uint32_t index)
{
	if (!wq->queue.ring)
		return false;
	if (index - wq->consumer < wq->queue.entries)
		return true;

	wq->consumer = nopin_queue_consumer(&wq->queue);
	return index - wq->consumer < wq->queue.entries;
}

static void send_fill_sges(struct nopin_send_wqe *wqe,
			   const struct ibv_send_wr *wr)
{
	wqe->num_sge = (uint32_t)wr->num_sge;
	if (wr->num_sge)
		memcpy(nopin_send_sge(wqe), wr->sg_list,
		       (size_t)wr->num_sge * sizeof(struct nopin_sge));
}

static int send_fill_inline(struct nopin_send_wqe *wqe,
			    const struct ibv_send_wr *wr, uint32_t room)
{
	uint32_t length = 0;
	int i;

	for (i = 0; i < wr->num_sge; i++) {
		const struct ibv_sge *sge = &wr->sg_list[i];

		if (sge->length > room - length)
			return EINVAL;
		if (!sge->length)
			continue;
		memcpy(nopin_send_data(wqe) + length,
		       (const void *)(uintptr_t)sge->addr, sge->length);
		length += sge->length;
	}
	wqe->inline_len = length;
	return 0;
}

/**
 * nopin_send_to() - address a datagram
 * @wqe: its entry
 * @ah: its destination
 * @remote_qpn: number of the QP there
 * @remote_qkey: its Q_Key
 */
void nopin_send_to(struct nopin_send_wqe *wqe, struct ibv_ah *ah, uint32_t remote_qpn,
		   uint32_t remote_qkey)
{
	wqe->ah = to_nopin_ah(ah)->number;
	wqe->remote_qpn = remote_qpn;
	wqe->remote_qkey = remote_qkey;
}

static void send_fill_head(struct nopin_send_wqe *wqe,
			   const struct ibv_send_wr *wr, unsigned int op,
			   uint32_t extra_flags)
{
	*wqe = (struct nopin_send_wqe){
		.wr_id = wr->wr_id,
		.opcode = wr->opcode,
		.flags = wr->send_flags | extra_flags,
	};
	if (op & (NOPIN_OP_LOCAL | NOPIN_OP_BIND)) /* which have no data */
		wqe->flags &= ~IBV_SEND_INLINE;
	if (op & NOPIN_OP_IMM)
		wqe->imm_data = wr->imm_data;
	if (op & NOPIN_OP_INV)
		wqe->rkey = wr->invalidate_rkey;
	if (op & NOPIN_OP_BIND)
		nopin_send_bind(wqe, wr->bind_mw.rkey, &wr->bind_mw.bind_info);
	if (op & NOPIN_OP_RDMA) {
		wqe->rkey = wr->wr.rdma.rkey;
		wqe->remote_addr = wr->wr.rdma.remote_addr;
	}
	if (op & NOPIN_OP_ATOMIC) {
		wqe->rkey = wr->wr.atomic.rkey;
		wqe->remote_addr = wr->wr.atomic.remote_addr;
		wqe->compare_add = wr->wr.atomic.compare_add;
		wqe->swap = wr->wr.atomic.swap;
	}
}

static int send_check(const struct nopin_qp *qp, const struct ibv_send_wr *wr,
		      unsigned int op)
{
	if (nopin_qp_is_datagram(qp) && !wr->wr.ud.ah)
		return EINVAL;
	if (!(op & qp->op_needed) || wr->send_flags & ~NOPIN_SEND_FLAGS)
		return EINVAL;
	if (op & NOPIN_OP_BIND)
		return nopin_send_bind_check(wr->bind_mw.mw, wr->bind_mw.rkey,
					     &wr->bind_mw.bind_info);
	if (op & NOPIN_OP_LOCAL)
		return 0;
	if (wr->num_sge < 0)
		return EINVAL;
	if (wr->send_flags & IBV_SEND_INLINE)
		return op & NOPIN_OP_INLINE ? 0 : EINVAL;
	return (uint32_t)wr->num_sge <= qp->sq.max_sge ? 0 : EINVAL;
}

static bool qp_is_xrc(const struct nopin_qp *qp)
{
	return qp->vqp.qp.qp_type == IBV_QPT_XRC_SEND;
}

static int send_one(struct nopin_qp *qp, const struct ibv_send_wr *wr,
		    uint32_t index)
{
	unsigned int op = nopin_send_op(wr->opcode);
	struct nopin_send_wqe *wqe;
	int ret;

	ret = send_check(qp, wr, op);
	if (ret)
		return ret;
	if (!nopin_wq_has_room(&qp->sq, index))
		return ENOMEM;

	wqe = nopin_queue_entry(&qp->sq.queue, index);
	send_fill_head(wqe, wr, op, qp->send_flags);
	if (nopin_qp_is_datagram(qp))
		nopin_send_to(wqe, wr->wr.ud.ah, wr->wr.ud.remote_qpn,
			      wr->wr.ud.remote_qkey);
	if (qp_is_xrc(qp))
		wqe->remote_srqn = wr->qp_type.xrc.remote_srqn;
	if (op & NOPIN_OP_LOCAL)
		return 0;
	if (wr->send_flags & IBV_SEND_INLINE)
		return send_fill_inline(wqe, wr, qp->max_inline);

	send_fill_sges(wqe, wr);
	return 0;
}

/**
 * nopin_wq_publish() - hand entries that have been written to the kernel
 * @wq: the queue, locked
 * @producer: the index after the last of them
 *
 * Return: true if there are any, so that a doorbell may be needed.
 */
bool nopin_wq_publish(struct nopin_wq *wq, uint32_t producer)
{
	if (producer == wq->producer)
		return false;

	wq->producer = producer;
	nopin_queue_produce(&wq->queue, producer);
	return true;
}

int nopin_post_send(struct ibv_qp *ibqp, struct ibv_send_wr *wr,
		    struct ibv_send_wr **bad_wr)
{
	struct nopin_qp *qp = to_nopin_qp(ibqp);
	struct ibv_send_wr *first = wr;
	uint32_t producer;
	int ret = 0, err;
	bool ring;

	if (!nopin_qp_may_send(ibqp)) {
		*bad_wr = wr;
		return EINVAL;
	}

	nopin_pay_others(qp);
	nopin_wq_lock(&qp->sq);
	producer = qp->sq.producer;
	for (; wr; wr = wr->next, producer++) {
		ret = send_one(qp, wr, producer);
		if (ret) {
			*bad_wr = wr;
			break;
		}
	}
	ring = nopin_wq_publish(&qp->sq, producer) && !nopin_defer(qp);
	nopin_wq_unlock(&qp->sq);

	if (ret) /* so that a full queue gets room, whoever has filled it */
		nopin_pay_qp(qp);
	err = ring ? nopin_doorbell_send(ibqp) : 0;
	if (err && !ret) {
		*bad_wr = first;
		ret = err;
	}
	return ret;
}

static int recv_one(struct nopin_wq *wq, const struct ibv_recv_wr *wr, uint32_t index)
{
	struct nopin_recv_wqe *wqe;

	if (wr->num_sge < 0 || (uint32_t)wr->num_sge > wq->max_sge)
		return EINVAL;
	if (!nopin_wq_has_room(wq, index))
		return ENOMEM;

	wqe = nopin_queue_entry(&wq->queue, index);
	*wqe = (struct nopin_recv_wqe){
		.wr_id = wr->wr_id,
		.num_sge = (uint32_t)wr->num_sge,
	};
	if (wr->num_sge)
		memcpy(wqe + 1, wr->sg_list,
		       (size_t)wr->num_sge * sizeof(struct nopin_sge));
	return 0;
}

/* @ring: set if the kernel wants a doorbell for the receives. */
static int recv_list(struct nopin_wq *wq, struct ibv_recv_wr *wr,
		     struct ibv_recv_wr **bad_wr, bool *ring)
{
	uint32_t producer;
	int ret = 0;

	nopin_wq_lock(wq);
	producer = wq->producer;
	for (; wr; wr = wr->next, producer++) {
		ret = recv_one(wq, wr, producer);
		if (ret) {
			*bad_wr = wr;
			break;
		}
	}
	*ring = nopin_wq_publish(wq, producer) &&
		nopin_queue_flags(&wq->queue) & NOPIN_RING_NEED_DOORBELL;
	nopin_wq_unlock(wq);
	return ret;
}

int nopin_post_recv(struct ibv_qp *ibqp, struct ibv_recv_wr *wr,
		    struct ibv_recv_wr **bad_wr)
{
	struct nopin_qp *qp = to_nopin_qp(ibqp);
	int ret, err;
	bool ring;

	if (ibqp->state == IBV_QPS_RESET || ibqp->srq) {
		*bad_wr = wr;
		return EINVAL;
	}

	ret = recv_list(&qp->rq, wr, bad_wr, &ring);
	err = ring ? nopin_doorbell_recv(ibqp) : 0;
	if (err && !ret) {
		*bad_wr = wr;
		ret = err;
	}
	return ret;
}

int nopin_post_srq_recv(struct ibv_srq *ibsrq, struct ibv_recv_wr *wr,
			struct ibv_recv_wr **bad_wr)
{
	bool ring;

	/* The kernel takes a receive when a message comes, and wants no doorbell. */
	return recv_list(&to_nopin_srq(ibsrq)->wq, wr, bad_wr, &ring);
}
