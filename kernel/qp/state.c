// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The QP state machine (IBTA 10.3.1): one function for each source state. */
#include <linux/etherdevice.h>
#include <linux/slab.h>
#include <rdma/ib_addr.h>

#include "device.h"
#include "qp/address.h"
#include "qp/qp.h"
#include "wire/packet.h"
#include "wire/psn.h"

/*
 * The allocations that a modify may replace. The new ones are allocated before anything
 * is changed and swapped in under the locks; what is here afterwards is freed.
 */
struct nopin_qp_parts {
	u32 *read_ends;
	struct nopin_resource *resources;
	struct nopin_wait *sq_wait;
	struct nopin_wait *rq_wait;
};

static void nopin_qp_reset(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_rq *rq = &qp->rq;

	nopin_qp_stop(qp, IB_QPS_RESET);
	sq->failed = false;
	rq->failed = false;
	rq->refused_nak = 0;	/* there is no peer any more to repeat it to */
	nopin_park_leave(&sq->park);
	nopin_park_leave(&rq->park);
	rq->recv_taken = false;
	rq->in_message = 0;
	rq->ended = false;
	if (qp->service->role == NOPIN_TARGET)
		rq->srq = NULL;
	if (!qp->service->rings)
		return;
	nopin_sq_unattend(sq);
	nopin_queue_discard(&sq->queue);
	sq->taken = sq->queue.index;
	sq->next = sq->taken;
	if (!nopin_rq_has_ring(rq))
		return;
	nopin_queue_discard(&rq->queue);
	nopin_queue_set_flags(&rq->queue, 0);
}

/* A datagram may be as long as the port's MTU. */
static void nopin_qp_start_responder(struct nopin_qp *qp)
{
	if (!qp->service->connected)
		qp->mtu = ib_mtu_enum_to_int(nopin_net_mtu(qp->dev->ndev));
	nopin_qp_set_state(qp, IB_QPS_RTR);
	nopin_rq_start(qp);
}

static void nopin_qp_start_requester(struct nopin_qp *qp)
{
	nopin_qp_set_state(qp, IB_QPS_RTS);
	nopin_sq_start(qp);
}

static int nopin_qp_from_reset(struct nopin_qp *qp, enum ib_qp_state next)
{
	switch (next) {
	case IB_QPS_RESET:
		return 0;
	case IB_QPS_INIT:
		nopin_qp_set_state(qp, IB_QPS_INIT);
		return 0;
	default:
		return -EINVAL;
	}
}

static int nopin_qp_from_init(struct nopin_qp *qp, enum ib_qp_state next)
{
	switch (next) {
	case IB_QPS_INIT:
		return 0;
	case IB_QPS_RTR:
		nopin_qp_start_responder(qp);
		return 0;
	default:
		return -EINVAL;
	}
}

static int nopin_qp_from_rtr(struct nopin_qp *qp, enum ib_qp_state next)
{
	switch (next) {
	case IB_QPS_RTS:
		nopin_qp_start_requester(qp);
		return 0;
	default:
		return -EINVAL;
	}
}

