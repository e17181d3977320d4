// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Mirrors and their spans: who creates them, what empties them, when they go.
 *
 * Three parties change the set of spans. A fault inserts the span it needs; an
 * invalidation or the shrinker empties spans and marks them; a work of the
 * mirror erases the marked ones. Removing an interval notifier waits for
 * invalidations in progress, so it can be done neither by them nor in reclaim,
 * which they may depend on: only works do it.
 */
#include <linux/hashtable.h>
#include <linux/mmu_context.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "../compat.h"
#include "span.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* How long an empty span whose address range still exists waits for new use. */
#define NOPIN_REAP_DELAY	HZ

static DEFINE_SPINLOCK(nopin_mirrors_lock); /* protects the table */
static DEFINE_HASHTABLE(nopin_mirrors, 8);

static struct workqueue_struct *nopin_mirror_wq;
static struct kmem_cache *nopin_span_cache;

/**
 * nopin_mirror_kick - let the reaper come by, no later than asked before
 * @mirror: the mirror
 * @delay: in jiffies; 0 overrides a delay that is running
 *
 * Context: any.
 */
void nopin_mirror_kick(struct nopin_mirror *mirror, unsigned long delay)
{
	if (delay)
		queue_delayed_work(nopin_mirror_wq, &mirror->reap, delay);
	else
		mod_delayed_work(nopin_mirror_wq, &mirror->reap, 0);
}

/**
 * nopin_mirror_queue - let some other work of a mirror be done
 * @work: the work; the mirror stays at least until it has begun
 * @delay: in jiffies
 *
 * Context: any.
 */
void nopin_mirror_queue(struct delayed_work *work, unsigned long delay)
{
	queue_delayed_work(nopin_mirror_wq, work, delay);
}

/**
 * nopin_span_mark - let the reaper look whether a span can go
 * @mirror: the mirror
 * @index: of the span, which need not exist any more
 *
 * Never call this under the span's lock: softirqs wait for that one, and may
 * interrupt whoever holds the xarray's.
 *
 * Context: process.
 */
void nopin_span_mark(struct nopin_mirror *mirror, unsigned long index)
{
	xa_set_mark(&mirror->spans, index, NOPIN_SPAN_REAP);
}

/* The part of @range in the span, as pages of it. */
static void nopin_span_clip(const struct nopin_span *span,
			    const struct mmu_notifier_range *range,
			    unsigned int *first, unsigned int *end)
{
	u64 start = nopin_span_start(span);

	*first = 0;
	*end = NOPIN_SPAN_PAGES;
	if (range->start > start)
		*first = nopin_span_page(range->start);
	if (range->end < start + NOPIN_SPAN_SIZE)
		*end = nopin_span_page(range->end - 1) + 1;
}

static bool nopin_range_is_gone(const struct mmu_notifier_range *range)
{
	return range->event == MMU_NOTIFY_UNMAP ||
	       range->event == MMU_NOTIFY_RELEASE;
}

/*
 * The mm takes pages away. Copies hold the lock for reading and installations
 * for writing, so when it has been taken and released here no copy is in flight
 * through an entry of the range, and none can be put back:
 *
 *  fault                              invalidation
 *  seq = read_begin
 *  hmm_range_fault: pfn A             (pfn A is to be freed)
 *                                     lock, set_seq, clear, unlock
 *  lock
 *   read_retry: seq has changed       the mm frees A
 *  unlock, start again
 *
 * This runs in every kind of context that changes page tables, the OOM reaper
 * among them: it never sleeps, so a range that must not block is no case apart.
 */
static bool nopin_span_invalidate(struct mmu_interval_notifier *notifier,
				  const struct mmu_notifier_range *range,
				  unsigned long seq)
{
	struct nopin_span *span =
		container_of(notifier, struct nopin_span, notifier);
	struct nopin_mirror *mirror = span->mirror;
	unsigned long which[NOPIN_SPAN_LINES] = {};
	unsigned int first, end, dropped;
	bool empty;

	nopin_span_clip(span, range, &first, &end);
	nopin_span_write_lock(span);
	mmu_interval_set_seq(notifier, seq);
	dropped = nopin_span_clear(span, first, end, which);
	empty = !span->present;
	nopin_span_write_unlock(span);

	trace_nopin_mirror_invalidate(mirror->mm, range->start, range->end,
				      range->event, dropped);
	if (dropped)
		nopin_watchers_count(&mirror->watchers, nopin_span_start(span), which);
	if (empty) {
		nopin_span_mark(mirror, span->index);
		nopin_mirror_kick(mirror, nopin_range_is_gone(range) ?
					  0 : NOPIN_REAP_DELAY);
	}
	return true;
}

static const struct mmu_interval_notifier_ops nopin_span_ops = {
	.invalidate = nopin_span_invalidate,
};

static void nopin_span_free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(nopin_span_cache,
			container_of(rcu, struct nopin_span, rcu));
}

static void nopin_span_destroy(struct nopin_span *span)
{
	mmu_interval_notifier_remove(&span->notifier);
	nopin_shrink_count_spans(-1);
	call_rcu(&span->rcu, nopin_span_free_rcu);
}

