// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_kernel.h"

#define RING_ROOM 65536u /* of the file, to each ring */
#define RING_COUNT 4u /* SQ, RQ, CQ, resized CQ */
#define FAKE_BELL_SIZE                                                         \
	(sizeof(struct ib_uverbs_cmd_hdr) + sizeof(struct ib_uverbs_post_send))
#define FILE_SIZE ((off_t)RING_ROOM * RING_COUNT)

struct fake_kernel fake;

struct ibv_context *verbs_open_device(struct ibv_device *device,
				      void *private_data);

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct nopin_ring_info ring_info(unsigned int nr, uint32_t entries,
					uint32_t stride)
{
	return (struct nopin_ring_info){
		.offset = (uint64_t)nr * RING_ROOM,
		.size = RING_ROOM,
		.entries = entries,
		.stride = stride,
	};
}

/* Make a fresh file, which is a fresh set of rings, and the answers that fit them. */
void fake_reset(void)
{
	if (fake.fd > 0)
		close(fake.fd);
	fake.fd = memfd_create("fake-kernel", MFD_CLOEXEC);
	if (fake.fd < 0 || ftruncate(fake.fd, FILE_SIZE) ||
	    fcntl(fake.fd, F_SETFL, O_APPEND))
		die("memfd");

	memset(&fake.context_resp, 0, sizeof(fake.context_resp));
	fake.qp_resp.sq = ring_info(0, FAKE_ENTRIES, FAKE_SEND_STRIDE);
	fake.qp_resp.rq = ring_info(1, FAKE_ENTRIES, FAKE_RECV_STRIDE);
	fake.cq_resp.cq = ring_info(2, FAKE_CQ_ENTRIES,
				    sizeof(struct nopin_cqe));
	fake.first_index = 0;
	fake.destroyed = 0;
}

struct ibv_context *fake_open(void)
{
	struct verbs_device *device = fake.ops->alloc_device(NULL);

	if (!device)
		die("alloc_device");
	device->ops = fake.ops;
	atomic_init(&device->refcount, 1);
	return verbs_open_device(&device->device, NULL);
}

/* Doorbells of one kind since the last call; any other kind is fatal. */
unsigned int fake_doorbells(uint32_t command)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_post_send core;
	} bell;
	off_t at = FILE_SIZE;
	unsigned int count = 0;

	while (pread(fake.fd, &bell, sizeof(bell), at) == sizeof(bell)) {
		if (bell.hdr.command != command ||
		    bell.hdr.in_words != sizeof(bell) / 4 ||
		    bell.hdr.out_words != 1 || !bell.core.response ||
		    bell.core.wr_count || bell.core.sge_count) {
			fprintf(stderr, "malformed doorbell\n");
			exit(1);
		}
		at += (off_t)sizeof(bell);
		count++;
	}
	if (ftruncate(fake.fd, FILE_SIZE))
		die("ftruncate");
	return count;
}

/* Doorbells of any kind since the last fake_doorbells(), while others ring. */
unsigned int fake_bells_rung(void)
{
	off_t end = lseek(fake.fd, 0, SEEK_END);

	return (unsigned int)((end - FILE_SIZE) / (off_t)FAKE_BELL_SIZE);
}

void *fake_entry(struct nopin_ring *ring, uint32_t stride, uint32_t entries,
		 uint32_t index)
{
	return (char *)(ring + 1) + (size_t)(index % entries) * stride;
}

void fake_complete(uint32_t qp_num, uint64_t wr_id)
{
	uint32_t producer = fake.cq->producer;
	struct nopin_cqe *cqe;

	cqe = fake_entry(fake.cq, sizeof(*cqe), FAKE_CQ_ENTRIES, producer);
	*cqe = (struct nopin_cqe){
		.wr_id = wr_id,
		.status = IBV_WC_SUCCESS,
		.opcode = IBV_WC_RECV_RDMA_WITH_IMM,
		.qp_num = qp_num,
		.byte_len = 4096,
		.imm_data = htobe32(7),
		.wc_flags = NOPIN_WC_WITH_IMM,
		.vendor_err = 5,
		.src_qp = 6,
		.timestamp = 1234567890123456789ULL,
	};
	__atomic_store_n(&fake.cq->producer, producer + 1, __ATOMIC_RELEASE);
}

static struct nopin_ring *ring_setup(const struct nopin_ring_info *info)
{
	struct nopin_ring *ring;

	ring = mmap(NULL, RING_ROOM, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fake.fd, (off_t)info->offset);
	if (ring == MAP_FAILED)
		die("mmap");
	ring->producer = fake.first_index;
	ring->consumer = fake.first_index;
	ring->flags = 0;
	ring->attend = 0;
	return ring;
}

/* What follows takes the place of libibverbs' functions in the provider. */

void verbs_register_driver(const struct verbs_device_ops *ops)
{
	fake.ops = ops;
}

int ibv_cmd_get_context(struct verbs_context *vctx, struct ibv_get_context *cmd,
			size_t cmd_size, NOPIN_SINCE_57(struct ibv_fd_arr *fds,)
			struct ib_uverbs_get_context_resp *resp,
			size_t resp_size)
{
	const struct nopin_alloc_ucontext_req *req = (const void *)(cmd + 1);

	NOPIN_SINCE_57(if (fds) return EINVAL;)
	if (cmd_size != sizeof(*cmd) + sizeof(*req) ||
	    resp_size != sizeof(*resp) + sizeof(fake.context_resp) ||
	    req->comp_mask || req->rsvd)
		return EINVAL;
	memcpy(resp + 1, &fake.context_resp, sizeof(fake.context_resp));
	vctx->context.cmd_fd = dup(fake.fd);
	vctx->context.num_comp_vectors = 1;
	return 0;
}

