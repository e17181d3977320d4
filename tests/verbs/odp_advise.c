// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_advise_mr(): pages are present when a prefetch with the flush flag returns, and soon
 * after one without. One call may name several regions. Bad calls fail with the errnos of
 * ibv_advise_mr(3).
 */
#include <sys/mman.h>

#include "odp_bench.h"

#define READ		IBV_ADVISE_MR_ADVICE_PREFETCH
#define WRITE		IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE
#define NO_FAULT	IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT
#define FLUSH		IBV_ADVISE_MR_FLAG_FLUSH

/* Longer than the time for which the kernel caches counter values. */
#define COUNTERS_MS	50

static int advise(struct rc_end *end, int advice, uint32_t flags, struct vt_mem *mem,
		  size_t off, size_t len)
{
	struct ibv_sge sge = vt_sge(mem, off, len);

	return ibv_advise_mr(end->pd, advice, flags, &sge, 1);
}

static bool resident(const uint8_t *page)
{
	unsigned char there;

	vt_ok(mincore((void *)page, PAGE, &there));
	return there & 1;
}

static size_t resident_pages(const uint8_t *mem, size_t pages)
{
	size_t n = 0;

	for (size_t i = 0; i < pages; i++)
		n += resident(mem + i * PAGE);
	return n;
}

static struct odp_bench cold_bench(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0);
	struct odp_bench b;

	madvise(mem, LEN, MADV_NOHUGEPAGE);
	b = odp_bench(arg, mem, LEN);
	if (advise(odp_mem_end(&b), NO_FAULT, FLUSH, b.mem, 0, 8) == EOPNOTSUPP)
		vt_skip("%s", strerror(EOPNOTSUPP));
	return b;
}

static void nothing_pinned(void)
{
	vt_require(vt_status_kib("VmPin") == 0, "VmPin is %ld KiB", vt_status_kib("VmPin"));
	vt_require(vt_status_kib("VmLck") == 0, "VmLck is %ld KiB", vt_status_kib("VmLck"));
}

/* --- what it does --- */

static void flushed_run(const void *arg, int advice)
{
	struct odp_bench b = cold_bench(arg);
	uint8_t *mem = b.mem->addr;

	vt_ok(advise(odp_mem_end(&b), advice, FLUSH, b.mem, 5, 10 * PAGE));
	vt_require(resident_pages(mem, 11) == 11, "%zu of 11 pages are there",
		   resident_pages(mem, 11));
	vt_require(!resident_pages(mem + 20 * PAGE, 10), "pages were not asked for");
	odp_check_zeros(&b, 0, LEN);
	odp_check(&b);
	vt_ok(advise(odp_mem_end(&b), advice, FLUSH, b.mem, 0, LEN));
	odp_check_get(&b);
	vt_require(!memcmp(b.back->addr, b.src->addr, LEN), "prefetching changed the data");
	nothing_pinned();
}

static void flushed(const void *arg)
{
	flushed_run(arg, READ);
}

static void flushed_for_writing(const void *arg)
{
	flushed_run(arg, WRITE);
}

/* Without the flush flag the prefetch happens soon after the call. */
static void not_flushed(const void *arg)
{
	static const int advices[] = { READ, WRITE };
	struct odp_bench b = cold_bench(arg);

	for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
		uint64_t end = vt_now_ms() + 5000;

		vt_ok(madvise(b.mem->addr, LEN, MADV_DONTNEED));
		vt_ok(advise(odp_mem_end(&b), advices[i], 0, b.mem, 0, LEN));
		while (resident_pages(b.mem->addr, LEN / PAGE) < LEN / PAGE) {
			vt_require(vt_now_ms() < end, "after 5 s %zu pages are there",
				   resident_pages(b.mem->addr, LEN / PAGE));
			vt_sleep_ms(1);
		}
		odp_check(&b);
	}
	nothing_pinned();
}

/* NO_FAULT maps pages that are present for the NIC, and does not fault in others. */
static void no_fault(const void *arg)
{
	struct odp_bench b = cold_bench(arg);

	memset(b.mem->addr, 0x5a, LEN / 2);
	for (uint32_t flags = 0; flags <= FLUSH; flags += FLUSH) {
		vt_ok(advise(odp_mem_end(&b), NO_FAULT, flags, b.mem, 0, LEN));
		vt_sleep_ms(20);
		vt_require(!resident_pages(b.mem->addr + LEN / 2, LEN / 2 / PAGE),
			   "it faulted all the same");
	}
	odp_check_get(&b);
	odp_check(&b);
}

