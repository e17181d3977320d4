/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Payloads that a DMA engine gathers ahead of their packets. */
#ifndef NOPIN_AHEAD_H
#define NOPIN_AHEAD_H

#include "mem/copy.h"
#include "qp/qp.h"
#include "wire/packet.h"

/**
 * struct nopin_ahead - a packet that is next, and others of its message behind it
 * @park: of the half that sends
 * @train: likewise
 * @from: where the packet's payload begins
 * @psn: of the packet
 * @rest: bytes of the message from this packet on
 * @room: packets that may be sent now, the next included
 * @waits: if that is little, there will be more room soon: an ACK is on its way
 */
struct nopin_ahead {
	struct nopin_park *park;
	struct nopin_train *train;
	struct nopin_place from;
	u32 psn;
	u32 rest;
	u32 room;
	bool waits;
};

bool nopin_ahead_fill(struct nopin_qp *qp, const struct nopin_ahead *ahead,
		      const struct nopin_pkt *pkt, enum nopin_copied *copied);

#endif /* NOPIN_AHEAD_H */
