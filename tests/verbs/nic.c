// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* A device's own memory: setting its size, and counting the pages that are in it. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nic.h"

#define PAGE	4096UL

/**
 * nic_memory_file - the file by which the administrator gives a device memory
 * @dev: the device
 * @flags: flags for open()
 *
 * Return: a file descriptor, or -1 with errno.
 */
int nic_memory_file(const struct vt_dev *dev, int flags)
{
	int fd = openat(dev->counters, "../../../memory", flags | O_CLOEXEC);

	return fd >= 0 ? fd : openat(dev->counters, "../memory", flags | O_CLOEXEC);
}

/**
 * nic_try_memory - set the size of a device's memory
 * @dev: the device
 * @size: bytes
 *
 * Return: 0 or an errno.
 */
int nic_try_memory(const struct vt_dev *dev, size_t size)
{
	int fd = nic_memory_file(dev, O_WRONLY), ret = 0;
	char text[32];

	if (fd < 0)
		return errno;
	snprintf(text, sizeof(text), "%zu\n", size);
	if (write(fd, text, strlen(text)) < 0)
		ret = errno;
	close(fd);
	return ret;
}

static void no_memory(void *obj)
{
	nic_try_memory(obj, 0);
}

/**
 * nic_set_memory - give a device memory until the test ends, or skip the test
 * @dev: the device
 * @size: bytes
 */
void nic_set_memory(struct vt_dev *dev, size_t size)
{
	int ret = nic_try_memory(dev, size);

	if (ret == EOPNOTSUPP || ret == ENOENT)
		vt_skip("this kernel has no memory of devices (the debug kernel has)");
	vt_ok(ret);
	vt_defer(no_memory, dev);
}

/**
 * nic_away - count the pages that are swapped out or in the NIC's memory
 * @addr: address of the first page
 * @len: bytes
 *
 * Return: the number of pages; in these tests all of them are in the NIC's memory.
 */
size_t nic_away(const void *addr, size_t len)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	vt_require(fd >= 0, "pagemap: %s", strerror(errno));
	for (size_t i = 0; i < len / PAGE; i++) {
		uint64_t entry;
		off_t off = (off_t)(((uintptr_t)addr / PAGE + i) * sizeof(entry));

		vt_require(pread(fd, &entry, sizeof(entry), off) == sizeof(entry), "pagemap");
		n += entry >> 62 == 1; /* not present, but swapped */
	}
	close(fd);
	return n;
}

/**
 * nic_small_pages - map memory without huge pages
 * @len: bytes
 *
 * Return: zeroed memory, unmapped when the test ends.
 */
uint8_t *nic_small_pages(size_t len)
{
	uint8_t *mem = vt_map(len, 0);

	madvise(mem, len, MADV_NOHUGEPAGE);
	return mem;
}
