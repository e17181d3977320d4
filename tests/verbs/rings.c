// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The rings scribbled over while the kernel works on them. A child finds its
 * mapped rings, fills them with noise and with requests that are nearly right,
 * and rings the doorbell without the provider. No memory that its regions and
 * rights do not cover may change, in its own process or in its parent's.
 */
#include <pthread.h>
#include <rdma/ib_user_verbs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nopin-abi.h>

#include "rc.h"

#define ARENA		(256 * KIB)
#define MAX_RINGS	16
#define MARKER		0x6d61726b65640000ULL

/* --- finding the rings --- */

struct ring {
	uint8_t *map;
	size_t len;
	size_t first, stride;	/* of the entries; stride 0: not known */
};

struct rings {
	struct ring all[MAX_RINGS];
	int num;
	struct ring *sq, *rq;
};

static bool is_inherited(const struct rings *rings, const uint8_t *map)
{
	for (int i = 0; rings && i < rings->num; i++)
		if (rings->all[i].map == map)
			return true;
	return false;
}

/* What a parent left in our address space is not ours to attack. */
static void find_maps(struct rings *rings, const struct rings *inherited)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	char line[512];

	rc_require(maps, "/proc/self/maps: %s", strerror(errno));
	rings->num = 0;
	while (fgets(line, sizeof(line), maps) && rings->num < MAX_RINGS) {
		if (!strstr(line, "/uverbs") || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		if (is_inherited(inherited, (uint8_t *)from))
			continue;
		rings->all[rings->num++] = (struct ring){
			.map = (uint8_t *)from, .len = to - from,
		};
	}
	fclose(maps);
}

/* Where the 64-bit @value is in @ring, 0 if it is not. */
static size_t find_value(const struct ring *ring, uint64_t value)
{
	for (size_t at = 0; at + 8 <= ring->len; at += 8)
		if (!memcmp(ring->map + at, &value, 8))
			return at;
	return 0;
}

/* The ring that holds requests of the ids @id and @id + 1, one after the other. */
static struct ring *find_ring(struct rings *rings, uint64_t id)
{
	for (int i = 0; i < rings->num; i++) {
		size_t one = find_value(&rings->all[i], id);
		size_t two = find_value(&rings->all[i], id + 1);

		if (one != sizeof(struct nopin_ring) || two <= one)
			continue;
		rings->all[i].first = one;
		rings->all[i].stride = two - one;
		return &rings->all[i];
	}
	rc_fail("no ring holds the marked requests");
}

/* Post marked requests through the provider and look where they went. */
static void find_rings(struct rings *rings, const struct rings *inherited,
		       struct rc_end *end)
{
	struct rc_wr wr;

	for (int i = 0; i < 2; i++) {
		rc_ok(rc_post_recv(end, MARKER + 16 + i, NULL, 0));
		rc_wr_init(&wr, IBV_WR_RDMA_WRITE, MARKER + i);
		rc_ok(rc_post(end, &wr));
		rc_want(end->scq, MARKER + i, IBV_WC_SUCCESS);
	}
	find_maps(rings, inherited);
	rings->sq = find_ring(rings, MARKER);
	rings->rq = find_ring(rings, MARKER + 16);
}

/* --- what is attacked with what --- */

struct attack {
	struct rc_pair *pair;
	struct rings rings;
	struct rc_mem *arena, *fixed;	/* writable, read-only */
	uint32_t remote_key;		/* of the arena, at end b */
	uint8_t *canary, *canary_copy, *fixed_copy;
	const struct rc_mem *victim;	/* in the parent */
	bool stop;
};

static uint64_t hostile_addr(const struct attack *at)
{
	switch (rc_below(8)) {
	case 0:
		return rc_rand();
	case 1:
		return 0xffff888000000000ULL + rc_below(GIB);
	case 2:
		return (uintptr_t)at->canary + rc_below(ARENA);
	case 3:
		return at->victim->iova + rc_below(ARENA);
	case 4:
		return UINT64_MAX - rc_below(64);
	case 5:
		return at->fixed->iova + rc_below(ARENA);
	default:
		return at->arena->iova + rc_below(ARENA);
	}
}

static uint32_t hostile_key(const struct attack *at, uint32_t usual)
{
	switch (rc_below(6)) {
	case 0:
		return rc_rand();
	case 1:
		return at->victim->mr->rkey;
	case 2:
		return at->fixed->mr->lkey;
	case 3:
		return at->arena->mr->lkey;
	default:
		return usual;
	}
}

static uint32_t hostile_count(uint32_t usual)
{
	switch (rc_below(8)) {
	case 0:
		return rc_rand();
	case 1:
		return 1U << rc_below(32);
	case 2:
		return UINT32_MAX - rc_below(4);
	default:
		return rc_below(usual);
	}
}

