// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The opcode table: rows that several services share, and rows of a single service. */

#include "wire/headers.h"
#include "wire/opcode.h"

/* Bytes of the BTH and these extended headers. */
#define HDR_LEN(h)							\
	(sizeof(struct nopin_bth) +					\
	 ((h) & NOPIN_HDR_XRCETH ? sizeof(struct nopin_xrceth) : 0) +	\
	 ((h) & NOPIN_HDR_DETH ? sizeof(struct nopin_deth) : 0) +	\
	 ((h) & NOPIN_HDR_FETH ? sizeof(struct nopin_feth) : 0) +	\
	 ((h) & NOPIN_HDR_RETH ? sizeof(struct nopin_reth) : 0) +	\
	 ((h) & NOPIN_HDR_ATOMIC_ETH ? sizeof(struct nopin_atomic_eth) : 0) + \
	 ((h) & NOPIN_HDR_AETH ? sizeof(struct nopin_aeth) : 0) +	\
	 ((h) & NOPIN_HDR_ATOMIC_ACK ? sizeof(struct nopin_atomic_ack_eth) : 0) + \
	 ((h) & NOPIN_HDR_IMM ? sizeof(struct nopin_imm_dt) : 0) +	\
	 ((h) & NOPIN_HDR_IETH ? sizeof(struct nopin_ieth) : 0) +	\
	 ((h) & NOPIN_HDR_CNP ? sizeof(struct nopin_cnp) : 0))

#define ROW(op, pl, hdrs, title)		\
	{					\
		.name = title,			\
		.headers = (hdrs),		\
		.hdr_len = HDR_LEN(hdrs),	\
		.operation = NOPIN_##op,	\
		.place = NOPIN_##pl,		\
		.payload = NOPIN_##op == NOPIN_SEND || NOPIN_##op == NOPIN_RDMA_WRITE || \
			   NOPIN_##op == NOPIN_ATOMIC_WRITE ||	\
			   NOPIN_##op == NOPIN_READ_RESPONSE,	\
	}

/* Extended headers that go together, for the rows below. */
#define ATOMIC_ACK_HEADERS	(NOPIN_HDR_AETH | NOPIN_HDR_ATOMIC_ACK)
#define WRITE_IMM_HEADERS	(NOPIN_HDR_RETH | NOPIN_HDR_IMM)
#define FLUSH_HEADERS		(NOPIN_HDR_FETH | NOPIN_HDR_RETH)

#define OPCODE(service, op)	[NOPIN_WIRE_##service | NOPIN_RC_##op]

