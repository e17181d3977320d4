// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The provider's half of the ring protocol, against a kernel that is part of
 * this program. The program calls the verbs; what they leave in the rings, and
 * which doorbells they ring, is compared with include/uapi/rdma/nopin-abi.h.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake_kernel.h"

#define CHECK(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__,	\
				__LINE__, __func__, #cond);		\
			exit(1);					\
		}							\
	} while (0)

#define SEND_OPS                                                               \
	(IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM |      \
	 IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM |                  \
	 IBV_QP_EX_WITH_RDMA_READ | IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP |        \
	 IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD)

/* One of each object, the QP in RTS. */
struct rig {
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct ibv_cq_ex *cq_ex;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_qp_ex *qp_ex;
};

static void set_state(struct ibv_qp *qp, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = { .qp_state = state };

	CHECK(!ibv_modify_qp(qp, &attr, IBV_QP_STATE));
}

static struct ibv_qp *qp_create(struct rig *rig, int sq_sig_all)
{
	struct ibv_qp_init_attr_ex attr = {
		.send_cq = rig->cq,
		.recv_cq = rig->cq,
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = sq_sig_all,
		.comp_mask = IBV_QP_INIT_ATTR_PD |
			     IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.pd = rig->pd,
		.send_ops_flags = SEND_OPS,
	};

	return ibv_create_qp_ex(rig->context, &attr);
}

static void rig_open(struct rig *rig)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = FAKE_CQ_ENTRIES,
		.wc_flags = IBV_WC_STANDARD_FLAGS |
			    IBV_WC_EX_WITH_COMPLETION_TIMESTAMP |
			    IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK,
	};

	rig->context = fake_open();
	CHECK(rig->context);
	rig->pd = ibv_alloc_pd(rig->context);
	CHECK(rig->pd);
	rig->cq_ex = ibv_create_cq_ex(rig->context, &attr);
	CHECK(rig->cq_ex);
	rig->cq = ibv_cq_ex_to_cq(rig->cq_ex);
	rig->qp = qp_create(rig, 0);
	CHECK(rig->qp);
	rig->qp_ex = ibv_qp_to_qp_ex(rig->qp);
	CHECK(rig->qp_ex);
	set_state(rig->qp, IBV_QPS_RTS);
}

static void rig_close(struct rig *rig)
{
	CHECK(!ibv_destroy_qp(rig->qp));
	CHECK(!ibv_destroy_cq(rig->cq));
	CHECK(!ibv_dealloc_pd(rig->pd));
	CHECK(!ibv_close_device(rig->context));
}

static struct nopin_send_wqe *sqe(uint32_t index)
{
	return fake_entry(fake.sq, FAKE_SEND_STRIDE, FAKE_ENTRIES, index);
}

static unsigned int bells(void)
{
	return fake_doorbells(IB_USER_VERBS_CMD_POST_SEND);
}

static void test_registration(struct rig *rig)
{
	const struct verbs_match_ent *match = fake.ops->match_table;

	(void)rig;
	CHECK(!strcmp(fake.ops->name, "nopin"));
	CHECK(fake.ops->match_min_abi_version == NOPIN_ABI_VERSION);
	CHECK(fake.ops->match_max_abi_version == NOPIN_ABI_VERSION);
	CHECK(match[0].kind == VERBS_MATCH_DRIVER_ID);
	CHECK(match[0].u.driver_id == RDMA_DRIVER_NOPIN);
	CHECK(match[1].kind == VERBS_MATCH_SENTINEL);
}

static void test_unknown_response(struct rig *rig)
{
	(void)rig;
	fake.context_resp.comp_mask = 1;
	CHECK(!fake_open());
	CHECK(errno == EPROTO);
}

static void test_bad_rings(struct rig *rig)
{
	struct nopin_create_qp_resp good = fake.qp_resp;

	fake.qp_resp.sq.entries = 7;
	CHECK(!qp_create(rig, 0) && errno == EPROTO);
	fake.qp_resp = good;
	fake.qp_resp.sq.stride = FAKE_SEND_STRIDE - 8;
	CHECK(!qp_create(rig, 0) && errno == EPROTO);
	fake.qp_resp = good;
	fake.qp_resp.rq.size = 4096;
	fake.qp_resp.rq.entries = 64;
	CHECK(!qp_create(rig, 0) && errno == EPROTO);
	fake.qp_resp = good;
	CHECK(fake.destroyed == 3);
}

