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

/* The requester asks for an ACK at least once in so many packets. */
#define NOPIN_ACK_EVERY		32

/* A responder that waits shows so many signs of life in one ACK timeout. */
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
 * struct nopin_attend - a send ring that needs no doorbells for a while (entry/attend.c)
 * @timer: looks at the ring when no doorbell has come
 * @on: the ring has NOPIN_RING_ATTENDED set, and @timer runs
 * @busy: the last burst was full, and more may be left to send
 * @rung: when the last doorbell was answered that asked for the ring to be attended
 * @seen: the ring's producer index at @rung
 * @us: for how long the ring is attended after a doorbell, microseconds; 0: not set yet
 * @good: such times in a row in which no request was left waiting
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
 * @wqes: snapshots of the requests in flight; there is room for as many as in the ring
 * @wqe_stride: bytes from one snapshot to the next
 * @taken: index of the next request to snapshot; taken - queue.index are in flight
 * @next: index of the request that the next packet belongs to, queue.index..taken
 * @una_psn: oldest PSN not acknowledged; equal to @next_psn when idle
 * @next_psn: PSN of the next packet
 * @unsent_psn: first PSN never sent; beyond @next_psn while resending
 * @reads: READs and atomics in flight, which max_rd_atomic bounds
 * @flight: how much may be in flight
 * @since_ack_req: packets sent since the last one that asked for an ACK
 * @retries: timeouts and sequence NAKs left before giving up
 * @rnr_retries: RNR NAKs left before giving up; NOPIN_RNR_FOREVER: no end
 * @paused: after an RNR NAK or for lack of memory nothing is sent until @timer fires
 * @probing: only the oldest packet is sent, until it is acknowledged: after an RNR NAK, or
 *	when no answer has come for a while
 * @resent: @una_psn was resent for a gap in the responses
 * @resent_psn: with @resent: an answer to an earlier PSN does not cause another resend
 * @draining: SQD was asked for and requests are still in flight
 * @failed: the send queue is about to stop with an error; nothing is sent or completed
 * @failure: with @failed: status of the oldest request in flight, if there is one
 * @progress: since when an ACK has been awaited, jiffies: when @una_psn last moved, the
 *	peer last showed life, the requester last went back or ended a pause, its timeout
 *	changed, or the timer last found it waiting for a page
 * @timer: the ACK timeout, or an earlier reason to run (sq.c)
 * @task: goes on sending in a later softirq
 * @burst: bytes of payload sent in this burst
 * @peer: the QP of the same device that the requests are for; NULL: there is none, or
 *	the lock is not held
 * @train: collects packets; empty unless the lock is held
 * @hold: a page that small requests in a row share; empty unless the lock is held
 * @notified: when a CNP for marked responses was last sent, ns
 * @park: where the requester waits for memory, or for a copy
 * @parked: responses that came meanwhile
 * @attend: whether the kernel attends @queue
 * @post_lock: protects the producer's side of @queue, which a kernel user fills
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

/* The oldest request in flight; only valid when nopin_sq_is_empty() is false. */
static inline struct nopin_swqe *nopin_sq_oldest(const struct nopin_sq *sq)
{
	return nopin_sq_wqe(sq, sq->queue.index);
}

/* Is no request in flight? */
static inline bool nopin_sq_is_empty(const struct nopin_sq *sq)
{
	return sq->queue.index == sq->taken;
}

/* How many requests are posted and not taken yet; below 0: the ring was overrun. */
static inline int nopin_sq_waiting(const struct nopin_sq *sq)
{
	int inflight = sq->taken - sq->queue.index;

	return nopin_queue_pending(&sq->queue) - inflight;
}

/* How many PSNs are sent and not acknowledged. */
static inline u32 nopin_sq_inflight(const struct nopin_sq *sq)
{
	return (sq->next_psn - sq->una_psn) & NOPIN_PSN_MASK;
}

/* Has this PSN been sent, and not been acknowledged? Only then may a packet change anything. */
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
 * Stop attending the ring: from here on programs ring. A request that was posted without a
 * doorbell before can be seen in the ring afterwards.
 */
static inline void nopin_sq_unattend(struct nopin_sq *sq)
{
	lockdep_assert_held(&sq->lock);
	sq->attend.on = false;
	nopin_queue_set_flags(&sq->queue, 0);
}

/* sq.c */
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

/* sq.c: the timer */
void nopin_sq_timer_start(struct nopin_qp *qp);
void nopin_sq_timer_restart(struct nopin_qp *qp);
void nopin_sq_timer_nomem(struct nopin_qp *qp);

/* retire.c */
void nopin_sq_complete(struct nopin_qp *qp, enum ib_wc_status status);
bool nopin_sq_flush(struct nopin_qp *qp);

#endif /* NOPIN_SQ_H */
