// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include "rig.h"

#define SEND_OPS                                                               \
	(IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM |      \
	 IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM |                  \
	 IBV_QP_EX_WITH_RDMA_READ | IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP |        \
	 IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD | IBV_QP_EX_WITH_LOCAL_INV |      \
	 IBV_QP_EX_WITH_SEND_WITH_INV | IBV_QP_EX_WITH_BIND_MW)

void set_state(struct ibv_qp *qp, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = { .qp_state = state };

	CHECK(!ibv_modify_qp(qp, &attr, IBV_QP_STATE));
}

struct ibv_qp *qp_create(struct rig *rig, int sq_sig_all)
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

/* Each test's state is at first the index at which rings begin, or NULL. */
int rig_open(void **state)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = FAKE_CQ_ENTRIES,
		.wc_flags = IBV_WC_STANDARD_FLAGS |
			    IBV_WC_EX_WITH_COMPLETION_TIMESTAMP |
			    IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK,
	};
	const uint32_t *first_index = *state;
	static struct rig rig;

	fake_reset();
	fake.first_index = first_index ? *first_index : 0;
	rig.context = fake_open();
	CHECK(rig.context);
	rig.pd = ibv_alloc_pd(rig.context);
	CHECK(rig.pd);
	rig.cq_ex = ibv_create_cq_ex(rig.context, &attr);
	CHECK(rig.cq_ex);
	rig.cq = ibv_cq_ex_to_cq(rig.cq_ex);
	rig.qp = qp_create(&rig, 0);
	CHECK(rig.qp);
	rig.qp_ex = ibv_qp_to_qp_ex(rig.qp);
	CHECK(rig.qp_ex);
	set_state(rig.qp, IBV_QPS_RTS);
	*state = &rig;
	return 0;
}

int rig_close(void **state)
{
	struct rig *rig = *state;

	CHECK(!ibv_destroy_qp(rig->qp));
	CHECK(!ibv_destroy_cq(rig->cq));
	CHECK(!ibv_dealloc_pd(rig->pd));
	CHECK(!ibv_close_device(rig->context));
	return 0;
}

struct nopin_send_wqe *sqe(uint32_t index)
{
	return fake_entry(fake.sq, FAKE_SEND_STRIDE, FAKE_ENTRIES, index);
}

unsigned int bells(void)
{
	return fake_doorbells(IB_USER_VERBS_CMD_POST_SEND);
}

int rig_main(int argc, char **argv, const struct CMUnitTest *tests, size_t num)
{
	if (argc != 2 || !dlopen(argv[1], RTLD_NOW) || !fake.ops) {
		fprintf(stderr, "usage: %s PROVIDER\n", argv[0]);
		return 2;
	}
	/* A lost completion shows as an endless poll; on a busy machine a test takes minutes. */
	alarm(600);
	return _cmocka_run_group_tests(argv[0], tests, num, NULL, NULL);
}
