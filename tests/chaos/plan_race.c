// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Draws races: an operation, and at the same time a call that takes away its memory. Either
 * may come first; the model knows all allowed results.
 */
#include "chaos.h"

enum race { RACE_DONTNEED, RACE_FRESH, RACE_FLIP, RACE_AWAY, RACE_DEREG, RACES };

static const char *const race_name[RACES] = {
	"DONTNEED", "munmap and mmap", "mprotect and back", "mremap and back", "dereg",
};

#define RACE_PAGES	64	/* as many as fit where mremap() moves them */

/* The side of the operation that the call hits: its only piece, and the pages of that. */
static struct {
	enum race race;
	bool lands, remote;
	int w;
	struct piece *piece;
	uint32_t page, num;
} side;

static bool pick_side(struct op *op)
{
	side.remote = vt_chance(50);
	side.lands = side.remote != op->kind->fetches;
	side.w = side.remote ? op->to : op->from;
	side.piece = side.remote ? op->target : op->local;
	if ((side.remote ? op->num_target : op->num_local) != 1 || !side.piece->len)
		return false;
	side.page = side.piece->off / PAGE;
	side.num = (side.piece->off + side.piece->len - 1) / PAGE - side.page + 1;
	return side.num <= RACE_PAGES;
}

static bool overlaps_pages(int w, const struct piece *pieces, int num)
{
	for (int i = 0; w == side.w && i < num; i++)
		if (&pieces[i] != side.piece && pieces[i].len &&
		    pieces[i].off < (side.page + side.num) * PAGE &&
		    side.page * PAGE < pieces[i].off + pieces[i].len)
			return true;
	return false;
}

static bool pages_fit(void)
{
	for (uint32_t p = side.page; p < side.page + side.num; p++) {
		const struct page *page = &chaos->desks[side.w].pages[p];

		if (page->prot != PROT_RW || page->backing != BACK_ANON || model_fixed(p))
			return false;
	}
	return !model_has_lazy(side.w, side.page * PAGE, side.num * PAGE);
}

/* No other operation, nor the other side of @op, uses these pages. */
static bool is_alone(const struct op *op, int claims)
{
	return !model_claimed_before(claims, side.w, side.page * PAGE, side.num * PAGE) &&
	       !overlaps_pages(op->from, op->local, op->num_local) &&
	       !overlaps_pages(op->to, op->target, op->num_target);
}

/* The operation must be the batch's only use of the region, as others would fail, too. */
static bool may_dereg(const struct op *op)
{
	int r = side.piece->region;

	if (op->from == op->to && op->local[0].region == op->target[0].region)
		return false;
	return batch.uses[side.w][r] == 1;
}

static bool race_fits(const struct op *op)
{
	/* no lazily freed pages: the model allows only one reason for zeros */
	for (int i = 0; i < op->num_local; i++)
		if (model_has_lazy(op->from, op->local[i].off, op->local[i].len))
			return false;
	for (int i = 0; i < op->num_target; i++)
		if (model_has_lazy(op->to, op->target[i].off, op->target[i].len))
			return false;
	if (side.race == RACE_DEREG)
		return may_dereg(op);
	return side.race != RACE_FLIP || side.lands;
}

static void zap_pages(void)
{
	for (uint32_t p = side.page; p < side.page + side.num; p++)
		model_zap(side.w, p);
}

static void foresee_race(struct op *op)
{
	op->maybe = true;
	if (side.race == RACE_DONTNEED) {
		op->or_zero = true;
		return;
	}
	op->closes = true;
	if (!side.remote)
		op->allowed |= 1U << IBV_WC_LOC_PROT_ERR;
	else if (op_service(op)->reliable)
		op->allowed |= 1U << IBV_WC_REM_ACCESS_ERR;
	if (side.race == RACE_FRESH && side.lands)
		op->or_zero = true;
	else if (side.race == RACE_FRESH)
		op->maybe_flags = SETTLE_ZERO;
}

static void command(void)
{
	static const enum mm_call calls[RACES] = {
		[RACE_DONTNEED] = MM_DONTNEED, [RACE_FRESH] = MM_REMAP_FRESH,
		[RACE_FLIP] = MM_FLIP, [RACE_AWAY] = MM_AWAY,
	};
	struct cmd *cmd;

	if (side.race == RACE_DEREG) {
		cmd = crew_cmd(side.w, LANE_MM, CMD_DEREG);
		cmd->region = side.piece->region;
		batch.dereg[side.w][cmd->region] = true;
		chaos->desks[side.w].regions[cmd->region].valid = false;
	} else {
		cmd = plan_mm_cmd(side.w, calls[side.race], side.page, side.num);
		cmd->times = 1 + vt_below(side.race == RACE_AWAY ? 3 : 8);
	}
	cmd->delay_us = vt_chance(50) ? vt_below(400) : 0;
}

/*
 * Draw a race for @op. @claims: the number of claims before those of @op. Returns false if
 * no race is possible.
 */
bool plan_race(struct op *op, int claims)
{
	side.race = vt_below(RACES);
	if (!pick_side(op) || !race_fits(op))
		return false;
	if (side.race != RACE_DEREG && (!pages_fit() || !is_alone(op, claims)))
		return false;
	foresee_race(op);
	command();
	if (side.race != RACE_DEREG)
		model_claim(side.w, side.page * PAGE, side.num * PAGE, true);
	log_event(side.w, side.page * PAGE, side.num * PAGE, "op %d races with %s", op->id,
		  race_name[side.race]);
	log_count("races");
	return true;
}

/*
 * Zero the pages except for the bytes that the operation writes: those are judged one by
 * one.
 */
static void zap_around(void)
{
	uint32_t start = side.page * PAGE, end = start + side.num * PAGE;
	uint32_t off = side.piece->off, len = side.piece->len;
	uint8_t *shadow = chaos->desks[side.w].shadow;

	memset(shadow + start, 0, off - start);
	memset(shadow + off + len, 0, end - off - len);
	model_touch(side.w, start, end - start);
}

/* After the operation's own effect, apply that of the race to the pages. */
void plan_race_after(struct op *op)
{
	(void)op;
	if (side.race != RACE_DONTNEED && side.race != RACE_FRESH)
		return;
	if (side.lands)
		zap_around();
	else
		zap_pages();
}
