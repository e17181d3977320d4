// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Keeping a page of a region open over small accesses. */
#include <linux/mm.h>

#include "mem/hold.h"

/**
 * nopin_hold_begin - some small accesses are about to be made
 * @hold: the hold
 * @pd: protection domain of the work requests, or of the responding QP
 *
 * An invalidation, or the end of a region, waits until they have been made: no more is
 * to be copied than NOPIN_VIEW_BYTES.
 *
 * Context: softirq, or process with BH off; one RCU read-side section until
 *	nopin_hold_end().
 */
void nopin_hold_begin(struct nopin_hold *hold, struct ib_pd *pd)
{
	hold->pd = pd;
	hold->region = NULL;
}

/**
 * nopin_hold_end - they have been made
 * @hold: the hold; as after nopin_hold_begin()
 *
 * Context: as nopin_hold_begin().
 */
void nopin_hold_end(struct nopin_hold *hold)
{
	if (!hold->region)
		return;
	nopin_view_close(&hold->view);
	nopin_region_release(hold->region);
	hold->region = NULL;
}

/* Open what the region has of the page of @va. */
static int nopin_hold_open(struct nopin_hold *hold, struct nopin_region *region, u64 va)
{
	u64 first = max(va & PAGE_MASK, region->va);
	u64 last = min(va | ~PAGE_MASK, region->va + region->length - 1);
	enum nopin_access access = NOPIN_READ;

	if (hold->rights & (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE))
		access = NOPIN_WRITE;
	hold->iova = region->iova + (first - region->va);
	hold->len = last - first + 1;
	return nopin_region_open(region, first, hold->len, access, &hold->view);
}

/**
 * nopin_hold_move - nopin_hold_reach() for what is not held yet
 * @hold: the hold; gives up what it has
 * @key: lkey or rkey
 * @iova: first byte
 * @len: bytes, not 0
 * @rights: IB_ACCESS_* that the region must give
 *
 * Return: as nopin_hold_reach().
 * Context: as nopin_hold_begin().
 */
void *nopin_hold_move(struct nopin_hold *hold, u32 key, u64 iova, size_t len, int rights)
{
	struct nopin_region *region;
	u64 va;

	nopin_hold_end(hold);
	region = nopin_region_enter(hold->pd, key, iova, len, rights, &va);
	if (IS_ERR(region))
		return NULL;
	hold->key = key;
	hold->rights = rights;
	if (offset_in_page(va) + len > PAGE_SIZE || nopin_hold_open(hold, region, va)) {
		nopin_region_release(region);
		return NULL;
	}
	hold->region = region;
	hold->kaddr = hold->view.run[0].kaddr;
	return hold->kaddr + (iova - hold->iova);
}
