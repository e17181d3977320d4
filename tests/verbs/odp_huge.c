// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory in huge pages: transparent huge pages that are split and collapsed under
 * traffic, and hugetlbfs pages of 2 MiB with and without IBV_ACCESS_HUGETLB.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odp_bench.h"
#include "odp_system.h"

#define HUGE		(2 * MIB)
#define HUGE_FOLDER	"/sys/kernel/mm/hugepages/hugepages-2048kB/"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/*
 * To save time the tests transfer only some pages of each huge page: near the ends and
 * where the tests change mappings.
 */
static const size_t places[] = { 0, 4 * PAGE, 98 * PAGE, MIB - 2 * PAGE, HUGE - 4 * PAGE };

static void check_places(struct odp_bench *b)
{
	for (size_t off = 0; off < b->mem->len; off += HUGE)
		for (size_t i = 0; i < ARRAY_SIZE(places); i++)
			odp_check_at(b, off + places[i], 4 * PAGE,
				     b->mem->addr + off + places[i]);
}

static void get_places(struct odp_bench *b)
{
	for (size_t off = 0; off < b->mem->len; off += HUGE)
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			odp_get(b, off + places[i], 4 * PAGE);
			vt_require(!memcmp(b->back->addr, b->mem->addr + off + places[i],
					   4 * PAGE), "the NIC does not read what the CPU sees");
		}
}

/* --- transparent --- */

static uint8_t *map_transparent(size_t len)
{
	uint8_t *map = odp_map_aligned(len, HUGE);

	if (madvise(map, len, MADV_HUGEPAGE))
		vt_skip("MADV_HUGEPAGE: %s", strerror(errno));
	return map;
}

/* The process's memory in transparent huge pages, in KiB. */
static long anon_huge(void)
{
	return odp_read_field("/proc/self/smaps_rollup", "AnonHugePages");
}

