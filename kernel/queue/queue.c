// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Rings: their memory, their mapping into the program, and the indices.
 *
 * The other side of a ring may write anything into it at any time. All that is
 * ever believed is our own index and, after a check against it, the distance to
 * the other side's.
 */
#include <linux/build_bug.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <rdma/ib_verbs.h>

#include "queue/queue.h"

/**
 * struct nopin_queue_mem - the memory of one ring
 * @entry: what mmap() finds it by; only with @user
 * @addr: page-aligned
 * @size: bytes, a multiple of the page size
 * @user: a program may map it
 */
struct nopin_queue_mem {
	struct rdma_user_mmap_entry entry;
	void *addr;
	size_t size;
	bool user;
};

static void nopin_queue_mem_free(struct nopin_queue_mem *mem)
{
	vfree(mem->addr);
	kfree(mem);
}

/* Charged to the caller's memory cgroup: programs choose the size. */
static struct nopin_queue_mem *nopin_queue_mem_alloc(size_t size)
{
	struct nopin_queue_mem *mem;

	mem = kzalloc(sizeof(*mem), GFP_KERNEL_ACCOUNT);
	if (!mem)
		return NULL;
	mem->size = PAGE_ALIGN(size);
	mem->addr = __vmalloc(mem->size, GFP_KERNEL_ACCOUNT | __GFP_ZERO |
			      __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!mem->addr) {
		kfree(mem);
		return NULL;
	}
	return mem;
}

static int nopin_queue_publish(struct nopin_queue_mem *mem,
			       struct ib_ucontext *uctx)
{
	int err;

	if (!uctx)
		return 0;
	err = rdma_user_mmap_entry_insert(uctx, &mem->entry, mem->size);
	mem->user = !err;
	return err;
}

static void nopin_queue_describe(const struct nopin_queue *queue,
				 struct nopin_ring_info *info)
{
	info->offset = rdma_user_mmap_get_offset(&queue->mem->entry);
	info->size = queue->mem->size;
	info->entries = queue->entries;
	info->stride = queue->stride;
}

/**
 * nopin_queue_create - make an empty ring
 * @queue: to be filled in
 * @uctx: of the program that will map it, NULL: the kernel's own
 * @entries: at least this many, at most 2^31; rounded up to a power of two
 * @stride: bytes from one entry to the next, a multiple of 8
 * @info: filled in for the program; unused without @uctx
 *
 * Return: 0, -ENOMEM, or -EINVAL where no such ring can be.
 * Context: process.
 */
int nopin_queue_create(struct nopin_queue *queue, struct ib_ucontext *uctx,
		       u32 entries, u32 stride, struct nopin_ring_info *info)
{
	size_t size;
	int err;

	BUILD_BUG_ON(sizeof(struct nopin_ring) != 2 * NOPIN_CACHE_LINE);

	if (!entries || entries > 1U << 31)
		return -EINVAL;
	queue->entries = roundup_pow_of_two(entries);
	queue->stride = stride;
	queue->index = 0;
	if (check_mul_overflow((size_t)queue->entries, (size_t)stride, &size) ||
	    check_add_overflow(size, sizeof(struct nopin_ring), &size))
		return -EINVAL;

	queue->mem = nopin_queue_mem_alloc(size);
	if (!queue->mem)
		return -ENOMEM;
	queue->ring = queue->mem->addr;

	err = nopin_queue_publish(queue->mem, uctx);
	if (err)
		goto err_mem;
	if (uctx)
		nopin_queue_describe(queue, info);
	return 0;

err_mem:
	nopin_queue_mem_free(queue->mem);
	queue->mem = NULL;
	return err;
}

/**
 * nopin_queue_destroy - give a ring up
 * @queue: the queue, not in use any more; one never created is left alone
 *
 * A program that still has it mapped keeps the pages, and nobody reads them.
 *
 * Context: process.
 */
void nopin_queue_destroy(struct nopin_queue *queue)
{
	struct nopin_queue_mem *mem = queue->mem;

	queue->mem = NULL;
	queue->ring = NULL;
	if (!mem)
		return;
	if (mem->user)
		rdma_user_mmap_entry_remove(&mem->entry);
	else
		nopin_queue_mem_free(mem);
}

/**
 * nopin_queue_discard - take out all that is in the ring, unseen
 * @queue: an SQ or RQ
 *
 * Brings both indices together whatever the program has made of its own.
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
 * A full barrier: nopin_queue_pending() afterwards sees what a program stored
 * that did not see @flags.
 *
 * Context: any; the owner's lock held.
 */
void nopin_queue_set_flags(struct nopin_queue *queue, u32 flags)
{
	/* Pairs with the program's barrier between producer and flags. */
	smp_store_mb(queue->ring->flags, flags);
}

/*
 * Each mapped page holds a reference of its own, so nothing is left to track:
 * the memory may be freed first, or the process may live on with it.
 */
static int nopin_queue_map_pages(struct vm_area_struct *vma, void *addr)
{
	unsigned long uaddr;
	int err;

	for (uaddr = vma->vm_start; uaddr < vma->vm_end; uaddr += PAGE_SIZE) {
		err = vm_insert_page(vma, uaddr, vmalloc_to_page(addr));
		if (err)
			return err;
		addr += PAGE_SIZE;
	}
	return 0;
}

/**
 * nopin_queue_mmap - map a ring into the program
 * @uctx: the program's
 * @vma: offset and size as nopin_ring_info said, shared
 *
 * Return: 0, -EINVAL for what is not a ring, -ENOMEM.
 * Context: process, mmap_lock held for writing.
 */
int nopin_queue_mmap(struct ib_ucontext *uctx, struct vm_area_struct *vma)
{
	struct rdma_user_mmap_entry *entry;
	int err;

	entry = rdma_user_mmap_entry_get(uctx, vma);
	if (!entry)
		return -EINVAL;
	err = nopin_queue_map_pages(vma, container_of(entry, struct nopin_queue_mem,
						      entry)->addr);
	rdma_user_mmap_entry_put(entry);
	return err;
}

/**
 * nopin_queue_mmap_free - ib_device_ops.mmap_free
 * @entry: of a ring that nobody uses or is about to map any more
 *
 * Context: process.
 */
void nopin_queue_mmap_free(struct rdma_user_mmap_entry *entry)
{
	nopin_queue_mem_free(container_of(entry, struct nopin_queue_mem, entry));
}
