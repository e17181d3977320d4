// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Puts a kernel user's work requests into the rings of its QPs and SRQs. A kernel user may
 * post from any context, so nothing else is done here. The two halves take and check the
 * requests as they do those of a program.
 */
#include "mem/region.h"
#include "qp/address.h"
#include "qp/post.h"
#include "qp/qp.h"
#include "qp/srq.h"

static void nopin_post_sges(void *entry, const struct ib_sge *from, int num)
{
	struct nopin_sge *to = entry;
	int i;

	for (i = 0; i < num; i++) {
		to[i].addr = from[i].addr;
		to[i].length = from[i].length;
		to[i].lkey = from[i].lkey;
	}
}

/* Inline data is at kernel addresses. */
static int nopin_post_inline(struct nopin_send_wqe *head, const struct ib_send_wr *wr,
			     u32 most)
{
	void *data = head + 1;
	int i;

	for (i = 0; i < wr->num_sge; i++) {
		const struct ib_sge *sge = &wr->sg_list[i];

		if (sge->length > most - head->inline_len)
			return -EINVAL;
		memcpy(data + head->inline_len, (void *)(uintptr_t)sge->addr,
		       sge->length);
		head->inline_len += sge->length;
	}
	return 0;
}

static int nopin_post_body(struct nopin_send_wqe *head, const struct ib_send_wr *wr,
			   const struct ib_qp_cap *cap)
{
	if (wr->send_flags & IB_SEND_INLINE)
		return nopin_post_inline(head, wr, cap->max_inline_data);
	if (wr->num_sge < 0 || wr->num_sge > cap->max_send_sge)
		return -EINVAL;
	head->num_sge = wr->num_sge;
	nopin_post_sges(head + 1, wr->sg_list, wr->num_sge);
	return 0;
}

/* The new key may differ from the region's only in the low 8 bits, which the user chooses. */
static int nopin_post_reg(struct nopin_send_wqe *head, const struct ib_reg_wr *wr)
{
	struct nopin_region *region = to_nopin_region(wr->mr);
	struct nopin_memory *memory = nopin_listed_offer(region, wr->access);

	if (!memory || (wr->key ^ wr->mr->lkey) > U8_MAX)
		return -EINVAL;
	head->rkey = wr->key;
	head->compare_add = (uintptr_t)memory;
	return 0;
}

/* The destination of a datagram. */
static int nopin_post_address(struct nopin_send_wqe *head, const struct ib_ud_wr *wr)
{
	struct nopin_av *av;

	if (!wr->ah)
		return -EINVAL;
	av = nopin_ah_av(to_nopin_ah(wr->ah));
	if (IS_ERR(av))
		return PTR_ERR(av);
	head->ah = av->index;
	head->remote_qpn = wr->remote_qpn;
	head->remote_qkey = wr->remote_qkey;
	return 0;
}

/* The fields that only some opcodes have; each opcode has its own struct around @wr. */
static int nopin_post_subject(struct nopin_send_wqe *head, const struct ib_send_wr *wr)
{
	switch ((u32)wr->opcode) {
	case IB_WR_SEND_WITH_INV:
	case IB_WR_LOCAL_INV:
		head->rkey = wr->ex.invalidate_rkey;
		head->imm_data = 0;
		return 0;
	case IB_WR_REG_MR:
		return nopin_post_reg(head, reg_wr(wr));
	case IB_WR_RDMA_WRITE:
	case IB_WR_RDMA_WRITE_WITH_IMM:
	case IB_WR_RDMA_READ:
	case IB_UVERBS_WR_ATOMIC_WRITE:
		head->remote_addr = rdma_wr(wr)->remote_addr;
		head->rkey = rdma_wr(wr)->rkey;
		return 0;
	case IB_WR_ATOMIC_CMP_AND_SWP:
	case IB_WR_ATOMIC_FETCH_AND_ADD:
		head->remote_addr = atomic_wr(wr)->remote_addr;
		head->rkey = atomic_wr(wr)->rkey;
		head->compare_add = atomic_wr(wr)->compare_add;
		head->swap = atomic_wr(wr)->swap;
		return 0;
	default:
		return 0;
	}
}

