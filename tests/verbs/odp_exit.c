// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Teardown during faults: the process that owns the memory is killed, runs out of memory or
 * exits, or a region or a QP is destroyed. Teardown must not wait for the page, the peer
 * gets an error completion, and never accesses the memory of another process.
 */
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp_bench.h"
#include "odp_system.h"

#define BIG	(96 * MIB)
#define SMALL	(24 * MIB)

static const struct rc_attr quick = {
	.type = IBV_QPT_RC, .mtu = 1024, .wr = 64, .sge = 4, .inline_len = 64,
	.timeout = 14, .retry_cnt = 3, .rnr_retry = 7, .min_rnr_timer = 1, .rd_atomic = 4,
	.access = VT_ACCESS_ALL,
};

/* --- a process that owns the memory --- */

/* What the owner and its peer send each other to connect. */
struct card {
	struct rc_addr qp;
	uint64_t iova;
	uint32_t rkey;
	int uffd;
};

/**
 * struct owner - a child process that has one end and the memory under test
 * @v: how the memory is reached
 * @pid: the child
 * @sock: socket between parent and child
 * @end: this process's end: the peer's in the parent, the owner's in the child
 * @mem: this process's memory
 * @card: the card of the other process
 */
struct owner {
	struct odp_variant v;
	pid_t pid;
	int sock;
	struct rc_end end;
	struct vt_mem *mem;
	struct card card;
};

typedef void (*life_fn)(struct owner *o);

static void swap_cards(struct owner *o, const struct card *mine)
{
	vt_require(write(o->sock, mine, sizeof(*mine)) == sizeof(*mine) &&
		   recv(o->sock, &o->card, sizeof(o->card), MSG_WAITALL) == sizeof(o->card),
		   "the other process is gone");
}

/*
 * Open this process's end, exchange cards, connect. @uffd: register a userfaultfd for the
 * memory.
 */
static void meet(struct owner *o, int which, uint8_t *mem, size_t len, bool uffd)
{
	struct card mine;

	rc_end_open(&o->end, vt_dev(which), NULL, &quick);
	o->mem = vt_mem_at(o->end.pd, o->v.kind, mem, len, VT_ACCESS_ALL);
	mine = (struct card){
		.qp = rc_end_addr(&o->end), .iova = o->mem->iova,
		.rkey = o->mem->mr->rkey, .uffd = -1,
	};
	if (uffd)
		mine.uffd = odp_uffd(mem, len, UFFDIO_REGISTER_MODE_MISSING);
	swap_cards(o, &mine);
	rc_connect(&o->end, &quick, &o->card.qp);
	swap_cards(o, &mine);		/* both are ready */
}

/* Fork the owner; the parent becomes its peer, with memory of the same size. */
static struct owner owner_start(const void *variant, size_t len, bool uffd, life_fn life,
				const char *cgroup)
{
	struct owner o = { .v = *(const struct odp_variant *)variant };
	int local = o.v.side == ODP_LOCAL, fds[2];

	odp_need(o.v.kind);
	vt_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	o.pid = vt_fork();
	o.sock = fds[!o.pid];
	close(fds[!!o.pid]);
	if (!o.pid) {
		if (cgroup)
			odp_cgroup_enter(cgroup);
		meet(&o, !local, vt_map(len, MAP_NORESERVE), len, uffd);
		life(&o);
		_exit(EXIT_SUCCESS);
	}
	meet(&o, local, vt_map(len, MAP_NORESERVE), len, false);
	return o;
}

/* Post a request for @len bytes at @off: by the parent for ODP_REMOTE, else by the owner. */
static void post_at(struct owner *o, enum ibv_wr_opcode op, size_t off, size_t len)
{
	struct ibv_mr there_mr = { .rkey = o->card.rkey };
	struct vt_mem there = { .iova = o->card.iova, .mr = &there_mr };
	struct vt_wr wr;

	vt_wr_init(&wr, op, off);
	vt_wr_local(&wr, o->mem, off, len);
	vt_wr_remote(&wr, &there, off);
	vt_ok(rc_post(&o->end, &wr));
}

static void stay(struct owner *o)
{
	(void)o;
	for (;;)
		pause();
}

static bool reaped(pid_t pid, int *status, unsigned int ms)
{
	uint64_t end = vt_now_ms() + ms;

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (vt_now_ms() > end)
			return false;
		vt_sleep_ms(5);
	}
	return true;
}

/* Requests in flight may still succeed; later ones must soon fail. */
static void end_in_error(struct owner *o)
{
	uint64_t end = vt_now_ms() + vt_patience_ms();

	while (vt_poll(o->end.scq).status == IBV_WC_SUCCESS) {
		vt_require(vt_now_ms() < end, "WRITEs to a dead process go on succeeding");
		post_at(o, IBV_WR_RDMA_WRITE, 0, LEN);
	}
}

