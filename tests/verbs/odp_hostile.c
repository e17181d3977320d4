// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What one program's use of on-demand memory costs others: the time of kernel workers,
 * invalidations of pages under many regions, and the device's limits. Also memory that the
 * program itself may not write.
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "greedy.h"
#include "odp_bench.h"
#include "odp_system.h"

/* A syscall of Linux 6.6: it maps a shadow stack, which ordinary stores cannot write. */
#ifndef __NR_map_shadow_stack
#define __NR_map_shadow_stack	453
#endif

static struct ibv_pd *new_pd(struct vt_dev *dev)
{
	struct ibv_pd *pd = ibv_alloc_pd(dev->ctx);

	vt_require(pd, "alloc_pd: %s", strerror(errno));
	vt_defer(vt_free_pd, pd);
	return pd;
}

static void dereg(void *mr)
{
	ibv_dereg_mr(mr);
}

static struct ibv_mr *reg(struct ibv_pd *pd, void *addr, size_t len)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, addr, len,
				       IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE);

	vt_require(mr, "reg_mr: %s", strerror(errno));
	vt_defer(dereg, mr);
	return mr;
}

/* --- the time of kernel threads --- */

/* The workers of the kernel: children of kthreadd, and their CPU time in ticks. */
struct workers {
	size_t num;
	struct worker {
		int pid;
		uint64_t ticks;
	} worker[4096];
};

static bool worker_parse(struct worker *worker, const char *line)
{
	const char *end = strrchr(line, ')');
	unsigned long user, system;
	int parent;

	if (!end || !strstr(line, "(kworker") || sscanf(line, "%d", &worker->pid) != 1 ||
	    sscanf(end, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
		   &parent, &user, &system) != 3)
		return false;
	worker->ticks = user + system;
	return parent == 2;
}

static void workers_look(struct workers *workers)
{
	FILE *list = popen("cat /proc/[0-9]*/stat 2>/dev/null", "r");
	char line[1024];

	vt_require(list, "cannot list processes");
	workers->num = 0;
	while (fgets(line, sizeof(line), list) && workers->num < ARRAY_SIZE(workers->worker))
		workers->num += worker_parse(&workers->worker[workers->num], line);
	pclose(list);
}

static uint64_t worker_ticks(const struct workers *workers, int pid)
{
	for (size_t i = 0; i < workers->num; i++)
		if (workers->worker[i].pid == pid)
			return workers->worker[i].ticks;
	return 0;
}

/*
 * The share of one CPU, in percent, that workers take in the next @ms milliseconds. Workers
 * that have been idle end, and others begin.
 */
static unsigned int workers_take(unsigned int ms)
{
	static struct workers before, after;
	uint64_t start = vt_now_ms(), ticks = 0, had;

	workers_look(&before);
	vt_sleep_ms(ms);
	workers_look(&after);
	for (size_t i = 0; i < after.num; i++) {
		had = worker_ticks(&before, after.worker[i].pid);
		if (after.worker[i].ticks > had)
			ticks += after.worker[i].ticks - had;
	}
	return ticks * 1000 / sysconf(_SC_CLK_TCK) * 100 / (vt_now_ms() - start);
}

