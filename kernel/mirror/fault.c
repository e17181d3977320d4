// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults: make pages present for the CPU, then copy what its page tables say
 * into the spans.
 *
 * hmm_range_fault() could do both. It is used for the second half only, for the
 * CPU's own fault code does the first half better: it drops mmap_lock while it
 * waits for a disk, it waits for userfaultfd handlers, and it tells a shortage of
 * memory from a hole. Also, when it breaks copy-on-write outside of the notifier's
 * critical section, that section need not start again for each page.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/memcontrol.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include "../compat.h"
#include "fault.h"
#include "store/store.h"
#include "trace.h"

/* Each attempt may fault this many times as many pages as the one before it. */
#define NOPIN_BATCH_STEP	16

/* Does the CPU have page @i, with the rights that are asked for? */
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
 * A shadow stack holds the return addresses that the CPU trusts. Its entries in the
 * page tables say "writable", but a program's stores are refused, so the NIC must not
 * write it either.
 */
static void nopin_fault_spare_stacks(struct nopin_fault *fault)
{
	unsigned long va = nopin_fault_va(fault, fault->seen.first);
	unsigned long end = nopin_fault_va(fault, fault->seen.end);
	struct mm_struct *mm = fault->mirror->mm;
	struct vm_area_struct *vma;

	if (!VM_SHADOW_STACK || !nopin_fault_writes(fault))
		return;
	for (; va < end && (vma = find_vma(mm, va)); va = max(va, vma->vm_end)) {
		if (!(vma->vm_flags & VM_SHADOW_STACK))
			continue;
		for (va = max(va, vma->vm_start); va < min(end, vma->vm_end); va += PAGE_SIZE)
			*nopin_fault_pfn(fault, nopin_span_page(va)) &= ~HMM_PFN_WRITE;
	}
}

/*
 * Read the CPU's page tables without any fault. Read all of the window: an entry costs
 * next to nothing now, and a fault later. mmu_interval_read_begin() waits while any memory
 * of the program is being invalidated. With mmap_lock held, all of its threads that map
 * memory would wait as well.
 */
static int nopin_fault_look(struct nopin_fault *fault)
{
	struct mm_struct *mm = fault->mirror->mm;
	struct mmu_interval_notifier *notifier = &fault->part.span->notifier;
	struct hmm_range range = {
		.notifier = notifier,
		.notifier_seq = mmu_interval_read_begin(notifier),
		.start = nopin_fault_va(fault, fault->seen.first),
		.end = nopin_fault_va(fault, fault->seen.end),
		.hmm_pfns = nopin_fault_pfn(fault, fault->seen.first),
		.dev_private_owner = NOPIN_STORE_OWNER,
	};
	int ret;

	fault->seen.seq = range.notifier_seq;
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	ret = hmm_range_fault(&range);
	if (!ret)
		nopin_fault_spare_stacks(fault);
	mmap_read_unlock(mm);
	return ret;
}

/* May a program have to answer a fault of this mapping? */
static bool nopin_vma_asks(struct vm_area_struct *vma)
{
	return userfaultfd_armed(vma) ||
	       (vma->vm_file && file_inode(vma->vm_file)->i_sb->s_magic == FUSE_SUPER_MAGIC);
}

/* Does a fault at @va need no program's answer? Looks at each mapping once. */
static bool nopin_fault_is_prompt(struct nopin_fault *fault, unsigned long va)
{
	struct vm_area_struct *vma;

	if (va < fault->walk.prompt_end)
		return true;
	vma = vma_lookup(fault->mirror->mm, va);
	fault->walk.prompt_end = vma && !nopin_vma_asks(vma) ? vma->vm_end : 0;
	return !vma || fault->walk.prompt_end; /* without a mapping it fails at once */
}

/*
 * Take a fault as the CPU would, but for no thread (FAULT_FLAG_REMOTE): protection keys
 * are rights of threads, and Documentation/mirror.md says why a NIC has none.
 */
static vm_fault_t nopin_fault_handle(struct nopin_fault *fault,
				     struct vm_area_struct *vma, unsigned long va)
{
	unsigned int flags = FAULT_FLAG_REMOTE | FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
	bool waits = userfaultfd_armed(vma);
	vm_fault_t ret;