int ibv_cmd_alloc_pd(struct ibv_context *context, struct ibv_pd *pd,
		     struct ibv_alloc_pd *cmd, size_t cmd_size,
		     struct ib_uverbs_alloc_pd_resp *resp, size_t resp_size)
{
	if (cmd_size != sizeof(*cmd) || resp_size != sizeof(*resp))
		return EINVAL;
	pd->context = context;
	return 0;
}

int ibv_cmd_dealloc_pd(struct ibv_pd *pd)
{
	return pd ? 0 : EINVAL;
}

int ibv_cmd_create_cq_ex(struct ibv_context *context,
			 const struct ibv_cq_init_attr_ex *attr,
			 NOPIN_SINCE_59(struct verbs_create_cq_prov_attr *prov,)
			 struct verbs_cq *cq, struct ibv_create_cq_ex *cmd,
			 size_t cmd_size,
			 struct ib_uverbs_ex_create_cq_resp *resp,
			 size_t resp_size, uint32_t cmd_flags)
{
	NOPIN_SINCE_59(if (prov) return EINVAL;)
	if (cmd || cmd_size || cmd_flags || attr->comp_mask ||
	    resp_size != sizeof(*resp) + sizeof(fake.cq_resp))
		return EINVAL;
	memcpy(resp + 1, &fake.cq_resp, sizeof(fake.cq_resp));
	cq->cq.context = context;
	cq->cq.cqe = FAKE_CQ_ENTRIES;
	fake.cq = ring_setup(&fake.cq_resp.cq);
	return 0;
}

int ibv_cmd_resize_cq(struct ibv_cq *cq, int cqe, struct ibv_resize_cq *cmd,
		      size_t cmd_size, struct ib_uverbs_resize_cq_resp *resp,
		      size_t resp_size)
{
	struct nopin_ring *old = fake.cq;
	uint32_t i;

	if (cmd_size != sizeof(*cmd) ||
	    resp_size != sizeof(*resp) + sizeof(fake.cq_resp))
		return EINVAL;

	fake.cq_resp.cq = ring_info(3, FAKE_CQ_ENTRIES,
				    sizeof(struct nopin_cqe));
	fake.first_index = 100;
	fake.cq = ring_setup(&fake.cq_resp.cq);
	for (i = old->consumer; i != old->producer; i++)
		memcpy(fake_entry(fake.cq, sizeof(struct nopin_cqe),
				  FAKE_CQ_ENTRIES, fake.cq->producer++),
		       fake_entry(old, sizeof(struct nopin_cqe),
				  FAKE_CQ_ENTRIES, i),
		       sizeof(struct nopin_cqe));
	memcpy(resp + 1, &fake.cq_resp, sizeof(fake.cq_resp));
	cq->cqe = cqe;
	return 0;
}

int ibv_cmd_req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	return cq && !solicited_only ? 0 : EINVAL;
}

int ibv_cmd_destroy_cq(struct ibv_cq *cq)
{
	fake.destroyed++;
	return cq ? 0 : EINVAL;
}

int ibv_cmd_create_qp_ex2(struct ibv_context *context, struct verbs_qp *vqp,
			  struct ibv_qp_init_attr_ex *attr,
			  struct ibv_create_qp_ex *cmd, size_t cmd_size,
			  struct ib_uverbs_ex_create_qp_resp *resp,
			  size_t resp_size
			  NOPIN_SINCE_64(, struct ibv_command_buffer *driver))
{
	static uint32_t qp_num = 16;
	const struct nopin_create_qp_req *req = (const void *)(cmd + 1);

	NOPIN_SINCE_64(if (driver) return EINVAL;)
	if (cmd_size != sizeof(*cmd) + sizeof(*req) || req->comp_mask ||
	    req->rsvd || resp_size != sizeof(*resp) + sizeof(fake.qp_resp))
		return EINVAL;
	attr->cap.max_send_sge = FAKE_MAX_SGE;
	attr->cap.max_recv_sge = FAKE_MAX_SGE;
	attr->cap.max_inline_data = FAKE_MAX_INLINE;
	memcpy(resp + 1, &fake.qp_resp, sizeof(fake.qp_resp));
	vqp->qp.context = context;
	vqp->qp.pd = attr->pd;
	vqp->qp.send_cq = attr->send_cq;
	vqp->qp.recv_cq = attr->recv_cq;
	vqp->qp.qp_type = attr->qp_type;
	vqp->qp.qp_num = qp_num++;
	vqp->qp.state = IBV_QPS_RESET;
	fake.sq = ring_setup(&fake.qp_resp.sq);
	fake.rq = ring_setup(&fake.qp_resp.rq);
	return 0;
}

/* As the kernel does, a reset takes everything out of the queues. */
int ibv_cmd_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int attr_mask,
		      struct ibv_modify_qp *cmd, size_t cmd_size)
{
	if (!qp || cmd_size != sizeof(*cmd))
		return EINVAL;
	if (attr_mask & IBV_QP_STATE && attr->qp_state == IBV_QPS_RESET) {
		fake.sq->consumer = fake.sq->producer;
		fake.rq->consumer = fake.rq->producer;
	}
	return 0;
}

int ibv_cmd_destroy_qp(struct ibv_qp *qp)
{
	fake.destroyed++;
	return qp ? 0 : EINVAL;
}
