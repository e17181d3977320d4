// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Doorbells that the provider leaves out: there must be fewer system calls than requests,
 * and each request must be carried out, whatever the program does after posting it.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>

#include "rc.h"

#define LEN	(64 * KIB)

struct fixture {
	struct rc_pair *pair;
	struct vt_mem *src, *dst;
};

static struct fixture fixture(enum vt_kind kind)
{
	struct fixture f = { .pair = rc_pair() };

	vt_need_kind(f.pair->a.dev, kind, 0);
	f.src = vt_mem_new(f.pair->a.pd, kind, LEN, VT_ACCESS_ALL);
	f.dst = vt_mem_new(f.pair->b.pd, kind, LEN, VT_ACCESS_ALL);
	vt_fill(f.src->addr, LEN);
	rc_do(&f.pair->a, IBV_WR_RDMA_WRITE, f.src, 0, f.dst, 0, LEN, IBV_WC_SUCCESS);
	return f;
}

static void same_data(const struct fixture *f)
{
	vt_require(!memcmp(f->src->addr, f->dst->addr, LEN), "data differ");
}

/* The number of write() calls of this process: a doorbell is a write(). */
static uint64_t doorbells(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	uint64_t calls;
	char line[64];

	if (!file)
		vt_skip("the kernel does not count system calls (/proc/self/io)");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "syscw: %" SCNu64, &calls) != 1)
			continue;
		fclose(file);
		return calls;
	}
	vt_fail("no syscw in /proc/self/io");
}

/* --- a stream --- */

#define BATCH	32
#define BATCHES	200

/* WRITE the source in BATCH pieces of random length, with one post for each. */
static void post_batch(const struct fixture *f, struct rc_pair *pair)
{
	size_t off = 0, len;

	for (unsigned int i = 0; i < BATCH; i++, off += len) {
		len = i == BATCH - 1 ? LEN - off : vt_below((LEN - off) / (BATCH - i) * 2);
		rc_start(&pair->a, IBV_WR_RDMA_WRITE, i, f->src, off, f->dst, off, len);
	}
}

static void reap_batch(struct rc_pair *pair)
{
	for (unsigned int i = 0; i < BATCH; i++)
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
}

struct cost {
	uint64_t doorbells;	/* in the whole stream */
	uint64_t ns;		/* to post one request */
};

static struct cost stream_once(const struct fixture *f)
{
	struct cost cost = { .doorbells = doorbells() };

	for (unsigned int i = 0; i < BATCHES; i++) {
		uint64_t start;

		vt_fill(f->src->addr, LEN);
		start = vt_now_ns();
		post_batch(f, f->pair);
		cost.ns += vt_now_ns() - start;
		reap_batch(f->pair);
		same_data(f);
	}
	cost.doorbells = doorbells() - cost.doorbells;
	cost.ns /= BATCH * BATCHES;
	return cost;
}

#define TRIES	40

/*
 * A program that is preempted looks like one that does not poll, so the test tries several
 * times, each time with a new QP. Where posting is slow the provider rings each doorbell,
 * as saving them does not pay; then the test is skipped.
 */
static void stream(const void *arg)
{
	struct cost cost;

	for (unsigned int i = 0; i < TRIES; i++) {
		struct fixture f = fixture(*(const enum vt_kind *)arg);

		cost = stream_once(&f);
		vt_note("%" PRIu64 " doorbells for %u requests", cost.doorbells,
			BATCH * BATCHES);
		if (cost.doorbells <= BATCH * BATCHES / 4)
			return;
	}
	if (cost.ns > 50000)
		vt_skip("a request takes %" PRIu64 " us here", cost.ns / 1000);
	vt_fail("%" PRIu64 " doorbells for %u requests", cost.doorbells, BATCH * BATCHES);
}

/* One thread, several QPs: a doorbell left out for one QP does not wait for the others. */
static void several_qps(const void *arg)
{
	struct fixture f[4];

	(void)arg;
	for (unsigned int i = 0; i < ARRAY_SIZE(f); i++)
		f[i] = fixture(VT_PINNED);
	for (unsigned int n = 0; n < BATCHES / 4; n++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(f); i++) {
			vt_fill(f[i].src->addr, LEN);
			post_batch(&f[i], f[i].pair);
		}
		for (unsigned int i = 0; i < ARRAY_SIZE(f); i++) {
			reap_batch(f[i].pair);
			same_data(&f[i]);
		}
	}
}

/* --- programs that do not poll --- */

#define LONELY	3000

/*
 * The program polls the destination memory, not the CQ, so nothing rings the doorbells left
 * out. The kernel must find the requests soon, and must seldom have to.
 */
