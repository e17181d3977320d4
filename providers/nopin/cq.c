// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Completion queues: create, resize, destroy, and the classic poll.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "nopin.h"

struct nopin_create_cq_answer {
	struct ib_uverbs_ex_create_cq_resp core;
	struct nopin_create_cq_resp drv;
};

struct nopin_resize_cq_answer {
	struct ib_uverbs_resize_cq_resp core;
	struct nopin_create_cq_resp drv;
};

static_assert(offsetof(struct nopin_create_cq_answer, drv) ==
		      sizeof(struct ib_uverbs_ex_create_cq_resp),
	      "the driver's part follows the core's");
static_assert(offsetof(struct nopin_resize_cq_answer, drv) ==
		      sizeof(struct ib_uverbs_resize_cq_resp),
	      "the driver's part follows the core's");

/* Map the ring, and go on polling at the consumer index that the kernel has stored there. */
static int cq_map(struct nopin_cq *cq, int cmd_fd,
		  const struct nopin_ring_info *info)
{
	int ret;

	ret = nopin_queue_map(&cq->queue, cmd_fd, info,
			      sizeof(struct nopin_cqe));
	if (ret)
		return ret;
	if (!cq->queue.ring)
		return EPROTO;

	cq->consumer = nopin_queue_consumer(&cq->queue);
	return 0;
}

static int cq_open(struct nopin_cq *cq, struct ibv_context *context,
		   const struct ibv_cq_init_attr_ex *attr)
{
	struct nopin_create_cq_answer resp = {};
	struct ibv_cq_init_attr_ex core = {
		.cqe = attr->cqe,
		.channel = attr->channel,
		.comp_vector = attr->comp_vector,
		.wc_flags = attr->wc_flags,
	};
	int ret;

	/*
	 * The kernel does not get the flags, which are about locking in the
	 * provider. It gets wc_flags, to know whether a timestamp is wanted.
	 */
	ret = nopin_cmd_create_cq(context, &core, &cq->vcq, &resp.core,
				  sizeof(resp));
	if (ret)
		return ret;

	ret = cq_map(cq, context->cmd_fd, &resp.drv.cq);
	if (ret)
		ibv_cmd_destroy_cq(&cq->vcq.cq);
	return ret;
}

static struct nopin_cq *cq_create(struct ibv_context *context,
				  const struct ibv_cq_init_attr_ex *attr)
{
	struct nopin_cq *cq;
	int ret;

	cq = calloc(1, sizeof(*cq));
	if (!cq)
		return NULL;

	pthread_spin_init(&cq->lock, PTHREAD_PROCESS_PRIVATE);
	cq->shared = !(attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) ||
		     !(attr->flags & IBV_CREATE_CQ_ATTR_SINGLE_THREADED);

	ret = cq_open(cq, context, attr);
	if (ret)
		goto err_free;
	return cq;

err_free:
	pthread_spin_destroy(&cq->lock);
	free(cq);
	errno = ret;
	return NULL;
}

struct ibv_cq *nopin_create_cq(struct ibv_context *context, int cqe,
			       struct ibv_comp_channel *channel,
			       int comp_vector)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = (uint32_t)cqe,
		.channel = channel,
		.comp_vector = (uint32_t)comp_vector,
	};
	struct nopin_cq *cq = cq_create(context, &attr);

	return cq ? &cq->vcq.cq : NULL;
}

struct ibv_cq_ex *nopin_create_cq_ex(struct ibv_context *context,
				     struct ibv_cq_init_attr_ex *attr)
{
	struct nopin_cq *cq;

	if (!nopin_cq_ex_supported(attr)) {
		errno = EOPNOTSUPP;
		return NULL;
	}

	cq = cq_create(context, attr);
	if (!cq)
		return NULL;

	nopin_cq_ex_init(&cq->vcq.cq_ex, attr->wc_flags);
	return &cq->vcq.cq_ex;
}

/*
 * The caller holds the lock across the command: until the new ring is mapped
 * there is nothing that may be polled. If the new ring cannot be mapped, the old
 * one stays mapped, so that polling remains harmless.
 */
static int cq_resize_locked(struct nopin_cq *cq, int cqe)
{
	struct nopin_resize_cq_answer resp = {};
	struct nopin_queue old = cq->queue;
	struct ibv_resize_cq cmd = {};
	uint32_t consumer = cq->consumer;
	int ret;

	ret = ibv_cmd_resize_cq(&cq->vcq.cq, cqe, &cmd, sizeof(cmd), &resp.core,
				sizeof(resp));
	if (ret)
		return ret;

	ret = cq_map(cq, cq->vcq.cq.context->cmd_fd, &resp.drv.cq);
	if (ret) {
		cq->queue = old;
		cq->consumer = consumer;
		return ret;
	}
	nopin_queue_unmap(&old);
	return 0;
}

