/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The NIC's own memory, to which pages of programs move. To the kernel it is a device's
 * private memory (ZONE_DEVICE, DEVICE_PRIVATE): each page has a struct page, and the CPU
 * faults at its entry in the page tables. As a software NIC has no memory, an ordinary
 * page of the kernel, its backing page, stands behind each page that is in use.
 */
#ifndef NOPIN_STORE_H
#define NOPIN_STORE_H

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/memremap.h>
#include <linux/mm.h>

struct nopin_stats;
struct nopin_store;

/* The most pages that move in one call. */
#define NOPIN_MOVE_PAGES	64U	/* bits of a u64 */

/**
 * typedef nopin_returned_fn - called when the CPU's touch has brought a page back
 * @mm: address space of the page
 * @va: address of the page
 *
 * Context: page fault; mmap_lock is held for reading.
 */
typedef void (*nopin_returned_fn)(struct mm_struct *mm, unsigned long va);

#if IS_ENABLED(CONFIG_DEVICE_PRIVATE)

extern atomic_long_t nopin_store_pages;

/* The owner of the memory, to the kernel: all nopin devices reach each other's memory. */
#define NOPIN_STORE_OWNER	((void *)&nopin_store_pages)

/* Is any page in the memory of any nopin NIC? A hint. */
static inline bool nopin_store_is_used(void)
{
	return atomic_long_read(&nopin_store_pages);
}

/**
 * nopin_store_backing - find the page that contains the bytes of a page
 * @page: any page; a device-private page must be a nopin NIC's, and stay in use
 *
 * Return: a page that the kernel can address: @page, or its backing page.
 * Context: any.
 */
static inline struct page *nopin_store_backing(struct page *page)
{
	return is_device_private_page(page) ? page->zone_device_data : page;
}

void nopin_store_init(nopin_returned_fn returned);
struct nopin_store *nopin_store_create(u64 size, const struct nopin_stats *stats);
void nopin_store_destroy(struct nopin_store *store);
u64 nopin_store_size(const struct nopin_store *store);
u64 nopin_store_resident(const struct nopin_store *store);
u64 nopin_store_reserved(const struct nopin_store *store);
int nopin_store_reserve(struct nopin_store *store, u64 size);
void nopin_store_unreserve(struct nopin_store *store, u64 size);

int nopin_store_move_in(struct nopin_store *store, struct vm_area_struct *vma,
			unsigned long start, unsigned long end, u64 *moved);
int nopin_store_move_out(struct vm_area_struct *vma, unsigned long start,
			 unsigned long end, u64 *moved);

#else /* without CONFIG_DEVICE_PRIVATE no page moves */

#define NOPIN_STORE_OWNER	NULL

static inline bool nopin_store_is_used(void)
{
	return false;
}

static inline struct page *nopin_store_backing(struct page *page)
{
	return page;
}

static inline void nopin_store_init(nopin_returned_fn returned)
{
}

static inline struct nopin_store *nopin_store_create(u64 size,
						     const struct nopin_stats *stats)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void nopin_store_destroy(struct nopin_store *store)
{
}

static inline u64 nopin_store_size(const struct nopin_store *store)
{
	return 0;
}

static inline u64 nopin_store_resident(const struct nopin_store *store)
{
	return 0;
}

static inline u64 nopin_store_reserved(const struct nopin_store *store)
{
	return 0;
}

static inline int nopin_store_reserve(struct nopin_store *store, u64 size)
{
	return -EOPNOTSUPP;
}

static inline void nopin_store_unreserve(struct nopin_store *store, u64 size)
{
}

static inline int nopin_store_move_in(struct nopin_store *store,
				      struct vm_area_struct *vma, unsigned long start,
				      unsigned long end, u64 *moved)
{
	return -EOPNOTSUPP;
}

static inline int nopin_store_move_out(struct vm_area_struct *vma, unsigned long start,
				       unsigned long end, u64 *moved)
{
	return 0;
}

#endif

#endif /* NOPIN_STORE_H */
