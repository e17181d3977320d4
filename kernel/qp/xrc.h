/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Extended reliable connections (IBTA A14): the peer of a target names the SRQ. */
#ifndef NOPIN_XRC_H
#define NOPIN_XRC_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>

struct nopin_owner;
struct nopin_pkt;
struct nopin_qp;
struct nopin_srq;

/**
 * struct nopin_xrcd - an XRC domain: messages to its targets may name any of its SRQs
 * @ibxrcd: first
 * @owner: who pays for it, and for its targets
 * @lock: protects @targets
 * @targets: list of QPs, linked by rq.target
 * @srqs: number of an SRQ of the domain -> struct nopin_srq
 */
struct nopin_xrcd {
	struct ib_xrcd ibxrcd;
	struct nopin_owner *owner;
	struct mutex lock;	/* protects targets */
	struct list_head targets;
	struct xarray srqs;
};

static inline struct nopin_xrcd *to_nopin_xrcd(struct ib_xrcd *ibxrcd)
{
	return container_of(ibxrcd, struct nopin_xrcd, ibxrcd);
}

void nopin_xrc_enrol(struct nopin_qp *qp, struct nopin_xrcd *xrcd);
void nopin_xrc_resign(struct nopin_qp *qp);
int nopin_xrc_publish(struct nopin_srq *srq);
void nopin_xrc_withdraw(struct nopin_srq *srq);

bool nopin_xrc_choose(struct nopin_qp *qp, u32 srqn);
struct ib_pd *nopin_xrc_keys(const struct nopin_qp *qp, const struct nopin_pkt *pkt);

#endif /* NOPIN_XRC_H */
