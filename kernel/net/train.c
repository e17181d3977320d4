// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Trains. Packets that go to one peer at one time pass through the stack as one GSO
 * packet, though each is complete already. They are coupled, each with an sk_buff of its
 * own, or, if they are small and of one length, packed in one buffer behind a single IP
 * and UDP header. The stack takes a train apart for a device that wants single
 * packets. Through devices that do not, such as veth, it arrives as it left.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp.h>

#include "compat.h"
#include "net/private.h"
#include "wire/packet.h"

/*
 * The GSO type of a train, packed or not. UDP takes our socket for a tunnel's, and hands
 * it a GSO packet whole only if the packet is marked SKB_GSO_UDP_TUNNEL; without
 * encapsulation the mark means nothing else. Some NICs look at this mark alone: only
 * FRAGLIST, which no NIC has, makes sure that the stack takes a train apart before it
 * reaches one.
 */
#define NOPIN_TRAIN		(SKB_GSO_UDP_L4 | SKB_GSO_FRAGLIST)
#define NOPIN_TRAIN_WHOLE	(NOPIN_TRAIN | SKB_GSO_UDP_TUNNEL)

/*
 * Features of a device that passes a train on whole; a NIC knows nothing of coupled
 * packets. Nothing is packed for a NIC either: the stack would take the train apart and
 * give its packets UDP checksums, which RoCE does without.
 */
#define NOPIN_WHOLE_FEATURES	(NETIF_F_GSO_UDP_TUNNEL | NETIF_F_GSO_UDP_L4 | \
				 NETIF_F_GSO_FRAGLIST)

/* Longest packet that is packed, in bytes from the BTH to the ICRC. */
#define NOPIN_PACKED_MAX	(NOPIN_LINEAR_FRAGLIST ? 256 : 0)

/* Couple a packet to the first. The stack finds its headers by their offsets only. */
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

/* Does a packet of @len bytes go into the buffer of the first? */
static bool nopin_train_packs(const struct nopin_train *train, size_t len)
{
	return train->packets && !train->tail && train->whole && len == train->len &&
	       len <= NOPIN_PACKED_MAX && skb_tailroom(train->head) >= len;
}

/* The stack checks the first packet's length only: one too long for the link goes alone. */
static bool nopin_train_is_too_long(const struct nopin_train *train, size_t len)
{
	return len > train->len && len + sizeof(struct udphdr) +
	       skb_transport_offset(train->head) > dst_mtu(train->dst);
}

/**
 * nopin_train_is_full - does a train have to leave before the next packet?
 * @train: may be empty
 * @pkt: the next; opcode and payload_len are set
 *
 * Return: true when there is no place for the packet in this train.
 * Context: BH off.
 */
bool nopin_train_is_full(const struct nopin_train *train, const struct nopin_pkt *pkt)
{
	size_t len = nopin_pkt_len(pkt);

	if (!train->packets)
		return false;
	if (train->packets == train->limit || train->head->len + len > IP_MAX_MTU)
		return true;
	if (nopin_train_packs(train, len))
		return false;
	return (train->packets > 1 && !train->tail) || !train->couples ||
	       nopin_train_is_too_long(train, len);
}

static int nopin_train_start(struct nopin_train *train)
{
	struct dst_entry *dst = nopin_route_get(train->route);

	if (IS_ERR(dst))
		return PTR_ERR(dst);
	train->dst = dst;
	train->whole = (dst->dev->features & NOPIN_WHOLE_FEATURES) ==
		       NOPIN_WHOLE_FEATURES;
	/* A tunnel on the way puts its headers in front of each packet. */
	train->couples = LL_RESERVED_SPACE(dst->dev) + dst->header_len <=
			 NOPIN_LL_HEADROOM;
	train->head = NULL;
	train->tail = NULL;
	train->packets = 0;
	return 0;
}

/**
 * nopin_train_open - begin the next packet of a train
 * @train: not full; @route and @limit are set, and for the first packet @packets is 0
 * @pkt: the packet; opcode and payload_len are set
 * @more: packets like this one that are expected to follow at once
 *
 * To be followed by nopin_train_close() or nopin_train_abandon().
 *
 * Return: where its payload goes, or NULL: there is no memory.
 * Context: BH off; spinlocks may be held.
 */
