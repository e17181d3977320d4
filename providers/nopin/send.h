/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Shared by both ways of posting a send: the table of opcodes, and where the data of
 * an entry are.
 */
#ifndef NOPIN_SEND_H
#define NOPIN_SEND_H

#include "nopin.h"

/* What an opcode may do, and which members of its work request it uses. */
enum {
	NOPIN_OP_VALID = 1 << 0, /* goes over a reliable connection */
	NOPIN_OP_INLINE = 1 << 1, /* may carry its data inline */
	NOPIN_OP_IMM = 1 << 2,
	NOPIN_OP_RDMA = 1 << 3, /* wr.rdma */
	NOPIN_OP_ATOMIC = 1 << 4, /* wr.atomic */
	NOPIN_OP_DATAGRAM = 1 << 5, /* may go as a datagram, with wr.ud */
	NOPIN_OP_INV = 1 << 6, /* invalidate_rkey */
	NOPIN_OP_LOCAL = 1 << 7, /* moves no data */
	NOPIN_OP_BIND = 1 << 8, /* bind_mw */
	NOPIN_OP_UNANSWERED = 1 << 9, /* may go over an unreliable connection */
};

unsigned int nopin_send_op(unsigned int opcode);
void nopin_send_to(struct nopin_send_wqe *wqe, struct ibv_ah *ah, uint32_t remote_qpn,
		   uint32_t remote_qkey);
void nopin_send_bind(struct nopin_send_wqe *wqe, uint32_t rkey,
		     const struct ibv_mw_bind_info *info);
int nopin_send_bind_check(const struct ibv_mw *mw, uint32_t rkey,
			  const struct ibv_mw_bind_info *info);

/* The NOPIN_OP_* that an opcode needs to be posted to a QP of this type. */
static inline unsigned int nopin_op_needed(enum ibv_qp_type type)
{
	switch (type) {
	case IBV_QPT_UC:
		return NOPIN_OP_UNANSWERED;
	case IBV_QPT_UD:
		return NOPIN_OP_DATAGRAM;
	default:
		return NOPIN_OP_VALID;
	}
}

static inline bool nopin_qp_is_datagram(const struct nopin_qp *qp)
{
	return qp->vqp.qp.qp_type == IBV_QPT_UD;
}

static inline struct nopin_sge *nopin_send_sge(struct nopin_send_wqe *wqe)
{
	return (struct nopin_sge *)(wqe + 1);
}

static inline uint8_t *nopin_send_data(struct nopin_send_wqe *wqe)
{
	return (uint8_t *)(wqe + 1);
}

#endif /* NOPIN_SEND_H */
