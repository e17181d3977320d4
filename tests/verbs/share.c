// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * How QPs share the machine: no QP starves another, senders wait for a slow receiver, and
 * the machine is idle when no QP has work.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "rc.h"

#define DEPTH	4

/* WRITEs of one length, up to DEPTH in flight. */
struct flow {
	pthread_t thread;
	struct rc_pair *pair;
	struct vt_mem *src, *dst;
	size_t len;
	unsigned int posted, done;
	bool stop;
};

static void flow_init(struct flow *flow, size_t len)
{
	*flow = (struct flow){ .pair = rc_pair(), .len = len };
	flow->src = vt_mem_new(flow->pair->a.pd, VT_PINNED, len, VT_ACCESS_ALL);
	flow->dst = vt_mem_new(flow->pair->b.pd, VT_PINNED, len, VT_ACCESS_ALL);
	vt_fill(flow->src->addr, len);
}

static unsigned int flow_done(struct flow *flow)
{
	return __atomic_load_n(&flow->done, __ATOMIC_RELAXED);
}

static void flow_post(struct flow *flow)
{
	while (flow->posted - flow->done < DEPTH)
		rc_start(&flow->pair->a, IBV_WR_RDMA_WRITE, flow->posted++, flow->src, 0,
			 flow->dst, 0, flow->len);
}

static void flow_wait(struct flow *flow)
{
	vt_want(flow->pair->a.scq, flow->done, IBV_WC_SUCCESS);
	__atomic_store_n(&flow->done, flow->done + 1, __ATOMIC_RELAXED);
}

static void flow_finish(struct flow *flow)
{
	while (flow->done != flow->posted)
		flow_wait(flow);
	vt_require(!memcmp(flow->src->addr, flow->dst->addr, flow->len), "data differ");
}

static void *flow_run(void *arg)
{
	struct flow *flow = arg;

	while (!__atomic_load_n(&flow->stop, __ATOMIC_RELAXED)) {
		flow_post(flow);
		flow_wait(flow);
		sched_yield();
	}
	flow_finish(flow);
	return NULL;
}

/* --- among each other --- */

#define FLOWS	6

/* Count the completions of a flow and post as many requests again. */
static unsigned int flow_step(struct flow *flow)
{
	struct ibv_wc wc[DEPTH];
	int n = ibv_poll_cq(flow->pair->a.scq, DEPTH, wc);

	vt_require(n >= 0, "poll_cq: %d", n);
	for (int i = 0; i < n; i++)
		vt_require(wc[i].status == IBV_WC_SUCCESS, "%s",
			   ibv_wc_status_str(wc[i].status));
	flow->done += n;
	flow_post(flow);
	return n;
}

/*
 * Equal flows make equal progress. One thread serves all, as the scheduler may treat
 * several threads differently.
 */
static void equal_flows(const void *arg)
{
	uint64_t end = vt_now_ms() + vt_patience_ms();
	unsigned int least = -1, most = 0, total = 0;
	struct flow flows[FLOWS];

	(void)arg;
	for (int i = 0; i < FLOWS; i++)
		flow_init(&flows[i], 64 * KIB);
	while (total < FLOWS * 200) {
		vt_require(vt_now_ms() < end, "%u requests only", total);
		for (int i = 0; i < FLOWS; i++)
			total += flow_step(&flows[i]);
		sched_yield();
	}
	for (int i = 0; i < FLOWS; i++) {
		least = flows[i].done < least ? flows[i].done : least;
		most = flows[i].done > most ? flows[i].done : most;
		flow_finish(&flows[i]);
	}
	vt_note("%u to %u requests", least, most);
	vt_require(least >= most / 2, "%u to %u requests", least, most);
}

#define LARGE	256U	/* requests of 1 MiB */

/* A small request does not wait for all large requests of other QPs. */
static void small_beside_large(const void *arg)
{
	struct flow large, small;
	unsigned int asked = 0;

	(void)arg;
	flow_init(&large, MIB);
	flow_init(&small, 64);
	vt_ok(pthread_create(&large.thread, NULL, flow_run, &large));
	while (!flow_done(&large))
		sched_yield();
	while (flow_done(&large) < LARGE) {
		vt_fill(small.src->addr, small.len);
		rc_do(&small.pair->a, IBV_WR_RDMA_WRITE, small.src, 0, small.dst, 0,
		      small.len, IBV_WC_SUCCESS);
		vt_require(!memcmp(small.src->addr, small.dst->addr, small.len),
			   "data differ");
		asked++;
	}
	__atomic_store_n(&large.stop, true, __ATOMIC_RELAXED);
	vt_ok(pthread_join(large.thread, NULL));
	vt_require(asked >= LARGE / 2, "%u small requests beside %u of 1 MiB", asked, LARGE);
}

