// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Invalidations: the kernel takes pages away, which the NIC must not touch any more. */
#include <linux/mmu_notifier.h>

#include "span.h"
#include "trace.h"

/* The part of @range in the span, as pages of it. */
static void nopin_span_clip(const struct nopin_span *span,
			    const struct mmu_notifier_range *range,
			    unsigned int *first, unsigned int *end)
{
	u64 start = nopin_span_start(span);

	*first = 0;
	*end = NOPIN_SPAN_PAGES;
	if (range->start > start)
		*first = nopin_span_page(range->start);
	if (range->end < start + NOPIN_SPAN_SIZE)
		*end = nopin_span_page(range->end - 1) + 1;
}

static bool nopin_range_is_gone(const struct mmu_notifier_range *range)
{
	return range->event == MMU_NOTIFY_UNMAP ||
	       range->event == MMU_NOTIFY_RELEASE;
}

/*
 * The mm takes pages away. Accesses are inside the gate. An invalidation shuts it, clears
 * the range and opens it again; afterwards no copy is in flight through an entry of the
 * range. A fault shuts the gate too when it installs entries, so it cannot put an old
 * entry back:
 *
 *  fault                              invalidation
 *  seq = read_begin
 *  hmm_range_fault: pfn A             (pfn A is to be freed)
 *                                     shut, set_seq, clear, open
 *  shut
 *   read_retry: seq has changed       the mm frees A
 *  open, start again
 *
 * This runs in every kind of context that changes page tables, the OOM reaper among
 * them. All of them wait for a copy by a CPU. For a copy by an engine a context sleeps;
 * one that must not sleep gives up, and the mm asks again.
 */
static bool nopin_span_shut_for(struct nopin_span *span,
				const struct mmu_notifier_range *range)
	__acquires(&span->lock)
{
	if (!mmu_notifier_range_blockable(range))
		return nopin_span_shut_unless_busy(span);
	nopin_span_shut(span);
	return true;
}

/* False: the mm has to ask again. */
static bool nopin_span_invalidate(struct mmu_interval_notifier *notifier,
				  const struct mmu_notifier_range *range,
				  unsigned long seq)
{
	struct nopin_span *span =
		container_of(notifier, struct nopin_span, notifier);
	struct nopin_mirror *mirror = span->mirror;
	unsigned long which[NOPIN_SPAN_LINES] = {};
	unsigned int first, end, dropped;
	bool empty;

	nopin_span_clip(span, range, &first, &end);
	if (!nopin_span_shut_for(span, range)) {
		spin_unlock_bh(&span->lock);
		return false;
	}
	mmu_interval_set_seq(notifier, seq);
	dropped = nopin_span_clear(span, first, end, which);
	empty = !span->present;
	nopin_span_open(span);

	trace_nopin_mirror_invalidate(mirror->mm, range->start, range->end,
				      range->event, dropped);
	if (dropped)
		nopin_watchers_count(&mirror->watchers, NOPIN_WATCH_TAKEN,
				     nopin_span_start(span), which);
	if (empty) {
		nopin_span_mark(mirror, span->index);
		nopin_mirror_kick(mirror, nopin_range_is_gone(range) ?
					  0 : NOPIN_REAP_DELAY);
	}
	return true;
}

const struct mmu_interval_notifier_ops nopin_span_ops = {
	.invalidate = nopin_span_invalidate,
};
