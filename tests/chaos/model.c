// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The model: the expected contents and state of every page of every process.
 *
 * Within a step operations claim the bytes that they read and write, so that no result
 * depends on the order of operations. Where a result is uncertain nevertheless, each byte
 * may have one of two values, in shadow and alt. After the step the process tells which
 * value it has, and the model takes that value.
 */
#include "chaos.h"

struct claim {
	int w;
	uint32_t off, end;
	bool write;
};

struct settle {
	int w, flags;
	uint32_t off, len;
};

static struct claim claims[1024];
static int num_claims;
static struct settle settles[1024];
static int num_settles;
static uint64_t touched[CREW_MAX][MODEL_PAGES];	/* the step of the last change */
static uint64_t pending[CREW_MAX][MODEL_PAGES];	/* the step in which it stopped being lazy */

static uint32_t last_page(uint32_t off, uint32_t len)
{
	return (off + len - 1) / PAGE;
}

/* A new process: all of its memory is fresh and anonymous. */
void model_reset(int w)
{
	struct desk *desk = &chaos->desks[w];

	memset(desk->shadow, 0, MODEL_LEN);
	memset(desk->file, 0, ARENA_LEN);
	memset(desk->regions, 0, sizeof(desk->regions));
	desk->file_pages = ARENA_PAGES;
	for (uint32_t p = 0; p < MODEL_PAGES; p++)
		desk->pages[p] = (struct page){ PROT_RW, BACK_ANON, false, false };
}

static bool has_prot(int w, uint32_t off, uint32_t len, enum prot prot)
{
	if (!len)
		return true;
	if (off >= MODEL_LEN || len > MODEL_LEN - off)
		return false;
	for (uint32_t p = off / PAGE; p <= last_page(off, len); p++) {
		const struct page *page = &chaos->desks[w].pages[p];

		if (page->prot < prot || page->eof)
			return false;
	}
	return true;
}

bool model_readable(int w, uint32_t off, uint32_t len)
{
	return has_prot(w, off, len, PROT_RO);
}

bool model_writable(int w, uint32_t off, uint32_t len)
{
	return has_prot(w, off, len, PROT_RW);
}

bool model_has_lazy(int w, uint32_t off, uint32_t len)
{
	if (!len)
		return false;
	for (uint32_t p = off / PAGE; p <= last_page(off, len) && p < MODEL_PAGES; p++)
		if (chaos->desks[w].pages[p].lazy || pending[w][p] == chaos_step)
			return true;
	return false;
}

/* Pinned pages and device memory must not be replaced under their region. */
bool model_fixed(uint32_t page)
{
	return page >= ARENA_PAGES || (chaos_opts.pin && page >= FIXED_PAGE);
}

/* --- claims --- */

void model_step_begin(void)
{
	num_claims = 0;
	num_settles = 0;
}

bool model_claimed(int w, uint32_t off, uint32_t len, bool write)
{
	for (int i = 0; i < num_claims; i++) {
		const struct claim *c = &claims[i];

		if (c->w == w && (c->write || write) && off < c->end && c->off < off + len)
			return true;
	}
	return false;
}

void model_claim(int w, uint32_t off, uint32_t len, bool write)
{
	vt_require(num_claims < (int)ARRAY_SIZE(claims), "too many claims");
	claims[num_claims++] = (struct claim){ w, off, off + len, write };
}

/* Did a claim made before the count was @saved cover any of these bytes? */
bool model_claimed_before(int saved, int w, uint32_t off, uint32_t len)
{
	int all = num_claims;
	bool claimed;

	num_claims = saved;
	claimed = model_claimed(w, off, len, true);
	num_claims = all;
	return claimed;
}

int model_claims_save(void)
{
	return num_claims;
}

void model_claims_restore(int saved)
{
	num_claims = saved;
}

/* --- contents --- */

void model_touch(int w, uint32_t off, uint32_t len)
{
	for (uint32_t p = off / PAGE; len && p <= last_page(off, len); p++)
		touched[w][p] = chaos_step;
}

void model_settle(int w, uint32_t off, uint32_t len, int flags)
{
	vt_require(num_settles < (int)ARRAY_SIZE(settles), "too much that is uncertain");
	settles[num_settles++] = (struct settle){ w, flags, off, len };
}

/* The first write to a page after MADV_FREE: the rest of the page is old or zero. */
static void write_lazy(int w, uint32_t p)
{
	struct desk *desk = &chaos->desks[w];

	desk->pages[p].lazy = false;
	pending[w][p] = chaos_step;
	memset(desk->alt + p * PAGE, 0, PAGE);
	model_settle(w, p * PAGE, PAGE, SETTLE_PAGE);
}

