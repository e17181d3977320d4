/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the parts of nopin-perf share. A side is a competitor: a NIC and a kind of
 * memory. A link is a connected pair of QPs of a side with a buffer at each end,
 * on one device or on two across a wire. A subject is a file that measures one
 * thing: for each configuration all sides take turns, several times, and each
 * side's samples become one point of the result.
 */
#ifndef PERF_H
#define PERF_H

#include <netinet/in.h>

#include "rc.h"
#include "stats.h"

#define PERF_SIDES	8
#define PERF_MEMORY	(16 * MIB)	/* of each end of a link */
#define PERF_FLIGHT	512		/* requests in flight at most, of one flow */
#define PERF_QKEY	0x1234
#define PERF_GRH	40U		/* bytes before a datagram's own */
#define PERF_SILENCE_NS	20000000000ULL	/* without a completion: it hangs */

enum perf_path { PERF_LOCAL, PERF_WIRE, PERF_PATHS };
/* What kind of QPs a link has; SRQ is RC with shared receives. */
enum perf_service { PERF_RC, PERF_UC, PERF_UD, PERF_SRQ, PERF_XRC, PERF_SERVICES };
enum perf_op { PERF_WRITE, PERF_READ, PERF_SEND, PERF_OPS };

extern const char *const perf_path_name[PERF_PATHS];
extern const char *const perf_op_name[PERF_OPS];

/**
 * struct perf_nic - a kind of NIC, with a device at each end of a wire
 * @name: nopin, rxe or siw
 * @iwarp: its connections are made by the connection manager
 * @dev: the devices
 * @addr: their addresses
 * @netns: names of the network namespaces that they are in, or empty
 */
struct perf_nic {
	const char *name;
	bool iwarp;
	struct vt_dev dev[2];
	struct sockaddr_in addr[2];
	char netns[2][32];
};

struct perf_side {
	const char *name;
	struct perf_nic *nic;	/* NULL: not here, @missing says why */
	enum vt_kind kind;
	bool by_kind;		/* only in rounds that are about its kind of memory */
	const char *missing;
};

struct perf_round;

/**
 * struct perf_run - what is measured, and how
 * @side: the competitors
 * @num_sides: how many
 * @nopin: the NIC all is about
 * @ns: how long one sample takes
 * @repeats: samples of each point
 * @quick: fewer configurations
 * @show: what else is to be done with a round that is over, NULL: nothing
 */
struct perf_run {
	struct perf_side side[PERF_SIDES];
	size_t num_sides;
	struct perf_nic *nopin;
	uint64_t ns;
	unsigned int repeats;
	bool quick;
	void (*show)(const struct perf_round *round);
};

/* --- why something could not be measured --- */

__printf(1, 2)
int perf_fail(const char *fmt, ...);	/* returns -1 */
__printf(1, 2)
int perf_lacks(const char *fmt, ...);	/* -1: it is not to be had here */
const char *perf_why(void);
bool perf_is_lacking(void);

/* What @fn returns; -1 if vt_die() or vt_skip() ended it. */
int perf_try(int (*fn)(void *arg), void *arg);

/* --- links --- */

/**
 * struct perf_link - a connected pair of QPs
 * @memory: of each end, the same for all sides that take turns
 * @len: bytes of it
 * @service: what kind of QPs
 * @srq: where receives come from, NULL: from the QP
 * @srqn: XRC: its number
 * @ah: UD: the way to the receiver
 * @warm: how many of them each operation has reached already
 * @open: connected, and no request has failed
 */
struct perf_link {
	const struct perf_side *side;
	enum perf_path path;
	uint8_t *memory[2];
	size_t len;
	struct rc_attr attr;
	struct rc_end end[2];
	struct vt_mem *mem[2];
	enum perf_service service;
	struct ibv_srq *srq;
	uint32_t srqn;
	struct ibv_ah *ah;
	size_t warm[PERF_OPS];
	bool open;
};

struct rc_attr perf_attr(void);
void perf_links_init(struct perf_link *link, const struct perf_run *run,
		     enum perf_path path, size_t len, const struct rc_attr *attr);
