// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Which spans a mirror has: a fault finds or makes the one that it needs, and holds a
 * reference while it works.
 */
#include <linux/delay.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "span.h"

static struct kmem_cache *nopin_span_cache;
static atomic_long_t nopin_spans;

/**
 * nopin_spans_count - how many spans do all mirrors have together?
 *
 * Return: spans; a hint.
 * Context: any.
 */
unsigned long nopin_spans_count(void)
{
	return atomic_long_read(&nopin_spans);
}

static void nopin_span_free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(nopin_span_cache,
			container_of(rcu, struct nopin_span, rcu));
}

/**
 * nopin_span_destroy - free a span
 * @span: the span, empty, and not found by lookups any more
 *
 * RCU readers that have found it already may use it until their read-side section ends.
 *
 * Context: process, sleeps until the invalidations in progress are over.
 */
void nopin_span_destroy(struct nopin_span *span)
{
	mmu_interval_notifier_remove(&span->notifier);
	WARN_ON_ONCE(span->dma);
	atomic_long_dec(&nopin_spans);
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
	spin_lock_init(&span->lock);
	nopin_gate_init(&span->gate);
	span->mirror = mirror;
	refcount_set(&span->users, 2);	/* the mirror and the fault that makes it */
	span->window = NOPIN_WINDOW_FIRST;
	ret = nopin_mirror_notify(mirror, &span->notifier, nopin_span_start(span),
				  NOPIN_SPAN_SIZE, &nopin_span_ops);
	if (ret) {
		kmem_cache_free(nopin_span_cache, span);
		return ERR_PTR(ret);
	}
	atomic_long_inc(&nopin_spans);
	return span;
}

/* -EBUSY: there is another span at this index. */
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

/* The caller is a user, so nopin_span_forget() clears the slot after this, not before. */
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
		/* The reaper is just removing a span that cannot get users any more. */
		usleep_range(20, 100);
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
	 * From here on only RCU keeps the span. It may have been emptied while this was
	 * a user, so that the reaper left it: then it must be marked again here.
	 */
	smp_mb__after_atomic();
	idle = !READ_ONCE(span->present);
	rcu_read_unlock();
	if (idle) {
		nopin_span_mark(mirror, index);
		nopin_mirror_kick(mirror, NOPIN_REAP_DELAY);
	}
}

/**
 * nopin_spans_init - prepare for the first span
 *
 * Return: 0 or -ENOMEM.
 * Context: module load.
 */
int nopin_spans_init(void)
{
	nopin_span_cache = KMEM_CACHE(nopin_span, SLAB_ACCOUNT);
	return nopin_span_cache ? 0 : -ENOMEM;
}

/**
 * nopin_spans_exit - the last span has been destroyed
 *
 * Context: module unload, sleeps.
 */
void nopin_spans_exit(void)
{
	rcu_barrier(); /* nopin_span_free_rcu() */
	kmem_cache_destroy(nopin_span_cache);
}
