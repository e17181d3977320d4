/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The doorbells of programs and of kernel users. */
#ifndef NOPIN_DOORBELL_H
#define NOPIN_DOORBELL_H

struct nopin_qp;

void nopin_doorbell(struct nopin_qp *qp);
void nopin_recv_doorbell(struct nopin_qp *qp);
void nopin_doorbell_kernel(struct nopin_qp *qp);
void nopin_recv_doorbell_kernel(struct nopin_qp *qp);

#endif /* NOPIN_DOORBELL_H */
