// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Every operation with every kind of memory at either end, random offsets and lengths,
 * scattered and gathered. Each byte of both ends is compared with a shadow that the test
 * computes.
 */
#include <sys/mman.h>

#include "rc.h"

#define ARENA		(5 * MIB + 333)
#define MAX_SPANS	8
#define MARGIN		(8 * KIB)

struct variant {
	const struct rc_op *op;
	enum vt_kind local, remote;
};

struct span {
	size_t off, len;
};

/* Spans of one arena that a message is gathered from or scattered to. */
struct spans {
	struct span at[MAX_SPANS];
	int num;
	size_t len;
};

/* One end's memory, and the shadow of what it should hold. */
struct side {
	struct rc_end *end;
	struct vt_mem *mem;
	uint8_t *shadow;
};

static struct side side_new(struct rc_end *end, enum vt_kind kind)
{
	struct side side = { .end = end };

	side.mem = vt_mem_new(end->pd, kind, ARENA, VT_ACCESS_ALL);
	side.shadow = vt_map(ARENA, 0);
	vt_fill(side.shadow, ARENA);
	memcpy(side.mem->addr, side.shadow, ARENA);
	return side;
}

static void compare(const struct side *side, size_t from, size_t to)
{
	const uint8_t *is = side->mem->addr, *want = side->shadow;

	if (!memcmp(is + from, want + from, to - from))
		return;
	while (is[from] == want[from])
		from++;
	while (is[to - 1] == want[to - 1])
		to--;
	vt_fail("memory differs from %zu to %zu: %#x is %#x at first", from, to,
		want[from], is[from]);
}

/* Compare a range and the bytes around it with the shadow. */
static void compare_around(const struct side *side, size_t off, size_t len)
{
	size_t from = off > MARGIN ? off - MARGIN : 0;
	size_t to = off + len + MARGIN;

	compare(side, from, to < ARENA ? to : ARENA);
}

static void compare_spans(const struct side *side, const struct spans *spans)
{
	for (int i = 0; i < spans->num; i++)
		compare_around(side, spans->at[i].off, spans->at[i].len);
}

static void shuffle(struct spans *spans)
{
	for (int i = spans->num - 1; i > 0; i--) {
		int j = vt_below(i + 1);
		struct span tmp = spans->at[i];

		spans->at[i] = spans->at[j];
		spans->at[j] = tmp;
	}
}

/* Cut @len bytes into up to @max disjoint spans of odd lengths, in any order. */
static struct spans pick_spans(size_t len, int max)
{
	struct spans spans = { .len = len, .num = 1 + vt_below(max) };
	size_t slack = ARENA - len, pos = 0, left = len;

	for (int i = 0; i < spans.num; i++) {
		struct span *span = &spans.at[i];
		bool last = i == spans.num - 1;
		size_t gap = vt_below(slack / (last ? 1 : 64) + 1);

		span->len = last ? left : vt_below(left + 1);
		span->off = pos + gap;
		pos = span->off + span->len;
		left -= span->len;
		slack -= gap;
	}
	if (!len && vt_chance(50))
		spans.num = 0;
	shuffle(&spans);
	return spans;
}

static int fill_sges(struct ibv_sge *sge, const struct side *side,
		     const struct spans *spans)
{
	for (int i = 0; i < spans->num; i++)
		sge[i] = vt_sge(side->mem, spans->at[i].off, spans->at[i].len);
	return spans->num;
}

/* Write new data to a source and its shadow. */
static void refresh(struct side *side, size_t off, size_t len)
{
	vt_fill(side->shadow + off, len);
	memcpy(side->mem->addr + off, side->shadow + off, len);
}

static void refresh_spans(struct side *side, const struct spans *spans)
{
	for (int i = 0; i < spans->num; i++)
		refresh(side, spans->at[i].off, spans->at[i].len);
}

