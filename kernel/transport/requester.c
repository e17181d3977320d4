// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The requester's loop: which request is next, may it begin, and does it go as packets
 * or by loopback. It runs in the doorbell call, in softirq when an ACK or a timer lets it
 * go on, and in the worker that has fetched a page.
 */
#include "device.h"
#include "mem/copy.h"
#include "transport/completer.h"
#include "transport/local.h"
#include "transport/loopback.h"
#include "transport/requester.h"
#include "transport/send.h"
#include "transport/shortcut.h"
#include "transport/transmit.h"

/* The next request fails with @status. Always false, for callers to return. */
static bool nopin_requester_reject(struct nopin_qp *qp, struct nopin_swqe *wqe,
				   enum ib_wc_status status)
{
	wqe->status = status;
	nopin_sq_settle(qp);
	if (!qp->sq.failed)
		nopin_sq_ask_again(&qp->sq);
	return false;
}

/*
 * The request that the next packet belongs to, or NULL. While sq.probing only the oldest
 * packet goes: the peer may lack receives, or may have received everything already.
 */
static struct nopin_swqe *nopin_requester_next(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	if (sq->probing && sq->next_psn != sq->una_psn)
		return NULL;
	if (sq->next != sq->taken)
		return nopin_sq_wqe(sq, sq->next);
	if (qp->state == IB_QPS_SQD) {
		/* The last packet may not have asked for an ACK: more were to follow. */
		nopin_sq_ask_again(sq);
		return NULL;
	}
	if (nopin_sq_waiting(sq) > 0)
		return nopin_sq_take(qp);
	if (nopin_queue_pending(&sq->queue) < 0) {
		ibdev_warn_ratelimited(qp->ibqp.device, "QP %u: send ring overrun\n",
				       qp->ibqp.qp_num);
		nopin_sq_fail(qp, IB_WC_WR_FLUSH_ERR);
	}
	return NULL;
}

/*
 * Check the program's own memory before the peer sees anything of the request. For a
 * SEND or WRITE of one packet, gathering its payload does that.
 */
static enum ib_wc_status nopin_requester_check(struct nopin_qp *qp,
					       const struct nopin_swqe *wqe)
{
	bool answered = wqe->request->answered;
	int rights = wqe->request->fetches ? IB_ACCESS_LOCAL_WRITE : 0;

	if (answered && !qp->sq.reads.size)
		return IB_WC_LOC_QP_OP_ERR;
	if (!answered && !qp->sq.peer && wqe->length <= qp->mtu)
		return IB_WC_SUCCESS;
	if (!qp->service->connected)
		return IB_WC_LOC_LEN_ERR;
	if (nopin_sges_check(qp->ibqp.pd, wqe->sge, wqe->num_sge, rights))
		return IB_WC_LOC_PROT_ERR;
	return IB_WC_SUCCESS;
}

/* Give a request its PSNs. False: it cannot begin now, or ever. */
static bool nopin_requester_begin(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	enum ib_wc_status status = nopin_requester_check(qp, wqe);

	if (status != IB_WC_SUCCESS)
		return nopin_requester_reject(qp, wqe, status);
	if (wqe->flags & NOPIN_SEND_FENCE && qp->sq.reads.count)
		return false;
	nopin_sq_number(&qp->sq, wqe, nopin_packets(qp, wqe->length));
	return true;
}

/* Requests that one ACK may complete, with BH off, because local requests are among them. */
#define NOPIN_LOCAL_MOST	256

/*
 * Has a local request to wait for others? LOCAL_INV waits for all before it, with a fence
 * or without (IBTA 10.6.5.1): their packets may have to be sent again, by the key.
 */
static bool nopin_requester_local_waits(struct nopin_qp *qp, const struct nopin_swqe *wqe)
{
	struct nopin_sq *sq = &qp->sq;
	u32 before = sq->next - sq->queue.index;

	if (wqe->request->operation != NOPIN_LOCAL_INV && before < NOPIN_LOCAL_MOST)
		return wqe->flags & NOPIN_SEND_FENCE && sq->reads.count;
	if (!before)
		return false;
	nopin_sq_ask_again(sq);
	return true;
}

