/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The interface between the nopin kernel module and its user-space provider.
 *
 * Rules of this file:
 *  - Fields that cross the boundary have a fixed size and natural alignment;
 *    a struct is the same for 32-bit and 64-bit callers.
 *  - Reserved fields and unknown bits are zero, so each may gain a meaning later.
 *    The kernel rejects a command that sets one with EINVAL. It rejects a command
 *    that is longer than it knows with EOPNOTSUPP, unless the rest is zero.
 *  - Responses only ever grow at the end.
 *  - Rings are memory that both sides map. The kernel trusts nothing in them:
 *    it keeps its own index, bounds-checks the other's, and copies an entry
 *    once before it looks at it.
 */
#ifndef NOPIN_ABI_USER_H
#define NOPIN_ABI_USER_H

#include <linux/types.h>

/* ib_device_ops.uverbs_abi_ver; the provider accepts exactly this one. */
#define NOPIN_ABI_VERSION	1

/*
 * ib_device_ops.driver_id: "nopi" in ASCII. The kernel has no number for drivers outside
 * its tree, so this one is far outside the range of its enum rdma_driver_id.
 */
#define RDMA_DRIVER_NOPIN	0x6e6f7069

/* Bytes; the kernel reports the limits that apply through query_device. */
#define NOPIN_CACHE_LINE	64
#define NOPIN_MAX_SGE		32
#define NOPIN_MAX_INLINE	960

/**
 * struct nopin_ring - head of every ring, followed by its entries
 * @producer: entries ever put in, modulo 2^32; written by the filling side
 * @flags: NOPIN_RING_*; written by the kernel, rarely
 * @attend: SQ only: not 0 asks the kernel to set NOPIN_RING_ATTENDED when doorbells come
 *	closely; written by the program
 * @rsvd0: keeps @consumer on a cache line of its own
 * @consumer: entries ever taken out, modulo 2^32; written by the draining side
 * @rsvd1: as @rsvd0
 *
 * A ring holds a power of two of entries of one stride; entry i is at
 * sizeof(struct nopin_ring) + (i % entries) * stride. It is empty when producer
 * equals consumer and full when they are @entries apart.
 *
 *   ring   filled by   drained by   consumer advances when
 *   SQ     user        kernel       the work request has completed
 *   RQ     user        kernel       the receive has been taken by a message
 *   SRQ    user        kernel       the receive has been taken by a QP
 *   CQ     kernel      user         the completion has been polled
 *
 * The filling side stores @producer with release after the entry and the
 * draining side loads it with acquire; likewise @consumer the other way round.
 */
struct nopin_ring {
	__u32 producer;
	__u32 flags;
	__u32 attend;
	__u32 rsvd0[13];
	__u32 consumer;
	__u32 rsvd1[15];
};

/*
 * RQ only: after storing the producer the program must ring the doorbell.
 * Set while the QP is in the error state, where nothing else would make the
 * kernel flush a receive posted late. The program stores the producer, passes a
 * full barrier and loads flags; the kernel stores flags, passes a full barrier
 * and loads the producer: at least one of the two sees the other's store.
 */
#define NOPIN_RING_NEED_DOORBELL	(1U << 0)

/*
 * SQ only: the kernel will look at the ring by itself, so a request posted now needs no
 * doorbell; with a doorbell it is sent at once. The kernel sets the flag in a doorbell that
 * closely follows another one, if @attend is set. It clears the flag when doorbells stop:
 * at first 100 to 200 us after the last one, and up to 8 ms after it for a program whose
 * requests it has never found waiting then. The order of stores and loads is that of
 * NOPIN_RING_NEED_DOORBELL.
 */
#define NOPIN_RING_ATTENDED		(1U << 1)

/**
 * struct nopin_sge - one scatter/gather element
 * @addr: virtual address (IOVA) of the first byte
 * @length: bytes; 0 means none (not 2 GiB)
 * @lkey: key of the region
 */