/* NO_FAULT maps pages that the CPU may write as writable: a later WRITE must not fault. */
static void no_fault_writes(const void *arg)
{
	struct odp_bench b = cold_bench(arg);
	const struct vt_dev *dev = odp_mem_end(&b)->dev;
	long long faults;

	odp_put(&b, 0, LEN);	/* now the other end's memory is present */
	vt_ok(madvise(b.mem->addr, LEN, MADV_DONTNEED));
	memset(b.mem->addr, 0x5a, LEN);
	vt_ok(advise(odp_mem_end(&b), NO_FAULT, FLUSH, b.mem, 0, LEN));
	vt_sleep_ms(COUNTERS_MS);
	faults = vt_counter(dev, "page_faults");
	odp_put(&b, 0, LEN);
	vt_sleep_ms(COUNTERS_MS);
	faults = vt_counter(dev, "page_faults") - faults;
	vt_require(!faults, "%lld faults of pages that were there", faults);
}

/* Prefetching for writing breaks copy-on-write: changes of the file do not show any more. */
static void private_file(const void *arg)
{
	struct odp_file file = odp_memfd(LEN, MAP_PRIVATE);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);
	uint8_t *want;

	vt_fill(file.cpu, LEN);
	want = odp_copy_of(file.cpu, LEN);
	vt_ok(advise(odp_mem_end(&b), READ, FLUSH, b.mem, 0, LEN));
	odp_check_get(&b);
	vt_ok(advise(odp_mem_end(&b), WRITE, FLUSH, b.mem, 0, LEN));
	odp_check_get(&b);
	vt_require(!memcmp(b.back->addr, want, LEN), "the copy has other data");
	odp_check(&b);
	vt_require(!memcmp(file.cpu, want, LEN), "the put reached the file");
}

static void many_regions(const void *arg)
{
	struct odp_bench b = cold_bench(arg);
	struct ibv_pd *pd = odp_mem_end(&b)->pd;
	struct vt_mem *mem[16];
	struct ibv_sge sge[16];

	for (size_t i = 0; i < ARRAY_SIZE(mem); i++) {
		uint8_t *map = vt_map(LEN, 0);

		madvise(map, LEN, MADV_NOHUGEPAGE);
		mem[i] = vt_mem_at(pd, i & 1 ? VT_ODP : b.v.kind, map, LEN, VT_ACCESS_ALL);
		sge[i] = vt_sge(mem[i], i * PAGE, PAGE + i);
	}
	vt_ok(ibv_advise_mr(pd, READ, FLUSH, sge, ARRAY_SIZE(sge)));
	for (size_t i = 0; i < ARRAY_SIZE(mem); i++)
		vt_require(resident(mem[i]->addr + i * PAGE) &&
			   (!i || resident(mem[i]->addr + (i + 1) * PAGE)),
			   "a page of region %zu is missing", i);
	vt_ok(ibv_advise_mr(pd, WRITE, 0, sge, ARRAY_SIZE(sge)));
	for (size_t i = 0; i < ARRAY_SIZE(mem); i++)
		vt_release(mem[i]->mr);		/* a prefetch may still be running */
}

/* --- what it refuses --- */

static void want_errno(int got, int want, const char *what)
{
	vt_require(got == want, "%s: %s, want %s", what, strerror(got), strerror(want));
}

static uint32_t forged_key(const struct vt_mem *mem)
{
	return mem->mr->lkey ^ VT_WRONG_KEY;
}

/*
 * Every bad call, with every advice, with and without the flush flag: errors are found at
 * once.
 */
