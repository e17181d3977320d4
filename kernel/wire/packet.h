/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Parsing and building the headers of RoCEv2 packets. */
#ifndef NOPIN_PACKET_H
#define NOPIN_PACKET_H

#include <linux/types.h>

#include "wire/opcode.h"

#define NOPIN_UDP_PORT		4791	/* RoCEv2, IANA */
#define NOPIN_DEFAULT_PKEY	0xffff
#define NOPIN_BTH_LEN		12
#define NOPIN_ICRC_LEN		4
#define NOPIN_MAX_HDR_LEN	(NOPIN_BTH_LEN + 32)	/* BTH + XRCETH + AtomicETH */
#define NOPIN_GSI_QPN		1
#define NOPIN_MULTICAST_QPN	0xffffff

/* AETH syndrome: type in bits 7:5, credits, timer or code below (IBTA 9.7.5.1.2) */
#define NOPIN_AETH_TYPE		0x60
#define NOPIN_AETH_ACK		0x00
#define NOPIN_AETH_RNR		0x20
#define NOPIN_AETH_NAK		0x60
#define NOPIN_AETH_VALUE	0x1f
#define NOPIN_AETH_NO_CREDITS	0x1f	/* ACK: end-to-end flow control off */

enum nopin_nak {
	NOPIN_NAK_PSN_SEQUENCE		= NOPIN_AETH_NAK | 0,
	NOPIN_NAK_INVALID_REQUEST	= NOPIN_AETH_NAK | 1,
	NOPIN_NAK_REMOTE_ACCESS		= NOPIN_AETH_NAK | 2,
	NOPIN_NAK_REMOTE_OPERATION	= NOPIN_AETH_NAK | 3,
};

/**
 * struct nopin_pkt - the headers of one packet, in host byte order
 * @opcode: enum nopin_opcode, known to nopin_opcodes
 * @solicited: BTH SE
 * @ack_req: BTH A
 * @pad: bytes of padding after the payload, 0 to 3
 * @pkey: partition key; 0 for nopin_pkt_build(): the default
 * @qpn: destination QPN
 * @psn: packet sequence number
 * @msn: AETH: message sequence number
 * @syndrome: AETH: NOPIN_AETH_*
 * @remote_addr: RETH, AtomicETH: virtual address
 * @rkey: RETH, AtomicETH; IETH: the key to invalidate
 * @dma_len: RETH: bytes of the whole message
 * @swap_add: AtomicETH: value to store, or the addend
 * @compare: AtomicETH: value to compare
 * @original: AtomicAckETH: what the memory held before
 * @qkey: DETH
 * @src_qp: DETH
 * @srqn: XRCETH: number of the SRQ
 * @flush_type: FETH: NOPIN_FLUSH_* of the ABI, unchecked
 * @flush_level: FETH: NOPIN_FLUSH_RANGE and so on, unchecked
 * @imm_data: ImmDt, network byte order
 * @hdr_len: bytes from the BTH to the payload
 * @payload_len: bytes of payload, without padding
 *
 * Fields of headers that the opcode does not have are zero.
 */
struct nopin_pkt {
	u8 opcode;
	bool solicited;
	bool ack_req;
	u8 pad;
	u16 pkey;
	u8 syndrome;
	u8 hdr_len;
	u32 qpn;
	u32 psn;
	u32 msn;
	u32 rkey;
	u64 remote_addr;
	u32 dma_len;
	u32 payload_len;
	u64 swap_add;
	u64 compare;
	u64 original;
	u32 qkey;
	u32 src_qp;
	u32 srqn;
	u8 flush_type;
	u8 flush_level;
	__be32 imm_data;
};

static inline const struct nopin_opcode_info *nopin_pkt_op(const struct nopin_pkt *pkt)
{
	return &nopin_opcodes[pkt->opcode];
}

/* The opcode without the bits of its service: a NOPIN_RC_* of enum nopin_opcode. */
static inline u8 nopin_pkt_base(const struct nopin_pkt *pkt)
{
	return pkt->opcode & ~NOPIN_WIRE_SERVICE;
}

/* Bytes from the BTH to the ICRC, of a packet with this opcode and payload. */
static inline size_t nopin_pkt_len(const struct nopin_pkt *pkt)
{
	return nopin_pkt_op(pkt)->hdr_len + pkt->payload_len +
	       (-pkt->payload_len & 3) + NOPIN_ICRC_LEN;
}

int nopin_pkt_parse(struct nopin_pkt *pkt, const void *data, size_t avail,
		    size_t len);
size_t nopin_pkt_build(struct nopin_pkt *pkt, void *data);

#endif /* NOPIN_PACKET_H */
