// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The requester: turns send requests into packets (IBTA 9.7.2). It runs in the
 * doorbell call, and in softirq when an ACK, a timer or a fault lets it go on.
 *
 * PSNs are given to a request when its first packet is sent and never change,
 * so going back is only moving next_psn: una_psn always belongs to the oldest
 * request in flight, because requests complete in order.
 */
#include "transport/internal.h"
#include "transport/transport.h"

/* Doorbell calls stop after so many bursts and leave the rest to softirq. */
#define NOPIN_DOORBELL_BURSTS	128

static u32 nopin_sq_inflight(const struct nopin_sq *sq)
{
	return (sq->next_psn - sq->una_psn) & NOPIN_PSN_MASK;
}

static void nopin_reads_push(struct nopin_reads *reads, u32 end_psn)
{
	reads->end_psn[(reads->head + reads->count) % reads->size] = end_psn;
	reads->count++;
}

/**
 * nopin_requester_rewind - send again from the oldest unacknowledged PSN
 * @qp: the QP
 *
 * Context: sq.lock held.
 */
void nopin_requester_rewind(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	sq->next_psn = sq->una_psn;
	sq->next = sq->queue.index;
	sq->reads.count = 0;
	sq->since_ack_req = 0;
}

/**
 * nopin_requester_fail - end the oldest request with an error, flush the rest
 * @qp: the QP
 * @status: of the oldest request in flight
 *
 * Context: sq.lock held, BH off.
 */
void nopin_requester_fail(struct nopin_qp *qp, enum ib_wc_status status)
{
	if (qp->sq.queue.index != qp->sq.taken)
		nopin_sq_complete(qp, status);
	nopin_qp_fail_requester(qp);
}

/**
 * nopin_requester_settle - act on a failed request once it is the oldest
 * @qp: the QP
 *
 * Requests before the failed one complete first, as they would have without it.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_requester_settle(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_swqe *oldest;

	if (sq->queue.index == sq->taken)
		return;
	oldest = nopin_sq_wqe(sq, sq->queue.index);
	if (oldest->status != IB_WC_SUCCESS)
		nopin_requester_fail(qp, oldest->status);
}

/*
 * The request before one that fails had left it to that one to ask for an ACK:
 * its last packet goes once more, and asks.
 */
static void nopin_requester_ask_again(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_swqe *prev;

	if (sq->next == sq->queue.index || !sq->since_ack_req)
		return;
	prev = nopin_sq_wqe(sq, sq->next - 1);
	if (prev->request->answered)
		return;
	sq->next--;
	sq->next_psn = prev->last_psn;
	sq->since_ack_req = NOPIN_ACK_EVERY;
	tasklet_schedule(&sq->task);
}

/* The next request cannot go on. False, for its callers to return. */
static bool nopin_requester_reject(struct nopin_qp *qp, struct nopin_swqe *wqe,
				   enum ib_wc_status status)
{
	wqe->status = status;
	nopin_requester_settle(qp);
	if (qp->state != IB_QPS_ERR)
		nopin_requester_ask_again(qp);
	return false;
}

/**
 * nopin_requester_take - take the next request out of the ring
 * @qp: the QP; nopin_sq_waiting() says that there is one
 *
 * Context: sq.lock held.
 * Return: its snapshot; one that is malformed has a status.
 */
struct nopin_swqe *nopin_requester_take(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_swqe *wqe = nopin_sq_wqe(sq, sq->taken);
	u32 inflight = sq->taken - sq->queue.index;
	int err;

	err = nopin_swqe_take(wqe, nopin_queue_entry(&sq->queue, inflight), &qp->cap);
	if (err)
		wqe->status = err == -EMSGSIZE ? IB_WC_LOC_LEN_ERR : IB_WC_LOC_QP_OP_ERR;
	sq->taken++;
	return wqe;
}

/*
 * The request that the next packet belongs to, or NULL. A peer that has posted too
 * few receives is not sent everything again each time that it is asked.
 */
