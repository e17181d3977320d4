/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What each work request is: one row, by enum ib_uverbs_wr_opcode. */
#ifndef NOPIN_REQUEST_H
#define NOPIN_REQUEST_H

#include <linux/bits.h>
#include <linux/types.h>

#include "wire/opcode.h"

/*
 * IB_WR_REG_MR, in the rings of kernel users: programs have no such request, and the
 * core's number for it is not the index of a bit.
 */
#define NOPIN_WR_REG_MR		31

/* Rows of the table. */
#define NOPIN_REQUESTS		32

/**
 * struct nopin_request - one row
 * @completion: enum ib_uverbs_wc_opcode that it completes with
 * @operation: what it asks the peer to do; NOPIN_NO_OPERATION: there is no such request
 * @opcode: of its packets, by enum nopin_message_place
 * @bare: it has no data at all
 * @may_inline: its data may stand in the work request
 * @answered: it has a response of its own, and is one of max_rd_atomic while it is in
 *	flight (IBTA 9.7.5.1.1, A19)
 * @fetches: that brings data into local memory, which needs IB_ACCESS_LOCAL_WRITE
 * @takes_recv: at the peer it completes a receive
 * @invalidates: at the peer it invalidates a key
 * @length: the only one that it may have, in bytes; 0: any
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
 * nopin_request_row - what a work request is
 * @opcode: enum ib_uverbs_wr_opcode, or anything else
 * @requests: those that may be posted, bits of enum ib_uverbs_wr_opcode
 *
 * Context: any.
 * Return: its row; with NOPIN_NO_OPERATION when there is no such request here.
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

/* Does its response say no more than that it was done? */
static inline bool nopin_request_is_confirmed(const struct nopin_request *request)
{
	return request->answered && !request->fetches;
}

/* Is it carried out here, without the peer? */
static inline bool nopin_request_is_local(const struct nopin_request *request)
{
	return request->operation >= NOPIN_AT_HOME;
}

#endif /* NOPIN_REQUEST_H */
