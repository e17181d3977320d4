// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory that a program may map, and its mapping. The program may write anything into it
 * at any time.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "queue/mapped.h"

static void nopin_mapped_free(struct nopin_mapped *mapped)
{
	vfree(mapped->addr);
	kfree(mapped);
}

/* Charged to the caller's memory cgroup: programs choose the size. */
static struct nopin_mapped *nopin_mapped_alloc(size_t size)
{
	struct nopin_mapped *mapped;

	mapped = kzalloc(sizeof(*mapped), GFP_KERNEL_ACCOUNT);
	if (!mapped)
		return NULL;
	mapped->size = PAGE_ALIGN(size);
	mapped->addr = __vmalloc(mapped->size, GFP_KERNEL_ACCOUNT | __GFP_ZERO |
				 NOPIN_GFP_VMALLOC_MAYFAIL | __GFP_NOWARN);
	if (!mapped->addr) {
		kfree(mapped);
		return NULL;
	}
	return mapped;
}

static int nopin_mapped_publish(struct nopin_mapped *mapped, struct ib_ucontext *uctx)
{
	int err;

	if (!uctx)
		return 0;
	err = rdma_user_mmap_entry_insert(uctx, &mapped->entry, mapped->size);
	mapped->user = !err;
	return err;
}

/**
 * nopin_mapped_create - make some memory, zeroed
 * @uctx: of the program that may map it, NULL: the kernel's own
 * @size: bytes, not 0; rounded up to whole pages
 *
 * Return: the memory or ERR_PTR().
 * Context: process.
 */
struct nopin_mapped *nopin_mapped_create(struct ib_ucontext *uctx, size_t size)
{
	struct nopin_mapped *mapped = nopin_mapped_alloc(size);
	int err;

	if (!mapped)
		return ERR_PTR(-ENOMEM);
	err = nopin_mapped_publish(mapped, uctx);
	if (!err)
		return mapped;
	nopin_mapped_free(mapped);
	return ERR_PTR(err);
}

/**
 * nopin_mapped_destroy - give some memory up
 * @mapped: not in use by the kernel any more
 *
 * A program that still has it mapped keeps the pages, and nobody reads them.
 *
 * Context: process.
 */
void nopin_mapped_destroy(struct nopin_mapped *mapped)
{
	if (mapped->user)
		rdma_user_mmap_entry_remove(&mapped->entry);
	else
		nopin_mapped_free(mapped);
}

/*
 * Each mapped page holds a reference of its own, so nothing is left to track:
 * the memory may be freed first, or the process may live on with it.
 */
static int nopin_mapped_insert(struct vm_area_struct *vma, void *addr)
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
 * nopin_mapped_mmap - ib_device_ops.mmap
 * @uctx: the program's
 * @vma: offset as nopin_mapped_offset() said, all of its size, shared
 *
 * Return: 0, -EINVAL for what is not there, -ENOMEM.
 * Context: process, mmap_lock held for writing.
 */
int nopin_mapped_mmap(struct ib_ucontext *uctx, struct vm_area_struct *vma)
{
	struct rdma_user_mmap_entry *entry;
	int err;

	entry = rdma_user_mmap_entry_get(uctx, vma);
	if (!entry)
		return -EINVAL;
	err = nopin_mapped_insert(vma, container_of(entry, struct nopin_mapped, entry)->addr);
	rdma_user_mmap_entry_put(entry);
	return err;
}

/**
 * nopin_mapped_mmap_free - ib_device_ops.mmap_free
 * @entry: of memory that nobody uses or is about to map any more
 *
 * Context: process.
 */
void nopin_mapped_mmap_free(struct rdma_user_mmap_entry *entry)
{
	nopin_mapped_free(container_of(entry, struct nopin_mapped, entry));
}
