// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The rings under threads. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

/* In any thread; the program ends. */
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

/* Posts in lists; what did not fit begins the next one. */
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
		id = ret ? (uint32_t)bad->wr_id : id + count;
		if (ret)
			sched_yield();
	}
	return NULL;
}

/* Takes sends as the kernel would, and poisons what it gives back. */
static void *drain(void *arg)
{
	uint32_t consumer = fake.first_index;
	uint32_t left = POSTERS * EACH;

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
		MUST(sqe(consumer)->opcode == IBV_WR_SEND);
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
static void everything_at_once(void **state)
{
	struct rig *rig = *state;
	static unsigned int seen[EACH];
	pthread_t poster[POSTERS], kernel;
	uint32_t i, polled = 0;
	struct ibv_wc wc[8];

	for (i = 0; i < POSTERS; i++)
		MUST(!pthread_create(&poster[i], NULL, post, rig->qp));
	MUST(!pthread_create(&kernel, NULL, drain, NULL));
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
	MUST(bells() >= POSTERS * EACH / LIST);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST_FROM(everything_at_once, UINT32_MAX - 100),
	};

	return RIG_MAIN(argc, argv, tests);
}
