/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Send rings that the kernel attends, so that programs can leave out doorbells. */
#ifndef NOPIN_ATTEND_H
#define NOPIN_ATTEND_H

#include "qp/qp.h"

void nopin_sq_attend(struct nopin_qp *qp, ktime_t came);
enum hrtimer_restart nopin_sq_attendant(struct hrtimer *timer);

#endif /* NOPIN_ATTEND_H */
