/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Differences between kernels; no other file of the driver tests for them. Each entry
 * names the kernel.org version that brought the change. As distributions backport
 * changes, the tests look for the change itself where they can: the preprocessor sees
 * a macro, the compiler sees the type of a function, and for other names Kbuild
 * searches the headers (NOPIN_HAS_*). The driver is written for the newest form.
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

/* 6.6: shadow stacks, which only call and return instructions write. */
#ifndef VM_SHADOW_STACK
#define VM_SHADOW_STACK		VM_NONE
#endif

/*
 * The flag by which __vmalloc() fails instead of invoking the OOM killer. 6.19 warns about
 * __GFP_RETRY_MAYFAIL, and 7.1 accepts it again. No header shows the difference.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0) &&	\
	LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
#define NOPIN_GFP_VMALLOC_MAYFAIL	__GFP_NORETRY
#else
#define NOPIN_GFP_VMALLOC_MAYFAIL	__GFP_RETRY_MAYFAIL
#endif

/*
 * Chooses that one of two functions whose type a member of struct ib_device_ops has.
 * The members that have changed:
 *
 *   6.11  create_cq gets the whole command instead of the driver's part
 *   6.11  reg_user_mr_dmabuf likewise
 *   6.17  reg_user_mr and reg_user_mr_dmabuf get a struct ib_dmah, hints for DMA
 *   7.1   resize_cq is renamed resize_user_cq, and its count is unsigned
 */
#define nopin_op(member, new, old)						\
	__builtin_choose_expr(__builtin_types_compatible_p(			\
		typeof_member(const struct ib_device_ops, member), typeof(new) *),	\
		new, old)

#ifndef NOPIN_HAS_RESIZE_USER_CQ
#define resize_user_cq	resize_cq
#endif

/* 7.1: an operation that reports the exact speed of a port. */
#ifdef NOPIN_HAS_QUERY_PORT_SPEED
#define NOPIN_OPS_QUERY_PORT_SPEED	.query_port_speed = nopin_query_port_speed,
#else
#define NOPIN_OPS_QUERY_PORT_SPEED
#endif

/*
 * 6.14: without this operation the core reports the port's states as well, of devices that
 * are on no bond.
 */
#ifdef NOPIN_HAS_REPORT_PORT_EVENT
#define NOPIN_OPS_REPORT_PORT_EVENT	.report_port_event = nopin_report_port_event,
#else
#define NOPIN_OPS_REPORT_PORT_EVENT
#endif

/* 7.1: a flag tells programs that the driver checks its part of each command. */
#ifdef NOPIN_HAS_ROBUST_UDATA
#define NOPIN_OPS_ROBUST_UDATA		.uverbs_robust_udata = 1,
#else
#define NOPIN_OPS_ROBUST_UDATA
#endif

/* 7.1: a new name for what a dma-buf's exporter calls when it moves the buffer. */
#ifdef NOPIN_HAS_INVALIDATE_MAPPINGS
#define move_notify	invalidate_mappings
#endif

/* 6.2: ATOMIC WRITE. The ABI of older kernels has no bit to report it. */
#ifndef NOPIN_HAS_ATOMIC_WRITE
#define IB_UVERBS_WC_ATOMIC_WRITE	9
#define IB_UVERBS_WR_ATOMIC_WRITE	15
#define IB_DEVICE_ATOMIC_WRITE		0
#endif

/* 6.2: FLUSH, likewise. An older core refuses to register regions with these rights. */
#ifndef NOPIN_HAS_FLUSH
#define IB_UVERBS_WC_FLUSH		8
#define IB_UVERBS_WR_FLUSH		14
#define IB_DEVICE_FLUSH_GLOBAL		0
#define IB_ACCESS_FLUSH_GLOBAL		BIT(8)
#define IB_ACCESS_FLUSH_PERSISTENT	BIT(9)
#endif

