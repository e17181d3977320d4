// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory: a reference to the mirror of the process. No page is pinned. To
 * create it costs the same whatever its length, and touches no page.
 */
#include <linux/slab.h>

#include "mem/memory.h"

static int nopin_mirrored_open(const struct nopin_memory *memory, u64 va, size_t len,
			       enum nopin_access access, struct nopin_view *view)
{
	return nopin_mirror_open(to_nopin_mirrored(memory)->mirror, va, len, access, view);
}

static int nopin_mirrored_fault(struct nopin_memory *memory, const struct nopin_miss *miss,
				bool prompt, u64 *pages)
{
	struct nopin_mirrored *mirrored = to_nopin_mirrored(memory);
	struct nopin_demand demand = {
		.va = miss->va,
		.need = miss->need,
		.want = miss->want,
		.flags = miss->access == NOPIN_WRITE ? NOPIN_FAULT_WRITE : 0,
		.stop = &mirrored->stop,
	};
	u64 before = *pages;
	int ret;

	if (prompt)
		demand.flags |= NOPIN_FAULT_PROMPT;
	ret = nopin_mirror_fault(mirrored->mirror, &demand, pages);
	atomic64_add(*pages - before, &mirrored->page_faults);
	return ret;
}

static bool nopin_mirrored_is_current(const struct nopin_memory *memory)
{
	return nopin_mirror_is_current(to_nopin_mirrored(memory)->mirror);
}

/* Faults may still be in progress: the reference to the mirror stays until the free. */
static void nopin_mirrored_leave(struct nopin_memory *memory)
{
	struct nopin_mirrored *mirrored = to_nopin_mirrored(memory);

	nopin_mirror_stop(mirrored->mirror, &mirrored->stop);
	nopin_mirror_unwatch(mirrored->mirror, &mirrored->watch);
}

static void nopin_mirrored_free(struct nopin_memory *memory)
{
	struct nopin_mirrored *mirrored = to_nopin_mirrored(memory);

	nopin_mirror_put(mirrored->mirror);
	kfree(mirrored);
}

const struct nopin_memory_ops nopin_mirrored_ops = {
	.open = nopin_mirrored_open,
	.fault = nopin_mirrored_fault,
	.is_current = nopin_mirrored_is_current,
	.leave = nopin_mirrored_leave,
	.free = nopin_mirrored_free,
};

/**
 * nopin_mirrored_create - memory of the calling process, on demand
 * @va: user address of the first byte
 * @length: bytes
 * @taken: counts the pages that the kernel takes away from it
 *
 * Return: the memory, to be ended by nopin_memory_leave(), or ERR_PTR().
 * Context: process.
 */
struct nopin_memory *nopin_mirrored_create(u64 va, u64 length, atomic64_t *taken)
{
	struct nopin_mirrored *mirrored;
	int err;

	mirrored = kzalloc(sizeof(*mirrored), GFP_KERNEL_ACCOUNT);
	if (!mirrored)
		return ERR_PTR(-ENOMEM);
	nopin_memory_init(&mirrored->memory, &nopin_mirrored_ops, va, length);
	mirrored->mirror = nopin_mirror_get_current();
	if (IS_ERR(mirrored->mirror)) {
		err = PTR_ERR(mirrored->mirror);
		goto free_mirrored;
	}
	err = nopin_mirror_watch(mirrored->mirror, &mirrored->watch, va, length, taken);
	if (err)
		goto put_mirror;
	return &mirrored->memory;

put_mirror:
	nopin_mirror_put(mirrored->mirror);
free_mirrored:
	kfree(mirrored);
	return ERR_PTR(err);
}

/**
 * nopin_mirrored_create_ordinary - on-demand memory in place of pinned memory
 * @va: user address of the first byte
 * @length: bytes
 * @writable: keys may allow writes
 * @taken: counts the pages that the kernel takes away from it
 *
 * A program that registers addresses without memory gets an error at once, as from
 * pinning.
 *
 * Return: as nopin_mirrored_create(), or the error that pinning would return.
 * Context: process.
 */
struct nopin_memory *nopin_mirrored_create_ordinary(u64 va, u64 length, bool writable,
						    atomic64_t *taken)
{
	int err = nopin_mirror_check_current(va, length, writable);
	struct nopin_memory *memory;

	if (err)
		return ERR_PTR(err);
	memory = nopin_mirrored_create(va, length, taken);
	if (IS_ERR(memory))
		return memory;
	memory->writable = writable;
	to_nopin_mirrored(memory)->ordinary = true;
	return memory;
}
