// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Small requests between two QPs of one device, in runs.
 *
 * For each request, loopback.c locks the peer, and finds and opens the pages. That is
 * worth it for a large request. For a run of small ones it is done once here, as they
 * tend to have their pages in common. Only plain requests go this way: all requests
 * before them are complete, they copy one packet's worth from one page to another, and
 * they pass every check. All others are left as they were found, for loopback.c.
 */
#include "mem/hold.h"
#include "transport/execute.h"
#include "transport/loopback.h"
#include "transport/send.h"
#include "transport/shortcut.h"

/**
 * struct nopin_shortcut - both ends of a run of requests
 * @qp: the requester, its sq.lock held
 * @peer: the responder, its rq.lock held
 * @remote: @peer's memory that the requests name; what they name of @qp's memory
 *	is in sq.hold
 * @writes: WRITEs that were carried out, but not reported to @peer yet
 * @length: bytes of the last of these
 */
struct nopin_shortcut {
	struct nopin_qp *qp;
	struct nopin_qp *peer;
	struct nopin_hold remote;
	u32 writes;
	u32 length;
};

/* No request is taken and unfinished, so no payload was gathered: sq.hold is empty. */
static bool nopin_shortcut_is_idle(const struct nopin_qp *qp)
{
	const struct nopin_sq *sq = &qp->sq;

	return qp->state == IB_QPS_RTS && nopin_sq_is_empty(sq) &&
	       sq->una_psn == sq->next_psn;
}

static bool nopin_shortcut_is_open(const struct nopin_qp *qp, struct nopin_qp *peer)
{
	return nopin_loopback_is_connected(qp, peer) &&
	       nopin_loopback_is_ready(&qp->sq, peer) && !peer->rq.in_message;
}

static bool nopin_shortcut_is_plain(const struct nopin_qp *qp,
				    const struct nopin_swqe *wqe)
{
	return wqe->status == IB_WC_SUCCESS && wqe->num_sge <= 1 &&
	       wqe->length && wqe->length <= qp->mtu;
}

/* The payload of a SEND or WRITE, or NULL: it is not plain. */
static const void *nopin_shortcut_payload(struct nopin_shortcut *cut,
					  const struct nopin_swqe *wqe)
{
	if (wqe->flags & NOPIN_SEND_INLINE)
		return wqe->data;
	return nopin_hold_reach(&cut->qp->sq.hold, wqe->sge[0].lkey, wqe->sge[0].addr,
				wqe->length, 0);
}

/* Report all WRITEs so far to the peer in one go, before another kind of request. */
static void nopin_shortcut_tell_writes(struct nopin_shortcut *cut)
{
	if (cut->writes)
		nopin_rq_received_whole(&cut->peer->rq, cut->writes, cut->length);
	cut->writes = 0;
}

static bool nopin_shortcut_write(struct nopin_shortcut *cut, const struct nopin_swqe *wqe)
{
	const void *from = nopin_shortcut_payload(cut, wqe);
	void *to = nopin_execute_reach_remote(cut->peer, &cut->remote, wqe->rkey,
					      wqe->remote_addr, wqe->length);

	if (!from || !to)
		return false;
	nopin_memcpy(to, from, wqe->length);
	smp_wmb(); /* as in nopin_rq_received(), which is called for several at once */
	cut->writes++;
	cut->length = wqe->length;
	return true;
}

static bool nopin_shortcut_send(struct nopin_shortcut *cut, const struct nopin_swqe *wqe)
{
	struct nopin_qp *peer = cut->peer;
	void *to = nopin_execute_reach_recv(peer, &cut->remote, wqe->length);
	const void *from = nopin_shortcut_payload(cut, wqe);
	struct nopin_pkt pkt __uninitialized; /* fields that its opcode has no header for */

	if (!from || !to)
		return false;
	nopin_memcpy(to, from, wqe->length);
	nopin_shortcut_tell_writes(cut);
	nopin_rq_received_whole(&peer->rq, 1, wqe->length);
	nopin_send_describe(&pkt, cut->qp, wqe, 0, wqe->length);
	nopin_execute_complete_recv(peer, &pkt);
	return true;
}

