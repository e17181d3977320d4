// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * KUnit: compare the table of a span, which is merged and cleared in place, with a plain
 * array, and the counts of watches with a loop over all pages; enter and shut a gate.
 */
#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "span.h"

#define SEED	0x5eed
#define TURNS	2000

struct span_fixture {
	struct nopin_span span;
	struct rnd_state rnd;
	unsigned long model[NOPIN_SPAN_PAGES];
	unsigned long entries[NOPIN_SPAN_PAGES];
	u64 bits[NOPIN_SPAN_LINES];
};

static int span_init(struct kunit *test)
{
	struct span_fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fix);
	spin_lock_init(&fix->span.lock);
	nopin_gate_init(&fix->span.gate);
	prandom_seed_state(&fix->rnd, SEED);
	test->priv = fix;
	return 0;
}

static void span_exit(struct kunit *test)
{
	struct span_fixture *fix = test->priv;

	nopin_span_shut(&fix->span);
	nopin_span_clear_all(&fix->span);
	nopin_span_open(&fix->span);
}

static unsigned long entry_of(unsigned long pfn, bool write)
{
	return pfn << NOPIN_ENTRY_PFN_SHIFT | NOPIN_ENTRY_VALID |
	       (write ? NOPIN_ENTRY_WRITE : 0);
}

static void compare(struct kunit *test, struct span_fixture *fix)
{
	unsigned int i, present = 0;

	spin_lock_bh(&fix->span.lock);
	for (i = 0; i < NOPIN_SPAN_PAGES; i++) {
		unsigned long entry = nopin_span_entry(&fix->span, i);

		KUNIT_EXPECT_EQ_MSG(test, entry, fix->model[i], "page %u", i);
		present += !!entry;
	}
	KUNIT_EXPECT_EQ(test, fix->span.present, present);
	spin_unlock_bh(&fix->span.lock);
}

/* Install @fix->entries for @fix->bits, as a fault does. */
static void merge(struct kunit *test, struct span_fixture *fix, unsigned int base)
{
	struct nopin_room room = {};
	bool fits = false;

	while (!fits) {
		KUNIT_ASSERT_TRUE(test, nopin_span_reserve(&fix->span, fix->bits, &room));
		nopin_span_shut(&fix->span);
		fits = nopin_span_has_room(&fix->span, fix->bits, &room);
		if (fits)
			nopin_span_merge(&fix->span, fix->bits, fix->entries, base, &room);
		nopin_span_open(&fix->span);
	}
	nopin_room_free(&room);
}

/* What a merge does, as a plain loop. */
static void merge_model(struct span_fixture *fix, unsigned int base)
{
	unsigned int i;

	for (i = base; i < NOPIN_SPAN_PAGES; i++)
		if (fix->bits[i / NOPIN_LINE_PAGES] & BIT_ULL(i % NOPIN_LINE_PAGES) &&
		    !nopin_entry_allows(fix->model[i], true))
			fix->model[i] = fix->entries[i - base];
}

static void draw_entries(struct span_fixture *fix, unsigned int base)
{
	u32 chance = prandom_u32_state(&fix->rnd) % 100;
	unsigned int i;

	memset(fix->bits, 0, sizeof(fix->bits));
	for (i = base; i < NOPIN_SPAN_PAGES; i++) {
		u32 r = prandom_u32_state(&fix->rnd);

		fix->entries[i - base] = entry_of(r >> 8, r & 1);
		if (prandom_u32_state(&fix->rnd) % 100 < chance)
			fix->bits[i / NOPIN_LINE_PAGES] |= BIT_ULL(i % NOPIN_LINE_PAGES);
	}
}

static void clear_some(struct kunit *test, struct span_fixture *fix)
{
	unsigned long dropped[NOPIN_SPAN_LINES] = {};
	unsigned int first = prandom_u32_state(&fix->rnd) % NOPIN_SPAN_PAGES;
	unsigned int end = first + 1 + prandom_u32_state(&fix->rnd) % (NOPIN_SPAN_PAGES - first);
	unsigned int i, n = 0, got;

	for (i = first; i < end; i++) {
		n += !!fix->model[i];
		fix->model[i] = 0;
	}
	nopin_span_shut(&fix->span);
	got = nopin_span_clear(&fix->span, first, end, dropped);
	nopin_span_open(&fix->span);
	KUNIT_EXPECT_EQ(test, got, n);
	KUNIT_EXPECT_EQ(test, bitmap_weight(dropped, NOPIN_SPAN_PAGES), n);
}

static void merges_and_clears_are_an_array(struct kunit *test)
{
	struct span_fixture *fix = test->priv;
	unsigned int turn;

	for (turn = 0; turn < TURNS; turn++) {
		unsigned int line = prandom_u32_state(&fix->rnd) % NOPIN_SPAN_LINES;
		unsigned int base = line * NOPIN_LINE_PAGES;

		if (prandom_u32_state(&fix->rnd) % 3) {
			draw_entries(fix, base);
			merge(test, fix, base);
			merge_model(fix, base);
		} else {
			clear_some(test, fix);
		}
		compare(test, fix);
	}
}

