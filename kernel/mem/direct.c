// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The kernel's own memory, by kernel address: all of it for kernel users, or the memory
 * that a program sees as device memory (ibv_alloc_dm). Kernel users map memory by
 * ib_dma_*(), which returns the kernel address for a device without DMA.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "mem/memory.h"

static int nopin_direct_open(const struct nopin_memory *memory, u64 va, size_t len,
			     enum nopin_access access, struct nopin_view *view)
{
	nopin_view_init(view, access == NOPIN_WRITE);
	nopin_view_add(view, (void *)(uintptr_t)va, min_t(size_t, len, NOPIN_VIEW_BYTES));
	return 0;
}

static bool nopin_direct_is_current(const struct nopin_memory *memory)
{
	return false;
}

static void nopin_direct_leave(struct nopin_memory *memory)
{
}

static void nopin_direct_free(struct nopin_memory *memory)
{
	kfree(memory);
}

static const struct nopin_memory_ops nopin_direct_ops = {
	.open = nopin_direct_open,
	.is_current = nopin_direct_is_current,
	.leave = nopin_direct_leave,
	.free = nopin_direct_free,
};

/**
 * nopin_direct_create - describe memory of the kernel
 * @kaddr: kernel address of the first byte
 * @length: bytes; whoever accesses them must know that there is memory
 *
 * Return: the memory, to be ended by nopin_memory_leave(), or ERR_PTR().
 * Context: process.
 */
struct nopin_memory *nopin_direct_create(u64 kaddr, u64 length)
{
	struct nopin_memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);

	if (!memory)
		return ERR_PTR(-ENOMEM);
	nopin_memory_init(memory, &nopin_direct_ops, kaddr, length);
	return memory;
}
