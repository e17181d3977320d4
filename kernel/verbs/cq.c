// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Completion queues. */
#include <rdma/uverbs_ioctl.h>

#include "device.h"
#include "queue/cq.h"
#include "verbs/verbs.h"

/* Creation flags that a program may set. */
#define NOPIN_CQ_FLAGS	IB_UVERBS_CQ_FLAGS_TIMESTAMP_COMPLETION

static int nopin_cq_check_entries(u32 entries)
{
	return entries && entries <= NOPIN_MAX_CQE ? 0 : -EINVAL;
}

static int nopin_cq_check(const struct ib_cq *ibcq,
			  const struct ib_cq_init_attr *attr,
			  struct ib_udata *udata)
{
	if (attr->flags & ~NOPIN_CQ_FLAGS)
		return -EOPNOTSUPP;
	if (attr->comp_vector >= ibcq->device->num_comp_vectors)
		return -EINVAL;
	if (udata && udata->outlen < sizeof(struct nopin_create_cq_resp))
		return -EINVAL;
	return nopin_cq_check_entries(attr->cqe) ?: nopin_udata_empty(udata);
}

/**
 * nopin_create_cq - ib_device_ops.create_cq
 * @ibcq: zeroed by the core but for handlers and device
 * @attr: what is asked for
 * @udata: struct nopin_create_cq_resp; NULL: a kernel consumer
 *
 * Return: 0 or a negative errno.
 */
int nopin_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		    struct ib_udata *udata)
{
	struct nopin_dev *dev = to_nopin_dev(ibcq->device);
	struct nopin_cq *cq = to_nopin_cq(ibcq);
	struct nopin_create_cq_resp resp = {};
	int err;

	err = nopin_cq_check(ibcq, attr, udata);
	if (err)
		return err;
	err = nopin_share_take(dev, nopin_owner_of(udata), NOPIN_CQS);
	if (err)
		return err;
	cq->timestamps = attr->flags & IB_UVERBS_CQ_FLAGS_TIMESTAMP_COMPLETION;
	err = nopin_cq_create(cq, nopin_udata_ucontext(udata), attr->cqe, &resp.cq);
	if (err)
		goto err_share;
	err = udata ? nopin_udata_write(udata, &resp, sizeof(resp)) : 0;
	if (err)
		goto err_cq;
	return 0;

err_cq:
	nopin_cq_destroy(cq);
err_share:
	nopin_share_give(dev, nopin_owner_of(udata), NOPIN_CQS);
	return err;
}

/**
 * nopin_create_cq_attrs - ib_device_ops.create_cq as from Linux 6.11
 * @ibcq: zeroed by the core but for handlers and device
 * @attr: what is asked for
 * @attrs: of the command; NULL: a kernel consumer
 *
 * Return: 0 or a negative errno.
 */
int nopin_create_cq_attrs(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
			  struct uverbs_attr_bundle *attrs)
{
	return nopin_create_cq(ibcq, attr, attrs ? &attrs->driver_udata : NULL);
}

/**
 * nopin_destroy_cq - ib_device_ops.destroy_cq
 * @ibcq: the CQ; no QP uses it any more
 * @udata: of its owner's command
 *
 * Return: 0.
 */
int nopin_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata)
{
	nopin_cq_destroy(to_nopin_cq(ibcq));
	nopin_share_give(to_nopin_dev(ibcq->device), nopin_owner_of(udata), NOPIN_CQS);
	return 0;
}

/* Write the response first: after nopin_cq_replace() nothing may fail. */
static int nopin_cq_resize(struct nopin_cq *cq, u32 entries, struct ib_udata *udata)
{
	struct nopin_create_cq_resp resp = {};
	struct nopin_queue queue = {};
	int err;

	lockdep_assert_held(&cq->resize_lock);
	err = nopin_queue_create(&queue, nopin_udata_ucontext(udata), entries,
				 sizeof(struct nopin_cqe), &resp.cq);
	if (err)
		return err;
	err = nopin_udata_write(udata, &resp, sizeof(resp)) ?:
	      nopin_cq_replace(cq, &queue);
	/* @queue is now the old ring or, after an error, the new one. */
	nopin_queue_destroy(&queue);
	return err;
}

/**
 * nopin_resize_cq - ib_device_ops.resize_user_cq
 * @ibcq: a program's CQ
 * @cqe: completions that it must hold from now on
 * @udata: struct nopin_create_cq_resp
 *
 * Return: 0; -EINVAL for a size that is out of bounds or less than the number of
 *	unpolled completions; -ENOMEM; -EFAULT.
 */
int nopin_resize_cq(struct ib_cq *ibcq, unsigned int cqe, struct ib_udata *udata)
{
	struct nopin_cq *cq = to_nopin_cq(ibcq);
	int err;

	if (!udata)
		return -EOPNOTSUPP;
	if (udata->outlen < sizeof(struct nopin_create_cq_resp))
		return -EINVAL;
	err = nopin_cq_check_entries(cqe) ?: nopin_udata_empty(udata);
	if (err)
		return err;

	mutex_lock(&cq->resize_lock);
	err = nopin_cq_resize(cq, cqe, udata);
	mutex_unlock(&cq->resize_lock);
	return err;
}

/**
 * nopin_resize_cq_int - ib_device_ops.resize_cq, before Linux 7.1
 * @ibcq: a program's CQ
 * @cqe: completions that it must hold from now on; a negative number is too many
 * @udata: struct nopin_create_cq_resp
 *
 * Return: as nopin_resize_cq().
 */
int nopin_resize_cq_int(struct ib_cq *ibcq, int cqe, struct ib_udata *udata)
{
	return nopin_resize_cq(ibcq, cqe, udata);
}

/**
 * nopin_modify_cq - ib_device_ops.modify_cq
 * @ibcq: the CQ
 * @count: completions that raise one event; 0: any number does not
 * @period: microseconds after which fewer do; 0: no moderation
 *
 * Return: 0.
 */
int nopin_modify_cq(struct ib_cq *ibcq, u16 count, u16 period)
{
	nopin_cq_moderate(to_nopin_cq(ibcq), count, period);
	return 0;
}

/**
 * nopin_poll_cq - ib_device_ops.poll_cq
 * @ibcq: a kernel consumer's CQ
 * @num: how many completions at most
 * @wc: receives them
 *
 * Return: the number of completions, or a negative errno.
 */
int nopin_poll_cq(struct ib_cq *ibcq, int num, struct ib_wc *wc)
{
	return nopin_cq_poll(to_nopin_cq(ibcq), num, wc);
}

/**
 * nopin_req_notify_cq - ib_device_ops.req_notify_cq
 * @ibcq: the CQ
 * @flags: IB_CQ_*
 *
 * Return: 1 when IB_CQ_REPORT_MISSED_EVENTS is set and completions are waiting, else 0.
 */
int nopin_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags flags)
{
	return nopin_cq_arm(to_nopin_cq(ibcq), flags);
}
