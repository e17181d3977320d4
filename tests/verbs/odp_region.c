// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Kinds of on-demand regions: with other I/O addresses, zero-based, of 2 GiB and more, with
 * optional flags. Regions that wrap and null regions must be refused.
 */
#include <sys/mman.h>

#include "odp_bench.h"

#define ODP_ACCESS	(VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

static void free_mr(void *obj)
{
	ibv_dereg_mr(obj);
}

/* Use another region for the bench's memory; @iova is the address of its first byte. */
static void use_region(struct odp_bench *b, struct ibv_mr *mr, uint64_t iova)
{
	vt_require(mr, "reg_mr: %s", strerror(errno));
	vt_defer(free_mr, mr);
	b->mem->mr = mr;
	b->mem->iova = iova;
}

/* I/O addresses may be arbitrary, but for the offset in the page. */
static void other_iova(const void *arg)
{
	uint8_t *map = vt_map(LEN + PAGE, 0);
	const uint64_t iovas[] = {
		0, PAGE, 1ULL << 32, (1ULL << 32) - LEN / 2, 1ULL << 47, 1ULL << 63,
		0xffff888000000000, 0 - LEN - PAGE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(iovas); i++)
		for (size_t skew = 0; skew < 2; skew++) {
			uint8_t *addr = map + 123 * skew;
			struct odp_bench b = odp_bench(arg, addr, LEN);
			uint64_t iova = iovas[i] + 123 * skew;

			use_region(&b, ibv_reg_mr_iova(odp_mem_end(&b)->pd, addr, LEN, iova,
						       ODP_ACCESS), iova);
			odp_check(&b);
			vt_ok(madvise(map, LEN + PAGE, MADV_DONTNEED));
			odp_check_zeros(&b, 0, LEN);
			odp_check_at(&b, 1, PAGE + 1, addr + 1);
			odp_put_fails(&b, LEN - 7, 8);
			odp_reconnect(&b);
			odp_get_fails(&b, -1UL, 2);
		}
}

/* The first byte of a zero-based region has address 0. */
static void zero_based(const void *arg)
{
	uint8_t *addr = (uint8_t *)vt_map(LEN + PAGE, 0) + 321;
	struct odp_bench b = odp_bench(arg, addr, LEN);

	use_region(&b, ibv_reg_mr(odp_mem_end(&b)->pd, addr, LEN,
				  ODP_ACCESS | IBV_ACCESS_ZERO_BASED), 0);
	odp_check(&b);
	odp_check_at(&b, PAGE - 1, 2, addr + PAGE - 1);
	odp_put_fails(&b, LEN - 1, 2);
	odp_reconnect(&b);
	b.mem->iova = (uintptr_t)addr;		/* an address outside of this region */
	odp_get_fails(&b, 0, 8);
}

/* Sizes around 2 and 4 GiB, where signed and unsigned 32-bit offsets overflow. */
static void large(const void *arg)
{
	static const size_t sizes[] = {
		2 * GIB - PAGE, 2 * GIB, 2 * GIB + PAGE, 4 * GIB, 5 * GIB + 4097,
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t len = sizes[i];
		uint8_t *map = vt_map(len, MAP_NORESERVE);
		struct odp_bench b = odp_bench(arg, map, 4 * PAGE);
		const size_t offs[] = { 0, 2 * GIB - PAGE, 4 * GIB - PAGE, len - 2 * PAGE };

		if (b.v.kind != VT_IMPLICIT)
			use_region(&b, ibv_reg_mr(odp_mem_end(&b)->pd, map, len, ODP_ACCESS),
				   (uintptr_t)map);
		for (size_t j = 0; j < ARRAY_SIZE(offs); j++)
			if (offs[j] + 2 * PAGE <= len)
				odp_check_at(&b, offs[j], 2 * PAGE, map + offs[j]);
		if (b.v.kind != VT_IMPLICIT)
			odp_put_fails(&b, len - 8, 9);
	}
}

static const struct {
	int flags;
	const char *name;
} optional[] = {
	{ IBV_ACCESS_RELAXED_ORDERING, "RELAXED_ORDERING" },
	{ IBV_ACCESS_HUGETLB, "HUGETLB" },
	{ IBV_ACCESS_RELAXED_ORDERING | IBV_ACCESS_HUGETLB, "both" },
	{ IBV_ACCESS_OPTIONAL_RANGE, "all that are optional" },
};

/* Every kind of region accepts the optional access flags. */
static void optional_flags(const void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		struct odp_bench b = odp_bench_access(arg, vt_map(LEN, 0), LEN,
						      VT_ACCESS_ALL | optional[i].flags);
		struct ibv_mr *pinned = ibv_reg_mr(odp_mem_end(&b)->pd, b.mem->addr, LEN,
						   VT_ACCESS_ALL | optional[i].flags);

		odp_check(&b);
		vt_require(pinned, "pinned, %s: %s", optional[i].name, strerror(errno));
		b.mem->mr = pinned;
		vt_defer(free_mr, pinned);
		odp_check(&b);
	}
}

/* Neither addresses nor I/O addresses may wrap, for on-demand and pinned regions. */
static void wrapping_refused(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	uint8_t *map = vt_map(LEN, 0);
	uint64_t va = (uintptr_t)map;
	const struct {
		void *addr;
		size_t len;
		uint64_t iova;
		const char *what;
	} wrong[] = {
		{ map, LEN, 0 - LEN + PAGE, "an IOVA that wraps" },
		{ map, LEN, 0 - PAGE, "an IOVA that wraps" },
		{ map, SIZE_MAX, va, "a length that wraps" },
		{ map, SIZE_MAX - va + 2, va, "a length that wraps" },
		{ map, SIZE_MAX - va + 2, 0, "an address that wraps" },
		{ (void *)(-PAGE), PAGE, 0, "the last page there is" },
		{ (void *)(1UL << 63), LEN, 0, "kernel addresses" },
		{ map, (1UL << 63) - va, 0, "memory up to the kernel's" },
		{ map, 0, va, "nothing" },
	};

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		for (int odp = 0; odp < 2; odp++)
			vt_require(!ibv_reg_mr_iova(pair->b.pd, wrong[i].addr, wrong[i].len,
						    wrong[i].iova,
						    odp ? ODP_ACCESS : VT_ACCESS_ALL),
				   "registered %s, %s", wrong[i].what,
				   odp ? "on demand" : "pinned");
}

/* nopin does not support null regions and must refuse one. */
static void null_region(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct ibv_mr *mr;

	(void)arg;
	errno = 0;
	mr = ibv_alloc_null_mr(pair->a.pd);
	if (mr) {
		vt_ok(ibv_dereg_mr(mr));
		vt_skip("this device has null regions");
	}
	vt_require(errno == EOPNOTSUPP, "alloc_null_mr: %s, want %s", strerror(errno),
		   strerror(EOPNOTSUPP));
}

static void add_tests(void)
{
	odp_test(other_iova, "other_iova", ODP_ALL_SIDES);
	odp_test(zero_based, "zero_based", ODP_ALL_SIDES);
	odp_test(large, "large", ODP_ALL_SIDES);
	odp_test(optional_flags, "optional_flags", ODP_RDMA_SIDES);
	VT_TEST(wrapping_refused);
	VT_TEST(null_region);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
