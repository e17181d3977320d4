// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Mapping the kernel's rings.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "ring.h"

static_assert(sizeof(struct nopin_ring) == 2UL * NOPIN_CACHE_LINE,
	      "a line for each side");
static_assert(sizeof(struct nopin_send_wqe) == 64, "as the ABI says");
static_assert(sizeof(struct nopin_recv_wqe) == 16, "as the ABI says");
static_assert(sizeof(struct nopin_cqe) == 64, "as the ABI says");

/* With an inconsistent description the program would write past the mapping. */
static bool ring_info_ok(const struct nopin_ring_info *info, size_t min_stride)
{
	uint64_t used;

	if (info->entries & (info->entries - 1))
		return false;
	if (info->stride < min_stride || info->stride % sizeof(uint64_t))
		return false;

	/* 32 bits times 32 bits and a small number: no overflow */
	used = sizeof(struct nopin_ring) +
	       (uint64_t)info->entries * info->stride;
	return used <= info->size && info->size <= PTRDIFF_MAX &&
	       (uint64_t)(off_t)info->offset == info->offset;
}

/**
 * nopin_queue_map() - map a ring that the kernel has described
 * @queue: filled in
 * @cmd_fd: command file descriptor of the context
 * @info: the description; with no entries nothing is mapped
 * @min_stride: bytes that an entry must hold
 *
 * Return: 0, or an errno.
 */
int nopin_queue_map(struct nopin_queue *queue, int cmd_fd,
		    const struct nopin_ring_info *info, size_t min_stride)
{
	void *ring;

	memset(queue, 0, sizeof(*queue));
	if (!info->entries)
		return 0;
	if (!ring_info_ok(info, min_stride))
		return EPROTO;

	ring = mmap(NULL, info->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    cmd_fd, (off_t)info->offset);
	if (ring == MAP_FAILED)
		return errno;

	queue->ring = ring;
	queue->entry = (uint8_t *)ring + sizeof(*queue->ring);
	queue->entries = info->entries;
	queue->stride = info->stride;
	queue->size = info->size;
	return 0;
}

void nopin_queue_unmap(struct nopin_queue *queue)
{
	if (queue->ring)
		munmap(queue->ring, queue->size);
	memset(queue, 0, sizeof(*queue));
}