static void test_send_fields(struct rig *rig)
{
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

static void test_send_inline(struct rig *rig)
{
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

static void test_send_refused(struct rig *rig)
{
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

/* Fills the ring across the wrap of its slots and of the 32-bit indexes. */
static void test_send_full(struct rig *rig)
{
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

static void test_signal_all(struct rig *rig)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	struct ibv_send_wr *bad;
	struct ibv_qp *qp = qp_create(rig, 1);

	CHECK(qp);
	set_state(qp, IBV_QPS_RTS);
	CHECK(!ibv_post_send(qp, &wr, &bad));
	CHECK(sqe(0)->flags == NOPIN_SEND_SIGNALED);
	CHECK(!ibv_destroy_qp(qp));
}

static void test_recv(struct rig *rig)
{
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

static void test_wr_complete(struct rig *rig)
{
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

static void test_wr_refused(struct rig *rig)
{
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

static void test_poll(struct rig *rig)
{
	struct ibv_wc wc[FAKE_CQ_ENTRIES];
	uint32_t i, round;

	CHECK(ibv_poll_cq(rig->cq, 1, wc) == 0);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 11; i++)
			fake_complete(rig->qp->qp_num, i);
		CHECK(ibv_poll_cq(rig->cq, 4, wc) == 4);
		CHECK(ibv_poll_cq(rig->cq, FAKE_CQ_ENTRIES, wc + 4) == 7);
		for (i = 0; i < 11; i++)
			CHECK(wc[i].wr_id == i);
		CHECK(fake.cq->consumer == fake.cq->producer);
	}
	CHECK(wc[0].status == IBV_WC_SUCCESS && wc[0].byte_len == 4096);
	CHECK(wc[0].opcode == IBV_WC_RECV_RDMA_WITH_IMM);
	CHECK(wc[0].imm_data == htobe32(7) && wc[0].wc_flags == IBV_WC_WITH_IMM);
	CHECK(wc[0].qp_num == rig->qp->qp_num && wc[0].vendor_err == 5);
}

static void test_poll_ex(struct rig *rig)
{
	struct ibv_cq_ex *cq = rig->cq_ex;
	struct ibv_poll_cq_attr attr = {};

	CHECK(ibv_start_poll(cq, &attr) == ENOENT);
	fake_complete(rig->qp->qp_num, 1);
	fake_complete(rig->qp->qp_num, 2);
	CHECK(!ibv_start_poll(cq, &attr));
	CHECK(cq->wr_id == 1 && cq->status == IBV_WC_SUCCESS);
	CHECK(ibv_wc_read_completion_wallclock_ns(cq) == 1234567890123456789ULL);
	CHECK(ibv_wc_read_completion_ts(cq) == 1234567890123456789ULL);
	CHECK(ibv_wc_read_qp_num(cq) == rig->qp->qp_num);
	CHECK(ibv_wc_read_imm_data(cq) == htobe32(7));
	CHECK(ibv_wc_read_byte_len(cq) == 4096 && !ibv_wc_read_slid(cq));
	CHECK(!ibv_next_poll(cq) && cq->wr_id == 2);
	CHECK(ibv_next_poll(cq) == ENOENT);
	CHECK(fake.cq->consumer == 0);
	ibv_end_poll(cq);
	CHECK(fake.cq->consumer == 2);

	/* An end without a next takes the one completion that was looked at. */
	fake_complete(rig->qp->qp_num, 3);
	fake_complete(rig->qp->qp_num, 4);
	CHECK(!ibv_start_poll(cq, &attr));
	ibv_end_poll(cq);
	CHECK(!ibv_start_poll(cq, &attr) && cq->wr_id == 4);
	ibv_end_poll(cq);
}

static void test_clock(struct rig *rig)
{
	struct ibv_values_ex values = {
		.comp_mask = IBV_VALUES_MASK_RAW_CLOCK,
	};
	uint64_t before, after;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	before = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	CHECK(!ibv_query_rt_values_ex(rig->context, &values));
	clock_gettime(CLOCK_REALTIME, &now);
	after = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;

	CHECK(values.comp_mask == IBV_VALUES_MASK_RAW_CLOCK);
	CHECK((uint64_t)values.raw_clock.tv_nsec >= before);
	CHECK((uint64_t)values.raw_clock.tv_nsec <= after);
}

static void test_cq_flags(struct rig *rig)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = 1,
		.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS,
		.flags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED,
	};
	struct ibv_cq_ex *cq = ibv_create_cq_ex(rig->context, &attr);
	struct ibv_wc wc;

	CHECK(cq);
	fake_complete(1, 5);
	CHECK(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 1, &wc) == 1 && wc.wr_id == 5);
	CHECK(!ibv_destroy_cq(ibv_cq_ex_to_cq(cq)));

	attr.flags = IBV_CREATE_CQ_ATTR_IGNORE_OVERRUN;
	CHECK(!ibv_create_cq_ex(rig->context, &attr) && errno == EOPNOTSUPP);
	attr.flags = 0;
	attr.wc_flags = IBV_WC_EX_WITH_FLOW_TAG;
	CHECK(!ibv_create_cq_ex(rig->context, &attr) && errno == EOPNOTSUPP);
}

static void test_resize(struct rig *rig)
{
	struct ibv_wc wc[4];

	fake_complete(1, 10);
	fake_complete(1, 11);
	fake_complete(1, 12);
	CHECK(ibv_poll_cq(rig->cq, 1, wc) == 1 && wc[0].wr_id == 10);
	CHECK(!ibv_resize_cq(rig->cq, 12));
	fake_complete(1, 13);
	CHECK(ibv_poll_cq(rig->cq, 4, wc) == 3);
	CHECK(wc[0].wr_id == 11 && wc[1].wr_id == 12 && wc[2].wr_id == 13);
}

/* A QP that goes takes its completions along, and only its own. */
static void test_forget(struct rig *rig)
{
	struct ibv_wc wc[FAKE_CQ_ENTRIES];
	struct ibv_qp *qp = qp_create(rig, 0);
	uint32_t mine, i;

	CHECK(qp);
	mine = qp->qp_num;
	for (i = 0; i < 12; i++)
		fake_complete(i % 3 == 1 ? rig->qp->qp_num : mine, i);
	CHECK(ibv_poll_cq(rig->cq, 1, wc) == 1 && wc[0].wr_id == 0);
	CHECK(!ibv_destroy_qp(qp));
	fake_complete(rig->qp->qp_num, 12);
	CHECK(ibv_poll_cq(rig->cq, FAKE_CQ_ENTRIES, wc) == 5);
	for (i = 0; i < 4; i++)
		CHECK(wc[i].wr_id == 3 * i + 1);
	CHECK(wc[4].wr_id == 12);
}

static void test_reset(struct rig *rig)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	struct ibv_send_wr *bad;
	struct ibv_wc wc;
	uint32_t i;

	for (i = 0; i < FAKE_ENTRIES; i++)
		CHECK(!ibv_post_send(rig->qp, &wr, &bad));
	fake_complete(rig->qp->qp_num, 1);
	set_state(rig->qp, IBV_QPS_RESET);
	CHECK(ibv_poll_cq(rig->cq, 1, &wc) == 0);
	set_state(rig->qp, IBV_QPS_RTS);
	for (i = 0; i < FAKE_ENTRIES; i++)
		CHECK(!ibv_post_send(rig->qp, &wr, &bad));
	CHECK(fake.sq->producer - fake.sq->consumer == FAKE_ENTRIES);
}

