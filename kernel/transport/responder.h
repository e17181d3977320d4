/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Requests, in PSN order. */
#ifndef NOPIN_RESPONDER_H
#define NOPIN_RESPONDER_H

#include "qp/qp.h"
#include "mem/hold.h"

void nopin_responder_resume(struct nopin_qp *qp);
bool nopin_responder_take_small(struct nopin_qp *qp, const struct sk_buff *skb,
				const struct nopin_pkt *pkt, struct nopin_hold *hold);
void nopin_responder_take(struct nopin_qp *qp, struct sk_buff *skb,
			  const struct nopin_pkt *pkt);

#endif /* NOPIN_RESPONDER_H */
