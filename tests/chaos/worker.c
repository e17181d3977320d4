// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* A process of the crew: two lanes that run the commands of the desk, and memory checks. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "chaos.h"

int worker_id;
static struct desk *desk;
static int lanes[LANES];
static const uint8_t zeros[PAGE];

uint8_t *worker_addr(uint32_t off)
{
	return (uint8_t *)ARENA_BASE + off;
}

/* --- looking at memory --- */

/* The contents of page @p; for device memory a copy that is valid until the next call. */
static const uint8_t *worker_page(uint32_t p)
{
	static uint8_t copy[PAGE];

	if (p < ARENA_PAGES)
		return worker_addr(p * PAGE);
	worker_dm_get(p * PAGE, copy, PAGE);
	return copy;
}

/* Report a difference at offset @off, where the bytes at @got were found. */
static void report(struct cmd *cmd, uint32_t off, const uint8_t *got, int err)
{
	uint32_t skew = off % PAGE;

	cmd->err = err;
	cmd->bad = off;
	memcpy(cmd->got, got, PAGE - skew < sizeof(cmd->got) ? PAGE - skew : sizeof(cmd->got));
}

static bool page_right(uint32_t p)
{
	const uint8_t *got = worker_page(p);

	return !memcmp(got, desk->shadow + p * PAGE, PAGE) ||
	       (desk->pages[p].lazy && !memcmp(got, zeros, PAGE));
}

static void report_page(struct cmd *cmd, uint32_t p, const uint8_t *got, int err)
{
	uint32_t i = 0;

	while (i < PAGE - 1 && got[i] == desk->shadow[p * PAGE + i])
		i++;
	report(cmd, p * PAGE + i, got + i, err);
}

/* Check that the file holds the contents of its shared mapping. */
static void check_file(struct cmd *cmd, uint32_t p)
{
	uint8_t got[PAGE];

	if (pread(worker_mm_file(), got, PAGE, (off_t)p * PAGE) != PAGE)
		memset(got, 0xee, PAGE);
	if (memcmp(got, desk->shadow + p * PAGE, PAGE))
		report_page(cmd, p, got, EBADF);
}

static void check(struct cmd *cmd)
{
	uint32_t end = (cmd->off + cmd->len) / PAGE;

	for (uint32_t p = cmd->off / PAGE; p < end && !cmd->err; p++) {
		const struct page *page = &desk->pages[p];

		if (page->prot < PROT_RO || page->eof)
			continue;
		if (!page_right(p))
			report_page(cmd, p, worker_page(p), EIO);
		else if (cmd->flags && page->backing == BACK_SHARED)
			check_file(cmd, p);
	}
}

static void settle_page(struct cmd *cmd)
{
	const uint8_t *got = worker_addr(cmd->off);

	if (!memcmp(got, desk->alt + cmd->off, PAGE))
		memcpy(desk->shadow + cmd->off, got, PAGE);
	else if (memcmp(got, desk->shadow + cmd->off, PAGE))
		report_page(cmd, cmd->off / PAGE, got, EIO);
}

/* Does the model allow this value? Marks the command if the value shows a loss. */
static bool is_one_of(struct cmd *cmd, uint32_t off, uint8_t got)
{
	if (got == desk->shadow[off] || cmd->flags & SETTLE_ANY)
		return true;
	if (got == desk->alt[off] && cmd->flags & SETTLE_LOSS)
		cmd->arg = 1;
	return got == desk->alt[off] || (!got && cmd->flags & SETTLE_ZERO);
}

static void settle_bytes(struct cmd *cmd, uint32_t off, uint32_t end)
{
	const uint8_t *page = worker_page(off / PAGE);

	for (uint32_t i = off; i < end && !cmd->err; i++) {
		if (!is_one_of(cmd, i, page[i % PAGE]))
			report(cmd, i, page + i % PAGE, EIO);
		else
			desk->shadow[i] = page[i % PAGE];
	}
}

/* Put the values found into the model, if the model allows them. */
static void settle(struct cmd *cmd)
{
	uint32_t end = cmd->off + cmd->len, n;

	if (cmd->flags & SETTLE_PAGE) {
		settle_page(cmd);
		return;
	}
	for (uint32_t off = cmd->off; off < end && !cmd->err; off += n) {
		n = PAGE - off % PAGE < end - off ? PAGE - off % PAGE : end - off;
		settle_bytes(cmd, off, off + n);
	}
}

static void fill(const struct cmd *cmd)
{
	if (cmd->off < ARENA_LEN)
		memcpy(worker_addr(cmd->off), desk->shadow + cmd->off, cmd->len);
	else
		worker_dm_put(cmd->off, desk->shadow + cmd->off, cmd->len);
}

/* --- lanes --- */

static void run(struct cmd *cmd, int left)
{
	if (cmd->delay_us)
		usleep(cmd->delay_us);
	switch (cmd->type) {
	case CMD_FILL:
		fill(cmd);
		break;
	case CMD_CHECK:
		check(cmd);
		break;
	case CMD_SETTLE:
		settle(cmd);
		break;
	case CMD_MM:
		worker_mm(cmd);
		break;
	case CMD_QUIT:
		worker_verbs_close();
		_exit(EXIT_SUCCESS);
	default:
		vt_require(worker_verbs(cmd, left), "no such command: %d", cmd->type);
	}
}

static void *lane_main(void *arg)
{
	enum lane lane = (uintptr_t)arg;
	char byte;

	while (read(lanes[lane], &byte, 1) == 1) {
		for (int i = 0; i < desk->num[lane]; i++)
			run(&desk->cmds[lane][i], desk->num[lane] - i);
		if (write(lanes[lane], "d", 1) != 1)
			break;
	}
	_exit(EXIT_FAILURE);
}

static void map_arena(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	void *at = (void *)ARENA_BASE;

	vt_require(mmap(at, ARENA_LEN, PROT_READ | PROT_WRITE, flags, -1, 0) == at,
		   "mmap: %s", strerror(errno));
}

/* Run the forked process; never returns. */
void worker_main(int w, int fds[LANES])
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	worker_id = w;
	desk = &chaos->desks[w];
	memcpy(lanes, fds, sizeof(lanes));
	map_arena();
	worker_mm_open();
	worker_verbs_open();
	vt_ok(pthread_create(&thread, NULL, lane_main, (void *)LANE_MM));
	if (write(lanes[LANE_VERBS], "r", 1) == 1)
		lane_main((void *)LANE_VERBS);
	_exit(EXIT_FAILURE);
}
