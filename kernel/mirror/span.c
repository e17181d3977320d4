// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The table of one span: packed lines of entries, or one entry for all of it.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "span.h"

/**
 * nopin_span_shut - keep every access out of a span
 * @span: the span
 *
 * On return no view of this span is open. A view may need a softirq on this CPU to be
 * closed, so this waits with softirqs on, and after a while asleep.
 *
 * Context: process, sleeps; softirqs are off until nopin_span_open().
 */
void nopin_span_shut(struct nopin_span *span) __acquires(&span->lock)
{
	unsigned int tries = 0;

	spin_lock_bh(&span->lock);
	while (!nopin_gate_try_shut(&span->gate)) {
		spin_unlock_bh(&span->lock);
		nopin_gate_await(&span->gate, &tries);
		if (nopin_gate_takes_long(tries))
			usleep_range(20, 100);
		spin_lock_bh(&span->lock);
	}
}

/**
 * nopin_span_shut_unless_busy - nopin_span_shut() for contexts that must not sleep
 * @span: the span
 *
 * It waits for a copy by a CPU. It gives up on one by an engine, which may take too long.
 *
 * Return: true; false: the span is not shut, and the caller only has to drop its lock.
 * Context: process; softirqs are off until nopin_span_open().
 */
bool nopin_span_shut_unless_busy(struct nopin_span *span) __acquires(&span->lock)
{
	unsigned int tries = 0;

	spin_lock_bh(&span->lock);
	while (!nopin_gate_try_shut(&span->gate)) {
		spin_unlock_bh(&span->lock);
		nopin_gate_await(&span->gate, &tries);
		spin_lock_bh(&span->lock);
		if (nopin_gate_takes_long(tries)) {
			nopin_gate_give_up(&span->gate);
			return false;
		}
	}
	return true;
}

/**
 * nopin_span_open - let accesses in again
 * @span: the span
 */
void nopin_span_open(struct nopin_span *span) __releases(&span->lock)
{
	nopin_gate_open(&span->gate);
	spin_unlock_bh(&span->lock);
}

/* The bits of line @l for the pages [first, end) of its span. */
static u64 nopin_line_mask(unsigned int l, unsigned int first, unsigned int end)
{
	unsigned int base = l * NOPIN_LINE_PAGES;
	unsigned int from = max(first, base) - base;
	unsigned int to = min(end, base + NOPIN_LINE_PAGES) - base;

	return GENMASK_ULL(to - 1, from);
}

/**
 * nopin_span_allows - have all these pages an entry for such an access?
 * @span: the span, locked
 * @first: first page
 * @end: page after the last
 * @write: whether they must be writable
 *
 * Return: true when a copy would find all of them.
 */
bool nopin_span_allows(const struct nopin_span *span, unsigned int first,
		       unsigned int end, bool write)
{
	unsigned int i;

	lockdep_assert_held(&span->lock);
	for (i = first; i < end; i++)
		if (!nopin_entry_allows(nopin_span_entry(span, i), write))
			return false;
	return true;
}

static void nopin_line_free(struct nopin_span *span, unsigned int l)
{
	kfree(span->line[l].entry);
	span->line[l].entry = NULL;
	span->room[l] = 0;
}

/* Drop the entries of @mask and close the gaps. Returns how many there were. */
static unsigned int nopin_line_clear(struct nopin_span *span, unsigned int l,
				     u64 mask)
{
	struct nopin_line *line = &span->line[l];
	u64 keep = line->bits & ~mask;
	unsigned int dropped = hweight64(line->bits & mask);
	unsigned int from = 0, to = 0;
	u64 left;

	if (!dropped)
		return 0;
	for (left = line->bits; keep && left; left &= left - 1, from++)
		if (keep & left & -left)
			line->entry[to++] = line->entry[from];
	line->bits = keep;
	if (!keep)
		nopin_line_free(span, l);
	return dropped;
}

