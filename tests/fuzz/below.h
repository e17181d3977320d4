/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* How what is below the transport behaves. */
#ifndef FUZZ_BELOW_H
#define FUZZ_BELOW_H

#include <linux/types.h>

#include "wire/packet.h"

struct nopin_arrival;
struct sk_buff;

#define BELOW_PAGES	8

/* Packets come from somewhere else than the peer. */
extern bool below_foreign;

/* The peer is at an address of the same device. */
extern bool below_own;

/* The ECN field that they come with. */
extern u8 below_ecn;

/* The packets that come in one piece. */
#define BELOW_TRAIN	4

extern struct below_packet {
	struct sk_buff *skb;
	struct nopin_pkt pkt;
} below_train[BELOW_TRAIN];
extern unsigned int below_packets;

/* Gets what a QP sends. */
extern void (*below_sent)(const struct nopin_pkt *pkt, const void *payload);

void below_arrive(struct nopin_arrival *arrival);

/* The address space of mirrored memory, BELOW_PAGES pages; which are not there. */
extern u8 *below_space;
extern bool below_absent[BELOW_PAGES];

/* No page that is missing can be had. */
extern bool below_fails;

#endif /* FUZZ_BELOW_H */
