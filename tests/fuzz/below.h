/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Controls the stubs below the transport. */
#ifndef FUZZ_BELOW_H
#define FUZZ_BELOW_H

#include <linux/types.h>

#include "wire/packet.h"

struct nopin_arrival;
struct sk_buff;

#define BELOW_PAGES	8

/* Packets do not come from the peer's address. */
extern bool below_foreign;

/* The peer has an address of this device. */
extern bool below_own;

/* The ECN field of arriving packets. */
extern u8 below_ecn;

/* The packets that arrive together, as one train. */
#define BELOW_TRAIN	4

extern struct below_packet {
	struct sk_buff *skb;
	struct nopin_pkt pkt;
} below_train[BELOW_TRAIN];
extern unsigned int below_packets;

/* Called with each packet that a QP sends. */
extern void (*below_sent)(const struct nopin_pkt *pkt, const void *payload);

void below_arrive(struct nopin_arrival *arrival);

/* The address space of mirrored memory: BELOW_PAGES pages, and which of them are missing. */
extern u8 *below_space;
extern bool below_absent[BELOW_PAGES];

/* Faults of missing pages fail. */
extern bool below_fails;

#endif /* FUZZ_BELOW_H */
