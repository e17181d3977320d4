// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The tasklets in which a half of a QP goes on with what it could not do at once. */
#include "entry/task.h"
#include "transport/requester.h"

/**
 * nopin_sq_task - tasklet: go on with kept answers, and with sending
 * @task: sq.task
 *
 * Context: softirq.
 */
void nopin_sq_task(struct tasklet_struct *task)
{
	struct nopin_qp *qp = from_tasklet(qp, task, sq.task);

	spin_lock_bh(&qp->sq.lock);
	if (likely(!nopin_sq_is_dead(qp)))
		nopin_requester_resume(qp);
	else if (nopin_sq_flush(qp))
		tasklet_schedule(task);
	nopin_sq_unlock(qp);
}

/**
 * nopin_rq_task - tasklet: go on with responses and kept requests
 * @task: rq.task
 *
 * Context: softirq.
 */
void nopin_rq_task(struct tasklet_struct *task)
{
	struct nopin_qp *qp = from_tasklet(qp, task, rq.task);

	spin_lock_bh(&qp->rq.lock);
	if (likely(qp->state != IB_QPS_ERR))
		qp->service->resume(qp);
	else if (nopin_rq_flush(qp))
		tasklet_schedule(task);
	nopin_rq_unlock(qp);
}
