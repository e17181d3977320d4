/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Work requests as the kernel sees them: copied once, then checked. */
#ifndef NOPIN_WQE_H
#define NOPIN_WQE_H

#include <linux/types.h>
#include <rdma/ib_verbs.h>
#include <rdma/nopin-abi.h>

#include "qp/request.h"

/**
 * struct nopin_swqe - snapshot of one send request
 * @wr_id: id that the program gave it
 * @request: what kind of request it is
 * @flags: NOPIN_SEND_*
 * @imm_data: network byte order
 * @num_sge: elements in @sge; 0 with inline data
 * @inline_len: bytes in @data
 * @rkey: remote key, or the key that is to be invalidated or bound
 * @remote_qkey: datagrams
 * @remote_addr: remote address, or the address of a window's first byte
 * @remote_qpn: datagrams
 * @ah: datagrams: index of the address vector
 * @compare_add: atomics
 * @bind_length: bytes of a window
 * @flush_length: bytes to be flushed
 * @swap: atomics
 * @bind_lkey: key of a window's region
 * @bind_access: rights of a window
 * @flush_type: NOPIN_FLUSH_GLOBAL and so on
 * @flush_level: NOPIN_FLUSH_RANGE and so on
 * @remote_srqn: XRC
 * @length: bytes of the message
 * @first_psn: PSN of its first packet
 * @last_psn: PSN of its last packet; of a READ, PSN of the last response
 * @status: what it will complete with; unless IB_WC_SUCCESS, no more of it is sent
 * @numbered: @first_psn and @last_psn are valid
 * @sge: elements
 * @data: inline data
 *
 * Allocated with room for max_send_sge elements or max_inline_data bytes.
 */
struct nopin_swqe {
	u64 wr_id;
	const struct nopin_request *request;
	u32 flags;
	__be32 imm_data;
	u32 num_sge;
	u32 inline_len;
	union {
		u32 rkey;
		u32 remote_qkey;
	};
	union {
		u64 remote_addr;
		struct {
			u32 remote_qpn;
			u32 ah;
		};
	};
	union {
		u64 compare_add;
		u64 bind_length;
		u64 flush_length;
	};
	union {
		u64 swap;
		struct {
			u32 bind_lkey;
			u32 bind_access;
		};
		struct {
			u32 flush_type;
			u32 flush_level;
		};
	};
	u32 remote_srqn;
	u32 length;
	u32 first_psn;
	u32 last_psn;
	enum ib_wc_status status;
	bool numbered;
	union {
		DECLARE_FLEX_ARRAY(struct nopin_sge, sge);
		DECLARE_FLEX_ARRAY(u8, data);
	};
};

/**
 * struct nopin_rwqe - snapshot of one receive request
 * @wr_id: id that the program gave it
 * @length: bytes that it has room for
 * @num_sge: elements in @sge
 * @sge: elements, allocated with room for max_recv_sge
 */
struct nopin_rwqe {
	u64 wr_id;
	u64 length;
	u32 num_sge;
	struct nopin_sge sge[];
};

/* Is it a local request that has been carried out, and waits only to complete? */
static inline bool nopin_swqe_is_over(const struct nopin_swqe *swqe)
{
	return swqe->numbered && nopin_request_is_local(swqe->request);
}

int nopin_swqe_take(struct nopin_swqe *swqe, const void *entry,
		    const struct ib_qp_cap *cap, u32 requests);
int nopin_rwqe_take(struct nopin_rwqe *rwqe, const void *entry, u32 max_sge);

#endif /* NOPIN_WQE_H */
