/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Scatter/gather lists as one run of bytes. */
#ifndef NOPIN_SGE_H
#define NOPIN_SGE_H

#include "mem/region.h"

struct nopin_sge;

int nopin_sges_check(struct ib_pd *pd, const struct nopin_sge *sges, u32 num,
		     int rights);
int nopin_sges_access(struct ib_pd *pd, const struct nopin_sge *sges, u32 num,
		      u64 offset, size_t len, enum nopin_access access,
		      nopin_view_fn fn, void *ctx, struct nopin_miss *miss);

#endif /* NOPIN_SGE_H */