static struct nopin_span *nopin_span_alloc(struct nopin_mirror *mirror, u64 va)
{
	struct nopin_span *span;
	int ret;

	span = kmem_cache_zalloc(nopin_span_cache, GFP_KERNEL);
	if (!span)
		return ERR_PTR(-ENOMEM);
	span->index = va >> NOPIN_SPAN_SHIFT;
	rwlock_init(&span->lock);
	span->mirror = mirror;
	refcount_set(&span->users, 2);	/* the mirror and the fault that makes it */
	span->window = NOPIN_WINDOW_FIRST;
	ret = mmu_interval_notifier_insert(&span->notifier, mirror->mm,
					   nopin_span_start(span), NOPIN_SPAN_SIZE,
					   &nopin_span_ops);
	if (ret) {
		kmem_cache_free(nopin_span_cache, span);
		return ERR_PTR(ret);
	}
	nopin_shrink_count_spans(1);
	return span;
}

/* -EBUSY: somebody else was faster. */
static struct nopin_span *nopin_span_create(struct nopin_mirror *mirror, u64 va)
{
	struct nopin_span *span = nopin_span_alloc(mirror, va);
	int ret;

	if (IS_ERR(span))
		return span;
	ret = xa_insert(&mirror->spans, span->index, span, GFP_KERNEL);
	if (ret) {
		nopin_span_destroy(span);
		return ERR_PTR(ret);
	}
	return span;
}

static struct nopin_span *nopin_span_find(struct nopin_mirror *mirror, u64 va)
{
	struct nopin_span *span;

	rcu_read_lock();
	span = nopin_span_lookup(mirror, va >> NOPIN_SPAN_SHIFT);
	if (span && !refcount_inc_not_zero(&span->users))
		span = NULL;
	rcu_read_unlock();
	return span;
}

/* The span has a user: it will be forgotten after this, not before. */
static void nopin_span_keep_near(struct nopin_span *span)
{
	struct nopin_span __rcu **near = nopin_span_near(span->mirror, span->index);

	if (rcu_access_pointer(*near) != span)
		rcu_assign_pointer(*near, span);
}

/**
 * nopin_span_get - find or create a span and keep it
 * @mirror: the mirror; its mm has users
 * @va: an address in the span
 *
 * Return: the span, to be given back with nopin_span_put(), or ERR_PTR().
 * Context: process, sleeps; mmap_lock not held.
 */
struct nopin_span *nopin_span_get(struct nopin_mirror *mirror, u64 va)
{
	struct nopin_span *span;

	for (;;) {
		span = nopin_span_find(mirror, va);
		if (!span)
			span = nopin_span_create(mirror, va);
		if (span != ERR_PTR(-EBUSY))
			break;
		/* A dead one is still there for the moment of its removal. */
		cond_resched();
	}
	if (!IS_ERR(span))
		nopin_span_keep_near(span);
	return span;
}

/**
 * nopin_span_put - a fault is done with a span
 * @span: the span
 *
 * Context: process.
 */
void nopin_span_put(struct nopin_span *span)
{
	struct nopin_mirror *mirror = span->mirror;
	unsigned long index = span->index;
	bool idle;

	rcu_read_lock();
	refcount_dec(&span->users);
	/*
	 * From here on the span may go at any time, but for RCU. Who emptied it before
	 * may have met us as its user: then it is ours to mark.
	 */
	smp_mb__after_atomic();
	idle = !READ_ONCE(span->present);
	rcu_read_unlock();
	if (idle) {
		nopin_span_mark(mirror, index);
		nopin_mirror_kick(mirror, NOPIN_REAP_DELAY);
	}
}

/*
 * A span that is to go has no user and is empty before its notifier is removed:
 *
 *  copy (RCU, softirq)                reap
 *  span = xa_load
 *                                     lock, users = 0, clear, unlock
 *                                     erase, remove the notifier
 *                                     (nobody tells the span anything now)
 *  lock
 *   no entry: -EAGAIN
 *  unlock
 */
static bool nopin_span_kill(struct nopin_span *span, bool force)
{
	bool kill;

	nopin_span_write_lock(span);
	kill = force || (!span->present && refcount_dec_if_one(&span->users));
	if (kill)
		nopin_span_clear_all(span);
	nopin_span_write_unlock(span);
	return kill;
}

/* A span that nobody uses and nobody will; those who look at it are waited for. */
static void nopin_span_forget(struct nopin_span *span)
{
	struct nopin_mirror *mirror = span->mirror;

	xa_erase(&mirror->spans, span->index);
	/* Another span may be taking its place at this moment. */
	cmpxchg(nopin_span_near(mirror, span->index), RCU_INITIALIZER(span), NULL);
	nopin_span_destroy(span);
}

/* A work never runs twice at a time: a span that it looks at stays. */
static void nopin_mirror_reap(struct work_struct *work)
{
	struct nopin_mirror *mirror =
		container_of(to_delayed_work(work), struct nopin_mirror, reap);
	struct nopin_span *span;
	unsigned long index;

	if (READ_ONCE(mirror->dying))
		return;
	xa_for_each_marked(&mirror->spans, index, span, NOPIN_SPAN_REAP) {
		xa_clear_mark(&mirror->spans, index, NOPIN_SPAN_REAP);
		if (nopin_span_kill(span, false))
			nopin_span_forget(span);
		cond_resched();
	}
}

