/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Watches count what becomes of the pages of a range. */
#ifndef NOPIN_WATCH_H
#define NOPIN_WATCH_H

#include <linux/atomic.h>
#include <linux/kconfig.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>

struct nopin_mirror;
struct nopin_tally;

/* What is counted, in pages. Without CONFIG_DEVICE_PRIVATE no page moves: only the first. */
enum nopin_watched {
	NOPIN_WATCH_TAKEN,	/* entries that the kernel took away */
	NOPIN_WATCH_IN,		/* moved into a NIC's memory */
	NOPIN_WATCH_OUT,	/* moved back */
	NOPIN_WATCH_RETURNED,	/* of those, because the CPU touched them */
	NOPIN_WATCH_KINDS = IS_ENABLED(CONFIG_DEVICE_PRIVATE) ? NOPIN_WATCH_RETURNED + 1 : 1
};

/**
 * struct nopin_sum - the sum of an edge, or of a tree of edges
 * @pages: how many pages, of each kind
 * @depth: watches that begin here, less those that end here
 */
struct nopin_sum {
	u64 pages[NOPIN_WATCH_KINDS];
	long depth;
};

/**
 * struct nopin_edge - where a watch begins or ends
 * @node: in the tally's tree, by @page
 * @page: address >> PAGE_SHIFT of the first page after the edge
 * @own: counts the pages from @page to the next edge
 * @tree: sum of @own over the subtree
 */
struct nopin_edge {
	struct rb_node node;
	unsigned long page;
	struct nopin_sum own;
	struct nopin_sum tree;
};

/**
 * struct nopin_watch - counts what becomes of the pages of a range
 * @tally: where it counts, shared by the watches that count for the same total
 * @first: before the first page of the range
 * @end: after its last page
 * @before: the counts of the range when the watch began
 */
struct nopin_watch {
	struct nopin_tally *tally;
	struct nopin_edge first;
	struct nopin_edge end;
	struct nopin_sum before;
};

/**
 * struct nopin_watchers - the watches of a mirror
 * @lock: protects @tallies and all that is in them
 * @tallies: one for each total
 */
struct nopin_watchers {
	spinlock_t lock; /* tallies */
	struct list_head tallies;
};

int nopin_mirror_watch(struct nopin_mirror *mirror, struct nopin_watch *watch,
		       u64 va, u64 length, atomic64_t *total);
void nopin_mirror_unwatch(struct nopin_mirror *mirror, struct nopin_watch *watch);
u64 nopin_mirror_watched(struct nopin_mirror *mirror, const struct nopin_watch *watch,
			 enum nopin_watched kind);

/* Private to kernel/mirror. */
void nopin_watchers_init(struct nopin_watchers *watchers);
void nopin_watchers_count(struct nopin_watchers *watchers, enum nopin_watched kind,
			  u64 start, const unsigned long *which);

#endif /* NOPIN_WATCH_H */
