/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* BTH opcodes and what each implies (IBTA 9.2.1, table 38). */
#ifndef NOPIN_OPCODE_H
#define NOPIN_OPCODE_H

#include <linux/types.h>

/* The transport service that an opcode belongs to: its three highest bits. */
enum nopin_wire_service {
	NOPIN_WIRE_RC	= 0x00,
	NOPIN_WIRE_UC	= 0x20,
	NOPIN_WIRE_UD	= 0x60,
	NOPIN_WIRE_CNP	= 0x80,
	NOPIN_WIRE_XRC	= 0xa0,
};

#define NOPIN_WIRE_SERVICE	0xe0

/* Other services use the numbers of RC, with the three bits of their own. */
enum nopin_opcode {
	NOPIN_RC_SEND_FIRST		= 0x00,
	NOPIN_RC_SEND_MIDDLE		= 0x01,
	NOPIN_RC_SEND_LAST		= 0x02,
	NOPIN_RC_SEND_LAST_IMM		= 0x03,
	NOPIN_RC_SEND_ONLY		= 0x04,
	NOPIN_RC_SEND_ONLY_IMM		= 0x05,
	NOPIN_RC_WRITE_FIRST		= 0x06,
	NOPIN_RC_WRITE_MIDDLE		= 0x07,
	NOPIN_RC_WRITE_LAST		= 0x08,
	NOPIN_RC_WRITE_LAST_IMM		= 0x09,
	NOPIN_RC_WRITE_ONLY		= 0x0a,
	NOPIN_RC_WRITE_ONLY_IMM		= 0x0b,
	NOPIN_RC_READ_REQUEST		= 0x0c,
	NOPIN_RC_READ_RESPONSE_FIRST	= 0x0d,
	NOPIN_RC_READ_RESPONSE_MIDDLE	= 0x0e,
	NOPIN_RC_READ_RESPONSE_LAST	= 0x0f,
	NOPIN_RC_READ_RESPONSE_ONLY	= 0x10,
	NOPIN_RC_ACK			= 0x11,
	NOPIN_RC_ATOMIC_ACK		= 0x12,
	NOPIN_RC_CMP_SWAP		= 0x13,
	NOPIN_RC_FETCH_ADD		= 0x14,
	NOPIN_RC_SEND_LAST_INV		= 0x16,
	NOPIN_RC_SEND_ONLY_INV		= 0x17,
	NOPIN_RC_FLUSH			= 0x1c,	/* IBTA A19, as the next one */
	NOPIN_RC_ATOMIC_WRITE		= 0x1d,
	NOPIN_UD_SEND_ONLY		= 0x64,
	NOPIN_UD_SEND_ONLY_IMM		= 0x65,
	NOPIN_CNP			= 0x81,	/* IBTA A17.9.3 */
};

/* What a packet or a work request is for: requests, responses, local requests. */
enum nopin_operation {
	NOPIN_NO_OPERATION,
	NOPIN_SEND,
	NOPIN_RDMA_WRITE,
	NOPIN_RDMA_READ,
	NOPIN_CMP_SWAP,
	NOPIN_FETCH_ADD,
	NOPIN_ATOMIC_WRITE,
	NOPIN_FLUSH,
	NOPIN_RESPONSES,	/* from here on responses */
	NOPIN_READ_RESPONSE = NOPIN_RESPONSES,
	NOPIN_ACKNOWLEDGE,
	NOPIN_ATOMIC_ACKNOWLEDGE,
	NOPIN_CONGESTION,
	NOPIN_AT_HOME,		/* from here on local requests, without packets */
	NOPIN_LOCAL_INV = NOPIN_AT_HOME,
	NOPIN_BIND_MW,
	NOPIN_REG_MR,
};

/* Where in its message a packet is. */
enum nopin_message_place {
	NOPIN_MIDDLE	= 0,
	NOPIN_FIRST	= 1,
	NOPIN_LAST	= 2,
	NOPIN_ONLY	= NOPIN_FIRST | NOPIN_LAST,
};

/* Extended headers, in wire order. */
#define NOPIN_HDR_DETH		0x0001
#define NOPIN_HDR_RETH		0x0002
#define NOPIN_HDR_ATOMIC_ETH	0x0004
#define NOPIN_HDR_AETH		0x0008
#define NOPIN_HDR_ATOMIC_ACK	0x0010
#define NOPIN_HDR_IMM		0x0020
#define NOPIN_HDR_IETH		0x0040
#define NOPIN_HDR_XRCETH	0x0080	/* before all others */
#define NOPIN_HDR_CNP		0x0100	/* reserved bytes, and nothing else */
#define NOPIN_HDR_FETH		0x0200	/* before the RETH */

/**
 * struct nopin_opcode_info - one row of the opcode table
 * @name: as in the IBTA specification, for traces; NULL: not supported
 * @headers: NOPIN_HDR_*
 * @hdr_len: bytes of BTH and extended headers
 * @operation: enum nopin_operation
 * @place: enum nopin_message_place
 * @payload: it may carry payload
 */
struct nopin_opcode_info {
	const char *name;
	u16 headers;
	u8 hdr_len;
	u8 operation;
	u8 place;
	bool payload;
};

extern const struct nopin_opcode_info nopin_opcodes[256];

/* Is a packet with this opcode for the requester? */
static inline bool nopin_opcode_is_response(const struct nopin_opcode_info *op)
{
	return op->operation >= NOPIN_RESPONSES;
}

/* Is it a part of a message that carries payload to the responder? */
static inline bool nopin_opcode_is_data(const struct nopin_opcode_info *op)
{
	return op->operation == NOPIN_SEND || op->operation == NOPIN_RDMA_WRITE;
}

/* Is it a request whose response only confirms that it was done? */
static inline bool nopin_opcode_is_confirmed(const struct nopin_opcode_info *op)
{
	return op->operation == NOPIN_ATOMIC_WRITE || op->operation == NOPIN_FLUSH;
}

#endif /* NOPIN_OPCODE_H */
