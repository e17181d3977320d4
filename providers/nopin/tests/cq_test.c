// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Completions: both ways to poll, yielding, resizing a CQ, destroying a QP. */
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "rig.h"

/* The provider finds these before the C library's. */

static int cpus = 2;
static unsigned int yields, sleeps;
static long put_off;	/* how often the thread was put off the CPU */
static long long clock_ns;
static uint32_t brings;	/* the next sched_yield() completes a request of this QP; 0: none */

int get_nprocs(void)
{
	return cpus;
}

int getrusage(__rusage_who_t who, struct rusage *usage)
{
	CHECK(who == RUSAGE_THREAD);
	memset(usage, 0, sizeof(*usage));
	usage->ru_nivcsw = put_off;
	return 0;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	(void)id;	/* cmocka reads another clock */
	now->tv_sec = clock_ns / 1000000000;
	now->tv_nsec = clock_ns % 1000000000;
	return 0;
}

int nanosleep(const struct timespec *time, struct timespec *rest)
{
	CHECK(!time->tv_sec && !rest);
	sleeps++;
	return 0;
}

int sched_yield(void)
{
	yields++;
	put_off++;
	if (brings)
		fake_complete(brings, 21);
	brings = 0;
	return 0;
}

static void poll_cq(void **state)
{
	struct rig *rig = *state;
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

static void start_poll(void **state)
{
	struct rig *rig = *state;
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

	/* ibv_end_poll() without ibv_next_poll() takes the one completion that was read. */
	fake_complete(rig->qp->qp_num, 3);
	fake_complete(rig->qp->qp_num, 4);
	CHECK(!ibv_start_poll(cq, &attr));
	ibv_end_poll(cq);
	CHECK(!ibv_start_poll(cq, &attr) && cq->wr_id == 4);
	ibv_end_poll(cq);
}

static int rig_open_one_cpu(void **state)
{
	int ret;

	cpus = 1;
	ret = rig_open(state);
	cpus = 2;
	return ret;
}

static unsigned int yields_of(struct rig *rig, unsigned int polls)
{
	struct ibv_poll_cq_attr attr = {};
	struct ibv_wc wc;

	yields = 0;
	while (polls--) {
		CHECK(ibv_poll_cq(rig->cq, 1, &wc) == 0);
		CHECK(ibv_start_poll(rig->cq_ex, &attr) == ENOENT);
	}
	return yields;
}

static void spins(void **state)
{
	CHECK(yields_of(*state, 1000) == 0);
}

/* With one CPU a thread that polls in vain lets others run, but not with each poll. */
static void gives_way(void **state)
{
	struct rig *rig = *state;
	struct ibv_wc wc;
	uint32_t i, given;
	int found = 0;

	given = yields_of(rig, 1000);
	CHECK(given > 20 && given < 500);

	/* The same poll finds a completion that comes during the yield. */
	brings = rig->qp->qp_num;
	for (i = 0; brings && i < 1000; i++)
		found = ibv_poll_cq(rig->cq, 1, &wc);
	CHECK(found == 1 && wc.wr_id == 21);

	/* A poll that finds a completion does not yield. */
	yields = 0;
	for (i = 0; i < 1000; i++) {
		fake_complete(rig->qp->qp_num, i);
		CHECK(ibv_poll_cq(rig->cq, 1, &wc) == 1);
	}
	CHECK(!yields);
}

#define SLICE	10000000	/* ns */

/* Post @posts times, @ns apart; the thread loses the CPU @each times before each post. */
static unsigned int sleeps_after_posts(struct rig *rig, unsigned int posts, long each,
				       long long ns)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	struct ibv_send_wr *bad;

	sleeps = 0;
	while (posts--) {
		put_off += each;
		clock_ns += ns;
		CHECK(!ibv_post_send(rig->qp, &wr, &bad));
		fake.sq->consumer = fake.sq->producer;
	}
	return sleeps;
}

/* A thread that loses the CPU for a slice before each post seems to poll memory in vain. */
static void gives_way_after_posts(void **state)
{
	struct rig *rig = *state;
	unsigned int given;

	CHECK(sleeps_after_posts(rig, 5000, 0, SLICE) == 0);
	given = sleeps_after_posts(rig, 5000, 1, SLICE);
	CHECK(given > 3000 && given < 5000);

	/* The provider looks again from time to time, and soon stops sleeping. */
	CHECK(sleeps_after_posts(rig, 5000, 0, SLICE) < 5000);
	CHECK(sleeps_after_posts(rig, 5000, 0, SLICE) == 0);

	/* A yield in a poll is no sign of waiting in vain. */
	yields_of(rig, 5000);
	CHECK(sleeps_after_posts(rig, 5000, 0, SLICE) == 0);

	/* Nor is it a sign if each post wakes a kernel thread, which takes the CPU. */
	CHECK(sleeps_after_posts(rig, 5000, 1, SLICE / 1000) == 0);
}

/* Nor is it a sign if other work costs the thread many slices now and then. */
static void stays_after_pauses(void **state)
{
	unsigned int posts[] = { 2, 3, 10, 100, 500 };

	for (unsigned int i = 0; i < 5 * 50; i++) {
		put_off += 1000;
		clock_ns += 1000ll * SLICE;
		CHECK(sleeps_after_posts(*state, posts[i / 50], 0, SLICE / 1000) == 0);
	}
}

/* With more than one CPU a post never sleeps. */
static void stays_after_posts(void **state)
{
	CHECK(sleeps_after_posts(*state, 5000, 1, SLICE) == 0);
}

static void cq_flags(void **state)
{
	struct rig *rig = *state;
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

static void resize(void **state)
{
	struct rig *rig = *state;
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

/* A QP that is destroyed takes its own completions out of the CQ, and no others. */
static void forget(void **state)
{
	struct rig *rig = *state;
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

static void reset(void **state)
{
	struct rig *rig = *state;
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(poll_cq),
		RIG_TEST_FROM(poll_cq, UINT32_MAX - 2),
		RIG_TEST(start_poll),
		RIG_TEST(spins),
		{ "gives_way", gives_way, rig_open_one_cpu, rig_close, NULL },
		{ "gives_way_after_posts", gives_way_after_posts, rig_open_one_cpu, rig_close,
		  NULL },
		{ "stays_after_pauses", stays_after_pauses, rig_open_one_cpu, rig_close, NULL },
		RIG_TEST(stays_after_posts),
		RIG_TEST(cq_flags),
		RIG_TEST(resize),
		RIG_TEST(forget),
		RIG_TEST_FROM(forget, UINT32_MAX - 2),
		RIG_TEST(reset),
	};

	return RIG_MAIN(argc, argv, tests);
}
