// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Creating and destroying a QP. */
#include <linux/log2.h>
#include <linux/slab.h>
#include <net/inet_ecn.h>

#include "compat.h"
#include "device.h"
#include "qp/qp.h"
#include "qp/srq.h"
#include "qp/xrc.h"

static const struct nopin_qp_ops *nopin_qp_ops;
static atomic64_t nopin_qp_ids;

static int nopin_qp_check_cap(const struct ib_qp_cap *cap)
{
	if (cap->max_send_wr > NOPIN_MAX_QP_WR || cap->max_recv_wr > NOPIN_MAX_QP_WR ||
	    cap->max_send_sge > NOPIN_MAX_SGE || cap->max_recv_sge > NOPIN_MAX_SGE ||
	    cap->max_inline_data > NOPIN_MAX_INLINE)
		return -EINVAL;
	return 0;
}

/* Bytes behind the head of a send request, for elements or inline data. */
static u32 nopin_sq_tail_size(const struct ib_qp_cap *cap)
{
	u32 sges = max(cap->max_send_sge, 1U) * sizeof(struct nopin_sge);
	u32 tail = max(sges, cap->max_inline_data);

	return ALIGN(sizeof(struct nopin_send_wqe) + tail, NOPIN_CACHE_LINE) -
	       sizeof(struct nopin_send_wqe);
}

static int nopin_sq_create(struct nopin_qp *qp, struct ib_ucontext *uctx,
			   struct nopin_ring_info *info)
{
	u32 entries = roundup_pow_of_two(max(qp->cap.max_send_wr, 1U));
	u32 tail = nopin_sq_tail_size(&qp->cap);
	struct nopin_sq *sq = &qp->sq;
	int err;

	sq->wqe_stride = ALIGN(sizeof(struct nopin_swqe) + tail, sizeof(u64));
	sq->wqes = kvcalloc(entries, sq->wqe_stride, GFP_KERNEL_ACCOUNT);
	if (!sq->wqes)
		return -ENOMEM;

	err = nopin_queue_create(&sq->queue, uctx, entries,
				 sizeof(struct nopin_send_wqe) + tail, info);
	if (err) {
		kvfree(sq->wqes);
		return err;
	}
	qp->cap.max_send_wr = entries;
	qp->cap.max_send_sge = max(qp->cap.max_send_sge, 1U);
	qp->cap.max_inline_data = min_t(u32, tail, NOPIN_MAX_INLINE);
	return 0;
}

static void nopin_sq_destroy(struct nopin_qp *qp)
{
	nopin_queue_destroy(&qp->sq.queue);
	kvfree(qp->sq.wqes);
	kfree(qp->sq.reads.end_psn);
}

/* Set up the source of receives: a ring of the QP's own, or an SRQ. */
static int nopin_rq_create_source(struct nopin_qp *qp, struct ib_ucontext *uctx,
				  u32 sges, struct nopin_ring_info *info)
{
	u32 entries = roundup_pow_of_two(max(qp->cap.max_recv_wr, 1U));
	struct nopin_rq *rq = &qp->rq;

	rq->pd = rq->srq ? rq->srq->ibsrq.pd : qp->ibqp.pd;
	if (rq->srq || qp->service->role == NOPIN_TARGET) {
		qp->cap.max_recv_wr = 0;
		qp->cap.max_recv_sge = 0;
		return 0;
	}
	if (qp->service->role == NOPIN_INITIATOR)
		return nopin_queue_create(&rq->queue, NULL, 1,
					  sizeof(struct nopin_recv_wqe), NULL);
	qp->cap.max_recv_wr = entries;
	qp->cap.max_recv_sge = sges;
	return nopin_queue_create(&rq->queue, uctx, entries,
				  sizeof(struct nopin_recv_wqe) +
				  sges * sizeof(struct nopin_sge), info);
}

static int nopin_rq_create(struct nopin_qp *qp, struct ib_ucontext *uctx,
			   struct nopin_ring_info *info)
{
	struct nopin_rq *rq = &qp->rq;
	u32 sges;
	int err;

	rq->srq = qp->ibqp.srq ? to_nopin_srq(qp->ibqp.srq) : NULL;
	sges = rq->srq ? rq->srq->max_sge : max(qp->cap.max_recv_sge, 1U);
	if (qp->service->role == NOPIN_TARGET)
		sges = NOPIN_MAX_SGE;
	rq->recv = kzalloc(struct_size(rq->recv, sge, sges), GFP_KERNEL_ACCOUNT);
	if (!rq->recv)
		return -ENOMEM;
	err = nopin_rq_create_source(qp, uctx, sges, info);
	if (err)
		kfree(rq->recv);
	return err;
}

static void nopin_rq_destroy(struct nopin_qp *qp)
{
	nopin_queue_destroy(&qp->rq.queue);
	kfree(qp->rq.recv);
	kfree(qp->rq.resources);
}

static int nopin_qp_create_queues(struct nopin_qp *qp, struct ib_ucontext *uctx,
				  struct nopin_create_qp_resp *resp)
{
	int err;

	if (!qp->service->rings)
		return qp->service->create(qp);

	err = nopin_sq_create(qp, uctx, &resp->sq);
	if (err)
		return err;
	err = nopin_rq_create(qp, uctx, &resp->rq);
	if (err)
		nopin_sq_destroy(qp);
	return err;
}

