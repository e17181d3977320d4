// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Shared receive queues: check what the core passes; the folders below carry it out. */
#include <linux/uaccess.h>
#include <rdma/uverbs_ioctl.h>

#include "device.h"
#include "qp/post.h"
#include "qp/srq.h"
#include "qp/xrc.h"
#include "verbs/verbs.h"

static int nopin_srq_check(const struct ib_srq_init_attr *init, struct ib_udata *udata)
{
	const struct ib_srq_attr *attr = &init->attr;

	if (init->srq_type != IB_SRQT_BASIC && !(udata && init->srq_type == IB_SRQT_XRC))
		return -EOPNOTSUPP;
	if (!attr->max_wr || attr->max_wr > NOPIN_MAX_SRQ_WR ||
	    attr->max_sge > NOPIN_MAX_SGE)
		return -EINVAL;
	if (udata && udata->outlen < sizeof(struct nopin_create_srq_resp))
		return -EINVAL;
	return nopin_udata_empty(udata);
}

/**
 * nopin_create_srq - ib_device_ops.create_srq
 * @ibsrq: zeroed by the core, except for the fields that the core sets
 * @init: what is asked for; its attr becomes what is granted. The limit has no meaning here
 *	(ibv_create_srq(3)): a program sets it with ibv_modify_srq()
 * @udata: struct nopin_create_srq_resp; NULL: a kernel user
 *
 * Return: 0 or a negative errno.
 */
int nopin_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init,
		     struct ib_udata *udata)
{
	struct nopin_owner *owner = nopin_owner_of(udata);
	struct nopin_dev *dev = to_nopin_dev(ibsrq->device);
	struct nopin_srq *srq = to_nopin_srq(ibsrq);
	struct nopin_create_srq_resp resp = {};
	int err;

	err = nopin_srq_check(init, udata);
	if (err)
		return err;
	err = nopin_share_take(dev, owner, NOPIN_SRQS);
	if (err)
		return err;
	err = nopin_srq_create(srq, &init->attr, nopin_udata_ucontext(udata), &resp);
	if (err)
		goto give_share;
	if (udata)
		err = nopin_udata_write(udata, &resp, sizeof(resp));
	if (!err && init->srq_type == IB_SRQT_XRC)
		err = nopin_xrc_publish(srq);
	if (err)
		goto destroy_srq;
	if (init->srq_type == IB_SRQT_XRC)
		ibsrq->ext.xrc.srq_num = srq->num;
	return 0;

destroy_srq:
	nopin_srq_destroy(srq);
give_share:
	nopin_share_give(dev, owner, NOPIN_SRQS);
	return err;
}

static int nopin_srq_check_modify(const struct ib_srq_attr *attr, int mask,
				  const struct ib_udata *udata)
{
	if (mask & ~(IB_SRQ_MAX_WR | IB_SRQ_LIMIT))
		return -EOPNOTSUPP;
	if (!(mask & IB_SRQ_MAX_WR))
		return 0;
	if (!udata)
		return -EOPNOTSUPP;
	if (udata->inlen < sizeof(struct nopin_modify_srq_req))
		return -EINVAL;
	if (mask & IB_SRQ_LIMIT && attr->srq_limit > attr->max_wr)
		return -EINVAL;
	return attr->max_wr && attr->max_wr <= NOPIN_MAX_SRQ_WR ? 0 : -EINVAL;
}

static int nopin_srq_resize_locked(struct nopin_srq *srq, u32 wr, const u32 *limit,
				   u64 answer, struct ib_ucontext *uctx)
{
	struct nopin_create_srq_resp resp = {};
	struct nopin_queue queue = {};
	int err;

	lockdep_assert_held(&srq->resize_lock);
	err = nopin_srq_create_ring(srq, &queue, wr, uctx, &resp);
	if (err)
		return err;
	if (copy_to_user(u64_to_user_ptr(answer), &resp, sizeof(resp)))
		err = -EFAULT;
	else
		err = nopin_srq_replace(srq, &queue, limit);
	/* @queue is now the old ring or, after an error, the new one. */
	nopin_queue_destroy(&queue);
	return err;
}

static int nopin_srq_resize(struct nopin_srq *srq, u32 wr, const u32 *limit,
			    struct ib_udata *udata)
{
	struct nopin_modify_srq_req req;
	int err = nopin_udata_read(udata, &req, sizeof(req));

	if (err)
		return err;
	mutex_lock(&srq->resize_lock);
	err = nopin_srq_resize_locked(srq, wr, limit, req.resp,
				      nopin_udata_ucontext(udata));
	mutex_unlock(&srq->resize_lock);
	return err;
}

/* The old limit is of no account where a new one comes with the new size. */
static int nopin_srq_modify(struct nopin_srq *srq, const struct ib_srq_attr *attr, int mask,
			    struct ib_udata *udata)
{
	const u32 *limit = mask & IB_SRQ_LIMIT ? &attr->srq_limit : NULL;
	int err;

	if (mask & IB_SRQ_MAX_WR)
		return nopin_srq_resize(srq, attr->max_wr, limit, udata);
	err = nopin_udata_empty(udata);
	return err || !limit ? err : nopin_srq_set_limit(srq, *limit);
}

/**
 * nopin_modify_srq - ib_device_ops.modify_srq
 * @ibsrq: the SRQ
 * @attr: new attributes
 * @mask: which, IB_SRQ_*
 * @udata: struct nopin_modify_srq_req to resize, else empty
 *
 * Return: 0; -EINVAL for a limit above the size, or for a size that is out of bounds or
 *	less than the number of posted receives; or another negative errno. On error
 *	nothing has changed.
 */
int nopin_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr,
		     enum ib_srq_attr_mask mask, struct ib_udata *udata)
{
	int err = nopin_srq_check_modify(attr, mask, udata);

	return err ?: nopin_srq_modify(to_nopin_srq(ibsrq), attr, mask, udata);
}

/**
 * nopin_query_srq - ib_device_ops.query_srq
 * @ibsrq: the SRQ
 * @attr: filled in
 *
 * Return: 0.
 */
int nopin_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr)
{
	nopin_srq_query(to_nopin_srq(ibsrq), attr);
	return 0;
}

/**
 * nopin_destroy_srq - ib_device_ops.destroy_srq
 * @ibsrq: the SRQ; no QP uses it any more
 * @udata: of its owner's command
 *
 * Return: 0.
 */
int nopin_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata)
{
	if (ibsrq->srq_type == IB_SRQT_XRC)
		nopin_xrc_withdraw(to_nopin_srq(ibsrq));
	nopin_srq_destroy(to_nopin_srq(ibsrq));
	nopin_share_give(to_nopin_dev(ibsrq->device), nopin_owner_of(udata), NOPIN_SRQS);
	return 0;
}

/**
 * nopin_post_srq_recv - ib_device_ops.post_srq_recv
 * @ibsrq: the SRQ
 * @wr: a kernel user's requests; NULL: a program's doorbell, which has nothing to do
 * @bad_wr: the first request that was refused
 *
 * Return: 0 or a negative errno.
 */
int nopin_post_srq_recv(struct ib_srq *ibsrq, const struct ib_recv_wr *wr,
			const struct ib_recv_wr **bad_wr)
{
	if (!ibsrq->uobject)
		return nopin_srq_post(to_nopin_srq(ibsrq), wr, bad_wr);
	*bad_wr = wr;
	return wr ? -EOPNOTSUPP : 0;
}
