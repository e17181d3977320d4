// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The costs of on-demand memory. Each test measures two things side by side, prints them
 * and their ratio, and fails when the ratio is out of bounds. The bounds are those of
 * Documentation/mirror.md; NOPIN_SLACK widens them by so many percent, for busy machines.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cost.h"
#include "rc.h"

#define PAGE	4096UL
#define ROUNDS	400

static struct rc_pair *odp_pair(enum vt_kind kind)
{
	vt_need_kind(vt_dev(0), kind, 0x1f);
	vt_need_kind(vt_dev(1), kind, 0x1f);
	return rc_pair();
}

/* --- registration --- */

static double register_ns(struct ibv_pd *pd, void *addr, size_t len)
{
	uint64_t start = vt_now_ns(), took;
	struct ibv_mr *mr = ibv_reg_mr(pd, addr, len, VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);

	took = vt_now_ns() - start;
	vt_require(mr, "reg_mr of %zu bytes: %s", len, strerror(errno));
	vt_ok(ibv_dereg_mr(mr));
	return took;
}

/* Registration takes the same time for every length. */
static void registration(const void *arg)
{
	size_t most_len = 1024 * GIB;
	uint8_t *addr = vt_map_large(&most_len);
	const struct {
		const char *name;
		size_t len;
	} sizes[] = {
		{ "4 KiB", PAGE }, { "1 GiB", GIB }, { "1 TiB, or as much as fits", most_len },
		{ "address space", SIZE_MAX },
	};
	static double took[ARRAY_SIZE(sizes)][ROUNDS];
	struct rc_pair *pair = odp_pair(VT_IMPLICIT);
	double least = 1e9, most = 0;

	(void)arg;
	for (size_t i = 0; i < ROUNDS; i++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
			took[s][i] = register_ns(pair->a.pd,
						 sizes[s].len == SIZE_MAX ? NULL : addr,
						 sizes[s].len);
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		double ns = cost_median(took[s], ROUNDS);

		vt_note("registration of %s: %.0f ns", sizes[s].name, ns);
		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
	}
	vt_note("registration, slowest / fastest: %.2f (at most 1.2)", most / least);
	vt_require(most / least <= 1.2 * cost_slack(), "depends on the length");
}

/* --- a cold access --- */

/* EINVAL: the kernel has no huge pages. */
static void small_pages(void *addr, size_t len)
{
	if (madvise(addr, len, MADV_NOHUGEPAGE) && errno != EINVAL)
		vt_require(false, "MADV_NOHUGEPAGE: %s", strerror(errno));
}

static double write_ns(struct rc_pair *pair, const struct vt_mem *src,
		       const struct vt_mem *dst, size_t off)
{
	uint64_t start = vt_now_ns();

	rc_do(&pair->a, IBV_WR_RDMA_WRITE, src, 0, dst, off, 64, IBV_WC_SUCCESS);
	return vt_now_ns() - start;
}

static double touch_ns(volatile uint8_t *page)
{
	uint64_t start = vt_now_ns();

	*page = 1;
	return vt_now_ns() - start;
}

/* Compares the NIC's first access to a page with the CPU's. */
static void cold_access(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;
	static double cold[ROUNDS * 4], warm[ROUNDS * 4], touch[ROUNDS * 4];
	size_t n = ARRAY_SIZE(cold), len = n * PAGE;
	struct rc_pair *pair = odp_pair(kind);
	uint8_t *nic = vt_map(len, 0), *cpu = vt_map(len, 0);
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_at(pair->b.pd, kind, nic, len, VT_ACCESS_ALL);
	double typical, ratio;

	small_pages(nic, len);
	small_pages(cpu, len);
	vt_fill(src->addr, 64);
	for (size_t i = 0; i < n; i++) {
		touch[i] = touch_ns(cpu + i * PAGE);
		cold[i] = write_ns(pair, src, dst, i * PAGE);
		warm[i] = write_ns(pair, src, dst, i * PAGE);
		vt_require(!memcmp(nic + i * PAGE, src->addr, 64), "data differ");
	}
	typical = cost_median(cold, n);
	vt_note("first touch by the CPU %.0f ns; WRITE of 64 bytes: cold %.0f ns, warm %.0f ns",
		cost_median(touch, n), typical, cost_median(warm, n));
	ratio = (typical - cost_median(warm, n)) / cost_median(touch, n);
	vt_note("cold access, (cold - warm) / first touch: %.2f (at most 1.25)", ratio);
	vt_note("cold access, p99 / median: %.2f (at most 5)", cost_quantile(cold, n, 0.99) / typical);
	vt_require(ratio <= 1.25 * cost_slack(), "a cold access costs too much");
	vt_require(cost_quantile(cold, n, 0.99) / typical <= 5 * cost_slack(), "p99 is too high");
}

