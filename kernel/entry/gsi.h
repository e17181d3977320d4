/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* QP 1, the general service interface. */
#ifndef NOPIN_GSI_H
#define NOPIN_GSI_H

#include "qp/qp.h"
#include "wire/packet.h"

int nopin_gsi_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
			const struct ib_send_wr **bad_wr);
int nopin_gsi_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
			const struct ib_recv_wr **bad_wr);
bool nopin_gsi_rx(struct net *net, struct sk_buff *skb, const struct nopin_pkt *pkt);
int nopin_gsi_create(struct nopin_qp *qp);
void nopin_gsi_destroy(struct nopin_qp *qp);

#endif /* NOPIN_GSI_H */
