// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults: make pages present for the CPU, then copy what its page tables say
 * into the spans.
 *
 * hmm_range_fault() could do both. It is used for the second half only, for the
 * CPU's own fault code does the first better: it lets go of mmap_lock while it
 * waits for a disk, it waits for userfaultfd handlers, it tells a shortage of
 * memory from a hole, and breaking copy-on-write outside of the notifier's
 * critical section does not make that section start again, once a page.
 */
#include <linux/hmm.h>
#include <linux/memcontrol.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include "span.h"
#include "trace.h"

/*
 * Where looking around brought new entries a fault looks at four times as many
 * pages the next time, where it brought none at few. As log2 of the pages.
 */
#define NOPIN_WINDOW_MIN	2
#define NOPIN_WINDOW_STEP	2

/* How many times as many pages the next attempt may have to fault. */
#define NOPIN_BATCH_STEP	16

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
 * @missing: needed pages that the CPU did not have when HMM looked last
 * @batch: pages that this attempt may fault
 * @prompt_end: up to here the kernel itself can resolve all faults
 * @tried: the pages that are only wanted were faulted, as far as they can be
 * @blind: fault before looking, it will be needed
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
	unsigned int missing;
	unsigned int batch;
	unsigned long prompt_end;
	bool tried;
	bool blind;
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

