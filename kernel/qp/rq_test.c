// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* KUnit: the responder's turn, and what it remembers for duplicates. */
#include <kunit/test.h>

#include "device.h"
#include "qp/qp.h"
#include "wire/packet.h"

#define FIRST_PSN	0xfffffeU	/* so that it wraps at once */
#define MTU		1024

struct rq_fixture {
	struct nopin_qp qp;
	struct nopin_resource resources[2];
};

/* A case runs under rq.lock, which the functions under test require. */
#define RQ_CASE(name)							\
	static void name##_locked(struct kunit *test);			\
	static void name(struct kunit *test)				\
	{								\
		struct rq_fixture *fix = test->priv;			\
									\
		spin_lock_bh(&fix->qp.rq.lock);				\
		name##_locked(test);					\
		spin_unlock_bh(&fix->qp.rq.lock);			\
	}								\
	static void name##_locked(struct kunit *test)

static int rq_init(struct kunit *test)
{
	struct rq_fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fix);
	test->priv = fix;
	fix->qp.mtu = MTU;
	fix->qp.state = IB_QPS_RTS;
	fix->qp.attr.rq_psn = FIRST_PSN;
	fix->qp.rq.resources = fix->resources;
	fix->qp.rq.resources_size = ARRAY_SIZE(fix->resources);
	skb_queue_head_init(&fix->qp.rq.parked.skbs);
	spin_lock_init(&fix->qp.rq.lock);
	spin_lock_bh(&fix->qp.rq.lock);
	nopin_rq_start(&fix->qp);
	spin_unlock_bh(&fix->qp.rq.lock);
	return 0;
}

RQ_CASE(messages_are_counted_when_they_end)
{
	struct rq_fixture *fix = test->priv;
	struct nopin_pkt first = { .opcode = NOPIN_RC_SEND_FIRST, .payload_len = MTU };
	struct nopin_pkt last = { .opcode = NOPIN_RC_SEND_LAST, .payload_len = 5 };
	struct nopin_rq *rq = &fix->qp.rq;

	nopin_rq_received(rq, &first, 1);
	KUNIT_EXPECT_EQ(test, rq->in_message, NOPIN_SEND);
	KUNIT_EXPECT_EQ(test, rq->msn, 0);
	KUNIT_EXPECT_EQ(test, rq->ack_psn, FIRST_PSN);
	nopin_rq_received(rq, &last, 1);
	KUNIT_EXPECT_EQ(test, rq->in_message, NOPIN_NO_OPERATION);
	KUNIT_EXPECT_EQ(test, rq->msn, 1);
	KUNIT_EXPECT_EQ(test, rq->received, MTU + 5);
	KUNIT_EXPECT_EQ(test, rq->expected_psn, 0);
	KUNIT_EXPECT_EQ(test, rq->ack_psn, 0xffffff);
	nopin_rq_received_whole(rq, 1, 7);
	KUNIT_EXPECT_EQ(test, rq->msn, 2);
	KUNIT_EXPECT_EQ(test, rq->received, 7);
	KUNIT_EXPECT_EQ(test, rq->ack_psn, 0);
}

RQ_CASE(piece_takes_as_many_psns)
{
	struct rq_fixture *fix = test->priv;
	struct nopin_pkt piece = { .opcode = NOPIN_RC_WRITE_ONLY, .payload_len = 4 * MTU };

	nopin_rq_received(&fix->qp.rq, &piece, 4);
	KUNIT_EXPECT_EQ(test, fix->qp.rq.expected_psn, 2);
	KUNIT_EXPECT_EQ(test, fix->qp.rq.ack_psn, 1);
	KUNIT_EXPECT_EQ(test, fix->qp.rq.msn, 1);
}

