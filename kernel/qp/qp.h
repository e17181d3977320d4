/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The queue pair: its state, and its two halves.
 *
 * Lock order, outermost first:
 *
 *   qp->modify_lock	process context; one modify or destroy at a time
 *   qp->sq.lock	requester half; BH off
 *   qp->rq.lock	responder half; BH off
 *   srq->lock		while a responder takes a receive
 *   key->lock		kernel/mem, while a work request changes a key
 *   a span's gate	kernel/mirror, while a view is open
 *   cq->lock		kernel/queue
 *   post_lock		of a ring that a kernel user fills; interrupts off
 *
 * Handling a packet takes the lock of one half only. Changing the state takes sq.lock,
 * then rq.lock. Loopback takes the sender's sq.lock, then the receiver's rq.lock.
 */
#ifndef NOPIN_QP_H
#define NOPIN_QP_H

#include <linux/completion.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <rdma/ib_verbs.h>

#include "net/net.h"
#include "qp/rq.h"
#include "qp/service.h"
#include "qp/sq.h"

struct nopin_dev;

/* A lookup takes its reference here, as the core frees the QP's own memory without RCU. */
struct nopin_qp_handle {
	refcount_t ref;
	struct nopin_qp *qp;
	struct rcu_head rcu;
};

/* What kernel/qp calls of kernel/entry, which is above it. */
struct nopin_qp_ops {
	void (*sq_timer)(struct timer_list *timer);
	void (*rq_timer)(struct timer_list *timer);
	enum hrtimer_restart (*sq_attendant)(struct hrtimer *timer);
	void (*sq_task)(struct tasklet_struct *task);
	void (*rq_task)(struct tasklet_struct *task);
};

struct nopin_gsi;

/**
 * struct nopin_qp - a queue pair
 * @ibqp: first
 * @handle: what the QPN table points to; counts the table's reference, lookups and copies
 * @unused: completed when the last reference of @handle is dropped
 * @dev: its device
 * @id: a number that no other QP ever has, not 0
 * @service: what kind of QP it is
 * @modify_lock: one modify or destroy at a time
 * @state: written under both halves' locks, read under either; without a lock by
 *	READ_ONCE(), where a stale value does no harm
 * @attr: what query_qp returns; written under @modify_lock
 * @cap: what was granted
 * @sq_sig_all: every send request makes a CQE
 * @copies: copies by an engine in progress for this QP, or for its peer on the same device;
 *	incremented under the lock of the half that waits for the copy
 * @own_address: the peer's address is one of this device
 * @mtu: path MTU in bytes; stable from RTR
 * @route: to the peer; stable from RTR
 * @gsi: queues of the GSI QP, else NULL
 * @sq: requester half
 * @rq: responder half
 */
struct nopin_qp {
	struct ib_qp ibqp;
	struct nopin_qp_handle *handle;
	struct completion unused;
	struct nopin_dev *dev;
	u64 id;
	const struct nopin_service *service;
	struct mutex modify_lock;	/* serialises modify and destroy */
	enum ib_qp_state state;
	struct ib_qp_attr attr;
	struct ib_qp_cap cap;
	bool sq_sig_all;
	atomic_t copies;
	bool own_address;
	u32 mtu;
	struct nopin_route route;
	struct nopin_gsi *gsi;

	struct nopin_sq sq ____cacheline_aligned_in_smp;
	struct nopin_rq rq ____cacheline_aligned_in_smp;
};

static inline struct nopin_qp *to_nopin_qp(struct ib_qp *ibqp)
{
	return container_of(ibqp, struct nopin_qp, ibqp);
}

/* The protection domain of the keys that the peer names. An XRC target's own is NULL. */
static inline struct ib_pd *nopin_rq_keys(const struct nopin_qp *qp)
{
	return qp->ibqp.pd ?: qp->rq.pd;
}

/* Does the responder carry out requests? It does from RTR on, until the QP fails. */
static inline bool nopin_rq_accepts(const struct nopin_qp *qp)
{
	switch (qp->state) {
	case IB_QPS_RTR:
	case IB_QPS_RTS:
	case IB_QPS_SQD:
	case IB_QPS_SQE:
		return !qp->rq.failed;
	default:
		return false;
	}
}

