// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Access by key: who may, where it is, and what to do when it is not there.
 *
 * The functions that take a key give one of these:
 *
 *   -EINVAL	no region has this key, or it is in another PD
 *   -EACCES	the region does not give these rights
 *   -ERANGE	the range is not within the region
 *   -EAGAIN	a page is not present; the miss says which
 *   -EFAULT	the process has no such memory
 *
 * No byte is touched before the first three have been ruled out.
 */
#include <linux/mm.h>

#include "device.h"
#include "mem/region.h"

/**
 * nopin_region_translate - where in the process's memory a range is
 * @region: the region
 * @iova: first byte, as work requests and peers call it
 * @len: bytes
 * @va: user address of the first byte
 *
 * Return: 0 or -ERANGE.
 * Context: any.
 */
int nopin_region_translate(const struct nopin_region *region, u64 iova, u64 len,
			   u64 *va)
{
	/* An iova before the region wraps to an offset past its end. */
	u64 offset = iova - region->iova;

	if (offset > region->length || len > region->length - offset)
		return -ERANGE;
	*va = region->va + offset;
	return 0;
}

static int nopin_region_admit(const struct nopin_region *region,
			      const struct ib_pd *pd, u64 iova, u64 len,
			      int rights, u64 *va)
{
	/* nopin_region_change() waits for us afterwards. */
	const struct nopin_grant *grant = rcu_dereference(region->grant);

	if (grant->pd != pd)
		return -EINVAL;
	if (rights & ~grant->access)
		return -EACCES;
	return nopin_region_translate(region, iova, len, va);
}

/**
 * nopin_region_enter - find a region, check an access to it, and use it
 * @pd: protection domain of the work request or of the responding QP
 * @key: lkey or rkey
 * @iova: first byte
 * @len: bytes
 * @rights: IB_ACCESS_* that the region must give
 * @va: gets the user address of the first byte
 *
 * Return: the region, to be released by nopin_region_release(); or -EINVAL, -EACCES
 *	or -ERANGE as at the top of this file.
 * Context: an RCU read-side section, until the access is over.
 */
struct nopin_region *nopin_region_enter(struct ib_pd *pd, u32 key, u64 iova, u64 len,
					int rights, u64 *va)
{
	struct nopin_region *region;
	int err;

	region = nopin_region_lookup(to_nopin_dev(pd->device), key);
	if (!region)
		return ERR_PTR(-EINVAL);
	err = nopin_region_admit(region, pd, iova, len, rights, va);
	if (err) {
		nopin_region_release(region);
		return ERR_PTR(err);
	}
	return region;
}

static void nopin_region_miss(struct nopin_region *region, u64 va, size_t len,
			      enum nopin_access access, struct nopin_miss *miss)
{
	u64 inside = region->length - (va - region->va);

	nopin_region_get(region);
	miss->region = region;
	miss->va = va;
	miss->need = len;
	miss->want = max_t(u64, len, min3((u64)miss->want, inside, (u64)NOPIN_MISS_MAX));
	miss->access = access;
}

static void nopin_pinned_open(const struct nopin_region *region, u64 va, size_t len,
			      enum nopin_access access, struct nopin_view *view)
{
	void **page = region->pages + (va >> PAGE_SHIFT) - (region->va >> PAGE_SHIFT);
	size_t start = offset_in_page(va);
	size_t n;

	nopin_view_init(view, access == NOPIN_WRITE);
	for (len = min_t(size_t, len, NOPIN_VIEW_BYTES); len; len -= n, start = 0) {
		void *kaddr = *page++;

		n = PAGE_SIZE - start;
		for (; n < len && *page == kaddr + start + n; page++)
			n += PAGE_SIZE;
		n = min(n, len);
		nopin_view_add(view, kaddr + start, n);
	}
}

/**
 * nopin_region_open - view memory of a region
 * @region: the region, in use
 * @va: user address, within the region
 * @len: bytes, not 0, within the region
 * @access: what will be done to the memory
 * @view: gets the first bytes of it, at least one and @len at most
 *
 * Return: 0, then nopin_view_close() is due; or -EAGAIN when a page is not present.
 * Context: as nopin_region_access().
 */
int nopin_region_open(const struct nopin_region *region, u64 va, size_t len,
		      enum nopin_access access, struct nopin_view *view)
{
	if (region->mirror)
		return nopin_mirror_open(region->mirror, va, len, access, view);
	nopin_pinned_open(region, va, len, access, view);
	return 0;
}

static int nopin_region_visit(struct nopin_region *region, u64 va, size_t len,
			      enum nopin_access access, nopin_view_fn fn, void *ctx)
{
	struct nopin_view view __uninitialized; /* by nopin_view_init(), as needed */
	size_t off;
	int ret;

