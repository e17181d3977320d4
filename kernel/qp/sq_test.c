// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* KUnit: the requester's window. */
#include <kunit/test.h>

#include "device.h"
#include "qp/qp.h"
#include "queue/cq.h"

#define ENTRIES		16
#define FIRST_PSN	0xfffffeU	/* so that it wraps at once */

/* A requester whose completions go to a kernel CQ, and that sends nothing. */
struct sq_fixture {
	struct nopin_dev dev;
	struct nopin_cq cq;
	struct nopin_qp qp;
	u32 read_ends[2];
};

/* A case runs under sq.lock, which the functions under test require. */
#define SQ_CASE(name)							\
	static void name##_locked(struct kunit *test);			\
	static void name(struct kunit *test)				\
	{								\
		struct sq_fixture *fix = test->priv;			\
									\
		spin_lock_bh(&fix->qp.sq.lock);				\
		name##_locked(test);					\
		spin_unlock_bh(&fix->qp.sq.lock);			\
	}								\
	static void name##_locked(struct kunit *test)

/* The requester's task does nothing: the cases do not check what it would send. */
static void sq_no_task(struct tasklet_struct *task)
{
}

static int sq_init(struct kunit *test)
{
	struct sq_fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	struct nopin_sq *sq;

	KUNIT_ASSERT_NOT_NULL(test, fix);
	test->priv = fix;
	sq = &fix->qp.sq;
	KUNIT_ASSERT_EQ(test, nopin_stats_init(&fix->dev.stats), 0);
	KUNIT_ASSERT_EQ(test, nopin_cq_create(&fix->cq, NULL, ENTRIES, NULL), 0);
	KUNIT_ASSERT_EQ(test, nopin_queue_create(&sq->queue, NULL, ENTRIES,
						 sizeof(struct nopin_send_wqe) +
						 sizeof(struct nopin_sge), NULL), 0);
	fix->qp.dev = &fix->dev;
	fix->qp.ibqp.send_cq = &fix->cq.ibcq;
	fix->qp.state = IB_QPS_RTS;
	fix->qp.mtu = 1024;
	fix->qp.sq_sig_all = true;
	fix->qp.attr.sq_psn = FIRST_PSN;
	fix->qp.attr.retry_cnt = 1;
	sq->wqe_stride = sizeof(struct nopin_swqe) + sizeof(struct nopin_sge);
	sq->wqes = kunit_kcalloc(test, ENTRIES, sq->wqe_stride, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sq->wqes);
	sq->reads.end_psn = fix->read_ends;
	sq->reads.size = ARRAY_SIZE(fix->read_ends);
	spin_lock_init(&sq->lock);
	timer_setup(&sq->timer, NULL, 0);
	tasklet_setup(&sq->task, sq_no_task);

	spin_lock_bh(&sq->lock);
	nopin_sq_start(&fix->qp);
	spin_unlock_bh(&sq->lock);
	return 0;
}

static void sq_exit(struct kunit *test)
{
	struct sq_fixture *fix = test->priv;

	tasklet_kill(&fix->qp.sq.task);
	nopin_queue_destroy(&fix->qp.sq.queue);
	nopin_cq_destroy(&fix->cq);
	nopin_stats_destroy(&fix->dev.stats);
}

/* A request as nopin_sq_take() would return it. */
static struct nopin_swqe *sq_take(struct sq_fixture *fix, u32 opcode, u32 length)
{
	struct nopin_sq *sq = &fix->qp.sq;
	struct nopin_swqe *wqe = nopin_sq_wqe(sq, sq->taken++);

	memset(wqe, 0, sizeof(*wqe));
	wqe->wr_id = sq->taken;
	wqe->request = nopin_request_row(opcode, U32_MAX);
	wqe->length = length;
	wqe->status = IB_WC_SUCCESS;
	return wqe;
}

/* The same, with PSNs. */
static struct nopin_swqe *sq_post(struct sq_fixture *fix, u32 opcode, u32 length)
{
	struct nopin_swqe *wqe = sq_take(fix, opcode, length);

	nopin_sq_number(&fix->qp.sq, wqe, nopin_packets(&fix->qp, length));
	return wqe;
}

/* Send all packets of a request; a READ has one. */
static struct nopin_swqe *sq_send(struct sq_fixture *fix, u32 opcode, u32 length)
{
	struct nopin_swqe *wqe = sq_post(fix, opcode, length);
	struct nopin_sq *sq = &fix->qp.sq;

