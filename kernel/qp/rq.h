/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The responder half of a QP: its receives, and whose turn it is. */
#ifndef NOPIN_RQ_H
#define NOPIN_RQ_H

#include <linux/interrupt.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <rdma/ib_verbs.h>

#include "net/net.h"
#include "qp/park.h"
#include "qp/wqe.h"
#include "queue/queue.h"
#include "wire/psn.h"

struct nopin_qp;

/* Requests that may wait at a responder before it asks the peer to wait. */
#define NOPIN_PARKED_MAX	512

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

/* retire.c */
void nopin_rq_complete(struct nopin_qp *qp, struct nopin_cqe *cqe, bool solicited);
void nopin_rq_flush(struct nopin_qp *qp);

#endif /* NOPIN_RQ_H */
