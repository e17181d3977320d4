/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What a process asks of its RDMA devices: each command that the library sends, by ioctl()
 * or by write(), is kept as it was when it was sent.
 */
#ifndef RECORD_H
#define RECORD_H

#include <rdma/rdma_user_ioctl_cmds.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_ATTRS	24
#define RECORD_DATA	512	/* bytes of an attribute, or of a command of write() */
#define RECORDS		512

struct record_attr {
	struct ib_uverbs_attr attr;
	uint16_t kept;		/* bytes of what it points at, 0: it does not point */
	uint8_t data[RECORD_DATA];
};

struct record {
	uint16_t written;	/* bytes of a command of write(), 0: it was an ioctl() */
	uint8_t command[RECORD_DATA];
	struct ib_uverbs_ioctl_hdr hdr;
	struct record_attr attrs[RECORD_ATTRS];
};

extern struct record records[RECORDS];
extern unsigned int num_records;

void record_begin(int fd);	/* of this device's file, from now on */
void record_end(void);

#endif /* RECORD_H */
