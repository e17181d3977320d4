/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Congestion: marked packets, and CNPs. */
#ifndef NOPIN_CONGESTION_H
#define NOPIN_CONGESTION_H

#include <linux/types.h>

struct nopin_qp;

void nopin_congestion_of_requests(struct nopin_qp *qp);
void nopin_congestion_of_answers(struct nopin_qp *qp);
void nopin_congestion_told(struct nopin_qp *qp);

#endif /* NOPIN_CONGESTION_H */
