/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The queue pair: its state, and what its two halves keep between packets.
 *
 * Lock order, outermost first:
 *
 *   qp->modify_lock	process context; one modify or destroy at a time
 *   qp->sq.lock	requester half; BH off
 *   qp->rq.lock	responder half; BH off
 *   span lock		kernel/mirror, BH off (readers only, from here)
 *   cq->lock		kernel/queue
 *
 * A packet never takes both halves' locks; changing the state takes sq.lock,
 * then rq.lock.
 */
#ifndef NOPIN_QP_H
#define NOPIN_QP_H

#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>

#include "mem/hold.h"
#include "mem/memory.h"
#include "net/net.h"
#include "qp/wqe.h"
#include "queue/queue.h"

struct nopin_dev;

/**
 * struct nopin_wait - a page being fetched for a half of a QP
 * @work: fetches it in process context, then lets the half go on
 * @miss: the page
 * @qpn: whose; looked up again afterwards
 * @requester: which half
 * @patient: a program has to answer the fault, as long as it may take
 * @pages: made present so far, and not yet counted
 *
 * With userfaultfd a fault lasts as long as a program likes, and it may be that
 * program's own exit that destroys the QP: so nothing that ends a QP waits for
 * its faults. While the half waits this belongs to whoever fetches the page, who
 * gives it back or, when nobody waits any more, frees it.
 */
struct nopin_wait {
	struct work_struct work;
	struct nopin_miss miss;
	u32 qpn;
	bool requester;
	bool patient;
	u64 pages;
};

/**
 * struct nopin_park - where a half of a QP waits for a page
 * @wait: the half's own while not @waiting; there from RTR on
 * @waiting: the page is being fetched; the half neither sends nor receives
 * @silent: the peer has not been told of the request that waits, and its memory may
 *	be what is missing: it is a QP of the same device
 * @defer: whoever holds the lock will fetch the page itself, or see to it
 * @error: what resolving gave; taken by the retried access
 * @error_memory: that @error is of; compared, never followed
 * @error_va: where that access began
 *
 * Protected by the half's lock.
 */
struct nopin_park {
	struct nopin_wait *wait;
	bool waiting;
	bool silent;
	bool defer;
	int error;
	const void *error_memory;
	u64 error_va;
};

/**
 * struct nopin_reads - READ segments and atomics in flight, oldest first
 * @end_psn: last PSN of each, a ring
 * @size: max_rd_atomic
 * @head: index of the oldest
 * @count: how many
 */
struct nopin_reads {
	u32 *end_psn;
	u32 size;
	u32 head;
	u32 count;
};

/**
 * struct nopin_attend - a send ring that needs no doorbells for a while
 * @timer: looks at the ring when no doorbell has come
 * @on: the ring says so, and @timer runs
 * @busy: more is being done than fits into a burst
 * @rung: when the last doorbell was answered, of those that asked for it
 * @seen: up to where the ring was filled then
 * @us: how long from a doorbell, 0: to be set
 * @good: such times in a row without a request that was left waiting
 *
 * Protected by sq.lock.
 */
struct nopin_attend {
	struct hrtimer timer;
	bool on;
	bool busy;
	ktime_t rung;
	u32 seen;
	u32 us;
	u32 good;
};

/**
 * struct nopin_sq - the requester half (IBTA 9.7.2, 9.7.5)
 * @lock: protects the whole struct
 * @queue: the shared ring; @queue.index is the oldest incomplete request
 * @wqes: snapshots of the requests in flight, as many as the ring has entries
 * @wqe_stride: bytes from one snapshot to the next
 * @taken: requests ever snapshotted; taken - queue.index are in flight
 * @next: request that the next packet belongs to, queue.index..taken
 * @una_psn: oldest PSN not acknowledged; equal to @next_psn when idle
 * @next_psn: of the next packet
 * @unsent_psn: first PSN never sent; beyond @next_psn while resending
 * @reads: bounds READs and atomics by max_rd_atomic
 * @since_ack_req: packets since the last that asked for an ACK
 * @retries: timeouts and sequence NAKs left before giving up
 * @rnr_retries: RNR NAKs left before giving up; NOPIN_RNR_FOREVER: no end
 * @paused: for an RNR NAK or for lack of memory; nothing is sent until @timer
 * @probing: after an RNR NAK: the oldest request goes alone, until it is acknowledged
 * @resent: @una_psn was resent for a gap in the responses
 * @resent_psn: before this PSN once is enough
 * @draining: SQD was asked for and requests are still in flight
 * @progress: jiffies when @una_psn last moved, or something was sent after a pause
 * @timer: ACK timeout, or the end of the pause
 * @task: goes on sending in a later softirq
 * @burst: bytes of payload sent in this burst
 * @train: collects packets; empty unless the lock is held
 * @hold: of local memory, over small requests; nothing unless the lock is held
 * @park: waits for local memory
 * @parked: responses that came meanwhile
 * @attend: of @queue
 */
