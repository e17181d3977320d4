/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Memory that is no ordinary memory of the program, and operations between it and any
 * other: all of it, and what is around the region, is compared with a model.
 */
#ifndef FAR_H
#define FAR_H

#include "rc.h"

#define FAR_MARGIN	104		/* around a region, not to be touched */
#define FAR_BYTES	(3 * 4096 + 1000)	/* of a region: several pages and packets */
#define FAR_WHOLE	(FAR_MARGIN + FAR_BYTES + FAR_MARGIN)

/* Memory of one end, and what should be in it. */
struct far {
	struct rc_end *end;
	struct vt_mem *mem;	/* the region, perhaps without an address */
	void *obj;		/* of what @get and @put are for */
	void (*get)(struct far *far, uint8_t *to);	/* FAR_WHOLE bytes */
	void (*put)(struct far *far, const uint8_t *from);
	uint8_t *model;		/* of FAR_WHOLE bytes, of which the region has FAR_BYTES */
	uint8_t *seen;
};

struct far *far_new(struct rc_end *end, struct ibv_mr *mr, uint64_t iova, void *obj);
struct far *far_host(struct rc_end *end);
void far_fill(struct far *far);
void far_check(struct far *far);
void far_play(enum ibv_wr_opcode opcode, struct far *from, struct far *to);

#endif /* FAR_H */