/* --- warm: pinned and on demand --- */

struct warm {
	const char *name;
	size_t len;
	unsigned int batch;
};

static double batch_ns(struct rc_pair *pair, const struct vt_mem *src,
		       const struct vt_mem *dst, const struct warm *w)
{
	uint64_t start;
	struct vt_wr wr;

	vt_wr_init(&wr, IBV_WR_RDMA_WRITE, 0);
	vt_wr_local(&wr, src, 0, w->len);
	vt_wr_remote(&wr, dst, 0);
	start = vt_now_ns();
	for (unsigned int i = 0; i < w->batch; i++)
		vt_ok(rc_post(&pair->a, &wr));
	for (unsigned int i = 0; i < w->batch; i++)
		vt_want(pair->a.scq, 0, IBV_WC_SUCCESS);
	return vt_now_ns() - start;
}

static void warm_access(const void *arg)
{
	const struct warm *w = arg;
	static double took[VT_KINDS][ROUNDS];
	struct vt_mem *src[VT_KINDS], *dst[VT_KINDS];
	struct rc_pair *pair = odp_pair(VT_IMPLICIT);

	for (enum vt_kind k = 0; k < VT_KINDS; k++) {
		src[k] = vt_mem_new(pair->a.pd, k, w->len, VT_ACCESS_ALL);
		dst[k] = vt_mem_new(pair->b.pd, k, w->len, VT_ACCESS_ALL);
		vt_fill(src[k]->addr, w->len);
		batch_ns(pair, src[k], dst[k], w);
	}
	for (size_t i = 0; i < ROUNDS; i++)
		for (enum vt_kind k = 0; k < VT_KINDS; k++)
			took[k][i] = batch_ns(pair, src[k], dst[k], w);
	for (enum vt_kind k = VT_ODP; k < VT_KINDS; k++) {
		double ratio = cost_median(took[k], ROUNDS) / cost_median(took[VT_PINNED], ROUNDS);

		vt_note("%s, %s / pinned: %.3f (at most 1.02), pinned %.0f ns each", w->name,
			vt_kind_name[k], ratio, cost_median(took[VT_PINNED], ROUNDS) / w->batch);
		vt_require(ratio <= 1.02 * cost_slack(), "on-demand memory is slower");
	}
}

/* --- table memory --- */

#define CGROUP	"/sys/fs/cgroup/nopin-cost"

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		vt_skip("%s: %s", path, strerror(errno));
	close(fd);
}

static void leave_cgroup(void *dir)
{
	put("/sys/fs/cgroup/cgroup.procs", "0");
	rmdir(dir);
}

static void enter_cgroup(void)
{
	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		vt_skip("%s: %s", CGROUP, strerror(errno));
	put(CGROUP "/cgroup.procs", "0");
	vt_defer(leave_cgroup, CGROUP);
}

