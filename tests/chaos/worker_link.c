// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The ends of links in a process, for each service: creating, connecting and using them. */
#include <fcntl.h>

#include "worker.h"

#define QKEY	0x1234567

struct end {
	struct rc_end rc;		/* sends, and also receives except for XRC */
	struct rc_end target;		/* XRC: the receiving QP */
	struct ibv_srq *srq;
	struct ibv_ah *ah;		/* UD: address of the other end */
};

static struct end ends[LINKS_MAX][2];
static struct ibv_xrcd *xrcd;
/* Memory for the headers in front of the data (GRH). */
static uint8_t headers[OPS_MAX][GRH_LEN];
static struct ibv_mr *headers_mr;

void worker_links_open(void)
{
	struct ibv_xrcd_init_attr init = {
		.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS,
		.fd = -1,
		.oflags = O_CREAT,
	};

	TRY(!(xrcd = ibv_open_xrcd(worker.dev->ctx, &init)));
	TRY(!(headers_mr = ibv_reg_mr(worker.pd, headers, sizeof(headers),
				      IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND)));
}

static struct end *end_of(const struct cmd *cmd)
{
	return &ends[cmd->link][cmd->end];
}

static const struct service *service_of(const struct cmd *cmd)
{
	return chaos->links[cmd->link].service;
}

static bool is_service(const struct cmd *cmd, int which)
{
	return service_of(cmd) == &services[which];
}

/* --- made and ended --- */

static void end_close(struct end *end)
{
	if (!end->rc.qp)
		return;
	TRY(err_no(ibv_destroy_qp(end->rc.qp)));
	if (end->target.qp)
		TRY(err_no(ibv_destroy_qp(end->target.qp)));
	if (end->srq)
		TRY(err_no(ibv_destroy_srq(end->srq)));
	if (end->ah)
		TRY(err_no(ibv_destroy_ah(end->ah)));
	TRY(err_no(ibv_destroy_cq(end->rc.scq)));
	TRY(err_no(ibv_destroy_cq(end->rc.rcq)));
	memset(end, 0, sizeof(*end));
}

static struct ibv_srq *srq_new(const struct end *end, bool xrc)
{
	struct ibv_srq_init_attr_ex init = {
		.attr = { .max_wr = worker.attr.wr, .max_sge = PIECES + 1 },
		.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD,
		.srq_type = IBV_SRQT_BASIC,
		.pd = worker.pd,
	};
	struct ibv_srq *srq;

	if (xrc) {
		init.comp_mask |= IBV_SRQ_INIT_ATTR_XRCD | IBV_SRQ_INIT_ATTR_CQ;
		init.srq_type = IBV_SRQT_XRC;
		init.xrcd = xrcd;
		init.cq = end->rc.rcq;
	}
	TRY(!(srq = ibv_create_srq_ex(worker.dev->ctx, &init)));
	return srq;
}

static struct ibv_qp *qp_new(const struct end *end, enum ibv_qp_type type)
{
	struct ibv_qp_init_attr init = {
		.qp_type = type,
		.send_cq = end->rc.scq,
		.recv_cq = end->rc.rcq,
		.srq = type == IBV_QPT_XRC_SEND ? NULL : end->srq,
		.cap = {
			.max_send_wr = worker.attr.wr, .max_recv_wr = worker.attr.wr,
			.max_send_sge = PIECES, .max_recv_sge = PIECES + 1,
			.max_inline_data = worker.attr.inline_len,
		},
	};
	struct ibv_qp *qp;

	TRY(!(qp = ibv_create_qp(worker.pd, &init)));
	return qp;
}

/* Create the XRC target QP and its SRQ, which messages name. */
static void target_make(const struct cmd *cmd)
{
	struct link *link = &chaos->links[cmd->link];
	struct end *end = end_of(cmd);
	struct ibv_qp_init_attr_ex init = {
		.qp_type = IBV_QPT_XRC_RECV,
		.comp_mask = IBV_QP_INIT_ATTR_XRCD,
		.xrcd = xrcd,
	};

	end->target.dev = worker.dev;
	TRY(!(end->target.qp = ibv_create_qp_ex(worker.dev->ctx, &init)));
	TRY(err_no(ibv_get_srq_num(end->srq, &link->srqn[cmd->end])));
	link->target[cmd->end] = rc_end_addr(&end->target);
}

