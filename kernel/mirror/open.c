// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Opening a view: find the entries and show the memory. This runs in softirq, or
 * with BH off. It never sleeps and never faults: a page without an entry ends the
 * access, and a context that may sleep calls nopin_mirror_fault().
 */
#include "span.h"

static void nopin_span_show_huge(const struct nopin_span *span, u64 va, size_t len,
				 struct nopin_view *view)
{
	void *kaddr = nopin_entry_kaddr(nopin_span_entry(span, nopin_span_page(va)));

	nopin_view_add(view, kaddr + offset_in_page(va), len);
}

/* How many entries, @max at most, name consecutive page frames with the same rights. */
static unsigned int nopin_entry_run(const unsigned long *entry, unsigned int max)
{
	unsigned int n = 1;

	while (n < max && entry[n] == entry[n - 1] + BIT(NOPIN_ENTRY_PFN_SHIFT))
		n++;
	return n;
}

/* Show [va, va + len), all in one line. False: a page has no entry that allows it. */
static bool nopin_line_show(const struct nopin_line *line, u64 va, size_t len,
			    struct nopin_view *view)
{
	unsigned int pages = DIV_ROUND_UP(offset_in_page(va) + len, PAGE_SIZE);
	unsigned int page = nopin_span_page(va) % NOPIN_LINE_PAGES;
	const unsigned long *entry = line->entry + nopin_line_rank(line, page);
	size_t start = offset_in_page(va);
	unsigned int run;
	size_t n;

	if (~line->bits >> page & GENMASK_ULL(pages - 1, 0))
		return false;
	for (; len; len -= n, start = 0, entry += run, pages -= run) {
		if (!nopin_entry_allows(*entry, view->write))
			return false;
		run = nopin_entry_run(entry, pages);
		n = min_t(size_t, len, run * PAGE_SIZE - start);
		nopin_view_add(view, nopin_entry_kaddr(*entry) + start, n);
	}
	return true;
}

/* Show [va, va + len), all in this span. */
static noinline bool nopin_span_show_pages(const struct nopin_span *span, u64 va,
					   size_t len, struct nopin_view *view)
{
	size_t n;

	if (span->huge) {
		nopin_span_show_huge(span, va, len, view);
		return nopin_entry_allows(span->huge, view->write);
	}
	for (; len; va += n, len -= n) {
		n = min_t(u64, len, NOPIN_LINE_SIZE - (va & (NOPIN_LINE_SIZE - 1)));
		if (!nopin_line_show(&span->line[nopin_span_page(va) / NOPIN_LINE_PAGES],
				     va, n, view))
			return false;
	}
	return true;
}

/* Show [va, va + len), all in this span, inside its gate. A small message needs one page. */
static bool nopin_span_show(const struct nopin_span *span, u64 va, size_t len,
			    struct nopin_view *view)
{
	unsigned long entry;

	if (offset_in_page(va) + len > PAGE_SIZE)
		return nopin_span_show_pages(span, va, len, view);
	entry = nopin_span_entry(span, nopin_span_page(va));
	if (!nopin_entry_allows(entry, view->write))
		return false;
	nopin_view_add(view, nopin_entry_kaddr(entry) + offset_in_page(va), len);
	return true;
}

static int nopin_span_view(struct nopin_span *span, u64 va, size_t len,
			   struct nopin_view *view)
{
	if (!READ_ONCE(span->used))
		WRITE_ONCE(span->used, true);

	if (!nopin_gate_enter(&span->gate))
		return -EAGAIN;
	if (!nopin_span_show(span, va, len, view)) {
		nopin_gate_leave(&span->gate);
		return -EAGAIN;
	}
	view->gate = &span->gate;
	view->va = va;
	return 0;
}

/* Bytes from @va on that one view may show: of one span, and NOPIN_VIEW_BYTES at most. */
static size_t nopin_view_bytes(u64 va, size_t len)
{
	u64 left = NOPIN_SPAN_SIZE - (va & (NOPIN_SPAN_SIZE - 1));

	return min3((u64)len, left, (u64)NOPIN_VIEW_BYTES);
}

/**
 * nopin_mirror_open - view mirrored memory
 * @mirror: the mirror
 * @va: address in the mirrored process
 * @len: bytes, not 0
 * @access: what will be done to the memory
 * @view: gets the first bytes of it, at least one and @len at most
 *
 * Return: 0, and the caller must call nopin_view_close(); -EAGAIN when a page has no
 * entry that allows the access, or new accesses are held up: nopin_mirror_fault() tells
 * whether to repeat it.
 * Context: softirq, or process with BH off, in an RCU read-side section. Nothing
 * sleeps before the view is closed, which may be done in another context.
 */
int nopin_mirror_open(struct nopin_mirror *mirror, u64 va, size_t len,
		      enum nopin_access access, struct nopin_view *view)
{
	struct nopin_span *span;

	lockdep_assert(in_softirq());
	nopin_view_init(view, access == NOPIN_WRITE);
	span = nopin_span_lookup(mirror, va >> NOPIN_SPAN_SHIFT);
	return span ? nopin_span_view(span, va, nopin_view_bytes(va, len), view) :
		      -EAGAIN;
}
