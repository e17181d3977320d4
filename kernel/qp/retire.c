// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The end of work requests: completions and flushes. */
#include "qp/qp.h"
#include "qp/srq.h"
#include "queue/cq.h"

/* Flushed in one go, with BH off: far less than a millisecond. */
#define NOPIN_FLUSH_MOST	256

static void nopin_sq_tell(struct nopin_qp *qp, u64 wr_id, u32 wc_opcode, u32 length,
			  enum ib_wc_status status)
{
	struct nopin_cqe cqe = {
		.wr_id = wr_id,
		.status = status,
		.opcode = wc_opcode,
		.qp_num = qp->ibqp.qp_num,
		.byte_len = length,
	};

	nopin_cq_post(to_nopin_cq(qp->ibqp.send_cq), &cqe, &qp->ibqp,
		      status != IB_WC_SUCCESS);
}

/**
 * nopin_sq_complete - end the oldest request in flight
 * @qp: the QP
 * @status: how; anything but success makes a completion, signaled or not
 *
 * Context: sq.lock held.
 */
void nopin_sq_complete(struct nopin_qp *qp, enum ib_wc_status status)
{
	struct nopin_sq *sq = &qp->sq;
	const struct nopin_swqe *wqe = nopin_sq_wqe(sq, sq->queue.index);

	lockdep_assert_held(&sq->lock);
	/* Who sees the completion may count on the room that it made. */
	nopin_queue_consume(&sq->queue, 1);
	if (status != IB_WC_SUCCESS || qp->sq_sig_all ||
	    wqe->flags & NOPIN_SEND_SIGNALED)
		nopin_sq_tell(qp, wqe->wr_id, wqe->request->completion, wqe->length,
			      status);
}

/* Of one that was not taken only this is looked at. */
static void nopin_sq_flush_waiting(struct nopin_qp *qp)
{
	const struct nopin_send_wqe *head = nopin_queue_entry(&qp->sq.queue, 0);
	u64 wr_id = READ_ONCE(head->wr_id);
	u32 opcode = READ_ONCE(head->opcode);

	qp->sq.taken++;
	nopin_queue_consume(&qp->sq.queue, 1);
	nopin_sq_tell(qp, wr_id, nopin_request_row(opcode, qp->service->requests)->completion,
		      0, IB_WC_WR_FLUSH_ERR);
}

/**
 * nopin_sq_flush - end requests with IB_WC_WR_FLUSH_ERR, for a while
 * @qp: the QP, in the error state
 *
 * Those posted meanwhile have a doorbell of their own. A program that never stops
 * posting keeps nobody here. While an engine copies nothing ends: who moved the QP to
 * this state waits for that, and then ends what there is.
 *
 * Context: sq.lock held, BH off.
 * Return: true when there are more, for a later call.
 */
bool nopin_sq_flush(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	int n;

	lockdep_assert_held(&sq->lock);
	if (atomic_read(&qp->copies))
		return false;
	while (sq->queue.index != sq->taken) /* no more than were in flight */
		nopin_sq_complete(qp, IB_WC_WR_FLUSH_ERR);
	n = min(nopin_queue_pending(&sq->queue), NOPIN_FLUSH_MOST);
	while (n-- > 0)
		nopin_sq_flush_waiting(qp);
	sq->next = sq->taken;
	return nopin_queue_pending(&sq->queue) > 0;
}

/* Of XRC it is the SRQ that has one. */
static struct nopin_cq *nopin_rq_cq(const struct nopin_qp *qp)
{
	return to_nopin_cq(qp->ibqp.recv_cq ?: qp->rq.srq->ibsrq.ext.cq);
}

/**
 * nopin_rq_complete - end the receive that the responder has taken
 * @qp: the QP
 * @cqe: status, opcode, byte_len and immediate data; the rest is filled in
 * @solicited: the sender asked for an event
 *
 * Context: rq.lock held.
 */
