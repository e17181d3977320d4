// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * DMA addresses of mirrored pages, for one device at a time.
 *
 * A DMA address is made inside the gate, beside the entry of the page, and removed with
 * it. The context that clears the entry has shut the gate, so no DMA is in flight, and
 * unmaps the page before it opens the gate. When the invalidation returns, the device
 * cannot reach the page even if it still knows the address: behind an IOMMU it would
 * fault.
 *
 *  copy by an engine                  invalidation
 *  enter
 *   entry: frame A, mapped at D
 *   hand D to the engine              gate empty? not yet; may sleep
 *  (done) leave
 *                                     shut, clear, unmap D, open
 *                                     frame A is freed
 *
 * The mirror does not own a page that it maps, so it cannot hand the page over from the
 * CPU to the device and back. Where DMA needs this, because the page would be bounced,
 * there is no DMA. Devices are coherent with the CPU's caches (mem/engine.c).
 */
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "dma.h"
#include "span.h"

#define NOPIN_DMA_ATTRS		(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_WARN)

/**
 * struct nopin_span_dma - the DMA addresses of a span's pages
 * @list: in the list of all spans' addresses, under nopin_dma_lock
 * @span: the span
 * @dev: the device that the addresses are for
 * @lock: protects what follows, inside the gate; with the gate shut it is not needed
 * @mapped: which pages have an address
 * @writable: which of them the device may write
 * @line: the addresses, by page; NULL: none of the line
 */
struct nopin_span_dma {
	struct list_head list;
	struct nopin_span *span;
	struct device *dev;
	spinlock_t lock; /* what follows */
	u64 mapped[NOPIN_SPAN_LINES];
	u64 writable[NOPIN_SPAN_LINES];
	dma_addr_t *line[NOPIN_SPAN_LINES];
};

static DEFINE_SPINLOCK(nopin_dma_lock); /* protects the list, and nopin_span.dma */
static LIST_HEAD(nopin_dma_spans);

static enum dma_data_direction nopin_dma_direction(bool write)
{
	return write ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}

/*
 * Does an IOMMU translate for the device? Then pages are not bounced, whatever
 * dma_need_sync() says: on Linux 6.1, and with CONFIG_DMA_API_DEBUG, it says of all such
 * devices that they need syncs.
 */
static bool nopin_dma_is_translated(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && domain->type != IOMMU_DOMAIN_IDENTITY;
}

static bool nopin_dma_map(struct device *dev, void *kaddr, size_t len, bool write,
			  dma_addr_t *addr)
{
	enum dma_data_direction direction = nopin_dma_direction(write);

	*addr = dma_map_page_attrs(dev, virt_to_page(kaddr), offset_in_page(kaddr), len,
				   direction, NOPIN_DMA_ATTRS);
	if (dma_mapping_error(dev, *addr))
		return false;
	if (!dma_need_sync(dev, *addr) || nopin_dma_is_translated(dev))
		return true;
	dma_unmap_page_attrs(dev, *addr, len, direction, NOPIN_DMA_ATTRS);
	return false;
}

static bool nopin_dma_append(struct nopin_dma_list *list, struct nopin_dma_run run)
{
	if (list->runs == NOPIN_DMA_RUNS)
		return false;
	list->run[list->runs++] = run;
	return true;
}

/**
 * nopin_dma_add - append memory that the mirror has mapped
 * @list: the list
 * @addr: its address for the device
 * @kaddr: its address for the kernel
 * @len: bytes
 *
 * Return: false when there is no room.
 * Context: any.
 */
bool nopin_dma_add(struct nopin_dma_list *list, dma_addr_t addr, void *kaddr, size_t len)
{
	struct nopin_dma_run *last = &list->run[list->runs];

	if (list->runs && !last[-1].own && last[-1].addr + last[-1].len == addr &&
	    last[-1].kaddr + last[-1].len == kaddr) {
		last[-1].len += len;
		return true;
	}
	return nopin_dma_append(list, (struct nopin_dma_run){ addr, kaddr, len, false });
}

/**
 * nopin_dma_add_own - map memory that stays in place, and append it
 * @list: the list
 * @dev: the device
 * @kaddr: the first byte, in the kernel's direct mapping
 * @len: bytes
 * @write: the device will write it
 *
 * Return: false when it cannot be mapped; otherwise nopin_dma_unmap_own() must follow.
 * Context: any.
 */
