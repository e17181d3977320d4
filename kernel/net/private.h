/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Private to kernel/net: the state of a namespace, and helpers. */
#ifndef NOPIN_NET_PRIVATE_H
#define NOPIN_NET_PRIVATE_H

#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/types.h>
#include <net/ipv6.h>

#include "net/net.h"

struct dst_entry;
struct sock;
struct socket;

#define NOPIN_TAILROOM	(3 + NOPIN_ICRC_LEN)	/* padding and ICRC of a packet */

/*
 * Headroom in front of each packet's IP header, for Ethernet and for a tunnel. Where it
 * is too small, the stack enlarges it in the first packet of a train only.
 */
#define NOPIN_LL_HEADROOM	max(LL_MAX_HEADER, 128)

/**
 * struct nopin_net - what one network namespace has
 * @users: devices that have it open; under nopin_net_lock
 * @sock4: IPv4 socket while there are users; under nopin_net_lock
 * @sock6: likewise IPv6, or NULL without IPv6
 * @malformed: packets dropped for their format
 * @icrc: packets dropped for their ICRC
 * @no_qp: packets dropped for want of a QP
 */
struct nopin_net {
	unsigned int users;
	struct socket *sock4;
	struct socket *sock6;
	atomic64_t malformed;
	atomic64_t icrc;
	atomic64_t no_qp;
};

/* encap_rcv of a UDP socket: 0: the skb is consumed. Context: softirq, in an RCU section. */
typedef int (*nopin_encap_fn)(struct sock *sk, struct sk_buff *skb);

int nopin_sockets_init(nopin_encap_fn encap);
void nopin_sockets_exit(void);
struct sock *nopin_net_sender(struct net *net);

static inline bool nopin_route_is_ipv4(const struct nopin_route *route)
{
	return ipv6_addr_v4mapped(&route->daddr);
}

static inline __be32 nopin_route_saddr4(const struct nopin_route *route)
{
	return route->saddr.s6_addr32[3];
}

static inline __be32 nopin_route_daddr4(const struct nopin_route *route)
{
	return route->daddr.s6_addr32[3];
}

struct dst_entry *nopin_route_get(struct nopin_route *route);

struct sk_buff *nopin_net_alloc(size_t payload_len, size_t room);
void nopin_net_build(struct nopin_train *train, struct sk_buff *skb,
		     struct nopin_pkt *pkt);
void nopin_net_pack(struct nopin_train *train, struct nopin_pkt *pkt);

bool nopin_train_is_packed(const struct sk_buff *skb);
struct sk_buff *nopin_train_split(struct sock *sk, struct sk_buff *skb);

#endif /* NOPIN_NET_PRIVATE_H */
