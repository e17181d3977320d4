/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* UDP sockets, routes, sending, and the one receive hook. */
#ifndef NOPIN_NET_H
#define NOPIN_NET_H

#include <linux/in6.h>
#include <linux/skbuff.h>
#include <linux/types.h>
#include <net/dst_cache.h>
#include <rdma/ib_addr.h>

#include "wire/icrc.h"
#include "wire/packet.h"

struct net;
struct net_device;
struct nopin_net;
struct nopin_stats;

/**
 * nopin_net_mtu - the largest path MTU of an interface
 * @ndev: the interface
 *
 * Return: at least IB_MTU_256. Where the interface's own MTU is too small even for that,
 *	the IP stack refuses packets that are too long.
 * Context: any.
 */
static inline enum ib_mtu nopin_net_mtu(const struct net_device *ndev)
{
	return iboe_get_mtu(READ_ONCE(ndev->mtu)) ?: IB_MTU_256;
}

/**
 * struct nopin_arrival - packets that arrived in one skb, presented one by one
 * @net: the namespace that they arrived in
 * @present: there is a packet, whose format and ICRC are right; else @skb and @pkt
 *	show none
 * @skb: data at the BTH, len without padding and ICRC
 * @pkt: its headers
 * @state: private; state of @net
 * @icrc: private; the IP and UDP headers of the packet, as the ICRC covers them
 * @size: private; bytes of each packet, if there are several
 * @next: private; the packet behind the present one
 * @end: private; the end of the last packet
 *
 * @skb and @pkt are valid until nopin_net_next(); nopin_net_keep() keeps a packet for
 * longer. The headers up to the payload are linear, the payload may not be. The IP
 * header is at skb_network_header().
 */
struct nopin_arrival {
	struct net *net;
	bool present;
	struct sk_buff *skb;
	struct nopin_pkt pkt;
	struct nopin_net *state;
	struct nopin_icrc icrc;
	unsigned int size;
	unsigned char *next;
	unsigned char *end;
};

/**
 * typedef nopin_net_rx_fn - take packets
 * @arrival: presents the first; nopin_net_next() moves on to the others
 *
 * Context: softirq, in an RCU read-side section.
 */
typedef void (*nopin_net_rx_fn)(struct nopin_arrival *arrival);

/**
 * struct nopin_route - how packets reach one peer
 * @net: namespace of the device
 * @saddr: this host's address, IPv4 as a mapped address
 * @daddr: the peer's address, of the same family
 * @oif: index of the interface that packets leave by, unless @daddr is this host's; the
 *	peer's packets have to arrive on it
 * @local: @daddr is this host's
 * @group: @daddr is a multicast group
 * @sport: UDP source port, network byte order
 * @tclass: TOS or traffic class
 * @hop_limit: TTL or hop limit; 0: the system's default
 * @flow_label: IPv6 flow label, host byte order, 20 bits
 * @cache: the destination last looked up; per CPU, used with BH off
 */
struct nopin_route {
	struct net *net;
	struct in6_addr saddr;
	struct in6_addr daddr;
	int oif;
	bool local;
	bool group;
	__be16 sport;
	u8 tclass;
	u8 hop_limit;
	u32 flow_label;
	struct dst_cache cache;
};

int nopin_route_init(struct nopin_route *route, gfp_t gfp);
void nopin_route_reset(struct nopin_route *route);
void nopin_route_destroy(struct nopin_route *route);

u8 nopin_net_ecn(const struct sk_buff *skb);
bool nopin_route_matches(const struct nopin_route *route, const struct sk_buff *skb);

/* A datagram's receive begins with this many bytes for a GRH or IP header. */
#define NOPIN_GRH_LEN	40

void nopin_net_copy_grh(const struct sk_buff *skb, const struct nopin_pkt *pkt, void *buffer);
void nopin_net_addresses(const struct sk_buff *skb, struct in6_addr *saddr,
			 struct in6_addr *daddr);
struct net_device *nopin_net_find(struct net *net, const struct sk_buff *skb,
				  const struct in6_addr *daddr);
bool nopin_net_is_own(const struct net_device *ndev, const struct in6_addr *address);
bool nopin_net_are_alike(const struct in6_addr *saddr, const struct in6_addr *daddr);
bool nopin_net_is_one(const struct net_device *ndev, const struct in6_addr *address);
bool nopin_net_is_group(const struct in6_addr *address);
bool nopin_net_came_to_group(struct net *net, const struct sk_buff *skb, int ifindex,
			     bool own);
bool nopin_net_came_by(struct net *net, const struct sk_buff *skb, int ifindex, bool own);

/**
 * struct nopin_train - packets that leave together
 * @route: where they all go; changed only while the train is empty
 * @ecn: the ECN field of their IP headers, where @route has 0 there
 * @limit: most packets that it may hold; the first takes as many IPv4 ids
 * @packets: how many it holds; the fields from @head to @dst are valid if there are any
 * @head: the first packet
 * @tail: the last packet if they are coupled, else NULL
 * @len: bytes of the first packet, from the BTH to the ICRC
 * @whole: the device that they leave through does not take them apart
 * @couples: the headers that the stack pushes fit in front of each packet
 * @icrc: the IP and UDP headers of the last packet, as the ICRC covers them
 * @dst: their destination, with a reference
 * @opened: buffer of the packet that is being made; NULL: it is packed behind @head
 */
struct nopin_train {
	struct nopin_route *route;
	u8 ecn;
	unsigned int limit;
	unsigned int packets;
	struct sk_buff *head;
	struct sk_buff *tail;
	size_t len;
	bool whole;
	bool couples;
	struct nopin_icrc icrc;
	struct dst_entry *dst;
	struct sk_buff *opened;
};

bool nopin_train_is_full(const struct nopin_train *train, const struct nopin_pkt *pkt);
void *nopin_train_open(struct nopin_train *train, const struct nopin_pkt *pkt,
		       unsigned int more);
struct sk_buff *nopin_train_alloc(size_t payload_len);
void nopin_train_use(struct nopin_train *train, struct sk_buff *skb);
int nopin_train_close(struct nopin_train *train, struct nopin_pkt *pkt);
void nopin_train_abandon(struct nopin_train *train);
int nopin_train_depart(struct nopin_train *train);

int nopin_net_send(struct nopin_route *route, struct nopin_pkt *pkt,
		   const void *payload);
bool nopin_net_next(struct nopin_arrival *arrival);
void nopin_net_unclaimed(struct nopin_arrival *arrival);
struct sk_buff *nopin_net_keep(struct sk_buff *skb);

int nopin_group_join(struct net_device *ndev, const struct in6_addr *group, void **joined);
void nopin_group_leave(struct net_device *ndev, const struct in6_addr *group, void *joined);

int nopin_net_open(struct net *net);
void nopin_net_close(struct net *net);

int nopin_net_init(nopin_net_rx_fn rx);
void nopin_net_exit(void);

/**
 * struct nopin_net_drops - drops that are counted at no device
 * @malformed: not a packet that a RoCEv2 peer would send
 * @icrc: wrong ICRC
 * @no_qp: for a QP or an address that no device has
 */
struct nopin_net_drops {
	u64 malformed;
	u64 icrc;
	u64 no_qp;
};

void nopin_net_drops(struct net *net, struct nopin_net_drops *drops);

#endif /* NOPIN_NET_H */
