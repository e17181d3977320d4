// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The log of all draws: a hash, counts, and the last events, which a failure prints. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "chaos.h"

struct event {
	uint64_t step;
	int w;
	uint32_t off, len;
	char text[160];
};

#define EVENTS		(1U << 16)
#define SHOWN		30

static struct event events[EVENTS];
static uint64_t num_events;
static uint64_t hash = 0xcbf29ce484222325ULL;
uint64_t chaos_step;

static struct {
	const char *what;
	uint64_t n;
} counts[96];

static void hash_bytes(const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		hash = (hash ^ *p++) * 0x100000001b3ULL;
}

/* Log a draw that concerns these bytes of process @w. */
void log_event(int w, uint32_t off, uint32_t len, const char *fmt, ...)
{
	struct event *e = &events[num_events++ % EVENTS];
	va_list args;

	e->step = chaos_step;
	e->w = w;
	e->off = off;
	e->len = len;
	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	hash_bytes(&e->w, sizeof(e->w));
	hash_bytes(&e->off, sizeof(e->off));
	hash_bytes(&e->len, sizeof(e->len));
	hash_bytes(e->text, strlen(e->text));
	if (chaos_opts.verbose)
		printf("step %llu: %d %#x+%#x %s\n", (unsigned long long)e->step, w, off,
		       len, e->text);
}

/* The hash of all draws; a replay gives the same. */
uint64_t log_hash(void)
{
	return hash;
}

void log_count(const char *what)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(counts) - 1 && counts[i].what && strcmp(counts[i].what, what))
		i++;
	counts[i].what = what;
	counts[i].n++;
}

void log_summary(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(counts) && counts[i].what; i++)
		printf("%s%s %llu", i ? ", " : "", counts[i].what,
		       (unsigned long long)counts[i].n);
	printf("\nplan: %#llx after %llu steps\n", (unsigned long long)hash,
	       (unsigned long long)chaos_step);
}

static void show_event(const struct event *e)
{
	printf("  step %llu: process %d %#x+%#x %s\n", (unsigned long long)e->step, e->w,
	       e->off, e->len, e->text);
}

/* Print the last events that concern these bytes; without a length, the last events of all. */
static void show_events(int w, uint32_t off, uint32_t len)
{
	uint64_t first = num_events > EVENTS ? num_events - EVENTS : 0;
	uint64_t found[SHOWN];
	int n = 0;

	for (uint64_t i = num_events; i-- > first && n < SHOWN;) {
		const struct event *e = &events[i % EVENTS];

		if (!len || (e->w == w && e->off < off + len && off < e->off + e->len))
			found[n++] = i;
	}
	while (n--)
		show_event(&events[found[n] % EVENTS]);
}

static void replay_line(void)
{
	printf("replay: --seed %#llx --steps %llu --processes %d%s%s\n",
	       (unsigned long long)vt_opts.seed, (unsigned long long)chaos_step + 1,
	       chaos_opts.crew, chaos_opts.pin ? " --pin" : "",
	       chaos_opts.faults ? " --faults" : "");
	fflush(stdout);
}

void log_die(const char *fmt, ...)
{
	va_list args;

	printf("FAILED in step %llu: ", (unsigned long long)chaos_step);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\nthe last that was drawn:\n");
	show_events(0, 0, 0);
	replay_line();
	exit(EXIT_FAILURE);
}

static void show_bytes(const char *name, const uint8_t *p, size_t len)
{
	printf("%-8s", name);
	for (size_t i = 0; i < len; i++)
		printf(" %02x", p[i]);
	printf("\n");
}

/* A process found bytes that the model does not allow. */
void log_mismatch(int w, const struct cmd *cmd)
{
	const struct desk *desk = &chaos->desks[w];
	const struct page *page = &desk->pages[cmd->bad / PAGE];
	size_t len = MODEL_LEN - cmd->bad;

	if (len > sizeof(cmd->got))
		len = sizeof(cmd->got);
	printf("FAILED in step %llu: process %d, offset %#x: data differ%s\n",
	       (unsigned long long)chaos_step, w, cmd->bad,
	       cmd->err == EBADF ? " (in the file)" : "");
	printf("page %u: prot %d, backing %d%s%s\n", cmd->bad / PAGE, page->prot,
	       page->backing, page->lazy ? ", lazily freed" : "", page->eof ? ", past EOF" : "");
	show_bytes("wanted", desk->shadow + cmd->bad, len);
	if (cmd->type == CMD_SETTLE)
		show_bytes(cmd->flags & SETTLE_ZERO ? "or 0, or" : "or", desk->alt + cmd->bad,
			   len);
	show_bytes("got", cmd->got, len);
	printf("the last that was done to this page:\n");
	show_events(w, cmd->bad & ~(PAGE - 1), PAGE);
	replay_line();
	exit(EXIT_FAILURE);
}