/* Carry out a local request, unless that is done already. False: not now, or it fails. */
static bool nopin_requester_local(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	enum ib_wc_status status;

	if (!wqe->numbered && nopin_requester_local_waits(qp, wqe))
		return false;
	if (!wqe->numbered) {
		nopin_hold_end(&qp->sq.hold);
		status = nopin_local_carry_out(qp, wqe);
		if (status != IB_WC_SUCCESS)
			return nopin_requester_reject(qp, wqe, status);
	}
	nopin_sq_pass(qp, wqe);
	return true;
}

static bool nopin_requester_send(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	if (!qp->service->connected)
		return nopin_send_datagram(qp, wqe);
	switch (wqe->request->operation) {
	case NOPIN_RDMA_READ:
		return nopin_send_read(qp, wqe);
	case NOPIN_CMP_SWAP:
	case NOPIN_FETCH_ADD:
		return nopin_send_atomic(qp, wqe);
	case NOPIN_ATOMIC_WRITE:
		return nopin_send_atomic_write(qp, wqe);
	case NOPIN_FLUSH:
		return nopin_send_flush(qp, wqe);
	default:
		return nopin_send_data(qp, wqe);
	}
}

/* Go on with the next request. Returns how many packets went, or were replaced by a copy. */
static u32 nopin_requester_step(struct nopin_qp *qp)
{
	struct nopin_swqe *wqe = nopin_requester_next(qp);
	u32 packets;

	if (!wqe)
		return 0;
	if (wqe->status != IB_WC_SUCCESS)
		return nopin_requester_reject(qp, wqe, wqe->status);
	if (nopin_request_is_local(wqe->request))
		return nopin_requester_local(qp, wqe);
	if (!wqe->numbered && !nopin_requester_begin(qp, wqe))
		return 0;
	if (qp->sq.peer) {
		nopin_hold_end(&qp->sq.hold); /* its gate comes after the peer's lock */
		if (nopin_loopback_step(qp, wqe, &packets))
			return packets;
	}
	if (nopin_requester_send(qp, wqe))
		return 1;
	if (wqe->status != IB_WC_SUCCESS)
		nopin_requester_reject(qp, wqe, wqe->status);
	return 0;
}

static bool nopin_requester_may_send(const struct nopin_qp *qp)
{
	const struct nopin_sq *sq = &qp->sq;

	return nopin_sq_is_live(qp) && !sq->paused && !sq->park.waiting;
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
	struct nopin_sq *sq = &qp->sq;
	u32 sent = 0, n;

	lockdep_assert_held(&sq->lock);
	sq->attend.busy = false;
	sq->burst = 0;
	if (!nopin_requester_may_send(qp))
		return false;
	sq->peer = nopin_loopback_peer(qp);
	nopin_hold_begin(&sq->hold, qp->ibqp.pd, 0);
	rcu_read_lock();
	do {
		n = sq->peer ? nopin_shortcut_run(qp, NOPIN_BURST - sent) : 0;
		if (!n)
			n = nopin_requester_step(qp);
		sent += n;
	} while (n && sent < NOPIN_BURST && sq->burst < NOPIN_BURST_BYTES);
	nopin_transmit_flush(qp, &sq->train); /* RCU protects the route of a datagram */
	nopin_hold_end(&sq->hold);
	rcu_read_unlock();
	if (sq->peer)
		nopin_qp_put(sq->peer);
	sq->peer = NULL;
	sq->attend.busy = n;
	return n;
}

/* In SQD: raise the event once all requests that were begun are complete (IBTA 10.3.1.6). */
static void nopin_requester_check_drained(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	if (!sq->draining || !nopin_sq_is_empty(sq))
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
 * nopin_requester_resume - go on after a fault or a pause: kept responses, then requests
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 */
void nopin_requester_resume(struct nopin_qp *qp)
{
	if (nopin_completer_resume(qp))
		nopin_requester_continue(qp);
}
