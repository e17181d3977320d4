/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The requester's loop. */
#ifndef NOPIN_REQUESTER_H
#define NOPIN_REQUESTER_H

#include "qp/qp.h"

bool nopin_requester_run(struct nopin_qp *qp);
void nopin_requester_continue(struct nopin_qp *qp);
void nopin_requester_resume(struct nopin_qp *qp);

#endif /* NOPIN_REQUESTER_H */
