// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The receive hook: from UDP datagrams to packets whose format and ICRC are right. */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/sock.h>

#include "net/private.h"
#include "wire/icrc.h"
#include "wire/packet.h"

static nopin_net_rx_fn nopin_net_rx __read_mostly;

/*
 * UDP follows IP without options or extension headers (IBTA annex A17.3.1), so that the
 * bytes that the ICRC masks are known, and no packet is fragmented. A mapped address does
 * not belong on the wire: here it would pass for one of IPv4.
 */
static bool nopin_ip_valid(const struct sk_buff *skb)
{
	int ip_len = skb_transport_header(skb) - skb_network_header(skb);

	if (ip_hdr(skb)->version == 4)
		return ip_len == sizeof(struct iphdr) && !IPCB(skb)->frag_max_size;
	return ip_len == sizeof(struct ipv6hdr) && !IP6CB(skb)->frag_max_size &&
	       !ipv6_addr_v4mapped(&ipv6_hdr(skb)->saddr) &&
	       !ipv6_addr_v4mapped(&ipv6_hdr(skb)->daddr);
}

/* Frame and packet must agree: both are multicast, or both are unicast. */
static bool nopin_cast_valid(const struct sk_buff *skb)
{
	bool group = ip_hdr(skb)->version == 4 ?
		     ipv4_is_multicast(ip_hdr(skb)->daddr) :
		     ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr);

	switch (skb->pkt_type) {
	case PACKET_BROADCAST:
		return false;
	case PACKET_MULTICAST:
	case PACKET_LOOPBACK:
		return group;
	default:
		return !group;
	}
}

/* Is it a datagram that RoCEv2 allows, and fills the skb? Makes its headers linear. */
static bool nopin_datagram_valid(struct sk_buff *skb)
{
	unsigned int linear = sizeof(struct udphdr) + NOPIN_MAX_HDR_LEN;

	if (!pskb_may_pull(skb, min(skb->len, linear)))
		return false;
	return ntohs(udp_hdr(skb)->len) == skb->len && nopin_ip_valid(skb) &&
	       nopin_cast_valid(skb);
}

/* Continue @crc over [@from, @to) of @skb, which lies behind its linear part. */
static noinline u32 nopin_skb_crc(struct sk_buff *skb, u32 crc, u32 from, u32 to)
{
	struct skb_seq_state seq;
	u32 done = 0;
	const u8 *data;
	u32 len;

	skb_prepare_seq_read(skb, from, to, &seq);
	while ((len = skb_seq_read(done, &data, &seq))) {
		/* A block may extend beyond @to, up to the end of its fragment. */
		len = min(len, to - from - done);
		crc = nopin_icrc_update(crc, data, len);
		done += len;
	}
	return crc;
}

/* skb->data is at the BTH; the ICRC is the last four bytes. */
static bool nopin_icrc_valid(struct sk_buff *skb, struct nopin_icrc *headers)
{
	u32 end = skb->len - NOPIN_ICRC_LEN;
	u32 linear = min(skb_headlen(skb), end);
	__le32 icrc;
	u32 crc;

	if (skb_copy_bits(skb, end, &icrc, sizeof(icrc)))
		return false;
	crc = nopin_icrc_begin(headers, skb->data, linear);
	if (unlikely(linear < end))
		crc = nopin_skb_crc(skb, crc, linear, end);
	return nopin_icrc_end(crc) == icrc;
}

/* Check the packet whose BTH is at skb->data. False: it is to be dropped. */
static bool nopin_packet_receive(struct nopin_arrival *arrival)
{
	struct sk_buff *skb = arrival->skb;
	struct nopin_pkt *pkt = &arrival->pkt;

	if (nopin_pkt_parse(pkt, skb->data, skb_headlen(skb), skb->len)) {
		atomic64_inc(&arrival->state->malformed);
		return false;
	}
	if (!nopin_icrc_valid(skb, &arrival->icrc)) {
		atomic64_inc(&arrival->state->icrc);
		return false;
	}
	return !pskb_trim(skb, pkt->hdr_len + pkt->payload_len);
}

/**
 * nopin_net_next - turn to the next packet
 * @arrival: the packets; the caller is done with the present one
 *
 * Return: true when there is one. Drops and counts those whose format or ICRC is wrong.
 * Context: as nopin_net_rx_fn.
 */
bool nopin_net_next(struct nopin_arrival *arrival)
{
	struct sk_buff *skb = arrival->skb;

	arrival->present = false;
	while (!arrival->present && arrival->next < arrival->end) {
		skb->data = arrival->next;
		skb->len = arrival->size;
		skb_set_tail_pointer(skb, arrival->size);
		arrival->next += arrival->size;
		arrival->present = nopin_packet_receive(arrival);
		nopin_icrc_next(&arrival->icrc);
	}
	return arrival->present;
}

/**
 * nopin_net_unclaimed - count the present packet: no device has its destination
 * @arrival: the packets; to be followed by nopin_net_next()
 *
 * Context: as nopin_net_rx_fn.
 */
