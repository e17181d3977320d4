/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Who wants to know how many pages the kernel took away from a range. */
#ifndef NOPIN_WATCH_H
#define NOPIN_WATCH_H

#include <linux/atomic.h>
#include <linux/interval_tree.h>
#include <linux/spinlock.h>

struct nopin_mirror;

/**
 * struct nopin_watch - counts the pages that are taken away from a range
 * @node: the range; in the mirror's tree while @watching
 * @page_invalidations: how many there were
 * @total: counts them too, but once where several watches have it in common
 * @watching: false when the mirror had too many already
 */
struct nopin_watch {
	struct interval_tree_node node;
	atomic64_t page_invalidations;
	atomic64_t *total;
	bool watching;
};

/**
 * struct nopin_watchers - the watches of a mirror
 * @lock: protects @tree and @nr
 * @tree: struct nopin_watch.node
 * @nr: how many
 */
struct nopin_watchers {
	spinlock_t lock; /* tree and nr */
	struct rb_root_cached tree;
	unsigned int nr;
};

void nopin_mirror_watch(struct nopin_mirror *mirror, struct nopin_watch *watch,
			u64 va, u64 length, atomic64_t *total);
void nopin_mirror_unwatch(struct nopin_mirror *mirror, struct nopin_watch *watch);

/* Private to the mirror room. */
void nopin_watchers_init(struct nopin_watchers *watchers);
void nopin_watchers_count(struct nopin_watchers *watchers, u64 start, u64 last,
			  unsigned int pages);

#endif /* NOPIN_WATCH_H */
