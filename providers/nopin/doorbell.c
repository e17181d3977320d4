// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Telling the kernel that a queue has new entries.
 *
 * The doorbell is the POST_SEND or POST_RECV command without work requests. A
 * plain write() of it is the shortest way through uverbs; libibverbs' own call
 * goes through the ioctl and its attributes. The C library's write() is not used,
 * as it is a cancellation point: a thread that ends there would leave posted
 * requests without their doorbell.
 */
#include <assert.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nopin.h"

struct nopin_doorbell {
	struct ib_uverbs_cmd_hdr hdr;
	struct ib_uverbs_post_send core;
};

static_assert(sizeof(struct ib_uverbs_post_send) ==
		      sizeof(struct ib_uverbs_post_recv),
	      "one structure serves both doorbells");
static_assert(sizeof(struct nopin_doorbell) % 4 == 0, "counted in words");

static int doorbell_write(const struct ibv_qp *ibqp, uint32_t command,
			  uint32_t wqe_size)
{
	struct ib_uverbs_post_send_resp resp;
	struct nopin_doorbell bell = {
		.hdr.command = command,
		.hdr.in_words = sizeof(bell) / 4,
		.hdr.out_words = sizeof(resp) / 4,
		.core.response = (uintptr_t)&resp,
		.core.qp_handle = ibqp->handle,
		.core.wqe_size = wqe_size,
	};
	long ret;

	do {
		ret = syscall(SYS_write, ibqp->context->cmd_fd, &bell, sizeof(bell));
	} while (ret < 0 && errno == EINTR);

	return ret < 0 ? errno : 0;
}

/*
 * The kernel refuses write() with EACCES to a process that has changed its
 * credentials since it opened the device. The ioctl has no such rule.
 */

int nopin_doorbell_send(struct ibv_qp *ibqp)
{
	struct ibv_send_wr *bad_wr;
	int ret;

	ret = doorbell_write(ibqp, IB_USER_VERBS_CMD_POST_SEND,
			     sizeof(struct ib_uverbs_send_wr));
	if (ret == EACCES)
		ret = ibv_cmd_post_send(ibqp, NULL, &bad_wr);
	if (to_nopin_context(ibqp->context)->one_cpu)
		nopin_yield_bell();
	return ret;
}

int nopin_doorbell_recv(struct ibv_qp *ibqp)
{
	struct ibv_recv_wr *bad_wr;
	int ret;

	ret = doorbell_write(ibqp, IB_USER_VERBS_CMD_POST_RECV,
			     sizeof(struct ib_uverbs_recv_wr));
	if (ret == EACCES)
		ret = ibv_cmd_post_recv(ibqp, NULL, &bad_wr);
	return ret;
}
