// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Draws memory-management calls, and applies their effect to the model's pages. */
#include "chaos.h"

static const char *const call_name[MM_CALLS] = {
	[MM_PAGEOUT] = "PAGEOUT", [MM_COLD] = "COLD", [MM_COLLAPSE] = "COLLAPSE",
	[MM_HUGE] = "HUGEPAGE", [MM_NOHUGE] = "NOHUGEPAGE", [MM_MERGE] = "MERGEABLE",
	[MM_UNMERGE] = "UNMERGEABLE", [MM_LOCK] = "mlock", [MM_MOVE_PAGES] = "move_pages",
	[MM_SOFT_DIRTY] = "clear_refs", [MM_COMPACT] = "compact",
	[MM_TOUCH] = "POPULATE_READ", [MM_DIRTY] = "POPULATE_WRITE",
	[MM_TO_NIC] = "to the NIC", [MM_FROM_NIC] = "from the NIC",
	[MM_SCRIBBLE] = "fork and write", [MM_SNAPSHOT] = "fork",
	[MM_SNAPSHOT_CHECK] = "child looks", [MM_FLIP] = "mprotect and back",
	[MM_AWAY] = "mremap and back", [MM_UNMAP] = "munmap", [MM_MAP] = "mmap",
	[MM_DONTNEED] = "DONTNEED", [MM_FREE] = "FREE", [MM_PROTECT] = "mprotect",
	[MM_REMAP] = "mremap", [MM_TRUNCATE] = "truncate", [MM_EXTEND] = "extend",
	[MM_PUNCH] = "punch", [MM_REMAP_FRESH] = "munmap and mmap",
};

static bool child_used[CREW_MAX][CHILDREN];

void plan_mm_reset(int w)
{
	memset(child_used[w], 0, sizeof(child_used[w]));
}

/* Put a call on whole pages on the desk, and log it. */
struct cmd *plan_mm_cmd(int w, enum mm_call call, uint32_t page, uint32_t num)
{
	struct cmd *cmd = crew_cmd(w, LANE_MM, CMD_MM);

	cmd->arg = call << 8;
	cmd->off = page * PAGE;
	cmd->len = num * PAGE;
	log_event(w, cmd->off, cmd->len, "%s", call_name[call]);
	log_count(call_name[call]);
	return cmd;
}

static struct page *page_of(int w, uint32_t p)
{
	return &chaos->desks[w].pages[p];
}

/* --- which pages a call needs --- */

static bool is_mapped(int w, uint32_t p)
{
	return page_of(w, p)->prot != PROT_HOLE && !model_fixed(p);
}

static bool is_changeable(int w, uint32_t p)
{
	(void)w;
	return !model_fixed(p);
}

static bool is_anon(int w, uint32_t p)
{
	return is_mapped(w, p) && page_of(w, p)->backing == BACK_ANON;
}

static bool is_anon_rw(int w, uint32_t p)
{
	return page_of(w, p)->prot == PROT_RW && page_of(w, p)->backing == BACK_ANON;
}

static bool is_freeable(int w, uint32_t p)
{
	return is_anon_rw(w, p) && !model_fixed(p);
}

static bool is_certain_anon(int w, uint32_t p)
{
	return is_anon_rw(w, p) && !model_has_lazy(w, p * PAGE, PAGE);
}

static bool is_writable(int w, uint32_t p)
{
	return model_writable(w, p * PAGE, PAGE);
}

static bool is_shared(int w, uint32_t p)
{
	return is_mapped(w, p) && page_of(w, p)->backing == BACK_SHARED &&
	       !page_of(w, p)->eof;
}

static bool is_unusable(int w, uint32_t p)
{
	return !is_writable(w, p) && !model_fixed(p);
}

enum quiet { ANYTHING, NO_WRITES, NOTHING };

static bool is_quiet(int w, uint32_t p, enum quiet quiet)
{
	return quiet == ANYTHING || !model_claimed(w, p * PAGE, PAGE, quiet == NOTHING);
}

