// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Which pages of a NIC's memory are taken. */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "slots.h"

/**
 * nopin_slots_init - make slots, all of them free
 * @slots: to be filled in
 * @num: how many there are, not 0
 *
 * Return: 0 or -ENOMEM.
 * Context: process, sleeps.
 */
int nopin_slots_init(struct nopin_slots *slots, unsigned long num)
{
	spin_lock_init(&slots->lock);
	/* The bits of a large memory are more than kmalloc() has. */
	slots->taken = kvcalloc(BITS_TO_LONGS(num), sizeof(long), GFP_KERNEL);
	slots->claimed = kvcalloc(BITS_TO_LONGS(num), sizeof(long), GFP_KERNEL);
	slots->num = num;
	slots->used = 0;
	slots->reserved = 0;
	slots->hint = 0;
	slots->shut = false;
	return slots->taken && slots->claimed ? 0 : -ENOMEM;
}

/**
 * nopin_slots_destroy - undo nopin_slots_init()
 * @slots: after nopin_slots_init(), which may have failed
 *
 * Context: any but interrupts.
 */
void nopin_slots_destroy(struct nopin_slots *slots)
{
	kvfree(slots->claimed);
	kvfree(slots->taken);
}

/**
 * nopin_slots_take - take a free slot
 * @slots: of a NIC
 *
 * Return: its number, or -ENOSPC.
 * Context: any but interrupts.
 */
long nopin_slots_take(struct nopin_slots *slots)
{
	unsigned long slot;
	long ret = -ENOSPC;

	spin_lock(&slots->lock);
	if (!slots->shut && slots->used + slots->reserved < slots->num) {
		slot = find_next_zero_bit(slots->taken, slots->num, slots->hint);
		if (slot == slots->num)
			slot = find_first_zero_bit(slots->taken, slots->num);
		__set_bit(slot, slots->taken);
		WRITE_ONCE(slots->used, slots->used + 1);
		slots->hint = slot + 1;
		ret = slot;
	}
	spin_unlock(&slots->lock);
	return ret;
}

/**
 * nopin_slots_give - give a slot back
 * @slots: of a NIC
 * @slot: from nopin_slots_take()
 *
 * Context: any but interrupts.
 */
void nopin_slots_give(struct nopin_slots *slots, unsigned long slot)
{
	spin_lock(&slots->lock);
	if (!WARN_ON(!__test_and_clear_bit(slot, slots->taken)))
		WRITE_ONCE(slots->used, slots->used - 1);
	spin_unlock(&slots->lock);
}

/**
 * nopin_slots_reserve - keep some free slots from being taken
 * @slots: of a NIC
 * @num: how many
 *
 * Return: 0, or -ENOSPC: fewer are free.
 * Context: any but interrupts.
 */
int nopin_slots_reserve(struct nopin_slots *slots, unsigned long num)
{
	int err = -ENOSPC;

	spin_lock(&slots->lock);
	if (!slots->shut && num <= slots->num - slots->used - slots->reserved) {
		WRITE_ONCE(slots->reserved, slots->reserved + num);
		err = 0;
	}
	spin_unlock(&slots->lock);
	return err;
}

/**
 * nopin_slots_unreserve - let reserved slots be taken again
 * @slots: of a NIC
 * @num: how many of those that are reserved
 *
 * Context: any but interrupts.
 */
void nopin_slots_unreserve(struct nopin_slots *slots, unsigned long num)
{
	spin_lock(&slots->lock);
	WRITE_ONCE(slots->reserved, slots->reserved - num);
	spin_unlock(&slots->lock);
}

/**
 * nopin_slots_shut - let no slot be taken or reserved any more
 * @slots: of a NIC
 *
 * Context: any but interrupts.
 */
void nopin_slots_shut(struct nopin_slots *slots)
{
	spin_lock(&slots->lock);
	slots->shut = true;
	spin_unlock(&slots->lock);
}

/**
 * nopin_slots_find - find a slot that is taken
 * @slots: of a NIC
 * @from: where to begin to look
 *
 * Return: the first slot from @from on that is taken; none is: the number of slots or more.
 * Context: any but interrupts.
 */
unsigned long nopin_slots_find(struct nopin_slots *slots, unsigned long from)
{
	unsigned long slot;

	spin_lock(&slots->lock);
	slot = find_next_bit(slots->taken, slots->num, from);
	spin_unlock(&slots->lock);
	return slot;
}
