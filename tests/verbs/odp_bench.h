/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the tests of on-demand memory share. A bench is a connected pair and some
 * memory of which the test is about; "put" makes the NIC write that memory and
 * "get" makes it read it. Whether the memory is then the remote end's, the local
 * end's or that of a receive or a SEND is the variant's affair, so that a test
 * written once covers them all.
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
 * @mem: the memory that the test is about
 * @src: the other end's: what a put brings
 * @back: the other end's: where a get arrives
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

/* Start without waiting; what is started is waited for with odp_end(). */
void odp_put_start(struct odp_bench *b, size_t off, size_t len);
void odp_get_start(struct odp_bench *b, size_t off, size_t len);
struct ibv_cq *odp_cq(struct odp_bench *b, bool put);
void odp_put_end(struct odp_bench *b);
void odp_get_end(struct odp_bench *b);

/* These succeed; put brings fresh data. */
void odp_put(struct odp_bench *b, size_t off, size_t len);
void odp_get(struct odp_bench *b, size_t off, size_t len);

/* These meet memory that is not to be had, and leave the pair in error. */
void odp_put_fails(struct odp_bench *b, size_t off, size_t len);
void odp_get_fails(struct odp_bench *b, size_t off, size_t len);
void odp_reconnect(struct odp_bench *b);

/* Put fresh data and get it back, seen by the CPU at @at. */
void odp_check_at(struct odp_bench *b, size_t off, size_t len, const void *at);
void odp_check(struct odp_bench *b);
/* Get what the memory holds now, or zeros. */
void odp_check_get(struct odp_bench *b);
void odp_check_zeros(struct odp_bench *b, size_t off, size_t len);

/* --- others at the same time --- */

/* Puts into all of the memory, until stopped or refused. Not for ODP_MESSAGE. */
struct odp_hammer {
	struct odp_bench *bench;
	struct vt_wr wr;	/* made before the region goes away */
	pthread_t thread;
	bool stop, dead;
	unsigned int rounds;
};

void odp_hammer_start(struct odp_hammer *h, struct odp_bench *b);
void odp_hammer_stop(struct odp_hammer *h);

/* Calls @disturb over and over while the caller goes on. */
struct odp_disturber {
	void (*disturb)(struct odp_disturber *d);
	uint8_t *addr;
	size_t len;
	int fd;			/* for @disturb, as is @err */
	int err;
	unsigned int turns;
	pthread_t thread;
	bool stop;
};

void odp_disturb_start(struct odp_disturber *d);
void odp_disturb_stop(struct odp_disturber *d);
void odp_traffic_while(struct odp_bench *b, struct odp_disturber *d);

/* --- memory --- */

void odp_map_fixed(void *addr, size_t len);
uint8_t *odp_map_aligned(size_t len, size_t align);
uint8_t *odp_map_file(int fd, size_t len, int prot, int flags);
uint8_t *odp_copy_of(const void *from, size_t len);

struct odp_file {
	int fd;
	uint8_t *nic, *cpu;	/* two mappings of it */
};

/* Takes over @fd. */
struct odp_file odp_file_of(int fd, size_t len, int nic_flags);
struct odp_file odp_memfd(size_t len, int nic_flags);

#endif /* ODP_BENCH_H */
