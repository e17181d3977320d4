// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Where a packet came from: its addresses, and the interface that it came by.
 *
 * Linux takes a packet for any of its addresses by any interface. A NIC has only
 * what its own wire brings, and so has a QP here: a packet must come by the
 * interface that has the QP's address, or by lo from an address of this host. Where the
 * interface has accept_local, what such an address sends may come by it as well.
 */
#include <linux/if_macvlan.h>
#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/ip.h>

#include "net/private.h"

/**
 * nopin_net_addresses - who sent a received packet, and to whom
 * @skb: as handed up, or any with a network header
 * @saddr: receives the sender's address, IPv4 as a mapped address
 * @daddr: receives the receiver's
 *
 * Context: any.
 */
void nopin_net_addresses(const struct sk_buff *skb, struct in6_addr *saddr,
			 struct in6_addr *daddr)
{
	if (ip_hdr(skb)->version == 4) {
		ipv6_addr_set_v4mapped(ip_hdr(skb)->saddr, saddr);
		ipv6_addr_set_v4mapped(ip_hdr(skb)->daddr, daddr);
	} else {
		*saddr = ipv6_hdr(skb)->saddr;
		*daddr = ipv6_hdr(skb)->daddr;
	}
}

/**
 * nopin_net_ecn - what the network says of congestion
 * @skb: as handed up, or any with a network header
 *
 * Return: the ECN field of its IP header, INET_ECN_CE: it has met congestion.
 * Context: any.
 */
u8 nopin_net_ecn(const struct sk_buff *skb)
{
	u8 tclass = ip_hdr(skb)->version == 4 ? ip_hdr(skb)->tos :
						ipv6_get_dsfield(ipv6_hdr(skb));

	return tclass & INET_ECN_MASK;
}

/**
 * nopin_net_copy_grh - what stands where the GRH of a datagram would
 * @skb: as handed up, or any with a network header
 * @buffer: gets NOPIN_GRH_LEN bytes: an IPv6 header, or an IPv4 header at their end
 *	(IBTA A17.4.5.3)
 *
 * Context: any.
 */
void nopin_net_copy_grh(const struct sk_buff *skb, void *buffer)
{
	if (ip_hdr(skb)->version == 4) {
		memset(buffer, 0, NOPIN_GRH_LEN - sizeof(struct iphdr));
		memcpy(buffer + NOPIN_GRH_LEN - sizeof(struct iphdr), ip_hdr(skb),
		       sizeof(struct iphdr));
	} else {
		memcpy(buffer, ipv6_hdr(skb), sizeof(struct ipv6hdr));
	}
}

/**
 * nopin_net_is_own - is this one of the host's addresses?
 * @ndev: the interface that packets to it would leave by
 * @address: IPv4 as a mapped address
 *
 * Return: true when they do not leave the host.
 * Context: any.
 */
bool nopin_net_is_own(const struct net_device *ndev, const struct in6_addr *address)
{
	struct net *net = dev_net(ndev);

	if (ipv6_addr_v4mapped(address))
		return inet_addr_type_dev_table(net, ndev, address->s6_addr32[3]) ==
		       RTN_LOCAL;
	return IS_ENABLED(CONFIG_IPV6) && ipv6_chk_addr(net, address, ndev, 0);
}

static bool nopin_net_is_loopback(const struct in6_addr *address)
{
	if (ipv6_addr_v4mapped(address))
		return ipv4_is_loopback(address->s6_addr32[3]);
	return ipv6_addr_loopback(address);
}

/**
 * nopin_net_are_alike - can two addresses be those of a packet?
 * @saddr: the one, IPv4 as a mapped address
 * @daddr: the other
 *
 * What is of the loopback's net is reached from there only, and reaches nothing else.
 *
 * Return: true when they are of one family, and both of the loopback's net or neither.
 * Context: any.
 */
bool nopin_net_are_alike(const struct in6_addr *saddr, const struct in6_addr *daddr)
{
	return ipv6_addr_v4mapped(saddr) == ipv6_addr_v4mapped(daddr) &&
	       nopin_net_is_loopback(saddr) == nopin_net_is_loopback(daddr);
}

/**
 * nopin_net_is_one - can this be the address of one peer?
 * @ndev: the interface that packets to it would leave by
 * @address: IPv4 as a mapped address
 *
 * Which addresses are broadcasts of a subnet, the routes know.
 *
 * Return: false for a group, for all, and for none.
 * Context: any.
 */
bool nopin_net_is_one(const struct net_device *ndev, const struct in6_addr *address)
{
	unsigned int type;

	if (!ipv6_addr_v4mapped(address))
		return !ipv6_addr_any(address) && !ipv6_addr_is_multicast(address);
	type = inet_addr_type_dev_table(dev_net(ndev), ndev, address->s6_addr32[3]);
	return type != RTN_BROADCAST && type != RTN_MULTICAST;
}

