/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Transport services: one row for each kind of QP. */
#ifndef NOPIN_SERVICE_H
#define NOPIN_SERVICE_H

#include <linux/types.h>

struct nopin_arrival;
struct nopin_qp;

/* Which halves of a QP are used. The ring of an unused half is not mapped, and stays empty. */
enum nopin_role {
	NOPIN_BOTH_HALVES,
	NOPIN_INITIATOR,	/* of XRC: only sends */
	NOPIN_TARGET,		/* of XRC: only receives, into the SRQs that messages name */
};

/**
 * struct nopin_service - what a kind of QP does
 * @name: for messages
 * @wire: enum nopin_wire_service of its packets
 * @role: which halves are used
 * @connected: it has one peer; else each request names its destination
 * @reliable: the peer acknowledges requests; else a request completes once it is sent, and
 *	one that cannot be carried out stops only the send queue (IBTA 10.3.1.7)
 * @rings: it has a send ring and receives from a ring or SRQ; else @create makes its queues
 * @requests: what may be posted, bits of enum ib_uverbs_wr_opcode
 * @arrive: takes the present packet, which is for this QP, and may take some of those
 *	behind it; softirq, in an RCU read-side section
 * @resume: goes on with the packets that the responder has kept; rq.lock held, BH off
 * @create: without @rings: makes the queues; process; returns 0 or -errno
 * @destroy: without @rings: frees the queues
 */
struct nopin_service {
	const char *name;
	u8 wire;
	enum nopin_role role;
	bool connected;
	bool reliable;
	bool rings;
	u32 requests;
	void (*arrive)(struct nopin_qp *qp, struct nopin_arrival *arrival);
	void (*resume)(struct nopin_qp *qp);
	int (*create)(struct nopin_qp *qp);
	void (*destroy)(struct nopin_qp *qp);
};

#endif /* NOPIN_SERVICE_H */
