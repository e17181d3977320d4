// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The verbs calls of a process. */
#include <unistd.h>

#include "nopindv.h"
#include "worker.h"

static struct ibv_mr *mrs[REGIONS];
static struct ibv_mw *mws[REGIONS];
static struct rc_pair *binder;		/* connects the process to itself, to bind windows */
static struct ibv_dm *dm;
struct worker worker;

static void binder_open(void)
{
	struct rc_addr a, b;

	TRY(!(binder = calloc(1, sizeof(*binder))));
	rc_end_open(&binder->a, worker.dev, worker.pd, &worker.attr);
	rc_end_open(&binder->b, worker.dev, worker.pd, &worker.attr);
	a = rc_end_addr(&binder->a);
	b = rc_end_addr(&binder->b);
	rc_connect(&binder->a, &worker.attr, &b);
	rc_connect(&binder->b, &worker.attr, &a);
}

static void dm_open(void)
{
	struct ibv_alloc_dm_attr alloc = { .length = DM_LEN };

	TRY(!(dm = ibv_alloc_dm(worker.dev->ctx, &alloc)));
}

void worker_verbs_open(void)
{
	worker.dev = vt_dev(vt_opts.peer ? worker_id & 1 : 0);
	worker.attr = rc_attr_default;
	chaos->mtu[worker_id] = 128U << worker.dev->port.active_mtu;
	TRY(!(worker.pd = ibv_alloc_pd(worker.dev->ctx)));
	dm_open();
	worker_links_open();
	if (!chaos_opts.faults)
		binder_open();
}

/* --- device memory --- */

void worker_dm_get(uint32_t off, uint8_t *to, uint32_t len)
{
	vt_ok(ibv_memcpy_from_dm(to, dm, off - ARENA_LEN, len));
}

void worker_dm_put(uint32_t off, const uint8_t *from, uint32_t len)
{
	vt_ok(ibv_memcpy_to_dm(dm, off - ARENA_LEN, from, len));
}

/* Move pages to the device's memory, if it has any, or back. */
void worker_migrate(const struct cmd *cmd, bool to_nic)
{
	nopindv_migrate(worker.pd, worker_addr(cmd->off), cmd->len, to_nic);
}

/* --- regions, and windows over them --- */

static int reg_access(const struct region *as)
{
	static const int of_kind[] = {
		[VT_ODP] = IBV_ACCESS_ON_DEMAND, [VT_IMPLICIT] = IBV_ACCESS_ON_DEMAND,
		[KIND_DM] = IBV_ACCESS_ZERO_BASED,
	};

	return as->access | of_kind[as->kind] | (as->window ? IBV_ACCESS_MW_BIND : 0);
}

/* With a window peers do not use the region's own key. */
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
	TRY(!(mws[r] = ibv_alloc_mw(worker.pd, IBV_MW_TYPE_1)));
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
		return ibv_reg_mr(worker.pd, NULL, SIZE_MAX, reg_access(as));
	if (as->kind == KIND_DM)
		return ibv_reg_dm_mr(worker.pd, dm, as->off - ARENA_LEN, as->len,
				     reg_access(as));
	return ibv_reg_mr_iova(worker.pd, worker_addr(as->off), as->len, as->iova, reg_access(as));
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

/* Change the rights, or the range, with its address as the IOVA. */
static void region_change(const struct cmd *cmd)
{
	int access = cmd->flags & IBV_REREG_MR_CHANGE_ACCESS ? reg_access(&cmd->as) : 0;

	window_end(cmd->region);
	TRY(ibv_rereg_mr(mrs[cmd->region], cmd->flags, worker.pd, worker_addr(cmd->as.off),
			 cmd->as.len, access));
	window_make(cmd->region, &cmd->as);
	publish(cmd->region);
}

struct ibv_sge worker_sge(const struct piece *piece)
{
	const struct region *region = &chaos->desks[worker_id].regions[piece->region];

	return (struct ibv_sge){
		region->iova + (uint64_t)piece->off - region->off, piece->len, region->lkey,
	};
}

/* Ignore errors: the range may have holes. */
static void region_advise(const struct cmd *cmd)
{
	struct ibv_sge sge[PIECES];

	for (int i = 0; i < cmd->num; i++)
		sge[i] = worker_sge(&cmd->piece[i]);
	ibv_advise_mr(worker.pd, cmd->arg, cmd->flags, sge, cmd->num);
}

/* Returns false for a command of another file. @left: commands on the desk from @cmd on. */
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
	default:
		return worker_link(cmd, left);
	}
}

/* Destroy all objects: nothing else may hold a reference that makes a call fail. */
void worker_verbs_close(void)
{
	worker_links_close();
	for (int r = 0; r < REGIONS; r++) {
		window_end(r);
		if (mrs[r])
			TRY(err_no(ibv_dereg_mr(mrs[r])));
	}
	TRY(err_no(ibv_free_dm(dm)));
	vt_release_to(0);
	free(binder);
	TRY(err_no(ibv_dealloc_pd(worker.pd)));
	vt_drain_events(worker.dev);
	vt_devs_close();
}
