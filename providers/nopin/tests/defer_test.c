// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Doorbells that are left out, and the calls that ring them later. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

static int post(struct ibv_qp *qp)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	struct ibv_send_wr *bad;

	return ibv_post_send(qp, &wr, &bad);
}

static void consume(void)
{
	fake.sq->consumer = fake.sq->producer;
}

static void poll_nothing(struct rig *rig)
{
	struct ibv_wc wc;

	CHECK(ibv_poll_cq(rig->cq, 1, &wc) == 0);
}

/* The kernel attends the ring, and a doorbell is owed. */
static void owe(struct rig *rig)
{
	fake.sq->flags = NOPIN_RING_ATTENDED;
	CHECK(!post(rig->qp));
	CHECK(bells() == 0);
}

/* No doorbell is left out unless the kernel attends the ring, which it is asked to do. */
static void not_attended(void **state)
{
	struct rig *rig = *state;

	CHECK(!fake.sq->attend);
	CHECK(!post(rig->qp) && bells() == 1);
	CHECK(fake.sq->attend);
	CHECK(!post(rig->qp) && bells() == 1);
	poll_nothing(rig);
	CHECK(bells() == 0);
}

static void poll_pays(void **state)
{
	struct rig *rig = *state;
	struct ibv_wc wc;

	owe(rig);
	owe(rig);
	fake_complete(rig->qp->qp_num, 7);
	CHECK(ibv_poll_cq(rig->cq, 1, &wc) == 1 && bells() == 0);
	poll_nothing(rig);
	CHECK(bells() == 1);
	poll_nothing(rig);
	CHECK(bells() == 0);
	owe(rig);
}

static void start_poll_pays(void **state)
{
	struct ibv_poll_cq_attr attr = {};
	struct rig *rig = *state;

	owe(rig);
	CHECK(ibv_start_poll(rig->cq_ex, &attr) == ENOENT && bells() == 1);
	CHECK(ibv_start_poll(rig->cq_ex, &attr) == ENOENT && bells() == 0);
}

static void notify_pays(void **state)
{
	struct rig *rig = *state;

	owe(rig);
	CHECK(!ibv_req_notify_cq(rig->cq, 0) && bells() == 1);
}

static void extended_post(void **state)
{
	struct rig *rig = *state;

	fake.sq->flags = NOPIN_RING_ATTENDED;
	ibv_wr_start(rig->qp_ex);
	ibv_wr_send(rig->qp_ex);
	CHECK(!ibv_wr_complete(rig->qp_ex) && bells() == 0);
	poll_nothing(rig);
	CHECK(bells() == 1);
}

static void other_qp_pays(void **state)
{
	struct rig *rig = *state;
	struct ibv_qp *other;

	owe(rig);
	other = qp_create(rig, 0);
	CHECK(other);
	set_state(other, IBV_QPS_RTS);
	CHECK(bells() == 0);
	fake.sq->flags = NOPIN_RING_ATTENDED;
	CHECK(!post(other) && bells() == 1);
	CHECK(!post(rig->qp) && bells() == 1);
	CHECK(!ibv_destroy_qp(other) && bells() == 0);
}

/* A thread remembers one QP: that of a post within ibv_wr_start() and ibv_wr_complete(). */
static void one_within_another(void **state)
{
	struct rig *rig = *state;
	struct ibv_qp *other;

	fake.sq->flags = NOPIN_RING_ATTENDED;
	other = qp_create(rig, 0);
	CHECK(other);
	set_state(other, IBV_QPS_RTS);
	fake.sq->flags = NOPIN_RING_ATTENDED;
	ibv_wr_start(rig->qp_ex);
	ibv_wr_send(rig->qp_ex);
	CHECK(!post(other) && bells() == 0);
	CHECK(!ibv_wr_complete(rig->qp_ex) && bells() == 1);
	poll_nothing(rig);
	CHECK(bells() == 1);
	CHECK(!ibv_destroy_qp(other) && bells() == 0);
}

static void change_pays(void **state)
{
	struct rig *rig = *state;

	owe(rig);
	set_state(rig->qp, IBV_QPS_ERR);
	CHECK(bells() == 1);
	poll_nothing(rig);
	CHECK(bells() == 0);
}

static void destroy_pays(void **state)
{
	struct rig *rig = *state;
	struct ibv_qp *other = qp_create(rig, 0);

	CHECK(other);
	set_state(other, IBV_QPS_RTS);
	fake.sq->flags = NOPIN_RING_ATTENDED;
	CHECK(!post(other) && bells() == 0);
	CHECK(!ibv_destroy_qp(other) && bells() == 1);
	poll_nothing(rig);
	CHECK(bells() == 0);
}

