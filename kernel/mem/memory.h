/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Memory of some kind, as keys refer to it: mirrored, pinned, a dma-buf, or the kernel's
 * own. A key says who may use which bytes; the memory knows how to reach them.
 */
#ifndef NOPIN_MEMORY_H
#define NOPIN_MEMORY_H

#include <linux/kref.h>
#include <linux/types.h>

#include "mirror/mirror.h"
#include "mirror/watch.h"

struct ib_device;
struct ib_mr;
struct ib_umem;
struct nopin_memory;

/**
 * struct nopin_miss - a page that an access needs and did not find
 * @memory: the page's memory, with a reference; NULL: no miss
 * @va: user address of the first byte that is needed
 * @need: bytes that the access needs, from @va
 * @want: bytes worth making present at the same time, at least @need
 * @access: what the access will do
 */
struct nopin_miss {
	struct nopin_memory *memory;
	u64 va;
	size_t need;
	size_t want;
	enum nopin_access access;
};

/* Largest nopin_miss.want, bytes: the most that one fault makes present. */
#define NOPIN_MISS_MAX	(2U << 20)

/**
 * struct nopin_memory_ops - what one kind of memory does
 * @open: view [va, va + len), or its first bytes. Returns 0, and the caller must call
 *	nopin_view_close(); or -EAGAIN: a page is not present, and @fault makes it so.
 *	Softirq, or process with BH off, in an RCU read-side section until then.
 * @fault: as nopin_miss_resolve(); NULL where no page is ever missing
 * @is_current: is it the calling process's memory?
 * @leave: called when its region ends, with no access in flight; process context.
 *	Misses may still hold references to the struct.
 * @free: called when the last reference is dropped; any context
 */
struct nopin_memory_ops {
	int (*open)(const struct nopin_memory *memory, u64 va, size_t len,
		    enum nopin_access access, struct nopin_view *view);
	int (*fault)(struct nopin_memory *memory, const struct nopin_miss *miss,
		     bool prompt, u64 *pages);
	bool (*is_current)(const struct nopin_memory *memory);
	void (*leave)(struct nopin_memory *memory);
	void (*free)(struct nopin_memory *memory);
};

/**
 * struct nopin_memory - a range of a process's addresses, or of the kernel's
 * @ops: what its kind of memory does
 * @ref: references of the region, of misses and of prefetches
 * @va: address of the first byte
 * @length: bytes
 * @writable: keys may allow writes to it
 * @windows: number of windows bound to it; negative: no window may be bound any more
 * @fresh: its region while the core may still take that back; NULL: no longer
 */
struct nopin_memory {
	const struct nopin_memory_ops *ops;
	struct kref ref;
	u64 va;
	u64 length;
	bool writable;
	atomic_t windows;
	const struct ib_mr *fresh;
};

/**
 * struct nopin_mirrored - memory that is reached through the mirror of its process
 * @memory: the common part, first
 * @mirror: the process's mirror, with a reference
 * @ordinary: mirrored in place of pinned, by the device's policy
 * @stop: ends the faults that are taken for it
 * @watch: counts its pages that were invalidated or moved
 * @page_faults: pages made present for accesses to it
 * @prefetches: ibv_advise_mr() calls on it
 */
struct nopin_mirrored {
	struct nopin_memory memory;
	struct nopin_mirror *mirror;
	bool ordinary;
	struct nopin_stop stop;
	struct nopin_watch watch;
	atomic64_t page_faults;
	atomic64_t prefetches;
};

/**
 * struct nopin_pinned - memory whose pages the kernel keeps where they are
 * @memory: the common part, first
 * @umem: the pin
 * @pages: kernel address of each page that the range touches
 */
struct nopin_pinned {
	struct nopin_memory memory;
	struct ib_umem *umem;
	void **pages;
};

extern const struct nopin_memory_ops nopin_mirrored_ops;
extern const struct nopin_memory_ops nopin_pinned_ops;

/* memory.c: what all kinds have in common */
void nopin_memory_init(struct nopin_memory *memory, const struct nopin_memory_ops *ops,
		       u64 va, u64 length);
void nopin_memory_get(struct nopin_memory *memory);
void nopin_memory_put(struct nopin_memory *memory);
void nopin_memory_leave(struct nopin_memory *memory);

bool nopin_miss_is_current(const struct nopin_miss *miss);
int nopin_miss_resolve(const struct nopin_miss *miss, bool prompt, u64 *pages);
void nopin_miss_drop(struct nopin_miss *miss);

/* mirrored.c, pinned.c, direct.c, listed.c, dmabuf.c */
struct nopin_memory *nopin_mirrored_create(u64 va, u64 length, atomic64_t *taken);
struct nopin_memory *nopin_mirrored_create_ordinary(u64 va, u64 length, bool writable,
						    atomic64_t *taken);
struct nopin_memory *nopin_pinned_create(struct ib_device *ibdev, u64 va, u64 length,
					 int access);
struct nopin_memory *nopin_direct_create(u64 kaddr, u64 length);
struct nopin_memory *nopin_listed_create(u32 most);
void nopin_listed_pair(struct nopin_memory *one, struct nopin_memory *other);
struct nopin_memory *nopin_dmabuf_create(struct ib_device *ibdev, int fd, u64 offset,
					 u64 length, atomic64_t *taken);
void nopin_pages_show(struct nopin_view *view, void *const *page, u64 va, size_t len);
int nopin_pinned_open(const struct nopin_memory *memory, u64 va, size_t len,
		      enum nopin_access access, struct nopin_view *view);

/* Index of the page that contains @va, among the pages that the memory touches. */
static inline size_t nopin_memory_page(const struct nopin_memory *memory, u64 va)
{
	return (va >> PAGE_SHIFT) - (memory->va >> PAGE_SHIFT);
}

static inline struct nopin_mirrored *to_nopin_mirrored(const struct nopin_memory *memory)
{
	return container_of((struct nopin_memory *)memory, struct nopin_mirrored, memory);
}

static inline bool nopin_memory_is_mirrored(const struct nopin_memory *memory)
{
	return memory->ops == &nopin_mirrored_ops;
}

/**
 * nopin_memory_open - view memory
 * @memory: memory of a key in use
 * @va: user address of the first byte
 * @len: bytes, not 0; all within the memory
 * @access: what will be done to it
 * @view: gets the first bytes of it, at least one and @len at most
 *
 * Nearly every access is to mirrored or pinned memory, so those are called directly.
 *
 * Return: 0, and the caller must call nopin_view_close(); or -EAGAIN when a page is not
 *	present.
 * Context: softirq, or process with BH off, in an RCU read-side section until the
 *	view is closed.
 */
static inline int nopin_memory_open(const struct nopin_memory *memory, u64 va, size_t len,
				    enum nopin_access access, struct nopin_view *view)
{
	if (likely(nopin_memory_is_mirrored(memory)))
		return nopin_mirror_open(to_nopin_mirrored(memory)->mirror, va, len,
					 access, view);
	if (likely(memory->ops == &nopin_pinned_ops))
		return nopin_pinned_open(memory, va, len, access, view);
	return memory->ops->open(memory, va, len, access, view);
}

#endif /* NOPIN_MEMORY_H */
