// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Pages in the NIC's own memory: moving them there and back, what the NIC and the CPU see
 * in them, and other memory management of them. Debian's kernels do not support such
 * memory; the debug kernel does.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migrate.h"
#include "odp_system.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

bool nic_counts(const struct vt_dev *dev, const char *name, long long want)
{
	for (uint64_t end = vt_now_ms() + vt_patience_ms(); vt_now_ms() < end;)
		if (vt_counter(dev, name) == want)
			return true;
	vt_note("%s is %lld, not %lld", name, vt_counter(dev, name), want);
	return false;
}

struct nic nic_of(const void *variant, size_t memory)
{
	struct nic nic = { .b = odp_bench(variant, nic_small_pages(LEN), LEN) };

	nic.end = odp_mem_end(&nic.b);
	nic.mem = nic.b.mem->addr;
	nic_set_memory(nic.end->dev, memory);
	return nic;
}

int nic_move_some(struct nic *nic, void *addr, size_t len, bool to_device)
{
	return nopindv_migrate(nic->end->pd, addr, len, to_device);
}

void nic_move(struct nic *nic, bool to_device)
{
	vt_ok(nic_move_some(nic, nic->mem, LEN, to_device));
	vt_require(nic_away(nic->mem, LEN) == (to_device ? PAGES : 0), "%zu pages are away",
		   nic_away(nic->mem, LEN));
}

static void still_there(struct nic *nic)
{
	vt_require(nic_away(nic->mem, LEN) == PAGES, "only %zu of %lu pages are in the NIC",
		   nic_away(nic->mem, LEN), PAGES);
}

/* --- there and back --- */

static void there_and_back(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	uint8_t *want;

	for (int i = 0; i < 4; i++) {
		odp_check(&nic.b);
		want = odp_copy_of(nic.mem, LEN);
		nic_move(&nic, true);
		odp_get(&nic.b, 0, LEN);
		vt_require(!memcmp(nic.b.back->addr, want, LEN), "the NIC read other data");
		still_there(&nic);
		odp_put(&nic.b, PAGE + 100, LEN - 2 * PAGE);
		still_there(&nic);
		odp_get(&nic.b, PAGE + 100, LEN - 2 * PAGE);
		vt_require(!memcmp(nic.b.back->addr, nic.b.src->addr, LEN - 2 * PAGE),
			   "the NIC does not read what it wrote");
		still_there(&nic);
		if (i & 1)
			nic_move(&nic, false);
		vt_require(!memcmp(nic.mem, want, PAGE + 100), "beside the put, data changed");
		vt_require(!memcmp(nic.mem + PAGE + 100, nic.b.src->addr, LEN - 2 * PAGE),
			   "the CPU does not see what the NIC wrote");
		vt_require(!nic_away(nic.mem, LEN), "a touch has not brought all back");
	}
}

/* Memory that was never touched reads as zeros in the NIC's memory, too. */
static void never_touched(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);

	nic_move(&nic, false);
	nic_move(&nic, true);
	odp_check_zeros(&nic.b, 0, LEN);
	still_there(&nic);
	vt_ok(madvise(nic.mem, LEN / 2, MADV_DONTNEED));
	nic_move(&nic, false);
	odp_check(&nic.b);
}

/*
 * Check the counters that `rdma statistic` shows of the region; not with --peer, as the
 * device may be in another namespace.
 */
static void of_the_region(size_t faults, size_t resident)
{
	if (vt_opts.peer)
		return;
	vt_require(odp_run("rdma statistic show mr | tr -s '[:space:]' ' ' | grep -q 'migrations_in %lu migrations_out %zu migration_faults %zu memory_bytes %zu'",
			   PAGES, faults, faults, resident), "the region has counted otherwise");
}

