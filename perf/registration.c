// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* How long it takes to register memory that is there already. */
#include <sys/mman.h>
#include <unistd.h>

#include "perf.h"

#define ROUNDS_MAX	50

struct registration {
	const struct perf_run *run;
	struct ibv_pd *pd[PERF_SIDES];
	uint8_t *addr;
	size_t len;
};

static double register_ns(struct ibv_pd *pd, enum vt_kind kind, void *addr, size_t len)
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
	if (ibv_dereg_mr(mr))
		return perf_fail("dereg_mr: %s", strerror(errno));
	return took;
}

/* The median of as many as fit in the time of a sample, at least one. */
static int sample(void *arg, size_t i, double *value)
{
	struct registration *reg = arg;
	enum vt_kind kind = reg->run->side[i].kind;
	uint64_t end = perf_now() + reg->run->ns;
	struct stats times = { 0 };
	double ns;

	do {
		ns = register_ns(reg->pd[i], kind, reg->addr, reg->len);
		if (ns < 0 || !stats_add(&times, ns))
			break;
	} while (perf_now() < end && times.num < ROUNDS_MAX);
	*value = stats_median(&times);
	stats_clear(&times);
	return ns < 0 ? -1 : 0;
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
	for (size_t i = 0; i < num; i++) {
		struct perf_round round = {
			.subject = "registration", .unit = "ns", .size = sizes[i],
		};

		reg.len = sizes[i];
		perf_round_init(&round, run, PERF_ALL_KINDS, NULL);
		perf_round_run(&round, run, sample, &reg);
	}
	for (size_t i = 0; i < run->num_sides; i++)
		if (reg.pd[i])
			ibv_dealloc_pd(reg.pd[i]);
	vt_release_to(mark);
}
