// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Works: the queue of those that mirrors have, all of which may sleep, and the insertion of
 * a notifier by a worker, where a signal has broken off the caller's.
 */
#include <linux/mmu_notifier.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "../compat.h"
#include "span.h"

/* Runs the works of the mirrors: ending, reaping, waking. */
struct workqueue_struct *nopin_mirror_wq;

/* An insertion of a notifier. */
struct nopin_notify {
	struct work_struct work;
	struct nopin_mirror *mirror;
	struct mmu_interval_notifier *notifier;
	u64 va;
	u64 length;
	const struct mmu_interval_notifier_ops *ops;
	int err;
};

static void nopin_notify_insert(struct nopin_notify *notify)
{
	notify->err = mmu_interval_notifier_insert(notify->notifier, notify->mirror->mm,
						   notify->va, notify->length, notify->ops);
}

static void nopin_notify_work(struct work_struct *work)
{
	nopin_notify_insert(container_of(work, struct nopin_notify, work));
}

/**
 * nopin_mirror_notify - insert a notifier for a range of a process's addresses
 * @mirror: of the process; the caller keeps the users of its mm
 * @notifier: to be inserted
 * @va: address of the first byte
 * @length: bytes
 * @ops: what the notifier does
 *
 * The first notifier of an mm takes all of the mm's locks, and any signal breaks that off,
 * though only one that kills should. So a worker, which gets no signals, tries again.
 *
 * Return: 0; -ENOMEM; -EINTR: the caller has been killed.
 * Context: process, sleeps; mmap_lock not held.
 */
int nopin_mirror_notify(struct nopin_mirror *mirror, struct mmu_interval_notifier *notifier,
			u64 va, u64 length, const struct mmu_interval_notifier_ops *ops)
{
	struct nopin_notify notify = {
		.mirror = mirror, .notifier = notifier, .va = va, .length = length, .ops = ops,
	};

	nopin_notify_insert(&notify);
	if (notify.err != -EINTR || fatal_signal_pending(current))
		return notify.err;
	INIT_WORK_ONSTACK(&notify.work, nopin_notify_work);
	queue_work(system_dfl_wq, &notify.work);
	flush_work(&notify.work);
	destroy_work_on_stack(&notify.work);
	return notify.err;
}

/**
 * nopin_works_init - make the workqueue
 *
 * Return: 0 or -ENOMEM.
 * Context: module load.
 */
int nopin_works_init(void)
{
	nopin_mirror_wq = alloc_workqueue("nopin_mirror", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return nopin_mirror_wq ? 0 : -ENOMEM;
}

/**
 * nopin_works_exit - let the works that are queued finish, and destroy the workqueue
 *
 * Context: module unload, sleeps.
 */
void nopin_works_exit(void)
{
	/* destroy_workqueue() warns of works that invalidations queue meanwhile. */
	flush_workqueue(nopin_mirror_wq);
	destroy_workqueue(nopin_mirror_wq);
}