/* 6.16: capability bits for both of them in on-demand memory. */
#ifndef NOPIN_HAS_ODP_ATOMIC_WRITE
#define IB_ODP_SUPPORT_ATOMIC_WRITE	0
#endif
#ifndef NOPIN_HAS_ODP_FLUSH
#define IB_ODP_SUPPORT_FLUSH		0
#endif

/* 6.11: a driver can mark a device's name as chosen by the user. */
#ifndef NOPIN_HAS_NAME_BY_USER
#define ib_mark_name_assigned_by_user(ibdev)	((void)(ibdev))
#endif

/* 7.2: ib_umem_get() is renamed ib_umem_get_va(); another function has the old name. */
#ifndef NOPIN_HAS_IB_UMEM_GET_VA
#define ib_umem_get_va	ib_umem_get
#endif

/* 6.17: a new name for system_unbound_wq. 7.2 warns about the old one. */
#ifndef NOPIN_HAS_SYSTEM_DFL_WQ
#define system_dfl_wq	system_unbound_wq
#endif

/* 6.13: the function that initialises a timer also sets its callback. */
#ifndef NOPIN_HAS_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* 6.16: a new name for from_timer(). */
#ifndef timer_container_of
#define timer_container_of(var, timer, member)	from_timer(var, timer, member)
#endif

/* 6.18: the flow has a dscp_t, without the two ECN bits, in place of the TOS. */
#ifdef flowi4_dscp
#define nopin_flow4_dscp(tclass)	inet_dsfield_to_dscp(tclass)
#else
#define flowi4_dscp			flowi4_tos
#define nopin_flow4_dscp(tclass)	((tclass) & INET_DSCP_MASK)
#endif

/* 7.1: IPv6 is never a module, so its functions can be called directly. */
#ifdef NOPIN_HAS_IPV6_STUB
#define nopin_ip6_dst_lookup_flow(net, sk, fl, final)	\
	ipv6_stub->ipv6_dst_lookup_flow(net, sk, fl, final)
#else
#define nopin_ip6_dst_lookup_flow(net, sk, fl, final)	\
	ip6_dst_lookup_flow(net, sk, fl, final)
#endif

/* 6.19, arm64: the caller of kernel_neon_begin() provides memory to save registers in. */
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

/*
 * 7.2 and 7.1.5: these two functions take a struct sock, not its struct socket. A kernel
 * may have the change of one without that of the other.
 */
#define nopin_tunnel_end(socket, function, ...)					\
	__builtin_choose_expr(__builtin_types_compatible_p(			\
		typeof(function) *, void (*)(__VA_ARGS__)), (socket)->sk, socket)

#define nopin_tunnel_setup(ns, socket, config)					\
	setup_udp_tunnel_sock(ns, nopin_tunnel_end(socket, setup_udp_tunnel_sock,	\
		struct net *, struct sock *, struct udp_tunnel_sock_cfg *), config)

#define nopin_tunnel_release(socket)						\
	udp_tunnel_sock_release(nopin_tunnel_end(socket, udp_tunnel_sock_release,	\
						 struct sock *))

/* 6.15: a function returns the struct dev_pagemap of a page. */
#ifndef NOPIN_HAS_PAGE_PGMAP
#define page_pgmap(page)	((page)->pgmap)
#endif

#if IS_ENABLED(CONFIG_DEVICE_PRIVATE)
/*
 * 6.19: zone_device_page_init() also takes an order, and soon afterwards the struct
 * dev_pagemap, too. Of the three calls below only the one that fits the kernel's type
 * calls it; the other two do nothing.
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
 * 6.12 and 6.1.115: segmentation accepts a UDP packet that is marked FRAGLIST and has no
 * list of fragments. Older kernels dereference the missing list.
 */
#define NOPIN_LINEAR_FRAGLIST					\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) ||	\
	 (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 115) &&	\
	  LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)))

#endif /* NOPIN_COMPAT_H */
