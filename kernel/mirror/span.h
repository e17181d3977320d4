/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Private to kernel/mirror: one span is what the mirror knows about 2 MiB of
 * address space.
 */
#ifndef NOPIN_SPAN_H
#define NOPIN_SPAN_H

#include <linux/bitops.h>
#include <linux/io.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pfn.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "gate.h"
#include "mirror.h"
#include "watch.h"

#define NOPIN_SPAN_SHIFT	21
#define NOPIN_SPAN_SIZE		BIT_ULL(NOPIN_SPAN_SHIFT)
#define NOPIN_SPAN_ORDER	(NOPIN_SPAN_SHIFT - PAGE_SHIFT)
#define NOPIN_SPAN_PAGES	((unsigned int)BIT(NOPIN_SPAN_ORDER))
/* At most the bits of a word; with pages of 64 KiB a span has only 32. */
#define NOPIN_LINE_PAGES	(NOPIN_SPAN_ORDER < 6 ? NOPIN_SPAN_PAGES : 64U)
#define NOPIN_LINE_SIZE		((u64)NOPIN_LINE_PAGES << PAGE_SHIFT)
/* What the first fault in a span looks at, log2 of the pages. */
#define NOPIN_WINDOW_FIRST	4
#define NOPIN_SPAN_LINES	DIV_ROUND_UP(NOPIN_SPAN_PAGES, NOPIN_LINE_PAGES)

/* Marks spans that the reap work will look at. */
#define NOPIN_SPAN_REAP		XA_MARK_0

/* How long an empty span whose address range still exists waits for new use. */
#define NOPIN_REAP_DELAY	HZ

/* Slots for the spans faulted last; a power of two. */
#define NOPIN_SPANS_NEAR	64

/*
 * An entry is a page frame number and what the CPU's entry allowed; 0 is no
 * entry. Being a plain number it holds no reference to the page.
 */
#define NOPIN_ENTRY_VALID	BIT(0)
#define NOPIN_ENTRY_WRITE	BIT(1)
#define NOPIN_ENTRY_PFN_SHIFT	2

/**
 * struct nopin_line - the entries of 64 pages, packed
 * @bits: which of the pages have an entry
 * @entry: the entries of the set bits, in their order; nopin_span.room says how
 *	many fit
 *
 * A page costs 8 bytes when it is touched and 1 bit when it is not; finding an
 * entry is one population count.
 */
struct nopin_line {
	u64 bits;
	unsigned long *entry;
};

/**
 * struct nopin_span - what is known about 2 MiB of an address space
 * @index: its address >> NOPIN_SPAN_SHIFT
 * @lock: protects the fields up to @window: they are read with @lock held or inside @gate,
 *	and changed with @lock held and @gate shut; hints may be read without
 * @gate: accesses are inside while they have a view open
 * @huge: entry of the first page when one mapping covers the whole span
 * @line: the entries otherwise
 * @room: entries that fit into the memory of each line
 * @present: pages that have an entry; nopin_span_put() reads it without the lock
 * @window: log2 of the pages that the next fault looks at
 * @used: accessed since the shrinker last looked; a hint, no lock
 * @dma: DMA addresses of the pages, or NULL; made inside @gate
 * @users: the mirror's reference and those of faults in progress; the reaper drops the
 *	mirror's only when it is the last one and the span is empty
 * @mirror: the owner, valid until the notifier is removed
 * @notifier: tells the span of invalidations; its sequence is protected by @lock
 * @rcu: lookups are lock-free
 */
struct nopin_span {
	unsigned long index;
	spinlock_t lock; /* up to window */
	struct nopin_gate gate;
	unsigned long huge;
	struct nopin_line line[NOPIN_SPAN_LINES];
	u8 room[NOPIN_SPAN_LINES];
	u16 present;
	u8 window;
	bool used;
	struct nopin_span_dma *dma;
	refcount_t users;

	struct nopin_mirror *mirror;
	struct mmu_interval_notifier notifier;
	struct rcu_head rcu;
};

/**
 * struct nopin_waits - faults that may be waiting for a program
 * @lock: protects @list, and struct nopin_stop
 * @list: struct nopin_fault_wait.list
 * @work: wakes the faults that must end
 */
