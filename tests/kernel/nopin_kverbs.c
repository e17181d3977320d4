// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Verbs as a kernel user calls them, between two QPs of one device, with all data
 * compared: insmod nopin_kverbs.ko device=NAME runs all of it, says "nopin_kverbs: PASS
 * test" or what went wrong, and fails if anything did. Nothing in it is nopin's own.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <rdma/ib_cache.h>
#include <rdma/ib_verbs.h>

#define KV_BYTES	(16 * PAGE_SIZE)
#define KV_WRS		16
#define KV_WAIT_MS	10000
#define KV_BOUNCES	1000

static char *device = "nopin0";
module_param(device, charp, 0);
MODULE_PARM_DESC(device, "name of the RDMA device (default: nopin0)");

/* One end: a QP with CQs of its own, and memory. */
struct kv_end {
	struct ib_pd *pd;
	struct ib_cq *cq;
	struct ib_qp *qp;
	struct ib_srq *srq;
	struct ib_mr *mr;
	u8 *buf;
	int bounces;
};

/* What a test works with. */
struct kv {
	struct ib_device *ibdev;
	unsigned int pd_flags;
	bool shared;
	bool handler;
	struct kv_end a, b;
};

static int kv_recv(struct kv_end *end, size_t offset, u32 length);
static int kv_send(struct kv_end *end, enum ib_wr_opcode opcode, u32 length, u32 key);

#define KV_CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			pr_err("line %d: not so: %s\n", __LINE__, #condition); \
			return -EIO;					\
		}							\
	} while (0)

/* Both ends answer in the handler of their CQ, which polls and posts. */
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
		.qp_type = IB_QPT_RC,
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

/* The first RoCE v2 address of the device. */
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

static int kv_connect(struct kv *kv, struct kv_end *end, const struct kv_end *peer)
{
	struct ib_qp_attr attr = {
		.qp_state = IB_QPS_INIT,
		.port_num = 1,
		.qp_access_flags = IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ |
				   IB_ACCESS_REMOTE_ATOMIC,
	};
	union ib_gid gid;
	int index = kv_gid(kv->ibdev, &gid);
	int err;

	if (index < 0)
		return index;
	err = ib_modify_qp(end->qp, &attr, IB_QP_STATE | IB_QP_PKEY_INDEX | IB_QP_PORT |
			   IB_QP_ACCESS_FLAGS);
	if (err)
		return err;
	attr.qp_state = IB_QPS_RTR;
	attr.path_mtu = IB_MTU_1024;
	attr.dest_qp_num = peer->qp->qp_num;
	attr.max_dest_rd_atomic = 4;
	attr.min_rnr_timer = 12;
	attr.ah_attr.type = rdma_ah_find_type(kv->ibdev, 1);
	rdma_ah_set_port_num(&attr.ah_attr, 1);
	rdma_ah_set_grh(&attr.ah_attr, &gid, 0, index, 64, 0);
	err = ib_modify_qp(end->qp, &attr, IB_QP_STATE | IB_QP_AV | IB_QP_PATH_MTU |
			   IB_QP_DEST_QPN | IB_QP_RQ_PSN | IB_QP_MAX_DEST_RD_ATOMIC |
			   IB_QP_MIN_RNR_TIMER);
	if (err)
		return err;
	attr.qp_state = IB_QPS_RTS;
	attr.timeout = 14;
	attr.retry_cnt = 7;
	attr.rnr_retry = 7;
	attr.max_rd_atomic = 4;
	return ib_modify_qp(end->qp, &attr, IB_QP_STATE | IB_QP_TIMEOUT | IB_QP_RETRY_CNT |
			    IB_QP_RNR_RETRY | IB_QP_SQ_PSN | IB_QP_MAX_QP_RD_ATOMIC);
}

static void kv_close(struct kv *kv)
{
	kv_end_destroy(kv, &kv->a);
	kv_end_destroy(kv, &kv->b);
}

static int kv_open(struct kv *kv)
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

static int kv_wait(struct kv_end *end, struct ib_wc *wc)
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
static int kv_expect(struct kv_end *end, struct ib_wc *wc, enum ib_wc_status status)
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

static struct ib_sge kv_sge(struct kv_end *end, size_t offset, u32 length)
{
	return (struct ib_sge){ .addr = (uintptr_t)end->buf + offset, .length = length,
				.lkey = end->pd->local_dma_lkey };
}

static int kv_recv(struct kv_end *end, size_t offset, u32 length)
{
	struct ib_sge sge = kv_sge(end, offset, length);
	struct ib_recv_wr wr = { .wr_id = offset, .sg_list = &sge, .num_sge = 1 };

	return end->srq ? ib_post_srq_recv(end->srq, &wr, NULL) :
			  ib_post_recv(end->qp, &wr, NULL);
}

