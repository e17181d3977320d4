/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The packets of a requester. */
#ifndef NOPIN_SEND_H
#define NOPIN_SEND_H

#include "qp/qp.h"

void nopin_send_describe(struct nopin_pkt *pkt, const struct nopin_qp *qp,
			 const struct nopin_swqe *wqe, u32 offset, u32 len);
bool nopin_send_data(struct nopin_qp *qp, struct nopin_swqe *wqe);
bool nopin_send_read(struct nopin_qp *qp, struct nopin_swqe *wqe);
bool nopin_send_datagram(struct nopin_qp *qp, struct nopin_swqe *wqe);
bool nopin_send_atomic(struct nopin_qp *qp, struct nopin_swqe *wqe);
bool nopin_send_atomic_write(struct nopin_qp *qp, struct nopin_swqe *wqe);
bool nopin_send_flush(struct nopin_qp *qp, struct nopin_swqe *wqe);

#endif /* NOPIN_SEND_H */
