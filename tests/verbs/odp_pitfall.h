/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Provokes two known effects of on-demand paging on the wire, from "Pitfalls of InfiniBand
 * with On-Demand Paging" (ISPASS 2021):
 *
 *   damming: a request posted while the page of an earlier request is fetched gets lost,
 *            and is sent again only after an ACK timeout
 *   flood:   many QPs that fault retransmit again and again although nothing is lost
 *
 * The functions compare the data. The caller, a test or a benchmark, judges the time taken
 * and the devices' counters.
 */
#ifndef ODP_PITFALL_H
#define ODP_PITFALL_H

#include <pthread.h>

#include "rc.h"

#define ODP_PITFALL_QPS	256	/* at most */

enum odp_faulting { ODP_REQUESTER = 1, ODP_RESPONDER = 2, ODP_BOTH = 3 };

/**
 * struct odp_damming - two requests, one after the other, that meet page faults
 * @where: at which end pages are missing
 * @gap_ms: time from the first request to the second
 * @delay_ms: duration of a fault
 */
struct odp_damming {
	enum vt_kind kind;
	enum ibv_wr_opcode op;
	enum odp_faulting where;
	unsigned int gap_ms, delay_ms;
};

/* Returns the milliseconds from posting the first request to the completion of both. */
uint64_t odp_damming_run(struct rc_pair *pair, const struct odp_damming *d);

/**
 * struct odp_flood - many QPs, each of which needs a page at the same time
 * @same_page: all QPs need the same page; otherwise each its own
 * @disturbed: a thread keeps dropping the pages
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
	uint8_t *file, *map;	/* two mappings of the pages; @map gets dropped */
	size_t len;
	pthread_t thread;
	bool stop;
};

/*
 * The end of the test releases all that odp_flood_open() makes; odp_flood_close() stops the
 * thread that drops pages.
 */
struct odp_flooding *odp_flood_open(struct vt_dev *a, struct vt_dev *b,
				    const struct odp_flood *flood, unsigned int ack_timeout);
void odp_flood_round(struct odp_flooding *f);
void odp_flood_close(struct odp_flooding *f);

#endif /* ODP_PITFALL_H */