struct nopin_sge {
	__aligned_u64 addr;
	__u32 length;
	__u32 lkey;
};

/* nopin_send_wqe.flags; the values of enum ibv_send_flags. */
#define NOPIN_SEND_FENCE	(1U << 0)
#define NOPIN_SEND_SIGNALED	(1U << 1)
#define NOPIN_SEND_SOLICITED	(1U << 2)
#define NOPIN_SEND_INLINE	(1U << 3)
#define NOPIN_SEND_FLAGS	0xfU

/* nopin_send_wqe.flush_type; the values of enum ibv_placement_type. */
#define NOPIN_FLUSH_GLOBAL	(1U << 0)	/* every CPU and device sees the data */
#define NOPIN_FLUSH_PERSISTENT	(1U << 1)	/* the data survive a power failure */
#define NOPIN_FLUSH_TYPES	0x3U

/* nopin_send_wqe.flush_level; the values of enum ibv_selectivity_level. */
#define NOPIN_FLUSH_RANGE	0U
#define NOPIN_FLUSH_MR		1U	/* all of the region, whatever the range says */

/**
 * struct nopin_send_wqe - head of a send queue entry, 64 bytes
 * @wr_id: the program's, returned in the completion
 * @opcode: enum ib_uverbs_wr_opcode (the values of enum ibv_wr_opcode)
 * @flags: NOPIN_SEND_*
 * @imm_data: immediate data of the *_WITH_IMM opcodes, network byte order
 * @num_sge: elements that follow; 0 when NOPIN_SEND_INLINE is set
 * @inline_len: bytes of data that follow when NOPIN_SEND_INLINE is set
 * @rkey: RDMA and atomic opcodes: key of the remote region; SEND_WITH_INV, LOCAL_INV: the
 *	key to invalidate; BIND_MW: the window's new key
 * @remote_qkey: datagrams: Q_Key of the destination QP
 * @remote_addr: RDMA and atomic opcodes: address in the remote region; BIND_MW: address in
 *	the region that the window is bound to
 * @remote_qpn: datagrams: number of the destination QP, 24 bits
 * @ah: datagrams: nopin_create_ah_resp.ah of the address handle
 * @compare_add: CMP_SWAP: the value to compare; FETCH_ADD: the addend
 * @bind_length: BIND_MW: bytes of the window; 0: bind it to nothing
 * @flush_length: FLUSH: bytes, 32 bits
 * @swap: CMP_SWAP: the value to store
 * @bind_lkey: BIND_MW: key of the region
 * @bind_access: BIND_MW: enum ibv_access_flags
 * @flush_type: FLUSH: NOPIN_FLUSH_GLOBAL and so on
 * @flush_level: FLUSH: NOPIN_FLUSH_RANGE and so on
 * @remote_srqn: XRC: number of the destination SRQ, 24 bits
 * @rsvd: zero
 *
 * struct nopin_sge elements or inline data follow. The 8 bytes of an ATOMIC_WRITE may be
 * inline in the place of an element, even where max_inline_data is less than 8.
 */
struct nopin_send_wqe {
	__aligned_u64 wr_id;
	__u32 opcode;
	__u32 flags;
	__be32 imm_data;
	__u32 num_sge;
	__u32 inline_len;
	union {
		__u32 rkey;
		__u32 remote_qkey;
	};
	union {
		__aligned_u64 remote_addr;
		struct {
			__u32 remote_qpn;
			__u32 ah;
		};
	};
	union {
		__aligned_u64 compare_add;
		__aligned_u64 bind_length;
		__aligned_u64 flush_length;
	};
	union {
		__aligned_u64 swap;
		struct {
			__u32 bind_lkey;
			__u32 bind_access;
		};
		struct {
			__u32 flush_type;
			__u32 flush_level;
		};
	};
	__u32 remote_srqn;
	__u32 rsvd;
};

