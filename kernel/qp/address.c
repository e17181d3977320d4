// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <rdma/ib_cache.h>

#include "device.h"
#include "net/net.h"
#include "qp/address.h"

/**
 * nopin_address_check - can packets be sent to this address?
 * @attr: the address, resolved by the core: RoCE, with a GRH and a source GID
 * @datagrams: it is for a program's datagrams, so it may be a multicast group; else it must
 *	be that of one peer
 *
 * Context: any.
 * Return: 0; -EINVAL when it is not such an address of RoCEv2, or the source cannot reach
 *	it; -ENODEV when the network device of the source is gone.
 */
int nopin_address_check(const struct rdma_ah_attr *attr, bool datagrams)
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
	else if (!nopin_net_is_one(ndev, daddr) &&
		 !(datagrams && nopin_net_is_group(daddr)))
		err = -EINVAL;
	rcu_read_unlock();
	return err;
}

/**
 * nopin_address_route - point a route at an address
 * @route: initialised; no packet is sent through it during the call
 * @net: the device's namespace
 * @attr: the address; it has passed nopin_address_check()
 * @local_qpn: number of the QP
 * @remote_qpn: number of the peer's QP; both spread flows over UDP source ports
 *
 * Context: any; BH off where another context could send.
 * Return: 0, or -ENODEV when the network device of the source GID is gone, or is in
 *	another namespace. A macvlan may be, and that namespace may end before the device.
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
	route->group = nopin_net_is_group(&route->daddr);
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

/* Kernel users destroy address handles in any context, so interrupts have to be off. */
static int nopin_av_number(struct nopin_dev *dev, struct nopin_av *av, gfp_t gfp)
{
	unsigned long flags;
	int err;

	xa_lock_irqsave(&dev->avs, flags);
	err = __xa_alloc_cyclic(&dev->avs, &av->index, av, xa_limit_31b, &dev->av_next,
				gfp);
	xa_unlock_irqrestore(&dev->avs, flags);
	return err;
}

/**
 * nopin_av_create - make an address vector
 * @pd: protection domain whose QPs may send there
 * @attr: the address; it has passed nopin_address_check()
 * @gfp: for allocations
 *
 * Context: as @gfp says.
 * Return: the address vector, or ERR_PTR().
 */
struct nopin_av *nopin_av_create(struct ib_pd *pd, const struct rdma_ah_attr *attr,
				 gfp_t gfp)
{
	struct nopin_dev *dev = to_nopin_dev(pd->device);
	struct nopin_av *av;
	int err;

	av = kzalloc(sizeof(*av), gfp);
	if (!av)
		return ERR_PTR(-ENOMEM);
	av->pd = pd;
	err = nopin_route_init(&av->route, gfp);
	if (err)
		goto free_av;
	err = nopin_address_route(&av->route, dev->net, attr, 0, 0);
	if (err)
		goto destroy_route;
	/* Lookups find it from here on, though nobody else has been told its index. */
	err = nopin_av_number(dev, av, gfp);
	if (err < 0)
		goto destroy_route;
	return av;

destroy_route:
	nopin_route_destroy(&av->route);
free_av:
	kfree(av);
	return ERR_PTR(err);
}

static void nopin_av_free(struct rcu_head *rcu)
{
	struct nopin_av *av = container_of(rcu, struct nopin_av, rcu);

	nopin_route_destroy(&av->route);
	kfree(av);
}

/**
 * nopin_av_destroy - end an address vector
 * @av: the address vector; freed by RCU, when no QP sends by it any more
 *
 * Context: any.
 */
void nopin_av_destroy(struct nopin_av *av)
{
	struct nopin_dev *dev = to_nopin_dev(av->pd->device);
	unsigned long flags;

	xa_lock_irqsave(&dev->avs, flags);
	__xa_erase(&dev->avs, av->index);
	xa_unlock_irqrestore(&dev->avs, flags);
	call_rcu(&av->rcu, nopin_av_free);
}

/**
 * nopin_ah_av - the address vector of a kernel user's address handle
 * @ah: the handle
 *
 * The vector is made when it is first needed: most handles are ib_mad's, for one datagram
 * of QP 1 each, which needs none.
 *
 * Context: any.
 * Return: the address vector, or ERR_PTR().
 */
struct nopin_av *nopin_ah_av(struct nopin_ah *ah)
{
	struct nopin_av *av = READ_ONCE(ah->av), *other;

	if (av)
		return av;
	av = nopin_av_create(ah->ibah.pd, &ah->attr, GFP_ATOMIC);
	if (IS_ERR(av))
		return av;
	other = cmpxchg(&ah->av, NULL, av);
	if (!other)
		return av;
	nopin_av_destroy(av);
	return other;
}

/**
 * nopin_av_find - find an address vector
 * @dev: the device
 * @index: the number by which a work request names it
 *
 * Context: an RCU read-side section, as long as it is used.
 * Return: the address vector or NULL.
 */
struct nopin_av *nopin_av_find(struct nopin_dev *dev, u32 index)
{
	return xa_load(&dev->avs, index);
}

/**
 * nopin_address_admits - is a datagram for the device, and did it come the right way?
 * @dev: the device
 * @skb: the packet, as handed up
 *
 * Context: softirq, in an RCU read-side section.
 * Return: true when its destination is an address of the device, and it came by that
 *	address's interface (nopin_net_came_by()).
 */
bool nopin_address_admits(struct nopin_dev *dev, const struct sk_buff *skb)
{
	const struct ib_gid_attr *attr;
	const union ib_gid *gid;
	struct in6_addr saddr, daddr;
	struct net_device *ndev;
	bool admits;

	nopin_net_addresses(skb, &saddr, &daddr);
	gid = (const union ib_gid *)&daddr;
	/* A VLAN may have the same link-local address as the interface below it. */
	attr = rdma_find_gid_by_port(&dev->ibdev, gid, IB_GID_TYPE_ROCE_UDP_ENCAP, 1, skb->dev);
	if (IS_ERR(attr))
		attr = rdma_find_gid_by_port(&dev->ibdev, gid, IB_GID_TYPE_ROCE_UDP_ENCAP, 1,
					     NULL);
	if (IS_ERR(attr))
		return false;
	ndev = rdma_read_gid_attr_ndev_rcu(attr);
	admits = !IS_ERR(ndev) && nopin_net_is_one(ndev, &saddr) &&
		 nopin_net_came_by(dev->net, skb, ndev->ifindex,
				   nopin_net_is_own(ndev, &saddr));
	rdma_put_gid_attr(attr);
	return admits;
}

/**
 * nopin_address_admits_to_group - did a datagram to a group come to the device?
 * @dev: the device, whose interface is a member of the group
 * @skb: the packet, as handed up
 *
 * Context: softirq, in an RCU read-side section.
 * Return: true when it came by the device's interface (nopin_net_came_to_group()).
 */
bool nopin_address_admits_to_group(struct nopin_dev *dev, const struct sk_buff *skb)
{
	struct in6_addr saddr, daddr;

	nopin_net_addresses(skb, &saddr, &daddr);
	return nopin_net_is_one(dev->ndev, &saddr) &&
	       nopin_net_came_to_group(dev->net, skb, dev->ndev->ifindex,
				       nopin_net_is_own(dev->ndev, &saddr));
}
