// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Pages of a process in the memory of NICs: moving them there and back, and counting
 * them. The rest of the mirror mostly treats such a page like any other: its entry names
 * the backing page, and a move is an invalidation.
 */
#include <linux/delay.h>
#include <linux/hmm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "span.h"
#include "store/store.h"
#include "stored.h"

/* Attempts to move a page that others use, for an instant or for good. */
#define NOPIN_MOVE_TRIES	6

/* A move is carried out, looked at and tried again in parts of so many bytes. */
#define NOPIN_MOVE_PART		SZ_1G

/* --- counting --- */

/* Count the pages of @which, in the line that begins at @va. */
static void nopin_stored_count(struct nopin_mirror *mirror, enum nopin_watched kind,
			       u64 va, u64 which)
{
	unsigned long pages[NOPIN_SPAN_LINES] = {};

	if (!which)
		return;
	pages[nopin_span_page(va) / NOPIN_LINE_PAGES] = which;
	nopin_watchers_count(&mirror->watchers, kind, round_down(va, NOPIN_SPAN_SIZE), pages);
}

static u64 nopin_stored_line(u64 va)
{
	return round_down(va, NOPIN_LINE_SIZE);
}

/**
 * nopin_mirror_returned - count a page that the CPU's touch has brought back
 * @mm: address space of the page
 * @va: address of the page
 *
 * Context: page fault; mmap_lock is held for reading.
 */
void nopin_mirror_returned(struct mm_struct *mm, unsigned long va)
{
	struct nopin_mirror *mirror = nopin_mirror_get_known(mm);
	u64 which = BIT_ULL(nopin_span_page(va) % NOPIN_LINE_PAGES);

	if (!mirror)
		return;
	nopin_stored_count(mirror, NOPIN_WATCH_RETURNED, nopin_stored_line(va), which);
	nopin_stored_count(mirror, NOPIN_WATCH_OUT, nopin_stored_line(va), which);
	nopin_mirror_put(mirror);
}

/**
 * struct nopin_census - a look at where pages are
 * @notifier: of the range; its sequence is protected by @lock
 * @lock: held while what was seen is used
 * @deadline: when to give up, jiffies
 * @seen: what HMM says
 */
struct nopin_census {
	struct mmu_interval_notifier notifier;
	spinlock_t lock; /* notifier's sequence */
	unsigned long deadline;
	unsigned long seen[NOPIN_LINE_PAGES];
};

static bool nopin_census_invalidate(struct mmu_interval_notifier *notifier,
				    const struct mmu_notifier_range *range,
				    unsigned long seq)
{
	struct nopin_census *census = container_of(notifier, struct nopin_census, notifier);

	spin_lock(&census->lock);
	mmu_interval_set_seq(notifier, seq);
	spin_unlock(&census->lock);
	return true;
}

static const struct mmu_interval_notifier_ops nopin_census_ops = {
	.invalidate = nopin_census_invalidate,
};

/* Count device-private pages. Without an invalidation since, their struct pages are valid. */
static unsigned long nopin_census_sum(const struct nopin_census *census, unsigned int num)
{
	unsigned long pages = 0;
	unsigned int i;

	for (i = 0; i < num; i++)
		if (census->seen[i] & HMM_PFN_VALID)
			pages += is_device_private_page(hmm_pfn_to_page(census->seen[i]));
	return pages;
}

/* Add the pages of [va, end), in one line, to @pages. -EBUSY: look again. */
static int nopin_census_look(struct nopin_census *census, u64 va, u64 end,
			     unsigned long *pages)
{
	struct hmm_range range = {
		.notifier = &census->notifier,
		.notifier_seq = mmu_interval_read_begin(&census->notifier),
		.start = va,
		.end = end,
		.hmm_pfns = census->seen,
		.dev_private_owner = NOPIN_STORE_OWNER,
	};
	int ret;

	memset(census->seen, 0, sizeof(census->seen));
	mmap_read_lock(census->notifier.mm);
	ret = hmm_range_fault(&range);
	mmap_read_unlock(census->notifier.mm);
	if (ret)
		return ret;
	spin_lock(&census->lock);
	if (mmu_interval_read_retry(&census->notifier, range.notifier_seq))
		ret = -EBUSY;
	else
		*pages += nopin_census_sum(census, (end - va) >> PAGE_SHIFT);
	spin_unlock(&census->lock);
	return ret;
}

