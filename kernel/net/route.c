// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Routes: the destination that the stack has for packets to a peer. */

#include <net/addrconf.h>
#include <net/inet_dscp.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "compat.h"
#include "net/private.h"
#include "wire/packet.h"

/**
 * nopin_route_init - prepare a route that will be used for many packets
 * @route: the caller fills in the other fields, then calls nopin_route_reset()
 * @gfp: how memory may be allocated
 *
 * A route for a packet or two may leave @route->cache zeroed instead.
 *
 * Return: 0 or -ENOMEM.
 * Context: as @gfp says.
 */
int nopin_route_init(struct nopin_route *route, gfp_t gfp)
{
	return dst_cache_init(&route->cache, gfp);
}

/**
 * nopin_route_reset - look the route up again at the next packet
 * @route: a route whose fields have changed
 *
 * Context: any.
 */
void nopin_route_reset(struct nopin_route *route)
{
	dst_cache_reset(&route->cache);
}

/**
 * nopin_route_destroy - undo nopin_route_init()
 * @route: a route that is no longer used
 *
 * Context: any.
 */
void nopin_route_destroy(struct nopin_route *route)
{
	dst_cache_destroy(&route->cache);
	route->cache.cache = NULL;
}

/*
 * The peer's address may be that of another interface of this host than route->oif.
 * Packets to it go over lo: a packet that left by the wire would come back with a source
 * address of this host, and be dropped.
 */
static struct dst_entry *nopin_route_find_ipv4(struct nopin_route *route)
{
	struct flowi4 fl = {
		.flowi4_oif = route->oif,
		.flowi4_dscp = nopin_flow4_dscp(route->tclass),
		.flowi4_proto = IPPROTO_UDP,
		.saddr = nopin_route_saddr4(route),
		.daddr = nopin_route_daddr4(route),
		.fl4_sport = route->sport,
		.fl4_dport = htons(NOPIN_UDP_PORT),
	};
	struct rtable *rt;

	if (inet_addr_type(route->net, fl.daddr) == RTN_LOCAL)
		fl.flowi4_oif = 0;
	rt = ip_route_output_flow(route->net, &fl, NULL);
	if (IS_ERR(rt))
		return ERR_CAST(rt);
	/* Still of the kind that it was: nopin_net_is_one(), nopin_net_is_group() */
	if (rt->rt_flags & RTCF_BROADCAST ||
	    route->group != !!(rt->rt_flags & RTCF_MULTICAST)) {
		ip_rt_put(rt);
		return ERR_PTR(-EACCES);
	}
	dst_cache_set_ip4(&route->cache, &rt->dst, fl.saddr);
	return &rt->dst;
}

#if IS_ENABLED(CONFIG_IPV6)
static struct dst_entry *nopin_route_find_ipv6(struct nopin_route *route)
{
	struct flowi6 fl = {
		.flowi6_oif = route->oif,
		.flowi6_proto = IPPROTO_UDP,
		.flowlabel = ip6_make_flowinfo(route->tclass, htonl(route->flow_label)),
		.saddr = route->saddr,
		.daddr = route->daddr,
		.fl6_sport = route->sport,
		.fl6_dport = htons(NOPIN_UDP_PORT),
	};
	struct dst_entry *dst;

	dst = nopin_ip6_dst_lookup_flow(route->net, NULL, &fl, NULL);
	if (!IS_ERR(dst))
		dst_cache_set_ip6(&route->cache, dst, &fl.saddr);
	return dst;
}
#else
static struct dst_entry *nopin_route_find_ipv6(struct nopin_route *route)
{
	return ERR_PTR(-EAFNOSUPPORT);
}
#endif

/**
 * nopin_route_get - look up the destination for packets of a route
 * @route: a route with its fields filled in
 *
 * Return: a destination with a reference taken, or ERR_PTR().
 * Context: BH off.
 */
struct dst_entry *nopin_route_get(struct nopin_route *route)
{
	struct dst_entry *dst = dst_cache_get(&route->cache);

	if (likely(dst))
		return dst;
	if (nopin_route_is_ipv4(route))
		return nopin_route_find_ipv4(route);
	return nopin_route_find_ipv6(route);
}
