// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Watches: invalidations, and pages that move, counted by range. Statistics only: the
 * mirror works the same without.
 *
 * A program may have any number of regions over the same page, and the kernel
 * must not pay for them when it takes that page away. So no watch has a counter.
 * The edges of all watches cut the address space into pieces, and each piece has
 * one, kept by the edge that it begins with. An invalidation adds to the pieces
 * that it meets, at most one a page; what a watch has counted is the sum of the
 * pieces between its edges. Subtrees keep their sums, so that both are a walk
 * down a tree:
 *
 *	watch A   |-----------------|
 *	watch B         |-----------------|
 *	edges     A     B           A     B
 *	pieces    |  3  |     1     |  0  |	A: 3 + 1, B: 1 + 0
 *
 * A new edge cuts a piece in two, and the lower part keeps the count. An edge that is
 * removed leaves its count to the piece below. Neither changes what another watch has
 * counted, as no piece extends across an edge of that watch.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rbtree_augmented.h>
#include <linux/slab.h>

#include "span.h"
#include "watch.h"

static_assert(BITS_PER_LONG == 64); /* a line is a word of a bitmap */

/**
 * struct nopin_tally - the watches that count for one total
 * @list: in the mirror's list
 * @total: counts each page once, however many watches there are on it
 * @edges: of the watches, by address; where several coincide, the last one counts
 * @watches: how many; the last one to end frees the tally
 */
struct nopin_tally {
	struct list_head list;
	atomic64_t *total;
	struct rb_root edges;
	unsigned long watches;
};

static struct nopin_edge *to_nopin_edge(struct rb_node *node)
{
	return rb_entry_safe(node, struct nopin_edge, node);
}

static void nopin_sum_add(struct nopin_sum *sum, const struct nopin_sum *more)
{
	unsigned int i;

	for (i = 0; i < NOPIN_WATCH_KINDS; i++)
		sum->pages[i] += more->pages[i];
	sum->depth += more->depth;
}

static bool nopin_sum_is(const struct nopin_sum *sum, const struct nopin_sum *other)
{
	return !memcmp(sum, other, sizeof(*sum)); /* it has no padding */
}

/* True: the sum of the subtree has not changed, so those above it have not either. */
static bool nopin_edge_sum_up(struct nopin_edge *edge, bool exit)
{
	struct nopin_edge *left = to_nopin_edge(edge->node.rb_left);
	struct nopin_edge *right = to_nopin_edge(edge->node.rb_right);
	struct nopin_sum sum = edge->own;

	if (left)
		nopin_sum_add(&sum, &left->tree);
	if (right)
		nopin_sum_add(&sum, &right->tree);
	if (exit && nopin_sum_is(&sum, &edge->tree))
		return true;
	edge->tree = sum;
	return false;
}

RB_DECLARE_CALLBACKS(static, nopin_edge_sums, struct nopin_edge, node, tree,
		     nopin_edge_sum_up);

/* The sum of all edges before @page. */
static struct nopin_sum nopin_tally_before(const struct nopin_tally *tally,
					   unsigned long page)
{
	struct nopin_edge *edge = to_nopin_edge(tally->edges.rb_node);
	struct nopin_sum sum = {};
	struct nopin_edge *left;

	while (edge) {
		left = to_nopin_edge(edge->node.rb_left);
		if (edge->page >= page) {
			edge = left;
			continue;
		}
		nopin_sum_add(&sum, &edge->own);
		if (left)
			nopin_sum_add(&sum, &left->tree);
		edge = to_nopin_edge(edge->node.rb_right);
	}
	return sum;
}

/* The edge whose piece @page is in, or NULL before the first one. */
static struct nopin_edge *nopin_tally_find(const struct nopin_tally *tally,
					   unsigned long page)
{
	struct rb_node *node = tally->edges.rb_node;
	struct nopin_edge *found = NULL;

	while (node) {
		struct nopin_edge *edge = to_nopin_edge(node);

		if (edge->page <= page)
			found = edge;
		node = edge->page <= page ? node->rb_right : node->rb_left;
	}
	return found;
}