static int kv_send(struct kv_end *end, enum ib_wr_opcode opcode, u32 length, u32 key)
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

static int kv_rdma(struct kv_end *end, enum ib_wr_opcode opcode, u32 length, u64 addr,
		   u32 rkey)
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

/* Lets the region stand for the buffer from @offset on. */
static int kv_reg(struct kv_end *end, size_t offset, u32 length, int access)
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

/* --- tests ---------------------------------------------------------------------------- */

static int kv_test_send(struct kv *kv)
{
	unsigned long flags;
	struct ib_wc wc;
	int err;

	KV_CHECK(!kv_recv(&kv->b, 3, 50000));
	local_irq_save(flags);
	err = kv_recv(&kv->b, 0, 64) ?: kv_send(&kv->a, IB_WR_SEND, 50000, 0);
	local_irq_restore(flags);
	KV_CHECK(!err);
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS));
	KV_CHECK(wc.opcode == IB_WC_SEND && wc.qp == kv->a.qp);
	KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS));
	KV_CHECK(wc.opcode == IB_WC_RECV && wc.byte_len == 50000 && wc.wr_id == 3);
	KV_CHECK(!memcmp(kv->b.buf + 3, kv->a.buf, 50000));
	KV_CHECK(kv->b.buf[2] == (u8)(2 * 5 + 1));
	return 0;
}

static int kv_test_inline(struct kv *kv)
{
	u32 value = 0x12345678;
	struct ib_sge sge = { .addr = (uintptr_t)&value, .length = sizeof(value) };
	struct ib_send_wr wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IB_WR_SEND_WITH_IMM,
		.send_flags = IB_SEND_SIGNALED | IB_SEND_INLINE,
		.ex.imm_data = cpu_to_be32(99),
	};
	struct ib_wc wc;

	KV_CHECK(!kv_recv(&kv->b, 0, 64) && !ib_post_send(kv->a.qp, &wr, NULL));
	value = 0;
	KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS));
	KV_CHECK(wc.wc_flags & IB_WC_WITH_IMM && wc.ex.imm_data == cpu_to_be32(99));
	KV_CHECK(*(u32 *)kv->b.buf == 0x12345678);
	sge.length = 4096;
	KV_CHECK(ib_post_send(kv->a.qp, &wr, NULL));
	return 0;
}

static int kv_test_region(struct kv *kv)
{
	struct ib_wc wc;
	u32 rkey;

	KV_CHECK(!kv_reg(&kv->b, 1000, 30000, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |
			 IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC));
	KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS) && wc.opcode == IB_WC_REG_MR);
	rkey = kv->b.mr->rkey;
	KV_CHECK(!kv_rdma(&kv->a, IB_WR_RDMA_WRITE, 30000, kv->b.mr->iova, rkey));
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS));
	KV_CHECK(!memcmp(kv->b.buf + 1000, kv->a.buf, 30000));
	KV_CHECK(kv->b.buf[999] == (u8)(999 * 5 + 1));
	memset(kv->a.buf, 0, 30000);
	KV_CHECK(!kv_rdma(&kv->a, IB_WR_RDMA_READ, 30000, kv->b.mr->iova, rkey));
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS));
	KV_CHECK(!memcmp(kv->b.buf + 1000, kv->a.buf, 30000));
	KV_CHECK(!kv_send(&kv->b, IB_WR_LOCAL_INV, 0, rkey));
	KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS) && wc.opcode == IB_WC_LOCAL_INV);
	KV_CHECK(!kv_rdma(&kv->a, IB_WR_RDMA_READ, 8, kv->b.mr->iova, rkey));
	return kv_expect(&kv->a, &wc, IB_WC_REM_ACCESS_ERR);
}

/* The next list is filled, and both requests posted, while the present one counts. */
static int kv_test_region_again(struct kv *kv)
{
	struct ib_wc wc;
	int i, round;

	for (round = 0; round < 50; round++) {
		u32 old = kv->b.mr->rkey, length = 4096 + round * 37;
		size_t offset = round * 801;

		if (round)
			KV_CHECK(!kv_send(&kv->b, IB_WR_LOCAL_INV, 0, old));
		KV_CHECK(!kv_reg(&kv->b, offset, length, IB_ACCESS_LOCAL_WRITE |
				 IB_ACCESS_REMOTE_WRITE));
		for (i = 0; i <= !!round; i++)
			KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS));
		KV_CHECK(!kv_rdma(&kv->a, IB_WR_RDMA_WRITE, length, kv->b.mr->iova,
				  kv->b.mr->rkey));
		KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS));
		KV_CHECK(!memcmp(kv->b.buf + offset, kv->a.buf, length));
	}
	return 0;
}

