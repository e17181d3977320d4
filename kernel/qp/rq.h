/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The responder half of a QP: its receives, and the PSN that it expects. */
#ifndef NOPIN_RQ_H
#define NOPIN_RQ_H

#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <rdma/ib_verbs.h>

#include "net/net.h"
#include "qp/keep.h"
#include "qp/park.h"
#include "qp/wqe.h"
#include "queue/queue.h"
#include "wire/psn.h"

struct nopin_qp;
struct nopin_srq;
struct nopin_xrcd;

/**
 * struct nopin_resource - what is needed to answer a duplicate of a READ or atomic
 * @psn: its first PSN
 * @packets: PSNs that it takes; 0: the slot is empty
 * @operation: enum nopin_operation; a duplicate READ reads the memory again, a duplicate
 *	ATOMIC WRITE or FLUSH is only confirmed again, a duplicate atomic is answered with
 *	@original
 * @rkey: key of the READ
 * @length: bytes of the READ
 * @remote_addr: first byte of the READ
 * @original: the value that the atomic found
 */
struct nopin_resource {
	u32 psn;
	u32 packets;
	u8 operation;
	u32 rkey;
	u32 length;
	u64 remote_addr;
	u64 original;
};

/**
 * struct nopin_read_job - a READ whose responses are being sent
 * @psn: PSN of the next response
 * @pd: protection domain of @rkey
 * @rkey: key of the memory
 * @remote_addr: first byte of the message
 * @length: bytes of the message
 * @sent: bytes already sent
 * @active: there is such a READ; else the other fields mean nothing
 * @again: it is a duplicate, so an error does not fail the QP
 */
struct nopin_read_job {
	u32 psn;
	struct ib_pd *pd;
	u32 rkey;
	u64 remote_addr;
	u32 length;
	u32 sent;
	bool active;
	bool again;
};

/**
 * struct nopin_rq - the responder half (IBTA 9.7.4)
 * @lock: protects the whole struct, but for @post_lock
 * @queue: the receive ring; does not exist where receives come from @srq
 * @srq: the SRQ that receives come from, or NULL; of an XRC target, the SRQ that the
 *	present message names
 * @pd: protection domain of the receives
 * @xrcd: XRC domain whose SRQs the peer may name, or NULL
 * @target: in @xrcd->targets
 * @recv: with @recv_taken: the receive that the current message uses
 * @recv_taken: @recv is valid
 * @nak_sent: a NAK for @expected_psn was sent; later packets are dropped without another
 * @gap: with @nak_sent: the NAK was for a missing packet, and the next three fields are valid
 * @gap_psn: PSN of the packet that showed the gap
 * @gap_told: when the NAK was sent, jiffies
 * @gap_naks: how many were sent in that jiffy
 * @failed: the QP is about to enter the error state; no request is carried out
 * @event: with @failed: event for the owner
 * @refused_psn: with @failed: PSN that @refused_nak is for
 * @refused_nak: with @failed: AETH syndrome that the peer was told; 0: none
 * @ended: the owner was sent IB_EVENT_QP_LAST_WQE_REACHED
 * @established: the first packet was seen (IB_EVENT_COMM_EST)
 * @in_message: NOPIN_SEND or NOPIN_RDMA_WRITE between FIRST and LAST, else
 *	NOPIN_NO_OPERATION
 * @expected_psn: PSN of the next new request
 * @ack_psn: PSN of a repeated ACK: of the last SEND or WRITE packet, or one long past
 * @msn: messages completed, modulo 2^24
 * @received: bytes of the current message so far
 * @write: RETH of the current WRITE
 * @repeated: when the last ACK or NAK was repeated, jiffies
 * @repeated_psn: @ack_psn at @repeated
 * @resources: the last READs and atomics, a ring
 * @resources_size: max_dest_rd_atomic
 * @resource_next: index of the oldest
 * @read: the READ being answered
 * @timer: runs while @park waits
 * @task: goes on with @read and @parked in a later softirq
 * @train: collects packets; empty unless the lock is held
 * @notified: when a CNP for marked requests was last sent, ns
 * @park: where the responder waits for memory, or for a copy
 * @parked: requests that came during @park or @read
 * @due: how many of @parked follow on each other by PSN; the others are duplicates
 * @due_end: with @due: the PSN after the last of those
 * @ahead: a packet was dropped while the responder was busy; @ahead_psn is valid
 * @ahead_psn: the highest PSN of such packets
 * @answered: READs and atomics answered so far, modulo 2^32
 * @outstanding: READs and atomics that were unanswered when the present request came
 * @post_lock: protects the producer's side of @queue, which a kernel user fills
 */