static void nopin_qp_destroy_queues(struct nopin_qp *qp)
{
	if (!qp->service->rings) {
		qp->service->destroy(qp);
		return;
	}
	nopin_rq_destroy(qp);
	nopin_sq_destroy(qp);
}

static void nopin_qp_init(struct nopin_qp *qp)
{
	mutex_init(&qp->modify_lock);
	init_completion(&qp->unused);
	qp->id = atomic64_inc_return(&nopin_qp_ids);
	qp->state = IB_QPS_RESET;

	spin_lock_init(&qp->sq.lock);
	spin_lock_init(&qp->sq.post_lock);
	qp->sq.train.route = &qp->route;
	skb_queue_head_init(&qp->sq.parked.skbs);
	timer_setup(&qp->sq.timer, nopin_qp_ops->sq_timer, 0);
	tasklet_setup(&qp->sq.task, nopin_qp_ops->sq_task);
	hrtimer_setup(&qp->sq.attend.timer, nopin_qp_ops->sq_attendant, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_SOFT);

	spin_lock_init(&qp->rq.lock);
	spin_lock_init(&qp->rq.post_lock);
	qp->rq.train.route = &qp->route;
	qp->rq.train.ecn = INET_ECN_ECT_0;
	skb_queue_head_init(&qp->rq.parked.skbs);
	timer_setup(&qp->rq.timer, nopin_qp_ops->rq_timer, 0);
	tasklet_setup(&qp->rq.task, nopin_qp_ops->rq_task);
}

/**
 * nopin_qp_create - make a QP in the RESET state
 * @qp: zeroed but for what the core has set
 * @service: what kind of QP
 * @init: checked by the caller for features; cap becomes what was granted
 * @uctx: context of the program that maps its rings; NULL: a kernel user
 * @resp: filled in with the rings of a program's QP
 *
 * Context: process.
 * Return: 0, -EINVAL for a capability beyond the device's, -ENOMEM, -EBUSY
 *	for a second GSI QP.
 */
int nopin_qp_create(struct nopin_qp *qp, const struct nopin_service *service,
		    struct ib_qp_init_attr *init, struct ib_ucontext *uctx,
		    struct nopin_create_qp_resp *resp)
{
	int err;

	err = nopin_qp_check_cap(&init->cap);
	if (err)
		return err;

	qp->dev = to_nopin_dev(qp->ibqp.device);
	qp->service = service;
	if (service->role != NOPIN_TARGET)
		qp->cap = init->cap;
	qp->sq_sig_all = init->sq_sig_type == IB_SIGNAL_ALL_WR;
	nopin_qp_init(qp);

	err = nopin_route_init(&qp->route, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	err = nopin_qp_create_queues(qp, uctx, resp);
	if (err)
		goto destroy_route;

	qp->handle = kzalloc(sizeof(*qp->handle), GFP_KERNEL_ACCOUNT);
	if (!qp->handle) {
		err = -ENOMEM;
		goto destroy_queues;
	}
	qp->handle->qp = qp;
	refcount_set(&qp->handle->ref, 1);

	err = nopin_qp_publish(qp);
	if (err)
		goto free_handle;
	if (init->xrcd)
		nopin_xrc_enrol(qp, to_nopin_xrcd(init->xrcd));
	init->cap = qp->cap;
	return 0;

free_handle:
	kfree(qp->handle);
destroy_queues:
	nopin_qp_destroy_queues(qp);
destroy_route:
	nopin_route_destroy(&qp->route);
	return err;
}

/*
 * Lookups no longer find the QP, and it is in the RESET state, so a timer or task that
 * still runs checks the state and stops. Timers and tasks may start each other once, so
 * the timers are deleted twice. The reset has left pending faults to their workers.
 */
static void nopin_qp_quiesce(struct nopin_qp *qp)
{
	hrtimer_cancel(&qp->sq.attend.timer);
	timer_delete_sync(&qp->sq.timer);
	timer_delete_sync(&qp->rq.timer);
	tasklet_kill(&qp->sq.task);
	tasklet_kill(&qp->rq.task);
	timer_delete_sync(&qp->sq.timer);
	timer_delete_sync(&qp->rq.timer);
	kfree(qp->sq.park.wait);
	kfree(qp->rq.park.wait);
	nopin_kept_purge(&qp->sq.parked);
	nopin_kept_purge(&qp->rq.parked);
}

/**
 * nopin_qp_destroy - stop a QP and free all that it owns
 * @qp: the QP; the core frees the struct itself
 *
 * Context: process; waits for copies by an engine, but not for faults of the QP.
 */
void nopin_qp_destroy(struct nopin_qp *qp)
{
	struct ib_qp_attr reset = { .qp_state = IB_QPS_RESET };

	nopin_qp_modify(qp, &reset, IB_QP_STATE);
	if (qp->rq.xrcd)
		nopin_xrc_resign(qp);
	nopin_qp_unpublish(qp);
	nopin_qp_quiesce(qp);
	nopin_qp_destroy_queues(qp);
	nopin_route_destroy(&qp->route);
}

/**
 * nopin_qp_set_ops - register the functions of kernel/entry that timers and tasks call
 * @ops: used for every QP made afterwards
 *
 * Context: module init.
 */
void nopin_qp_set_ops(const struct nopin_qp_ops *ops)
{
	nopin_qp_ops = ops;
}