RQ_CASE(ack_stays_behind_reads)
{
	struct rq_fixture *fix = test->priv;
	struct nopin_rq *rq = &fix->qp.rq;
	u32 n;

	nopin_rq_answered(rq, 3, true);
	KUNIT_EXPECT_EQ(test, rq->expected_psn, 1);
	KUNIT_EXPECT_EQ(test, rq->ack_psn, FIRST_PSN - 1);
	KUNIT_EXPECT_EQ(test, rq->msn, 1);
	/* It must not get so far behind that it looks like a future PSN. */
	for (n = 0; n < 6; n++)
		nopin_rq_answered(rq, NOPIN_PSN_PAST / 2, false);
	KUNIT_EXPECT_EQ(test, nopin_psn_diff(rq->expected_psn, rq->ack_psn), NOPIN_PSN_PAST);
	KUNIT_EXPECT_EQ(test, rq->msn, 1);
}

static struct nopin_pkt rq_read(u32 psn, u64 address, u32 length)
{
	return (struct nopin_pkt) {
		.opcode = NOPIN_RC_READ_REQUEST,
		.psn = psn,
		.rkey = 0x1234,
		.remote_addr = address,
		.dma_len = length,
	};
}

static bool rq_remembers(struct rq_fixture *fix, u32 psn, u64 address, u32 length)
{
	struct nopin_pkt again = rq_read(psn, address, length);

	return nopin_resource_has_read(&fix->qp, &again);
}

RQ_CASE(read_may_be_asked_for_again)
{
	struct rq_fixture *fix = test->priv;
	struct nopin_pkt read = rq_read(FIRST_PSN, 0x10000, 3 * MTU);

	nopin_resource_keep_read(&fix->qp.rq, &read, 3);
	KUNIT_EXPECT_TRUE(test, rq_remembers(fix, FIRST_PSN, 0x10000, 3 * MTU));
	KUNIT_EXPECT_TRUE(test, rq_remembers(fix, 0, 0x10000 + 2 * MTU, MTU));
	/* Another address, another length, another key, a PSN beside it. */
	KUNIT_EXPECT_FALSE(test, rq_remembers(fix, 0, 0x10000, MTU));
	KUNIT_EXPECT_FALSE(test, rq_remembers(fix, 0, 0x10000 + 2 * MTU, MTU + 1));
	KUNIT_EXPECT_FALSE(test, rq_remembers(fix, 1, 0x10000 + 3 * MTU, 1));
	KUNIT_EXPECT_FALSE(test, rq_remembers(fix, FIRST_PSN - 1, 0x10000 - MTU, 1));
	read.rkey++;
	KUNIT_EXPECT_FALSE(test, nopin_resource_has_read(&fix->qp, &read));
}

RQ_CASE(only_the_last_are_remembered)
{
	struct rq_fixture *fix = test->priv;
	struct nopin_pkt read = rq_read(5, 0x10000, MTU);
	struct nopin_pkt atomic[] = {
		{ .opcode = NOPIN_RC_FETCH_ADD, .psn = 5 },
		{ .opcode = NOPIN_RC_FETCH_ADD, .psn = 6 },
		{ .opcode = NOPIN_RC_ATOMIC_WRITE, .psn = 7 },
	};
	const u64 *original;

	nopin_resource_keep_read(&fix->qp.rq, &read, 1);
	nopin_resource_keep_atomic(&fix->qp.rq, &atomic[1], 66);
	KUNIT_EXPECT_TRUE(test, rq_remembers(fix, 5, 0x10000, MTU));
	KUNIT_EXPECT_NULL(test, nopin_resource_atomic(&fix->qp.rq, &atomic[0]));
	nopin_resource_keep_atomic(&fix->qp.rq, &atomic[2], 77);
	KUNIT_EXPECT_FALSE(test, rq_remembers(fix, 5, 0x10000, MTU));
	original = nopin_resource_atomic(&fix->qp.rq, &atomic[1]);
	KUNIT_EXPECT_EQ(test, original ? *original : 0, 66);
	atomic[1].opcode = NOPIN_RC_ATOMIC_WRITE;
	KUNIT_EXPECT_NULL(test, nopin_resource_atomic(&fix->qp.rq, &atomic[1]));
	KUNIT_EXPECT_NOT_NULL(test, nopin_resource_atomic(&fix->qp.rq, &atomic[2]));
	KUNIT_EXPECT_FALSE(test, rq_remembers(fix, 6, 0x10000, MTU));
}

