// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Copying between places. A copy opens views of the memory at one end, one after the
 * other, and copies each to or from the other end. If the other end is memory too, it
 * opens the views of that while the first view is open.
 *
 * The key of an element is checked before any byte of the element is touched. A copy
 * that fails half way has copied the bytes before; a message that is carried out again
 * writes them again.
 */
#include <linux/skbuff.h>
#include <rdma/ib_verbs.h>

#include "mem/copy.h"

/**
 * struct nopin_visit - going through memory, view by view
 * @copy: the copy that it is part of
 * @fn: called for each view, in order
 * @ctx: passed to @fn
 * @access: what @fn does to the memory
 * @done: bytes visited so far
 */
struct nopin_visit {
	struct nopin_copy *copy;
	nopin_view_fn fn;
	void *ctx;
	enum nopin_access access;
	size_t done;
};

/* Note what is missing, and how much of the memory after it will be needed soon. */
static void nopin_visit_miss(struct nopin_visit *visit, struct nopin_key *key, u64 va,
			     size_t len, u64 want)
{
	struct nopin_miss *miss = &visit->copy->miss;
	u64 inside = key->length - (va - key->va);

	nopin_memory_get(key->memory);
	miss->memory = key->memory;
	miss->va = va;
	miss->need = len;
	miss->want = max_t(u64, len, min3(want, inside, (u64)NOPIN_MISS_MAX));
	miss->access = visit->access;
}

static int nopin_visit_memory(struct nopin_visit *visit, const struct nopin_memory *memory,
			      u64 va, size_t len)
{
	struct nopin_view view __uninitialized; /* by nopin_view_init(), as needed */
	int ret;

	for (; len; va += view.len, len -= view.len, visit->done += view.len) {
		ret = nopin_memory_open(memory, va, len, visit->access, &view);
		if (ret)
			return ret;
		ret = visit->fn(&view, visit->done, visit->ctx);
		nopin_view_close(&view);
		if (ret)
			return ret;
	}
	return 0;
}

/* @want: bytes that the message needs from the start of the range on. */
static int nopin_visit_range(struct nopin_visit *visit, const struct nopin_claim *claim,
			     u64 iova, size_t len, u64 want)
{
	struct nopin_key *key;
	int ret;
	u64 va;

	rcu_read_lock();
	key = nopin_key_enter(claim, iova, len, &va);
	if (IS_ERR(key)) {
		ret = PTR_ERR(key);
		goto out;
	}
	visit->copy->key = key;
	ret = nopin_visit_memory(visit, key->memory, va, len);
	/* A miss at the other end has been noted already. */
	if (ret == -EAGAIN && !visit->copy->miss.memory)
		nopin_visit_miss(visit, key, va, len, want);
	nopin_key_exit(key);
out:
	rcu_read_unlock();
	return ret;
}

/* Visit bytes [@offset, @offset + @len) of a list, element by element. */
static int nopin_visit_sges(struct nopin_visit *visit, const struct nopin_place *place,
			    u64 offset, size_t len, size_t want)
{
	struct nopin_claim claim = {
		.pd = place->claim.pd,
		.rights = visit->access == NOPIN_WRITE ? IB_ACCESS_LOCAL_WRITE : 0,
	};
	u32 i;

	for (i = 0; i < place->num_sge && len; i++) {
		const struct nopin_sge *sge = &place->sge[i];
		size_t part;
		int ret;

		if (offset >= sge->length) {
			offset -= sge->length;
			continue;
		}
		part = min_t(u64, len, sge->length - offset);
		claim.key = sge->lkey;
		/*
		 * The sum may wrap: then the key's range does not contain it. @want ends
		 * with the element, as the next one is other memory.
		 */
		ret = nopin_visit_range(visit, &claim, sge->addr + offset, part,
					min_t(u64, want, sge->length - offset));
		if (ret)
			return ret;
		want -= min(want, part);
		len -= part;
		offset = 0;
	}
	return len ? -ERANGE : 0;
}

/* Visit bytes [@off, @off + @len) of a place that is memory. */
static int nopin_visit_place(struct nopin_visit *visit, const struct nopin_place *place,
			     size_t off, size_t len)
{
	size_t want = visit->copy->want - min(visit->copy->want, off);

	if (place->kind == NOPIN_SGES)
		return nopin_visit_sges(visit, place, place->offset + off, len, want);
	return nopin_visit_range(visit, &place->claim, place->offset + off, len, want);
}

/* nopin_view_fn: copy from a view to bytes of the kernel. */
static int nopin_copy_drain(const struct nopin_view *view, size_t off, void *ctx)
{
	struct nopin_copy *copy = ctx;

	nopin_view_read(view, copy->to->bytes + off);
	return 0;
}

static void nopin_copy_skb(const struct nopin_view *view, const struct sk_buff *skb,
			   int offset)
{
	unsigned int i;

	if (likely(!skb_is_nonlinear(skb))) {
		nopin_view_write(view, skb->data + offset);
		return;
	}
	for (i = 0; i < view->runs; i++) {
		const struct nopin_run *run = &view->run[i];

		WARN_ON_ONCE(skb_copy_bits(skb, offset, run->kaddr, run->len));
		offset += run->len;
	}
}

/* nopin_view_fn: copy from a view of the source to the open view of the destination. */
static int nopin_copy_across(const struct nopin_view *from, size_t off, void *ctx)
{
	struct nopin_copy *copy = ctx;

	nopin_view_copy(copy->view, off, from, 0, from->len);
	return 0;
}

