// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The pages of a NIC's memory, and their backing pages.
 *
 * A page is charged to the memory cgroup of its program wherever it is, as the kernel
 * moves the charge with it. Its backing page is charged to no cgroup: it replaces memory
 * that hardware would have, and the administrator limits the total by memory=SIZE.
 */
#include <linux/gfp.h>

#include "private.h"

/* Pages that are in use, of all NICs. */
atomic_long_t nopin_store_pages = ATOMIC_LONG_INIT(0);

/**
 * nopin_store_take - take a free page of the NIC's memory
 * @store: its memory
 *
 * Return: the page, locked, its bytes (nopin_store_backing()) not cleared; put_page()
 *	gives it back. ERR_PTR(-ENOSPC): the memory is full; -ENOMEM: the kernel's is.
 * Context: process, sleeps.
 */
struct page *nopin_store_take(struct nopin_store *store)
{
	struct page *backing, *page;
	long slot;

	slot = nopin_slots_take(&store->slots);
	if (slot < 0)
		return ERR_PTR(slot);
	backing = alloc_page(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!backing) {
		nopin_slots_give(&store->slots, slot);
		return ERR_PTR(-ENOMEM);
	}
	page = pfn_to_page(store->first + slot);
	nopin_device_page_init(page, &store->pagemap);
	page->zone_device_data = backing;
	atomic_long_inc(&nopin_store_pages);
	return page;
}

/**
 * nopin_store_give - free a page of the NIC's memory
 * @page: from nopin_store_take(), without a reference
 *
 * Context: any but interrupts; the context that dropped the last reference may hold page
 *	table locks.
 */
void nopin_store_give(struct page *page)
{
	struct nopin_store *store = nopin_store_of(page);
	struct page *backing = page->zone_device_data;

	page->zone_device_data = NULL;
	__free_page(backing);
	nopin_slots_give(&store->slots, page_to_pfn(page) - store->first);
	atomic_long_dec(&nopin_store_pages);
}
