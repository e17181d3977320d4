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
 * What modify replaces: allocated before anything is changed, swapped in under
 * the locks, and what is left here is freed.
 */
struct nopin_qp_parts {
	u32 *read_ends;
	struct nopin_atomic_result *atomics;
	struct nopin_wait *sq_wait;
	struct nopin_wait *rq_wait;
};

/**
 * nopin_qp_event - tell the QP's owner of an asynchronous event
 * @qp: the QP
 * @event: IB_EVENT_*
 *
 * Context: any.
 */
void nopin_qp_event(struct nopin_qp *qp, enum ib_event_type event)
{
	struct ib_event ev = {
		.device = qp->ibqp.device,
		.element.qp = &qp->ibqp,
		.event = event,
	};

	if (qp->ibqp.event_handler)
		qp->ibqp.event_handler(&ev, qp->ibqp.qp_context);
}

static void nopin_qp_lock(struct nopin_qp *qp)
	__acquires(&qp->sq.lock) __acquires(&qp->rq.lock)
{
	spin_lock_bh(&qp->sq.lock);
	spin_lock(&qp->rq.lock);
}

static void nopin_qp_unlock(struct nopin_qp *qp)
	__releases(&qp->rq.lock) __releases(&qp->sq.lock)
{
	spin_unlock(&qp->rq.lock);
	spin_unlock_bh(&qp->sq.lock);
}

/* QP 1 looks at the state without a lock. */
static void nopin_qp_set_state(struct nopin_qp *qp, enum ib_qp_state state)
{
	lockdep_assert_held(&qp->sq.lock);
	lockdep_assert_held(&qp->rq.lock);
	WRITE_ONCE(qp->state, state);
}

/* Timers, tasks and faults under way look at the state and stop by themselves. */
static void nopin_qp_stop(struct nopin_qp *qp, enum ib_qp_state state)
{
	nopin_qp_set_state(qp, state);
	skb_queue_purge(&qp->sq.parked);
	skb_queue_purge(&qp->rq.parked);
	qp->rq.read.active = false;
	qp->sq.paused = false;
	qp->sq.draining = false;
}

static void nopin_qp_enter_error(struct nopin_qp *qp)
{
	if (qp->state == IB_QPS_ERR || qp->state == IB_QPS_RESET)
		return;
	nopin_qp_stop(qp, IB_QPS_ERR);
	if (!qp->user)
		return;
	nopin_sq_flush(qp);
	nopin_queue_set_flags(&qp->rq.queue, NOPIN_RING_NEED_DOORBELL);
	nopin_rq_flush(qp);
}

/**
 * nopin_qp_fail - move to the error state, for what the responder has refused
 * @qp: the QP
 *
 * Flushes both queues and tells the owner; nothing when it has been done, or when
 * the QP has been reset since.
 *
 * Context: any with interrupts on, no lock of the QP held.
 */
void nopin_qp_fail(struct nopin_qp *qp)
{
	bool failed;

	nopin_qp_lock(qp);
	failed = qp->rq.failed && qp->state != IB_QPS_ERR;
	if (failed)
		nopin_qp_enter_error(qp);
	nopin_qp_unlock(qp);
	if (failed)
		nopin_qp_event(qp, qp->rq.event);
}

/**
 * nopin_qp_fail_requester - move to the error state from the requester half
 * @qp: the QP; the failed request has been completed
 *
 * Context: sq.lock held, BH off.
 */
void nopin_qp_fail_requester(struct nopin_qp *qp)
{
	lockdep_assert_held(&qp->sq.lock);
	nopin_hold_end(&qp->sq.hold); /* which comes after rq.lock */
	spin_lock(&qp->rq.lock);
	nopin_qp_enter_error(qp);
	spin_unlock(&qp->rq.lock);
}

/* Wait no longer: whoever fetches the page has nobody to give it to. */
static void nopin_park_leave(struct nopin_park *park)
{
	if (park->waiting)
		park->wait = NULL;
	park->waiting = false;
	park->error = 0;
}

static void nopin_qp_reset(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_rq *rq = &qp->rq;

	nopin_qp_stop(qp, IB_QPS_RESET);
	rq->failed = false;
	rq->refused_nak = 0;	/* a QP without a peer answers nobody */
	nopin_park_leave(&sq->park);
	nopin_park_leave(&rq->park);
	rq->recv_taken = false;
	rq->in_message = 0;
	if (!qp->user)
		return;
	nopin_sq_unattend(sq);
	nopin_queue_discard(&sq->queue);
	sq->taken = sq->queue.index;
	sq->next = sq->taken;
	nopin_queue_discard(&rq->queue);
	nopin_queue_set_flags(&rq->queue, 0);
}

static void nopin_qp_start_responder(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;
	u32 i;

	nopin_qp_set_state(qp, IB_QPS_RTR);
	rq->expected_psn = qp->attr.rq_psn;
	rq->ack_psn = nopin_psn_add(qp->attr.rq_psn, NOPIN_PSN_MASK);
	rq->msn = 0;
	rq->nak_sent = false;
	rq->failed = false;
	rq->established = false;
	rq->in_message = 0;
	rq->atomic_next = 0;
	for (i = 0; i < rq->atomics_size; i++)
		rq->atomics[i].valid = false;
}

