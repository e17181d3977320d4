// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Keeping a page behind a key open across small accesses. */
#include <linux/mm.h>
#include <rdma/ib_verbs.h>

#include "mem/hold.h"
#include "mem/memory.h"

/**
 * nopin_hold_begin - begin a batch of small accesses
 * @hold: the hold
 * @pd: protection domain of the work requests, or of the responding QP
 * @qp: nopin_qp.id of the responding QP; 0: they are the program's own
 *
 * An invalidation, or the end of a key, waits for the page that is held, so at most
 * NOPIN_VIEW_BYTES may be copied until nopin_hold_end().
 *
 * Context: softirq, or process with BH off; one RCU read-side section until
 *	nopin_hold_end().
 */
void nopin_hold_begin(struct nopin_hold *hold, struct ib_pd *pd, u64 qp)
{
	hold->pd = pd;
	hold->qp = qp;
	hold->key = NULL;
}

/**
 * nopin_hold_end - end a batch of small accesses
 * @hold: the hold; afterwards as after nopin_hold_begin()
 *
 * Context: as nopin_hold_begin().
 */
void nopin_hold_end(struct nopin_hold *hold)
{
	if (!hold->key)
		return;
	nopin_view_close(&hold->view);
	nopin_key_exit(hold->key);
	hold->key = NULL;
}

/* Open the part of @va's page that the key covers. */
static int nopin_hold_open(struct nopin_hold *hold, const struct nopin_key *key, u64 va)
{
	u64 first = max(va & PAGE_MASK, key->va);
	u64 last = min(va | ~PAGE_MASK, key->va + key->length - 1);
	enum nopin_access access = NOPIN_READ;

	if (hold->rights & (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE))
		access = NOPIN_WRITE;
	hold->iova = key->iova + (first - key->va);
	hold->len = last - first + 1;
	return nopin_memory_open(key->memory, first, hold->len, access, &hold->view);
}

/**
 * nopin_hold_move - nopin_hold_reach() for bytes that are not held yet
 * @hold: the hold; closes the page that it has open
 * @key: lkey or rkey
 * @iova: first byte
 * @len: bytes, not 0
 * @rights: IB_ACCESS_* that the key must give
 *
 * Return: as nopin_hold_reach().
 * Context: as nopin_hold_begin().
 */
void *nopin_hold_move(struct nopin_hold *hold, u32 key, u64 iova, size_t len, int rights)
{
	struct nopin_claim claim = {
		.pd = hold->pd,
		.qp = hold->qp,
		.key = key,
		.rights = rights,
	};
	struct nopin_key *found;
	u64 va;

	nopin_hold_end(hold);
	found = nopin_key_enter(&claim, iova, len, &va);
	if (IS_ERR(found))
		return NULL;
	hold->rights = rights;
	if (offset_in_page(va) + len > PAGE_SIZE || nopin_hold_open(hold, found, va)) {
		nopin_key_exit(found);
		return NULL;
	}
	hold->key = found;
	hold->kaddr = hold->view.run[0].kaddr;
	return hold->kaddr + (iova - hold->iova);
}
