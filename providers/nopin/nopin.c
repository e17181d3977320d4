// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The nopin provider: which devices it serves, and their contexts.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "compat.h"
#include "ioctl.h"

#define NSEC_PER_SEC 1000000000L

struct nopin_get_context_call {
	struct ibv_get_context core;
	struct nopin_alloc_ucontext_req drv;
};

struct nopin_get_context_answer {
	struct ib_uverbs_get_context_resp core;
	struct nopin_alloc_ucontext_resp drv;
};

static_assert(offsetof(struct nopin_get_context_call, drv) ==
		      sizeof(struct ibv_get_context),
	      "the driver's part follows the core's");
static_assert(offsetof(struct nopin_get_context_answer, drv) ==
		      sizeof(struct ib_uverbs_get_context_resp),
	      "the driver's part follows the core's");

static int nopin_query_device_ex(struct ibv_context *context,
				 const struct ibv_query_device_ex_input *input,
				 struct ibv_device_attr_ex *attr,
				 size_t attr_size)
{
	struct ib_uverbs_ex_query_device_resp resp;
	size_t resp_size = sizeof(resp);
	uint64_t fw_ver;
	int ret;

	ret = ibv_cmd_query_device_any(context, input, attr, attr_size, &resp,
				       &resp_size);
	if (ret)
		return ret;

	fw_ver = resp.base.fw_ver;
	snprintf(attr->orig_attr.fw_ver, sizeof(attr->orig_attr.fw_ver),
		 "%u.%u.%u", (unsigned int)(fw_ver >> 32) & 0xffff,
		 (unsigned int)(fw_ver >> 16) & 0xffff,
		 (unsigned int)fw_ver & 0xffff);
	return 0;
}

static int nopin_query_port(struct ibv_context *context, uint8_t port,
			    struct ibv_port_attr *attr)
{
	struct ibv_query_port cmd;

	return ibv_cmd_query_port(context, port, attr, &cmd, sizeof(cmd));
}

/*
 * The clock of completion timestamps: nanoseconds of real time. As with other devices
 * a raw clock is one number, in the field for nanoseconds.
 */
static int nopin_query_rt_values(struct ibv_context *context nopin_unused,
				 struct ibv_values_ex *values)
{
	struct timespec now;

	values->comp_mask &= IBV_VALUES_MASK_RAW_CLOCK;
	if (!values->comp_mask)
		return 0;
	if (clock_gettime(CLOCK_REALTIME, &now))
		return errno;