static int nopin_sq_fill(const struct nopin_qp *qp, struct nopin_send_wqe *head,
			 const struct ib_send_wr *wr)
{
	u32 opcode = wr->opcode == IB_WR_REG_MR ? NOPIN_WR_REG_MR : wr->opcode;
	const struct nopin_request *request;
	int err;

	request = nopin_request_row(opcode, qp->service->requests);
	if (!request->operation || wr->send_flags & ~NOPIN_SEND_FLAGS)
		return -EINVAL;
	memset(head, 0, sizeof(*head));
	head->wr_id = wr->wr_id;
	head->opcode = opcode;
	head->flags = wr->send_flags;
	head->imm_data = wr->ex.imm_data;
	err = qp->service->connected ? nopin_post_subject(head, wr) :
				       nopin_post_address(head, ud_wr(wr));
	return err ?: nopin_post_body(head, wr, &qp->cap);
}

/**
 * nopin_sq_post - fill the send ring of a kernel user
 * @qp: its QP
 * @wr: the requests
 * @bad_wr: gets the first that was refused; not written when none was, as RDS relies on
 *
 * Context: any.
 * Return: 0; -ENOMEM when the ring is full, or without memory for an address vector;
 *	-EINVAL for an invalid request; -ENODEV when the netdev of the address is gone.
 */
int nopin_sq_post(struct nopin_qp *qp, const struct ib_send_wr *wr,
		  const struct ib_send_wr **bad_wr)
{
	struct nopin_sq *sq = &qp->sq;
	unsigned long flags;
	int err = 0;
	void *entry;

	spin_lock_irqsave(&sq->post_lock, flags);
	for (; wr; wr = wr->next) {
		entry = nopin_queue_vacancy(&sq->queue);
		err = entry ? nopin_sq_fill(qp, entry, wr) : -ENOMEM;
		if (err)
			break;
		nopin_queue_post(&sq->queue);
	}
	spin_unlock_irqrestore(&sq->post_lock, flags);
	if (err)
		*bad_wr = wr;
	return err;
}

static int nopin_recv_fill(void *entry, const struct ib_recv_wr *wr, u32 max_sge)
{
	struct nopin_recv_wqe *head = entry;

	if (wr->num_sge < 0 || wr->num_sge > max_sge)
		return -EINVAL;
	head->wr_id = wr->wr_id;
	head->num_sge = wr->num_sge;
	head->rsvd = 0;
	nopin_post_sges(head + 1, wr->sg_list, wr->num_sge);
	return 0;
}

static int nopin_recv_post(const struct nopin_queue *queue, u32 max_sge,
			   const struct ib_recv_wr *wr, const struct ib_recv_wr **bad_wr)
{
	int err = 0;
	void *entry;

	for (; wr; wr = wr->next) {
		entry = nopin_queue_vacancy(queue);
		err = entry ? nopin_recv_fill(entry, wr, max_sge) : -ENOMEM;
		if (err)
			break;
		nopin_queue_post(queue);
	}
	if (err)
		*bad_wr = wr;
	return err;
}

/**
 * nopin_rq_post - fill the receive ring of a kernel user
 * @qp: its QP
 * @wr: the receives
 * @bad_wr: gets the first that was refused
 *
 * Context: any.
 * Return: 0; -ENOMEM when the ring is full; -EINVAL for a receive with too many elements,
 *	or when the QP takes its receives from an SRQ.
 */
int nopin_rq_post(struct nopin_qp *qp, const struct ib_recv_wr *wr,
		  const struct ib_recv_wr **bad_wr)
{
	struct nopin_rq *rq = &qp->rq;
	unsigned long flags;
	int err;

	if (!nopin_rq_has_ring(rq)) {
		*bad_wr = wr;
		return -EINVAL;
	}
	spin_lock_irqsave(&rq->post_lock, flags);
	err = nopin_recv_post(&rq->queue, qp->cap.max_recv_sge, wr, bad_wr);
	spin_unlock_irqrestore(&rq->post_lock, flags);
	return err;
}

/**
 * nopin_srq_post - fill a shared receive queue of a kernel user
 * @srq: the SRQ
 * @wr: the receives
 * @bad_wr: gets the first that was refused
 *
 * Context: any.
 * Return: 0; -ENOMEM when the ring is full; -EINVAL for a receive with too many elements.
 */
int nopin_srq_post(struct nopin_srq *srq, const struct ib_recv_wr *wr,
		   const struct ib_recv_wr **bad_wr)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&srq->post_lock, flags);
	err = nopin_recv_post(&srq->queue, srq->max_sge, wr, bad_wr);
	spin_unlock_irqrestore(&srq->post_lock, flags);
	return err;
}
