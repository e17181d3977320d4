// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Requests that must not reach memory: forged keys, missing rights, ranges that leave their
 * region. Each must complete with the right status (IBTA 9.9, 10.10, 11.6.2), move no byte,
 * and leave other QPs alone.
 */
#include "rc.h"

#define LEN	9000	/* bytes of the regions: several pages and packets */
#define GOOD	4	/* good requests posted before the bad one */
#define FOLLOWERS	2	/* requests posted after the bad one */

struct scene {
	const struct rc_op *op;
	enum vt_kind kind;
	struct rc_attr attr;
	struct rc_pair *pair;
	struct vt_mem *local, *remote;
	uint8_t *local_copy, *remote_copy;
	size_t len;
	struct vt_wr good[GOOD];
	struct vt_wr wr;
	struct vt_wr follower[FOLLOWERS];
};

struct trouble {
	const char *name;
	void (*spoil)(struct scene *s);
	enum ibv_wc_status status;
	bool needs_bounds;	/* needs a region with bounds: not for implicit ones */
	bool at_sender;		/* the error is local to the sender */
	bool partly;		/* valid parts of the message may have been sent */
	bool no_key;		/* no valid key is left for good requests */
};

struct variant {
	const struct rc_op *op;
	const struct trouble *trouble;
	enum vt_kind kind;
};

/* --- building and judging a scene --- */

static uint8_t *copy_of(const struct vt_mem *mem)
{
	uint8_t *copy = vt_map(mem->len, 0);

	memcpy(copy, mem->addr, mem->len);
	return copy;
}

static struct vt_mem *region(struct ibv_pd *pd, enum vt_kind kind, int access)
{
	struct vt_mem *mem = vt_mem_new(pd, kind, LEN, access);

	vt_fill(mem->addr, mem->len);
	return mem;
}

/* An offset near @off in @mem whose address is aligned for an atomic. */
static size_t aligned(const struct vt_mem *mem, size_t off)
{
	return off + (-(mem->iova + off) & 7);
}

static uint64_t *remote_addr(struct scene *s)
{
	return s->op->atomic ? &s->wr.wr.wr.atomic.remote_addr :
			       &s->wr.wr.wr.rdma.remote_addr;
}

static uint32_t *rkey(struct scene *s)
{
	return s->op->atomic ? &s->wr.wr.wr.atomic.rkey : &s->wr.wr.wr.rdma.rkey;
}

/* Build a request that is valid until a trouble spoils it. */
static void scene_init(struct scene *s, const struct rc_op *op, enum vt_kind kind)
{
	memset(s, 0, sizeof(*s));
	s->op = op;
	s->kind = kind;
	s->attr = rc_attr_default;
	s->pair = rc_pair_new(&s->attr);
	s->local = region(s->pair->a.pd, kind, VT_ACCESS_ALL);
	s->remote = region(s->pair->b.pd, kind, VT_ACCESS_ALL);
	s->len = op->atomic ? 8 : 2 + vt_below(vt_chance(50) ? 200 : LEN - 100);
	vt_wr_init(&s->wr, op->op, 1);
	vt_wr_local(&s->wr, s->local, vt_below(LEN - s->len), s->len);
	if (op->rdma)
		vt_wr_remote(&s->wr, s->remote, aligned(s->remote, 16));
}

static void scene_remember(struct scene *s)
{
	s->local_copy = copy_of(s->local);
	s->remote_copy = copy_of(s->remote);
}

static void scene_guards(struct scene *s)
{
	vt_require(!memcmp(s->local->addr, s->local_copy, LEN), "local memory changed");
	vt_mem_guards(s->local);
	vt_mem_guards(s->remote);
}

static void scene_untouched(struct scene *s)
{
	scene_guards(s);
	vt_require(!memcmp(s->remote->addr, s->remote_copy, LEN), "remote memory changed");
}

/*
 * Build a valid request of a few bytes, near either end of the regions, and apply it to the
 * copies.
 */
static void fill_good(struct scene *s, struct vt_wr *wr, enum ibv_wr_opcode op)
{
	size_t len = 1 + vt_below(64), off = vt_below(200);
	size_t there = vt_chance(50) ? off : LEN - len - off;
	size_t here = vt_chance(50) ? off : LEN - len - off;

	vt_wr_init(wr, op, 0);
	vt_wr_local(wr, s->local, here, len);
	vt_wr_remote(wr, s->remote, there);
	wr->wr.send_flags = 0;
	if (op == IBV_WR_RDMA_READ)
		memcpy(s->local_copy + here, s->remote_copy + there, len);
	else
		memcpy(s->remote_copy + there, s->local_copy + here, len);
}

