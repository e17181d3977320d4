// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Draws changes of regions: registration, changes, advice, deregistration. */
#include "chaos.h"

static void draw_range(struct region *region)
{
	uint32_t first = 0, room = ARENA_LEN;

	if (region->kind == VT_PINNED) {
		first = FIXED_PAGE * PAGE;
		room = ARENA_LEN - first;
	} else if (region->kind == KIND_DM) {
		first = ARENA_LEN;
		room = DM_LEN;
	}
	switch (vt_below(4)) {
	case 0:
		region->len = 1 + vt_below(2 * PAGE);
		break;
	case 1:
		region->len = 1 + vt_below(64 * PAGE);
		break;
	default:
		region->len = 1 + vt_below(room);
	}
	if (region->len > room)
		region->len = room;
	region->off = first + vt_below(room - region->len + 1);
	if (vt_chance(30))
		region->off &= ~(PAGE - 1);
	if (region->kind == KIND_DM)	/* its addresses count from here */
		region->off &= ~7U;
}

/* A random IOVA with the same offset in the page; sometimes at the very top. */
static uint64_t draw_iova(const struct region *region)
{
	uint64_t skew = region->off % PAGE;
	uint64_t pages = (region->len + skew + PAGE - 1) / PAGE + 1;

	if (region->kind == KIND_DM)
		return 0;
	switch (vt_below(4)) {
	case 0:
		return skew;
	case 1:
		return 0 - pages * PAGE + skew;
	case 2:
		return (vt_rand() >> 2 & ~(PAGE - 1ULL)) + skew;
	default:
		return ARENA_BASE + region->off;
	}
}

static int draw_access(void)
{
	int access;

	if (vt_chance(85))
		return VT_ACCESS_ALL;
	access = vt_rand() & VT_ACCESS_ALL;
	if (!(access & IBV_ACCESS_LOCAL_WRITE))
		access &= IBV_ACCESS_REMOTE_READ;
	return access;
}

static void draw_region(struct region *region)
{
	memset(region, 0, sizeof(*region));
	region->valid = true;
	region->kind = vt_chance(20) ? VT_IMPLICIT : VT_ODP;
	if (chaos_opts.pin && vt_chance(25))
		region->kind = VT_PINNED;
	if (vt_chance(12))
		region->kind = KIND_DM;
	region->access = draw_access();
	if (region->kind == VT_IMPLICIT) {
		region->len = ARENA_LEN;
		region->iova = ARENA_BASE;
		return;
	}
	draw_range(region);
	region->iova = draw_iova(region);
	region->window = !chaos_opts.faults && vt_chance(30);
}

static const char *kind_name(const struct region *region)
{
	return region->kind == KIND_DM ? "device memory" : vt_kind_name[region->kind];
}

static void log_region(int w, int r, const char *verb)
{
	const struct region *region = &chaos->desks[w].regions[r];

	log_event(w, region->off, region->len, "%s region %d: %s, access %#x, iova %#llx",
		  verb, r, kind_name(region), region->access,
		  (unsigned long long)region->iova);
	log_count(verb);
}

static struct cmd *region_cmd(int w, enum cmd_type type, int r, const char *verb)
{
	struct cmd *cmd = crew_cmd(w, LANE_VERBS, type);

	cmd->region = r;
	cmd->as = chaos->desks[w].regions[r];
	log_region(w, r, verb);
	return cmd;
}

static void plan_reg(int w, int r)
{
	struct region *region = &chaos->desks[w].regions[r];

	draw_region(region);
	region_cmd(w, CMD_REG, r, "reg");
	if (region->window && region->access & CHAOS_REMOTE)
		log_count("windows");
	if (region->kind == KIND_DM)
		log_count("of device memory");
}

static void plan_dereg(int w, int r)
{
	region_cmd(w, CMD_DEREG, r, "dereg");
	chaos->desks[w].regions[r].valid = false;
}

static void plan_rereg(int w, int r)
{
	struct region *region = &chaos->desks[w].regions[r];
	int flags = 1 + vt_below(2);

	if (region->kind == VT_IMPLICIT || region->kind == KIND_DM)
		return;
	flags = (flags & 1 ? IBV_REREG_MR_CHANGE_ACCESS : 0) |
		(flags & 2 ? IBV_REREG_MR_CHANGE_TRANSLATION : 0);
	if (flags & IBV_REREG_MR_CHANGE_ACCESS)
		region->access = draw_access();
	if (flags & IBV_REREG_MR_CHANGE_TRANSLATION) {
		draw_range(region);
		region->iova = ARENA_BASE + region->off;
	}
	region_cmd(w, CMD_REREG, r, "rereg")->flags = flags;
}

static void advise_piece(int w, int r, struct piece *piece)
{
	const struct region *region = &chaos->desks[w].regions[r];

	piece->region = r;
	piece->off = region->off + vt_below(region->len);
	piece->len = 1 + vt_below(region->off + region->len - piece->off);
	if (piece->len > 64 * PAGE)
		piece->len = 64 * PAGE;
}

static bool may_be_advised(const struct region *region)
{
	return region->valid && region->kind != KIND_DM;
}

static void plan_advise(int w)
{
	static const enum ibv_advise_mr_advice advice[] = {
		IBV_ADVISE_MR_ADVICE_PREFETCH, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
		IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
	};
	struct cmd *cmd = crew_cmd(w, LANE_VERBS, CMD_ADVISE);

	cmd->arg = advice[vt_below(ARRAY_SIZE(advice))];
	cmd->flags = vt_chance(50) ? IBV_ADVISE_MR_FLAG_FLUSH : 0;
	for (int r = 0; r < REGIONS && cmd->num < PIECES; r++)
		if (may_be_advised(&chaos->desks[w].regions[r]) && vt_chance(25))
			advise_piece(w, r, &cmd->piece[cmd->num++]);
	for (int i = 0; i < cmd->num; i++)
		log_event(w, cmd->piece[i].off, cmd->piece[i].len, "advise %d", cmd->arg);
	log_count("advise");
}

/* Perhaps draw a change of a region of process @w. */
void plan_regions(int w)
{
	int r = vt_below(REGIONS);

	if (vt_chance(15))
		plan_advise(w);
	if (!vt_chance(25))
		return;
	if (!chaos->desks[w].regions[r].valid)
		plan_reg(w, r);
	else if (vt_chance(50))
		plan_dereg(w, r);
	else
		plan_rereg(w, r);
}

/* For a new process: register all of its memory, and further regions. */
void plan_regions_all(int w)
{
	struct region *region = &chaos->desks[w].regions[0];

	*region = (struct region){
		.valid = true, .kind = VT_ODP, .access = VT_ACCESS_ALL,
		.len = ARENA_LEN, .iova = ARENA_BASE,
	};
	if (chaos_opts.pin)
		region->len = FIXED_PAGE * PAGE;
	region_cmd(w, CMD_REG, 0, "reg");
	for (int r = 1; r < REGIONS; r++)
		plan_reg(w, r);
}
