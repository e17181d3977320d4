// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Address handles, by which programs and kernel users address datagrams. */
#include <rdma/nopin-abi.h>

#include "qp/address.h"
#include "verbs/verbs.h"

static int nopin_ah_create_user(struct nopin_ah *ah, struct ib_udata *udata)
{
	struct nopin_dev *dev = to_nopin_dev(ah->ibah.device);
	struct nopin_owner *owner = nopin_owner_of(udata);
	struct nopin_create_ah_resp resp = {};
	struct nopin_av *av;
	int err;

	if (udata->outlen < sizeof(resp))
		return -EINVAL;
	err = nopin_udata_empty(udata) ?: nopin_share_take(dev, owner, NOPIN_AHS);
	if (err)
		return err;
	av = nopin_av_create(ah->ibah.pd, &ah->attr, GFP_KERNEL_ACCOUNT);
	if (IS_ERR(av)) {
		err = PTR_ERR(av);
		goto give_share;
	}
	resp.ah = av->index;
	err = nopin_udata_write(udata, &resp, sizeof(resp));
	if (err)
		goto destroy_av;
	ah->av = av;
	ah->owner = owner;
	return 0;

destroy_av:
	nopin_av_destroy(av);
give_share:
	nopin_share_give(dev, owner, NOPIN_AHS);
	return err;
}

/**
 * nopin_create_ah - ib_device_ops.create_ah and create_user_ah
 * @ibah: zeroed by the core, except that it holds the source GID that @init names
 * @init: the address
 * @udata: struct nopin_create_ah_resp; NULL: a kernel user's
 *
 * Return: 0 or a negative errno.
 * Context: any; with @udata process.
 */
int nopin_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init,
		    struct ib_udata *udata)
{
	struct nopin_ah *ah = to_nopin_ah(ibah);
	int err = nopin_address_check(init->ah_attr, udata);

	if (err)
		return err;
	ah->attr = *init->ah_attr;
	return udata ? nopin_ah_create_user(ah, udata) : 0;
}

/**
 * nopin_query_ah - ib_device_ops.query_ah
 * @ibah: the handle
 * @attr: filled in
 *
 * Return: 0.
 */
int nopin_query_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr)
{
	*attr = to_nopin_ah(ibah)->attr;
	return 0;
}

/**
 * nopin_destroy_ah - ib_device_ops.destroy_ah
 * @ibah: the handle
 * @flags: RDMA_DESTROY_AH_*; ignored, as nothing here sleeps
 *
 * Datagrams that were posted with the handle and not sent yet fail.
 *
 * Return: 0.
 */
int nopin_destroy_ah(struct ib_ah *ibah, u32 flags)
{
	struct nopin_ah *ah = to_nopin_ah(ibah);

	if (ah->av)
		nopin_av_destroy(ah->av);
	if (ah->owner)
		nopin_share_give(to_nopin_dev(ibah->device), ah->owner, NOPIN_AHS);
	return 0;
}