/* Insert an edge, behind those at the same page. */
static void nopin_edge_insert(struct nopin_tally *tally, struct nopin_edge *edge,
			      unsigned long page, long depth)
{
	struct rb_node **link = &tally->edges.rb_node, *parent = NULL;

	edge->page = page;
	edge->own = (struct nopin_sum){ .depth = depth };
	edge->tree = edge->own;
	while (*link) {
		parent = *link;
		link = to_nopin_edge(parent)->page <= page ? &parent->rb_right :
							     &parent->rb_left;
	}
	rb_link_node(&edge->node, parent, link);
	nopin_edge_sums_propagate(parent, NULL);
	rb_insert_augmented(&edge->node, &tally->edges, &nopin_edge_sums);
}

/* Another edge at the same page takes over its counts, or else the edge below. */
static void nopin_edge_remove(struct nopin_tally *tally, struct nopin_edge *edge)
{
	struct nopin_edge *heir = to_nopin_edge(rb_next(&edge->node));
	unsigned int i;

	if (!heir || heir->page != edge->page)
		heir = to_nopin_edge(rb_prev(&edge->node));
	if (heir) {
		for (i = 0; i < NOPIN_WATCH_KINDS; i++)
			heir->own.pages[i] += edge->own.pages[i];
		nopin_edge_sums_propagate(&heir->node, NULL);
	}
	rb_erase_augmented(&edge->node, &tally->edges, &nopin_edge_sums);
}

static struct nopin_sum nopin_watch_sum(const struct nopin_watch *watch)
{
	struct nopin_sum less = nopin_tally_before(watch->tally, watch->first.page);
	struct nopin_sum sum = nopin_tally_before(watch->tally, watch->end.page);
	unsigned int i;

	for (i = 0; i < NOPIN_WATCH_KINDS; i++)
		sum.pages[i] -= less.pages[i];
	return sum;
}

/* The tally of @total, which gets one more watch; NULL: there is none. */
static struct nopin_tally *nopin_tally_get(struct nopin_watchers *watchers,
					   atomic64_t *total)
{
	struct nopin_tally *tally;

	lockdep_assert_held(&watchers->lock);
	list_for_each_entry(tally, &watchers->tallies, list)
		if (tally->total == total) {
			tally->watches++;
			return tally;
		}
	return NULL;
}

static struct nopin_tally *nopin_tally_create(struct nopin_watchers *watchers,
					      atomic64_t *total)
{
	struct nopin_tally *tally, *fresh;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->total = total;
	fresh->edges = RB_ROOT;
	fresh->watches = 1;

	spin_lock(&watchers->lock);
	tally = nopin_tally_get(watchers, total);
	if (!tally) {
		list_add(&fresh->list, &watchers->tallies);
		swap(tally, fresh);
	}
	spin_unlock(&watchers->lock);
	kfree(fresh);
	return tally;
}

static void nopin_tally_put(struct nopin_watchers *watchers, struct nopin_tally *tally)
{
	lockdep_assert_held(&watchers->lock);
	if (--tally->watches)
		return;
	list_del(&tally->list);
	kfree(tally);
}

/**
 * nopin_watchers_init - begin without watches
 * @watchers: of a new mirror
 */
void nopin_watchers_init(struct nopin_watchers *watchers)
{
	spin_lock_init(&watchers->lock);
	INIT_LIST_HEAD(&watchers->tallies);
}

/**
 * nopin_mirror_watch - count what becomes of the pages of a range
 * @mirror: the mirror
 * @watch: stays until nopin_mirror_unwatch()
 * @va: first byte
 * @length: bytes, not 0; may be U64_MAX
 * @total: counter to which pages that the kernel takes away are added as well
 *
 * Return: 0 or -ENOMEM.
 * Context: process, sleeps.
 */