/* @va and @end are page-aligned. A line that is invalidated again and again is left out. */
static s64 nopin_census_take(struct nopin_census *census, struct nopin_mirror *mirror,
			     u64 va, u64 end)
{
	unsigned long pages = 0;
	unsigned int tries;
	u64 next;

	for (; va < end; va = next) {
		if (fatal_signal_pending(current) || time_after(jiffies, census->deadline))
			return -ETIME;
		va = nopin_mirror_skip_hole(mirror, va);
		if (va >= end)
			break;
		next = min(end, nopin_stored_line(va) + NOPIN_LINE_SIZE);
		for (tries = 0; tries < 10; tries++)
			if (nopin_census_look(census, va, next, &pages) != -EBUSY)
				break;
		cond_resched();
	}
	return pages;
}

/* The caller keeps the users of the mm. */
static s64 nopin_stored_count_pages(struct nopin_mirror *mirror, u64 va, u64 end,
				    unsigned long patience)
{
	struct nopin_census *census = kmalloc(sizeof(*census), GFP_KERNEL);
	s64 pages;

	if (!census)
		return -ENOMEM;
	spin_lock_init(&census->lock);
	census->deadline = jiffies + patience;
	pages = nopin_mirror_notify(mirror, &census->notifier, va, end - va,
				    &nopin_census_ops);
	if (!pages) {
		pages = nopin_census_take(census, mirror, va, end);
		mmu_interval_notifier_remove(&census->notifier);
	}
	kfree(census);
	return pages;
}

/**
 * nopin_mirror_resident - how many pages of a range are in the memory of NICs?
 * @mirror: the mirror, not necessarily of the calling process
 * @va: address of the first byte
 * @length: bytes; may be U64_MAX
 * @patience: jiffies
 *
 * This reads the page tables, which takes time in proportion to the memory mapped: some
 * minutes for all of an address space.
 *
 * Return: pages, as of now; -ETIME: there was more to read than @patience allows, or the
 *	caller has been killed; -ENOMEM.
 * Context: process, sleeps; mmap_lock not held.
 */
s64 nopin_mirror_resident(struct nopin_mirror *mirror, u64 va, u64 length,
			  unsigned long patience)
{
	u64 limit = mirror->mm->task_size, first = round_down(va, PAGE_SIZE);
	u64 end;
	s64 pages;

	if (!nopin_store_is_used() || va >= limit || !length)
		return 0;
	end = length > limit - va ? limit : round_up(va + length, PAGE_SIZE);
	if (!mmget_not_zero(mirror->mm))
		return 0;
	pages = nopin_stored_count_pages(mirror, first, end, patience);
	mmput_async(mirror->mm);
	return pages;
}

/* --- moving --- */

/**
 * struct nopin_way - a range whose pages are being moved
 * @mirror: of the calling process
 * @store: the destination; NULL: back into the CPU's memory
 * @first: address of the first page
 * @end: address behind the last one
 * @leave: set when the device goes whose verb this is, as the device waits for its verbs
 */
struct nopin_way {
	struct nopin_mirror *mirror;
	struct nopin_store *store;
	u64 first;
	u64 end;
	const struct nopin_stop *leave;
};

/*
 * Only anonymous memory may move into a NIC's memory. Locked memory may not, as it must
 * stay where the CPU reaches it. Nor may memory that KSM merges: KSM would read a page that
 * has moved. Besides, KSM maps a merged page before it notes the place. If the kernel
 * begins a move in between, as it does before a driver sees the page, and gives the move up,
 * it does not find the place again. The kernel itself refuses mappings without pages.
 */
static bool nopin_way_allows(const struct nopin_way *way, const struct vm_area_struct *vma)
{
	return !way->store || (vma_is_anonymous((struct vm_area_struct *)vma) &&
			       !(vma->vm_flags & (VM_LOCKED | VM_MERGEABLE)));
}

