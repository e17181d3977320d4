// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* What all kinds of memory have in common: references, and pages that are missing. */
#include "mem/memory.h"

/**
 * nopin_memory_init - initialise the common part of some memory
 * @memory: zeroed; gets one reference
 * @ops: what its kind of memory does
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
 * nopin_memory_get - take a reference
 * @memory: memory of a key in use, or with a reference already
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
 * nopin_memory_put - drop a reference
 * @memory: the memory, which the caller does not touch afterwards
 *
 * Context: any.
 */
void nopin_memory_put(struct nopin_memory *memory)
{
	kref_put(&memory->ref, nopin_memory_free);
}

/**
 * nopin_memory_leave - end the use of some memory by its region
 * @memory: no key refers to it, and no access is in flight; the region's reference
 *	is dropped
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
 * @pages: the number of pages that became present is added
 *
 * The kernel may take the pages away again before the access is repeated. The access
 * then misses again.
 *
 * Return: 0; -EFAULT when the process has no such memory or may not write it;
 *	or another error of nopin_mirror_fault().
 * Context: process, sleeps; unless @prompt, it may wait for a program (userfaultfd)
 *	without limit.
 */
int nopin_miss_resolve(const struct nopin_miss *miss, bool prompt, u64 *pages)
{
	return miss->memory->ops->fault(miss->memory, miss, prompt, pages);
}

/**
 * nopin_miss_drop - drop the reference of a miss
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
