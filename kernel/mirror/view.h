/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A view: a piece of memory by its kernel addresses, open for as long as it takes to
 * copy.
 */
#ifndef NOPIN_VIEW_H
#define NOPIN_VIEW_H

#include <linux/cacheflush.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/types.h>

#include "mirror/gate.h"

#ifdef CONFIG_HIGHMEM
#error "nopin needs a kernel that maps all memory, as 64-bit kernels do"
#endif

/* The most that a view shows, as an invalidation waits until it is closed. */
#define NOPIN_VIEW_BYTES	(64U << 10)
#define NOPIN_VIEW_RUNS		(NOPIN_VIEW_BYTES / PAGE_SIZE + 1)

/* Memory that is contiguous to the kernel; may be more than one page. */
struct nopin_run {
	void *kaddr;
	size_t len;
};

/**
 * struct nopin_view - memory that may be read or written until the view is closed
 * @gate: the gate that the access is inside of; NULL: none, and it is not mirrored memory
 * @va: of mirrored memory: address of the first byte in the process
 * @write: it may be written
 * @runs: how many of @run are in use
 * @len: bytes in all of them
 * @run: the memory, in the order of its addresses in the process
 */
struct nopin_view {
	struct nopin_gate *gate;
	u64 va;
	bool write;
	unsigned int runs;
	size_t len;
	struct nopin_run run[NOPIN_VIEW_RUNS];
};

/**
 * typedef nopin_view_fn - handle one view of an access
 * @view: open during the call
 * @off: distance in bytes from the start of the access
 * @ctx: the caller's
 *
 * It may open further views, to copy from one place to another.
 *
 * Return: 0, or an error that ends the access and is returned to its caller.
 * Context: softirq, or process with BH off; inside the view's gate.
 */
typedef int (*nopin_view_fn)(const struct nopin_view *view, size_t off, void *ctx);

/*
 * User Mode Linux does not patch memcpy() to suit the CPU, as other kernels do. A recent
 * CPU copies all but short lengths fastest by a string instruction. A sanitizer checks
 * memcpy() only.
 */
static inline void nopin_memcpy(void *to, const void *from, size_t len)
{
#if defined(CONFIG_UML) && defined(CONFIG_X86_64) && !defined(__SANITIZE_ADDRESS__)
	if (len >= 256) {
		asm volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (len)
			     : : "memory");
		return;
	}
#endif
	memcpy(to, from, len);
}

static inline void nopin_view_init(struct nopin_view *view, bool write)
{
	view->gate = NULL;
	view->write = write;
	view->runs = 0;
	view->len = 0;
}

/* Append memory. More often than not it continues the last run. */
static inline void nopin_view_add(struct nopin_view *view, void *kaddr, size_t len)
{
	struct nopin_run *last = &view->run[view->runs];

	view->len += len;
	if (view->runs && last[-1].kaddr + last[-1].len == kaddr) {
		last[-1].len += len;
		return;
	}
	last->kaddr = kaddr;
	last->len = len;
	view->runs++;
}

void nopin_view_flush(const struct nopin_view *view);
void nopin_view_read(const struct nopin_view *view, void *buffer);
void nopin_view_write(const struct nopin_view *view, const void *buffer);
void nopin_view_copy(const struct nopin_view *to, size_t to_off,
		     const struct nopin_view *from, size_t from_off, size_t len);

/**
 * nopin_view_close - end the access to the memory
 * @view: the view
 *
 * Context: any; not necessarily the one that opened it.
 */
static inline void nopin_view_close(struct nopin_view *view)
{
	if (ARCH_IMPLEMENTS_FLUSH_DCACHE_PAGE && view->write)
		nopin_view_flush(view);
	if (view->gate)
		nopin_gate_leave(view->gate);
}

#endif /* NOPIN_VIEW_H */