static int nopin_way_move(const struct nopin_way *way, struct vm_area_struct *vma,
			  u64 va, u64 end)
{
	u64 shift = (va - nopin_stored_line(va)) >> PAGE_SHIFT, moved = 0;
	enum nopin_watched kind = way->store ? NOPIN_WATCH_IN : NOPIN_WATCH_OUT;
	int err;

	if (!nopin_way_allows(way, vma))
		return -EINVAL;
	if (way->store)
		err = nopin_store_move_in(way->store, vma, va, end, &moved);
	else
		err = nopin_store_move_out(vma, va, end, &moved);
	nopin_stored_count(way->mirror, kind, nopin_stored_line(va), moved << shift);
	return err;
}

/* Move the pages from @va on that are in one line and one mapping; @next: where to go on. */
static int nopin_way_step(const struct nopin_way *way, u64 va, u64 *next)
{
	struct mm_struct *mm = way->mirror->mm;
	struct vm_area_struct *vma;
	int err = -EFAULT;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, va);
	if (vma) {
		*next = min3(way->end, nopin_stored_line(va) + NOPIN_LINE_SIZE,
			     (u64)vma->vm_end);
		err = nopin_way_move(way, vma, va, *next);
	}
	mmap_read_unlock(mm);
	return err;
}

/* May the move go on? */
static int nopin_way_continue(const struct nopin_way *way)
{
	cond_resched();
	if (nopin_stop_is_set(way->leave))
		return -EIO;
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int nopin_way_go(const struct nopin_way *way)
{
	u64 va, next;
	int err;

	for (va = way->first; va < way->end; va = next) {
		err = nopin_way_step(way, va, &next) ?: nopin_way_continue(way);
		if (err)
			return err;
	}
	return 0;
}

/* Have all pages arrived? */
static bool nopin_way_is_done(const struct nopin_way *way)
{
	u64 length = way->end - way->first;
	s64 there = nopin_mirror_resident(way->mirror, way->first, length,
					  MAX_JIFFY_OFFSET);

	return there == (way->store ? length >> PAGE_SHIFT : 0);
}

static int nopin_way_insist(const struct nopin_way *way)
{
	unsigned int tries;
	int err;

	for (tries = 0; tries < NOPIN_MOVE_TRIES; tries++) {
		err = nopin_way_go(way);
		if (err || nopin_way_is_done(way))
			return err;
		msleep(1U << tries);
	}
	return -EBUSY;
}

/**
 * nopin_mirror_move - move memory of the calling process into a NIC's memory, or back
 * @mirror: of the calling process
 * @store: the NIC's memory; NULL: back, out of the memory of any nopin NIC
 * @va: address of the first byte
 * @length: bytes
 * @leave: set when the device goes, which waits for its verbs
 *
 * All pages that the range touches move. A page that is not present becomes one of
 * zeros. A page that is in a NIC's memory already stays where it is.
 *
 * Return: 0: all pages had arrived. Otherwise some may have, and no data are lost:
 *	-EFAULT: there is a hole; -EINVAL: memory that cannot move; -ENOSPC: the NIC's
 *	memory is full; -ENOMEM: the kernel's is; -EBUSY: others use a page; -EINTR: the
 *	caller has been killed; -EIO: the device goes.
 * Context: process, sleeps; mmap_lock not held.
 */
int nopin_mirror_move(struct nopin_mirror *mirror, struct nopin_store *store, u64 va,
		      u64 length, const struct nopin_stop *leave)
{
	struct nopin_way way = { .mirror = mirror, .store = store, .leave = leave };
	u64 end, limit = mirror->mm->task_size;
	int err = 0;

	if (!length)
		return 0;
	if (va >= limit || length > limit - va)
		return -EFAULT;
	end = round_up(va + length, PAGE_SIZE);
	for (way.first = round_down(va, PAGE_SIZE); way.first < end && !err;
	     way.first = way.end) {
		way.end = min(end, round_down(way.first, NOPIN_MOVE_PART) + NOPIN_MOVE_PART);
		err = nopin_way_insist(&way);
	}
	return err;
}