int nopin_resize_cq(struct ibv_cq *ibcq, int cqe)
{
	struct nopin_cq *cq = to_nopin_cq(ibcq);
	int ret;

	nopin_cq_lock(cq);
	ret = cq_resize_locked(cq, cqe);
	nopin_cq_unlock(cq);
	return ret;
}

int nopin_modify_cq(struct ibv_cq *ibcq, struct ibv_modify_cq_attr *attr)
{
	struct ibv_modify_cq cmd = {};

	return ibv_cmd_modify_cq(ibcq, attr, &cmd, sizeof(cmd));
}

int nopin_destroy_cq(struct ibv_cq *ibcq)
{
	struct nopin_cq *cq = to_nopin_cq(ibcq);
	int ret;

	ret = ibv_cmd_destroy_cq(ibcq);
	if (ret)
		return ret;

	nopin_queue_unmap(&cq->queue);
	pthread_spin_destroy(&cq->lock);
	free(cq);
	return 0;
}

static void cqe_to_wc(const struct nopin_cqe *cqe, struct ibv_wc *wc)
{
	*wc = (struct ibv_wc){
		.wr_id = cqe->wr_id,
		.status = cqe->status,
		.opcode = cqe->opcode,
		.vendor_err = cqe->vendor_err,
		.byte_len = cqe->byte_len,
		.imm_data = cqe->imm_data,
		.qp_num = cqe->qp_num,
		.src_qp = cqe->src_qp,
		.sl = (uint8_t)cqe->sl,
		.wc_flags = cqe->wc_flags,
	};
}

static int cq_poll(struct nopin_cq *cq, int num_entries, struct ibv_wc *wc)
{
	uint32_t producer;
	int polled = 0;

	nopin_cq_lock(cq);
	producer = nopin_queue_producer(&cq->queue);
	while (polled < num_entries && cq->consumer != producer)
		cqe_to_wc(nopin_queue_entry(&cq->queue, cq->consumer++),
			  &wc[polled++]);
	if (polled)
		nopin_queue_consume(&cq->queue, cq->consumer);
	nopin_cq_unlock(cq);

	return polled;
}

/**
 * nopin_cq_vain() - do what may bring a completion, after a poll that found none
 * @cq: the CQ, not locked
 *
 * Rings the doorbell that the calling thread owes. If it owes none and there is one CPU,
 * yields the CPU now and then, as the process that brings the completion needs it.
 *
 * Return: true if polling again may find a completion.
 */
bool nopin_cq_vain(struct nopin_cq *cq)
{
	if (nopin_pay())
		return true;
	return to_nopin_context(cq->vcq.cq.context)->one_cpu && nopin_yield_vain(&cq->vain);
}

int nopin_poll_cq(struct ibv_cq *ibcq, int num_entries, struct ibv_wc *wc)
{
	struct nopin_cq *cq = to_nopin_cq(ibcq);
	int polled = cq_poll(cq, num_entries, wc);

	if (!polled && nopin_cq_vain(cq))
		polled = cq_poll(cq, num_entries, wc);
	return polled;
}

/* A thread that goes to sleep must not owe a doorbell. */
int nopin_req_notify_cq(struct ibv_cq *ibcq, int solicited_only)
{
	nopin_pay();
	return ibv_cmd_req_notify_cq(ibcq, solicited_only);
}

/**
 * nopin_cq_forget_qp() - drop the completions of a QP that is gone
 * @cq: where the QP's completions go
 * @qp_num: its number, which a new QP may get
 *
 * Called once the kernel adds no more completions of that QP. Those of other
 * QPs keep their order and move towards the producer, over the dropped ones:
 * the program may write the entries between consumer and producer.
 */
void nopin_cq_forget_qp(struct nopin_cq *cq, uint32_t qp_num)
{
	uint32_t from, to;

	nopin_cq_lock(cq);
	from = nopin_queue_producer(&cq->queue);
	to = from;
	while (from != cq->consumer) {
		const struct nopin_cqe *cqe;

		cqe = nopin_queue_entry(&cq->queue, --from);
		if (cqe->qp_num == qp_num)
			continue;
		if (--to != from)
			memcpy(nopin_queue_entry(&cq->queue, to), cqe,
			       sizeof(*cqe));
	}
	cq->consumer = to;
	nopin_queue_consume(&cq->queue, to);
	nopin_cq_unlock(cq);
}
