// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory that has never been touched. "cold" and "warm" are the first WRITE to such a page
 * and the next one; "first touch" is a store by the CPU to such a page. "fresh" is the
 * whole life of a buffer: map, register, one WRITE by the NIC, deregister, unmap.
 */
#include <sys/mman.h>

#include "perf.h"

#define PAGE		4096UL
#define PAGES		256	/* pages of one sample */
#define PAGES_MIN	16
#define WRITE_LEN	64

struct cold {
	const struct perf_run *run;
	struct perf_link link[PERF_SIDES];
	struct perf_round *first, *again, *touch;
	uint64_t stamp;
};

static uint8_t *fresh(size_t len)
{
	uint8_t *map = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	vt_require(map != MAP_FAILED, "mmap: %s", strerror(errno));
	madvise(map, len, MADV_NOHUGEPAGE);
	return map;
}

static struct ibv_mr *reg(struct perf_link *link, void *addr, size_t len)
{
	int access = VT_ACCESS_ALL;

	if (link->side->kind == VT_IMPLICIT)
		return link->mem[1]->mr;
	if (link->side->kind == VT_ODP)
		access |= IBV_ACCESS_ON_DEMAND;
	return ibv_reg_mr(link->end[1].pd, addr, len, access);
}

static void dereg(struct perf_link *link, struct ibv_mr *mr)
{
	if (mr && mr != link->mem[1]->mr)
		ibv_dereg_mr(mr);
}

/* WRITE from the link's buffer to @to, and wait for the completion. */
static int write_to(struct perf_link *link, struct ibv_mr *mr, uint8_t *to, size_t len)
{
	struct ibv_sge sge = vt_sge(link->mem[0], 0, len);
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = (uintptr_t)to, .rkey = mr->rkey },
	};
	int err = ibv_post_send(link->end[0].qp, &wr, &bad);

	if (err)
		return perf_fail("post_send: %s", strerror(err));
	return perf_wait(link->end[0].scq, 1);
}

static int timed_write(struct perf_link *link, struct ibv_mr *mr, uint8_t *to,
		       struct stats *times)
{
	uint64_t start = perf_now();

	if (write_to(link, mr, to, WRITE_LEN))
		return -1;
	return stats_add(times, perf_now() - start) ? 0 : perf_fail("out of memory");
}

/* The times that one sample measures. */
struct times {
	struct stats first, again, touch;
};

static void times_clear(struct times *times)
{
	stats_clear(&times->first);
	stats_clear(&times->again);
	stats_clear(&times->touch);
}

static int touch_page(uint8_t *page, struct stats *times)
{
	uint64_t start = perf_now();

	*(volatile uint8_t *)page = 1;
	return stats_add(times, perf_now() - start) ? 0 : perf_fail("out of memory");
}

/* WRITE to a page twice: first it is cold, then warm. */
static int write_page(struct cold *cold, struct perf_link *link, struct ibv_mr *mr,
		      uint8_t *page, struct times *times)
{
	uint8_t *src = link->mem[0]->addr;

	cold->stamp++;
	memcpy(src, &cold->stamp, sizeof(cold->stamp));
	if (timed_write(link, mr, page, &times->first))
		return -1;
	if (memcmp(page, src, WRITE_LEN))
		return perf_fail("the data differ");
	return timed_write(link, mr, page, &times->again);
}

/*
 * Measure all pages. In between the CPU touches pages of its own, so that caches are in the
 * same state.
 */
static int write_pages(struct cold *cold, struct perf_link *link, struct times *times)
{
	uint8_t *nic = fresh(PAGES * PAGE), *cpu = fresh(PAGES * PAGE);
	struct ibv_mr *mr = reg(link, nic, PAGES * PAGE);
	int err = mr ? 0 : perf_fail("reg_mr: %s", strerror(errno));
	uint64_t start = perf_now();

	for (size_t p = 0; p < PAGES && !err; p++) {
		if (p >= PAGES_MIN && perf_now() - start > cold->run->ns)
			break;
		err = touch_page(cpu + p * PAGE, &times->touch);
		if (!err)
			err = write_page(cold, link, mr, nic + p * PAGE, times);
	}
	dereg(link, mr);
	munmap(nic, PAGES * PAGE);
	munmap(cpu, PAGES * PAGE);
	return err;
}

static int keep(struct perf_point *point, struct stats *times, double *median)
{
	*median = stats_median(times);
	return stats_add_all(&point->all, times) ? 0 : perf_fail("out of memory");
}

/* The same, for a value measured beside that of the round. */
static int keep_beside(struct perf_point *point, struct stats *times)
{
	double median;

	if (keep(point, times, &median))
		return -1;
	return stats_add(&point->samples, median) ? 0 : perf_fail("out of memory");
}

static int sample_pages(void *arg, size_t i, double *value)
{
	struct times times = { 0 };
	struct cold *cold = arg;
	int err = perf_link_open(&cold->link[i]);

	if (!err)
		err = write_pages(cold, &cold->link[i], &times);
	if (!err)
		err = keep(cold->first->point[i], &times.first, value) ?:
		      keep_beside(cold->again->point[i], &times.again) ?:
		      keep_beside(cold->touch->point[0], &times.touch);
	times_clear(&times);
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
	vt_fill(link->mem[0]->addr, MIB);
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

/* Other NICs cannot register memory that has no pages: keep only the sides of nopin. */
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
	unsigned int on_demand = 1U << VT_ODP | 1U << VT_IMPLICIT;
	struct perf_run only = nopin_only(run), nobody = { 0 };
	struct perf_round first = { .subject = "cold", .op = "first", .unit = "ns",
				    .path = path, .size = WRITE_LEN };
	struct perf_round again = { .subject = "cold", .op = "again", .unit = "ns",
				    .path = path, .size = WRITE_LEN };
	struct perf_round whole = { .subject = "cold", .op = "fresh", .unit = "ns",
				    .path = path, .size = MIB };
	struct perf_round touch = first;

	cold->first = &first;
	cold->again = &again;
	cold->touch = &touch;
	cold->run = &only;
	perf_round_init(&first, &only, on_demand, NULL);
	perf_round_init(&again, &only, on_demand, NULL);
	perf_round_init(&touch, &nobody, 0, "first touch");
	perf_round_run(&first, &only, sample_pages, cold);
	perf_round_fail_with(&again, &first);
	perf_round_init(&whole, run, PERF_ALL_KINDS, NULL);
	perf_round_run(&whole, run, sample_fresh, cold);
}

void perf_cold(const struct perf_run *run)
{
	struct rc_attr attr = perf_attr();
	struct cold cold = { 0 };

	for (enum perf_path path = 0; path < PERF_PATHS; path++) {
		size_t mark = vt_mark();

		perf_links_init(cold.link, run, path, MIB, &attr);
		measure(&cold, run, path);
		vt_release_to(mark);
	}
}