static void end_make(const struct cmd *cmd)
{
	struct link *link = &chaos->links[cmd->link];
	bool xrc = is_service(cmd, SERVICE_XRC);
	struct end *end = end_of(cmd);
	int cqe = worker.attr.wr + 1;

	end_close(end);
	end->rc.dev = worker.dev;
	TRY(!(end->rc.scq = ibv_create_cq(worker.dev->ctx, cqe, NULL, NULL, 0)));
	TRY(!(end->rc.rcq = ibv_create_cq(worker.dev->ctx, cqe, NULL, NULL, 0)));
	if (xrc || link->shared[cmd->end])
		end->srq = srq_new(end, xrc);
	end->rc.qp = qp_new(end, link->service->type);
	link->addr[cmd->end] = rc_end_addr(&end->rc);
	if (xrc)
		target_make(cmd);
}

/*
 * A reset leaves old receives in an SRQ, where later messages would take them; so make a
 * new end.
 */
static void end_reset(const struct cmd *cmd)
{
	struct end *end = end_of(cmd);

	if (end->srq) {
		end_make(cmd);
		vt_drain_events(worker.dev);
		return;
	}
	TRY(err_no(rc_to_state(&end->rc, IBV_QPS_RESET)));
	vt_drain(end->rc.scq);
	vt_drain(end->rc.rcq);
	vt_drain_events(worker.dev);
}

/* --- connected --- */

static void connect_to(struct rc_end *from, const struct cmd *cmd, enum ibv_qp_type type,
		       struct rc_addr to)
{
	struct rc_attr attr = worker.attr;

	attr.type = type;
	attr.mtu = cmd->len;
	attr.min_rnr_timer = cmd->arg;
	to.psn = cmd->peer_psn;
	from->psn = cmd->psn;
	TRY(err_no(rc_to_init(from, &attr)));
	TRY(err_no(rc_to_rtr(from, &attr, &to)));
	TRY(err_no(rc_to_rts(from, &attr)));
}

static void ah_make(struct end *end, const struct rc_addr *to)
{
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.port_num = vt_opts.port,
		.grh = { .dgid = to->gid, .sgid_index = worker.dev->gid_index, .hop_limit = 64 },
	};

	if (end->ah)
		TRY(err_no(ibv_destroy_ah(end->ah)));
	TRY(!(end->ah = ibv_create_ah(worker.pd, &attr)));
}

static void datagrams_to(struct end *end, const struct cmd *cmd, const struct rc_addr *to)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = vt_opts.port, .qkey = QKEY,
		.sq_psn = cmd->psn,
	};

	ah_make(end, to);
	TRY(err_no(ibv_modify_qp(end->rc.qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX |
				 IBV_QP_PORT | IBV_QP_QKEY)));
	attr.qp_state = IBV_QPS_RTR;
	TRY(err_no(ibv_modify_qp(end->rc.qp, &attr, IBV_QP_STATE)));
	attr.qp_state = IBV_QPS_RTS;
	TRY(err_no(ibv_modify_qp(end->rc.qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN)));
}

static void end_connect(const struct cmd *cmd)
{
	const struct link *link = &chaos->links[cmd->link];
	const struct rc_addr *to = &link->addr[!cmd->end];
	struct end *end = end_of(cmd);

	if (is_service(cmd, SERVICE_UD)) {
		datagrams_to(end, cmd, to);
		return;
	}
	if (is_service(cmd, SERVICE_XRC)) {
		connect_to(&end->target, cmd, IBV_QPT_XRC_RECV, *to);
		to = &link->target[!cmd->end];
	}
	connect_to(&end->rc, cmd, link->service->type, *to);
}

/* --- requests --- */

