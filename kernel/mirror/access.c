// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Access through the mirror: find the entries, map the pages, let the caller
 * copy. Runs in softirq, or with BH off, never sleeps, never faults: a
 * page without an entry ends the access, and somebody who may sleep calls
 * nopin_mirror_fault().
 */
#include <linux/atomic.h>
#include <linux/highmem.h>
#include <linux/overflow.h>

#include "span.h"

/* An invalidation waits for a copy: copies let go of the lock this often. */
#define NOPIN_HOLD_BYTES	(64U << 10)

static int nopin_range_check(const struct nopin_mirror *mirror, u64 va, size_t len)
{
	u64 end;

	if (!len)
		return 0;
	if (check_add_overflow(va, (u64)len, &end) || end > mirror->mm->task_size)
		return -EFAULT;
	return 0;
}

static int nopin_page_access(unsigned long entry, u64 va, size_t off, size_t len,
			     enum nopin_access access, nopin_chunk_fn fn, void *ctx)
{
	struct page *page = nopin_entry_page(entry);
	void *kaddr;

	if (!nopin_entry_allows(entry, access == NOPIN_WRITE))
		return -EAGAIN;
	kaddr = kmap_local_page(page);
	fn(kaddr + offset_in_page(va), off, len, ctx);
	if (access == NOPIN_WRITE)
		flush_dcache_page(page);
	kunmap_local(kaddr);
	return 0;
}

/* The pages of [va, va + len), all in this span, under its lock. */
static int nopin_span_access(struct nopin_span *span, u64 va, size_t off,
			     size_t len, enum nopin_access access,
			     nopin_chunk_fn fn, void *ctx)
{
	int ret = -EAGAIN;

	if (atomic_read(&span->starved))
		return ret;
	if (!READ_ONCE(span->used))
		WRITE_ONCE(span->used, true);

	read_lock(&span->lock);
	while (len) {
		size_t n = min_t(size_t, len, PAGE_SIZE - offset_in_page(va));
		unsigned long entry = nopin_span_entry(span, nopin_span_page(va));

		ret = nopin_page_access(entry, va, off, n, access, fn, ctx);
		if (ret)
			break;
		va += n;
		off += n;
		len -= n;
	}
	read_unlock(&span->lock);
	return ret;
}

/* Bytes from @va that one hold of one span's lock may cover. */
static size_t nopin_hold_bytes(u64 va, size_t len)
{
	u64 left = NOPIN_SPAN_SIZE - (va & (NOPIN_SPAN_SIZE - 1));

	return min3((u64)len, left, (u64)NOPIN_HOLD_BYTES);
}

/**
 * nopin_mirror_access - let the caller read or write mirrored memory
 * @mirror: the mirror
 * @va: address in the mirrored process
 * @len: bytes; may be 0
 * @access: what @fn does
 * @fn: called for each piece, in order, with the lock of its span held. It may
 *	access mirrors itself, to copy from one place to another
 * @ctx: passed to @fn
 *
 * Return: 0 when all was handled; -EAGAIN when a page has no entry that allows
 * the access: pieces before it may have been handled, fault and repeat the
 * whole; -EFAULT when the range is not one of the process's address space.
 * Context: softirq, or process with BH off: no sleep, and no softirq may come in
 * between, for it might access the same span.
 */
int nopin_mirror_access(struct nopin_mirror *mirror, u64 va, size_t len,
			enum nopin_access access, nopin_chunk_fn fn, void *ctx)
{
	int ret = nopin_range_check(mirror, va, len);
	size_t off, n;

	if (ret)
		return ret;
	lockdep_assert(in_softirq());
	rcu_read_lock();
	for (off = 0; off < len && !ret; off += n) {
		struct nopin_span *span;

		n = nopin_hold_bytes(va + off, len - off);
		span = xa_load(&mirror->spans, (va + off) >> NOPIN_SPAN_SHIFT);
		ret = span ? nopin_span_access(span, va + off, off, n, access, fn,
					       ctx) : -EAGAIN;
	}
	rcu_read_unlock();
	return ret;
}

/**
 * nopin_atomic_apply - do a 64-bit atomic operation on kernel memory
 * @atomic: the operation; its @old is filled in
 * @kaddr: 8-byte aligned address
 *
 * Atomic against the CPUs as much as against other NIC operations.
 *
 * Context: any.
 */
void nopin_atomic_apply(struct nopin_atomic *atomic, void *kaddr)
{
	atomic64_t *word = kaddr;

	switch (atomic->op) {
	case NOPIN_ATOMIC_CMP_SWAP:
		atomic->old = atomic64_cmpxchg(word, atomic->compare,
					       atomic->swap_add);
		break;
	case NOPIN_ATOMIC_FETCH_ADD:
		atomic->old = atomic64_fetch_add(atomic->swap_add, word);
		break;
	}
}

static void nopin_atomic_chunk(void *kaddr, size_t off, size_t len, void *ctx)
{
	nopin_atomic_apply(ctx, kaddr);
}

/**
 * nopin_mirror_atomic - do a 64-bit atomic operation on mirrored memory
 * @mirror: the mirror
 * @va: 8-byte aligned address in the mirrored process
 * @atomic: the operation; its @old is filled in
 *
 * Return: 0; -EINVAL when @va is not aligned; -EAGAIN when the page has no
 * writable entry (nothing was done); -EFAULT when @va is no address of the
 * process.
 * Context: softirq, or process with BH off.
 */
int nopin_mirror_atomic(struct nopin_mirror *mirror, u64 va,
			struct nopin_atomic *atomic)
{
	if (va % sizeof(u64))
		return -EINVAL;
	return nopin_mirror_access(mirror, va, sizeof(u64), NOPIN_WRITE,
				   nopin_atomic_chunk, atomic);
}
