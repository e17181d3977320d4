/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* A ring shared with user space, or private to a kernel consumer. */
#ifndef NOPIN_QUEUE_H
#define NOPIN_QUEUE_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <rdma/nopin-abi.h>

struct ib_ucontext;
struct nopin_mapped;

/**
 * struct nopin_queue - the kernel's side of one ring
 * @mem: the memory; a mapping keeps its pages after the queue has been destroyed
 * @ring: head of the ring, in shared memory; not to be trusted
 * @entries: a power of two
 * @stride: bytes
 * @index: the kernel's own position: producer of a CQ, consumer of an SQ or RQ.
 *	Protected by the owner's lock; the kernel writes the shared copy, never reads it.
 */
struct nopin_queue {
	struct nopin_mapped *mem;
	struct nopin_ring *ring;
	u32 entries;
	u32 stride;
	u32 index;
};

int nopin_queue_create(struct nopin_queue *queue, struct ib_ucontext *uctx,
		       u32 entries, u32 stride, struct nopin_ring_info *info);
void nopin_queue_destroy(struct nopin_queue *queue);

void nopin_queue_discard(struct nopin_queue *queue);
void nopin_queue_set_flags(struct nopin_queue *queue, u32 flags);

static inline void *nopin_queue_at(const struct nopin_queue *queue, u32 index)
{
	void *entries = queue->ring + 1;

	return entries + (size_t)(index & (queue->entries - 1)) * queue->stride;
}

/* --- the draining side: SQ and RQ --- */

/**
 * nopin_queue_producer - how far the program says that it has filled the ring
 * @queue: an SQ or RQ
 *
 * Return: the index as it stands in the ring, unchecked.
 * Context: any.
 */
static inline u32 nopin_queue_producer(const struct nopin_queue *queue)
{
	return READ_ONCE(queue->ring->producer);
}

/**
 * nopin_queue_pending - how many entries are there to drain
 * @queue: an SQ or RQ
 *
 * Return: 0 to @queue->entries, or -EOVERFLOW when the producer is further
 *	ahead than the ring is long: the program is broken or hostile.
 * Context: any; the owner's lock held.
 */
static inline int nopin_queue_pending(const struct nopin_queue *queue)
{
	/* Pairs with the program's store-release of the producer. */
	u32 n = smp_load_acquire(&queue->ring->producer) - queue->index;

	return n <= queue->entries ? (int)n : -EOVERFLOW;
}

/**
 * nopin_queue_asks - does the program want the ring to be attended?
 * @queue: an SQ
 *
 * Return: what it said last; the kernel need not do so.
 * Context: any.
 */
static inline bool nopin_queue_asks(const struct nopin_queue *queue)
{
	return READ_ONCE(queue->ring->attend);
}

/**
 * nopin_queue_entry - an entry that is to be drained
 * @queue: an SQ or RQ
 * @ahead: 0 is the oldest; less than nopin_queue_pending()
 *
 * Return: the entry, in shared memory: copy it once, and look only at the copy.
 * Context: any; the owner's lock held.
 */
static inline const void *nopin_queue_entry(const struct nopin_queue *queue, u32 ahead)
{
	return nopin_queue_at(queue, queue->index + ahead);
}

/**
 * nopin_queue_consume - give entries back to the program
 * @queue: an SQ or RQ
 * @n: how many, oldest first
 *
 * Context: any; the owner's lock held.
 */
static inline void nopin_queue_consume(struct nopin_queue *queue, u32 n)
{
	queue->index += n;
	/* Pairs with the program's load-acquire before it reuses the entries. */
	smp_store_release(&queue->ring->consumer, queue->index);
}

/* --- the filling side: CQ --- */

/**
 * nopin_queue_unread - how many entries the other side has not taken out yet
 * @queue: a CQ
 *
 * With an impossible consumer index the ring counts as full, which harms only the program
 * that wrote the index.
 *
 * Return: 0 to @queue->entries.
 * Context: any; the owner's lock held.
 */
static inline u32 nopin_queue_unread(const struct nopin_queue *queue)
{
	/* Pairs with the program's store-release of the consumer. */
	u32 n = queue->index - smp_load_acquire(&queue->ring->consumer);

	return min(n, queue->entries);
}

/**
 * nopin_queue_slot - where the next entry goes
 * @queue: a CQ, not full
 *
 * Return: the entry, in shared memory: to be written, never read.
 * Context: any; the owner's lock held.
 */
static inline void *nopin_queue_slot(struct nopin_queue *queue)
{
	return nopin_queue_at(queue, queue->index);
}

/**
 * nopin_queue_produce - show the entry in the slot to the other side
 * @queue: a CQ
 *
 * Context: any; the owner's lock held.
 */
static inline void nopin_queue_produce(struct nopin_queue *queue)
{
	queue->index++;
	/* Pairs with the program's load-acquire of the producer. */
	smp_store_release(&queue->ring->producer, queue->index);
}

/* --- the kernel's own SQ or RQ, which a kernel user fills --- */

/**
 * nopin_queue_vacancy - where the next work request goes
 * @queue: an SQ or RQ that no program maps
 *
 * Return: the entry, or NULL where the ring is full.
 * Context: any; post_lock held.
 */
static inline void *nopin_queue_vacancy(const struct nopin_queue *queue)
{
	u32 producer = queue->ring->producer;

	/* Pairs with nopin_queue_consume(). */
	if (producer - smp_load_acquire(&queue->ring->consumer) >= queue->entries)
		return NULL;
	return nopin_queue_at(queue, producer);
}

/**
 * nopin_queue_post - show the work request to the side that drains
 * @queue: an SQ or RQ that no program maps
 *
 * Context: any; post_lock held.
 */
static inline void nopin_queue_post(const struct nopin_queue *queue)
{
	/* Pairs with nopin_queue_pending(). */
	smp_store_release(&queue->ring->producer, queue->ring->producer + 1);
}

/**
 * nopin_queue_wants_doorbell - has the draining side stopped looking at the ring?
 * @queue: an RQ that no program maps
 *
 * Return: true when a request posted just now may go unseen without a doorbell.
 * Context: any; after nopin_queue_post().
 */
static inline bool nopin_queue_wants_doorbell(const struct nopin_queue *queue)
{
	/* Store of the producer before load of the flags; pairs with nopin_queue_set_flags(). */
	smp_mb();
	return READ_ONCE(queue->ring->flags) & NOPIN_RING_NEED_DOORBELL;
}

#endif /* NOPIN_QUEUE_H */
