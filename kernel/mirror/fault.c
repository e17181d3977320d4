// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults: make pages present for the CPU, then copy what its page tables say
 * into the spans.
 */
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/memcontrol.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "span.h"
#include "trace.h"

/*
 * A fault looks at 16 pages around it at first, at more where looking brought
 * new entries; it grows by a factor of four. As log2 of the pages.
 */
#define NOPIN_WINDOW_MIN	4
#define NOPIN_WINDOW_STEP	2

/* The CPU's fault succeeds, HMM still refuses the page: give up at last. */
#define NOPIN_STUCK_MAX		8

/**
 * struct nopin_fault - a fault in one span
 * @mirror: where
 * @span: the span, kept by nopin_span_get()
 * @flags: NOPIN_FAULT_*
 * @first: first page asked for; pages are counted from the start of the span
 * @need_end: end of the pages that must become present
 * @want_end: end of the pages that should
 * @win_first: first page looked at
 * @win_end: end of the pages looked at
 * @pfn: what HMM said about each page from @base on, later the entries
 * @base: page of @pfn[0], the first of its line
 * @line: @pfn for a window of one line
 * @whole: @pfn for a larger one, NULL as long as there was none
 * @bits: pages that get an entry
 * @room: memory for the entries
 * @seq: the notifier's sequence that @pfn belongs to
 * @deadline: when to stop trying, jiffies
 * @stuck_page: page that HMM refused last
 * @stuck: how often it did
 * @pages: pages that became present, over all spans
 */
struct nopin_fault {
	struct nopin_mirror *mirror;
	struct nopin_span *span;
	unsigned int flags;
	unsigned int first;
	unsigned int need_end;
	unsigned int want_end;
	unsigned int win_first;
	unsigned int win_end;
	unsigned long *pfn;
	unsigned int base;
	unsigned long line[NOPIN_LINE_PAGES];
	unsigned long *whole;
	u64 bits[NOPIN_SPAN_LINES];
	struct nopin_room room;
	unsigned long seq;
	unsigned long deadline;
	unsigned int stuck_page;
	unsigned int stuck;
	u64 pages;
};

static bool nopin_fault_writes(const struct nopin_fault *fault)
{
	return fault->flags & NOPIN_FAULT_WRITE;
}

static unsigned long nopin_fault_va(const struct nopin_fault *fault, unsigned int i)
{
	return nopin_span_start(fault->span) + ((unsigned long)i << PAGE_SHIFT);
}

static unsigned long *nopin_fault_pfn(const struct nopin_fault *fault, unsigned int i)
{
	return fault->pfn + (i - fault->base);
}

/*
 * memfd_secret() memory is no longer mapped by the kernel: nothing that we
 * could copy through. HMM does not know about it.
 */
static bool nopin_folio_has_kaddr(struct folio *folio)
{
	struct address_space *mapping;

	if (folio_test_anon(folio) || folio_test_swapbacked(folio))
		return true;
	mapping = folio_mapping(folio);
	return !mapping || !mapping->host ||
	       mapping->host->i_sb->s_magic != SECRETMEM_MAGIC;
}

/*
 * What we write must not be dropped as clean. HMM tells whether the CPU's entry
 * is writable but not whether it is dirty, and there is no dirty bit that our
 * writes would set. Where can there be a writable clean entry, so that a write
 * fault of ours makes the CPU do nothing?
 *
 *  - Anonymous memory: after MADV_FREE, and after a swap-in for reading, when
 *    the swap slot still holds a copy. Reclaim drops such a page if neither the
 *    entry nor the folio is dirty. So mark the folio. The mark lasts for as long
 *    as our entry: swap-out, migration and another MADV_FREE clear it only after
 *    or while they unmap the page, of which we are told first.
 *  - tmpfs and shared memory map clean pages writable. The same holds for them.
 *  - Filesystems with write-back keep clean pages write-protected. Our fault
 *    runs their page_mkwrite(), which also keeps the folio dirty; write-back
 *    protects the page again (page_mkclean) before it clears the mark and tells
 *    us first. Marking the folio here would be wrong: it is theirs to do, under
 *    the folio's lock.
 *  - hugetlbfs and ramfs do not reclaim.
 *
 * The zero page, KSM pages, private file mappings and pages shared with a fork
 * are never writable in the CPU's tables, so they do not get here. A fault for
 * reading installs nothing writable, for otherwise reading alone would dirty.
 *
 * A page that nobody asked to write but happens to lie beside it (@asked false)
 * becomes writable only where the mark changes nothing: memory that was freed
 * lazily, or is clean in swap, stays so.
 *
 * folio_mark_dirty() does not sleep for these two kinds. The folio can't be
 * truncated meanwhile: it is mapped, and unmapping it waits for the span's lock.
 */
