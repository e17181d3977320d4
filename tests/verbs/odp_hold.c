// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Leaves a process behind that holds a userfaultfd for a minute and resolves no fault,
 * while the device waits for one of its pages: for a peer's WRITE, for a READ of this
 * program, and for advice. Nothing may wait for that process: neither the end of regions
 * and QPs here, nor unloading the module, which the caller tries.
 */
#include <linux/close_range.h>
#include <linux/userfaultfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "odp_bench.h"
#include "odp_system.h"

#define HOLD_SECONDS	"60"

/* Become another program, which keeps nothing of this one but the userfaultfd. */
static void hold(int uffd)
{
	int fd = dup(uffd);

	/* close the caller's pipes, too: the caller must not wait for this process */
	syscall(SYS_close_range, 0, fd - 1, 0);
	syscall(SYS_close_range, fd + 1, ~0U, 0);
	setsid();
	execlp("sleep", "sleep", HOLD_SECONDS, (char *)NULL);
	_exit(1);
}

static void held(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0);
	int uffd = odp_uffd(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	struct odp_bench b = odp_bench(arg, mem, LEN);
	struct ibv_sge sge = vt_sge(b.mem, 0, LEN);
	pid_t pid;

	odp_put_start(&b, 0, LEN);
	odp_uffd_wait(uffd);
	ibv_advise_mr(odp_mem_end(&b)->pd, IBV_ADVISE_MR_ADVICE_PREFETCH, 0, &sge, 1);
	pid = fork();
	vt_require(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		hold(uffd);
	close(uffd);
}

static void add_tests(void)
{
	odp_test(held, "held", ODP_RDMA_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