/* SENDs and WRITEs: each service that has them uses the same low five bits. */
#define DATA_ROWS(service, more)					\
	OPCODE(service, SEND_FIRST) = ROW(SEND, FIRST, more,		\
				#service " SEND First"),		\
	OPCODE(service, SEND_MIDDLE) = ROW(SEND, MIDDLE, more,		\
				#service " SEND Middle"),		\
	OPCODE(service, SEND_LAST) = ROW(SEND, LAST, more,		\
				#service " SEND Last"),			\
	OPCODE(service, SEND_LAST_IMM) = ROW(SEND, LAST, (more) | NOPIN_HDR_IMM, \
				#service " SEND Last with Immediate"),	\
	OPCODE(service, SEND_ONLY) = ROW(SEND, ONLY, more,		\
				#service " SEND Only"),			\
	OPCODE(service, SEND_ONLY_IMM) = ROW(SEND, ONLY, (more) | NOPIN_HDR_IMM, \
				#service " SEND Only with Immediate"),	\
	OPCODE(service, WRITE_FIRST) = ROW(RDMA_WRITE, FIRST, (more) | NOPIN_HDR_RETH, \
				#service " RDMA WRITE First"),		\
	OPCODE(service, WRITE_MIDDLE) = ROW(RDMA_WRITE, MIDDLE, more,	\
				#service " RDMA WRITE Middle"),		\
	OPCODE(service, WRITE_LAST) = ROW(RDMA_WRITE, LAST, more,	\
				#service " RDMA WRITE Last"),		\
	OPCODE(service, WRITE_LAST_IMM) = ROW(RDMA_WRITE, LAST, (more) | NOPIN_HDR_IMM, \
				#service " RDMA WRITE Last with Immediate"), \
	OPCODE(service, WRITE_ONLY) = ROW(RDMA_WRITE, ONLY, (more) | NOPIN_HDR_RETH, \
				#service " RDMA WRITE Only"),		\
	OPCODE(service, WRITE_ONLY_IMM) = ROW(RDMA_WRITE, ONLY,		\
				(more) | WRITE_IMM_HEADERS,		\
				#service " RDMA WRITE Only with Immediate")

/* The rows of a reliable service: those above, and what only such services have. */
#define RELIABLE_ROWS(service, more)					\
	DATA_ROWS(service, more),					\
	OPCODE(service, SEND_LAST_INV) = ROW(SEND, LAST, (more) | NOPIN_HDR_IETH, \
				#service " SEND Last with Invalidate"),	\
	OPCODE(service, SEND_ONLY_INV) = ROW(SEND, ONLY, (more) | NOPIN_HDR_IETH, \
				#service " SEND Only with Invalidate"),	\
	OPCODE(service, READ_REQUEST) = ROW(RDMA_READ, ONLY, (more) | NOPIN_HDR_RETH, \
				#service " RDMA READ Request"),		\
	OPCODE(service, READ_RESPONSE_FIRST) = ROW(READ_RESPONSE, FIRST, NOPIN_HDR_AETH, \
				#service " RDMA READ Response First"),	\
	OPCODE(service, READ_RESPONSE_MIDDLE) = ROW(READ_RESPONSE, MIDDLE, 0, \
				#service " RDMA READ Response Middle"),	\
	OPCODE(service, READ_RESPONSE_LAST) = ROW(READ_RESPONSE, LAST, NOPIN_HDR_AETH, \
				#service " RDMA READ Response Last"),	\
	OPCODE(service, READ_RESPONSE_ONLY) = ROW(READ_RESPONSE, ONLY, NOPIN_HDR_AETH, \
				#service " RDMA READ Response Only"),	\
	OPCODE(service, ACK) = ROW(ACKNOWLEDGE, ONLY, NOPIN_HDR_AETH,	\
				#service " Acknowledge"),		\
	OPCODE(service, ATOMIC_ACK) = ROW(ATOMIC_ACKNOWLEDGE, ONLY, ATOMIC_ACK_HEADERS, \
				#service " ATOMIC Acknowledge"),	\
	OPCODE(service, CMP_SWAP) = ROW(CMP_SWAP, ONLY, (more) | NOPIN_HDR_ATOMIC_ETH, \
				#service " CmpSwap"),			\
	OPCODE(service, FETCH_ADD) = ROW(FETCH_ADD, ONLY, (more) | NOPIN_HDR_ATOMIC_ETH, \
				#service " FetchAdd"),			\
	OPCODE(service, FLUSH) = ROW(FLUSH, ONLY, (more) | FLUSH_HEADERS, \
				#service " Flush"),			\
	OPCODE(service, ATOMIC_WRITE) = ROW(ATOMIC_WRITE, ONLY, (more) | NOPIN_HDR_RETH, \
				#service " AtomicWrite")

const struct nopin_opcode_info nopin_opcodes[256] = {
	RELIABLE_ROWS(RC, 0),
	DATA_ROWS(UC, 0),
	[NOPIN_UD_SEND_ONLY]	  = ROW(SEND, ONLY, NOPIN_HDR_DETH, "UD SEND Only"),
	[NOPIN_UD_SEND_ONLY_IMM]  = ROW(SEND, ONLY, NOPIN_HDR_DETH | NOPIN_HDR_IMM,
					"UD SEND Only with Immediate"),
	[NOPIN_CNP]		  = ROW(CONGESTION, ONLY, NOPIN_HDR_CNP,
					"Congestion Notification"),
	RELIABLE_ROWS(XRC, NOPIN_HDR_XRCETH),
};
