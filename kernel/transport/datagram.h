/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The responder of UD: incoming datagrams. */
#ifndef NOPIN_DATAGRAM_H
#define NOPIN_DATAGRAM_H

#include "mem/hold.h"
#include "qp/qp.h"
#include "wire/packet.h"

bool nopin_datagram_take_small(struct nopin_qp *qp, const struct sk_buff *skb,
			       const struct nopin_pkt *pkt, struct nopin_hold *hold);
void nopin_datagram_take(struct nopin_qp *qp, struct sk_buff *skb,
			 const struct nopin_pkt *pkt);
void nopin_datagram_resume(struct nopin_qp *qp);

#endif /* NOPIN_DATAGRAM_H */
