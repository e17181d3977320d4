/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Two connected QPs of one device, created through the kernel's verbs, and helpers to post
 * to them.
 */
#ifndef KVERBS_H
#define KVERBS_H

#include <rdma/ib_verbs.h>

#define KV_BYTES	(16 * PAGE_SIZE)
#define KV_WRS		16
#define KV_WAIT_MS	10000
#define KV_BOUNCES	1000
#define KV_QKEY		0x11223344

/* One end: a QP with its own CQ, and memory. */
struct kv_end {
	struct ib_pd *pd;
	struct ib_cq *cq;
	struct ib_qp *qp;
	struct ib_srq *srq;
	struct ib_mr *mr;
	u8 *buf;
	int bounces;
};

/* The two ends of a test, and how to create them. */
struct kv {
	struct ib_device *ibdev;
	unsigned int pd_flags;
	enum ib_qp_type type;
	bool shared;
	bool handler;
	struct kv_end a, b;
};

#define KV_CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			pr_err("line %d: not so: %s\n", __LINE__, #condition); \
			return -EIO;					\
		}							\
	} while (0)

int kv_open(struct kv *kv);
void kv_close(struct kv *kv);
int kv_address(struct kv *kv, struct rdma_ah_attr *attr);

int kv_wait(struct kv_end *end, struct ib_wc *wc);
int kv_expect(struct kv_end *end, struct ib_wc *wc, enum ib_wc_status status);
struct ib_sge kv_sge(struct kv_end *end, size_t offset, u32 length);
int kv_recvs(struct kv_end *end, const struct ib_recv_wr *wr, const struct ib_recv_wr **bad_wr);
int kv_recv(struct kv_end *end, size_t offset, u32 length);
int kv_send(struct kv_end *end, enum ib_wr_opcode opcode, u32 length, u32 key);
int kv_send_to(struct kv_end *end, struct ib_ah *ah, u32 qpn, u32 qkey, u32 length);
int kv_rdma(struct kv_end *end, enum ib_wr_opcode opcode, u32 length, u64 addr, u32 rkey);
int kv_reg(struct kv_end *end, size_t offset, u32 length, int access);

#endif /* KVERBS_H */
