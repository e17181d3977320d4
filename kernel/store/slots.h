/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Which pages of a NIC's memory are taken: one bit for each. */
#ifndef NOPIN_SLOTS_H
#define NOPIN_SLOTS_H

#include <linux/bitops.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/**
 * struct nopin_slots - a number of slots, each taken or free
 * @lock: protects what follows
 * @taken: a bit for each slot
 * @claimed: a bit for each slot whose page a fault is bringing back; not protected
 * @num: how many slots there are
 * @used: how many are taken
 * @reserved: how many must stay free, whichever these are; with @used at most @num
 * @hint: where to look first
 * @shut: no slot may be taken any more
 */
struct nopin_slots {
	spinlock_t lock; /* what follows */
	unsigned long *taken;
	unsigned long *claimed;
	unsigned long num;
	unsigned long used;
	unsigned long reserved;
	unsigned long hint;
	bool shut;
};

int nopin_slots_init(struct nopin_slots *slots, unsigned long num);
void nopin_slots_destroy(struct nopin_slots *slots);
long nopin_slots_take(struct nopin_slots *slots);
void nopin_slots_give(struct nopin_slots *slots, unsigned long slot);
int nopin_slots_reserve(struct nopin_slots *slots, unsigned long num);
void nopin_slots_unreserve(struct nopin_slots *slots, unsigned long num);
void nopin_slots_shut(struct nopin_slots *slots);
unsigned long nopin_slots_find(struct nopin_slots *slots, unsigned long from);

/* Become the one that brings back a slot's page. False: another context is. */
static inline bool nopin_slots_claim(struct nopin_slots *slots, unsigned long slot)
{
	return !test_and_set_bit_lock(slot, slots->claimed);
}

static inline void nopin_slots_unclaim(struct nopin_slots *slots, unsigned long slot)
{
	clear_bit_unlock(slot, slots->claimed);
}

/* How many are taken, as of now. */
static inline unsigned long nopin_slots_used(const struct nopin_slots *slots)
{
	return READ_ONCE(slots->used);
}

/* How many are reserved, as of now. */
static inline unsigned long nopin_slots_reserved(const struct nopin_slots *slots)
{
	return READ_ONCE(slots->reserved);
}

#endif /* NOPIN_SLOTS_H */