static void what_is_counted(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	const struct vt_dev *dev = nic.end->dev;
	long long in = vt_counter(dev, "migrations_in");
	long long out = vt_counter(dev, "migrations_out");
	long long faults = vt_counter(dev, "migration_faults");

	odp_check(&nic.b);
	nic_move(&nic, true);
	vt_require(nic_counts(dev, "migrations_in", in + (long long)PAGES), "in");
	vt_require(nic_counts(dev, "memory_bytes", LEN), "bytes");
	for (size_t i = 0; i < 3; i++)
		nic.mem[i * 5 * PAGE]++;
	vt_require(nic_counts(dev, "migration_faults", faults + 3), "faults");
	vt_require(nic_counts(dev, "memory_bytes", LEN - 3 * PAGE), "bytes");
	of_the_region(3, LEN - 3 * PAGE);
	nic_move(&nic, false);
	vt_require(nic_counts(dev, "migrations_out", out + (long long)PAGES), "out");
	vt_require(nic_counts(dev, "migration_faults", faults + 3), "faults");
	vt_require(nic_counts(dev, "memory_bytes", 0), "bytes");
}

/*
 * The device's memory is removed while pages are in it: the pages move back, with their
 * data.
 */
static void the_memory_goes(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	uint8_t *want;

	odp_check(&nic.b);
	want = odp_copy_of(nic.mem, LEN);
	nic_move(&nic, true);
	vt_ok(nic_try_memory(nic.end->dev, MEMORY)); /* it is as large already */
	vt_require(nic_away(nic.mem, LEN) == PAGES, "pages are back");
	vt_ok(nic_try_memory(nic.end->dev, 0));
	vt_require(!nic_away(nic.mem, LEN), "pages are away");
	vt_require(!memcmp(nic.mem, want, LEN), "data differ");
	vt_require(nic_move_some(&nic, nic.mem, LEN, true) == EOPNOTSUPP, "there is no memory");
	odp_check(&nic.b);
}

/* --- what else happens to memory --- */

#define TOUCHERS	8

struct touchers {
	pthread_barrier_t barrier;
	const volatile uint8_t *page;
	uint8_t want;
};

static void *toucher_run(void *arg)
{
	struct touchers *t = arg;

	pthread_barrier_wait(&t->barrier);
	return (void *)(uintptr_t)(*t->page == t->want);
}

/* Several threads touch a page at the same time: it comes back, to all of them. */
static void touched_by_many(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	pthread_t threads[TOUCHERS];
	void *right;

	for (unsigned int round = 0; round < 20 * vt_opts.rounds; round++) {
		struct touchers t = { .page = nic.mem, .want = round };

		nic.mem[0] = round;
		vt_ok(nic_move_some(&nic, nic.mem, PAGE, true));
		vt_ok(pthread_barrier_init(&t.barrier, NULL, TOUCHERS));
		for (int i = 0; i < TOUCHERS; i++)
			vt_ok(pthread_create(&threads[i], NULL, toucher_run, &t));
		for (int i = 0; i < TOUCHERS; i++) {
			vt_ok(pthread_join(threads[i], &right));
			vt_require(right, "thread %d read another byte", i);
		}
		vt_require(!nic_away(nic.mem, PAGE), "the page is away");
		pthread_barrier_destroy(&t.barrier);
	}
	odp_check(&nic.b);
}

/*
 * Pages that are locked, and unlocked by munmap(): a CPU may keep them for a while, and the
 * device's memory can still go.
 */
