/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Memory windows: keys to a part of a region, for peers (IBTA 10.6.6.2). */
#ifndef NOPIN_WINDOW_H
#define NOPIN_WINDOW_H

#include <rdma/ib_verbs.h>

#include "mem/key.h"

struct nopin_owner;

/*
 * Rights that a window may give, and IB_ZERO_BASED: its addresses begin with 0. Programs
 * ask for IB_ACCESS_LOCAL_WRITE as well, as for regions; it has no effect on a window.
 */
#define NOPIN_WINDOW_ACCESS						\
	(IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ |		\
	 IB_ACCESS_REMOTE_ATOMIC | IB_ACCESS_LOCAL_WRITE | IB_ZERO_BASED)

/**
 * struct nopin_window - a memory window
 * @ibmw: first
 * @owner: user against whose share it counts
 * @key: stands for nothing until the window is bound
 */
struct nopin_window {
	struct ib_mw ibmw;
	struct nopin_owner *owner;
	struct nopin_key *key;
};

/**
 * struct nopin_binding - what a work request asks of a window
 * @rkey: the window's key from now on
 * @lkey: of the region
 * @access: IB_ACCESS_*
 * @qp: nopin_qp.id of the QP that the request was posted to
 * @addr: first byte, an iova of the region's key
 * @length: bytes; 0: the window is bound to nothing
 */
struct nopin_binding {
	u32 rkey;
	u32 lkey;
	int access;
	u64 qp;
	u64 addr;
	u64 length;
};

static inline struct nopin_window *to_nopin_window(struct ib_mw *ibmw)
{
	return container_of(ibmw, struct nopin_window, ibmw);
}

int nopin_window_create(struct nopin_window *window);
void nopin_window_destroy(struct nopin_window *window);
int nopin_window_bind(struct ib_pd *pd, const struct nopin_binding *binding);

#endif /* NOPIN_WINDOW_H */
