// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Queue pairs: check what the core passes; the folders below carry it out. */
#include <rdma/uverbs_ioctl.h>

#include "device.h"
#include "entry/doorbell.h"
#include "entry/gsi.h"
#include "entry/service.h"
#include "qp/post.h"
#include "qp/qp.h"
#include "qp/xrc.h"
#include "verbs/verbs.h"

static int nopin_qp_check_init(const struct ib_qp_init_attr *init)
{
	bool target = init->qp_type == IB_QPT_XRC_TGT;

	if (init->create_flags || init->rwq_ind_tbl)
		return -EOPNOTSUPP;
	if (!init->send_cq != target || !init->xrcd == target)
		return -EINVAL;
	if (!init->recv_cq != (target || init->qp_type == IB_QPT_XRC_INI))
		return -EINVAL;
	return init->qp_type == IB_QPT_GSI && init->port_num != 1 ? -EINVAL : 0;
}

/* An XRC target is charged to the owner of its domain, whichever program makes it. */
static struct nopin_owner *nopin_qp_owner(struct ib_xrcd *ibxrcd, struct ib_udata *udata)
{
	return ibxrcd ? to_nopin_xrcd(ibxrcd)->owner : nopin_owner_of(udata);
}

static int nopin_qp_check_udata(struct ib_udata *udata)
{
	struct nopin_create_qp_req req;
	int err;

	if (!udata)
		return 0;
	if (udata->outlen < sizeof(struct nopin_create_qp_resp))
		return -EINVAL;
	err = nopin_udata_read(udata, &req, sizeof(req));
	if (err)
		return err;
	return req.comp_mask || req.rsvd ? -EINVAL : 0;
}

/**
 * nopin_create_qp - ib_device_ops.create_qp
 * @ibqp: zeroed by the core, except for the fields that the core sets
 * @init: what is asked for; its cap becomes what is granted
 * @udata: struct nopin_create_qp_req, struct nopin_create_qp_resp; NULL: a kernel
 *	user's QP, or an XRC target
 *
 * Return: 0 or a negative errno.
 */
int nopin_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *init,
		    struct ib_udata *udata)
{
	struct nopin_dev *dev = to_nopin_dev(ibqp->device);
	struct nopin_qp *qp = to_nopin_qp(ibqp);
	const struct nopin_service *service = nopin_service_find(init->qp_type, udata);
	struct nopin_owner *owner = nopin_qp_owner(init->xrcd, udata);
	struct nopin_create_qp_resp resp = {};
	int err;

	if (!service)
		return -EOPNOTSUPP;
	err = nopin_qp_check_init(init) ?: nopin_qp_check_udata(udata);
	if (err)
		return err;
	err = nopin_share_take(dev, owner, NOPIN_QPS);
	if (err)
		return err;
	qp->sq.parked.charged = nopin_owner_kept(owner);
	qp->rq.parked.charged = nopin_owner_kept(owner);
	err = nopin_qp_create(qp, service, init, nopin_udata_ucontext(udata), &resp);
	if (err)
		goto err_share;
	err = udata ? nopin_udata_write(udata, &resp, sizeof(resp)) : 0;
	if (err)
		goto err_qp;
	return 0;

err_qp:
	nopin_qp_destroy(qp);
err_share:
	nopin_share_give(dev, owner, NOPIN_QPS);
	return err;
}

/**
 * nopin_modify_qp - ib_device_ops.modify_qp
 * @ibqp: the QP
 * @attr: new attributes
 * @mask: which, IB_QP_*
 * @udata: empty
 *
 * Return: 0 or a negative errno.
 */
int nopin_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		    struct ib_udata *udata)
{
	int err;

	if (mask & ~IB_QP_ATTR_STANDARD_BITS)
		return -EOPNOTSUPP;
	err = nopin_udata_empty(udata);
	if (err)
		return err;
	return nopin_qp_modify(to_nopin_qp(ibqp), attr, mask);
}

/**
 * nopin_query_qp - ib_device_ops.query_qp
 * @ibqp: the QP
 * @attr: filled in
 * @mask: unused; all are given
 * @init: filled in
 *
 * Return: 0.
 */
int nopin_query_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		   struct ib_qp_init_attr *init)
{
	nopin_qp_query(to_nopin_qp(ibqp), attr, init);
	return 0;
}

/**
 * nopin_destroy_qp - ib_device_ops.destroy_qp
 * @ibqp: the QP
 * @udata: of its owner's command
 *
 * Return: 0.
 */
int nopin_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata)
{
	struct nopin_xrcd *xrcd = to_nopin_qp(ibqp)->rq.xrcd;

	nopin_qp_destroy(to_nopin_qp(ibqp));
	nopin_share_give(to_nopin_dev(ibqp->device),
			 nopin_qp_owner(xrcd ? &xrcd->ibxrcd : NULL, udata), NOPIN_QPS);
	return 0;
}

/* An XRC target has no uobject either: the core holds it for the programs that share it. */
static bool nopin_qp_is_kernels(const struct ib_qp *ibqp)
{
	return !ibqp->uobject && ibqp->qp_type != IB_QPT_XRC_TGT;
}

/**
 * nopin_post_send - ib_device_ops.post_send
 * @ibqp: the QP
 * @wr: a kernel user's requests; NULL: the doorbell of a program's ring
 * @bad_wr: the first request that was refused
 *
 * Return: 0 or a negative errno.
 */
int nopin_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		    const struct ib_send_wr **bad_wr)
{
	struct nopin_qp *qp = to_nopin_qp(ibqp);
	int err;

	if (ibqp->qp_type == IB_QPT_GSI)
		return nopin_gsi_post_send(ibqp, wr, bad_wr);
	if (nopin_qp_is_kernels(ibqp)) {
		err = nopin_sq_post(qp, wr, bad_wr);
		nopin_doorbell_kernel(qp);
		return err;
	}
	if (wr) {
		*bad_wr = wr;
		return -EOPNOTSUPP;
	}
	nopin_doorbell(qp);
	return 0;
}

/**
 * nopin_post_recv - ib_device_ops.post_recv
 * @ibqp: the QP
 * @wr: a kernel user's requests; NULL: the doorbell of a program's ring
 * @bad_wr: the first request that was refused
 *
 * Return: 0 or a negative errno.
 */
int nopin_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
		    const struct ib_recv_wr **bad_wr)
{
	struct nopin_qp *qp = to_nopin_qp(ibqp);
	int err;

	if (ibqp->qp_type == IB_QPT_GSI)
		return nopin_gsi_post_recv(ibqp, wr, bad_wr);
	if (nopin_qp_is_kernels(ibqp)) {
		err = nopin_rq_post(qp, wr, bad_wr);
		nopin_recv_doorbell_kernel(qp);
		return err;
	}
	if (wr) {
		*bad_wr = wr;
		return -EOPNOTSUPP;
	}
	nopin_recv_doorbell(qp);
	return 0;
}
