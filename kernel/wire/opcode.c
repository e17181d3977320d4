// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The opcode table: RC, and of UD what the general services interface sends. */

#include "wire/headers.h"
#include "wire/opcode.h"

enum {
	BTH		= sizeof(struct nopin_bth),
	RETH		= sizeof(struct nopin_reth),
	ATOMIC_ETH	= sizeof(struct nopin_atomic_eth),
	AETH		= sizeof(struct nopin_aeth),
	ATOMIC_ACK_ETH	= sizeof(struct nopin_atomic_ack_eth),
	DETH		= sizeof(struct nopin_deth),
	IMM		= sizeof(struct nopin_imm_dt),
};

/* What one packet does for its message, and the messages with payload. */
#define ONLY		(NOPIN_OP_FIRST | NOPIN_OP_LAST)
#define SEND		(NOPIN_OP_SEND | NOPIN_OP_PAYLOAD)
#define RDMA_WRITE	(NOPIN_OP_WRITE | NOPIN_OP_PAYLOAD)
#define READ_RESPONSE	(NOPIN_OP_READ | NOPIN_OP_RESPONSE | NOPIN_OP_PAYLOAD)

const struct nopin_opcode_info nopin_opcodes[256] = {
	[NOPIN_RC_SEND_FIRST] = {
		.name		= "RC SEND First",
		.flags		= SEND | NOPIN_OP_FIRST,
		.hdr_len	= BTH,
	},
	[NOPIN_RC_SEND_MIDDLE] = {
		.name		= "RC SEND Middle",
		.flags		= SEND,
		.hdr_len	= BTH,
	},
	[NOPIN_RC_SEND_LAST] = {
		.name		= "RC SEND Last",
		.flags		= SEND | NOPIN_OP_LAST,
		.hdr_len	= BTH,
	},
	[NOPIN_RC_SEND_LAST_IMM] = {
		.name		= "RC SEND Last with Immediate",
		.flags		= SEND | NOPIN_OP_LAST | NOPIN_OP_IMM,
		.hdr_len	= BTH + IMM,
	},
	[NOPIN_RC_SEND_ONLY] = {
		.name		= "RC SEND Only",
		.flags		= SEND | ONLY,
		.hdr_len	= BTH,
	},
	[NOPIN_RC_SEND_ONLY_IMM] = {
		.name		= "RC SEND Only with Immediate",
		.flags		= SEND | ONLY | NOPIN_OP_IMM,
		.hdr_len	= BTH + IMM,
	},
	[NOPIN_RC_WRITE_FIRST] = {
		.name		= "RC RDMA WRITE First",
		.flags		= RDMA_WRITE | NOPIN_OP_FIRST | NOPIN_OP_RETH,
		.hdr_len	= BTH + RETH,
	},
	[NOPIN_RC_WRITE_MIDDLE] = {
		.name		= "RC RDMA WRITE Middle",
		.flags		= RDMA_WRITE,
		.hdr_len	= BTH,
	},
	[NOPIN_RC_WRITE_LAST] = {
		.name		= "RC RDMA WRITE Last",
		.flags		= RDMA_WRITE | NOPIN_OP_LAST,
		.hdr_len	= BTH,
	},
	[NOPIN_RC_WRITE_LAST_IMM] = {
		.name		= "RC RDMA WRITE Last with Immediate",
		.flags		= RDMA_WRITE | NOPIN_OP_LAST | NOPIN_OP_IMM,
		.hdr_len	= BTH + IMM,
	},
	[NOPIN_RC_WRITE_ONLY] = {
		.name		= "RC RDMA WRITE Only",
		.flags		= RDMA_WRITE | ONLY | NOPIN_OP_RETH,
		.hdr_len	= BTH + RETH,
	},
	[NOPIN_RC_WRITE_ONLY_IMM] = {
		.name		= "RC RDMA WRITE Only with Immediate",
		.flags		= RDMA_WRITE | ONLY | NOPIN_OP_RETH | NOPIN_OP_IMM,
		.hdr_len	= BTH + RETH + IMM,
	},
	[NOPIN_RC_READ_REQUEST] = {
		.name		= "RC RDMA READ Request",
		.flags		= NOPIN_OP_READ | ONLY | NOPIN_OP_RETH,
		.hdr_len	= BTH + RETH,
	},
	[NOPIN_RC_READ_RESPONSE_FIRST] = {
		.name		= "RC RDMA READ Response First",
		.flags		= READ_RESPONSE | NOPIN_OP_FIRST | NOPIN_OP_AETH,
		.hdr_len	= BTH + AETH,
	},
	[NOPIN_RC_READ_RESPONSE_MIDDLE] = {
		.name		= "RC RDMA READ Response Middle",
		.flags		= READ_RESPONSE,
		.hdr_len	= BTH,
	},
	[NOPIN_RC_READ_RESPONSE_LAST] = {
		.name		= "RC RDMA READ Response Last",
		.flags		= READ_RESPONSE | NOPIN_OP_LAST | NOPIN_OP_AETH,
		.hdr_len	= BTH + AETH,
	},
	[NOPIN_RC_READ_RESPONSE_ONLY] = {
		.name		= "RC RDMA READ Response Only",
		.flags		= READ_RESPONSE | ONLY | NOPIN_OP_AETH,
		.hdr_len	= BTH + AETH,
	},
	[NOPIN_RC_ACK] = {
		.name		= "RC Acknowledge",
		.flags		= NOPIN_OP_RESPONSE | ONLY | NOPIN_OP_AETH,
		.hdr_len	= BTH + AETH,
	},
	[NOPIN_RC_ATOMIC_ACK] = {
		.name		= "RC ATOMIC Acknowledge",
		.flags		= NOPIN_OP_ATOMIC | NOPIN_OP_RESPONSE | ONLY |
				  NOPIN_OP_AETH | NOPIN_OP_ATOMIC_ACK,
		.hdr_len	= BTH + AETH + ATOMIC_ACK_ETH,
	},
	[NOPIN_RC_CMP_SWAP] = {
		.name		= "RC CmpSwap",
		.flags		= NOPIN_OP_ATOMIC | ONLY | NOPIN_OP_ATOMIC_ETH,
		.hdr_len	= BTH + ATOMIC_ETH,
	},
	[NOPIN_RC_FETCH_ADD] = {
		.name		= "RC FetchAdd",
		.flags		= NOPIN_OP_ATOMIC | ONLY | NOPIN_OP_ATOMIC_ETH,
		.hdr_len	= BTH + ATOMIC_ETH,
	},
	[NOPIN_UD_SEND_ONLY] = {
		.name		= "UD SEND Only",
		.flags		= SEND | ONLY | NOPIN_OP_DETH,
		.hdr_len	= BTH + DETH,
	},
	[NOPIN_UD_SEND_ONLY_IMM] = {
		.name		= "UD SEND Only with Immediate",
		.flags		= SEND | ONLY | NOPIN_OP_DETH | NOPIN_OP_IMM,
		.hdr_len	= BTH + DETH + IMM,
	},
};
