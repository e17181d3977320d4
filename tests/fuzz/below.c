// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Stubs for the layers below the transport. In place of kernel/net there is a wire that
 * ends here, in place of kernel/mirror an address space whose pages appear and disappear as
 * the input says. All other functions are never reached.
 */
#include <linux/slab.h>

#include "device.h"
#include "entry/gsi.h"
#include "mem/engine.h"
#include "mem/memory.h"
#include "mem/offload.h"
#include "net/net.h"
#include "qp/address.h"
#include "below.h"
#include "host.h"

DEFINE_STATIC_KEY_FALSE(nopin_engine_key);

/* --- the wire --- */

bool below_foreign;
bool below_own;
u8 below_ecn;
void (*below_sent)(const struct nopin_pkt *pkt, const void *payload);

struct below_packet below_train[BELOW_TRAIN];
unsigned int below_packets;

static unsigned int below_at;

static bool below_show(struct nopin_arrival *arrival)
{
	arrival->present = below_at < below_packets;
	if (arrival->present) {
		arrival->skb = below_train[below_at].skb;
		arrival->pkt = below_train[below_at].pkt;
	}
	return arrival->present;
}

/* Show the first packet of the train. */
void below_arrive(struct nopin_arrival *arrival)
{
	below_at = 0;
	below_show(arrival);
}

bool nopin_net_next(struct nopin_arrival *arrival)
{
	below_at++;
	return below_show(arrival);
}

void nopin_net_unclaimed(struct nopin_arrival *arrival)
{
}

struct sk_buff *nopin_net_keep(struct sk_buff *skb)
{
	return skb_get(skb);
}

u8 nopin_net_ecn(const struct sk_buff *skb)
{
	return below_ecn;
}

void nopin_net_copy_grh(const struct sk_buff *skb, const struct nopin_pkt *pkt, void *buffer)
{
	memset(buffer, 0x11, NOPIN_GRH_LEN);
}

void nopin_net_addresses(const struct sk_buff *skb, struct in6_addr *saddr,
			 struct in6_addr *daddr)
{
	memset(saddr, 0x12, sizeof(*saddr));
	memset(daddr, 0x13, sizeof(*daddr));
}

int nopin_route_init(struct nopin_route *route, gfp_t gfp)
{
	return 0;
}

void nopin_route_reset(struct nopin_route *route)
{
}

void nopin_route_destroy(struct nopin_route *route)
{
}

bool nopin_route_matches(const struct nopin_route *route, const struct sk_buff *skb)
{
	return !below_foreign;
}

/* Each train holds one packet, in a block of exactly its payload's size. */
bool nopin_train_is_full(const struct nopin_train *train, const struct nopin_pkt *pkt)
{
	return false;
}

void *nopin_train_open(struct nopin_train *train, const struct nopin_pkt *pkt,
		       unsigned int more)
{
	fuzz_require(!train->opened);
	train->opened = malloc(pkt->payload_len + 1);
	return train->opened;
}

int nopin_train_close(struct nopin_train *train, struct nopin_pkt *pkt)
{
	if (below_sent)
		below_sent(pkt, train->opened);
	nopin_train_abandon(train);
	train->packets = 1;
	return 0;
}

void nopin_train_abandon(struct nopin_train *train)
{
	free(train->opened);
	train->opened = NULL;
}

int nopin_train_depart(struct nopin_train *train)
{
	train->packets = 0;
	return 0;
}

int nopin_group_join(struct net_device *ndev, const struct in6_addr *group, void **joined)
{
	return 0;
}

void nopin_group_leave(struct net_device *ndev, const struct in6_addr *group, void *joined)
{
}

/* --- addresses: there is one, without address handles, so no datagram leaves --- */

int nopin_address_check(const struct rdma_ah_attr *attr, bool datagrams)
{
	return 0;
}

int nopin_address_route(struct nopin_route *route, struct net *net,
			const struct rdma_ah_attr *attr, u32 local_qpn, u32 remote_qpn)
{
	route->net = net;
	return 0;
}

bool nopin_address_is_own(struct ib_device *ibdev, const struct rdma_ah_attr *attr)
{
	return below_own;
}

