/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The mirror: a cache of one process's page tables that the NIC reads and
 * writes memory through. Nothing in it is pinned; any entry can vanish at any
 * moment and is faulted in again by the next access.
 */
#ifndef NOPIN_MIRROR_H
#define NOPIN_MIRROR_H

#include <linux/types.h>

#include "mirror/view.h"

struct mm_struct;
struct nopin_mirror;

/* What an access does to the mirrored memory. */
enum nopin_access {
	NOPIN_READ,
	NOPIN_WRITE,
};

enum nopin_atomic_op {
	NOPIN_ATOMIC_CMP_SWAP,
	NOPIN_ATOMIC_FETCH_ADD,
	NOPIN_ATOMIC_STORE,
};

/**
 * struct nopin_atomic - one 64-bit atomic operation, host byte order
 * @op: which
 * @compare: for CMP_SWAP, what the memory must hold
 * @swap_add: for CMP_SWAP and STORE the new value, for FETCH_ADD the addend
 * @old: result: what the memory held before
 */
struct nopin_atomic {
	enum nopin_atomic_op op;
	u64 compare;
	u64 swap_add;
	u64 old;
};

void nopin_atomic_apply(struct nopin_atomic *atomic, void *kaddr);

struct nopin_mirror *nopin_mirror_get_current(void);
void nopin_mirror_put(struct nopin_mirror *mirror);
bool nopin_mirror_is_current(const struct nopin_mirror *mirror);
int nopin_mirror_check_current(u64 va, u64 len, bool write);

int nopin_mirror_open(struct nopin_mirror *mirror, u64 va, size_t len,
		      enum nopin_access access, struct nopin_view *view);

/* What nopin_mirror_fault() does, and how hard it tries. */
#define NOPIN_FAULT_WRITE	0x1	/* the pages will be written */
#define NOPIN_FAULT_SNAPSHOT	0x2	/* take only what is present (NO_FAULT) */
#define NOPIN_FAULT_PROMPT	0x4	/* fail if a program must answer (userfaultfd) */

/*
 * Tells faults and moves to end: those for one region (nopin_mirror_stop()), or those that
 * the programs of one device call for (nopin_mirrors_stop()).
 */
struct nopin_stop {
	bool stopped;
};

/* NULL: never. */
static inline bool nopin_stop_is_set(const struct nopin_stop *stop)
{
	return stop && READ_ONCE(stop->stopped);
}

/**
 * struct nopin_demand - pages that a fault is to make present
 * @va: address in the mirrored process
 * @need: bytes that must become present
 * @want: bytes from @va on that should become present if they can; counts if more than
 *	@need
 * @flags: NOPIN_FAULT_*
 * @stop: set when the pages are not needed any more; NULL: never
 * @leave: set when the device goes whose verb this is, as the device waits for its verbs;
 *	NULL: no verb
 */
struct nopin_demand {
	u64 va;
	size_t need;
	size_t want;
	unsigned int flags;
	const struct nopin_stop *stop;
	const struct nopin_stop *leave;
};

int nopin_mirror_fault(struct nopin_mirror *mirror, const struct nopin_demand *demand,
		       u64 *pages);
void nopin_mirror_stop(struct nopin_mirror *mirror, struct nopin_stop *stop);
void nopin_mirrors_stop(struct nopin_stop *stop);
u64 nopin_mirror_skip_hole(struct nopin_mirror *mirror, u64 va);

int nopin_mirror_init(void);
void nopin_mirror_exit(void);

#endif /* NOPIN_MIRROR_H */
