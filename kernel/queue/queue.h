/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* A ring shared with user space, or private to a kernel consumer. */
#ifndef NOPIN_QUEUE_H
#define NOPIN_QUEUE_H

#include <linux/types.h>
#include <rdma/nopin-abi.h>

struct ib_ucontext;
struct rdma_user_mmap_entry;
struct vm_area_struct;
struct nopin_queue_mem;

/**
 * struct nopin_queue - the kernel's side of one ring
 * @mem: the memory; a mapping keeps its pages when the queue is gone
 * @ring: its shared head; hostile
 * @entries: a power of two
 * @stride: bytes
 * @index: our own position: producer of a CQ, consumer of an SQ or RQ.
 *	Protected by the owner's lock; the shared copy is only ever written.
 */
struct nopin_queue {
	struct nopin_queue_mem *mem;
	struct nopin_ring *ring;
	u32 entries;
	u32 stride;
	u32 index;
};

int nopin_queue_create(struct nopin_queue *queue, struct ib_ucontext *uctx,
		       u32 entries, u32 stride, struct nopin_ring_info *info);
void nopin_queue_destroy(struct nopin_queue *queue);

/* The draining side: SQ and RQ. */
bool nopin_queue_asks(const struct nopin_queue *queue);
u32 nopin_queue_producer(const struct nopin_queue *queue);
int nopin_queue_pending(const struct nopin_queue *queue);
const void *nopin_queue_entry(const struct nopin_queue *queue, u32 ahead);
void nopin_queue_consume(struct nopin_queue *queue, u32 n);
void nopin_queue_discard(struct nopin_queue *queue);

/* The filling side: CQ. */
u32 nopin_queue_unread(const struct nopin_queue *queue);
void *nopin_queue_slot(struct nopin_queue *queue);
void nopin_queue_produce(struct nopin_queue *queue);

void nopin_queue_set_flags(struct nopin_queue *queue, u32 flags);

int nopin_queue_mmap(struct ib_ucontext *uctx, struct vm_area_struct *vma);
void nopin_queue_mmap_free(struct rdma_user_mmap_entry *entry);

#endif /* NOPIN_QUEUE_H */
