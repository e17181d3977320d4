// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* What a process does with its device. */
#include <unistd.h>

#include "chaos.h"

static struct vt_dev *dev;
static struct ibv_pd *pd;
static struct ibv_mr *mrs[REGIONS];
static struct ibv_mw *mws[REGIONS];
static struct rc_pair *binder;		/* of the process with itself, for windows */
static struct rc_end ends[LINKS_MAX][2];
static struct ibv_srq *srqs[LINKS_MAX][2];
static struct rc_attr attr;

/*
 * With faults injected a call may find no memory, and is made again. @again is
 * an expression that is true when the call has failed with errno set.
 */
static bool once_more(bool failed, int *tries)
{
	return failed && chaos_opts.faults && errno == ENOMEM && ++*tries < 2000;
}

static bool err_no(int err)
{
	errno = err < 0 ? errno : err;
	return err;
}

#define TRY(failed)							\
	do {								\
		int tries_ = 0;						\
		bool failed_;						\
									\
		do {							\
			failed_ = (failed);				\
		} while (once_more(failed_, &tries_));			\
		vt_require(!failed_, "%s: %s", #failed, strerror(errno)); \
	} while (0)

static void binder_open(void)
{
	struct rc_addr a, b;

	TRY(!(binder = calloc(1, sizeof(*binder))));
	rc_end_open(&binder->a, dev, pd, &attr);
	rc_end_open(&binder->b, dev, pd, &attr);
	a = rc_end_addr(&binder->a);
	b = rc_end_addr(&binder->b);
	rc_connect(&binder->a, &attr, &b);
	rc_connect(&binder->b, &attr, &a);
}

void worker_verbs_open(void)
{
	dev = vt_dev(vt_opts.peer ? worker_id & 1 : 0);
	attr = rc_attr_default;
	chaos->mtu[worker_id] = 128U << dev->port.active_mtu;
	TRY(!(pd = ibv_alloc_pd(dev->ctx)));
	if (!chaos_opts.faults)
		binder_open();
}

/* --- regions, and windows over them --- */

static int reg_access(const struct region *as)
{
	return as->access | (as->kind == VT_PINNED ? 0 : IBV_ACCESS_ON_DEMAND) |
	       (as->window ? IBV_ACCESS_MW_BIND : 0);
}

/* Nobody reaches the region by its own key then. */
static void window_make(int r, const struct region *as)
{
	struct ibv_mw_bind bind = {
		.wr_id = r,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_info = {
			.mr = mrs[r], .addr = as->iova, .length = as->len,
			.mw_access_flags = as->access & CHAOS_REMOTE,
		},
	};

	if (!as->window || !(as->access & CHAOS_REMOTE))
		return;
	TRY(!(mws[r] = ibv_alloc_mw(pd, IBV_MW_TYPE_1)));
	TRY(err_no(ibv_bind_mw(binder->a.qp, mws[r], &bind)));
	vt_want(binder->a.scq, r, IBV_WC_SUCCESS);
}

static void window_end(int r)
{
	if (mws[r])
		TRY(err_no(ibv_dealloc_mw(mws[r])));
	mws[r] = NULL;
}

static struct ibv_mr *reg(const struct region *as)
{
	if (as->kind == VT_IMPLICIT)
		return ibv_reg_mr(pd, NULL, SIZE_MAX, reg_access(as));
	return ibv_reg_mr_iova(pd, worker_addr(as->off), as->len, as->iova, reg_access(as));
}

static void publish(int r)
{
	struct region *region = &chaos->desks[worker_id].regions[r];

	region->lkey = mrs[r]->lkey;
	region->rkey = mws[r] ? mws[r]->rkey : mrs[r]->rkey;
}

static void region_make(const struct cmd *cmd)
{
	TRY(!(mrs[cmd->region] = reg(&cmd->as)));
	window_make(cmd->region, &cmd->as);
	publish(cmd->region);
}

static void region_end(const struct cmd *cmd)
{
	window_end(cmd->region);
	TRY(err_no(ibv_dereg_mr(mrs[cmd->region])));
	mrs[cmd->region] = NULL;
}

/* Other rights, or another range under its own address. */
static void region_change(const struct cmd *cmd)
{
	int access = cmd->flags & IBV_REREG_MR_CHANGE_ACCESS ? reg_access(&cmd->as) : 0;

	window_end(cmd->region);
	TRY(ibv_rereg_mr(mrs[cmd->region], cmd->flags, pd, worker_addr(cmd->as.off),
			 cmd->as.len, access));
	window_make(cmd->region, &cmd->as);
	publish(cmd->region);
}

static struct ibv_sge sge_of(const struct piece *piece)
{
	const struct region *region = &chaos->desks[worker_id].regions[piece->region];

	return (struct ibv_sge){
		region->iova + (uint64_t)piece->off - region->off, piece->len, region->lkey,
	};
}

/* The range may have holes, which advice may refuse or find too late. */
static void region_advise(const struct cmd *cmd)
{
	struct ibv_sge sge[PIECES];

	for (int i = 0; i < cmd->num; i++)
		sge[i] = sge_of(&cmd->piece[i]);
	ibv_advise_mr(pd, cmd->arg, cmd->flags, sge, cmd->num);
}

/* --- queue pairs --- */

static void qp_end(int link, int which)
{
	struct rc_end *end = &ends[link][which];

	if (!end->qp)
		return;
	TRY(err_no(ibv_destroy_qp(end->qp)));
	if (srqs[link][which])
		TRY(err_no(ibv_destroy_srq(srqs[link][which])));
	srqs[link][which] = NULL;
	TRY(err_no(ibv_destroy_cq(end->scq)));
	TRY(err_no(ibv_destroy_cq(end->rcq)));
	memset(end, 0, sizeof(*end));
}

static struct ibv_srq *srq_make(void)
{
	struct ibv_srq_init_attr init = { .attr = { .max_wr = attr.wr, .max_sge = PIECES } };
	struct ibv_srq *srq;

	TRY(!(srq = ibv_create_srq(pd, &init)));
	return srq;
}

static void qp_make(const struct cmd *cmd)
{
	struct ibv_srq **srq = &srqs[cmd->link][cmd->end];
	struct rc_end *end = &ends[cmd->link][cmd->end];
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.cap = {
			.max_send_wr = attr.wr, .max_recv_wr = attr.wr,
			.max_send_sge = PIECES, .max_recv_sge = PIECES,
			.max_inline_data = attr.inline_len,
		},
	};

	qp_end(cmd->link, cmd->end);
	end->dev = dev;
	if (chaos->links[cmd->link].shared[cmd->end])
		*srq = srq_make();
	init.srq = *srq;
	TRY(!(end->scq = ibv_create_cq(dev->ctx, attr.wr + 1, NULL, NULL, 0)));
	TRY(!(end->rcq = ibv_create_cq(dev->ctx, attr.wr + 1, NULL, NULL, 0)));
	init.send_cq = end->scq;
	init.recv_cq = end->rcq;
	TRY(!(end->qp = ibv_create_qp(pd, &init)));
	chaos->links[cmd->link].addr[cmd->end] = rc_end_addr(end);
}

