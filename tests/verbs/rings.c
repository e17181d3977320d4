// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Rings that are overwritten while the kernel reads them. A child finds its mapped rings,
 * fills them with random bytes and with requests that are nearly valid, and rings the
 * doorbell without the provider. Memory that its regions and rights do not cover must not
 * change, neither in the child nor in its parent.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"

#define ARENA		(256 * KIB)
#define TARGETS		16

/* --- what is attacked with what --- */

struct target {
	struct rc_pair *pair;
	struct raw_rings rings;
	struct vt_mem *arena, *fixed;	/* writable, read-only */
	uint32_t remote_key;		/* of the arena, at end b */
};

struct attack {
	struct target targets[TARGETS];
	uint8_t *memory, *fixed;	/* behind all arenas, behind all read-only regions */
	const struct target *now;	/* under attack; set while no thread runs */
	uint8_t *canary, *canary_copy, *fixed_copy;
	const struct vt_mem *victim;	/* in the parent */
	bool stop;
};

static uint64_t hostile_addr(const struct attack *at)
{
	switch (vt_below(8)) {
	case 0:
		return vt_rand();
	case 1:
		return 0xffff888000000000ULL + vt_below(GIB);
	case 2:
		return (uintptr_t)at->canary + vt_below(ARENA);
	case 3:
		return at->victim->iova + vt_below(ARENA);
	case 4:
		return UINT64_MAX - vt_below(64);
	case 5:
		return at->now->fixed->iova + vt_below(ARENA);
	default:
		return at->now->arena->iova + vt_below(ARENA);
	}
}

static uint32_t hostile_key(const struct attack *at, uint32_t usual)
{
	switch (vt_below(6)) {
	case 0:
		return vt_rand();
	case 1:
		return at->victim->mr->rkey;
	case 2:
		return at->now->fixed->mr->lkey;
	case 3:
		return at->now->arena->mr->lkey;
	default:
		return usual;
	}
}

static uint32_t hostile_count(uint32_t usual)
{
	switch (vt_below(8)) {
	case 0:
		return vt_rand();
	case 1:
		return 1U << vt_below(32);
	case 2:
		return UINT32_MAX - vt_below(4);
	default:
		return vt_below(usual);
	}
}

static void fill_sges(const struct attack *at, struct nopin_sge *sge, int num)
{
	for (int i = 0; i < num; i++)
		sge[i] = (struct nopin_sge){
			.addr = hostile_addr(at),
			.length = hostile_count(9000),
			.lkey = hostile_key(at, at->now->arena->mr->lkey),
		};
}

static uint8_t *some_entry(const struct raw_ring *ring)
{
	return ring->map + ring->first +
	       vt_below((ring->len - ring->first) / ring->stride) * ring->stride;
}

/* Write a send request with a few wrong fields, without regard to the ring's order. */
static void scribble_send(const struct attack *at)
{
	struct nopin_send_wqe *wqe = (void *)some_entry(at->now->rings.sq);

	wqe->wr_id = vt_rand();
	wqe->opcode = vt_chance(90) ? vt_below(16) : vt_rand();
	wqe->flags = vt_chance(90) ? vt_below(16) : vt_rand();
	wqe->num_sge = hostile_count(3);
	wqe->inline_len = hostile_count(64);
	wqe->rkey = hostile_key(at, at->now->remote_key);
	wqe->remote_addr = hostile_addr(at);
	wqe->compare_add = vt_rand();
	wqe->rsvd = vt_chance(90) ? 0 : vt_rand();
	if (at->now->rings.sq->stride >= sizeof(*wqe) + sizeof(struct nopin_sge))
		fill_sges(at, (struct nopin_sge *)(wqe + 1), 1);
}

static void scribble_recv(const struct attack *at)
{
	struct nopin_recv_wqe *wqe = (void *)some_entry(at->now->rings.rq);

	wqe->wr_id = vt_rand();
	wqe->num_sge = hostile_count(3);
	wqe->rsvd = vt_chance(90) ? 0 : vt_rand();
	if (at->now->rings.rq->stride >= sizeof(*wqe) + sizeof(struct nopin_sge))
		fill_sges(at, (struct nopin_sge *)(wqe + 1), 1);
}

