// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Shared receive queues: create, modify, query, destroy. Posting is in post.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "nopin.h"

struct nopin_create_srq_answer {
	struct ib_uverbs_create_srq_resp core;
	struct nopin_create_srq_resp drv;
};

static_assert(offsetof(struct nopin_create_srq_answer, drv) ==
		      sizeof(struct ib_uverbs_create_srq_resp),
	      "the driver's part follows the core's");

struct nopin_modify_srq_call {
	struct ibv_modify_srq core;
	struct nopin_modify_srq_req drv;
};

static_assert(offsetof(struct nopin_modify_srq_call, drv) ==
		      sizeof(struct ibv_modify_srq),
	      "the driver's part follows the core's");

static int srq_map(struct nopin_queue *queue, int cmd_fd,
		   const struct nopin_ring_info *info, uint32_t max_sge)
{
	int ret;

	ret = nopin_queue_map(queue, cmd_fd, info,
			      sizeof(struct nopin_recv_wqe) +
				      (size_t)max_sge * sizeof(struct nopin_sge));
	return !ret && !queue->ring ? EPROTO : ret;
}

/* An XRC SRQ takes another command, which has the same response. */
static int srq_create(struct nopin_srq *srq, struct ibv_context *context,
		      struct ibv_srq_init_attr_ex *attr,
		      struct nopin_create_srq_answer *resp)
{
	struct ibv_srq_init_attr basic = { .attr = attr->attr };
	struct ibv_create_xsrq cmd_xrc = {};
	struct ibv_create_srq cmd = {};
	int ret;

	if (attr->comp_mask & IBV_SRQ_INIT_ATTR_XRCD)
		return ibv_cmd_create_srq_ex(context, &srq->vsrq, attr, &cmd_xrc,
					     sizeof(cmd_xrc), &resp->core, sizeof(*resp));
	ret = ibv_cmd_create_srq(attr->pd, &srq->vsrq.srq, &basic, &cmd, sizeof(cmd),
				 &resp->core, sizeof(*resp));
	attr->attr = basic.attr;
	return ret;
}

static int srq_open(struct nopin_srq *srq, struct ibv_context *context,
		    struct ibv_srq_init_attr_ex *attr)
{
	struct nopin_create_srq_answer resp = {};
	int ret;

	ret = srq_create(srq, context, attr, &resp);
	if (ret)
		return ret;
	ret = srq_map(&srq->wq.queue, context->cmd_fd, &resp.drv.srq, attr->attr.max_sge);
	if (ret)
		ibv_cmd_destroy_srq(&srq->vsrq.srq);
	return ret;
}

static bool srq_attr_ok(const struct ibv_srq_init_attr_ex *attr)
{
	uint32_t xrc = IBV_SRQ_INIT_ATTR_XRCD | IBV_SRQ_INIT_ATTR_CQ;
	enum ibv_srq_type type = IBV_SRQT_BASIC;

	if (attr->comp_mask & ~(IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD | xrc) ||
	    !(attr->comp_mask & IBV_SRQ_INIT_ATTR_PD))
		return false;
	if (attr->comp_mask & IBV_SRQ_INIT_ATTR_TYPE)
		type = attr->srq_type;
	return (type == IBV_SRQT_BASIC && !(attr->comp_mask & xrc)) ||
	       (type == IBV_SRQT_XRC && (attr->comp_mask & xrc) == xrc);
}

struct ibv_srq *nopin_create_srq_ex(struct ibv_context *context,
				    struct ibv_srq_init_attr_ex *attr)
{
	struct nopin_srq *srq;
	int ret;

	if (!srq_attr_ok(attr)) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	srq = calloc(1, sizeof(*srq));
	if (!srq)
		return NULL;

	nopin_wq_init(&srq->wq, nopin_pd_is_shared(attr->pd));
	ret = srq_open(srq, context, attr);
	if (ret)
		goto err_free;

	srq->wq.max_sge = attr->attr.max_sge;
	nopin_wq_restart(&srq->wq);
	return &srq->vsrq.srq;

err_free:
	pthread_spin_destroy(&srq->wq.lock);
	free(srq);
	errno = ret;
	return NULL;
}

struct ibv_srq *nopin_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *attr)
{
	struct ibv_srq_init_attr_ex attr_ex = {
		.srq_context = attr->srq_context,
		.attr = attr->attr,
		.comp_mask = IBV_SRQ_INIT_ATTR_PD,
		.pd = pd,
	};
	struct ibv_srq *srq;

	srq = nopin_create_srq_ex(pd->context, &attr_ex);
	attr->attr = attr_ex.attr;
	return srq;
}

int nopin_get_srq_num(struct ibv_srq *ibsrq, uint32_t *srq_num)
{
	struct nopin_srq *srq = to_nopin_srq(ibsrq);

	if (!srq->vsrq.xrcd)
		return EOPNOTSUPP;
	*srq_num = srq->vsrq.srq_num;
	return 0;
}

/*
 * The caller holds the lock across the command: until the new ring is mapped there is
 * nothing to post to. If the new ring cannot be mapped, the old one stays mapped, so that
 * posting remains harmless.
 */
static int srq_resize_locked(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr, int attr_mask)
{
	struct nopin_wq *wq = &to_nopin_srq(ibsrq)->wq;
	struct nopin_create_srq_resp resp = {};
	struct nopin_modify_srq_call cmd = {
		.drv.resp = (uintptr_t)&resp,
	};
	struct nopin_queue queue;
	int ret;

	ret = ibv_cmd_modify_srq(ibsrq, attr, attr_mask, &cmd.core, sizeof(cmd));
	if (ret)
		return ret;
	ret = srq_map(&queue, ibsrq->context->cmd_fd, &resp.srq, wq->max_sge);
	if (ret)
		return ret;
	nopin_queue_unmap(&wq->queue);
	wq->queue = queue;
	wq->consumer = nopin_queue_consumer(&queue);
	wq->producer = nopin_queue_producer(&queue);
	return 0;
}

int nopin_modify_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr, int attr_mask)
{
	struct nopin_wq *wq = &to_nopin_srq(ibsrq)->wq;
	struct ibv_modify_srq cmd = {};
	int ret;

	if (attr_mask & IBV_SRQ_MAX_WR) {
		nopin_wq_lock(wq);
		ret = srq_resize_locked(ibsrq, attr, attr_mask);
		nopin_wq_unlock(wq);
		return ret;
	}
	return ibv_cmd_modify_srq(ibsrq, attr, attr_mask, &cmd, sizeof(cmd));
}

int nopin_query_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr)
{
	struct ibv_query_srq cmd = {};

	return ibv_cmd_query_srq(ibsrq, attr, &cmd, sizeof(cmd));
}

int nopin_destroy_srq(struct ibv_srq *ibsrq)
{
	struct nopin_srq *srq = to_nopin_srq(ibsrq);
	int ret;

	ret = ibv_cmd_destroy_srq(ibsrq);
	if (ret)
		return ret;

	nopin_queue_unmap(&srq->wq.queue);
	pthread_spin_destroy(&srq->wq.lock);
	free(srq);
	return 0;
}
