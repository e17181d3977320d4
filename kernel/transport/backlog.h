/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* UC and UD: packets that are kept behind one that waits. */
#ifndef NOPIN_BACKLOG_H
#define NOPIN_BACKLOG_H

#include "qp/qp.h"
#include "wire/packet.h"

/**
 * typedef nopin_deliver_fn - take a packet in its turn
 * @qp: the QP
 * @skb: data at the BTH
 * @pkt: its headers
 *
 * Context: rq.lock held, BH off.
 * Return: false: it waits for a page, and will be delivered again.
 */
typedef bool (*nopin_deliver_fn)(struct nopin_qp *qp, struct sk_buff *skb,
				 const struct nopin_pkt *pkt);

void nopin_backlog_take(struct nopin_qp *qp, struct sk_buff *skb,
			const struct nopin_pkt *pkt, nopin_deliver_fn deliver);
void nopin_backlog_resume(struct nopin_qp *qp, nopin_deliver_fn deliver);

#endif /* NOPIN_BACKLOG_H */