static bool nopin_folio_take_write(struct folio *folio, bool asked)
{
	bool anon = folio_test_anon(folio);
	bool swapbacked = folio_test_swapbacked(folio);

	if ((!anon && !swapbacked) || folio_test_dirty(folio))
		return true;
	if (!asked && (!anon || !swapbacked || folio_test_swapcache(folio)))
		return false;
	folio_mark_dirty(folio);
	return true;
}

/* The entry for what HMM said about page @i, or 0. */
static unsigned long nopin_fault_entry(const struct nopin_fault *fault, unsigned int i)
{
	unsigned long hmm = *nopin_fault_pfn(fault, i);
	bool asked = i >= fault->first && i < fault->want_end;
	struct page *page = hmm_pfn_to_page(hmm);
	unsigned long entry;

	if (!nopin_folio_has_kaddr(page_folio(page)))
		return 0;
	entry = page_to_pfn(page) << NOPIN_ENTRY_PFN_SHIFT | NOPIN_ENTRY_VALID;
	if (nopin_fault_writes(fault) && hmm & HMM_PFN_WRITE &&
	    nopin_folio_take_write(page_folio(page), asked))
		entry |= NOPIN_ENTRY_WRITE;
	return entry;
}

/* Does one mapping of the CPU cover the span? Then it does for every page. */
static bool nopin_fault_is_huge(const struct nopin_fault *fault)
{
	unsigned long hmm = *nopin_fault_pfn(fault, fault->first);

	return hmm & HMM_PFN_VALID && hmm_pfn_to_map_order(hmm) >= NOPIN_SPAN_ORDER;
}

static void nopin_fault_collect(struct nopin_fault *fault)
{
	unsigned int i;

	memset(fault->bits, 0, sizeof(fault->bits));
	for (i = fault->win_first; i < fault->win_end; i++)
		if (*nopin_fault_pfn(fault, i) & HMM_PFN_VALID)
			fault->bits[i / NOPIN_LINE_PAGES] |=
				BIT_ULL(i % NOPIN_LINE_PAGES);
}

static void nopin_fault_install_huge(struct nopin_fault *fault)
{
	unsigned long entry = nopin_fault_entry(fault, fault->first);

	if (entry)
		entry -= (unsigned long)fault->first << NOPIN_ENTRY_PFN_SHIFT;
	if (entry)
		nopin_span_set_huge(fault->span, entry);
}

/*
 * Make the entries of the window. What is there already and is good enough is
 * left alone: looking at its struct page would cost more than anything else.
 */
static void nopin_fault_make_entries(struct nopin_fault *fault)
{
	unsigned int i;

	for (i = fault->win_first; i < fault->win_end; i++) {
		u64 *bits = &fault->bits[i / NOPIN_LINE_PAGES];
		u64 bit = BIT_ULL(i % NOPIN_LINE_PAGES);
		unsigned long entry = 0;

		if (!(*bits & bit))
			continue;
		if (!nopin_entry_allows(nopin_span_entry(fault->span, i),
					nopin_fault_writes(fault)))
			entry = nopin_fault_entry(fault, i);
		*nopin_fault_pfn(fault, i) = entry;
		if (!entry)
			*bits &= ~bit;
	}
}

/* How many of the pages asked for are there already? */
static unsigned int nopin_fault_present(const struct nopin_fault *fault)
{
	unsigned int i, n = 0;

	for (i = fault->first; i < fault->want_end; i++)
		n += nopin_entry_allows(nopin_span_entry(fault->span, i),
					nopin_fault_writes(fault));
	return n;
}

static void nopin_fault_install_pages(struct nopin_fault *fault)
{
	nopin_fault_make_entries(fault);
	nopin_span_merge(fault->span, fault->bits, fault->pfn, fault->base,
			 &fault->room);
}

