/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The table of work requests: one row for each enum ib_uverbs_wr_opcode. */
#ifndef NOPIN_REQUEST_H
#define NOPIN_REQUEST_H

#include <linux/bits.h>
#include <linux/types.h>

#include "wire/opcode.h"

/*
 * IB_WR_REG_MR in the rings of kernel users. Programs have no such request. The core's
 * value is too large for the bits of nopin_service.requests.
 */
#define NOPIN_WR_REG_MR		31

/* Rows of the table. */
#define NOPIN_REQUESTS		32

/**
 * struct nopin_request - a kind of work request
 * @completion: enum ib_uverbs_wc_opcode that it completes with
 * @operation: enum nopin_operation; NOPIN_NO_OPERATION: there is no such request
 * @opcode: opcodes of its packets, by enum nopin_message_place
 * @bare: it has no data, and so no elements
 * @may_inline: its data may be inline
 * @answered: it has a response of its own, and counts against max_rd_atomic while it is
 *	in flight (IBTA 9.7.5.1.1, A19)
 * @fetches: the response brings data into local memory, which needs IB_ACCESS_LOCAL_WRITE
 * @takes_recv: it completes a receive at the peer
 * @invalidates: it invalidates a key at the peer
 * @length: the only length that it may have, in bytes; 0: any
 */
struct nopin_request {
	u8 completion;
	u8 operation;
	u8 opcode[4];
	bool bare;
	bool may_inline;
	bool answered;
	bool fetches;
	bool takes_recv;
	bool invalidates;
	u8 length;
};

extern const struct nopin_request nopin_requests[NOPIN_REQUESTS];
extern const struct nopin_request nopin_no_request;

/**
 * nopin_request_row - find the row of a work request
 * @opcode: enum ib_uverbs_wr_opcode; any other value is safe
 * @requests: requests that may be posted, bits of enum ib_uverbs_wr_opcode
 *
 * Context: any.
 * Return: the row; nopin_no_request when this request may not be posted.
 */
static inline const struct nopin_request *nopin_request_row(u32 opcode, u32 requests)
{
	if (opcode >= NOPIN_REQUESTS || !(requests & BIT(opcode)))
		return &nopin_no_request;
	return &nopin_requests[opcode];
}

static inline bool nopin_request_is_atomic(const struct nopin_request *request)
{
	return request->operation == NOPIN_CMP_SWAP ||
	       request->operation == NOPIN_FETCH_ADD;
}

/* Does the peer's response say only that the request is done? */
static inline bool nopin_request_is_confirmed(const struct nopin_request *request)
{
	return request->answered && !request->fetches;
}

/* Is the request carried out here, without the peer? */
static inline bool nopin_request_is_local(const struct nopin_request *request)
{
	return request->operation >= NOPIN_AT_HOME;
}

#endif /* NOPIN_REQUEST_H */