	for (off = 0; off < len; off += view.len) {
		ret = nopin_region_open(region, va + off, len - off, access, &view);
		if (ret)
			return ret;
		ret = fn(&view, off, ctx);
		nopin_view_close(&view);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * nopin_region_access - let the caller read or write registered memory
 * @pd: protection domain of the work request or of the responding QP
 * @key: lkey or rkey
 * @iova: first byte
 * @len: bytes; 0 only checks
 * @rights: IB_ACCESS_* that the region must give
 * @access: what @fn does
 * @fn: called for each view, in order
 * @ctx: passed to @fn
 * @miss: its @want says how far the message goes on from @iova; filled in, with a
 *	reference, on -EAGAIN only
 *
 * Return: 0, an error as at the top of this file, or what @fn returned, which is
 *	not to be -EAGAIN. On -EAGAIN and -EFAULT views before the page may have
 *	been handled.
 * Context: softirq, or process with BH off.
 */
int nopin_region_access(struct ib_pd *pd, u32 key, u64 iova, size_t len,
			int rights, enum nopin_access access,
			nopin_view_fn fn, void *ctx, struct nopin_miss *miss)
{
	struct nopin_region *region;
	int ret;
	u64 va;

	rcu_read_lock();
	region = nopin_region_enter(pd, key, iova, len, rights, &va);
	if (IS_ERR(region)) {
		ret = PTR_ERR(region);
		goto out;
	}
	ret = nopin_region_visit(region, va, len, access, fn, ctx);
	if (ret == -EAGAIN)
		nopin_region_miss(region, va, len, access, miss);
	nopin_region_release(region);
out:
	rcu_read_unlock();
	return ret;
}

static int nopin_region_apply(const struct nopin_view *view, size_t off, void *atomic)
{
	void *word = view->run[0].kaddr;

	/* The iova is aligned; that the memory behind it is, is another matter. */
	if (!IS_ALIGNED((unsigned long)word, sizeof(u64)))
		return -EINVAL;
	nopin_atomic_apply(atomic, word);
	return 0;
}

/**
 * nopin_region_atomic - do a peer's 64-bit atomic operation
 * @pd: protection domain of the responding QP
 * @key: rkey
 * @iova: where
 * @atomic: the operation; its @old is filled in on success
 * @miss: as for nopin_region_access()
 *
 * Return: 0 or an error as at the top of this file, -EINVAL for memory that is
 *	not aligned to 8 bytes as well. Unless 0, nothing was done.
 * Context: softirq, or process with BH off.
 */
int nopin_region_atomic(struct ib_pd *pd, u32 key, u64 iova,
			struct nopin_atomic *atomic, struct nopin_miss *miss)
{
	return nopin_region_access(pd, key, iova, sizeof(u64),
				   IB_ACCESS_REMOTE_ATOMIC, NOPIN_WRITE,
				   nopin_region_apply, atomic, miss);
}

/**
 * nopin_region_check - would an access be let in?
 * @pd: protection domain
 * @key: lkey or rkey
 * @iova: first byte
 * @len: bytes
 * @rights: IB_ACCESS_* that the region must give
 *
 * Return: 0, -EINVAL, -EACCES or -ERANGE as at the top of this file.
 * Context: any.
 */
int nopin_region_check(struct ib_pd *pd, u32 key, u64 iova, u64 len, int rights)
{
	struct nopin_region *region;
	int ret = -EINVAL;
	u64 va;

	rcu_read_lock();
	region = nopin_region_find(to_nopin_dev(pd->device), key);
	if (region)
		ret = nopin_region_admit(region, pd, iova, len, rights, &va);
	rcu_read_unlock();
	return ret;
}

/**
 * nopin_miss_is_current - can the calling process resolve the miss as its own?
 * @miss: the miss
 *
 * Return: true when the page is missing in the caller's own memory.
 * Context: process.
 */
bool nopin_miss_is_current(const struct nopin_miss *miss)
{
	return nopin_region_is_current(miss->region);
}

/**
 * nopin_miss_resolve - make the pages of a miss present
 * @miss: the miss; its region may be deregistered and its device be gone
 * @prompt: do not wait for a program that handles faults itself
 * @pages: how many became present is added
 *
 * They may be gone again before the access is repeated, which then misses again.
 *
 * Return: 0; -EFAULT when the process has no such memory or may not write it;
 *	or what else nopin_mirror_fault() says.
 * Context: process, sleeps; unless @prompt, with userfaultfd for as long as a
 *	program likes.
 */
int nopin_miss_resolve(const struct nopin_miss *miss, bool prompt, u64 *pages)
{
	struct nopin_region *region = miss->region;
	struct nopin_demand demand = {
		.va = miss->va,
		.need = miss->need,
		.want = miss->want,
		.flags = miss->access == NOPIN_WRITE ? NOPIN_FAULT_WRITE : 0,
		.stop = &region->stop,
	};
	u64 before = *pages;
	int ret;

	if (prompt)
		demand.flags |= NOPIN_FAULT_PROMPT;
	ret = nopin_mirror_fault(region->mirror, &demand, pages);
	atomic64_add(*pages - before, &region->page_faults);
	return ret;
}

/**
 * nopin_miss_drop - nobody needs the pages any more
 * @miss: the miss, or an empty one; empty afterwards
 *
 * Context: any.
 */
void nopin_miss_drop(struct nopin_miss *miss)
{
	struct nopin_region *region = miss->region;

	miss->region = NULL;
	if (region)
		nopin_region_put(region);
}
