// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory that nobody has touched yet. "cold" and "warm" are a WRITE to such a page
 * and the next one to it; "first touch" is a store by the CPU to such a page. "fresh"
 * is the whole life of a buffer: mapped, registered, written once by the NIC,
 * deregistered, unmapped.
 */
#include <sched.h>
#include <sys/mman.h>

#include "perf.h"

#define PAGE		4096UL
#define PAGES		256	/* of one sample */
#define WRITE_LEN	64

struct cold {
	const struct perf_run *run;
	struct perf_link link[PERF_SIDES];
	struct perf_round *cold, *warm;
	uint64_t stamp;
};

static uint8_t *fresh(size_t len)
{
	uint8_t *map = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	rc_require(map != MAP_FAILED, "mmap: %s", strerror(errno));
	madvise(map, len, MADV_NOHUGEPAGE);
	return map;
}

static struct ibv_mr *reg(struct perf_link *link, void *addr, size_t len)
{
	int access = RC_ACCESS_ALL;

	if (link->side->kind == RC_IMPLICIT)
		return link->mem[1]->mr;
	if (link->side->kind == RC_ODP)
		access |= IBV_ACCESS_ON_DEMAND;
	return ibv_reg_mr(link->end[1].pd, addr, len, access);
}

static void dereg(struct perf_link *link, struct ibv_mr *mr)
{
	if (mr && mr != link->mem[1]->mr)
		ibv_dereg_mr(mr);
}

/* A WRITE from the link's own buffer to @to, and its completion. */
static int write_to(struct perf_link *link, struct ibv_mr *mr, uint8_t *to, size_t len)
{
	struct ibv_sge sge = rc_sge(link->mem[0], 0, len);
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = (uintptr_t)to, .rkey = mr->rkey },
	};
	uint64_t start = perf_now();
	int got = ibv_post_send(link->end[0].qp, &wr, &bad);

	if (got)
		return perf_fail("post_send: %s", strerror(got));
	while (!(got = perf_completion(link->end[0].scq, 1))) {
		sched_yield();
		if (perf_now() - start > PERF_SILENCE_NS)
			return perf_fail("no completion");
	}
	if (got < 0)
		return -1;
	return 0;
}

static int timed_write(struct perf_link *link, struct ibv_mr *mr, uint8_t *to,
		       struct stats *times)
{
	uint64_t start = perf_now();

	if (write_to(link, mr, to, WRITE_LEN))
		return -1;
	return stats_add(times, perf_now() - start) ? 0 : perf_fail("out of memory");
}

static int touch_pages(struct stats *times)
{
	uint8_t *map = fresh(PAGES * PAGE);
	int err = 0;

	for (size_t p = 0; p < PAGES && !err; p++) {
		uint64_t start = perf_now();

		*(volatile uint8_t *)(map + p * PAGE) = 1;
		err = stats_add(times, perf_now() - start) ? 0 : perf_fail("out of memory");
	}
	munmap(map, PAGES * PAGE);
	return err;
}

/* Each page is written to twice; only the first time is it cold. */
static int write_pages(struct cold *cold, size_t i, struct stats *first, struct stats *again)
{
	struct perf_link *link = &cold->link[i];
	uint8_t *map = fresh(PAGES * PAGE), *src = link->mem[0]->addr;
	struct ibv_mr *mr = reg(link, map, PAGES * PAGE);
	int err = mr ? 0 : perf_fail("reg_mr: %s", strerror(errno));

	for (size_t p = 0; p < PAGES && !err; p++) {
		uint8_t *page = map + p * PAGE;

		cold->stamp++;
		memcpy(src, &cold->stamp, sizeof(cold->stamp));
		err = timed_write(link, mr, page, first);
		if (!err && memcmp(page, src, WRITE_LEN))
			err = perf_fail("the data differ");
		if (!err)
			err = timed_write(link, mr, page, again);
	}
	dereg(link, mr);
	munmap(map, PAGES * PAGE);
	return err;
}

static int keep(struct perf_point *point, struct stats *times, double *median)
{
	*median = stats_median(times);
	return stats_add_all(&point->all, times) ? 0 : perf_fail("out of memory");
}

/* The cold sample is the round's; the warm one is put beside it. */
static int sample_pages(void *arg, size_t i, double *value)
{
	struct stats first = { 0 }, again = { 0 };
	struct cold *cold = arg;
	double warm;
	int err;

	if (i == cold->run->num_sides)
		err = touch_pages(&first);
	else
		err = perf_link_open(&cold->link[i]) ?:
		      write_pages(cold, i, &first, &again);
	if (!err)
		err = keep(cold->cold->point[i], &first, value);
	if (!err && again.num) {
		err = keep(cold->warm->point[i], &again, &warm);
		stats_add(&cold->warm->point[i]->samples, warm);
	}
	stats_clear(&first);
	stats_clear(&again);
	return err;
}

static int sample_fresh(void *arg, size_t i, double *value)
{
	struct cold *cold = arg;
	struct perf_link *link = &cold->link[i];
	struct ibv_mr *mr;
	uint64_t start;
	uint8_t *map;
	int err;

	if (perf_link_open(link))
		return -1;
	rc_fill(link->mem[0]->addr, MIB);
	start = perf_now();
	map = fresh(MIB);
	mr = reg(link, map, MIB);
	err = mr ? write_to(link, mr, map, MIB) : perf_fail("reg_mr: %s", strerror(errno));
	*value = perf_now() - start;
	if (!err && memcmp(map, link->mem[0]->addr, MIB))
		err = perf_fail("the data differ");
	start = perf_now();
	dereg(link, mr);
	munmap(map, MIB);
	*value += perf_now() - start;
	return err;
}

/* Others have no memory that is cold and registered. */
static struct perf_run nopin_only(const struct perf_run *run)
{
	struct perf_run only = *run;

	only.num_sides = 0;
	while (only.num_sides < run->num_sides && run->side[only.num_sides].nic == run->nopin)
		only.num_sides++;
	return only;
}

static void measure(struct cold *cold, const struct perf_run *run, enum perf_path path)
{
	unsigned int on_demand = 1U << RC_ODP | 1U << RC_IMPLICIT;
	struct perf_run only = nopin_only(run);
	struct perf_round first = { .subject = "cold", .op = "first", .unit = "ns",
				    .path = path, .size = WRITE_LEN };
	struct perf_round again = { .subject = "cold", .op = "again", .unit = "ns",
				    .path = path, .size = WRITE_LEN };
	struct perf_round whole = { .subject = "cold", .op = "fresh", .unit = "ns",
				    .path = path, .size = MIB };

	cold->cold = &first;
	cold->warm = &again;
	cold->run = &only;
	perf_round_init(&first, &only, on_demand, "first touch");
	perf_round_init(&again, &only, on_demand, NULL);
	perf_round_run(&first, &only, sample_pages, cold);
	perf_round_init(&whole, run, PERF_ALL_KINDS, NULL);
	perf_round_run(&whole, run, sample_fresh, cold);
}

void perf_cold(const struct perf_run *run)
{
	struct rc_attr attr = perf_attr();
	struct cold cold = { 0 };

	for (enum perf_path path = 0; path < PERF_PATHS; path++) {
		size_t mark = rc_mark();

		for (size_t i = 0; i < run->num_sides; i++)
			perf_link_init(&cold.link[i], &run->side[i], path, MIB, &attr);
		measure(&cold, run, path);
		rc_release_to(mark);
	}
}