/* @gained: pages beside those asked for that the fault brought */
static void nopin_fault_adapt_window(struct nopin_fault *fault, unsigned int gained)
{
	unsigned int size = fault->win_end - fault->win_first;
	struct nopin_span *span = fault->span;

	if (gained * 2 >= size - (fault->want_end - fault->first))
		span->window = min_t(unsigned int, NOPIN_SPAN_ORDER,
				     ilog2(size) + NOPIN_WINDOW_STEP);
	else if (!gained)
		span->window = NOPIN_WINDOW_MIN;
}

/* With the span locked for writing and HMM's results valid. */
static int nopin_fault_fill(struct nopin_fault *fault)
{
	struct nopin_span *span = fault->span;
	bool huge = nopin_fault_is_huge(fault);
	int asked, all;

	/* Pages and one mapping of all of them exclude each other. */
	if (span->huge && !huge)
		nopin_span_clear_all(span);
	asked = nopin_fault_present(fault);
	all = span->present;
	if (huge)
		nopin_fault_install_huge(fault);
	else
		nopin_fault_install_pages(fault);
	asked = nopin_fault_present(fault) - asked;
	all = span->present - all;
	fault->pages += asked;
	nopin_fault_adapt_window(fault, max(all - asked, 0));

	/* Valid for the CPU but not for us. */
	if (!nopin_span_allows(span, fault->first, fault->need_end,
			       nopin_fault_writes(fault)))
		return -EFAULT;
	return 0;
}

/* -EAGAIN: another fault filled the span meanwhile, more room is needed. */
static int nopin_fault_try_install(struct nopin_fault *fault)
{
	struct nopin_span *span = fault->span;
	int ret;

	nopin_span_write_lock(span);
	if (mmu_interval_read_retry(&span->notifier, fault->seq))
		ret = -EBUSY;
	else if (!nopin_fault_is_huge(fault) &&
		 !nopin_span_has_room(span, fault->bits, &fault->room))
		ret = -EAGAIN;
	else
		ret = nopin_fault_fill(fault);
	nopin_span_write_unlock(span);
	return ret;
}

static int nopin_fault_install(struct nopin_fault *fault)
{
	int ret;

	nopin_fault_collect(fault);
	do {
		ret = 0;
		if (!nopin_fault_is_huge(fault))
			ret = nopin_span_reserve(fault->span, fault->bits,
						 &fault->room);
		if (!ret)
			ret = nopin_fault_try_install(fault);
	} while (ret == -EAGAIN);
	return ret;
}

static int nopin_fault_hmm(struct nopin_fault *fault, unsigned int first,
			   unsigned int end, unsigned long request)
{
	struct hmm_range range = {
		.notifier = &fault->span->notifier,
		.notifier_seq = fault->seq,
		.start = nopin_fault_va(fault, first),
		.end = nopin_fault_va(fault, end),
		.hmm_pfns = nopin_fault_pfn(fault, first),
		.default_flags = request,
	};

	if (first == end)
		return 0;
	/* What HMM does not get to stays 0. */
	memset(range.hmm_pfns, 0, (end - first) * sizeof(*range.hmm_pfns));
	return hmm_range_fault(&range);
}

/*
 * HMM says -EFAULT also where a CPU would only have to wait or to try again: for
 * a userfaultfd handler, for memory. Let the CPU's own fault code decide about
 * the first page that HMM did not get, and go on if it can be had.
 *
 * mmap_lock is held for reading, but may have been dropped in between.
 */
static int nopin_fault_resolve(struct nopin_fault *fault)
{
	unsigned int fault_flags = FAULT_FLAG_REMOTE;
	unsigned int i = fault->first;
	bool unlocked = false;
	int ret;

	while (i < fault->need_end && *nopin_fault_pfn(fault, i) & HMM_PFN_VALID)
		i++;
	if (i == fault->need_end)
		return -EFAULT;
	if (fault->stuck_page != i)
		fault->stuck = 0;
	fault->stuck_page = i;
	if (fault->stuck++ == NOPIN_STUCK_MAX)
		return -EFAULT;

	if (nopin_fault_writes(fault))
		fault_flags |= FAULT_FLAG_WRITE;
	ret = fixup_user_fault(fault->mirror->mm, nopin_fault_va(fault, i),
			       fault_flags, &unlocked);
	if (ret)
		return ret;
	fault->deadline = jiffies + msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	return -EBUSY;
}

