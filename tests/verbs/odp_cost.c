// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What on-demand memory costs: each test measures two things side by side, prints
 * them and their ratio, and fails when the ratio is out of bounds. The bounds are
 * those of Documentation/mirror.md, widened by NOPIN_SLACK percent on
 * machines that are busy.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rc.h"

#define PAGE	4096UL
#define ROUNDS	400

static double slack(void)
{
	const char *percent = getenv("NOPIN_SLACK");

	return 1 + (percent ? atof(percent) : 0) / 100;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double q)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[(size_t)((n - 1) * q)];
}

static double median(double *v, size_t n)
{
	return quantile(v, n, 0.5);
}

static struct rc_pair *odp_pair(enum rc_kind kind)
{
	rc_need_kind(rc_dev(0), kind, 0x1f);
	rc_need_kind(rc_dev(1), kind, 0x1f);
	return rc_pair();
}

/* --- registration --- */

static double register_ns(struct ibv_pd *pd, void *addr, size_t len)
{
	uint64_t start = rc_now_ns(), took;
	struct ibv_mr *mr = ibv_reg_mr(pd, addr, len, RC_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);

	took = rc_now_ns() - start;
	rc_require(mr, "reg_mr of %zu bytes: %s", len, strerror(errno));
	rc_ok(ibv_dereg_mr(mr));
	return took;
}

/* Whatever the length, the same time. */
static void registration(const void *arg)
{
	size_t most_len = 1024 * GIB;
	uint8_t *addr = rc_map_large(&most_len);
	const struct {
		const char *name;
		size_t len;
	} sizes[] = {
		{ "4 KiB", PAGE }, { "1 GiB", GIB }, { "1 TiB, or as much as fits", most_len },
		{ "address space", SIZE_MAX },
	};
	static double took[ARRAY_SIZE(sizes)][ROUNDS];
	struct rc_pair *pair = odp_pair(RC_IMPLICIT);
	double least = 1e9, most = 0;

	(void)arg;
	for (size_t i = 0; i < ROUNDS; i++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
			took[s][i] = register_ns(pair->a.pd,
						 sizes[s].len == SIZE_MAX ? NULL : addr,
						 sizes[s].len);
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		double ns = median(took[s], ROUNDS);

		rc_note("registration of %s: %.0f ns", sizes[s].name, ns);
		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
	}
	rc_note("registration, slowest / fastest: %.2f (at most 1.2)", most / least);
	rc_require(most / least <= 1.2 * slack(), "depends on the length");
}

/* --- a cold access --- */

/* EINVAL: the kernel has no others. */
static void small_pages(void *addr, size_t len)
{
	if (madvise(addr, len, MADV_NOHUGEPAGE) && errno != EINVAL)
		rc_require(false, "MADV_NOHUGEPAGE: %s", strerror(errno));
}

static double write_ns(struct rc_pair *pair, const struct rc_mem *src,
		       const struct rc_mem *dst, size_t off)
{
	uint64_t start = rc_now_ns();

	rc_do(&pair->a, IBV_WR_RDMA_WRITE, src, 0, dst, off, 64, IBV_WC_SUCCESS);
	return rc_now_ns() - start;
}

static double touch_ns(volatile uint8_t *page)
{
	uint64_t start = rc_now_ns();

	*page = 1;
	return rc_now_ns() - start;
}

/* The NIC's first access to a page, beside the CPU's own. */
static void cold_access(const void *arg)
{
	enum rc_kind kind = *(const enum rc_kind *)arg;
	static double cold[ROUNDS * 4], warm[ROUNDS * 4], touch[ROUNDS * 4];
	size_t n = ARRAY_SIZE(cold), len = n * PAGE;
	struct rc_pair *pair = odp_pair(kind);
	uint8_t *nic = rc_map(len, 0), *cpu = rc_map(len, 0);
	struct rc_mem *src = rc_mem_new(pair->a.pd, RC_PINNED, PAGE, RC_ACCESS_ALL);
	struct rc_mem *dst = rc_mem_at(pair->b.pd, kind, nic, len, RC_ACCESS_ALL);
	double typical, ratio;

	small_pages(nic, len);
	small_pages(cpu, len);
	rc_fill(src->addr, 64);
	for (size_t i = 0; i < n; i++) {
		touch[i] = touch_ns(cpu + i * PAGE);
		cold[i] = write_ns(pair, src, dst, i * PAGE);
		warm[i] = write_ns(pair, src, dst, i * PAGE);
		rc_require(!memcmp(nic + i * PAGE, src->addr, 64), "data differ");
	}
	typical = median(cold, n);
	rc_note("first touch by the CPU %.0f ns; WRITE of 64 bytes: cold %.0f ns, warm %.0f ns",
		median(touch, n), typical, median(warm, n));
	ratio = (typical - median(warm, n)) / median(touch, n);
	rc_note("cold access, (cold - warm) / first touch: %.2f (at most 1.25)", ratio);
	rc_note("cold access, p99 / median: %.2f (at most 5)", quantile(cold, n, 0.99) / typical);
	rc_require(ratio <= 1.25 * slack(), "a cold access costs too much");
	rc_require(quantile(cold, n, 0.99) / typical <= 5 * slack(), "p99 is too high");
}