static double cpu_seconds(void)
{
	struct rusage use;

	vt_ok(getrusage(RUSAGE_SELF, &use));
	return use.ru_utime.tv_sec + use.ru_stime.tv_sec +
	       (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* Advice about memory that is not mapped: a call names 16 TiB and must return at once. */
static void advice_about_holes(const void *arg)
{
	struct ibv_pd *pd = new_pd(vt_dev(0));
	void *hole = mmap(NULL, UINT32_MAX, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct ibv_sge sge[4000];
	double spent;
	unsigned int share;
	struct ibv_mr *mr;

	(void)arg;
	odp_need(VT_IMPLICIT);
	vt_require(hole != MAP_FAILED, "no room for a hole: %s", strerror(errno));
	vt_ok(munmap(hole, UINT32_MAX));
	mr = reg(pd, NULL, SIZE_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(sge); i++)
		sge[i] = (struct ibv_sge){ (uintptr_t)hole, UINT32_MAX, mr->lkey };
	spent = cpu_seconds();
	for (int i = 0; i < 64; i++)
		vt_ok(ibv_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT, 0, sge,
				    ARRAY_SIZE(sge)));
	spent = cpu_seconds() - spent;
	share = workers_take(2000);
	vt_note("64 calls: %.2f s of the caller's, then %u %% of a CPU for workers", spent,
		share);
	vt_require(share < 25, "workers take %u %% of a CPU", share);
}

/* Endless advice about memory that is present: the workers must not take a whole CPU. */
static void advice_about_much(const void *arg)
{
	const size_t len = 64 * MIB;
	struct ibv_pd *pd = new_pd(vt_dev(0));
	uint8_t *mem = vt_map(len, 0);
	struct ibv_sge sge[1000];
	unsigned int share;
	struct ibv_mr *mr;
	pid_t pid;

	(void)arg;
	odp_need(VT_ODP);
	madvise(mem, len, MADV_NOHUGEPAGE);
	memset(mem, 1, len);
	mr = reg(pd, mem, len);
	for (size_t i = 0; i < ARRAY_SIZE(sge); i++)
		sge[i] = (struct ibv_sge){ (uintptr_t)mem, len, mr->lkey };
	for (int i = 0; i < 8; i++)
		vt_ok(ibv_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH, 0, sge,
				    ARRAY_SIZE(sge)));
	/* More calls than may be queued: the caller must do the work itself. */
	pid = vt_fork();
	if (!pid) {
		for (;;)
			ibv_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH, 0, sge,
				      ARRAY_SIZE(sge));
	}
	share = workers_take(3000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	vt_note("workers take %u %% of a CPU", share);
	vt_require(share < 100, "workers take %u %% of a CPU", share);
	vt_release(mr);
	vt_sleep_ms(200);
	share = workers_take(1000);
	vt_require(share < 25, "with the region gone workers take %u %% of a CPU", share);
}

/*
 * Advice skips pages that a userfaultfd handler would have to fill: it raises no fault and
 * does not wait.
 */
static void advice_asks_no_program(const void *arg)
{
	struct ibv_pd *pd = new_pd(vt_dev(0));
	uint8_t *mem = vt_map(LEN, 0);
	struct pollfd fd = { .events = POLLIN };
	struct ibv_sge sge;

	(void)arg;
	odp_need(VT_ODP);
	fd.fd = odp_uffd(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	sge = (struct ibv_sge){ (uintptr_t)mem, LEN, reg(pd, mem, LEN)->lkey };
	for (int i = 0; i < 100; i++)
		vt_ok(ibv_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0, &sge, 1));
	vt_require(!poll(&fd, 1, 300), "the program was asked for a page");
	close(fd.fd);
}

/* --- what many regions cost --- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median time, in microseconds, to drop a page that the mirror has. */
static double taking_a_page(struct ibv_pd *pd, uint8_t *mem, uint32_t lkey)
{
	struct ibv_sge sge = { (uintptr_t)mem, 256 * PAGE, lkey };
	double us[256];

	memset(mem, 1, 256 * PAGE);
	vt_ok(ibv_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			    IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	for (size_t i = 0; i < ARRAY_SIZE(us); i++) {
		uint64_t t = vt_now_ns();

		madvise(mem + i * PAGE, PAGE, MADV_DONTNEED);
		us[i] = (vt_now_ns() - t) / 1e3;
	}
	qsort(us, ARRAY_SIZE(us), sizeof(*us), compare);
	return us[ARRAY_SIZE(us) / 2];
}

static void many_regions_over_a_page(const void *arg)
{
	struct ibv_pd *pd = new_pd(vt_dev(0));
	uint8_t *mem = vt_map(256 * PAGE, 0);
	double one = 1e9, many = 1e9;
	size_t mark;

	(void)arg;
	odp_need(VT_ODP);
	madvise(mem, 256 * PAGE, MADV_NOHUGEPAGE);
	/* Take the fastest of several turns, to leave out other load of the machine. */
	/* At least 3 turns; more where other load has made the latter look slow. */
	for (int turn = 0; turn < 3 || (turn < 12 && many >= 1.5 * one); turn++) {
		double us;
		struct ibv_mr *mr;

		mark = vt_mark();
		mr = reg(pd, mem, 256 * PAGE);
		us = taking_a_page(pd, mem, mr->lkey);
		one = us < one ? us : one;
		for (int i = 1; i < 4096; i++)
			reg(pd, mem + i % 7 * PAGE, (249 - i % 5) * PAGE);
		us = taking_a_page(pd, mem, mr->lkey);
		many = us < many ? us : many;
		vt_release_to(mark);
	}
	vt_note("taking a page: %.1f us with 1 region, %.1f us with 4096", one, many);
	vt_require(many < 1.5 * one, "%.1f us with 1 region, %.1f us with 4096", one, many);
}

/* --- what is left of the device --- */

/* Open the device as user @uid; returns how many PDs it can allocate. */
static unsigned int all_pds(unsigned int uid)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	const char *name = ibv_get_device_name(vt_dev(0)->ctx->device);
	struct ibv_context *ctx = NULL;
	unsigned int n = 0;

	vt_require(list, "no devices");
	greedy_become(uid);
	for (int i = 0; list[i] && !ctx; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			ctx = ibv_open_device(list[i]);
	vt_require(ctx, "user %u cannot open %s", uid, name);
	while (ibv_alloc_pd(ctx))
		n++;
	return n;
}

static void one_user_takes_all(const void *arg)
{
	unsigned int max = vt_dev(0)->attr.orig_attr.max_pd;
	unsigned int first = 0, second = 0;
	pid_t pids[2];

	(void)arg;
	if (!vt_is_nopin(vt_dev(0)))
		vt_skip("the limits are nopin's");
	pids[0] = greedy_fork(NOBODY, all_pds, &first);
	pids[1] = greedy_fork(SOMEBODY, all_pds, &second);
	vt_note("of %u PDs one user got %u, then another %u", max, first, second);
	for (int i = 0; i < 2; i++)
		greedy_end(pids[i]);
	vt_require(first <= max && first > max * 9 / 10, "the first user got %u", first);
	vt_require(second > max / 4, "the second user got %u", second);
}

/* --- memory that the program itself may not write --- */

static void shadow_stack(const void *arg)
{
	long at = syscall(__NR_map_shadow_stack, 0, LEN, 0);
	struct odp_bench b;

	if (at == -1)
		vt_skip("no shadow stacks here: %s", strerror(errno));
	b = odp_bench(arg, (void *)at, LEN);
	odp_check_zeros(&b, 0, 8);
	odp_put_fails(&b, 0, 8);
	munmap((void *)at, LEN);
}

static void add_tests(void)
{
	VT_TEST(advice_about_holes);
	VT_TEST(advice_about_much);
	VT_TEST(advice_asks_no_program);
	VT_TEST(many_regions_over_a_page);
	VT_TEST(one_user_takes_all);
	odp_test(shadow_stack, "shadow_stack", ODP_RDMA_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
