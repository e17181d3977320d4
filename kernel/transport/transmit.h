/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Sending packets, in trains. */
#ifndef NOPIN_TRANSMIT_H
#define NOPIN_TRANSMIT_H

#include "qp/qp.h"
#include "wire/packet.h"

/* Small payloads, in bytes, share a hold; a larger one is worth a key lookup of its own. */
#define NOPIN_SMALL		1024

/*
 * Packets, and bytes of payload, that are sent with BH off before the receiving side gets
 * its turn. Over lo and veth that side finds them in this CPU's cache. These are two
 * trains of packets of 2 KiB or 4 KiB.
 */
#define NOPIN_BURST		64
#define NOPIN_BURST_BYTES	(120U << 10)

void nopin_transmit_flush(struct nopin_qp *qp, struct nopin_train *train);
void *nopin_transmit_begin(struct nopin_qp *qp, struct nopin_train *train,
			   const struct nopin_pkt *pkt, u32 more);
void nopin_transmit_use(struct nopin_qp *qp, struct nopin_train *train,
			const struct nopin_pkt *pkt, struct sk_buff *skb);
void nopin_transmit_end(struct nopin_qp *qp, struct nopin_train *train,
			struct nopin_pkt *pkt);

#endif /* NOPIN_TRANSMIT_H */
