/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The tasks of a QP. */
#ifndef NOPIN_TASK_H
#define NOPIN_TASK_H

#include <linux/interrupt.h>

void nopin_sq_task(struct tasklet_struct *task);
void nopin_rq_task(struct tasklet_struct *task);

#endif /* NOPIN_TASK_H */
