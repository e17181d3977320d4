/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Headers of a RoCEv2 packet after UDP, as they are on the wire. All fields are
 * in network byte order; where several share a word, the masks are for the word
 * in host order. Packed, because a packet may begin at any address.
 */
#ifndef NOPIN_HEADERS_H
#define NOPIN_HEADERS_H

#include <linux/types.h>

/* Base Transport Header (IBTA 9.2) */
struct nopin_bth {
	u8 opcode;
	u8 flags;		/* NOPIN_BTH_SE ... */
	__be16 pkey;
	__be32 qpn;		/* FECN, BECN, 6 reserved bits; destination QPN */
	__be32 psn;		/* A, 7 reserved bits; PSN */
} __packed;

#define NOPIN_BTH_SE		0x80	/* flags: solicited event */
#define NOPIN_BTH_MIGREQ	0x40	/* migration state: migrated */
#define NOPIN_BTH_PAD		0x30
#define NOPIN_BTH_PAD_SHIFT	4
#define NOPIN_BTH_TVER		0x0f	/* transport header version, 0 */
#define NOPIN_BTH_BECN		0x40000000U	/* qpn: congestion towards the sender */
#define NOPIN_BTH_ACK_REQ	0x80000000U	/* psn: acknowledge request */
#define NOPIN_BTH_24BIT		0x00ffffffU	/* QPN, PSN, and MSN of the AETH */

/* RDMA Extended Transport Header (IBTA 9.3.3) */
struct nopin_reth {
	__be64 va;
	__be32 rkey;
	__be32 dma_len;
} __packed;

/* ATOMIC Extended Transport Header (IBTA 9.3.4) */
struct nopin_atomic_eth {
	__be64 va;
	__be32 rkey;
	__be64 swap_add;
	__be64 compare;
} __packed;

/* ACK Extended Transport Header (IBTA 9.3.5) */
struct nopin_aeth {
	__be32 syndrome_msn;
} __packed;

#define NOPIN_AETH_SYNDROME_SHIFT	24

/* ATOMIC ACK Extended Transport Header (IBTA 9.3.5.3) */
struct nopin_atomic_ack_eth {
	__be64 original;
} __packed;

/* XRC Extended Transport Header (IBTA A14) */
struct nopin_xrceth {
	__be32 srqn;		/* 8 reserved bits; number of the SRQ */
} __packed;

/* Datagram Extended Transport Header (IBTA 9.3.2) */
struct nopin_deth {
	__be32 qkey;
	__be32 src_qp;		/* 8 reserved bits; source QPN */
} __packed;

/* Immediate Extended Transport Header (IBTA 9.3.6) */
struct nopin_imm_dt {
	__be32 data;
} __packed;

/* Invalidate Extended Transport Header (IBTA 9.3.7) */
struct nopin_ieth {
	__be32 rkey;
} __packed;

/* FLUSH Extended Transport Header (IBTA A19) */
struct nopin_feth {
	__be32 level_type;	/* reserved bits; selectivity level, placement type */
} __packed;

#define NOPIN_FETH_TYPE		0xfU
#define NOPIN_FETH_LEVEL	0x3U
#define NOPIN_FETH_LEVEL_SHIFT	4

/* Congestion Notification Packet (IBTA A17.9.3) */
struct nopin_cnp {
	u8 reserved[16];
} __packed;

#endif /* NOPIN_HEADERS_H */
