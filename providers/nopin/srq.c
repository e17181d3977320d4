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

static int srq_open(struct nopin_srq *srq, struct ibv_pd *pd,
		    struct ibv_srq_init_attr *attr)
{
	struct nopin_create_srq_answer resp = {};
	struct ibv_create_srq cmd = {};
	int ret;

	ret = ibv_cmd_create_srq(pd, &srq->vsrq.srq, attr, &cmd, sizeof(cmd), &resp.core,
				 sizeof(resp));
	if (ret)
		return ret;

	ret = nopin_queue_map(&srq->wq.queue, pd->context->cmd_fd, &resp.drv.srq,
			      sizeof(struct nopin_recv_wqe) +
			      (size_t)attr->attr.max_sge * sizeof(struct nopin_sge));
	if (!ret && !srq->wq.queue.ring)
		ret = EPROTO;
	if (ret)
		ibv_cmd_destroy_srq(&srq->vsrq.srq);
	return ret;
}

struct ibv_srq *nopin_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *attr)
{
	struct nopin_srq *srq;
	int ret;

	srq = calloc(1, sizeof(*srq));
	if (!srq)
		return NULL;

	pthread_spin_init(&srq->wq.lock, PTHREAD_PROCESS_PRIVATE);
	ret = srq_open(srq, pd, attr);
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

struct ibv_srq *nopin_create_srq_ex(struct ibv_context *context nopin_unused,
				    struct ibv_srq_init_attr_ex *attr)
{
	struct ibv_srq_init_attr basic = {
		.srq_context = attr->srq_context,
		.attr = attr->attr,
	};
	struct ibv_srq *srq;

	if (attr->comp_mask & ~(IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD) ||
	    !(attr->comp_mask & IBV_SRQ_INIT_ATTR_PD) ||
	    (attr->comp_mask & IBV_SRQ_INIT_ATTR_TYPE && attr->srq_type != IBV_SRQT_BASIC)) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	srq = nopin_create_srq(attr->pd, &basic);
	attr->attr = basic.attr;
	return srq;
}

int nopin_modify_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr, int attr_mask)
{
	struct ibv_modify_srq cmd = {};

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
