// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The two ends of a test: creating and connecting them, and posting requests. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <rdma/ib_cache.h>

#include "kverbs.h"

/* CQ handler of both ends: it polls the CQ and answers each message with another. */
static void kv_bounce(struct ib_cq *cq, void *context)
{
	struct kv_end *end = context;
	struct ib_wc wc;

	do {
		while (ib_poll_cq(cq, 1, &wc) > 0) {
			if (wc.opcode != IB_WC_RECV || wc.status != IB_WC_SUCCESS)
				continue;
			WRITE_ONCE(end->bounces, end->bounces + 1);
			if (end->bounces == KV_BOUNCES)
				continue;
			if (kv_recv(end, 0, 64) || kv_send(end, IB_WR_SEND, 64, 0))
				pr_err("posting from the handler fails\n");
		}
	} while (ib_req_notify_cq(cq, IB_CQ_NEXT_COMP | IB_CQ_REPORT_MISSED_EVENTS) > 0);
}

/* --- making and connecting two ends ---------------------------------------------- */

static int kv_end_create(struct kv *kv, struct kv_end *end)
{
	struct ib_srq_init_attr srq = { .attr = { .max_wr = KV_WRS, .max_sge = 2 } };
	struct ib_cq_init_attr cq = { .cqe = 8 * KV_WRS };
	struct ib_qp_init_attr init = {
		.cap = { .max_send_wr = KV_WRS, .max_recv_wr = KV_WRS,
			 .max_send_sge = 2, .max_recv_sge = 2, .max_inline_data = 64 },
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = kv->type,
	};

	end->buf = kmalloc(KV_BYTES, GFP_KERNEL);
	if (!end->buf)
		return -ENOMEM;
	end->pd = ib_alloc_pd(kv->ibdev, kv->pd_flags);
	if (IS_ERR(end->pd))
		return PTR_ERR(end->pd);
	end->cq = kv->handler ? ib_create_cq(kv->ibdev, kv_bounce, NULL, end, &cq) :
				ib_alloc_cq(kv->ibdev, end, cq.cqe, 0, IB_POLL_DIRECT);
	if (IS_ERR(end->cq))
		return PTR_ERR(end->cq);
	if (kv->shared) {
		end->srq = ib_create_srq(end->pd, &srq);
		if (IS_ERR(end->srq))
			return PTR_ERR(end->srq);
		init.srq = end->srq;
	}
	init.send_cq = end->cq;
	init.recv_cq = end->cq;
	end->qp = ib_create_qp(end->pd, &init);
	if (IS_ERR(end->qp))
		return PTR_ERR(end->qp);
	end->mr = ib_alloc_mr(end->pd, IB_MR_TYPE_MEM_REG, KV_BYTES / PAGE_SIZE);
	return PTR_ERR_OR_ZERO(end->mr);
}

static void kv_end_destroy(struct kv *kv, struct kv_end *end)
{
	if (!IS_ERR_OR_NULL(end->mr))
		ib_dereg_mr(end->mr);
	if (!IS_ERR_OR_NULL(end->qp))
		ib_destroy_qp(end->qp);
	if (!IS_ERR_OR_NULL(end->srq))
		ib_destroy_srq(end->srq);
	if (!IS_ERR_OR_NULL(end->cq)) {
		if (kv->handler)
			ib_destroy_cq(end->cq);
		else
			ib_free_cq(end->cq);
	}
	if (!IS_ERR_OR_NULL(end->pd))
		ib_dealloc_pd(end->pd);
	kfree(end->buf);
}

/* Find the device's first RoCE v2 GID; returns its index. */
static int kv_gid(struct ib_device *ibdev, union ib_gid *gid)
{
	const struct ib_gid_attr *attr;
	int i;

	for (i = 0; i < 16; i++) {
		attr = rdma_get_gid_attr(ibdev, 1, i);
		if (IS_ERR(attr))
			continue;
		*gid = attr->gid;
		if (attr->gid_type != IB_GID_TYPE_ROCE_UDP_ENCAP ||
		    !ipv6_addr_v4mapped((struct in6_addr *)gid)) {
			rdma_put_gid_attr(attr);
			continue;
		}
		rdma_put_gid_attr(attr);
		return i;
	}
	return -ENODEV;
}

