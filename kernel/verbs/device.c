// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The device: what it can do, and the table of its operations. */
#include <linux/module.h>
#include <rdma/nopin-abi.h>

#include "device.h"
#include "mem/window.h"
#include "qp/address.h"
#include "qp/qp.h"
#include "qp/srq.h"
#include "qp/xrc.h"
#include "queue/cq.h"
#include "queue/mapped.h"
#include "verbs/verbs.h"

/* Not a registered OUI. Not 0 either, which programs take for a failed query. */
#define NOPIN_VENDOR_ID		0xffffff
#define NOPIN_VENDOR_PART_ID	1

/* log2, in units of 4.096 us: lets a peer's ACK timer allow for a page read from disk. */
#define NOPIN_ACK_DELAY		15

/* Timestamps are in nanoseconds; hca_core_clock is in kHz. */
#define NOPIN_CLOCK_KHZ		1000000

#define NOPIN_RC_ODP							\
	(IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV | IB_ODP_SUPPORT_WRITE | \
	 IB_ODP_SUPPORT_READ | IB_ODP_SUPPORT_ATOMIC | IB_ODP_SUPPORT_SRQ_RECV | \
	 IB_ODP_SUPPORT_ATOMIC_WRITE | IB_ODP_SUPPORT_FLUSH)

#define NOPIN_UC_ODP							\
	(IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV | IB_ODP_SUPPORT_WRITE | \
	 IB_ODP_SUPPORT_SRQ_RECV)

#define NOPIN_UD_ODP							\
	(IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV | IB_ODP_SUPPORT_SRQ_RECV)

static void nopin_fill_limits(struct ib_device_attr *attr)
{
	attr->max_mr_size = U64_MAX;
	attr->page_size_cap = PAGE_SIZE;
	attr->max_qp = NOPIN_MAX_QP;
	attr->max_qp_wr = NOPIN_MAX_QP_WR;
	attr->max_send_sge = NOPIN_MAX_SGE;
	attr->max_recv_sge = NOPIN_MAX_SGE;
	attr->max_sge_rd = NOPIN_MAX_SGE;
	attr->max_srq = NOPIN_MAX_SRQ;
	attr->max_srq_wr = NOPIN_MAX_SRQ_WR;
	attr->max_srq_sge = NOPIN_MAX_SGE;
	attr->max_cq = NOPIN_MAX_CQ;
	attr->max_cqe = NOPIN_MAX_CQE;
	attr->cq_caps.max_cq_moderation_count = U16_MAX;
	attr->cq_caps.max_cq_moderation_period = U16_MAX;
	attr->max_mr = NOPIN_MAX_MR;
	attr->max_mw = NOPIN_MAX_MW;
	attr->max_fast_reg_page_list_len = NOPIN_MAX_LISTED;
	attr->max_pd = NOPIN_MAX_PD;
	attr->max_ah = NOPIN_MAX_AH;
	attr->max_qp_rd_atom = NOPIN_MAX_RD_ATOM;
	attr->max_qp_init_rd_atom = NOPIN_MAX_RD_ATOM;
	attr->max_res_rd_atom = NOPIN_MAX_RD_ATOM * NOPIN_MAX_QP;
	attr->max_pkeys = 1;
	attr->max_mcast_grp = NOPIN_MAX_MCAST;
	attr->max_mcast_qp_attach = NOPIN_MAX_MCAST_QP;
	attr->max_total_mcast_qp_attach = NOPIN_MAX_MCAST;
}

/* Where the device has memory of its own, device memory (verbs/dm.c) counts as part of it. */
static u64 nopin_max_dm(struct nopin_dev *dev)
{
	u64 size = nopin_memory_size(dev);

	return size ? min_t(u64, size, NOPIN_MAX_DM) : NOPIN_MAX_DM;
}

