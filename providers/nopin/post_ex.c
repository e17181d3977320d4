// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Posting sends by ibv_wr_*().
 *
 * ibv_wr_start() takes the lock of the SQ; each operation claims the next entry
 * and writes its head; the setters fill in data; ibv_wr_complete() publishes
 * all entries at once, or none if anything was refused on the way.
 */
#include <errno.h>
#include <string.h>

#include "send.h"

#ifdef NOPIN_HAVE_ATOMIC_WRITE
#define NOPIN_ATOMIC_WRITE_OP IBV_QP_EX_WITH_ATOMIC_WRITE
#else
#define NOPIN_ATOMIC_WRITE_OP 0
#endif

#ifdef NOPIN_HAVE_FLUSH
#define NOPIN_FLUSH_OP IBV_QP_EX_WITH_FLUSH
#else
#define NOPIN_FLUSH_OP 0
#endif

#define NOPIN_SEND_OPS                                                         \
	((uint64_t)IBV_QP_EX_WITH_RDMA_WRITE |                                 \
	 IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM | IBV_QP_EX_WITH_SEND |            \
	 IBV_QP_EX_WITH_SEND_WITH_IMM | IBV_QP_EX_WITH_RDMA_READ |             \
	 IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP |                                   \
	 IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD | IBV_QP_EX_WITH_LOCAL_INV |      \
	 IBV_QP_EX_WITH_SEND_WITH_INV | IBV_QP_EX_WITH_BIND_MW |               \
	 NOPIN_ATOMIC_WRITE_OP | NOPIN_FLUSH_OP)

/* Length of what an ATOMIC WRITE writes. */
#define NOPIN_ATOMIC_BYTES 8

#define NOPIN_UNANSWERED_OPS                                                   \
	((uint64_t)IBV_QP_EX_WITH_RDMA_WRITE |                                 \
	 IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM | IBV_QP_EX_WITH_SEND |            \
	 IBV_QP_EX_WITH_SEND_WITH_IMM | IBV_QP_EX_WITH_LOCAL_INV |             \
	 IBV_QP_EX_WITH_BIND_MW)

#define NOPIN_DATAGRAM_OPS                                                     \
	((uint64_t)IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM)

static void wr_start(struct ibv_qp_ex *ibqp)
{
	struct nopin_qp *qp = to_nopin_qp_ex(ibqp);

	nopin_pay_others(qp);
	nopin_wq_lock(&qp->sq);
	qp->next = qp->sq.producer;
	qp->wqe = NULL;
	qp->wr_err = nopin_qp_may_send(&qp->vqp.qp) ? 0 : EINVAL;
}

/* From here on nothing is posted, and setters find no entry to work on. */
static void wr_fail(struct nopin_qp *qp, int err)
{
	if (!qp->wr_err)
		qp->wr_err = err;
	qp->wqe = NULL;
}

static struct nopin_send_wqe *wr_claim(struct nopin_qp *qp,
				       enum ibv_wr_opcode opcode)
{
	/* The setters say whether data is inline, not IBV_SEND_INLINE. */
	uint32_t flags = qp->vqp.qp_ex.wr_flags & ~NOPIN_SEND_INLINE;
	struct nopin_send_wqe *wqe;

	if (flags & ~NOPIN_SEND_FLAGS)
		wr_fail(qp, EINVAL);
	else if (!nopin_wq_has_room(&qp->sq, qp->next))
		wr_fail(qp, ENOMEM);
	if (qp->wr_err)
		return NULL;

	wqe = nopin_queue_entry(&qp->sq.queue, qp->next++);
	*wqe = (struct nopin_send_wqe){
		.wr_id = qp->vqp.qp_ex.wr_id,
		.opcode = opcode,
		.flags = flags | qp->send_flags,
	};
	qp->wqe = wqe;
	return wqe;
}

static void wr_send(struct ibv_qp_ex *ibqp)
{
	wr_claim(to_nopin_qp_ex(ibqp), IBV_WR_SEND);
}

static void wr_send_imm(struct ibv_qp_ex *ibqp, __be32 imm_data)
{
	struct nopin_send_wqe *wqe;

	wqe = wr_claim(to_nopin_qp_ex(ibqp), IBV_WR_SEND_WITH_IMM);
	if (wqe)
		wqe->imm_data = imm_data;
}