	if (nopin_fault_writes(fault))
		flags |= FAULT_FLAG_WRITE;
	if (!waits)
		return handle_mm_fault(vma, va, flags, NULL);
	if (!nopin_fault_wait_begin(fault)) {
		mmap_read_unlock(vma->vm_mm);
		return VM_FAULT_RETRY; /* as if it had been woken at once */
	}
	ret = handle_mm_fault(vma, va, flags, NULL);
	nopin_fault_wait_end(fault);
	return ret;
}

/*
 * Make the CPU fault page @i. A page that is only wanted does not wait for a program's
 * answer, which may never come. If the fault dropped mmap_lock to wait for a disk or a
 * program (VM_FAULT_RETRY, or VM_FAULT_COMPLETED after the throttling of a writer), the
 * access that needs the page may have ended, and other memory may be mapped there. So
 * -EAGAIN ends the fault, and the access asks again if it still needs the page.
 */
static int nopin_fault_touch(struct nopin_fault *fault, unsigned int i)
{
	bool prompt = fault->demand->flags & NOPIN_FAULT_PROMPT || i >= fault->part.need_end;
	unsigned long va = nopin_fault_va(fault, i);
	struct mm_struct *mm = fault->mirror->mm;
	struct vm_area_struct *vma;
	vm_fault_t ret;

	if (prompt && !nopin_fault_is_prompt(fault, va))
		return -EINPROGRESS;
	vma = vma_lookup(mm, va);
	if (!vma || !nopin_vma_allows(vma, nopin_fault_writes(fault)))
		return -EFAULT;
	ret = nopin_fault_handle(fault, vma, va);
	if (!(ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)))
		return ret & VM_FAULT_ERROR ? vm_fault_to_errno(ret, 0) : 0;
	mmap_read_lock(mm);
	fault->walk.prompt_end = 0;
	return -EAGAIN;
}

/* Has page @i no memory that could be copied (VM_IO, VM_PFNMAP, or a hole)? */
static bool nopin_fault_is_hopeless(const struct nopin_fault *fault, unsigned int i)
{
	return *nopin_fault_pfn(fault, i) & HMM_PFN_ERROR;
}

/*
 * Fault the pages that HMM found missing: one at first, as this may bring a huge page
 * that contains all the others, then more with each attempt. A page that is only wanted
 * and cannot be made present ends this, but is no error.
 */
static int nopin_fault_touch_some(struct nopin_fault *fault)
{
	unsigned int batch = fault->walk.batch;
	unsigned int i;
	int ret = 0;

	fault->walk.prompt_end = 0;
	fault->walk.batch = min(batch * NOPIN_BATCH_STEP, NOPIN_SPAN_PAGES);
	for (i = fault->part.first; i < fault->part.want_end && batch; i++) {
		if (nopin_fault_has(fault, i))
			continue;
		if (nopin_fault_is_hopeless(fault, i))
			ret = -EFAULT;
		else
			ret = nopin_fault_touch(fault, i);
		if (ret && i < fault->part.need_end)
			return ret;
		if (ret)
			break;
		batch--;
	}
	fault->walk.tried = ret || i == fault->part.want_end;
	return 0;
}

static int nopin_fault_touch_missing(struct nopin_fault *fault)
{
	struct mm_struct *mm = fault->mirror->mm;
	int ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	ret = nopin_fault_touch_some(fault);
	mmap_read_unlock(mm);
	return ret;
}

/* Is nothing left to fault? A snapshot never faults, and wanted pages are tried once. */
static bool nopin_fault_is_satisfied(struct nopin_fault *fault)
{
	unsigned int end = fault->walk.tried ? fault->part.need_end : fault->part.want_end;

	return fault->demand->flags & NOPIN_FAULT_SNAPSHOT ||
	       !nopin_fault_missing(fault, fault->part.first, end);
}

/* 0: HMM's results are good; -EBUSY: another attempt is needed. */
static int nopin_fault_walk(struct nopin_fault *fault)
{
	int ret;

	if (!fault->walk.blind) {
		ret = nopin_fault_look(fault);
		if (ret || nopin_fault_is_satisfied(fault))
			return ret;
	}
	fault->walk.blind = false;
	ret = nopin_fault_touch_missing(fault) ?: nopin_fault_look(fault);
	if (ret || nopin_fault_is_satisfied(fault))
		return ret;
	fault->walk.blind = true;
	return -EBUSY;
}

