/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Pages made present before they are needed: ibv_advise_mr(). */
#ifndef NOPIN_PREFETCH_H
#define NOPIN_PREFETCH_H

#include <rdma/ib_verbs.h>

int nopin_region_prefetch(struct ib_pd *pd, enum ib_uverbs_advise_mr_advice advice,
			  u32 flags, struct ib_sge *sges, u32 num_sge);
int nopin_prefetch_init(void);
void nopin_prefetch_exit(void);

#endif /* NOPIN_PREFETCH_H */