static struct nopin_send_wqe *wr_claim_rdma(struct ibv_qp_ex *ibqp,
					    enum ibv_wr_opcode opcode,
					    uint32_t rkey, uint64_t remote_addr)
{
	struct nopin_send_wqe *wqe;

	wqe = wr_claim(to_nopin_qp_ex(ibqp), opcode);
	if (wqe) {
		wqe->rkey = rkey;
		wqe->remote_addr = remote_addr;
	}
	return wqe;
}

static void wr_rdma_write(struct ibv_qp_ex *ibqp, uint32_t rkey,
			  uint64_t remote_addr)
{
	wr_claim_rdma(ibqp, IBV_WR_RDMA_WRITE, rkey, remote_addr);
}

static void wr_rdma_write_imm(struct ibv_qp_ex *ibqp, uint32_t rkey,
			      uint64_t remote_addr, __be32 imm_data)
{
	struct nopin_send_wqe *wqe;

	wqe = wr_claim_rdma(ibqp, IBV_WR_RDMA_WRITE_WITH_IMM, rkey,
			    remote_addr);
	if (wqe)
		wqe->imm_data = imm_data;
}

static void wr_rdma_read(struct ibv_qp_ex *ibqp, uint32_t rkey,
			 uint64_t remote_addr)
{
	wr_claim_rdma(ibqp, IBV_WR_RDMA_READ, rkey, remote_addr);
}

static void wr_atomic_cmp_swp(struct ibv_qp_ex *ibqp, uint32_t rkey,
			      uint64_t remote_addr, uint64_t compare,
			      uint64_t swap)
{
	struct nopin_send_wqe *wqe;

	wqe = wr_claim_rdma(ibqp, IBV_WR_ATOMIC_CMP_AND_SWP, rkey, remote_addr);
	if (wqe) {
		wqe->compare_add = compare;
		wqe->swap = swap;
	}
}

static void wr_atomic_fetch_add(struct ibv_qp_ex *ibqp, uint32_t rkey,
				uint64_t remote_addr, uint64_t add)
{
	struct nopin_send_wqe *wqe;

	wqe = wr_claim_rdma(ibqp, IBV_WR_ATOMIC_FETCH_AND_ADD, rkey,
			    remote_addr);
	if (wqe)
		wqe->compare_add = add;
}

#ifdef NOPIN_HAVE_ATOMIC_WRITE
/* The value is inline, in the place of an element, whatever max_inline_data is. */
static void wr_atomic_write(struct ibv_qp_ex *ibqp, uint32_t rkey, uint64_t remote_addr,
			    const void *value)
{
	struct nopin_send_wqe *wqe;

	wqe = wr_claim_rdma(ibqp, IBV_WR_ATOMIC_WRITE, rkey, remote_addr);
	if (!wqe)
		return;
	if (!to_nopin_qp_ex(ibqp)->sq.max_sge) {
		wr_fail(to_nopin_qp_ex(ibqp), EINVAL);
		return;
	}
	memcpy(nopin_send_data(wqe), value, NOPIN_ATOMIC_BYTES);
	wqe->flags |= NOPIN_SEND_INLINE;
	wqe->inline_len = NOPIN_ATOMIC_BYTES;
}
#endif

#ifdef NOPIN_HAVE_FLUSH
static void wr_flush(struct ibv_qp_ex *ibqp, uint32_t rkey, uint64_t remote_addr,
		     size_t len, uint8_t type, uint8_t level)
{
	struct nopin_send_wqe *wqe;

	wqe = wr_claim_rdma(ibqp, IBV_WR_FLUSH, rkey, remote_addr);
	if (wqe) {
		wqe->flush_length = len;
		wqe->flush_type = type;
		wqe->flush_level = level;
	}
}
#endif

static void wr_claim_inv(struct ibv_qp_ex *ibqp, enum ibv_wr_opcode opcode,
			 uint32_t invalidate_rkey)
{
	struct nopin_send_wqe *wqe;

	wqe = wr_claim(to_nopin_qp_ex(ibqp), opcode);
	if (wqe)
		wqe->rkey = invalidate_rkey;
}

static void wr_send_inv(struct ibv_qp_ex *ibqp, uint32_t invalidate_rkey)
{
	wr_claim_inv(ibqp, IBV_WR_SEND_WITH_INV, invalidate_rkey);
}

