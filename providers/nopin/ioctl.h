/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Commands that are ioctls. libibverbs has functions for them, but the parameters of these,
 * and how to add an attribute of the driver, differ from release to release.
 */
#ifndef NOPIN_IOCTL_H
#define NOPIN_IOCTL_H

#include <stdint.h>
#include <string.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "nopin.h"

#define NOPIN_IOCTL_ATTRS 9

/**
 * struct nopin_ioctl - one command, zeroed and then filled in by nopin_ioctl_*()
 * @num: attributes so far
 * @id: of each
 * @len: bytes of each; 0 of a handle
 * @data: a value of 8 bytes at most, a pointer to a larger one, a pointer to memory that
 *	receives one, or a handle
 */
struct nopin_ioctl {
	unsigned int num;
	uint16_t id[NOPIN_IOCTL_ATTRS];
	uint16_t len[NOPIN_IOCTL_ATTRS];
	uint64_t data[NOPIN_IOCTL_ATTRS];
};

static inline void nopin_ioctl_add(struct nopin_ioctl *cmd, uint16_t id, uint16_t len,
				   uint64_t data)
{
	cmd->id[cmd->num] = id;
	cmd->len[cmd->num] = len;
	cmd->data[cmd->num++] = data;
}

/* The first attribute of a command that makes an object receives its handle. */
static inline void nopin_ioctl_handle(struct nopin_ioctl *cmd, uint16_t id, uint32_t handle)
{
	nopin_ioctl_add(cmd, id, 0, handle);
}

static inline void nopin_ioctl_u64(struct nopin_ioctl *cmd, uint16_t id, uint64_t value)
{
	nopin_ioctl_add(cmd, id, sizeof(value), value);
}

static inline void nopin_ioctl_u32(struct nopin_ioctl *cmd, uint16_t id, uint32_t value)
{
	uint64_t data = 0;

	memcpy(&data, &value, sizeof(value)); /* the kernel reads the first bytes */
	nopin_ioctl_add(cmd, id, sizeof(value), data);
}

static inline void nopin_ioctl_out(struct nopin_ioctl *cmd, uint16_t id, void *to, uint16_t len)
{
	nopin_ioctl_add(cmd, id, len, (uintptr_t)to);
}

int nopin_ioctl_run(struct ibv_context *context, struct nopin_ioctl *cmd, uint16_t object,
		    uint16_t method);

#endif /* NOPIN_IOCTL_H */
