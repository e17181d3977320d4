/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A gate: accesses are inside while they have a view open, and who changes what they
 * look at shuts it first.
 *
 * It is a lock for reading and writing, but for one thing: who is inside is counted and
 * not known. A view that one context has opened another may close, as the completion of
 * a DMA engine does.
 *
 * Accesses come from softirqs and nest, so they must not queue behind one who wants to
 * shut the gate, and with enough of them there might never be a moment without any: an
 * invalidation could wait for as long as the traffic lasts. So who has waited for a while
 * holds up those who come; to them the page is then "not present", which it may well be
 * in a moment.
 *
 *  CPU 0 (shuts it)            CPU 1 (accesses)       CPU 2 (accesses)
 *  somebody is inside, often   enter
 *  hold up                      copy                  enter: held up, -EAGAIN
 *                              leave
 *  nobody is inside: shut                             enter waits, for an instant
 *  open                                               is inside
 */
#ifndef NOPIN_GATE_H
#define NOPIN_GATE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>

#define NOPIN_GATE_SHUT		BIT(30) /* nobody is inside, nobody gets in */
#define NOPIN_GATE_HELD_UP	BIT(29) /* somebody has waited too long to shut it */

/* How often one looks for a moment without anybody inside before others are held up. */
#define NOPIN_GATE_PATIENCE	4096

/* And before one sleeps, or gives up. */
#define NOPIN_GATE_LONG		(4 * NOPIN_GATE_PATIENCE)

/**
 * struct nopin_gate - who is inside
 * @state: NOPIN_GATE_*, and in the bits below how many are inside or try to get in
 */
struct nopin_gate {
	atomic_t state;
};

bool nopin_gate_enter_slowly(struct nopin_gate *gate);
void nopin_gate_await(struct nopin_gate *gate, unsigned int *tries);

static inline void nopin_gate_init(struct nopin_gate *gate)
{
	atomic_set(&gate->state, 0);
}

/**
 * nopin_gate_enter - begin to look at what the gate protects
 * @gate: the gate
 *
 * Return: true, then nopin_gate_leave() is due, in this context or another; false when
 *	those who come are held up.
 * Context: any; who is not to be held up for long by what is shut inside a softirq has
 *	BH off.
 */
static inline bool nopin_gate_enter(struct nopin_gate *gate)
{
	int before = atomic_fetch_add_acquire(1, &gate->state); /* pairs with open */

	if (likely(!(before & (NOPIN_GATE_SHUT | NOPIN_GATE_HELD_UP))))
		return true;
	return nopin_gate_enter_slowly(gate);
}

/**
 * nopin_gate_leave - end it
 * @gate: the gate; it may go at once
 *
 * Context: any.
 */
static inline void nopin_gate_leave(struct nopin_gate *gate)
{
	smp_mb__before_atomic(); /* pairs with the acquire of nopin_gate_try_shut() */
	atomic_dec(&gate->state);
}

/**
 * nopin_gate_try_shut - keep everybody out
 * @gate: the gate
 *
 * Return: true, then nopin_gate_open() is due; false when somebody is inside.
 * Context: BH off, so that no softirq waits for who is interrupted; one at a time.
 */
static inline bool nopin_gate_try_shut(struct nopin_gate *gate)
{
	int nobody = atomic_read(&gate->state) & NOPIN_GATE_HELD_UP;

	return atomic_try_cmpxchg_acquire(&gate->state, &nobody, NOPIN_GATE_SHUT);
}

/**
 * nopin_gate_open - let everybody in again
 * @gate: the gate
 */
static inline void nopin_gate_open(struct nopin_gate *gate)
{
	smp_mb__before_atomic(); /* pairs with the acquire of nopin_gate_enter() */
	atomic_andnot(NOPIN_GATE_SHUT, &gate->state);
}

/**
 * nopin_gate_enter_again - be inside once more
 * @gate: the gate; the caller is inside
 *
 * So that a leave is due for each, perhaps in different contexts.
 *
 * Context: any.
 */
static inline void nopin_gate_enter_again(struct nopin_gate *gate)
{
	atomic_inc(&gate->state);
}

/**
 * nopin_gate_give_up - shut it some other time, and hold up nobody until then
 * @gate: the gate; nopin_gate_await() was called
 *
 * Others who wait hold up again by themselves.
 *
 * Context: any.
 */
static inline void nopin_gate_give_up(struct nopin_gate *gate)
{
	atomic_andnot(NOPIN_GATE_HELD_UP, &gate->state);
}

/* Who has held up the others for so long waits for no CPU: an engine is inside. */
static inline bool nopin_gate_takes_long(unsigned int tries)
{
	return tries >= NOPIN_GATE_LONG;
}

/* Are those who come held up? A hint. */
static inline bool nopin_gate_is_held_up(const struct nopin_gate *gate)
{
	return atomic_read(&gate->state) & NOPIN_GATE_HELD_UP;
}

#endif /* NOPIN_GATE_H */
