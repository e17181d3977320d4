/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Address handles and address vectors, and the routes made of them. */
#ifndef NOPIN_ADDRESS_H
#define NOPIN_ADDRESS_H

#include <rdma/ib_verbs.h>

#include "net/net.h"

struct nopin_dev;
struct nopin_owner;

/**
 * struct nopin_av - an address vector: where datagrams can go
 * @pd: protection domain whose QPs may use it
 * @index: the number by which work requests name it
 * @route: how packets get there; used with BH off
 * @rcu: lookups are lock-free
 */
struct nopin_av {
	struct ib_pd *pd;
	u32 index;
	struct nopin_route route;
	struct rcu_head rcu;
};

/**
 * struct nopin_ah - an address handle
 * @ibah: first
 * @attr: the address
 * @av: its address vector; a kernel user's handle gets one with its first datagram from
 *	a QP other than QP 1, which needs none
 * @owner: who pays for @av, of a program's handle
 */
struct nopin_ah {
	struct ib_ah ibah;
	struct rdma_ah_attr attr;
	struct nopin_av *av;
	struct nopin_owner *owner;
};

static inline struct nopin_ah *to_nopin_ah(struct ib_ah *ibah)
{
	return container_of(ibah, struct nopin_ah, ibah);
}

int nopin_address_check(const struct rdma_ah_attr *attr, bool datagrams);
int nopin_address_route(struct nopin_route *route, struct net *net,
			const struct rdma_ah_attr *attr, u32 local_qpn, u32 remote_qpn);

struct nopin_av *nopin_av_create(struct ib_pd *pd, const struct rdma_ah_attr *attr,
				 gfp_t gfp);
void nopin_av_destroy(struct nopin_av *av);
struct nopin_av *nopin_ah_av(struct nopin_ah *ah);
struct nopin_av *nopin_av_find(struct nopin_dev *dev, u32 index);

bool nopin_address_admits_to_group(struct nopin_dev *dev, const struct sk_buff *skb);
bool nopin_address_admits(struct nopin_dev *dev, const struct sk_buff *skb);
bool nopin_address_is_own(struct ib_device *ibdev, const struct rdma_ah_attr *attr);

#endif /* NOPIN_ADDRESS_H */
