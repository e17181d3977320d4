// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory windows: made and ended here, bound by work requests. */
#include "mem/window.h"
#include "verbs/verbs.h"

/**
 * nopin_alloc_mw - ib_device_ops.alloc_mw
 * @ibmw: zeroed by the core but for its PD and type; gets its rkey
 * @udata: empty
 *
 * Return: 0 or a negative errno.
 */
int nopin_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata)
{
	struct nopin_owner *owner = nopin_owner_of(udata);
	struct nopin_dev *dev = to_nopin_dev(ibmw->device);
	struct nopin_window *window = to_nopin_window(ibmw);
	int err;

	if (ibmw->type != IB_MW_TYPE_1 && ibmw->type != IB_MW_TYPE_2)
		return -EINVAL;
	err = nopin_udata_empty(udata) ?: nopin_share_take(dev, owner, NOPIN_MWS);
	if (err)
		return err;
	window->owner = owner;
	err = nopin_window_create(window);
	if (err)
		nopin_share_give(dev, owner, NOPIN_MWS);
	return err;
}

/**
 * nopin_dealloc_mw - ib_device_ops.dealloc_mw
 * @ibmw: the window, bound or not
 *
 * Return: 0.
 */
int nopin_dealloc_mw(struct ib_mw *ibmw)
{
	struct nopin_window *window = to_nopin_window(ibmw);

	nopin_window_destroy(window);
	nopin_share_give(to_nopin_dev(ibmw->device), window->owner, NOPIN_MWS);
	return 0;
}