static void right_missing(struct scene *s);

/*
 * Post the bad request, alone or behind good ones: it must not pass by what the driver
 * cached while it checked those. A key that lacks one right is valid for other operations.
 * Between two nodes no READs come first: a responder in error would not send a lost
 * response again.
 */
static void post_bad(struct scene *s, const struct trouble *trouble)
{
	bool one_device = s->pair->a.dev == s->pair->b.dev;
	bool reads = s->op->op == IBV_WR_RDMA_READ && one_device;
	bool lacks = trouble->spoil == right_missing;

	if (trouble->no_key || (lacks && !one_device) || vt_chance(30)) {
		vt_ok(rc_post(&s->pair->a, &s->wr));
		return;
	}
	for (int i = 0; i < GOOD; i++) {
		struct vt_wr *wr = &s->good[i];

		fill_good(s, wr, reads != lacks ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE);
		if (lacks)
			wr->wr.wr.rdma.rkey = *rkey(s);
	}
	vt_wr_chain(s->good, GOOD);
	s->good[GOOD - 1].wr.next = &s->wr.wr;
	vt_ok(rc_post(&s->pair->a, &s->good[0]));
}

/*
 * Prepare the requests behind the bad one. Returns true if the post of the bad request
 * includes them; otherwise the caller posts them.
 */
static bool add_followers(struct scene *s)
{
	bool same = vt_chance(50);

	for (int i = 0; i < FOLLOWERS; i++) {
		struct vt_wr *wr = &s->follower[i];

		vt_wr_init(wr, IBV_WR_SEND, 2 + i);
		wr->wr.send_flags = 0;	/* a flushed request completes even if unsignaled */
	}
	vt_wr_chain(s->follower, FOLLOWERS);
	s->wr.wr.next = same ? &s->follower[0].wr : NULL;
	return same;
}

/* Post receives at the target, the bad request and two behind it; check all consequences. */
static void scene_play(struct scene *s, const struct trouble *trouble)
{
	enum ibv_wc_status status = trouble->status;
	struct rc_end *a = &s->pair->a, *b = &s->pair->b;
	bool same;

	scene_remember(s);
	for (int i = 0; i < 3; i++)
		vt_ok(rc_post_recv(b, 10 + i, NULL, 0));
	s->wr.wr.send_flags &= ~IBV_SEND_SIGNALED;	/* errors complete even if unsignaled */
	same = add_followers(s);
	post_bad(s, trouble);
	if (!same)
		vt_ok(rc_post(a, &s->follower[0]));
	vt_want(a->scq, 1, status);
	vt_want(a->scq, 2, IBV_WC_WR_FLUSH_ERR);
	vt_want(a->scq, 3, IBV_WC_WR_FLUSH_ERR);
	vt_require(rc_state(a) == IBV_QPS_ERR, "the sender's QP is in state %d", rc_state(a));
	if (trouble->partly) {
		scene_guards(s);
		return;
	}
	scene_untouched(s);
	if (trouble->at_sender) {
		vt_require(rc_state(b) == IBV_QPS_RTS, "the target's QP was hurt");
		if (!s->op->fetches)	/* followers of these may arrive first */
			vt_want_none(b->rcq, 20);
		return;
	}
	vt_want_event(b->dev, status == IBV_WC_REM_ACCESS_ERR ?
		      IBV_EVENT_QP_ACCESS_ERR : IBV_EVENT_QP_REQ_ERR);
	vt_require(rc_state(b) == IBV_QPS_ERR, "the target's QP is in state %d", rc_state(b));
	for (int i = 0; i < 3; i++)
		vt_want(b->rcq, 10 + i, IBV_WC_WR_FLUSH_ERR);
	vt_want_none(b->rcq, 2);
}

/* --- remote trouble --- */

static void forged_rkey(struct scene *s)
{
	*rkey(s) ^= 1U << vt_below(32);
}

static void random_rkey(struct scene *s)
{
	uint32_t real = *rkey(s);

	while (*rkey(s) == real)
		*rkey(s) = vt_rand();
}

static void rkey_of_other_pd(struct scene *s)
{
	struct rc_pair *other = rc_pair();
	struct ibv_mr *mr = vt_reg(other->b.pd, s->kind, s->remote->addr, LEN,
				   s->remote->iova, VT_ACCESS_ALL);

	*rkey(s) = mr->rkey;
}

static void rkey_deregistered(struct scene *s)
{
	vt_release(s->remote->mr);
}