static void scribble_head(const struct raw_ring *ring)
{
	struct nopin_ring *head = (void *)ring->map;

	switch (vt_below(200)) {
	case 0:
		__atomic_store_n(&head->producer, vt_rand(), __ATOMIC_RELEASE);
		break;
	case 1:
		__atomic_store_n(&head->consumer, vt_rand(), __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n(&head->flags, vt_rand(), __ATOMIC_RELEASE);
		break;
	default:
		__atomic_fetch_add(&head->producer, vt_below(4), __ATOMIC_RELEASE);
	}
}

static void scribble_noise(const struct raw_ring *ring)
{
	size_t len = 1 + vt_below(64);

	vt_fill(ring->map + vt_below(ring->len - len), len);
}

static void scribble(const struct attack *at)
{
	const struct raw_ring *any = &at->now->rings.all[vt_below(at->now->rings.num)];

	switch (vt_below(8)) {
	case 0:
		scribble_noise(any);
		break;
	case 1:
		scribble_head(any);
		break;
	case 2:
		scribble_head(at->now->rings.sq);
		break;
	case 3:
		scribble_head(at->now->rings.rq);
		break;
	case 4:
		scribble_recv(at);
		break;
	default:
		scribble_send(at);
	}
}

/* --- the child --- */

static void *ringer(void *arg)
{
	struct attack *at = arg;
	const struct rc_pair *pair = at->now->pair;
	const struct rc_end *ends[] = { &pair->a, &pair->b };

	while (!__atomic_load_n(&at->stop, __ATOMIC_ACQUIRE))
		for (int i = 0; i < 2; i++) {
			struct ibv_context *ctx = ends[i]->dev->ctx;

			raw_doorbell(ctx, ends[i]->qp->handle, IB_USER_VERBS_CMD_POST_SEND);
			raw_doorbell(ctx, ends[i]->qp->handle, IB_USER_VERBS_CMD_POST_RECV);
		}
	return NULL;
}

static void *scribbler(void *arg)
{
	struct attack *at = arg;

	vt_reseed(vt_now_ns());
	while (!__atomic_load_n(&at->stop, __ATOMIC_ACQUIRE))
		scribble(at);
	return NULL;
}

static void target_init(struct target *target, struct attack *at, enum vt_kind kind)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_pair *pair;

	attr.timeout = 10;
	attr.retry_cnt = 1;
	attr.rnr_retry = 0;
	pair = rc_pair_new(&attr);
	target->pair = pair;
	raw_find_rings(&target->rings, &pair->a);
	target->arena = vt_mem_at(pair->a.pd, kind, at->memory, ARENA, VT_ACCESS_ALL);
	target->fixed = vt_mem_at(pair->a.pd, kind, at->fixed, ARENA,
				  IBV_ACCESS_REMOTE_READ);
	target->remote_key = vt_reg(pair->b.pd, kind, at->memory, ARENA,
				    target->arena->iova, VT_ACCESS_ALL)->rkey;
}

static uint8_t *filled(uint8_t **copy)
{
	uint8_t *map = vt_map(ARENA, 0);

	*copy = vt_map(ARENA, 0);
	vt_fill(map, ARENA);
	memcpy(*copy, map, ARENA);
	return map;
}

static void attack_init(struct attack *at, const struct vt_mem *victim, enum vt_kind kind)
{
	struct raw_rings inherited;

	memset(at, 0, sizeof(*at));
	raw_find_maps(&inherited);
	at->victim = victim;
	at->memory = vt_map(ARENA, 0);
	at->fixed = filled(&at->fixed_copy);
	at->canary = filled(&at->canary_copy);
	for (int i = 0; i < TARGETS; i++)
		target_init(&at->targets[i], at, kind);
}

/* Overwrite the rings of one pair for a while, as another thread rings its doorbells. */
static void attack_target(struct attack *at, const struct target *target)
{
	pthread_t threads[2];

	at->now = target;
	at->stop = false;
	vt_ok(pthread_create(&threads[0], NULL, scribbler, at));
	vt_ok(pthread_create(&threads[1], NULL, ringer, at));
	vt_sleep_ms(10 + vt_below(40));
	__atomic_store_n(&at->stop, true, __ATOMIC_RELEASE);
	vt_ok(pthread_join(threads[0], NULL));
	vt_ok(pthread_join(threads[1], NULL));
}

/* The child leaves all cleanup to the kernel: the provider would fail on the broken rings. */
static void child_run(const struct vt_mem *victim, enum vt_kind kind)
{
	static struct attack at;

	vt_reseed(vt_opts.seed ^ getpid());
	attack_init(&at, victim, kind);
	for (int i = 0; i < TARGETS; i++)
		attack_target(&at, &at.targets[i]);
	vt_require(!memcmp(at.canary, at.canary_copy, ARENA), "unregistered memory changed");
	vt_require(!memcmp(at.fixed, at.fixed_copy, ARENA), "read-only memory changed");
	_exit(EXIT_SUCCESS);
}

