/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A gate: an access is inside it while it has a view open. A context that changes what
 * accesses look at shuts the gate first.
 *
 * It is a lock for readers and writers that counts its readers but does not know who
 * they are. So one context may open a view and another close it, as the completion of a
 * DMA engine does.
 *
 * Accesses come from softirqs and nest, so they must not queue behind a context that
 * waits to shut the gate. But with enough accesses the gate would never be empty, and an
 * invalidation would wait for as long as the traffic lasts. So a context that has waited
 * for a while holds up new accesses: to them the page is "not present", which may soon be
 * true.
 *
 *  CPU 0 (shuts it)            CPU 1 (accesses)       CPU 2 (accesses)
 *  not empty, many times       enter
 *  hold up                      copy                  enter: held up, -EAGAIN
 *                              leave
 *  empty: shut                                        enter waits, for an instant
 *  open                                               is inside
 */
#ifndef NOPIN_GATE_H
#define NOPIN_GATE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>

#define NOPIN_GATE_SHUT		BIT(30) /* no access is inside, none gets in */
#define NOPIN_GATE_HELD_UP	BIT(29) /* new accesses fail: a context waits to shut it */

/* Failed attempts to shut a gate before new accesses are held up. */
#define NOPIN_GATE_PATIENCE	4096

/* Failed attempts before the context that wants to shut it sleeps, or gives up. */
#define NOPIN_GATE_LONG		(4 * NOPIN_GATE_PATIENCE)

/**
 * struct nopin_gate - a count of the accesses inside
 * @state: NOPIN_GATE_*, and in the bits below how many accesses are inside or try to enter
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
 * Return: true, and nopin_gate_leave() must follow, in this context or another; false when
 *	new accesses are held up.
 * Context: any; callers have BH off, so that no softirq prolongs an access.
 */
static inline bool nopin_gate_enter(struct nopin_gate *gate)
{
	int before = atomic_fetch_add_acquire(1, &gate->state); /* pairs with open */

	if (likely(!(before & (NOPIN_GATE_SHUT | NOPIN_GATE_HELD_UP))))
		return true;
	return nopin_gate_enter_slowly(gate);
}

/**
 * nopin_gate_leave - stop looking at what the gate protects
 * @gate: the gate, which may be freed at once
 *
 * Context: any.
 */
static inline void nopin_gate_leave(struct nopin_gate *gate)
{
	smp_mb__before_atomic(); /* pairs with the acquire of nopin_gate_try_shut() */
	atomic_dec(&gate->state);
}

/**
 * nopin_gate_try_shut - keep all accesses out, if none is inside
 * @gate: the gate
 *
 * Return: true, and nopin_gate_open() must follow; false when an access is inside.
 * Context: BH off: a softirq would wait for the gate while it interrupts the caller. One
 *	caller at a time.
 */
static inline bool nopin_gate_try_shut(struct nopin_gate *gate)
{
	int nobody = atomic_read(&gate->state) & NOPIN_GATE_HELD_UP;

	return atomic_try_cmpxchg_acquire(&gate->state, &nobody, NOPIN_GATE_SHUT);
}

/**
 * nopin_gate_open - let accesses in again
 * @gate: the gate
 */
static inline void nopin_gate_open(struct nopin_gate *gate)
{
	smp_mb__before_atomic(); /* pairs with the acquire of nopin_gate_enter() */
	atomic_andnot(NOPIN_GATE_SHUT, &gate->state);
}

/**
 * nopin_gate_enter_again - enter a gate once more
 * @gate: the gate; the caller is inside
 *
 * Each entry needs its own nopin_gate_leave(), perhaps in different contexts.
 *
 * Context: any.
 */
static inline void nopin_gate_enter_again(struct nopin_gate *gate)
{
	atomic_inc(&gate->state);
}

/**
 * nopin_gate_give_up - stop waiting to shut a gate, and let new accesses in
 * @gate: the gate; nopin_gate_await() was called
 *
 * Another context that waits to shut the gate holds up new accesses again by itself.
 *
 * Context: any.
 */
static inline void nopin_gate_give_up(struct nopin_gate *gate)
{
	atomic_andnot(NOPIN_GATE_HELD_UP, &gate->state);
}

/* After so many attempts no CPU is inside any more: the access is an engine's. */
static inline bool nopin_gate_takes_long(unsigned int tries)
{
	return tries >= NOPIN_GATE_LONG;
}

/* Are new accesses held up? A hint. */
static inline bool nopin_gate_is_held_up(const struct nopin_gate *gate)
{
	return atomic_read(&gate->state) & NOPIN_GATE_HELD_UP;
}

#endif /* NOPIN_GATE_H */
