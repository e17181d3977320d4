/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Two processes with a TCP connection between them and one RC QP on each side. The client
 * decides: it asks the server to fill, compare or page out its memory, and performs the
 * RDMA operations in between.
 */
#ifndef PEER_H
#define PEER_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_DEPTH	16

enum peer_memory { PEER_PINNED, PEER_ODP, PEER_IMPLICIT };

struct peer_opts {
	const char *device;
	const char *host;	/* NULL: be the server */
	const char *port;
	const char *ops;	/* names, comma-separated; NULL: all */
	enum peer_memory memory;
	enum ibv_mtu mtu;
	int gid_index;
	size_t region;
	size_t message;
	unsigned int rounds;
	uint64_t seed;
	bool exact;		/* every message has the full length */
	bool page_out;		/* page out the server's memory before every operation */
};

/* What each side sends to the other before they connect. */
struct peer_card {
	uint64_t addr;
	uint64_t len;
	uint32_t qpn;
	uint32_t psn;
	uint32_t rkey;
	uint32_t pad;
	union ibv_gid gid;
};

/* What the client asks of the server. */
enum peer_ask_kind {
	PEER_FILL,	/* [off, off + len) with the pattern of seed */
	PEER_COMPARE,	/* answer: the number of bytes that match */
	PEER_GET,	/* answer: the 8 bytes at off */
	PEER_RECV,	/* post a receive for [off, off + len) */
	PEER_WAIT,	/* for its completion; answer: length, immediate or invalidated key */
	PEER_BIND,	/* bind a window to [off, off + len); answer: its key */
	PEER_INVALIDATE, /* invalidate the window at the server */
	PEER_PAGE_OUT,	/* page everything out; answer: pages present before, after */
	PEER_BYE,
};

struct peer_ask {
	uint64_t kind, off, len, seed;
};

struct peer_answer {
	uint64_t value, more;
};

struct peer {
	const struct peer_opts *opts;
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	struct ibv_mw *mw;	/* the server's window, from PEER_BIND on */
	uint8_t *mem;
	size_t len;
	uint64_t register_ns;	/* duration of the registration */
	uint64_t first_ns;	/* duration of the process's first registration */
	int sock;
	struct peer_card mine, theirs;
};

void peer_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t peer_now_ns(void);
long peer_status_kib(const char *field);

void peer_open(struct peer *peer, const struct peer_opts *opts);
void peer_close(struct peer *peer);
void peer_read(int sock, void *buf, size_t len);
void peer_write(int sock, const void *buf, size_t len);
void peer_poll(struct peer *peer, struct ibv_wc *wc);

void peer_pattern_fill(uint8_t *buf, size_t len, uint64_t seed, uint64_t pos);
size_t peer_pattern_match(const uint8_t *buf, size_t len, uint64_t seed, uint64_t pos);

void peer_serve(struct peer *peer);
void peer_drive(struct peer *peer);

#endif /* PEER_H */
