// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The second half of a fault: what HMM read from the CPU's page tables becomes
 * entries of the span, unless an invalidation came in between.
 */
#include "fault.h"

/* Did the fault ask for page @i? A snapshot asks for no page, and takes what is present. */
static bool nopin_fault_asks(const struct nopin_fault *fault, unsigned int i)
{
	return !(fault->demand->flags & NOPIN_FAULT_SNAPSHOT) &&
	       i >= fault->part.first && i < fault->part.want_end;
}

/* The entry for what HMM said about page @i, or 0. */
static unsigned long nopin_fault_entry(const struct nopin_fault *fault, unsigned int i)
{
	return nopin_entry_make(*nopin_fault_pfn(fault, i), nopin_fault_writes(fault),
				nopin_fault_asks(fault, i));
}

/* Does one mapping of the CPU cover the span? Any page of the span tells. */
static bool nopin_fault_is_huge(const struct nopin_fault *fault)
{
	unsigned long hmm = *nopin_fault_pfn(fault, fault->part.first);

	return hmm & HMM_PFN_VALID && hmm_pfn_to_map_order(hmm) >= NOPIN_SPAN_ORDER;
}

static void nopin_fault_collect(struct nopin_fault *fault)
{
	unsigned int i;

	memset(fault->fill.bits, 0, sizeof(fault->fill.bits));
	for (i = fault->seen.first; i < fault->seen.end; i++)
		if (*nopin_fault_pfn(fault, i) & HMM_PFN_VALID)
			fault->fill.bits[i / NOPIN_LINE_PAGES] |=
				BIT_ULL(i % NOPIN_LINE_PAGES);
}

static void nopin_fault_install_huge(struct nopin_fault *fault)
{
	unsigned long entry = nopin_fault_entry(fault, fault->part.first);

	if (entry)
		entry -= (unsigned long)fault->part.first << NOPIN_ENTRY_PFN_SHIFT;
	if (entry)
		nopin_span_set_huge(fault->part.span, entry);
}

/*
 * Make the entries of the window. An existing entry with sufficient rights is left
 * alone: looking at its struct page would cost more than anything else.
 */
static void nopin_fault_make_entries(struct nopin_fault *fault)
{
	unsigned int i;

	for (i = fault->seen.first; i < fault->seen.end; i++) {
		u64 *bits = &fault->fill.bits[i / NOPIN_LINE_PAGES];
		u64 bit = BIT_ULL(i % NOPIN_LINE_PAGES);
		unsigned long entry = 0;

		if (!(*bits & bit))
			continue;
		if (!nopin_entry_allows(nopin_span_entry(fault->part.span, i),
					nopin_fault_writes(fault)))
			entry = nopin_fault_entry(fault, i);
		*nopin_fault_pfn(fault, i) = entry;
		if (!entry)
			*bits &= ~bit;
	}
}

/* How many of the pages asked for have an entry that allows the access? */
static unsigned int nopin_fault_present(const struct nopin_fault *fault)
{
	unsigned int i, n = 0;

	for (i = fault->part.first; i < fault->part.want_end; i++)
		n += nopin_entry_allows(nopin_span_entry(fault->part.span, i),
					nopin_fault_writes(fault));
	return n;
}

static void nopin_fault_install_pages(struct nopin_fault *fault)
{
	nopin_fault_make_entries(fault);
	nopin_span_merge(fault->part.span, fault->fill.bits, fault->seen.pfn, fault->seen.base,
			 &fault->fill.room);
}

/*
 * @gained: pages beside those asked for that got an entry. The next fault reads
 * nopin_span.window without the lock.
 */
static void nopin_fault_adapt_window(struct nopin_fault *fault, unsigned int gained)
{
	unsigned int size = fault->seen.end - fault->seen.first;
	struct nopin_span *span = fault->part.span;

	if (gained && gained * 2 >= size - (fault->part.want_end - fault->part.first))
		WRITE_ONCE(span->window, min_t(unsigned int, NOPIN_SPAN_ORDER,
					       ilog2(size) + NOPIN_WINDOW_STEP));
	else if (!gained)
		WRITE_ONCE(span->window, NOPIN_WINDOW_MIN);
}

/* With the span shut and HMM's results valid. */
static int nopin_fault_fill(struct nopin_fault *fault)
{
	struct nopin_span *span = fault->part.span;
	bool huge = nopin_fault_is_huge(fault);
	int asked, all;

	/* A span has either a huge entry or entries of pages. */
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

	/* The CPU reaches the page, but there can be no entry for it. */
	if (!nopin_span_allows(span, fault->part.first, fault->part.need_end,
			       nopin_fault_writes(fault)))
		return -EFAULT;
	return 0;
}

/* -EAGAIN: more room is needed, perhaps as other faults have installed entries meanwhile. */
static int nopin_fault_try_install(struct nopin_fault *fault)
{
	struct nopin_span *span = fault->part.span;
	int ret;

	nopin_span_shut(span);
	if (mmu_interval_read_retry(&span->notifier, fault->seen.seq))
		ret = -EBUSY;
	else if (!nopin_fault_is_huge(fault) &&
		 !nopin_span_has_room(span, fault->fill.bits, &fault->fill.room))
		ret = -EAGAIN;
	else
		ret = nopin_fault_fill(fault);
	nopin_span_open(span);
	return ret;
}

/**
 * nopin_fault_install - make entries of the span of what HMM said
 * @fault: the fault; HMM has looked at its window, with fault->seen.seq
 *
 * If memory is short, the entries that there is memory for are installed: the next
 * call has less to do.
 *
 * Return: 0; -EBUSY when pages were taken away since; -EFAULT when a needed page
 * is one that the CPU can reach but the kernel cannot; -ENOMEM when there was no
 * memory for the entry of a needed page.
 * Context: process, sleeps.
 */
int nopin_fault_install(struct nopin_fault *fault)
{
	bool all = true;
	int ret;

	nopin_fault_collect(fault);
	while ((ret = nopin_fault_try_install(fault)) == -EAGAIN)
		all &= nopin_span_reserve(fault->part.span, fault->fill.bits, &fault->fill.room);
	return ret == -EFAULT && !all ? -ENOMEM : ret;
}
