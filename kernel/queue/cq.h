/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Completion queues: posting, arming, polling by kernel consumers. */
#ifndef NOPIN_CQ_H
#define NOPIN_CQ_H

#include <linux/bits.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <rdma/ib_verbs.h>

#include "queue/queue.h"

/*
 * nopin_cqe.wc_flags, only in CQs of kernel consumers: vendor_err holds the VLAN id of
 * the GID that the datagram was sent to.
 */
#define NOPIN_WC_KERNEL_VLAN	BIT(31)

/**
 * struct nopin_cq - a completion queue
 * @ibcq: first
 * @resize_lock: one resize at a time
 * @lock: protects all that follows; innermost but for the core's own locks
 * @queue: ring of struct nopin_cqe
 * @timestamps: completions get a timestamp; set before the first completion
 * @armed: enum ib_cq_notify_flags that the consumer armed the CQ with; 0: not armed
 * @most: completions at which an armed CQ raises its event; 0: any number
 * @period_us: time since the first of them after which it raises the event with fewer;
 *	0: at once
 * @held: completions for which the event is due, but has not been raised
 * @timer: ends @period_us; may run while @held is 0
 * @overrun: a completion was lost; the CQ is dead (IBTA 11.6.3.1)
 * @tell: tasklet that calls a kernel consumer's handler; needs no lock
 */
struct nopin_cq {
	struct ib_cq ibcq;
	struct mutex resize_lock; /* one resize at a time */
	spinlock_t lock; /* the rest */
	struct nopin_queue queue;
	bool timestamps;
	u8 armed;
	bool overrun;
	u16 most;
	u16 period_us;
	u32 held;
	struct hrtimer timer;
	struct tasklet_struct tell;
};

static inline struct nopin_cq *to_nopin_cq(struct ib_cq *ibcq)
{
	return container_of(ibcq, struct nopin_cq, ibcq);
}

int nopin_cq_create(struct nopin_cq *cq, struct ib_ucontext *uctx, u32 entries,
		    struct nopin_ring_info *info);
void nopin_cq_destroy(struct nopin_cq *cq);
int nopin_cq_replace(struct nopin_cq *cq, struct nopin_queue *queue);
void nopin_cq_post(struct nopin_cq *cq, struct nopin_cqe *cqe,
		   struct ib_qp *qp, bool solicited);
void nopin_cq_moderate(struct nopin_cq *cq, u16 most, u16 period_us);
int nopin_cq_arm(struct nopin_cq *cq, enum ib_cq_notify_flags flags);
int nopin_cq_poll(struct nopin_cq *cq, int num, struct ib_wc *wc);

#endif /* NOPIN_CQ_H */