static struct nopin_swqe *nopin_requester_next(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	if (sq->probing && sq->next != sq->queue.index)
		return NULL;
	if (sq->next != sq->taken)
		return nopin_sq_wqe(sq, sq->next);
	if (qp->state == IB_QPS_SQD) {
		/* More was to follow when the last packet was sent. */
		nopin_requester_ask_again(qp);
		return NULL;
	}
	if (nopin_sq_waiting(sq) > 0)
		return nopin_requester_take(qp);
	if (nopin_queue_pending(&sq->queue) < 0) {
		ibdev_warn_ratelimited(qp->ibqp.device, "QP %u: send ring overrun\n",
				       qp->ibqp.qp_num);
		nopin_qp_fail_requester(qp);
	}
	return NULL;
}

/*
 * What the program names of its own is judged before the peer sees anything. For
 * a packet that is all of its message, gathering it does that.
 */
static enum ib_wc_status nopin_requester_check(struct nopin_qp *qp,
					       const struct nopin_swqe *wqe,
					       bool loopback)
{
	bool answered = wqe->request->answered;
	int rights = answered ? IB_ACCESS_LOCAL_WRITE : 0;

	if (answered && !qp->sq.reads.size)
		return IB_WC_LOC_QP_OP_ERR;
	if (!answered && !loopback && wqe->length <= qp->mtu)
		return IB_WC_SUCCESS;
	if (nopin_sges_check(qp->ibqp.pd, wqe->sge, wqe->num_sge, rights))
		return IB_WC_LOC_PROT_ERR;
	return IB_WC_SUCCESS;
}

/* Give a request its PSNs. False: it cannot begin now, or ever. */
static bool nopin_requester_begin(struct nopin_qp *qp, struct nopin_swqe *wqe,
				  bool loopback)
{
	enum ib_wc_status status = nopin_requester_check(qp, wqe, loopback);
	struct nopin_sq *sq = &qp->sq;
	u32 packets = nopin_packets(qp, wqe->length);

	if (status != IB_WC_SUCCESS)
		return nopin_requester_reject(qp, wqe, status);
	if (wqe->flags & NOPIN_SEND_FENCE && sq->reads.count)
		return false;

	wqe->first_psn = sq->next_psn;
	wqe->last_psn = nopin_psn_add(sq->next_psn, packets - 1);
	wqe->numbered = true;
	return true;
}

/* Move past what was just sent, up to and including @last. */
static void nopin_requester_advance(struct nopin_qp *qp, const struct nopin_swqe *wqe,
				    u32 last)
{
	struct nopin_sq *sq = &qp->sq;

	nopin_sq_timer_start(qp);
	if (nopin_psn_diff(sq->next_psn, sq->unsent_psn) < 0)
		nopin_stat_inc(&qp->dev->stats, NOPIN_RETRANSMITS);
	sq->next_psn = nopin_psn_add(last, 1);
	if (nopin_psn_diff(sq->next_psn, sq->unsent_psn) > 0)
		sq->unsent_psn = sq->next_psn;
	if (last == wqe->last_psn)
		sq->next++;
}

/* Begin a packet: where its payload goes, or NULL until there is memory. */
static void *nopin_requester_open(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	struct nopin_sq *sq = &qp->sq;
	u32 more = sq->train.packets ? 0 : max(nopin_sq_waiting(sq), 0);
	void *payload = nopin_transmit_begin(qp, &sq->train, pkt, more);

	if (!payload)
		nopin_sq_timer_nomem(qp);
	return payload;
}

static void nopin_requester_close(struct nopin_qp *qp, struct nopin_pkt *pkt)
{
	pkt->psn = qp->sq.next_psn;
	qp->sq.burst += pkt->payload_len;
	nopin_transmit_end(qp, &qp->sq.train, pkt);
}

/* Nothing is known that could follow the request that is being sent. */
static bool nopin_requester_is_last(const struct nopin_qp *qp)
{
	const struct nopin_sq *sq = &qp->sq;

	return sq->next + 1 == sq->taken &&
	       (qp->state == IB_QPS_SQD || nopin_sq_waiting(sq) <= 0);
}

