/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers for the tests of RC, on top of vt.h: the operations, and connected pairs of QPs.
 *
 * Both QPs of a pair are on one device (loopback) or, with --peer, on two devices.
 */
#ifndef RC_H
#define RC_H

#include "vt.h"

/* --- operations --- */

struct rc_op {
	const char *name;
	enum ibv_wr_opcode op;
	enum ibv_wc_opcode wc;
	enum ibv_wc_opcode recv_wc;
	int remote_right;	/* IBV_ACCESS_* that the target needs */
	uint32_t odp_cap;
	bool recv;		/* consumes a receive of the target */
	bool imm;
	bool rdma;		/* names remote memory */
	bool fetches;		/* READ and atomics: the response is written to local memory */
	bool atomic;
};

#define RC_OPS	7
extern const struct rc_op rc_ops[RC_OPS];
const struct rc_op *rc_op(enum ibv_wr_opcode op);

/* --- pairs --- */

struct rc_attr {
	enum ibv_qp_type type;
	unsigned int mtu;	/* bytes */
	uint32_t wr, sge, inline_len;
	int cqe;		/* size of each CQ; 0: room for every request */
	bool sig_all;
	bool channel;		/* completion channels */
	uint8_t timeout, retry_cnt, rnr_retry, min_rnr_timer, rd_atomic;
	int access;		/* of the QPs */
};

extern const struct rc_attr rc_attr_default;

struct rc_end {
	struct vt_dev *dev;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *scq, *rcq;
	struct ibv_qp *qp;
	uint32_t psn;
};

struct rc_pair {
	struct rc_end a, b;
	struct rc_attr attr;
};

/* What one end must know of the other to connect; plain bytes, to be sent through a pipe. */
struct rc_addr {
	union ibv_gid gid;
	uint32_t qpn, psn;
	uint16_t lid;
};

void rc_end_open(struct rc_end *end, struct vt_dev *dev, struct ibv_pd *pd,
		 const struct rc_attr *attr);
struct rc_addr rc_end_addr(const struct rc_end *end);
int rc_to_init(struct rc_end *end, const struct rc_attr *attr);
int rc_to_rtr(struct rc_end *end, const struct rc_attr *attr, const struct rc_addr *to);
int rc_to_rts(struct rc_end *end, const struct rc_attr *attr);
int rc_to_state(struct rc_end *end, enum ibv_qp_state state);
enum ibv_qp_state rc_state(const struct rc_end *end);
void rc_connect(struct rc_end *end, const struct rc_attr *attr, const struct rc_addr *to);

struct rc_pair *rc_pair_between(struct vt_dev *dev_a, struct vt_dev *dev_b,
				const struct rc_attr *attr);
struct rc_pair *rc_pair_new(const struct rc_attr *attr);
struct rc_pair *rc_pair(void);
void rc_reconnect(struct rc_pair *pair);
size_t rc_mtus(unsigned int mtus[5]);

/* --- requests --- */

int rc_post(struct rc_end *end, struct vt_wr *wr);
int rc_post_recv(struct rc_end *end, uint64_t id, struct ibv_sge *sge, int num);
void rc_works(struct rc_pair *pair);

void rc_start(struct rc_end *end, enum ibv_wr_opcode op, uint64_t id,
	      const struct vt_mem *local, size_t loff,
	      const struct vt_mem *remote, size_t roff, size_t len);

/* Post one request of @end, with one local element, and wait for its completion. */
void rc_do(struct rc_end *end, enum ibv_wr_opcode op,
	   const struct vt_mem *local, size_t loff,
	   const struct vt_mem *remote, size_t roff, size_t len,
	   enum ibv_wc_status status);

#endif /* RC_H */
