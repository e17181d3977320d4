// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The parser trusts no field. A packet that it accepts has the lengths that its opcode
 * requires, and only values that the specification defines. The parser does not check
 * what a QP must answer with a NAK: rights, order, lengths of messages.
 */

#include <asm/byteorder.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "wire/headers.h"
#include "wire/packet.h"

#define NOPIN_MAX_PAYLOAD	4096	/* the largest path MTU */
#define NOPIN_PKEY_BASE		0x7fff	/* P_Key without the membership bit */

/* May a packet of @op have @padded bytes after its headers, of which @pad are padding? */
static bool nopin_payload_valid(const struct nopin_opcode_info *op,
				size_t padded, u8 pad)
{
	if (padded % 4 || padded < pad)
		return false;
	if (padded - pad > NOPIN_MAX_PAYLOAD)
		return false;
	if (!op->payload)
		return !padded;
	/* A message of one packet may be empty; a packet of a longer message may not. */
	if (op->place == NOPIN_ONLY)
		return true;
	/* All but the last carry the path MTU, which needs no padding. */
	return padded && (!pad || op->place == NOPIN_LAST);
}

/* Only an Acknowledge packet may be a NAK; other responses carry an ACK. */
static bool nopin_syndrome_valid(const struct nopin_opcode_info *op, u8 syndrome)
{
	bool ack = op->operation == NOPIN_ACKNOWLEDGE;

	switch (syndrome & ~NOPIN_AETH_VALUE) {
	case NOPIN_AETH_ACK:
		return true;
	case NOPIN_AETH_RNR:
		return ack;
	case NOPIN_AETH_NAK:
		return ack && syndrome <= NOPIN_NAK_REMOTE_OPERATION;
	default:
		return false;
	}
}

/* The caller has checked that the opcode is known. */
static int nopin_bth_parse(struct nopin_pkt *pkt, const struct nopin_bth *bth)
{
	u32 psn = be32_to_cpu(bth->psn);

	pkt->solicited = bth->flags & NOPIN_BTH_SE;
	pkt->pad = (bth->flags & NOPIN_BTH_PAD) >> NOPIN_BTH_PAD_SHIFT;
	pkt->pkey = be16_to_cpu(bth->pkey);
	pkt->qpn = be32_to_cpu(bth->qpn) & NOPIN_BTH_24BIT;
	pkt->ack_req = psn & NOPIN_BTH_ACK_REQ;
	pkt->psn = psn & NOPIN_BTH_24BIT;

	if (bth->flags & NOPIN_BTH_TVER)
		return -EINVAL;
	/* We are a full member of the default partition, and of no other. */
	if ((pkt->pkey & NOPIN_PKEY_BASE) != NOPIN_PKEY_BASE)
		return -EINVAL;
	return 0;
}

/* Parse the headers that describe a request: they come first. Returns what follows them. */
static const void *nopin_ext_parse_subject(struct nopin_pkt *pkt, const void *data,
					   u16 headers)
{
	if (headers & NOPIN_HDR_XRCETH) {
		const struct nopin_xrceth *xrceth = data;

		pkt->srqn = be32_to_cpu(xrceth->srqn) & NOPIN_BTH_24BIT;
		data += sizeof(*xrceth);
	}
	if (headers & NOPIN_HDR_DETH) {
		const struct nopin_deth *deth = data;

		pkt->qkey = be32_to_cpu(deth->qkey);
		pkt->src_qp = be32_to_cpu(deth->src_qp) & NOPIN_BTH_24BIT;
		data += sizeof(*deth);
	}
	if (headers & NOPIN_HDR_FETH) {
		const struct nopin_feth *feth = data;
		u32 word = be32_to_cpu(feth->level_type);

		pkt->flush_type = word & NOPIN_FETH_TYPE;
		pkt->flush_level = word >> NOPIN_FETH_LEVEL_SHIFT & NOPIN_FETH_LEVEL;
		data += sizeof(*feth);
	}
	if (headers & NOPIN_HDR_RETH) {
		const struct nopin_reth *reth = data;

		pkt->remote_addr = be64_to_cpu(reth->va);
		pkt->rkey = be32_to_cpu(reth->rkey);
		pkt->dma_len = be32_to_cpu(reth->dma_len);
		data += sizeof(*reth);
	}
	if (headers & NOPIN_HDR_ATOMIC_ETH) {
		const struct nopin_atomic_eth *atomic = data;

		pkt->remote_addr = be64_to_cpu(atomic->va);
		pkt->rkey = be32_to_cpu(atomic->rkey);
		pkt->swap_add = be64_to_cpu(atomic->swap_add);
		pkt->compare = be64_to_cpu(atomic->compare);
		data += sizeof(*atomic);
	}
	return data;
}