static void fill_sges(const struct attack *at, struct nopin_sge *sge, int num)
{
	for (int i = 0; i < num; i++)
		sge[i] = (struct nopin_sge){
			.addr = hostile_addr(at),
			.length = hostile_count(9000),
			.lkey = hostile_key(at, at->arena->mr->lkey),
		};
}

static uint8_t *some_entry(const struct ring *ring)
{
	return ring->map + ring->first +
	       rc_below((ring->len - ring->first) / ring->stride) * ring->stride;
}

/* A send request that is wrong in few places, written without any order. */
static void scribble_send(const struct attack *at)
{
	struct nopin_send_wqe *wqe = (void *)some_entry(at->rings.sq);

	wqe->wr_id = rc_rand();
	wqe->opcode = rc_chance(90) ? rc_below(7) : rc_rand();
	wqe->flags = rc_chance(90) ? rc_below(16) : rc_rand();
	wqe->num_sge = hostile_count(3);
	wqe->inline_len = hostile_count(64);
	wqe->rkey = hostile_key(at, at->remote_key);
	wqe->remote_addr = hostile_addr(at);
	wqe->compare_add = rc_rand();
	wqe->rsvd = rc_chance(90) ? 0 : rc_rand();
	if (at->rings.sq->stride >= sizeof(*wqe) + sizeof(struct nopin_sge))
		fill_sges(at, (struct nopin_sge *)(wqe + 1), 1);
}

static void scribble_recv(const struct attack *at)
{
	struct nopin_recv_wqe *wqe = (void *)some_entry(at->rings.rq);

	wqe->wr_id = rc_rand();
	wqe->num_sge = hostile_count(3);
	wqe->rsvd = rc_chance(90) ? 0 : rc_rand();
	if (at->rings.rq->stride >= sizeof(*wqe) + sizeof(struct nopin_sge))
		fill_sges(at, (struct nopin_sge *)(wqe + 1), 1);
}

static void scribble_head(const struct ring *ring)
{
	struct nopin_ring *head = (void *)ring->map;

	switch (rc_below(6)) {
	case 0:
		__atomic_store_n(&head->producer, rc_rand(), __ATOMIC_RELEASE);
		break;
	case 1:
		__atomic_store_n(&head->consumer, rc_rand(), __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n(&head->flags, rc_rand(), __ATOMIC_RELEASE);
		break;
	default:
		__atomic_fetch_add(&head->producer, rc_below(4), __ATOMIC_RELEASE);
	}
}

static void scribble_noise(const struct ring *ring)
{
	size_t len = 1 + rc_below(64);

	rc_fill(ring->map + rc_below(ring->len - len), len);
}

static void scribble(const struct attack *at)
{
	const struct ring *any = &at->rings.all[rc_below(at->rings.num)];

	switch (rc_below(8)) {
	case 0:
		scribble_noise(any);
		break;
	case 1:
		scribble_head(any);
		break;
	case 2:
		scribble_head(at->rings.sq);
		break;
	case 3:
		scribble_head(at->rings.rq);
		break;
	case 4:
		scribble_recv(at);
		break;
	default:
		scribble_send(at);
	}
}

/* --- the child --- */

static void doorbell(struct ibv_context *ctx, uint32_t handle, uint32_t number)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_post_send post;
	} cmd = {
		.hdr = { number, sizeof(cmd) / 4, 1 },
		.post = { .qp_handle = handle, .wqe_size = sizeof(struct ib_uverbs_send_wr) },
	};
	uint32_t response = 0;

	cmd.post.response = (uintptr_t)&response;
	if (write(ctx->cmd_fd, &cmd, sizeof(cmd)) < 0)
		return;		/* an errno is an answer */
}

static void *ringer(void *arg)
{
	struct attack *at = arg;
	struct rc_end *ends[] = { &at->pair->a, &at->pair->b };

	rc_reseed((uintptr_t)&at);
	while (!__atomic_load_n(&at->stop, __ATOMIC_ACQUIRE))
		for (int i = 0; i < 2; i++) {
			struct ibv_context *ctx = ends[i]->dev->ctx;

			doorbell(ctx, ends[i]->qp->handle, IB_USER_VERBS_CMD_POST_SEND);
			doorbell(ctx, ends[i]->qp->handle, IB_USER_VERBS_CMD_POST_RECV);
		}
	return NULL;
}

static void *scribbler(void *arg)
{
	struct attack *at = arg;

	rc_reseed(rc_opts.seed ^ getpid());
	while (!__atomic_load_n(&at->stop, __ATOMIC_ACQUIRE))
		scribble(at);
	return NULL;
}

