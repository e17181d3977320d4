// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Extended reliable connections (IBTA A14). A target has no receives and no protection
 * domain of its own. Each message names an SRQ of the target's XRC domain, and uses the
 * receives and the protection domain of that SRQ.
 *
 * A target finds only the SRQs of its own domain, uses them only under its rq.lock, and may
 * keep rq.srq from one packet of a message to the next. So nopin_xrc_withdraw() visits all
 * targets of the SRQ's domain:
 *
 *	a packet			nopin_xrc_withdraw()
 *	rq.lock				the number is erased
 *	  finds the SRQ by number
 *	  rq.srq = SRQ
 *	unlock
 *					rq.lock
 *					  rq.srq is the SRQ: set to NULL
 *					unlock
 *	rq.lock
 *	  amid a message, but rq.srq
 *	  is NULL: the packet is refused
 */
#include "device.h"
#include "qp/qp.h"
#include "qp/srq.h"
#include "qp/xrc.h"
#include "wire/packet.h"

#define NOPIN_SRQN_LIMIT	XA_LIMIT(1, NOPIN_PSN_MASK)

/**
 * nopin_xrc_enrol - add a new target to its XRC domain
 * @qp: the QP, in the RESET state
 * @xrcd: the domain
 *
 * Context: process.
 */
void nopin_xrc_enrol(struct nopin_qp *qp, struct nopin_xrcd *xrcd)
{
	mutex_lock(&xrcd->lock);
	qp->rq.xrcd = xrcd;
	list_add(&qp->rq.target, &xrcd->targets);
	mutex_unlock(&xrcd->lock);
}

/**
 * nopin_xrc_resign - remove a target from its XRC domain
 * @qp: the QP, in the RESET state
 *
 * Context: process.
 */
void nopin_xrc_resign(struct nopin_qp *qp)
{
	struct nopin_xrcd *xrcd = qp->rq.xrcd;

	mutex_lock(&xrcd->lock);
	list_del(&qp->rq.target);
	mutex_unlock(&xrcd->lock);
}

/**
 * nopin_xrc_publish - give an SRQ its number, and let targets find it
 * @srq: an XRC SRQ, complete but for its number
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int nopin_xrc_publish(struct nopin_srq *srq)
{
	struct nopin_xrcd *xrcd = to_nopin_xrcd(srq->ibsrq.ext.xrc.xrcd);
	struct nopin_dev *dev = to_nopin_dev(srq->ibsrq.device);
	int err = xa_alloc_cyclic(&dev->xrc_srqns, &srq->num, NULL, NOPIN_SRQN_LIMIT,
				  &dev->xrc_srqn_next, GFP_KERNEL_ACCOUNT);

	if (err < 0)
		return err;
	err = xa_err(xa_store(&xrcd->srqs, srq->num, srq, GFP_KERNEL_ACCOUNT));
	if (err)
		xa_erase(&dev->xrc_srqns, srq->num);
	return err;
}

static void nopin_xrc_forget(struct nopin_qp *qp, struct nopin_srq *srq)
{
	struct nopin_rq *rq = &qp->rq;

	spin_lock_bh(&rq->lock);
	if (rq->srq == srq) {
		rq->srq = NULL;
		rq->pd = NULL;
		rq->recv_taken = false;
	}
	if (rq->read.pd == srq->ibsrq.pd) /* the peer has to send the READ again */
		rq->read.active = false;
	spin_unlock_bh(&rq->lock);
}

/**
 * nopin_xrc_withdraw - make all targets stop using an SRQ
 * @srq: an XRC SRQ
 *
 * Context: process.
 */
void nopin_xrc_withdraw(struct nopin_srq *srq)
{
	struct nopin_xrcd *xrcd = to_nopin_xrcd(srq->ibsrq.ext.xrc.xrcd);
	struct nopin_qp *qp;

	xa_erase(&xrcd->srqs, srq->num);
	mutex_lock(&xrcd->lock);
	list_for_each_entry(qp, &xrcd->targets, rq.target)
		nopin_xrc_forget(qp, srq);
	mutex_unlock(&xrcd->lock);
	xa_erase(&to_nopin_dev(srq->ibsrq.device)->xrc_srqns, srq->num);
}

/* Find an SRQ of the target's domain, which stays valid while rq.lock is held. */
static struct nopin_srq *nopin_xrc_find(const struct nopin_qp *qp, u32 srqn)
{
	lockdep_assert_held(&qp->rq.lock);
	return xa_load(&qp->rq.xrcd->srqs, srqn);
}

/**
 * nopin_xrc_choose - set rq.srq to the SRQ that a packet names
 * @qp: a target
 * @srqn: number of the SRQ; the same in each packet of a message
 *
 * Context: rq.lock held.
 * Return: false: the domain has no such SRQ, or the message has named another before.
 */
bool nopin_xrc_choose(struct nopin_qp *qp, u32 srqn)
{
	struct nopin_rq *rq = &qp->rq;

	if (rq->in_message || rq->recv_taken)
		return rq->srq && rq->srq->num == srqn;
	rq->srq = nopin_xrc_find(qp, srqn);
	rq->pd = rq->srq ? rq->srq->ibsrq.pd : NULL;
	return rq->srq;
}

/**
 * nopin_xrc_keys - the protection domain of the key of a READ
 * @qp: the QP, of any service
 * @pkt: the READ, which may be a duplicate amid another message
 *
 * Context: rq.lock held.
 * Return: the protection domain, or NULL: the domain has no such SRQ.
 */
struct ib_pd *nopin_xrc_keys(const struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	struct nopin_srq *srq;

	if (qp->service->role != NOPIN_TARGET)
		return qp->ibqp.pd;
	srq = nopin_xrc_find(qp, pkt->srqn);
	return srq ? srq->ibsrq.pd : NULL;
}