/* Bytes of slab objects charged to the cgroup; they do not include page tables. */
static double slab_bytes(void)
{
	FILE *f = fopen(CGROUP "/memory.stat", "r");
	double bytes = -1;
	char line[128];

	vt_require(f, "memory.stat: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "slab %lf", &bytes) == 1)
			break;
	fclose(f);
	vt_require(bytes >= 0, "memory.stat has no slab line");
	return bytes;
}

/* The kernel updates these counters only now and then: wait until they stop falling. */
static double settled_bytes(void)
{
	double now = slab_bytes(), before;

	do {
		before = now;
		vt_sleep_ms(2500);
		now = slab_bytes();
	} while (now < before);
	return now;
}

static void read_pages(struct rc_pair *pair, struct vt_mem *mem, struct vt_mem *to,
		       size_t step, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		rc_do(&pair->a, IBV_WR_RDMA_READ, to, 0, mem, i * step * PAGE, 8,
		      IBV_WC_SUCCESS);
}

/*
 * The NIC accesses a byte of each page. The CPU touches the pages first, to make its page
 * tables.
 */
static void table_memory(const void *arg)
{
	size_t pages = 16384, len = pages * PAGE;
	struct rc_pair *pair = odp_pair(VT_IMPLICIT);
	uint8_t *map = vt_map(len, 0);
	struct vt_mem *to = vt_mem_new(pair->a.pd, VT_PINNED, 8, VT_ACCESS_ALL);
	double start, untouched, full, after;
	struct vt_mem *mem;

	(void)arg;
	small_pages(map, len);
	memset(map, 1, len);
	enter_cgroup();
	start = settled_bytes();
	mem = vt_mem_at(pair->b.pd, VT_IMPLICIT, map, len, VT_ACCESS_ALL);
	untouched = settled_bytes() - start;
	read_pages(pair, mem, to, 1, pages);
	full = settled_bytes() - start;
	vt_ok(munmap(map, len));
	after = settled_bytes() - start;
	vt_require(mmap(map, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == map, "mmap: %s",
		   strerror(errno));
	vt_note("an untouched implicit region: %.0f bytes (below 1 MiB)", untouched);
	vt_note("table memory: %.2f bytes a touched page (at most 12)",
		(full - untouched) / pages);
	vt_note("of %.0f bytes are left after munmap: %.0f (at most 10 %%)", full, after);
	vt_require(full > untouched, "the memory is not charged to the process");
	vt_require(untouched < MIB, "an untouched region takes memory");
	vt_require((full - untouched) / pages <= 12, "the tables take too much");
	vt_require(after <= 0.1 * full, "the tables stay");
}

/* --- invalidations beside traffic --- */

#define THREADS	64

struct storm {
	uint8_t *addr;
	size_t len;
	bool stop;
	unsigned long calls;
};

static void *storm_run(void *arg)
{
	struct storm *storm = arg;
	static unsigned int next;
	size_t share = storm->len / THREADS;
	uint8_t *mine = storm->addr + share * (__atomic_fetch_add(&next, 1, 0) % THREADS);

	while (!__atomic_load_n(&storm->stop, __ATOMIC_ACQUIRE)) {
		mine[0] = 1;
		vt_ok(madvise(mine, share, MADV_DONTNEED));
		__atomic_fetch_add(&storm->calls, 1, __ATOMIC_RELAXED);
		usleep(20000);
	}
	return NULL;
}

static double storm_rate(struct rc_pair *pair, struct vt_mem *src, struct vt_mem *dst,
			 uint8_t *addr, size_t len)
{
	static const struct warm w = { .len = 16 * KIB, .batch = 16 };
	struct storm storm = { .addr = addr, .len = len };
	pthread_t thread[THREADS];
	uint64_t end;
	double rounds = 0;

	for (int i = 0; i < THREADS; i++)
		vt_ok(pthread_create(&thread[i], NULL, storm_run, &storm));
	end = vt_now_ms() + 1000;
	for (; vt_now_ms() < end; rounds++)
		batch_ns(pair, src, dst, &w);
	__atomic_store_n(&storm.stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; i++)
		vt_ok(pthread_join(thread[i], NULL));
	return rounds;
}

/*
 * 64 threads drop pages of one half of a region while traffic runs on the other half. For
 * comparison the same threads drop pages of unregistered memory.
 */
static void invalidation_storm(const void *arg)
{
	size_t len = 8 * MIB;
	struct rc_pair *pair = odp_pair(VT_ODP);
	uint8_t *region = vt_map(2 * len, 0), *other = vt_map(len, 0);
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_ODP, 16 * KIB, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_at(pair->b.pd, VT_ODP, region, 2 * len, VT_ACCESS_ALL);
	double alone[5], beside[5], ratio;

	(void)arg;
	for (int i = 0; i < 5; i++) {
		alone[i] = storm_rate(pair, src, dst, other, len);
		beside[i] = storm_rate(pair, src, dst, region + len, len);
	}
	ratio = cost_median(beside, 5) / cost_median(alone, 5);
	vt_note("traffic beside invalidations / undisturbed: %.2f (at least 0.8)", ratio);
	vt_require(ratio >= 0.8 / cost_slack(), "invalidations disturb");
}

static void add_tests(void)
{
	static const enum vt_kind kinds[] = { VT_ODP, VT_IMPLICIT };
	static const struct warm warms[] = {
		{ "latency of 8 bytes", 8, 1 },
		{ "rate of 64 bytes", 64, 32 },
		{ "bandwidth of 64 KiB", 64 * KIB, 16 },
	};

	VT_TEST(registration);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		vt_test(cold_access, &kinds[k], "cold_access_%s", vt_kind_name[kinds[k]]);
	for (size_t i = 0; i < ARRAY_SIZE(warms); i++)
		vt_test(warm_access, &warms[i], "warm_%s", warms[i].name);
	VT_TEST(table_memory);
	VT_TEST(invalidation_storm);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