RQ_CASE(newest_survive_a_resize)
{
	struct rq_fixture *fix = test->priv;
	struct nopin_resource more[3] = {}, less[1] = {}, *slots = more;
	struct nopin_rq *rq = &fix->qp.rq;
	struct nopin_pkt atomic[4];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(atomic); i++)
		atomic[i] = (struct nopin_pkt) { .opcode = NOPIN_RC_FETCH_ADD, .psn = i };
	for (i = 0; i < 3; i++)
		nopin_resource_keep_atomic(rq, &atomic[i], i);
	nopin_resource_resize(rq, &slots, ARRAY_SIZE(more));
	KUNIT_EXPECT_PTR_EQ(test, slots, &fix->resources[0]);
	nopin_resource_keep_atomic(rq, &atomic[3], 3);
	KUNIT_EXPECT_NULL(test, nopin_resource_atomic(rq, &atomic[0]));
	for (i = 1; i < ARRAY_SIZE(atomic); i++)
		KUNIT_EXPECT_NOT_NULL(test, nopin_resource_atomic(rq, &atomic[i]));
	slots = less;
	nopin_resource_resize(rq, &slots, ARRAY_SIZE(less));
	KUNIT_EXPECT_NULL(test, nopin_resource_atomic(rq, &atomic[2]));
	KUNIT_EXPECT_NOT_NULL(test, nopin_resource_atomic(rq, &atomic[3]));
	slots = NULL;
	nopin_resource_resize(rq, &slots, 0);
	KUNIT_EXPECT_PTR_EQ(test, slots, &less[0]);
	KUNIT_EXPECT_NULL(test, nopin_resource_atomic(rq, &atomic[3]));
}

RQ_CASE(refusal_is_marked)
{
	struct rq_fixture *fix = test->priv;
	struct nopin_rq *rq = &fix->qp.rq;

	KUNIT_EXPECT_TRUE(test, nopin_rq_accepts(&fix->qp));
	nopin_rq_refuse(rq, FIRST_PSN, NOPIN_NAK_REMOTE_ACCESS, IB_EVENT_QP_ACCESS_ERR);
	KUNIT_EXPECT_FALSE(test, nopin_rq_accepts(&fix->qp));
	KUNIT_EXPECT_EQ(test, fix->qp.state, IB_QPS_RTS);
	KUNIT_EXPECT_EQ(test, rq->expected_psn, FIRST_PSN);
	KUNIT_EXPECT_EQ(test, rq->refused_nak, NOPIN_NAK_REMOTE_ACCESS);
}

RQ_CASE(reads_need_rights_and_resources)
{
	struct rq_fixture *fix = test->priv;
	struct nopin_rq *rq = &fix->qp.rq;

	KUNIT_EXPECT_FALSE(test, nopin_rq_may_read(&fix->qp));
	fix->qp.attr.qp_access_flags = IB_ACCESS_REMOTE_READ;
	KUNIT_EXPECT_TRUE(test, nopin_rq_may_read(&fix->qp));
	rq->in_message = NOPIN_SEND; /* a duplicate READ may come amid a message */
	KUNIT_EXPECT_TRUE(test, nopin_rq_may_read(&fix->qp));
	rq->resources_size = 0;
	KUNIT_EXPECT_FALSE(test, nopin_rq_may_read(&fix->qp));
}

static struct kunit_case rq_cases[] = {
	KUNIT_CASE(messages_are_counted_when_they_end),
	KUNIT_CASE(piece_takes_as_many_psns),
	KUNIT_CASE(ack_stays_behind_reads),
	KUNIT_CASE(read_may_be_asked_for_again),
	KUNIT_CASE(only_the_last_are_remembered),
	KUNIT_CASE(newest_survive_a_resize),
	KUNIT_CASE(refusal_is_marked),
	KUNIT_CASE(reads_need_rights_and_resources),
	{}
};

static struct kunit_suite rq_suite = {
	.name = "nopin-rq",
	.init = rq_init,
	.test_cases = rq_cases,
};

kunit_test_suite(rq_suite);
