// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The extended poll: ibv_start_poll(), ibv_next_poll(), ibv_end_poll() and the
 * ibv_wc_read_*() of the completion in between.
 *
 * The consumer is published at the end only, so the completions of a batch
 * stay in place while they are read.
 */
#include <errno.h>

#include "nopin.h"

#define NOPIN_WC_EX_FLAGS                                                      \
	((uint64_t)IBV_WC_STANDARD_FLAGS |                                     \
	 IBV_WC_EX_WITH_COMPLETION_TIMESTAMP |                                 \
	 IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK)

/* Moves on to the next completion. */
static int cq_ex_take(struct nopin_cq *cq)
{
	if (cq->consumer == nopin_queue_producer(&cq->queue))
		return ENOENT;

	cq->cqe = nopin_queue_entry(&cq->queue, cq->consumer++);
	cq->vcq.cq_ex.wr_id = cq->cqe->wr_id;
	cq->vcq.cq_ex.status = cq->cqe->status;
	return 0;
}

/* If there is a completion, the CQ stays locked. */
static int cq_ex_begin(struct nopin_cq *cq)
{
	int ret;

	nopin_cq_lock(cq);
	ret = cq_ex_take(cq);
	if (ret)
		nopin_cq_unlock(cq);
	return ret;
}

static int cq_ex_start_poll(struct ibv_cq_ex *ibcq,
			    struct ibv_poll_cq_attr *attr)
{
	struct nopin_cq *cq = to_nopin_cq_ex(ibcq);
	int ret;

	if (attr->comp_mask)
		return EINVAL;

	ret = cq_ex_begin(cq);
	if (ret && nopin_cq_vain(cq))
		ret = cq_ex_begin(cq);
	return ret;
}

static int cq_ex_next_poll(struct ibv_cq_ex *ibcq)
{
	return cq_ex_take(to_nopin_cq_ex(ibcq));
}

static void cq_ex_end_poll(struct ibv_cq_ex *ibcq)
{
	struct nopin_cq *cq = to_nopin_cq_ex(ibcq);

	cq->cqe = NULL;
	nopin_queue_consume(&cq->queue, cq->consumer);
	nopin_cq_unlock(cq);
}

static enum ibv_wc_opcode cq_ex_read_opcode(struct ibv_cq_ex *ibcq)
{
	return to_nopin_cq_ex(ibcq)->cqe->opcode;
}

static uint32_t cq_ex_read_vendor_err(struct ibv_cq_ex *ibcq)
{
	return to_nopin_cq_ex(ibcq)->cqe->vendor_err;
}

static unsigned int cq_ex_read_wc_flags(struct ibv_cq_ex *ibcq)
{
	return to_nopin_cq_ex(ibcq)->cqe->wc_flags;
}

static uint32_t cq_ex_read_byte_len(struct ibv_cq_ex *ibcq)
{
	return to_nopin_cq_ex(ibcq)->cqe->byte_len;
}

static __be32 cq_ex_read_imm_data(struct ibv_cq_ex *ibcq)
{
	return to_nopin_cq_ex(ibcq)->cqe->imm_data;
}

static uint32_t cq_ex_read_qp_num(struct ibv_cq_ex *ibcq)
{
	return to_nopin_cq_ex(ibcq)->cqe->qp_num;
}

static uint32_t cq_ex_read_src_qp(struct ibv_cq_ex *ibcq)
{
	return to_nopin_cq_ex(ibcq)->cqe->src_qp;
}

/* The device's clock counts nanoseconds of real time, so both timestamps are this one. */
static uint64_t cq_ex_read_timestamp(struct ibv_cq_ex *ibcq)
{
	return to_nopin_cq_ex(ibcq)->cqe->timestamp;
}

static uint8_t cq_ex_read_sl(struct ibv_cq_ex *ibcq)
{
	return (uint8_t)to_nopin_cq_ex(ibcq)->cqe->sl;
}

/* LIDs are InfiniBand's; on Ethernet they are 0. */

static uint32_t cq_ex_read_slid(struct ibv_cq_ex *ibcq nopin_unused)
{
	return 0;
}

static uint8_t cq_ex_read_dlid_path_bits(struct ibv_cq_ex *ibcq nopin_unused)
{
	return 0;
}

/* A program may name a parent domain; its allocator is not used, see pd.c. */
#define NOPIN_CQ_COMP_MASK						\
	((uint32_t)(IBV_CQ_INIT_ATTR_MASK_FLAGS | IBV_CQ_INIT_ATTR_MASK_PD))

bool nopin_cq_ex_supported(const struct ibv_cq_init_attr_ex *attr)
{
	if (attr->comp_mask & ~NOPIN_CQ_COMP_MASK)
		return false;
	if (attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS &&
	    attr->flags & ~(uint32_t)IBV_CREATE_CQ_ATTR_SINGLE_THREADED)
		return false;
	return !(attr->wc_flags & ~NOPIN_WC_EX_FLAGS);
}

void nopin_cq_ex_init(struct ibv_cq_ex *cq, uint64_t wc_flags)
{
	cq->start_poll = cq_ex_start_poll;
	cq->next_poll = cq_ex_next_poll;
	cq->end_poll = cq_ex_end_poll;
	cq->read_opcode = cq_ex_read_opcode;
	cq->read_vendor_err = cq_ex_read_vendor_err;
	cq->read_wc_flags = cq_ex_read_wc_flags;

	if (wc_flags & IBV_WC_EX_WITH_BYTE_LEN)
		cq->read_byte_len = cq_ex_read_byte_len;
	if (wc_flags & IBV_WC_EX_WITH_IMM)
		cq->read_imm_data = cq_ex_read_imm_data;
	if (wc_flags & IBV_WC_EX_WITH_QP_NUM)
		cq->read_qp_num = cq_ex_read_qp_num;
	if (wc_flags & IBV_WC_EX_WITH_SRC_QP)
		cq->read_src_qp = cq_ex_read_src_qp;
	if (wc_flags & IBV_WC_EX_WITH_SLID)
		cq->read_slid = cq_ex_read_slid;
	if (wc_flags & IBV_WC_EX_WITH_SL)
		cq->read_sl = cq_ex_read_sl;
	if (wc_flags & IBV_WC_EX_WITH_DLID_PATH_BITS)
		cq->read_dlid_path_bits = cq_ex_read_dlid_path_bits;
	if (wc_flags & IBV_WC_EX_WITH_COMPLETION_TIMESTAMP)
		cq->read_completion_ts = cq_ex_read_timestamp;
	if (wc_flags & IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK)
		cq->read_completion_wallclock_ns = cq_ex_read_timestamp;
}