/* A reset leaves the receives of an SRQ where they are, which the next ones are not for. */
static void qp_reset(const struct cmd *cmd)
{
	struct rc_end *end = &ends[cmd->link][cmd->end];

	if (srqs[cmd->link][cmd->end]) {
		qp_make(cmd);
		vt_drain_events(dev);
		return;
	}
	TRY(err_no(rc_to_state(end, IBV_QPS_RESET)));
	vt_drain(end->scq);
	vt_drain(end->rcq);
	vt_drain_events(dev);
}

static void qp_connect(const struct cmd *cmd)
{
	struct rc_end *end = &ends[cmd->link][cmd->end];
	struct rc_addr to = chaos->links[cmd->link].addr[!cmd->end];
	struct rc_attr now = attr;

	now.mtu = cmd->len;
	now.min_rnr_timer = cmd->arg;
	end->psn = cmd->psn;
	to.psn = cmd->peer_psn;
	TRY(err_no(rc_to_init(end, &now)));
	TRY(err_no(rc_to_rtr(end, &now, &to)));
	TRY(err_no(rc_to_rts(end, &now)));
}

/* --- requests --- */

static void post_recv(const struct cmd *cmd)
{
	struct ibv_srq *srq = srqs[cmd->link][cmd->end];
	struct ibv_sge sge[PIECES];
	struct ibv_recv_wr wr = { .wr_id = cmd->op, .sg_list = sge, .num_sge = cmd->num };
	struct ibv_recv_wr *bad;

	for (int i = 0; i < cmd->num; i++)
		sge[i] = sge_of(&cmd->piece[i]);
	if (srq)
		vt_ok(ibv_post_srq_recv(srq, &wr, &bad));
	else
		vt_ok(rc_post_recv(&ends[cmd->link][cmd->end], cmd->op, sge, cmd->num));
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

static void wr_make(struct vt_wr *wr, const struct cmd *cmd)
{
	vt_wr_init(wr, cmd->opcode, cmd->op);
	wr->wr.send_flags = cmd->flags;
	wr->wr.imm_data = cmd->imm;
	wr->wr.num_sge = cmd->num;
	for (int i = 0; i < cmd->num; i++) {
		wr->sge[i] = sge_of(&cmd->piece[i]);
		if (cmd->flags & IBV_SEND_INLINE)
			wr->sge[i].addr = (uintptr_t)worker_addr(cmd->piece[i].off);
	}
	wr_remote(wr, cmd);
}

/* This request, and those that are to be posted with it. They are marked so. */
static void post(struct cmd *cmd, int left)
{
	static struct vt_wr wrs[OPS_MAX];
	struct ibv_send_wr *bad;
	int n = 0;

	if (cmd->arg)	/* posted already, with one before it */
		return;
	do {
		wr_make(&wrs[n], &cmd[n]);
		if (n)
			wrs[n - 1].wr.next = &wrs[n].wr;
		cmd[n].arg = 1;
	} while (cmd[n].more && n + 1 < left && ++n < OPS_MAX - 1 &&
		 cmd[n].type == CMD_POST);
	vt_ok(ibv_post_send(ends[cmd->link][cmd->end].qp, &wrs[0].wr, &bad));
}

/* All completions up to that of the last request. */
static void wait_sent(const struct cmd *cmd)
{
	struct rc_end *end = &ends[cmd->link][cmd->end];
	struct ibv_wc wc;

	do {
		struct result *result;

		vt_require(vt_poll_for(end->scq, &wc, 1, 2 * vt_patience_ms()) == 1,
			   "link %d, end %d: operation %d did not complete (QP state %d)",
			   cmd->link, cmd->end, cmd->op, rc_state(end));
		vt_require(wc.wr_id < ARRAY_SIZE(chaos->results), "completion of nothing");
		result = &chaos->results[wc.wr_id];
		vt_require(!result->sent, "operation %d completed twice", (int)wc.wr_id);
		result->send_status = wc.status;
		result->send_opcode = wc.opcode;
		result->sent = true;
	} while (wc.wr_id != (uint64_t)cmd->op);
}

/* As many receives as should have been used; with faults fewer may be. */
static void wait_received(const struct cmd *cmd)
{
	struct rc_end *end = &ends[cmd->link][cmd->end];
	unsigned int patience = cmd->flags ? vt_patience_ms() / 600 : 2 * vt_patience_ms();
	struct ibv_wc wc;

	for (int i = 0; i < cmd->arg; i++) {
		struct result *result;

		if (vt_poll_for(end->rcq, &wc, 1, patience) != 1)
			return;
		vt_require(wc.wr_id < ARRAY_SIZE(chaos->results), "completion of nothing");
		result = &chaos->results[wc.wr_id];
		vt_require(!result->received, "receive %d completed twice", (int)wc.wr_id);
		result->recv_status = wc.status;
		result->recv_opcode = wc.opcode;
		result->recv_len = wc.byte_len;
		result->has_imm = wc.wc_flags & IBV_WC_WITH_IMM;
		result->imm = wc.imm_data;
		result->received = true;
	}
}

/* False: no command of ours. @left are on the desk, from this one on. */
bool worker_verbs(struct cmd *cmd, int left)
{
	switch (cmd->type) {
	case CMD_REG:
		region_make(cmd);
		return true;
	case CMD_DEREG:
		region_end(cmd);
		return true;
	case CMD_REREG:
		region_change(cmd);
		return true;
	case CMD_ADVISE:
		region_advise(cmd);
		return true;
	case CMD_QP_MAKE:
		qp_make(cmd);
		return true;
	case CMD_QP_RESET:
		qp_reset(cmd);
		return true;
	case CMD_QP_CONNECT:
		qp_connect(cmd);
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
	default:
		return false;
	}
}

/* Nothing that was made may be held by anything but its user. */
void worker_verbs_close(void)
{
	for (int l = 0; l < LINKS_MAX; l++)
		for (int e = 0; e < 2; e++)
			qp_end(l, e);
	for (int r = 0; r < REGIONS; r++) {
		window_end(r);
		if (mrs[r])
			TRY(err_no(ibv_dereg_mr(mrs[r])));
	}
	vt_release_to(0);
	free(binder);
	TRY(err_no(ibv_dealloc_pd(pd)));
	vt_drain_events(dev);
	vt_devs_close();
}