void *nopin_train_open(struct nopin_train *train, const struct nopin_pkt *pkt,
		       unsigned int more)
{
	size_t len = nopin_pkt_len(pkt);
	size_t room = 0;

	train->opened = NULL;
	if (nopin_train_packs(train, len))
		return skb_tail_pointer(train->head) + nopin_pkt_op(pkt)->hdr_len;
	if (!train->packets && len <= NOPIN_PACKED_MAX)
		room = min(more, train->limit - 1) * len;
	train->opened = nopin_net_alloc(pkt->payload_len, room);
	return train->opened ? train->opened->data : NULL;
}

/**
 * nopin_train_alloc - allocate the buffer of a packet before the packet is begun
 * @payload_len: bytes of payload
 *
 * Return: the buffer, for nopin_train_use(); its payload, at skb->data, is linear and not
 *	initialised. NULL: there is no memory, or the packet is so small that it may be packed.
 * Context: BH off.
 */
struct sk_buff *nopin_train_alloc(size_t payload_len)
{
	return payload_len < NOPIN_PACKED_MAX ? NULL : nopin_net_alloc(payload_len, 0);
}

/**
 * nopin_train_use - begin the next packet of a train with a buffer that has its payload
 * @train: as for nopin_train_open()
 * @skb: from nopin_train_alloc(), for as many bytes as the packet has
 *
 * To be followed by nopin_train_close() or nopin_train_abandon().
 *
 * Context: as nopin_train_open().
 */
void nopin_train_use(struct nopin_train *train, struct sk_buff *skb)
{
	train->opened = skb;
}

/**
 * nopin_train_close - complete a packet
 * @train: the train, opened for it
 * @pkt: as when it was opened, now with all its headers; @pkt->pad is filled in
 *
 * Return: 0, or -errno: there is no route, and the packet is dropped.
 * Context: as nopin_train_open().
 */
int nopin_train_close(struct nopin_train *train, struct nopin_pkt *pkt)
{
	struct sk_buff *skb = train->opened;
	int err;

	if (!skb) {
		nopin_net_pack(train, pkt);
	} else if (train->packets) {
		nopin_net_build(train, skb, pkt);
		nopin_train_couple(train, skb);
	} else {
		err = nopin_train_start(train);
		if (err) {
			kfree_skb(skb);
			return err;
		}
		nopin_net_build(train, skb, pkt);
		train->len = nopin_pkt_len(pkt);
		train->head = skb;
	}
	train->packets++;
	return 0;
}

/**
 * nopin_train_abandon - drop the opened packet instead of closing it
 * @train: the train; as before nopin_train_open()
 *
 * Context: as nopin_train_open().
 */
void nopin_train_abandon(struct nopin_train *train)
{
	kfree_skb(train->opened);
}

static void nopin_train_lock_coupled(struct nopin_train *train)
{
	struct sk_buff *head = train->head;

	skb_shinfo(head)->gso_type = train->whole ? NOPIN_TRAIN_WHOLE : NOPIN_TRAIN;
	head->ip_summed = CHECKSUM_UNNECESSARY;
	udp_hdr(head)->len = htons(head->len - skb_transport_offset(head));
}

/* If the stack takes the train apart after all, its packets get UDP checksums. */
static void nopin_train_lock_packed(struct nopin_train *train)
{
	struct sk_buff *head = train->head;
	u32 udp_len = head->len - skb_transport_offset(head);

	skb_shinfo(head)->gso_type = NOPIN_TRAIN_WHOLE;
	skb_partial_csum_set(head, skb_transport_offset(head), offsetof(struct udphdr, check));
	udp_hdr(head)->len = htons(udp_len);
	if (ip_hdr(head)->version == 4)
		udp_set_csum(false, head, ip_hdr(head)->saddr, ip_hdr(head)->daddr,
			     udp_len);
	else
		udp6_set_csum(false, head, &ipv6_hdr(head)->saddr,
			      &ipv6_hdr(head)->daddr, udp_len);
}

/* A single packet goes as it is. The stack writes the length in the IP header. */
static void nopin_train_lock_up(struct nopin_train *train)
{
	struct skb_shared_info *info = skb_shinfo(train->head);

	if (train->packets == 1)
		return;
	info->gso_size = train->len;
	info->gso_segs = train->packets;
	if (train->tail)
		nopin_train_lock_coupled(train);
	else
		nopin_train_lock_packed(train);
}

