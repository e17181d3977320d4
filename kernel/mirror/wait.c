// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults that wait for a program (userfaultfd), which may never answer them: they
 * end when the region that they are for ends, or the device whose verb they are. The
 * kernel's code waits for the answer with one schedule(), so waking the task ends the wait,
 * and the fault returns VM_FAULT_RETRY.
 *
 *  fault                              stop
 *  lock
 *   stopped? no: list it
 *  unlock
 *                                     lock
 *                                      stopped = true, wake the listed ones
 *                                     unlock
 *  handle_mm_fault sleeps             (this wake came too early)
 *                                     a while later: wake those still listed
 *  VM_FAULT_RETRY
 *  lock, off the list, unlock
 */
#include <linux/sched.h>

#include "fault.h"

#define NOPIN_WAKE_PERIOD	max(HZ / 100, 1)

static bool nopin_demand_is_over(const struct nopin_demand *demand)
{
	return nopin_stop_is_set(demand->stop) || nopin_stop_is_set(demand->leave);
}

/**
 * nopin_fault_wait_begin - list a fault that may wait for a program
 * @fault: the fault
 *
 * Return: false when it must not wait, because its region or device has ended; otherwise
 *	nopin_fault_wait_end() must follow.
 * Context: process; the calling task is the one that may be woken.
 */
bool nopin_fault_wait_begin(struct nopin_fault *fault)
{
	struct nopin_waits *waits = &fault->mirror->waits;
	bool may;

	fault->wait.task = current;
	fault->wait.demand = fault->demand;
	spin_lock(&waits->lock);
	may = !nopin_demand_is_over(fault->demand);
	if (may)
		list_add(&fault->wait.list, &waits->list);
	spin_unlock(&waits->lock);
	return may;
}

/**
 * nopin_fault_wait_end - take a fault off the list that does not wait any more
 * @fault: the fault
 *
 * Context: process.
 */
void nopin_fault_wait_end(struct nopin_fault *fault)
{
	struct nopin_waits *waits = &fault->mirror->waits;

	spin_lock(&waits->lock);
	list_del(&fault->wait.list);
	spin_unlock(&waits->lock);
}

/* Wake the faults that must end. True: there were some. */
static bool nopin_waits_wake(struct nopin_waits *waits)
{
	struct nopin_fault_wait *wait;
	bool woken = false;

	lockdep_assert_held(&waits->lock);
	list_for_each_entry(wait, &waits->list, list)
		if (nopin_demand_is_over(wait->demand)) {
			wake_up_process(wait->task);
			woken = true;
		}
	return woken;
}

static void nopin_waits_work(struct work_struct *work)
{
	struct nopin_waits *waits = container_of(to_delayed_work(work),
						 struct nopin_waits, work);
	bool again;

	spin_lock(&waits->lock);
	again = nopin_waits_wake(waits);
	spin_unlock(&waits->lock);
	if (again)
		queue_delayed_work(nopin_mirror_wq, &waits->work, NOPIN_WAKE_PERIOD);
}

/**
 * nopin_waits_init - begin with no fault that waits
 * @waits: of a new mirror
 */
void nopin_waits_init(struct nopin_waits *waits)
{
	spin_lock_init(&waits->lock);
	INIT_LIST_HEAD(&waits->list);
	INIT_DELAYED_WORK(&waits->work, nopin_waits_work);
}

/**
 * nopin_mirror_stop - end the faults of a region that ends
 * @mirror: the mirror
 * @stop: of those faults
 *
 * Faults that wait for a program return soon, with -EAGAIN, so that their callers look
 * again; no other will wait. This does not wait until they have returned.
 *
 * Context: process.
 */
void nopin_mirror_stop(struct nopin_mirror *mirror, struct nopin_stop *stop)
{
	struct nopin_waits *waits = &mirror->waits;
	bool woken;

	spin_lock(&waits->lock);
	WRITE_ONCE(stop->stopped, true);
	woken = nopin_waits_wake(waits);
	spin_unlock(&waits->lock);
	if (woken)
		queue_delayed_work(nopin_mirror_wq, &waits->work, NOPIN_WAKE_PERIOD);
}
