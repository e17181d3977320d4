// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Local requests are carried out here, without the peer: they change what a key stands
 * for (IBTA 10.6.5, 10.6.7). Requests behind one see the change. Requests before LOCAL_INV
 * have completed. Requests before another may still be under way; if it has a fence, READs
 * and atomics are not.
 */
#include "mem/region.h"
#include "mem/window.h"
#include "transport/local.h"

static int nopin_local_bind(const struct nopin_qp *qp, const struct nopin_swqe *wqe)
{
	struct nopin_binding binding = {
		.rkey = wqe->rkey,
		.lkey = wqe->bind_lkey,
		.access = wqe->bind_access,
		.qp = qp->id,
		.addr = wqe->remote_addr,
		.length = wqe->bind_length,
	};

	return nopin_window_bind(qp->ibqp.pd, &binding);
}

/**
 * nopin_local_carry_out - carry out a local request
 * @qp: the QP
 * @wqe: the request, which is the next one
 *
 * Context: sq.lock held, BH off, nothing held in sq.hold.
 * Return: IB_WC_SUCCESS, or the status that it fails with.
 */
enum ib_wc_status nopin_local_carry_out(struct nopin_qp *qp, const struct nopin_swqe *wqe)
{
	int err;

	switch (wqe->request->operation) {
	case NOPIN_LOCAL_INV:
		err = nopin_key_invalidate(qp->ibqp.pd, wqe->rkey, 0);
		break;
	case NOPIN_BIND_MW:
		err = nopin_local_bind(qp, wqe);
		break;
	case NOPIN_REG_MR:
		err = nopin_listed_bind(qp->ibqp.pd, wqe->rkey,
					(void *)(uintptr_t)wqe->compare_add);
		break;
	default:
		return IB_WC_LOC_QP_OP_ERR;
	}
	return err ? IB_WC_MW_BIND_ERR : IB_WC_SUCCESS;
}
