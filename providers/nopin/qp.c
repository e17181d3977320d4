// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Queue pairs: create, modify, query, destroy. Posting is in post.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "compat.h"
#include "send.h"

#define NOPIN_QP_COMP_MASK                                                     \
	((uint32_t)IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_CREATE_FLAGS |       \
	 IBV_QP_INIT_ATTR_SEND_OPS_FLAGS | IBV_QP_INIT_ATTR_XRCD)

struct nopin_create_qp_call {
	struct ibv_create_qp_ex core;
	struct nopin_create_qp_req drv;
};

struct nopin_create_qp_answer {
	struct ib_uverbs_ex_create_qp_resp core;
	struct nopin_create_qp_resp drv;
};

static_assert(offsetof(struct nopin_create_qp_call, drv) ==
		      sizeof(struct ibv_create_qp_ex),
	      "the driver's part follows the core's");
static_assert(offsetof(struct nopin_create_qp_answer, drv) ==
		      sizeof(struct ib_uverbs_ex_create_qp_resp),
	      "the driver's part follows the core's");

static size_t send_stride(const struct ibv_qp_cap *cap)
{
	size_t sges = (size_t)cap->max_send_sge * sizeof(struct nopin_sge);
	size_t data = cap->max_inline_data;

	return sizeof(struct nopin_send_wqe) + (sges > data ? sges : data);
}

static size_t recv_stride(const struct ibv_qp_cap *cap)
{
	return sizeof(struct nopin_recv_wqe) +
	       (size_t)cap->max_recv_sge * sizeof(struct nopin_sge);
}

static int qp_map(struct nopin_qp *qp, int cmd_fd,
		  const struct nopin_create_qp_resp *resp,
		  const struct ibv_qp_cap *cap)
{
	int ret;

	ret = nopin_queue_map(&qp->sq.queue, cmd_fd, &resp->sq,
			      send_stride(cap));
	if (ret)
		return ret;
	ret = nopin_queue_map(&qp->rq.queue, cmd_fd, &resp->rq,
			      recv_stride(cap));
	if (ret) {
		nopin_queue_unmap(&qp->sq.queue);
		return ret;
	}

	qp->sq.max_sge = cap->max_send_sge;
	qp->rq.max_sge = cap->max_recv_sge;
	qp->max_inline = cap->max_inline_data;
	nopin_wq_restart(&qp->sq);
	nopin_wq_restart(&qp->rq);
	return 0;
}

static int qp_open(struct nopin_qp *qp, struct ibv_context *context,
		   struct ibv_qp_init_attr_ex *attr)
{
	struct nopin_create_qp_answer resp = {};
	struct nopin_create_qp_call cmd = {};
	int ret;

	ret = nopin_cmd_create_qp(context, &qp->vqp, attr, &cmd.core,
				  sizeof(cmd), &resp.core, sizeof(resp));
	if (ret)
		return ret;

	ret = qp_map(qp, context->cmd_fd, &resp.drv, &attr->cap);
	if (ret)
		ibv_cmd_destroy_qp(&qp->vqp.qp);
	return ret;
}

static int qp_attr_check(const struct ibv_qp_init_attr_ex *attr)
{
	if (attr->comp_mask & ~NOPIN_QP_COMP_MASK)
		return EOPNOTSUPP;
	return nopin_qp_ex_supported(attr) ? 0 : EOPNOTSUPP;
}

/* An XRC target has no PD. */
static bool qp_is_shared(const struct ibv_qp_init_attr_ex *attr)
{
	return !(attr->comp_mask & IBV_QP_INIT_ATTR_PD) || nopin_pd_is_shared(attr->pd);
}

static void qp_init_queues(struct nopin_qp *qp, bool shared)
{
	nopin_wq_init(&qp->sq, shared);
	nopin_wq_init(&qp->rq, shared);
}

static void qp_close(struct nopin_qp *qp)
{
	nopin_queue_unmap(&qp->sq.queue);
	nopin_queue_unmap(&qp->rq.queue);
	pthread_spin_destroy(&qp->sq.lock);
	pthread_spin_destroy(&qp->rq.lock);
}

static void qp_link(struct nopin_qp *qp, struct nopin_context *ctx)
{
	qp->maker = getpid();
	pthread_mutex_lock(&ctx->qps_lock);
	qp->after = ctx->qps;
	qp->link = &ctx->qps;
	if (qp->after)
		qp->after->link = &qp->after;
	ctx->qps = qp;
	pthread_mutex_unlock(&ctx->qps_lock);
}

static void qp_unlink(struct nopin_qp *qp, struct nopin_context *ctx)
{
	pthread_mutex_lock(&ctx->qps_lock);
	*qp->link = qp->after;
	if (qp->after)
		qp->after->link = qp->link;
	pthread_mutex_unlock(&ctx->qps_lock);
}

