// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Pages that move: into a NIC's memory, out of it by request, out of it because the CPU
 * touched one, and all of them out of it before that memory is destroyed.
 *
 * The kernel moves pages in three steps, and this file copies in between. A page that is
 * in use elsewhere stays where it is.
 *
 *   migrate_vma_setup      puts migration entries into the page tables, so that no CPU
 *                          reaches the pages; invalidates them in mirrors (invalidate.c),
 *                          so that no copy by a NIC is in flight either
 *   (copy)
 *   migrate_vma_pages      the new page replaces the old one in the kernel's data, unless
 *                          another reference to the old one was taken meanwhile
 *   migrate_vma_finalize   the entries name the new page, or the old one again
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "private.h"

/* How often a fault tries to bring a page back before the CPU touches it again. */
#define NOPIN_FAULT_TRIES	8

/* Set before the first store is created. */
nopin_returned_fn nopin_store_returned;

/**
 * struct nopin_move - pages that are being moved
 * @src: MIGRATE_PFN_* of the old pages
 * @dst: MIGRATE_PFN_* of the new pages
 */
struct nopin_move {
	unsigned long src[NOPIN_MOVE_PAGES];
	unsigned long dst[NOPIN_MOVE_PAGES];
};

static bool nopin_move_is_due(unsigned long src)
{
	return src & MIGRATE_PFN_MIGRATE;
}

/* After migrate_vma_pages() or migrate_device_pages(): which pages have moved. */
static u64 nopin_moved(const unsigned long *src, unsigned int num)
{
	u64 moved = 0;
	unsigned int i;

	for (i = 0; i < num; i++)
		if (nopin_move_is_due(src[i]))
			moved |= BIT_ULL(i);
	return moved;
}

/* @src: MIGRATE_PFN_*. Where there is no page yet, the new one gets zeros. */
static int nopin_move_fill(struct nopin_store *store, unsigned long src, unsigned long *dst)
{
	struct page *from = migrate_pfn_to_page(src);
	struct page *to = nopin_store_take(store);

	if (IS_ERR(to))
		return PTR_ERR(to);
	if (from)
		copy_highpage(nopin_store_backing(to), from);
	else
		clear_highpage(nopin_store_backing(to));
	*dst = migrate_pfn(page_to_pfn(to));
	return 0;
}

static void nopin_move_in_all(struct nopin_store *store, struct migrate_vma *args, int *err)
{
	unsigned int i;

	for (i = 0; i < args->npages && !*err; i++)
		if (nopin_move_is_due(args->src[i]))
			*err = nopin_move_fill(store, args->src[i], &args->dst[i]);
}

/**
 * nopin_store_move_in - move pages into the NIC's memory
 * @store: the memory
 * @vma: anonymous
 * @start: address of the first page
 * @end: address behind the last one, of NOPIN_MOVE_PAGES at most, in the same @vma
 * @moved: gets a bit for each page that has been moved; bit 0 is the page at @start
 *
 * Return: 0: all pages that could move have moved; -ENOSPC: there is no room for all;
 *	-ENOMEM; -EINVAL: the kernel does not move pages of such a mapping.
 * Context: process, sleeps; mmap_lock is held for reading.
 */
int nopin_store_move_in(struct nopin_store *store, struct vm_area_struct *vma,
			unsigned long start, unsigned long end, u64 *moved)
{
	struct nopin_move *move = kmalloc(sizeof(*move), GFP_KERNEL);
	struct migrate_vma args = {
		.vma = vma,
		.start = start,
		.end = end,
		.pgmap_owner = NOPIN_STORE_OWNER,
		.flags = MIGRATE_VMA_SELECT_SYSTEM,
	};
	int err;

	if (!move)
		return -ENOMEM;
	args.src = move->src;
	args.dst = move->dst;
	err = migrate_vma_setup(&args);
	if (err)
		goto out;
	nopin_move_in_all(store, &args, &err);
	migrate_vma_pages(&args);
	*moved = nopin_moved(args.src, args.npages);
	nopin_stat_add(store->stats, NOPIN_MIGRATIONS_IN, hweight64(*moved));
	migrate_vma_finalize(&args);
out:
	kfree(move);
	return err;
}

/* @page: the new page, an ordinary one; NULL: it could not be allocated. */
static int nopin_move_drain(unsigned long src, struct page *page, unsigned long *dst)
{
	if (!page)
		return -ENOMEM;
	lock_page(page);
	copy_highpage(page, nopin_store_backing(migrate_pfn_to_page(src)));
	*dst = migrate_pfn(page_to_pfn(page));
	return 0;
}

/* The kernel also selects places where nothing is mapped (any more); they have no page. */
static int nopin_move_out_all(struct migrate_vma *args)
{
	unsigned long va;
	struct page *page;
	unsigned int i;
	int err = 0;

	for (i = 0; i < args->npages && !err; i++) {
		if (!nopin_move_is_due(args->src[i]) || !migrate_pfn_to_page(args->src[i]))
			continue;
		va = args->start + i * PAGE_SIZE;
		page = alloc_page_vma(GFP_HIGHUSER_MOVABLE, args->vma, va);
		err = nopin_move_drain(args->src[i], page, &args->dst[i]);
	}
	return err;
}

/* As nopin_moved(); each page counts for the NIC that it was in. */
static u64 nopin_moved_out(const unsigned long *src, unsigned int num)
{
	u64 moved = nopin_moved(src, num);
	unsigned int i;

	for (i = 0; i < num; i++)
		if (moved & BIT_ULL(i))
			nopin_stat_inc(nopin_store_of(migrate_pfn_to_page(src[i]))->stats,
				       NOPIN_MIGRATIONS_OUT);
	return moved;
}

