// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Settings of the machine that a test changes and that its end restores. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "odp_system.h"

static void make_text(char *text, size_t size, const char *fmt, va_list args)
{
	int len = vsnprintf(text, size, fmt, args);

	vt_require(len >= 0 && (size_t)len < size, "too long: %s", text);
}

static bool run_text(const char *command)
{
	char line[4096 + 64], said[256] = "";
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), "PATH=$PATH:/usr/sbin:/sbin; exec 2>&1; %s", command);
	f = popen(line, "re");
	vt_require(f, "popen: %s", strerror(errno));
	n = fread(said, 1, sizeof(said) - 1, f);
	while (getc(f) != EOF)
		;
	if (!pclose(f))
		return true;
	said[n] = 0;
	vt_note("%s: %s", command, said);
	return false;
}

bool odp_run(const char *fmt, ...)
{
	char command[4096];
	va_list args;

	va_start(args, fmt);
	make_text(command, sizeof(command), fmt, args);
	va_end(args);
	return run_text(command);
}

int odp_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

static int read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return errno;
	text[n] = 0;
	return 0;
}

/* The number in a file; -1 if the file cannot be read. */
long odp_read_number(const char *path, int base)
{
	char text[64];

	return read_file(path, text, sizeof(text)) ? -1 : strtol(text, NULL, base);
}

/* The number that follows the word @field at the start of a line; -1 if there is none. */
long odp_read_field(const char *path, const char *field)
{
	size_t len = strlen(field);
	long value = -1;
	char line[256];
	FILE *f = fopen(path, "re");

	while (f && value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, len) && strchr(" :\t", line[len]))
			value = strtol(line + len + strspn(line + len, " :\t"), NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/*
 * Each CPU adds its counts to the totals only every second or two. stat_refresh makes all
 * CPUs do so now, so that this test does not see the counts of earlier tests.
 */
long odp_vmstat(const char *field)
{
	odp_write_file("/proc/sys/vm/stat_refresh", "1");
	return odp_read_field("/proc/vmstat", field);
}

struct setting {
	char path[128], old[64];
};

static void restore_setting(void *obj)
{
	struct setting *s = obj;

	odp_write_file(s->path, s->old);
	free(s);
}

/* "always [madvise] never" is written back as "madvise". */
static void keep_chosen(char *text)
{
	char *open = strchr(text, '['), *close = strchr(text, ']');

	if (open && close > open) {
		*close = 0;
		memmove(text, open + 1, close - open);
	}
}

void odp_set(const char *path, const char *text)
{
	struct setting *s = calloc(1, sizeof(*s));
	int err;

	vt_require(s, "out of memory");
	vt_require(strlen(path) < sizeof(s->path), "too long: %s", path);
	strcpy(s->path, path);
	err = read_file(path, s->old, sizeof(s->old));
	if (err) {
		free(s);
		vt_skip("%s: %s", path, strerror(err));
	}
	keep_chosen(s->old);
	vt_defer(restore_setting, s);
	err = odp_write_file(path, text);
	if (err)
		vt_skip("%s: %s", path, strerror(err));
}

static void remove_folder(void *obj)
{
	rmdir(obj);
	free(obj);
}

const char *odp_folder(void)
{
	char *path = strdup("/tmp/verbs.XXXXXX");

	vt_require(path && mkdtemp(path), "mkdtemp: %s", strerror(errno));
	vt_defer(remove_folder, path);
	return path;
}

static void unmount(void *obj)
{
	odp_run("umount -l %s", (char *)obj);
	free(obj);
}

/* Call mount with these options and arguments, and a new directory as the last argument. */
const char *odp_mount(const char *fmt, ...)
{
	const char *folder = odp_folder();
	char options[512];
	va_list args;

	va_start(args, fmt);
	make_text(options, sizeof(options), fmt, args);
	va_end(args);
	if (!odp_run("mount %s %s", options, folder))
		vt_skip("cannot mount %s", options);
	vt_defer(unmount, strdup(folder));
	return folder;
}

static void swap_off(void *obj)
{
	odp_run("swapoff /dev/zram%s && echo %s >/sys/class/zram-control/hot_remove",
		(char *)obj, (char *)obj);
	free(obj);
}

/* Enable swap on a compressed RAM disk (zram). */
void odp_swap_on(size_t mib)
{
	char text[32];
	char *disk;

	if (!odp_run("modprobe zram num_devices=1") ||
	    read_file("/sys/class/zram-control/hot_add", text, sizeof(text)))
		vt_skip("no zram");
	text[strcspn(text, "\n")] = 0;
	disk = strdup(text);
	if (!odp_run("echo %zuM >/sys/block/zram%s/disksize && mkswap /dev/zram%s && swapon /dev/zram%s",
		     mib, disk, disk, disk))
		vt_skip("no swap on zram");
	vt_defer(swap_off, disk);
}

void odp_page_out(void *addr, size_t len)
{
	cpu_set_t all, one;

	vt_ok(sched_getaffinity(0, sizeof(all), &all));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		vt_ok(sched_setaffinity(0, sizeof(one), &one));
		madvise(addr, len, MADV_PAGEOUT);
	}
	vt_ok(sched_setaffinity(0, sizeof(all), &all));
}

long odp_paged_out(void)
{
	return odp_vmstat("pswpout");
}

void odp_want_paged_out(long before)
{
	vt_require(odp_paged_out() > before, "no page was paged out");
}

int odp_uffd(void *mem, size_t len, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { { (uintptr_t)mem, len }, mode, 0 };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (mode & UFFDIO_REGISTER_MODE_WP)
		api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	madvise(mem, len, MADV_NOHUGEPAGE);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		vt_skip("userfaultfd: %s", strerror(errno));
	return fd;
}

void odp_uffd_wait(int uffd)
{
	struct pollfd fd = { .fd = uffd, .events = POLLIN };

	vt_require(poll(&fd, 1, vt_patience_ms()) == 1, "no fault is waiting");
}

static void remove_cgroup(void *obj)
{
	char *path = obj;

	for (int i = 0; i < 100 && rmdir(path) && errno == EBUSY; i++)
		vt_sleep_ms(20);
	free(path);
}

const char *odp_cgroup(size_t bytes)
{
	const char *root = odp_mount("-t cgroup2 cgroup2");
	char file[256], text[32];
	char *path;

	if (!odp_run("echo +memory >%s/cgroup.subtree_control", root))
		vt_skip("no memory controller");
	vt_require(asprintf(&path, "%s/verbs.%d", root, getpid()) > 0, "out of memory");
	if (!odp_run("mkdir -p %s", path))
		vt_skip("no cgroup");
	vt_defer(remove_cgroup, path);
	snprintf(file, sizeof(file), "%s/memory.max", path);
	snprintf(text, sizeof(text), "%zu", bytes);
	vt_ok(odp_write_file(file, text));
	return path;
}

static void leave_cgroup(void *obj)
{
	char *path = obj;

	odp_write_file(path, "0");
	free(path);
}

/* Move this process to the cgroup until the test ends. */
void odp_cgroup_enter(const char *cgroup)
{
	char file[256], *up;

	snprintf(file, sizeof(file), "%s/cgroup.procs", cgroup);
	vt_ok(odp_write_file(file, "0"));
	vt_require(asprintf(&up, "%s/../cgroup.procs", cgroup) > 0, "out of memory");
	vt_defer(leave_cgroup, up);
}
