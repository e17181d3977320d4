// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Leaves a process behind that has pages in the memory of a device but has closed the
 * device. As nothing else uses the device, the caller can unload the module; then the pages
 * must be back, each byte unchanged. The process waits up to two minutes for the module to
 * go, and then creates the file that NOPIN_HOLD names, or that name with ".wrong" on
 * failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "nic.h"
#include "nopindv.h"

#define LEN		(64 * 4096UL)
#define HOLD_MS		120000
#define MODULE		"/sys/module/nopin"

/* The value of the byte at offset @at. */
static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

static bool is_right(const uint8_t *mem)
{
	for (size_t i = 0; i < LEN; i++)
		if (mem[i] != byte_at(i))
			return false;
	return true;
}

static bool module_goes(void)
{
	for (int ms = 0; ms < HOLD_MS; ms += 10) {
		if (access(MODULE, F_OK) && errno == ENOENT)
			return true;
		usleep(10000);
	}
	return false;
}

/*
 * Wait for the module to go; the result is the name of a new file, as no process waits for
 * it.
 */
static void hold(const uint8_t *mem, const char *answer)
{
	bool right = module_goes() && !nic_away(mem, LEN) && is_right(mem);
	char name[4096];

	snprintf(name, sizeof(name), "%s%s", answer, right ? "" : ".wrong");
	close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	_exit(!right);
}

/* Move the pages, then close the device; returns 0 or an errno. */
static int move_and_close(uint8_t *mem)
{
	struct ibv_pd *pd = ibv_alloc_pd(vt_dev(0)->ctx);
	int ret;

	if (!pd)
		return errno;
	ret = nopindv_migrate(pd, mem, LEN, true);
	ibv_dealloc_pd(pd);
	vt_devs_close();
	return ret;
}

/* Close stdin, stdout and stderr: the caller's pipes must not wait for this process. */
static void become_a_daemon(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
}

static void leave(const char *answer, int said)
{
	uint8_t *mem = nic_small_pages(LEN);
	uint8_t ret;

	for (size_t i = 0; i < LEN; i++)
		mem[i] = byte_at(i);
	become_a_daemon();
	ret = (uint8_t)move_and_close(mem);
	if (!ret && nic_away(mem, LEN) != LEN / 4096)
		ret = EBUSY;
	if (write(said, &ret, 1) != 1 || ret)
		_exit(1);
	close(said);
	hold(mem, answer);
}

static void held(const void *arg)
{
	const char *answer = getenv("NOPIN_HOLD");
	uint8_t said;
	int pipes[2], ret;

	(void)arg;
	vt_require(answer, "NOPIN_HOLD is not set");
	ret = nic_try_memory(vt_dev(0), LEN); /* not undone by the end of the test */
	if (ret == EOPNOTSUPP || ret == ENOENT)
		vt_skip("this kernel has no memory of devices (the debug kernel has)");
	vt_ok(ret);
	vt_ok(pipe(pipes));
	vt_devs_close(); /* a file that the child inherits would keep the module loaded */
	if (!fork()) {
		close(pipes[0]);
		leave(answer, pipes[1]);
	}
	close(pipes[1]);
	vt_require(read(pipes[0], &said, 1) == 1, "it ended");
	vt_ok(said);
	close(pipes[0]);
}

static void add_tests(void)
{
	VT_TEST(held);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