static void a_huge_entry_is_all_pages(struct kunit *test)
{
	unsigned long dropped[NOPIN_SPAN_LINES] = {};
	struct span_fixture *fix = test->priv;
	unsigned int i;

	draw_entries(fix, 0);
	merge(test, fix, 0);
	nopin_span_shut(&fix->span);
	nopin_span_set_huge(&fix->span, entry_of(512, true));
	nopin_span_open(&fix->span);
	for (i = 0; i < NOPIN_SPAN_PAGES; i++)
		fix->model[i] = entry_of(512 + i, true);
	compare(test, fix);

	nopin_span_shut(&fix->span);
	KUNIT_EXPECT_EQ(test, nopin_span_clear(&fix->span, 7, 8, dropped), NOPIN_SPAN_PAGES);
	nopin_span_open(&fix->span);
	KUNIT_EXPECT_EQ(test, bitmap_weight(dropped, NOPIN_SPAN_PAGES), NOPIN_SPAN_PAGES);
	memset(fix->model, 0, sizeof(fix->model));
	compare(test, fix);
}

/* --- watches --- */

#define WATCHES	40

struct watch_model {
	struct nopin_watch watch;
	unsigned long first, end; /* pages */
	u64 pages;
	bool live;
};

static void watch_change(struct kunit *test, struct span_fixture *fix,
			 struct nopin_mirror *mirror, struct watch_model *w, atomic64_t *total)
{
	u64 taken;

	if (w->live) {
		taken = nopin_mirror_watched(mirror, &w->watch, NOPIN_WATCH_TAKEN);
		KUNIT_EXPECT_EQ(test, taken, w->pages);
		nopin_mirror_unwatch(mirror, &w->watch);
		w->live = false;
		return;
	}
	/* Few different edges, so that many coincide; some lie outside of the span. */
	w->first = prandom_u32_state(&fix->rnd) % 64 * 16;
	w->end = w->first + 1 + prandom_u32_state(&fix->rnd) % 16 * 16;
	w->pages = 0;
	KUNIT_ASSERT_EQ(test, 0, nopin_mirror_watch(mirror, &w->watch,
						    (u64)w->first << PAGE_SHIFT,
						    (u64)(w->end - w->first) << PAGE_SHIFT,
						    total));
	w->live = true;
}

static u64 watch_take(struct span_fixture *fix, struct nopin_mirror *mirror,
		      struct watch_model *watches)
{
	unsigned long dropped[NOPIN_SPAN_LINES] = {};
	u64 total = 0;
	unsigned int i, k;

	for (i = 0; i < NOPIN_SPAN_PAGES; i++) {
		bool watched = false;

		if (prandom_u32_state(&fix->rnd) % 8)
			continue;
		__set_bit(i, dropped);
		for (k = 0; k < WATCHES; k++)
			if (watches[k].live && watches[k].first <= i && i < watches[k].end) {
				watches[k].pages++;
				watched = true;
			}
		total += watched;
	}
	nopin_watchers_count(&mirror->watchers, NOPIN_WATCH_TAKEN, 0, dropped);
	return total;
}

static void watches_count_their_pages(struct kunit *test)
{
	struct nopin_mirror *mirror = kunit_kzalloc(test, sizeof(*mirror), GFP_KERNEL);
	struct watch_model *w = kunit_kcalloc(test, WATCHES, sizeof(*w), GFP_KERNEL);
	struct span_fixture *fix = test->priv;
	atomic64_t total = ATOMIC64_INIT(0);
	unsigned int turn, i;
	u64 want = 0;

	KUNIT_ASSERT_NOT_NULL(test, mirror);
	KUNIT_ASSERT_NOT_NULL(test, w);
	nopin_watchers_init(&mirror->watchers);
	for (turn = 0; turn < TURNS; turn++) {
		i = prandom_u32_state(&fix->rnd) % WATCHES;
		watch_change(test, fix, mirror, &w[i], &total);
		want += watch_take(fix, mirror, w);
		KUNIT_EXPECT_EQ(test, atomic64_read(&total), want);
	}
	for (i = 0; i < WATCHES; i++)
		if (w[i].live)
			watch_change(test, fix, mirror, &w[i], &total);
	KUNIT_EXPECT_TRUE(test, list_empty(&mirror->watchers.tallies));
}

/* --- the gate --- */

static void who_is_inside_keeps_it_open(struct kunit *test)
{
	struct span_fixture *fix = test->priv;
	struct nopin_gate *gate = &fix->span.gate;
	unsigned int tries = 0;

	KUNIT_EXPECT_TRUE(test, nopin_gate_enter(gate));
	KUNIT_EXPECT_TRUE(test, nopin_gate_enter(gate));
	KUNIT_EXPECT_FALSE(test, nopin_gate_try_shut(gate));
	nopin_gate_leave(gate);
	KUNIT_EXPECT_FALSE(test, nopin_gate_try_shut(gate));

	while (!nopin_gate_is_held_up(gate) && tries < 1000000)
		nopin_gate_await(gate, &tries);
	KUNIT_EXPECT_FALSE(test, nopin_gate_enter(gate));
	KUNIT_EXPECT_FALSE(test, nopin_gate_try_shut(gate));
	nopin_gate_leave(gate);

	KUNIT_ASSERT_TRUE(test, nopin_gate_try_shut(gate));
	nopin_gate_open(gate);
	KUNIT_EXPECT_TRUE(test, nopin_gate_enter(gate));
	nopin_gate_leave(gate);
	KUNIT_EXPECT_EQ(test, atomic_read(&gate->state), 0);
}

static struct kunit_case span_cases[] = {
	KUNIT_CASE(merges_and_clears_are_an_array),
	KUNIT_CASE(a_huge_entry_is_all_pages),
	KUNIT_CASE(watches_count_their_pages),
	KUNIT_CASE(who_is_inside_keeps_it_open),
	{}
};

static struct kunit_suite span_suite = {
	.name = "nopin_span",
	.init = span_init,
	.exit = span_exit,
	.test_cases = span_cases,
};

kunit_test_suite(span_suite);