/* --- killed --- */

static void post_and_stay(struct owner *o)
{
	if (o->v.side == ODP_LOCAL)
		post_at(o, IBV_WR_RDMA_WRITE, 0, LEN);
	stay(o);
}

/*
 * No program resolves the fault, but the owner can still be killed. The fault keeps the
 * owner's memory, and so its rings and QP, until it ends; then the peer gets an error.
 */
static void killed_in_fault(const void *arg)
{
	struct owner o = owner_start(arg, LEN, true, post_and_stay, NULL);
	int pidfd = syscall(SYS_pidfd_open, o.pid, 0), status;
	int uffd = syscall(SYS_pidfd_getfd, pidfd, o.card.uffd, 0);

	vt_require(pidfd >= 0 && uffd >= 0, "pidfd_getfd: %s", strerror(errno));
	if (o.v.side == ODP_REMOTE)
		post_at(&o, IBV_WR_RDMA_WRITE, 0, LEN);
	odp_uffd_wait(uffd);
	kill(o.pid, SIGKILL);
	if (!reaped(o.pid, &status, vt_patience_ms() / 4)) {
		close(uffd);
		waitpid(o.pid, &status, 0);
		vt_fail("the killed process waited for the fault");
	}
	close(uffd);
	if (o.v.side == ODP_REMOTE)
		end_in_error(&o);
	close(pidfd);
	close(o.sock);
	rc_works(rc_pair());
}

static void fill_and_stay(struct owner *o)
{
	struct ibv_wc wc;

	for (size_t off = 0; o->v.side == ODP_LOCAL && off < BIG; off += MIB) {
		post_at(o, IBV_WR_RDMA_READ, off, MIB);
		wc = vt_poll(o->end.scq);
		vt_require(wc.status == IBV_WC_SUCCESS, "READ: %s",
			   ibv_wc_status_str(wc.status));
	}
	stay(o);
}

/* The NIC's faults exceed the memory limit of the process: the OOM killer kills it. */
static void out_of_memory(const void *arg)
{
	const char *cgroup = odp_cgroup(SMALL);
	struct owner o = owner_start(arg, BIG, false, fill_and_stay, cgroup);
	struct ibv_wc wc = { .status = IBV_WC_SUCCESS };
	char events[256];
	int status;

	for (size_t off = 0; o.v.side == ODP_REMOTE && off < BIG && !wc.status; off += MIB) {
		post_at(&o, IBV_WR_RDMA_WRITE, off, MIB);
		wc = vt_poll(o.end.scq);
	}
	if (!reaped(o.pid, &status, vt_patience_ms())) {
		kill(o.pid, SIGKILL);
		waitpid(o.pid, &status, 0);
		vt_fail("%lu MiB were written into %lu MiB and nobody was killed",
			BIG / MIB, SMALL / MIB);
	}
	vt_require(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		   "the owner ended with %#x", status);
	snprintf(events, sizeof(events), "%s/memory.events", cgroup);
	vt_require(odp_read_field(events, "oom_kill") > 0, "it was not the OOM killer");
	vt_require(o.v.side == ODP_LOCAL || wc.status, "all WRITEs succeeded");
	close(o.sock);
	rc_works(rc_pair());
}

/* --- exits --- */

#define QUEUED	32

static void post_and_exit(struct owner *o)
{
	for (int i = 0; o->v.side == ODP_LOCAL && i < QUEUED; i++)
		post_at(o, i & 1 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, i * 64 * KIB, 3 * PAGE);
	vt_sleep_ms(vt_below(4));
}

static void exit_with_faults_queued(const void *arg)
{
	for (unsigned int round = 0; round < 3 * vt_opts.rounds; round++) {
		struct owner o = owner_start(arg, QUEUED * 64 * KIB, false, post_and_exit, NULL);
		int status;

		for (int i = 0; o.v.side == ODP_REMOTE && i < QUEUED; i++)
			post_at(&o, i & 1 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE,
				i * 64 * KIB, 3 * PAGE);
		vt_require(reaped(o.pid, &status, vt_patience_ms() / 2), "the owner does not exit");
		vt_require(!status, "the owner ended with %#x", status);
		for (int i = 0; o.v.side == ODP_REMOTE && i < QUEUED; i++)
			vt_poll(o.end.scq);
		close(o.sock);
	}
	rc_works(rc_pair());
}

/*
 * The owner exits, but its child keeps the device open, and so the QP and the region, whose
 * address space is gone. The child has memory at the same addresses, which is not
 * registered and must not be accessed.
 */