static void unlocked(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	uint8_t *mem = nic_small_pages(16 * PAGE);

	memset(mem, 1, 16 * PAGE);
	vt_ok(nic_move_some(&nic, mem, 16 * PAGE, true));
	vt_ok(mlock2(mem, 16 * PAGE, MLOCK_ONFAULT));
	vt_ok(munmap(mem, 16 * PAGE));
	vt_ok(nic_try_memory(nic.end->dev, 0));
	odp_check(&nic.b);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Signals that kill nobody do not keep pages from moving, in a process new to the device. */
static void signalled(const void *arg)
{
	struct itimerval often = { .it_interval.tv_usec = 500, .it_value.tv_usec = 500 };
	const size_t len = 2 * MIB;
	int pid;

	(void)arg;
	nic_set_memory(vt_dev(0), MEMORY);
	pid = vt_fork();
	if (!pid) {
		struct vt_dev mine;
		uint8_t *mem;

		vt_dev_open(&mine, vt_opts.device);
		mem = nic_small_pages(len);
		memset(mem, 1, len);
		signal(SIGALRM, on_alarm);
		setitimer(ITIMER_REAL, &often, NULL);
		_exit(!!nopindv_migrate(ibv_alloc_pd(mine.ctx), mem, len, true));
	}
	vt_require(!vt_wait_child(pid, vt_patience_ms()), "the child's pages did not move");
}

static void child_writes(uint8_t *mem, const uint8_t *want, bool *right)
{
	*right = !memcmp(mem, want, LEN);
	memset(mem, 0xcc, LEN);
	for (size_t i = 0; i < LEN; i++)
		*right = *right && mem[i] == 0xcc;
}

/* Neither parent nor child sees what the other's CPU or NIC writes after the fork. */
static void forked(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	uint8_t *want;
	int pid;

	odp_check(&nic.b);
	want = odp_copy_of(nic.mem, LEN);
	nic_move(&nic, true);
	pid = vt_fork();
	if (!pid) {
		bool right;

		child_writes(nic.mem, want, &right);
		_exit(!right);
	}
	odp_get(&nic.b, 0, LEN);
	vt_require(!memcmp(nic.b.back->addr, want, LEN), "the NIC sees the child's writes");
	odp_check(&nic.b);
	vt_require(!vt_wait_child(pid, vt_patience_ms()), "the child saw other data");
	odp_check_get(&nic.b);
}

/* The NIC writes while a child shares the pages; then the child must read the old data. */
static void forked_and_put(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	uint8_t *want;
	int go[2], pid;
	char byte;

	odp_check(&nic.b);
	want = odp_copy_of(nic.mem, LEN);
	nic_move(&nic, true);
	vt_ok(pipe(go));
	pid = vt_fork();
	if (!pid)
		_exit(read(go[0], &byte, 1) != 1 || memcmp(nic.mem, want, LEN));
	odp_check(&nic.b);
	vt_require(write(go[1], "", 1) == 1, "pipe");
	vt_require(!vt_wait_child(pid, vt_patience_ms()), "the child sees the NIC's writes");
	close(go[0]);
	close(go[1]);
}

static void unmapped(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);

	for (int i = 0; i < 3; i++) {
		odp_check(&nic.b);
		nic_move(&nic, true);
		odp_get(&nic.b, 0, LEN);
		if (i == 0)
			vt_ok(madvise(nic.mem, LEN, MADV_DONTNEED));
		else
			odp_map_fixed(nic.mem, LEN);
		madvise(nic.mem, LEN, MADV_NOHUGEPAGE);
		vt_require(nic_counts(nic.end->dev, "memory_bytes", 0), "pages are left");
		odp_check_zeros(&nic.b, 0, LEN);
	}
}

