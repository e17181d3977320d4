// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Taking work requests out of a program's rings. The program may scribble over
 * an entry at any time, so each byte is copied once and only the copy is read.
 */
#include <linux/string.h>

#include "device.h"
#include "mem/sge.h"
#include "qp/wqe.h"

struct nopin_wr_rule {
	bool known;
	bool may_inline;
	bool atomic;
};

static const struct nopin_wr_rule nopin_wr_rules[] = {
	[IB_UVERBS_WR_RDMA_WRITE]		= { .known = true, .may_inline = true },
	[IB_UVERBS_WR_RDMA_WRITE_WITH_IMM]	= { .known = true, .may_inline = true },
	[IB_UVERBS_WR_SEND]			= { .known = true, .may_inline = true },
	[IB_UVERBS_WR_SEND_WITH_IMM]		= { .known = true, .may_inline = true },
	[IB_UVERBS_WR_RDMA_READ]		= { .known = true },
	[IB_UVERBS_WR_ATOMIC_CMP_AND_SWP]	= { .known = true, .atomic = true },
	[IB_UVERBS_WR_ATOMIC_FETCH_AND_ADD]	= { .known = true, .atomic = true },
};

static void nopin_swqe_copy_head(struct nopin_swqe *swqe,
				 const struct nopin_send_wqe *head)
{
	swqe->wr_id = head->wr_id;
	swqe->opcode = head->opcode;
	swqe->flags = head->flags;
	swqe->imm_data = head->imm_data;
	swqe->num_sge = head->num_sge;
	swqe->inline_len = head->inline_len;
	swqe->rkey = head->rkey;
	swqe->remote_addr = head->remote_addr;
	swqe->compare_add = head->compare_add;
	swqe->swap = head->swap;
	swqe->length = 0;
	swqe->status = IB_WC_SUCCESS;
	swqe->numbered = false;
}

static int nopin_swqe_check_head(const struct nopin_swqe *swqe,
				 const struct ib_qp_cap *cap)
{
	const struct nopin_wr_rule *rule;

	if (swqe->opcode >= ARRAY_SIZE(nopin_wr_rules))
		return -EINVAL;
	rule = &nopin_wr_rules[swqe->opcode];
	if (!rule->known || swqe->flags & ~NOPIN_SEND_FLAGS)
		return -EINVAL;
	if (swqe->flags & NOPIN_SEND_INLINE)
		return rule->may_inline && !swqe->num_sge &&
		       swqe->inline_len <= cap->max_inline_data ? 0 : -EINVAL;
	return swqe->num_sge <= cap->max_send_sge && !swqe->inline_len ? 0 : -EINVAL;
}

static int nopin_swqe_set_length(struct nopin_swqe *swqe)
{
	u64 length = swqe->inline_len;

	if (!(swqe->flags & NOPIN_SEND_INLINE))
		length = nopin_sges_length(swqe->sge, swqe->num_sge);
	if (length > NOPIN_MAX_MSG)
		return -EMSGSIZE;
	if (nopin_wr_rules[swqe->opcode].atomic && length != sizeof(u64))
		return -EINVAL;
	swqe->length = length;
	return 0;
}

/**
 * nopin_swqe_take - copy one send request and check the copy
 * @swqe: gets it; wr_id is valid whatever the result
 * @entry: in the shared ring
 * @cap: of the QP
 *
 * Context: any.
 * Return: 0; -EMSGSIZE for a message longer than the port's longest; -EINVAL for a
 *	request that is none.
 */
int nopin_swqe_take(struct nopin_swqe *swqe, const void *entry,
		    const struct ib_qp_cap *cap)
{
	struct nopin_send_wqe head __uninitialized;
	int err;

	memcpy(&head, entry, sizeof(head));
	barrier(); /* the copy is what is looked at: no second load */
	nopin_swqe_copy_head(swqe, &head);
	err = head.rsvd ? -EINVAL : nopin_swqe_check_head(swqe, cap);
	if (err)
		return err;

	entry += sizeof(head);
	if (swqe->flags & NOPIN_SEND_INLINE)
		memcpy(swqe->data, entry, swqe->inline_len);
	else
		memcpy(swqe->sge, entry, swqe->num_sge * sizeof(swqe->sge[0]));
	barrier(); /* as above */
	return nopin_swqe_set_length(swqe);
}

/**
 * nopin_rwqe_take - copy one receive request and check the copy
 * @rwqe: gets it; wr_id is valid whatever the result
 * @entry: in the shared ring
 * @cap: of the QP
 *
 * Context: any.
 * Return: 0, or -EINVAL for a request that is none.
 */
int nopin_rwqe_take(struct nopin_rwqe *rwqe, const void *entry,
		    const struct ib_qp_cap *cap)
{
	struct nopin_recv_wqe head;

	memcpy(&head, entry, sizeof(head));
	barrier(); /* the copy is what is looked at: no second load */
	rwqe->wr_id = head.wr_id;
	rwqe->num_sge = 0;
	rwqe->length = 0;
	if (head.rsvd || head.num_sge > cap->max_recv_sge)
		return -EINVAL;

	rwqe->num_sge = head.num_sge;
	memcpy(rwqe->sge, entry + sizeof(head), head.num_sge * sizeof(rwqe->sge[0]));
	barrier(); /* as above */
	rwqe->length = nopin_sges_length(rwqe->sge, rwqe->num_sge);
	return 0;
}
