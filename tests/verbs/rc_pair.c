// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* RC queue pairs: creating and connecting them, and moving them through their states. */
#include "rc.h"

const struct rc_attr rc_attr_default = {
	.type = IBV_QPT_RC,
	.mtu = 1024,
	.wr = 64,
	.sge = 4,
	.inline_len = 64,
	.timeout = 17,		/* 4.096 us << 17: half a second */
	.retry_cnt = 7,
	.rnr_retry = 7,
	.min_rnr_timer = 1,	/* 10 us */
	.rd_atomic = 4,
	.access = VT_ACCESS_ALL,
};

static struct ibv_cq *new_cq(struct rc_end *end, int cqe)
{
	struct ibv_cq *cq = ibv_create_cq(end->dev->ctx, cqe, NULL, end->channel, 0);

	vt_require(cq, "create_cq(%d): %s", cqe, strerror(errno));
	vt_defer(vt_free_cq, cq);
	return cq;
}

static void new_qp(struct rc_end *end, const struct rc_attr *attr)
{
	struct ibv_qp_init_attr init = {
		.send_cq = end->scq,
		.recv_cq = end->rcq,
		.qp_type = attr->type,
		.sq_sig_all = attr->sig_all,
		.cap = {
			.max_send_wr = attr->wr,
			.max_recv_wr = attr->wr,
			.max_send_sge = attr->sge,
			.max_recv_sge = attr->sge,
			.max_inline_data = attr->inline_len,
		},
	};

	end->qp = ibv_create_qp(end->pd, &init);
	vt_require(end->qp, "create_qp: %s", strerror(errno));
	vt_defer(vt_free_qp, end->qp);
}

/* Create all objects of one end, in @pd or in a new PD; its QP stays in RESET. */
void rc_end_open(struct rc_end *end, struct vt_dev *dev, struct ibv_pd *pd,
		 const struct rc_attr *attr)
{
	int cqe = attr->cqe ? attr->cqe : (int)attr->wr + 1;

	memset(end, 0, sizeof(*end));
	end->dev = dev;
	end->psn = vt_rand() & 0xffffff;
	end->pd = pd ? pd : vt_new_pd(dev->ctx);
	if (attr->channel) {
		end->channel = ibv_create_comp_channel(dev->ctx);
		vt_require(end->channel, "create_comp_channel: %s", strerror(errno));
		vt_defer(vt_free_channel, end->channel);
	}
	end->scq = new_cq(end, cqe);
	end->rcq = new_cq(end, cqe);
	new_qp(end, attr);
}

struct rc_addr rc_end_addr(const struct rc_end *end)
{
	return (struct rc_addr){
		.gid = end->dev->gid,
		.lid = end->dev->port.lid,
		.qpn = end->qp->qp_num,
		.psn = end->psn,
	};
}

static enum ibv_mtu mtu_code(unsigned int mtu)
{
	enum ibv_mtu code = IBV_MTU_256;

	while (code < IBV_MTU_4096 && 128U << code < mtu)
		code++;
	return code;
}

