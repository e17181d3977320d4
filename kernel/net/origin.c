// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Where a packet came from: its addresses, and the interface that it arrived on.
 *
 * Linux accepts a packet to any of its addresses on any interface. A NIC receives only
 * from its own wire, and so does a QP here: a packet must arrive on the interface that
 * has the QP's address, or on lo if it comes from an address of this host. An interface
 * with accept_local may receive packets from addresses of this host as well.
 */
#include <linux/if_macvlan.h>
#include <linux/inetdevice.h>
#include <linux/ipv6.h>
#include <net/addrconf.h>
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/ip.h>

#include "net/private.h"

/**
 * nopin_net_addresses - source and destination address of a received packet
 * @skb: as handed up, or any with a network header
 * @saddr: receives the source address, IPv4 as a mapped address
 * @daddr: receives the destination address, likewise
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
 * nopin_net_ecn - the congestion mark of a received packet
 * @skb: as handed up, or any with a network header
 *
 * Return: the ECN field of its IP header; INET_ECN_CE: it has met congestion.
 * Context: any.
 */
u8 nopin_net_ecn(const struct sk_buff *skb)
{
	u8 tclass = ip_hdr(skb)->version == 4 ? ip_hdr(skb)->tos :
						ipv6_get_dsfield(ipv6_hdr(skb));

	return tclass & INET_ECN_MASK;
}

static void nopin_net_copy_ipv4(const struct sk_buff *skb, size_t len, void *buffer)
{
	struct iphdr ip = *ip_hdr(skb);

	ip.tot_len = htons(sizeof(ip) + len);
	ip_send_check(&ip);
	memset(buffer, 0, NOPIN_GRH_LEN - sizeof(ip));
	memcpy(buffer + NOPIN_GRH_LEN - sizeof(ip), &ip, sizeof(ip));
}

static void nopin_net_copy_ipv6(const struct sk_buff *skb, size_t len, void *buffer)
{
	struct ipv6hdr ip = *ipv6_hdr(skb);

	ip.payload_len = htons(len);
	memcpy(buffer, &ip, sizeof(ip));
}

/**
 * nopin_net_copy_grh - copy the IP header to where a receive has the GRH
 * @skb: as handed up, or any with a network header
 * @pkt: the datagram's headers; one IP header may have brought several datagrams, and the
 *	copy has the length of this one
 * @buffer: gets NOPIN_GRH_LEN bytes: an IPv6 header, or an IPv4 header at their end
 *	(IBTA A17.4.5.3)
 *
 * Context: any.
 */
void nopin_net_copy_grh(const struct sk_buff *skb, const struct nopin_pkt *pkt, void *buffer)
{
	size_t len = sizeof(struct udphdr) + nopin_pkt_len(pkt);

	if (ip_hdr(skb)->version == 4)
		nopin_net_copy_ipv4(skb, len, buffer);
	else
		nopin_net_copy_ipv6(skb, len, buffer);
}

/**
 * nopin_net_is_own - is this one of the host's addresses?
 * @ndev: the interface that packets to it would leave by
 * @address: IPv4 as a mapped address
 *
 * Return: true when it is: packets to it do not leave the host.
 * Context: any.
 */
bool nopin_net_is_own(const struct net_device *ndev, const struct in6_addr *address)
{
	struct net *net = dev_net(ndev);

	if (ipv6_addr_v4mapped(address))
		return inet_addr_type_dev_table(net, ndev, address->s6_addr32[3]) ==
		       RTN_LOCAL;
	return ipv6_mod_enabled() && ipv6_chk_addr(net, address, ndev, 0);
}

static bool nopin_net_is_loopback(const struct in6_addr *address)
{
	if (ipv6_addr_v4mapped(address))
		return ipv4_is_loopback(address->s6_addr32[3]);
	return ipv6_addr_loopback(address);
}

/**
 * nopin_net_are_alike - can a packet go from one address to another?
 * @saddr: the source, IPv4 as a mapped address
 * @daddr: the destination
 *
 * A loopback address can only talk to another loopback address. The core gives a device a
 * link-local GID also where IPv6 is off, so that nothing can be sent to such an address.
 *
 * Return: true when they are of one family, which is on, and both are loopback addresses or
 *	neither is.
 * Context: any.
 */
bool nopin_net_are_alike(const struct in6_addr *saddr, const struct in6_addr *daddr)
{
	return ipv6_addr_v4mapped(saddr) == ipv6_addr_v4mapped(daddr) &&
	       (ipv6_addr_v4mapped(saddr) || ipv6_mod_enabled()) &&
	       nopin_net_is_loopback(saddr) == nopin_net_is_loopback(daddr);
}