/*
 * Ask for an ACK when nothing follows at once, before the window closes, and now and
 * then in between; a READ or atomic that follows acknowledges too. A packet to a QP of
 * the same device is an exception, and no copy follows before its ACK.
 */
static bool nopin_requester_wants_ack(struct nopin_qp *qp, bool last, bool same_device)
{
	struct nopin_sq *sq = &qp->sq;
	bool want = same_device || ++sq->since_ack_req >= NOPIN_ACK_EVERY ||
		    nopin_sq_inflight(sq) + 1 >= NOPIN_WINDOW;

	if (last && (sq->probing || nopin_requester_is_last(qp)))
		want = true;
	if (want)
		sq->since_ack_req = 0;
	return want;
}

/* A small packet's payload from one place, near that of the one before it. */
static bool nopin_requester_gather_small(struct nopin_qp *qp,
					 const struct nopin_swqe *wqe, u32 offset,
					 u32 len, void *payload)
{
	const struct nopin_sge *sge = &wqe->sge[0];
	const void *from;

	if (wqe->num_sge != 1 || !len || len > NOPIN_SMALL)
		return false;
	from = nopin_hold_reach(&qp->sq.hold, sge->lkey, sge->addr + offset, len, 0);
	if (from)
		nopin_memcpy(payload, from, len);
	return from;
}

static enum nopin_copied nopin_requester_gather(struct nopin_qp *qp,
						const struct nopin_swqe *wqe,
						u32 offset, u32 len, void *payload)
{
	struct nopin_copy copy;

	if (wqe->flags & NOPIN_SEND_INLINE) {
		memcpy(payload, wqe->data + offset, len);
		return NOPIN_COPIED;
	}
	if (nopin_requester_gather_small(qp, wqe, offset, len, payload))
		return NOPIN_COPIED;
	copy = (struct nopin_copy){
		.from = nopin_place_sges(qp->ibqp.pd, wqe->sge, wqe->num_sge, offset),
		.to = nopin_place_bytes(payload),
		.length = len,
		.want = wqe->length - offset,
	};
	return nopin_park_copy(&qp->sq.park, &copy);
}

/**
 * nopin_requester_describe - the headers of a piece of a SEND or WRITE
 * @pkt: gets those that follow from the request
 * @wqe: the request
 * @offset: of the piece in the message, in bytes
 * @len: of the piece
 *
 * Context: any.
 */
void nopin_requester_describe(struct nopin_pkt *pkt, const struct nopin_swqe *wqe,
			      u32 offset, u32 len)
{
	bool last = offset + len == wqe->length;
	u32 place = (offset ? 0 : NOPIN_FIRST) | (last ? NOPIN_LAST : 0);

	pkt->opcode = wqe->request->opcode[place];
	pkt->payload_len = len;
	pkt->remote_addr = wqe->remote_addr;
	pkt->rkey = wqe->rkey;
	pkt->dma_len = wqe->length;
	pkt->imm_data = wqe->imm_data;
	pkt->solicited = last && wqe->flags & NOPIN_SEND_SOLICITED;
}

/* One packet of a SEND or WRITE. False: stop sending. */
static bool nopin_requester_send_data(struct nopin_qp *qp, struct nopin_swqe *wqe,
				      bool same_device)
{
	struct nopin_sq *sq = &qp->sq;
	u32 index = (sq->next_psn - wqe->first_psn) & NOPIN_PSN_MASK;
	bool last = sq->next_psn == wqe->last_psn;
	u32 offset = index * qp->mtu;
	u32 len = min(qp->mtu, wqe->length - offset);
	struct nopin_pkt pkt __uninitialized; /* what its opcode has no header for */
	enum nopin_copied copied;
	void *payload;

	if (nopin_sq_inflight(sq) >= NOPIN_WINDOW)
		return false;
	nopin_requester_describe(&pkt, wqe, offset, len);
	payload = nopin_requester_open(qp, &pkt);
	if (!payload)
		return false;
	copied = nopin_requester_gather(qp, wqe, offset, len, payload);
	if (copied != NOPIN_COPIED) {
		nopin_train_abandon(&sq->train);
		return copied == NOPIN_COPY_MISS ? false :
		       nopin_requester_reject(qp, wqe, IB_WC_LOC_PROT_ERR);
	}
	pkt.ack_req = nopin_requester_wants_ack(qp, last, same_device);
	nopin_requester_close(qp, &pkt);
	nopin_requester_advance(qp, wqe, sq->next_psn);
	return true;
}

