/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The responder of UC. */
#ifndef NOPIN_UNRELIABLE_H
#define NOPIN_UNRELIABLE_H

#include "mem/hold.h"
#include "transport/verdict.h"

void nopin_unreliable_conclude(struct nopin_qp *qp, u32 psn, enum nopin_verdict verdict);
bool nopin_unreliable_take_small(struct nopin_qp *qp, const struct sk_buff *skb,
				 const struct nopin_pkt *pkt, struct nopin_hold *hold);
void nopin_unreliable_take(struct nopin_qp *qp, struct sk_buff *skb,
			   const struct nopin_pkt *pkt);
void nopin_unreliable_resume(struct nopin_qp *qp);

#endif /* NOPIN_UNRELIABLE_H */
