/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A stranger: a user of the peer's host with a UDP socket (../hostile/forge.h), who sends
 * packets to a QP in the peer's name; and what the files of hostile share beside.
 */
#ifndef STRANGER_H
#define STRANGER_H

#include "forge.h"
#include "rc.h"

#define PAGE		4096UL
#define PSN_MASK	0xffffffU
#define SETTLE_MS	300	/* until the packets sent have been processed */

uint32_t rq_psn(const struct rc_end *end);
void want_unhurt(struct rc_pair *pair);

/* A stranger on the host of end @from, who sends packets to the QP of end @to. */
struct stranger {
	struct forge forge;
	uint32_t qpn;
};

void stranger_open(struct stranger *s, const struct rc_end *from, const struct rc_end *to);
/* Begin a request that asks for an ACK. */
void stranger_asks(const struct stranger *s, struct forge_packet *packet, uint8_t opcode,
		   uint32_t psn);
void stranger_sends(struct stranger *s, struct forge_packet *packet);
void stranger_reads(struct stranger *s, uint32_t psn, uint64_t addr, uint32_t rkey,
		    uint32_t len);
void stranger_adds(struct stranger *s, uint32_t psn, uint64_t addr, uint32_t rkey);

/* A pair whose responder, at end b, waits for a page; and a stranger beside it. */
struct wait {
	struct rc_pair *pair;
	struct vt_mem *near, *far;
	int uffd;
	struct stranger stranger;
	uint32_t psn;	/* of the WRITE that waits for its page */
};

void wait_open(struct wait *w, uint8_t rd_atomic);
void wait_begin(struct wait *w);
void wait_end(struct wait *w);

/* The tests of hostile_again.c. */
void hostile_again_add(void);

#endif /* STRANGER_H */
