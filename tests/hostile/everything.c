// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Calls each verb that sends a command at least once. A verb may fail, as the device may
 * not support it; its command is recorded nevertheless.
 */
#include <fcntl.h>
#include <unistd.h>

#include "everything.h"
#include "nopindv.h"

#define LEN	65536UL

struct things {
	struct vt_dev *dev;
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_xrcd *xrcd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_srq *srq;
	uint8_t *mem;
	struct ibv_mr *mr;
};

static void ask(struct things *t)
{
	struct ibv_device_attr_ex ex;
	struct ibv_gid_entry entry;
	struct ibv_port_attr port;
	uint16_t pkey;

	ibv_query_device_ex(t->ctx, NULL, &ex);
	ibv_query_port(t->ctx, vt_opts.port, &port);
	ibv_query_pkey(t->ctx, vt_opts.port, 0, &pkey);
	ibv_query_gid_ex(t->ctx, vt_opts.port, t->dev->gid_index, &entry, 0);
	ibv_query_gid_table(t->ctx, &entry, 1, 0);
}

static void make_domains(struct things *t)
{
	struct ibv_xrcd_init_attr init = {
		.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS,
		.fd = -1, .oflags = O_CREAT,
	};
	struct ibv_td_init_attr td = {};

	t->pd = ibv_alloc_pd(t->ctx);
	ibv_dealloc_pd(ibv_alloc_pd(t->ctx));
	ibv_alloc_td(t->ctx, &td);
	t->xrcd = ibv_open_xrcd(t->ctx, &init);
	ibv_open_xrcd(t->ctx, &init);
	vt_require(t->pd && t->xrcd, "no domains: %s", strerror(errno));
	ibv_import_pd(t->ctx, t->pd->handle);
}

static void make_dm(struct things *t)
{
	struct ibv_alloc_dm_attr attr = { .length = LEN };
	struct ibv_dm *dm = ibv_alloc_dm(t->ctx, &attr);

	if (!dm)
		return;
	ibv_reg_dm_mr(t->pd, dm, 64, 4096, IBV_ACCESS_ZERO_BASED | IBV_ACCESS_LOCAL_WRITE);
	ibv_memcpy_to_dm(dm, 0, t->mem, 64);
	ibv_import_dm(t->ctx, dm->handle);
	attr.length = 4096;
	dm = ibv_alloc_dm(t->ctx, &attr);
	if (dm)
		ibv_free_dm(dm);
}

static void make_regions(struct things *t)
{
	int demand = VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND;
	struct ibv_mr *mr[4];
	struct ibv_sge sge;

	t->mem = vt_map(LEN, 0);
	mr[0] = ibv_reg_mr(t->pd, t->mem, LEN, VT_ACCESS_ALL);
	mr[1] = ibv_reg_mr(t->pd, t->mem, LEN, demand | IBV_ACCESS_MW_BIND);
	mr[2] = ibv_reg_mr(t->pd, NULL, SIZE_MAX, demand);
	mr[3] = ibv_reg_mr_iova(t->pd, t->mem, LEN, 0x123000, demand);
	vt_require(mr[1] && mr[3], "no regions: %s", strerror(errno));
	t->mr = mr[1];
	ibv_import_mr(t->pd, mr[1]->handle);
	ibv_rereg_mr(mr[1], IBV_REREG_MR_CHANGE_TRANSLATION | IBV_REREG_MR_CHANGE_ACCESS, t->pd,
		     t->mem, LEN / 2, demand);
	sge = (struct ibv_sge){ 0x123000, LEN, mr[3]->lkey };
	ibv_advise_mr(t->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, IBV_ADVISE_MR_FLAG_FLUSH, &sge,
		      1);
	nopindv_migrate(t->pd, t->mem, LEN, true);
	nopindv_migrate(t->pd, t->mem, LEN, false);
	ibv_alloc_mw(t->pd, IBV_MW_TYPE_1);
	ibv_dealloc_mw(ibv_alloc_mw(t->pd, IBV_MW_TYPE_2));
	ibv_reg_dmabuf_mr(t->pd, 0, LEN, 0, -1, IBV_ACCESS_LOCAL_WRITE);
	ibv_dereg_mr(mr[3]);
	make_dm(t);
}

static void make_cqs(struct things *t)
{
	struct ibv_cq_init_attr_ex ex = { .cqe = 64, .wc_flags = IBV_WC_EX_WITH_BYTE_LEN };
	struct ibv_modify_cq_attr attr = {
		.attr_mask = IBV_CQ_ATTR_MODERATE, .moderate = { 4, 10 },
	};

	t->channel = ibv_create_comp_channel(t->ctx);
	t->cq = ibv_create_cq(t->ctx, 64, NULL, t->channel, 0);
	vt_require(t->cq, "no CQ: %s", strerror(errno));
	ibv_resize_cq(t->cq, 128);
	ibv_modify_cq(t->cq, &attr);
	ibv_req_notify_cq(t->cq, 0);
	ibv_create_cq_ex(t->ctx, &ex);
	ibv_destroy_cq(ibv_create_cq(t->ctx, 1, NULL, NULL, 0));
}

