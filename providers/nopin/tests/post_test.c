// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Work requests in the rings: ibv_post_send(), ibv_post_recv() and ibv_wr_*(). */
#include <string.h>

#include "rig.h"

static void send_fields(void **state)
{
	struct rig *rig = *state;
	struct ibv_sge sge[2] = { { 0x1000, 10, 1 }, { 0x2000, 20, 2 } };
	struct ibv_send_wr atomic = {
		.wr_id = 3,
		.sg_list = sge,
		.num_sge = 1,
		.opcode = IBV_WR_ATOMIC_CMP_AND_SWP,
		.wr.atomic = { 0x5000, 11, 12, 13 },
	};
	struct ibv_send_wr write = {
		.wr_id = 2,
		.next = &atomic,
		.sg_list = sge,
		.num_sge = 2,
		.opcode = IBV_WR_RDMA_WRITE_WITH_IMM,
		.send_flags = IBV_SEND_SIGNALED | IBV_SEND_FENCE,
		.imm_data = htobe32(9),
		.wr.rdma = { 0x4000, 14 },
	};
	struct ibv_send_wr *bad;

	CHECK(!ibv_post_send(rig->qp, &write, &bad));
	CHECK(bells() == 1);
	CHECK(fake.sq->producer == 2);

	CHECK(sqe(0)->wr_id == 2 && sqe(0)->imm_data == htobe32(9));
	CHECK(sqe(0)->opcode == IBV_WR_RDMA_WRITE_WITH_IMM);
	CHECK(sqe(0)->flags == (NOPIN_SEND_SIGNALED | NOPIN_SEND_FENCE));
	CHECK(sqe(0)->remote_addr == 0x4000 && sqe(0)->rkey == 14);
	CHECK(sqe(0)->num_sge == 2 && !memcmp(sqe(0) + 1, sge, sizeof(sge)));

	CHECK(sqe(1)->wr_id == 3 && sqe(1)->flags == 0);
	CHECK(sqe(1)->remote_addr == 0x5000 && sqe(1)->compare_add == 11);
	CHECK(sqe(1)->swap == 12 && sqe(1)->rkey == 13);
	CHECK(!sqe(1)->imm_data && !sqe(1)->inline_len && !sqe(1)->rsvd);
}

static void send_inline(void **state)
{
	struct rig *rig = *state;
	char hello[] = "hello ", world[FAKE_MAX_INLINE] = "world";
	struct ibv_sge sge[2] = { { (uintptr_t)hello, 6, 0 },
				  { (uintptr_t)world, 6, 0 } };
	struct ibv_send_wr wr = {
		.sg_list = sge,
		.num_sge = 2,
		.opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_INLINE,
	};
	struct ibv_send_wr *bad;

	CHECK(!ibv_post_send(rig->qp, &wr, &bad));
	CHECK(sqe(0)->inline_len == 12 && sqe(0)->num_sge == 0);
	CHECK(!strcmp((char *)(sqe(0) + 1), "hello world"));

	sge[1].length = FAKE_MAX_INLINE - 6;
	CHECK(!ibv_post_send(rig->qp, &wr, &bad));
	sge[1].length++;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL && bad == &wr);
	sge[1].length = UINT32_MAX;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL);
	CHECK(fake.sq->producer == 2 && bells() == 2);
}

static void send_refused(void **state)
{
	struct rig *rig = *state;
	struct ibv_sge sge[FAKE_MAX_SGE + 1] = {};
	struct ibv_send_wr wr = { .sg_list = sge, .opcode = IBV_WR_SEND };
	struct ibv_send_wr *bad;

	wr.num_sge = FAKE_MAX_SGE + 1;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL && bad == &wr);
	wr.num_sge = -1;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL);
	wr.num_sge = 1;
	wr.opcode = IBV_WR_BIND_MW;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL);
	wr.opcode = 1000;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL);
	wr.opcode = IBV_WR_RDMA_READ;
	wr.send_flags = IBV_SEND_INLINE;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL);
	wr.send_flags = IBV_SEND_IP_CSUM;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL);
	wr.send_flags = 0;
	set_state(rig->qp, IBV_QPS_RTR);
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL);
	CHECK(fake.sq->producer == 0 && bells() == 0);

	set_state(rig->qp, IBV_QPS_ERR);
	CHECK(!ibv_post_send(rig->qp, &wr, &bad));
	CHECK(fake.sq->producer == 1 && bells() == 1);
}

