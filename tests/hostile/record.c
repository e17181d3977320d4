// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Records commands: replaces ioctl() and write() of the C library, which libibverbs calls. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "record.h"

struct record records[RECORDS];
unsigned int num_records;
static int recorded_fd = -1;

void record_begin(int fd)
{
	num_records = 0;
	recorded_fd = fd;
}

void record_end(void)
{
	recorded_fd = -1;
}

static struct record *record_next(int fd)
{
	if (fd < 0 || fd != recorded_fd || num_records == RECORDS)
		return NULL;
	memset(&records[num_records], 0, sizeof(records[0]));
	return &records[num_records++];
}

/* Copy as much as can be read; 0 if the address is not valid. */
static uint16_t keep(uint8_t *to, uint64_t from, size_t len)
{
	struct iovec here = { to, len < RECORD_DATA ? len : RECORD_DATA };
	struct iovec there = { (void *)(uintptr_t)from, here.iov_len };
	ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);

	return got > 0 ? got : 0;
}

/*
 * An attribute does not tell whether it is a pointer: it is one if its value is a valid
 * address.
 */
static void record_attr(struct record_attr *to, const struct ib_uverbs_attr *from)
{
	to->attr = *from;
	if (from->len)
		to->kept = keep(to->data, from->data, from->len);
}

static void record_ioctl(int fd, const struct ib_uverbs_ioctl_hdr *hdr)
{
	struct record *record = record_next(fd);

	if (!record)
		return;
	record->hdr = *hdr;
	if (record->hdr.num_attrs > RECORD_ATTRS)
		record->hdr.num_attrs = RECORD_ATTRS;
	for (int i = 0; i < record->hdr.num_attrs; i++)
		record_attr(&record->attrs[i], &hdr->attrs[i]);
}

static void record_write(int fd, const void *buf, size_t len)
{
	struct record *record = record_next(fd);

	if (record)
		record->written = keep(record->command, (uintptr_t)buf, len);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == RDMA_VERBS_IOCTL)
		record_ioctl(fd, arg);
	return syscall(SYS_ioctl, fd, request, arg);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	record_write(fd, buf, len);
	return syscall(SYS_write, fd, buf, len);
}