bool nopin_dma_add_own(struct nopin_dma_list *list, struct device *dev, void *kaddr,
		       size_t len, bool write)
{
	dma_addr_t addr;

	if (list->runs == NOPIN_DMA_RUNS || !nopin_dma_map(dev, kaddr, len, write, &addr))
		return false;
	return nopin_dma_append(list, (struct nopin_dma_run){ addr, kaddr, len, true });
}

/**
 * nopin_dma_unmap_own - unmap what was mapped for this list
 * @list: the list, empty afterwards
 * @dev: the device, which does not access it any more
 * @write: as it was mapped
 *
 * Context: any.
 */
void nopin_dma_unmap_own(struct nopin_dma_list *list, struct device *dev, bool write)
{
	const struct nopin_dma_run *run;

	for (run = list->run; run < list->run + list->runs; run++)
		if (run->own)
			dma_unmap_page_attrs(dev, run->addr, run->len,
					     nopin_dma_direction(write), NOPIN_DMA_ATTRS);
	list->runs = 0;
}

/* Charged to the process, like all tables. Without memory there is no DMA. */
static void *nopin_dma_alloc(const struct nopin_span *span, size_t size)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(span->mirror->mm);
	struct mem_cgroup *old = set_active_memcg(memcg);
	void *p = kzalloc(size, GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT);

	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return p;
}

static struct nopin_span_dma *nopin_span_dma_make(struct nopin_span *span,
						  struct device *dev)
{
	struct nopin_span_dma *fresh = nopin_dma_alloc(span, sizeof(*fresh));
	struct nopin_span_dma *dma;

	if (!fresh)
		return NULL;
	fresh->span = span;
	fresh->dev = dev;
	spin_lock_init(&fresh->lock);
	spin_lock(&nopin_dma_lock);
	dma = span->dma;
	if (!dma) {
		list_add(&fresh->list, &nopin_dma_spans);
		smp_store_release(&span->dma, fresh); /* pairs with nopin_span_dma_get() */
	}
	spin_unlock(&nopin_dma_lock);
	if (!dma)
		return fresh;
	kfree(fresh);
	return dma;
}

static struct nopin_span_dma *nopin_span_dma_get(struct nopin_span *span,
						 struct device *dev)
{
	struct nopin_span_dma *dma = smp_load_acquire(&span->dma); /* pairs with the release */

	if (!dma)
		dma = nopin_span_dma_make(span, dev);
	return dma && dma->dev == dev ? dma : NULL;
}

/* Map page @i, which has no DMA address yet. */
static bool nopin_span_dma_map(struct nopin_span_dma *dma, unsigned int i,
			       unsigned long entry)
{
	bool write = nopin_entry_allows(entry, true);
	unsigned int l = i / NOPIN_LINE_PAGES;
	u64 bit = BIT_ULL(i % NOPIN_LINE_PAGES);

	if (!dma->line[l])
		dma->line[l] = nopin_dma_alloc(dma->span,
					       NOPIN_LINE_PAGES * sizeof(dma_addr_t));
	if (!dma->line[l] ||
	    !nopin_dma_map(dma->dev, nopin_entry_kaddr(entry), PAGE_SIZE, write,
			   &dma->line[l][i % NOPIN_LINE_PAGES]))
		return false;
	dma->mapped[l] |= bit;
	if (write)
		dma->writable[l] |= bit;
	return true;
}

/* The DMA address of page @i, whose entry allows the access. */
static bool nopin_span_dma_find(struct nopin_span_dma *dma, unsigned int i, bool write,
				dma_addr_t *addr)
{
	unsigned int l = i / NOPIN_LINE_PAGES;
	u64 bit = BIT_ULL(i % NOPIN_LINE_PAGES);
	bool found;

	spin_lock(&dma->lock);
	found = dma->mapped[l] & bit ||
		nopin_span_dma_map(dma, i, nopin_span_entry(dma->span, i));
	if (found && write)
		found = dma->writable[l] & bit;
	if (found)
		*addr = dma->line[l][i % NOPIN_LINE_PAGES];
	spin_unlock(&dma->lock);
	return found;
}

