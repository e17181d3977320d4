// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The effect of an operation on the model. */
#include "chaos.h"

/*
 * A message: the expected bytes (data), their values if a lazily freed source has become
 * zero (other), and whether each byte's source can be read (there).
 */
static uint8_t data[MESSAGE_MAX], other[MESSAGE_MAX], there[MESSAGE_MAX];

/* Returns true if some bytes are old or zero. */
static bool gather_piece(int w, const struct piece *piece, uint32_t at)
{
	const struct desk *desk = &chaos->desks[w];
	bool lazy = false;

	memcpy(data + at, desk->shadow + piece->off, piece->len);
	memcpy(other + at, data + at, piece->len);
	for (uint32_t i = 0, n; i < piece->len; i += n) {
		uint32_t off = piece->off + i;

		n = PAGE - off % PAGE < piece->len - i ? PAGE - off % PAGE : piece->len - i;
		memset(there + at + i, model_readable(w, off, n), n);
		if (!model_has_lazy(w, off, n))
			continue;
		memset(other + at + i, 0, n);
		lazy = true;
	}
	return lazy;
}

static bool gather(int w, const struct piece *pieces, int num)
{
	bool lazy = false;
	uint32_t at = 0;

	for (int i = 0; i < num; at += pieces[i++].len)
		lazy |= gather_piece(w, &pieces[i], at);
	return lazy;
}

/* Bytes whose source cannot be read, and read-only pages, keep their old values. */
static void land_maybe(int w, const struct piece *piece, uint32_t at, const struct op *op)
{
	const uint8_t *shadow = chaos->desks[w].shadow;
	static const uint8_t zeros[PAGE];

	for (uint32_t i = 0, n; i < piece->len; i += n) {
		uint32_t off = piece->off + i;

		n = PAGE - off % PAGE < piece->len - i ? PAGE - off % PAGE : piece->len - i;
		if (!model_writable(w, off, n)) {
			model_touch(w, off, n);
			continue;
		}
		for (uint32_t j = 0; j < n; j++)
			if (!there[at + i + j])
				data[at + i + j] = shadow[off + j];
		model_write_maybe(w, off, n, data + at + i, op->or_zero ? zeros : NULL,
				  op->maybe_flags);
	}
}

static void land_piece(int w, const struct piece *piece, uint32_t at, const struct op *op,
		       bool lazy)
{
	if (op->maybe)
		land_maybe(w, piece, at, op);
	else if (lazy && model_has_lazy(w, piece->off, piece->len))
		log_die("lazy onto lazy");
	else if (lazy)
		model_write_maybe(w, piece->off, piece->len, data + at, other + at, 0);
	else
		model_write(w, piece->off, piece->len, data + at);
}

static void land(int w, const struct piece *pieces, int num, const struct op *op, bool lazy)
{
	uint32_t at = 0;

	for (int i = 0; i < num; at += pieces[i++].len)
		land_piece(w, &pieces[i], at, op, lazy);
}

static uint64_t atomic_result(const struct op *op, uint64_t was)
{
	if (op->kind->op == IBV_WR_ATOMIC_FETCH_AND_ADD)
		return was + op->compare_add;
	return was == op->compare_add ? op->swap : was;
}

/*
 * Write the new value to the target and the old one to local memory. If the target cannot
 * be written, neither happens.
 */
static void atomic_effect(struct op *op)
{
	uint64_t was, now;

	gather(op->to, op->target, 1);
	memcpy(&was, data, 8);
	now = atomic_result(op, was);
	land(op->from, op->local, op->num_local, op, false);
	if (op->trouble && !model_writable(op->to, op->target[0].off, 8))
		return;
	memcpy(data, &now, 8);
	memset(there, 1, 8);
	land(op->to, op->target, 1, op, false);
}

static void rdma_effect(struct op *op, int from, const struct piece *source, int num_source,
			int to, const struct piece *target, int num_target)
{
	struct piece inside = { };
	bool lazy;

	if (op->partly) {
		memset(there, 0, op->len);
		inside = *source;
		inside.len = op->inside;
		source = &inside;
	}
	lazy = gather(from, source, num_source);

	for (int i = 0; lazy && i < num_target; i++)
		if (model_has_lazy(to, target[i].off, target[i].len))
			log_die("op %d: what lands is lazy at both ends", op->id);
	land(to, target, num_target, op, lazy);
}

/* The memory that an operation writes; for an atomic, where its result goes. */
const struct piece *op_landing(const struct op *op, int *w, int *num)
{
	*w = op->kind->fetches ? op->from : op->to;
	*num = op->kind->fetches ? op->num_local : op->num_target;
	return op->kind->fetches ? op->local : op->target;
}

void op_effect(struct op *op)
{
	if (op->kind->atomic)
		atomic_effect(op);
	else if (op->kind->fetches)
		rdma_effect(op, op->to, op->target, op->num_target, op->from, op->local,
			    op->num_local);
	else
		rdma_effect(op, op->from, op->local, op->num_local, op->to, op->target,
			    op->num_target);
}
