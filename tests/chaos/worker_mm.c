// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The memory-management calls of a process. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

struct child {
	pid_t pid;
	int go;
};

static struct child children[CHILDREN];
static int file;

/* Where pages are moved to for a moment; far from addresses that the kernel would choose. */
static uint8_t *const away = (uint8_t *)ARENA_BASE + 2 * ARENA_LEN;

#define AWAY_PAGES	64

int worker_mm_file(void)
{
	return file;
}

static void *map_at(uint8_t *at, size_t len, int flags, int fd, off_t off)
{
	void *got = mmap(at, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, off);

	vt_require(got != MAP_FAILED, "mmap: %s", strerror(errno));
	return got;
}

void worker_mm_open(void)
{
	file = memfd_create("chaos", MFD_CLOEXEC);
	vt_require(file >= 0, "memfd_create: %s", strerror(errno));
	vt_ok(ftruncate(file, ARENA_LEN));
	map_at(away, AWAY_PAGES * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* --- children --- */

static pid_t fork_child(void)
{
	pid_t pid = fork();

	vt_require(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Fork a child that overwrites its copy of the memory and exits. */
static void scribble(const struct cmd *cmd)
{
	pid_t pid = fork_child();
	int status = -1;

	if (!pid) {
		memset(worker_addr(cmd->off), 0xcc, cmd->len);
		_exit(EXIT_SUCCESS);
	}
	waitpid(pid, &status, 0);
	/* With faults injected it may find no memory. */
	vt_require(!status || chaos_opts.faults, "a child that writes ended with status %#x",
		   status);
}

static void child_run(int go, const struct cmd *cmd, const uint8_t *want)
{
	uint8_t *mem = worker_addr(cmd->off);
	uint32_t len = cmd->len;
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(EXIT_SUCCESS);
	if (memcmp(mem, want, len))
		_exit(EXIT_FAILURE);
	memset(mem, 0xcd, len);
	_exit(EXIT_SUCCESS);
}

/*
 * Fork a child that keeps the present contents of the memory and compares them in a later
 * step.
 */
static void snapshot(const struct cmd *cmd)
{
	struct child *child = &children[cmd->arg];
	uint8_t *want = malloc(cmd->len);
	struct cmd copy = *cmd;
	int go[2];

	vt_require(want, "out of memory");
	memcpy(want, chaos->desks[worker_id].shadow + cmd->off, cmd->len);
	vt_ok(pipe2(go, O_CLOEXEC));
	child->pid = fork_child();
	if (!child->pid) {
		close(go[1]);
		child_run(go[0], &copy, want);
	}
	close(go[0]);
	child->go = go[1];
	free(want);
}

static void snapshot_check(const struct cmd *cmd)
{
	struct child *child = &children[cmd->arg];
	int status = -1;

	vt_require(write(child->go, "g", 1) == 1, "the child is gone");
	close(child->go);
	waitpid(child->pid, &status, 0);
	child->pid = 0;
	vt_require(!status, "child %d: what it had at fork() has changed (status %#x)",
		   cmd->arg, status);
}

/* --- calls that keep the data --- */

static void advise(const struct cmd *cmd, int advice)
{
	for (unsigned int i = 0; i < cmd->times; i++)
		madvise(worker_addr(cmd->off), cmd->len, advice);
}

static void lock(const struct cmd *cmd)
{
	mlock(worker_addr(cmd->off), cmd->len);
	vt_require(!munlock(worker_addr(cmd->off), cmd->len) || errno == ENOMEM,
		   "munlock: %s", strerror(errno));
}

/* Move pages to node 0 and 1 in turn; ignore errors, as the machine may have one node. */
static void migrate(const struct cmd *cmd)
{
	void *pages[64];
	int nodes[64], status[64];
	unsigned int n = cmd->len / PAGE;

	n = n > 64 ? 64 : n;
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < n; i++) {
			pages[i] = worker_addr(cmd->off + i * PAGE);
			nodes[i] = (round + i) & 1;
		}
		syscall(SYS_move_pages, 0, (unsigned long)n, pages, nodes, status,
			1 << 1 /* MPOL_MF_MOVE */);
	}
}

static void tell_kernel(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, word, strlen(word)) < 0)
		errno = 0;
	if (fd >= 0)
		close(fd);
}

/* --- calls that take pages away, and those that undo it --- */

static void flip(const struct cmd *cmd)
{
	for (unsigned int i = 0; i < cmd->times; i++) {
		vt_ok(mprotect(worker_addr(cmd->off), cmd->len, PROT_READ));
		vt_ok(mprotect(worker_addr(cmd->off), cmd->len, PROT_READ | PROT_WRITE));
	}
}

static void move(uint8_t *from, uint8_t *to, size_t len)
{
	void *got = mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);

	vt_require(got == to, "mremap: %s", strerror(errno));
}

/* Move page by page, as the mapping may be split anywhere. */
static void move_pages(uint32_t from, uint8_t *to, uint32_t len)
{
	for (uint32_t i = 0; i < len; i += PAGE)
		move(worker_addr(from + i), to + i, PAGE);
}