/* Does the CPU have them as they are needed? */
static bool nopin_fault_is_satisfied(const struct nopin_fault *fault)
{
	unsigned long rights = HMM_PFN_VALID;
	unsigned int i;

	if (nopin_fault_writes(fault))
		rights |= HMM_PFN_WRITE;
	for (i = fault->first; i < fault->want_end; i++)
		if ((*nopin_fault_pfn(fault, i) & rights) != rights)
			return false;
	return true;
}

/*
 * First all of the window, without any fault, for entries that the CPU has cost
 * next to nothing now and a fault each later; if something is missing, the pages
 * that are needed, by force; then those that are wanted, if they can be had.
 * That is up to three walks, for a walk that may fault fills whole holes. The
 * results belong together: if the CPU takes one back, the sequence tells.
 */
static int nopin_fault_walk(struct nopin_fault *fault)
{
	unsigned long request = HMM_PFN_REQ_FAULT;
	int ret;

	ret = nopin_fault_hmm(fault, fault->win_first, fault->win_end, 0);
	if (ret || fault->flags & NOPIN_FAULT_SNAPSHOT ||
	    nopin_fault_is_satisfied(fault))
		return ret;

	if (nopin_fault_writes(fault))
		request |= HMM_PFN_REQ_WRITE;
	ret = nopin_fault_hmm(fault, fault->first, fault->need_end, request);
	if (ret == -EFAULT)
		return nopin_fault_resolve(fault);
	if (ret)
		return ret;
	ret = nopin_fault_hmm(fault, fault->need_end, fault->want_end, request);
	return ret == -EBUSY ? ret : 0;
}

static int nopin_fault_attempt(struct nopin_fault *fault)
{
	struct mm_struct *mm = fault->mirror->mm;
	int ret;

	fault->seq = mmu_interval_read_begin(&fault->span->notifier);
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	ret = nopin_fault_walk(fault);
	mmap_read_unlock(mm);
	return ret ?: nopin_fault_install(fault);
}

static bool nopin_fault_is_done(struct nopin_fault *fault)
{
	bool done;

	read_lock_bh(&fault->span->lock);
	done = nopin_span_allows(fault->span, fault->first, fault->want_end,
				 nopin_fault_writes(fault));
	read_unlock_bh(&fault->span->lock);
	return done;
}

/* Where to look: at twice as much as asked for, or at what paid the last time. */
static int nopin_fault_set_window(struct nopin_fault *fault)
{
	unsigned int asked = fault->want_end - fault->first;
	unsigned int order = max_t(unsigned int, NOPIN_WINDOW_MIN,
				   READ_ONCE(fault->span->window));
	unsigned int size;

	order = max_t(unsigned int, order, ilog2(asked) + 1);
	size = 1U << min_t(unsigned int, order, NOPIN_SPAN_ORDER);
	fault->win_first = round_down(fault->first, size);
	fault->win_end = round_up(fault->want_end, size);

	fault->base = round_down(fault->win_first, NOPIN_LINE_PAGES);
	fault->pfn = fault->line;
	if (fault->win_end - fault->base <= NOPIN_LINE_PAGES)
		return 0;
	if (!fault->whole)
		fault->whole = kmalloc_array(NOPIN_SPAN_PAGES,
					     sizeof(*fault->whole), GFP_KERNEL);
	fault->pfn = fault->whole;
	return fault->whole ? 0 : -ENOMEM;
}

/*
 * Each attempt that -EBUSY ends has met an invalidation: somebody else's, or the
 * one that comes with breaking copy-on-write for us, and then that page is done.
 */
