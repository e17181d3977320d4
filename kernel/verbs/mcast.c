// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Multicast: charge what the core passes; qp/group.c carries it out. */
#include "device.h"
#include "qp/group.h"
#include "qp/qp.h"
#include "verbs/verbs.h"

/**
 * nopin_attach_mcast - ib_device_ops.attach_mcast
 * @ibqp: a UD QP, which is not attached to this group
 * @gid: of the group
 * @lid: unused; RoCE has no LIDs
 *
 * Return: 0 or a negative errno.
 */
int nopin_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	struct nopin_owner *owner = nopin_owner_of_pd(ibqp->pd);
	struct nopin_dev *dev = to_nopin_dev(ibqp->device);
	int err = nopin_share_take(dev, owner, NOPIN_MCASTS);

	if (err)
		return err;
	err = nopin_group_attach(to_nopin_qp(ibqp), (const struct in6_addr *)gid);
	if (err)
		nopin_share_give(dev, owner, NOPIN_MCASTS);
	return err;
}

/**
 * nopin_detach_mcast - ib_device_ops.detach_mcast
 * @ibqp: the QP
 * @gid: of the group
 * @lid: unused; RoCE has no LIDs
 *
 * Return: 0, or -EINVAL when it is not attached.
 */
int nopin_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	int err = nopin_group_detach(to_nopin_qp(ibqp), (const struct in6_addr *)gid);

	if (!err)
		nopin_share_give(to_nopin_dev(ibqp->device), nopin_owner_of_pd(ibqp->pd),
				 NOPIN_MCASTS);
	return err;
}