/* --- warm: pinned and on demand --- */

struct warm {
	const char *name;
	size_t len;
	unsigned int batch;
};

static double batch_ns(struct rc_pair *pair, const struct rc_mem *src,
		       const struct rc_mem *dst, const struct warm *w)
{
	uint64_t start;
	struct rc_wr wr;

	rc_wr_init(&wr, IBV_WR_RDMA_WRITE, 0);
	rc_wr_local(&wr, src, 0, w->len);
	rc_wr_remote(&wr, dst, 0);
	start = rc_now_ns();
	for (unsigned int i = 0; i < w->batch; i++)
		rc_ok(rc_post(&pair->a, &wr));
	for (unsigned int i = 0; i < w->batch; i++)
		rc_want(pair->a.scq, 0, IBV_WC_SUCCESS);
	return rc_now_ns() - start;
}

static void warm_access(const void *arg)
{
	const struct warm *w = arg;
	static double took[RC_KINDS][ROUNDS];
	struct rc_mem *src[RC_KINDS], *dst[RC_KINDS];
	struct rc_pair *pair = odp_pair(RC_IMPLICIT);

	for (enum rc_kind k = 0; k < RC_KINDS; k++) {
		src[k] = rc_mem_new(pair->a.pd, k, w->len, RC_ACCESS_ALL);
		dst[k] = rc_mem_new(pair->b.pd, k, w->len, RC_ACCESS_ALL);
		rc_fill(src[k]->addr, w->len);
		batch_ns(pair, src[k], dst[k], w);
	}
	for (size_t i = 0; i < ROUNDS; i++)
		for (enum rc_kind k = 0; k < RC_KINDS; k++)
			took[k][i] = batch_ns(pair, src[k], dst[k], w);
	for (enum rc_kind k = RC_ODP; k < RC_KINDS; k++) {
		double ratio = median(took[k], ROUNDS) / median(took[RC_PINNED], ROUNDS);

		rc_note("%s, %s / pinned: %.3f (at most 1.02), pinned %.0f ns each", w->name,
			rc_kind_name[k], ratio, median(took[RC_PINNED], ROUNDS) / w->batch);
		rc_require(ratio <= 1.02 * slack(), "on-demand memory is slower");
	}
}

/* --- table memory --- */

#define CGROUP	"/sys/fs/cgroup/nopin-cost"

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		rc_skip("%s: %s", path, strerror(errno));
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
		rc_skip("%s: %s", CGROUP, strerror(errno));
	put(CGROUP "/cgroup.procs", "0");
	rc_defer(leave_cgroup, CGROUP);
}