static uint32_t draw_num(void)
{
	switch (vt_below(8)) {
	case 0:
		return 1;
	case 1:
		return 1 + vt_below(200);
	default:
		return 1 + vt_below(24);
	}
}

/* Pick a run of pages that fit and that no operation of this step uses. */
static bool pick_run(int w, uint32_t *page, uint32_t *num, enum quiet quiet,
		     bool (*fits)(int w, uint32_t p))
{
	uint32_t want = draw_num(), n = 0;

	for (int tries = 0; tries < 12 && !n; tries++) {
		*page = vt_below(ARENA_PAGES);
		while (n < want && *page + n < ARENA_PAGES && fits(w, *page + n) &&
		       is_quiet(w, *page + n, quiet))
			n++;
	}
	*num = n;
	return n;
}

/* --- calls that keep the data, on any pages --- */

static void plan_keep(int w)
{
	enum mm_call call = vt_below(MM_KEEP_LAST);
	uint32_t page = vt_below(ARENA_PAGES), num = draw_num();

	if (call == MM_COMPACT && !vt_chance(10))
		call = MM_PAGEOUT;
	if (call == MM_COLLAPSE) {
		page &= ~511U;
		num = 512;
	}
	if (num > ARENA_PAGES - page)
		num = ARENA_PAGES - page;
	plan_mm_cmd(w, call, page, num)->times = 1 + vt_below(4);
}

static void plan_scribble(int w)
{
	uint32_t page, num;

	if (!pick_run(w, &page, &num, ANYTHING, is_anon_rw))
		return;
	model_claim(w, page * PAGE, num * PAGE, false);
	plan_mm_cmd(w, MM_SCRIBBLE, page, num);
}

static void plan_snapshot(int w)
{
	int child = vt_below(CHILDREN);
	uint32_t page, num;

	if (child_used[w][child]) {
		plan_mm_cmd(w, MM_SNAPSHOT_CHECK, 0, 0)->arg |= child;
		child_used[w][child] = false;
		return;
	}
	if (!pick_run(w, &page, &num, NO_WRITES, is_certain_anon))
		return;
	model_claim(w, page * PAGE, num * PAGE, false);
	plan_mm_cmd(w, MM_SNAPSHOT, page, num)->arg |= child;
	child_used[w][child] = true;
}

static void plan_flip(int w)
{
	uint32_t page, num;

	if (!pick_run(w, &page, &num, NO_WRITES, is_writable))
		return;
	model_claim(w, page * PAGE, num * PAGE, false);
	plan_mm_cmd(w, MM_FLIP, page, num)->times = 1 + vt_below(8);
}

static void plan_away(int w)
{
	uint32_t page, num;

	if (!pick_run(w, &page, &num, NOTHING, is_anon))
		return;
	num = num > 32 ? 32 : num;
	model_claim(w, page * PAGE, num * PAGE, true);
	plan_mm_cmd(w, MM_AWAY, page, num);
}

/* --- calls that change it --- */

/* Pick and claim a run of unused pages, and make a command for it. */
static struct cmd *plan_change(int w, enum mm_call call, bool (*fits)(int w, uint32_t p))
{
	uint32_t page, num;

	if (!pick_run(w, &page, &num, NOTHING, fits))
		return NULL;
	model_claim(w, page * PAGE, num * PAGE, true);
	model_touch(w, page * PAGE, num * PAGE);
	return plan_mm_cmd(w, call, page, num);
}

static void for_pages(int w, const struct cmd *cmd, void (*change)(int w, uint32_t p))
{
	for (uint32_t p = cmd->off / PAGE; p < (cmd->off + cmd->len) / PAGE; p++)
		change(w, p);
}

static void plan_unmap(int w)
{
	struct cmd *cmd = plan_change(w, MM_UNMAP, is_mapped);

	if (cmd)
		for_pages(w, cmd, model_leave);
}

static void plan_map(int w, bool (*fits)(int w, uint32_t p))
{
	struct cmd *cmd = plan_change(w, MM_MAP, fits);
	enum backing backing = vt_chance(60) ? BACK_ANON : vt_below(BACKINGS);

	if (!cmd)
		return;
	cmd->arg |= backing;
	for (uint32_t p = cmd->off / PAGE; p < (cmd->off + cmd->len) / PAGE; p++)
		model_map(w, p, backing);
}

