// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The slow paths of a gate: to enter it when it is shut or held up, and to wait to shut it. */
#include <linux/processor.h>

#include "gate.h"

/**
 * nopin_gate_enter_slowly - nopin_gate_enter() for a gate that is not just open
 * @gate: the gate, which counts the caller
 *
 * A gate stays shut for an instant, with BH off and no access inside. So the caller may
 * wait for it to open, whatever other gates it is inside of. It may not wait while new
 * accesses are held up: the context that holds them up waits for the accesses inside,
 * perhaps for one of the caller.
 *
 * Return: as nopin_gate_enter(); if false, the gate does not count the caller any more.
 * Context: as nopin_gate_enter().
 */
bool nopin_gate_enter_slowly(struct nopin_gate *gate)
{
	int state;

	do {
		atomic_dec(&gate->state);
		do {
			state = atomic_read(&gate->state);
			if (state & NOPIN_GATE_HELD_UP)
				return false;
			cpu_relax();
		} while (state & NOPIN_GATE_SHUT);
		state = atomic_fetch_add_acquire(1, &gate->state);
	} while (state & (NOPIN_GATE_SHUT | NOPIN_GATE_HELD_UP));
	return true;
}

/**
 * nopin_gate_await - wait a moment before the next attempt to shut a gate
 * @gate: the gate; an access is inside
 * @tries: number of failed attempts, at first 0
 *
 * Context: process, softirqs on unless the caller will give up: the access inside may
 *	need a softirq on this CPU to leave.
 */
void nopin_gate_await(struct nopin_gate *gate, unsigned int *tries)
{
	if (++*tries >= NOPIN_GATE_PATIENCE)
		atomic_or(NOPIN_GATE_HELD_UP, &gate->state);
	cpu_relax();
}