static void nopin_qp_start_requester(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	nopin_qp_set_state(qp, IB_QPS_RTS);
	sq->una_psn = qp->attr.sq_psn;
	sq->next_psn = qp->attr.sq_psn;
	sq->unsent_psn = qp->attr.sq_psn;
	sq->retries = qp->attr.retry_cnt;
	sq->rnr_retries = qp->attr.rnr_retry;
	sq->reads.head = 0;
	sq->reads.count = 0;
	sq->since_ack_req = 0;
	sq->probing = false;
	sq->resent = false;
	timer_delete(&sq->timer); /* of the connection before, with its timeout */
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
	[IB_QPS_ERR]	= nopin_qp_from_err,
};

/* RESET and ERR can be reached from every state. */
static int nopin_qp_transit(struct nopin_qp *qp, enum ib_qp_state next)
{
	if (next == IB_QPS_RESET) {
		nopin_qp_reset(qp);
		return 0;
	}
	if (next == IB_QPS_ERR) {
		nopin_qp_enter_error(qp);
		nopin_qp_set_state(qp, IB_QPS_ERR);
		return 0;
	}
	if (qp->state >= ARRAY_SIZE(nopin_qp_from) || !nopin_qp_from[qp->state])
		return -EINVAL;
	return nopin_qp_from[qp->state](qp, next);
}

static int nopin_qp_check_path(struct nopin_qp *qp, const struct ib_qp_attr *attr,
			       int mask)
{
	int err;

	if (mask & IB_QP_AV) {
		err = nopin_address_check(&attr->ah_attr);
		if (err)
			return err;
	}
	if (mask & IB_QP_PATH_MTU &&
	    (attr->path_mtu < IB_MTU_256 ||
	     attr->path_mtu > iboe_get_mtu(READ_ONCE(qp->dev->ndev->mtu))))
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
		parts->atomics = kcalloc(attr->max_dest_rd_atomic,
					 sizeof(*parts->atomics),
					 GFP_KERNEL_ACCOUNT);
		if (!parts->atomics)
			return -ENOMEM;
	}
	return 0;
}

/* A reset may have left one behind with a fault. */
static int nopin_qp_alloc_waits(struct nopin_qp *qp, struct nopin_qp_parts *parts,
				enum ib_qp_state next)
{
	if (next != IB_QPS_RTR || !qp->user)
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
	kfree(parts->atomics);
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
		swap(qp->rq.atomics, parts->atomics);
		qp->rq.atomics_size = attr->max_dest_rd_atomic;
		qp->rq.atomic_next = 0;
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
	if (mask & IB_QP_TIMEOUT)
		own->timeout = attr->timeout;
	if (mask & IB_QP_RETRY_CNT)
		own->retry_cnt = attr->retry_cnt;
	if (mask & IB_QP_RNR_RETRY)
		own->rnr_retry = attr->rnr_retry;
	if (mask & IB_QP_MIN_RNR_TIMER)
		own->min_rnr_timer = attr->min_rnr_timer;
	if (mask & IB_QP_RQ_PSN)
		own->rq_psn = attr->rq_psn & NOPIN_PSN_MASK;
	if (mask & IB_QP_SQ_PSN)
		own->sq_psn = attr->sq_psn & NOPIN_PSN_MASK;
	if (mask & IB_QP_EN_SQD_ASYNC_NOTIFY)
		own->en_sqd_async_notify = attr->en_sqd_async_notify;
}

static int nopin_qp_apply(struct nopin_qp *qp, struct nopin_qp_parts *parts,
			  const struct ib_qp_attr *attr, int mask,
			  enum ib_qp_state next)
{
	int err;

	nopin_qp_lock(qp);
	err = nopin_qp_apply_path(qp, attr, mask);
	if (!err) {
		nopin_qp_apply_attr(qp, attr, mask);
		nopin_qp_apply_arrays(qp, parts, attr, mask);
		nopin_qp_apply_waits(qp, parts);
		if (mask & IB_QP_STATE)
			err = nopin_qp_transit(qp, next);
	}
	nopin_qp_unlock(qp);
	return err;
}

static int nopin_qp_modify_locked(struct nopin_qp *qp, struct ib_qp_attr *attr,
				  int mask)
{
	/* Only a failure can change it meanwhile; then nopin_qp_transit() refuses. */
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

	err = nopin_qp_alloc_arrays(&parts, attr, mask);
	if (!err)
		err = nopin_qp_alloc_waits(qp, &parts, next);
	if (!err)
		err = nopin_qp_apply(qp, &parts, attr, mask, next);
	nopin_qp_free_parts(&parts);
	return err;
}

/* The requester has work, or the end of its work to tell, after these. */
static bool nopin_qp_wakes_requester(const struct nopin_qp *qp, int mask)
{
	enum ib_qp_state state = READ_ONCE(qp->state);

	return qp->user && mask & IB_QP_STATE &&
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
 *	device does not allow; -ENOMEM; -ENODEV. On error nothing has changed,
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
 * nopin_qp_query - tell a QP's attributes
 * @qp: the QP
 * @attr: gets them
 * @init: gets what it was created with
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
	init->srq = NULL;
	init->cap = qp->cap;
	init->sq_sig_type = qp->sq_sig_all ? IB_SIGNAL_ALL_WR : IB_SIGNAL_REQ_WR;
	init->qp_type = qp->ibqp.qp_type;
}
