// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Device memory (ibv_alloc_dm()). It is kernel memory, charged to the program that asks for
 * it. The program maps it, and its regions reach the same bytes. Where the administrator
 * has given the device memory of its own, these bytes count as part of that, along with
 * the pages that programs have moved there.
 */
#include <linux/log2.h>
#include <linux/slab.h>
#include <rdma/nopin-abi.h>
#include <rdma/uverbs_ioctl.h>

#include "mem/region.h"
#include "queue/mapped.h"
#include "verbs/verbs.h"

#define UVERBS_MODULE_NAME nopin
#include <rdma/uverbs_named_ioctl.h>

/* Rights to device memory: it is always present, and no page size of it is visible. */
#define NOPIN_DM_ACCESS							\
	(NOPIN_REGION_ACCESS & ~(IB_ACCESS_ON_DEMAND | IB_ACCESS_HUGETLB))

/**
 * struct nopin_dm - some device memory
 * @ibdm: first
 * @mapped: the memory
 * @taken: bytes of the device's own memory that it counts as; 0: there is none
 * @owner: to whom it is charged
 */
struct nopin_dm {
	struct ib_dm ibdm;
	struct nopin_mapped *mapped;
	u64 taken;
	struct nopin_owner *owner;
};

static struct nopin_dm *to_nopin_dm(struct ib_dm *ibdm)
{
	return container_of(ibdm, struct nopin_dm, ibdm);
}

static int nopin_dm_check(const struct ib_dm_alloc_attr *attr)
{
	if (!attr->length || attr->flags || attr->alignment > PAGE_SHIFT)
		return -EINVAL;
	return attr->length <= NOPIN_MAX_DM ? 0 : -ENOMEM;
}

static int nopin_dm_pages(const struct nopin_dm *dm)
{
	return dm->mapped->size >> PAGE_SHIFT;
}

static void nopin_dm_free(struct nopin_dev *dev, struct nopin_dm *dm)
{
	nopin_memory_free(dev, dm->taken);
	nopin_share_give_some(dev, dm->owner, NOPIN_DM_PAGES, nopin_dm_pages(dm));
	nopin_mapped_destroy(dm->mapped);
	kfree(dm);
}

static struct nopin_dm *nopin_dm_create(struct nopin_dev *dev, struct ib_ucontext *ibuctx,
					struct nopin_owner *owner, size_t length)
{
	struct nopin_dm *dm = kzalloc(sizeof(*dm), GFP_KERNEL_ACCOUNT);
	int err = -ENOMEM;

	if (!dm)
		return ERR_PTR(err);
	dm->owner = owner;
	dm->mapped = nopin_mapped_create(ibuctx, length);
	if (IS_ERR(dm->mapped)) {
		err = PTR_ERR(dm->mapped);
		goto free_dm;
	}
	err = nopin_share_take_some(dev, owner, NOPIN_DM_PAGES, nopin_dm_pages(dm));
	if (err)
		goto destroy_mapped;
	err = nopin_memory_alloc(dev, dm->mapped->size, &dm->taken);
	if (err)
		goto give_share;
	return dm;

give_share:
	nopin_share_give_some(dev, owner, NOPIN_DM_PAGES, nopin_dm_pages(dm));
destroy_mapped:
	nopin_mapped_destroy(dm->mapped);
free_dm:
	kfree(dm);
	return ERR_PTR(err);
}

/**
 * nopin_alloc_dm - ib_device_ops.alloc_dm
 * @ibdev: the device
 * @ibuctx: of the program
 * @attr: the length; log2 of the alignment, at most that of a page
 * @attrs: of the command; NOPIN_ATTR_ALLOC_DM_OFFSET receives the offset
 *
 * Return: the memory, zeroed, or ERR_PTR(); -ENOMEM beyond max_dm_size, or when the
 *	device's own memory is full.
 */
struct ib_dm *nopin_alloc_dm(struct ib_device *ibdev, struct ib_ucontext *ibuctx,
			     struct ib_dm_alloc_attr *attr,
			     struct uverbs_attr_bundle *attrs)
{
	struct nopin_dev *dev = to_nopin_dev(ibdev);
	struct nopin_dm *dm;
	u64 offset;
	int err;

	err = nopin_dm_check(attr);
	if (err)
		return ERR_PTR(err);
	dm = nopin_dm_create(dev, ibuctx, nopin_owner_of(&attrs->driver_udata), attr->length);
	if (IS_ERR(dm))
		return ERR_CAST(dm);
	offset = nopin_dm_offset(&dm->ibdm);
	err = uverbs_copy_to(attrs, NOPIN_ATTR_ALLOC_DM_OFFSET, &offset, sizeof(offset));
	if (err) {
		nopin_dm_free(dev, dm);
		return ERR_PTR(err);
	}
	return &dm->ibdm;
}

/**
 * nopin_dm_offset - where a program maps device memory
 * @ibdm: the memory
 *
 * Return: the offset for mmap() on the command file descriptor.
 */
u64 nopin_dm_offset(struct ib_dm *ibdm)
{
	return nopin_mapped_offset(to_nopin_dm(ibdm)->mapped);
}

/**
 * nopin_dealloc_dm - ib_device_ops.dealloc_dm
 * @ibdm: the memory; the core has checked that no region is left
 * @attrs: of the command
 *
 * Return: 0.
 */
int nopin_dealloc_dm(struct ib_dm *ibdm, struct uverbs_attr_bundle *attrs)
{
	nopin_dm_free(to_nopin_dev(ibdm->device), to_nopin_dm(ibdm));
	return 0;
}

/**
 * nopin_reg_dm_mr - ib_device_ops.reg_dm_mr
 * @ibpd: protection domain
 * @ibdm: the memory, which outlives the region
 * @attr: a range within the memory, perhaps empty; rights, with IB_ZERO_BASED
 * @attrs: of the command
 *
 * Return: the region or ERR_PTR(); -EOPNOTSUPP for rights that do not exist.
 */
struct ib_mr *nopin_reg_dm_mr(struct ib_pd *ibpd, struct ib_dm *ibdm,
			      struct ib_dm_mr_attr *attr,
			      struct uverbs_attr_bundle *attrs)
{
	struct nopin_owner *owner = nopin_owner_of(&attrs->driver_udata);
	u64 kaddr = (uintptr_t)to_nopin_dm(ibdm)->mapped->addr + attr->offset;
	struct nopin_dev *dev = to_nopin_dev(ibpd->device);
	struct nopin_region *region;
	int err;

	if (attr->access_flags & ~NOPIN_DM_ACCESS)
		return ERR_PTR(-EOPNOTSUPP);
	err = nopin_share_take(dev, owner, NOPIN_MRS);
	if (err)
		return ERR_PTR(err);
	region = nopin_region_create_direct(ibpd, kaddr, attr->length, 0, attr->access_flags);
	if (!IS_ERR(region))
		return &region->ibmr;
	nopin_share_give(dev, owner, NOPIN_MRS);
	return ERR_CAST(region);
}

ADD_UVERBS_ATTRIBUTES_SIMPLE(nopin_alloc_dm_attrs, UVERBS_OBJECT_DM, UVERBS_METHOD_DM_ALLOC,
			     UVERBS_ATTR_PTR_OUT(NOPIN_ATTR_ALLOC_DM_OFFSET,
						 UVERBS_ATTR_TYPE(u64), UA_MANDATORY));

/* What the driver adds to the core's commands for device memory. */
const struct uapi_definition nopin_dm_uapi[] = {
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_DM, &nopin_alloc_dm_attrs),
	{},
};