static void go_away(const struct cmd *cmd)
{
	for (unsigned int n = 0; n < cmd->times; n++) {
		move_pages(cmd->off, away, cmd->len);
		for (uint32_t i = 0; i < cmd->len; i += PAGE)
			move(away + i, worker_addr(cmd->off + i), PAGE);
	}
	map_at(away, AWAY_PAGES * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void map_fresh(const struct cmd *cmd)
{
	for (unsigned int i = 0; i < cmd->times; i++) {
		vt_ok(munmap(worker_addr(cmd->off), cmd->len));
		map_at(worker_addr(cmd->off), cmd->len, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
}

static void map_over(const struct cmd *cmd)
{
	static const int flags[BACKINGS] = {
		[BACK_ANON] = MAP_PRIVATE | MAP_ANONYMOUS,
		[BACK_SHARED] = MAP_SHARED,
		[BACK_PRIVATE] = MAP_PRIVATE,
	};

	map_at(worker_addr(cmd->off), cmd->len, flags[cmd->arg],
	       cmd->arg == BACK_ANON ? -1 : file, cmd->arg == BACK_ANON ? 0 : cmd->off);
}

/*
 * Move in one call if the source is one mapping. If not, mremap() fails after it has
 * unmapped the destination.
 */
static void remap(const struct cmd *cmd)
{
	uint8_t *from = worker_addr(cmd->off), *to = worker_addr(cmd->off2);

	if (mremap(from, cmd->len, cmd->len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to)
		return;
	vt_require(errno == EFAULT, "mremap: %s", strerror(errno));
	move_pages(cmd->off, to, cmd->len);
}

static void protect(const struct cmd *cmd)
{
	static const int prot[] = {
		[PROT_NOTHING] = PROT_NONE,
		[PROT_RO] = PROT_READ,
		[PROT_RW] = PROT_READ | PROT_WRITE,
	};

	vt_ok(mprotect(worker_addr(cmd->off), cmd->len, prot[cmd->arg]));
}

static void zap(const struct cmd *cmd, int advice)
{
	for (unsigned int i = 0; i < cmd->times; i++)
		vt_ok(madvise(worker_addr(cmd->off), cmd->len, advice));
}

static void change(const struct cmd *cmd)
{
	switch (cmd->arg >> 8) {
	case MM_UNMAP:
		vt_ok(munmap(worker_addr(cmd->off), cmd->len));
		break;
	case MM_DONTNEED:
		zap(cmd, MADV_DONTNEED);
		break;
	case MM_FREE:
		zap(cmd, MADV_FREE);
		break;
	case MM_REMAP:
		remap(cmd);
		break;
	case MM_TRUNCATE:
		vt_ok(ftruncate(file, cmd->off));
		break;
	case MM_EXTEND:
		vt_ok(ftruncate(file, ARENA_LEN));
		break;
	case MM_PUNCH:
		vt_ok(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, cmd->off,
				cmd->len));
		break;
	case MM_REMAP_FRESH:
		map_fresh(cmd);
		break;
	default:
		vt_fail("no such call: %d", cmd->arg >> 8);
	}
}

/* Run the call in the upper bits of cmd->arg; its lower 8 bits are an argument. */
void worker_mm(struct cmd *cmd)
{
	struct cmd plain = *cmd;

	plain.arg &= 0xff;
	switch (cmd->arg >> 8) {
	case MM_PAGEOUT:
		return advise(cmd, MADV_PAGEOUT);
	case MM_COLD:
		return advise(cmd, MADV_COLD);
	case MM_COLLAPSE:
		return advise(cmd, MADV_COLLAPSE);
	case MM_HUGE:
		return advise(cmd, MADV_HUGEPAGE);
	case MM_NOHUGE:
		return advise(cmd, MADV_NOHUGEPAGE);
	case MM_MERGE:
		return advise(cmd, MADV_MERGEABLE);
	case MM_UNMERGE:
		return advise(cmd, MADV_UNMERGEABLE);
	case MM_LOCK:
		return lock(cmd);
	case MM_MOVE_PAGES:
		return migrate(cmd);
	case MM_SOFT_DIRTY:
		return tell_kernel("/proc/self/clear_refs", "4");
	case MM_COMPACT:
		return tell_kernel("/proc/sys/vm/compact_memory", "1");
	case MM_TOUCH:
		return advise(cmd, MADV_POPULATE_READ);
	case MM_DIRTY:
		return advise(cmd, MADV_POPULATE_WRITE);
	case MM_TO_NIC:
	case MM_FROM_NIC:
		return worker_migrate(cmd, cmd->arg >> 8 == MM_TO_NIC);
	case MM_SCRIBBLE:
		return scribble(cmd);
	case MM_SNAPSHOT:
		return snapshot(&plain);
	case MM_SNAPSHOT_CHECK:
		return snapshot_check(&plain);
	case MM_FLIP:
		return flip(cmd);
	case MM_AWAY:
		return go_away(cmd);
	case MM_MAP:
		return map_over(&plain);
	case MM_PROTECT:
		return protect(&plain);
	default:
		return change(cmd);
	}
}
