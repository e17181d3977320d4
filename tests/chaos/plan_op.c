// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Draws operations: the processes, the memory, and the expected result. */
#include "chaos.h"

enum trouble { FINE, SOURCE_PAGE, TARGET_PAGE, RIGHTS, BOUNDS, KEY, TROUBLES };

static const char *const trouble_name[TROUBLES] = {
	"", " (local page)", " (remote page)", " (rights)", " (bounds)", " (key)",
};

struct batch batch;

/* The properties that a piece must have. */
struct need {
	int w;
	int access;	/* of the region */
	bool write;	/* the page is written */
	bool bad;	/* some page must not allow the access */
	bool certain;	/* no lazily freed pages */
	bool cpu;	/* libibverbs reads it (inline data) */
	uint32_t align;
};

bool region_covers(const struct region *region, uint32_t off, uint32_t len)
{
	return off >= region->off && off + len <= region->off + region->len;
}

static int pick_region(int w, int access, bool exact)
{
	const struct region *regions = chaos->desks[w].regions;

	for (int tries = 0; tries < 12; tries++) {
		int r = vt_below(REGIONS);
		bool has = (regions[r].access & access) == access;

		if (regions[r].valid && !batch.dereg[w][r] && has == exact)
			return r;
	}
	return -1;
}

static uint32_t align_to(uint32_t off, uint32_t align)
{
	return (off + align - 1) & ~(align - 1);
}

/* A random offset, often next to a page boundary. */
static uint32_t pick_off(const struct region *region, uint32_t len, uint32_t align)
{
	uint32_t room = region->len - len;
	uint32_t off = region->off + vt_below(room + 1);

	if (vt_chance(25))
		off = align_to(off, PAGE);
	else if (vt_chance(10))
		off = align_to(off + len, PAGE) - len;
	return align_to(off, align);
}

static bool suits(const struct need *need, uint32_t off, uint32_t len)
{
	bool good = need->write ? model_writable(need->w, off, len) :
				  model_readable(need->w, off, len);

	if (off >= MODEL_LEN || len > MODEL_LEN - off || good == need->bad)
		return false;
	if (need->certain && model_has_lazy(need->w, off, len))
		return false;
	return !model_claimed(need->w, off, len, need->write);
}

static bool pick_piece(const struct need *need, uint32_t len, struct piece *piece)
{
	for (int tries = 0; tries < 12; tries++) {
		int r = pick_region(need->w, need->access, true);
		const struct region *region;
		uint32_t off;

		if (r < 0)
			return false;
		region = &chaos->desks[need->w].regions[r];
		if (region->len < len || (need->cpu && region->kind == KIND_DM))
			continue;
		off = pick_off(region, len, need->align);
		if (!region_covers(region, off, len) || !suits(need, off, len))
			continue;
		*piece = (struct piece){ r, off, len };
		model_claim(need->w, off, len, need->write);
		batch.uses[need->w][r]++;
		return true;
	}
	return false;
}

/* Pick up to PIECES pieces with @len bytes in total; only one if it has to be bad. */
static int pick_pieces(const struct need *need, uint32_t len, struct piece *pieces)
{
	int num = need->bad ? 1 : 1 + vt_below(PIECES);
	struct need one = *need;
	uint32_t left = len;

	if (!len && vt_chance(50))
		return 0;
	for (int i = 0; i < num; i++) {
		uint32_t n = i + 1 < num ? vt_below(left + 1) : left;

		if (!pick_piece(&one, n, &pieces[i]))
			return -1;
		left -= n;
	}
	return num;
}

const struct service *op_service(const struct op *op)
{
	return chaos->links[op->link].service;
}

/*
 * May the operation be lost? Then all else about it must be certain, to tell the two cases
 * apart.
 */
static bool is_lossy(const struct op *op)
{
	return !op_service(op)->reliable;
}

static bool is_plain(const struct op *op)
{
	return op->kind->op == IBV_WR_RDMA_WRITE || op->kind->op == IBV_WR_RDMA_READ;
}

/* With a trouble the operation has at least one byte, as no bytes would cause no error. */
static uint32_t pick_len(struct op *op, int attempt)
{
	uint32_t len;

	if (op->kind->atomic)
		return 8;
	len = vt_length(link_most(&chaos->links[op->link]) >> (2 * attempt), 1024);
	if (op->in_line)
		len %= rc_attr_default.inline_len + 1;
	return len ? len : op->trouble != FINE;
}

