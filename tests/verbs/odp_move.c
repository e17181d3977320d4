// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory whose pages the kernel moves or merges: KSM, compaction,
 * migration between NUMA nodes and by NUMA balancing, memory that is taken
 * offline.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "odp_bench.h"
#include "odp_system.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define MEMORY		"/sys/devices/system/memory/"
#define LEN_PAGES	(LEN / PAGE)

#define MPOL_BIND	2
#define MPOL_MF_STRICT	1
#define MPOL_MF_MOVE	2

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

/* --- KSM --- */

static void ksm_start(void)
{
	/*
	 * smart_scan skips pages that did not merge before; later tests reuse their
	 * addresses.
	 */
	if (!access(KSM "smart_scan", F_OK))
		odp_set(KSM "smart_scan", "0");
	odp_set(KSM "pages_to_scan", "10000");
	odp_set(KSM "sleep_millisecs", "5");
	odp_set(KSM "run", "1");
}

static bool ksm_reaches(const char *file, long value)
{
	for (uint64_t end = vt_now_ms() + vt_patience_ms(); vt_now_ms() < end;) {
		if (odp_read_number(file, 10) >= value)
			return true;
		vt_sleep_ms(5);
	}
	return false;
}

/* Wait until KSM has seen all memory anew: it merges what two scans in turn find unchanged. */
static void ksm_scan(void)
{
	long scans = odp_read_number(KSM "full_scans", 10);

	vt_require(ksm_reaches(KSM "full_scans", scans + 4), "KSM does not scan");
}

static bool ksm_merged(long pages)
{
	return ksm_reaches(KSM "pages_sharing", pages);
}

/* KSM merges pages with the same data; a put into one of them must not change the others. */
static void ksm(const void *arg)
{
	uint8_t *map = vt_map(2 * LEN, 0), *want;
	struct odp_bench b = odp_bench(arg, map, LEN);

	madvise(map, 2 * LEN, MADV_NOHUGEPAGE);
	odp_check(&b);
	memcpy(map + LEN, map, LEN);
	want = odp_copy_of(map, LEN);
	ksm_start();
	if (madvise(map, 2 * LEN, MADV_MERGEABLE))
		vt_skip("MADV_MERGEABLE: %s", strerror(errno));
	vt_require(ksm_merged(LEN_PAGES), "KSM merged nothing");
	odp_check_get(&b);
	vt_require(!memcmp(b.back->addr, want, LEN), "merging changed the data");
	odp_check_at(&b, 0, LEN / 2, map);
	vt_require(!memcmp(map + LEN, want, LEN), "a put into a merged page shows elsewhere");
	vt_require(!memcmp(map + LEN / 2, want + LEN / 2, LEN / 2), "beside the put, data changed");
	odp_check(&b);
	vt_require(!memcmp(map + LEN, want, LEN), "a put into a merged page shows elsewhere");
	vt_ok(madvise(map, 2 * LEN, MADV_UNMERGEABLE));
	odp_check_get(&b);
}

/* Put the same data into all pages, so that KSM keeps merging them. */
static void ksm_under_traffic(const void *arg)
{
	uint8_t *map = vt_map(LEN, 0);
	struct odp_bench b = odp_bench(arg, map, LEN);

	madvise(map, LEN, MADV_NOHUGEPAGE);
	ksm_start();
	if (madvise(map, LEN, MADV_MERGEABLE))
		vt_skip("MADV_MERGEABLE: %s", strerror(errno));
	for (uint8_t i = 1; i <= 10; i++) {
		memset(map, i, LEN);
		ksm_scan();
		vt_require(ksm_merged(LEN_PAGES - 1), "KSM merged nothing");
		odp_check_at(&b, 3 * PAGE, LEN / 2, map + 3 * PAGE);
		for (size_t j = 0; j < 3 * PAGE; j++)
			vt_require(map[j] == i, "a page beside the put changed");
	}
	vt_ok(madvise(map, LEN, MADV_UNMERGEABLE));
}

/* --- compaction and migration --- */

static void disturb_compact(struct odp_disturber *d)
{
	d->err = odp_write_file("/proc/sys/vm/compact_memory", "1");
}

static void traffic_while_compacting(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	struct odp_disturber d = { .disturb = disturb_compact };

	d.err = odp_traffic_while(&b, d);
	if (d.err)
		vt_skip("compact_memory: %s", strerror(d.err));
}

static void need_two_nodes(void)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		vt_skip("the machine has one NUMA node (numa=fake=2 makes two)");
}

/* Move pages between nodes, with move_pages() and by memory policy. */
static void disturb_nodes(struct odp_disturber *d)
{
	unsigned long mask = d->turns & 1 ? 1 : 2;
	int nodes[LEN_PAGES], status[LEN_PAGES];
	void *pages[LEN_PAGES];

	for (size_t i = 0; i < LEN_PAGES; i++) {
		pages[i] = d->addr + i * PAGE;
		nodes[i] = (i + d->turns) & 1;
		status[i] = -1;
	}
	if (syscall(SYS_move_pages, 0, LEN_PAGES, pages, nodes, status, MPOL_MF_MOVE) < 0)
		d->err = errno;
	if (syscall(SYS_mbind, d->addr, d->len, MPOL_BIND, &mask, 8 * sizeof(mask),
		    MPOL_MF_MOVE))
		d->err = errno;
}

