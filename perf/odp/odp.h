/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Shared by the files of nopin-odp. An area is memory of one kind of page, whose pages can
 * be taken away. An end has a QP, an area that the NIC accesses, a twin of it for the CPU,
 * and a plain buffer whose pages are always present. An end may be on another machine, to
 * which requests (struct odp_ask) are sent. A subject measures one thing on all sides in
 * turns, as in nopin-perf.
 */
#ifndef ODP_H
#define ODP_H

#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include "perf.h"

#define ODP_PAGE	4096UL
#define ODP_PORT	18520
#define ODP_VERSION	"1"

/* --- areas --- */

enum odp_pages { ODP_SMALL, ODP_THP, ODP_HUGETLB, ODP_FILE, ODP_SHARED, ODP_PAGES };

/* The state of pages before they are accessed. */
enum odp_state {
	ODP_WARM,	/* present, already accessed */
	ODP_COLD,	/* never touched */
	ODP_DONTNEED,	/* dropped by MADV_DONTNEED */
	ODP_PAGEOUT,	/* written to swap, or to the file, by MADV_PAGEOUT */
	ODP_FORK,	/* shared with a child, copied on write */
	ODP_STATES
};

extern const char *const odp_pages_name[ODP_PAGES];
extern const char *const odp_state_name[ODP_STATES];

/**
 * struct odp_area - memory
 * @seed: seed of its contents, see odp_pattern(); 0: zeros
 * @child: child process that shares the pages; 0: none
 */
struct odp_area {
	enum odp_pages pages;
	uint8_t *addr, *map;
	size_t len, map_len;
	uint64_t seed;
	pid_t child;
};

size_t odp_page_size(enum odp_pages pages);
int odp_area_open(struct odp_area *area, enum odp_pages pages, size_t len);
void odp_area_close(struct odp_area *area);
size_t odp_room(void);
void odp_area_fill(struct odp_area *area, uint64_t seed);
int odp_area_take(struct odp_area *area, enum odp_state state);
/* Bytes from @pos on of the endless pattern for @seed. */
void odp_pattern(void *buf, size_t len, uint64_t seed, uint64_t pos);
bool odp_pattern_differs(const void *buf, size_t len, uint64_t seed, uint64_t pos);

/* --- ends --- */

enum odp_where { ODP_REMOTE, ODP_LOCAL, ODP_WHERES };
enum odp_op { ODP_WRITE, ODP_READ, ODP_SEND, ODP_ATOMIC, ODP_OPS };

extern const char *const odp_where_name[ODP_WHERES];
extern const char *const odp_op_name[ODP_OPS];

/* Requests to an end. */
enum odp_what {
	ODP_ASK_OPEN,		/* make a QP with @attr; returns @addr */
	ODP_ASK_CONNECT,	/* @attr, @addr */
	ODP_ASK_CLOSE,
	ODP_ASK_MEMORY,		/* @kind, @pages, @len, @plain_len, @state, @seed */
	ODP_ASK_TAKE,		/* @state: from area and twin */
	ODP_ASK_FILL,		/* fill the plain buffer with @seed */
	ODP_ASK_CHECK,		/* do @num pieces of @which hold @seed from @pos on? */
	ODP_ASK_ADDS,		/* have @num words grown by @seed since the fill? */
	ODP_ASK_TOUCH,		/* the CPU accesses @num pieces of the twin; times */
	ODP_ASK_RECEIVE,	/* post @num receives into pieces of @which */
	ODP_ASK_RECEIVED,	/* wait for @num receives */
	ODP_ASK_FORGET,		/* free area, twin and buffer */
	ODP_ASKS
};

enum odp_which { ODP_AREA, ODP_PLAIN };

enum odp_counter {
	ODP_TIMEOUTS, ODP_RETRANSMITS, ODP_NAKS, ODP_FAULTS, ODP_SENT, ODP_COUNTERS
};

extern const char *const odp_counter_name[ODP_COUNTERS];