/* Apply the message to the shadows. */
static void move_shadow(struct side *to, const struct spans *dst,
			const struct side *from, const struct spans *src)
{
	uint8_t *message = malloc(src->len + 1);
	size_t pos = 0, part;

	vt_require(message, "out of memory");
	for (int i = 0; i < src->num; i++) {
		memcpy(message + pos, from->shadow + src->at[i].off, src->at[i].len);
		pos += src->at[i].len;
	}
	pos = 0;
	for (int i = 0; i < dst->num && pos < src->len; i++) {
		part = dst->at[i].len < src->len - pos ? dst->at[i].len : src->len - pos;
		memcpy(to->shadow + dst->at[i].off, message + pos, part);
		pos += part;
	}
	free(message);
}

static void check_recv(struct side *target, const struct rc_op *op, uint64_t id,
		       uint32_t imm, size_t len)
{
	struct ibv_wc wc = vt_want(target->end->rcq, id, IBV_WC_SUCCESS);

	vt_require(wc.opcode == op->recv_wc, "opcode %d", wc.opcode);
	vt_require(wc.byte_len == len, "received %u bytes of %zu", wc.byte_len, len);
	vt_require(wc.qp_num == target->end->qp->qp_num, "wrong qp_num");
	vt_require(!!(wc.wc_flags & IBV_WC_WITH_IMM) == op->imm, "immediate flag");
	vt_require(!op->imm || wc.imm_data == imm, "immediate data %#x", wc.imm_data);
}

static void check_sent(struct side *from, const struct rc_op *op, uint64_t id, size_t len)
{
	struct ibv_wc wc = vt_want(from->end->scq, id, IBV_WC_SUCCESS);

	vt_require(wc.opcode == op->wc, "opcode %d", wc.opcode);
	vt_require(wc.qp_num == from->end->qp->qp_num, "wrong qp_num");
	vt_require(!op->fetches || wc.byte_len == len, "fetched %u bytes", wc.byte_len);
}

static bool can_inline(const struct rc_op *op, size_t len, size_t max)
{
	return !op->fetches && len <= max && vt_chance(50);
}

/* Drop pages of the spans, in memory and shadow, so that the NIC has to fault them in again. */
static void drop_pages(struct side *side, enum vt_kind kind, const struct spans *spans)
{
	for (int i = 0; kind != VT_PINNED && i < spans->num; i++) {
		uintptr_t addr = (uintptr_t)side->mem->addr + spans->at[i].off;
		uintptr_t from = (addr + 4095) & ~4095UL;
		uintptr_t to = (addr + spans->at[i].len) & ~4095UL;

		if (from >= to)
			continue;
		vt_ok(madvise((void *)from, to - from, MADV_DONTNEED));
		memset(side->shadow + (from - (uintptr_t)side->mem->addr), 0, to - from);
	}
}

/* SEND, WRITE and READ, with and without immediate data. */
static void transfer(struct side *from, struct side *to, const struct rc_op *op,
		     unsigned int mtu, enum vt_kind to_kind)
{
	size_t len = vt_length(4 * MIB, mtu);
	struct spans local = pick_spans(len, MAX_SPANS);
	size_t room = !op->rdma && vt_chance(50) ? len + vt_below(5000) : len;
	struct spans remote = pick_spans(room, op->rdma ? 1 : MAX_SPANS);
	uint64_t id = vt_rand(), recv_id = vt_rand();
	struct ibv_sge recv_sge[MAX_SPANS];
	uint32_t imm = vt_rand();
	struct vt_wr wr;

	vt_wr_init(&wr, op->op, id);
	wr.wr.num_sge = fill_sges(wr.sge, from, &local);
	wr.wr.imm_data = imm;
	if (op->rdma)
		vt_wr_remote(&wr, to->mem, remote.num ? remote.at[0].off : 0);
	if (op->fetches)
		refresh_spans(to, &remote);
	else
		refresh_spans(from, &local);
	if (vt_chance(20))
		drop_pages(op->fetches ? from : to, to_kind,
			   op->fetches ? &local : &remote);
	if (op->recv && op->rdma)
		vt_ok(rc_post_recv(to->end, recv_id, NULL, 0));
	else if (op->recv)
		vt_ok(rc_post_recv(to->end, recv_id, recv_sge,
				   fill_sges(recv_sge, to, &remote)));
	if (can_inline(op, len, 200))
		vt_wr_inline(&wr, from->mem);

	vt_ok(rc_post(from->end, &wr));
	if (op->fetches)
		move_shadow(from, &local, to, &remote);
	else
		move_shadow(to, &remote, from, &local);
	if (wr.wr.send_flags & IBV_SEND_INLINE)
		refresh_spans(from, &local);	/* ibv_post_send() has copied the data */

	check_sent(from, op, id, len);
	if (op->recv)
		check_recv(to, op, recv_id, imm, len);
	compare_spans(from, &local);
	compare_spans(to, &remote);
}

