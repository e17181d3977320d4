/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What any user of a host can do to RoCEv2: packets with a right ICRC, sent from an
 * ordinary UDP socket. No capability is needed, and none is used.
 */
#ifndef FORGE_H
#define FORGE_H

#include <stddef.h>
#include <stdint.h>

#include "rc.h"

enum forge_op {
	FORGE_SEND_MIDDLE	= 0x01,
	FORGE_SEND_ONLY		= 0x04,
	FORGE_WRITE_MIDDLE	= 0x07,
	FORGE_WRITE_ONLY	= 0x0a,
	FORGE_READ_REQUEST	= 0x0c,
	FORGE_READ_RESPONSE	= 0x10,	/* the only one */
	FORGE_ACK		= 0x11,
};

#define FORGE_PSN_MASK	0xffffffU

/* From end @from's address to end @to's, as a user without rights. */
struct forge {
	int fd;
	uint32_t saddr, daddr;	/* network byte order, as the port */
	uint16_t sport;
	uint32_t qpn;
};

/* A packet without the ICRC, which comes when it is sent. */
struct forged {
	uint8_t bytes[4200];
	size_t len;
};

void forge_open(struct forge *forge, const struct rc_end *from, const struct rc_end *to);
void forge_close(struct forge *forge);

void forge_begin(const struct forge *forge, struct forged *pkt, enum forge_op op,
		 uint32_t psn, bool ack_req);
void forge_reth(struct forged *pkt, uint64_t addr, uint32_t rkey, uint32_t len);
void forge_aeth(struct forged *pkt, uint8_t syndrome, uint32_t msn);
void forge_payload(struct forged *pkt, size_t len);
void forge_send(const struct forge *forge, const struct forged *pkt);

#endif /* FORGE_H */
