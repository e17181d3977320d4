/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Test the provider's half of the ring protocol, against a fake kernel in the same
 * program. The tests call verbs, and compare what these leave in the rings, and which
 * doorbells they ring, with include/uapi/rdma/nopin-abi.h.
 */
#ifndef NOPIN_RIG_H
#define NOPIN_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_kernel.h"

/* For use in the test's own thread only. */
#define CHECK(cond) assert_true(cond)

/* One of each object, the QP in RTS: the state of each test. */
struct rig {
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct ibv_cq_ex *cq_ex;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_qp_ex *qp_ex;
};

int rig_open(void **state);
int rig_close(void **state);

/* Elements of the tests[] of RIG_MAIN(); the rings' first index may be given. */
#define RIG_TEST(test)                                                         \
	{                                                                      \
		#test, test, rig_open, rig_close, NULL                         \
	}
#define RIG_TEST_FROM(test, index)                                             \
	{                                                                      \
		#test " from " #index, test, rig_open, rig_close,              \
			&(uint32_t){ index }                                   \
	}
#define RIG_MAIN(argc, argv, tests)                                            \
	rig_main(argc, argv, tests, sizeof(tests) / sizeof((tests)[0]))
int rig_main(int argc, char **argv, const struct CMUnitTest *tests, size_t num);

void set_state(struct ibv_qp *qp, enum ibv_qp_state state);
struct ibv_qp *qp_create(struct rig *rig, int sq_sig_all);
struct nopin_send_wqe *sqe(uint32_t index);
/* Doorbells of the send queue since the last call. */
unsigned int bells(void);

#endif /* NOPIN_RIG_H */
