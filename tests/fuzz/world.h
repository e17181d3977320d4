/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The objects that an input acts on: one QP of one service, its regions, and foreign
 * regions.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <rdma/ib_verbs.h>

#include "mem/region.h"
#include "mem/window.h"
#include "qp/qp.h"
#include "qp/srq.h"
#include "qp/xrc.h"
#include "queue/cq.h"

#define QPN_OF_PEER	7
#define QKEY		0x11223344
#define DIRECT_BYTES	5000
#define RING		8

/*
 * The contents of memory that no peer may access, that only the program may access, and
 * that may only be read.
 */
#define SECRET		0x5e
#define LOCAL		0x5d
#define READ_ONLY	0x3c

enum region_kind {
	OPEN,		/* mirrored, all rights */
	OPEN_DIRECT,	/* pages are never missing */
	ONLY_READ,	/* read-only for peers and the program */
	ONLY_LOCAL,	/* no remote rights */
	FOREIGN,	/* a region of another PD */
	REGIONS
};

/* IB_ACCESS_* flags of each region. */
extern const int region_access[REGIONS];

extern struct world {
	struct nopin_dev *dev;
	struct net_device *ndev;
	struct ib_pd pd, other_pd;
	struct nopin_cq *scq, *rcq;
	struct nopin_srq *srq;
	struct nopin_xrcd xrcd;
	struct nopin_qp *qp;
	const struct nopin_service *service;
	enum ib_qp_type type;
	struct nopin_region *region[REGIONS];
	struct nopin_window window[2];
	u8 *bytes[REGIONS];
	size_t len[REGIONS];
	u32 receives;
	u32 received;
} w;

void world_make(u8 how, u8 connection);
void world_end(void);
void qp_connect(u8 how);
void region_make(enum region_kind kind);
void region_end(enum region_kind kind);

#endif /* FUZZ_WORLD_H */
