// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * How many objects of a device one user may have.
 *
 * A device has room for a fixed number of objects of each kind. Without
 * CAP_SYS_RESOURCE a user cannot hold more of them than remain free. So a single user
 * can have half of all, and each of two users a third; a later user can have half of
 * what the earlier ones have left. Nothing is reserved, and there is nothing to
 * configure. An administrator who wants other limits sets them with the rdma cgroup,
 * which the core checks first.
 *
 * An object is charged to the user who opened the device file, whichever process makes
 * the object through that file.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/slab.h>
#include <rdma/uverbs_ioctl.h>

#include "device.h"
#include "verbs/verbs.h"

/* Room for objects: twice what nopin_query_device() says, so that one user gets that. */
static const int nopin_shares[NOPIN_KINDS] = {
	[NOPIN_UCONTEXTS] = 2 * NOPIN_MAX_UCONTEXT,
	[NOPIN_PDS] = 2 * NOPIN_MAX_PD,
	[NOPIN_CQS] = 2 * NOPIN_MAX_CQ,
	[NOPIN_QPS] = 2 * NOPIN_MAX_QP,
	[NOPIN_SRQS] = 2 * NOPIN_MAX_SRQ,
	[NOPIN_AHS] = 2 * NOPIN_MAX_AH,
	[NOPIN_MRS] = 2 * NOPIN_MAX_MR,
	[NOPIN_MWS] = 2 * NOPIN_MAX_MW,
	[NOPIN_DM_PAGES] = 2 * (NOPIN_MAX_DM >> PAGE_SHIFT),
	[NOPIN_MCASTS] = 2 * NOPIN_MAX_MCAST,
	[NOPIN_XRCDS] = 2 * NOPIN_MAX_XRCD,
};

/**
 * struct nopin_owner - the objects that a user has on one device
 * @uid: the user, and the index in dev->owners
 * @contexts: open device files and XRC domains, which may outlive the files; when none
 *	is left the owner is freed
 * @have: number of objects of each kind
 * @kept: bytes of the packets that wait at the QPs (qp/keep.c)
 */
struct nopin_owner {
	kuid_t uid;
	unsigned int contexts;
	int have[NOPIN_KINDS];
	atomic_long_t kept;
};

/**
 * nopin_owner_get - the owner for the user who opens a device file
 * @dev: the device
 *
 * Return: the owner, kept until nopin_owner_put(); NULL: no memory.
 * Context: process, sleeps.
 */
struct nopin_owner *nopin_owner_get(struct nopin_dev *dev)
{
	unsigned long index = __kuid_val(current_uid());
	struct nopin_owner *owner, *fresh;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh || xa_reserve(&dev->owners, index, GFP_KERNEL_ACCOUNT)) {
		kfree(fresh);
		return NULL;
	}
	fresh->uid = current_uid();

	xa_lock(&dev->owners);
	owner = xa_load(&dev->owners, index);
	if (!owner) {
		owner = fresh;
		fresh = NULL;
		/* Can fail only if nopin_owner_put() has just erased the reserved slot. */
		if (xa_err(__xa_store(&dev->owners, index, owner, GFP_ATOMIC)))
			swap(owner, fresh);
	}
	if (owner)
		owner->contexts++;
	xa_unlock(&dev->owners);
	kfree(fresh);
	return owner;
}

/**
 * nopin_owner_keep - keep an owner for an object that may outlive the device file
 * @dev: the device
 * @owner: of an open device file
 *
 * Context: process. nopin_owner_put() undoes it.
 */
void nopin_owner_keep(struct nopin_dev *dev, struct nopin_owner *owner)
{
	xa_lock(&dev->owners);
	owner->contexts++;
	xa_unlock(&dev->owners);
}

/**
 * nopin_owner_put - undo nopin_owner_get() or nopin_owner_keep()
 * @dev: the device
 * @owner: the owner
 *
 * Context: process.
 */
