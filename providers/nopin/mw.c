// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory windows. Binding one is a send request, also by the verb ibv_bind_mw()
 * (post_ex.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "send.h"

struct ibv_mw *nopin_alloc_mw(struct ibv_pd *pd, enum ibv_mw_type type)
{
	struct ib_uverbs_alloc_mw_resp resp;
	struct ibv_alloc_mw cmd = {};
	struct ibv_mw *mw;
	int ret;

	mw = calloc(1, sizeof(*mw));
	if (!mw)
		return NULL;

	ret = ibv_cmd_alloc_mw(pd, type, mw, &cmd, sizeof(cmd), &resp,
			       sizeof(resp));
	if (ret) {
		free(mw);
		errno = ret;
		return NULL;
	}
	return mw;
}

int nopin_dealloc_mw(struct ibv_mw *mw)
{
	int ret = ibv_cmd_dealloc_mw(mw);

	if (!ret)
		free(mw);
	return ret;
}

/**
 * nopin_send_bind() - describe the binding of a window
 * @wqe: its entry
 * @rkey: the window's new key
 * @info: the region, and the range in it; no bytes: bind it to nothing
 */
void nopin_send_bind(struct nopin_send_wqe *wqe, uint32_t rkey,
		     const struct ibv_mw_bind_info *info)
{
	wqe->rkey = rkey;
	wqe->remote_addr = info->addr;
	wqe->bind_length = info->length;
	wqe->bind_lkey = info->mr ? info->mr->lkey : 0;
	wqe->bind_access = info->mw_access_flags;
}

/**
 * nopin_send_bind_check() - may a window be bound by a send request?
 * @mw: the window; one of type 1 may not, as ibv_bind_mw() binds it
 * @rkey: its new key, of which only the lowest 8 bits are the program's to choose
 * @info: the region, and the range in it
 *
 * Return: 0 or an errno.
 */
int nopin_send_bind_check(const struct ibv_mw *mw, uint32_t rkey,
			  const struct ibv_mw_bind_info *info)
{
	if (!mw || mw->type != IBV_MW_TYPE_2 || (mw->rkey ^ rkey) > UINT8_MAX || !info->mr)
		return EINVAL;
	/* Compare handles, as one of the two PDs may be a parent domain. */
	return mw->context == info->mr->context && mw->pd->handle == info->mr->pd->handle ?
		       0 : EPERM;
}