int nopin_mirror_watch(struct nopin_mirror *mirror, struct nopin_watch *watch,
		       u64 va, u64 length, atomic64_t *total)
{
	struct nopin_watchers *watchers = &mirror->watchers;
	u64 last;

	if (check_add_overflow(va, length - 1, &last))
		last = U64_MAX;
	spin_lock(&watchers->lock);
	watch->tally = nopin_tally_get(watchers, total);
	spin_unlock(&watchers->lock);
	if (!watch->tally)
		watch->tally = nopin_tally_create(watchers, total);
	if (!watch->tally)
		return -ENOMEM;

	spin_lock(&watchers->lock);
	nopin_edge_insert(watch->tally, &watch->first, va >> PAGE_SHIFT, 1);
	nopin_edge_insert(watch->tally, &watch->end, (last >> PAGE_SHIFT) + 1, -1);
	watch->before = nopin_watch_sum(watch);
	spin_unlock(&watchers->lock);
	return 0;
}

/**
 * nopin_mirror_unwatch - undo nopin_mirror_watch()
 * @mirror: the mirror
 * @watch: on return it counts no more
 *
 * Context: process.
 */
void nopin_mirror_unwatch(struct nopin_mirror *mirror, struct nopin_watch *watch)
{
	struct nopin_watchers *watchers = &mirror->watchers;
	struct nopin_tally *tally = watch->tally;

	spin_lock(&watchers->lock);
	nopin_edge_remove(tally, &watch->first);
	nopin_edge_remove(tally, &watch->end);
	nopin_tally_put(watchers, tally);
	spin_unlock(&watchers->lock);
}

/**
 * nopin_mirror_watched - how many pages has a watch counted?
 * @mirror: the mirror
 * @watch: between nopin_mirror_watch() and nopin_mirror_unwatch()
 * @kind: of event
 *
 * Return: pages.
 * Context: process.
 */
u64 nopin_mirror_watched(struct nopin_mirror *mirror, const struct nopin_watch *watch,
			 enum nopin_watched kind)
{
	u64 pages;

	spin_lock(&mirror->watchers.lock);
	pages = nopin_watch_sum(watch).pages[kind] - watch->before.pages[kind];
	spin_unlock(&mirror->watchers.lock);
	return pages;
}

/*
 * Count the pages of @which from @i on that are in the same piece as @i, if that piece is
 * watched. @base: page of bit 0. Returns how many; @end: end of the piece.
 */
static unsigned int nopin_tally_count_piece(struct nopin_tally *tally,
					    enum nopin_watched kind, unsigned long base,
					    const unsigned long *which,
					    unsigned int i, unsigned int *end)
{
	struct nopin_edge *edge = nopin_tally_find(tally, base + i);
	struct nopin_edge *next = to_nopin_edge(edge ? rb_next(&edge->node) :
						       rb_first(&tally->edges));
	unsigned int n;

	*end = NOPIN_SPAN_PAGES;
	if (next)
		*end = min_t(unsigned long, *end, next->page - base);
	if (!edge || !nopin_tally_before(tally, base + i + 1).depth)
		return 0;
	n = bitmap_weight(which, *end) - bitmap_weight(which, i);
	edge->own.pages[kind] += n;
	nopin_edge_sums_propagate(&edge->node, NULL);
	return n;
}

static void nopin_tally_count(struct nopin_tally *tally, enum nopin_watched kind,
			      unsigned long base, const unsigned long *which)
{
	unsigned int n = 0, i, end;

	for (i = find_first_bit(which, NOPIN_SPAN_PAGES); i < NOPIN_SPAN_PAGES;
	     i = find_next_bit(which, NOPIN_SPAN_PAGES, end))
		n += nopin_tally_count_piece(tally, kind, base, which, i, &end);
	if (kind == NOPIN_WATCH_TAKEN)
		atomic64_add(n, tally->total);
}

/**
 * nopin_watchers_count - count what became of some pages of a span
 * @watchers: of the mirror
 * @kind: what became of them
 * @start: address of the span
 * @which: which of its pages
 *
 * Context: wherever invalidations run: does not sleep.
 */
void nopin_watchers_count(struct nopin_watchers *watchers, enum nopin_watched kind,
			  u64 start, const unsigned long *which)
{
	struct nopin_tally *tally;

	if (list_empty(&watchers->tallies))
		return;
	spin_lock(&watchers->lock);
	list_for_each_entry(tally, &watchers->tallies, list)
		nopin_tally_count(tally, kind, start >> PAGE_SHIFT, which);
	spin_unlock(&watchers->lock);
}
