// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The end of work requests: completions and flushes. */
#include "qp/qp.h"
#include "queue/cq.h"

static void nopin_swqe_tell(struct nopin_qp *qp, const struct nopin_swqe *wqe,
			    enum ib_wc_status status)
{
	struct nopin_cqe cqe = {
		.wr_id = wqe->wr_id,
		.status = status,
		.opcode = wqe->request->completion,
		.qp_num = qp->ibqp.qp_num,
		.byte_len = wqe->length,
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
		nopin_swqe_tell(qp, wqe, status);
}

/**
 * nopin_sq_flush - end every request with IB_WC_WR_FLUSH_ERR
 * @qp: the QP, in the error state
 *
 * Those posted meanwhile have a doorbell of their own. A program that never stops
 * posting keeps nobody here.
 *
 * Context: sq.lock held.
 */
void nopin_sq_flush(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	int n;

	while (sq->queue.index != sq->taken)
		nopin_sq_complete(qp, IB_WC_WR_FLUSH_ERR);

	for (n = nopin_queue_pending(&sq->queue); n > 0; n--) {
		struct nopin_swqe *wqe = nopin_sq_wqe(sq, sq->taken++);

		nopin_swqe_take(wqe, nopin_queue_entry(&sq->queue, 0), &qp->cap);
		nopin_sq_complete(qp, IB_WC_WR_FLUSH_ERR);
	}
	sq->next = sq->taken;
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
	nopin_cq_post(to_nopin_cq(qp->ibqp.recv_cq), cqe, &qp->ibqp,
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

/**
 * nopin_rq_flush - end every receive with IB_WC_WR_FLUSH_ERR
 * @qp: the QP, in the error state; its ring asks for doorbells
 *
 * Context: rq.lock held.
 */
void nopin_rq_flush(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;
	int n;

	if (rq->recv_taken)
		nopin_rq_flush_taken(qp);
	for (n = nopin_queue_pending(&rq->queue); n > 0; n--) {
		nopin_rwqe_take(rq->recv, nopin_queue_entry(&rq->queue, 0), &qp->cap);
		nopin_queue_consume(&rq->queue, 1);
		nopin_rq_flush_taken(qp);
	}
}