void nopin_net_unclaimed(struct nopin_arrival *arrival)
{
	atomic64_inc(&arrival->state->no_qp);
}

/* Present the packets of a packed train one by one, all through the same skb. */
static bool nopin_packed_begin(struct nopin_arrival *arrival)
{
	struct sk_buff *skb = arrival->skb;

	arrival->size = skb_shinfo(skb)->gso_size;
	arrival->next = skb->data;
	arrival->end = skb_tail_pointer(skb);
	nopin_icrc_resize(&arrival->icrc, sizeof(struct udphdr) + arrival->size);
	return nopin_net_next(arrival);
}

/* Present the first packet; skb->data is at the UDP header. False: there is none. */
static bool nopin_arrival_begin(struct nopin_arrival *arrival)
{
	struct sk_buff *skb = arrival->skb;

	if (!nopin_datagram_valid(skb)) {
		atomic64_inc(&arrival->state->malformed);
		return false;
	}
	nopin_icrc_prepare(&arrival->icrc, skb_network_header(skb), udp_hdr(skb));
	__skb_pull(skb, sizeof(struct udphdr));
	if (skb_is_gso(skb))
		return nopin_packed_begin(arrival);
	arrival->next = NULL;
	arrival->end = NULL;
	arrival->present = nopin_packet_receive(arrival);
	return arrival->present;
}

/* Take one packet or a packed train; skb->data is at the UDP header. */
static void nopin_arrival_receive(struct nopin_net *state, struct net *net,
				  struct sk_buff *skb)
{
	struct nopin_arrival arrival __uninitialized; /* field by field, as needed */

	arrival.net = net;
	arrival.skb = skb;
	arrival.state = state;
	if (!nopin_arrival_begin(&arrival)) {
		kfree_skb(skb);
		return;
	}
	nopin_net_rx(&arrival);
	napi_consume_skb(skb, 1); /* this CPU sends its next packet in the same sk_buff */
}

/* Does the skb take no more memory than its data needs, but for usual rounding? */
static bool nopin_net_is_sparing(const struct sk_buff *skb)
{
	return !skb_is_gso(skb) && !skb_has_frag_list(skb) &&
	       skb->truesize <= 2 * SKB_TRUESIZE(skb->len + MAX_HEADER);
}

/**
 * nopin_net_keep - keep a packet beyond the call that handed it up
 * @skb: as handed up
 *
 * Other packets may share its buffer, and its fragments may have a buffer each. Such a
 * packet is kept as a copy, with the IP header in front of the BTH.
 *
 * Return: the packet, to be freed by the caller, or NULL without memory.
 * Context: softirq.
 */
struct sk_buff *nopin_net_keep(struct sk_buff *skb)
{
	unsigned int header = ip_hdr(skb)->version == 4 ? sizeof(struct iphdr) :
							  sizeof(struct ipv6hdr);
	struct sk_buff *copy;

	if (nopin_net_is_sparing(skb))
		return skb_get(skb);
	copy = alloc_skb(header + skb->len, GFP_ATOMIC | __GFP_NOWARN);
	if (!copy)
		return NULL;
	skb_reset_network_header(copy);
	skb_put_data(copy, skb_network_header(skb), header);
	__skb_pull(copy, header);
	if (skb_copy_bits(skb, 0, skb_put(copy, skb->len), skb->len)) {
		kfree_skb(copy);
		return NULL;
	}
	return copy;
}

/*
 * encap_rcv of both sockets. UDP has checked the checksum where there is one.
 *
 * Return: 0: the skb is consumed in any case.
 * Context: softirq, in an RCU read section.
 */
static int nopin_net_receive(struct sock *sk, struct sk_buff *skb)
{
	/* NULL once the socket is being closed: udp_tunnel_sock_release() */
	struct nopin_net *state = rcu_dereference_sk_user_data(sk);
	struct net *net = sock_net(sk);
	struct sk_buff *next;

	if (!state) {
		kfree_skb(skb);
		return 0;
	}
	if (!skb_is_gso(skb) || nopin_train_is_packed(skb)) {
		nopin_arrival_receive(state, net, skb);
		return 0;
	}
	skb_list_walk_safe(nopin_train_split(sk, skb), skb, next) {
		skb_mark_not_on_list(skb);
		nopin_arrival_receive(state, net, skb);
	}
	return 0;
}

/**
 * nopin_net_init - set up kernel/net; no socket is opened yet
 * @rx: takes every packet of every namespace whose format and ICRC are right
 *
 * Return: 0 or -errno.
 * Context: process, may sleep.
 */
int nopin_net_init(nopin_net_rx_fn rx)
{
	nopin_net_rx = rx;
	return nopin_sockets_init(nopin_net_receive);
}

/**
 * nopin_net_exit - undo nopin_net_init(); every namespace has been closed
 *
 * Context: process, may sleep.
 */
void nopin_net_exit(void)
{
	nopin_sockets_exit();
}
