/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Registered memory that is kept open from one small access to the next.
 *
 * Finding a region and opening its memory costs more than a few bytes do. Small
 * requests that follow each other tend to be in one page: a hold finds and opens
 * that page once, for all requests of a batch.
 */
#ifndef NOPIN_HOLD_H
#define NOPIN_HOLD_H

#include "mem/key.h"
#include "mirror/view.h"

/**
 * struct nopin_hold - at most one page behind one key, open
 * @pd: protection domain of the accesses
 * @qp: nopin_qp.id of the responding QP, or 0
 * @key: in use, with @view open; NULL: nothing is held, and the other fields are not
 *	valid
 * @rights: IB_ACCESS_* that the page was opened for
 * @iova: first byte that is held
 * @len: bytes that are held
 * @kaddr: kernel address of the first byte
 * @view: view of these bytes
 */
struct nopin_hold {
	struct ib_pd *pd;
	u64 qp;
	struct nopin_key *key;
	int rights;
	u64 iova;
	size_t len;
	void *kaddr;
	struct nopin_view view;
};

void nopin_hold_begin(struct nopin_hold *hold, struct ib_pd *pd, u64 qp);
void *nopin_hold_move(struct nopin_hold *hold, u32 key, u64 iova, size_t len,
		      int rights);
void nopin_hold_end(struct nopin_hold *hold);

/**
 * nopin_hold_reach - find the kernel address of some bytes behind a key
 * @hold: between nopin_hold_begin() and nopin_hold_end()
 * @key: lkey or rkey
 * @iova: first byte
 * @len: bytes, not 0
 * @rights: IB_ACCESS_* that the key must give; with a right to write the bytes will be
 *	written, otherwise they will be read
 *
 * Return: the address, valid until the next call for this hold; NULL when the bytes lie
 *	in two pages or are missing, or the key does not allow it: nopin_copy() tells
 *	which.
 * Context: as nopin_hold_begin().
 */
static inline void *nopin_hold_reach(struct nopin_hold *hold, u32 key, u64 iova,
				     size_t len, int rights)
{
	u64 off = iova - hold->iova;

	if (likely(hold->key && hold->key->value == key && hold->rights == rights &&
		   off < hold->len && len <= hold->len - off))
		return hold->kaddr + off;
	return nopin_hold_move(hold, key, iova, len, rights);
}

#endif /* NOPIN_HOLD_H */