struct nopin_waits {
	spinlock_t lock; /* list */
	struct list_head list;
	struct delayed_work work;
};

/**
 * struct nopin_mirror - the mirror of one address space
 * @ref: users; the last put may happen in any context
 * @mm: the address space; mmgrab() keeps its struct, not its users
 * @spans: by address >> NOPIN_SPAN_SHIFT. Inserted by faults, erased by @reap
 *	and @end only; read under RCU.
 * @near: the spans that were faulted last, by the lowest bits of their index: a lookup
 *	in @spans walks five levels. Set, cleared and read by the rules of @spans
 * @reap: erases marked spans
 * @end: takes everything down after the last put; only the last put queues it
 * @dying: @end runs, and @reap has nothing to do any more
 * @node: in the table of mirrors, under its lock
 * @ring: in the ring of mirrors, under the same lock
 * @shrink_hand: where the shrinker goes on in @spans; a hint, no lock
 * @watchers: the watches of ranges
 * @waits: faults that a program has to answer
 */
struct nopin_mirror {
	struct kref ref;
	struct mm_struct *mm;
	struct xarray spans;
	struct nopin_span __rcu *near[NOPIN_SPANS_NEAR];
	struct delayed_work reap;
	struct work_struct end;
	bool dying;

	struct hlist_node node;
	struct list_head ring;
	unsigned long shrink_hand;

	struct nopin_watchers watchers;
	struct nopin_waits waits;
};

/**
 * struct nopin_room - spare memory for the lines of a span
 * @entry: one array a line, or NULL
 * @room: entries that fit into it
 */
struct nopin_room {
	unsigned long *entry[NOPIN_SPAN_LINES];
	u8 room[NOPIN_SPAN_LINES];
};

static inline unsigned int nopin_span_page(u64 va)
{
	return (va & (NOPIN_SPAN_SIZE - 1)) >> PAGE_SHIFT;
}

static inline u64 nopin_span_start(const struct nopin_span *span)
{
	return (u64)span->index << NOPIN_SPAN_SHIFT;
}

/* The slot of nopin_mirror.near for the span with this index. */
static inline struct nopin_span __rcu **nopin_span_near(struct nopin_mirror *mirror,
							unsigned long index)
{
	return &mirror->near[index % NOPIN_SPANS_NEAR];
}

/* The span with this index or NULL; inside an RCU read-side section. */
static inline struct nopin_span *nopin_span_lookup(struct nopin_mirror *mirror,
						   unsigned long index)
{
	struct nopin_span *span = rcu_dereference(*nopin_span_near(mirror, index));

	if (span && span->index == index)
		return span;
	return xa_load(&mirror->spans, index);
}

static inline void *nopin_entry_kaddr(unsigned long entry)
{
	return phys_to_virt(PFN_PHYS(entry >> NOPIN_ENTRY_PFN_SHIFT));
}

static inline bool nopin_entry_allows(unsigned long entry, bool write)
{
	return entry & (write ? NOPIN_ENTRY_WRITE : NOPIN_ENTRY_VALID);
}

/* How many of the pages before this one have an entry: in the common case all of them. */
static inline unsigned int nopin_line_rank(const struct nopin_line *line,
					   unsigned int page)
{
	u64 below = BIT_ULL(page) - 1;

	return (line->bits & below) == below ? page : hweight64(line->bits & below);
}

/* The entry of page @i of the span or 0; inside the gate or with span->lock held. */
static inline unsigned long nopin_span_entry(const struct nopin_span *span,
					     unsigned int i)
{
	const struct nopin_line *line = &span->line[i / NOPIN_LINE_PAGES];
	unsigned int page = i % NOPIN_LINE_PAGES;

	if (span->huge)
		return span->huge + ((unsigned long)i << NOPIN_ENTRY_PFN_SHIFT);
	if (!(line->bits & BIT_ULL(page)))
		return 0;
	return line->entry[nopin_line_rank(line, page)];
}

