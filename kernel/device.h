/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* One nopin device: what every room above the mirror knows of it. */
#ifndef NOPIN_DEVICE_H
#define NOPIN_DEVICE_H

#include <linux/netdevice.h>
#include <linux/rwsem.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>

#include "stats.h"

struct nopin_qp_handle;
struct nopin_store;

/*
 * Limits, reported by query_device and enforced where objects are made. Each is a
 * bound on what one call can make the kernel allocate, or on what one user can have
 * while there are no others (verbs/share.c).
 */
#define NOPIN_MAX_QP		131072
#define NOPIN_MAX_QP_WR		32768
#define NOPIN_MAX_SRQ		131072
#define NOPIN_MAX_SRQ_WR	32768
#define NOPIN_MAX_CQ		131072
#define NOPIN_MAX_CQE		4194304
#define NOPIN_MAX_MR		1048576
#define NOPIN_MAX_MW		1048576
#define NOPIN_MAX_DM		(64U << 20)	/* bytes of device memory */
#define NOPIN_MAX_MEMORY	BIT_ULL(40)	/* bytes that pages move to */
#define NOPIN_MAX_LISTED	512	/* pages of a kernel user's region */
#define NOPIN_MAX_PD		131072
#define NOPIN_MAX_AH		1048576
#define NOPIN_MAX_UCONTEXT	65536
#define NOPIN_MAX_XRCD		65536
#define NOPIN_MAX_MCAST		65536	/* QPs attached to groups */
#define NOPIN_MAX_MCAST_QP	256	/* of one group */
#define NOPIN_MAX_RD_ATOM	128	/* per QP, each direction */
#define NOPIN_MAX_MSG		0x80000000U	/* bytes */
#define NOPIN_GID_TABLE_LEN	1024

/* Objects that a device has room for so many of. */
enum nopin_kind {
	NOPIN_UCONTEXTS,
	NOPIN_PDS,
	NOPIN_CQS,
	NOPIN_QPS,
	NOPIN_SRQS,
	NOPIN_AHS,
	NOPIN_MRS,
	NOPIN_MWS,
	NOPIN_DM_PAGES,
	NOPIN_MCASTS,
	NOPIN_XRCDS,
	NOPIN_KINDS
};

/* What becomes of memory that is registered without IB_ACCESS_ON_DEMAND. */
enum nopin_pin {
	NOPIN_PIN_ORDINARY,	/* pinned, as by any other device */
	NOPIN_PIN_NEVER,	/* mirrored, as if on-demand had been asked for */
};

/* Who copies. */
enum nopin_copying {
	NOPIN_COPY_CPU,
	NOPIN_COPY_DMA,		/* a DMA engine, what is large enough */
	NOPIN_COPY_AUTO,	/* likewise while it has nothing else to do */
};

/**
 * struct nopin_dev - a device
 * @ibdev: first
 * @stats: what it counted
 * @keys: index of a key -> struct nopin_key
 * @key_next: cyclic allocation in @keys, under its xa_lock
 * @avs: address handles for datagrams: index -> struct nopin_av
 * @av_next: cyclic allocation in @avs, under its xa_lock
 * @xrc_srqs: number of an SRQ of XRC -> struct nopin_srq
 * @xrc_srq_next: cyclic allocation in @xrc_srqs, under its xa_lock
 * @gsi: QPN 1, or NULL
 * @dma_parms: no limits; of those who map a dma-buf for it
 * @ndev: its lower half; held until the device is freed
 * @ndev_tracker: of that hold
 * @net: where @ndev was when the device was made: whose socket and routes it
 *	uses. Valid until the device is freed, which the namespace's end waits for.
 * @pin: policy for regions to come
 * @copying: who copies
 * @engine: it has asked for an engine and got it; under @copy_mutex
 * @copy_mutex: one change of @copying at a time
 * @store: memory of its own, to which pages move; NULL: none
 * @store_sem: held for reading while @store is used
 * @active: the port's state as last reported; under RTNL
 * @owners: uid -> struct nopin_owner; its lock protects what users have, too
 * @objects: how many there are of each kind, under the lock of @owners
 */
struct nopin_dev {
	struct ib_device ibdev;
	struct nopin_stats stats;
	struct xarray keys;
	u32 key_next;
	struct xarray avs;
	u32 av_next;
	struct xarray xrc_srqs;
	u32 xrc_srq_next;
	struct nopin_qp_handle __rcu *gsi;
	struct device_dma_parameters dma_parms;
	struct net_device *ndev;
	netdevice_tracker ndev_tracker;
	struct net *net;
	enum nopin_pin pin;
	enum nopin_copying copying;
	bool engine;
	struct mutex copy_mutex; /* copying, engine */
	struct nopin_store *store;
	struct rw_semaphore store_sem; /* store */
	bool active;
	struct xarray owners;
	int objects[NOPIN_KINDS];
};

static inline struct nopin_dev *to_nopin_dev(struct ib_device *ibdev)
{
	return container_of(ibdev, struct nopin_dev, ibdev);
}

#endif /* NOPIN_DEVICE_H */
