// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Protection domains: only their identity counts. */
#include "device.h"
#include "verbs/verbs.h"

/**
 * nopin_alloc_pd - ib_device_ops.alloc_pd
 * @ibpd: zeroed by the core
 * @udata: empty
 *
 * Return: 0 or a negative errno.
 */
int nopin_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	int err = nopin_udata_empty(udata);

	if (err)
		return err;
	return nopin_share_take(to_nopin_dev(ibpd->device), nopin_owner_of(udata),
				NOPIN_PDS);
}

/**
 * nopin_dealloc_pd - ib_device_ops.dealloc_pd
 * @ibpd: the PD; nothing uses it any more
 * @udata: of its owner's command
 *
 * Return: 0.
 */
int nopin_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	nopin_share_give(to_nopin_dev(ibpd->device), nopin_owner_of(udata),
			 NOPIN_PDS);
	return 0;
}
