/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Signs of life while a request waits for a page. */
#ifndef NOPIN_PATIENCE_H
#define NOPIN_PATIENCE_H

#include "qp/qp.h"

void nopin_responder_repeat_ack(struct nopin_qp *qp);
void nopin_responder_show_life(struct nopin_qp *qp);
void nopin_rq_timer_start(struct nopin_qp *qp);

#endif /* NOPIN_PATIENCE_H */