/*
 * The access may have failed although its page is present, because a context that waits
 * to shut the span holds up accesses. Let that context go first, or the repeated access
 * is held up again.
 */
static void nopin_fault_let_shut(struct nopin_fault *fault)
{
	while (nopin_gate_is_held_up(&fault->part.span->gate))
		usleep_range(20, 100); /* that context may have less priority */
}

static bool nopin_fault_is_done(struct nopin_fault *fault)
{
	bool done;

	spin_lock_bh(&fault->part.span->lock);
	done = nopin_span_allows(fault->part.span, fault->part.first, fault->part.want_end,
				 nopin_fault_writes(fault));
	spin_unlock_bh(&fault->part.span->lock);
	return done;
}

/* Choose the window: twice the pages asked for, or as many as were useful the last time. */
static int nopin_fault_set_window(struct nopin_fault *fault)
{
	unsigned int asked = fault->part.want_end - fault->part.first;
	unsigned int order = max_t(unsigned int, ilog2(asked) + 1,
				   READ_ONCE(fault->part.span->window));
	unsigned int size = 1U << min_t(unsigned int, order, NOPIN_SPAN_ORDER);
	struct nopin_fault_seen *seen = &fault->seen;

	seen->first = round_down(fault->part.first, size);
	seen->end = round_up(fault->part.want_end, size);

	seen->base = round_down(seen->first, NOPIN_LINE_PAGES);
	seen->pfn = seen->line;
	if (seen->end - seen->base > NOPIN_LINE_PAGES) {
		if (!seen->whole)
			seen->whole = kmalloc_array(NOPIN_SPAN_PAGES,
						    sizeof(*seen->whole), GFP_KERNEL);
		seen->pfn = seen->whole;
	}
	if (!seen->pfn)
		return -ENOMEM;
	/* Nothing is known yet. */
	memset(nopin_fault_pfn(fault, seen->first), 0,
	       (seen->end - seen->first) * sizeof(*seen->pfn));
	return 0;
}

/* Every attempt that leaves fewer pages missing extends the deadline. */
static bool nopin_fault_may_retry(struct nopin_fault *fault)
{
	unsigned int missing = nopin_fault_missing(fault, fault->part.first, fault->part.need_end);

	if (missing < fault->walk.missing) {
		fault->walk.missing = missing;
		fault->walk.deadline = jiffies + msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	}
	return time_before(jiffies, fault->walk.deadline);
}