static void split_and_collapsed(const void *arg)
{
	struct odp_bench b = odp_bench(arg, map_transparent(2 * HUGE), 2 * HUGE);
	uint8_t *huge = b.mem->addr, *want;

	check_places(&b);
	vt_ok(madvise(huge + 5 * PAGE, 3 * PAGE, MADV_DONTNEED));	/* split */
	odp_check_zeros(&b, 5 * PAGE, 3 * PAGE);
	get_places(&b);
	check_places(&b);
	vt_ok(mprotect(huge + 100 * PAGE, PAGE, PROT_READ));
	get_places(&b);
	odp_put_fails(&b, 99 * PAGE, 2 * PAGE);
	vt_ok(mprotect(huge + 100 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	odp_reconnect(&b);
	check_places(&b);
	want = odp_copy_of(huge, 2 * HUGE);
	if (madvise(huge, 2 * HUGE, MADV_COLLAPSE))
		vt_note("no collapse: %s", strerror(errno));
	get_places(&b);
	vt_require(!memcmp(huge, want, 2 * HUGE), "collapsing lost data");
	check_places(&b);
	odp_map_fixed(huge + MIB, MIB);
	odp_check_zeros(&b, MIB, 8 * PAGE);
	check_places(&b);
}

/* The NIC's first access allocates a huge page, as the CPU's does. */
static void first_touch_is_huge(const void *arg)
{
	uint8_t *other = map_transparent(HUGE);
	struct odp_bench b = odp_bench(arg, map_transparent(HUGE), HUGE);
	long before = anon_huge();

	other[0] = 1;
	if (before < 0 || anon_huge() < before + 2048)
		vt_skip("the CPU gets no huge page either");
	before = anon_huge();
	odp_put(&b, HUGE / 2, 8);
	vt_require(anon_huge() >= before + 2048, "the NIC got a small page");
	check_places(&b);
}

/* Huge pages shared with a child are split or copied before they are written. */
static void shared_with_child(struct odp_bench *b)
{
	uint8_t *want;
	int go[2], status;
	char byte;
	pid_t pid;

	check_places(b);
	want = odp_copy_of(b->mem->addr, b->mem->len);
	vt_ok(pipe(go));
	pid = vt_fork();
	if (!pid)
		_exit(read(go[0], &byte, 1) != 1 || memcmp(b->mem->addr, want, b->mem->len));
	get_places(b);
	check_places(b);
	vt_require(write(go[1], "", 1) == 1, "pipe: %s", strerror(errno));
	status = vt_wait_child(pid, vt_patience_ms());
	vt_require(!status, "the put reached the child's huge page");
	check_places(b);
	close(go[0]);
	close(go[1]);
}

static void fork_and_write(const void *arg)
{
	struct odp_bench b = odp_bench(arg, map_transparent(HUGE), HUGE);

	shared_with_child(&b);
}

static void disturb_huge(struct odp_disturber *d)
{
	madvise(d->addr, d->len, MADV_COLLAPSE);
	vt_ok(mprotect(d->addr + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	vt_ok(mprotect(d->addr + PAGE, PAGE, PROT_READ | PROT_WRITE));
	madvise(d->addr, d->len, MADV_PAGEOUT);		/* splits the huge page if it can */
}

static void traffic_while_splitting(const void *arg)
{
	uint8_t *map = map_transparent(HUGE);
	struct odp_bench b = odp_bench(arg, map, LEN);
	struct odp_disturber d = { .disturb = disturb_huge, .addr = map, .len = HUGE };

	odp_traffic_while(&b, d);
}

/* --- hugetlbfs --- */

static uint8_t *map_hugetlb(size_t pages, size_t pool)
{
	char text[32];
	uint8_t *map;

	snprintf(text, sizeof(text), "%zu", pool);
	odp_set(HUGE_FOLDER "nr_hugepages", text);
	if (odp_read_number(HUGE_FOLDER "free_hugepages", 10) < (long)pool)
		vt_skip("fewer than %zu huge pages are to be had", pool);
	map = odp_map_aligned(pages * HUGE, HUGE);
	vt_require(mmap(map, pages * HUGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE |
			MAP_FIXED, -1, 0) == map, "mmap: %s", strerror(errno));
	return map;
}

static void hugetlb_run(const void *arg, int flags)
{
	struct odp_bench b = odp_bench_access(arg, map_hugetlb(2, 6), 2 * HUGE,
					      VT_ACCESS_ALL | flags);
	uint8_t *map = b.mem->addr;

	odp_check_zeros(&b, HUGE - PAGE, 2 * PAGE);
	check_places(&b);
	odp_check_at(&b, HUGE - 5, 10, map + HUGE - 5);
	vt_ok(madvise(map, HUGE, MADV_DONTNEED));
	odp_check_zeros(&b, HUGE / 2, 4 * PAGE);
	check_places(&b);
	vt_ok(mprotect(map, HUGE, PROT_READ));
	get_places(&b);
	odp_put_fails(&b, HUGE - 8, 16);
	vt_ok(mprotect(map, HUGE, PROT_READ | PROT_WRITE));
	odp_reconnect(&b);
	check_places(&b);
	vt_ok(munmap(map + HUGE, HUGE));
	odp_get_fails(&b, HUGE - PAGE, 2 * PAGE);
	odp_reconnect(&b);
	odp_map_fixed(map + HUGE, HUGE);	/* small pages beside the huge one */
	check_places(&b);
}

static void hugetlb(const void *arg)
{
	hugetlb_run(arg, 0);
}

static void hugetlb_flag(const void *arg)
{
	hugetlb_run(arg, IBV_ACCESS_HUGETLB);
}

static void hugetlb_fork(const void *arg)
{
	struct odp_bench b = odp_bench(arg, map_hugetlb(1, 4), HUGE);

	shared_with_child(&b);
}

/* Without a free huge page an access fails; when there is one again it works. */
static void hugetlb_none_left(const void *arg)
{
	struct odp_bench b = odp_bench(arg, map_hugetlb(2, 1), 2 * HUGE);

	odp_check_at(&b, 0, PAGE, b.mem->addr);
	odp_put_fails(&b, HUGE, PAGE);
	vt_ok(odp_write_file(HUGE_FOLDER "nr_hugepages", "2"));
	if (odp_read_number(HUGE_FOLDER "nr_hugepages", 10) < 2)
		vt_skip("no second huge page is to be had");
	odp_reconnect(&b);
	check_places(&b);
}

static void add_tests(void)
{
	odp_test(split_and_collapsed, "split_and_collapsed", ODP_ALL_SIDES);
	odp_test(first_touch_is_huge, "first_touch_is_huge", ODP_ALL_SIDES);
	odp_test(fork_and_write, "fork_and_write", ODP_RDMA_SIDES);
	odp_test(traffic_while_splitting, "traffic_while_splitting", ODP_RDMA_SIDES);
	odp_test(hugetlb, "hugetlb", ODP_ALL_SIDES);
	odp_test(hugetlb_flag, "hugetlb_flag", ODP_RDMA_SIDES);
	odp_test(hugetlb_fork, "hugetlb_fork", ODP_RDMA_SIDES);
	odp_test(hugetlb_none_left, "hugetlb_none_left", ODP_ALL_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