static int kv_test_atomic(struct kv *kv)
{
	struct ib_sge sge = kv_sge(&kv->a, 0, 8);
	struct ib_atomic_wr wr = {
		.wr = { .sg_list = &sge, .num_sge = 1,
			.opcode = IB_WR_ATOMIC_FETCH_AND_ADD,
			.send_flags = IB_SEND_SIGNALED },
		.compare_add = 5,
	};
	struct ib_wc wc;

	*(u64 *)kv->b.buf = 100;
	KV_CHECK(!kv_reg(&kv->b, 0, 4096, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_ATOMIC));
	KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS));
	wr.remote_addr = kv->b.mr->iova;
	wr.rkey = kv->b.mr->rkey;
	KV_CHECK(!ib_post_send(kv->a.qp, &wr.wr, NULL));
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS) && wc.opcode == IB_WC_FETCH_ADD);
	KV_CHECK(*(u64 *)kv->a.buf == 100 && *(u64 *)kv->b.buf == 105);
	return 0;
}

static int kv_test_send_inv(struct kv *kv)
{
	struct ib_wc wc;
	u32 rkey;

	KV_CHECK(!kv_reg(&kv->b, 0, 4096, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE));
	KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS));
	rkey = kv->b.mr->rkey;
	KV_CHECK(!kv_recv(&kv->b, 8192, 64));
	KV_CHECK(!kv_send(&kv->a, IB_WR_SEND_WITH_INV, 64, rkey));
	KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS));
	KV_CHECK(wc.wc_flags & IB_WC_WITH_INVALIDATE && wc.ex.invalidate_rkey == rkey);
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS));
	KV_CHECK(!kv_rdma(&kv->a, IB_WR_RDMA_WRITE, 8, kv->b.mr->iova, rkey));
	return kv_expect(&kv->a, &wc, IB_WC_REM_ACCESS_ERR);
}

static int kv_test_bad_lkey(struct kv *kv)
{
	struct ib_sge sge = { .addr = (uintptr_t)kv->a.buf, .length = 64,
			      .lkey = kv->b.pd->local_dma_lkey };
	struct ib_send_wr wr = { .sg_list = &sge, .num_sge = 1, .opcode = IB_WR_SEND };
	struct ib_wc wc;

	KV_CHECK(!ib_post_send(kv->a.qp, &wr, NULL));
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_LOC_PROT_ERR));
	KV_CHECK(!kv_send(&kv->a, IB_WR_SEND, 64, 0)); /* the QP is in the error state */
	return kv_expect(&kv->a, &wc, IB_WC_WR_FLUSH_ERR);
}

static int kv_test_bad_address(struct kv *kv)
{
	struct ib_sge sge = { .addr = 0x1000, .length = 64,
			      .lkey = kv->a.pd->local_dma_lkey };
	struct ib_send_wr wr = { .sg_list = &sge, .num_sge = 1, .opcode = IB_WR_SEND };
	struct ib_wc wc;

	KV_CHECK(!ib_post_send(kv->a.qp, &wr, NULL));
	return kv_expect(&kv->a, &wc, IB_WC_LOC_PROT_ERR);
}

/* A key that stands for something is bound; one that is not the region's is refused. */
static int kv_test_bad_reg(struct kv *kv)
{
	struct ib_reg_wr wr = {
		.wr = { .opcode = IB_WR_REG_MR, .send_flags = IB_SEND_SIGNALED },
		.mr = kv->a.mr,
		.access = IB_ACCESS_LOCAL_WRITE,
	};
	struct ib_wc wc;

	wr.key = kv->a.mr->rkey;
	KV_CHECK(ib_post_send(kv->a.qp, &wr.wr, NULL)); /* there is no list */
	KV_CHECK(!kv_reg(&kv->a, 0, 4096, IB_ACCESS_LOCAL_WRITE));
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS));
	wr.key = kv->b.mr->rkey;
	KV_CHECK(ib_post_send(kv->a.qp, &wr.wr, NULL));
	KV_CHECK(!kv_reg(&kv->a, 0, 4096, IB_ACCESS_LOCAL_WRITE));
	return kv_expect(&kv->a, &wc, IB_WC_MW_BIND_ERR);
}

/* What the peer may have without a region, which is nothing but for an unsafe PD. */
static int kv_test_rkey(struct kv *kv)
{
	bool unsafe = kv->pd_flags & IB_PD_UNSAFE_GLOBAL_RKEY;
	u32 rkey = unsafe ? kv->b.pd->unsafe_global_rkey : kv->b.pd->local_dma_lkey;
	struct ib_wc wc;

	KV_CHECK(!kv_rdma(&kv->a, IB_WR_RDMA_WRITE, 64, (uintptr_t)kv->b.buf + 5, rkey));
	KV_CHECK(!kv_expect(&kv->a, &wc, unsafe ? IB_WC_SUCCESS : IB_WC_REM_ACCESS_ERR));
	KV_CHECK(!memcmp(kv->b.buf + 5, kv->a.buf, 64) == unsafe);
	return 0;
}

