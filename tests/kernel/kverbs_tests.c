// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Tests of the kernel's verbs between two QPs of one device, with all data compared.
 * "insmod nopin_kverbs.ko device=NAME" runs all tests, logs "nopin_kverbs: PASS test" or an
 * error for each, and fails if a test fails. Nothing in it depends on nopin.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>

#include "kverbs.h"

static char *device = "nopin0";
module_param(device, charp, 0);
MODULE_PARM_DESC(device, "name of the RDMA device (default: nopin0)");

/* Linux 6.1 has no name for it. */
#define KV_ATOMIC_WRITE	((enum ib_wr_opcode)15)

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

/*
 * A successful post must leave the bad_wr pointer at the first request: RDS has a BUG_ON()
 * for that. A failing post must point it at the refused request.
 */
static int kv_test_refused(struct kv *kv)
{
	struct ib_sge from = kv_sge(&kv->a, 0, 64), to = kv_sge(&kv->b, 0, 64);
	struct ib_recv_wr recv[2] = { { .next = &recv[1], .sg_list = &to, .num_sge = 1 },
				      { .sg_list = &to, .num_sge = 1 } };
	struct ib_send_wr send[2] = {
		{ .next = &send[1], .sg_list = &from, .num_sge = 1, .opcode = IB_WR_SEND },
		{ .sg_list = &from, .num_sge = 1, .opcode = IB_WR_SEND },
	};
	const struct ib_send_wr *bad_send = send;
	const struct ib_recv_wr *bad_recv = recv;
	struct ib_wc wc;
	int i;

	KV_CHECK(!kv_recvs(&kv->b, recv, &bad_recv) && bad_recv == recv);
	KV_CHECK(!ib_post_send(kv->a.qp, send, &bad_send) && bad_send == send);
	recv[1].num_sge = 99;
	send[1].num_sge = 99;
	KV_CHECK(kv_recvs(&kv->b, recv, &bad_recv) && bad_recv == &recv[1]);
	KV_CHECK(ib_post_send(kv->a.qp, send, &bad_send) && bad_send == &send[1]);
	for (i = 0; i < 3; i++)
		KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS));
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

/*
 * While the region is in use, map the next list and post invalidation and registration
 * together.
 */
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

static int kv_test_atomic_write(struct kv *kv)
{
	struct ib_sge sge = kv_sge(&kv->a, 0, 8);
	struct ib_rdma_wr wr = {
		.wr = { .sg_list = &sge, .num_sge = 1, .opcode = KV_ATOMIC_WRITE,
			.send_flags = IB_SEND_SIGNALED },
	};
	struct ib_wc wc;

	*(u64 *)kv->a.buf = 77;
	*(u64 *)kv->b.buf = 100;
	KV_CHECK(!kv_reg(&kv->b, 0, 4096, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE));
	KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS));
	wr.remote_addr = kv->b.mr->iova;
	wr.rkey = kv->b.mr->rkey;
	KV_CHECK(!ib_post_send(kv->a.qp, &wr.wr, NULL));
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS));
	KV_CHECK(*(u64 *)kv->b.buf == 77);
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

/*
 * Registration fails with an MR that is already registered, and with a key of another
 * region.
 */
static int kv_test_bad_reg(struct kv *kv)
{
	struct ib_reg_wr wr = {
		.wr = { .opcode = IB_WR_REG_MR, .send_flags = IB_SEND_SIGNALED },
		.mr = kv->a.mr,
		.access = IB_ACCESS_LOCAL_WRITE,
	};
	struct ib_wc wc;

	wr.key = kv->a.mr->rkey;
	KV_CHECK(ib_post_send(kv->a.qp, &wr.wr, NULL)); /* no list is mapped */
	KV_CHECK(!kv_reg(&kv->a, 0, 4096, IB_ACCESS_LOCAL_WRITE));
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS));
	wr.key = kv->b.mr->rkey;
	KV_CHECK(ib_post_send(kv->a.qp, &wr.wr, NULL));
	KV_CHECK(!kv_reg(&kv->a, 0, 4096, IB_ACCESS_LOCAL_WRITE));
	return kv_expect(&kv->a, &wc, IB_WC_MW_BIND_ERR);
}

/* A request that is still queued when its MR is deregistered fails. */
static int kv_test_late_reg(struct kv *kv)
{
	struct ib_wc wc;

	KV_CHECK(!kv_send(&kv->a, IB_WR_SEND, 64, 0)); /* there is no receive yet */
	KV_CHECK(!kv_reg(&kv->a, 0, 4096, IB_ACCESS_LOCAL_WRITE));
	KV_CHECK(!ib_dereg_mr(kv->a.mr));
	kv->a.mr = NULL;
	KV_CHECK(!kv_recv(&kv->b, 0, 64));
	KV_CHECK(!kv_expect(&kv->a, &wc, IB_WC_SUCCESS));
	return kv_expect(&kv->a, &wc, IB_WC_MW_BIND_ERR);
}