static void make_srqs(struct things *t)
{
	struct ibv_srq_init_attr basic = { .attr = { .max_wr = 16, .max_sge = 2 } };
	struct ibv_srq_init_attr_ex xrc = {
		.attr = basic.attr,
		.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_XRCD |
			     IBV_SRQ_INIT_ATTR_CQ | IBV_SRQ_INIT_ATTR_PD,
		.srq_type = IBV_SRQT_XRC, .xrcd = t->xrcd, .cq = t->cq, .pd = t->pd,
	};
	struct ibv_srq_attr attr = { .srq_limit = 3, .max_wr = 32 };

	ibv_create_srq_ex(t->ctx, &xrc);
	t->srq = ibv_create_srq(t->pd, &basic);
	vt_require(t->srq, "no SRQ: %s", strerror(errno));
	ibv_modify_srq(t->srq, &attr, IBV_SRQ_LIMIT | IBV_SRQ_MAX_WR);
	ibv_query_srq(t->srq, &attr);
	ibv_destroy_srq(ibv_create_srq(t->pd, &basic));
}

static struct ibv_qp *make_qp(struct things *t, enum ibv_qp_type type, bool shared)
{
	struct ibv_qp_init_attr_ex init = {
		.qp_type = type, .send_cq = t->cq, .recv_cq = t->cq,
		.cap = { 16, 16, 2, 2, 64 },
		.comp_mask = IBV_QP_INIT_ATTR_PD, .pd = t->pd,
		.srq = shared ? t->srq : NULL,
	};

	if (type == IBV_QPT_XRC_RECV) {
		init.comp_mask = IBV_QP_INIT_ATTR_XRCD;
		init.xrcd = t->xrcd;
	}
	return ibv_create_qp_ex(t->ctx, &init);
}

/* Connect the QP to itself, as far as its type allows. */
static void connect_qp(struct things *t, struct ibv_qp *qp, enum ibv_qp_type type)
{
	struct rc_end end = { .dev = t->dev, .qp = qp };
	struct rc_attr attr = rc_attr_default;
	struct rc_addr addr = rc_end_addr(&end);
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr now;

	attr.type = type;
	rc_to_init(&end, &attr);
	rc_to_rtr(&end, &attr, &addr);
	rc_to_rts(&end, &attr);
	ibv_query_qp(qp, &now, IBV_QP_STATE, &init);
}

/*
 * A WRITE from the QP to itself. The provider's doorbell is not recorded. The kernel refuses
 * it to a process that has changed its credentials; then libibverbs sends a command.
 */
static void write_to_self(struct things *t, struct ibv_qp *qp)
{
	struct ibv_sge sge = { (uintptr_t)t->mem, 64, t->mr->lkey };
	struct ibv_send_wr wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE,
		.wr.rdma = { (uintptr_t)t->mem + 4096, t->mr->rkey },
	};
	struct ibv_send_wr *bad;

	ibv_post_send(qp, &wr, &bad);
}

static void make_address(struct things *t, struct ibv_qp *qp)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = vt_opts.port,
		.grh = { .dgid = t->dev->gid, .sgid_index = t->dev->gid_index },
	};
	union ibv_gid group = { .raw = { 0xff, 0x0e, [15] = 1 } };

	ibv_create_ah(t->pd, &attr);
	vt_ud_to_rts(qp, 5);
	ibv_attach_mcast(qp, &group, 0);
	ibv_detach_mcast(qp, &group, 0);
	ibv_attach_mcast(qp, &group, 0);
}

static void make_qps(struct things *t)
{
	static const enum ibv_qp_type types[] = {
		IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD, IBV_QPT_XRC_SEND, IBV_QPT_XRC_RECV,
		IBV_QPT_RAW_PACKET,
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct ibv_qp *qp = make_qp(t, types[i], false);

		make_qp(t, types[i], types[i] == IBV_QPT_RC);
		if (!qp)
			continue;
		if (types[i] == IBV_QPT_UD)
			make_address(t, qp);
		else
			connect_qp(t, qp, types[i]);
		if (types[i] == IBV_QPT_RC)
			write_to_self(t, qp);
	}
	ibv_destroy_qp(make_qp(t, IBV_QPT_RC, true));
}

/* Objects that only hardware has. */
static void make_others(struct things *t)
{
	struct ibv_counters_init_attr counters = {};
	struct ibv_wq_init_attr wq = {
		.wq_type = IBV_WQT_RQ, .max_wr = 8, .max_sge = 1, .pd = t->pd, .cq = t->cq,
	};

	ibv_create_wq(t->ctx, &wq);
	ibv_create_counters(t->ctx, &counters);
	ibv_alloc_null_mr(t->pd);
}

void everything_make(struct vt_dev *dev)
{
	struct things t = { .dev = dev, .ctx = dev->ctx };

	ask(&t);
	make_domains(&t);
	make_regions(&t);
	make_cqs(&t);
	make_srqs(&t);
	make_qps(&t);
	make_others(&t);
}