static int nopin_fault_run(struct nopin_fault *fault)
{
	int ret = nopin_fault_set_window(fault);

	if (ret)
		return ret;
	fault->stuck = 0;
	fault->deadline = jiffies + msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	do {
		ret = nopin_fault_attempt(fault);
		if (ret != -EBUSY)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (time_before(jiffies, fault->deadline));
	return ret;
}

/* [va, va + want) lies in one span. */
static int nopin_fault_span(struct nopin_fault *fault, u64 va, u64 need, u64 want)
{
	int ret = 0;

	fault->span = nopin_span_get(fault->mirror, va);
	if (IS_ERR(fault->span))
		return PTR_ERR(fault->span);

	fault->first = nopin_span_page(va);
	fault->need_end = need ? nopin_span_page(va + need - 1) + 1 : fault->first;
	fault->want_end = nopin_span_page(va + want - 1) + 1;
	memset(&fault->room, 0, sizeof(fault->room));
	if (!nopin_fault_is_done(fault))
		ret = nopin_fault_run(fault);
	nopin_room_free(&fault->room);
	nopin_span_put(fault->span);
	return ret;
}

/* The first address from @va on that is mapped. */
static u64 nopin_fault_skip_hole(struct mm_struct *mm, u64 va)
{
	struct vm_area_struct *vma;
	u64 next;

	mmap_read_lock(mm);
	vma = find_vma(mm, va);
	next = vma ? max_t(u64, va, vma->vm_start) : U64_MAX;
	mmap_read_unlock(mm);
	return next;
}

static int nopin_fault_spans(struct nopin_fault *fault, u64 va, u64 need_end,
			     u64 want_end)
{
	bool force = !(fault->flags & NOPIN_FAULT_SNAPSHOT);
	u64 end;
	int ret;

	for (; va < want_end; va = end) {
		bool needed = force && va < need_end;

		if (!needed)
			va = nopin_fault_skip_hole(fault->mirror->mm, va);
		if (va >= want_end)
			break;
		end = min(want_end, round_down(va, NOPIN_SPAN_SIZE) + NOPIN_SPAN_SIZE);
		ret = nopin_fault_span(fault, va,
				       needed ? min(need_end, end) - va : 0, end - va);
		if (ret && needed)
			return ret;
		if (ret && force)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Errors that only HMM tells apart: none of them goes away by itself. */
static int nopin_fault_errno(int ret)
{
	return ret == -EPERM || ret == -EINVAL || ret == -EHWPOISON ? -EFAULT : ret;
}

/*
 * Page tables and our own are charged to the process that owns the memory, not
 * to the worker that happens to run the fault.
 */
static int nopin_fault_charged(struct nopin_fault *fault, u64 va, u64 need_end,
			       u64 want_end)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(fault->mirror->mm);
	struct mem_cgroup *old = set_active_memcg(memcg);
	int ret;

	ret = nopin_fault_spans(fault, va, need_end, want_end);
	kfree(fault->whole);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return nopin_fault_errno(ret);
}

/**
 * nopin_mirror_fault - make pages present
 * @mirror: the mirror, not necessarily of the calling process
 * @va: address in the mirrored process
 * @need: bytes that must become present
 * @want: bytes from @va, more than @need, that should if they can
 * @flags: NOPIN_FAULT_WRITE, NOPIN_FAULT_SNAPSHOT
 * @pages: the number of pages that became present is added; may be NULL
 *
 * The mirror stays a cache: what is present on return may be gone before the
 * next access, which then says -EAGAIN again.
 *
 * Return: 0 when each needed page was present once; with NOPIN_FAULT_SNAPSHOT
 * always 0 unless memory is short. -EFAULT for a hole, for missing rights, for
 * memory that only the CPU can reach, and when the process is gone; -EBUSY when
 * invalidations kept interfering for a second, where another call may succeed;
 * -ENOMEM; -EINTR when the caller has been killed.
 * Context: process, sleeps; mmap_lock not held.
 */
int nopin_mirror_fault(struct nopin_mirror *mirror, u64 va, size_t need,
		       size_t want, unsigned int flags, u64 *pages)
{
	struct nopin_fault fault;
	struct mm_struct *mm = mirror->mm;
	u64 need_end, want_end;
	int ret;

	if (check_add_overflow(va, (u64)need, &need_end) || need_end > mm->task_size)
		return -EFAULT;
	if (check_add_overflow(va, (u64)max(need, want), &want_end))
		want_end = U64_MAX;
	want_end = min_t(u64, want_end, mm->task_size);

	if (!mmget_not_zero(mm))
		return -EFAULT;
	fault.mirror = mirror;
	fault.flags = flags;
	fault.pages = 0;
	fault.whole = NULL;
	ret = nopin_fault_charged(&fault, va, need_end, want_end);
	/* The last user's exit would take its time, and it is not our job. */
	mmput_async(mm);

	atomic64_add(fault.pages, &mirror->page_faults);
	if (pages)
		*pages += fault.pages;
	trace_nopin_mirror_fault(mm, va, need, flags, fault.pages, ret);
	return ret;
}