static void unpolled(const void *arg)
{
	struct fixture f = fixture(VT_ODP);
	volatile uint64_t *target = (void *)f.dst->addr;
	struct vt_wr wr;
	long long late = vt_counter(f.pair->a.dev, "late_doorbells");

	(void)arg;
	for (uint64_t i = 1; i <= LONELY; i++) {
		uint64_t end = vt_now_ms() + vt_patience_ms();

		memcpy(f.src->addr, &i, sizeof(i));
		vt_wr_init(&wr, IBV_WR_RDMA_WRITE, i);
		vt_wr_local(&wr, f.src, 0, sizeof(i));
		vt_wr_remote(&wr, f.dst, 0);
		if (i % BATCH) /* some must be signaled, or the queue stays full */
			wr.wr.send_flags &= ~IBV_SEND_SIGNALED;
		vt_ok(rc_post(&f.pair->a, &wr));
		while (*target != i) {
			vt_require(vt_now_ms() < end, "request %" PRIu64 " does not come", i);
			sched_yield();
		}
		if (!(i % BATCH))
			vt_want(f.pair->a.scq, i, IBV_WC_SUCCESS);
	}
	late = vt_counter(f.pair->a.dev, "late_doorbells") - late;
	vt_note("%lld of %u requests were late", late, LONELY);
	vt_require(late <= LONELY / 50, "%lld of %u requests were late", late, LONELY);
}

/* The program sleeps after each request, until an event of the CQ. */
static void sleeper(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct fixture f = {};
	struct ibv_cq *cq;
	void *context;

	(void)arg;
	attr.channel = true;
	f.pair = rc_pair_new(&attr);
	f.src = vt_mem_new(f.pair->a.pd, VT_PINNED, LEN, VT_ACCESS_ALL);
	f.dst = vt_mem_new(f.pair->b.pd, VT_PINNED, LEN, VT_ACCESS_ALL);
	for (unsigned int i = 0; i < BATCHES; i++) {
		vt_fill(f.src->addr, LEN);
		vt_ok(ibv_req_notify_cq(f.pair->a.scq, 0));
		rc_start(&f.pair->a, IBV_WR_RDMA_WRITE, i, f.src, 0, f.dst, 0, LEN);
		vt_ok(ibv_get_cq_event(f.pair->a.channel, &cq, &context));
		ibv_ack_cq_events(cq, 1);
		vt_want(f.pair->a.scq, i, IBV_WC_SUCCESS);
		same_data(&f);
	}
}

struct other {
	struct rc_pair *pair;
	sem_t done;
};

static void *poll_for_it(void *arg)
{
	struct other *other = arg;

	for (unsigned int i = 0; i < BATCHES; i++) {
		reap_batch(other->pair);
		sem_post(&other->done);
	}
	return NULL;
}

/* One thread posts, another one polls. */
static void two_threads(const void *arg)
{
	struct fixture f = fixture(VT_PINNED);
	struct other other = { .pair = f.pair };
	pthread_t thread;

	(void)arg;
	vt_ok(sem_init(&other.done, 0, 0));
	vt_ok(pthread_create(&thread, NULL, poll_for_it, &other));
	for (unsigned int i = 0; i < BATCHES; i++) {
		vt_fill(f.src->addr, LEN);
		post_batch(&f, f.pair);
		vt_ok(sem_wait(&other.done));
		same_data(&f);
	}
	vt_ok(pthread_join(thread, NULL));
	sem_destroy(&other.done);
}

/* --- the end of a QP --- */

/*
 * Requests posted behind one that fails are flushed, whether their doorbells were rung or
 * not.
 */
static void flushed(const void *arg)
{
	struct fixture f = fixture(VT_PINNED);
	struct vt_wr wr;

	(void)arg;
	for (unsigned int n = 0; n < 20; n++) {
		post_batch(&f, f.pair);
		vt_wr_init(&wr, IBV_WR_RDMA_WRITE, BATCH);
		vt_wr_local(&wr, f.src, 0, LEN);
		vt_wr_remote(&wr, f.dst, 0);
		wr.wr.wr.rdma.rkey ^= 0xff;
		vt_ok(rc_post(&f.pair->a, &wr));
		rc_start(&f.pair->a, IBV_WR_RDMA_WRITE, BATCH + 1, f.src, 0, f.dst, 0, LEN);
		reap_batch(f.pair);
		vt_want(f.pair->a.scq, BATCH, IBV_WC_REM_ACCESS_ERR);
		vt_want(f.pair->a.scq, BATCH + 1, IBV_WC_WR_FLUSH_ERR);
		rc_start(&f.pair->a, IBV_WR_RDMA_WRITE, BATCH + 2, f.src, 0, f.dst, 0, LEN);
		vt_want(f.pair->a.scq, BATCH + 2, IBV_WC_WR_FLUSH_ERR);
		rc_reconnect(f.pair);
		rc_works(f.pair);
	}
	vt_drain_events(f.pair->b.dev);
}

/* A QP destroyed right after a post leaves nothing behind. */
static void destroyed(const void *arg)
{
	(void)arg;
	for (unsigned int n = 0; n < 20; n++) {
		size_t mark = vt_mark();
		struct fixture f = fixture(VT_ODP);

		post_batch(&f, f.pair);
		vt_release_to(mark);
	}
}

static void add_tests(void)
{
	static const enum vt_kind kinds[VT_KINDS] = { VT_PINNED, VT_ODP, VT_IMPLICIT };

	for (unsigned int i = 0; i < VT_KINDS; i++)
		vt_test(stream, &kinds[i], "stream:%s", vt_kind_name[i]);
	VT_TEST(several_qps);
	VT_TEST(unpolled);
	VT_TEST(sleeper);
	VT_TEST(two_threads);
	VT_TEST(flushed);
	VT_TEST(destroyed);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
