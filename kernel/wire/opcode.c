// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The opcode table: the rows that services share, and those of one alone. */

#include "wire/headers.h"
#include "wire/opcode.h"

/* Bytes of the BTH and these extended headers. */
#define HDR_LEN(h)							\
	(sizeof(struct nopin_bth) +					\
	 ((h) & NOPIN_HDR_DETH ? sizeof(struct nopin_deth) : 0) +	\
	 ((h) & NOPIN_HDR_RETH ? sizeof(struct nopin_reth) : 0) +	\
	 ((h) & NOPIN_HDR_ATOMIC_ETH ? sizeof(struct nopin_atomic_eth) : 0) + \
	 ((h) & NOPIN_HDR_AETH ? sizeof(struct nopin_aeth) : 0) +	\
	 ((h) & NOPIN_HDR_ATOMIC_ACK ? sizeof(struct nopin_atomic_ack_eth) : 0) + \
	 ((h) & NOPIN_HDR_IMM ? sizeof(struct nopin_imm_dt) : 0) +	\
	 ((h) & NOPIN_HDR_IETH ? sizeof(struct nopin_ieth) : 0))

#define ROW(op, pl, hdrs, title)		\
	{					\
		.name = title,			\
		.headers = (hdrs),		\
		.hdr_len = HDR_LEN(hdrs),	\
		.operation = NOPIN_##op,	\
		.place = NOPIN_##pl,		\
		.payload = NOPIN_##op == NOPIN_SEND || NOPIN_##op == NOPIN_RDMA_WRITE || \
			   NOPIN_##op == NOPIN_READ_RESPONSE, \
	}

/* Its last part is the AETH of a response. */
#define ATOMIC_ACK_HEADERS	(NOPIN_HDR_AETH | NOPIN_HDR_ATOMIC_ACK)
#define WRITE_IMM_HEADERS	(NOPIN_HDR_RETH | NOPIN_HDR_IMM)

/* What carries data to a responder: by the same numbers in each service that has it. */
#define DATA(service, op)	[NOPIN_WIRE_##service | NOPIN_RC_##op]
#define DATA_ROWS(service)						\
	DATA(service, SEND_FIRST) = ROW(SEND, FIRST, 0, #service " SEND First"), \
	DATA(service, SEND_MIDDLE) = ROW(SEND, MIDDLE, 0, #service " SEND Middle"), \
	DATA(service, SEND_LAST) = ROW(SEND, LAST, 0, #service " SEND Last"), \
	DATA(service, SEND_LAST_IMM) = ROW(SEND, LAST, NOPIN_HDR_IMM,	\
				#service " SEND Last with Immediate"),	\
	DATA(service, SEND_ONLY) = ROW(SEND, ONLY, 0, #service " SEND Only"), \
	DATA(service, SEND_ONLY_IMM) = ROW(SEND, ONLY, NOPIN_HDR_IMM,	\
				#service " SEND Only with Immediate"),	\
	DATA(service, WRITE_FIRST) = ROW(RDMA_WRITE, FIRST, NOPIN_HDR_RETH, \
				#service " RDMA WRITE First"),		\
	DATA(service, WRITE_MIDDLE) = ROW(RDMA_WRITE, MIDDLE, 0,	\
				#service " RDMA WRITE Middle"),		\
	DATA(service, WRITE_LAST) = ROW(RDMA_WRITE, LAST, 0,		\
				#service " RDMA WRITE Last"),		\
	DATA(service, WRITE_LAST_IMM) = ROW(RDMA_WRITE, LAST, NOPIN_HDR_IMM, \
				#service " RDMA WRITE Last with Immediate"), \
	DATA(service, WRITE_ONLY) = ROW(RDMA_WRITE, ONLY, NOPIN_HDR_RETH, \
				#service " RDMA WRITE Only"),		\
	DATA(service, WRITE_ONLY_IMM) = ROW(RDMA_WRITE, ONLY, WRITE_IMM_HEADERS, \
				#service " RDMA WRITE Only with Immediate")

const struct nopin_opcode_info nopin_opcodes[256] = {
	DATA_ROWS(RC),
	DATA_ROWS(UC),

	[NOPIN_RC_SEND_LAST_INV]  = ROW(SEND, LAST, NOPIN_HDR_IETH,
					"RC SEND Last with Invalidate"),
	[NOPIN_RC_SEND_ONLY_INV]  = ROW(SEND, ONLY, NOPIN_HDR_IETH,
					"RC SEND Only with Invalidate"),
	[NOPIN_RC_READ_REQUEST]	  = ROW(RDMA_READ, ONLY, NOPIN_HDR_RETH,
					"RC RDMA READ Request"),
	[NOPIN_RC_READ_RESPONSE_FIRST] = ROW(READ_RESPONSE, FIRST, NOPIN_HDR_AETH,
					     "RC RDMA READ Response First"),
	[NOPIN_RC_READ_RESPONSE_MIDDLE] = ROW(READ_RESPONSE, MIDDLE, 0,
					      "RC RDMA READ Response Middle"),
	[NOPIN_RC_READ_RESPONSE_LAST] = ROW(READ_RESPONSE, LAST, NOPIN_HDR_AETH,
					    "RC RDMA READ Response Last"),
	[NOPIN_RC_READ_RESPONSE_ONLY] = ROW(READ_RESPONSE, ONLY, NOPIN_HDR_AETH,
					    "RC RDMA READ Response Only"),

	[NOPIN_RC_ACK]		  = ROW(ACKNOWLEDGE, ONLY, NOPIN_HDR_AETH,
					"RC Acknowledge"),
	[NOPIN_RC_ATOMIC_ACK]	  = ROW(ATOMIC_ACKNOWLEDGE, ONLY, ATOMIC_ACK_HEADERS,
					"RC ATOMIC Acknowledge"),
	[NOPIN_RC_CMP_SWAP]	  = ROW(CMP_SWAP, ONLY, NOPIN_HDR_ATOMIC_ETH,
					"RC CmpSwap"),
	[NOPIN_RC_FETCH_ADD]	  = ROW(FETCH_ADD, ONLY, NOPIN_HDR_ATOMIC_ETH,
					"RC FetchAdd"),

	[NOPIN_UD_SEND_ONLY]	  = ROW(SEND, ONLY, NOPIN_HDR_DETH, "UD SEND Only"),
	[NOPIN_UD_SEND_ONLY_IMM]  = ROW(SEND, ONLY, NOPIN_HDR_DETH | NOPIN_HDR_IMM,
					"UD SEND Only with Immediate"),
};