/* Keys are in the fields that the ABI names, whatever else the request holds. */
static void send_windows(void **state)
{
	struct rig *rig = *state;
	struct ibv_pd other = { .handle = rig->pd->handle + 1 };
	struct ibv_mr mr = { .lkey = 7, .pd = rig->pd };
	struct ibv_mw mw = { .type = IBV_MW_TYPE_2, .rkey = 0x100, .pd = rig->pd };
	struct ibv_send_wr wr = { .opcode = IBV_WR_LOCAL_INV, .num_sge = -5,
				  .invalidate_rkey = 0x105 };
	struct ibv_mw_bind bind = { .wr_id = 9 };
	struct ibv_send_wr *bad;

	CHECK(!ibv_post_send(rig->qp, &wr, &bad));
	CHECK(sqe(0)->opcode == IBV_WR_LOCAL_INV && sqe(0)->rkey == 0x105);
	CHECK(sqe(0)->num_sge == 0);
	wr = (struct ibv_send_wr){ .opcode = IBV_WR_SEND_WITH_INV, .invalidate_rkey = 0x106 };
	CHECK(!ibv_post_send(rig->qp, &wr, &bad));
	CHECK(sqe(1)->opcode == IBV_WR_SEND_WITH_INV && sqe(1)->rkey == 0x106);

	wr = (struct ibv_send_wr){ .opcode = IBV_WR_BIND_MW };
	wr.bind_mw.mw = &mw;
	wr.bind_mw.rkey = 0x107;
	wr.bind_mw.bind_info = (struct ibv_mw_bind_info){
		&mr, 0x9000, 0x123456789, IBV_ACCESS_REMOTE_READ };
	CHECK(!ibv_post_send(rig->qp, &wr, &bad));
	CHECK(sqe(2)->opcode == IBV_WR_BIND_MW && sqe(2)->rkey == 0x107);
	CHECK(sqe(2)->remote_addr == 0x9000 && sqe(2)->bind_length == 0x123456789);
	CHECK(sqe(2)->bind_lkey == 7 && sqe(2)->bind_access == IBV_ACCESS_REMOTE_READ);
	mr.pd = &other;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EPERM);
	mw.type = IBV_MW_TYPE_1;
	CHECK(ibv_post_send(rig->qp, &wr, &bad) == EINVAL);

	/* ibv_bind_mw() gives the window its next key. */
	mw.context = rig->context;
	rig->qp_ex->wr_id = 10;
	rig->qp_ex->wr_flags = IBV_SEND_FENCE;
	CHECK(!ibv_bind_mw(rig->qp, &mw, &bind));
	CHECK(mw.rkey == 0x101 && sqe(3)->rkey == 0x101 && sqe(3)->wr_id == 9);
	CHECK(sqe(3)->bind_length == 0 && sqe(3)->bind_lkey == 0 && sqe(3)->flags == 0);
	CHECK(rig->qp_ex->wr_id == 10 && rig->qp_ex->wr_flags == IBV_SEND_FENCE);
}

