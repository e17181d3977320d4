// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* What happens at a gate where two meet. */
#include <linux/processor.h>

#include "gate.h"

/**
 * nopin_gate_enter_slowly - nopin_gate_enter() for a gate that is not just open
 * @gate: the gate, which counts us
 *
 * It is shut for an instant, with BH off and nobody inside, so it can be waited for,
 * whatever else the caller is inside of. Those who hold up wait for others, perhaps for
 * the caller itself.
 *
 * Return: as nopin_gate_enter(); if false, the gate does not count us any more.
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
 * nopin_gate_await - somebody is inside; shut it some other time
 * @gate: the gate
 * @tries: how often it was tried, at first 0
 *
 * Context: process, softirqs on unless the caller does not insist: who is inside may
 *	need one on this CPU to leave.
 */
void nopin_gate_await(struct nopin_gate *gate, unsigned int *tries)
{
	if (++*tries >= NOPIN_GATE_PATIENCE)
		atomic_or(NOPIN_GATE_HELD_UP, &gate->state);
	cpu_relax();
}
