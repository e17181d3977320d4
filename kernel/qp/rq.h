/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The responder half of a QP: its receives, and which request is due. */
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
 * struct nopin_resource - a READ or atomic that is or was answered, for its duplicates
 * @psn: its first PSN
 * @packets: PSNs that it takes; 0: it is none
 * @operation: enum nopin_operation; the answer to a READ is its memory, that to an
 *	ATOMIC WRITE or FLUSH says no more than that it was done, and that to an atomic is
 *	@original
 * @rkey: region of the READ
 * @length: bytes of the READ
 * @remote_addr: first byte of the READ
 * @original: what the atomic found
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
 * @psn: of the next response
 * @pd: protection domain that @rkey is of
 * @rkey: region
 * @remote_addr: first byte of the message
 * @length: bytes of the message
 * @sent: bytes already sent
 * @active: there is one
 * @again: it is a duplicate; whatever becomes of it, the QP stays as it is
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
 * @queue: the shared ring; without entries where receives come from @srq
 * @srq: where receives come from instead, or NULL; of a target of XRC, what the present
 *	message names
 * @pd: protection domain of the receives
 * @xrcd: whose SRQs the peer may name, or NULL
 * @target: in @xrcd->targets
 * @recv: the receive that the current SEND fills, when @recv_taken
 * @recv_taken: @recv is valid
 * @nak_sent: a NAK for @expected_psn is out; later packets are dropped quietly
 * @gap: it was for a packet that is missing; then the following are valid
 * @gap_psn: of the packet that showed that
 * @gap_told: when that was, jiffies
 * @failed: the QP is on its way to the error state; nothing is executed
 * @event: why it @failed
 * @refused_psn: the request that it @failed for, with @refused_nak
 * @refused_nak: what the peer was told, AETH syndrome; 0: nothing
 * @ended: the owner was told that no receive is taken any more
 * @established: the first packet was seen (IB_EVENT_COMM_EST)
 * @in_message: NOPIN_SEND or NOPIN_RDMA_WRITE between FIRST and LAST, else
 *	NOPIN_NO_OPERATION
 * @expected_psn: of the next new request
 * @ack_psn: what an ACK repeats: of the last SEND or WRITE packet, or long before
 * @msn: messages completed, modulo 2^24
 * @received: bytes of the current message so far
 * @write: RETH of the current WRITE
 * @repeated: jiffies when the peer was last told again what it has been told
 * @repeated_psn: @ack_psn then
 * @resources: the last READs and atomics, a ring
 * @resources_size: max_dest_rd_atomic
 * @resource_next: index of the oldest
 * @read: the READ being answered
 * @timer: runs while @park waits
 * @task: goes on with @read and @parked in a later softirq
 * @train: collects packets; empty unless the lock is held
 * @notified: when the peer was last told of congestion on the way to us, ns
 * @park: waits for memory
 * @parked: requests that came during @park or @read
 * @due: how many of @parked are due one after the other; the others are duplicates
 * @due_end: the PSN after the last of them, if there are any
 * @ahead: a packet with @ahead_psn was not kept, as those before it had not come
 * @ahead_psn: the highest such PSN
 * @answered: READs and atomics that have been, modulo 2^32
 * @outstanding: how many were not when the present request came
 * @post_lock: protects the producer's side of @queue, of a kernel user
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

/* Does the QP have receives of its own, rather than an SRQ's? */
static inline bool nopin_rq_has_ring(const struct nopin_rq *rq)
{
	return rq->queue.ring;
}

/* Are earlier requests still being dealt with? Then one has to wait its turn. */
static inline bool nopin_rq_is_busy(const struct nopin_rq *rq)
{
	return rq->park.waiting || rq->read.active || !skb_queue_empty(&rq->parked.skbs);
}

/* rq.c: whose turn it is */
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
