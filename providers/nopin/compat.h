/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Differences between the rdma-core releases that this provider builds
 * against. IBVERBS_PABI_VERSION is the release that last changed the private
 * interface. No other file tests it.
 */
#ifndef NOPIN_COMPAT_H
#define NOPIN_COMPAT_H

#include <infiniband/driver.h>

/* Release 62, whose version is still 59, brings a query for the exact speed of a port. */
#if IBVERBS_PABI_VERSION >= 64 || (defined(NOPIN_RDMA_CORE) && NOPIN_RDMA_CORE >= 62)
#define NOPIN_OPS_PORT_SPEED	.query_port_speed = ibv_cmd_query_port_speed,
#else
#define NOPIN_OPS_PORT_SPEED
#endif

static inline int
nopin_cmd_get_context(struct verbs_context *vctx, struct ibv_get_context *cmd,
		      size_t cmd_size, struct ib_uverbs_get_context_resp *resp,
		      size_t resp_size)
{
#if IBVERBS_PABI_VERSION >= 57
	return ibv_cmd_get_context(vctx, cmd, cmd_size, NULL, resp, resp_size);
#else
	return ibv_cmd_get_context(vctx, cmd, cmd_size, resp, resp_size);
#endif
}

static inline int
nopin_cmd_create_cq(struct ibv_context *context,
		    const struct ibv_cq_init_attr_ex *attr, struct verbs_cq *vcq,
		    struct ib_uverbs_ex_create_cq_resp *resp, size_t resp_size)
{
#if IBVERBS_PABI_VERSION >= 59
	return ibv_cmd_create_cq_ex(context, attr, NULL, vcq, NULL, 0, resp,
				    resp_size, 0);
#else
	return ibv_cmd_create_cq_ex(context, attr, vcq, NULL, 0, resp,
				    resp_size, 0);
#endif
}

static inline int
nopin_cmd_create_qp(struct ibv_context *context, struct verbs_qp *vqp,
		    struct ibv_qp_init_attr_ex *attr,
		    struct ibv_create_qp_ex *cmd, size_t cmd_size,
		    struct ib_uverbs_ex_create_qp_resp *resp, size_t resp_size)
{
#if IBVERBS_PABI_VERSION >= 64
	return ibv_cmd_create_qp_ex2(context, vqp, attr, cmd, cmd_size, resp,
				     resp_size, NULL);
#else
	return ibv_cmd_create_qp_ex2(context, vqp, attr, cmd, cmd_size, resp,
				     resp_size);
#endif
}

#endif /* NOPIN_COMPAT_H */
