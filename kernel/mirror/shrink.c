// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The shrinker: under memory pressure the mirrors forget what was not used of
 * late. Nothing is lost but the time of the next fault.
 */
#include <linux/slab.h>

#include "../compat.h"
#include "shrink.h"
#include "span.h"

static struct shrinker *nopin_shrinker;

static unsigned long nopin_shrink_count(struct shrinker *shrinker,
					struct shrink_control *sc)
{
	return nopin_spans_count() ?: SHRINK_EMPTY;
}

/* Reclaim may have been entered from anywhere, so this must not wait for anything. */
static bool nopin_span_try_empty(struct nopin_span *span)
{
	bool empty = false;

	if (!spin_trylock_bh(&span->lock))
		return false;
	if (nopin_gate_try_shut(&span->gate)) {
		empty = refcount_read(&span->users) == 1;
		if (empty)
			nopin_span_clear_all(span);
		nopin_gate_open(&span->gate);
	}
	spin_unlock_bh(&span->lock);
	return empty;
}

/*
 * Empty a span that was not used since the last visit. This frees the memory of the
 * entries at once; the reaper frees the span itself.
 */
static bool nopin_span_shrink(struct nopin_span *span)
{
	if (READ_ONCE(span->used)) {
		WRITE_ONCE(span->used, false);
		return false;
	}
	return nopin_span_try_empty(span);
}

/* Visit spans where the last visit stopped, to the end of the mirror or until @nr were seen. */
static unsigned long nopin_mirror_shrink(struct nopin_mirror *mirror,
					 unsigned long *nr)
{
	unsigned long index = READ_ONCE(mirror->shrink_hand);
	unsigned long freed = 0;
	struct nopin_span *span;

	rcu_read_lock();
	xa_for_each_start(&mirror->spans, index, span, index) {
		if (!*nr)
			break;
		--*nr;
		if (nopin_span_shrink(span)) {
			nopin_span_mark(mirror, index);
			freed++;
		}
	}
	rcu_read_unlock();
	WRITE_ONCE(mirror->shrink_hand, span ? index : 0);
	if (freed)
		nopin_mirror_kick(mirror, 0);
	return freed;
}

static unsigned long nopin_shrink_scan(struct shrinker *shrinker,
				       struct shrink_control *sc)
{
	unsigned long nr = sc->nr_to_scan;
	struct nopin_mirror *first = NULL;
	struct nopin_mirror *mirror;
	unsigned long before = nr;
	unsigned long freed = 0;

	for (; nr; before = nr) {
		mirror = nopin_mirror_next();
		if (!mirror)
			break;
		freed += nopin_mirror_shrink(mirror, &nr);
		nopin_mirror_put(mirror);
		/* A mirror without spans counts as one: @first may be gone, and never return. */
		if (nr == before)
			nr--;
		/* This was a whole round of the ring. @first is only compared, not used. */
		if (mirror == first)
			break;
		first = first ?: mirror;
	}
	sc->nr_scanned = sc->nr_to_scan - nr;
	return sc->nr_scanned ? freed : SHRINK_STOP;
}

/**
 * nopin_shrink_init - register the shrinker
 *
 * Return: 0 or -ENOMEM.
 */
int nopin_shrink_init(void)
{
	nopin_shrinker = nopin_shrinker_create("nopin-mirror", nopin_shrink_count,
					       nopin_shrink_scan);
	return nopin_shrinker ? 0 : -ENOMEM;
}

/**
 * nopin_shrink_exit - unregister the shrinker
 */
void nopin_shrink_exit(void)
{
	nopin_shrinker_destroy(nopin_shrinker);
}
