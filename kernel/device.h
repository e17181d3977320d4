/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* One nopin device, as the code of every folder above the mirror sees it. */
#ifndef NOPIN_DEVICE_H
#define NOPIN_DEVICE_H

#include <linux/netdevice.h>
#include <linux/rwsem.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>

#include "mirror/mirror.h"
#include "stats.h"

struct nopin_qp_handle;
struct nopin_store;

/*
 * Limits, reported by query_device and enforced where objects are made. Each bounds
 * what one call can make the kernel allocate, or what one user can have while the
 * device has no other users (verbs/share.c).
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
#define NOPIN_MAX_MEMORY	BIT_ULL(40)	/* bytes of the device's own memory */
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

/* Kinds of objects whose number is limited for each device (verbs/share.c). */
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

/* How memory is treated that is registered without IB_ACCESS_ON_DEMAND. */
enum nopin_pin {
	NOPIN_PIN_ORDINARY,	/* pinned, as by any other device */
	NOPIN_PIN_NEVER,	/* mirrored, as if on-demand had been asked for */
};

/* What copies payload. */
enum nopin_copying {
	NOPIN_COPY_CPU,
	NOPIN_COPY_DMA,		/* a DMA engine makes the copies that are large enough */
	NOPIN_COPY_AUTO,	/* as NOPIN_COPY_DMA, but only while the engine is idle */
};

/**
 * struct nopin_dev - a device
 * @ibdev: first
 * @stats: its counters
 * @keys: index of a key -> struct nopin_key
 * @key_next: cyclic allocation in @keys, under its xa_lock
 * @avs: address handles for datagrams: index -> struct nopin_av
 * @av_next: cyclic allocation in @avs, under its xa_lock
 * @xrc_srqns: numbers of XRC SRQs; nopin_xrcd.srqs has the SRQs themselves
 * @xrc_srqn_next: cyclic allocation in @xrc_srqns, under its xa_lock
 * @gsi: the QP with number 1, or NULL
 * @dma_parms: DMA limits for exporters that map a dma-buf for the device: none
 * @ndev: the network device below it; held until the device is freed
 * @ndev_tracker: tracks the reference to @ndev
 * @net: namespace of @ndev when the device was made; the device uses its sockets and
 *	routes. Valid until the device is freed: the end of the namespace waits for that.
 * @pin: how regions without on-demand paging are made from now on
 * @copying: what copies payload
 * @engine: the device has a reference to the DMA engine; under @copy_mutex
 * @copy_mutex: one change of @copying at a time
 * @store: memory of its own, to which pages move; NULL: none
 * @store_sem: held for reading while @store is used
 * @leave: ends what verbs wait for when the device goes
 * @active: the port's state as last reported; under RTNL
 * @owners: uid -> struct nopin_owner; its lock also protects the owners' counts
 * @objects: number of objects of each kind, under the lock of @owners
 */
struct nopin_dev {
	struct ib_device ibdev;
	struct nopin_stats stats;
	struct xarray keys;
	u32 key_next;
	struct xarray avs;
	u32 av_next;
	struct xarray xrc_srqns;
	u32 xrc_srqn_next;
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
	struct nopin_stop leave;
	bool active;
	struct xarray owners;
	int objects[NOPIN_KINDS];
};

static inline struct nopin_dev *to_nopin_dev(struct ib_device *ibdev)
{
	return container_of(ibdev, struct nopin_dev, ibdev);
}

#endif /* NOPIN_DEVICE_H */
