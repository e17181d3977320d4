/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Private to kernel/store: the memory of one NIC. */
#ifndef NOPIN_STORE_PRIVATE_H
#define NOPIN_STORE_PRIVATE_H

#include <linux/ioport.h>

#include "compat.h"
#include "slots.h"
#include "stats.h"
#include "store.h"

/**
 * struct nopin_store - the memory of one NIC
 * @slots: which of its pages are in use
 * @first: page frame number of the first one
 * @region: its physical addresses, at which there is no real memory
 * @stats: of the NIC
 * @pagemap: describes it to the kernel
 */
struct nopin_store {
	struct nopin_slots slots;
	unsigned long first;
	struct resource *region;
	const struct nopin_stats *stats;
	struct dev_pagemap pagemap;
};

/* The store of a nopin NIC's private page. */
static inline struct nopin_store *nopin_store_of(struct page *page)
{
	return container_of(page_pgmap(page), struct nopin_store, pagemap);
}

/* pages.c */
struct page *nopin_store_take(struct nopin_store *store);
void nopin_store_give(struct page *page);

/* move.c */
extern nopin_returned_fn nopin_store_returned;
vm_fault_t nopin_store_fault(struct vm_fault *vmf);
void nopin_store_evict(struct nopin_store *store);

#endif /* NOPIN_STORE_PRIVATE_H */