/* An atomic on a random aligned word; the result goes to an unaligned local address. */
static void atomic(struct side *from, struct side *to, const struct rc_op *op)
{
	size_t skew = -to->mem->iova & 7;
	size_t roff = skew + vt_below((ARENA - 16) / 8) * 8;
	size_t loff = vt_below(ARENA - 8);
	uint64_t old, add = vt_rand(), swap = vt_rand(), id = vt_rand(), new;
	struct vt_wr wr;

	refresh(to, roff, 8);
	memcpy(&old, to->shadow + roff, 8);
	vt_wr_init(&wr, op->op, id);
	vt_wr_local(&wr, from->mem, loff, 8);
	vt_wr_remote(&wr, to->mem, roff);
	if (op->op == IBV_WR_ATOMIC_CMP_AND_SWP) {
		add = vt_chance(60) ? old : add;
		new = add == old ? swap : old;
	} else {
		new = old + add;
	}
	vt_wr_atomic(&wr, add, swap);
	vt_ok(rc_post(from->end, &wr));
	check_sent(from, op, id, 8);
	memcpy(to->shadow + roff, &new, 8);
	memcpy(from->shadow + loff, &old, 8);
	compare_around(from, loff, 8);
	compare_around(to, roff, 8);
}

static void one(struct side *from, struct side *to, const struct rc_op *op,
		unsigned int mtu, enum vt_kind from_kind, enum vt_kind to_kind)
{
	if (op->atomic)
		atomic(from, to, op);
	else
		transfer(from, to, op, mtu, op->fetches ? from_kind : to_kind);
}

static void run_mtu(const struct variant *v, unsigned int mtu)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_pair *pair;
	struct side a, b;

	attr.mtu = mtu;
	attr.sge = MAX_SPANS;
	attr.inline_len = 200;
	attr.wr = 4;
	pair = rc_pair_new(&attr);
	a = side_new(&pair->a, v->local);
	b = side_new(&pair->b, v->remote);
	for (unsigned int i = 0; i < 12; i++) {
		if (vt_chance(50))
			one(&a, &b, v->op, mtu, v->local, v->remote);
		else
			one(&b, &a, v->op, mtu, v->remote, v->local);
	}
	compare(&a, 0, ARENA);
	compare(&b, 0, ARENA);
	vt_mem_guards(a.mem);
	vt_mem_guards(b.mem);
}

static struct variant variants[RC_OPS * VT_KINDS * VT_KINDS];

static void data(const void *arg)
{
	const struct variant *v = arg;
	unsigned int mtus[5];
	size_t n = rc_mtus(mtus);

	vt_need_kind(vt_dev(0), v->local, v->op->odp_cap);
	vt_need_kind(vt_dev(1), v->remote, v->op->odp_cap);
	/* each variant tries two MTUs; together the variants try all */
	for (size_t i = 0; i < 2 * vt_opts.rounds; i++)
		run_mtu(v, mtus[(v - variants + i * 2 + vt_below(2)) % n]);
}

static void add_tests(void)
{
	struct variant *v = variants;

	for (size_t i = 0; i < RC_OPS; i++)
		for (int local = 0; local < VT_KINDS; local++)
			for (int remote = 0; remote < VT_KINDS; remote++, v++) {
				*v = (struct variant){ &rc_ops[i], local, remote };
				vt_test(data, v, "data_%s_%s_to_%s", v->op->name,
					vt_kind_name[local], vt_kind_name[remote]);
			}
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