void nopin_owner_put(struct nopin_dev *dev, struct nopin_owner *owner)
{
	bool last;

	xa_lock(&dev->owners);
	last = !--owner->contexts;
	if (last)
		__xa_erase(&dev->owners, __kuid_val(owner->uid));
	xa_unlock(&dev->owners);
	if (last)
		kfree(owner);
}

/**
 * nopin_owner_of - to whom is an object charged?
 * @udata: of the command that makes or ends it; NULL: the kernel's own
 *
 * Return: the owner, or NULL: the kernel.
 * Context: process.
 */
struct nopin_owner *nopin_owner_of(struct ib_udata *udata)
{
	struct nopin_ucontext *uctx;

	uctx = rdma_udata_to_drv_context(udata, struct nopin_ucontext, ibuctx);
	return uctx ? uctx->owner : NULL;
}

/**
 * nopin_owner_of_pd - to whom is an object of a protection domain charged?
 * @ibpd: the protection domain
 *
 * Return: as nopin_owner_of().
 * Context: process.
 */
struct nopin_owner *nopin_owner_of_pd(const struct ib_pd *ibpd)
{
	if (!ibpd->uobject)
		return NULL;
	return container_of(ibpd->uobject->context, struct nopin_ucontext, ibuctx)->owner;
}

/**
 * nopin_owner_kept - what packets that wait at an owner's QPs are charged to
 * @owner: the owner; NULL: the kernel
 *
 * Return: the count of their bytes; NULL for the kernel.
 * Context: any.
 */
atomic_long_t *nopin_owner_kept(struct nopin_owner *owner)
{
	return owner ? &owner->kept : NULL;
}

/**
 * nopin_share_take_some - charge several new objects
 * @dev: the device
 * @owner: to whom, NULL: the kernel
 * @kind: of object
 * @num: how many, at most INT_MAX / 2
 *
 * Return: 0, or -ENOMEM when nopin_share_take() would refuse one of them.
 * Context: process.
 */
int nopin_share_take_some(struct nopin_dev *dev, struct nopin_owner *owner,
			  enum nopin_kind kind, int num)
{
	bool free = !owner || ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE);
	int left, ret = -ENOMEM;

	xa_lock(&dev->owners);
	left = nopin_shares[kind] - dev->objects[kind] - (num - 1); /* for the last one */
	if (left > 0 && (free || owner->have[kind] + num <= left)) {
		dev->objects[kind] += num;
		if (owner)
			owner->have[kind] += num;
		ret = 0;
	}
	xa_unlock(&dev->owners);
	return ret;
}

/**
 * nopin_share_give_some - undo nopin_share_take_some()
 * @dev: the device
 * @owner: to whom they were charged
 * @kind: of object
 * @num: how many
 *
 * Context: process.
 */
void nopin_share_give_some(struct nopin_dev *dev, struct nopin_owner *owner,
			   enum nopin_kind kind, int num)
{
	xa_lock(&dev->owners);
	dev->objects[kind] -= num;
	if (owner)
		owner->have[kind] -= num;
	xa_unlock(&dev->owners);
}

/**
 * nopin_share_take - charge a new object
 * @dev: the device
 * @owner: to whom, NULL: the kernel
 * @kind: of object
 *
 * Return: 0, or -ENOMEM when there are too many.
 * Context: process.
 */
int nopin_share_take(struct nopin_dev *dev, struct nopin_owner *owner,
		     enum nopin_kind kind)
{
	return nopin_share_take_some(dev, owner, kind, 1);
}

/**
 * nopin_share_give - undo nopin_share_take()
 * @dev: the device
 * @owner: to whom it was charged
 * @kind: of object
 *
 * Context: process.
 */
void nopin_share_give(struct nopin_dev *dev, struct nopin_owner *owner,
		      enum nopin_kind kind)
{
	nopin_share_give_some(dev, owner, kind, 1);
}
