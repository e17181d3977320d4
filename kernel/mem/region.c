// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Regions: how they are created, changed and destroyed. IB_ACCESS_ON_DEMAND or, without
 * it, the device's policy decides which kind of memory a region gets.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "device.h"
#include "mem/region.h"

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

static struct nopin_memory *nopin_region_memory(struct nopin_dev *dev, u64 va, u64 length,
						int access)
{
	atomic64_t *taken = &dev->stats.page_invalidations;

	if (access & IB_ACCESS_ON_DEMAND)
		return nopin_mirrored_create(va, length, taken);
	if (READ_ONCE(dev->pin) == NOPIN_PIN_NEVER)
		return nopin_mirrored_create_ordinary(va, length, ib_access_writable(access),
						      taken);
	return nopin_pinned_create(&dev->ibdev, va, length, access);
}

/* A key to all of some memory. */
static struct nopin_key *nopin_region_key(struct ib_pd *pd, struct nopin_memory *memory,
					  u64 iova, int access)
{
	struct nopin_key *key = nopin_key_alloc(pd, memory);

	if (!key)
		return NULL;
	key->access = access;
	key->iova = iova;
	key->length = memory->length;
	key->va = memory->va;
	return key;
}

/* Publish the region. The core sets these fields too, but only after peers can use it. */
static int nopin_region_publish(struct nopin_region *region, struct nopin_dev *dev)
{
	struct nopin_key *key = region->key;
	struct ib_mr *ibmr = &region->ibmr;
	int err;

	ibmr->device = &dev->ibdev;
	ibmr->pd = key->pd;
	ibmr->iova = key->iova;
	ibmr->length = key->length;
	key->memory->fresh = ibmr;
	err = nopin_key_publish(dev, key);
	ibmr->lkey = key->value;
	ibmr->rkey = key->value;
	return err;
}

/* Make a region of @memory, which may be ERR_PTR(), and is ended if this fails. */
static struct nopin_region *nopin_region_make(struct ib_pd *pd, struct nopin_memory *memory,
					      u64 iova, int access)
{
	struct nopin_region *region;
	int err = -ENOMEM;

	if (IS_ERR(memory))
		return ERR_CAST(memory);
	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		goto leave_memory;
	region->memory = memory;
	region->key = nopin_region_key(pd, memory, iova, access);
	if (!region->key)
		goto free_region;
	err = nopin_region_publish(region, to_nopin_dev(pd->device));
	if (err)
		goto free_key;
	return region;

free_key:
	kfree(region->key);
free_region:
	kfree(region);
leave_memory:
	nopin_memory_leave(memory);
	return ERR_PTR(err);
}

/**
 * nopin_region_create - register memory of the calling process
 * @pd: protection domain
 * @va: user address of the first byte
 * @length: bytes; U64_MAX with @va 0 and IB_ACCESS_ON_DEMAND: all of the
 *	address space, later mappings included
 * @iova: address that work requests and peers use for the first byte; ignored with
 *	IB_ZERO_BASED, which makes it 0
 * @access: IB_ACCESS_*; IB_ACCESS_ON_DEMAND: mirrored, otherwise by dev->pin
 *
 * Return: the region; ERR_PTR(): -EINVAL for a range that is empty or wraps,
 *	-EFAULT for one that is not user memory, -EOPNOTSUPP for unknown rights,
 *	-ENOMEM; not on-demand: also the errors of pinning.
 * Context: process.
 */
struct nopin_region *nopin_region_create(struct ib_pd *pd, u64 va, u64 length,
					 u64 iova, int access)
{
	struct nopin_dev *dev = to_nopin_dev(pd->device);
	int err;

	if (access & IB_ZERO_BASED)
		iova = 0;
	err = nopin_region_check_range(va, length, iova, access);
	if (err)
		return ERR_PTR(err);
	va = untagged_addr(va);
	if (nopin_region_is_implicit(va, length, access))
		length = TASK_SIZE;
	return nopin_region_make(pd, nopin_region_memory(dev, va, length, access), iova,
				 access);
}

/**
 * nopin_region_create_direct - register memory of the kernel
 * @pd: protection domain
 * @kaddr: the kernel's address of the first byte
 * @length: bytes, which outlive the region
 * @iova: address that work requests and peers use for the first byte
 * @access: IB_ACCESS_*
 *
 * Return: the region, or ERR_PTR().
 * Context: process.
 */
struct nopin_region *nopin_region_create_direct(struct ib_pd *pd, u64 kaddr, u64 length,
						u64 iova, int access)
{
	return nopin_region_make(pd, nopin_direct_create(kaddr, length), iova, access);
}

#if IS_ENABLED(CONFIG_DMA_SHARED_BUFFER)
/**
 * nopin_region_create_dmabuf - register a part of a dma-buf
 * @pd: protection domain
 * @fd: the calling process's file descriptor of the buffer
 * @offset: of the first byte in the buffer
 * @length: bytes, not 0
 * @iova: address that work requests and peers use for the first byte
 * @access: IB_ACCESS_*
 *
 * Return: the region, or ERR_PTR() as from nopin_dmabuf_create().
 * Context: process.
 */