/* Fills the ring across the wrap of its slots and of the 32-bit indexes. */
static void send_full(void **state)
{
	struct rig *rig = *state;
	struct ibv_send_wr wr[FAKE_ENTRIES + 1] = {};
	struct ibv_send_wr *bad = NULL;
	uint32_t i, first = fake.first_index;

	for (i = 0; i <= FAKE_ENTRIES; i++) {
		wr[i].wr_id = i;
		wr[i].opcode = IBV_WR_SEND;
		wr[i].next = i < FAKE_ENTRIES ? &wr[i + 1] : NULL;
	}
	CHECK(ibv_post_send(rig->qp, wr, &bad) == ENOMEM);
	CHECK(bad == &wr[FAKE_ENTRIES] && bells() == 1);
	CHECK(fake.sq->producer == first + FAKE_ENTRIES);
	for (i = 0; i < FAKE_ENTRIES; i++)
		CHECK(sqe(first + i)->wr_id == i);

	CHECK(ibv_post_send(rig->qp, bad, &bad) == ENOMEM && bells() == 0);
	__atomic_store_n(&fake.sq->consumer, first + 1, __ATOMIC_RELEASE);
	CHECK(!ibv_post_send(rig->qp, bad, &bad) && bells() == 1);
	CHECK(sqe(first)->wr_id == FAKE_ENTRIES);
}

static void signal_all(void **state)
{
	struct rig *rig = *state;
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	struct ibv_send_wr *bad;
	struct ibv_qp *qp = qp_create(rig, 1);

	CHECK(qp);
	set_state(qp, IBV_QPS_RTS);
	CHECK(!ibv_post_send(qp, &wr, &bad));
	CHECK(sqe(0)->flags == NOPIN_SEND_SIGNALED);
	CHECK(!ibv_destroy_qp(qp));
}

static void recv_fields(void **state)
{
	struct rig *rig = *state;
	struct ibv_sge sge = { 0x3000, 30, 3 };
	struct ibv_recv_wr wr = { .wr_id = 77, .sg_list = &sge, .num_sge = 1 };
	struct ibv_recv_wr *bad;
	struct nopin_recv_wqe *wqe;

	CHECK(!ibv_post_recv(rig->qp, &wr, &bad));
	CHECK(fake_doorbells(IB_USER_VERBS_CMD_POST_RECV) == 0);
	wqe = fake_entry(fake.rq, FAKE_RECV_STRIDE, FAKE_ENTRIES, 0);
	CHECK(fake.rq->producer == 1 && wqe->wr_id == 77);
	CHECK(wqe->num_sge == 1 && !memcmp(wqe + 1, &sge, sizeof(sge)));

	fake.rq->flags = NOPIN_RING_NEED_DOORBELL;
	CHECK(!ibv_post_recv(rig->qp, &wr, &bad));
	CHECK(fake_doorbells(IB_USER_VERBS_CMD_POST_RECV) == 1);

	wr.num_sge = FAKE_MAX_SGE + 1;
	CHECK(ibv_post_recv(rig->qp, &wr, &bad) == EINVAL && bad == &wr);
	set_state(rig->qp, IBV_QPS_RESET);
	wr.num_sge = 1;
	CHECK(ibv_post_recv(rig->qp, &wr, &bad) == EINVAL);
	CHECK(fake_doorbells(IB_USER_VERBS_CMD_POST_RECV) == 0);
}

static void wr_complete(void **state)
{
	struct rig *rig = *state;
	struct ibv_qp_ex *qp = rig->qp_ex;
	struct ibv_sge sge = { 0x1000, 10, 1 };

	ibv_wr_start(qp);
	qp->wr_id = 1;
	qp->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_rdma_write_imm(qp, 21, 0x9000, htobe32(5));
	ibv_wr_set_sge(qp, 1, 0x1000, 10);
	qp->wr_id = 2;
	qp->wr_flags = IBV_SEND_INLINE | IBV_SEND_SOLICITED;
	ibv_wr_send(qp);
	ibv_wr_set_inline_data(qp, "abc", 4);
	qp->wr_flags = 0;
	ibv_wr_atomic_fetch_add(qp, 22, 0xa000, 6);
	ibv_wr_set_sge(qp, 1, 0x1000, 8);
	CHECK(fake.sq->producer == 0 && bells() == 0);
	CHECK(!ibv_wr_complete(qp));
	CHECK(fake.sq->producer == 3 && bells() == 1);

	CHECK(sqe(0)->opcode == IBV_WR_RDMA_WRITE_WITH_IMM);
	CHECK(sqe(0)->flags == NOPIN_SEND_SIGNALED && sqe(0)->rkey == 21);
	CHECK(sqe(0)->remote_addr == 0x9000 && sqe(0)->imm_data == htobe32(5));
	CHECK(sqe(0)->num_sge == 1 && !memcmp(sqe(0) + 1, &sge, sizeof(sge)));
	CHECK(sqe(1)->flags == (NOPIN_SEND_INLINE | NOPIN_SEND_SOLICITED));
	CHECK(sqe(1)->inline_len == 4 && !strcmp((char *)(sqe(1) + 1), "abc"));
	CHECK(sqe(2)->compare_add == 6 && sqe(2)->remote_addr == 0xa000);
}

