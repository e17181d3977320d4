// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A device's own memory: how much there is, how much of it programs have allocated
 * (dm.c), and the command that moves their pages there and back.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <rdma/nopin-abi.h>
#include <rdma/uverbs_ioctl.h>

#include "mirror/mirror.h"
#include "mirror/stored.h"
#include "store/store.h"
#include "verbs/verbs.h"

#define UVERBS_MODULE_NAME nopin
#include <rdma/uverbs_named_ioctl.h>

/**
 * nopin_memory_set - give a device memory of its own, or take it away
 * @dev: the device
 * @size: bytes, rounded up to whole pages; 0: none
 *
 * Pages that are in its memory move back first; programs notice nothing. Where the size is
 * what it was, pages stay.
 *
 * Return: 0; -EBUSY: programs have allocated some of it; -ERANGE: @size is above
 *	NOPIN_MAX_MEMORY. Both leave the memory as it is. After any other error the device
 *	has none: -EOPNOTSUPP: the kernel has no such memory; -ENOMEM, or -ERANGE with a
 *	smaller @size: not so much.
 * Context: process, sleeps.
 */
int nopin_memory_set(struct nopin_dev *dev, u64 size)
{
	struct nopin_store *store = NULL;
	int err = 0;

	if (size > NOPIN_MAX_MEMORY)
		return -ERANGE;
	down_write(&dev->store_sem);
	if (dev->store && nopin_store_size(dev->store) == PAGE_ALIGN(size))
		goto out;
	if (dev->store && nopin_store_reserved(dev->store)) {
		err = -EBUSY;
		goto out;
	}
	if (dev->store)
		nopin_store_destroy(dev->store);
	if (size)
		store = nopin_store_create(PAGE_ALIGN(size), &dev->stats);
	if (IS_ERR(store)) {
		err = PTR_ERR(store);
		store = NULL;
	}
	dev->store = store;
out:
	up_write(&dev->store_sem);
	return err;
}

/**
 * nopin_memory_alloc - count what a program allocates as part of a device's memory
 * @dev: the device
 * @size: bytes, whole pages
 * @taken: receives how many bytes are counted: @size, or 0 where the device has no memory
 *	of its own
 *
 * Return: 0, or -ENOMEM: the device's memory is full.
 * Context: process, sleeps.
 */
int nopin_memory_alloc(struct nopin_dev *dev, u64 size, u64 *taken)
{
	int err = 0;

	*taken = 0;
	down_read(&dev->store_sem);
	if (dev->store) {
		err = nopin_store_reserve(dev->store, size) ? -ENOMEM : 0;
		*taken = err ? 0 : size;
	}
	up_read(&dev->store_sem);
	return err;
}

/**
 * nopin_memory_free - undo nopin_memory_alloc()
 * @dev: the device
 * @taken: from nopin_memory_alloc()
 *
 * Context: process, sleeps.
 */
void nopin_memory_free(struct nopin_dev *dev, u64 taken)
{
	if (!taken)
		return;
	down_read(&dev->store_sem);
	nopin_store_unreserve(dev->store, taken);
	up_read(&dev->store_sem);
}

static u64 nopin_memory_ask(struct nopin_dev *dev, u64 (*what)(const struct nopin_store *))
{
	u64 bytes = 0;

	down_read(&dev->store_sem);
	if (dev->store)
		bytes = what(dev->store);
	up_read(&dev->store_sem);
	return bytes;
}

/**
 * nopin_memory_size - how much memory has a device?
 * @dev: the device
 *
 * Return: bytes.
 * Context: process, sleeps.
 */
u64 nopin_memory_size(struct nopin_dev *dev)
{
	return nopin_memory_ask(dev, nopin_store_size);
}

/**
 * nopin_memory_resident - how much of it is in use?
 * @dev: the device
 *
 * Return: bytes.
 * Context: process, sleeps.
 */
u64 nopin_memory_resident(struct nopin_dev *dev)
{
	return nopin_memory_ask(dev, nopin_store_resident);
}

static int nopin_memory_move_in(struct nopin_dev *dev, struct nopin_mirror *mirror,
				u64 va, u64 length)
{
	int err = -EOPNOTSUPP;

	down_read(&dev->store_sem);
	if (dev->store)
		err = nopin_mirror_move(mirror, dev->store, va, length, &dev->leave);
	up_read(&dev->store_sem);
	return err;
}

static int nopin_memory_move(struct nopin_dev *dev, u64 va, u64 length, bool to_device)
{
	struct nopin_mirror *mirror = nopin_mirror_get_current();
	int err = -EOPNOTSUPP;

	if (IS_ERR(mirror))
		return PTR_ERR(mirror);
	if (to_device)
		err = nopin_memory_move_in(dev, mirror, va, length);
	else if (nopin_memory_size(dev))
		err = nopin_mirror_move(mirror, NULL, va, length, &dev->leave);
	nopin_mirror_put(mirror);
	return err;
}

static int UVERBS_HANDLER(NOPIN_METHOD_PD_MIGRATE)(struct uverbs_attr_bundle *attrs)
{
	struct ib_pd *ibpd = uverbs_attr_get_obj(attrs, NOPIN_ATTR_MIGRATE_PD);
	u64 va, length;
	u32 flags;
	int err;

	err = uverbs_copy_from(&va, attrs, NOPIN_ATTR_MIGRATE_ADDR) ?:
	      uverbs_copy_from(&length, attrs, NOPIN_ATTR_MIGRATE_LENGTH) ?:
	      uverbs_get_flags32(&flags, attrs, NOPIN_ATTR_MIGRATE_FLAGS,
				 NOPIN_MIGRATE_TO_DEVICE);
	if (err)
		return err;
	return nopin_memory_move(to_nopin_dev(ibpd->device), untagged_addr(va), length,
				 flags & NOPIN_MIGRATE_TO_DEVICE);
}

DECLARE_UVERBS_NAMED_METHOD(NOPIN_METHOD_PD_MIGRATE,
			    UVERBS_ATTR_IDR(NOPIN_ATTR_MIGRATE_PD, UVERBS_OBJECT_PD,
					    UVERBS_ACCESS_READ, UA_MANDATORY),
			    UVERBS_ATTR_PTR_IN(NOPIN_ATTR_MIGRATE_ADDR,
					       UVERBS_ATTR_TYPE(u64), UA_MANDATORY),
			    UVERBS_ATTR_PTR_IN(NOPIN_ATTR_MIGRATE_LENGTH,
					       UVERBS_ATTR_TYPE(u64), UA_MANDATORY),
			    UVERBS_ATTR_FLAGS_IN(NOPIN_ATTR_MIGRATE_FLAGS, u32,
						 UA_MANDATORY));

ADD_UVERBS_METHODS(nopin_pd_methods, UVERBS_OBJECT_PD,
		   &UVERBS_METHOD(NOPIN_METHOD_PD_MIGRATE));

const struct uapi_definition nopin_migrate_uapi[] = {
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_PD, &nopin_pd_methods),
	{},
};