/* Fill in the address of the device, which is that of both ends. */
int kv_address(struct kv *kv, struct rdma_ah_attr *attr)
{
	union ib_gid gid;
	int index = kv_gid(kv->ibdev, &gid);

	if (index < 0)
		return index;
	attr->type = rdma_ah_find_type(kv->ibdev, 1);
	rdma_ah_set_port_num(attr, 1);
	rdma_ah_set_grh(attr, &gid, 0, index, 64, 0);
	return 0;
}

/* The attributes that a QP of each type needs besides its state, for each change of state. */
static const struct kv_way {
	enum ib_qp_type type;
	int init, rtr, rts;
} kv_ways[] = {
	{ IB_QPT_RC, IB_QP_ACCESS_FLAGS,
	  IB_QP_AV | IB_QP_PATH_MTU | IB_QP_DEST_QPN | IB_QP_RQ_PSN |
	  IB_QP_MAX_DEST_RD_ATOMIC | IB_QP_MIN_RNR_TIMER,
	  IB_QP_TIMEOUT | IB_QP_RETRY_CNT | IB_QP_RNR_RETRY | IB_QP_MAX_QP_RD_ATOMIC },
	{ IB_QPT_UC, IB_QP_ACCESS_FLAGS,
	  IB_QP_AV | IB_QP_PATH_MTU | IB_QP_DEST_QPN | IB_QP_RQ_PSN, 0 },
	{ IB_QPT_UD, IB_QP_QKEY, 0, 0 },
};

static const struct kv_way *kv_way(enum ib_qp_type type)
{
	const struct kv_way *way = kv_ways;

	while (way->type != type)
		way++;
	return way;
}

static int kv_connect(struct kv *kv, struct kv_end *end, const struct kv_end *peer)
{
	const struct kv_way *way = kv_way(kv->type);
	struct ib_qp_attr attr = {
		.qp_state = IB_QPS_INIT,
		.port_num = 1,
		.qkey = KV_QKEY,
		.qp_access_flags = IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ |
				   IB_ACCESS_REMOTE_ATOMIC,
		.path_mtu = IB_MTU_1024,
		.dest_qp_num = peer->qp->qp_num,
		.max_dest_rd_atomic = 4,
		.min_rnr_timer = 12,
		.timeout = 14,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.max_rd_atomic = 4,
	};
	int err = kv_address(kv, &attr.ah_attr);

	if (err)
		return err;
	err = ib_modify_qp(end->qp, &attr, IB_QP_STATE | IB_QP_PKEY_INDEX | IB_QP_PORT |
			   way->init);
	if (err)
		return err;
	attr.qp_state = IB_QPS_RTR;
	err = ib_modify_qp(end->qp, &attr, IB_QP_STATE | way->rtr);
	if (err)
		return err;
	attr.qp_state = IB_QPS_RTS;
	return ib_modify_qp(end->qp, &attr, IB_QP_STATE | IB_QP_SQ_PSN | way->rts);
}

void kv_close(struct kv *kv)
{
	kv_end_destroy(kv, &kv->a);
	kv_end_destroy(kv, &kv->b);
}

int kv_open(struct kv *kv)
{
	int i;

	int err = kv_end_create(kv, &kv->a) ?: kv_end_create(kv, &kv->b) ?:
		  kv_connect(kv, &kv->a, &kv->b) ?: kv_connect(kv, &kv->b, &kv->a);

	if (err) {
		pr_err("no two connected QPs: %d\n", err);
		return err;
	}
	for (i = 0; i < KV_BYTES; i++) {
		kv->a.buf[i] = i * 7 + i / 256;
		kv->b.buf[i] = i * 5 + 1;
	}
	return 0;
}

/* --- work requests ------------------------------------------------------------------ */

