// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Regions: their keys, how they come into being and how they end.
 *
 * A mirrored region is this struct and a reference to the mirror of the process:
 * making one costs the same whatever its length, and touches no page. A pinned
 * one holds its pages for as long as it lives. Which of them a region becomes is
 * said by IB_ACCESS_ON_DEMAND and, without it, by the device's policy.
 *
 * An end is waited for twice. Whoever copies holds @users, so when destroy
 * returns no byte is read or written any more. A fault may sleep for long and
 * holds @ref only: it keeps the struct and the mirror, not the key.
 */
#include <linux/overflow.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <rdma/ib_umem.h>

#include "compat.h"
#include "device.h"
#include "mem/region.h"

/* A key is the index in dev->regions and bits that change when it is reused. */
#define NOPIN_KEY_SHIFT		8
#define NOPIN_KEY_INDEXES	XA_LIMIT(1, U32_MAX >> NOPIN_KEY_SHIFT)

static int nopin_key_alloc(struct nopin_region *region)
{
	struct nopin_dev *dev = region->dev;
	u32 index;
	u8 variation;
	int ret;

	/* Reserve only: nobody must find the region before it has its key. */
	ret = xa_alloc_cyclic(&dev->regions, &index, NULL, NOPIN_KEY_INDEXES,
			      &dev->region_next, GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		return ret == -EBUSY ? -ENOMEM : ret;

	get_random_bytes(&variation, sizeof(variation));
	region->key = index << NOPIN_KEY_SHIFT | variation;
	region->ibmr.lkey = region->key;
	region->ibmr.rkey = region->key;
	return 0;
}

/* Does not fail: the entry was reserved. */
static void nopin_key_publish(struct nopin_region *region)
{
	xa_store(&region->dev->regions, region->key >> NOPIN_KEY_SHIFT, region,
		 GFP_KERNEL);
}

static void nopin_key_free(struct nopin_region *region)
{
	xa_erase(&region->dev->regions, region->key >> NOPIN_KEY_SHIFT);
}

/**
 * nopin_region_find - find a region by its key, to look at it
 * @dev: the device
 * @key: lkey or rkey
 *
 * Return: the region, which may come to its end meanwhile, or NULL.
 * Context: an RCU read-side section, as long as the region is looked at.
 */
struct nopin_region *nopin_region_find(struct nopin_dev *dev, u32 key)
{
	struct nopin_region *region = xa_load(&dev->regions, key >> NOPIN_KEY_SHIFT);

	return region && region->key == key ? region : NULL;
}

/**
 * nopin_region_lookup - find a region by its key and use it
 * @dev: the device
 * @key: lkey or rkey
 *
 * Return: the region, which nopin_region_destroy() waits for until
 *	nopin_region_release(), or NULL.
 * Context: any.
 */
struct nopin_region *nopin_region_lookup(struct nopin_dev *dev, u32 key)
{
	struct nopin_region *region;

	rcu_read_lock();
	region = nopin_region_find(dev, key);
	if (region && !refcount_inc_not_zero(&region->users))
		region = NULL;
	rcu_read_unlock();
	return region;
}

/**
 * nopin_region_release - end the use that nopin_region_lookup() began
 * @region: the region
 *
 * Context: any.
 */
void nopin_region_release(struct nopin_region *region)
{
	if (refcount_dec_and_test(&region->users))
		complete(&region->idle);
}

static void nopin_region_free(struct kref *ref)
{
	struct nopin_region *region = container_of(ref, struct nopin_region, ref);

	if (region->mirror)
		nopin_mirror_put(region->mirror);
	kfree_rcu(region, rcu);
}

/**
 * nopin_region_get - keep the struct of a region that is in use
 * @region: the region
 *
 * Context: any.
 */
void nopin_region_get(struct nopin_region *region)
{
	kref_get(&region->ref);
}

/**
 * nopin_region_put - do not keep the struct of a region any longer
 * @region: the region
 *
 * Context: any.
 */
void nopin_region_put(struct nopin_region *region)
{
	kref_put(&region->ref, nopin_region_free);
}

static bool nopin_region_is_implicit(u64 va, u64 length, int access)
{
	return access & IB_ACCESS_ON_DEMAND && !va && length == U64_MAX;
}

static int nopin_region_check_range(u64 va, u64 length, u64 iova, int access)
{
	u64 end;

	if (access & ~NOPIN_REGION_ACCESS)
		return -EOPNOTSUPP;
	if (!length || check_add_overflow(iova, length, &end) ||
	    check_add_overflow(va, length, &end))
		return -EINVAL;
	if (nopin_region_is_implicit(va, length, access))
		return 0;
	return access_ok((void __user *)(uintptr_t)va, length) ? 0 : -EFAULT;
}

static int nopin_region_mirror(struct nopin_region *region)
{
	atomic64_t *total = &region->dev->stats.counter[NOPIN_PAGE_INVALIDATIONS];
	struct nopin_mirror *mirror = nopin_mirror_get_current();

	if (IS_ERR(mirror))
		return PTR_ERR(mirror);
	region->mirror = mirror; /* given back with the region, whatever comes */
	return nopin_mirror_watch(mirror, &region->watch, region->va, region->length,
				  total);
}

/*
 * Mirrored by policy: a program that registers memory which there is not is
 * told so at once, as pinning would.
 */
static int nopin_region_mirror_ordinary(struct nopin_region *region, int access)
{
	int err = nopin_mirror_check_current(region->va, region->length,
					     ib_access_writable(access));

	return err ?: nopin_region_mirror(region);
}

/* The scatterlist merges neighbours; an access wants page i at once. */
static void nopin_region_list_pages(struct nopin_region *region)
{
	struct sg_page_iter iter;
	size_t i = 0;

	for_each_sgtable_page(&region->umem->sgt_append.sgt, &iter, 0)
		region->pages[i++] = page_address(sg_page_iter_page(&iter));
}

static int nopin_region_pin(struct nopin_region *region, int access)
{
	struct ib_umem *umem;

	umem = ib_umem_get_va(region->ibmr.device, region->va, region->length, access);
	if (IS_ERR(umem))
		return PTR_ERR(umem);

	region->pages = kvmalloc_array(ib_umem_num_pages(umem),
				       sizeof(*region->pages), GFP_KERNEL_ACCOUNT);
	if (!region->pages) {
		ib_umem_release(umem);
		return -ENOMEM;
	}
	region->umem = umem;
	nopin_region_list_pages(region);
	return 0;
}

static void nopin_region_unpin(struct nopin_region *region)
{
	kvfree(region->pages);
	ib_umem_release(region->umem);
}

/* The mirror itself is kept for faults that are still being taken. */
static void nopin_region_leave(struct nopin_region *region)
{
	if (!region->mirror) {
		nopin_region_unpin(region);
		return;
	}
	nopin_mirror_stop(region->mirror, &region->stop);
	nopin_mirror_unwatch(region->mirror, &region->watch);
}

static struct nopin_region *nopin_region_alloc(struct ib_pd *pd, u64 va,
					       u64 length, u64 iova, int access)
{
	struct nopin_region *region;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return NULL;
	kref_init(&region->ref);
	refcount_set(&region->users, 1);
	init_completion(&region->idle);
	region->dev = to_nopin_dev(pd->device);
	region->grants[0] = (struct nopin_grant){ .pd = pd, .access = access };
	RCU_INIT_POINTER(region->grant, &region->grants[0]);
	region->va = va;
	region->length = length;
	region->iova = iova;
	/* The core sets these too, but only after peers can use the key. */
	region->ibmr.device = pd->device;
	region->ibmr.pd = pd;
	region->ibmr.iova = iova;
	region->ibmr.length = length;
	return region;
}

/**
 * nopin_region_create - register memory of the calling process
 * @pd: protection domain
 * @va: user address of the first byte
 * @length: bytes; U64_MAX with @va 0 and IB_ACCESS_ON_DEMAND: all of the
 *	address space, whatever will ever be mapped in it
 * @iova: what work requests and peers call the first byte; 0 with IB_ZERO_BASED
 *	whatever it says
 * @access: IB_ACCESS_*; IB_ACCESS_ON_DEMAND: mirrored, otherwise by dev->pin
 *
 * Return: the region; ERR_PTR(): -EINVAL for a range that is empty or wraps,
 *	-EFAULT for one that is not user memory, -EOPNOTSUPP for rights that
 *	there are not, -ENOMEM; not on-demand: what pinning says or would say.
 * Context: process.
 */
struct nopin_region *nopin_region_create(struct ib_pd *pd, u64 va, u64 length,
					 u64 iova, int access)
{
	struct nopin_region *region;
	int err;

	if (access & IB_ZERO_BASED)
		iova = 0;
	err = nopin_region_check_range(va, length, iova, access);
	if (err)
		return ERR_PTR(err);
	if (nopin_region_is_implicit(va, length, access))
		length = TASK_SIZE;
	region = nopin_region_alloc(pd, va, length, iova, access);
	if (!region)
		return ERR_PTR(-ENOMEM);

	if (access & IB_ACCESS_ON_DEMAND)
		err = nopin_region_mirror(region);
	else if (READ_ONCE(region->dev->pin) == NOPIN_PIN_NEVER)
		err = nopin_region_mirror_ordinary(region, access);
	else
		err = nopin_region_pin(region, access);
	if (err)
		goto err_region;
	err = nopin_key_alloc(region);
	if (err)
		goto err_pages;
	nopin_key_publish(region);
	return region;

err_pages:
	nopin_region_leave(region);
err_region:
	nopin_region_put(region);
	return ERR_PTR(err);
}

/**
 * nopin_region_destroy - end a region
 * @region: the region; the caller's pointer is invalid afterwards
 *
 * When it returns the key is unknown, no access through it is in flight, and
 * nothing is pinned.
 *
 * Return: 0.
 * Context: process, sleeps until the accesses in flight have ended.
 */
int nopin_region_destroy(struct nopin_region *region)
{
	nopin_key_free(region);
	nopin_region_release(region);
	wait_for_completion(&region->idle);
	nopin_region_leave(region);
	nopin_region_put(region);
	return 0;
}

/**
 * nopin_region_is_current - is this the calling process's memory?
 * @region: the region
 *
 * Return: true when the caller's address space is the registered one.
 * Context: process.
 */
bool nopin_region_is_current(const struct nopin_region *region)
{
	if (region->mirror)
		return nopin_mirror_is_current(region->mirror);
	return region->umem->owning_mm == current->mm;
}

/**
 * nopin_region_can_change - could the same region live with other rights?
 * @region: the region
 * @access: IB_ACCESS_*
 *
 * Return: false when it takes another region: mirrored instead of pinned or the
 *	other way round, other addresses, ordinary memory that was pinned or
 *	found for reading only.
 * Context: process.
 */
bool nopin_region_can_change(const struct nopin_region *region, int access)
{
	int now = nopin_region_grant(region).access;

	if ((access ^ now) & (IB_ACCESS_ON_DEMAND | IB_ZERO_BASED))
		return false;
	if (access & IB_ACCESS_ON_DEMAND || !ib_access_writable(access))
		return true;
	return region->umem ? region->umem->writable : ib_access_writable(now);
}

/**
 * nopin_region_change - give a region other rights or another PD
 * @region: the region; nopin_region_can_change()
 * @pd: the PD from now on
 * @access: the rights from now on
 *
 * No access finds the rights of before with the PD of after, or the other way round.
 * Accesses check and copy in one RCU read-side section, so none that was let in by
 * what was granted before is in flight when this returns.
 *
 * Context: process, sleeps; one call per region at a time.
 */
void nopin_region_change(struct nopin_region *region, struct ib_pd *pd, int access)
{
	const struct nopin_grant *now = rcu_dereference_protected(region->grant, true);
	struct nopin_grant *next = &region->grants[now == &region->grants[0]];

	*next = (struct nopin_grant){ .pd = pd, .access = access };
	rcu_assign_pointer(region->grant, next);
	synchronize_rcu(); /* from here on the other one is free */
}
