// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Watches: invalidations counted by range. Statistics only: the mirror works
 * the same without.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>

#include "span.h"
#include "watch.h"

/* An invalidation may have to look at all of them, and others wait for it. */
#define NOPIN_WATCHES_MAX	4096

/**
 * nopin_watchers_init - nobody watches yet
 * @watchers: of a new mirror
 */
void nopin_watchers_init(struct nopin_watchers *watchers)
{
	spin_lock_init(&watchers->lock);
	watchers->tree = RB_ROOT_CACHED;
}

/**
 * nopin_mirror_watch - count the pages that the kernel takes from a range
 * @mirror: the mirror
 * @watch: zeroed; stays until nopin_mirror_unwatch()
 * @va: first byte
 * @length: bytes, not 0; may be U64_MAX
 * @total: where to count as well
 *
 * Where too many watch already nothing is counted, and @watch->watching says so.
 *
 * Context: process.
 */
void nopin_mirror_watch(struct nopin_mirror *mirror, struct nopin_watch *watch,
			u64 va, u64 length, atomic64_t *total)
{
	struct nopin_watchers *watchers = &mirror->watchers;
	u64 last;

	if (check_add_overflow(va, length - 1, &last) || last > ULONG_MAX)
		last = ULONG_MAX;
	watch->node.start = va;
	watch->node.last = last;
	watch->total = total;

	spin_lock(&watchers->lock);
	if (watchers->nr < NOPIN_WATCHES_MAX) {
		WRITE_ONCE(watchers->nr, watchers->nr + 1);
		watch->watching = true;
		interval_tree_insert(&watch->node, &watchers->tree);
	}
	spin_unlock(&watchers->lock);
}

/**
 * nopin_mirror_unwatch - undo nopin_mirror_watch()
 * @mirror: the mirror
 * @watch: not counted for any more on return
 *
 * Context: process.
 */
void nopin_mirror_unwatch(struct nopin_mirror *mirror, struct nopin_watch *watch)
{
	struct nopin_watchers *watchers = &mirror->watchers;

	if (!watch->watching)
		return;
	spin_lock(&watchers->lock);
	WRITE_ONCE(watchers->nr, watchers->nr - 1);
	interval_tree_remove(&watch->node, &watchers->tree);
	spin_unlock(&watchers->lock);
}

/* Of @pages in [@start, @last], how many can be the watched ones? */
static unsigned int nopin_watch_share(const struct nopin_watch *watch,
				      unsigned long start, unsigned long last,
				      unsigned int pages)
{
	start = max(start, watch->node.start) >> PAGE_SHIFT;
	last = min(last, watch->node.last) >> PAGE_SHIFT;
	return min_t(unsigned long, pages, last - start + 1);
}

/**
 * nopin_watchers_count - tell those concerned that pages were taken away
 * @watchers: of the mirror
 * @start: first address of the range
 * @last: its last address
 * @pages: how many pages of the range had an entry
 *
 * Context: where invalidations run: does not sleep.
 */
void nopin_watchers_count(struct nopin_watchers *watchers, u64 start, u64 last,
			  unsigned int pages)
{
	struct interval_tree_node *node;
	atomic64_t *counted = NULL;

	if (!pages || !READ_ONCE(watchers->nr))
		return;
	spin_lock(&watchers->lock);
	for (node = interval_tree_iter_first(&watchers->tree, start, last); node;
	     node = interval_tree_iter_next(node, start, last)) {
		struct nopin_watch *watch =
			container_of(node, struct nopin_watch, node);
		unsigned int n = nopin_watch_share(watch, start, last, pages);

		atomic64_add(n, &watch->page_invalidations);
		if (watch->total != counted)
			atomic64_add(n, watch->total);
		counted = watch->total;
	}
	spin_unlock(&watchers->lock);
}
