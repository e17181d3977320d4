// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Lists of kernel pages. A kernel user fills a list (ib_map_mr_sg()), posts a work request
 * that binds a key to it (IB_WR_REG_MR), and later another one that invalidates the key.
 *
 * The user may fill a list while the key still stands for the previous one, as it posts
 * the request that invalidates the key together with the one that binds it. So a region
 * has two lists, and the user fills the one that the key does not stand for.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "mem/region.h"

/**
 * struct nopin_listed - a list of pages
 * @memory: the common part, first; its addresses are offsets from the first page's start
 * @pages: kernel addresses of the pages
 * @most: how many there is room for
 * @num: how many there are
 * @shift: log2 of the bytes of a page, at least PAGE_SHIFT
 * @offer: what a key will stand for
 * @twin: the region's other list
 */
struct nopin_listed {
	struct nopin_memory memory;
	u64 *pages;
	u32 most;
	u32 num;
	u32 shift;
	struct nopin_grant offer;
	const struct nopin_listed *twin;
};

static struct nopin_listed *to_nopin_listed(const struct nopin_memory *memory)
{
	return container_of((struct nopin_memory *)memory, struct nopin_listed, memory);
}

static int nopin_listed_open(const struct nopin_memory *memory, u64 va, size_t len,
			     enum nopin_access access, struct nopin_view *view)
{
	const struct nopin_listed *listed = to_nopin_listed(memory);
	const u64 *page = listed->pages + (va >> listed->shift);
	size_t size = 1UL << listed->shift;
	size_t start = va & (size - 1);
	size_t n;

	nopin_view_init(view, access == NOPIN_WRITE);
	for (len = min_t(size_t, len, NOPIN_VIEW_BYTES); len; len -= n, start = 0) {
		n = min(len, size - start);
		nopin_view_add(view, (void *)(uintptr_t)*page++ + start, n);
	}
	return 0;
}

static bool nopin_listed_is_current(const struct nopin_memory *memory)
{
	return false;
}

static void nopin_listed_leave(struct nopin_memory *memory)
{
}

static void nopin_listed_free(struct nopin_memory *memory)
{
	struct nopin_listed *listed = to_nopin_listed(memory);

	kvfree(listed->pages);
	kfree(listed);
}

static const struct nopin_memory_ops nopin_listed_ops = {
	.open = nopin_listed_open,
	.is_current = nopin_listed_is_current,
	.leave = nopin_listed_leave,
	.free = nopin_listed_free,
};

/**
 * nopin_listed_create - make an empty list
 * @most: pages that it must have room for
 *
 * Return: the memory, to be ended by nopin_memory_leave(), or ERR_PTR().
 * Context: process.
 */
struct nopin_memory *nopin_listed_create(u32 most)
{
	struct nopin_listed *listed = kzalloc(sizeof(*listed), GFP_KERNEL);

	if (!listed)
		return ERR_PTR(-ENOMEM);
	listed->pages = kvmalloc_array(most, sizeof(*listed->pages), GFP_KERNEL);
	if (!listed->pages) {
		kfree(listed);
		return ERR_PTR(-ENOMEM);
	}
	listed->most = most;
	nopin_memory_init(&listed->memory, &nopin_listed_ops, 0, 0);
	return &listed->memory;
}

/**
 * nopin_listed_pair - make two lists those of one region
 * @one: from nopin_listed_create()
 * @other: likewise
 *
 * Context: process, before the region is known.
 */
void nopin_listed_pair(struct nopin_memory *one, struct nopin_memory *other)
{
	to_nopin_listed(one)->twin = to_nopin_listed(other);
	to_nopin_listed(other)->twin = to_nopin_listed(one);
}

/* For ib_sg_to_pages(). */
static int nopin_listed_add(struct ib_mr *ibmr, u64 page)
{
	struct nopin_listed *listed = to_nopin_listed(to_nopin_region(ibmr)->staged);

	if (listed->num == listed->most)
		return -ENOMEM;
	listed->pages[listed->num++] = page;
	return 0;
}

/**
 * nopin_listed_map - fill the list of a region that the key does not stand for
 * @region: from nopin_region_create_listed()
 * @sg: the memory; its DMA addresses are kernel addresses
 * @nents: elements of @sg
 * @offset: of the first byte in the first element, or NULL
 *
 * Return: how many elements had room, or a negative errno.
 * Context: any.
 */
int nopin_listed_map(struct nopin_region *region, struct scatterlist *sg, int nents,
		     unsigned int *offset)
{
	struct ib_mr *ibmr = &region->ibmr;
	struct nopin_listed *listed;
	int n;

	if (ibmr->page_size < PAGE_SIZE || !is_power_of_2(ibmr->page_size))
		return -EINVAL;
	region->staged = region->key->memory == region->memory ? region->other :
								 region->memory;
	listed = to_nopin_listed(region->staged);
	listed->num = 0;
	listed->shift = ilog2(ibmr->page_size);
	n = ib_sg_to_pages(ibmr, sg, nents, offset, nopin_listed_add);
	listed->offer.va = ibmr->iova & (ibmr->page_size - 1);
	return n;
}

/**
 * nopin_listed_offer - say what a work request will bind a key to
 * @region: nopin_listed_map() has filled a list
 * @access: IB_ACCESS_*
 *
 * Return: the list, for nopin_listed_bind(); or NULL: there is none.
 * Context: any.
 */
struct nopin_memory *nopin_listed_offer(struct nopin_region *region, int access)
{
	struct nopin_grant *offer;

	if (!region->staged)
		return NULL;
	offer = &to_nopin_listed(region->staged)->offer;
	offer->access = access;
	offer->iova = region->ibmr.iova;
	offer->length = region->ibmr.length;
	offer->memory = region->staged;
	return region->staged;
}

/**
 * nopin_listed_bind - bind a key to a list
 * @pd: protection domain of the QP whose work request it is
 * @value: the key's value from now on
 * @memory: from nopin_listed_offer(); its region may have ended since
 *
 * Return: 0; -EINVAL: there is no such key, it stands for something already, no region
 *	may have these rights, or the list is too short.
 * Context: as nopin_key_bind().
 */
int nopin_listed_bind(struct ib_pd *pd, u32 value, const struct nopin_memory *memory)
{
	return nopin_key_bind(pd, value, &to_nopin_listed(memory)->offer);
}

/* The key's region is there, and @grant is only looked at if it is of one of its lists. */
static int nopin_listed_may_bind(const struct nopin_key *key, const struct nopin_grant *grant)
{
	const struct nopin_listed *listed = to_nopin_listed(key->memory);
	u64 bytes;

	if (key->value)
		return -EINVAL;
	if (grant == &listed->twin->offer)
		listed = listed->twin;
	else if (grant != &listed->offer)
		return -EINVAL;
	bytes = (u64)listed->num << listed->shift;
	if (grant->access & ~NOPIN_REGION_ACCESS || bytes < grant->va ||
	    grant->length > bytes - grant->va)
		return -EINVAL;
	return 0;
}

const struct nopin_key_kind nopin_listed_kind = {
	.invalidates = true,
	.may_bind = nopin_listed_may_bind,
};
