/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The kernel's side of the provider's calls, in the test program: it stands in
 * for the ibv_cmd_*() functions of libibverbs, and its rings live in a memfd
 * that takes the place of the device. Doorbells are appended to that file.
 */
#ifndef NOPIN_FAKE_KERNEL_H
#define NOPIN_FAKE_KERNEL_H

#include <infiniband/driver.h>
#include <rdma/nopin-abi.h>

#define FAKE_ENTRIES 8u
#define FAKE_MAX_SGE 4u
#define FAKE_MAX_INLINE 64u
#define FAKE_SEND_STRIDE 128u
#define FAKE_RECV_STRIDE 80u
#define FAKE_CQ_ENTRIES 16u

/**
 * struct fake_kernel - what the tests see and set
 * @ops: what the provider registered
 * @fd: the memfd
 * @context_resp: answer to the next get_context
 * @qp_resp: answer to the next create_qp
 * @cq_resp: answer to the next create_cq or resize_cq
 * @first_index: where new rings start counting
 * @sq: send ring of the last QP
 * @rq: receive ring of the last QP
 * @cq: ring of the last CQ
 * @destroyed: QPs and CQs destroyed
 */
struct fake_kernel {
	const struct verbs_device_ops *ops;
	int fd;
	struct nopin_alloc_ucontext_resp context_resp;
	struct nopin_create_qp_resp qp_resp;
	struct nopin_create_cq_resp cq_resp;
	uint32_t first_index;
	struct nopin_ring *sq;
	struct nopin_ring *rq;
	struct nopin_ring *cq;
	unsigned int destroyed;
};

extern struct fake_kernel fake;

void fake_reset(void);
struct ibv_context *fake_open(void);
unsigned int fake_doorbells(uint32_t command);
unsigned int fake_bells_rung(void);
void *fake_entry(struct nopin_ring *ring, uint32_t stride, uint32_t entries,
		 uint32_t index);
void fake_complete(uint32_t qp_num, uint64_t wr_id);

#endif /* NOPIN_FAKE_KERNEL_H */
