// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Sends commands to the module without the library. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "commands.h"

uint8_t response[1024];
const uint8_t zeros[128];

void need_nopin(void)
{
	if (!vt_is_nopin(vt_dev(0)))
		vt_skip("another driver's data");
}

int command_send(int fd, struct command *cmd, uint32_t number, size_t core,
		 const void *driver, size_t driver_len)
{
	size_t len = sizeof(cmd->hdr) + core + driver_len;

	cmd->hdr.command = number;
	cmd->hdr.in_words = len / 4;
	cmd->hdr.out_words = sizeof(response) / 4;
	memcpy(cmd->raw + core, driver, driver_len);
	return write(fd, cmd, len) == (ssize_t)len ? 0 : errno;
}

static void close_fd(void *obj)
{
	close((int)(intptr_t)obj);
}

/* Open the device's file; it has no context yet. */
int open_file(void)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/dev/infiniband/%s",
		 vt_dev(0)->ctx->device->dev_name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	vt_require(fd >= 0, "%s: %s", path, strerror(errno));
	vt_defer(close_fd, (void *)(intptr_t)fd);
	return fd;
}

int get_context(int fd, const void *driver, size_t len)
{
	struct command cmd = { .context.response = (uintptr_t)response };

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_GET_CONTEXT,
			    sizeof(cmd.context), driver, len);
}

int alloc_pd(int fd, const void *driver, size_t len)
{
	struct command cmd = { .pd.response = (uintptr_t)response };

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_ALLOC_PD, sizeof(cmd.pd),
			    driver, len);
}

int create_cq(int fd, const void *driver, size_t len)
{
	struct command cmd = {
		.cq = { .response = (uintptr_t)response, .cqe = 16, .comp_channel = -1 },
	};

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_CREATE_CQ, sizeof(cmd.cq),
			    driver, len);
}

/* Create a QP on the context of @end, with the handles of its PD and CQs. */
int create_qp(struct rc_end *end, const void *driver, size_t len)
{
	struct command cmd = {
		.qp = {
			.response = (uintptr_t)response,
			.pd_handle = end->pd->handle,
			.send_cq_handle = end->scq->handle,
			.recv_cq_handle = end->rcq->handle,
			.max_send_wr = 4, .max_recv_wr = 4,
			.max_send_sge = 1, .max_recv_sge = 1,
			.qp_type = IBV_QPT_RC,
		},
	};

	return command_send(end->dev->ctx->cmd_fd, &cmd, IB_USER_VERBS_CMD_CREATE_QP,
			    sizeof(cmd.qp), driver, len);
}

int reg_mr(struct rc_end *end, void *addr, const void *driver, size_t len)
{
	struct command cmd = {
		.mr = {
			.response = (uintptr_t)response,
			.start = (uintptr_t)addr,
			.length = PAGE,
			.hca_va = (uintptr_t)addr,
			.pd_handle = end->pd->handle,
			.access_flags = IBV_ACCESS_LOCAL_WRITE,
		},
	};

	return command_send(end->dev->ctx->cmd_fd, &cmd, IB_USER_VERBS_CMD_REG_MR,
			    sizeof(cmd.mr), driver, len);
}

int dealloc_pd(int fd, uint32_t handle, const void *driver, size_t len)
{
	struct command cmd = { .dealloc_pd.pd_handle = handle };

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_DEALLOC_PD, sizeof(cmd.dealloc_pd),
			    driver, len);
}

int destroy_cq(int fd, uint32_t handle, const void *driver, size_t len)
{
	struct command cmd = {
		.destroy_cq = { .response = (uintptr_t)response, .cq_handle = handle },
	};

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_DESTROY_CQ, sizeof(cmd.destroy_cq),
			    driver, len);
}

int destroy_qp(int fd, uint32_t handle, const void *driver, size_t len)
{
	struct command cmd = {
		.destroy_qp = { .response = (uintptr_t)response, .qp_handle = handle },
	};

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_DESTROY_QP, sizeof(cmd.destroy_qp),
			    driver, len);
}

int dereg_mr(int fd, uint32_t handle, const void *driver, size_t len)
{
	struct command cmd = { .dereg_mr.mr_handle = handle };

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_DEREG_MR, sizeof(cmd.dereg_mr),
			    driver, len);
}