/* --- a slow receiver --- */

#define SENDERS		16
#define SENDS		24
#define SEND_LEN	9000

/* Many QPs SEND at once, and each SEND waits until its receive is posted. */
static void slow_receiver(const void *arg)
{
	uint64_t before = vt_backlog_drops(), dropped;
	struct rc_attr attr = rc_attr_default;
	struct vt_mem *src[SENDERS], *dst[SENDERS];
	struct rc_pair *pairs[SENDERS];

	(void)arg;
	attr.min_rnr_timer = 14;	/* 1.28 ms */
	for (int i = 0; i < SENDERS; i++) {
		pairs[i] = rc_pair_new(&attr);
		src[i] = vt_mem_new(pairs[i]->a.pd, VT_PINNED, SENDS * SEND_LEN,
				    VT_ACCESS_ALL);
		dst[i] = vt_mem_new(pairs[i]->b.pd, VT_PINNED, SENDS * SEND_LEN,
				    VT_ACCESS_ALL);
		vt_fill(src[i]->addr, SENDS * SEND_LEN);
		for (int j = 0; j < SENDS; j++)
			rc_start(&pairs[i]->a, IBV_WR_SEND, j, src[i], j * SEND_LEN,
				 NULL, 0, SEND_LEN);
	}
	for (int j = 0; j < SENDS; j++) {
		vt_sleep_ms(2);
		for (int i = 0; i < SENDERS; i++) {
			struct ibv_sge sge = vt_sge(dst[i], j * SEND_LEN, SEND_LEN);

			vt_ok(rc_post_recv(&pairs[i]->b, j, &sge, 1));
		}
	}
	for (int i = 0; i < SENDERS; i++) {
		for (int j = 0; j < SENDS; j++) {
			vt_want(pairs[i]->b.rcq, j, IBV_WC_SUCCESS);
			vt_want(pairs[i]->a.scq, j, IBV_WC_SUCCESS);
		}
		vt_require(!memcmp(src[i]->addr, dst[i]->addr, SENDS * SEND_LEN),
			   "data of QP %d differ", i);
	}
	dropped = vt_backlog_drops() - before;
	vt_require(!dropped, "%llu packets were dropped at a full backlog",
		   (unsigned long long)dropped);
}

/* --- at rest --- */

struct cpu_time {
	unsigned long long busy, all;
};

static struct cpu_time cpu_time(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	FILE *file = fopen("/proc/stat", "r");
	struct cpu_time time;

	vt_require(file, "/proc/stat: %s", strerror(errno));
	vt_require(fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
			  &system, &idle, &iowait, &irq, &softirq) == 7,
		   "/proc/stat is not understood");
	fclose(file);
	time.busy = user + nice + system + irq + softirq;
	time.all = time.busy + idle + iowait;
	return time;
}

/*
 * The machine is idle while QPs are connected and one of them waits for its peer to post a
 * receive. Other programs may run now and then, so the quietest of several intervals
 * counts.
 */
static void nothing_to_do(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	unsigned long long least = 100;
	struct rc_pair *pairs[FLOWS];
	struct vt_wr wr;

	(void)arg;
	attr.min_rnr_timer = 24;	/* 40.96 ms */
	for (int i = 0; i < FLOWS; i++) {
		pairs[i] = rc_pair_new(&attr);
		rc_works(pairs[i]);
	}
	vt_wr_init(&wr, IBV_WR_SEND, 1);
	vt_ok(rc_post(&pairs[0]->a, &wr));
	for (int i = 0; i < 10 && least > 10; i++) {
		struct cpu_time before = cpu_time(), after;
		unsigned long long share;

		vt_sleep_ms(500);
		after = cpu_time();
		vt_require(after.all > before.all, "no time has passed");
		share = 100 * (after.busy - before.busy) / (after.all - before.all);
		least = share < least ? share : least;
	}
	vt_note("busy for %llu %%", least);
	vt_require(least <= 10, "busy for %llu %% of the time", least);
	vt_ok(rc_post_recv(&pairs[0]->b, 2, NULL, 0));
	vt_want(pairs[0]->a.scq, 1, IBV_WC_SUCCESS);
	vt_want(pairs[0]->b.rcq, 2, IBV_WC_SUCCESS);
}

static void add_tests(void)
{
	VT_TEST(equal_flows);
	VT_TEST(small_beside_large);
	VT_TEST(slow_receiver);
	VT_TEST(nothing_to_do);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
