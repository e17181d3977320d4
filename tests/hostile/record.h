/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Records the commands that the library sends to a device, by ioctl() or by write().
 */
#ifndef RECORD_H
#define RECORD_H

#include <rdma/rdma_user_ioctl_cmds.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_ATTRS	24
#define RECORD_DATA	512	/* bytes of an attribute, or of a write() command */
#define RECORDS		512

struct record_attr {
	struct ib_uverbs_attr attr;
	uint16_t kept;		/* bytes that it points to; 0: it is no pointer */
	uint8_t data[RECORD_DATA];
};

struct record {
	uint16_t written;	/* bytes of a write() command; 0: an ioctl() */
	uint8_t command[RECORD_DATA];
	struct ib_uverbs_ioctl_hdr hdr;
	struct record_attr attrs[RECORD_ATTRS];
};

extern struct record records[RECORDS];
extern unsigned int num_records;

void record_begin(int fd);	/* record commands on this device file from now on */
void record_end(void);

#endif /* RECORD_H */