	if (wqe->request->answered)
		nopin_sq_sent(&fix->qp, wqe, wqe->last_psn);
	else
		while (sq->next_psn != nopin_psn_add(wqe->last_psn, 1))
			nopin_sq_sent(&fix->qp, wqe, sq->next_psn);
	return wqe;
}

static u32 sq_completed(const struct sq_fixture *fix)
{
	return fix->cq.queue.index;
}

SQ_CASE(psns_wrap)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;
	struct nopin_swqe *wqe = sq_send(fix, IB_UVERBS_WR_RDMA_WRITE, 4096);

	KUNIT_EXPECT_EQ(test, wqe->first_psn, FIRST_PSN);
	KUNIT_EXPECT_EQ(test, wqe->last_psn, 1);
	KUNIT_EXPECT_EQ(test, sq->next_psn, 2);
	KUNIT_EXPECT_EQ(test, nopin_sq_inflight(sq), 4);
	KUNIT_EXPECT_EQ(test, nopin_wqe_offset(&fix->qp, wqe, 1), 3072);
	KUNIT_EXPECT_TRUE(test, nopin_sq_awaits(sq, FIRST_PSN));
	KUNIT_EXPECT_TRUE(test, nopin_sq_awaits(sq, 1));
	KUNIT_EXPECT_FALSE(test, nopin_sq_awaits(sq, 2));
	KUNIT_EXPECT_FALSE(test, nopin_sq_awaits(sq, FIRST_PSN - 1));
}

SQ_CASE(ack_covers_what_came_before)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;

	sq_send(fix, IB_UVERBS_WR_SEND, 1024);
	sq_send(fix, IB_UVERBS_WR_RDMA_WRITE, 3000);
	KUNIT_EXPECT_TRUE(test, nopin_sq_acknowledge(&fix->qp, 0));
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 1);
	KUNIT_EXPECT_EQ(test, sq->una_psn, 0);
	KUNIT_EXPECT_TRUE(test, nopin_sq_acknowledge(&fix->qp, sq->next_psn));
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 2);
	KUNIT_EXPECT_TRUE(test, nopin_sq_is_empty(sq));
	KUNIT_EXPECT_EQ(test, nopin_sq_inflight(sq), 0);
}

SQ_CASE(ack_does_not_stand_for_data)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;
	struct nopin_swqe *read;

	sq_send(fix, IB_UVERBS_WR_SEND, 1);
	read = sq_send(fix, IB_UVERBS_WR_RDMA_READ, 2048);
	sq_send(fix, IB_UVERBS_WR_SEND, 1);
	KUNIT_EXPECT_EQ(test, sq->reads.count, 1);
	KUNIT_EXPECT_FALSE(test, nopin_sq_acknowledge(&fix->qp, sq->next_psn));
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 1);
	KUNIT_EXPECT_EQ(test, sq->una_psn, read->first_psn);

	nopin_sq_acked(&fix->qp, nopin_psn_add(read->first_psn, 1));
	KUNIT_EXPECT_EQ(test, sq->reads.count, 1);
	nopin_sq_acked(&fix->qp, nopin_psn_add(read->last_psn, 1));
	KUNIT_EXPECT_EQ(test, sq->reads.count, 0);
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 2);
}

SQ_CASE(rewind_goes_to_the_oldest)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;
	struct nopin_swqe *first = sq_send(fix, IB_UVERBS_WR_RDMA_WRITE, 2048);
	u32 unsent;

	sq_send(fix, IB_UVERBS_WR_RDMA_READ, 1);
	unsent = sq->next_psn;
	nopin_sq_acked(&fix->qp, first->last_psn);
	nopin_sq_rewind(sq);
	KUNIT_EXPECT_EQ(test, sq->next_psn, first->last_psn);
	KUNIT_EXPECT_EQ(test, sq->next, sq->queue.index);
	KUNIT_EXPECT_EQ(test, sq->unsent_psn, unsent);
	KUNIT_EXPECT_EQ(test, sq->reads.count, 0);
	/* The answer to the packet that was sent before may still come. */
	KUNIT_EXPECT_TRUE(test, nopin_sq_awaits(sq, first->last_psn));
	KUNIT_EXPECT_TRUE(test, nopin_sq_acknowledge(&fix->qp,
						     nopin_psn_add(first->last_psn, 1)));
	KUNIT_EXPECT_EQ(test, sq->next_psn, sq->una_psn);
	KUNIT_EXPECT_EQ(test, sq->next, sq->queue.index);
}

