// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* KUnit: compare the slots of a NIC with a plain array. */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "slots.h"

#define SEED	0x5107
#define SLOTS	200U	/* not a multiple of a word's bits */
#define TURNS	20000

struct slots_fixture {
	struct nopin_slots slots;
	struct rnd_state rnd;
	bool model[SLOTS];
	unsigned int used;
};

static int slots_init(struct kunit *test)
{
	struct slots_fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fix);
	KUNIT_ASSERT_EQ(test, nopin_slots_init(&fix->slots, SLOTS), 0);
	prandom_seed_state(&fix->rnd, SEED);
	test->priv = fix;
	return 0;
}

static void slots_exit(struct kunit *test)
{
	struct slots_fixture *fix = test->priv;

	nopin_slots_destroy(&fix->slots);
}

static void compare(struct kunit *test, struct slots_fixture *fix)
{
	unsigned int i, n = 0;

	for (i = nopin_slots_find(&fix->slots, 0); i < SLOTS;
	     i = nopin_slots_find(&fix->slots, i + 1), n++)
		KUNIT_EXPECT_TRUE_MSG(test, fix->model[i], "slot %u", i);
	KUNIT_EXPECT_EQ(test, n, fix->used);
	KUNIT_EXPECT_EQ(test, nopin_slots_used(&fix->slots), (unsigned long)fix->used);
}

static void take(struct kunit *test, struct slots_fixture *fix)
{
	long slot = nopin_slots_take(&fix->slots);

	if (fix->used == SLOTS) {
		KUNIT_EXPECT_EQ(test, slot, (long)-ENOSPC);
		return;
	}
	KUNIT_ASSERT_GE(test, slot, 0L);
	KUNIT_ASSERT_LT(test, slot, (long)SLOTS);
	KUNIT_EXPECT_FALSE_MSG(test, fix->model[slot], "slot %ld is taken already", slot);
	fix->model[slot] = true;
	fix->used++;
}

static void give(struct slots_fixture *fix, unsigned int slot)
{
	if (!fix->model[slot])
		return;
	nopin_slots_give(&fix->slots, slot);
	fix->model[slot] = false;
	fix->used--;
}

/* In turns more slots are taken than given back, or fewer: all get taken, and free again. */
static void they_are_an_array(struct kunit *test)
{
	struct slots_fixture *fix = test->priv;
	unsigned int turn, full = 0;

	for (turn = 0; turn < TURNS; turn++) {
		bool more = turn / 1000 % 2 == 0;

		if (prandom_u32_state(&fix->rnd) % 10 < (more ? 8 : 1))
			take(test, fix);
		else
			give(fix, prandom_u32_state(&fix->rnd) % SLOTS);
		full += fix->used == SLOTS;
		if (turn % 100 == 0)
			compare(test, fix);
	}
	KUNIT_EXPECT_GT(test, full, 0U);
}

static void when_it_is_shut_nothing_is_given_away(struct kunit *test)
{
	struct slots_fixture *fix = test->priv;

	take(test, fix);
	nopin_slots_shut(&fix->slots);
	KUNIT_EXPECT_EQ(test, nopin_slots_take(&fix->slots), (long)-ENOSPC);
	compare(test, fix);
	give(fix, nopin_slots_find(&fix->slots, 0));
	compare(test, fix);
	KUNIT_EXPECT_EQ(test, nopin_slots_take(&fix->slots), (long)-ENOSPC);
}

static void what_is_reserved_is_not_taken(struct kunit *test)
{
	struct slots_fixture *fix = test->priv;
	const unsigned int kept = SLOTS / 4;

	take(test, fix);
	KUNIT_EXPECT_EQ(test, nopin_slots_reserve(&fix->slots, SLOTS), -ENOSPC);
	KUNIT_EXPECT_EQ(test, nopin_slots_reserve(&fix->slots, ULONG_MAX), -ENOSPC);
	KUNIT_ASSERT_EQ(test, nopin_slots_reserve(&fix->slots, kept), 0);
	while (fix->used < SLOTS - kept)
		take(test, fix);
	KUNIT_EXPECT_EQ(test, nopin_slots_take(&fix->slots), (long)-ENOSPC);
	KUNIT_EXPECT_EQ(test, nopin_slots_reserve(&fix->slots, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, nopin_slots_reserved(&fix->slots), (unsigned long)kept);
	compare(test, fix);
	nopin_slots_unreserve(&fix->slots, kept);
	while (fix->used < SLOTS)
		take(test, fix);
	compare(test, fix);
}

/* The pages of 256 GiB: more bits than kmalloc() has. */
static void there_may_be_very_many(struct kunit *test)
{
	const unsigned long many = BIT(26);
	struct nopin_slots slots;

	KUNIT_ASSERT_EQ(test, nopin_slots_init(&slots, many), 0);
	slots.hint = many - 1;
	KUNIT_EXPECT_EQ(test, nopin_slots_take(&slots), (long)(many - 1));
	KUNIT_EXPECT_EQ(test, nopin_slots_take(&slots), 0L);
	KUNIT_EXPECT_EQ(test, nopin_slots_find(&slots, 1), many - 1);
	nopin_slots_destroy(&slots);
}

static struct kunit_case slots_cases[] = {
	KUNIT_CASE(they_are_an_array),
	KUNIT_CASE(what_is_reserved_is_not_taken),
	KUNIT_CASE(when_it_is_shut_nothing_is_given_away),
	KUNIT_CASE(there_may_be_very_many),
	{}
};

static struct kunit_suite slots_suite = {
	.name = "nopin_slots",
	.init = slots_init,
	.exit = slots_exit,
	.test_cases = slots_cases,
};

kunit_test_suite(slots_suite);