static bool nopin_shortcut_read(struct nopin_shortcut *cut, const struct nopin_swqe *wqe)
{
	struct nopin_qp *peer = cut->peer;
	const void *from;
	void *to;

	if (!nopin_rq_may_read(peer) || !cut->qp->sq.reads.size)
		return false;
	to = nopin_hold_reach(&cut->qp->sq.hold, wqe->sge[0].lkey, wqe->sge[0].addr,
			      wqe->length, IB_ACCESS_LOCAL_WRITE);
	from = nopin_hold_reach(&cut->remote, wqe->rkey, wqe->remote_addr, wqe->length,
				IB_ACCESS_REMOTE_READ);
	if (!from || !to)
		return false;
	nopin_memcpy(to, from, wqe->length);
	nopin_shortcut_tell_writes(cut);
	nopin_rq_answered(&peer->rq, 1, true);
	return true;
}

static bool nopin_shortcut_carry_out(struct nopin_shortcut *cut,
				     const struct nopin_swqe *wqe)
{
	if (!nopin_shortcut_is_plain(cut->qp, wqe))
		return false;
	switch (wqe->request->operation) {
	case NOPIN_RDMA_WRITE:
		return !wqe->request->takes_recv && nopin_shortcut_write(cut, wqe);
	case NOPIN_SEND:
		return !wqe->request->invalidates && nopin_shortcut_send(cut, wqe);
	case NOPIN_RDMA_READ:
		return nopin_shortcut_read(cut, wqe);
	default:
		return false;
	}
}

/*
 * Returns how many requests were carried out; one more may have been taken. All may use
 * one page, whose invalidation waits for the whole run: so a run ends after as many bytes
 * as a view may show.
 */
static u32 nopin_shortcut_go(struct nopin_shortcut *cut, u32 most)
{
	const struct nopin_swqe *wqe;
	size_t bytes = 0;
	u32 n;

	for (n = 0; n < most && bytes < NOPIN_VIEW_BYTES; n++) {
		wqe = nopin_sq_take(cut->qp);
		if (!nopin_shortcut_carry_out(cut, wqe))
			break;
		bytes += wqe->length;
		nopin_sq_carried_whole(cut->qp);
	}
	nopin_shortcut_tell_writes(cut);
	return n;
}

/**
 * nopin_shortcut_run - carry out the small requests that are next
 * @qp: the QP, with a peer
 * @most: at most so many
 *
 * Context: in nopin_requester_run(). Takes the peer's rq.lock, which comes after
 *	every sq.lock.
 * Return: how many were carried out; 0: the next one has to go another way.
 */
u32 nopin_shortcut_run(struct nopin_qp *qp, u32 most)
{
	struct nopin_qp *peer = qp->sq.peer;
	struct nopin_shortcut cut __uninitialized; /* by nopin_hold_begin(), as needed */
	int waiting;
	u32 n = 0;

	if (!nopin_shortcut_is_idle(qp))
		return 0;
	waiting = nopin_sq_waiting(&qp->sq);
	if (waiting <= 0)
		return 0;
	cut.qp = qp;
	cut.peer = peer;
	cut.writes = 0;
	nopin_hold_begin(&cut.remote, peer->ibqp.pd, peer->id);
	spin_lock(&peer->rq.lock);
	if (nopin_shortcut_is_open(qp, peer))
		n = nopin_shortcut_go(&cut, min_t(u32, waiting, most));
	nopin_hold_end(&cut.remote);
	nopin_hold_end(&qp->sq.hold);
	spin_unlock(&peer->rq.lock);
	if (n)
		nopin_sq_progress(qp);
	return n;
}
