// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The receive hook: from a UDP datagram to a packet worth looking at. */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/sock.h>

#include "net/private.h"
#include "wire/icrc.h"
#include "wire/packet.h"

static nopin_net_rx_fn nopin_net_rx __read_mostly;

void nopin_net_receive_init(nopin_net_rx_fn rx)
{
	nopin_net_rx = rx;
}

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

/*
 * UDP follows IP without options or extension headers (IBTA annex A17.3.1), so
 * the ICRC knows which bytes to mask, and the datagram is all of the skb.
 */
static bool nopin_datagram_valid(const struct sk_buff *skb)
{
	int ip_len = skb_transport_header(skb) - skb_network_header(skb);

	if (ntohs(udp_hdr(skb)->len) != skb->len)
		return false;
	if (ip_hdr(skb)->version == 4)
		return ip_len == sizeof(struct iphdr);
	return ip_len == sizeof(struct ipv6hdr);
}

/* Data is at the UDP header. On success it is at the BTH, headers linear. */
static bool nopin_datagram_parse(struct sk_buff *skb, struct nopin_pkt *pkt)
{
	unsigned int linear = sizeof(struct udphdr) + NOPIN_MAX_HDR_LEN;

	if (!pskb_may_pull(skb, min(skb->len, linear)))
		return false;
	if (!nopin_datagram_valid(skb))
		return false;
	__skb_pull(skb, sizeof(struct udphdr));
	return !nopin_pkt_parse(pkt, skb->data, skb_headlen(skb), skb->len);
}

/* Continue @crc over [@from, @to) of @skb, which lie behind its linear part. */
static u32 nopin_skb_crc(struct sk_buff *skb, u32 crc, u32 from, u32 to)
{
	struct skb_seq_state seq;
	u32 done = 0;
	const u8 *data;
	u32 len;

	skb_prepare_seq_read(skb, from, to, &seq);
	while ((len = skb_seq_read(done, &data, &seq))) {
		/* A block goes on past @to where the fragment does. */
		len = min(len, to - from - done);
		crc = nopin_icrc_update(crc, data, len);
		done += len;
	}
	return crc;
}

/* Data is at the BTH, the ICRC is its last four bytes. */
static bool nopin_icrc_valid(struct sk_buff *skb)
{
	u32 end = skb->len - NOPIN_ICRC_LEN;
	u32 linear = min(skb_headlen(skb), end);
	u32 len = sizeof(struct udphdr) + linear;
	__le32 icrc;
	u32 crc;

	if (skb_copy_bits(skb, end, &icrc, sizeof(icrc)))
		return false;
	if (ip_hdr(skb)->version == 4)
		crc = nopin_icrc_begin_ipv4(ip_hdr(skb), udp_hdr(skb), len);
	else
		crc = nopin_icrc_begin_ipv6(ipv6_hdr(skb), udp_hdr(skb), len);
	if (unlikely(linear < end))
		crc = nopin_skb_crc(skb, crc, linear, end);
	return nopin_icrc_end(crc) == icrc;
}

/* @skb is consumed. */
static void nopin_datagram_receive(struct sock *sk, struct sk_buff *skb)
{
	/* NULL once the socket is being closed: udp_tunnel_sock_release() */
	struct nopin_net *state = rcu_dereference_sk_user_data(sk);
	struct nopin_pkt pkt;

	if (!state)
		goto drop;
	if (!nopin_datagram_parse(skb, &pkt)) {
		atomic64_inc(&state->malformed);
		goto drop;
	}
	if (!nopin_icrc_valid(skb)) {
		atomic64_inc(&state->icrc);
		goto drop;
	}
	if (pskb_trim(skb, pkt.hdr_len + pkt.payload_len))
		goto drop;
	nopin_net_rx(sock_net(sk), skb, &pkt);
	return;
drop:
	kfree_skb(skb);
}

/*
 * encap_rcv of both sockets. UDP has checked the checksum where there is one.
 *
 * Return: 0, the skb is ours whatever becomes of it.
 * Context: softirq, in an RCU read section.
 */
int nopin_net_receive(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *next;

	if (!skb_is_gso(skb)) {
		nopin_datagram_receive(sk, skb);
		return 0;
	}
	skb_list_walk_safe(nopin_train_split(sk, skb), skb, next) {
		skb_mark_not_on_list(skb);
		nopin_datagram_receive(sk, skb);
	}
	return 0;
}