SQ_CASE(gap_is_resent_once)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;
	struct nopin_swqe *read = sq_send(fix, IB_UVERBS_WR_RDMA_READ, 4096);

	nopin_sq_resend(&fix->qp, nopin_psn_add(read->first_psn, 1));
	KUNIT_EXPECT_EQ(test, sq->next_psn, read->first_psn);
	nopin_sq_sent(&fix->qp, read, read->last_psn);
	nopin_sq_resend(&fix->qp, read->last_psn);
	KUNIT_EXPECT_EQ(test, sq->next_psn, nopin_psn_add(read->last_psn, 1));
	KUNIT_EXPECT_EQ(test, nopin_stat_read(&fix->dev.stats, NOPIN_RETRANSMITS), 1);
}

SQ_CASE(losses_narrow_the_window)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;
	struct nopin_flight *flight = &sq->flight;
	struct nopin_swqe *wqe = sq_send(fix, IB_UVERBS_WR_RDMA_WRITE, 32 * 1024);
	u32 i;

	fix->qp.sq_sig_all = false; /* the CQ has no room for so many completions */
	nopin_sq_acked(&fix->qp, nopin_psn_add(wqe->first_psn, 4));
	nopin_sq_resend(&fix->qp, wqe->last_psn);
	KUNIT_EXPECT_EQ(test, flight->window, NOPIN_WINDOW / 2);
	nopin_flight_lost(&fix->qp); /* of the same flight */
	KUNIT_EXPECT_EQ(test, flight->window, NOPIN_WINDOW / 2);
	KUNIT_EXPECT_TRUE(test, nopin_flight_is_lossy(flight));
	nopin_sq_acked(&fix->qp, nopin_psn_add(wqe->last_psn, 1));
	for (i = 0; i < 20; i++) {
		nopin_flight_lost(&fix->qp);
		sq_send(fix, IB_UVERBS_WR_SEND, 1);
		nopin_sq_acked(&fix->qp, sq->next_psn);
	}
	KUNIT_EXPECT_LE(test, flight->window, NOPIN_WINDOW_LEAST + 1);
	KUNIT_EXPECT_GE(test, flight->window, NOPIN_WINDOW_LEAST);
	for (i = 0; i < 1000; i++) {
		sq_send(fix, IB_UVERBS_WR_RDMA_WRITE, 4096);
		nopin_sq_acked(&fix->qp, sq->next_psn);
	}
	KUNIT_EXPECT_EQ(test, flight->window, NOPIN_WINDOW);
}

SQ_CASE(a_probe_is_one_packet)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;
	unsigned long progress;

	sq_send(fix, IB_UVERBS_WR_RDMA_WRITE, 4096);
	progress = sq->progress;
	nopin_sq_probe(&fix->qp);
	KUNIT_EXPECT_EQ(test, sq->next_psn, sq->una_psn);
	KUNIT_EXPECT_TRUE(test, sq->probing);
	KUNIT_EXPECT_EQ(test, sq->progress, progress);
	KUNIT_EXPECT_EQ(test, sq->retries, 1);
	KUNIT_EXPECT_EQ(test, sq->flight.probe, 2 * NOPIN_PROBE);
	nopin_sq_acked(&fix->qp, nopin_psn_add(sq->una_psn, 1));
	KUNIT_EXPECT_FALSE(test, sq->probing);
	KUNIT_EXPECT_EQ(test, sq->flight.probe, NOPIN_PROBE);
}

SQ_CASE(within_the_device)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;
	struct nopin_swqe *wqe = sq_post(fix, IB_UVERBS_WR_RDMA_WRITE, 4096);

	nopin_sq_carried(&fix->qp, wqe, 3);
	KUNIT_EXPECT_EQ(test, sq->una_psn, 1);
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 0);
	nopin_sq_carried(&fix->qp, wqe, 1);
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 1);

	sq_post(fix, IB_UVERBS_WR_SEND, 1);
	nopin_sq_carried_whole(&fix->qp);
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 2);
	KUNIT_EXPECT_EQ(test, sq->una_psn, 3);
	KUNIT_EXPECT_EQ(test, sq->next_psn, 3);
	KUNIT_EXPECT_EQ(test, sq->unsent_psn, 3);
	KUNIT_EXPECT_EQ(test, sq->next, sq->taken);
}

SQ_CASE(patience_ends)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;

	sq_send(fix, IB_UVERBS_WR_SEND, 1);
	nopin_sq_retry(&fix->qp);
	KUNIT_EXPECT_FALSE(test, sq->failed);
	nopin_sq_retry(&fix->qp);
	KUNIT_EXPECT_TRUE(test, sq->failed);
	KUNIT_EXPECT_EQ(test, sq->failure, IB_WC_RETRY_EXC_ERR);
	/* The requester is only marked as failed, and the first reason counts. */
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 0);
	nopin_sq_fail(&fix->qp, IB_WC_LOC_PROT_ERR);
	KUNIT_EXPECT_EQ(test, sq->failure, IB_WC_RETRY_EXC_ERR);
}

