/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* BTH opcodes and what each implies (IBTA 9.2.1, table 38). */
#ifndef NOPIN_OPCODE_H
#define NOPIN_OPCODE_H

#include <linux/types.h>

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
	NOPIN_UD_SEND_ONLY		= 0x64,
	NOPIN_UD_SEND_ONLY_IMM		= 0x65,
};

/* nopin_opcode_info.flags */
#define NOPIN_OP_RETH		0x0001	/* extended headers, in wire order */
#define NOPIN_OP_ATOMIC_ETH	0x0002
#define NOPIN_OP_AETH		0x0004
#define NOPIN_OP_ATOMIC_ACK	0x0008
#define NOPIN_OP_DETH		0x0010
#define NOPIN_OP_IMM		0x0020
#define NOPIN_OP_PAYLOAD	0x0040	/* may carry payload */
#define NOPIN_OP_FIRST		0x0100	/* begins a message */
#define NOPIN_OP_LAST		0x0200	/* ends a message; ONLY is both */
#define NOPIN_OP_RESPONSE	0x0400	/* for the requester, else a request */
#define NOPIN_OP_SEND		0x1000	/* consumes a receive when it ends */
#define NOPIN_OP_WRITE		0x2000
#define NOPIN_OP_READ		0x4000	/* READ request or response */
#define NOPIN_OP_ATOMIC		0x8000	/* atomic request or its ACK */

/**
 * struct nopin_opcode_info - one row of the opcode table
 * @name: as in the IBTA specification, for traces; NULL: not supported
 * @flags: NOPIN_OP_*
 * @hdr_len: bytes of BTH and extended headers
 */
struct nopin_opcode_info {
	const char *name;
	u16 flags;
	u8 hdr_len;
};

extern const struct nopin_opcode_info nopin_opcodes[256];

#endif /* NOPIN_OPCODE_H */