/* A QP whose receives are shared has none of its own. */
static int kv_test_no_receives(struct kv *kv)
{
	struct ib_sge sge = kv_sge(&kv->b, 0, 64);
	struct ib_recv_wr wr = { .sg_list = &sge, .num_sge = 1 };
	const struct ib_recv_wr *bad = NULL;

	KV_CHECK(ib_post_recv(kv->b.qp, &wr, &bad) == -EINVAL && bad == &wr);
	return 0;
}

/* Without a region a peer may access nothing, except through the rkey of an unsafe PD. */
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
	/* there is no receive, so the SQ stays full */
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

/* Create an address handle, use it and destroy it with interrupts off. */
static int kv_datagram(struct kv *kv, u32 qkey, u32 length)
{
	struct rdma_ah_attr attr = {};
	unsigned long flags;
	struct ib_wc wc;
	struct ib_ah *ah;
	int err;

	KV_CHECK(!kv_address(kv, &attr));
	local_irq_save(flags);
	ah = rdma_create_ah(kv->a.pd, &attr, 0);
	err = IS_ERR(ah) ? PTR_ERR(ah) : 0;
	if (!err)
		err = kv_send_to(&kv->a, ah, kv->b.qp->qp_num, qkey, length);
	local_irq_restore(flags);
	KV_CHECK(!err && !kv_expect(&kv->a, &wc, IB_WC_SUCCESS) && wc.opcode == IB_WC_SEND);
	local_irq_save(flags);
	rdma_destroy_ah(ah, 0);
	local_irq_restore(flags);
	return 0;
}

static int kv_test_datagrams(struct kv *kv)
{
	struct ib_wc wc;
	u32 length;

	for (length = 1; length < 1024; length = 3 * length + 1) {
		memset(kv->b.buf, 0, KV_BYTES);
		KV_CHECK(!kv_recv(&kv->b, 0, sizeof(struct ib_grh) + 1024));
		KV_CHECK(!kv_datagram(kv, KV_QKEY + 1, length)); /* dropped by the receiver */
		KV_CHECK(!kv_datagram(kv, KV_QKEY, length));
		KV_CHECK(!kv_expect(&kv->b, &wc, IB_WC_SUCCESS));
		KV_CHECK(wc.wc_flags & IB_WC_GRH && wc.src_qp == kv->a.qp->qp_num);
		KV_CHECK(wc.byte_len == sizeof(struct ib_grh) + length);
		KV_CHECK(!memcmp(kv->b.buf + sizeof(struct ib_grh), kv->a.buf, length));
		KV_CHECK(!kv->b.buf[sizeof(struct ib_grh) + length]);
	}
	KV_CHECK(kv_send_to(&kv->a, NULL, kv->b.qp->qp_num, KV_QKEY, 64));
	return 0;
}

/* --- running them --------------------------------------------------------------------- */

static const struct kv_test {
	const char *name;
	int (*run)(struct kv *kv);
	unsigned int pd_flags;
	bool shared;
	bool handler;
	enum ib_qp_type type;	/* 0: RC */
} kv_tests[] = {
	{ "send, interrupts off", kv_test_send },
	{ "send to a shared receive queue", kv_test_send, 0, true },
	{ "the first of a list that was refused", kv_test_refused },
	{ "the first that was refused, shared receives", kv_test_refused, 0, true },
	{ "inline and immediate data", kv_test_inline },
	{ "register, write, read, invalidate", kv_test_region },
	{ "register again and again", kv_test_region_again },
	{ "atomic", kv_test_atomic },
	{ "atomic write", kv_test_atomic_write },
	{ "send with invalidation", kv_test_send_inv },
	{ "lkey of another PD", kv_test_bad_lkey },
	{ "address of no memory of the kernel", kv_test_bad_address },
	{ "bad registrations", kv_test_bad_reg },
	{ "registration of an MR that is gone", kv_test_late_reg },
	{ "a receive where receives are shared", kv_test_no_receives, 0, true },
	{ "lkey as rkey", kv_test_rkey },
	{ "unsafe rkey", kv_test_rkey, IB_PD_UNSAFE_GLOBAL_RKEY },
	{ "full queue", kv_test_full },
	{ "drain", kv_test_drain },
	{ "a handler that polls and posts", kv_test_handler, 0, false, true },
	{ "send over UC", kv_test_send, .type = IB_QPT_UC },
	{ "datagrams", kv_test_datagrams, .type = IB_QPT_UD },
	{ "datagrams to a shared receive queue", kv_test_datagrams, 0, true, .type = IB_QPT_UD },
};

static int kv_run(struct ib_device *ibdev, const struct kv_test *test)
{
	struct kv kv = {
		.ibdev = ibdev,
		.pd_flags = test->pd_flags,
		.type = test->type ?: IB_QPT_RC,
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