/**
 * struct nopin_recv_wqe - head of a receive queue entry, 16 bytes
 * @wr_id: the program's, returned in the completion
 * @num_sge: struct nopin_sge elements that follow
 * @rsvd: zero
 */
struct nopin_recv_wqe {
	__aligned_u64 wr_id;
	__u32 num_sge;
	__u32 rsvd;
};

/* nopin_cqe.wc_flags; the values of enum ibv_wc_flags. */
#define NOPIN_WC_GRH		(1U << 0)
#define NOPIN_WC_WITH_IMM	(1U << 1)
#define NOPIN_WC_WITH_INV	(1U << 3)

/*
 * nopin_cqe.sl: the kind of IP header that a datagram came with. From it programs know
 * what the 40 bytes before the data hold, as they do with other NICs.
 */
#define NOPIN_SL_IPV6		0x9U
#define NOPIN_SL_IPV4		0xaU

/**
 * struct nopin_cqe - one completion, 64 bytes
 * @wr_id: of the work request
 * @status: enum ibv_wc_status
 * @opcode: enum ibv_wc_opcode; valid whatever the status
 * @qp_num: of the QP that the work request was posted to
 * @byte_len: bytes received (receive), read (READ) or 8 (atomics)
 * @imm_data: immediate data, network byte order, with NOPIN_WC_WITH_IMM
 * @invalidated_rkey: the key that the sender invalidated, with NOPIN_WC_WITH_INV
 * @wc_flags: NOPIN_WC_*
 * @vendor_err: 0, or a negative errno that explains @status, as u32
 * @src_qp: sender's QPN (datagram QPs)
 * @timestamp: ktime_get_real_ns() when the completion was made, in a CQ created with
 *	IB_UVERBS_CQ_FLAGS_TIMESTAMP_COMPLETION; otherwise 0
 * @sl: received datagrams: NOPIN_SL_*, as RoCE has no service levels
 * @rsvd0: zero
 * @rsvd1: zero
 */
struct nopin_cqe {
	__aligned_u64 wr_id;
	__u32 status;
	__u32 opcode;
	__u32 qp_num;
	__u32 byte_len;
	union {
		__be32 imm_data;
		__u32 invalidated_rkey;
	};
	__u32 wc_flags;
	__u32 vendor_err;
	__u32 src_qp;
	__aligned_u64 timestamp;
	__u32 sl;
	__u32 rsvd0;
	__aligned_u64 rsvd1;
};

/**
 * struct nopin_ring_info - where a ring is and what it looks like
 * @offset: to pass to mmap() on the command file descriptor
 * @size: bytes to map, a multiple of the page size
 * @entries: a power of two
 * @stride: bytes from one entry to the next
 */
struct nopin_ring_info {
	__aligned_u64 offset;
	__aligned_u64 size;
	__u32 entries;
	__u32 stride;
};

/**
 * struct nopin_alloc_ucontext_req - alloc_ucontext, driver part of the request
 * @comp_mask: zero
 * @rsvd: zero
 */
struct nopin_alloc_ucontext_req {
	__u32 comp_mask;
	__u32 rsvd;
};

/**
 * struct nopin_alloc_ucontext_resp - alloc_ucontext, driver part of the response
 * @comp_mask: zero
 * @max_inline: largest max_inline_data of a QP, in bytes
 */
struct nopin_alloc_ucontext_resp {
	__u32 comp_mask;
	__u32 max_inline;
};

/**
 * struct nopin_create_cq_resp - create_cq and resize_cq, driver part
 * @cq: the ring of struct nopin_cqe
 *
 * After resize_cq, @cq names a new ring that holds the unpolled completions of
 * the old one; the program must not poll between the call and the switch.
 */
struct nopin_create_cq_resp {
	struct nopin_ring_info cq;
};

/**
 * struct nopin_create_qp_req - create_qp, driver part of the request
 * @comp_mask: zero
 * @rsvd: zero
 */
