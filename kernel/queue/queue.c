// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Rings: their memory and the indices.
 *
 * The other side of a ring may write anything into it at any time. The kernel relies
 * only on its own index and, after a check against that, on the distance to the other
 * side's index.
 */
#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/overflow.h>

#include "queue/mapped.h"
#include "queue/queue.h"

static void nopin_queue_describe(const struct nopin_queue *queue,
				 struct nopin_ring_info *info)
{
	info->offset = nopin_mapped_offset(queue->mem);
	info->size = queue->mem->size;
	info->entries = queue->entries;
	info->stride = queue->stride;
}

/**
 * nopin_queue_create - make an empty ring
 * @queue: to be filled in
 * @uctx: context of the program that will map it; NULL: no program will
 * @entries: at least this many, at most 2^31; rounded up to a power of two
 * @stride: bytes from one entry to the next, a multiple of 8
 * @info: filled in for the program; unused without @uctx
 *
 * Return: 0, -ENOMEM, or -EINVAL for an impossible size.
 * Context: process.
 */
int nopin_queue_create(struct nopin_queue *queue, struct ib_ucontext *uctx,
		       u32 entries, u32 stride, struct nopin_ring_info *info)
{
	size_t size;

	BUILD_BUG_ON(sizeof(struct nopin_ring) != 2 * NOPIN_CACHE_LINE);

	if (!entries || entries > 1U << 31)
		return -EINVAL;
	queue->entries = roundup_pow_of_two(entries);
	queue->stride = stride;
	queue->index = 0;
	if (check_mul_overflow((size_t)queue->entries, (size_t)stride, &size) ||
	    check_add_overflow(size, sizeof(struct nopin_ring), &size))
		return -EINVAL;

	queue->mem = nopin_mapped_create(uctx, size);
	if (IS_ERR(queue->mem)) {
		int err = PTR_ERR(queue->mem);

		queue->mem = NULL;
		return err;
	}
	queue->ring = queue->mem->addr;
	if (uctx)
		nopin_queue_describe(queue, info);
	return 0;
}

/**
 * nopin_queue_destroy - let go of a ring
 * @queue: the queue, no longer in use; one that was never created is left alone
 *
 * A program that still has it mapped keeps the pages; the kernel no longer reads them.
 *
 * Context: process.
 */
void nopin_queue_destroy(struct nopin_queue *queue)
{
	struct nopin_mapped *mem = queue->mem;

	queue->mem = NULL;
	queue->ring = NULL;
	if (mem)
		nopin_mapped_destroy(mem);
}

/**
 * nopin_queue_discard - empty the ring without looking at its entries
 * @queue: an SQ or RQ
 *
 * Afterwards both indices are equal, whatever value the program has given to its own.
 *
 * Context: any; the owner's lock is held.
 */
void nopin_queue_discard(struct nopin_queue *queue)
{
	/* Acquire: pairs with the provider's store of the producer. */
	queue->index = smp_load_acquire(&queue->ring->producer);
	/* Release: pairs with the provider's load of the consumer. */
	smp_store_release(&queue->ring->consumer, queue->index);
}

/**
 * nopin_queue_set_flags - tell the program something about the ring
 * @queue: the queue
 * @flags: NOPIN_RING_*
 *
 * A full barrier. When the program, after it stored the producer, still reads the flags
 * of before, a later nopin_queue_pending() here sees that producer.
 *
 * Context: any; the owner's lock held.
 */
void nopin_queue_set_flags(struct nopin_queue *queue, u32 flags)
{
	/* Pairs with the program's barrier between producer and flags. */
	smp_store_mb(queue->ring->flags, flags);
}
