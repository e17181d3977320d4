/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Shared receive queues: several QPs take their receives from one queue (IBTA 10.2.9). */
#ifndef NOPIN_SRQ_H
#define NOPIN_SRQ_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <rdma/ib_verbs.h>

#include "qp/wqe.h"
#include "queue/queue.h"

struct nopin_create_srq_resp;

/**
 * struct nopin_srq - a shared receive queue
 * @ibsrq: first
 * @resize_lock: one resize at a time
 * @lock: protects what follows, but for @post_lock; comes after rq.lock
 * @queue: the shared ring
 * @max_sge: most elements of a receive
 * @num: of XRC: the number by which messages name the SRQ
 * @limit: the owner is told once when fewer receives are left; 0: it is not told
 * @post_lock: protects the producer's side of @queue, which a kernel user fills
 */
struct nopin_srq {
	struct ib_srq ibsrq;
	struct mutex resize_lock;	/* one resize at a time */
	spinlock_t lock;	/* protects what follows */
	struct nopin_queue queue;
	u32 max_sge;
	u32 num;
	u32 limit;
	spinlock_t post_lock;	/* a kernel user's producer; taken with interrupts off */
};

static inline struct nopin_srq *to_nopin_srq(struct ib_srq *ibsrq)
{
	return container_of(ibsrq, struct nopin_srq, ibsrq);
}

int nopin_srq_create(struct nopin_srq *srq, struct ib_srq_attr *attr,
		     struct ib_ucontext *uctx, struct nopin_create_srq_resp *resp);
void nopin_srq_destroy(struct nopin_srq *srq);
bool nopin_srq_take(struct nopin_srq *srq, struct nopin_rwqe *recv);
int nopin_srq_create_ring(const struct nopin_srq *srq, struct nopin_queue *queue, u32 wr,
			  struct ib_ucontext *uctx, struct nopin_create_srq_resp *resp);
int nopin_srq_replace(struct nopin_srq *srq, struct nopin_queue *queue,
		      const u32 *limit);
int nopin_srq_set_limit(struct nopin_srq *srq, u32 limit);
void nopin_srq_query(struct nopin_srq *srq, struct ib_srq_attr *attr);

#endif /* NOPIN_SRQ_H */
