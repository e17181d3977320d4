/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The requester half of a QP: its send ring, and the window of PSNs in flight. */
#ifndef NOPIN_SQ_H
#define NOPIN_SQ_H

#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <rdma/ib_verbs.h>

#include "mem/hold.h"
#include "net/net.h"
#include "qp/flight.h"
#include "qp/keep.h"
#include "qp/park.h"
#include "qp/wqe.h"
#include "queue/queue.h"
#include "wire/psn.h"

struct nopin_qp;

/* Packets between two requests for an ACK inside a run. */
#define NOPIN_ACK_EVERY		32

/* Of the ACK timeout: as many signs of life find room in it. */
#define NOPIN_SIGNS		4

#define NOPIN_RNR_FOREVER	7

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
 * @lock: protects the whole struct, but for @post_lock
 * @queue: the shared ring; @queue.index is the oldest incomplete request
 * @wqes: snapshots of the requests in flight, as many as the ring has entries
 * @wqe_stride: bytes from one snapshot to the next
 * @taken: requests ever snapshotted; taken - queue.index are in flight
 * @next: request that the next packet belongs to, queue.index..taken
 * @una_psn: oldest PSN not acknowledged; equal to @next_psn when idle
 * @next_psn: of the next packet
 * @unsent_psn: first PSN never sent; beyond @next_psn while resending
 * @reads: bounds READs and atomics by max_rd_atomic
 * @flight: how much may be in flight
 * @since_ack_req: packets since the last that asked for an ACK
 * @retries: timeouts and sequence NAKs left before giving up
 * @rnr_retries: RNR NAKs left before giving up; NOPIN_RNR_FOREVER: no end
 * @paused: for an RNR NAK or for lack of memory; nothing is sent until @timer
 * @probing: the oldest packet goes alone, until it is acknowledged: after an RNR NAK, or
 *	when nothing has come for a while
 * @resent: @una_psn was resent for a gap in the responses
 * @resent_psn: before this PSN once is enough
 * @draining: SQD was asked for and requests are still in flight
 * @failed: the QP is on its way to the error state: nothing is sent or completed
 * @failure: what the oldest request in flight completes with, if there is one
 * @progress: jiffies when @una_psn last moved, or something was sent after a pause
 * @timer: ACK timeout, or what is earlier (sq.c)
 * @task: goes on sending in a later softirq
 * @burst: bytes of payload sent in this burst
 * @peer: the QP of the same device that the requests are for; NULL: there is none, or
 *	the lock is not held
 * @train: collects packets; empty unless the lock is held
 * @hold: of local memory, over small requests; nothing unless the lock is held
 * @notified: when the peer was last told of congestion on the way to us, ns
 * @park: waits for local memory
 * @parked: responses that came meanwhile
 * @attend: of @queue
 * @post_lock: protects the producer's side of @queue, of a kernel user
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
	struct nopin_flight flight;
	u32 since_ack_req;
	u8 retries;
	u8 rnr_retries;
	bool paused;
	bool probing;
	bool resent;
	u32 resent_psn;
	bool draining;
	bool failed;
	enum ib_wc_status failure;
	unsigned long progress;
	struct timer_list timer;
	struct tasklet_struct task;
	u32 burst;
	struct nopin_qp *peer;
	struct nopin_train train;
	struct nopin_hold hold;
	u64 notified;
	struct nopin_park park;
	struct nopin_kept parked;
	struct nopin_attend attend;
	spinlock_t post_lock;	/* a kernel user's producer; taken with interrupts off */
};

static inline struct nopin_swqe *nopin_sq_wqe(const struct nopin_sq *sq, u32 index)
{
	return sq->wqes + (size_t)(index & (sq->queue.entries - 1)) * sq->wqe_stride;
}

/* The oldest request in flight, where nopin_sq_is_empty() does not say that there is none. */
static inline struct nopin_swqe *nopin_sq_oldest(const struct nopin_sq *sq)
{
	return nopin_sq_wqe(sq, sq->queue.index);
}

/* No request is in flight. */
static inline bool nopin_sq_is_empty(const struct nopin_sq *sq)
{
	return sq->queue.index == sq->taken;
}

/* Requests posted and not taken yet; below 0: the ring was overrun. */
static inline int nopin_sq_waiting(const struct nopin_sq *sq)
{
	int inflight = sq->taken - sq->queue.index;

	return nopin_queue_pending(&sq->queue) - inflight;
}

/* PSNs sent and not acknowledged. */
static inline u32 nopin_sq_inflight(const struct nopin_sq *sq)
{
	return (sq->next_psn - sq->una_psn) & NOPIN_PSN_MASK;
}

/* Has this PSN been sent, and not been acknowledged? Nothing else is believed. */
static inline bool nopin_sq_awaits(const struct nopin_sq *sq, u32 psn)
{
	return nopin_psn_diff(psn, sq->una_psn) >= 0 &&
	       nopin_psn_diff(psn, sq->unsent_psn) < 0;
}

/* How many more PSNs may be sent before something is acknowledged. */
static inline u32 nopin_sq_room(const struct nopin_sq *sq)
{
	u32 inflight = nopin_sq_inflight(sq);

	return sq->flight.window > inflight ? sq->flight.window - inflight : 0;
}

static inline bool nopin_sq_reads_full(const struct nopin_sq *sq)
{
	return sq->reads.count == sq->reads.size;
}

/*
 * No doorbell is left out from here on; what was posted before is seen afterwards.
 */
static inline void nopin_sq_unattend(struct nopin_sq *sq)
{
	lockdep_assert_held(&sq->lock);
	sq->attend.on = false;
	nopin_queue_set_flags(&sq->queue, 0);
}

/* sq.c: the window */
void nopin_sq_start(struct nopin_qp *qp);
struct nopin_swqe *nopin_sq_take(struct nopin_qp *qp);
void nopin_sq_number(struct nopin_sq *sq, struct nopin_swqe *wqe, u32 packets);
void nopin_sq_sent(struct nopin_qp *qp, const struct nopin_swqe *wqe, u32 last);
void nopin_sq_pass(struct nopin_qp *qp, struct nopin_swqe *wqe);
void nopin_sq_acked(struct nopin_qp *qp, u32 psn);
bool nopin_sq_acknowledge(struct nopin_qp *qp, u32 psn);
void nopin_sq_carried(struct nopin_qp *qp, const struct nopin_swqe *wqe, u32 packets);
void nopin_sq_carried_whole(struct nopin_qp *qp);
void nopin_sq_progress(struct nopin_qp *qp);
void nopin_sq_rewind(struct nopin_sq *sq);
void nopin_sq_heard(struct nopin_sq *sq, u8 ecn);
void nopin_sq_resend(struct nopin_qp *qp, u32 psn);
void nopin_sq_ask_again(struct nopin_sq *sq);
void nopin_sq_fail(struct nopin_qp *qp, enum ib_wc_status status);
void nopin_sq_settle(struct nopin_qp *qp);
void nopin_sq_retry(struct nopin_qp *qp);
void nopin_sq_probe(struct nopin_qp *qp);
void nopin_sq_retry_rnr(struct nopin_qp *qp, u8 code);

bool nopin_sq_local_follows(const struct nopin_qp *qp);

/* sq.c: its timer */
void nopin_sq_timer_start(struct nopin_qp *qp);
void nopin_sq_timer_nomem(struct nopin_qp *qp);

/* retire.c */
void nopin_sq_complete(struct nopin_qp *qp, enum ib_wc_status status);
bool nopin_sq_flush(struct nopin_qp *qp);

#endif /* NOPIN_SQ_H */