/**
 * struct odp_ask - a request to an end, and its answer
 * @link: which end of a server is meant
 * @off: offset of the first piece
 * @stride: bytes from one piece to the next
 * @step: how much @pos grows from one piece to the next
 * @iova: addresses of area and plain buffer, with @rkey and @lkey
 */
struct odp_ask {
	uint32_t link, what, which, kind, pages, state, op;
	uint64_t off, len, stride, num, seed, pos, step, plain_len;
	struct rc_attr attr;
	struct rc_addr addr;
	uint64_t iova[2];
	uint32_t rkey[2], lkey[2];
	int32_t err;
	uint32_t lacking;
	char why[200];
};

/**
 * struct odp_end - one end of a connection
 * @sock: socket to the server; -1: the end is in this process
 * @link: number of the end at the server
 */
struct odp_end {
	int sock;
	unsigned int link;
	struct vt_dev *dev;
	struct rc_end rc;
	bool open;
	struct odp_area area, twin, plain;
	struct ibv_mr *mr[2];
	/* For requests of the other end. */
	uint64_t iova[2];
	uint32_t rkey[2], lkey[2];
};

/* Send a request; ODP_ASK_TOUCH adds its times to @times. */
int odp_ask(struct odp_end *end, struct odp_ask *ask, struct stats *times);
/* Carry out a request for an end in this process. */
void odp_answer(struct odp_end *end, struct odp_ask *ask, struct stats *times);
/* Answer with the last reason of a failure. */
void odp_refuse(struct odp_ask *ask);

/* Two connected ends of one side and one path. */
struct odp_link {
	const struct perf_side *side;
	enum perf_path path;
	struct odp_end end[2];
	bool open;
};

void odp_links_init(struct odp_link *link, enum perf_path path);
void odp_links_close(struct odp_link *link);
int odp_link_open(struct odp_link *link);
int odp_link_memory(struct odp_link *link, int at, const struct odp_ask *want);
int odp_link_done(struct odp_link *link, int err);
/* -1 if the device has no such counter. */
long long odp_counter(const struct vt_dev *dev, const char *name);
void odp_counters(const struct vt_dev *dev, int64_t counter[ODP_COUNTERS]);

/* --- another machine --- */

int odp_send(int sock, const void *buf, size_t len);
int odp_receive(int sock, void *buf, size_t len);
int odp_connect(const char *host, unsigned int port);
int odp_serve(unsigned int port, struct vt_dev *dev);

/* --- options --- */

/**
 * struct odp_opts - the options
 * @run: sides, time and repeats
 * @size: only this size; 0: the subject's sizes
 * @ops: bits 1 << enum odp_op, and likewise the next ones; 0: the subject's choice
 * @iters: pages of one sample; 0: the subject's choice
 * @sock: socket to the server; -1: one process
 */
struct odp_opts {
	struct perf_run run;
	const char *only, *json, *label, *host, *folder;
	size_t size, align;
	unsigned int ops, pages, states, wheres, kinds, paths;
	unsigned int iters, port, depth, ack_timeout;
	bool check, histogram, server, all;
	int sock;
};

extern struct odp_opts odp_opts;

void odp_options(int argc, char **argv);
void odp_subjects_usage(void);

/* --- tables on standard output --- */

void odp_table_title(const char *title, const char *words);
void odp_table_times(const struct perf_round *round, struct stats *cpu);
void odp_table_values(const struct perf_round *round, double scale, const char *unit);
void odp_table_lacking(const char *subject);
void odp_verdict(const char *what, double value, double bound, const char *unit);

/* Have all checks of odp_verdict() and all measurements succeeded? */
bool odp_all_good(void);

/* --- subjects --- */

void odp_access(void);
void odp_rate(void);
void odp_prefetch(void);
void odp_memory(void);
void odp_overcommit(void);
void odp_damming(void);
void odp_flood(void);

#endif /* ODP_H */