/* @args: the range to move, with its arrays. */
static int nopin_move_out(struct migrate_vma *args, u64 *moved)
{
	int err;

	args->pgmap_owner = NOPIN_STORE_OWNER;
	args->flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE;
	err = migrate_vma_setup(args);
	if (err)
		return err;
	err = nopin_move_out_all(args);
	migrate_vma_pages(args);
	*moved = nopin_moved_out(args->src, args->npages);
	migrate_vma_finalize(args);
	return err;
}

/**
 * nopin_store_move_out - move pages out of the memory of any nopin NIC
 * @vma: any
 * @start: address of the first page
 * @end: address behind the last one, of NOPIN_MOVE_PAGES at most, in the same @vma
 * @moved: gets a bit for each page that has been moved; bit 0 is the page at @start
 *
 * Return: 0: all pages that could move have moved; -ENOMEM; -EINVAL: the kernel does not
 *	move pages of such a mapping.
 * Context: process, sleeps; mmap_lock is held for reading.
 */
int nopin_store_move_out(struct vm_area_struct *vma, unsigned long start,
			 unsigned long end, u64 *moved)
{
	struct nopin_move *move = kmalloc(sizeof(*move), GFP_KERNEL);
	struct migrate_vma args = { .vma = vma, .start = start, .end = end };
	int err;

	if (!move)
		return -ENOMEM;
	args.src = move->src;
	args.dst = move->dst;
	err = nopin_move_out(&args, moved);
	kfree(move);
	return err;
}

/* Bring back the page that the CPU touched. */
static int nopin_store_return(struct vm_fault *vmf, u64 *moved)
{
	unsigned long va = vmf->address & PAGE_MASK;
	unsigned long src = 0, dst = 0;
	struct migrate_vma args = {
		.vma = vmf->vma,
		.start = va,
		.end = va + PAGE_SIZE,
		.src = &src,
		.dst = &dst,
		.fault_page = vmf->page,
	};

	return nopin_move_out(&args, moved);
}

/**
 * nopin_store_fault - dev_pagemap_ops.migrate_to_ram
 * @vmf: the CPU's touch of a page in a nopin NIC's memory
 *
 * A page that others use is left where it is; the CPU then touches it again.
 *
 * Threads that touch one page at the same time use it all, as each fault holds a reference
 * (before Linux 6.15 or so), and none could move it. So one of them tries, a few times, and
 * the others let go at once, also of the CPU: the kernel's own access to user memory would
 * fault again and again without letting the one that moves the page run.
 *
 * Return: 0 or VM_FAULT_*.
 * Context: page fault.
 */
vm_fault_t nopin_store_fault(struct vm_fault *vmf)
{
	struct nopin_store *store = nopin_store_of(vmf->page);
	unsigned long slot = page_to_pfn(vmf->page) - store->first;
	unsigned int tries;
	u64 moved = 0;
	int err = 0;

	if (!nopin_slots_claim(&store->slots, slot)) {
		cond_resched();
		return 0;
	}
	for (tries = 0; tries < NOPIN_FAULT_TRIES && !moved && !err; tries++)
		err = nopin_store_return(vmf, &moved);
	nopin_slots_unclaim(&store->slots, slot);
	if (moved) {
		nopin_stat_inc(store->stats, NOPIN_MIGRATION_FAULTS);
		nopin_store_returned(vmf->vma->vm_mm, vmf->address & PAGE_MASK);
	}
	return err ? vmf_error(err) : 0;
}

/*
 * No mmap_lock is held, so once the page has no entry in page tables any more, the process
 * may exit, and the kernel would look for the page tables in memory that has been freed. So
 * nothing sleeps for memory in between, and a page without entries, which is about to be
 * freed, is left alone. A process that unmaps the page and ends within the microseconds of
 * the copy is left: a module cannot hold the anon_vma, and no driver of such memory does.
 */
static void nopin_store_evict_page(struct nopin_store *store, unsigned long slot)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_NOFAIL);
	unsigned long src = 0, dst = 0;

	if (folio_mapped(page_folio(pfn_to_page(store->first + slot))))
		migrate_device_range(&src, store->first + slot, 1);
	if (nopin_move_is_due(src))
		nopin_move_drain(src, page, &dst);
	else
		__free_page(page);
	migrate_device_pages(&src, &dst, 1);
	nopin_moved_out(&src, 1);
	migrate_device_finalize(&src, &dst, 1);
}

static long nopin_store_drain(void *arg)
{
	const struct nopin_store *store = arg;
	unsigned long none;

	migrate_device_range(&none, store->first, 0);
	return 0;
}

/*
 * A CPU may still keep pages that it has been asked to unlock. Moving no pages is the way
 * in which a module can have it let go of them.
 */
static void nopin_store_drain_all(struct nopin_store *store)
{
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu)
		work_on_cpu(cpu, nopin_store_drain, store);
	cpus_read_unlock();
}

/**
 * nopin_store_evict - bring all pages back
 * @store: the memory; nopin_slots_shut() keeps pages from being taken
 *
 * Pages that another context uses right now, as a fault does, stay at first: it tries
 * again until none is left.
 *
 * Context: process, sleeps.
 */
void nopin_store_evict(struct nopin_store *store)
{
	unsigned long slot, num = store->slots.num;

	while (nopin_slots_used(&store->slots)) {
		for (slot = nopin_slots_find(&store->slots, 0); slot < num;
		     slot = nopin_slots_find(&store->slots, slot + 1)) {
			nopin_store_evict_page(store, slot);
			cond_resched();
		}
		if (!nopin_slots_used(&store->slots))
			break;
		nopin_store_drain_all(store);
		usleep_range(1000, 2000);
	}
}