int rc_to_init(struct rc_end *end, const struct rc_attr *attr)
{
	struct ibv_qp_attr mod = {
		.qp_state = IBV_QPS_INIT,
		.port_num = vt_opts.port,
		.qp_access_flags = attr->access,
	};

	return ibv_modify_qp(end->qp, &mod, IBV_QP_STATE | IBV_QP_PKEY_INDEX |
			     IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

int rc_to_rtr(struct rc_end *end, const struct rc_attr *attr, const struct rc_addr *to)
{
	struct ibv_qp_attr mod = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = mtu_code(attr->mtu),
		.dest_qp_num = to->qpn,
		.rq_psn = to->psn,
		.max_dest_rd_atomic = attr->rd_atomic,
		.min_rnr_timer = attr->min_rnr_timer,
		.ah_attr = {
			.is_global = 1,
			.dlid = to->lid,
			.port_num = vt_opts.port,
			.grh = {
				.dgid = to->gid,
				.sgid_index = end->dev->gid_index,
				.hop_limit = 64,
			},
		},
	};

	int mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
		   IBV_QP_RQ_PSN;

	if (attr->type == IBV_QPT_RC || attr->type == IBV_QPT_XRC_RECV)
		mask |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
	return ibv_modify_qp(end->qp, &mod, mask);
}

int rc_to_rts(struct rc_end *end, const struct rc_attr *attr)
{
	struct ibv_qp_attr mod = {
		.qp_state = IBV_QPS_RTS,
		.timeout = attr->timeout,
		.retry_cnt = attr->retry_cnt,
		.rnr_retry = attr->rnr_retry,
		.sq_psn = end->psn,
		.max_rd_atomic = attr->rd_atomic,
	};

	int mask = IBV_QP_STATE | IBV_QP_SQ_PSN;

	if (attr->type != IBV_QPT_UC)
		mask |= IBV_QP_TIMEOUT;
	if (attr->type == IBV_QPT_RC || attr->type == IBV_QPT_XRC_SEND)
		mask |= IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
	return ibv_modify_qp(end->qp, &mod, mask);
}

int rc_to_state(struct rc_end *end, enum ibv_qp_state state)
{
	struct ibv_qp_attr mod = { .qp_state = state };

	return ibv_modify_qp(end->qp, &mod, IBV_QP_STATE);
}

enum ibv_qp_state rc_state(const struct rc_end *end)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	vt_ok(ibv_query_qp(end->qp, &attr, IBV_QP_STATE, &init));
	return attr.qp_state;
}

void rc_connect(struct rc_end *end, const struct rc_attr *attr, const struct rc_addr *to)
{
	vt_ok(rc_to_init(end, attr));
	vt_ok(rc_to_rtr(end, attr, to));
	vt_ok(rc_to_rts(end, attr));
}

static void connect_ends(struct rc_pair *pair)
{
	struct rc_addr a = rc_end_addr(&pair->a), b = rc_end_addr(&pair->b);

	rc_connect(&pair->a, &pair->attr, &b);
	rc_connect(&pair->b, &pair->attr, &a);
}

static void reset_end(struct rc_end *end)
{
	vt_ok(rc_to_state(end, IBV_QPS_RESET));
	vt_drain(end->scq);
	vt_drain(end->rcq);
	vt_drain_events(end->dev);
	end->psn = vt_rand() & 0xffffff;
}

/*
 * Reset and connect the QPs again, as a program does after an error. The PSNs are new:
 * packets of the old connection may still be in flight, and must not be taken for packets
 * of the new one.
 */
void rc_reconnect(struct rc_pair *pair)
{
	reset_end(&pair->a);
	reset_end(&pair->b);
	connect_ends(pair);
}

/* Create two connected QPs in RTS. */
struct rc_pair *rc_pair_between(struct vt_dev *dev_a, struct vt_dev *dev_b,
				const struct rc_attr *attr)
{
	struct rc_pair *pair = calloc(1, sizeof(*pair));

	vt_require(pair, "out of memory");
	vt_defer(free, pair);
	pair->attr = *attr;
	rc_end_open(&pair->a, dev_a, NULL, attr);
	rc_end_open(&pair->b, dev_b, NULL, attr);
	connect_ends(pair);
	vt_drain_events(pair->a.dev);
	vt_drain_events(pair->b.dev);
	return pair;
}

struct rc_pair *rc_pair_new(const struct rc_attr *attr)
{
	return rc_pair_between(vt_dev(0), vt_dev(1), attr);
}

struct rc_pair *rc_pair(void)
{
	return rc_pair_new(&rc_attr_default);
}

/* List every path MTU that both ports can use; returns their number. */
size_t rc_mtus(unsigned int mtus[5])
{
	unsigned int a = 128U << vt_dev(0)->port.active_mtu;
	unsigned int b = 128U << vt_dev(1)->port.active_mtu;
	size_t n = 0;

	for (unsigned int mtu = 256; mtu <= 4096 && mtu <= a && mtu <= b; mtu *= 2)
		mtus[n++] = mtu;
	return n;
}