struct nopin_sq {
	spinlock_t lock;	/* protects this struct */
	struct nopin_queue queue;
	void *wqes;
	u32 wqe_stride;
	u32 taken;
	u32 next;
	u32 una_psn;
	u32 next_psn;
	u32 unsent_psn;
	struct nopin_reads reads;
	u32 since_ack_req;
	u8 retries;
	u8 rnr_retries;
	bool paused;
	bool probing;
	bool resent;
	u32 resent_psn;
	bool draining;
	unsigned long progress;
	struct timer_list timer;
	struct tasklet_struct task;
	u32 burst;
	struct nopin_train train;
	struct nopin_hold hold;
	struct nopin_park park;
	struct sk_buff_head parked;
	struct nopin_attend attend;
};

/* Result of a past atomic, kept to answer its duplicate (IBTA 9.4.5). */
struct nopin_atomic_result {
	u32 psn;
	bool valid;
	u64 original;
};

/**
 * struct nopin_read_job - a READ whose responses are being sent
 * @psn: of the next response
 * @rkey: region
 * @remote_addr: first byte of the message
 * @length: bytes of the message
 * @sent: bytes already sent
 * @active: there is one
 */
struct nopin_read_job {
	u32 psn;
	u32 rkey;
	u64 remote_addr;
	u32 length;
	u32 sent;
	bool active;
};

/**
 * struct nopin_rq - the responder half (IBTA 9.7.4)
 * @lock: protects the whole struct
 * @queue: the shared ring
 * @recv: the receive that the current SEND fills, when @recv_taken
 * @recv_taken: @recv is valid
 * @nak_sent: a NAK for @expected_psn is out; later packets are dropped quietly
 * @failed: the QP is on its way to the error state; nothing is executed
 * @event: why it @failed
 * @refused_psn: the request that it @failed for, with @refused_nak
 * @refused_nak: what the peer was told, AETH syndrome; 0: nothing
 * @established: the first packet was seen (IB_EVENT_COMM_EST)
 * @in_message: NOPIN_SEND or NOPIN_RDMA_WRITE between FIRST and LAST, else
 *	NOPIN_NO_OPERATION
 * @expected_psn: of the next new request
 * @ack_psn: what an ACK repeats: of the last SEND or WRITE packet, or long before
 * @msn: messages completed, modulo 2^24
 * @received: bytes of the current message so far
 * @write: RETH of the current WRITE
 * @atomics: ring of past results
 * @atomics_size: max_dest_rd_atomic
 * @atomic_next: index of the oldest result
 * @read: the READ being answered
 * @timer: runs while @park waits
 * @task: goes on with @read and @parked in a later softirq
 * @train: collects packets; empty unless the lock is held
 * @park: waits for memory
 * @parked: requests that came during @park or @read, at most NOPIN_PARKED_MAX
 */
struct nopin_rq {
	spinlock_t lock;	/* protects this struct */
	struct nopin_queue queue;
	struct nopin_rwqe *recv;
	bool recv_taken;
	bool nak_sent;
	bool failed;
	enum ib_event_type event;
	u32 refused_psn;
	u8 refused_nak;
	bool established;
	u8 in_message;
	u32 expected_psn;
	u32 ack_psn;
	u32 msn;
	u32 received;
	struct {
		u64 remote_addr;
		u32 rkey;
		u32 length;
	} write;
	struct nopin_atomic_result *atomics;
	u32 atomics_size;
	u32 atomic_next;
	struct nopin_read_job read;
	struct timer_list timer;
	struct tasklet_struct task;
	struct nopin_train train;
	struct nopin_park park;
	struct sk_buff_head parked;
};

/* Keeps a lookup safe while the QP's own memory is freed by the core. */
struct nopin_qp_handle {
	refcount_t ref;
	struct nopin_qp *qp;
	struct rcu_head rcu;
};