#define STRESS_POSTERS 4u
#define STRESS_EACH 20000u
#define STRESS_LIST 4u

/* Posts in lists; what did not fit begins the next one. */
static void *stress_post(void *arg)
{
	struct ibv_send_wr wr[STRESS_LIST] = {};
	struct ibv_qp *qp = arg;
	uint32_t i, id = 0;

	while (id < STRESS_EACH) {
		struct ibv_send_wr *bad = NULL;
		uint32_t count = STRESS_EACH - id;
		int ret;

		if (count > STRESS_LIST)
			count = STRESS_LIST;
		for (i = 0; i < count; i++) {
			wr[i].wr_id = id + i;
			wr[i].opcode = IBV_WR_SEND;
			wr[i].next = i + 1 < count ? &wr[i + 1] : NULL;
		}
		ret = ibv_post_send(qp, wr, &bad);
		CHECK(!ret || (ret == ENOMEM && bad));
		id = ret ? (uint32_t)bad->wr_id : id + count;
		if (ret)
			sched_yield();
	}
	return NULL;
}

/* Takes sends as the kernel would, and poisons what it gives back. */
static void *stress_drain(void *arg)
{
	uint32_t consumer = fake.first_index;
	uint32_t left = STRESS_POSTERS * STRESS_EACH;

	(void)arg;
	while (left) {
		uint32_t producer = __atomic_load_n(&fake.sq->producer,
						    __ATOMIC_ACQUIRE);
		uint32_t room = __atomic_load_n(&fake.cq->consumer,
						__ATOMIC_ACQUIRE) +
				FAKE_CQ_ENTRIES - fake.cq->producer;

		if (consumer == producer || !room) {
			sched_yield();
			continue;
		}
		CHECK(sqe(consumer)->opcode == IBV_WR_SEND);
		fake_complete(1, sqe(consumer)->wr_id);
		memset(sqe(consumer), 0xff, FAKE_SEND_STRIDE);
		consumer++;
		__atomic_store_n(&fake.sq->consumer, consumer,
				 __ATOMIC_RELEASE);
		left--;
	}
	return NULL;
}

