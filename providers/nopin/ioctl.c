// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Pass a command that is an ioctl to the kernel. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "ioctl.h"

static void ioctl_fill(struct ib_uverbs_ioctl_hdr *hdr, const struct nopin_ioctl *cmd)
{
	for (unsigned int i = 0; i < cmd->num; i++) {
		hdr->attrs[i].attr_id = cmd->id[i];
		hdr->attrs[i].len = cmd->len[i];
		hdr->attrs[i].flags = UVERBS_ATTR_F_MANDATORY;
		hdr->attrs[i].data = cmd->data[i];
	}
}

/**
 * nopin_ioctl_run() - run a command
 * @context: the device
 * @cmd: its attributes; the first one receives a handle, if the command returns one
 * @object: UVERBS_OBJECT_*
 * @method: UVERBS_METHOD_*
 *
 * Return: 0 or an errno.
 */
int nopin_ioctl_run(struct ibv_context *context, struct nopin_ioctl *cmd, uint16_t object,
		    uint16_t method)
{
	size_t len = sizeof(struct ib_uverbs_ioctl_hdr) +
		     cmd->num * sizeof(struct ib_uverbs_attr);
	struct ib_uverbs_ioctl_hdr *hdr = calloc(1, len);
	int ret = 0;

	if (!hdr)
		return ENOMEM;
	hdr->length = (uint16_t)len;
	hdr->object_id = object;
	hdr->method_id = method;
	hdr->num_attrs = (uint16_t)cmd->num;
	hdr->driver_id = RDMA_DRIVER_NOPIN;
	ioctl_fill(hdr, cmd);
	if (ioctl(context->cmd_fd, RDMA_VERBS_IOCTL, hdr))
		ret = errno;
	else
		cmd->data[0] = hdr->attrs[0].data;
	free(hdr);
	return ret;
}
