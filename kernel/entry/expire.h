/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The timers of a QP. */
#ifndef NOPIN_EXPIRE_H
#define NOPIN_EXPIRE_H

#include <linux/timer.h>

void nopin_sq_timer(struct timer_list *timer);
void nopin_rq_timer(struct timer_list *timer);

#endif /* NOPIN_EXPIRE_H */