/* Fill a view of the destination from memory of the source. */
static int nopin_copy_between(struct nopin_copy *copy, const struct nopin_view *to,
			      size_t off)
{
	struct nopin_visit visit = {
		.copy = copy,
		.fn = nopin_copy_across,
		.ctx = copy,
		.access = NOPIN_READ,
	};
	int ret;

	copy->view = to;
	ret = nopin_visit_place(&visit, copy->from, off, to->len);
	copy->source_failed = ret;
	return ret;
}

/* nopin_view_fn: fill a view of the destination, from any kind of source. */
static int nopin_copy_fill(const struct nopin_view *view, size_t off, void *ctx)
{
	struct nopin_copy *copy = ctx;

	switch (copy->from->kind) {
	case NOPIN_BYTES:
		nopin_view_write(view, copy->from->bytes + off);
		return 0;
	case NOPIN_PACKET:
		nopin_copy_skb(view, copy->from->skb, copy->from->offset + off);
		return 0;
	default:
		return nopin_copy_between(copy, view, off);
	}
}

static enum nopin_copied nopin_copy_verdict(const struct nopin_copy *copy, int ret)
{
	if (likely(!ret))
		return NOPIN_COPIED;
	if (ret == -EAGAIN)
		return NOPIN_COPY_MISS;
	return copy->source_failed ? NOPIN_COPY_BAD_SOURCE : NOPIN_COPY_BAD_DESTINATION;
}

/**
 * nopin_copy - copy from one place to another
 * @copy: the two, at least one of them memory; as from nopin_copy_init()
 *
 * Return: the result. Unless NOPIN_COPIED, some of the bytes may have been copied.
 * Context: softirq, or process with BH off.
 */
enum nopin_copied nopin_copy(struct nopin_copy *copy)
{
	bool gathers = copy->to->kind == NOPIN_BYTES;
	struct nopin_visit visit = {
		.copy = copy,
		.fn = gathers ? nopin_copy_drain : nopin_copy_fill,
		.ctx = copy,
		.access = gathers ? NOPIN_READ : NOPIN_WRITE,
	};
	int ret;

	ret = nopin_visit_place(&visit, gathers ? copy->from : copy->to, 0,
				copy->length);
	if (ret && gathers)
		copy->source_failed = true;
	return nopin_copy_verdict(copy, ret);
}

/* nopin_view_fn: the iova is aligned, but the memory behind it may not be. */
static int nopin_copy_apply(const struct nopin_view *view, size_t off, void *atomic)
{
	void *word = view->run[0].kaddr;

	if (!IS_ALIGNED((unsigned long)word, sizeof(u64)))
		return -EINVAL;
	nopin_atomic_apply(atomic, word);
	return 0;
}

/**
 * nopin_copy_atomic - do a 64-bit atomic operation on a place
 * @copy: @to is memory, @length and @want are 8; as for nopin_copy()
 * @atomic: the operation; its @old is filled in
 *
 * Return: NOPIN_COPIED: it was done; otherwise memory has not changed. Memory that is not
 *	aligned to 8 bytes is NOPIN_COPY_BAD_DESTINATION.
 * Context: softirq, or process with BH off.
 */
enum nopin_copied nopin_copy_atomic(struct nopin_copy *copy, struct nopin_atomic *atomic)
{
	struct nopin_visit visit = {
		.copy = copy,
		.fn = nopin_copy_apply,
		.ctx = atomic,
		.access = NOPIN_WRITE,
	};

	return nopin_copy_verdict(copy, nopin_visit_place(&visit, copy->to, 0,
							   copy->length));
}

/**
 * nopin_copy_visit - visit one end of a copy, view by view
 * @copy: as for nopin_copy()
 * @source: visit @from, otherwise @to; the place must be memory
 * @fn: called for each view, in order; the key is in @copy
 * @ctx: passed to @fn
 *
 * Return: 0; -EAGAIN: a page is missing, see copy->miss; an error of a key, or of @fn.
 * Context: softirq, or process with BH off.
 */
int nopin_copy_visit(struct nopin_copy *copy, bool source, nopin_view_fn fn, void *ctx)
{
	struct nopin_visit visit = {
		.copy = copy,
		.fn = fn,
		.ctx = ctx,
		.access = source ? NOPIN_READ : NOPIN_WRITE,
	};

	return nopin_visit_place(&visit, source ? copy->from : copy->to, 0, copy->length);
}

/**
 * nopin_sges_check - would an access to all of a list be allowed?
 * @pd: protection domain of the QP
 * @sges: the elements
 * @num: how many
 * @rights: IB_ACCESS_* that each element's key must give
 *
 * The key of an element without bytes is not checked (IBTA 10.7.3.2).
 *
 * Return: 0 or the first error of nopin_key_check().
 * Context: BH off.
 */
int nopin_sges_check(struct ib_pd *pd, const struct nopin_sge *sges, u32 num, int rights)
{
	struct nopin_claim claim = { .pd = pd, .rights = rights };
	int ret = 0;
	u32 i;

	for (i = 0; i < num && !ret; i++) {
		if (!sges[i].length)
			continue;
		claim.key = sges[i].lkey;
		ret = nopin_key_check(&claim, sges[i].addr, sges[i].length);
	}
	return ret;
}
