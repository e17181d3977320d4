/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Answering READs. */
#ifndef NOPIN_READ_H
#define NOPIN_READ_H

#include "transport/verdict.h"

enum nopin_verdict nopin_read_begin(struct nopin_qp *qp, const struct nopin_pkt *pkt,
				    bool again);
enum nopin_verdict nopin_read_burst(struct nopin_qp *qp);

#endif /* NOPIN_READ_H */