static void nopin_ext_parse(struct nopin_pkt *pkt, const void *data, u16 headers)
{
	data = nopin_ext_parse_subject(pkt, data, headers);
	if (headers & NOPIN_HDR_AETH) {
		const struct nopin_aeth *aeth = data;
		u32 word = be32_to_cpu(aeth->syndrome_msn);

		pkt->syndrome = word >> NOPIN_AETH_SYNDROME_SHIFT;
		pkt->msn = word & NOPIN_BTH_24BIT;
		data += sizeof(*aeth);
	}
	if (headers & NOPIN_HDR_ATOMIC_ACK) {
		const struct nopin_atomic_ack_eth *ack = data;

		pkt->original = be64_to_cpu(ack->original);
		data += sizeof(*ack);
	}
	if (headers & NOPIN_HDR_IMM) {
		const struct nopin_imm_dt *imm = data;

		pkt->imm_data = imm->data;
		data += sizeof(*imm);
	}
	if (headers & NOPIN_HDR_IETH) {
		const struct nopin_ieth *ieth = data;

		pkt->rkey = be32_to_cpu(ieth->rkey);
	}
}

/**
 * nopin_pkt_parse - take the headers of a packet apart and check them
 * @pkt: receives the headers; undefined on error
 * @data: the BTH, at any alignment
 * @avail: bytes that may be read at @data: all of the packet, or at least
 *	NOPIN_MAX_HDR_LEN of it
 * @len: bytes of UDP payload: headers, payload, padding and ICRC
 *
 * Checks that the packet is well-formed for its opcode, and in our partition. Does not
 * check the ICRC.
 *
 * Return: 0, or -EINVAL for a packet to drop without an answer.
 * Context: any.
 */
int nopin_pkt_parse(struct nopin_pkt *pkt, const void *data, size_t avail,
		    size_t len)
{
	const struct nopin_bth *bth = data;
	const struct nopin_opcode_info *op;
	size_t bare, padded;

	if (avail < sizeof(*bth))
		return -EINVAL;
	memset(pkt, 0, sizeof(*pkt));
	pkt->opcode = bth->opcode;
	op = nopin_pkt_op(pkt);
	bare = op->hdr_len + NOPIN_ICRC_LEN;
	if (!op->name || avail < op->hdr_len || len < bare)
		return -EINVAL;
	if (nopin_bth_parse(pkt, bth))
		return -EINVAL;

	padded = len - bare;
	if (!nopin_payload_valid(op, padded, pkt->pad))
		return -EINVAL;
	pkt->hdr_len = op->hdr_len;
	pkt->payload_len = padded - pkt->pad;

	nopin_ext_parse(pkt, bth + 1, op->headers);
	if (op->headers & NOPIN_HDR_AETH &&
	    !nopin_syndrome_valid(op, pkt->syndrome))
		return -EINVAL;
	return 0;
}

static void nopin_bth_build(const struct nopin_pkt *pkt, struct nopin_bth *bth)
{
	u32 psn = pkt->psn & NOPIN_BTH_24BIT;
	u32 qpn = pkt->qpn & NOPIN_BTH_24BIT;

	/* Without path migration the state is always "migrated". */
	bth->flags = NOPIN_BTH_MIGREQ | pkt->pad << NOPIN_BTH_PAD_SHIFT;
	if (pkt->solicited)
		bth->flags |= NOPIN_BTH_SE;
	if (pkt->ack_req)
		psn |= NOPIN_BTH_ACK_REQ;
	if (pkt->opcode == NOPIN_CNP)
		qpn |= NOPIN_BTH_BECN;

	bth->opcode = pkt->opcode;
	bth->pkey = cpu_to_be16(pkt->pkey);
	bth->qpn = cpu_to_be32(qpn);
	bth->psn = cpu_to_be32(psn);
}

