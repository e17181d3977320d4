/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What the rooms above ask of the transport. */
#ifndef NOPIN_TRANSPORT_H
#define NOPIN_TRANSPORT_H

#include <linux/types.h>

struct ib_qp;
struct ib_recv_wr;
struct ib_send_wr;
struct nopin_arrival;
struct nopin_qp;

int nopin_transport_init(void);
void nopin_transport_exit(void);
void nopin_transport_doorbell(struct nopin_qp *qp);
void nopin_transport_recv_doorbell(struct nopin_qp *qp);
void nopin_transport_rx(struct nopin_arrival *arrival);

int nopin_gsi_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
			const struct ib_send_wr **bad_wr);
int nopin_gsi_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
			const struct ib_recv_wr **bad_wr);

#endif /* NOPIN_TRANSPORT_H */
