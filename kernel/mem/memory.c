// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* What all kinds of memory have in common: their lives, and pages that are missing. */
#include "mem/memory.h"

/**
 * nopin_memory_init - begin the life of some memory
 * @memory: zeroed
 * @ops: of its kind
 * @va: user address of the first byte
 * @length: bytes
 *
 * Context: any.
 */
void nopin_memory_init(struct nopin_memory *memory, const struct nopin_memory_ops *ops,
		       u64 va, u64 length)
{
	memory->ops = ops;
	kref_init(&memory->ref);
	memory->va = va;
	memory->length = length;
	memory->writable = true;
}

/**
 * nopin_memory_get - keep the struct
 * @memory: in use by a key, or kept already
 *
 * Context: any.
 */
void nopin_memory_get(struct nopin_memory *memory)
{
	kref_get(&memory->ref);
}

static void nopin_memory_free(struct kref *ref)
{
	struct nopin_memory *memory = container_of(ref, struct nopin_memory, ref);

	memory->ops->free(memory);
}

/**
 * nopin_memory_put - keep the struct no longer
 * @memory: not to be touched afterwards
 *
 * Context: any.
 */
void nopin_memory_put(struct nopin_memory *memory)
{
	kref_put(&memory->ref, nopin_memory_free);
}

/**
 * nopin_memory_leave - the region of some memory ends
 * @memory: no key refers to it, and no access is in flight; the region's reference
 *	goes
 *
 * Context: process.
 */
void nopin_memory_leave(struct nopin_memory *memory)
{
	memory->ops->leave(memory);
	nopin_memory_put(memory);
}

/**
 * nopin_miss_is_current - can the calling process resolve the miss as its own?
 * @miss: the miss
 *
 * Return: true when the page is missing in the caller's own memory.
 * Context: process.
 */
bool nopin_miss_is_current(const struct nopin_miss *miss)
{
	return miss->memory->ops->is_current(miss->memory);
}

/**
 * nopin_miss_resolve - make the pages of a miss present
 * @miss: the miss; its region may be deregistered and its device be gone
 * @prompt: do not wait for a program that handles faults itself
 * @pages: how many became present is added
 *
 * They may be gone again before the access is repeated, which then misses again.
 *
 * Return: 0; -EFAULT when the process has no such memory or may not write it;
 *	or what else nopin_mirror_fault() says.
 * Context: process, sleeps; unless @prompt, with userfaultfd for as long as a
 *	program likes.
 */
int nopin_miss_resolve(const struct nopin_miss *miss, bool prompt, u64 *pages)
{
	return miss->memory->ops->fault(miss->memory, miss, prompt, pages);
}

/**
 * nopin_miss_drop - nobody needs the pages any more
 * @miss: the miss, or an empty one; empty afterwards
 *
 * Context: any.
 */
void nopin_miss_drop(struct nopin_miss *miss)
{
	struct nopin_memory *memory = miss->memory;

	miss->memory = NULL;
	if (memory)
		nopin_memory_put(memory);
}