static void plan_dontneed(int w)
{
	struct cmd *cmd = plan_change(w, MM_DONTNEED, is_mapped);

	if (cmd)
		for_pages(w, cmd, model_zap);
}

static void become_lazy(int w, uint32_t p)
{
	page_of(w, p)->lazy = true;
}

static void plan_free(int w)
{
	struct cmd *cmd;

	if (chaos_opts.faults)
		return;
	cmd = plan_change(w, MM_FREE, is_freeable);
	if (cmd)
		for_pages(w, cmd, become_lazy);
}

static void plan_protect(int w)
{
	struct cmd *cmd = plan_change(w, MM_PROTECT, is_mapped);
	enum prot prot = vt_chance(20) ? PROT_NOTHING : vt_chance(50) ? PROT_RO : PROT_RW;

	if (!cmd)
		return;
	cmd->arg |= prot;
	for (uint32_t p = cmd->off / PAGE; p < (cmd->off + cmd->len) / PAGE; p++)
		page_of(w, p)->prot = prot;
}

static void move_page(int w, uint32_t from, uint32_t to)
{
	struct desk *desk = &chaos->desks[w];

	model_leave(w, to);
	desk->pages[to] = desk->pages[from];
	memcpy(desk->shadow + to * PAGE, desk->shadow + from * PAGE, PAGE);
	desk->pages[from] = (struct page){ PROT_HOLE, BACK_ANON, false, false };
}

static void plan_remap(int w)
{
	uint32_t from, to, num, room;
	struct cmd *cmd;

	if (!pick_run(w, &from, &num, NOTHING, is_anon) ||
	    !pick_run(w, &to, &room, NOTHING, is_changeable))
		return;
	num = num < room ? num : room;
	if (from < to + num && to < from + num)
		return;
	model_claim(w, from * PAGE, num * PAGE, true);
	model_claim(w, to * PAGE, num * PAGE, true);
	model_touch(w, to * PAGE, num * PAGE);
	cmd = plan_mm_cmd(w, MM_REMAP, from, num);
	cmd->off2 = to * PAGE;
	log_event(w, to * PAGE, num * PAGE, "mremap from %#x", from * PAGE);
	for (uint32_t i = 0; i < num; i++)
		move_page(w, from + i, to + i);
}

static void punch_page(int w, uint32_t p)
{
	memset(chaos->desks[w].shadow + p * PAGE, 0, PAGE);
}

static void plan_punch(int w)
{
	struct cmd *cmd = plan_change(w, MM_PUNCH, is_shared);

	if (cmd)
		for_pages(w, cmd, punch_page);
}

/* --- the length of the file --- */

static bool of_file(int w, uint32_t p)
{
	return page_of(w, p)->prot != PROT_HOLE && page_of(w, p)->backing != BACK_ANON;
}

static bool tail_is_quiet(int w, uint32_t from)
{
	for (uint32_t p = from; p < ARENA_PAGES; p++)
		if (of_file(w, p) && !is_quiet(w, p, NOTHING))
			return false;
	return true;
}

static void claim_tail(int w, uint32_t from)
{
	for (uint32_t p = from, n; p < ARENA_PAGES; p += n + 1) {
		for (n = 0; p + n < ARENA_PAGES && of_file(w, p + n); n++)
			;
		if (n)
			model_claim(w, p * PAGE, n * PAGE, true);
	}
}

/*
 * Truncate the file to @from pages: pages mapped beyond it are gone, private copies
 * included.
 */
static void plan_truncate(int w)
{
	uint32_t from = ARENA_PAGES / 2 + vt_below(ARENA_PAGES / 2);
	struct desk *desk = &chaos->desks[w];

	if (!tail_is_quiet(w, from))
		return;
	claim_tail(w, from);
	plan_mm_cmd(w, MM_TRUNCATE, from, ARENA_PAGES - from);
	desk->file_pages = from;
	memset(desk->file + from * PAGE, 0, ARENA_LEN - from * PAGE);
	for (uint32_t p = from; p < ARENA_PAGES; p++)
		if (of_file(w, p))
			desk->pages[p].eof = true;
}

