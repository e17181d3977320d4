// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Taking work requests out of a program's rings. The program may overwrite an entry at
 * any time, so each field is read once, and only the copy is checked and used.
 */
#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "device.h"
#include "qp/wqe.h"

/* Return: the value of the reserved field, which has to be 0. */
static u32 nopin_swqe_copy_head(struct nopin_swqe *swqe,
				const struct nopin_send_wqe *head, u32 requests)
{
	swqe->wr_id = READ_ONCE(head->wr_id);
	swqe->request = nopin_request_row(READ_ONCE(head->opcode), requests);
	swqe->flags = READ_ONCE(head->flags);
	swqe->imm_data = READ_ONCE(head->imm_data);
	swqe->num_sge = READ_ONCE(head->num_sge);
	swqe->inline_len = READ_ONCE(head->inline_len);
	swqe->rkey = READ_ONCE(head->rkey);
	swqe->remote_addr = READ_ONCE(head->remote_addr);
	swqe->compare_add = READ_ONCE(head->compare_add);
	swqe->swap = READ_ONCE(head->swap);
	swqe->remote_srqn = READ_ONCE(head->remote_srqn);
	swqe->length = 0;
	swqe->status = IB_WC_SUCCESS;
	swqe->numbered = false;
	return READ_ONCE(head->rsvd);
}

/* Return: bytes that the elements describe; cannot overflow. */
static u64 nopin_sges_copy(struct nopin_sge *to, const struct nopin_sge *from, u32 num)
{
	u64 length = 0;
	u32 i;

	for (i = 0; i < num; i++) {
		to[i].addr = READ_ONCE(from[i].addr);
		to[i].length = READ_ONCE(from[i].length);
		to[i].lkey = READ_ONCE(from[i].lkey);
		length += to[i].length;
	}
	return length;
}

/* Inline data of a fixed length also fits in the place of an element. */
static u32 nopin_swqe_max_inline(const struct nopin_swqe *swqe, const struct ib_qp_cap *cap)
{
	u32 length = cap->max_send_sge ? swqe->request->length : 0;

	return max(cap->max_inline_data, length);
}

static bool nopin_swqe_may_flush(const struct nopin_swqe *swqe)
{
	return swqe->flush_type && !(swqe->flush_type & ~NOPIN_FLUSH_TYPES) &&
	       swqe->flush_level <= NOPIN_FLUSH_MR && swqe->flush_length <= U32_MAX;
}

static int nopin_swqe_check_head(const struct nopin_swqe *swqe,
				 const struct ib_qp_cap *cap)
{
	const struct nopin_request *request = swqe->request;

	if (!request->operation || swqe->flags & ~NOPIN_SEND_FLAGS)
		return -EINVAL;
	if (request->bare && swqe->num_sge)
		return -EINVAL;
	if (request->operation == NOPIN_FLUSH && !nopin_swqe_may_flush(swqe))
		return -EINVAL;
	if (swqe->flags & NOPIN_SEND_INLINE)
		return request->may_inline && !swqe->num_sge &&
		       swqe->inline_len <= nopin_swqe_max_inline(swqe, cap) ? 0 : -EINVAL;
	return swqe->num_sge <= cap->max_send_sge && !swqe->inline_len ? 0 : -EINVAL;
}

static int nopin_swqe_set_length(struct nopin_swqe *swqe, u64 length)
{
	if (length > NOPIN_MAX_MSG)
		return -EMSGSIZE;
	if (swqe->request->length && length != swqe->request->length)
		return -EINVAL;
	swqe->length = length;
	return 0;
}

/* Return: bytes of the message. */
static u64 nopin_swqe_copy_body(struct nopin_swqe *swqe, const void *body)
{
	if (!(swqe->flags & NOPIN_SEND_INLINE))
		return nopin_sges_copy(swqe->sge, body, swqe->num_sge);
	memcpy(swqe->data, body, swqe->inline_len);
	return swqe->inline_len;
}

/**
 * nopin_swqe_take - copy one send request and check the copy
 * @swqe: filled in; wr_id and request are valid whatever the result
 * @entry: the entry in the shared ring
 * @cap: capabilities of the QP
 * @requests: requests that may be posted, bits of enum ib_uverbs_wr_opcode
 *
 * Context: any.
 * Return: 0; -EMSGSIZE for a message longer than NOPIN_MAX_MSG; -EINVAL for any other
 *	invalid request.
 */
int nopin_swqe_take(struct nopin_swqe *swqe, const void *entry,
		    const struct ib_qp_cap *cap, u32 requests)
{
	u32 rsvd = nopin_swqe_copy_head(swqe, entry, requests);
	int err = rsvd ? -EINVAL : nopin_swqe_check_head(swqe, cap);

	if (err)
		return err;
	entry += sizeof(struct nopin_send_wqe);
	return nopin_swqe_set_length(swqe, nopin_swqe_copy_body(swqe, entry));
}

/**
 * nopin_rwqe_take - copy one receive request and check the copy
 * @rwqe: filled in; wr_id is valid whatever the result, and an invalid one has no room
 * @entry: the entry in the shared ring
 * @max_sge: most elements of a receive in this queue
 *
 * Context: any.
 * Return: 0, or -EINVAL for an invalid request.
 */
int nopin_rwqe_take(struct nopin_rwqe *rwqe, const void *entry, u32 max_sge)
{
	const struct nopin_recv_wqe *head = entry;
	u32 num_sge = READ_ONCE(head->num_sge);

	rwqe->wr_id = READ_ONCE(head->wr_id);
	rwqe->num_sge = 0;
	rwqe->length = 0;
	if (READ_ONCE(head->rsvd) || num_sge > max_sge)
		return -EINVAL;
	rwqe->num_sge = num_sge;
	rwqe->length = nopin_sges_copy(rwqe->sge, entry + sizeof(*head), num_sge);
	return 0;
}