/* Lazily freed pages must not be at both ends: their bytes are uncertain already. */
static bool target_is_lazy(const struct op *op)
{
	for (int i = 0; i < op->num_target; i++)
		if (model_has_lazy(op->to, op->target[i].off, op->target[i].len))
			return true;
	return false;
}

static bool pick_local(struct op *op)
{
	struct need need = {
		.w = op->from,
		.access = op->kind->fetches ? IBV_ACCESS_LOCAL_WRITE : 0,
		.write = op->kind->fetches,
		.bad = op->trouble == SOURCE_PAGE,
		.certain = op->maybe || op->in_line || op->kind->atomic || is_lossy(op) ||
			   target_is_lazy(op),
		.cpu = op->in_line,
		.align = 1,
	};

	op->num_local = pick_pieces(&need, op->len, op->local);
	return op->num_local >= 0;
}

/* A READ that leaves its region may transfer bytes before it fails; these must be right. */
static bool may_be_read_partly(struct op *op, const struct region *region, uint32_t off)
{
	uint32_t end = region->off + region->len;
	uint32_t inside = end > off ? end - off : 0;

	if (op->kind->op != IBV_WR_RDMA_READ)
		return true;
	if (model_claimed(op->to, off, inside, false) || model_has_lazy(op->to, off, inside))
		return false;
	model_claim(op->to, off, inside, false);
	op->inside = inside;
	return true;
}

/* Pick a region without the right, or a range that leaves its region. */
static bool pick_refused(struct op *op)
{
	int right = op->kind->remote_right, r;
	const struct region *region;
	uint32_t off;

	r = pick_region(op->to, right, op->trouble != RIGHTS);
	if (r < 0)
		return false;
	region = &chaos->desks[op->to].regions[r];
	if (region->len < op->len + 16)
		return false;
	off = align_to(region->off, 8);
	if (op->trouble == BOUNDS && region->kind == VT_IMPLICIT)
		return false;
	if (op->trouble == BOUNDS)
		off = align_to(region->off + region->len - vt_below(op->len),
			       op->kind->atomic ? 8 : 1);
	if (op->trouble == BOUNDS && !may_be_read_partly(op, region, off))
		return false;
	op->target[0] = (struct piece){ r, off, op->len };
	op->num_target = 1;
	batch.uses[op->to][r]++;
	return true;
}

static bool pick_target(struct op *op)
{
	struct need need = {
		.w = op->to,
		.access = op->kind->rdma ? op->kind->remote_right : IBV_ACCESS_LOCAL_WRITE,
		.write = op->kind->op != IBV_WR_RDMA_READ,
		.bad = op->trouble == TARGET_PAGE,
		.certain = op->maybe || op->kind->atomic || is_lossy(op),
		.align = op->kind->atomic ? 8 : 1,
	};

	if (op->trouble >= RIGHTS)
		return pick_refused(op);
	if (!op->kind->rdma) {
		op->num_target = pick_pieces(&need, op->len, op->target);
		return op->num_target >= 0;
	}
	op->num_target = 1;
	return pick_piece(&need, op->len, &op->target[0]);
}

/* Pick all memory of the operation, with shorter and shorter lengths if it does not fit. */
static bool pick_memory(struct op *op)
{
	int saved = model_claims_save();

	for (int attempt = 0; attempt < 6; attempt++) {
		op->len = pick_len(op, attempt);
		if (pick_target(op) && pick_local(op))
			return true;
		model_claims_restore(saved);
	}
	return false;
}

static bool pick_link(struct op *op)
{
	op->link = vt_below(chaos->num_links);
	if (batch.closed[op->link])
		return false;
	if (batch.dir[op->link] < 0)
		batch.dir[op->link] = vt_below(2);
	op->dir = batch.dir[op->link];
	op->from = chaos->links[op->link].worker[op->dir];
	op->to = chaos->links[op->link].worker[!op->dir];
	return true;
}

static const struct rc_op *pick_kind(const struct service *service)
{
	const struct rc_op *kind;

	do {
		kind = &rc_ops[vt_below(RC_OPS)];
	} while (!(service->ops & 1U << kind->op));
	return kind;
}