static void plan_extend(int w)
{
	struct desk *desk = &chaos->desks[w];
	uint32_t from = desk->file_pages;

	if (!tail_is_quiet(w, from))
		return;
	claim_tail(w, from);
	plan_mm_cmd(w, MM_EXTEND, from, ARENA_PAGES - from);
	desk->file_pages = ARENA_PAGES;
	for (uint32_t p = from; p < ARENA_PAGES; p++) {
		if (!desk->pages[p].eof)
			continue;
		desk->pages[p].eof = false;
		memset(desk->shadow + p * PAGE, 0, PAGE);
		model_touch(w, p * PAGE, PAGE);
	}
}

static void plan_file(int w)
{
	if (chaos->desks[w].file_pages < ARENA_PAGES)
		plan_extend(w);
	else if (vt_chance(30))
		plan_truncate(w);
	else
		plan_punch(w);
}

/* --- writes by the CPU, beside other writes to the same pages --- */

/* Sometimes fill with one value, so that KSM can merge pages. */
static void draw_bytes(uint8_t *data, uint32_t len)
{
	if (vt_chance(25))
		memset(data, vt_below(3), len);
	else
		vt_fill(data, len);
}

#define FILL_MOST	(64 * PAGE)

static void fill_with_random(int w, uint32_t off, uint32_t len)
{
	static uint8_t data[FILL_MOST];
	struct cmd *cmd;

	draw_bytes(data, len);
	model_claim(w, off, len, true);
	model_write(w, off, len, data);
	cmd = crew_cmd(w, LANE_MM, CMD_FILL);
	cmd->off = off;
	cmd->len = len;
	log_event(w, off, len, "written by the CPU");
	log_count("CPU writes");
}

static void plan_fill(int w)
{
	uint32_t len = vt_chance(30) ? vt_below(64) * PAGE : vt_length(FILL_MOST, 1024);
	uint32_t off;

	for (int tries = 0; tries < 8; tries++, len /= 2) {
		off = vt_below(ARENA_LEN - len);
		if (vt_chance(40))
			off &= ~(PAGE - 1);
		if (!len || !model_writable(w, off, len) || model_claimed(w, off, len, true))
			continue;
		fill_with_random(w, off, len);
		return;
	}
}

/* Device memory is written in words of 4 bytes. */
static void plan_fill_dm(int w)
{
	uint32_t len = 4 * (1 + vt_below(2 * PAGE / 4));
	uint32_t off = ARENA_LEN + 4 * vt_below((DM_LEN - len) / 4 + 1);

	if (!model_claimed(w, off, len, true))
		fill_with_random(w, off, len);
}

/* --- */

static bool is_worn(int w)
{
	uint32_t bad = 0;

	for (uint32_t p = 0; p < ARENA_PAGES; p++)
		bad += is_unusable(w, p);
	return bad > ARENA_PAGES / 6;
}

static void plan_other(int w)
{
	switch (vt_below(17)) {
	case 0:
		return plan_unmap(w);
	case 1:
	case 2:
		return plan_map(w, is_changeable);
	case 3:
	case 4:
		return plan_dontneed(w);
	case 5:
		return plan_free(w);
	case 6:
		return plan_protect(w);
	case 7:
		return plan_remap(w);
	case 8:
		return plan_file(w);
	case 9:
		return plan_snapshot(w);
	case 10:
		return plan_flip(w);
	case 11:
		return plan_away(w);
	case 12:
		return plan_scribble(w);
	case 13:
		return plan_fill_dm(w);
	default:
		return plan_fill(w);
	}
}

/* Draw some calls for process @w, which run in parallel with the batch of operations. */
void plan_mm(int w)
{
	int num = vt_below(4);

	if (is_worn(w))
		plan_map(w, is_unusable);
	for (int i = 0; i < num; i++) {
		if (vt_chance(45))
			plan_keep(w);
		else
			plan_other(w);
	}
}