/**
 * nopin_net_is_one - can this be the address of one peer?
 * @ndev: the interface that packets to it would leave by
 * @address: IPv4 as a mapped address
 *
 * The routing table knows which addresses are the broadcast address of a subnet.
 *
 * Return: false for multicast, broadcast and unspecified addresses.
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

/* Index of the VRF member that a packet arrived on; 0: it did not come through a VRF. */
static int nopin_net_vrf_member(const struct sk_buff *skb)
{
	return ip_hdr(skb)->version == 4 ? inet_sdif(skb) : inet6_sdif(skb);
}

static struct net_device *nopin_net_find_ipv4(struct net *net, struct net_device *in,
					      __be32 address)
{
	struct in_device *in_dev = __in_dev_get_rcu(in);
	const struct in_ifaddr *ifa;

	if (in_dev)
		in_dev_for_each_ifa_rcu(ifa, in_dev)
			if (ifa->ifa_local == address)
				return in;
	return __ip_dev_find(net, address, false);
}

/**
 * nopin_net_find - find the interface that has the address that a packet was sent to
 * @net: the namespace
 * @skb: as handed up
 * @daddr: its destination, IPv4 as a mapped address
 *
 * Several interfaces may have the same address, as a link-local one, or in several VRFs: the
 * one that the packet came by is preferred. A packet from this host comes by lo: any that
 * has the address will do.
 *
 * Return: the interface or NULL.
 * Context: in an RCU read-side section.
 */
struct net_device *nopin_net_find(struct net *net, const struct sk_buff *skb,
				  const struct in6_addr *daddr)
{
	int member = nopin_net_vrf_member(skb);
	struct net_device *in = member ? dev_get_by_index_rcu(net, member) : NULL;

	if (!in)
		in = skb->dev;
	if (ipv6_addr_v4mapped(daddr))
		return nopin_net_find_ipv4(net, in, daddr->s6_addr32[3]);
	if (!ipv6_mod_enabled())
		return NULL;
	return ipv6_dev_find(net, daddr, in) ?: ipv6_dev_find(net, daddr, NULL);
}

/*
 * Was the packet on no wire? Then it came by lo, or within a VRF, where IPv4 takes the VRF
 * for its own member. IPv6 names the member that has the address, as for a packet from a
 * wire, so what this host sends to itself within a VRF by IPv6 is dropped.
 */
static bool nopin_net_is_local(const struct sk_buff *skb)
{
	int member = nopin_net_vrf_member(skb);

	return skb->dev->flags & IFF_LOOPBACK ||
	       (netif_is_l3_master(skb->dev) &&
		(!member || member == skb->dev->ifindex));
}

/*
 * The interface that stands for a wire. A macvlan is another station on the wire of its
 * lower interface. Each station that a host has on a wire answers ARP for the addresses of
 * all of them (see arp_ignore), so a packet to one station may arrive on another.
 */
static const struct net_device *nopin_net_wire(const struct net_device *dev)
{
	return netif_is_macvlan(dev) ? macvlan_dev_real_dev(dev) : dev;
}

/*
 * A bond, a bridge or a VRF receives all packets of its members. The stack shows such a
 * packet as the master's, and it counts as received by the member as well. A VLAN and
 * its lower interface are different wires.
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
 * IPv4 drops a packet from a wire whose source address is this host's, unless the
 * interface has accept_local: then the other end of the wire may be this host's, too.
 */
static bool nopin_net_accepts_own(const struct sk_buff *skb)
{
	struct in_device *in_dev = __in_dev_get_rcu(skb->dev);

	return ip_hdr(skb)->version == 4 && in_dev && IN_DEV_ACCEPT_LOCAL(in_dev);
}

/**
 * nopin_net_came_by - did a packet arrive on the right interface?
 * @net: the namespace
 * @skb: as handed up
 * @ifindex: the interface that has its destination address
 * @own: its source address is one of this host's
 *
 * IPv6 accepts a packet from a wire whose source address is this host's; this does not.
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
 * nopin_net_came_to_group - did a packet to a group arrive on the right interface?
 * @net: the namespace
 * @skb: as handed up
 * @ifindex: the interface that is a member of the group
 * @own: its source address is one of this host's
 *
 * When this host sends to a group that it is a member of, the stack loops the packet
 * back, as if received on the interface that it leaves by.
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
 * Return: true when it does, and it arrived on the right interface.
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