/*
 * Invalidations go on kicking the reaper until the last notifier is gone, but all
 * that begins after @dying was set is over at once. So spans have one to free them
 * at a time, and the memory goes when nobody can reach it:
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
	struct nopin_span *span;
	unsigned long index;

	WRITE_ONCE(mirror->dying, true);
	cancel_delayed_work_sync(&mirror->reap);

	spin_lock(&nopin_mirrors_lock);
	hash_del(&mirror->node);
	spin_unlock(&nopin_mirrors_lock);
	nopin_shrink_del(mirror);

	xa_for_each(&mirror->spans, index, span) {
		nopin_span_kill(span, true);
		nopin_span_forget(span);
		cond_resched();
	}
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

/* The mirror that others use already; one whose last user is gone is none. */
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
 * nopin_mirror_get_current - the mirror of the calling process
 *
 * Every user in the process shares one. A child that it forks has a mirror of
 * its own, should it ask for one.
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

	spin_lock(&nopin_mirrors_lock);
	mirror = nopin_mirror_find(mm);
	spin_unlock(&nopin_mirrors_lock);
	if (mirror)
		return mirror;

	fresh = nopin_mirror_alloc(mm);
	if (!fresh)
		return ERR_PTR(-ENOMEM);

	spin_lock(&nopin_mirrors_lock);
	mirror = nopin_mirror_find(mm);
	if (!mirror)
		hash_add(nopin_mirrors, &fresh->node, (unsigned long)mm);
	spin_unlock(&nopin_mirrors_lock);
	if (mirror) {
		mmdrop(mm);
		kfree(fresh);
		return mirror;
	}
	nopin_shrink_add(fresh);
	return fresh;
}

/**
 * nopin_mirror_put - give a reference back
 * @mirror: the mirror
 *
 * What the last one leaves behind is taken down by a work: it has to sleep.
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

/* May the calling thread read, or read and write, this memory? As pinning has it. */
static bool nopin_vma_allows(struct vm_area_struct *vma, bool write)
{
	vm_flags_t rights = write ? VM_READ | VM_WRITE : VM_READ;

	if (vma->vm_flags & (VM_IO | VM_PFNMAP) || (vma->vm_flags & rights) != rights)
		return false;
	if (write && vma->vm_flags & VM_SHADOW_STACK)
		return false;
	return arch_vma_access_permitted(vma, write, false, false);
}

/* With mmap_lock: and all of [va, end)? */
static bool nopin_mm_allows(struct mm_struct *mm, unsigned long va,
			    unsigned long end, bool write)
{
	struct vm_area_struct *vma;

	for (; va < end; va = vma->vm_end) {
		vma = find_vma(mm, va);
		if (!vma || vma->vm_start > va || !nopin_vma_allows(vma, write))
			return false;
	}
	return true;
}

/**
 * nopin_mirror_check_current - has the calling process this memory, as of now?
 * @va: first byte
 * @len: bytes; va + len does not wrap
 * @write: must it be writable?
 *
 * Return: 0; -EFAULT when some of it is a hole, lacks the rights, is kept from the
 * calling thread by a protection key, or is not memory; -EINTR when the caller has been killed.
 * Context: process, sleeps; as long as there are mappings in the range.
 */
int nopin_mirror_check_current(u64 va, u64 len, bool write)
{
	struct mm_struct *mm = current->mm;
	bool allows;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	allows = nopin_mm_allows(mm, va, va + len, write);
	mmap_read_unlock(mm);
	return allows ? 0 : -EFAULT;
}

/**
 * nopin_mirror_init - set the room up
 *
 * Return: 0 or a negative errno.
 * Context: module load.
 */
int nopin_mirror_init(void)
{
	nopin_span_cache = KMEM_CACHE(nopin_span, SLAB_ACCOUNT);
	if (!nopin_span_cache)
		return -ENOMEM;
	nopin_mirror_wq = alloc_workqueue("nopin_mirror",
					  WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!nopin_mirror_wq)
		goto err_cache;
	if (nopin_shrink_init())
		goto err_wq;
	return 0;

err_wq:
	destroy_workqueue(nopin_mirror_wq);
err_cache:
	kmem_cache_destroy(nopin_span_cache);
	return -ENOMEM;
}

/**
 * nopin_mirror_exit - take the room down
 *
 * Every reference has been given back; what their last ones queued is finished
 * here.
 *
 * Context: module unload, sleeps.
 */
void nopin_mirror_exit(void)
{
	nopin_shrink_exit();
	/* A queue being destroyed warns of what invalidations still queue. */
	flush_workqueue(nopin_mirror_wq);
	destroy_workqueue(nopin_mirror_wq);
	rcu_barrier(); /* nopin_span_free_rcu() */
	kmem_cache_destroy(nopin_span_cache);
}
