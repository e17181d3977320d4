// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Address handles. The kernel resolves the address once; work requests name the handle
 * by its number.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "nopin.h"

struct nopin_create_ah_answer {
	struct ib_uverbs_create_ah_resp core;
	struct nopin_create_ah_resp drv;
};

static_assert(offsetof(struct nopin_create_ah_answer, drv) ==
		      sizeof(struct ib_uverbs_create_ah_resp),
	      "the driver's part follows the core's");

struct ibv_ah *nopin_create_ah(struct ibv_pd *pd, struct ibv_ah_attr *attr)
{
	struct nopin_create_ah_answer resp = {};
	struct nopin_ah *ah;
	int ret;

	ah = calloc(1, sizeof(*ah));
	if (!ah)
		return NULL;

	ret = ibv_cmd_create_ah(pd, &ah->ibah, attr, &resp.core, sizeof(resp));
	if (ret) {
		free(ah);
		errno = ret;
		return NULL;
	}
	ah->number = resp.drv.ah;
	return &ah->ibah;
}

int nopin_destroy_ah(struct ibv_ah *ibah)
{
	int ret;

	/* Requests that this thread has posted without a doorbell may name the handle. */
	nopin_pay();
	ret = ibv_cmd_destroy_ah(ibah);
	if (ret)
		return ret;
	free(to_nopin_ah(ibah));
	return 0;
}
