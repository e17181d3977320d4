/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Address handles and vectors, as routes. */
#ifndef NOPIN_ADDRESS_H
#define NOPIN_ADDRESS_H

#include <rdma/ib_verbs.h>

struct nopin_route;

/* An address handle; only the kernel's GSI users make them. */
struct nopin_ah {
	struct ib_ah ibah;
	struct rdma_ah_attr attr;
};

static inline struct nopin_ah *to_nopin_ah(struct ib_ah *ibah)
{
	return container_of(ibah, struct nopin_ah, ibah);
}

int nopin_address_check(const struct rdma_ah_attr *attr);
int nopin_address_route(struct nopin_route *route, struct net *net,
			const struct rdma_ah_attr *attr, u32 local_qpn, u32 remote_qpn);

bool nopin_address_is_own(struct ib_device *ibdev, const struct rdma_ah_attr *attr);

#endif /* NOPIN_ADDRESS_H */
