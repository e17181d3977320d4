// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Helpers for tests and tools that do not depend on verbs: deferred release in reverse
 * order, time, the process and the machine. vt_die(), vt_skip() and vt_note() are defined
 * elsewhere: for tests in vt_run.c, for tools in perf/tool.c.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vt.h"

static struct deferred {
	void (*release)(void *obj);
	void *obj;
} *deferred;
static size_t num_deferred;

/* Release @obj at the end of the test or tool, in reverse order. */
void vt_defer(void (*release)(void *obj), void *obj)
{
	deferred = realloc(deferred, (num_deferred + 1) * sizeof(*deferred));
	if (!deferred)
		abort();
	deferred[num_deferred++] = (struct deferred){ release, obj };
}

/* Take @obj off the list and return its entry; the caller owns @obj now. */
static struct deferred take_deferred(void *obj)
{
	size_t i = num_deferred;

	while (i-- > 0) {
		struct deferred found = deferred[i];

		if (found.obj != obj)
			continue;
		memmove(&deferred[i], &deferred[i + 1],
			(--num_deferred - i) * sizeof(*deferred));
		return found;
	}
	vt_fail("released what was never made");
}

/* Release @obj now. */
void vt_release(void *obj)
{
	take_deferred(obj).release(obj);
}

/* Do not release @obj: the test does that itself. */
void vt_forget(void *obj)
{
	take_deferred(obj);
}

size_t vt_mark(void)
{
	return num_deferred;
}

/* Release all objects deferred since vt_mark() returned @mark. */
void vt_release_to(size_t mark)
{
	while (num_deferred > mark) {
		struct deferred last = deferred[--num_deferred];

		last.release(last.obj);
	}
	if (!mark) {
		free(deferred);
		deferred = NULL;
	}
}

/* --- time --- */

/* The factor by which time limits grow: debug kernels, which check every access, are slow. */
unsigned int vt_slowness(void)
{
	const char *patience = getenv("NOPIN_PATIENCE");
	int times = patience ? atoi(patience) : 1;

	return times > 0 ? times : 1;
}

/* How long to wait for an event that normally comes at once. */
unsigned int vt_patience_ms(void)
{
	return 30000 * vt_slowness();
}

uint64_t vt_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

uint64_t vt_now_ms(void)
{
	return vt_now_ns() / 1000000;
}

void vt_sleep_ms(unsigned int ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

/* --- the process and the machine --- */

/* A field of /proc/self/status in KiB; -1 if the field is missing. */
long vt_status_kib(const char *field)
{
	FILE *f = fopen("/proc/self/status", "r");
	size_t len = strlen(field);
	long value = -1;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, len) && line[len] == ':')
			value = strtol(line + len + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/* Packets that the kernel dropped because a CPU's backlog was full, summed over all CPUs. */
uint64_t vt_backlog_drops(void)
{
	FILE *f = fopen("/proc/net/softnet_stat", "re");
	unsigned int dropped;
	uint64_t sum = 0;

	vt_require(f, "/proc/net/softnet_stat: %s", strerror(errno));
	while (fscanf(f, "%*x %x%*[^\n]", &dropped) == 1)
		sum += dropped;
	fclose(f);
	return sum;
}

/*
 * Fork a child that a fatal signal kills. With cmocka's signal handlers a signal would fail
 * the test and the child would go on with the next test. The child must end with _exit().
 */
int vt_fork(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS };
	pid_t pid = fork();

	vt_require(pid >= 0, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves its children behind */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_DFL);
	return 0;
}

/* Return the child's wait status. After @ms milliseconds kill the child and return -1. */
int vt_wait_child(int pid, unsigned int ms)
{
	uint64_t end = vt_now_ms() + ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (vt_now_ms() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		vt_sleep_ms(5);
	}
	return status;
}