int kv_wait(struct kv_end *end, struct ib_wc *wc)
{
	int n, ms;

	for (ms = 0; ms < KV_WAIT_MS; ms++) {
		n = ib_poll_cq(end->cq, 1, wc);
		if (n)
			return n < 0 ? n : 0;
		usleep_range(500, 1000);
	}
	pr_err("no completion\n");
	return -ETIMEDOUT;
}

/* Expect one completion with this status. */
int kv_expect(struct kv_end *end, struct ib_wc *wc, enum ib_wc_status status)
{
	int err = kv_wait(end, wc);

	if (err)
		return err;
	if (wc->status == status)
		return 0;
	pr_err("status %s instead of %s\n", ib_wc_status_msg(wc->status),
	       ib_wc_status_msg(status));
	return -EIO;
}

struct ib_sge kv_sge(struct kv_end *end, size_t offset, u32 length)
{
	return (struct ib_sge){ .addr = (uintptr_t)end->buf + offset, .length = length,
				.lkey = end->pd->local_dma_lkey };
}

int kv_recvs(struct kv_end *end, const struct ib_recv_wr *wr, const struct ib_recv_wr **bad_wr)
{
	return end->srq ? ib_post_srq_recv(end->srq, wr, bad_wr) :
			  ib_post_recv(end->qp, wr, bad_wr);
}

int kv_recv(struct kv_end *end, size_t offset, u32 length)
{
	struct ib_sge sge = kv_sge(end, offset, length);
	struct ib_recv_wr wr = { .wr_id = offset, .sg_list = &sge, .num_sge = 1 };

	return kv_recvs(end, &wr, NULL);
}

int kv_send(struct kv_end *end, enum ib_wr_opcode opcode, u32 length, u32 key)
{
	struct ib_sge sge = kv_sge(end, 0, length);
	struct ib_send_wr wr = {
		.sg_list = &sge,
		.num_sge = length ? 1 : 0,
		.opcode = opcode,
		.send_flags = IB_SEND_SIGNALED,
	};

	wr.ex.invalidate_rkey = key;
	return ib_post_send(end->qp, &wr, NULL);
}

/* Send a datagram. */
int kv_send_to(struct kv_end *end, struct ib_ah *ah, u32 qpn, u32 qkey, u32 length)
{
	struct ib_sge sge = kv_sge(end, 0, length);
	struct ib_ud_wr wr = {
		.wr = { .sg_list = &sge, .num_sge = 1, .opcode = IB_WR_SEND,
			.send_flags = IB_SEND_SIGNALED },
		.ah = ah,
		.remote_qpn = qpn,
		.remote_qkey = qkey,
	};

	return ib_post_send(end->qp, &wr.wr, NULL);
}

int kv_rdma(struct kv_end *end, enum ib_wr_opcode opcode, u32 length, u64 addr, u32 rkey)
{
	struct ib_sge sge = kv_sge(end, 0, length);
	struct ib_rdma_wr wr = {
		.wr = { .sg_list = &sge, .num_sge = 1, .opcode = opcode,
			.send_flags = IB_SEND_SIGNALED },
		.remote_addr = addr,
		.rkey = rkey,
	};

	return ib_post_send(end->qp, &wr.wr, NULL);
}

/* Register @length bytes of the buffer from @offset on with the fast-registration MR. */
int kv_reg(struct kv_end *end, size_t offset, u32 length, int access)
{
	struct ib_reg_wr wr = {
		.wr = { .opcode = IB_WR_REG_MR, .send_flags = IB_SEND_SIGNALED },
		.mr = end->mr,
		.access = access,
	};
	struct scatterlist sg;

	sg_init_one(&sg, end->buf + offset, length);
	if (ib_dma_map_sg(end->qp->device, &sg, 1, DMA_BIDIRECTIONAL) != 1 ||
	    ib_map_mr_sg(end->mr, &sg, 1, NULL, PAGE_SIZE) != 1)
		return -EIO;
	ib_update_fast_reg_key(end->mr, ib_inc_rkey(end->mr->rkey));
	wr.key = end->mr->rkey;
	return ib_post_send(end->qp, &wr.wr, NULL);
}