/**
 * nopin_net_is_group - is this the address of a multicast group?
 * @address: IPv4 as a mapped address
 *
 * Return: true when it is.
 * Context: any.
 */
bool nopin_net_is_group(const struct in6_addr *address)
{
	if (ipv6_addr_v4mapped(address))
		return ipv4_is_multicast(address->s6_addr32[3]);
	return ipv6_addr_is_multicast(address);
}

/* The member of a VRF that a packet came by; 0: the VRF is not in the way. */
static int nopin_net_vrf_member(const struct sk_buff *skb)
{
	return ip_hdr(skb)->version == 4 ? inet_sdif(skb) : inet6_sdif(skb);
}

/* A packet that was on no wire: it came by lo, or within a VRF. */
static bool nopin_net_is_local(const struct sk_buff *skb)
{
	return skb->dev->flags & IFF_LOOPBACK ||
	       (netif_is_l3_master(skb->dev) && !nopin_net_vrf_member(skb));
}

/*
 * A macvlan is one more station on the wire of the interface below. Of the stations that
 * a host has on a wire each answers for the addresses of all (arp_ignore), so that what is
 * for the one may come by another.
 */
static const struct net_device *nopin_net_wire(const struct net_device *dev)
{
	return netif_is_macvlan(dev) ? macvlan_dev_real_dev(dev) : dev;
}

/*
 * A bond, a bridge or a VRF has all that its members receive: what came by a member
 * is seen as the master's, and came by both. The packets of a VLAN are not those of the
 * interface below: it is another wire.
 */
static noinline bool nopin_net_came_by_other(struct net *net, const struct sk_buff *skb,
					     int ifindex)
{
	int arrived = nopin_net_vrf_member(skb) ?: skb->dev->ifindex;
	const struct net_device *in = dev_get_by_index_rcu(net, arrived);
	struct net_device *dev = dev_get_by_index_rcu(net, ifindex);

	if (in && dev && nopin_net_wire(in) == nopin_net_wire(dev))
		return true;
	for (; dev; dev = netdev_master_upper_dev_get_rcu(dev))
		if (dev->ifindex == arrived)
			return true;
	return false;
}

/*
 * What claims to come from this host IPv4 takes from no wire, unless the interface is told
 * to: one end of the wire is the host's, too.
 */
static bool nopin_net_accepts_own(const struct sk_buff *skb)
{
	struct in_device *in_dev = __in_dev_get_rcu(skb->dev);

	return ip_hdr(skb)->version == 4 && in_dev && IN_DEV_ACCEPT_LOCAL(in_dev);
}

/**
 * nopin_net_came_by - did a packet come by the way that it should?
 * @net: the namespace
 * @skb: as handed up
 * @ifindex: the interface that has the address that it was sent to
 * @own: the sender's address is one of this host's
 *
 * IPv6 does not look whether what comes from a wire claims to come from this host.
 *
 * Return: true when it did.
 * Context: softirq, in an RCU read-side section.
 */
bool nopin_net_came_by(struct net *net, const struct sk_buff *skb, int ifindex, bool own)
{
	if (nopin_net_is_local(skb))
		return own;
	if (unlikely(own) && !nopin_net_accepts_own(skb))
		return false;
	return likely(skb->dev->ifindex == ifindex) ||
	       nopin_net_came_by_other(net, skb, ifindex);
}

/**
 * nopin_net_came_to_group - did a packet come to a group by the way that it should?
 * @net: the namespace
 * @skb: as handed up
 * @ifindex: the interface that is a member of the group
 * @own: the sender's address is one of this host's
 *
 * What this host sends to a group that it is a member of the stack hands back, as from
 * the interface that it leaves by.
 *
 * Return: true when it did.
 * Context: softirq, in an RCU read-side section.
 */
bool nopin_net_came_to_group(struct net *net, const struct sk_buff *skb, int ifindex,
			     bool own)
{
	bool looped = skb->pkt_type == PACKET_LOOPBACK;

	if (own != looped)
		return false;
	return skb->dev->ifindex == ifindex || nopin_net_came_by_other(net, skb, ifindex);
}

/**
 * nopin_route_matches - does a packet come from a route's peer, to us?
 * @route: the route to the peer
 * @skb: the packet as handed up
 *
 * Return: true when it does, and by the way that it should.
 * Context: softirq, in an RCU read-side section.
 */
bool nopin_route_matches(const struct nopin_route *route, const struct sk_buff *skb)
{
	if (ip_hdr(skb)->version == 4) {
		if (!nopin_route_is_ipv4(route) ||
		    ip_hdr(skb)->saddr != nopin_route_daddr4(route) ||
		    ip_hdr(skb)->daddr != nopin_route_saddr4(route))
			return false;
	} else {
		if (!ipv6_addr_equal(&ipv6_hdr(skb)->saddr, &route->daddr) ||
		    !ipv6_addr_equal(&ipv6_hdr(skb)->daddr, &route->saddr))
			return false;
	}
	return nopin_net_came_by(route->net, skb, route->oif, route->local);
}