/* Bring the pair back to life; each bad request kills it. */
static void revive(struct attack *at)
{
	struct rc_pair *pair = at->pair;
	struct rc_addr a = rc_end_addr(&pair->a), b = rc_end_addr(&pair->b);

	rc_ok(rc_to_state(&pair->a, IBV_QPS_RESET));
	rc_ok(rc_to_state(&pair->b, IBV_QPS_RESET));
	rc_connect(&pair->a, &pair->attr, &b);
	rc_connect(&pair->b, &pair->attr, &a);
}

static void attack_init(struct attack *at, const struct rc_mem *victim, enum rc_kind kind)
{
	struct rc_attr attr = rc_attr_default;
	struct rings inherited;
	struct rc_pair *pair;

	memset(at, 0, sizeof(*at));
	find_maps(&inherited, NULL);
	attr.timeout = 10;
	attr.retry_cnt = 1;
	attr.rnr_retry = 0;
	at->victim = victim;
	pair = rc_pair_new(&attr);
	at->pair = pair;
	find_rings(&at->rings, &inherited, &pair->a);
	at->arena = rc_mem_at(pair->a.pd, kind, rc_map(ARENA, 0), ARENA, RC_ACCESS_ALL);
	at->fixed = rc_mem_at(pair->a.pd, kind, rc_map(ARENA, 0), ARENA,
			      IBV_ACCESS_REMOTE_READ);
	at->remote_key = rc_reg(pair->b.pd, kind, at->arena->addr, ARENA,
				at->arena->iova, RC_ACCESS_ALL)->rkey;
	at->canary = rc_map(ARENA, 0);
	at->canary_copy = rc_map(ARENA, 0);
	at->fixed_copy = rc_map(ARENA, 0);
	rc_fill(at->canary, ARENA);
	rc_fill(at->fixed->addr, ARENA);
	memcpy(at->canary_copy, at->canary, ARENA);
	memcpy(at->fixed_copy, at->fixed->addr, ARENA);
}

static void child_run(const struct rc_mem *victim, enum rc_kind kind, unsigned int ms)
{
	uint64_t end = rc_now_ms() + ms;
	pthread_t threads[2];
	struct attack at;

	attack_init(&at, victim, kind);
	rc_ok(pthread_create(&threads[0], NULL, scribbler, &at));
	rc_ok(pthread_create(&threads[1], NULL, ringer, &at));
	while (rc_now_ms() < end) {
		revive(&at);
		rc_sleep_ms(2);
	}
	__atomic_store_n(&at.stop, true, __ATOMIC_RELEASE);
	rc_ok(pthread_join(threads[0], NULL));
	rc_ok(pthread_join(threads[1], NULL));
	rc_require(!memcmp(at.canary, at.canary_copy, ARENA), "unregistered memory changed");
	rc_require(!memcmp(at.fixed->addr, at.fixed_copy, ARENA), "read-only memory changed");
	_exit(EXIT_SUCCESS);
}

/* --- the parent --- */

struct variant {
	enum rc_kind victim, child;
	bool kill;		/* the child ends in the middle of it */
};

static void scribbled(const void *arg)
{
	const struct variant *v = arg;
	struct rc_pair *pair;
	struct rc_mem *victim;
	uint8_t *copy;
	int status;
	pid_t pid;

	if (!rc_is_nopin(rc_dev(0)) || !rc_is_nopin(rc_dev(1)))
		rc_skip("rings of another driver");
	pair = rc_pair();
	victim = rc_mem_at(pair->b.pd, v->victim, rc_map(ARENA, 0), ARENA, RC_ACCESS_ALL);
	copy = rc_map(ARENA, 0);
	rc_fill(victim->addr, ARENA);
	memcpy(copy, victim->addr, ARENA);
	for (unsigned int i = 0; i < 2 * rc_opts.rounds; i++) {
		pid = fork();
		rc_require(pid >= 0, "fork: %s", strerror(errno));
		if (!pid)
			child_run(victim, v->child, 1000);
		if (v->kill) {
			rc_sleep_ms(500 + rc_below(500));
			kill(pid, SIGKILL);
		}
		status = rc_wait_child(pid, 60000);
		rc_require(status != -1, "the child hangs");
		rc_require(v->kill || !status, "the child ended with %#x", status);
		rc_require(!memcmp(victim->addr, copy, ARENA), "the parent's memory changed");
		rc_works(pair);
	}
}

static const struct variant variants[] = {
	{ RC_PINNED, RC_PINNED, false },
	{ RC_IMPLICIT, RC_ODP, false },
	{ RC_ODP, RC_ODP, true },
};

static void add_tests(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		rc_test(scribbled, &variants[i], "scribbled_%s_beside_%s%s",
			rc_kind_name[variants[i].child], rc_kind_name[variants[i].victim],
			variants[i].kill ? "_killed" : "");
}

int main(int argc, char **argv)
{
	return rc_main(argc, argv, add_tests);
}
