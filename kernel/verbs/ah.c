// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Address handles, for the kernel's GSI users. */
#include "qp/address.h"
#include "verbs/verbs.h"

/**
 * nopin_create_ah - ib_device_ops.create_ah
 * @ibah: zeroed by the core; keeps the source GID that @init names
 * @init: the address
 * @udata: NULL
 *
 * Return: 0 or a negative errno.
 * Context: any.
 */
int nopin_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init,
		    struct ib_udata *udata)
{
	int err = nopin_address_check(init->ah_attr);

	if (err)
		return err;
	to_nopin_ah(ibah)->attr = *init->ah_attr;
	return 0;
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
 * @flags: RDMA_DESTROY_AH_*; nothing sleeps
 *
 * Return: 0.
 */
int nopin_destroy_ah(struct ib_ah *ibah, u32 flags)
{
	return 0;
}
