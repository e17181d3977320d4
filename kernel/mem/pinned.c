// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory that is pinned for as long as its region lives, as with any other device. */
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <rdma/ib_umem.h>

#include "compat.h"
#include "mem/memory.h"

static struct nopin_pinned *to_nopin_pinned(const struct nopin_memory *memory)
{
	return container_of((struct nopin_memory *)memory, struct nopin_pinned, memory);
}

/**
 * nopin_pages_show - show memory that is listed page by page
 * @view: gets the first bytes of it
 * @page: kernel addresses of the pages, from that of the first byte on
 * @va: address of the first byte; tells its offset in the page
 * @len: bytes, not 0
 *
 * Context: any.
 */
void nopin_pages_show(struct nopin_view *view, void *const *page, u64 va, size_t len)
{
	size_t start = offset_in_page(va);
	size_t n;

	for (len = min_t(size_t, len, NOPIN_VIEW_BYTES); len; len -= n, start = 0) {
		void *kaddr = *page++;

		n = PAGE_SIZE - start;
		for (; n < len && *page == kaddr + start + n; page++)
			n += PAGE_SIZE;
		n = min(n, len);
		nopin_view_add(view, kaddr + start, n);
	}
}

/**
 * nopin_pinned_open - nopin_memory_ops.open
 * @memory: the memory
 * @va: user address of the first byte
 * @len: bytes, not 0
 * @access: what will be done to it
 * @view: gets the first bytes of it
 *
 * Return: 0.
 * Context: any.
 */
int nopin_pinned_open(const struct nopin_memory *memory, u64 va, size_t len,
		      enum nopin_access access, struct nopin_view *view)
{
	nopin_view_init(view, access == NOPIN_WRITE);
	nopin_pages_show(view, to_nopin_pinned(memory)->pages + nopin_memory_page(memory, va),
			 va, len);
	return 0;
}

static bool nopin_pinned_is_current(const struct nopin_memory *memory)
{
	return to_nopin_pinned(memory)->umem->owning_mm == current->mm;
}

static void nopin_pinned_leave(struct nopin_memory *memory)
{
	ib_umem_release(to_nopin_pinned(memory)->umem);
}

static void nopin_pinned_free(struct nopin_memory *memory)
{
	struct nopin_pinned *pinned = to_nopin_pinned(memory);

	kvfree(pinned->pages);
	kfree(pinned);
}

const struct nopin_memory_ops nopin_pinned_ops = {
	.open = nopin_pinned_open,
	.is_current = nopin_pinned_is_current,
	.leave = nopin_pinned_leave,
	.free = nopin_pinned_free,
};

/* The scatterlist merges neighbours, but an access must find page i in constant time. */
static void nopin_pinned_list_pages(struct nopin_pinned *pinned)
{
	struct sg_page_iter iter;
	size_t i = 0;

	for_each_sgtable_page(&pinned->umem->sgt_append.sgt, &iter, 0)
		pinned->pages[i++] = page_address(sg_page_iter_page(&iter));
}

/**
 * nopin_pinned_create - memory of the calling process, pinned
 * @ibdev: the device
 * @va: user address of the first byte
 * @length: bytes
 * @access: IB_ACCESS_*
 *
 * Return: the memory, to be ended by nopin_memory_leave(), or ERR_PTR() as from pinning.
 * Context: process.
 */
struct nopin_memory *nopin_pinned_create(struct ib_device *ibdev, u64 va, u64 length,
					 int access)
{
	struct nopin_pinned *pinned;
	struct ib_umem *umem;
	int err = -ENOMEM;

	pinned = kzalloc(sizeof(*pinned), GFP_KERNEL_ACCOUNT);
	if (!pinned)
		return ERR_PTR(err);
	umem = ib_umem_get_va(ibdev, va, length, access);
	if (IS_ERR(umem)) {
		err = PTR_ERR(umem);
		goto free_pinned;
	}
	pinned->pages = kvmalloc_array(ib_umem_num_pages(umem), sizeof(*pinned->pages),
				       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pinned->pages)
		goto release_umem;
	nopin_memory_init(&pinned->memory, &nopin_pinned_ops, va, length);
	pinned->memory.writable = umem->writable;
	pinned->umem = umem;
	nopin_pinned_list_pages(pinned);
	return &pinned->memory;

release_umem:
	ib_umem_release(umem);
free_pinned:
	kfree(pinned);
	return ERR_PTR(err);
}
