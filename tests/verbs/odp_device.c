// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory whose pages are in another device's private memory, which no CPU can
 * access, or are exclusive to that device. The device is lib/test_hmm of the kernel, which
 * the debug kernel has and Debian's kernels do not.
 */
#include <fcntl.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odp_bench.h"
#include "odp_system.h"

/* The ioctl interface of lib/test_hmm. */
struct hmm_command {
	__u64 addr;
	__u64 ptr;
	__u64 npages;
	__u64 cpages;
	__u64 faults;
};

#define HMM_READ	_IOWR('H', 0x00, struct hmm_command)
#define HMM_WRITE	_IOWR('H', 0x01, struct hmm_command)
#define HMM_TO_DEVICE	_IOWR('H', 0x02, struct hmm_command)
#define HMM_SNAPSHOT	_IOWR('H', 0x04, struct hmm_command)
#define HMM_EXCLUSIVE	_IOWR('H', 0x05, struct hmm_command)

#define HMM_PROT_DEVICE_PRIVATE	0x20	/* snapshot: in this device's memory */

#define PAGES	(LEN / PAGE)

static void close_device(void *obj)
{
	close((int)(intptr_t)obj);
}

static int open_device(void)
{
	static bool tried;
	int fd;

	if (!tried && access("/dev/hmm_dmirror0", F_OK))
		odp_run("modprobe -q test_hmm || true");
	tried = true;
	fd = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		vt_skip("this kernel has no test_hmm device (the debug kernel has)");
	vt_defer(close_device, (void *)(intptr_t)fd);
	return fd;
}

/* Returns 0 or an errno. @buf: the data read or to be written, or the result of a snapshot. */
static int command(int fd, unsigned long request, const void *addr, void *buf, size_t pages)
{
	struct hmm_command cmd = {
		.addr = (uintptr_t)addr, .ptr = (uintptr_t)buf, .npages = pages,
	};
	int ret;

	do {
		ret = ioctl(fd, request, &cmd);
	} while (ret && errno == EINTR);
	return ret ? errno : cmd.cpages == pages ? 0 : EAGAIN;
}

static bool all_in_device(int fd, const uint8_t *mem)
{
	uint8_t prot[PAGES];

	vt_ok(command(fd, HMM_SNAPSHOT, mem, prot, PAGES));
	for (size_t i = 0; i < PAGES; i++)
		if (!(prot[i] & HMM_PROT_DEVICE_PRIVATE))
			return false;
	return true;
}

static bool none_in_device(int fd, const uint8_t *mem)
{
	uint8_t prot[PAGES];

	vt_ok(command(fd, HMM_SNAPSHOT, mem, prot, PAGES));
	for (size_t i = 0; i < PAGES; i++)
		if (prot[i] & HMM_PROT_DEVICE_PRIVATE)
			return false;
	return true;
}

static struct odp_bench small_pages(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0);

	madvise(mem, LEN, MADV_NOHUGEPAGE);
	return odp_bench(arg, mem, LEN);
}

/* Move pages to the device; the NIC's access brings them back. */
static void private_memory(const void *arg)
{
	int fd = open_device();
	struct odp_bench b = small_pages(arg);
	uint8_t *mem = b.mem->addr, *buf = vt_map(LEN, 0), *want;

	for (int i = 0; i < 5; i++) {
		odp_check(&b);
		want = odp_copy_of(mem, LEN);
		vt_ok(command(fd, HMM_TO_DEVICE, mem, buf, PAGES));
		vt_require(all_in_device(fd, mem), "the pages are not in the device");
		odp_get(&b, 0, LEN);
		vt_require(!memcmp(b.back->addr, want, LEN), "the NIC read other data");
		vt_require(none_in_device(fd, mem), "pages are still in the device");
		vt_ok(command(fd, HMM_TO_DEVICE, mem, buf, PAGES));
		odp_put(&b, PAGE + 100, LEN - 2 * PAGE);
		vt_require(!memcmp(mem, want, PAGE + 100), "beside the put, data changed");
		vt_require(!memcmp(mem + PAGE + 100, b.src->addr, LEN - 2 * PAGE), "data differ");
		odp_check_get(&b);
	}
}

/* The NIC reads what the device wrote to its own memory. */
static void written_by_device(const void *arg)
{
	int fd = open_device();
	struct odp_bench b = small_pages(arg);
	uint8_t *mem = b.mem->addr, *buf = vt_map(LEN, 0);

	odp_check(&b);
	vt_ok(command(fd, HMM_TO_DEVICE, mem, buf, PAGES));
	vt_fill(buf, LEN);
	vt_ok(command(fd, HMM_WRITE, mem, buf, PAGES));
	vt_require(all_in_device(fd, mem), "the pages have left the device");
	odp_get(&b, 0, LEN);
	vt_require(!memcmp(b.back->addr, buf, LEN), "the NIC does not see the device's writes");
	odp_put(&b, 0, LEN);
	vt_ok(command(fd, HMM_READ, mem, buf, PAGES));
	vt_require(!memcmp(buf, b.src->addr, LEN), "the device does not see the NIC's writes");
}

/* Pages exclusive to the device: an access by the NIC ends the exclusive state. */
static void exclusive(const void *arg)
{
	int fd = open_device();
	struct odp_bench b = small_pages(arg);
	uint8_t *mem = b.mem->addr, *buf = vt_map(LEN, 0);

	for (int i = 0; i < 5; i++) {
		odp_check(&b);
		vt_ok(command(fd, HMM_EXCLUSIVE, mem, buf, PAGES));
		vt_fill(buf, LEN);
		vt_ok(command(fd, HMM_WRITE, mem, buf, PAGES));
		odp_get(&b, 0, LEN);
		vt_require(!memcmp(b.back->addr, buf, LEN), "the NIC read other data");
		vt_ok(command(fd, HMM_EXCLUSIVE, mem, buf, PAGES));
		odp_check(&b);
		vt_ok(command(fd, HMM_READ, mem, buf, PAGES));
		vt_require(!memcmp(buf, mem, LEN), "the device does not see the NIC's writes");
	}
}

static void disturb_migrate(struct odp_disturber *d)
{
	/* may fail: pages in use right now stay where they are */
	command(d->fd, HMM_TO_DEVICE, d->addr, d->buf, PAGES);
}

static void disturb_exclusive(struct odp_disturber *d)
{
	command(d->fd, HMM_EXCLUSIVE, d->addr, d->buf, PAGES);
}

static void traffic_while(const void *arg, void (*disturb)(struct odp_disturber *d))
{
	int fd = open_device();
	struct odp_bench b = small_pages(arg);
	struct odp_disturber d = {
		.disturb = disturb, .addr = b.mem->addr, .fd = fd, .buf = vt_map(LEN, 0),
	};

	odp_traffic_while(&b, d);
}

static void traffic_while_migrating(const void *arg)
{
	traffic_while(arg, disturb_migrate);
}

static void traffic_while_exclusive(const void *arg)
{
	traffic_while(arg, disturb_exclusive);
}

static void add_tests(void)
{
	odp_test(private_memory, "private_memory", ODP_ALL_SIDES);
	odp_test(written_by_device, "written_by_device", ODP_ALL_SIDES);
	odp_test(exclusive, "exclusive", ODP_ALL_SIDES);
	odp_test(traffic_while_migrating, "traffic_while_migrating", ODP_ALL_SIDES);
	odp_test(traffic_while_exclusive, "traffic_while_exclusive", ODP_ALL_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