static void wr_local_inv(struct ibv_qp_ex *ibqp, uint32_t invalidate_rkey)
{
	wr_claim_inv(ibqp, IBV_WR_LOCAL_INV, invalidate_rkey);
}

static void wr_claim_bind(struct ibv_qp_ex *ibqp, uint32_t rkey,
			  const struct ibv_mw_bind_info *info)
{
	struct nopin_send_wqe *wqe;

	wqe = wr_claim(to_nopin_qp_ex(ibqp), IBV_WR_BIND_MW);
	if (wqe)
		nopin_send_bind(wqe, rkey, info);
}

static void wr_bind_mw(struct ibv_qp_ex *ibqp, struct ibv_mw *mw, uint32_t rkey,
		       const struct ibv_mw_bind_info *info)
{
	int ret = nopin_send_bind_check(mw, rkey, info);

	if (ret)
		wr_fail(to_nopin_qp_ex(ibqp), ret);
	else
		wr_claim_bind(ibqp, rkey, info);
}

static void wr_set_ud_addr(struct ibv_qp_ex *ibqp, struct ibv_ah *ah,
			   uint32_t remote_qpn, uint32_t remote_qkey)
{
	struct nopin_qp *qp = to_nopin_qp_ex(ibqp);

	if (qp->wqe)
		nopin_send_to(qp->wqe, ah, remote_qpn, remote_qkey);
}

static void wr_set_xrc_srqn(struct ibv_qp_ex *ibqp, uint32_t remote_srqn)
{
	struct nopin_qp *qp = to_nopin_qp_ex(ibqp);

	if (qp->wqe)
		qp->wqe->remote_srqn = remote_srqn;
}

static void wr_set_sge_list(struct ibv_qp_ex *ibqp, size_t num_sge,
			    const struct ibv_sge *sg_list)
{
	struct nopin_qp *qp = to_nopin_qp_ex(ibqp);

	if (!qp->wqe)
		return;
	if (num_sge > qp->sq.max_sge) {
		wr_fail(qp, EINVAL);
		return;
	}
	qp->wqe->num_sge = (uint32_t)num_sge;
	if (num_sge)
		memcpy(nopin_send_sge(qp->wqe), sg_list,
		       num_sge * sizeof(*sg_list));
}

static void wr_set_sge(struct ibv_qp_ex *ibqp, uint32_t lkey, uint64_t addr,
		       uint32_t length)
{
	struct ibv_sge sge = { .addr = addr, .length = length, .lkey = lkey };

	wr_set_sge_list(ibqp, 1, &sge);
}

static void wr_set_inline_data_list(struct ibv_qp_ex *ibqp, size_t num_buf,
				    const struct ibv_data_buf *buf_list)
{
	struct nopin_qp *qp = to_nopin_qp_ex(ibqp);
	size_t length = 0, i;

	if (!qp->wqe)
		return;
	if (!(nopin_send_op(qp->wqe->opcode) & NOPIN_OP_INLINE)) {
		wr_fail(qp, EINVAL);
		return;
	}
	for (i = 0; i < num_buf; i++) {
		if (buf_list[i].length > qp->max_inline - length) {
			wr_fail(qp, EINVAL);
			return;
		}
		if (!buf_list[i].length)
			continue;
		memcpy(nopin_send_data(qp->wqe) + length, buf_list[i].addr,
		       buf_list[i].length);
		length += buf_list[i].length;
	}
	qp->wqe->flags |= NOPIN_SEND_INLINE;
	qp->wqe->inline_len = (uint32_t)length;
}

static void wr_set_inline_data(struct ibv_qp_ex *ibqp, void *addr, size_t length)
{
	struct ibv_data_buf buf = { .addr = addr, .length = length };

	wr_set_inline_data_list(ibqp, 1, &buf);
}

static int wr_complete(struct ibv_qp_ex *ibqp)
{
	struct nopin_qp *qp = to_nopin_qp_ex(ibqp);
	int ret = qp->wr_err;
	bool ring;

	ring = !ret && nopin_wq_publish(&qp->sq, qp->next) && !nopin_defer(qp);
	qp->wqe = NULL;
	nopin_wq_unlock(&qp->sq);

	if (ret) /* so that a full queue gets room, whoever has filled it */
		nopin_pay_qp(qp);
	return ring ? nopin_doorbell_send(&qp->vqp.qp) : ret;
}

