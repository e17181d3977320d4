// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * libnopindv: what a nopin device can do beyond verbs. It uses the kernel's interface and
 * the public one of libibverbs, nothing of the provider, so it fits any rdma-core release.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/nopin-abi.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "nopindv.h"

enum { PD, ADDR, LENGTH, FLAGS, ATTRS };

struct migrate_call {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attr[ATTRS];
};

unsigned int nopindv_version(void)
{
	return NOPINDV_VERSION;
}

/* The kernel reads the first bytes. */
static uint64_t inline_u32(uint32_t value)
{
	uint64_t data = 0;

	memcpy(&data, &value, sizeof(value));
	return data;
}

static void migrate_attr(struct migrate_call *call, unsigned int i, uint16_t id,
			 uint16_t len, uint64_t data)
{
	call->attr[i].attr_id = id;
	call->attr[i].len = len;
	call->attr[i].flags = UVERBS_ATTR_F_MANDATORY;
	call->attr[i].data = data;
}

/* A kernel module or device that does not know the command returns one of several errors. */
static int migrate_error(int err)
{
	return err == EPROTONOSUPPORT || err == ENOTTY ? EOPNOTSUPP : err;
}

int nopindv_migrate(struct ibv_pd *pd, void *addr, size_t length, bool to_device)
{
	struct migrate_call call = {
		.hdr = {
			.length = sizeof(call),
			.object_id = UVERBS_OBJECT_PD,
			.method_id = NOPIN_METHOD_PD_MIGRATE,
			.num_attrs = ATTRS,
			.driver_id = RDMA_DRIVER_NOPIN,
		},
	};

	migrate_attr(&call, PD, NOPIN_ATTR_MIGRATE_PD, 0, pd->handle);
	migrate_attr(&call, ADDR, NOPIN_ATTR_MIGRATE_ADDR, sizeof(uint64_t),
		     (uintptr_t)addr);
	migrate_attr(&call, LENGTH, NOPIN_ATTR_MIGRATE_LENGTH, sizeof(uint64_t), length);
	migrate_attr(&call, FLAGS, NOPIN_ATTR_MIGRATE_FLAGS, sizeof(uint32_t),
		     inline_u32(to_device ? NOPIN_MIGRATE_TO_DEVICE : 0));
	if (ioctl(pd->context->cmd_fd, RDMA_VERBS_IOCTL, &call))
		return migrate_error(errno);
	return 0;
}