struct nopin_region *nopin_region_create_dmabuf(struct ib_pd *pd, int fd, u64 offset,
						u64 length, u64 iova, int access)
{
	struct nopin_dev *dev = to_nopin_dev(pd->device);
	u64 end;

	if (!length || check_add_overflow(iova, length, &end))
		return ERR_PTR(-EINVAL);
	return nopin_region_make(pd, nopin_dmabuf_create(&dev->ibdev, fd, offset, length,
							 &dev->stats.page_invalidations),
				 iova, access);
}
#endif

/* Publish a key that stands for nothing, under the name that it has at first. */
static int nopin_region_reserve(struct nopin_region *region, struct ib_pd *pd)
{
	struct nopin_dev *dev = to_nopin_dev(pd->device);
	struct ib_mr *ibmr = &region->ibmr;
	struct nopin_key *key = nopin_key_alloc(pd, region->memory);

	if (!key)
		return -ENOMEM;
	key->kind = &nopin_listed_kind;
	if (nopin_key_reserve(dev, key)) {
		kfree(key);
		return -ENOMEM;
	}
	region->key = key;
	ibmr->device = &dev->ibdev;
	ibmr->pd = pd;
	ibmr->lkey = key->last;
	ibmr->rkey = key->last;
	return 0;
}

/**
 * nopin_region_create_listed - make a region for pages that a kernel user names later
 * @pd: protection domain of a kernel user
 * @pages: how many at most
 *
 * Return: the region, or ERR_PTR().
 * Context: process.
 */
struct nopin_region *nopin_region_create_listed(struct ib_pd *pd, u32 pages)
{
	struct nopin_region *region = kzalloc(sizeof(*region), GFP_KERNEL);
	int err;

	if (!region)
		return ERR_PTR(-ENOMEM);
	region->memory = nopin_listed_create(pages);
	if (IS_ERR(region->memory)) {
		err = PTR_ERR(region->memory);
		goto free_region;
	}
	region->other = nopin_listed_create(pages);
	if (IS_ERR(region->other)) {
		err = PTR_ERR(region->other);
		goto leave_memory;
	}
	nopin_listed_pair(region->memory, region->other);
	err = nopin_region_reserve(region, pd);
	if (err)
		goto leave_other;
	return region;

leave_other:
	nopin_memory_leave(region->other);
leave_memory:
	nopin_memory_leave(region->memory);
free_region:
	kfree(region);
	return ERR_PTR(err);
}

/**
 * nopin_region_close - forbid windows on a region that is about to end or to change
 * @region: the region
 *
 * On success, no window is bound to it until nopin_region_reopen().
 *
 * Return: 0, also when it was closed before; -EBUSY: windows are bound to it.
 * Context: process; one call for each region at a time.
 */
int nopin_region_close(struct nopin_region *region)
{
	return atomic_cmpxchg(&region->memory->windows, 0, -1) > 0 ? -EBUSY : 0;
}

/**
 * nopin_region_reopen - let windows be bound to a region again
 * @region: the region, closed
 *
 * Context: process.
 */
void nopin_region_reopen(struct nopin_region *region)
{
	atomic_set(&region->memory->windows, 0);
}

/**
 * nopin_region_destroy - end a region
 * @region: the region, closed; the caller's pointer is invalid afterwards
 *
 * When it returns the key is unknown, no access through it is in flight, and
 * nothing is pinned.
 *
 * Context: process, sleeps until the accesses in flight have ended.
 */
void nopin_region_destroy(struct nopin_region *region)
{
	struct nopin_dev *dev = to_nopin_dev(region->ibmr.device);

	if (region->other) {
		nopin_key_discard(dev, region->key);
		nopin_memory_leave(region->other);
	} else {
		nopin_key_withdraw(dev, region->key);
	}
	nopin_memory_leave(region->memory);
	kfree(region);
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
	return region->memory->ops->is_current(region->memory);
}

/**
 * nopin_region_can_change - can nopin_region_change() give a region these rights?
 * @region: the region
 * @access: IB_ACCESS_*
 *
 * Return: false when a new region is needed: for mirrored instead of pinned memory or the
 *	other way round, for other addresses, or to write memory that was pinned or
 *	checked for reading only.
 * Context: process.
 */
bool nopin_region_can_change(const struct nopin_region *region, int access)
{
	if ((access ^ region->key->access) & (IB_ACCESS_ON_DEMAND | IB_ZERO_BASED))
		return false;
	return region->memory->writable || !ib_access_writable(access);
}

/**
 * nopin_region_change - give a region other rights or another PD
 * @region: the region; nopin_region_can_change()
 * @pd: the PD from now on
 * @access: the rights from now on
 *
 * An access is checked against the old PD and rights or the new ones, never against a mix.
 * When this returns, no access that the old ones allowed is in flight.
 *
 * Return: 0 or -ENOMEM: nothing has changed.
 * Context: process, sleeps; one call for each region at a time.
 */
int nopin_region_change(struct nopin_region *region, struct ib_pd *pd, int access)
{
	struct nopin_key *key = nopin_region_key(pd, region->memory, region->key->iova,
						 access);

	if (!key)
		return -ENOMEM;
	nopin_key_replace(to_nopin_dev(pd->device), region->key, key);
	region->key = key;
	return 0;
}