/* --- the parent --- */

struct variant {
	enum vt_kind victim, child;
	bool kill;		/* kill the child in the middle of the attack */
};

static void scribbled(const void *arg)
{
	const struct variant *v = arg;
	struct rc_pair *pair;
	struct vt_mem *victim;
	uint8_t *copy;
	int status;
	pid_t pid;

	if (!vt_is_nopin(vt_dev(0)) || !vt_is_nopin(vt_dev(1)))
		vt_skip("rings of another driver");
	pair = rc_pair();
	victim = vt_mem_at(pair->b.pd, v->victim, vt_map(ARENA, 0), ARENA, VT_ACCESS_ALL);
	copy = vt_map(ARENA, 0);
	vt_fill(victim->addr, ARENA);
	memcpy(copy, victim->addr, ARENA);
	for (unsigned int i = 0; i < 4 * vt_opts.rounds; i++) {
		pid = vt_fork();
		if (!pid)
			child_run(victim, v->child);
		if (v->kill) {
			vt_sleep_ms(200 + vt_below(700));
			kill(pid, SIGKILL);
		}
		status = vt_wait_child(pid, 2 * vt_patience_ms());
		vt_require(status != -1, "the child hangs");
		vt_require(v->kill || !status, "the child ended with %#x", status);
		vt_require(!memcmp(victim->addr, copy, ARENA), "the parent's memory changed");
		rc_works(pair);
	}
}

/* --- queues that never become empty --- */

struct feed {
	struct raw_ring *ring[2];
	bool stop;
};

/* Keep half a ring of requests posted, however many the kernel takes. */
static void *feeder(void *arg)
{
	struct feed *feed = arg;

	while (!__atomic_load_n(&feed->stop, __ATOMIC_RELAXED))
		for (size_t i = 0; i < ARRAY_SIZE(feed->ring); i++) {
			const struct raw_ring *ring = feed->ring[i];
			struct nopin_ring *head = (void *)ring->map;
			uint32_t half = (ring->len - ring->first) / ring->stride / 2;

			__atomic_store_n(&head->producer, half +
					 __atomic_load_n(&head->consumer, __ATOMIC_RELAXED),
					 __ATOMIC_RELEASE);
		}
	return NULL;
}

/* Requests keep coming while the kernel flushes the QP: the flush must end nevertheless. */
static void endless_run(void)
{
	struct rc_attr attr = rc_attr_default;
	struct feed feed = {};
	struct raw_rings rings;
	struct rc_pair *pair;
	pthread_t thread;

	attr.wr = 4096;		/* more than one flush empties */
	raw_find_maps(&rings);
	pair = rc_pair_new(&attr);
	raw_find_rings(&rings, &pair->a);
	feed.ring[0] = rings.sq;
	feed.ring[1] = rings.rq;
	vt_ok(pthread_create(&thread, NULL, feeder, &feed));
	vt_sleep_ms(10);
	vt_ok(rc_to_state(&pair->a, IBV_QPS_ERR));
	vt_sleep_ms(10);
	raw_doorbell(pair->a.dev->ctx, pair->a.qp->handle, IB_USER_VERBS_CMD_POST_SEND);
	raw_doorbell(pair->a.dev->ctx, pair->a.qp->handle, IB_USER_VERBS_CMD_POST_RECV);
	__atomic_store_n(&feed.stop, true, __ATOMIC_RELAXED);
	vt_ok(pthread_join(thread, NULL));
	_exit(EXIT_SUCCESS);
}

static void endless(const void *arg)
{
	pid_t pid;

	(void)arg;
	if (!vt_is_nopin(vt_dev(0)))
		vt_skip("rings of another driver");
	pid = vt_fork();
	if (!pid)
		endless_run();
	vt_require(!vt_wait_child(pid, 2 * vt_patience_ms()), "the QP does not get empty");
}

static const struct variant variants[] = {
	{ VT_PINNED, VT_PINNED, false },
	{ VT_IMPLICIT, VT_ODP, false },
	{ VT_ODP, VT_ODP, true },
};

static void add_tests(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		vt_test(scribbled, &variants[i], "scribbled_%s_beside_%s%s",
			vt_kind_name[variants[i].child], vt_kind_name[variants[i].victim],
			variants[i].kill ? "_killed" : "");
	vt_test(endless, NULL, "endless");
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
