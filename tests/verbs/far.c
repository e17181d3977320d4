// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory other than the program's ordinary memory, and operations on it. */
#include "far.h"

static void host_get(struct far *far, uint8_t *to)
{
	memcpy(to, far->model, FAR_WHOLE);
	memcpy(to + FAR_MARGIN, far->mem->addr, FAR_BYTES);
	vt_mem_guards(far->mem);
}

static void host_put(struct far *far, const uint8_t *from)
{
	memcpy(far->mem->addr, from + FAR_MARGIN, FAR_BYTES);
}

static struct far *far_alloc(struct rc_end *end)
{
	struct far *far = calloc(1, sizeof(*far));

	vt_require(far, "out of memory");
	vt_defer(free, far);
	far->end = end;
	far->model = vt_map(FAR_WHOLE, 0);
	far->seen = vt_map(FAR_WHOLE, 0);
	return far;
}

/*
 * Make a struct far for the region @mr. The caller sets @get and @put, then calls
 * far_fill().
 */
struct far *far_new(struct rc_end *end, struct ibv_mr *mr, uint64_t iova, void *obj)
{
	struct far *far = far_alloc(end);

	far->mem = calloc(1, sizeof(*far->mem));
	vt_require(far->mem, "out of memory");
	vt_defer(free, far->mem);
	far->mem->len = FAR_BYTES;
	far->mem->iova = iova;
	far->mem->mr = mr;
	far->obj = obj;
	return far;
}

/* Make a struct far of ordinary memory of the program, as the other end. */
struct far *far_host(struct rc_end *end)
{
	struct far *far = far_alloc(end);

	far->mem = vt_mem_new(end->pd, VT_PINNED, FAR_BYTES, VT_ACCESS_ALL);
	far->get = host_get;
	far->put = host_put;
	far_fill(far);
	return far;
}

void far_fill(struct far *far)
{
	vt_fill(far->model, FAR_WHOLE);
	far->put(far, far->model);
}

void far_check(struct far *far)
{
	far->get(far, far->seen);
	vt_require(!memcmp(far->seen, far->model, FAR_WHOLE), "memory differs");
}

/* Apply the operation to the models; @off is the offset at the requester, @at at the peer. */
static void play_model(enum ibv_wr_opcode op, struct far *from, size_t off,
		       struct far *to, size_t at, size_t len, uint64_t add)
{
	uint8_t *here = from->model + FAR_MARGIN + off, *there = to->model + FAR_MARGIN + at;
	uint64_t word;

	switch (op) {
	case IBV_WR_ATOMIC_FETCH_AND_ADD:
		memcpy(&word, there, sizeof(word));
		memcpy(here, &word, sizeof(word));
		word += add;
		memcpy(there, &word, sizeof(word));
		break;
	case IBV_WR_RDMA_READ:
		memcpy(here, there, len);
		break;
	default:
		memcpy(there, here, len);
		break;
	}
}

/*
 * Perform one operation at random offsets, then compare all of both memories with the
 * models.
 */
void far_play(enum ibv_wr_opcode opcode, struct far *from, struct far *to)
{
	const struct rc_op *op = rc_op(opcode);
	size_t len = op->atomic ? 8 : vt_length(FAR_BYTES, 1024);
	size_t off = vt_below(FAR_BYTES - len + 1), at = vt_below(FAR_BYTES - len + 1);
	uint64_t add = vt_rand();
	struct ibv_sge sge;
	struct vt_wr wr;

	if (op->atomic)
		at += -(to->mem->iova + at) & 7;
	if (at + len > FAR_BYTES)
		return;
	sge = vt_sge(to->mem, at, len);
	if (op->recv)
		vt_ok(rc_post_recv(to->end, 7, &sge, op->rdma || !len ? 0 : 1));
	vt_wr_init(&wr, opcode, 8);
	vt_wr_local(&wr, from->mem, off, len);
	if (op->rdma)
		vt_wr_remote(&wr, to->mem, at);
	if (op->atomic)
		vt_wr_atomic(&wr, add, 0);
	play_model(opcode, from, off, to, at, len, add);
	vt_ok(rc_post(from->end, &wr));
	vt_want(from->end->scq, 8, IBV_WC_SUCCESS);
	if (op->recv)
		vt_want(to->end->rcq, 7, IBV_WC_SUCCESS);
	far_check(from);
	far_check(to);
}