static void leave_heir(struct owner *o)
{
	char answer = 'y';

	memset(o->mem->addr, 0x77, LEN);
	if (recv(o->sock, &answer, 1, 0) != 1)	/* the peer's WRITE has completed */
		_exit(EXIT_FAILURE);
	memset(o->mem->addr, 0x77, LEN);
	if (fork()) /* vt_fork()'s child would end with its parent */
		_exit(EXIT_SUCCESS);
	if (recv(o->sock, &answer, 1, 0) != 1)
		_exit(EXIT_FAILURE);
	answer = 'y';
	for (size_t i = 0; i < LEN; i++)
		if (o->mem->addr[i] != 0x77)
			answer = 'n';
	vt_require(write(o->sock, &answer, 1) == 1, "socket: %s", strerror(errno));
}

static void owner_gone(const void *arg, enum ibv_wr_opcode op)
{
	struct owner o = owner_start(arg, LEN, false, leave_heir, NULL);
	uint8_t *want;
	char answer;
	int status;

	vt_fill(o.mem->addr, LEN);
	want = odp_copy_of(o.mem->addr, LEN);
	post_at(&o, IBV_WR_RDMA_WRITE, 0, LEN);
	vt_want(o.end.scq, 0, IBV_WC_SUCCESS);
	vt_require(write(o.sock, "", 1) == 1, "socket: %s", strerror(errno));
	vt_require(reaped(o.pid, &status, vt_patience_ms() / 2) && !status, "the owner does not exit");
	post_at(&o, op, 0, LEN);
	vt_want(o.end.scq, 0, IBV_WC_REM_ACCESS_ERR);
	vt_require(!memcmp(o.mem->addr, want, LEN), "the READ brought some other memory");
	vt_require(write(o.sock, "", 1) == 1 && recv(o.sock, &answer, 1, 0) == 1,
		   "the heir is gone");
	vt_require(answer == 'y', "the WRITE reached another process's memory");
	close(o.sock);
}

static void owner_gone_write(const void *arg)
{
	owner_gone(arg, IBV_WR_RDMA_WRITE);
}

static void owner_gone_read(const void *arg)
{
	owner_gone(arg, IBV_WR_RDMA_READ);
}

/* --- destroyed --- */

/* Start a put that waits for a page that only a userfaultfd handler could fill. */
static struct odp_bench faulting_bench(const void *arg, int *uffd)
{
	uint8_t *mem = vt_map(LEN, 0);
	struct odp_bench b;