static void nopin_fill_odp_caps(struct ib_device_attr *attr)
{
	attr->odp_caps.general_caps = IB_ODP_SUPPORT | IB_ODP_SUPPORT_IMPLICIT;
	attr->odp_caps.per_transport_caps.rc_odp_caps = NOPIN_RC_ODP;
	attr->odp_caps.per_transport_caps.xrc_odp_caps = NOPIN_RC_ODP;
	attr->odp_caps.per_transport_caps.uc_odp_caps = NOPIN_UC_ODP;
	attr->odp_caps.per_transport_caps.ud_odp_caps = NOPIN_UD_ODP;
}

/**
 * nopin_query_device - ib_device_ops.query_device
 * @ibdev: the device
 * @attr: zeroed by the core
 * @udata: empty
 *
 * Return: 0 or a negative errno.
 */
int nopin_query_device(struct ib_device *ibdev, struct ib_device_attr *attr,
		       struct ib_udata *udata)
{
	int err = nopin_udata_empty(udata);

	if (err)
		return err;

	attr->sys_image_guid = ibdev->node_guid;
	attr->vendor_id = NOPIN_VENDOR_ID;
	attr->vendor_part_id = NOPIN_VENDOR_PART_ID;
	attr->device_cap_flags = IB_DEVICE_RC_RNR_NAK_GEN |
				 IB_DEVICE_CURR_QP_STATE_MOD |
				 IB_DEVICE_UD_AV_PORT_ENFORCE |
				 IB_DEVICE_SYS_IMAGE_GUID |
				 IB_DEVICE_PORT_ACTIVE_EVENT |
				 IB_DEVICE_MEM_WINDOW | IB_DEVICE_MEM_WINDOW_TYPE_2B |
				 IB_DEVICE_MEM_MGT_EXTENSIONS | IB_DEVICE_SRQ_RESIZE |
				 IB_DEVICE_XRC | IB_DEVICE_ATOMIC_WRITE |
				 IB_DEVICE_FLUSH_GLOBAL;
	attr->kernel_cap_flags = IBK_ON_DEMAND_PAGING | IBK_ALLOW_USER_UNREG;
	attr->local_ca_ack_delay = NOPIN_ACK_DELAY;
	/*
	 * Atomics are atomic towards CPUs, too (IB_ATOMIC_GLOB), but programs test
	 * for IB_ATOMIC_HCA and take any other value for "none".
	 */
	attr->atomic_cap = IB_ATOMIC_HCA;
	attr->masked_atomic_cap = IB_ATOMIC_NONE;
	attr->timestamp_mask = U64_MAX;
	attr->hca_core_clock = NOPIN_CLOCK_KHZ;
	nopin_fill_limits(attr);
	attr->max_dm_size = nopin_max_dm(to_nopin_dev(ibdev));
	nopin_fill_odp_caps(attr);
	return 0;
}

/* What the driver adds to the core's commands. */
const struct uapi_definition nopin_uapi[] = {
	UAPI_DEF_CHAIN(nopin_dm_uapi),
	UAPI_DEF_CHAIN(nopin_import_uapi),
	UAPI_DEF_CHAIN(nopin_migrate_uapi),
	{},
};

