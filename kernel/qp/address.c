// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <linux/netdevice.h>
#include <net/ip.h>
#include <rdma/ib_cache.h>

#include "net/net.h"
#include "qp/address.h"

/**
 * nopin_address_check - can packets be sent to this address?
 * @attr: resolved by the core: RoCE, with a GRH and a source GID
 *
 * Connections have one peer, and so have the datagrams of QP 1: there is no multicast.
 *
 * Context: any.
 * Return: 0; -EINVAL when it is not the RoCEv2 address of one peer, or not one that the
 *	source can reach; -ENODEV when the network device of the source is gone.
 */
int nopin_address_check(const struct rdma_ah_attr *attr)
{
	const struct ib_global_route *grh = rdma_ah_read_grh(attr);
	const struct in6_addr *saddr, *daddr;
	struct net_device *ndev;
	int err = 0;

	if (attr->type != RDMA_AH_ATTR_TYPE_ROCE || !grh->sgid_attr)
		return -EINVAL;
	if (grh->sgid_attr->gid_type != IB_GID_TYPE_ROCE_UDP_ENCAP)
		return -EINVAL;

	saddr = (const void *)grh->sgid_attr->gid.raw;
	daddr = (const void *)grh->dgid.raw;
	if (!nopin_net_are_alike(saddr, daddr))
		return -EINVAL;

	rcu_read_lock();
	ndev = rdma_read_gid_attr_ndev_rcu(grh->sgid_attr);
	if (IS_ERR(ndev))
		err = -ENODEV;
	else if (!nopin_net_is_one(ndev, daddr))
		err = -EINVAL;
	rcu_read_unlock();
	return err;
}

/**
 * nopin_address_route - point a route at an address
 * @route: initialised; no packet is sent through it during the call
 * @net: the device's namespace
 * @attr: passed nopin_address_check()
 * @local_qpn: ours
 * @remote_qpn: the peer's; both spread flows over UDP source ports
 *
 * Context: any; BH off where another context could send.
 * Return: 0, or -ENODEV when the network device of the source GID is gone, or in
 *	another namespace: that of a macvlan, say, which may end before the device does.
 */
int nopin_address_route(struct nopin_route *route, struct net *net,
			const struct rdma_ah_attr *attr, u32 local_qpn, u32 remote_qpn)
{
	const struct ib_global_route *grh = rdma_ah_read_grh(attr);
	struct net_device *ndev;

	rcu_read_lock();
	ndev = rdma_read_gid_attr_ndev_rcu(grh->sgid_attr);
	if (IS_ERR(ndev) || !net_eq(dev_net(ndev), net)) {
		rcu_read_unlock();
		return -ENODEV;
	}
	route->net = net;
	route->oif = ndev->ifindex;
	memcpy(&route->saddr, grh->sgid_attr->gid.raw, sizeof(route->saddr));
	memcpy(&route->daddr, grh->dgid.raw, sizeof(route->daddr));
	route->local = nopin_net_is_own(ndev, &route->daddr);
	rcu_read_unlock();

	route->sport = htons(rdma_get_udp_sport(grh->flow_label, local_qpn, remote_qpn));
	route->tclass = grh->traffic_class;
	route->hop_limit = grh->hop_limit ?: IPDEFTTL;
	route->flow_label = grh->flow_label & 0xfffff;
	nopin_route_reset(route);
	return 0;
}

/**
 * nopin_address_is_own - does an address belong to the device itself?
 * @ibdev: the device
 * @attr: the address
 *
 * Context: any.
 * Return: true when its GID is one of the device's.
 */
bool nopin_address_is_own(struct ib_device *ibdev, const struct rdma_ah_attr *attr)
{
	const struct ib_gid_attr *gid_attr;

	gid_attr = rdma_find_gid_by_port(ibdev, &rdma_ah_read_grh(attr)->dgid,
					 IB_GID_TYPE_ROCE_UDP_ENCAP, 1, NULL);
	if (IS_ERR(gid_attr))
		return false;
	rdma_put_gid_attr(gid_attr);
	return true;
}