void nopin_rq_complete(struct nopin_qp *qp, struct nopin_cqe *cqe, bool solicited)
{
	lockdep_assert_held(&qp->rq.lock);
	cqe->wr_id = qp->rq.recv->wr_id;
	cqe->qp_num = qp->ibqp.qp_num;
	nopin_cq_post(nopin_rq_cq(qp), cqe, &qp->ibqp,
		      solicited || cqe->status != IB_WC_SUCCESS);
	qp->rq.recv_taken = false;
}

static void nopin_rq_flush_taken(struct nopin_qp *qp)
{
	struct nopin_cqe cqe = {
		.status = IB_WC_WR_FLUSH_ERR,
		.opcode = IB_WC_RECV,
	};

	nopin_rq_complete(qp, &cqe, false);
}

/* Of the ring; those of an SRQ stay there. Whether there are more, for a later call. */
static bool nopin_rq_flush_waiting(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;
	int n = min(nopin_queue_pending(&rq->queue), NOPIN_FLUSH_MOST);

	while (n-- > 0) {
		const struct nopin_recv_wqe *head = nopin_queue_entry(&rq->queue, 0);

		rq->recv->wr_id = READ_ONCE(head->wr_id);
		nopin_queue_consume(&rq->queue, 1);
		nopin_rq_flush_taken(qp);
	}
	return nopin_queue_pending(&rq->queue) > 0;
}

/* The program may destroy the QP without losing receives of the SRQ (IBTA 10.3.1.5). */
static void nopin_rq_end(struct nopin_qp *qp)
{
	if (qp->rq.ended)
		return;
	qp->rq.ended = true;
	nopin_qp_event(qp, IB_EVENT_QP_LAST_WQE_REACHED);
}

/**
 * nopin_rq_flush - end receives with IB_WC_WR_FLUSH_ERR, for a while
 * @qp: the QP, in the error state; its ring asks for doorbells
 *
 * Context: rq.lock held, BH off.
 * Return: true when there are more, for a later call.
 */
bool nopin_rq_flush(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;

	lockdep_assert_held(&rq->lock);
	if (atomic_read(&qp->copies)) /* as for nopin_sq_flush() */
		return false;
	if (rq->recv_taken)
		nopin_rq_flush_taken(qp);
	if (nopin_rq_has_ring(rq))
		return nopin_rq_flush_waiting(qp);
	nopin_rq_end(qp);
	return false;
}

static bool nopin_flush_sends(struct nopin_qp *qp, u32 end)
{
	struct nopin_sq *sq = &qp->sq;
	bool more;

	spin_lock_bh(&sq->lock);
	more = nopin_sq_is_dead(qp) && nopin_sq_flush(qp) &&
	       (s32)(end - sq->queue.index) > 0;
	spin_unlock_bh(&sq->lock);
	return more;
}

static bool nopin_flush_recvs(struct nopin_qp *qp, u32 end)
{
	struct nopin_rq *rq = &qp->rq;
	bool more;

	spin_lock_bh(&rq->lock);
	more = qp->state == IB_QPS_ERR && nopin_rq_flush(qp) &&
	       (s32)(end - rq->queue.index) > 0;
	spin_unlock_bh(&rq->lock);
	return more;
}

/**
 * nopin_flush_all - end all requests that have been posted by now
 * @qp: the QP of a program, in the error state
 *
 * Whoever asked for that state, or ends it, need not wait for the tasks.
 *
 * Context: process, no lock of either half held.
 */
void nopin_flush_all(struct nopin_qp *qp)
{
	u32 sends = nopin_queue_producer(&qp->sq.queue);
	u32 recvs = nopin_rq_has_ring(&qp->rq) ? nopin_queue_producer(&qp->rq.queue) : 0;
	bool more;

	do {
		more = nopin_flush_sends(qp, sends);
		more |= nopin_flush_recvs(qp, recvs);
		cond_resched();
	} while (more);
}
