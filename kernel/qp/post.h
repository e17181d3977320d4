/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Filling the rings of kernel users, as the provider does for programs. */
#ifndef NOPIN_POST_H
#define NOPIN_POST_H

struct ib_recv_wr;
struct ib_send_wr;
struct nopin_qp;
struct nopin_srq;

int nopin_sq_post(struct nopin_qp *qp, const struct ib_send_wr *wr,
		  const struct ib_send_wr **bad_wr);
int nopin_rq_post(struct nopin_qp *qp, const struct ib_recv_wr *wr,
		  const struct ib_recv_wr **bad_wr);
int nopin_srq_post(struct nopin_srq *srq, const struct ib_recv_wr *wr,
		   const struct ib_recv_wr **bad_wr);

#endif /* NOPIN_POST_H */
