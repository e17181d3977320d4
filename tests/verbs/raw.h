/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Access to the rings of nopin, for tests that do what its provider would not. */
#ifndef RAW_H
#define RAW_H

#include <nopin-abi.h>

#include "rc.h"

#define MAX_RINGS	8	/* of a pair */

struct raw_ring {
	uint8_t *map;
	size_t len;
	size_t first, stride;	/* of the entries; a stride of 0: unknown */
	uint32_t entries;	/* of an SQ */
};

struct raw_rings {
	struct raw_ring all[MAX_RINGS];
	int num;
	struct raw_ring *sq, *rq;	/* of end a */
};

void raw_find_maps(struct raw_rings *rings);
void raw_find_rings(struct raw_rings *rings, struct rc_end *end);
void raw_doorbell(struct ibv_context *ctx, uint32_t handle, uint32_t number);
void raw_post(struct raw_ring *sq, const struct nopin_send_wqe *wqe,
	      const struct nopin_sge *sge);

#endif /* RAW_H */
