// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Building packets from their payload and header fields.
 *
 * Headers are pushed in front of the payload from the inside out. All are complete
 * before the ICRC is computed. The stack does not know of the ICRC, but changes only
 * what the ICRC does not cover: the IP checksum and, on the way, the TTL.
 */

#include <linux/netdevice.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "net/private.h"
#include "wire/icrc.h"
#include "wire/packet.h"

#define NOPIN_HEADROOM	(NOPIN_LL_HEADROOM + sizeof(struct ipv6hdr) + \
			 sizeof(struct udphdr) + NOPIN_MAX_HDR_LEN)

/*
 * The data comes from the page fragments of this CPU, which suit a packet of 4 KiB as
 * well as a small one. Fragments need a larger block of memory, which may not be
 * available. The sk_buff is one of a packet that this CPU received, while there are any.
 */
static struct sk_buff *nopin_skb_alloc(size_t len)
{
	size_t size = SKB_DATA_ALIGN(len) +
		      SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	void *data = netdev_alloc_frag(size);
	struct sk_buff *skb;

	if (unlikely(!data))
		return alloc_skb(len, GFP_ATOMIC | __GFP_NOWARN);
	skb = napi_build_skb(data, size);
	if (unlikely(!skb))
		skb_free_frag(data);
	return skb;
}

/**
 * nopin_net_alloc - allocate a packet, to be filled and sent
 * @payload_len: bytes of payload, at most the largest path MTU
 * @room: bytes of other packets that may be packed behind it
 *
 * Return: the packet, its payload linear and not initialised, or NULL.
 * Context: BH off.
 */
struct sk_buff *nopin_net_alloc(size_t payload_len, size_t room)
{
	struct sk_buff *skb;

	skb = nopin_skb_alloc(NOPIN_HEADROOM + payload_len + NOPIN_TAILROOM + room);
	if (!skb)
		return NULL;
	skb_reserve(skb, NOPIN_HEADROOM);
	__skb_put(skb, payload_len);
	return skb;
}

/* The lengths count the ICRC, which nopin_put_icrc() will append. */
static void nopin_push_udp(struct sk_buff *skb, const struct nopin_route *route)
{
	struct udphdr *udp = __skb_push(skb, sizeof(*udp));

	skb_reset_transport_header(skb);
	udp->source = route->sport;
	udp->dest = htons(NOPIN_UDP_PORT);
	udp->len = htons(skb->len + NOPIN_ICRC_LEN);
	udp->check = 0;
}

static u8 nopin_tclass(const struct nopin_route *route, const struct nopin_train *train)
{
	return route->tclass & INET_ECN_MASK ? route->tclass : route->tclass | train->ecn;
}

/*
 * Ids count up from that of the first packet, as the stack writes them when it takes a
 * train apart.
 */
static void nopin_push_ipv4(struct sk_buff *skb, const struct nopin_route *route,
			    const struct nopin_train *train)
{
	struct iphdr *ip = __skb_push(skb, sizeof(*ip));

	skb_reset_network_header(skb);
	skb->protocol = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = nopin_tclass(route, train);
	ip->tot_len = htons(skb->len + NOPIN_ICRC_LEN);
	ip->frag_off = htons(IP_DF);
	ip->ttl = route->hop_limit ?: ip4_dst_hoplimit(train->dst);
	ip->protocol = IPPROTO_UDP;
	ip->check = 0;
	ip->saddr = nopin_route_saddr4(route);
	ip->daddr = nopin_route_daddr4(route);
	if (train->head)
		ip->id = htons(ntohs(ip_hdr(train->head)->id) + train->packets);
	else
		__ip_select_ident(route->net, ip, train->limit);
}

static void nopin_push_ipv6(struct sk_buff *skb, const struct nopin_route *route,
			    const struct nopin_train *train)
{
	__be16 payload_len = htons(skb->len + NOPIN_ICRC_LEN);
	struct ipv6hdr *ip = __skb_push(skb, sizeof(*ip));

	skb_reset_network_header(skb);
	skb->protocol = htons(ETH_P_IPV6);
	ip6_flow_hdr(ip, nopin_tclass(route, train), htonl(route->flow_label));
	ip->payload_len = payload_len;
	ip->nexthdr = IPPROTO_UDP;
	ip->hop_limit = route->hop_limit ?: ip6_dst_hoplimit(train->dst);
	ip->saddr = route->saddr;
	ip->daddr = route->daddr;
}

/* Append the ICRC to the last packet in @skb, which begins at @bth and has its padding. */
static void nopin_put_icrc(struct nopin_train *train, struct sk_buff *skb,
			   const void *bth)
{
	size_t len = (const void *)skb_tail_pointer(skb) - bth;
	__le32 icrc = nopin_icrc_end(nopin_icrc_begin(&train->icrc, bth, len));

	__skb_put_data(skb, &icrc, sizeof(icrc));
}

/**
 * nopin_net_build - make a packet around its payload
 * @train: the train that it joins, with the packets before it
 * @skb: from nopin_net_alloc()
 * @pkt: its headers; @pkt->pad is filled in
 *
 * Context: BH off.
 */
void nopin_net_build(struct nopin_train *train, struct sk_buff *skb,
		     struct nopin_pkt *pkt)
{
	const struct nopin_route *route = train->route;
	void *bth = __skb_push(skb, nopin_pkt_op(pkt)->hdr_len);

	nopin_pkt_build(pkt, bth);
	__skb_put_zero(skb, pkt->pad);
	nopin_push_udp(skb, route);
	if (nopin_route_is_ipv4(route))
		nopin_push_ipv4(skb, route, train);
	else if (IS_ENABLED(CONFIG_IPV6))
		nopin_push_ipv6(skb, route, train);
	nopin_icrc_prepare(&train->icrc, skb_network_header(skb), udp_hdr(skb));
	nopin_put_icrc(train, skb, bth);
}

/**
 * nopin_net_pack - make a packet behind the last one of a packed train
 * @train: the train; there is room in the buffer of its head
 * @pkt: its headers; @pkt->pad is filled in. The payload is in its place already.
 *
 * Its ICRC covers the IP and UDP headers of the packet before it, with the id counted up:
 * the stack writes these headers when it takes the train apart.
 *
 * Context: BH off.
 */
void nopin_net_pack(struct nopin_train *train, struct nopin_pkt *pkt)
{
	struct sk_buff *skb = train->head;
	void *bth = __skb_put(skb, nopin_pkt_op(pkt)->hdr_len + pkt->payload_len);

	nopin_pkt_build(pkt, bth);
	__skb_put_zero(skb, pkt->pad);
	nopin_icrc_next(&train->icrc);
	nopin_put_icrc(train, skb, bth);
}
