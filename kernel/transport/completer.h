/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* ACKs, NAKs and responses. */
#ifndef NOPIN_COMPLETER_H
#define NOPIN_COMPLETER_H

#include "qp/qp.h"

void nopin_completer_take(struct nopin_qp *qp, struct sk_buff *skb,
			  const struct nopin_pkt *pkt);
bool nopin_completer_resume(struct nopin_qp *qp);

#endif /* NOPIN_COMPLETER_H */
