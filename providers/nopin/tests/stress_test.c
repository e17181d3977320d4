// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The rings under threads. */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

/* For use in any thread; a failure ends the program. */
#define MUST(cond)                                                             \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,     \
				#cond);                                        \
			exit(1);                                               \
		}                                                              \
	} while (0)

#define POSTERS 4u
#define EACH 20000u
#define LIST 4u

/* Calls of ibv_post_send() that posted something; atomic. */
static unsigned int posts;

/* Posts in lists; the first request that did not fit begins the next list. */
static void *post(void *arg)
{
	struct ibv_send_wr wr[LIST] = {};
	struct ibv_qp *qp = arg;
	uint32_t i, id = 0;

	while (id < EACH) {
		struct ibv_send_wr *bad = NULL;
		uint32_t count = EACH - id;
		int ret;

		if (count > LIST)
			count = LIST;
		for (i = 0; i < count; i++) {
			wr[i].wr_id = id + i;
			wr[i].opcode = IBV_WR_SEND;
			wr[i].next = i + 1 < count ? &wr[i + 1] : NULL;
		}
		ret = ibv_post_send(qp, wr, &bad);
		MUST(!ret || (ret == ENOMEM && bad));
		if (!ret || bad != wr)
			__atomic_add_fetch(&posts, 1, __ATOMIC_RELAXED);
		id = ret ? (uint32_t)bad->wr_id : id + count;
		if (ret)
			sched_yield();
	}
	return NULL;
}

/* Takes a send as the kernel would, and poisons the entry that it gives back. */
static bool take(void)
{
	uint32_t producer = __atomic_load_n(&fake.sq->producer, __ATOMIC_ACQUIRE);
	uint32_t room = __atomic_load_n(&fake.cq->consumer, __ATOMIC_ACQUIRE) +
			FAKE_CQ_ENTRIES - fake.cq->producer;
	uint32_t consumer = fake.sq->consumer;

	if (consumer == producer || !room)
		return false;
	MUST(sqe(consumer)->opcode == IBV_WR_SEND);
	fake_complete(1, sqe(consumer)->wr_id);
	memset(sqe(consumer), 0xff, FAKE_SEND_STRIDE);
	__atomic_store_n(&fake.sq->consumer, consumer + 1, __ATOMIC_RELEASE);
	return true;
}

/* Looks at the ring all the time. */
static void *drain(void *arg)
{
	uint32_t left = POSTERS * EACH;

	(void)arg;
	while (left) {
		if (take())
			left--;
		else
			sched_yield();
	}
	return NULL;
}

/*
 * Looks at the ring when a doorbell has been rung, and attends it from then on; looks
 * once more when it stops attending. While the CQ has no room it keeps looking.
 */
static void *answer(void *arg)
{
	unsigned int rung = 0, attending = 0;
	uint32_t left = POSTERS * EACH;
	bool look = false;

	(void)arg;
	while (left) {
		unsigned int bells = fake_bells_rung();

		if (bells != rung) {
			rung = bells;
			look = true;
			attending = 1 + bells % 50;
			__atomic_store_n(&fake.sq->flags, NOPIN_RING_ATTENDED,
					 __ATOMIC_SEQ_CST);
		} else if (attending && !--attending) {
			__atomic_store_n(&fake.sq->flags, 0, __ATOMIC_SEQ_CST);
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			look = true;
		}
		while (look && left) {
			if (take())
				left--;
			else if (fake.sq->consumer == __atomic_load_n(&fake.sq->producer,
								      __ATOMIC_ACQUIRE))
				look = false;
			else
				sched_yield();
		}
		sched_yield();
	}
	return NULL;
}

/* Posters, the kernel and a poller at once: nothing lost, torn or doubled. */
static void run(struct rig *rig, void *(*serve)(void *))
{
	unsigned int seen[EACH] = {};
	pthread_t poster[POSTERS], kernel;
	uint32_t i, polled = 0;
	struct ibv_wc wc[8];

	posts = 0;
	for (i = 0; i < POSTERS; i++)
		MUST(!pthread_create(&poster[i], NULL, post, rig->qp));
	MUST(!pthread_create(&kernel, NULL, serve, NULL));
	while (polled < POSTERS * EACH) {
		int n = ibv_poll_cq(rig->cq, 8, wc);

		MUST(n >= 0);
		if (!n)
			sched_yield();
		for (i = 0; i < (uint32_t)n; i++) {
			MUST(wc[i].wr_id < EACH);
			seen[wc[i].wr_id]++;
		}
		polled += (uint32_t)n;
	}
	for (i = 0; i < POSTERS; i++)
		MUST(!pthread_join(poster[i], NULL));
	MUST(!pthread_join(kernel, NULL));
	for (i = 0; i < EACH; i++)
		MUST(seen[i] == POSTERS);
}

static void everything_at_once(void **state)
{
	run(*state, drain);
	MUST(bells() >= POSTERS * EACH / LIST);
}

/* A missing doorbell shows as a poll that never ends. */
static void doorbells_left_out(void **state)
{
	unsigned int rung;

	run(*state, answer);
	rung = bells();
	print_message("%u doorbells for %u posts\n", rung, posts);
	MUST(rung < posts);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST_FROM(everything_at_once, UINT32_MAX - 100),
		RIG_TEST_FROM(doorbells_left_out, UINT32_MAX - 100),
	};

	return RIG_MAIN(argc, argv, tests);
}
