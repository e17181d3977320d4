/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Registered memory that is kept open from one small access to the next.
 *
 * Finding a region and opening its memory costs more than a few bytes do. Small
 * requests that follow each other tend to be in one page: a hold finds and opens
 * that page once, for all that come in one go.
 */
#ifndef NOPIN_HOLD_H
#define NOPIN_HOLD_H

#include "mem/region.h"
#include "mirror/view.h"

/**
 * struct nopin_hold - at most one page of one region, open
 * @pd: protection domain of the accesses
 * @region: in use, with @view open; NULL: nothing is held, and what follows means
 *	nothing
 * @key: lkey or rkey
 * @rights: IB_ACCESS_* that @region gives
 * @iova: first byte that is held
 * @len: bytes that are held
 * @kaddr: the first byte
 * @view: of them
 */
struct nopin_hold {
	struct ib_pd *pd;
	struct nopin_region *region;
	u32 key;
	int rights;
	u64 iova;
	size_t len;
	void *kaddr;
	struct nopin_view view;
};

void nopin_hold_begin(struct nopin_hold *hold, struct ib_pd *pd);
void *nopin_hold_move(struct nopin_hold *hold, u32 key, u64 iova, size_t len,
		      int rights);
void nopin_hold_end(struct nopin_hold *hold);

/**
 * nopin_hold_reach - where some bytes of a region are
 * @hold: between nopin_hold_begin() and nopin_hold_end()
 * @key: lkey or rkey
 * @iova: first byte
 * @len: bytes, not 0
 * @rights: IB_ACCESS_* that the region must give; those to write say what will be
 *	done, and without them it is to be read
 *
 * Return: the bytes, until the next call for this hold; NULL when they are not to be
 *	had that easily: they lie in two pages, or are missing, or nobody may have
 *	them. nopin_region_access() knows what to do.
 * Context: as nopin_hold_begin().
 */
static inline void *nopin_hold_reach(struct nopin_hold *hold, u32 key, u64 iova,
				     size_t len, int rights)
{
	u64 off = iova - hold->iova;

	if (likely(hold->region && hold->key == key && hold->rights == rights &&
		   off < hold->len && len <= hold->len - off))
		return hold->kaddr + off;
	return nopin_hold_move(hold, key, iova, len, rights);
}

#endif /* NOPIN_HOLD_H */
