/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Memory other than the program's ordinary memory (a dma-buf, device memory), and
 * operations between it and any other memory. After each operation the region and the bytes
 * around it are compared with a model.
 */
#ifndef FAR_H
#define FAR_H

#include "rc.h"

#define FAR_MARGIN	104		/* bytes around a region, which must not change */
#define FAR_BYTES	(3 * 4096 + 1000)	/* size of a region: several pages and packets */
#define FAR_WHOLE	(FAR_MARGIN + FAR_BYTES + FAR_MARGIN)

/* Memory of one end, and the model of what it should hold. */
struct far {
	struct rc_end *end;
	struct vt_mem *mem;	/* the region; its address may be NULL */
	void *obj;		/* for @get and @put: the object behind the region */
	void (*get)(struct far *far, uint8_t *to);	/* FAR_WHOLE bytes */
	void (*put)(struct far *far, const uint8_t *from);
	uint8_t *model;		/* FAR_WHOLE bytes: the region's FAR_BYTES and margins */
	uint8_t *seen;
};

struct far *far_new(struct rc_end *end, struct ibv_mr *mr, uint64_t iova, void *obj);
struct far *far_host(struct rc_end *end);
void far_fill(struct far *far);
void far_check(struct far *far);
void far_play(enum ibv_wr_opcode opcode, struct far *from, struct far *to);

#endif /* FAR_H */