static void wr_abort(struct ibv_qp_ex *ibqp)
{
	struct nopin_qp *qp = to_nopin_qp_ex(ibqp);

	qp->wqe = NULL;
	nopin_wq_unlock(&qp->sq);
}

/* For a window of type 1, which gets a new key. What the program has set for ibv_wr_*() stays. */
int nopin_bind_mw(struct ibv_qp *ibqp, struct ibv_mw *mw, struct ibv_mw_bind *bind)
{
	struct ibv_qp_ex *qp = &to_nopin_qp(ibqp)->vqp.qp_ex;
	uint32_t rkey = ibv_inc_rkey(mw->rkey);
	unsigned int wr_flags;
	uint64_t wr_id;
	int ret;

	if (!(nopin_send_op(IBV_WR_BIND_MW) & to_nopin_qp(ibqp)->op_needed))
		return EINVAL;
	wr_start(qp);
	wr_id = qp->wr_id;
	wr_flags = qp->wr_flags;
	qp->wr_id = bind->wr_id;
	qp->wr_flags = bind->send_flags;
	wr_claim_bind(qp, rkey, &bind->bind_info);
	qp->wr_id = wr_id;
	qp->wr_flags = wr_flags;
	ret = wr_complete(qp);
	if (!ret)
		mw->rkey = rkey;
	return ret;
}

bool nopin_qp_ex_supported(const struct ibv_qp_init_attr_ex *attr)
{
	if (!(attr->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS))
		return true;
	switch (attr->qp_type) {
	case IBV_QPT_RC:
	case IBV_QPT_XRC_SEND:
		return !(attr->send_ops_flags & ~NOPIN_SEND_OPS);
	case IBV_QPT_UC:
		return !(attr->send_ops_flags & ~NOPIN_UNANSWERED_OPS);
	case IBV_QPT_UD:
		return !(attr->send_ops_flags & ~NOPIN_DATAGRAM_OPS);
	default:
		return false;
	}
}

void nopin_qp_ex_init(struct ibv_qp_ex *qp, uint64_t send_ops)
{
	qp->wr_start = wr_start;
	qp->wr_complete = wr_complete;
	qp->wr_abort = wr_abort;
	qp->wr_set_ud_addr = wr_set_ud_addr;
	qp->wr_set_xrc_srqn = wr_set_xrc_srqn;
	qp->wr_set_sge = wr_set_sge;
	qp->wr_set_sge_list = wr_set_sge_list;
	qp->wr_set_inline_data = wr_set_inline_data;
	qp->wr_set_inline_data_list = wr_set_inline_data_list;

	if (send_ops & IBV_QP_EX_WITH_SEND)
		qp->wr_send = wr_send;
	if (send_ops & IBV_QP_EX_WITH_SEND_WITH_IMM)
		qp->wr_send_imm = wr_send_imm;
	if (send_ops & IBV_QP_EX_WITH_RDMA_WRITE)
		qp->wr_rdma_write = wr_rdma_write;
	if (send_ops & IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM)
		qp->wr_rdma_write_imm = wr_rdma_write_imm;
	if (send_ops & IBV_QP_EX_WITH_RDMA_READ)
		qp->wr_rdma_read = wr_rdma_read;
	if (send_ops & IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP)
		qp->wr_atomic_cmp_swp = wr_atomic_cmp_swp;
	if (send_ops & IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD)
		qp->wr_atomic_fetch_add = wr_atomic_fetch_add;
#ifdef NOPIN_HAVE_ATOMIC_WRITE
	if (send_ops & IBV_QP_EX_WITH_ATOMIC_WRITE)
		qp->wr_atomic_write = wr_atomic_write;
#endif
#ifdef NOPIN_HAVE_FLUSH
	if (send_ops & IBV_QP_EX_WITH_FLUSH)
		qp->wr_flush = wr_flush;
#endif
	if (send_ops & IBV_QP_EX_WITH_SEND_WITH_INV)
		qp->wr_send_inv = wr_send_inv;
	if (send_ops & IBV_QP_EX_WITH_LOCAL_INV)
		qp->wr_local_inv = wr_local_inv;
	if (send_ops & IBV_QP_EX_WITH_BIND_MW)
		qp->wr_bind_mw = wr_bind_mw;
}