struct nopin_create_qp_req {
	__u32 comp_mask;
	__u32 rsvd;
};

/**
 * struct nopin_create_qp_resp - create_qp, driver part of the response
 * @sq: the ring of struct nopin_send_wqe, each followed by SGEs or inline data
 * @rq: the ring of struct nopin_recv_wqe, each followed by SGEs; zero for a QP that takes
 *	its receives from an SRQ, or none
 *
 * The doorbell is the POST_SEND command (POST_RECV where
 * NOPIN_RING_NEED_DOORBELL asks for it) with wr_count and sge_count zero.
 */
struct nopin_create_qp_resp {
	struct nopin_ring_info sq;
	struct nopin_ring_info rq;
};

/**
 * struct nopin_create_srq_resp - create_srq, driver part of the response
 * @srq: the ring of struct nopin_recv_wqe, each followed by SGEs
 *
 * Receives in it need no doorbell.
 */
struct nopin_create_srq_resp {
	struct nopin_ring_info srq;
};

/**
 * struct nopin_modify_srq_req - modify_srq, driver part of the request; only to resize
 * @resp: address that receives a struct nopin_create_srq_resp, as the command has no
 *	response
 *
 * The answer names a new ring, which holds the receives of the old one that were not
 * taken. The program must not post between the call and the switch.
 */
struct nopin_modify_srq_req {
	__aligned_u64 resp;
};

/**
 * struct nopin_create_ah_resp - create_ah, driver part of the response
 * @ah: number of the address handle in work requests
 * @rsvd: zero
 */
struct nopin_create_ah_resp {
	__u32 ah;
	__u32 rsvd;
};

/*
 * A mandatory attribute of the driver in the ioctl UVERBS_METHOD_DM_ALLOC. It receives a
 * __aligned_u64: the offset to pass to mmap() on the command file descriptor, for the
 * memory rounded up to whole pages. (1 << 12: UVERBS_ID_DRIVER_NS.)
 */
#define NOPIN_ATTR_ALLOC_DM_OFFSET	(1U << 12)

/*
 * Methods of the driver. The queries are for objects that another program has made in the
 * same context. NOPIN_METHOD_PD_QUERY succeeds if the PD exists. NOPIN_METHOD_DM_QUERY
 * returns the length of device memory in bytes and the offset of
 * NOPIN_ATTR_ALLOC_DM_OFFSET, each a __aligned_u64.
 */
enum nopin_methods_pd {
	NOPIN_METHOD_PD_QUERY = 1U << 12,
	NOPIN_METHOD_PD_MIGRATE,
};

enum nopin_methods_dm {
	NOPIN_METHOD_DM_QUERY = 1U << 12,
};

#define NOPIN_ATTR_PD_QUERY_HANDLE	(1U << 12)
#define NOPIN_ATTR_DM_QUERY_HANDLE	(1U << 12)
#define NOPIN_ATTR_DM_QUERY_LENGTH	((1U << 12) + 1)
#define NOPIN_ATTR_DM_QUERY_OFFSET	((1U << 12) + 2)

/*
 * NOPIN_METHOD_PD_MIGRATE moves memory of the calling process into the memory of the PD's
 * device, or back. All attributes are mandatory: the PD; address and length, each a
 * __aligned_u64, rounded outwards to whole pages; NOPIN_MIGRATE_*, a __u32.
 */
enum nopin_migrate_attrs {
	NOPIN_ATTR_MIGRATE_PD = 1U << 12,
	NOPIN_ATTR_MIGRATE_ADDR,
	NOPIN_ATTR_MIGRATE_LENGTH,
	NOPIN_ATTR_MIGRATE_FLAGS,
};

#define NOPIN_MIGRATE_TO_DEVICE		(1U << 0)	/* otherwise back */

#endif /* NOPIN_ABI_USER_H */
