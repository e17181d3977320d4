/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What runs a QP: doorbells, packets, timers, tasks and faults. */
#ifndef NOPIN_ENTRY_H
#define NOPIN_ENTRY_H

#include "qp/qp.h"

int nopin_entry_init(void);
void nopin_entry_exit(void);

#endif /* NOPIN_ENTRY_H */