static int kv_test_full(struct kv *kv)
{
	const struct ib_send_wr *bad;
	struct ib_send_wr wr[KV_WRS + 1] = {};
	int i;

	for (i = 0; i <= KV_WRS; i++) {
		wr[i].opcode = IB_WR_SEND;
		wr[i].next = i < KV_WRS ? &wr[i + 1] : NULL;
	}
	/* Nobody takes them: there is no receive. */
	KV_CHECK(ib_post_send(kv->a.qp, wr, &bad) == -ENOMEM && bad == &wr[KV_WRS]);
	return 0;
}

static int kv_test_drain(struct kv *kv)
{
	int i;

	for (i = 0; i < KV_WRS / 2; i++)
		KV_CHECK(!kv_recv(&kv->a, 0, 64));
	KV_CHECK(!kv_send(&kv->a, IB_WR_SEND, 64, 0));
	ib_drain_qp(kv->a.qp);
	return 0;
}

static int kv_test_handler(struct kv *kv)
{
	int ms;

	KV_CHECK(!ib_req_notify_cq(kv->a.cq, IB_CQ_NEXT_COMP) &&
		 !ib_req_notify_cq(kv->b.cq, IB_CQ_SOLICITED_MASK)); /* as SMC does */
	KV_CHECK(!kv_recv(&kv->a, 0, 64) && !kv_recv(&kv->b, 0, 64));
	KV_CHECK(!kv_send(&kv->a, IB_WR_SEND, 64, 0));
	for (ms = 0; ms < KV_WAIT_MS && READ_ONCE(kv->b.bounces) < KV_BOUNCES; ms++)
		usleep_range(500, 1000);
	KV_CHECK(READ_ONCE(kv->b.bounces) == KV_BOUNCES);
	return 0;
}

/* --- running them --------------------------------------------------------------------- */

static const struct kv_test {
	const char *name;
	int (*run)(struct kv *kv);
	unsigned int pd_flags;
	bool shared;
	bool handler;
} kv_tests[] = {
	{ "send, interrupts off", kv_test_send },
	{ "send to a shared receive queue", kv_test_send, 0, true },
	{ "inline and immediate data", kv_test_inline },
	{ "register, write, read, invalidate", kv_test_region },
	{ "register again and again", kv_test_region_again },
	{ "atomic", kv_test_atomic },
	{ "send with invalidation", kv_test_send_inv },
	{ "lkey of another PD", kv_test_bad_lkey },
	{ "address of no memory of the kernel", kv_test_bad_address },
	{ "bad registrations", kv_test_bad_reg },
	{ "lkey as rkey", kv_test_rkey },
	{ "unsafe rkey", kv_test_rkey, IB_PD_UNSAFE_GLOBAL_RKEY },
	{ "full queue", kv_test_full },
	{ "drain", kv_test_drain },
	{ "a handler that polls and posts", kv_test_handler, 0, false, true },
};

static int kv_run(struct ib_device *ibdev, const struct kv_test *test)
{
	struct kv kv = {
		.ibdev = ibdev,
		.pd_flags = test->pd_flags,
		.shared = test->shared,
		.handler = test->handler,
	};
	int err = kv_open(&kv) ?: test->run(&kv);

	kv_close(&kv);
	pr_info("%s %s\n", err ? "FAIL" : "PASS", test->name);
	return err;
}

static int kv_found;
static int kv_failed;

static int kv_add(struct ib_device *ibdev)
{
	int i;

	if (strcmp(dev_name(&ibdev->dev), device))
		return -EOPNOTSUPP;
	kv_found++;
	for (i = 0; i < ARRAY_SIZE(kv_tests); i++)
		kv_failed += kv_run(ibdev, &kv_tests[i]) != 0;
	return 0;
}

static void kv_remove(struct ib_device *ibdev, void *data)
{
}

static struct ib_client kv_client = {
	.name = "nopin_kverbs",
	.add = kv_add,
	.remove = kv_remove,
};

static int __init kv_init(void)
{
	int err = ib_register_client(&kv_client);

	if (err)
		return err;
	if (kv_found && !kv_failed)
		return 0;
	ib_unregister_client(&kv_client);
	return kv_found ? -EIO : -ENODEV;
}

static void __exit kv_exit(void)
{
	ib_unregister_client(&kv_client);
}

module_init(kv_init);
module_exit(kv_exit);

MODULE_DESCRIPTION("Tests of verbs as kernel users call them");
MODULE_LICENSE("Dual BSD/GPL");