static void post_recv(const struct cmd *cmd)
{
	struct ibv_sge sge[PIECES + 1];
	struct ibv_recv_wr wr = { .wr_id = cmd->op, .sg_list = sge };
	struct end *end = end_of(cmd);
	struct ibv_recv_wr *bad;

	if (service_of(cmd)->header)
		sge[wr.num_sge++] = (struct ibv_sge){
			(uintptr_t)headers[cmd->op], GRH_LEN, headers_mr->lkey,
		};
	for (int i = 0; i < cmd->num; i++)
		sge[wr.num_sge++] = worker_sge(&cmd->piece[i]);
	if (end->srq)
		vt_ok(ibv_post_srq_recv(end->srq, &wr, &bad));
	else
		vt_ok(ibv_post_recv(end->rc.qp, &wr, &bad));
}

static void wr_remote(struct vt_wr *wr, const struct cmd *cmd)
{
	const struct region *region = &chaos->desks[cmd->peer].regions[cmd->peer_region];
	uint64_t addr = region->iova + (uint64_t)cmd->peer_off - region->off;
	uint32_t rkey = region->rkey ^ cmd->key_xor;

	if (rc_op(cmd->opcode)->atomic) {
		wr->wr.wr.atomic.remote_addr = addr;
		wr->wr.wr.atomic.rkey = rkey;
		vt_wr_atomic(wr, cmd->compare_add, cmd->swap);
	} else if (rc_op(cmd->opcode)->rdma) {
		wr->wr.wr.rdma.remote_addr = addr;
		wr->wr.wr.rdma.rkey = rkey;
	}
}

/* Set the destination, for services without a connection to one. */
static void wr_address(struct vt_wr *wr, const struct cmd *cmd)
{
	const struct link *link = &chaos->links[cmd->link];

	if (is_service(cmd, SERVICE_UD)) {
		wr->wr.wr.ud.ah = end_of(cmd)->ah;
		wr->wr.wr.ud.remote_qpn = link->addr[!cmd->end].qpn;
		wr->wr.wr.ud.remote_qkey = QKEY;
	} else if (is_service(cmd, SERVICE_XRC)) {
		wr->wr.qp_type.xrc.remote_srqn = link->srqn[!cmd->end];
	}
}

static void wr_make(struct vt_wr *wr, const struct cmd *cmd)
{
	vt_wr_init(wr, cmd->opcode, cmd->op);
	wr->wr.send_flags = cmd->flags;
	wr->wr.imm_data = cmd->imm;
	wr->wr.num_sge = cmd->num;
	for (int i = 0; i < cmd->num; i++) {
		wr->sge[i] = worker_sge(&cmd->piece[i]);
		if (cmd->flags & IBV_SEND_INLINE)
			wr->sge[i].addr = (uintptr_t)worker_addr(cmd->piece[i].off);
	}
	wr_remote(wr, cmd);
	wr_address(wr, cmd);
}

/* Post this request together with those that it is linked to, and mark them as posted. */
static void post(struct cmd *cmd, int left)
{
	static struct vt_wr wrs[OPS_MAX];
	struct ibv_send_wr *bad;
	int n = 0;

	if (cmd->arg)	/* already posted with an earlier one */
		return;
	do {
		wr_make(&wrs[n], &cmd[n]);
		if (n)
			wrs[n - 1].wr.next = &wrs[n].wr;
		cmd[n].arg = 1;
	} while (cmd[n].more && n + 1 < left && ++n < OPS_MAX - 1 &&
		 cmd[n].type == CMD_POST);
	vt_ok(ibv_post_send(end_of(cmd)->rc.qp, &wrs[0].wr, &bad));
}

static struct result *result_of(const struct ibv_wc *wc)
{
	vt_require(wc->wr_id < ARRAY_SIZE(chaos->results), "completion of nothing");
	return &chaos->results[wc->wr_id];
}

