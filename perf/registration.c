// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The time to register memory whose pages are present, and to deregister it. On demand also
 * regions larger than any memory: address space without pages, and the whole address space.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "perf.h"

#define ROUNDS_MAX	50

struct registration {
	const struct perf_run *run;
	struct ibv_pd *pd[PERF_SIDES];
	struct perf_round *release;
	uint8_t *addr;
	size_t len;
};

/* Register and deregister once; add the times to @reg and @dereg. */
static int register_once(struct ibv_pd *pd, enum vt_kind kind, void *addr, size_t len,
			 struct stats *reg, struct stats *dereg)
{
	uint64_t start = perf_now(), took;
	struct ibv_mr *mr;
	int access = VT_ACCESS_ALL;

	if (kind != VT_PINNED)
		access |= IBV_ACCESS_ON_DEMAND;
	mr = kind == VT_IMPLICIT ? ibv_reg_mr(pd, NULL, SIZE_MAX, access) :
				   ibv_reg_mr(pd, addr, len, access);
	took = perf_now() - start;
	if (!mr)
		return perf_fail("reg_mr: %s", strerror(errno));
	if (!stats_add(reg, took))
		return perf_fail("out of memory");
	start = perf_now();
	if (ibv_dereg_mr(mr))
		return perf_fail("dereg_mr: %s", strerror(errno));
	return stats_add(dereg, perf_now() - start) ? 0 : perf_fail("out of memory");
}

/* The median of as many registrations as fit in the time of a sample, at least one. */
static int sample(void *arg, size_t i, double *value)
{
	struct registration *reg = arg;
	enum vt_kind kind = reg->run->side[i].kind;
	uint64_t end = perf_now() + reg->run->ns;
	struct stats times = { 0 }, released = { 0 };
	int err;

	do {
		err = register_once(reg->pd[i], kind, reg->addr, reg->len, &times, &released);
	} while (!err && perf_now() < end && times.num < ROUNDS_MAX);
	*value = stats_median(&times);
	if (!err && !stats_add(&reg->release->point[i]->samples, stats_median(&released)))
		err = perf_fail("out of memory");
	stats_clear(&times);
	stats_clear(&released);
	return err;
}

static void open_pds(struct registration *reg)
{
	for (size_t i = 0; i < reg->run->num_sides; i++) {
		struct perf_nic *nic = reg->run->side[i].nic;

		reg->pd[i] = nic ? ibv_alloc_pd(nic->dev[0].ctx) : NULL;
		vt_require(!nic || reg->pd[i], "alloc_pd: %s", strerror(errno));
	}
}

static size_t available(void)
{
	return (size_t)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

static void measure(struct registration *reg, size_t len, unsigned int kinds)
{
	struct perf_round round = { .subject = "registration", .unit = "ns", .size = len };
	struct perf_round release = { .subject = "deregistration", .unit = "ns", .size = len };

	reg->len = len;
	reg->release = &release;
	perf_round_init(&round, reg->run, kinds, NULL);
	perf_round_init(&release, reg->run, kinds, NULL);
	perf_round_run(&round, reg->run, sample, reg);
	perf_round_fail_with(&release, &round);
	if (!reg->run->show)
		return;
	reg->run->show(&round);
	reg->run->show(&release);
}

/* Address space without pages, which can only be registered on demand. */
static void measure_space(struct registration *reg)
{
	struct perf_run on_demand = *reg->run;
	size_t len = 128 * GIB;

	on_demand.num_sides = 0;
	for (size_t i = 0; i < reg->run->num_sides; i++)
		if (reg->run->side[i].kind != VT_PINNED)
			on_demand.num_sides = i + 1;
	if (!on_demand.num_sides)
		return;
	for (size_t i = 0; i < on_demand.num_sides; i++)
		if (on_demand.side[i].kind == VT_PINNED)
			on_demand.side[i].by_kind = true;
	reg->run = &on_demand;
	reg->addr = vt_map_large(&len);
	for (size_t size = 8 * GIB; size <= len; size *= 4)
		measure(reg, size, 1U << VT_ODP | 1U << VT_IMPLICIT);
}

void perf_registration(const struct perf_run *run)
{
	static const size_t sizes[] = {
		4 * KIB, 64 * KIB, MIB, 16 * MIB, 64 * MIB, 256 * MIB, GIB,
	};
	struct registration reg = { .run = run };
	size_t num = ARRAY_SIZE(sizes) - (run->quick ? 3 : 0);
	size_t mark = vt_mark(), most;

	while (sizes[num - 1] > available() / 2)
		num--;
	most = sizes[num - 1];
	open_pds(&reg);
	reg.addr = vt_map(most, 0);
	madvise(reg.addr, most, MADV_NOHUGEPAGE);
	memset(reg.addr, 1, most);
	for (size_t i = 0; i < num; i++)
		measure(&reg, sizes[i], PERF_ALL_KINDS);
	measure_space(&reg);
	for (size_t i = 0; i < run->num_sides; i++)
		if (reg.pd[i])
			ibv_dealloc_pd(reg.pd[i]);
	vt_release_to(mark);
}