bool nopin_address_admits(struct nopin_dev *dev, const struct sk_buff *skb)
{
	return !below_foreign;
}

bool nopin_address_admits_to_group(struct nopin_dev *dev, const struct sk_buff *skb)
{
	return false;
}

struct nopin_av *nopin_ah_av(struct nopin_ah *ah)
{
	return ah->av;
}

struct nopin_av *nopin_av_find(struct nopin_dev *dev, u32 index)
{
	return NULL;
}

/* --- the address space --- */

u8 *below_space;
bool below_absent[BELOW_PAGES];
bool below_fails;

static bool below_page_is_absent(u64 va)
{
	return below_absent[(va - (uintptr_t)below_space) >> PAGE_SHIFT];
}

/* A view ends at the end of its page. */
int nopin_mirror_open(struct nopin_mirror *mirror, u64 va, size_t len,
		      enum nopin_access access, struct nopin_view *view)
{
	if (below_page_is_absent(va))
		return -EAGAIN;
	nopin_view_init(view, access == NOPIN_WRITE);
	nopin_view_add(view, (void *)(uintptr_t)va,
		       min_t(size_t, len, PAGE_SIZE - offset_in_page(va)));
	return 0;
}

static int below_fault(struct nopin_memory *memory, const struct nopin_miss *miss,
		       bool prompt, u64 *pages)
{
	u64 first = miss->va - (uintptr_t)below_space, last = first + miss->need - 1;
	u64 page;

	if (below_fails)
		return -EFAULT;
	for (page = first >> PAGE_SHIFT; page <= last >> PAGE_SHIFT; page++)
		below_absent[page] = false;
	++*pages;
	return 0;
}

static bool below_is_current(const struct nopin_memory *memory)
{
	return false;
}

static void below_leave(struct nopin_memory *memory)
{
}

static void below_free(struct nopin_memory *memory)
{
	kfree(to_nopin_mirrored(memory));
}

const struct nopin_memory_ops nopin_mirrored_ops = {
	.fault = below_fault,
	.is_current = below_is_current,
	.leave = below_leave,
	.free = below_free,
};

struct nopin_memory *nopin_mirrored_create(u64 va, u64 length, atomic64_t *taken)
{
	struct nopin_mirrored *mirrored = kzalloc(sizeof(*mirrored), GFP_KERNEL);

	nopin_memory_init(&mirrored->memory, &nopin_mirrored_ops, va, length);
	mirrored->memory.writable = true;
	return &mirrored->memory;
}

struct nopin_memory *nopin_mirrored_create_ordinary(u64 va, u64 length, bool writable,
						    atomic64_t *taken)
{
	return nopin_mirrored_create(va, length, taken);
}

/* --- functions that are never reached --- */

const struct nopin_memory_ops nopin_pinned_ops;

int nopin_pinned_open(const struct nopin_memory *memory, u64 va, size_t len,
		      enum nopin_access access, struct nopin_view *view)
{
	fuzz_fault("pinned memory");
}

struct nopin_memory *nopin_pinned_create(struct ib_device *ibdev, u64 va, u64 length,
					 int access)
{
	return ERR_PTR(-EOPNOTSUPP);
}

struct nopin_memory *nopin_dmabuf_create(struct ib_device *ibdev, int fd, u64 offset,
					 u64 length, atomic64_t *taken)
{
	return ERR_PTR(-EOPNOTSUPP);
}

void nopin_engine_free(struct nopin_engine_job *job)
{
}

void nopin_engine_submit(struct nopin_engine_job *job)
{
}

struct nopin_engine_job *nopin_offload_prepare(struct nopin_copy *copy)
{
	return NULL;
}

bool nopin_offload_is_of(const struct nopin_engine_job *job, const struct nopin_copy *copy)
{
	return false;
}

int nopin_gsi_create(struct nopin_qp *qp)
{
	return -EOPNOTSUPP;
}

void nopin_gsi_destroy(struct nopin_qp *qp)
{
}

bool nopin_gsi_rx(struct net *net, struct sk_buff *skb, const struct nopin_pkt *pkt)
{
	return false;
}