static void wr_windows(void **state)
{
	struct rig *rig = *state;
	struct ibv_pd other = { .handle = rig->pd->handle + 1 };
	struct ibv_mr mr = { .lkey = 7, .pd = rig->pd };
	struct ibv_mw mw = { .type = IBV_MW_TYPE_2, .rkey = 0x100, .pd = rig->pd };
	struct ibv_mw_bind_info info = { &mr, 0x9000, 100, IBV_ACCESS_REMOTE_WRITE };
	struct ibv_qp_ex *qp = rig->qp_ex;

	ibv_wr_start(qp);
	qp->wr_id = 1;
	qp->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_local_inv(qp, 0x100);
	ibv_wr_bind_mw(qp, &mw, 0x101, &info);
	ibv_wr_send_inv(qp, 0x55);
	ibv_wr_set_sge(qp, 1, 0x1000, 10);
	CHECK(!ibv_wr_complete(qp) && fake.sq->producer == 3);
	CHECK(sqe(0)->opcode == IBV_WR_LOCAL_INV && sqe(0)->rkey == 0x100);
	CHECK(sqe(1)->opcode == IBV_WR_BIND_MW && sqe(1)->rkey == 0x101);
	CHECK(sqe(1)->bind_lkey == 7 && sqe(1)->bind_length == 100);
	CHECK(sqe(2)->opcode == IBV_WR_SEND_WITH_INV && sqe(2)->rkey == 0x55);
	CHECK(sqe(2)->num_sge == 1);

	mr.pd = &other;
	ibv_wr_start(qp);
	ibv_wr_send(qp);
	ibv_wr_bind_mw(qp, &mw, 0x102, &info);
	CHECK(ibv_wr_complete(qp) == EPERM && fake.sq->producer == 3);
}

static void wr_refused(void **state)
{
	struct rig *rig = *state;
	struct ibv_qp_ex *qp = rig->qp_ex;
	char data[FAKE_MAX_INLINE + 1] = {};
	uint32_t i;

	ibv_wr_start(qp);
	ibv_wr_send(qp);
	ibv_wr_send(qp);
	ibv_wr_set_inline_data(qp, data, sizeof(data));
	ibv_wr_send(qp);
	ibv_wr_set_sge(qp, 1, 2, 3);
	CHECK(ibv_wr_complete(qp) == EINVAL);

	ibv_wr_start(qp);
	for (i = 0; i <= FAKE_ENTRIES; i++)
		ibv_wr_send(qp);
	CHECK(ibv_wr_complete(qp) == ENOMEM);

	ibv_wr_start(qp);
	ibv_wr_send(qp);
	ibv_wr_abort(qp);
	ibv_wr_start(qp);
	CHECK(!ibv_wr_complete(qp));
	CHECK(fake.sq->producer == 0 && bells() == 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(send_fields),
		RIG_TEST(send_inline),
		RIG_TEST(send_refused),
		RIG_TEST(send_windows),
		RIG_TEST(send_full),
		RIG_TEST_FROM(send_full, UINT32_MAX - 2),
		RIG_TEST(signal_all),
		RIG_TEST(recv_fields),
		RIG_TEST(wr_complete),
		RIG_TEST(wr_windows),
		RIG_TEST(wr_refused),
	};

	return RIG_MAIN(argc, argv, tests);
}
