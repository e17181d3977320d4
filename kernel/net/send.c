// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * From a payload and the fields of a packet to the wire.
 *
 * Headers are pushed in front of the payload from the inside out. Each is
 * complete before the ICRC is computed, which the stack does not know of: what it
 * changes afterwards (IP checksum, TTL on the way) the ICRC does not cover.
 */

#include <linux/netdevice.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "net/private.h"
#include "wire/icrc.h"
#include "wire/packet.h"

#define NOPIN_HEADROOM	(LL_MAX_HEADER + sizeof(struct ipv6hdr) + \
			 sizeof(struct udphdr) + NOPIN_MAX_HDR_LEN)

/*
 * From the page fragments of this CPU, which serve a packet of 4 KiB as well as a
 * small one. They come from larger blocks, which may not be had. Descriptors are
 * those of packets that it has received, as far as they go.
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
 * nopin_net_alloc - a packet to be filled and sent
 * @payload_len: bytes of payload, at most the largest path MTU
 *
 * Return: the packet, its payload linear and not initialised, or NULL.
 * Context: BH off.
 */
struct sk_buff *nopin_net_alloc(size_t payload_len)
{
	struct sk_buff *skb;

	skb = nopin_skb_alloc(NOPIN_HEADROOM + payload_len + NOPIN_TAILROOM);
	if (!skb)
		return NULL;
	skb_reserve(skb, NOPIN_HEADROOM);
	__skb_put(skb, payload_len);
	return skb;
}

/**
 * nopin_net_payload - where to write the payload
 * @skb: from nopin_net_alloc(), not sent yet
 *
 * Return: the first of as many bytes as were asked for.
 * Context: any.
 */
void *nopin_net_payload(struct sk_buff *skb)
{
	return skb->data;
}

/* BTH and extended headers in front of the payload, padding behind it. */
static void nopin_push_transport(struct sk_buff *skb, struct nopin_pkt *pkt)
{
	pkt->payload_len = skb->len;
	nopin_pkt_build(pkt, __skb_push(skb, nopin_pkt_op(pkt)->hdr_len));
	__skb_put_zero(skb, pkt->pad);
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

/*
 * The id is the first one's and counts up: so the stack writes it when it takes
 * a train apart.
 */
static void nopin_push_ipv4(struct sk_buff *skb, const struct nopin_route *route,
			    const struct nopin_train *train)
{
	struct iphdr *ip = __skb_push(skb, sizeof(*ip));

	skb_reset_network_header(skb);
	skb->protocol = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = route->tclass;
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
	ip6_flow_hdr(ip, route->tclass, htonl(route->flow_label));
	ip->payload_len = payload_len;
	ip->nexthdr = IPPROTO_UDP;
	ip->hop_limit = route->hop_limit ?: ip6_dst_hoplimit(train->dst);
	ip->saddr = route->saddr;
	ip->daddr = route->daddr;
}

/* Over all that is there, from the IP header to the padding. */
static void nopin_put_icrc(struct sk_buff *skb, bool ipv4)
{
	const u8 *udp = skb_transport_header(skb);
	size_t len = skb_tail_pointer(skb) - udp;
	__le32 icrc;
	u32 crc;

	if (ipv4)
		crc = nopin_icrc_begin_ipv4(ip_hdr(skb), udp, len);
	else
		crc = nopin_icrc_begin_ipv6(ipv6_hdr(skb), udp, len);
	icrc = nopin_icrc_end(crc);
	__skb_put_data(skb, &icrc, sizeof(icrc));
}

/**
 * nopin_net_build - make a packet around its payload
 * @train: that it is for, with the packets that are in it so far
 * @route: to the peer
 * @skb: from nopin_net_alloc()
 * @pkt: its headers; @pkt->payload_len and @pkt->pad are filled in
 *
 * Context: BH off.
 */
void nopin_net_build(const struct nopin_train *train, const struct nopin_route *route,
		     struct sk_buff *skb, struct nopin_pkt *pkt)
{
	bool ipv4 = nopin_route_is_ipv4(route);

	nopin_push_transport(skb, pkt);
	nopin_push_udp(skb, route);
	if (ipv4)
		nopin_push_ipv4(skb, route, train);
	else
		nopin_push_ipv6(skb, route, train);
	nopin_put_icrc(skb, ipv4);
}

/**
 * nopin_net_send - build a packet around its payload and send it
 * @route: to the peer
 * @skb: from nopin_net_alloc(), consumed
 * @pkt: its headers; @pkt->payload_len and @pkt->pad are filled in
 *
 * Return: as nopin_train_depart(), or -errno: no route.
 * Context: BH off; spinlocks may be held.
 */
int nopin_net_send(struct nopin_route *route, struct sk_buff *skb,
		   struct nopin_pkt *pkt)
{
	struct nopin_train train = { .limit = 1 };
	int err = nopin_train_add(&train, route, skb, pkt);

	return err ?: nopin_train_depart(&train, route);
}