static void traffic_while_moving_nodes(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	struct odp_disturber d = {
		.disturb = disturb_nodes, .addr = b.mem->addr, .len = LEN,
	};
	long before = odp_vmstat("pgmigrate_success");

	need_two_nodes();
	madvise(b.mem->addr, LEN, MADV_NOHUGEPAGE);
	d.err = odp_traffic_while(&b, d);
	vt_require(!d.err, "pages could not be moved: %s", strerror(d.err));
	vt_require(odp_vmstat("pgmigrate_success") > before, "no page was moved");
}

/*
 * A second thread touches the pages: the balancer does not scan the local pages of a
 * single-threaded process.
 */
static void disturb_touch(struct odp_disturber *d)
{
	for (size_t i = 0; i < d->len; i += PAGE)
		__atomic_load_n(&d->addr[i], __ATOMIC_RELAXED);
}

/* The NUMA balancer unmaps pages to see which node uses them, and moves them. */
static void traffic_while_balancing(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	struct odp_disturber d = {
		.disturb = disturb_touch, .addr = b.mem->addr, .len = LEN,
	};
	long before = odp_vmstat("numa_pte_updates");
	struct odp_disturbing *run;
	uint64_t end = vt_now_ms() + vt_patience_ms() / 3;

	need_two_nodes();
	odp_write_file("/sys/kernel/debug/sched/numa_balancing/scan_delay_ms", "10");
	odp_write_file("/sys/kernel/debug/sched/numa_balancing/scan_period_min_ms", "10");
	odp_set("/proc/sys/kernel/numa_balancing", "1");
	run = odp_disturb_start(&b, d);
	while (odp_vmstat("numa_pte_updates") < before + (long)LEN_PAGES && vt_now_ms() < end)
		odp_check(&b);
	odp_disturb_stop(run);
	vt_require(odp_vmstat("numa_pte_updates") > before, "nothing was balanced");
}

/* --- memory that goes offline --- */

/* The memory block of a page; -1 if it cannot be found out. */
static long block_of(const void *addr, unsigned long block_size)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = pread(fd, &entry, sizeof(entry), (uintptr_t)addr / PAGE * sizeof(entry));
	close(fd);
	entry &= (1ULL << 55) - 1;
	return n == sizeof(entry) && entry ? (long)(entry * PAGE / block_size) : -1;
}

static int set_block(long block, const char *state)
{
	char path[128];

	snprintf(path, sizeof(path), MEMORY "memory%ld/state", block);
	return odp_write_file(path, state);
}

static void disturb_block(struct odp_disturber *d)
{
	if (d->turns) {
		vt_sleep_ms(1);
		return;
	}
	d->err = set_block(d->fd, "offline");
	if (!d->err)
		vt_ok(set_block(d->fd, "online"));
}

/* The memory block that holds the pages goes offline while traffic runs. */
static void memory_offline(const void *arg)
{
	unsigned long block_size = odp_read_number(MEMORY "block_size_bytes", 16);
	size_t len = 384 * MIB;		/* enough to fill whole blocks */
	uint8_t *map = odp_map_aligned(len, 2 * MIB);
	struct odp_disturber d = { .disturb = disturb_block, .err = EBUSY };
	long block, before = -1;

	odp_need(((const struct odp_variant *)arg)->kind);
	if (block_size == -1UL)
		vt_skip("this kernel takes no memory offline");
	madvise(map, len, MADV_HUGEPAGE);
	if (madvise(map, len, MADV_POPULATE_WRITE))
		vt_skip("MADV_POPULATE_WRITE: %s", strerror(errno));
	for (size_t off = 0; off < len && d.err; off += 8 * MIB) {
		struct odp_bench b;

		block = block_of(map + off, block_size);
		if (block < 0 || block == before)
			continue;
		before = d.fd = block;
		b = odp_bench(arg, map + off, LEN);
		d.err = odp_traffic_while(&b, d);
		if (!d.err)
			vt_require(block_of(map + off, block_size) >= 0, "the page is gone");
	}
	if (d.err)
		vt_skip("no block can go offline: %s", strerror(d.err));
}

static void add_tests(void)
{
	odp_test(ksm, "ksm", ODP_ALL_SIDES);
	odp_test(ksm_under_traffic, "ksm_under_traffic", ODP_RDMA_SIDES);
	odp_test(traffic_while_compacting, "traffic_while_compacting", ODP_RDMA_SIDES);
	odp_test(traffic_while_moving_nodes, "traffic_while_moving_nodes", ODP_ALL_SIDES);
	odp_test(traffic_while_balancing, "traffic_while_balancing", ODP_RDMA_SIDES);
	odp_test(memory_offline, "memory_offline", ODP_RDMA_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
