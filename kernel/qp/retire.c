// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The end of work requests: completions and flushes. */
#include "qp/qp.h"
#include "qp/srq.h"
#include "queue/cq.h"

/* Requests flushed in one go with BH off, which takes far less than a millisecond. */
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
 * @status: its status; an error makes a completion even when the request is not signaled
 *
 * Context: sq.lock held.
 */
void nopin_sq_complete(struct nopin_qp *qp, enum ib_wc_status status)
{
	struct nopin_sq *sq = &qp->sq;
	const struct nopin_swqe *wqe = nopin_sq_wqe(sq, sq->queue.index);

	lockdep_assert_held(&sq->lock);
	/* First the room: a program that sees the completion may reuse it at once. */
	nopin_queue_consume(&sq->queue, 1);
	if (status != IB_WC_SUCCESS || qp->sq_sig_all ||
	    wqe->flags & NOPIN_SEND_SIGNALED)
		nopin_sq_tell(qp, wqe->wr_id, wqe->request->completion, wqe->length,
			      status);
}

/* Flush a request that was not taken: only wr_id and opcode are read. */
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
 * nopin_sq_flush - end a batch of send requests with IB_WC_WR_FLUSH_ERR
 * @qp: the QP, in the ERR or SQE state
 *
 * The batch is limited, so a program that never stops posting does not keep the caller
 * here; a request posted meanwhile has a doorbell of its own. In the ERR state nothing is
 * flushed while an engine copies: nopin_qp_modify() waits for the copy, then flushes. In
 * the SQE state an engine copies for the responder only.
 *
 * Context: sq.lock held, BH off.
 * Return: true when there are more, for a later call.
 */
bool nopin_sq_flush(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	int n;

	lockdep_assert_held(&sq->lock);
	if (qp->state == IB_QPS_ERR && atomic_read(&qp->copies))
		return false;
	while (sq->queue.index != sq->taken) /* those in flight */
		nopin_sq_complete(qp, IB_WC_WR_FLUSH_ERR);
	n = min(nopin_queue_pending(&sq->queue), NOPIN_FLUSH_MOST);
	while (n-- > 0)
		nopin_sq_flush_waiting(qp);
	sq->next = sq->taken;
	return nopin_queue_pending(&sq->queue) > 0;
}

/* An XRC target has no CQ for receives; the SRQ has one. */
static struct nopin_cq *nopin_rq_cq(const struct nopin_qp *qp)
{
	return to_nopin_cq(qp->ibqp.recv_cq ?: qp->rq.srq->ibsrq.ext.cq);
}

/**
 * nopin_rq_complete - complete the receive that the responder has taken
 * @qp: the QP
 * @cqe: the completion; wr_id and qp_num are filled in here
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

/* Flush receives of the QP's own ring. True: there are more, for a later call. */
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

/* Tell the owner that the QP takes no more receives from its SRQ (IBTA 10.3.1.5). */
static void nopin_rq_end(struct nopin_qp *qp)
{
	if (qp->rq.ended)
		return;
	qp->rq.ended = true;
	nopin_qp_event(qp, IB_EVENT_QP_LAST_WQE_REACHED);
}

/**
 * nopin_rq_flush - end a batch of receives with IB_WC_WR_FLUSH_ERR
 * @qp: the QP, in the error state; NOPIN_RING_NEED_DOORBELL is set in its ring
 *
 * Receives in an SRQ stay there, but for the one that the QP has taken.
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
 * nopin_flush_all - flush all requests that have been posted by now
 * @qp: a QP with rings, in the error state
 *
 * When nopin_qp_modify() enters or leaves the error state, these requests have completed
 * before it returns; the program need not wait for the tasks.
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
