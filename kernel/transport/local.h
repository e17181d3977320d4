/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Local requests: carried out here, without the peer. */
#ifndef NOPIN_LOCAL_H
#define NOPIN_LOCAL_H

#include "qp/qp.h"

enum ib_wc_status nopin_local_carry_out(struct nopin_qp *qp, const struct nopin_swqe *wqe);

#endif /* NOPIN_LOCAL_H */