	b = odp_bench_attr(arg, mem, LEN, &quick);
	*uffd = odp_uffd(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	odp_put_start(&b, 0, LEN);
	odp_uffd_wait(*uffd);
	return b;
}

struct destroying {
	void (*destroy)(void *obj);
	void *obj;
	pthread_t thread;
};

static void *destroy_run(void *arg)
{
	struct destroying *d = arg;

	d->destroy(d->obj);
	return NULL;
}

static void destroy_mr(void *obj)
{
	vt_ok(ibv_dereg_mr(obj));
}

static void destroy_qp(void *obj)
{
	vt_ok(ibv_destroy_qp(obj));
}

/*
 * Destroy @obj while a fault waits; fail if that takes too long. The end of the test will
 * not release @obj.
 */
static void destroy_in_time(void *obj, void (*destroy)(void *obj), int uffd)
{
	struct destroying d = { .destroy = destroy, .obj = obj };
	struct timespec until;

	vt_forget(obj);
	vt_ok(pthread_create(&d.thread, NULL, destroy_run, &d));
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += vt_patience_ms() / 10000;
	if (pthread_timedjoin_np(d.thread, NULL, &until)) {
		close(uffd);
		pthread_join(d.thread, NULL);
		vt_fail("destroying waited for the fault");
	}
}

/* The page arrives after its region is gone: nothing may be written. */
static void dereg_in_fault(const void *arg)
{
	struct odp_bench b;
	int uffd;

	b = faulting_bench(arg, &uffd);
	destroy_in_time(b.mem->mr, destroy_mr, uffd);
	close(uffd);
	vt_want(odp_cq(&b, true), 0xa1, b.v.side == ODP_LOCAL ? IBV_WC_LOC_PROT_ERR :
		IBV_WC_REM_ACCESS_ERR);
	for (size_t i = 0; i < LEN; i++)
		vt_require(!b.mem->addr[i], "memory without a region was written");
}

/* A requester must not wait for a page of a responder that is destroyed. */
static void destroy_qp_in_fault(const void *arg)
{
	struct odp_bench b;
	int uffd;

	b = faulting_bench(arg, &uffd);
	destroy_in_time(odp_mem_end(&b)->qp, destroy_qp, uffd);
	if (b.v.side == ODP_REMOTE)
		vt_want(odp_cq(&b, true), 0xa1, IBV_WC_RETRY_EXC_ERR);
	close(uffd);
	vt_sleep_ms(20);
	for (size_t i = 0; i < LEN; i++)
		vt_require(!b.mem->addr[i], "memory was written for a QP that is gone");
	rc_works(rc_pair());
}

/*
 * Map new memory at the same addresses and end the fault: it must not touch the new memory.
 */
static void check_untouched(struct odp_bench *b, int uffd)
{
	unsigned char resident[LEN / 4096];
	uint8_t *mem;

	vt_ok(munmap(b->mem->addr, LEN));
	mem = mmap(b->mem->addr, LEN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	vt_require(mem == b->mem->addr, "mmap: %s", strerror(errno));
	close(uffd);
	vt_sleep_ms(20);
	vt_ok(mincore(mem, LEN, resident));
	for (size_t i = 0; i < sizeof(resident); i++)
		vt_require(!(resident[i] & 1), "page %zu was touched for a fault of the past", i);
}

static void reuse_after_dereg(const void *arg)
{
	struct odp_bench b;
	int uffd;

	b = faulting_bench(arg, &uffd);
	destroy_in_time(b.mem->mr, destroy_mr, uffd);
	check_untouched(&b, uffd);
}

static void reuse_after_destroy_qp(const void *arg)
{
	struct odp_bench b;
	int uffd;

	b = faulting_bench(arg, &uffd);
	destroy_in_time(odp_mem_end(&b)->qp, destroy_qp, uffd);
	check_untouched(&b, uffd);
}

/* The error state ends a request that waits for a page, without waiting for the page. */
static void error_in_fault(const void *arg)
{
	struct odp_bench b;
	uint64_t start;
	int uffd;

	b = faulting_bench(arg, &uffd);
	start = vt_now_ms();
	vt_ok(rc_to_state(&b.pair->a, IBV_QPS_ERR));
	vt_want(b.pair->a.scq, 0xa1, IBV_WC_WR_FLUSH_ERR);
	vt_require(vt_now_ms() - start < vt_patience_ms() / 10, "the error state waited for the fault");
	close(uffd);
	odp_reconnect(&b);
	odp_check(&b);
}

/* --- the last user --- */

/*
 * Open a device, make it map some memory, unmap the memory, and close the device @wait ns
 * later.
 */
static void last_user(struct ibv_device *device, size_t len, uint64_t wait)
{
	uint8_t *map = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ibv_context *ctx = ibv_open_device(device);
	struct ibv_pd *pd = ctx ? ibv_alloc_pd(ctx) : NULL;
	struct ibv_sge sge;
	struct ibv_mr *mr;
	uint64_t end;

	vt_require(map != MAP_FAILED && pd, "mmap, open or alloc_pd: %s", strerror(errno));
	mr = ibv_reg_mr(pd, map, len, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
	vt_require(mr, "reg_mr: %s", strerror(errno));
	sge = (struct ibv_sge){ (uintptr_t)map, 4096, mr->lkey };
	vt_ok(ibv_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			    IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	vt_ok(ibv_dereg_mr(mr));
	vt_ok(ibv_dealloc_pd(pd));
	vt_ok(munmap(map, len));
	end = vt_now_ns() + wait;
	while (vt_now_ns() < end)
		;
	vt_ok(ibv_close_device(ctx));
}

/*
 * munmap() wakes the mirror's reaper, which frees empty spans; closing the process's last
 * device ends the mirror. The random wait lets the two meet at every point.
 */
static void last_user_after_unmap(const void *arg)
{
	struct ibv_device *device = vt_dev(0)->ctx->device;
	int pid;

	(void)arg;
	vt_need_kind(vt_dev(0), VT_ODP, 0);
	pid = vt_fork();
	if (!pid) {
		for (unsigned int i = 0; i < 500 * vt_opts.rounds; i++)
			last_user(device, 4 * MIB, vt_below(300000));
		_exit(EXIT_SUCCESS);
	}
	vt_require(!vt_wait_child(pid, 10 * vt_patience_ms()), "the child failed");
}

static void add_tests(void)
{
	VT_TEST(last_user_after_unmap);
	odp_test(killed_in_fault, "killed_in_fault", ODP_RDMA_SIDES);
	odp_test(out_of_memory, "out_of_memory", ODP_RDMA_SIDES);
	odp_test(exit_with_faults_queued, "exit_with_faults_queued", ODP_RDMA_SIDES);
	odp_test(owner_gone_write, "owner_gone_write", 1U << ODP_REMOTE);
	odp_test(owner_gone_read, "owner_gone_read", 1U << ODP_REMOTE);
	odp_test(dereg_in_fault, "dereg_in_fault", ODP_RDMA_SIDES);
	odp_test(destroy_qp_in_fault, "destroy_qp_in_fault", ODP_RDMA_SIDES);
	odp_test(reuse_after_dereg, "reuse_after_dereg", ODP_RDMA_SIDES);
	odp_test(reuse_after_destroy_qp, "reuse_after_destroy_qp", ODP_RDMA_SIDES);
	odp_test(error_in_fault, "error_in_fault", ODP_RDMA_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