/* main.c adds the operations that begin and end the life of the device itself. */
const struct ib_device_ops nopin_device_ops = {
	.owner = THIS_MODULE,
	.driver_id = (enum rdma_driver_id)RDMA_DRIVER_NOPIN,
	.uverbs_abi_ver = NOPIN_ABI_VERSION,
	.device_group = &nopin_attr_group,
	NOPIN_OPS_ROBUST_UDATA

	.query_device = nopin_query_device,
	.query_port = nopin_query_port,
	NOPIN_OPS_QUERY_PORT_SPEED
	NOPIN_OPS_REPORT_PORT_EVENT
	.query_pkey = nopin_query_pkey,
	.get_port_immutable = nopin_get_port_immutable,
	.get_link_layer = nopin_get_link_layer,
	.alloc_hw_device_stats = nopin_alloc_hw_device_stats,
	.alloc_hw_port_stats = nopin_alloc_hw_port_stats,
	.get_hw_stats = nopin_get_hw_stats,

	.alloc_ucontext = nopin_alloc_ucontext,
	.dealloc_ucontext = nopin_dealloc_ucontext,
	.disassociate_ucontext = nopin_disassociate_ucontext,
	.query_ucontext = nopin_query_ucontext,
	.mmap = nopin_mapped_mmap,
	.mmap_free = nopin_mapped_mmap_free,

	.alloc_pd = nopin_alloc_pd,
	.dealloc_pd = nopin_dealloc_pd,

	.create_cq = nopin_op(create_cq, nopin_create_cq_attrs, nopin_create_cq),
	.destroy_cq = nopin_destroy_cq,
	.modify_cq = nopin_modify_cq,
	.resize_user_cq = nopin_op(resize_user_cq, nopin_resize_cq, nopin_resize_cq_int),
	.poll_cq = nopin_poll_cq,
	.req_notify_cq = nopin_req_notify_cq,

	.get_dma_mr = nopin_get_dma_mr,
	.alloc_mr = nopin_alloc_mr,
	.map_mr_sg = nopin_map_mr_sg,
	.reg_user_mr = nopin_op(reg_user_mr, nopin_reg_user_mr_dmah, nopin_reg_user_mr),
#if IS_ENABLED(CONFIG_DMA_SHARED_BUFFER)
	.reg_user_mr_dmabuf = nopin_op(reg_user_mr_dmabuf, nopin_reg_user_mr_dmabuf_dmah,
				       nopin_op(reg_user_mr_dmabuf,
						nopin_reg_user_mr_dmabuf_attrs,
						nopin_reg_user_mr_dmabuf)),
#endif
	.rereg_user_mr = nopin_rereg_user_mr,
	.dereg_mr = nopin_dereg_mr,
	.advise_mr = nopin_advise_mr,
	.fill_res_mr_entry = nopin_fill_res_mr_entry,
	.fill_stat_mr_entry = nopin_fill_stat_mr_entry,

	.alloc_dm = nopin_alloc_dm,
	.dealloc_dm = nopin_dealloc_dm,
	.reg_dm_mr = nopin_reg_dm_mr,

	.alloc_mw = nopin_alloc_mw,
	.dealloc_mw = nopin_dealloc_mw,

	.create_qp = nopin_create_qp,
	.modify_qp = nopin_modify_qp,
	.query_qp = nopin_query_qp,
	.destroy_qp = nopin_destroy_qp,
	.post_send = nopin_post_send,
	.post_recv = nopin_post_recv,

	.create_srq = nopin_create_srq,
	.modify_srq = nopin_modify_srq,
	.query_srq = nopin_query_srq,
	.destroy_srq = nopin_destroy_srq,
	.post_srq_recv = nopin_post_srq_recv,

	.alloc_xrcd = nopin_alloc_xrcd,
	.dealloc_xrcd = nopin_dealloc_xrcd,

	.attach_mcast = nopin_attach_mcast,
	.detach_mcast = nopin_detach_mcast,

	.create_ah = nopin_create_ah,
	.create_user_ah = nopin_create_ah,
	.query_ah = nopin_query_ah,
	.destroy_ah = nopin_destroy_ah,

	INIT_RDMA_OBJ_SIZE(ib_ah, nopin_ah, ibah),
	INIT_RDMA_OBJ_SIZE(ib_cq, nopin_cq, ibcq),
	INIT_RDMA_OBJ_SIZE(ib_mw, nopin_window, ibmw),
	INIT_RDMA_OBJ_SIZE(ib_pd, nopin_pd, ibpd),
	INIT_RDMA_OBJ_SIZE(ib_qp, nopin_qp, ibqp),
	INIT_RDMA_OBJ_SIZE(ib_srq, nopin_srq, ibsrq),
	INIT_RDMA_OBJ_SIZE(ib_ucontext, nopin_ucontext, ibuctx),
	INIT_RDMA_OBJ_SIZE(ib_xrcd, nopin_xrcd, ibxrcd),
};
