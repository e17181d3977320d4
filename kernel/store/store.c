// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The memory of a NIC: how it is created, counted and destroyed. */
#include <linux/numa.h>
#include <linux/slab.h>

#include "private.h"

#ifdef NOPIN_HAS_FOLIO_FREE
static void nopin_store_folio_free(struct folio *folio)
{
	nopin_store_give(folio_page(folio, 0));
}
#endif

static const struct dev_pagemap_ops nopin_pagemap_ops = {
#ifdef NOPIN_HAS_FOLIO_FREE
	.folio_free = nopin_store_folio_free,
#else
	.page_free = nopin_store_give,
#endif
	.migrate_to_ram = nopin_store_fault,
};

/* Have the kernel make a struct page for each page. */
static int nopin_store_map(struct nopin_store *store, u64 size)
{
	struct dev_pagemap *pagemap = &store->pagemap;
	void *ret;

	store->region = request_free_mem_region(&iomem_resource, size, "nopin");
	if (IS_ERR(store->region))
		return PTR_ERR(store->region);
	pagemap->type = MEMORY_DEVICE_PRIVATE;
	pagemap->range.start = store->region->start;
	pagemap->range.end = store->region->end;
	pagemap->nr_range = 1;
	pagemap->ops = &nopin_pagemap_ops;
	pagemap->owner = NOPIN_STORE_OWNER;
	store->first = PHYS_PFN(store->region->start);
	ret = memremap_pages(pagemap, numa_node_id());
	if (!IS_ERR(ret))
		return 0;
	release_mem_region(store->region->start, resource_size(store->region));
	return PTR_ERR(ret);
}

/**
 * nopin_store_init - prepare for the first store
 * @returned: called for each page that the CPU's touch brings back
 *
 * Context: module load.
 */
void nopin_store_init(nopin_returned_fn returned)
{
	nopin_store_returned = returned;
}

/**
 * nopin_store_create - give a NIC memory
 * @size: bytes, at least a page
 * @stats: of the NIC; they outlive the store
 *
 * Return: the memory or ERR_PTR(); -EOPNOTSUPP without CONFIG_DEVICE_PRIVATE.
 * Context: process, sleeps.
 */
struct nopin_store *nopin_store_create(u64 size, const struct nopin_stats *stats)
{
	struct nopin_store *store = kzalloc(sizeof(*store), GFP_KERNEL);
	int err;

	if (!store)
		return ERR_PTR(-ENOMEM);
	store->stats = stats;
	err = nopin_slots_init(&store->slots, size >> PAGE_SHIFT);
	if (!err)
		err = nopin_store_map(store, size);
	if (!err)
		return store;
	nopin_slots_destroy(&store->slots);
	kfree(store);
	return ERR_PTR(err);
}

/**
 * nopin_store_destroy - take the memory of a NIC away
 * @store: the memory; the caller moves no more pages there, and none of it is reserved
 *
 * All pages in it are brought back into the CPU's memory.
 *
 * Context: process, sleeps.
 */
void nopin_store_destroy(struct nopin_store *store)
{
	nopin_slots_shut(&store->slots);
	nopin_store_evict(store);
	memunmap_pages(&store->pagemap);
	release_mem_region(store->region->start, resource_size(store->region));
	nopin_slots_destroy(&store->slots);
	kfree(store);
}

/**
 * nopin_store_size - how much memory is it?
 * @store: the memory
 *
 * Return: bytes.
 * Context: any.
 */
u64 nopin_store_size(const struct nopin_store *store)
{
	return (u64)store->slots.num << PAGE_SHIFT;
}

/**
 * nopin_store_reserved - how much of it is reserved by nopin_store_reserve()?
 * @store: the memory
 *
 * Return: bytes, as of now.
 * Context: any.
 */
u64 nopin_store_reserved(const struct nopin_store *store)
{
	return (u64)nopin_slots_reserved(&store->slots) << PAGE_SHIFT;
}

/**
 * nopin_store_resident - how much of it is in use, by pages of programs or reserved?
 * @store: the memory
 *
 * Return: bytes, as of now.
 * Context: any.
 */
u64 nopin_store_resident(const struct nopin_store *store)
{
	return ((u64)nopin_slots_used(&store->slots) << PAGE_SHIFT) + nopin_store_reserved(store);
}

/**
 * nopin_store_reserve - reserve some of it for other uses than pages of programs
 * @store: the memory
 * @size: bytes, whole pages
 *
 * This only counts the bytes; the caller allocates memory for them elsewhere.
 *
 * Return: 0, or -ENOSPC: not so much is free.
 * Context: any but interrupts.
 */
int nopin_store_reserve(struct nopin_store *store, u64 size)
{
	return nopin_slots_reserve(&store->slots, size >> PAGE_SHIFT);
}

/**
 * nopin_store_unreserve - undo nopin_store_reserve()
 * @store: the memory
 * @size: bytes, as reserved
 *
 * Context: any but interrupts.
 */
void nopin_store_unreserve(struct nopin_store *store, u64 size)
{
	nopin_slots_unreserve(&store->slots, size >> PAGE_SHIFT);
}