/*
 * One segment of a READ. Segments end at fixed distances from the first PSN,
 * so that one asked for again never reaches across two that the peer has seen.
 */
static bool nopin_requester_send_read(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	struct nopin_sq *sq = &qp->sq;
	u32 index = (sq->next_psn - wqe->first_psn) & NOPIN_PSN_MASK;
	u32 packets = nopin_packets(qp, wqe->length) - index;
	u32 offset = index * qp->mtu;
	struct nopin_pkt pkt = {
		.opcode = wqe->request->opcode[NOPIN_ONLY],
		.remote_addr = wqe->remote_addr + offset,
		.rkey = wqe->rkey,
		.ack_req = true,
	};
	u32 last;

	packets = min(packets, NOPIN_READ_SEGMENT - index % NOPIN_READ_SEGMENT);
	if (sq->reads.count == sq->reads.size ||
	    nopin_sq_inflight(sq) + packets > NOPIN_WINDOW)
		return false;
	if (!nopin_requester_open(qp, &pkt))
		return false;
	last = nopin_psn_add(sq->next_psn, packets - 1);
	pkt.dma_len = min(packets * qp->mtu, wqe->length - offset);
	nopin_requester_close(qp, &pkt);
	nopin_reads_push(&sq->reads, last);
	nopin_requester_advance(qp, wqe, last);
	return true;
}

static bool nopin_requester_send_atomic(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	bool swap = wqe->request->operation == NOPIN_CMP_SWAP;
	struct nopin_sq *sq = &qp->sq;
	struct nopin_pkt pkt = {
		.opcode = wqe->request->opcode[NOPIN_ONLY],
		.remote_addr = wqe->remote_addr,
		.rkey = wqe->rkey,
		.swap_add = swap ? wqe->swap : wqe->compare_add,
		.compare = swap ? wqe->compare_add : 0,
		.ack_req = true,
	};

	if (sq->reads.count == sq->reads.size || nopin_sq_inflight(sq) >= NOPIN_WINDOW)
		return false;
	if (!nopin_requester_open(qp, &pkt))
		return false;
	nopin_requester_close(qp, &pkt);
	nopin_reads_push(&sq->reads, sq->next_psn);
	nopin_requester_advance(qp, wqe, sq->next_psn);
	return true;
}

/* Send what is due next; how many packets that was, or would have been. */
static u32 nopin_requester_step(struct nopin_qp *qp, struct nopin_qp *peer)
{
	struct nopin_swqe *wqe = nopin_requester_next(qp);
	u32 packets;

	if (!wqe)
		return 0;
	if (wqe->status != IB_WC_SUCCESS)
		return nopin_requester_reject(qp, wqe, wqe->status);
	if (!wqe->numbered && !nopin_requester_begin(qp, wqe, peer))
		return 0;
	if (peer) {
		nopin_hold_end(&qp->sq.hold); /* which comes after the peer's lock */
		if (nopin_loopback_step(qp, peer, wqe, &packets))
			return packets;
	}
	switch (wqe->request->operation) {
	case NOPIN_RDMA_READ:
		return nopin_requester_send_read(qp, wqe);
	case NOPIN_CMP_SWAP:
	case NOPIN_FETCH_ADD:
		return nopin_requester_send_atomic(qp, wqe);
	default:
		return nopin_requester_send_data(qp, wqe, peer);
	}
}

static bool nopin_requester_may_send(const struct nopin_qp *qp)
{
	const struct nopin_sq *sq = &qp->sq;

	return (qp->state == IB_QPS_RTS || qp->state == IB_QPS_SQD) &&
	       !sq->paused && !sq->park.waiting;
}

/**
 * nopin_requester_run - send what may be sent, up to one burst
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 * Return: true when the burst was used up and more may be left.
 */