/* Pages that mremap() moves to another address stay in the NIC's memory. */
static void remapped(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	uint8_t *other = nic_small_pages(LEN), *want;

	odp_check(&nic.b);
	want = odp_copy_of(nic.mem, LEN);
	nic_move(&nic, true);
	odp_get(&nic.b, 0, LEN);
	vt_require(mremap(nic.mem, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other,
		   "mremap: %s", strerror(errno));
	odp_map_fixed(nic.mem, LEN);
	madvise(nic.mem, LEN, MADV_NOHUGEPAGE);
	odp_check_zeros(&nic.b, 0, LEN);
	vt_require(nic_away(other, LEN) == PAGES, "%zu pages are away", nic_away(other, LEN));
	vt_require(!memcmp(other, want, LEN), "data differ");
	odp_check(&nic.b);
}

static void protected(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	uint8_t *want;

	odp_check(&nic.b);
	want = odp_copy_of(nic.mem, LEN);
	nic_move(&nic, true);
	vt_ok(mprotect(nic.mem, LEN, PROT_READ));
	odp_get(&nic.b, 0, LEN);
	vt_require(!memcmp(nic.b.back->addr, want, LEN), "the NIC read other data");
	still_there(&nic);
	odp_put_fails(&nic.b, 0, 64);
	vt_ok(mprotect(nic.mem, LEN, PROT_READ | PROT_WRITE));
	odp_reconnect(&nic.b);
	odp_check(&nic.b);
}

/* The kernel neither swaps out nor frees pages in the NIC's memory. */
static void swapped(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	uint8_t *want;

	odp_swap_on(16);
	odp_check(&nic.b);
	want = odp_copy_of(nic.mem, LEN);
	nic_move(&nic, true);
	madvise(nic.mem, LEN, MADV_PAGEOUT);
	odp_get(&nic.b, 0, LEN);
	vt_require(!memcmp(nic.b.back->addr, want, LEN), "the NIC read other data");
	vt_require(nic_counts(nic.end->dev, "memory_bytes", LEN), "pages have left");
	odp_check(&nic.b);

	/*
	 * Pages in swap are read in before they move. A page that has a copy in swap must
	 * lose it.
	 */
	want = odp_copy_of(nic.mem, LEN);
	madvise(nic.mem, LEN, MADV_PAGEOUT);
	for (size_t i = 0; i < LEN; i += 2 * PAGE)
		vt_require(nic.mem[i] == want[i], "data differ");
	vt_ok(madvise(nic.mem, LEN, MADV_WILLNEED));
	for (size_t i = 0; i < LEN; i += PAGE)
		vt_require(nic.mem[i] == want[i], "data differ");
	vt_ok(nic_move_some(&nic, nic.mem, LEN, true));
	odp_put(&nic.b, 0, LEN);
	vt_ok(nic_move_some(&nic, nic.mem, LEN, false));
	madvise(nic.mem, LEN, MADV_PAGEOUT);
	vt_require(!memcmp(nic.mem, nic.b.src->addr, LEN), "what the NIC wrote is lost");
}

/* Moving splits a huge page. */
static void huge(const void *arg)
{
	uint8_t *mem = odp_map_aligned(2 * MIB, 2 * MIB), *want;
	struct nic nic = { .b = odp_bench(arg, mem, 2 * MIB) };

	nic.end = odp_mem_end(&nic.b);
	nic.mem = mem;
	nic_set_memory(nic.end->dev, MEMORY);
	madvise(mem, 2 * MIB, MADV_HUGEPAGE);
	odp_check(&nic.b);
	want = odp_copy_of(mem, 2 * MIB);
	vt_ok(nic_move_some(&nic, mem, 2 * MIB, true));
	vt_require(nic_away(mem, 2 * MIB) == 512, "%zu pages are away", nic_away(mem, 2 * MIB));
	odp_get(&nic.b, 0, 2 * MIB);
	vt_require(!memcmp(nic.b.back->addr, want, 2 * MIB), "the NIC read other data");
	vt_require(nic_away(mem, 2 * MIB) == 512, "%zu pages are away", nic_away(mem, 2 * MIB));
	odp_check(&nic.b);
}

static void add_tests(void)
{
	odp_test(there_and_back, "there_and_back", ODP_ALL_SIDES);
	odp_test(never_touched, "never_touched", 1U << ODP_REMOTE);
	odp_test(what_is_counted, "what_is_counted", 1U << ODP_REMOTE);
	odp_test(the_memory_goes, "the_memory_goes", 1U << ODP_LOCAL);
	odp_test(forked, "forked", ODP_RDMA_SIDES);
	odp_test(forked_and_put, "forked_and_put", ODP_RDMA_SIDES);
	odp_test(unmapped, "unmapped", 1U << ODP_REMOTE);
	odp_test(remapped, "remapped", 1U << ODP_REMOTE);
	odp_test(protected, "protected", 1U << ODP_REMOTE);
	odp_test(swapped, "swapped", 1U << ODP_REMOTE);
	odp_test(huge, "huge", 1U << ODP_LOCAL);
	odp_test(touched_by_many, "touched_by_many", 1U << ODP_REMOTE);
	odp_test(unlocked, "unlocked", 1U << ODP_REMOTE);
	VT_TEST(signalled);
	migrate_limits_add();
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