/* What the transport does for a QP: the way up from this room. */
struct nopin_qp_ops {
	int (*gsi_create)(struct nopin_qp *qp);
	void (*gsi_destroy)(struct nopin_qp *qp);
	void (*sq_timer)(struct timer_list *timer);
	void (*rq_timer)(struct timer_list *timer);
	enum hrtimer_restart (*sq_attendant)(struct hrtimer *timer);
	void (*sq_task)(struct tasklet_struct *task);
	void (*rq_task)(struct tasklet_struct *task);
	void (*fault)(struct work_struct *work);
};

struct nopin_gsi;

/**
 * struct nopin_qp - a queue pair
 * @ibqp: first
 * @handle: what the QPN table points to; its references are lookups
 * @unused: completed when the last reference of @handle goes
 * @dev: its device
 * @modify_lock: one modify or destroy at a time
 * @state: written under both halves' locks, read under either; by READ_ONCE()
 *	where what is seen may be past already
 * @attr: what query_qp returns; written under @modify_lock
 * @cap: what was granted
 * @sq_sig_all: every send completes with a CQE
 * @user: has rings; else the GSI QP
 * @own_address: the peer's address is one of our own device
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
	struct mutex modify_lock;	/* serialises modify and destroy */
	enum ib_qp_state state;
	struct ib_qp_attr attr;
	struct ib_qp_cap cap;
	bool sq_sig_all;
	bool user;
	bool own_address;
	u32 mtu;
	struct nopin_route route;
	struct nopin_gsi *gsi;

	struct nopin_sq sq ____cacheline_aligned_in_smp;
	struct nopin_rq rq ____cacheline_aligned_in_smp;
};

/* Requests that may wait at a responder before it asks the peer to wait. */
#define NOPIN_PARKED_MAX	512

#define NOPIN_RNR_FOREVER	7

static inline struct nopin_qp *to_nopin_qp(struct ib_qp *ibqp)
{
	return container_of(ibqp, struct nopin_qp, ibqp);
}

/* Requests posted and not taken yet; below 0: the ring was overrun. sq.lock held. */
static inline int nopin_sq_waiting(const struct nopin_sq *sq)
{
	int inflight = sq->taken - sq->queue.index;

	return nopin_queue_pending(&sq->queue) - inflight;
}

static inline struct nopin_swqe *nopin_sq_wqe(const struct nopin_sq *sq, u32 index)
{
	return sq->wqes + (size_t)(index & (sq->queue.entries - 1)) * sq->wqe_stride;
}

/* qp.c */
struct nopin_qp *nopin_qp_lookup(u32 qpn);
struct nopin_qp *nopin_qp_lookup_gsi(struct nopin_dev *dev);
void nopin_qp_put(struct nopin_qp *qp);
int nopin_qp_create(struct nopin_qp *qp, struct ib_qp_init_attr *init,
		    struct ib_ucontext *uctx, struct nopin_create_qp_resp *resp);
void nopin_qp_destroy(struct nopin_qp *qp);
void nopin_qp_table_init(const struct nopin_qp_ops *ops);
void nopin_qp_table_exit(void);

struct nopin_wait *nopin_wait_alloc(const struct nopin_qp *qp, bool requester);

/* state.c */
int nopin_qp_modify(struct nopin_qp *qp, struct ib_qp_attr *attr, int mask);
void nopin_qp_query(struct nopin_qp *qp, struct ib_qp_attr *attr,
		    struct ib_qp_init_attr *init);
void nopin_qp_fail(struct nopin_qp *qp);
void nopin_qp_fail_requester(struct nopin_qp *qp);
void nopin_qp_event(struct nopin_qp *qp, enum ib_event_type event);

/*
 * No doorbell is left out from here on; what was posted before is seen afterwards.
 * sq.lock held.
 */
static inline void nopin_sq_unattend(struct nopin_sq *sq)
{
	sq->attend.on = false;
	nopin_queue_set_flags(&sq->queue, 0);
}

/* retire.c */
void nopin_sq_complete(struct nopin_qp *qp, enum ib_wc_status status);
void nopin_sq_flush(struct nopin_qp *qp);
void nopin_rq_complete(struct nopin_qp *qp, struct nopin_cqe *cqe, bool solicited);
void nopin_rq_flush(struct nopin_qp *qp);

#endif /* NOPIN_QP_H */
