/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Packets that arrive, from kernel/net to the QPs. */
#ifndef NOPIN_RECEIVE_H
#define NOPIN_RECEIVE_H

struct nopin_arrival;
struct nopin_qp;

void nopin_receive_connected(struct nopin_qp *qp, struct nopin_arrival *arrival);
void nopin_receive_answers(struct nopin_qp *qp, struct nopin_arrival *arrival);
void nopin_receive_for_srqs(struct nopin_qp *qp, struct nopin_arrival *arrival);
void nopin_receive_unacknowledged(struct nopin_qp *qp, struct nopin_arrival *arrival);
void nopin_receive_datagrams(struct nopin_qp *qp, struct nopin_arrival *arrival);
void nopin_receive(struct nopin_arrival *arrival);

#endif /* NOPIN_RECEIVE_H */