static bool is_first(const struct op *op)
{
	for (int i = 0; i < batch.num; i++)
		if (batch.ops[i].link == op->link)
			return false;
	return true;
}

/* On a lossy service the target refuses silently, unless its own receive is bad. */
static bool is_dropped(const struct op *op, enum trouble trouble)
{
	return is_lossy(op) && op->kind->rdma && trouble >= TARGET_PAGE;
}

/*
 * A trouble that ends the connection also ends operations in flight, so only the first may
 * have it.
 */
static bool may_have(const struct op *op, enum trouble trouble)
{
	bool goes_on = is_dropped(op, trouble) && !op->kind->recv;

	return goes_on || !is_lossy(op) || is_first(op);
}

static enum trouble pick_trouble(const struct op *op)
{
	enum trouble trouble;

	if (!vt_chance(6) || op->maybe)
		return FINE;
	trouble = 1 + vt_below(TROUBLES - 1);
	if (!op->kind->rdma && trouble >= RIGHTS)
		trouble = TARGET_PAGE;
	return may_have(op, trouble) ? trouble : FINE;
}

static enum ibv_wc_status status_of_trouble(const struct op *op)
{
	if (op->trouble == SOURCE_PAGE)
		return IBV_WC_LOC_PROT_ERR;
	if (is_lossy(op))
		return IBV_WC_SUCCESS;
	return op->kind->rdma ? IBV_WC_REM_ACCESS_ERR : IBV_WC_REM_OP_ERR;
}

/* The expected result of an operation with a trouble, and whether its link fails with it. */
static void foresee_trouble(struct op *op)
{
	op->allowed = 1U << status_of_trouble(op);
	op->dropped = is_dropped(op, op->trouble);
	op->closes = !op->dropped || op->kind->recv;
	op->recv_fails = op->trouble == TARGET_PAGE && !op->kind->rdma;
	op->effect = op->trouble <= TARGET_PAGE ||
		     (op->trouble == BOUNDS && op->kind->op == IBV_WR_RDMA_READ);
	op->partly = op->trouble == BOUNDS;
	op->maybe = true;
}

static void foresee(struct op *op)
{
	op->allowed = 1U << IBV_WC_SUCCESS;
	op->effect = true;
	if (op->trouble)
		foresee_trouble(op);
	if (op->from == batch.victim || op->to == batch.victim) {
		op->allowed = 1U << IBV_WC_SUCCESS | 1U << IBV_WC_RETRY_EXC_ERR |
			      1U << IBV_WC_REM_ACCESS_ERR | 1U << IBV_WC_REM_OP_ERR |
			      1U << IBV_WC_WR_FLUSH_ERR;
		op->maybe = true;
	}
}

static bool may_be_inline(const struct op *op)
{
	return !op->kind->fetches && !op->maybe && vt_chance(15);
}

static void draw_details(struct op *op)
{
	op->imm = vt_rand();
	op->compare_add = vt_rand();
	op->swap = vt_rand();
	op->quiet = vt_chance(30);
	op->beside = vt_chance(40);
	op->key_xor = op->trouble == KEY ? 1 + vt_below(255) : 0;
}

/* Make the comparison match, half of the time. */
static void aim_atomic(struct op *op)
{
	if (op->kind->op == IBV_WR_ATOMIC_CMP_AND_SWP && vt_chance(50) && !op->trouble)
		memcpy(&op->compare_add,
		       chaos->desks[op->to].shadow + op->target[0].off, 8);
}

static void log_op(const struct op *op)
{
	const char *trouble = trouble_name[op->trouble];
	const char *maybe = op->maybe && !op->trouble ? " (uncertain)" : "";

	for (int i = 0; i < op->num_local; i++)
		log_event(op->from, op->local[i].off, op->local[i].len,
			  "op %d: %s %s%s: local, region %d, to %d:%#x%s%s", op->id,
			  op_service(op)->name, op->kind->name, op->in_line ? " inline" : "", op->local[i].region,
			  op->to, op->num_target ? op->target[0].off : 0, trouble, maybe);
	for (int i = 0; i < op->num_target; i++)
		log_event(op->to, op->target[i].off, op->target[i].len,
			  "op %d: %s %s: remote, region %d, from %d:%#x%s%s", op->id,
			  op_service(op)->name, op->kind->name, op->target[i].region, op->from,
			  op->num_local ? op->local[0].off : 0, trouble, maybe);
	log_count(op->kind->name);
	log_count(op_service(op)->name);
	if (op->trouble)
		log_count("errors");
}

