/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * One mapped ring: where it is, and how its two indexes are read and written.
 *
 * The kernel and the program each keep a copy of the index that they own; the words in
 * the ring only carry them across. "Pairs with" names functions of
 * kernel/queue/queue.[ch].
 */
#ifndef NOPIN_RING_H
#define NOPIN_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rdma/nopin-abi.h>

/**
 * struct nopin_queue - a ring of the kernel, mapped
 * @ring: its head; NULL when the queue has no entries
 * @entry: entry 0
 * @entries: a power of two, or 0
 * @stride: bytes from one entry to the next
 * @size: bytes mapped
 */
struct nopin_queue {
	struct nopin_ring *ring;
	uint8_t *entry;
	uint32_t entries;
	uint32_t stride;
	size_t size;
};

int nopin_queue_map(struct nopin_queue *queue, int cmd_fd,
		    const struct nopin_ring_info *info, size_t min_stride);
void nopin_queue_unmap(struct nopin_queue *queue);

static inline void *nopin_queue_entry(const struct nopin_queue *queue,
				      uint32_t index)
{
	size_t slot = index & (queue->entries - 1);

	return queue->entry + slot * queue->stride;
}

/*
 * CQ: after this, the entries up to the returned index may be read. Pairs with
 * the store-release in the kernel's nopin_queue_produce().
 */
static inline uint32_t nopin_queue_producer(const struct nopin_queue *queue)
{
	return __atomic_load_n(&queue->ring->producer, __ATOMIC_ACQUIRE);
}

/*
 * SQ, RQ: after this, the entries before the returned index may be refilled.
 * Pairs with the store-release in nopin_queue_consume() and, after a reset, in
 * nopin_queue_discard().
 */
static inline uint32_t nopin_queue_consumer(const struct nopin_queue *queue)
{
	return __atomic_load_n(&queue->ring->consumer, __ATOMIC_ACQUIRE);
}

/*
 * SQ, RQ: hands the entries written before this call to the kernel. Pairs with
 * the load-acquire in nopin_queue_pending().
 */
static inline void nopin_queue_produce(struct nopin_queue *queue,
				       uint32_t producer)
{
	__atomic_store_n(&queue->ring->producer, producer, __ATOMIC_RELEASE);
}

/*
 * CQ: gives the entries read before this call back to the kernel. Pairs with
 * the load-acquire in nopin_queue_unread().
 */
static inline void nopin_queue_consume(struct nopin_queue *queue,
				       uint32_t consumer)
{
	__atomic_store_n(&queue->ring->consumer, consumer, __ATOMIC_RELEASE);
}

/*
 * SQ, RQ: the flags of the kernel, read after entries were produced.
 *
 *	program				kernel
 *	store producer			store flags
 *	full barrier			full barrier
 *	load flags			load producer
 *
 * The kernel's side is nopin_queue_set_flags() and the nopin_queue_pending()
 * after it. At least one of the two loads sees the other side's store. So a receive
 * that races with the flush of the error state is flushed, or the program rings the
 * doorbell. A send that races with the end of the kernel's attendance is seen by the
 * kernel, or the program rings the doorbell.
 */
static inline uint32_t nopin_queue_flags(const struct nopin_queue *queue)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&queue->ring->flags, __ATOMIC_RELAXED);
}

/* SQ: ask the kernel to attend the ring, or not to. */
static inline void nopin_queue_attend(const struct nopin_queue *queue, bool attend)
{
	__atomic_store_n(&queue->ring->attend, attend, __ATOMIC_RELAXED);
}

#endif /* NOPIN_RING_H */
