// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Multicast groups: an interface joins each group that a QP is attached to, by IGMP or
 * MLD. Switches and routers then forward packets to the group, and the stack delivers
 * them.
 */
#include <linux/igmp.h>
#include <linux/inetdevice.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>

#include "net/net.h"

/*
 * An interface loses its memberships with its in_device or inet6_dev, and may have a new one
 * by the time that a QP leaves, with memberships of others. So a join keeps a reference to
 * the one that it was made in.
 */
static int nopin_group_join_ipv4(struct net_device *ndev, __be32 group, void **joined)
{
	struct in_device *in_dev = __in_dev_get_rtnl(ndev);

	if (!in_dev)
		return -ENODEV;
	ip_mc_inc_group(in_dev, group);
	in_dev_hold(in_dev);
	*joined = in_dev;
	return 0;
}

static void nopin_group_leave_ipv4(struct net_device *ndev, __be32 group,
				   struct in_device *joined)
{
	if (__in_dev_get_rtnl(ndev) == joined)
		ip_mc_dec_group(joined, group);
	in_dev_put(joined);
}

#if IS_ENABLED(CONFIG_IPV6)
static int nopin_group_join_ipv6(struct net_device *ndev, const struct in6_addr *group,
				 void **joined)
{
	int err = ipv6_dev_mc_inc(ndev, group);

	if (!err)
		*joined = in6_dev_get(ndev);
	return err;
}

static void nopin_group_leave_ipv6(struct net_device *ndev, const struct in6_addr *group,
				   struct inet6_dev *joined)
{
	if (__in6_dev_get(ndev) == joined)
		ipv6_dev_mc_dec(ndev, group);
	in6_dev_put(joined);
}
#else
static int nopin_group_join_ipv6(struct net_device *ndev, const struct in6_addr *group,
				 void **joined)
{
	return -EAFNOSUPPORT;
}

static void nopin_group_leave_ipv6(struct net_device *ndev, const struct in6_addr *group,
				   struct inet6_dev *joined)
{
}
#endif

/**
 * nopin_group_join - receive packets to a group
 * @ndev: the interface that they are to arrive on
 * @group: its address, IPv4 as a mapped address
 * @joined: for nopin_group_leave()
 *
 * Return: 0, to be undone by nopin_group_leave(), or -errno.
 * Context: process, may sleep.
 */
int nopin_group_join(struct net_device *ndev, const struct in6_addr *group, void **joined)
{
	int err;

	rtnl_lock();
	err = ipv6_addr_v4mapped(group) ?
	      nopin_group_join_ipv4(ndev, group->s6_addr32[3], joined) :
	      nopin_group_join_ipv6(ndev, group, joined);
	rtnl_unlock();
	return err;
}

/**
 * nopin_group_leave - undo one nopin_group_join()
 * @ndev: the interface, which may be going away
 * @group: the group
 * @joined: of nopin_group_join()
 *
 * Context: process, may sleep.
 */
void nopin_group_leave(struct net_device *ndev, const struct in6_addr *group, void *joined)
{
	rtnl_lock();
	if (ipv6_addr_v4mapped(group))
		nopin_group_leave_ipv4(ndev, group->s6_addr32[3], joined);
	else
		nopin_group_leave_ipv6(ndev, group, joined);
	rtnl_unlock();
}
