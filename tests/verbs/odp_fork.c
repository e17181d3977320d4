// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory and fork(): a region stays with the process that registered it. Neither
 * process sees what the other's CPU or NIC writes after the fork, without MADV_DONTFORK.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp_bench.h"

struct child {
	pid_t pid;
	int go[2], done[2];
};

static void wait_byte(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		_exit(EXIT_FAILURE);
}

static void tell(int fd)
{
	vt_require(write(fd, "", 1) == 1, "pipe: %s", strerror(errno));
}

static void close_pipes(struct child *child)
{
	for (int i = 0; i < 2; i++) {
		close(child->go[i]);
		close(child->done[i]);
	}
}

/* The child: its memory must hold @want until the child writes to it. */
static void child_run(struct child *child, uint8_t *mem, const uint8_t *want)
{
	bool right;

	wait_byte(child->go[0]);
	right = !memcmp(mem, want, LEN);
	memset(mem, 0xcc, LEN);
	tell(child->done[1]);
	wait_byte(child->go[0]);
	for (size_t i = 0; i < LEN; i++)
		right = right && mem[i] == 0xcc;
	_exit(right ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* The region stays with the parent; neither process sees the other's writes. */
static void fork_and_write(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	struct child child;
	uint8_t *want;
	int status;

	odp_check(&b);
	want = odp_copy_of(b.mem->addr, LEN);
	vt_ok(pipe(child.go) || pipe(child.done));
	child.pid = vt_fork();
	if (!child.pid)
		child_run(&child, b.mem->addr, want);
	odp_check(&b);
	tell(child.go[1]);
	wait_byte(child.done[0]);
	odp_check_get(&b);
	vt_require(!memcmp(b.mem->addr, b.src->addr, LEN), "the child's write shows");
	odp_check(&b);
	tell(child.go[1]);
	status = vt_wait_child(child.pid, vt_patience_ms());
	vt_require(!status, "the child saw what the NIC wrote for the parent");
	odp_check(&b);
	close_pipes(&child);
}

/* The NIC's first write after a fork, while the page is shared with the child. */
static void fork_read_then_write(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	struct child child;
	uint8_t *want;
	int status;

	vt_fill(b.mem->addr, LEN);
	want = odp_copy_of(b.mem->addr, LEN);
	vt_ok(pipe(child.go) || pipe(child.done));
	child.pid = vt_fork();
	if (!child.pid) {
		wait_byte(child.go[0]);
		_exit(!!memcmp(b.mem->addr, want, LEN));
	}
	odp_check_get(&b);	/* maps the shared pages for reading */
	odp_check(&b);		/* and now they must not be written */
	tell(child.go[1]);
	status = vt_wait_child(child.pid, vt_patience_ms());
	vt_require(!status, "the put reached the child's page");
	close_pipes(&child);
}

/* A child registers memory that it inherited: puts into it do not show in the parent. */
static void child_registers(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0), *want;
	int status;
	pid_t pid;

	odp_need(((const struct odp_variant *)arg)->kind);
	vt_fill(mem, LEN);
	want = odp_copy_of(mem, LEN);
	pid = vt_fork();
	if (!pid) {
		struct odp_bench b = odp_bench(arg, mem, LEN);

		odp_check_get(&b);
		vt_require(!memcmp(b.back->addr, want, LEN), "the child inherited other data");
		odp_check(&b);
		_exit(EXIT_SUCCESS);
	}
	status = vt_wait_child(pid, vt_patience_ms());
	vt_require(!status, "the child's traffic failed (%#x)", status);
	vt_require(!memcmp(mem, want, LEN), "the child's put reached its parent");
}

/* Parent and child each have a region at the same addresses, at the same time. */
static void both_registered(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	int status;
	pid_t pid;

	odp_check(&b);
	pid = vt_fork();
	if (!pid) {
		b = odp_bench(arg, b.mem->addr, LEN);
		vt_reseed(vt_opts.seed ^ getpid());
		for (int i = 0; i < 10; i++)
			odp_check(&b);
		_exit(EXIT_SUCCESS);
	}
	for (int i = 0; i < 10; i++)
		odp_check(&b);
	status = vt_wait_child(pid, vt_patience_ms());
	vt_require(!status, "the child's data were wrong (%#x)", status);
	odp_check(&b);
}

static void disturb_fork(struct odp_disturber *d)
{
	pid_t pid = vt_fork();

	if (!pid) {
		memset(d->addr, 0xee, d->len);
		_exit(EXIT_SUCCESS);
	}
	waitpid(pid, NULL, 0);
}

static void traffic_while_forking(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	struct odp_disturber d = {
		.disturb = disturb_fork, .addr = b.mem->addr, .len = LEN,
	};

	odp_traffic_while(&b, d);
}

static void add_tests(void)
{
	odp_test(fork_and_write, "fork_and_write", ODP_ALL_SIDES);
	odp_test(fork_read_then_write, "fork_read_then_write", ODP_ALL_SIDES);
	odp_test(child_registers, "child_registers", ODP_ALL_SIDES);
	odp_test(both_registered, "both_registered", ODP_ALL_SIDES);
	odp_test(traffic_while_forking, "traffic_while_forking", ODP_ALL_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
