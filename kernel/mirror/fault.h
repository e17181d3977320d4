/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Private to kernel/mirror: a fault in progress. */
#ifndef NOPIN_FAULT_H
#define NOPIN_FAULT_H

#include <linux/hmm.h>

#include "span.h"

/*
 * The window is the pages that a fault looks at, as log2. If the neighbours gave new
 * entries, the next fault looks at four times as many pages; if they gave none, at the
 * fewest.
 */
#define NOPIN_WINDOW_MIN	2
#define NOPIN_WINDOW_STEP	2

/**
 * struct nopin_fault_wait - a fault that a program may have to answer
 * @list: in the mirror's list, under its lock
 * @task: takes the fault
 * @demand: what it is for, and what tells it to end
 */
struct nopin_fault_wait {
	struct list_head list;
	struct task_struct *task;
	const struct nopin_demand *demand;
};

/**
 * struct nopin_fault_part - what is asked for in one span, as pages of it
 * @span: the span, kept by nopin_span_get()
 * @first: first page
 * @need_end: end of the pages that must become present
 * @want_end: end of the pages that should
 */
struct nopin_fault_part {
	struct nopin_span *span;
	unsigned int first;
	unsigned int need_end;
	unsigned int want_end;
};

/**
 * struct nopin_fault_seen - what the CPU's page tables say
 * @first: first page looked at, a page of the span
 * @end: end of the pages looked at
 * @pfn: what HMM said about each page from @base on, later the entries
 * @base: page of @pfn[0], the first of its line
 * @seq: the notifier's sequence that @pfn belongs to
 * @line: @pfn for a window of one line
 * @whole: @pfn for a larger window, NULL until there is one
 */
struct nopin_fault_seen {
	unsigned int first;
	unsigned int end;
	unsigned long *pfn;
	unsigned int base;
	unsigned long seq;
	unsigned long line[NOPIN_LINE_PAGES];
	unsigned long *whole;
};

/**
 * struct nopin_fault_walk - the state of the attempts at one span
 * @deadline: when to stop trying, jiffies
 * @missing: needed pages that the CPU did not have, the fewest of all attempts
 * @batch: pages that the next attempt may fault
 * @prompt_end: faults before this address need no program's answer
 * @tried: the pages that are only wanted were faulted, as far as they can be
 * @blind: fault before HMM looks: &nopin_fault_seen tells what is missing
 */
struct nopin_fault_walk {
	unsigned long deadline;
	unsigned int missing;
	unsigned int batch;
	unsigned long prompt_end;
	bool tried;
	bool blind;
};

/**
 * struct nopin_fault_fill - what is to be installed
 * @bits: pages that get an entry
 * @room: memory for the entries
 */
struct nopin_fault_fill {
	u64 bits[NOPIN_SPAN_LINES];
	struct nopin_room room;
};

/**
 * struct nopin_fault - a fault in progress, span by span
 * @mirror: the mirror
 * @demand: all that is asked for
 * @part: the part of @demand in the present span
 * @seen: what the CPU's page tables say about @part
 * @walk: the state of the attempts at @part
 * @fill: what will be installed for @part
 * @wait: used while a program may have to answer
 * @pages: the result: pages that became present, over all spans
 */
struct nopin_fault {
	struct nopin_mirror *mirror;
	const struct nopin_demand *demand;
	struct nopin_fault_part part;
	struct nopin_fault_seen seen;
	struct nopin_fault_walk walk;
	struct nopin_fault_fill fill;
	struct nopin_fault_wait wait;
	u64 pages;
};

static inline bool nopin_fault_writes(const struct nopin_fault *fault)
{
	return fault->demand->flags & NOPIN_FAULT_WRITE;
}

static inline unsigned long nopin_fault_va(const struct nopin_fault *fault,
					   unsigned int i)
{
	return nopin_span_start(fault->part.span) + ((unsigned long)i << PAGE_SHIFT);
}

static inline unsigned long *nopin_fault_pfn(const struct nopin_fault *fault,
					     unsigned int i)
{
	return fault->seen.pfn + (i - fault->seen.base);
}

/* wait.c */
bool nopin_fault_wait_begin(struct nopin_fault *fault);
void nopin_fault_wait_end(struct nopin_fault *fault);

/* install.c */
int nopin_fault_install(struct nopin_fault *fault);

#endif /* NOPIN_FAULT_H */