static void rkey_reused(struct scene *s)
{
	vt_release(s->remote->mr);
	s->remote->mr = vt_reg(s->pair->b.pd, s->kind, s->remote->addr, LEN,
			       s->remote->iova, VT_ACCESS_ALL);
}

static void right_missing(struct scene *s)
{
	int access = VT_ACCESS_ALL & ~s->op->remote_right;

	*rkey(s) = vt_reg(s->pair->b.pd, s->kind, s->remote->addr, LEN,
			  s->remote->iova, access)->rkey;
}

static void all_rights_missing(struct scene *s)
{
	*rkey(s) = vt_reg(s->pair->b.pd, s->kind, s->remote->addr, LEN,
			  s->remote->iova, 0)->rkey;
}

static void below_region(struct scene *s)
{
	*remote_addr(s) = s->op->atomic ? (s->remote->iova - 1) & ~7ULL :
					  s->remote->iova - 1;
}

static void above_region(struct scene *s)
{
	uint64_t end = s->remote->iova + LEN;

	*remote_addr(s) = s->op->atomic ? (end - 1) & ~7ULL : end - s->len + 1;
	if (s->op->atomic && !(end & 7))
		*remote_addr(s) = end;
}

static void far_above(struct scene *s)
{
	*remote_addr(s) = (s->remote->iova + LEN + (vt_rand() >> 16)) & ~7ULL;
}

static void remote_wraps(struct scene *s)
{
	*remote_addr(s) = s->op->atomic ? ~7ULL : UINT64_MAX - vt_below(s->len - 1);
}

/* Begins below the region, at the top of the address space, and ends inside. */
static void remote_wraps_into(struct scene *s)
{
	*remote_addr(s) = s->op->atomic ? ~7ULL : UINT64_MAX;
}

static void kernel_address(struct scene *s)
{
	*remote_addr(s) = 0xffff888000001000ULL;
}

static void non_canonical(struct scene *s)
{
	*remote_addr(s) = 0x8000000000001000ULL;
}