static int nopin_fault_run(struct nopin_fault *fault)
{
	int ret = nopin_fault_set_window(fault);

	if (ret)
		return ret;
	do {
		ret = nopin_fault_walk(fault) ?: nopin_fault_install(fault);
		if (ret != -EBUSY)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (nopin_fault_may_retry(fault));
	return ret;
}

/*
 * Where the neighbours were missing, the next page will be missing too, so the CPU's fault
 * may come before HMM looks. But it would bring a page in a NIC's memory back.
 */
static bool nopin_fault_is_far(const struct nopin_span *span)
{
	return READ_ONCE(span->window) == NOPIN_WINDOW_MIN && !nopin_store_is_used();
}

/* [va, va + want) lies in one span. */
static int nopin_fault_span(struct nopin_fault *fault, u64 va, u64 need, u64 want)
{
	int ret = 0;

	fault->part.span = nopin_span_get(fault->mirror, va);
	if (IS_ERR(fault->part.span))
		return PTR_ERR(fault->part.span);

	fault->part.first = nopin_span_page(va);
	fault->part.need_end = fault->part.first;
	if (need)
		fault->part.need_end = nopin_span_page(va + need - 1) + 1;
	fault->part.want_end = nopin_span_page(va + want - 1) + 1;
	fault->walk = (struct nopin_fault_walk){
		.missing = UINT_MAX,
		.batch = 1,
		.blind = need && nopin_fault_is_far(fault->part.span),
	};
	memset(&fault->fill.room, 0, sizeof(fault->fill.room));
	nopin_fault_let_shut(fault);
	if (fault->walk.blind || !nopin_fault_is_done(fault))
		ret = nopin_fault_run(fault);
	nopin_room_free(&fault->fill.room);
	nopin_span_put(fault->part.span);
	return ret;
}

/* The first address from @va on that is mapped; U64_MAX: none is. */
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
	bool force = !(fault->demand->flags & NOPIN_FAULT_SNAPSHOT);
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

/* To callers, errors that do not go away by themselves are the same. */
static int nopin_fault_errno(int ret)
{
	return ret == -EINVAL || ret == -EHWPOISON ? -EFAULT : ret;
}

/*
 * Charge the page tables and the spans to the process that owns the memory, not to the
 * worker that happens to run the fault.
 */
static int nopin_fault_remote(struct nopin_fault *fault, u64 va, u64 need_end,
			      u64 want_end)
{
	struct mm_struct *mm = fault->mirror->mm;
	struct mem_cgroup *memcg, *old;
	int ret;

	if (!mmget_not_zero(mm))
		return -EFAULT;
	memcg = get_mem_cgroup_from_mm(mm);
	old = set_active_memcg(memcg);
	ret = nopin_fault_spans(fault, va, need_end, want_end);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	/* If this is the last user, another context takes the address space down. */
	mmput_async(mm);
	return ret;
}

/**
 * nopin_mirror_skip_hole - find the next address that is mapped
 * @mirror: the mirror, not necessarily of the calling process
 * @va: address in the mirrored process
 *
 * Return: the first address from @va on that is mapped, as of now; U64_MAX when there
 * is none, or the process is gone.
 * Context: process, sleeps; mmap_lock not held.
 */
u64 nopin_mirror_skip_hole(struct nopin_mirror *mirror, u64 va)
{
	struct mm_struct *mm = mirror->mm;
	u64 next;

	if (current->mm == mm)
		return nopin_fault_skip_hole(mm, va);
	if (!mmget_not_zero(mm))
		return U64_MAX;
	next = nopin_fault_skip_hole(mm, va);
	mmput_async(mm);
	return next;
}

/* Span by span: @fault->part, seen, walk and fill are of one span at a time. */
static int nopin_fault_all(struct nopin_fault *fault, u64 va, u64 need_end, u64 want_end)
{
	int ret;

	if (current->mm == fault->mirror->mm)
		ret = nopin_fault_spans(fault, va, need_end, want_end);
	else
		ret = nopin_fault_remote(fault, va, need_end, want_end);
	kfree(fault->seen.whole);
	return nopin_fault_errno(ret);
}

/**
 * nopin_mirror_fault - make pages present
 * @mirror: the mirror, not necessarily of the calling process
 * @demand: which pages, and how hard to try
 * @pages: the number of pages that became present is added; may be NULL
 *
 * The mirror stays a cache: what is present on return may be gone before the
 * next access, which then says -EAGAIN again.
 *
 * Return: 0 when each needed page was present once; with NOPIN_FAULT_SNAPSHOT also
 * when pages are missing or memory is short. -EAGAIN when a disk or a program was waited
 * for: if the pages are still wanted, call again. -EFAULT for a hole, for missing rights,
 * for memory that only the CPU can reach, and when the process is gone; -EBUSY when
 * invalidations kept interfering for a second: another call may succeed; -ENOMEM;
 * -EINTR when the caller has been killed; -EINPROGRESS when a program has to answer the
 * fault and NOPIN_FAULT_PROMPT forbids to wait for it.
 * Context: process, sleeps; mmap_lock not held.
 */
int nopin_mirror_fault(struct nopin_mirror *mirror, const struct nopin_demand *demand,
		       u64 *pages)
{
	u64 need_end, want_end, limit = mirror->mm->task_size;
	struct nopin_fault fault;
	int ret;

	if (check_add_overflow(demand->va, (u64)demand->need, &need_end) ||
	    need_end > limit)
		return -EFAULT;
	if (check_add_overflow(demand->va, (u64)max(demand->need, demand->want), &want_end))
		want_end = U64_MAX;

	fault.mirror = mirror;
	fault.demand = demand;
	fault.pages = 0;
	fault.seen.whole = NULL;
	ret = nopin_fault_all(&fault, demand->va, need_end, min(want_end, limit));
	if (pages)
		*pages += fault.pages;
	trace_nopin_mirror_fault(mirror->mm, demand->va, demand->need, demand->flags,
				 fault.pages, ret);
	return ret;
}
