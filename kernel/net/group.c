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

static int nopin_group_join_ipv4(struct net_device *ndev, __be32 group)
{
	struct in_device *in_dev = __in_dev_get_rtnl(ndev);

	if (!in_dev)
		return -ENODEV;
	ip_mc_inc_group(in_dev, group);
	return 0;
}

static void nopin_group_leave_ipv4(struct net_device *ndev, __be32 group)
{
	struct in_device *in_dev = __in_dev_get_rtnl(ndev);

	if (in_dev)
		ip_mc_dec_group(in_dev, group);
}

#if IS_ENABLED(CONFIG_IPV6)
static int nopin_group_join_ipv6(struct net_device *ndev, const struct in6_addr *group)
{
	return ipv6_dev_mc_inc(ndev, group);
}

static void nopin_group_leave_ipv6(struct net_device *ndev, const struct in6_addr *group)
{
	ipv6_dev_mc_dec(ndev, group);
}
#else
static int nopin_group_join_ipv6(struct net_device *ndev, const struct in6_addr *group)
{
	return -EAFNOSUPPORT;
}

static void nopin_group_leave_ipv6(struct net_device *ndev, const struct in6_addr *group)
{
}
#endif

/**
 * nopin_group_join - receive packets to a group
 * @ndev: the interface that they are to arrive on
 * @group: its address, IPv4 as a mapped address
 *
 * Return: 0, to be undone by nopin_group_leave(), or -errno.
 * Context: process, may sleep.
 */
int nopin_group_join(struct net_device *ndev, const struct in6_addr *group)
{
	int err;

	rtnl_lock();
	err = ipv6_addr_v4mapped(group) ?
	      nopin_group_join_ipv4(ndev, group->s6_addr32[3]) :
	      nopin_group_join_ipv6(ndev, group);
	rtnl_unlock();
	return err;
}

/**
 * nopin_group_leave - undo one nopin_group_join()
 * @ndev: the interface, which may be going away
 * @group: the group
 *
 * Context: process, may sleep.
 */
void nopin_group_leave(struct net_device *ndev, const struct in6_addr *group)
{
	rtnl_lock();
	if (ipv6_addr_v4mapped(group))
		nopin_group_leave_ipv4(ndev, group->s6_addr32[3]);
	else
		nopin_group_leave_ipv6(ndev, group);
	rtnl_unlock();
}