#define TROUBLE(name_, spoil_, status_, ...)				\
	{ .name = name_, .spoil = spoil_, .status = IBV_WC_##status_, __VA_ARGS__ }

static const struct trouble remote_troubles[] = {
	TROUBLE("forged_rkey", forged_rkey, REM_ACCESS_ERR),
	TROUBLE("random_rkey", random_rkey, REM_ACCESS_ERR),
	TROUBLE("rkey_of_other_pd", rkey_of_other_pd, REM_ACCESS_ERR),
	TROUBLE("rkey_deregistered", rkey_deregistered, REM_ACCESS_ERR, .no_key = true),
	TROUBLE("rkey_reused", rkey_reused, REM_ACCESS_ERR),
	TROUBLE("right_missing", right_missing, REM_ACCESS_ERR),
	TROUBLE("all_rights_missing", all_rights_missing, REM_ACCESS_ERR),
	TROUBLE("below_region", below_region, REM_ACCESS_ERR, .needs_bounds = true),
	TROUBLE("above_region", above_region, REM_ACCESS_ERR, .needs_bounds = true),
	TROUBLE("far_above", far_above, REM_ACCESS_ERR, .needs_bounds = true),
	TROUBLE("wraps", remote_wraps, REM_ACCESS_ERR),
	TROUBLE("wraps_into", remote_wraps_into, REM_ACCESS_ERR),
	TROUBLE("kernel_address", kernel_address, REM_ACCESS_ERR),
	TROUBLE("non_canonical", non_canonical, REM_ACCESS_ERR),
};

/* --- local trouble --- */

static void forged_lkey(struct scene *s)
{
	s->wr.sge[0].lkey ^= 1U << vt_below(32);
}

static void lkey_of_other_pd(struct scene *s)
{
	struct rc_pair *other = rc_pair();

	s->wr.sge[0].lkey = vt_reg(other->a.pd, s->kind, s->local->addr, LEN,
				   s->local->iova, VT_ACCESS_ALL)->lkey;
}

static void lkey_deregistered(struct scene *s)
{
	vt_release(s->local->mr);
}

static void local_below(struct scene *s)
{
	s->wr.sge[0].addr = s->local->iova - 1;
}

static void local_above(struct scene *s)
{
	s->wr.sge[0].addr = s->local->iova + LEN - s->len + 1;
}

static void local_wraps(struct scene *s)
{
	s->wr.sge[0].addr = UINT64_MAX - vt_below(s->len - 1);
}

static void local_kernel_address(struct scene *s)
{
	s->wr.sge[0].addr = 0xffff888000001000ULL;
}

static void local_huge(struct scene *s)
{
	s->wr.sge[0].length = 0x7fffffff;
}

static const struct trouble local_troubles[] = {
	TROUBLE("forged_lkey", forged_lkey, LOC_PROT_ERR, .at_sender = true),
	TROUBLE("lkey_of_other_pd", lkey_of_other_pd, LOC_PROT_ERR, .at_sender = true),
	TROUBLE("lkey_deregistered", lkey_deregistered, LOC_PROT_ERR, .at_sender = true,
		.no_key = true),
	TROUBLE("local_below", local_below, LOC_PROT_ERR, .needs_bounds = true, .at_sender = true),
	TROUBLE("local_above", local_above, LOC_PROT_ERR, .needs_bounds = true, .partly = true),
	TROUBLE("local_wraps", local_wraps, LOC_PROT_ERR, .at_sender = true),
	TROUBLE("local_kernel_address", local_kernel_address, LOC_PROT_ERR, .at_sender = true),
	TROUBLE("local_huge", local_huge, LOC_PROT_ERR, .needs_bounds = true, .partly = true),
};

static void trouble(const void *arg)
{
	const struct variant *v = arg;
	struct scene s;

	vt_need_kind(vt_dev(0), v->kind, v->op->odp_cap);
	vt_need_kind(vt_dev(1), v->kind, v->op->odp_cap);
	for (unsigned int i = 0; i < 3 * vt_opts.rounds; i++) {
		scene_init(&s, v->op, v->kind);
		v->trouble->spoil(&s);
		scene_play(&s, v->trouble);
	}
	rc_works(rc_pair());
}

/* --- troubles with special scenes --- */

/* The local buffer of a READ or an atomic must be writable. */
static void fetch_into_read_only(const void *arg)
{
	struct scene s;

	scene_init(&s, arg, VT_PINNED);
	s.wr.sge[0].lkey = vt_reg(s.pair->a.pd, VT_PINNED, s.local->addr, LEN,
				  s.local->iova, IBV_ACCESS_REMOTE_READ)->lkey;
	scene_remember(&s);
	vt_ok(rc_post(&s.pair->a, &s.wr));
	vt_want(s.pair->a.scq, 1, IBV_WC_LOC_PROT_ERR);
	vt_require(!memcmp(s.local->addr, s.local_copy, LEN), "local memory changed");
}

/*
 * The second of two elements is bad: the request fails, and no byte beyond the first
 * element moves.
 */
static void second_element_bad(const void *arg)
{
	struct scene s;

	scene_init(&s, arg, VT_PINNED);
	vt_wr_local(&s.wr, s.local, 0, 4000);
	s.wr.sge[1].lkey ^= VT_WRONG_KEY;
	*remote_addr(&s) = s.remote->iova;
	s.wr.sge[0] = vt_sge(s.local, 0, 4000);
	scene_remember(&s);
	vt_ok(rc_post(&s.pair->a, &s.wr));
	vt_want(s.pair->a.scq, 1, IBV_WC_LOC_PROT_ERR);
	vt_require(!memcmp(s.remote->addr + 4000, s.remote_copy + 4000, LEN - 4000),
		   "the bad element was sent");
}

/* A good request posted before a bad one in the same call must still succeed. */
static void good_before_bad(const void *arg)
{
	struct ibv_send_wr *failed;
	long long timeouts;
	struct vt_wr good;
	struct scene s;

	scene_init(&s, arg, VT_PINNED);
	forged_lkey(&s);
	vt_wr_init(&good, IBV_WR_RDMA_WRITE, 0);
	vt_wr_local(&good, s.local, 0, LEN);
	vt_wr_remote(&good, s.remote, 0);
	good.wr.next = &s.wr.wr;
	vt_ok(rc_post_recv(&s.pair->b, 1, NULL, 0));
	timeouts = vt_counter(vt_dev(0), "timeouts");
	vt_ok(ibv_post_send(s.pair->a.qp, &good.wr, &failed));
	vt_want(s.pair->a.scq, 0, IBV_WC_SUCCESS);
	vt_require(vt_counter(vt_dev(0), "timeouts") == timeouts, "it took an ACK timeout");
	vt_want(s.pair->a.scq, 1, IBV_WC_LOC_PROT_ERR);
	vt_require(!memcmp(s.local->addr, s.remote->addr, LEN), "data differ");
}

static void play_forbidden(const struct rc_op *op)
{
	struct rc_attr attr = rc_attr_default;
	struct ibv_wc wc;
	struct scene s;

	scene_init(&s, op, VT_PINNED);
	attr.access = VT_ACCESS_ALL & ~op->remote_right;
	s.pair = rc_pair_new(&attr);
	s.wr.sge[0].lkey = vt_reg(s.pair->a.pd, VT_PINNED, s.local->addr, LEN,
				  s.local->iova, VT_ACCESS_ALL)->lkey;
	*rkey(&s) = vt_reg(s.pair->b.pd, VT_PINNED, s.remote->addr, LEN,
			   s.remote->iova, VT_ACCESS_ALL)->rkey;
	scene_remember(&s);
	vt_ok(rc_post_recv(&s.pair->b, 1, NULL, 0));
	s.wr.wr.send_flags &= ~IBV_SEND_SIGNALED;
	add_followers(&s);
	vt_ok(rc_post(&s.pair->a, &s.wr));
	wc = vt_poll(s.pair->a.scq);
	vt_require(wc.status == IBV_WC_REM_INV_REQ_ERR || wc.status == IBV_WC_REM_ACCESS_ERR,
		   "status %s", ibv_wc_status_str(wc.status));
	scene_untouched(&s);
}

/* The target's QP does not allow the operation at all. */
static void qp_forbids(const void *arg)
{
	for (unsigned int i = 0; i < 4 * vt_opts.rounds; i++)
		play_forbidden(arg);
}

static void atomic_unaligned(const void *arg)
{
	static const struct trouble unaligned = { .status = IBV_WC_REM_INV_REQ_ERR };

	for (int skew = 1; skew < 8; skew++) {
		struct scene s;

		scene_init(&s, arg, VT_PINNED);
		*remote_addr(&s) += skew;
		scene_play(&s, &unaligned);
	}
}

/* A message of no bytes accesses no memory, so its key is not checked (IBTA 9.7.4.1.5). */
static void zero_length_any_key(const void *arg)
{
	struct scene s;

	scene_init(&s, arg, VT_PINNED);
	s.wr.wr.num_sge = 0;
	*rkey(&s) ^= 0x5500;
	*remote_addr(&s) = vt_rand();
	scene_remember(&s);
	for (int i = 0; i < 3; i++) {
		s.wr.wr.wr_id = i;
		vt_ok(rc_post_recv(&s.pair->b, i, NULL, 0));
		vt_ok(rc_post(&s.pair->a, &s.wr));
		vt_want(s.pair->a.scq, i, IBV_WC_SUCCESS);
	}
	scene_untouched(&s);
	rc_works(s.pair);
}

static struct variant variants[2 * RC_OPS * VT_KINDS * 16];

static void add_variants(const struct trouble *troubles, size_t n, bool only_rdma)
{
	static size_t used;

	for (size_t t = 0; t < n; t++)
		for (size_t i = 0; i < RC_OPS; i++)
			for (int kind = 0; kind < VT_KINDS; kind++) {
				struct variant *v = &variants[used];

				if (only_rdma && !rc_ops[i].rdma)
					continue;
				if (kind == VT_IMPLICIT && troubles[t].needs_bounds)
					continue;
				if (rc_ops[i].atomic && troubles[t].spoil == local_huge)
					continue;	/* always 8 bytes */
				*v = (struct variant){ &rc_ops[i], &troubles[t], kind };
				vt_test(trouble, v, "%s_%s_%s", troubles[t].name,
					rc_ops[i].name, vt_kind_name[kind]);
				used++;
			}
}

static void add_tests(void)
{
	add_variants(remote_troubles, ARRAY_SIZE(remote_troubles), true);
	add_variants(local_troubles, ARRAY_SIZE(local_troubles), false);
	for (size_t i = 0; i < RC_OPS; i++) {
		const struct rc_op *op = &rc_ops[i];

		vt_test(good_before_bad, op, "good_before_bad_%s", op->name);
		if (op->fetches)
			vt_test(fetch_into_read_only, op, "fetch_into_read_only_%s", op->name);
		if (op->op == IBV_WR_RDMA_WRITE || op->op == IBV_WR_RDMA_WRITE_WITH_IMM)
			vt_test(second_element_bad, op, "second_element_bad_%s", op->name);
		if (op->rdma)
			vt_test(qp_forbids, op, "qp_forbids_%s", op->name);
		if (op->atomic)
			vt_test(atomic_unaligned, op, "atomic_unaligned_%s", op->name);
		else if (op->rdma)
			vt_test(zero_length_any_key, op, "zero_length_any_key_%s", op->name);
	}
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