int perf_link_open(struct perf_link *link);
void perf_link_fail(struct perf_link *link);
int perf_iwarp_connect(struct perf_link *link);
void perf_service_connect(struct perf_link *link);
int perf_nic_open(struct perf_nic *nic, const char *name, const char *spec);
void perf_nic_roce(struct perf_nic *nic, int i, const char *spec);
void perf_attr_fit(struct rc_attr *attr, const struct vt_dev *a, const struct vt_dev *b);
void *perf_map(size_t len);

/* --- time --- */

void perf_clock_init(void);
uint64_t perf_now(void);	/* ns, without a system call */

/* --- traffic --- */

/**
 * struct perf_flow - requests of one kind over a link
 * @batch: requests of which the last is signalled
 * @post: requests in one call
 * @flight: batches in flight
 * @events: sleep until a completion comes, where there is nothing to do
 *
 * Each request in flight has its own place in the buffers.
 */
struct perf_flow {
	struct perf_link *link;
	enum perf_op op;
	size_t size;
	unsigned int batch, post, flight;
	bool events;
	struct ibv_send_wr *wr;
	struct ibv_recv_wr *recv;
	struct ibv_sge *sge, *recv_sge;
	uint64_t posted, sent, received;	/* batches, batches, messages */
};

unsigned int perf_batch(size_t size, size_t bytes, unsigned int most);
void perf_flow_init(struct perf_flow *flow, struct perf_link *link, enum perf_op op,
		    size_t size, unsigned int batch, unsigned int post,
		    unsigned int flight);
void perf_flow_free(struct perf_flow *flow);
int perf_flow_ready(struct perf_flow *flow);
int perf_flow_run(struct perf_flow *flow, size_t num, uint64_t ns, double *rate);
int perf_flow_check(struct perf_flow *flow);
int perf_flow_rate(struct perf_flow *flow, size_t num, uint64_t ns, double *rate);

/* --- completions --- */

int perf_completion(struct ibv_cq *cq, int max);
int perf_wait(struct ibv_cq *cq, unsigned int num);

/* --- the result --- */

struct json_object;

struct perf_point {
	struct json_object *json;
	struct stats samples, all;	/* @all: single values, for quantiles */
	uint64_t drops;
	bool failed, lacking;
	char why[256];
};

struct perf_point *perf_point(const char *subject, const char *side, const char *unit);
void perf_point_text(struct perf_point *point, const char *key, const char *value);
void perf_point_number(struct perf_point *point, const char *key, double value);
/* One more row of a table that the point has under @key. */
void perf_point_row(struct perf_point *point, const char *key, size_t num,
		    const double *value);
void perf_point_fail(struct perf_point *point, const char *why);

/* The sides' points of one configuration; what is 0 or NULL is not said. */
struct perf_round {
	const char *subject, *op, *unit;
	const char *pages, *state, *where;	/* of nopin-odp: about the memory */
	enum perf_path path;
	size_t size, align;
	unsigned int qps, threads, post, flight;
	const char *extra;
	struct perf_point *point[PERF_SIDES + 1];
	size_t sides;		/* of the points, the others are @extra's */
	size_t num;
};

/* A point for each side that @kinds (1 << kind) has, and one of @extra if not NULL. */
void perf_round_init(struct perf_round *round, const struct perf_run *run,
		     unsigned int kinds, const char *extra);
/* All take turns; @sample measures @i once, and returns 0 or perf_fail(). */
void perf_round_run(struct perf_round *round, const struct perf_run *run,
		    int (*sample)(void *arg, size_t i, double *value), void *arg);

#define PERF_ALL_KINDS	(1U << VT_PINNED | 1U << VT_ODP | 1U << VT_IMPLICIT)

void perf_result_init(const struct perf_run *run, const char *path, const char *label);
void perf_result_save(void);
void perf_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- limits --- */

void perf_copy(void *to, const void *from, size_t len);
uint32_t perf_crc(const void *data, size_t len);
void perf_limits_init(void);

/* --- subjects --- */

void perf_limits(const struct perf_run *run);
void perf_bandwidth(const struct perf_run *run);
void perf_latency(const struct perf_run *run);
void perf_services(const struct perf_run *run);
void perf_scaling(const struct perf_run *run);
void perf_cpu(const struct perf_run *run);
void perf_registration(const struct perf_run *run);
void perf_cold(const struct perf_run *run);

#endif /* PERF_H */