static int nopin_train_out(const struct nopin_route *route, struct sk_buff *head)
{
	struct net *net = route->net;

	if (!nopin_route_is_ipv4(route))
		return ip6_local_out(net, NULL, head);
	return ip_local_out(net, route->group ? NULL : nopin_net_sender(net), head);
}

/**
 * nopin_train_depart - send what is in a train
 * @train: may be empty; empty afterwards
 *
 * On lo or veth the peer may be this host. Its answer comes from the softirq that runs
 * when BH are enabled again, never inside this call.
 *
 * Return: 0 when the stack has taken the packets, which does not mean that they will
 *	arrive, or -errno: too long for the link, queue full.
 * Context: BH off; spinlocks may be held.
 */
int nopin_train_depart(struct nopin_train *train)
{
	const struct nopin_route *route = train->route;
	struct sk_buff *head = train->head;
	int err;

	if (!train->packets)
		return 0;
	nopin_train_lock_up(train);
	train->packets = 0;
	skb_dst_set(head, train->dst);
	head->priority = rt_tos2priority(route->tclass);
	err = nopin_train_out(route, head);
	return err > 0 ? net_xmit_errno(err) : err;
}

/**
 * nopin_net_send - send a single packet
 * @route: to the peer
 * @pkt: its headers; @pkt->pad is filled in
 * @payload: @pkt->payload_len bytes
 *
 * Return: as nopin_train_depart(), or -ENOMEM, or -errno: no route.
 * Context: BH off; spinlocks may be held.
 */
int nopin_net_send(struct nopin_route *route, struct nopin_pkt *pkt,
		   const void *payload)
{
	struct nopin_train train = { .route = route, .limit = 1 };
	void *room = nopin_train_open(&train, pkt, 0);
	int err;

	if (!room)
		return -ENOMEM;
	memcpy(room, payload, pkt->payload_len);
	err = nopin_train_close(&train, pkt);
	return err ?: nopin_train_depart(&train);
}

/* Is it a coupled train to which no one else, such as a packet socket, has a reference? */
static bool nopin_train_is_whole(const struct sk_buff *head)
{
	const struct skb_shared_info *info = skb_shinfo(head);
	const struct sk_buff *skb;

	if (info->gso_type != NOPIN_TRAIN_WHOLE || !info->frag_list ||
	    info->nr_frags || head->encapsulation || skb_cloned(head))
		return false;
	skb_walk_frags(head, skb)
		if (skb_shared(skb))
			return false;
	return true;
}

/* The lengths in its headers were the train's; make them its own again. */
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

/* Undo nopin_train_couple() for each packet. */
static struct sk_buff *nopin_train_uncouple(struct sk_buff *head)
{
	struct sk_buff *skb;

	skb_walk_frags(head, skb) {
		__skb_push(skb, sizeof(struct udphdr));
		skb->dev = head->dev;
		skb->pkt_type = head->pkt_type;	/* whom the frame was for */
		memcpy(skb->cb, head->cb, sizeof(skb->cb));	/* names a VRF's member */
		head->truesize -= skb->truesize;
	}
	head->next = skb_shinfo(head)->frag_list;
	nopin_train_uncouple_head(head);
	return head;
}

/**
 * nopin_train_is_packed - is this a train whose packets lie in one buffer?
 * @skb: a received packet, data at the UDP header
 *
 * Return: true for such a train that the stack has not taken apart.
 * Context: any.
 */
bool nopin_train_is_packed(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);

	return info->gso_type == NOPIN_TRAIN_WHOLE && info->gso_size &&
	       !skb_is_nonlinear(skb) && !skb->encapsulation &&
	       (skb->len - sizeof(struct udphdr)) % info->gso_size == 0;
}

/**
 * nopin_train_split - take apart a GSO packet that arrived whole
 * @sk: our socket
 * @skb: the packet, data at the UDP header; consumed
 *
 * Return: its packets, chained, data at the UDP header; NULL when it is dropped.
 * Context: softirq.
 */
struct sk_buff *nopin_train_split(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *segment;

	if (nopin_train_is_whole(skb))
		return nopin_train_uncouple(skb);
	/* As udp_queue_rcv_skb() does. */
	__skb_push(skb, -skb_mac_offset(skb));
	skb = udp_rcv_segment(sk, skb, ip_hdr(skb)->version == 4);
	for (segment = skb; segment; segment = segment->next)
		__skb_pull(segment, skb_transport_offset(segment));
	return skb;
}