struct nopin_rq {
	spinlock_t lock;	/* protects this struct */
	struct nopin_queue queue;
	struct nopin_srq *srq;
	struct ib_pd *pd;
	struct nopin_xrcd *xrcd;
	struct list_head target;
	struct nopin_rwqe *recv;
	bool recv_taken;
	bool nak_sent;
	bool gap;
	u32 gap_psn;
	unsigned long gap_told;
	u8 gap_naks;
	bool failed;
	enum ib_event_type event;
	u32 refused_psn;
	u8 refused_nak;
	bool ended;
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
	unsigned long repeated;
	u32 repeated_psn;
	struct nopin_resource *resources;
	u32 resources_size;
	u32 resource_next;
	struct nopin_read_job read;
	struct timer_list timer;
	struct tasklet_struct task;
	struct nopin_train train;
	u64 notified;
	struct nopin_park park;
	struct nopin_kept parked;
	u32 due;
	u32 due_end;
	bool ahead;
	u32 ahead_psn;
	u32 answered;
	u32 outstanding;
	spinlock_t post_lock;	/* a kernel user's producer; taken with interrupts off */
};

/* Does the QP have a receive ring of its own, rather than an SRQ? */
static inline bool nopin_rq_has_ring(const struct nopin_rq *rq)
{
	return rq->queue.ring;
}

/* Are earlier requests unfinished, so that a new one has to wait for its turn? */
static inline bool nopin_rq_is_busy(const struct nopin_rq *rq)
{
	return rq->park.waiting || rq->read.active || !skb_queue_empty(&rq->parked.skbs);
}

/* Are duplicates kept or being answered, before which nothing later may be answered? */
static inline bool nopin_rq_repeats(const struct nopin_rq *rq)
{
	return (rq->read.active && rq->read.again) ||
	       skb_queue_len(&rq->parked.skbs) > rq->due;
}

/* rq.c */
void nopin_rq_start(struct nopin_qp *qp);
void nopin_rq_establish(struct nopin_qp *qp);
bool nopin_rq_take_recv(struct nopin_qp *qp);
bool nopin_rq_may_read(const struct nopin_qp *qp);
bool nopin_rq_grants(const struct nopin_qp *qp, struct ib_pd *pd,
		     const struct nopin_pkt *pkt, int right);
bool nopin_rq_may_flush(const struct nopin_qp *qp, struct ib_pd *pd,
			const struct nopin_pkt *pkt, int rights);
bool nopin_rq_follows(struct nopin_rq *rq, const struct nopin_pkt *pkt);
void nopin_rq_pass(struct nopin_rq *rq, u32 psn);
void nopin_rq_received(struct nopin_rq *rq, const struct nopin_pkt *pkt, u32 packets);
void nopin_rq_received_whole(struct nopin_rq *rq, u32 messages, u32 length);
void nopin_rq_answered(struct nopin_rq *rq, u32 packets, bool last);
void nopin_rq_refuse(struct nopin_rq *rq, u32 psn, u8 nak, enum ib_event_type event);

/* resource.c */
void nopin_resource_resize(struct nopin_rq *rq, struct nopin_resource **slots, u32 size);
void nopin_resource_keep_read(struct nopin_rq *rq, const struct nopin_pkt *pkt,
			      u32 packets);
void nopin_resource_keep_atomic(struct nopin_rq *rq, const struct nopin_pkt *pkt,
				u64 original);
bool nopin_resource_has_read(const struct nopin_qp *qp, const struct nopin_pkt *pkt);
const u64 *nopin_resource_atomic(const struct nopin_rq *rq, const struct nopin_pkt *pkt);

/* retire.c */
void nopin_rq_complete(struct nopin_qp *qp, struct nopin_cqe *cqe, bool solicited);
bool nopin_rq_flush(struct nopin_qp *qp);

#endif /* NOPIN_RQ_H */
