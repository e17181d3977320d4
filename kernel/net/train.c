// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Trains. What has to go to one peer at one time goes through the stack as one: a
 * GSO packet whose packets are whole already and only chained. Where a device wants
 * them one by one, they are unchained; on a wire without one, such as veth, they
 * arrive as they left.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp.h>

#include "net/private.h"
#include "wire/packet.h"

/*
 * What a train is to the stack. To UDP our socket is a tunnel's, which gets GSO
 * packets whole only if they are marked as a tunnel's; without encapsulation the
 * mark means nothing else.
 */
#define NOPIN_TRAIN_GSO		(SKB_GSO_UDP_L4 | SKB_GSO_FRAGLIST)
#define NOPIN_TRAIN_GSO_WHOLE	(NOPIN_TRAIN_GSO | SKB_GSO_UDP_TUNNEL)

/* A packet behind the first: of its headers the stack sees only the offsets. */
static void nopin_train_couple(struct nopin_train *train, struct sk_buff *skb)
{
	struct sk_buff *head = train->head;

	__skb_pull(skb, skb_transport_offset(skb) + sizeof(struct udphdr));
	if (train->tail)
		train->tail->next = skb;
	else
		skb_shinfo(head)->frag_list = skb;
	train->tail = skb;
	head->len += skb->len;
	head->data_len += skb->len;
	head->truesize += skb->truesize;
}

/* Longest packet that @skb can still become: a train is an IP packet. */
static bool nopin_train_has_room(const struct nopin_train *train,
				 const struct sk_buff *skb)
{
	size_t len = NOPIN_MAX_HDR_LEN + skb->len + NOPIN_TAILROOM;

	return !train->head || (train->packets < train->limit &&
				train->head->len + len <= IP_MAX_MTU);
}

static int nopin_train_start(struct nopin_train *train, struct nopin_route *route)
{
	struct dst_entry *dst = nopin_route_get(route);

	if (IS_ERR(dst))
		return PTR_ERR(dst);
	train->dst = dst;
	train->head = NULL;
	train->tail = NULL;
	train->packets = 0;
	return 0;
}

/**
 * nopin_train_add - build a packet around its payload and append it
 * @train: of the same @route; @limit is set, and @packets 0 at the beginning
 * @route: to the peer
 * @skb: from nopin_net_alloc(), taken over
 * @pkt: its headers; @pkt->payload_len and @pkt->pad are filled in
 *
 * Return: 0; -ENOSPC when the train is full and has to leave first, then the skb
 *	is still the caller's; or -errno, no route: the packet is gone.
 * Context: BH off; spinlocks may be held.
 */
int nopin_train_add(struct nopin_train *train, struct nopin_route *route,
		    struct sk_buff *skb, struct nopin_pkt *pkt)
{
	int err;

	if (!train->packets) {
		err = nopin_train_start(train, route);
		if (err) {
			kfree_skb(skb);
			return err;
		}
	} else if (!nopin_train_has_room(train, skb)) {
		return -ENOSPC;
	}
	nopin_net_build(train, route, skb, pkt);
	if (train->head)
		nopin_train_couple(train, skb);
	else
		train->head = skb;
	train->packets++;
	return 0;
}

/* One packet goes as it is. The stack writes the IP header's length itself. */
static void nopin_train_lock_up(struct nopin_train *train)
{
	struct sk_buff *head = train->head;
	u32 udp_len = head->len - skb_transport_offset(head);

	if (train->packets == 1)
		return;
	skb_shinfo(head)->gso_size = skb_headlen(head) - skb_transport_offset(head) -
				     sizeof(struct udphdr);
	skb_shinfo(head)->gso_segs = train->packets;
	skb_shinfo(head)->gso_type = NOPIN_TRAIN_GSO;
	if (train->dst->dev->features & NETIF_F_GSO_UDP_TUNNEL)
		skb_shinfo(head)->gso_type = NOPIN_TRAIN_GSO_WHOLE;
	head->ip_summed = CHECKSUM_UNNECESSARY;
	udp_hdr(head)->len = htons(udp_len);
}

/**
 * nopin_train_depart - send what is in a train
 * @train: may be empty; empty afterwards
 * @route: to the peer
 *
 * The peer on lo or veth may be us: its answer comes from the softirq that runs
 * when BH are enabled again, never inside this call.
 *
 * Return: 0 when the packets are on their way, which says nothing of their
 *	arrival, or -errno: too long for the link, queue full.
 * Context: BH off; spinlocks may be held.
 */
int nopin_train_depart(struct nopin_train *train, struct nopin_route *route)
{
	struct sk_buff *head = train->head;
	int err;

	if (!train->packets)
		return 0;
	nopin_train_lock_up(train);
	train->packets = 0;
	skb_dst_set(head, train->dst);
	head->priority = rt_tos2priority(route->tclass);
	err = nopin_route_is_ipv4(route) ? ip_local_out(route->net, NULL, head) :
					   ip6_local_out(route->net, NULL, head);
	return err > 0 ? net_xmit_errno(err) : err;
}

/* A train of ours that nobody else, a packet socket say, has a part in. */
static bool nopin_train_is_whole(const struct sk_buff *head)
{
	const struct skb_shared_info *info = skb_shinfo(head);
	const struct sk_buff *skb;

	if (info->gso_type != NOPIN_TRAIN_GSO_WHOLE || !info->frag_list ||
	    info->nr_frags || head->encapsulation || skb_cloned(head))
		return false;
	skb_walk_frags(head, skb)
		if (skb_shared(skb))
			return false;
	return true;
}

/* The lengths in its headers, which were the train's, become its own again. */
static void nopin_train_uncouple_head(struct sk_buff *head)
{
	head->len -= head->data_len;
	head->data_len = 0;
	skb_shinfo(head)->frag_list = NULL;
	skb_gso_reset(head);
	udp_hdr(head)->len = htons(head->len);
	if (ip_hdr(head)->version == 4)
		ip_hdr(head)->tot_len = htons(skb_network_header_len(head) + head->len);
	else
		ipv6_hdr(head)->payload_len = htons(head->len);
}

/* What nopin_train_couple() made, the other way round. */
static struct sk_buff *nopin_train_uncouple(struct sk_buff *head)
{
	struct sk_buff *skb;

	skb_walk_frags(head, skb) {
		__skb_push(skb, sizeof(struct udphdr));
		skb->dev = head->dev;
		head->truesize -= skb->truesize;
	}
	head->next = skb_shinfo(head)->frag_list;
	nopin_train_uncouple_head(head);
	return head;
}

/**
 * nopin_train_split - take apart what arrived in one piece
 * @sk: our socket
 * @skb: a GSO packet, data at the UDP header; consumed
 *
 * Return: its packets, chained, data at the UDP header; NULL when it is lost.
 * Context: softirq.
 */
struct sk_buff *nopin_train_split(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *segment;

	if (nopin_train_is_whole(skb))
		return nopin_train_uncouple(skb);
	/* As UDP would have done. */
	__skb_push(skb, -skb_mac_offset(skb));
	skb = udp_rcv_segment(sk, skb, ip_hdr(skb)->version == 4);
	for (segment = skb; segment; segment = segment->next)
		__skb_pull(segment, skb_transport_offset(segment));
	return skb;
}
