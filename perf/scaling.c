// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Scaling with the number of QPs in one thread, and with the number of threads, each with
 * its own CPU, QP, PD, CQs and memory.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "perf.h"

#define QPS_MAX		64
#define WINDOW		(256 * KIB)
#define KINDS		(1U << VT_ODP)

struct scaling {
	const struct perf_run *run;
	struct perf_link link[QPS_MAX][PERF_SIDES];
	size_t size;
	unsigned int num, batch, post;
};

static int open_flows(struct scaling *sc, size_t side, struct perf_flow *flow)
{
	for (unsigned int q = 0; q < sc->num; q++)
		if (perf_link_open(&sc->link[q][side]))
			return -1;
	for (unsigned int q = 0; q < sc->num; q++)
		perf_flow_init(&flow[q], &sc->link[q][side], PERF_WRITE, sc->size,
			       sc->batch, sc->post, 2);
	return 0;
}

static void free_flows(struct scaling *sc, struct perf_flow *flow)
{
	for (unsigned int q = 0; q < sc->num; q++)
		perf_flow_free(&flow[q]);
}

static int sample_qps(void *arg, size_t i, double *value)
{
	struct scaling *sc = arg;
	struct perf_flow flow[QPS_MAX];
	int err;

	if (open_flows(sc, i, flow))
		return -1;
	err = perf_flow_rate(flow, sc->num, sc->run->ns, value);
	free_flows(sc, flow);
	if (sc->post == 1)
		*value *= sc->size;
	return err;
}

/* --- CPUs --- */

struct worker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct perf_flow *flow;
	unsigned int cpu;
	uint64_t ns;
	double rate;
	int err;
};

static int pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? perf_lacks("no CPU %u", cpu) : 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	vt_reseed(vt_now_ns() + w->cpu);
	w->err = pin(w->cpu) ?: perf_flow_ready(w->flow);
	pthread_barrier_wait(w->barrier);
	if (!w->err)
		w->err = perf_flow_run(w->flow, 1, w->ns, &w->rate);
	return NULL;
}

static int run_workers(struct scaling *sc, struct perf_flow *flow, double *value)
{
	struct worker worker[QPS_MAX];
	pthread_barrier_t barrier;
	int err = 0;

	pthread_barrier_init(&barrier, NULL, sc->num);
	for (unsigned int t = 0; t < sc->num; t++) {
		worker[t] = (struct worker){ .barrier = &barrier, .flow = &flow[t],
					     .cpu = t, .ns = sc->run->ns };
		vt_ok(pthread_create(&worker[t].thread, NULL, work, &worker[t]));
	}
	*value = 0;
	for (unsigned int t = 0; t < sc->num; t++) {
		vt_ok(pthread_join(worker[t].thread, NULL));
		err = err ? err : worker[t].err ? worker[t].err : perf_flow_check(&flow[t]);
		*value += worker[t].rate * sc->size;
	}
	pthread_barrier_destroy(&barrier);
	return err;
}

static int sample_cpus(void *arg, size_t i, double *value)
{
	struct scaling *sc = arg;
	struct perf_flow flow[QPS_MAX];
	int err;

	if (open_flows(sc, i, flow))
		return -1;
	err = run_workers(sc, flow, value);
	free_flows(sc, flow);
	return err;
}

/* --- what is measured --- */

static void qps(struct scaling *sc, enum perf_path path, size_t size, unsigned int post)
{
	struct perf_round round = {
		.subject = "qps", .op = "write", .unit = post == 1 ? "B/s" : "msg/s",
		.path = path, .size = size, .post = post, .qps = sc->num,
	};

	sc->size = size;
	sc->post = post;
	sc->batch = perf_batch(size, WINDOW / sc->num, post == 1 ? 16 : 64);
	perf_round_init(&round, sc->run, KINDS, NULL);
	perf_round_run(&round, sc->run, sample_qps, sc);
}

static void cpus(struct scaling *sc, enum perf_path path)
{
	struct perf_round round = {
		.subject = "cpus", .op = "write", .unit = "B/s",
		.path = path, .size = 64 * KIB, .post = 1, .threads = sc->num,
	};

	sc->size = 64 * KIB;
	sc->post = 1;
	sc->batch = 4;
	perf_round_init(&round, sc->run, KINDS, NULL);
	perf_round_run(&round, sc->run, sample_cpus, sc);
}

/* @num links with @len bytes at each end. */
static size_t open_links(struct scaling *sc, enum perf_path path, unsigned int num, size_t len)
{
	struct rc_attr attr = perf_attr();
	size_t mark = vt_mark();

	sc->num = num;
	for (unsigned int q = 0; q < num; q++)
		perf_links_init(sc->link[q], sc->run, path, len, &attr);
	return mark;
}

void perf_scaling(const struct perf_run *run)
{
	static struct scaling sc;
	unsigned int most = run->quick ? 16 : QPS_MAX, step = run->quick ? 16 : 4;
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	size_t mark;

	sc.run = run;
	for (enum perf_path path = 0; path < PERF_PATHS; path++) {
		for (unsigned int num = 1; num <= most; num *= step) {
			mark = open_links(&sc, path, num,
					  num <= 4 ? 512 * KIB : 128 * KIB);
			qps(&sc, path, 64 * KIB, 1);
			qps(&sc, path, 64, 64);
			vt_release_to(mark);
		}
		for (unsigned int num = 1; num <= online && num <= QPS_MAX; num *= 2) {
			mark = open_links(&sc, path, num, 512 * KIB);
			cpus(&sc, path);
			vt_release_to(mark);
		}
	}
}