/* The entry for what HMM said about page @i, or 0. */
static unsigned long nopin_fault_entry(const struct nopin_fault *fault, unsigned int i)
{
	return nopin_entry_make(*nopin_fault_pfn(fault, i), nopin_fault_writes(fault),
				i >= fault->first && i < fault->want_end);
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

	if (gained && gained * 2 >= size - (fault->want_end - fault->first))
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

/* Is page @i as it is asked for, for the CPU? */
static bool nopin_fault_has(const struct nopin_fault *fault, unsigned int i)
{
	unsigned long rights = HMM_PFN_VALID;

	if (nopin_fault_writes(fault))
		rights |= HMM_PFN_WRITE;
	return (*nopin_fault_pfn(fault, i) & rights) == rights;
}

static unsigned int nopin_fault_missing(const struct nopin_fault *fault,
					unsigned int first, unsigned int end)
{
	unsigned int i, n = 0;

	for (i = first; i < end; i++)
		n += !nopin_fault_has(fault, i);
	return n;
}

/*
 * Read the CPU's page tables, without any fault: all of the window, for entries
 * that cost next to nothing now and a fault each later.
 */
static int nopin_fault_look(struct nopin_fault *fault)
{
	struct hmm_range range = {
		.notifier = &fault->span->notifier,
		.notifier_seq = fault->seq,
		.start = nopin_fault_va(fault, fault->win_first),
		.end = nopin_fault_va(fault, fault->win_end),
		.hmm_pfns = nopin_fault_pfn(fault, fault->win_first),
	};

	return hmm_range_fault(&range);
}

/* Would a program have to answer a fault at @va? Looks at each mapping once. */
static bool nopin_fault_is_prompt(struct nopin_fault *fault, unsigned long va)
{
	struct vm_area_struct *vma;

	if (!(fault->flags & NOPIN_FAULT_PROMPT) || va < fault->prompt_end)
		return true;
	vma = vma_lookup(fault->mirror->mm, va);
	fault->prompt_end = vma && !userfaultfd_armed(vma) ? vma->vm_end : 0;
	return !vma || fault->prompt_end; /* no mapping is a prompt error */
}

/* As if the CPU took the fault. Drops and takes mmap_lock where that waits. */
static int nopin_fault_touch(struct nopin_fault *fault, unsigned int i)
{
	unsigned long va = nopin_fault_va(fault, i);
	unsigned int fault_flags = FAULT_FLAG_REMOTE;
	bool unlocked = false;

	if (!nopin_fault_is_prompt(fault, va))
		return -EINPROGRESS;
	if (nopin_fault_writes(fault))
		fault_flags |= FAULT_FLAG_WRITE;
	return fixup_user_fault(fault->mirror->mm, va, fault_flags, &unlocked);
}

/* Memory without pages to copy from (VM_IO, VM_PFNMAP), or no memory at all. */
static bool nopin_fault_is_hopeless(const struct nopin_fault *fault, unsigned int i)
{
	return *nopin_fault_pfn(fault, i) & HMM_PFN_ERROR;
}

/*
 * Fault what HMM found missing. One page at first, as it may bring a huge page
 * that has all the others, then more and more. A page that is only wanted and
 * can't be had is the end of it, but no error.
 */
static int nopin_fault_touch_missing(struct nopin_fault *fault)
{
	unsigned int batch = fault->batch;
	unsigned int i;
	int ret = 0;

	fault->prompt_end = 0;
	fault->batch = min(batch * NOPIN_BATCH_STEP, NOPIN_SPAN_PAGES);
	for (i = fault->first; i < fault->want_end && batch; i++) {
		if (nopin_fault_has(fault, i))
			continue;
		if (nopin_fault_is_hopeless(fault, i))
			ret = -EFAULT;
		else
			ret = nopin_fault_touch(fault, i);
		if (ret && i < fault->need_end)
			return ret;
		if (ret)
			break;
		batch--;
	}
	fault->tried = ret || i == fault->want_end;
	return 0;
}

/* Nothing to fault: all is there, or what there is must do. */
static bool nopin_fault_is_satisfied(struct nopin_fault *fault)
{
	unsigned int end = fault->tried ? fault->need_end : fault->want_end;

	return fault->flags & NOPIN_FAULT_SNAPSHOT ||
	       !nopin_fault_missing(fault, fault->first, end);
}

/* With mmap_lock for reading. 0: HMM's results are good; -EBUSY: come again. */
static int nopin_fault_walk(struct nopin_fault *fault)
{
	int ret;

	if (!fault->blind) {
		ret = nopin_fault_look(fault);
		if (ret || nopin_fault_is_satisfied(fault))
			return ret;
	}
	fault->blind = false;
	ret = nopin_fault_touch_missing(fault);
	return ret ?: -EBUSY;
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

/*
 * A page may be there and the access was turned away for a writer that starves:
 * let that one go first, for the access that follows must not find it again.
 */
static bool nopin_fault_is_done(struct nopin_fault *fault)
{
	bool done;

	while (atomic_read(&fault->span->starved))
		cond_resched();
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
	unsigned int order = max_t(unsigned int, ilog2(asked) + 1,
				   READ_ONCE(fault->span->window));
	unsigned int size;

	size = 1U << min_t(unsigned int, order, NOPIN_SPAN_ORDER);
	fault->win_first = round_down(fault->first, size);
	fault->win_end = round_up(fault->want_end, size);

	fault->base = round_down(fault->win_first, NOPIN_LINE_PAGES);
	fault->pfn = fault->line;
	if (fault->win_end - fault->base > NOPIN_LINE_PAGES) {
		if (!fault->whole)
			fault->whole = kmalloc_array(NOPIN_SPAN_PAGES, sizeof(*fault->whole),
						     GFP_KERNEL);
		fault->pfn = fault->whole;
	}
	if (!fault->pfn)
		return -ENOMEM;
	/* Nothing is known yet. */
	memset(nopin_fault_pfn(fault, fault->win_first), 0,
	       (fault->win_end - fault->win_first) * sizeof(*fault->pfn));
	return 0;
}

/* Every attempt that leaves fewer pages missing starts the time anew. */
static bool nopin_fault_may_retry(struct nopin_fault *fault)
{
	unsigned int missing = nopin_fault_missing(fault, fault->first, fault->need_end);

	if (missing < fault->missing) {
		fault->missing = missing;
		fault->deadline = jiffies + msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	}
	return time_before(jiffies, fault->deadline);
}

static int nopin_fault_run(struct nopin_fault *fault)
{
	int ret = nopin_fault_set_window(fault);

	if (ret)
		return ret;
	do {
		ret = nopin_fault_attempt(fault);
		if (ret != -EBUSY)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (nopin_fault_may_retry(fault));
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
	fault->missing = UINT_MAX;
	fault->batch = 1;
	fault->tried = false;
	/* Where the neighbours were not there, the next page will not be either. */
	fault->blind = need && READ_ONCE(fault->span->window) == NOPIN_WINDOW_MIN;
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

/* What can't go away by itself is one thing to our callers. */
static int nopin_fault_errno(int ret)
{
	return ret == -EINVAL || ret == -EHWPOISON ? -EFAULT : ret;
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
 * @flags: NOPIN_FAULT_WRITE, NOPIN_FAULT_SNAPSHOT, NOPIN_FAULT_PROMPT
 * @pages: the number of pages that became present is added; may be NULL
 *
 * The mirror stays a cache: what is present on return may be gone before the
 * next access, which then says -EAGAIN again.
 *
 * Return: 0 when each needed page was present once; with NOPIN_FAULT_SNAPSHOT
 * always 0 unless memory is short. -EFAULT for a hole, for missing rights, for
 * memory that only the CPU can reach, and when the process is gone; -EBUSY when
 * invalidations kept interfering for a second, where another call may succeed;
 * -ENOMEM; -EINTR when the caller has been killed; -EINPROGRESS when a program
 * has to answer the fault and NOPIN_FAULT_PROMPT forbids to wait for it.
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
