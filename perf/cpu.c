// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * CPU time for each GB transferred. The program sleeps until a completion comes, so all CPU
 * time is spent on the transfer. The time of the whole machine counts, as kernel threads
 * and interrupts do a part of the work.
 */
#include <stdio.h>
#include <unistd.h>

#include "perf.h"

#define SIZE	(64 * KIB)

struct cpu {
	const struct perf_run *run;
	struct perf_link link[PERF_SIDES];
};

/* Seconds that all CPUs together were idle or stolen by the hypervisor. */
static double idle_seconds(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
	FILE *f = fopen("/proc/stat", "re");
	int got = f ? fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
			     &system, &idle, &iowait, &irq, &softirq, &steal) : 0;

	if (f)
		fclose(f);
	vt_require(got == 8, "cannot read /proc/stat");
	return (double)(idle + iowait + steal) / sysconf(_SC_CLK_TCK);
}

static int sample(void *arg, size_t i, double *value)
{
	struct cpu *cpu = arg;
	struct perf_flow flow;
	double idle, busy, rate;
	uint64_t start;
	int err;

	if (perf_link_open(&cpu->link[i]))
		return -1;
	perf_flow_init(&flow, &cpu->link[i], PERF_WRITE, SIZE, 8, 1, 2);
	flow.events = true;
	err = perf_flow_ready(&flow);
	/* /proc/stat counts in ticks of 10 ms. */
	idle = idle_seconds();
	start = perf_now();
	if (!err)
		err = perf_flow_run(&flow, 1, 3 * cpu->run->ns, &rate);
	busy = (perf_now() - start) / 1e9 * sysconf(_SC_NPROCESSORS_ONLN);
	busy -= idle_seconds() - idle;
	if (!err)
		err = perf_flow_check(&flow);
	if (!err)
		*value = busy / ((double)flow.posted * flow.batch * SIZE / 1e9);
	perf_flow_free(&flow);
	return err;
}

void perf_cpu(const struct perf_run *run)
{
	struct rc_attr attr = perf_attr();
	struct cpu cpu = { .run = run };

	attr.channel = true;
	for (enum perf_path path = 0; path < PERF_PATHS; path++) {
		struct perf_round round = {
			.subject = "cpu", .op = "write", .unit = "s/GB",
			.path = path, .size = SIZE, .post = 1,
		};
		size_t mark = vt_mark();

		perf_links_init(cpu.link, run, path, MIB, &attr);
		perf_round_init(&round, run, PERF_ALL_KINDS, NULL);
		perf_round_run(&round, run, sample, &cpu);
		vt_release_to(mark);
	}
}