static void refused(const void *arg)
{
	struct odp_bench b = cold_bench(arg);
	struct rc_end *end = odp_mem_end(&b);
	struct vt_mem *pinned = vt_mem_new(end->pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	struct vt_mem *explicit = vt_mem_at(end->pd, VT_ODP, b.mem->addr, LEN, VT_ACCESS_ALL);
	struct ibv_sge forged = { b.mem->iova, PAGE, forged_key(b.mem) };

	for (int i = 0; i < 6; i++) {
		int advice = i / 2, flags = i % 2 ? FLUSH : 0;

		want_errno(ibv_advise_mr(end->pd, advice, flags, &forged, 1), ENOENT,
			   "a key that there is not");
		want_errno(ibv_advise_mr(end->pd, advice, flags, &forged, 0), EINVAL,
			   "no ranges at all");
		if (!vt_opts.peer)	/* another device has keys of its own */
			want_errno(advise(odp_peer_end(&b), advice, flags, b.mem, 0, PAGE),
				   EPERM, "another PD's region");
		want_errno(advise(end, advice, flags | 1U << 31, b.mem, 0, PAGE), EINVAL,
			   "an unknown flag");
		want_errno(advise(end, advice, flags, explicit, 1, LEN), EFAULT,
			   "a range past the end");
		want_errno(advise(end, advice, flags, explicit, -1UL, 2), EFAULT,
			   "a range from below");
		want_errno(advise(end, advice, flags, b.mem, -b.mem->iova - 1, PAGE), EFAULT,
			   "a range that wraps");
		if (odp_pins(end->dev))
			want_errno(advise(end, advice, flags, pinned, 0, 8), EINVAL,
				   "a region that is pinned");
	}
	want_errno(advise(end, 77, FLUSH, b.mem, 0, PAGE), EOPNOTSUPP, "an unknown advice");
	vt_require(!resident_pages(b.mem->addr, LEN / PAGE), "something refused was prefetched");
}

static void refused_rights(const void *arg)
{
	struct odp_bench b = cold_bench(arg);
	struct rc_end *end = odp_mem_end(&b);
	struct vt_mem *fixed = vt_mem_at(end->pd, b.v.kind, b.mem->addr, LEN,
					 IBV_ACCESS_REMOTE_READ);

	want_errno(advise(end, WRITE, FLUSH, fixed, 0, PAGE), EPERM,
		   "for writing, of a region for reading");
	want_errno(advise(end, WRITE, 0, fixed, 0, PAGE), EPERM,
		   "for writing, of a region for reading");
	vt_ok(advise(end, READ, FLUSH, fixed, 0, PAGE));
	vt_ok(mprotect(b.mem->addr, LEN, PROT_READ));
	want_errno(advise(end, WRITE, FLUSH, b.mem, 0, PAGE), EFAULT,
		   "for writing, of a mapping for reading");
	vt_ok(advise(end, READ, FLUSH, b.mem, 0, LEN));
}

/* One bad range among several: the call prefetches nothing. */
static void partly_invalid(const void *arg)
{
	struct odp_bench b = cold_bench(arg);
	struct ibv_pd *pd = odp_mem_end(&b)->pd;
	struct vt_mem *explicit = vt_mem_at(pd, VT_ODP, b.mem->addr, LEN, VT_ACCESS_ALL);

	for (int bad = 0; bad < 4; bad++) {
		struct ibv_sge sge[4];

		for (int i = 0; i < 4; i++)
			sge[i] = vt_sge(explicit, i * 4 * PAGE, PAGE);
		sge[bad].length = LEN;
		sge[bad].addr += PAGE;
		want_errno(ibv_advise_mr(pd, READ, FLUSH, sge, 4), EFAULT, "a range past the end");
		sge[bad] = vt_sge(explicit, 0, PAGE);
		sge[bad].lkey = forged_key(explicit);
		want_errno(ibv_advise_mr(pd, READ, FLUSH, sge, 4), ENOENT, "a key not there");
	}
	vt_require(!resident_pages(b.mem->addr, LEN / PAGE), "other ranges were prefetched");
}

static void hole(const void *arg)
{
	struct odp_bench b = cold_bench(arg);
	struct rc_end *end = odp_mem_end(&b);

	vt_ok(munmap(b.mem->addr + 8 * PAGE, PAGE));
	want_errno(advise(end, READ, FLUSH, b.mem, 0, LEN), EFAULT, "a hole");
	want_errno(advise(end, WRITE, FLUSH, b.mem, 8 * PAGE + 8, 8), EFAULT, "a hole");
	vt_ok(advise(end, READ, FLUSH, b.mem, 0, 8 * PAGE));
	vt_ok(advise(end, READ, 0, b.mem, 0, LEN));	/* errors of it are not reported */
	vt_ok(advise(end, NO_FAULT, FLUSH, b.mem, 0, LEN));
	odp_map_fixed(b.mem->addr + 8 * PAGE, PAGE);
	vt_ok(advise(end, WRITE, FLUSH, b.mem, 0, LEN));
	odp_check(&b);
}

static void add_tests(void)
{
	odp_test(flushed, "flushed", ODP_ALL_SIDES);
	odp_test(flushed_for_writing, "flushed_for_writing", ODP_ALL_SIDES);
	odp_test(not_flushed, "not_flushed", ODP_RDMA_SIDES);
	odp_test(no_fault, "no_fault", ODP_RDMA_SIDES);
	odp_test(no_fault_writes, "no_fault_writes", ODP_RDMA_SIDES);
	odp_test(private_file, "private_file", ODP_RDMA_SIDES);
	odp_test(many_regions, "many_regions", ODP_RDMA_SIDES);
	odp_test(refused, "refused", ODP_RDMA_SIDES);
	odp_test(refused_rights, "refused_rights", ODP_RDMA_SIDES);
	odp_test(partly_invalid, "partly_invalid", ODP_RDMA_SIDES);
	odp_test(hole, "hole", ODP_RDMA_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
