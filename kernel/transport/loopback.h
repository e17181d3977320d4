/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Requests between two QPs of one device, without packets. */
#ifndef NOPIN_LOOPBACK_H
#define NOPIN_LOOPBACK_H

#include "qp/qp.h"

struct nopin_qp *nopin_loopback_peer(struct nopin_qp *qp);
bool nopin_loopback_is_connected(const struct nopin_qp *qp, const struct nopin_qp *peer);
bool nopin_loopback_is_alive(struct nopin_qp *qp);
bool nopin_loopback_is_ready(const struct nopin_sq *sq, struct nopin_qp *peer);
bool nopin_loopback_step(struct nopin_qp *qp, const struct nopin_swqe *wqe, u32 *packets);

#endif /* NOPIN_LOOPBACK_H */