/* Wait for all completions up to that of the last request. */
static void wait_sent(const struct cmd *cmd)
{
	struct rc_end *end = &end_of(cmd)->rc;
	struct ibv_wc wc;

	do {
		struct result *result;

		vt_require(vt_poll_for(end->scq, &wc, 1, 2 * vt_patience_ms()) == 1,
			   "link %d (%s), end %d: operation %d did not complete (QP state %d)",
			   cmd->link, service_of(cmd)->name, cmd->end, cmd->op, rc_state(end));
		result = result_of(&wc);
		vt_require(!result->sent, "operation %d completed twice", (int)wc.wr_id);
		result->send_status = wc.status;
		result->send_opcode = wc.opcode;
		result->sent = true;
	} while (wc.wr_id != (uint64_t)cmd->op);
}

static bool is_last(const struct cmd *cmd, const struct ibv_wc *wc)
{
	return cmd->imm && wc->wc_flags & IBV_WC_WITH_IMM && wc->imm_data == cmd->imm;
}

/* With faults injected some receives may not complete, so wait for a shorter time. */
static unsigned int patience(const struct cmd *cmd)
{
	return cmd->flags ? vt_patience_ms() / 600 : 2 * vt_patience_ms();
}

/* Wait for the expected number of receives, or for that of the last message. */
static void wait_received(const struct cmd *cmd)
{
	struct ibv_wc wc = {};

	for (int i = 0; i < cmd->arg && !is_last(cmd, &wc); i++) {
		struct result *result;

		if (vt_poll_for(end_of(cmd)->rc.rcq, &wc, 1, patience(cmd)) != 1)
			return;
		result = result_of(&wc);
		vt_require(!result->received, "receive %d completed twice", (int)wc.wr_id);
		result->recv_status = wc.status;
		result->recv_opcode = wc.opcode;
		result->recv_len = wc.byte_len;
		result->has_imm = wc.wc_flags & IBV_WC_WITH_IMM;
		result->imm = wc.imm_data;
		result->received = true;
	}
}

/* --- losses --- */

/* Counters that explain a loss. */
struct reasons {
	long long no_receive, kept, backlog;
};

static struct reasons reasons;

static struct reasons reasons_now(void)
{
	return (struct reasons){
		.no_receive = vt_counter(worker.dev, "drop_no_receive"),
		.kept = vt_counter(worker.dev, "parked_packets"),
		.backlog = (long long)vt_backlog_drops(),
	};
}

/*
 * Packets that wait for a page are kept up to a bound, beyond which they count as
 * drop_no_receive; and the kernel's backlog is bounded. The kernel caches counters for 10
 * ms.
 */
static void look_for_reason(struct cmd *cmd)
{
	struct reasons now;

	vt_sleep_ms(20);
	now = reasons_now();
	cmd->arg = now.backlog > reasons.backlog ||
		   (now.no_receive > reasons.no_receive && now.kept > reasons.kept);
}

/* Returns false for a command of another file. @left: commands on the desk from @cmd on. */
bool worker_link(struct cmd *cmd, int left)
{
	switch (cmd->type) {
	case CMD_QP_MAKE:
		end_make(cmd);
		return true;
	case CMD_QP_RESET:
		end_reset(cmd);
		return true;
	case CMD_QP_CONNECT:
		end_connect(cmd);
		return true;
	case CMD_RECV:
		post_recv(cmd);
		return true;
	case CMD_POST:
		post(cmd, left);
		return true;
	case CMD_WAIT_SENT:
		wait_sent(cmd);
		return true;
	case CMD_WAIT_RECEIVED:
		wait_received(cmd);
		return true;
	case CMD_COUNT:
		reasons = reasons_now();
		return true;
	case CMD_REASON:
		look_for_reason(cmd);
		return true;
	default:
		return false;
	}
}

void worker_links_close(void)
{
	for (int l = 0; l < LINKS_MAX; l++)
		for (int e = 0; e < 2; e++)
			end_close(&ends[l][e]);
	TRY(err_no(ibv_dereg_mr(headers_mr)));
	TRY(err_no(ibv_close_xrcd(xrcd)));
}