static bool nopin_run_map(struct nopin_span_dma *dma, u64 va, const struct nopin_run *run,
			  bool write, struct nopin_dma_list *list)
{
	void *kaddr = run->kaddr;
	size_t left = run->len, n;
	dma_addr_t addr;

	for (; left; va += n, kaddr += n, left -= n) {
		n = min_t(size_t, left, PAGE_SIZE - offset_in_page(va));
		if (!nopin_span_dma_find(dma, nopin_span_page(va), write, &addr) ||
		    !nopin_dma_add(list, addr + offset_in_page(va), kaddr, n))
			return false;
	}
	return true;
}

/**
 * nopin_view_map - get the DMA addresses of a view's memory
 * @view: open, of mirrored memory
 * @dev: the device; all calls name the same one until nopin_mirror_unmap_all()
 * @list: the memory is appended
 *
 * The addresses are valid for as long as the access is inside the view's gate.
 *
 * Return: false when the device cannot reach all of it.
 * Context: softirq, or process with BH off.
 */
bool nopin_view_map(const struct nopin_view *view, struct device *dev,
		    struct nopin_dma_list *list)
{
	struct nopin_span *span = container_of(view->gate, struct nopin_span, gate);
	struct nopin_span_dma *dma = nopin_span_dma_get(span, dev);
	u64 va = view->va;
	unsigned int i;

	if (!dma)
		return false;
	for (i = 0; i < view->runs; va += view->run[i++].len)
		if (!nopin_run_map(dma, va, &view->run[i], view->write, list))
			return false;
	return true;
}

static void nopin_span_dma_free(struct nopin_span *span)
{
	struct nopin_span_dma *dma = span->dma;

	spin_lock(&nopin_dma_lock);
	list_del(&dma->list);
	WRITE_ONCE(span->dma, NULL);
	spin_unlock(&nopin_dma_lock);
	kfree(dma);
}

static bool nopin_span_dma_is_empty(const struct nopin_span_dma *dma)
{
	unsigned int l;

	for (l = 0; l < NOPIN_SPAN_LINES; l++)
		if (dma->line[l])
			return false;
	return true;
}

static void nopin_line_unmap(struct nopin_span_dma *dma, unsigned int l, u64 mask)
{
	u64 left;

	for (left = dma->mapped[l] & mask; left; left &= left - 1)
		dma_unmap_page_attrs(dma->dev, dma->line[l][__ffs64(left)], PAGE_SIZE,
				     nopin_dma_direction(dma->writable[l] & left & -left),
				     NOPIN_DMA_ATTRS);
	dma->mapped[l] &= ~mask;
	dma->writable[l] &= ~mask;
	if (dma->mapped[l])
		return;
	kfree(dma->line[l]);
	dma->line[l] = NULL;
}

/**
 * nopin_span_unmap_slowly - nopin_span_unmap() for a span that has DMA addresses
 * @span: the span, shut
 * @l: line
 * @mask: pages of it
 *
 * Context: any; neither allocates nor sleeps.
 */
void nopin_span_unmap_slowly(struct nopin_span *span, unsigned int l, u64 mask)
{
	nopin_span_assert_shut(span);
	nopin_line_unmap(span->dma, l, mask);
	if (nopin_span_dma_is_empty(span->dma))
		nopin_span_dma_free(span);
}

/**
 * nopin_dma_next - find a span that has DMA addresses
 *
 * Return: the span, with a reference and one to its mirror; NULL: no span has any;
 *	-EAGAIN: its mirror is ending, and the addresses are about to go.
 * Context: process.
 */
struct nopin_span *nopin_dma_next(void)
{
	struct nopin_span *span = NULL;
	struct nopin_span_dma *dma;

	spin_lock_bh(&nopin_dma_lock);
	dma = list_first_entry_or_null(&nopin_dma_spans, struct nopin_span_dma, list);
	if (dma)
		span = dma->span;
	if (span && !refcount_inc_not_zero(&span->users)) {
		span = ERR_PTR(-EAGAIN);
	} else if (span && !kref_get_unless_zero(&span->mirror->ref)) {
		refcount_dec(&span->users); /* the mirror removes all spans, used or not */
		span = ERR_PTR(-EAGAIN);
	}
	spin_unlock_bh(&nopin_dma_lock);
	return span;
}