/* For a thread that remembers the QP: @qp stays valid after the QP is destroyed. */
void nopin_qp_get(struct nopin_qp *qp)
{
	__atomic_add_fetch(&qp->refs, 1, __ATOMIC_RELAXED);
}

void nopin_qp_put(struct nopin_qp *qp)
{
	if (!__atomic_sub_fetch(&qp->refs, 1, __ATOMIC_ACQ_REL))
		free(qp);
}

struct ibv_qp *nopin_create_qp_ex(struct ibv_context *context,
				  struct ibv_qp_init_attr_ex *attr)
{
	struct nopin_qp *qp;
	int ret;

	ret = qp_attr_check(attr);
	if (ret)
		goto err;

	ret = ENOMEM;
	qp = calloc(1, sizeof(*qp));
	if (!qp)
		goto err;

	qp->refs = 1;
	qp_init_queues(qp, qp_is_shared(attr));
	qp->op_needed = nopin_op_needed(attr->qp_type);
	qp->send_flags = attr->sq_sig_all ? NOPIN_SEND_SIGNALED : 0;

	ret = qp_open(qp, context, attr);
	if (ret)
		goto err_free;

	if (attr->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS) {
		nopin_qp_ex_init(&qp->vqp.qp_ex, attr->send_ops_flags);
		qp->vqp.comp_mask |= VERBS_QP_EX;
	}
	qp_link(qp, to_nopin_context(context));
	return &qp->vqp.qp;

err_free:
	qp_close(qp);
	free(qp);
err:
	errno = ret;
	return NULL;
}

struct ibv_qp *nopin_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct ibv_qp_init_attr_ex attr_ex = {
		.qp_context = attr->qp_context,
		.send_cq = attr->send_cq,
		.recv_cq = attr->recv_cq,
		.srq = attr->srq,
		.cap = attr->cap,
		.qp_type = attr->qp_type,
		.sq_sig_all = attr->sq_sig_all,
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.pd = pd,
	};
	struct ibv_qp *ibqp;

	ibqp = nopin_create_qp_ex(pd->context, &attr_ex);
	if (ibqp)
		attr->cap = attr_ex.cap;
	return ibqp;
}

int nopin_query_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int attr_mask,
		   struct ibv_qp_init_attr *init_attr)
{
	struct ibv_query_qp cmd;

	nopin_pay_qp(to_nopin_qp(ibqp));
	return ibv_cmd_query_qp(ibqp, attr, attr_mask, init_attr, &cmd,
				sizeof(cmd));
}

/* Programs expect no completions of a QP that was reset or destroyed. */
static void qp_forget_completions(const struct ibv_qp *ibqp)
{
	if (ibqp->send_cq)
		nopin_cq_forget_qp(to_nopin_cq(ibqp->send_cq), ibqp->qp_num);
	if (ibqp->recv_cq && ibqp->recv_cq != ibqp->send_cq)
		nopin_cq_forget_qp(to_nopin_cq(ibqp->recv_cq), ibqp->qp_num);
}

int nopin_modify_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int attr_mask)
{
	struct nopin_qp *qp = to_nopin_qp(ibqp);
	struct ibv_modify_qp cmd = {};
	int ret;

	nopin_pay_qp(qp);
	ret = ibv_cmd_modify_qp(ibqp, attr, attr_mask, &cmd, sizeof(cmd));
	if (ret)
		return ret;

	if (attr_mask & IBV_QP_STATE && attr->qp_state == IBV_QPS_RESET) {
		qp_forget_completions(ibqp);
		nopin_wq_restart(&qp->sq);
		nopin_wq_restart(&qp->rq);
	}
	return 0;
}

int nopin_destroy_qp(struct ibv_qp *ibqp)
{
	struct nopin_qp *qp = to_nopin_qp(ibqp);
	int ret;

	nopin_defer_end(qp);
	ret = ibv_cmd_destroy_qp(ibqp);
	if (ret)
		return ret;

	qp_unlink(qp, to_nopin_context(ibqp->context));
	qp_forget_completions(ibqp);
	qp_close(qp);
	nopin_qp_put(qp);
	return 0;
}

/* Open an XRC target, which another process may have made. It has no queue to post to. */
struct ibv_qp *nopin_open_qp(struct ibv_context *context, struct ibv_qp_open_attr *attr)
{
	struct ib_uverbs_create_qp_resp resp = {};
	struct ibv_open_qp cmd = {};
	struct nopin_qp *qp;
	int ret;

	qp = calloc(1, sizeof(*qp));
	if (!qp)
		return NULL;

	qp->refs = 1;
	qp_init_queues(qp, true);
	ret = ibv_cmd_open_qp(context, &qp->vqp, sizeof(qp->vqp), attr, &cmd, sizeof(cmd),
			      &resp, sizeof(resp));
	if (ret) {
		qp_close(qp);
		free(qp);
		errno = ret;
		return NULL;
	}
	qp_link(qp, to_nopin_context(context));
	return &qp->vqp.qp;
}
