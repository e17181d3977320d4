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

/* Programs choose the size, so the memory is charged to the caller's memory cgroup. */
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
 * nopin_mapped_create - allocate zeroed memory
 * @uctx: context of the program that may map it; NULL: no program may
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
 * nopin_mapped_destroy - let go of memory
 * @mapped: the memory, no longer used by the kernel
 *
 * A program that still has it mapped keeps the pages; the kernel no longer reads them.
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
 * Each mapping of a page holds a reference to it, so there is nothing to track: the
 * kernel may free the memory before the process unmaps it.
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
 * @uctx: context of the program
 * @vma: a shared mapping of the whole memory, at the offset of nopin_mapped_offset()
 *
 * Return: 0; -EINVAL where no such memory is; -ENOMEM.
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
 * @entry: of memory that no longer has users, nor an mmap() in progress
 *
 * Context: process.
 */
void nopin_mapped_mmap_free(struct rdma_user_mmap_entry *entry)
{
	nopin_mapped_free(container_of(entry, struct nopin_mapped, entry));
}
