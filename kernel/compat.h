/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What differs between kernels; nothing else in the driver asks. Each entry names
 * the version of kernel.org that brought the change, but distributions take changes
 * over: what can be asked for is the thing itself. A macro is seen by the
 * preprocessor, the type of a function by the compiler, and for other names Kbuild
 * looks into the headers (NOPIN_HAS_*). The driver is written for the newest form.
 */
#ifndef NOPIN_COMPAT_H
#define NOPIN_COMPAT_H

#include <linux/bits.h>
#include <linux/hrtimer.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <net/flow.h>
#include <net/inet_dscp.h>
#include <net/ip6_route.h>
#ifdef NOPIN_HAS_IPV6_STUB
#include <net/ipv6_stubs.h>
#endif

/* 6.7: shrinkers are allocated by the kernel; before, the caller embeds them. */
typedef unsigned long (*nopin_shrink_fn)(struct shrinker *shrinker,
					 struct shrink_control *sc);

#ifdef NOPIN_HAS_SHRINKER_ALLOC
static inline struct shrinker *nopin_shrinker_create(const char *name,
						     nopin_shrink_fn count,
						     nopin_shrink_fn scan)
{
	struct shrinker *shrinker = shrinker_alloc(0, "%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker_register(shrinker);
	return shrinker;
}

static inline void nopin_shrinker_destroy(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#else
static inline struct shrinker *nopin_shrinker_create(const char *name,
						     nopin_shrink_fn count,
						     nopin_shrink_fn scan)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
	if (register_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
	return shrinker;
}

static inline void nopin_shrinker_destroy(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#endif

/* 6.6: memory that only calls and returns write. */
#ifndef VM_SHADOW_STACK
#define VM_SHADOW_STACK		VM_NONE
#endif

/*
 * How __vmalloc() fails rather than have the OOM killer come: 6.19 warns of the flag that
 * tries hardest, and 7.1 takes it again. No header tells.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0) &&	\
	LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
#define NOPIN_GFP_VMALLOC_MAYFAIL	__GFP_NORETRY
#else
#define NOPIN_GFP_VMALLOC_MAYFAIL	__GFP_RETRY_MAYFAIL
#endif

/*
 * Of two functions the one whose type a member of struct ib_device_ops has. The
 * members that have changed:
 *
 *   6.11  create_cq gets the whole command instead of the driver's part
 *   6.11  reg_user_mr_dmabuf likewise
 *   6.17  both ways to register get what device memory is to be reached by
 *   7.1   resize_cq is called resize_user_cq, and counts unsigned
 */
#define nopin_op(member, new, old)						\
	__builtin_choose_expr(__builtin_types_compatible_p(			\
		typeof_member(const struct ib_device_ops, member), typeof(new) *),	\
		new, old)

#ifndef NOPIN_HAS_RESIZE_USER_CQ
#define resize_user_cq	resize_cq
#endif

/* 7.1: the speed of a port, exact. */
#ifdef NOPIN_HAS_QUERY_PORT_SPEED
#define NOPIN_OPS_QUERY_PORT_SPEED	.query_port_speed = nopin_query_port_speed,
#else
#define NOPIN_OPS_QUERY_PORT_SPEED
#endif

/* 7.1: programs are told that each command checks the driver's part of it. */
#ifdef NOPIN_HAS_ROBUST_UDATA
#define NOPIN_OPS_ROBUST_UDATA		.uverbs_robust_udata = 1,
#else
#define NOPIN_OPS_ROBUST_UDATA
#endif

/* 7.1: what a dma-buf's exporter calls when it moves the buffer. */
#ifdef NOPIN_HAS_INVALIDATE_MAPPINGS
#define move_notify	invalidate_mappings
#endif

/* 6.2: ATOMIC WRITE; what the ABI does not know is not reported. */
#ifndef NOPIN_HAS_ATOMIC_WRITE
#define IB_UVERBS_WC_ATOMIC_WRITE	9
#define IB_UVERBS_WR_ATOMIC_WRITE	15
#define IB_DEVICE_ATOMIC_WRITE		0
#endif

/* 6.2: FLUSH, likewise. The core refuses regions with such a right where it knows none. */
#ifndef NOPIN_HAS_FLUSH
#define IB_UVERBS_WC_FLUSH		8
#define IB_UVERBS_WR_FLUSH		14
#define IB_DEVICE_FLUSH_GLOBAL		0
#define IB_ACCESS_FLUSH_GLOBAL		BIT(8)
#define IB_ACCESS_FLUSH_PERSISTENT	BIT(9)
#endif

/* 6.16: so does what is told of on-demand memory. */
#ifndef NOPIN_HAS_ODP_ATOMIC_WRITE
#define IB_ODP_SUPPORT_ATOMIC_WRITE	0
#endif
#ifndef NOPIN_HAS_ODP_FLUSH
#define IB_ODP_SUPPORT_FLUSH		0
#endif

/* 6.11: a device tells that its name was chosen. */
#ifndef NOPIN_HAS_NAME_BY_USER
#define ib_mark_name_assigned_by_user(ibdev)	((void)(ibdev))
#endif

/* 7.2: ib_umem_get() becomes another function. */
#ifndef NOPIN_HAS_IB_UMEM_GET_VA
#define ib_umem_get_va	ib_umem_get
#endif

/* 6.13: a timer is given its function at once. */
#ifndef NOPIN_HAS_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* 6.16: another name. */
#ifndef timer_container_of
#define timer_container_of(var, timer, member)	from_timer(var, timer, member)
#endif

/* 6.18: a type of its own for what was the TOS, less the two bits of ECN. */
#ifdef flowi4_dscp
#define nopin_flow4_dscp(tclass)	inet_dsfield_to_dscp(tclass)
#else
#define flowi4_dscp			flowi4_tos
#define nopin_flow4_dscp(tclass)	((tclass) & INET_DSCP_MASK)
#endif

/* 7.1: IPv6 is no module any more, so that it can be called. */
#ifdef NOPIN_HAS_IPV6_STUB
#define nopin_ip6_dst_lookup_flow(net, sk, fl, final)	\
	ipv6_stub->ipv6_dst_lookup_flow(net, sk, fl, final)
#else
#define nopin_ip6_dst_lookup_flow(net, sk, fl, final)	\
	ip6_dst_lookup_flow(net, sk, fl, final)
#endif

/* 6.19: who takes the vector registers of arm64 lends the memory to save them in. */
#ifdef CONFIG_ARM64
#include <asm/neon.h>
#include <asm/simd.h>
#ifdef scoped_ksimd
#define nopin_neon_state	user_fpsimd_state
#define nopin_neon_begin(state)	kernel_neon_begin(state)
#define nopin_neon_end(state)	kernel_neon_end(state)
#else
struct nopin_neon_state {};
#define nopin_neon_begin(state)	((void)(state), kernel_neon_begin())
#define nopin_neon_end(state)	((void)(state), kernel_neon_end())
#endif
#endif

/* 7.2, 7.1.5, and one of the two without the other: struct sock, not its socket. */
#define nopin_tunnel_end(socket, function, ...)					\
	__builtin_choose_expr(__builtin_types_compatible_p(			\
		typeof(function) *, void (*)(__VA_ARGS__)), (socket)->sk, socket)

#define nopin_tunnel_setup(ns, socket, config)					\
	setup_udp_tunnel_sock(ns, nopin_tunnel_end(socket, setup_udp_tunnel_sock,	\
		struct net *, struct sock *, struct udp_tunnel_sock_cfg *), config)

#define nopin_tunnel_release(socket)						\
	udp_tunnel_sock_release(nopin_tunnel_end(socket, udp_tunnel_sock_release,	\
						 struct sock *))

/* 6.15: a page's own memory map is found by a function. */
#ifndef NOPIN_HAS_PAGE_PGMAP
#define page_pgmap(page)	((page)->pgmap)
#endif

#if IS_ENABLED(CONFIG_DEVICE_PRIVATE)
/*
 * 6.19: a device's private page may be one of several, of an order; soon afterwards its
 * memory map is given, too. What a kernel does not have does nothing.
 */
static inline void nopin_no_init(struct page *page)
{
}

static inline void nopin_no_init_order(struct page *page, unsigned int order)
{
}

static inline void nopin_no_init_map(struct page *page, struct dev_pagemap *map,
				     unsigned int order)
{
}

#define nopin_init_like(function)						\
	__builtin_choose_expr(__builtin_types_compatible_p(			\
		typeof(zone_device_page_init), typeof(function)),		\
		zone_device_page_init, function)

static inline void nopin_device_page_init(struct page *page, struct dev_pagemap *map)
{
	nopin_init_like(nopin_no_init)(page);
	nopin_init_like(nopin_no_init_order)(page, 0);
	nopin_init_like(nopin_no_init_map)(page, map, 0);
}
#endif

/*
 * 6.12 and 6.1.115: a UDP packet that is marked FRAGLIST need not have a list to be
 * taken apart. Older kernels follow the list that is not there.
 */
#define NOPIN_LINEAR_FRAGLIST					\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) ||	\
	 (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 115) &&	\
	  LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)))

#endif /* NOPIN_COMPAT_H */