/* Does the requester send, and take answers, in this state? */
static inline bool nopin_sq_is_live(const struct nopin_qp *qp)
{
	return (qp->state == IB_QPS_RTS || qp->state == IB_QPS_SQD) && !qp->sq.failed;
}

/* Do all requests in the send queue end with a flush error? */
static inline bool nopin_sq_is_dead(const struct nopin_qp *qp)
{
	return qp->state == IB_QPS_ERR || qp->state == IB_QPS_SQE;
}

/* How long a loop may go on with BH off, or in a worker, before others get their turn. */
#define NOPIN_QUANTUM_NS	NSEC_PER_MSEC

static inline bool nopin_quantum_is_over(u64 begun)
{
	return ktime_get_ns() - begun >= NOPIN_QUANTUM_NS;
}

/* How many packets carry @length bytes; an empty message is one packet. */
static inline u32 nopin_packets(const struct nopin_qp *qp, u32 length)
{
	return length ? DIV_ROUND_UP(length, qp->mtu) : 1;
}

/* The offset in the message, in bytes, of the request's packet with this PSN. */
static inline u32 nopin_wqe_offset(const struct nopin_qp *qp, const struct nopin_swqe *wqe,
				   u32 psn)
{
	return ((psn - wqe->first_psn) & NOPIN_PSN_MASK) * qp->mtu;
}

/* qp.c */
struct nopin_qp *nopin_qp_hold(struct nopin_qp_handle *handle);
struct nopin_qp *nopin_qp_lookup(u32 qpn);
struct nopin_qp *nopin_qp_lookup_gsi(struct nopin_dev *dev);
void nopin_qp_put(struct nopin_qp *qp);
void nopin_qp_event(struct nopin_qp *qp, enum ib_event_type event);
int nopin_qp_publish(struct nopin_qp *qp);
void nopin_qp_unpublish(struct nopin_qp *qp);
void nopin_qp_table_exit(void);

/* life.c */
int nopin_qp_create(struct nopin_qp *qp, const struct nopin_service *service,
		    struct ib_qp_init_attr *init, struct ib_ucontext *uctx,
		    struct nopin_create_qp_resp *resp);
void nopin_qp_destroy(struct nopin_qp *qp);
void nopin_qp_set_ops(const struct nopin_qp_ops *ops);

/* state.c */
int nopin_qp_modify(struct nopin_qp *qp, struct ib_qp_attr *attr, int mask);
void nopin_qp_query(struct nopin_qp *qp, struct ib_qp_attr *attr,
		    struct ib_qp_init_attr *init);

/* fail.c */
void nopin_qp_lock(struct nopin_qp *qp)
	__acquires(&qp->sq.lock) __acquires(&qp->rq.lock);
void nopin_qp_unlock(struct nopin_qp *qp)
	__releases(&qp->rq.lock) __releases(&qp->sq.lock);
void nopin_qp_set_state(struct nopin_qp *qp, enum ib_qp_state state);
void nopin_qp_stop(struct nopin_qp *qp, enum ib_qp_state state);
void nopin_qp_enter_error(struct nopin_qp *qp);
void nopin_sq_unlock(struct nopin_qp *qp) __releases(&qp->sq.lock);
void nopin_rq_unlock(struct nopin_qp *qp) __releases(&qp->rq.lock);

void nopin_qp_fail(struct nopin_qp *qp);

/* The QP of a half that has a wait. Context: the half's lock held. */
static inline struct nopin_qp *nopin_park_qp(struct nopin_park *park)
{
	if (park->wait->requester)
		return container_of(park, struct nopin_qp, sq.park);
	return container_of(park, struct nopin_qp, rq.park);
}

/* offload.c */
void nopin_qp_await_copies(struct nopin_qp *qp);

/* retire.c */
void nopin_flush_all(struct nopin_qp *qp);

#endif /* NOPIN_QP_H */
