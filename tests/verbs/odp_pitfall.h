/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What on-demand paging is known to do to the wire, after "Pitfalls of InfiniBand with
 * On-Demand Paging" (ISPASS 2021), made to happen:
 *
 *   damming: a request that follows one whose page is being fetched is lost, and found
 *            again by an ACK timeout only
 *   flood:   many QPs that fault send again and again what is not lost
 *
 * Data are compared. How long it took, and what the devices count meanwhile, is for the
 * caller to judge: a test or a benchmark.
 */
#ifndef ODP_PITFALL_H
#define ODP_PITFALL_H

#include <pthread.h>

#include "rc.h"

#define ODP_PITFALL_QPS	256	/* at most */

enum odp_faulting { ODP_REQUESTER = 1, ODP_RESPONDER = 2, ODP_BOTH = 3 };

/**
 * struct odp_damming - two requests to two pages each, one after the other
 * @where: whose memory has to be fetched
 * @gap_ms: from the first request to the second one
 * @delay_ms: what a fault takes
 */
struct odp_damming {
	enum vt_kind kind;
	enum ibv_wr_opcode op;
	enum odp_faulting where;
	unsigned int gap_ms, delay_ms;
};

/* Milliseconds from the first request until both are done. */
uint64_t odp_damming_run(struct rc_pair *pair, const struct odp_damming *d);

/**
 * struct odp_flood - many QPs, each of which needs a page at the same time
 * @same_page: the same one; otherwise one each
 * @disturbed: pages are taken away all the time
 */
struct odp_flood {
	enum vt_kind kind;
	unsigned int qps;
	bool same_page;
	bool disturbed;
};

struct odp_flooding {
	struct odp_flood flood;
	struct rc_pair pair[ODP_PITFALL_QPS];
	struct vt_mem *local, *remote;
	uint8_t *file, *map;	/* the pages, and the mapping that is taken away */
	size_t len;
	pthread_t thread;
	bool stop;
};

/* What is opened is released with the rest; close ends the disturbance. */
struct odp_flooding *odp_flood_open(struct vt_dev *a, struct vt_dev *b,
				    const struct odp_flood *flood, unsigned int ack_timeout);
void odp_flood_round(struct odp_flooding *f);
void odp_flood_close(struct odp_flooding *f);

#endif /* ODP_PITFALL_H */