/* Posters, the kernel and a poller at once: nothing lost, torn or doubled. */
static void test_stress(struct rig *rig)
{
	static unsigned int seen[STRESS_EACH];
	pthread_t poster[STRESS_POSTERS], kernel;
	uint32_t i, polled = 0;
	struct ibv_wc wc[8];

	for (i = 0; i < STRESS_POSTERS; i++)
		CHECK(!pthread_create(&poster[i], NULL, stress_post, rig->qp));
	CHECK(!pthread_create(&kernel, NULL, stress_drain, NULL));
	while (polled < STRESS_POSTERS * STRESS_EACH) {
		int n = ibv_poll_cq(rig->cq, 8, wc);

		CHECK(n >= 0);
		if (!n)
			sched_yield();
		for (i = 0; i < (uint32_t)n; i++) {
			CHECK(wc[i].wr_id < STRESS_EACH);
			seen[wc[i].wr_id]++;
		}
		polled += (uint32_t)n;
	}
	for (i = 0; i < STRESS_POSTERS; i++)
		CHECK(!pthread_join(poster[i], NULL));
	CHECK(!pthread_join(kernel, NULL));
	for (i = 0; i < STRESS_EACH; i++)
		CHECK(seen[i] == STRESS_POSTERS);
	CHECK(bells() >= STRESS_POSTERS * STRESS_EACH / STRESS_LIST);
}

static const struct {
	const char *name;
	void (*run)(struct rig *rig);
	uint32_t first_index;
} tests[] = {
	{ "registration", test_registration, 0 },
	{ "unknown response", test_unknown_response, 0 },
	{ "bad rings", test_bad_rings, 0 },
	{ "send fields", test_send_fields, 0 },
	{ "send inline", test_send_inline, 0 },
	{ "send refused", test_send_refused, 0 },
	{ "send full", test_send_full, 0 },
	{ "send full, indexes wrap", test_send_full, UINT32_MAX - 2 },
	{ "signal all", test_signal_all, 0 },
	{ "recv", test_recv, 0 },
	{ "wr complete", test_wr_complete, 0 },
	{ "wr refused", test_wr_refused, 0 },
	{ "poll", test_poll, 0 },
	{ "poll, indexes wrap", test_poll, UINT32_MAX - 2 },
	{ "poll ex", test_poll_ex, 0 },
	{ "clock", test_clock, 0 },
	{ "cq flags", test_cq_flags, 0 },
	{ "resize", test_resize, 0 },
	{ "forget", test_forget, 0 },
	{ "forget, indexes wrap", test_forget, UINT32_MAX - 2 },
	{ "reset", test_reset, 0 },
	{ "stress", test_stress, UINT32_MAX - 100 },
};

#define NUM_TESTS (sizeof(tests) / sizeof(tests[0]))

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 2 || !dlopen(argv[1], RTLD_NOW)) {
		fprintf(stderr, "usage: %s PROVIDER\n", argv[0]);
		return 2;
	}
	CHECK(fake.ops);

	/* A send that got lost shows as a poll that never ends. */
	alarm(60);
	for (i = 0; i < NUM_TESTS; i++) {
		struct rig rig;

		fake_reset();
		fake.first_index = tests[i].first_index;
		rig_open(&rig);
		tests[i].run(&rig);
		rig_close(&rig);
		printf("ok %zu - %s\n", i + 1, tests[i].name);
	}
	printf("1..%zu\n", i);
	return 0;
}