bool nopin_requester_run(struct nopin_qp *qp)
{
	struct nopin_qp *peer;
	u32 sent = 0, n;

	lockdep_assert_held(&qp->sq.lock);
	qp->sq.attend.busy = false;
	qp->sq.burst = 0;
	if (!nopin_requester_may_send(qp))
		return false;
	peer = nopin_loopback_peer(qp);
	nopin_hold_begin(&qp->sq.hold, qp->ibqp.pd);
	rcu_read_lock();
	do {
		n = peer ? nopin_shortcut_run(qp, peer, NOPIN_BURST - sent) : 0;
		if (!n)
			n = nopin_requester_step(qp, peer);
		sent += n;
	} while (n && sent < NOPIN_BURST && qp->sq.burst < NOPIN_BURST_BYTES);
	nopin_hold_end(&qp->sq.hold);
	rcu_read_unlock();
	nopin_transmit_flush(qp, &qp->sq.train);
	if (peer)
		nopin_qp_put(peer);
	qp->sq.attend.busy = n;
	return n;
}

/* SQD: everything that was begun is complete (IBTA 10.3.1.6). */
static void nopin_requester_check_drained(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	if (!sq->draining || sq->queue.index != sq->taken)
		return;
	sq->draining = false;
	if (qp->attr.en_sqd_async_notify)
		nopin_qp_event(qp, IB_EVENT_SQ_DRAINED);
}

/**
 * nopin_requester_continue - send a burst now and the rest in later softirqs
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 */
void nopin_requester_continue(struct nopin_qp *qp)
{
	if (nopin_requester_run(qp))
		tasklet_schedule(&qp->sq.task);
	nopin_requester_check_drained(qp);
}

/**
 * nopin_sq_task - tasklet: go on sending
 * @task: sq.task
 *
 * Context: softirq.
 */
void nopin_sq_task(struct tasklet_struct *task)
{
	struct nopin_qp *qp = from_tasklet(qp, task, sq.task);

	spin_lock_bh(&qp->sq.lock);
	nopin_requester_continue(qp);
	spin_unlock_bh(&qp->sq.lock);
}

/*
 * One burst, and misses of the caller's own memory resolved on the spot. Over lo
 * and veth the receiving side runs when BH is enabled again at the unlock. Whoever
 * moves the QP to the error state flushes what it sees; the rest is flushed here.
 * True: more may be left that nobody else sees to.
 */
static bool nopin_doorbell_burst(struct nopin_qp *qp, ktime_t came)
{
	struct nopin_park *park = &qp->sq.park;
	struct nopin_wait *wait = NULL;
	bool more;

	spin_lock_bh(&qp->sq.lock);
	if (unlikely(qp->state == IB_QPS_ERR))
		nopin_sq_flush(qp);
	park->defer = !park->waiting;
	more = nopin_requester_run(qp);
	if (!more)
		nopin_sq_attend(qp, came);
	if (park->defer)
		wait = nopin_park_claim(park, false);
	spin_unlock_bh(&qp->sq.lock);

	if (wait)
		nopin_sq_resolve(qp, wait);
	return more;
}

/**
 * nopin_transport_doorbell - send requests were posted
 * @qp: a program's QP
 *
 * Context: process, in the program that posted.
 */
void nopin_transport_doorbell(struct nopin_qp *qp)
{
	ktime_t came = nopin_queue_asks(&qp->sq.queue) ? ktime_get() : 0;
	unsigned int n;

	for (n = 0; n < NOPIN_DOORBELL_BURSTS; n++)
		if (!nopin_doorbell_burst(qp, came))
			return;
	tasklet_schedule(&qp->sq.task);
}

/**
 * nopin_transport_recv_doorbell - receives were posted in the error state
 * @qp: a program's QP
 *
 * Context: process.
 */
void nopin_transport_recv_doorbell(struct nopin_qp *qp)
{
	spin_lock_bh(&qp->rq.lock);
	if (qp->state == IB_QPS_ERR)
		nopin_rq_flush(qp);
	spin_unlock_bh(&qp->rq.lock);
}