/* Set these bytes to @data. The old bytes stay in alt, in case the operation fails. */
void model_write(int w, uint32_t off, uint32_t len, const uint8_t *data)
{
	struct desk *desk = &chaos->desks[w];
	uint32_t n;

	model_touch(w, off, len);
	for (; len; off += n, data += n, len -= n) {
		uint32_t p = off / PAGE;

		n = PAGE - off % PAGE < len ? PAGE - off % PAGE : len;
		if (desk->pages[p].lazy)
			write_lazy(w, p);
		memcpy(desk->alt + off, pending[w][p] == chaos_step ? data : desk->shadow + off,
		       n);
		memcpy(desk->shadow + off, data, n);
	}
}

/* Each byte becomes that of @data or of @other (NULL: keeps its old value). */
void model_write_maybe(int w, uint32_t off, uint32_t len, const uint8_t *data,
		       const uint8_t *other, int flags)
{
	struct desk *desk = &chaos->desks[w];

	if (!len)
		return;
	memcpy(desk->alt + off, other ? other : desk->shadow + off, len);
	memcpy(desk->shadow + off, data, len);
	model_touch(w, off, len);
	model_settle(w, off, len, flags);
}

/* --- pages --- */

/* Unmap the page; the contents of a shared page stay in the file. */
void model_leave(int w, uint32_t p)
{
	struct desk *desk = &chaos->desks[w];
	struct page *page = &desk->pages[p];

	if (page->prot != PROT_HOLE && page->backing == BACK_SHARED && !page->eof)
		memcpy(desk->file + p * PAGE, desk->shadow + p * PAGE, PAGE);
	*page = (struct page){ PROT_HOLE, BACK_ANON, false, false };
}

/* Drop the page's private copy: it then shows zeros or the file. */
void model_zap(int w, uint32_t p)
{
	struct desk *desk = &chaos->desks[w];

	desk->pages[p].lazy = false;
	model_touch(w, p * PAGE, PAGE);
	if (desk->pages[p].backing == BACK_ANON)
		memset(desk->shadow + p * PAGE, 0, PAGE);
	else if (desk->pages[p].backing == BACK_PRIVATE)
		memcpy(desk->shadow + p * PAGE, desk->file + p * PAGE, PAGE);
}

void model_map(int w, uint32_t p, enum backing backing)
{
	struct desk *desk = &chaos->desks[w];

	model_leave(w, p);
	desk->pages[p] = (struct page){
		.prot = PROT_RW,
		.backing = backing,
		.eof = backing != BACK_ANON && p >= desk->file_pages,
	};
	model_zap(w, p);
	if (backing == BACK_SHARED)
		memcpy(desk->shadow + p * PAGE, desk->file + p * PAGE, PAGE);
}

/* --- judging --- */

static void ask(int w, enum cmd_type type, uint32_t off, uint32_t len, int flags)
{
	struct cmd *cmd = crew_cmd(w, LANE_VERBS, type);

	cmd->off = off;
	cmd->len = len;
	cmd->flags = flags;
}

static void ask_touched(int w)
{
	for (uint32_t p = 0, n; p < MODEL_PAGES; p += n + 1) {
		for (n = 0; p + n < MODEL_PAGES && touched[w][p + n] == chaos_step; n++)
			;
		if (n && chaos->desks[w].num[LANE_VERBS] < CMDS_MAX - 64)
			ask(w, CMD_CHECK, p * PAGE, n * PAGE, 0);
	}
}

/*
 * Make the processes settle uncertain bytes, then compare all touched pages, or all pages
 * with @all. At times only settle, as a comparison by the CPU makes pages present.
 */
void model_judge(int skip, bool all)
{
	for (int i = 0; i < num_settles; i++)
		if (settles[i].w != skip)
			ask(settles[i].w, CMD_SETTLE, settles[i].off, settles[i].len,
			    settles[i].flags);
	num_settles = 0;
	for (int w = 0; w < chaos_opts.crew; w++) {
		bool look = all || vt_chance(60);

		if (w == skip || !look)
			continue;
		if (all)
			ask(w, CMD_CHECK, 0, MODEL_LEN, 1);
		else
			ask_touched(w);
	}
}

/* Evaluate the answers of the processes. */
void model_judged(void)
{
	for (int w = 0; w < chaos_opts.crew; w++)
		for (int i = 0; i < chaos->desks[w].num[LANE_VERBS]; i++) {
			struct cmd *cmd = &chaos->desks[w].cmds[LANE_VERBS][i];

			if ((cmd->type == CMD_CHECK || cmd->type == CMD_SETTLE) && cmd->err)
				log_mismatch(w, cmd);
			if (cmd->type == CMD_SETTLE && cmd->arg)
				step_lost(w, cmd->off);
		}
}