/* As nopin_ext_parse_subject(). */
static void *nopin_ext_build_subject(const struct nopin_pkt *pkt, void *data, u16 headers)
{
	if (headers & NOPIN_HDR_XRCETH) {
		struct nopin_xrceth *xrceth = data;

		xrceth->srqn = cpu_to_be32(pkt->srqn & NOPIN_BTH_24BIT);
		data += sizeof(*xrceth);
	}
	if (headers & NOPIN_HDR_DETH) {
		struct nopin_deth *deth = data;

		deth->qkey = cpu_to_be32(pkt->qkey);
		deth->src_qp = cpu_to_be32(pkt->src_qp & NOPIN_BTH_24BIT);
		data += sizeof(*deth);
	}
	if (headers & NOPIN_HDR_FETH) {
		struct nopin_feth *feth = data;

		feth->level_type = cpu_to_be32((u32)pkt->flush_level << NOPIN_FETH_LEVEL_SHIFT |
					       pkt->flush_type);
		data += sizeof(*feth);
	}
	if (headers & NOPIN_HDR_RETH) {
		struct nopin_reth *reth = data;

		reth->va = cpu_to_be64(pkt->remote_addr);
		reth->rkey = cpu_to_be32(pkt->rkey);
		reth->dma_len = cpu_to_be32(pkt->dma_len);
		data += sizeof(*reth);
	}
	if (headers & NOPIN_HDR_ATOMIC_ETH) {
		struct nopin_atomic_eth *atomic = data;

		atomic->va = cpu_to_be64(pkt->remote_addr);
		atomic->rkey = cpu_to_be32(pkt->rkey);
		atomic->swap_add = cpu_to_be64(pkt->swap_add);
		atomic->compare = cpu_to_be64(pkt->compare);
		data += sizeof(*atomic);
	}
	return data;
}

static void nopin_ext_build(const struct nopin_pkt *pkt, void *data, u16 headers)
{
	data = nopin_ext_build_subject(pkt, data, headers);
	if (headers & NOPIN_HDR_AETH) {
		struct nopin_aeth *aeth = data;
		u32 word = (u32)pkt->syndrome << NOPIN_AETH_SYNDROME_SHIFT;

		aeth->syndrome_msn = cpu_to_be32(word | (pkt->msn & NOPIN_BTH_24BIT));
		data += sizeof(*aeth);
	}
	if (headers & NOPIN_HDR_ATOMIC_ACK) {
		struct nopin_atomic_ack_eth *ack = data;

		ack->original = cpu_to_be64(pkt->original);
		data += sizeof(*ack);
	}
	if (headers & NOPIN_HDR_IMM) {
		struct nopin_imm_dt *imm = data;

		imm->data = pkt->imm_data;
		data += sizeof(*imm);
	}
	if (headers & NOPIN_HDR_IETH) {
		struct nopin_ieth *ieth = data;

		ieth->rkey = cpu_to_be32(pkt->rkey);
	}
	if (headers & NOPIN_HDR_CNP)
		memset(data, 0, sizeof(struct nopin_cnp));
}

/**
 * nopin_pkt_build - write the headers of a packet
 * @pkt: the headers, and the length of the payload; @pad and @hdr_len are
 *	computed and set. @opcode is one that nopin_opcodes knows.
 * @data: room for the headers, at any alignment
 *
 * A @pkey of 0 stands for NOPIN_DEFAULT_PKEY.
 *
 * Return: bytes written, that is @pkt->hdr_len.
 * Context: any.
 */
size_t nopin_pkt_build(struct nopin_pkt *pkt, void *data)
{
	const struct nopin_opcode_info *op = nopin_pkt_op(pkt);
	struct nopin_bth *bth = data;

	if (!pkt->pkey)
		pkt->pkey = NOPIN_DEFAULT_PKEY;
	pkt->pad = -pkt->payload_len & 3;
	pkt->hdr_len = op->hdr_len;
	nopin_bth_build(pkt, bth);
	nopin_ext_build(pkt, bth + 1, op->headers);
	return pkt->hdr_len;
}
