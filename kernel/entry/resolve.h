/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Fetching the pages that a QP waits for. */
#ifndef NOPIN_RESOLVE_H
#define NOPIN_RESOLVE_H

#include "qp/qp.h"

void nopin_sq_resolve(struct nopin_qp *qp, struct nopin_wait *wait);
void nopin_fault_work(struct work_struct *work);
void nopin_copied_work(struct work_struct *work);

#endif /* NOPIN_RESOLVE_H */