/**
 * nopin_span_clear - drop the entries of some pages
 * @span: the span, shut
 * @first: first page
 * @end: page after the last, > @first
 * @dropped: a bit is set for each page of the span that had an entry
 *
 * A huge entry is dropped as a whole.
 *
 * Return: the number of pages that had an entry.
 * Context: any; neither allocates nor sleeps.
 */
unsigned int nopin_span_clear(struct nopin_span *span, unsigned int first,
			      unsigned int end, unsigned long *dropped)
{
	unsigned int l, n = 0;

	nopin_span_assert_shut(span);
	if (span->huge) {
		n = NOPIN_SPAN_PAGES;
		bitmap_fill(dropped, NOPIN_SPAN_PAGES);
		for (l = 0; l < NOPIN_SPAN_LINES; l++)
			nopin_span_unmap(span, l, U64_MAX);
		span->huge = 0;
	} else {
		for (l = first / NOPIN_LINE_PAGES; l * NOPIN_LINE_PAGES < end; l++) {
			u64 mask = nopin_line_mask(l, first, end);

			dropped[l] |= span->line[l].bits & mask;
			nopin_span_unmap(span, l, mask);
			n += nopin_line_clear(span, l, mask);
		}
	}
	WRITE_ONCE(span->present, span->present - n);
	return n;
}

/**
 * nopin_span_clear_all - drop every entry
 * @span: the span, shut
 *
 * Return: the number of pages that had an entry.
 */
unsigned int nopin_span_clear_all(struct nopin_span *span)
{
	unsigned long dropped[NOPIN_SPAN_LINES] = {};

	return nopin_span_clear(span, 0, NOPIN_SPAN_PAGES, dropped);
}