/* span.c: the table of one span */
void nopin_span_shut(struct nopin_span *span) __acquires(&span->lock);
bool nopin_span_shut_unless_busy(struct nopin_span *span) __acquires(&span->lock);
void nopin_span_open(struct nopin_span *span) __releases(&span->lock);
bool nopin_span_allows(const struct nopin_span *span, unsigned int first,
		       unsigned int end, bool write);
unsigned int nopin_span_clear(struct nopin_span *span, unsigned int first,
			      unsigned int end, unsigned long *dropped);
unsigned int nopin_span_clear_all(struct nopin_span *span);
bool nopin_span_reserve(struct nopin_span *span, u64 *bits, struct nopin_room *room);
bool nopin_span_has_room(const struct nopin_span *span, const u64 *bits,
			 const struct nopin_room *room);
void nopin_span_merge(struct nopin_span *span, const u64 *bits,
		      const unsigned long *entries, unsigned int base,
		      struct nopin_room *room);
void nopin_span_set_huge(struct nopin_span *span, unsigned long entry);
void nopin_room_free(struct nopin_room *room);

/* entry.c: what may be done to a page */
unsigned long nopin_entry_make(unsigned long hmm, bool write, bool asked);

/* rights.c: what mappings allow */
bool nopin_vma_allows(const struct vm_area_struct *vma, bool write);

/* invalidate.c: what the kernel takes away */
extern const struct mmu_interval_notifier_ops nopin_span_ops;

/* spans.c: which spans there are */
struct nopin_span *nopin_span_get(struct nopin_mirror *mirror, u64 va);
void nopin_span_put(struct nopin_span *span);
void nopin_span_destroy(struct nopin_span *span);
unsigned long nopin_spans_count(void);
int nopin_spans_init(void);
void nopin_spans_exit(void);

/* reap.c: which spans go */
void nopin_mirror_reap(struct work_struct *work);
void nopin_mirror_reap_all(struct nopin_mirror *mirror);

/* wait.c: faults that a program has to answer */
void nopin_waits_init(struct nopin_waits *waits);

/* mirror.c */
struct nopin_mirror *nopin_mirror_next(void);
struct nopin_mirror *nopin_mirror_get_known(struct mm_struct *mm);

/* works.c: what workers do */
extern struct workqueue_struct *nopin_mirror_wq;
int nopin_mirror_notify(struct nopin_mirror *mirror, struct mmu_interval_notifier *notifier,
			u64 va, u64 length, const struct mmu_interval_notifier_ops *ops);
int nopin_works_init(void);
void nopin_works_exit(void);

/**
 * nopin_mirror_kick - let the reaper run, no later than asked before
 * @mirror: the mirror
 * @delay: in jiffies; 0 overrides a delay that is running
 *
 * Context: any.
 */
static inline void nopin_mirror_kick(struct nopin_mirror *mirror, unsigned long delay)
{
	if (delay)
		queue_delayed_work(nopin_mirror_wq, &mirror->reap, delay);
	else
		mod_delayed_work(nopin_mirror_wq, &mirror->reap, 0);
}

/**
 * nopin_span_mark - let the reaper check whether a span can be removed
 * @mirror: the mirror
 * @index: of the span, which need not exist any more
 *
 * Not to be called with the span shut: a softirq that waits for the span to be opened
 * may have interrupted a context that holds the xarray's lock.
 *
 * Context: process.
 */
static inline void nopin_span_mark(struct nopin_mirror *mirror, unsigned long index)
{
	xa_set_mark(&mirror->spans, index, NOPIN_SPAN_REAP);
}

/* dma.c: DMA addresses */
struct nopin_span *nopin_dma_next(void);
void nopin_span_unmap_slowly(struct nopin_span *span, unsigned int l, u64 mask);

/* Called before the entries of @mask are removed or replaced, with the span shut. */
static inline void nopin_span_unmap(struct nopin_span *span, unsigned int l, u64 mask)
{
	if (unlikely(span->dma))
		nopin_span_unmap_slowly(span, l, mask);
}

/* The caller is about to change entries. */
static inline void nopin_span_assert_shut(const struct nopin_span *span)
{
	lockdep_assert_held(&span->lock);
	lockdep_assert(atomic_read(&span->gate.state) & NOPIN_GATE_SHUT);
}

#endif /* NOPIN_SPAN_H */
