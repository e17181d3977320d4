/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers for the tests of on-demand memory. A bench is a connected pair and the memory
 * under test. A "put" makes the NIC write that memory, a "get" makes the NIC read it. The
 * variant decides whether the memory is remote memory, local memory, or the memory of a
 * receive or a SEND, so that each test is written once for all of them.
 */
#ifndef ODP_BENCH_H
#define ODP_BENCH_H

#include <pthread.h>

#include "rc.h"

#define PAGE	4096UL
#define LEN	(32 * PAGE)

enum odp_side {
	ODP_REMOTE,	/* put: WRITE from the peer	get: READ by the peer */
	ODP_LOCAL,	/* put: READ of the peer	get: WRITE to the peer */
	ODP_MESSAGE,	/* put: receive a SEND		get: SEND */
	ODP_SIDES
};

#define ODP_ALL_SIDES	(1U << ODP_REMOTE | 1U << ODP_LOCAL | 1U << ODP_MESSAGE)
#define ODP_RDMA_SIDES	(1U << ODP_REMOTE | 1U << ODP_LOCAL)

struct odp_variant {
	enum vt_kind kind;
	enum odp_side side;
};

/**
 * struct odp_bench - a pair and memory
 * @v: kind of memory and how it is reached
 * @pair: the QPs
 * @mem: the memory under test
 * @src: at the other end: the source of a put
 * @back: at the other end: the destination of a get
 */
struct odp_bench {
	struct odp_variant v;
	struct rc_pair *pair;
	struct vt_mem *mem, *src, *back;
};

/* Add a test for each kind of on-demand memory and each of the sides. */
void odp_test(vt_fn fn, const char *name, unsigned int sides);

void odp_need(enum vt_kind kind);
/* False where the device mirrors ordinary regions as well (pin=never). */
bool odp_pins(const struct vt_dev *dev);
struct odp_bench odp_bench(const void *variant, void *addr, size_t len);
struct odp_bench odp_bench_access(const void *variant, void *addr, size_t len,
				  int access);
struct odp_bench odp_bench_attr(const void *variant, void *addr, size_t len,
				const struct rc_attr *attr);
struct rc_end *odp_mem_end(struct odp_bench *b);
struct rc_end *odp_peer_end(struct odp_bench *b);

/* Start a put or a get without waiting; odp_put_end() or odp_get_end() waits for it. */
void odp_put_start(struct odp_bench *b, size_t off, size_t len);
void odp_get_start(struct odp_bench *b, size_t off, size_t len);
struct ibv_cq *odp_cq(struct odp_bench *b, bool put);
void odp_put_end(struct odp_bench *b);
void odp_get_end(struct odp_bench *b);

/* A complete put or get, which must succeed; each put writes new random data. */
void odp_put(struct odp_bench *b, size_t off, size_t len);
void odp_get(struct odp_bench *b, size_t off, size_t len);

/*
 * A put or get of memory that cannot be faulted in: it must fail. Call odp_reconnect()
 * after it.
 */
void odp_put_fails(struct odp_bench *b, size_t off, size_t len);
void odp_get_fails(struct odp_bench *b, size_t off, size_t len);
void odp_reconnect(struct odp_bench *b);

/* Put new data, check that the CPU sees it at @at, and get it back. */
void odp_check_at(struct odp_bench *b, size_t off, size_t len, const void *at);
void odp_check(struct odp_bench *b);
/* Get the memory: it must hold what the CPU sees, or zeros. */
void odp_check_get(struct odp_bench *b);
void odp_check_zeros(struct odp_bench *b, size_t off, size_t len);

/* --- others at the same time --- */

/*
 * A thread that puts into all of the memory until it is stopped or a put is refused. Not
 * for ODP_MESSAGE.
 */
struct odp_hammer {
	struct odp_bench *bench;
	struct vt_wr wr;	/* made before the region goes away */
	pthread_t thread;
	bool stop, dead;
	bool differs;		/* a get has brought something else than the put before it */
	unsigned int rounds;
};

void odp_hammer_start(struct odp_hammer *h, struct odp_bench *b);
/* The same, and each round of puts is followed by a get. Nothing else may change the memory. */
void odp_hammer_start_getting(struct odp_hammer *h, struct odp_bench *b);
void odp_hammer_stop(struct odp_hammer *h);
/* After the stop: does the CPU see what the last put has written? */
bool odp_hammer_is_seen(const struct odp_hammer *h);
/* Wait until its requests are refused, then stop it; false: they still are not. */
bool odp_hammer_dies(struct odp_hammer *h);

/* What a thread does in a loop while the test goes on. */
struct odp_disturber {
	void (*disturb)(struct odp_disturber *d);
	uint8_t *addr;		/* for @disturb, as are the next four */
	size_t len;
	int fd;
	int err;
	void *buf;
	struct odp_bench bench;	/* the test's */
	unsigned int turns;	/* calls of @disturb so far */
};

/*
 * The thread uses copies of @how and of @b: a check that fails leaves the test's frame, and
 * only later does the end of the test stop the thread.
 */
struct odp_disturbing *odp_disturb_start(const struct odp_bench *b,
					 struct odp_disturber how);
/* Returns the err that the last @disturb has left. */
int odp_disturb_stop(struct odp_disturbing *run);
int odp_traffic_while(struct odp_bench *b, struct odp_disturber how);

/* --- memory --- */

void odp_map_fixed(void *addr, size_t len);
uint8_t *odp_map_aligned(size_t len, size_t align);
uint8_t *odp_map_file(int fd, size_t len, int prot, int flags);
uint8_t *odp_copy_of(const void *from, size_t len);

struct odp_file {
	int fd;
	uint8_t *nic, *cpu;	/* two mappings of it */
};

/* Map @fd twice; the end of the test closes @fd. */
struct odp_file odp_file_of(int fd, size_t len, int nic_flags);
struct odp_file odp_memfd(size_t len, int nic_flags);

#endif /* ODP_BENCH_H */