	values->raw_clock.tv_sec = 0;
	values->raw_clock.tv_nsec = (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	return 0;
}

/*
 * The program may leave QPs behind, to which any thread may owe a doorbell. A forked process
 * does not pay for the QPs of its parent, whose threads it must not wait for.
 */
static void context_pay(struct nopin_context *ctx)
{
	pid_t self = getpid();

	for (struct nopin_qp *qp = ctx->qps; qp; qp = qp->after)
		if (qp->maker == self)
			nopin_defer_end(qp);
}

static void nopin_free_context(struct ibv_context *context)
{
	struct nopin_context *ctx = to_nopin_context(context);

	context_pay(ctx);
	pthread_mutex_destroy(&ctx->qps_lock);
	verbs_uninit_context(&ctx->vctx);
	free(ctx);
}

static const struct verbs_context_ops nopin_context_ops = {
	.advise_mr = ibv_cmd_advise_mr,
	.alloc_dm = nopin_alloc_dm,
	.alloc_mw = nopin_alloc_mw,
	.alloc_parent_domain = nopin_alloc_parent_domain,
	.alloc_pd = nopin_alloc_pd,
	.alloc_td = nopin_alloc_td,
	.attach_mcast = ibv_cmd_attach_mcast,
	.bind_mw = nopin_bind_mw,
	.close_xrcd = nopin_close_xrcd,
	.create_ah = nopin_create_ah,
	.create_cq = nopin_create_cq,
	.create_cq_ex = nopin_create_cq_ex,
	.create_qp = nopin_create_qp,
	.create_qp_ex = nopin_create_qp_ex,
	.create_srq = nopin_create_srq,
	.create_srq_ex = nopin_create_srq_ex,
	.dealloc_mw = nopin_dealloc_mw,
	.dealloc_pd = nopin_dealloc_pd,
	.dealloc_td = nopin_dealloc_td,
	.dereg_mr = nopin_dereg_mr,
	.detach_mcast = ibv_cmd_detach_mcast,
	.destroy_ah = nopin_destroy_ah,
	.destroy_cq = nopin_destroy_cq,
	.destroy_qp = nopin_destroy_qp,
	.destroy_srq = nopin_destroy_srq,
	.free_context = nopin_free_context,
	.free_dm = nopin_free_dm,
	.get_srq_num = nopin_get_srq_num,
	.import_dm = nopin_import_dm,
	.import_mr = nopin_import_mr,
	.import_pd = nopin_import_pd,
	.modify_cq = nopin_modify_cq,
	.modify_qp = nopin_modify_qp,
	.modify_srq = nopin_modify_srq,
	.open_qp = nopin_open_qp,
	.open_xrcd = nopin_open_xrcd,
	.poll_cq = nopin_poll_cq,
	.post_recv = nopin_post_recv,
	.post_send = nopin_post_send,
	.post_srq_recv = nopin_post_srq_recv,
	.query_device_ex = nopin_query_device_ex,
	.query_port = nopin_query_port,
	NOPIN_OPS_PORT_SPEED
	.query_qp = nopin_query_qp,
	.query_rt_values = nopin_query_rt_values,
	.query_srq = nopin_query_srq,
	.reg_dm_mr = nopin_reg_dm_mr,
	.reg_dmabuf_mr = nopin_reg_dmabuf_mr,
	.reg_mr = nopin_reg_mr,
	.req_notify_cq = nopin_req_notify_cq,
	.rereg_mr = nopin_rereg_mr,
	.resize_cq = nopin_resize_cq,
	.unimport_dm = nopin_unimport_dm,
	.unimport_mr = nopin_unimport_mr,
	.unimport_pd = nopin_unimport_pd,
};

/* Refuses a response with a bit that this provider does not know: it may change the rest. */
static int context_open(struct nopin_context *ctx)
{
	struct nopin_get_context_answer resp = {};
	struct nopin_get_context_call cmd = {};
	int ret;

	ret = nopin_cmd_get_context(&ctx->vctx, &cmd.core, sizeof(cmd),
				    &resp.core, sizeof(resp));
	if (ret)
		return ret;
	return resp.drv.comp_mask ? EPROTO : 0;
}

/* Joins a context that another program has opened and whose file it has passed on. */
static int context_join(struct nopin_context *ctx)
{
	struct ibv_context *context = &ctx->vctx.context;
	struct nopin_ioctl cmd = {};
	uint64_t core_support = 0;
	uint32_t vectors = 0;
	int ret;

	nopin_ioctl_out(&cmd, UVERBS_ATTR_QUERY_CONTEXT_NUM_COMP_VECTORS, &vectors,
			sizeof(vectors));
	nopin_ioctl_out(&cmd, UVERBS_ATTR_QUERY_CONTEXT_CORE_SUPPORT, &core_support,
			sizeof(core_support));
	ret = nopin_ioctl_run(context, &cmd, UVERBS_OBJECT_DEVICE,
			      UVERBS_METHOD_QUERY_CONTEXT);
	if (ret)
		return ret;
	context->num_comp_vectors = (int)vectors;
	container_of(context->device, struct verbs_device, device)->core_support = core_support;
	return 0;
}

static struct verbs_context *context_new(struct ibv_device *device, int cmd_fd,
					 int (*begin)(struct nopin_context *ctx))
{
	struct nopin_context *ctx;
	int ret;

	ctx = verbs_init_and_alloc_context(device, cmd_fd, ctx, vctx,
					   RDMA_DRIVER_NOPIN);
	if (!ctx)
		return NULL;

	ret = nopin_defer_init();
	if (!ret)
		ret = begin(ctx);
	if (ret)
		goto err_uninit;

	ctx->one_cpu = get_nprocs() == 1;
	pthread_mutex_init(&ctx->qps_lock, NULL);
	verbs_set_ops(&ctx->vctx, &nopin_context_ops);
	return &ctx->vctx;

err_uninit:
	verbs_uninit_context(&ctx->vctx);
	free(ctx);
	errno = ret;
	return NULL;
}

/* Owns @cmd_fd, which verbs_init_and_alloc_context() and verbs_uninit_context() close. */
static struct verbs_context *nopin_alloc_context(struct ibv_device *device,
						 int cmd_fd,
						 void *private_data nopin_unused)
{
	return context_new(device, cmd_fd, context_open);
}

static struct verbs_context *nopin_import_context(struct ibv_device *device, int cmd_fd)
{
	return context_new(device, cmd_fd, context_join);
}

static struct verbs_device *
nopin_alloc_device(struct verbs_sysfs_dev *sysfs_dev nopin_unused)
{
	return calloc(1, sizeof(struct verbs_device));
}

static void nopin_uninit_device(struct verbs_device *device)
{
	free(device);
}

/* Match the driver and not the name, which the user of `rdma link add` chooses. */
static const struct verbs_match_ent nopin_match_table[] = {
	VERBS_DRIVER_ID(RDMA_DRIVER_NOPIN),
	{},
};

static const struct verbs_device_ops nopin_device_ops = {
	.name = "nopin",
	.match_min_abi_version = NOPIN_ABI_VERSION,
	.match_max_abi_version = NOPIN_ABI_VERSION,
	.match_table = nopin_match_table,
	.alloc_device = nopin_alloc_device,
	.uninit_device = nopin_uninit_device,
	.alloc_context = nopin_alloc_context,
	.import_context = nopin_import_context,
};

PROVIDER_DRIVER(nopin, nopin_device_ops);
