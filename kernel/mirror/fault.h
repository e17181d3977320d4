/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Private to the mirror room: a fault in progress. */
#ifndef NOPIN_FAULT_H
#define NOPIN_FAULT_H

#include <linux/hmm.h>

#include "span.h"

/*
 * Where looking around brought new entries a fault looks at four times as many
 * pages the next time, where it brought none at few. As log2 of the pages.
 */
#define NOPIN_WINDOW_MIN	2
#define NOPIN_WINDOW_STEP	2

/**
 * struct nopin_fault_wait - a fault that a program may have to answer
 * @list: in the mirror's list, under its lock
 * @task: takes the fault
 * @stop: ends it; may be NULL
 */
struct nopin_fault_wait {
	struct list_head list;
	struct task_struct *task;
	const struct nopin_stop *stop;
};

/**
 * struct nopin_fault - a fault in one span
 * @mirror: where
 * @stop: when it is not wanted any more; may be NULL
 * @wait: while a program may have to answer
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
 * @blind: fault before looking: what @pfn says will do to tell what is missing
 * @pages: pages that became present, over all spans
 */
struct nopin_fault {
	struct nopin_mirror *mirror;
	const struct nopin_stop *stop;
	struct nopin_fault_wait wait;
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

static inline bool nopin_fault_writes(const struct nopin_fault *fault)
{
	return fault->flags & NOPIN_FAULT_WRITE;
}

static inline unsigned long nopin_fault_va(const struct nopin_fault *fault,
					   unsigned int i)
{
	return nopin_span_start(fault->span) + ((unsigned long)i << PAGE_SHIFT);
}

static inline unsigned long *nopin_fault_pfn(const struct nopin_fault *fault,
					     unsigned int i)
{
	return fault->pfn + (i - fault->base);
}

/* wait.c */
bool nopin_fault_wait_begin(struct nopin_fault *fault);
void nopin_fault_wait_end(struct nopin_fault *fault);

/* install.c */
int nopin_fault_install(struct nopin_fault *fault);

#endif /* NOPIN_FAULT_H */
