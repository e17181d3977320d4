// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* User contexts: one per open device file. */
#include <linux/module.h>
#include <rdma/nopin-abi.h>

#include "device.h"
#include "mirror/mirror.h"
#include "verbs/verbs.h"

static int nopin_ucontext_answer(struct ib_udata *udata)
{
	struct nopin_alloc_ucontext_resp resp = {
		.max_inline = NOPIN_MAX_INLINE,
	};
	struct nopin_alloc_ucontext_req req;
	int err;

	err = nopin_udata_read(udata, &req, sizeof(req));
	if (err)
		return err;
	if (req.comp_mask || req.rsvd)
		return -EINVAL;
	return nopin_udata_write(udata, &resp, sizeof(resp));
}

static struct nopin_ucontext *to_nopin_ucontext(struct ib_ucontext *ibuctx)
{
	return container_of(ibuctx, struct nopin_ucontext, ibuctx);
}

/**
 * nopin_alloc_ucontext - ib_device_ops.alloc_ucontext
 * @ibuctx: zeroed by the core
 * @udata: struct nopin_alloc_ucontext_req, struct nopin_alloc_ucontext_resp
 *
 * A context holds a reference to the module. The core holds none, as it can take
 * contexts away from their programs when the device goes.
 *
 * Return: 0 or a negative errno.
 */
int nopin_alloc_ucontext(struct ib_ucontext *ibuctx, struct ib_udata *udata)
{
	struct nopin_ucontext *uctx = to_nopin_ucontext(ibuctx);
	struct nopin_dev *dev = to_nopin_dev(ibuctx->device);
	int err;

	uctx->owner = nopin_owner_get(dev);
	if (!uctx->owner)
		return -ENOMEM;
	err = nopin_share_take(dev, uctx->owner, NOPIN_UCONTEXTS);
	if (err)
		goto err_owner;
	uctx->mirror = nopin_mirror_get_current();
	if (IS_ERR(uctx->mirror)) {
		err = PTR_ERR(uctx->mirror);
		goto err_share;
	}
	err = nopin_ucontext_answer(udata);
	if (err)
		goto err_mirror;
	if (!try_module_get(THIS_MODULE)) {
		err = -ENODEV;
		goto err_mirror;
	}
	return 0;

err_mirror:
	nopin_mirror_put(uctx->mirror);
err_share:
	nopin_share_give(dev, uctx->owner, NOPIN_UCONTEXTS);
err_owner:
	nopin_owner_put(dev, uctx->owner);
	return err;
}

/**
 * nopin_dealloc_ucontext - ib_device_ops.dealloc_ucontext
 * @ibuctx: the context; nothing that was made in it is left
 */
void nopin_dealloc_ucontext(struct ib_ucontext *ibuctx)
{
	struct nopin_ucontext *uctx = to_nopin_ucontext(ibuctx);
	struct nopin_dev *dev = to_nopin_dev(ibuctx->device);

	nopin_mirror_put(uctx->mirror);
	nopin_share_give(dev, uctx->owner, NOPIN_UCONTEXTS);
	nopin_owner_put(dev, uctx->owner);
	/*
	 * From here on the module may be unloading, but its exit waits in
	 * ib_unregister_driver() until the core is done with this context.
	 */
	module_put(THIS_MODULE);
}

/**
 * nopin_disassociate_ucontext - ib_device_ops.disassociate_ucontext
 * @ibuctx: a context whose program still has the device file open
 *
 * There is nothing to revoke: rings are plain memory whose mapped pages the program may
 * keep. As the operation exists, a device can be deleted, or moved to another namespace,
 * while programs use it.
 */
void nopin_disassociate_ucontext(struct ib_ucontext *ibuctx)
{
}
