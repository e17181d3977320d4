// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Copies and atomic operations on memory in view. */
#include <linux/atomic.h>
#include <linux/cacheflush.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "mirror.h"
#include "view.h"

/* Device memory is vmalloc memory; all other is in the kernel's direct mapping. */
static struct page *nopin_view_page(const void *kaddr)
{
	return is_vmalloc_addr(kaddr) ? vmalloc_to_page(kaddr) : virt_to_page(kaddr);
}

/**
 * nopin_view_flush - flush what was written to a view, where CPU caches need it
 * @view: the view
 *
 * Context: any.
 */
void nopin_view_flush(const struct nopin_view *view)
{
	const struct nopin_run *run;
	const void *page;

	for (run = view->run; run < view->run + view->runs; run++)
		for (page = PTR_ALIGN_DOWN(run->kaddr, PAGE_SIZE);
		     page < run->kaddr + run->len; page += PAGE_SIZE)
			flush_dcache_page(nopin_view_page(page));
}

/**
 * nopin_view_read - copy all of a view out
 * @view: the view, open
 * @buffer: gets @view->len bytes
 *
 * Context: any.
 */
void nopin_view_read(const struct nopin_view *view, void *buffer)
{
	unsigned int i;

	for (i = 0; i < view->runs; i++) {
		nopin_memcpy(buffer, view->run[i].kaddr, view->run[i].len);
		buffer += view->run[i].len;
	}
}

/**
 * nopin_view_write - fill all of a view
 * @view: the view, open for writing
 * @buffer: @view->len bytes
 *
 * Context: any.
 */
void nopin_view_write(const struct nopin_view *view, const void *buffer)
{
	unsigned int i;

	for (i = 0; i < view->runs; i++) {
		nopin_memcpy(view->run[i].kaddr, buffer, view->run[i].len);
		buffer += view->run[i].len;
	}
}

/* A position in a view. */
struct nopin_cursor {
	const struct nopin_run *run;
	size_t off;
};

static struct nopin_cursor nopin_cursor_at(const struct nopin_view *view, size_t off)
{
	const struct nopin_run *run = view->run;

	while (off >= run->len)
		off -= run++->len;
	return (struct nopin_cursor){ run, off };
}

static void nopin_cursor_advance(struct nopin_cursor *at, size_t n)
{
	at->off += n;
	if (at->off == at->run->len) {
		at->run++;
		at->off = 0;
	}
}

/**
 * nopin_view_copy - copy from one view to another
 * @to: open for writing
 * @to_off: first byte in it
 * @from: open
 * @from_off: first byte in it
 * @len: bytes, not 0, within both
 *
 * Context: any.
 */
void nopin_view_copy(const struct nopin_view *to, size_t to_off,
		     const struct nopin_view *from, size_t from_off, size_t len)
{
	struct nopin_cursor dst = nopin_cursor_at(to, to_off);
	struct nopin_cursor src = nopin_cursor_at(from, from_off);

	while (len) {
		size_t n = min3(len, dst.run->len - dst.off, src.run->len - src.off);

		nopin_memcpy(dst.run->kaddr + dst.off, src.run->kaddr + src.off, n);
		nopin_cursor_advance(&dst, n);
		nopin_cursor_advance(&src, n);
		len -= n;
	}
}

/**
 * nopin_atomic_apply - do a 64-bit atomic operation on kernel memory
 * @atomic: the operation; its @old is filled in
 * @kaddr: 8-byte aligned address
 *
 * Atomic against the CPUs as much as against other NIC operations.
 *
 * Context: any.
 */
void nopin_atomic_apply(struct nopin_atomic *atomic, void *kaddr)
{
	atomic64_t *word = kaddr;

	switch (atomic->op) {
	case NOPIN_ATOMIC_CMP_SWAP:
		atomic->old = atomic64_cmpxchg(word, atomic->compare,
					       atomic->swap_add);
		break;
	case NOPIN_ATOMIC_FETCH_ADD:
		atomic->old = atomic64_fetch_add(atomic->swap_add, word);
		break;
	case NOPIN_ATOMIC_STORE:
		atomic->old = atomic64_xchg(word, atomic->swap_add);
		break;
	}
}
