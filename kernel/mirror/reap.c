// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The reaper removes empty spans.
 *
 * Three parties change the set of spans. A fault inserts the span it needs; an
 * invalidation or the shrinker empties spans and marks them; a work of the
 * mirror erases the marked ones. Removing an interval notifier waits for
 * invalidations in progress, so neither an invalidation nor reclaim, which an
 * invalidation may depend on, can do it: only works do.
 */
#include <linux/sched.h>

#include "span.h"

/*
 * A span has no user and is empty before its notifier is removed:
 *
 *  copy (RCU, softirq)                reap
 *  span = xa_load
 *                                     shut, users = 0, clear, open
 *                                     erase, remove the notifier
 *                                     (no invalidation comes any more)
 *  enter
 *   no entry: -EAGAIN
 *  leave
 */
static bool nopin_span_kill(struct nopin_span *span, bool force)
{
	bool kill;

	nopin_span_shut(span);
	kill = force || (!span->present && refcount_dec_if_one(&span->users));
	if (kill)
		nopin_span_clear_all(span);
	nopin_span_open(span);
	return kill;
}

/* Remove a span that has no user. RCU keeps its memory for those that look at it. */
static void nopin_span_forget(struct nopin_span *span)
{
	struct nopin_mirror *mirror = span->mirror;

	xa_erase(&mirror->spans, span->index);
	/* A fault may be putting another span into the same slot at this moment. */
	cmpxchg(nopin_span_near(mirror, span->index), RCU_INITIALIZER(span), NULL);
	nopin_span_destroy(span);
}

/**
 * nopin_mirror_reap - struct nopin_mirror.reap: erase the marked spans that can go
 * @work: never runs twice at a time, so a span that it looks at stays
 *
 * Context: process, sleeps.
 */
void nopin_mirror_reap(struct work_struct *work)
{
	struct nopin_mirror *mirror =
		container_of(to_delayed_work(work), struct nopin_mirror, reap);
	struct nopin_span *span;
	unsigned long index;

	if (READ_ONCE(mirror->dying))
		return;
	xa_for_each_marked(&mirror->spans, index, span, NOPIN_SPAN_REAP) {
		xa_clear_mark(&mirror->spans, index, NOPIN_SPAN_REAP);
		if (nopin_span_kill(span, false))
			nopin_span_forget(span);
		cond_resched();
	}
}

/**
 * nopin_mirror_reap_all - erase every span
 * @mirror: the mirror, which has no user any more; its reaper does not run
 *
 * Context: process, sleeps.
 */
void nopin_mirror_reap_all(struct nopin_mirror *mirror)
{
	struct nopin_span *span;
	unsigned long index;

	xa_for_each(&mirror->spans, index, span) {
		nopin_span_kill(span, true);
		nopin_span_forget(span);
		cond_resched();
	}
}