static void full_queue_pays(void **state)
{
	struct rig *rig = *state;
	uint32_t i;

	for (i = 0; i < FAKE_ENTRIES; i++)
		owe(rig);
	CHECK(post(rig->qp) == ENOMEM && bells() == 1);
}

static pthread_barrier_t step;

static void *owe_all_and_stay(void *arg)
{
	for (uint32_t i = 0; i < FAKE_ENTRIES; i++)
		owe(arg);
	pthread_barrier_wait(&step);
	pthread_barrier_wait(&step);
	return NULL;
}

/* The thread that has filled the queue may be busy with something else. */
static void full_queue_pays_for_others(void **state)
{
	struct rig *rig = *state;
	pthread_t thread;

	CHECK(!pthread_barrier_init(&step, NULL, 2));
	CHECK(!pthread_create(&thread, NULL, owe_all_and_stay, rig));
	pthread_barrier_wait(&step);
	CHECK(post(rig->qp) == ENOMEM && bells() == 1);
	ibv_wr_start(rig->qp_ex);
	ibv_wr_send(rig->qp_ex);
	CHECK(ibv_wr_complete(rig->qp_ex) == ENOMEM && bells() == 0);
	pthread_barrier_wait(&step);
	CHECK(!pthread_join(thread, NULL) && bells() == 0);
	pthread_barrier_destroy(&step);
}

static void *owe_and_leave(void *arg)
{
	owe(arg);
	return NULL;
}

/* A thread rings the doorbell that it owes before it ends. */
static void thread_pays(void **state)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, owe_and_leave, *state));
	CHECK(!pthread_join(thread, NULL));
	CHECK(bells() == 1);
	poll_nothing(*state);
	CHECK(bells() == 0);
}

/* A thread that owes a doorbell finds it rung when the device is closed before it pays. */
static void close_pays_for_others(void **state)
{
	struct rig *rig = *state, left = *rig;
	pthread_t thread;

	left.context = fake_open();
	CHECK(left.context);
	left.pd = ibv_alloc_pd(left.context);
	CHECK(left.pd);
	CHECK(!ibv_destroy_qp(qp_create(&left, 0)));
	left.qp = qp_create(&left, 0);
	CHECK(left.qp && qp_create(&left, 0));
	set_state(left.qp, IBV_QPS_RTS);
	CHECK(!pthread_barrier_init(&step, NULL, 2));
	CHECK(!pthread_create(&thread, NULL, owe_all_and_stay, &left));
	pthread_barrier_wait(&step);
	CHECK(!ibv_close_device(left.context) && bells() == 1);
	pthread_barrier_wait(&step);
	CHECK(!pthread_join(thread, NULL) && bells() == 0);
	pthread_barrier_destroy(&step);
}

static void fork_pays(void **state)
{
	struct rig *rig = *state;
	int status;
	pid_t pid;

	owe(rig);
	pid = fork();
	if (!pid)
		_exit(bells() != 1);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status);
	poll_nothing(rig);
	CHECK(bells() == 0);
}

/* After the kernel was late a QP gets its doorbells at once for a while. */
static void caution(struct rig *rig)
{
	unsigned int at_once = 0;

	CHECK(!post(rig->qp) && bells() == 1);
	CHECK(!fake.sq->attend);
	consume();
	fake.sq->flags = NOPIN_RING_ATTENDED;
	while (!post(rig->qp) && bells()) {
		consume();
		at_once++;
	}
	CHECK(at_once >= 100 && at_once < 1000);
	poll_nothing(rig);
	CHECK(bells() == 1);
	consume();

	fake.sq->flags = 0;
	CHECK(!post(rig->qp) && bells() == 1);
	CHECK(fake.sq->attend);
}

static void late_at_post(void **state)
{
	struct rig *rig = *state;

	owe(rig);
	consume();
	fake.sq->flags = 0;
	caution(rig);
}

static void late_at_poll(void **state)
{
	struct rig *rig = *state;

	owe(rig);
	consume();
	fake.sq->flags = 0;
	poll_nothing(rig);
	CHECK(bells() == 0);
	caution(rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(not_attended),	   RIG_TEST(poll_pays),
		RIG_TEST(start_poll_pays), RIG_TEST(notify_pays),
		RIG_TEST(extended_post),   RIG_TEST(other_qp_pays),
		RIG_TEST(one_within_another),
		RIG_TEST(change_pays),	   RIG_TEST(destroy_pays),
		RIG_TEST(full_queue_pays), RIG_TEST(full_queue_pays_for_others),
		RIG_TEST(thread_pays),	   RIG_TEST(close_pays_for_others),
		RIG_TEST(fork_pays),	   RIG_TEST(late_at_post),
		RIG_TEST(late_at_poll),
	};

	return RIG_MAIN(argc, argv, tests);
}
