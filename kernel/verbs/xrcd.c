// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* XRC domains. The core keeps track of the processes that share a domain by a file. */
#include "device.h"
#include "qp/xrc.h"
#include "verbs/verbs.h"

/**
 * nopin_alloc_xrcd - ib_device_ops.alloc_xrcd
 * @ibxrcd: zeroed by the core
 * @udata: empty
 *
 * The domain and its targets are charged to the user who makes the domain. The targets
 * need no open device file, so the domain keeps that owner.
 *
 * Return: 0 or a negative errno.
 */
int nopin_alloc_xrcd(struct ib_xrcd *ibxrcd, struct ib_udata *udata)
{
	struct nopin_owner *owner = nopin_owner_of(udata);
	struct nopin_dev *dev = to_nopin_dev(ibxrcd->device);
	struct nopin_xrcd *xrcd = to_nopin_xrcd(ibxrcd);
	int err = nopin_udata_empty(udata);

	if (err || !owner)
		return err ?: -EOPNOTSUPP;
	err = nopin_share_take(dev, owner, NOPIN_XRCDS);
	if (err)
		return err;
	nopin_owner_keep(dev, owner);
	xrcd->owner = owner;
	mutex_init(&xrcd->lock);
	INIT_LIST_HEAD(&xrcd->targets);
	xa_init_flags(&xrcd->srqs, XA_FLAGS_ACCOUNT);
	return 0;
}

/**
 * nopin_dealloc_xrcd - ib_device_ops.dealloc_xrcd
 * @ibxrcd: the domain; no QP and no SRQ is left in it
 * @udata: of the command that closes it last
 *
 * Return: 0.
 */
int nopin_dealloc_xrcd(struct ib_xrcd *ibxrcd, struct ib_udata *udata)
{
	struct nopin_dev *dev = to_nopin_dev(ibxrcd->device);
	struct nopin_xrcd *xrcd = to_nopin_xrcd(ibxrcd);

	WARN_ON(!xa_empty(&xrcd->srqs));
	xa_destroy(&xrcd->srqs);
	nopin_share_give(dev, xrcd->owner, NOPIN_XRCDS);
	nopin_owner_put(dev, xrcd->owner);
	return 0;
}
