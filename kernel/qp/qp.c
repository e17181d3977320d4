// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Queue pairs: the table by which they are found, and their asynchronous events. */
#include <linux/slab.h>
#include <linux/xarray.h>

#include "device.h"
#include "qp/qp.h"
#include "wire/packet.h"

/*
 * One table for all devices and namespaces: a packet's QP is found by QPN, and then
 * checks that the packet came from its peer. QPN 0 and 1 are special, 0xffffff is
 * multicast.
 */
#define NOPIN_QPN_LIMIT	XA_LIMIT(2, 0xfffffe)

static DEFINE_XARRAY_ALLOC(nopin_qps);
static u32 nopin_qpn_next;

/**
 * nopin_qp_hold - use a QP by its handle
 * @handle: the handle, or NULL
 *
 * Context: an RCU read-side section, which keeps the handle from being freed.
 * Return: the QP with a reference, to be dropped by nopin_qp_put(), or NULL: it is ending.
 */
struct nopin_qp *nopin_qp_hold(struct nopin_qp_handle *handle)
{
	if (handle && refcount_inc_not_zero(&handle->ref))
		return handle->qp;
	return NULL;
}

/**
 * nopin_qp_lookup - find the QP that a packet is for
 * @qpn: 24 bits
 *
 * Context: any.
 * Return: the QP with a reference, to be dropped by nopin_qp_put(), or NULL.
 */
struct nopin_qp *nopin_qp_lookup(u32 qpn)
{
	struct nopin_qp *qp;

	rcu_read_lock();
	qp = nopin_qp_hold(xa_load(&nopin_qps, qpn));
	rcu_read_unlock();
	return qp;
}

/**
 * nopin_qp_lookup_gsi - find the QP 1 of a device
 * @dev: the device
 *
 * Context: any.
 * Return: the QP with a reference, to be dropped by nopin_qp_put(), or NULL.
 */
struct nopin_qp *nopin_qp_lookup_gsi(struct nopin_dev *dev)
{
	struct nopin_qp *qp;

	rcu_read_lock();
	qp = nopin_qp_hold(rcu_dereference(dev->gsi));
	rcu_read_unlock();
	return qp;
}

/**
 * nopin_qp_put - drop the reference that a lookup took
 * @qp: the QP; not to be touched afterwards
 *
 * Context: any.
 */
void nopin_qp_put(struct nopin_qp *qp)
{
	if (refcount_dec_and_test(&qp->handle->ref))
		complete(&qp->unused);
}

/**
 * nopin_qp_event - tell the QP's owner of an asynchronous event
 * @qp: the QP
 * @event: IB_EVENT_*
 *
 * Context: any.
 */
void nopin_qp_event(struct nopin_qp *qp, enum ib_event_type event)
{
	struct ib_event ev = {
		.device = qp->ibqp.device,
		.element.qp = &qp->ibqp,
		.event = event,
	};

	if (qp->ibqp.event_handler)
		qp->ibqp.event_handler(&ev, qp->ibqp.qp_context);
}

static int nopin_qp_publish_gsi(struct nopin_qp *qp)
{
	struct nopin_dev *dev = qp->dev;

	if (cmpxchg((struct nopin_qp_handle __force **)&dev->gsi, NULL, qp->handle))
		return -EBUSY;
	qp->ibqp.qp_num = NOPIN_GSI_QPN;
	return 0;
}

/**
 * nopin_qp_publish - give a QP its number, and let lookups find it
 * @qp: the QP, complete but for its number
 *
 * The entry is reserved first and stored last, so that lookups never find a QP without
 * its number.
 *
 * Context: process.
 * Return: 0, -EBUSY for a second GSI QP, or -ENOMEM.
 */
int nopin_qp_publish(struct nopin_qp *qp)
{
	u32 qpn;
	int err;

	if (!qp->service->rings)
		return nopin_qp_publish_gsi(qp);

	err = xa_alloc_cyclic(&nopin_qps, &qpn, NULL, NOPIN_QPN_LIMIT,
			      &nopin_qpn_next, GFP_KERNEL);
	if (err < 0)
		return err;
	qp->ibqp.qp_num = qpn;
	xa_store(&nopin_qps, qpn, qp->handle, GFP_KERNEL);
	return 0;
}

/**
 * nopin_qp_unpublish - hide a QP from lookups, and wait until no reference is left
 * @qp: the QP
 *
 * Context: process.
 */
void nopin_qp_unpublish(struct nopin_qp *qp)
{
	if (qp->service->rings)
		xa_erase(&nopin_qps, qp->ibqp.qp_num);
	else
		RCU_INIT_POINTER(qp->dev->gsi, NULL);
	nopin_qp_put(qp);
	wait_for_completion(&qp->unused);
	kfree_rcu(qp->handle, rcu);
}

/**
 * nopin_qp_table_exit - check that no QP is left
 *
 * Context: module exit.
 */
void nopin_qp_table_exit(void)
{
	WARN_ON(!xa_empty(&nopin_qps));
	xa_destroy(&nopin_qps);
}