SQ_CASE(failed_request_waits_for_those_before)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;

	sq_send(fix, IB_UVERBS_WR_SEND, 1);
	sq_post(fix, IB_UVERBS_WR_SEND, 1)->status = IB_WC_LOC_PROT_ERR;
	nopin_sq_settle(&fix->qp);
	KUNIT_EXPECT_FALSE(test, sq->failed);
	nopin_sq_acked(&fix->qp, sq->next_psn);
	nopin_sq_settle(&fix->qp);
	KUNIT_EXPECT_TRUE(test, sq->failed);
	KUNIT_EXPECT_EQ(test, sq->failure, IB_WC_LOC_PROT_ERR);
}

SQ_CASE(local_requests_complete_in_their_turn)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;

	nopin_sq_pass(&fix->qp, sq_take(fix, IB_UVERBS_WR_LOCAL_INV, 0));
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 1);
	KUNIT_EXPECT_EQ(test, sq->next, sq->taken);

	sq_send(fix, IB_UVERBS_WR_SEND, 1);
	nopin_sq_pass(&fix->qp, sq_take(fix, IB_UVERBS_WR_LOCAL_INV, 0));
	nopin_sq_pass(&fix->qp, sq_take(fix, IB_UVERBS_WR_LOCAL_INV, 0));
	sq_send(fix, IB_UVERBS_WR_SEND, 1);
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 1);
	KUNIT_EXPECT_EQ(test, nopin_sq_inflight(sq), 2);
	KUNIT_EXPECT_TRUE(test, nopin_sq_acknowledge(&fix->qp,
						     nopin_psn_add(FIRST_PSN, 1)));
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 4);
	KUNIT_EXPECT_EQ(test, nopin_sq_oldest(sq)->first_psn, sq->una_psn);
	KUNIT_EXPECT_TRUE(test, nopin_sq_acknowledge(&fix->qp, sq->next_psn));
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 5);
}

SQ_CASE(local_requests_are_not_sent_again)
{
	struct sq_fixture *fix = test->priv;
	struct nopin_sq *sq = &fix->qp.sq;
	struct nopin_swqe *send = sq_send(fix, IB_UVERBS_WR_SEND, 1);

	nopin_sq_pass(&fix->qp, sq_take(fix, IB_UVERBS_WR_LOCAL_INV, 0));
	sq->since_ack_req = 1;
	nopin_sq_ask_again(sq); /* sends the SEND before LOCAL_INV again */
	KUNIT_EXPECT_PTR_EQ(test, nopin_sq_wqe(sq, sq->next), send);
	nopin_sq_sent(&fix->qp, send, send->last_psn);
	KUNIT_EXPECT_TRUE(test, nopin_swqe_is_over(nopin_sq_wqe(sq, sq->next)));
	/* The ACK completes LOCAL_INV too, before sq.next has passed it again. */
	KUNIT_EXPECT_TRUE(test, nopin_sq_acknowledge(&fix->qp, sq->next_psn));
	KUNIT_EXPECT_EQ(test, sq_completed(fix), 2);
	KUNIT_EXPECT_EQ(test, sq->next, sq->taken);
	KUNIT_EXPECT_TRUE(test, nopin_sq_is_empty(sq));
}

static struct kunit_case sq_cases[] = {
	KUNIT_CASE(psns_wrap),
	KUNIT_CASE(ack_covers_what_came_before),
	KUNIT_CASE(ack_does_not_stand_for_data),
	KUNIT_CASE(rewind_goes_to_the_oldest),
	KUNIT_CASE(gap_is_resent_once),
	KUNIT_CASE(losses_narrow_the_window),
	KUNIT_CASE(a_probe_is_one_packet),
	KUNIT_CASE(within_the_device),
	KUNIT_CASE(patience_ends),
	KUNIT_CASE(failed_request_waits_for_those_before),
	KUNIT_CASE(local_requests_complete_in_their_turn),
	KUNIT_CASE(local_requests_are_not_sent_again),
	{}
};

static struct kunit_suite sq_suite = {
	.name = "nopin-sq",
	.init = sq_init,
	.exit = sq_exit,
	.test_cases = sq_cases,
};

kunit_test_suite(sq_suite);