/* Bytes of kernel objects charged to us; page tables are not among them. */
static double slab_bytes(void)
{
	FILE *f = fopen(CGROUP "/memory.stat", "r");
	double bytes = -1;
	char line[128];

	rc_require(f, "memory.stat: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "slab %lf", &bytes) == 1)
			break;
	fclose(f);
	rc_require(bytes >= 0, "memory.stat has no slab line");
	return bytes;
}

/* The counters are brought up to date now and then. */
static double settled_bytes(void)
{
	double now = slab_bytes(), before;

	do {
		before = now;
		rc_sleep_ms(2500);
		now = slab_bytes();
	} while (now < before);
	return now;
}

static void read_pages(struct rc_pair *pair, struct rc_mem *mem, struct rc_mem *to,
		       size_t step, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		rc_do(&pair->a, IBV_WR_RDMA_READ, to, 0, mem, i * step * PAGE, 8,
		      IBV_WC_SUCCESS);
}

/* A byte of each page is touched, by the CPU first, so that its tables are there. */
static void table_memory(const void *arg)
{
	size_t pages = 16384, len = pages * PAGE;
	struct rc_pair *pair = odp_pair(RC_IMPLICIT);
	uint8_t *map = rc_map(len, 0);
	struct rc_mem *to = rc_mem_new(pair->a.pd, RC_PINNED, 8, RC_ACCESS_ALL);
	double start, untouched, full, after;
	struct rc_mem *mem;

	(void)arg;
	small_pages(map, len);
	memset(map, 1, len);
	enter_cgroup();
	start = settled_bytes();
	mem = rc_mem_at(pair->b.pd, RC_IMPLICIT, map, len, RC_ACCESS_ALL);
	untouched = settled_bytes() - start;
	read_pages(pair, mem, to, 1, pages);
	full = settled_bytes() - start;
	rc_ok(munmap(map, len));
	after = settled_bytes() - start;
	rc_require(mmap(map, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == map, "mmap: %s",
		   strerror(errno));
	rc_note("an untouched implicit region: %.0f bytes (below 1 MiB)", untouched);
	rc_note("table memory: %.2f bytes a touched page (at most 12)",
		(full - untouched) / pages);
	rc_note("of %.0f bytes are left after munmap: %.0f (at most 10 %%)", full, after);
	rc_require(full > untouched, "the memory is not charged to the process");
	rc_require(untouched < MIB, "an untouched region takes memory");
	rc_require((full - untouched) / pages <= 12, "the tables take too much");
	rc_require(after <= 0.1 * full, "the tables stay");
}

/* --- invalidations beside --- */

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
		rc_ok(madvise(mine, share, MADV_DONTNEED));
		__atomic_fetch_add(&storm->calls, 1, __ATOMIC_RELAXED);
		usleep(20000);
	}
	return NULL;
}

static double storm_rate(struct rc_pair *pair, struct rc_mem *src, struct rc_mem *dst,
			 uint8_t *addr, size_t len)
{
	static const struct warm w = { .len = 16 * KIB, .batch = 16 };
	struct storm storm = { .addr = addr, .len = len };
	pthread_t thread[THREADS];
	uint64_t end;
	double rounds = 0;

	for (int i = 0; i < THREADS; i++)
		rc_ok(pthread_create(&thread[i], NULL, storm_run, &storm));
	end = rc_now_ms() + 1000;
	for (; rc_now_ms() < end; rounds++)
		batch_ns(pair, src, dst, &w);
	__atomic_store_n(&storm.stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; i++)
		rc_ok(pthread_join(thread[i], NULL));
	return rounds;
}

/*
 * 64 threads take away one half of a region, traffic runs on the other half. The
 * undisturbed rate is that beside the same threads busy with memory of no region.
 */
static void invalidation_storm(const void *arg)
{
	size_t len = 8 * MIB;
	struct rc_pair *pair = odp_pair(RC_ODP);
	uint8_t *region = rc_map(2 * len, 0), *other = rc_map(len, 0);
	struct rc_mem *src = rc_mem_new(pair->a.pd, RC_ODP, 16 * KIB, RC_ACCESS_ALL);
	struct rc_mem *dst = rc_mem_at(pair->b.pd, RC_ODP, region, 2 * len, RC_ACCESS_ALL);
	double alone[5], beside[5], ratio;

	(void)arg;
	for (int i = 0; i < 5; i++) {
		alone[i] = storm_rate(pair, src, dst, other, len);
		beside[i] = storm_rate(pair, src, dst, region + len, len);
	}
	ratio = median(beside, 5) / median(alone, 5);
	rc_note("traffic beside invalidations / undisturbed: %.2f (at least 0.8)", ratio);
	rc_require(ratio >= 0.8 / slack(), "invalidations disturb");
}

static void add_tests(void)
{
	static const enum rc_kind kinds[] = { RC_ODP, RC_IMPLICIT };
	static const struct warm warms[] = {
		{ "latency of 8 bytes", 8, 1 },
		{ "rate of 64 bytes", 64, 32 },
		{ "bandwidth of 64 KiB", 64 * KIB, 16 },
	};

	RC_TEST(registration);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		rc_test(cold_access, &kinds[k], "cold_access_%s", rc_kind_name[kinds[k]]);
	for (size_t i = 0; i < ARRAY_SIZE(warms); i++)
		rc_test(warm_access, &warms[i], "warm_%s", warms[i].name);
	RC_TEST(table_memory);
	RC_TEST(invalidation_storm);
}

int main(int argc, char **argv)
{
	return rc_main(argc, argv, add_tests);
}