static int nopin_qp_from_rts(struct nopin_qp *qp, enum ib_qp_state next)
{
	switch (next) {
	case IB_QPS_RTS:
		return 0;
	case IB_QPS_SQD:
		nopin_qp_set_state(qp, IB_QPS_SQD);
		qp->sq.draining = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int nopin_qp_from_sqd(struct nopin_qp *qp, enum ib_qp_state next)
{
	switch (next) {
	case IB_QPS_SQD:
		return 0;
	case IB_QPS_RTS:
		nopin_qp_set_state(qp, IB_QPS_RTS);
		qp->sq.draining = false;
		return 0;
	default:
		return -EINVAL;
	}
}

static int nopin_qp_from_sqe(struct nopin_qp *qp, enum ib_qp_state next)
{
	switch (next) {
	case IB_QPS_SQE:
		return 0;
	case IB_QPS_RTS:
		nopin_qp_set_state(qp, IB_QPS_RTS);
		return 0;
	default:
		return -EINVAL;
	}
}

static int nopin_qp_from_err(struct nopin_qp *qp, enum ib_qp_state next)
{
	return -EINVAL;
}

typedef int (*nopin_qp_from_fn)(struct nopin_qp *qp, enum ib_qp_state next);

static const nopin_qp_from_fn nopin_qp_from[] = {
	[IB_QPS_RESET]	= nopin_qp_from_reset,
	[IB_QPS_INIT]	= nopin_qp_from_init,
	[IB_QPS_RTR]	= nopin_qp_from_rtr,
	[IB_QPS_RTS]	= nopin_qp_from_rts,
	[IB_QPS_SQD]	= nopin_qp_from_sqd,
	[IB_QPS_SQE]	= nopin_qp_from_sqe,
	[IB_QPS_ERR]	= nopin_qp_from_err,
};

/*
 * RESET and ERR can be reached from every state; the others only from the state that the
 * caller has prepared the transition from. A QP that has failed since is in another.
 */
static int nopin_qp_transit(struct nopin_qp *qp, enum ib_qp_state now, enum ib_qp_state next)
{
	if (next == IB_QPS_RESET) {
		nopin_qp_reset(qp);
		return 0;
	}
	if (next == IB_QPS_ERR) {
		nopin_qp_enter_error(qp);
		return 0;
	}
	if (qp->state != now || now >= ARRAY_SIZE(nopin_qp_from) || !nopin_qp_from[now])
		return -EINVAL;
	return nopin_qp_from[now](qp, next);
}

static int nopin_qp_check_path(struct nopin_qp *qp, const struct ib_qp_attr *attr,
			       int mask)
{
	int err;

	if (mask & IB_QP_AV) {
		err = nopin_address_check(&attr->ah_attr, false);
		if (err)
			return err;
	}
	if (mask & IB_QP_PATH_MTU &&
	    (attr->path_mtu < IB_MTU_256 ||
	     attr->path_mtu > nopin_net_mtu(qp->dev->ndev)))
		return -EINVAL;
	if (mask & IB_QP_ALT_PATH)
		return -EINVAL;
	if (mask & IB_QP_PATH_MIG_STATE && attr->path_mig_state != IB_MIG_MIGRATED)
		return -EINVAL;
	return 0;
}

static int nopin_qp_check_attr(struct nopin_qp *qp, const struct ib_qp_attr *attr,
			       int mask)
{
	if (mask & IB_QP_CAP)
		return -EINVAL;
	if (mask & IB_QP_PORT && attr->port_num != 1)
		return -EINVAL;
	if (mask & IB_QP_PKEY_INDEX && attr->pkey_index != 0)
		return -EINVAL;
	if (mask & IB_QP_MAX_QP_RD_ATOMIC && attr->max_rd_atomic > NOPIN_MAX_RD_ATOM)
		return -EINVAL;
	if (mask & IB_QP_MAX_DEST_RD_ATOMIC &&
	    attr->max_dest_rd_atomic > NOPIN_MAX_RD_ATOM)
		return -EINVAL;
	if (mask & IB_QP_TIMEOUT && attr->timeout > 31)
		return -EINVAL;
	if (mask & IB_QP_RETRY_CNT && attr->retry_cnt > 7)
		return -EINVAL;
	if (mask & IB_QP_RNR_RETRY && attr->rnr_retry > NOPIN_RNR_FOREVER)
		return -EINVAL;
	if (mask & IB_QP_MIN_RNR_TIMER && attr->min_rnr_timer > 31)
		return -EINVAL;
	return nopin_qp_check_path(qp, attr, mask);
}

static int nopin_qp_alloc_arrays(struct nopin_qp_parts *parts,
				 const struct ib_qp_attr *attr, int mask)
{
	if (mask & IB_QP_MAX_QP_RD_ATOMIC && attr->max_rd_atomic) {
		parts->read_ends = kcalloc(attr->max_rd_atomic, sizeof(u32),
					   GFP_KERNEL_ACCOUNT);
		if (!parts->read_ends)
			return -ENOMEM;
	}
	if (mask & IB_QP_MAX_DEST_RD_ATOMIC && attr->max_dest_rd_atomic) {
		parts->resources = kcalloc(attr->max_dest_rd_atomic,
					   sizeof(*parts->resources),
					   GFP_KERNEL_ACCOUNT);
		if (!parts->resources)
			return -ENOMEM;
	}
	return 0;
}

/* Allocate both: a reset may have left that of a half to a pending fault. */
static int nopin_qp_alloc_waits(struct nopin_qp *qp, struct nopin_qp_parts *parts,
				enum ib_qp_state next)
{
	if (next != IB_QPS_RTR || !qp->service->rings)
		return 0;
	parts->sq_wait = nopin_wait_alloc(qp, true);
	parts->rq_wait = nopin_wait_alloc(qp, false);
	return parts->sq_wait && parts->rq_wait ? 0 : -ENOMEM;
}

static void nopin_qp_apply_waits(struct nopin_qp *qp, struct nopin_qp_parts *parts)
{
	if (!qp->sq.park.wait)
		swap(qp->sq.park.wait, parts->sq_wait);
	if (!qp->rq.park.wait)
		swap(qp->rq.park.wait, parts->rq_wait);
}

static void nopin_qp_free_parts(struct nopin_qp_parts *parts)
{
	kfree(parts->read_ends);
	kfree(parts->resources);
	kfree(parts->sq_wait);
	kfree(parts->rq_wait);
}

static void nopin_qp_apply_arrays(struct nopin_qp *qp, struct nopin_qp_parts *parts,
				  const struct ib_qp_attr *attr, int mask)
{
	if (mask & IB_QP_MAX_QP_RD_ATOMIC) {
		swap(qp->sq.reads.end_psn, parts->read_ends);
		qp->sq.reads.size = attr->max_rd_atomic;
		qp->sq.reads.head = 0;
		qp->sq.reads.count = 0;
		qp->attr.max_rd_atomic = attr->max_rd_atomic;
	}
	if (mask & IB_QP_MAX_DEST_RD_ATOMIC) {
		nopin_resource_resize(&qp->rq, &parts->resources,
				      attr->max_dest_rd_atomic);
		qp->attr.max_dest_rd_atomic = attr->max_dest_rd_atomic;
	}
}

static int nopin_qp_apply_path(struct nopin_qp *qp, const struct ib_qp_attr *attr,
			       int mask)
{
	u32 peer = qp->attr.dest_qp_num;
	int err;

	if (mask & IB_QP_DEST_QPN)
		peer = attr->dest_qp_num & NOPIN_PSN_MASK;
	if (mask & IB_QP_AV) {
		err = nopin_address_route(&qp->route, qp->dev->net, &attr->ah_attr,
					  qp->ibqp.qp_num, peer);
		if (err)
			return err;
		qp->own_address = nopin_address_is_own(qp->ibqp.device, &attr->ah_attr);
		qp->attr.ah_attr = attr->ah_attr;
		qp->attr.ah_attr.grh.sgid_attr = NULL;
	}
	qp->attr.dest_qp_num = peer;
	if (mask & IB_QP_PATH_MTU) {
		qp->attr.path_mtu = attr->path_mtu;
		qp->mtu = ib_mtu_enum_to_int(attr->path_mtu);
	}
	return 0;
}

/* What is left of the retries was counted down from the old numbers, as was the timer. */
static void nopin_qp_apply_retries(struct nopin_qp *qp, const struct ib_qp_attr *attr,
				   int mask)
{
	if (mask & IB_QP_RETRY_CNT) {
		qp->attr.retry_cnt = attr->retry_cnt;
		qp->sq.retries = attr->retry_cnt;
	}
	if (mask & IB_QP_RNR_RETRY) {
		qp->attr.rnr_retry = attr->rnr_retry;
		qp->sq.rnr_retries = attr->rnr_retry;
	}
	if (mask & IB_QP_TIMEOUT) {
		qp->attr.timeout = attr->timeout;
		nopin_sq_timer_restart(qp);
	}
}

static void nopin_qp_apply_attr(struct nopin_qp *qp, const struct ib_qp_attr *attr,
				int mask)
{
	struct ib_qp_attr *own = &qp->attr;

	if (mask & IB_QP_ACCESS_FLAGS)
		own->qp_access_flags = attr->qp_access_flags;
	if (mask & IB_QP_PORT)
		own->port_num = attr->port_num;
	if (mask & IB_QP_QKEY)
		own->qkey = attr->qkey;
	if (mask & IB_QP_MIN_RNR_TIMER)
		own->min_rnr_timer = attr->min_rnr_timer;
	if (mask & IB_QP_RQ_PSN)
		own->rq_psn = attr->rq_psn & NOPIN_PSN_MASK;
	if (mask & IB_QP_SQ_PSN)
		own->sq_psn = attr->sq_psn & NOPIN_PSN_MASK;
	if (mask & IB_QP_STATE && attr->qp_state == IB_QPS_SQD && qp->state == IB_QPS_RTS)
		own->en_sqd_async_notify = mask & IB_QP_EN_SQD_ASYNC_NOTIFY &&
					   attr->en_sqd_async_notify;
}

/*
 * max_rd_atomic cannot change under READs and atomics in flight: in SQD the send queue has
 * to be drained first (IBTA 10.3.1.6). max_dest_rd_atomic is about the peer's requests.
 */
static bool nopin_qp_may_apply(const struct nopin_qp *qp, int mask)
{
	return !(mask & IB_QP_MAX_QP_RD_ATOMIC) || nopin_sq_is_empty(&qp->sq);
}

static int nopin_qp_apply(struct nopin_qp *qp, struct nopin_qp_parts *parts,
			  const struct ib_qp_attr *attr, int mask,
			  enum ib_qp_state now, enum ib_qp_state next)
{
	int err;

	nopin_qp_lock(qp);
	err = nopin_qp_may_apply(qp, mask) ? nopin_qp_apply_path(qp, attr, mask) : -EINVAL;
	if (!err) {
		nopin_qp_apply_attr(qp, attr, mask);
		nopin_qp_apply_retries(qp, attr, mask);
		nopin_qp_apply_arrays(qp, parts, attr, mask);
		nopin_qp_apply_waits(qp, parts);
		if (mask & IB_QP_STATE)
			err = nopin_qp_transit(qp, now, next);
	}
	nopin_qp_unlock(qp);
	return err;
}

/* Does a QP owe its program flushed requests when it leaves a state? */
static bool nopin_qp_flushes_before(enum ib_qp_state now, enum ib_qp_state next)
{
	return (now == IB_QPS_ERR && next == IB_QPS_RESET) || now == IB_QPS_SQE;
}

static int nopin_qp_modify_locked(struct nopin_qp *qp, struct ib_qp_attr *attr,
				  int mask)
{
	/* Only a failure can change it meanwhile; see nopin_qp_transit(). */
	enum ib_qp_state now = READ_ONCE(qp->state);
	enum ib_qp_state cur = mask & IB_QP_CUR_STATE ? attr->cur_qp_state : now;
	enum ib_qp_state next = mask & IB_QP_STATE ? attr->qp_state : cur;
	struct nopin_qp_parts parts = {};
	int err;

	if (cur != now ||
	    !ib_modify_qp_is_ok(cur, next, qp->ibqp.qp_type, mask))
		return -EINVAL;
	err = nopin_qp_check_attr(qp, attr, mask);
	if (err)
		return err;

	if (nopin_qp_flushes_before(now, next) && qp->service->rings)
		nopin_flush_all(qp);
	err = nopin_qp_alloc_arrays(&parts, attr, mask);
	if (!err)
		err = nopin_qp_alloc_waits(qp, &parts, next);
	if (!err)
		err = nopin_qp_apply(qp, &parts, attr, mask, now, next);
	if (!err && (next == IB_QPS_ERR || next == IB_QPS_RESET))
		nopin_qp_await_copies(qp);
	nopin_qp_free_parts(&parts);
	if (!err && next == IB_QPS_ERR && qp->service->rings)
		nopin_flush_all(qp);
	return err;
}

/* Is there something for the requester to send, or the end of its draining to report? */
static bool nopin_qp_wakes_requester(const struct nopin_qp *qp, int mask)
{
	enum ib_qp_state state = READ_ONCE(qp->state);

	return qp->service->rings && mask & IB_QP_STATE &&
	       (state == IB_QPS_RTS || state == IB_QPS_SQD);
}

/**
 * nopin_qp_modify - change attributes and state
 * @qp: the QP
 * @attr: new values
 * @mask: IB_QP_*: which of them
 *
 * Context: process.
 * Return: 0; -EINVAL for a transition or value that IBTA 11.2.5.3 or the
 *	device does not allow, at least not yet; -ENOMEM; -ENODEV. On error nothing has changed,
 *	but for a QP that has failed meanwhile.
 */
int nopin_qp_modify(struct nopin_qp *qp, struct ib_qp_attr *attr, int mask)
{
	int err;

	mutex_lock(&qp->modify_lock);
	err = nopin_qp_modify_locked(qp, attr, mask);
	if (!err && nopin_qp_wakes_requester(qp, mask))
		tasklet_schedule(&qp->sq.task);
	mutex_unlock(&qp->modify_lock);
	return err;
}

/**
 * nopin_qp_query - query a QP's attributes
 * @qp: the QP
 * @attr: filled in
 * @init: filled in with the attributes that it was created with
 *
 * Context: process.
 */
void nopin_qp_query(struct nopin_qp *qp, struct ib_qp_attr *attr,
		    struct ib_qp_init_attr *init)
{
	mutex_lock(&qp->modify_lock);
	nopin_qp_lock(qp);
	*attr = qp->attr;
	attr->qp_state = qp->state;
	attr->cur_qp_state = qp->state;
	attr->path_mig_state = IB_MIG_MIGRATED;
	attr->cap = qp->cap;
	attr->sq_draining = qp->sq.draining && qp->sq.queue.index != qp->sq.taken;
	if (qp->state >= IB_QPS_RTR)
		attr->rq_psn = qp->rq.expected_psn;
	if (qp->state >= IB_QPS_RTS)
		attr->sq_psn = qp->sq.next_psn;
	nopin_qp_unlock(qp);
	mutex_unlock(&qp->modify_lock);

	init->event_handler = qp->ibqp.event_handler;
	init->qp_context = qp->ibqp.qp_context;
	init->send_cq = qp->ibqp.send_cq;
	init->recv_cq = qp->ibqp.recv_cq;
	init->srq = qp->ibqp.srq;
	init->cap = qp->cap;
	init->sq_sig_type = qp->sq_sig_all ? IB_SIGNAL_ALL_WR : IB_SIGNAL_REQ_WR;
	init->qp_type = qp->ibqp.qp_type;
}