/* Some operations race with a call that takes away their memory. */
static bool may_race(const struct op *op)
{
	return is_plain(op) && !op->maybe && !op->in_line && op->len &&
	       batch.victim < 0 && (!is_lossy(op) || is_first(op)) && vt_chance(15);
}

/* A lost WRITE leaves no trace: its bytes may keep their old values. */
static void doubt(const struct op *op)
{
	const struct piece *landing;
	int w, num;

	if (!is_lossy(op) || op->kind->recv || op->maybe)
		return;
	landing = op_landing(op, &w, &num);
	for (int i = 0; i < num; i++)
		model_settle(w, landing[i].off, landing[i].len, SETTLE_LOSS);
}

static bool plan_op(struct op *op)
{
	int claims = model_claims_save();
	bool race = false;

	memset(op, 0, sizeof(*op));
	op->id = batch.num;
	if (!pick_link(op))
		return false;
	op->kind = pick_kind(op_service(op));
	op->maybe = op->from == batch.victim || op->to == batch.victim;
	op->trouble = pick_trouble(op);
	op->in_line = !op->trouble && may_be_inline(op);
	if (op->trouble)
		op->maybe = true;
	if (!pick_memory(op))
		return false;
	draw_details(op);
	aim_atomic(op);
	foresee(op);
	if (may_race(op))
		race = plan_race(op, claims);
	log_op(op);
	if (op->effect)
		op_effect(op);
	doubt(op);
	if (race)
		plan_race_after(op);
	if (op->closes)
		batch.closed[op->link] = true;
	return true;
}

static bool succeeds_never(const struct op *op)
{
	return op->trouble && !(op->allowed & 1U << IBV_WC_SUCCESS);
}

/* Draw a request behind a failing one: it is flushed and has no effect. */
static void plan_follower(const struct op *bad)
{
	struct op *op = &batch.ops[batch.num];

	memset(op, 0, sizeof(*op));
	op->id = batch.num++;
	op->kind = rc_op(IBV_WR_SEND);
	op->link = bad->link;
	op->dir = bad->dir;
	op->from = bad->from;
	op->to = bad->to;
	op->allowed = 1U << IBV_WC_WR_FLUSH_ERR;
	op->quiet = vt_chance(50);
	log_count("flushed");
}

/*
 * On a lossy link an empty message behind the others shows that they have been processed:
 * on one wire even datagrams are processed in order.
 */
static void plan_last(int link)
{
	struct op *op = &batch.ops[batch.num];

	memset(op, 0, sizeof(*op));
	op->id = batch.num++;
	op->kind = rc_op(IBV_WR_SEND_WITH_IMM);
	op->link = link;
	op->dir = batch.dir[link];
	op->from = chaos->links[link].worker[op->dir];
	op->to = chaos->links[link].worker[!op->dir];
	op->allowed = 1U << IBV_WC_SUCCESS;
	op->imm = vt_rand() | 1;
	op->last = true;
}

static bool is_used(int link)
{
	for (int i = 0; i < batch.num; i++)
		if (batch.ops[i].link == link)
			return true;
	return false;
}

static bool wants_last(int link)
{
	const struct link *l = &chaos->links[link];

	return !l->service->reliable && !batch.closed[link] && is_used(link) &&
	       l->worker[0] != batch.victim && l->worker[1] != batch.victim;
}

void plan_ops(void)
{
	int want = 1 + vt_below(vt_chance(30) ? 16 : 6);

	memset(batch.closed, 0, sizeof(batch.closed));
	memset(batch.dir, -1, sizeof(batch.dir));
	memset(batch.uses, 0, sizeof(batch.uses));
	memset(batch.dereg, 0, sizeof(batch.dereg));
	batch.num = 0;
	for (int i = 0; i < want; i++) {
		struct op *op = &batch.ops[batch.num];

		if (!plan_op(op))
			continue;
		batch.num++;
		if (op->closes && succeeds_never(op) && batch.num < DRAWN_MAX - 2 &&
		    vt_chance(40))
			plan_follower(op);
	}
	for (int l = 0; l < chaos->num_links; l++)
		if (wants_last(l))
			plan_last(l);
}
