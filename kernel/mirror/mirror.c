// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Mirrors: one for each process that has regions, how it is found, and how it ends. */
#include <linux/hashtable.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "span.h"

static DEFINE_SPINLOCK(nopin_mirrors_lock); /* protects the table and the ring */
static DEFINE_HASHTABLE(nopin_mirrors, 8);
static LIST_HEAD(nopin_mirrors_ring); /* the shrinker goes round it */

/*
 * Invalidations kick the reaper until the last notifier is removed, but a reaper that
 * starts after @dying is set returns at once. So only one context frees spans at a time,
 * and the mirror is freed when no other context can reach it:
 *
 *  last put                 end                           invalidation, reap
 *  queue end
 *  (no further access)      dying = true
 *                           wait for reap
 *                           remove the notifiers          kick
 *                                                         dying: nothing to do
 *                           (no further invalidation)
 *                           wait for reap
 *                           free
 */
static void nopin_mirror_end(struct work_struct *work)
{
	struct nopin_mirror *mirror = container_of(work, struct nopin_mirror, end);

	WRITE_ONCE(mirror->dying, true);
	cancel_delayed_work_sync(&mirror->reap);

	spin_lock(&nopin_mirrors_lock);
	hash_del(&mirror->node);
	list_del(&mirror->ring);
	spin_unlock(&nopin_mirrors_lock);

	nopin_mirror_reap_all(mirror);
	cancel_delayed_work_sync(&mirror->reap);
	cancel_delayed_work_sync(&mirror->waits.work);
	xa_destroy(&mirror->spans);
	mmdrop(mirror->mm);
	kfree(mirror);
}

static void nopin_mirror_release(struct kref *ref)
{
	struct nopin_mirror *mirror = container_of(ref, struct nopin_mirror, ref);

	queue_work(nopin_mirror_wq, &mirror->end);
}

static struct nopin_mirror *nopin_mirror_alloc(struct mm_struct *mm)
{
	struct nopin_mirror *mirror;

	mirror = kzalloc(sizeof(*mirror), GFP_KERNEL_ACCOUNT);
	if (!mirror)
		return NULL;
	kref_init(&mirror->ref);
	mmgrab(mm);
	mirror->mm = mm;
	xa_init_flags(&mirror->spans, XA_FLAGS_ACCOUNT);
	INIT_DELAYED_WORK(&mirror->reap, nopin_mirror_reap);
	INIT_WORK(&mirror->end, nopin_mirror_end);
	nopin_watchers_init(&mirror->watchers);
	nopin_waits_init(&mirror->waits);
	return mirror;
}

/* The mirror of @mm, with a reference; not one whose last reference has been dropped. */
static struct nopin_mirror *nopin_mirror_find(struct mm_struct *mm)
{
	struct nopin_mirror *mirror;

	lockdep_assert_held(&nopin_mirrors_lock);
	hash_for_each_possible(nopin_mirrors, mirror, node, (unsigned long)mm)
		if (mirror->mm == mm && kref_get_unless_zero(&mirror->ref))
			return mirror;
	return NULL;
}

/**
 * nopin_mirror_get_known - the mirror of a process, if it has one
 * @mm: of the process
 *
 * Return: the mirror with a reference, or NULL.
 * Context: any but softirq and interrupts.
 */
struct nopin_mirror *nopin_mirror_get_known(struct mm_struct *mm)
{
	struct nopin_mirror *mirror;

	spin_lock(&nopin_mirrors_lock);
	mirror = nopin_mirror_find(mm);
	spin_unlock(&nopin_mirrors_lock);
	return mirror;
}

/**
 * nopin_mirror_get_current - the mirror of the calling process
 *
 * All users in the process share one mirror. A forked child gets a mirror of its own
 * when it asks for one.
 *
 * Return: the mirror with a reference, or ERR_PTR().
 * Context: process, sleeps.
 */
struct nopin_mirror *nopin_mirror_get_current(void)
{
	struct mm_struct *mm = current->mm;
	struct nopin_mirror *mirror, *fresh;

	if (!mm)
		return ERR_PTR(-EINVAL);

	mirror = nopin_mirror_get_known(mm);
	if (mirror)
		return mirror;

	fresh = nopin_mirror_alloc(mm);
	if (!fresh)
		return ERR_PTR(-ENOMEM);

	spin_lock(&nopin_mirrors_lock);
	mirror = nopin_mirror_find(mm);
	if (!mirror) {
		hash_add(nopin_mirrors, &fresh->node, (unsigned long)mm);
		list_add_tail(&fresh->ring, &nopin_mirrors_ring);
	}
	spin_unlock(&nopin_mirrors_lock);
	if (mirror) {
		mmdrop(mm);
		kfree(fresh);
		return mirror;
	}
	return fresh;
}

/**
 * nopin_mirror_next - go round the mirrors of all processes
 *
 * Return: the mirror whose turn it is, with a reference, or NULL: there is none.
 * Context: any but softirq and interrupts.
 */
struct nopin_mirror *nopin_mirror_next(void)
{
	struct nopin_mirror *mirror;

	spin_lock(&nopin_mirrors_lock);
	list_for_each_entry(mirror, &nopin_mirrors_ring, ring)
		if (kref_get_unless_zero(&mirror->ref)) {
			list_move_tail(&mirror->ring, &nopin_mirrors_ring);
			spin_unlock(&nopin_mirrors_lock);
			return mirror;
		}
	spin_unlock(&nopin_mirrors_lock);
	return NULL;
}

/**
 * nopin_mirrors_stop - end the faults that the programs of a device have called for
 * @stop: of those faults
 *
 * As nopin_mirror_stop(), whichever process the pages are of. A mirror that is made later
 * sees @stop as well, as it takes the lock to join the ring.
 *
 * Context: process.
 */
void nopin_mirrors_stop(struct nopin_stop *stop)
{
	struct nopin_mirror *mirror;

	spin_lock(&nopin_mirrors_lock);
	WRITE_ONCE(stop->stopped, true);
	list_for_each_entry(mirror, &nopin_mirrors_ring, ring)
		nopin_mirror_stop(mirror, stop);
	spin_unlock(&nopin_mirrors_lock);
}

/**
 * nopin_mirror_put - drop a reference
 * @mirror: the mirror
 *
 * The last put queues a work that takes the mirror down, as this sleeps.
 *
 * Context: any.
 */
void nopin_mirror_put(struct nopin_mirror *mirror)
{
	kref_put(&mirror->ref, nopin_mirror_release);
}

/**
 * nopin_mirror_is_current - is this the calling process's own memory?
 * @mirror: the mirror
 *
 * Return: true when the caller's address space is the mirrored one.
 * Context: process.
 */
bool nopin_mirror_is_current(const struct nopin_mirror *mirror)
{
	return current->mm == mirror->mm;
}

/**
 * nopin_mirror_init - prepare for the first mirror
 *
 * Return: 0 or a negative errno.
 * Context: module load.
 */
int nopin_mirror_init(void)
{
	int err = nopin_spans_init();

	if (err)
		return err;
	err = nopin_works_init();
	if (err)
		nopin_spans_exit();
	return err;
}

/**
 * nopin_mirror_exit - undo nopin_mirror_init()
 *
 * Every reference has been dropped. The works that the last puts have queued finish
 * here.
 *
 * Context: module unload, sleeps.
 */
void nopin_mirror_exit(void)
{
	nopin_works_exit();
	nopin_spans_exit();
}