/* Round up to the sizes of slab caches, in entries, so that they lose little memory. */
static unsigned int nopin_room_round(unsigned int entries)
{
	static const u8 sizes[] = { 4, 8, 12, 16, 24, 32 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (entries <= sizes[i])
			return sizes[i];
	return NOPIN_LINE_PAGES;
}

/* Entries that line @l will have to hold, 0 when nothing is added to it. */
static unsigned int nopin_line_wants(const struct nopin_span *span,
				     unsigned int l, u64 bits)
{
	return bits ? hweight64(span->line[l].bits | bits) : 0;
}

/**
 * nopin_span_has_room - would these entries fit?
 * @span: the span, locked
 * @bits: the pages, one word a line
 * @room: spare memory that nopin_span_merge() may take
 *
 * Return: true when nopin_span_merge() will succeed.
 */
bool nopin_span_has_room(const struct nopin_span *span, const u64 *bits,
			 const struct nopin_room *room)
{
	unsigned int l;

	lockdep_assert_held(&span->lock);
	for (l = 0; l < NOPIN_SPAN_LINES; l++)
		if (nopin_line_wants(span, l, bits[l]) >
		    max(span->room[l], room->room[l]))
			return false;
	return true;
}

static bool nopin_room_grow(struct nopin_room *room, unsigned int l,
			    unsigned int entries)
{
	unsigned int size = nopin_room_round(entries);
	unsigned long *entry;

	entry = kmalloc_array(size, sizeof(*entry), GFP_KERNEL_ACCOUNT);
	if (!entry)
		return false;
	kfree(room->entry[l]);
	room->entry[l] = entry;
	room->room[l] = size;
	return true;
}

/**
 * nopin_span_reserve - get the memory for some entries beforehand
 * @span: the span
 * @bits: the pages that may get an entry, one word a line; cleared for a line that
 *	there is no memory for
 * @room: where the memory goes; may hold some already
 *
 * The memory may not suffice any more when the caller takes the lock again: it checks
 * with nopin_span_has_room(), and reserves again if necessary.
 *
 * Return: whether there was memory for all.
 * Context: process, sleeps.
 */
bool nopin_span_reserve(struct nopin_span *span, u64 *bits, struct nopin_room *room)
{
	unsigned int wants[NOPIN_SPAN_LINES];
	bool all = true;
	unsigned int l;

	spin_lock_bh(&span->lock);
	for (l = 0; l < NOPIN_SPAN_LINES; l++) {
		wants[l] = nopin_line_wants(span, l, bits[l]);
		if (wants[l] <= span->room[l])
			wants[l] = 0;
	}
	spin_unlock_bh(&span->lock);

	for (l = 0; l < NOPIN_SPAN_LINES; l++) {
		if (wants[l] <= room->room[l] || nopin_room_grow(room, l, wants[l]))
			continue;
		bits[l] = 0;
		all = false;
	}
	return all;
}

/**
 * nopin_room_free - free the spare memory that was not used
 * @room: the spare memory
 */
void nopin_room_free(struct nopin_room *room)
{
	unsigned int l;

	for (l = 0; l < NOPIN_SPAN_LINES; l++)
		if (room->room[l])
			kfree(room->entry[l]);
}

/*
 * Merge in place, from the last entry down: no entry moves to a lower place than
 * it had. The entries below the lowest new one stay where they are.
 */
static void nopin_line_merge(struct nopin_line *line, unsigned long *to,
			     u64 bits, const unsigned long *entries)
{
	u64 left = line->bits | bits;
	unsigned int old = hweight64(line->bits);
	unsigned int place = hweight64(left);

	while (left & bits) {
		unsigned int i = fls64(left) - 1;
		unsigned long entry = 0;

		if (line->bits & BIT_ULL(i))
			entry = line->entry[--old];
		/* An entry that is writable already stays. */
		if (bits & BIT_ULL(i) && !nopin_entry_allows(entry, true))
			entry = entries[i];
		to[--place] = entry;
		left &= ~BIT_ULL(i);
	}
	if (to != line->entry)
		memcpy(to, line->entry, old * sizeof(*to));
	line->bits |= bits;
}

/* Use the line's spare memory instead of its own. */
static void nopin_line_adopt(struct nopin_span *span, unsigned int l,
			     struct nopin_room *room)
{
	kfree(span->line[l].entry);
	span->line[l].entry = room->entry[l];
	span->room[l] = room->room[l];
	room->entry[l] = NULL;
	room->room[l] = 0;
}

/**
 * nopin_span_merge - install entries
 * @span: the span, shut, without a huge entry;
 *	nopin_span_has_room() said yes
 * @bits: the pages, one word a line
 * @entries: their entries, by page of the span from @base on
 * @base: first page of a line
 * @room: spare memory; what is used is taken out of it
 */
void nopin_span_merge(struct nopin_span *span, const u64 *bits,
		      const unsigned long *entries, unsigned int base,
		      struct nopin_room *room)
{
	unsigned int l;

	nopin_span_assert_shut(span);
	WARN_ON_ONCE(span->huge);
	for (l = 0; l < NOPIN_SPAN_LINES; l++) {
		struct nopin_line *line = &span->line[l];
		unsigned int wants = nopin_line_wants(span, l, bits[l]);
		bool adopt = wants > span->room[l];

		if (!wants)
			continue;
		nopin_span_unmap(span, l, bits[l]);
		WRITE_ONCE(span->present,
			   span->present + wants - hweight64(line->bits));
		nopin_line_merge(line, adopt ? room->entry[l] : line->entry, bits[l],
				 entries + (l * NOPIN_LINE_PAGES - base));
		if (adopt)
			nopin_line_adopt(span, l, room);
	}
}

/**
 * nopin_span_set_huge - let one entry stand for the whole span
 * @span: the span, shut
 * @entry: the entry of its first page
 */
void nopin_span_set_huge(struct nopin_span *span, unsigned long entry)
{
	nopin_span_assert_shut(span);
	if (nopin_entry_allows(span->huge, true))
		return;
	nopin_span_clear_all(span);
	span->huge = entry;
	WRITE_ONCE(span->present, NOPIN_SPAN_PAGES);
}
