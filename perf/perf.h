/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Shared by the files of nopin-perf. A side is a competitor: a NIC and a kind of memory. A
 * link is a connected pair of QPs of a side with a buffer at each end, on one device or on
 * two devices across a wire. A subject is a file that measures one thing. For each
 * configuration all sides take turns, several times, and the samples of each side become
 * one point of the result.
 */
#ifndef PERF_H
#define PERF_H

#include <netinet/in.h>

#include "rc.h"
#include "stats.h"

#define PERF_SIDES	9	/* three devices, with three kinds of memory each */
#define PERF_MEMORY	(16 * MIB)	/* bytes at each end of a link */
#define PERF_FLIGHT	512		/* most requests in flight of one flow */
#define PERF_QKEY	0x1234
#define PERF_GRH	40U		/* bytes in front of a datagram's data */
#define PERF_SILENCE_NS	20000000000ULL	/* so long without a completion: it hangs */

enum perf_path { PERF_LOCAL, PERF_WIRE, PERF_PATHS };
/* The kind of QPs of a link; SRQ is RC with a shared receive queue. */
enum perf_service { PERF_RC, PERF_UC, PERF_UD, PERF_SRQ, PERF_XRC, PERF_SERVICES };
enum perf_op { PERF_WRITE, PERF_READ, PERF_SEND, PERF_OPS };

extern const char *const perf_path_name[PERF_PATHS];
extern const char *const perf_op_name[PERF_OPS];

/**
 * struct perf_nic - a kind of NIC, with a device at each end of a wire
 * @name: nopin, rxe or siw
 * @iwarp: the connection manager makes its connections
 * @dev: the devices
 * @addr: IP addresses of the devices
 * @netns: names of their network namespaces, or empty
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
	struct perf_nic *nic;	/* NULL: not available, see @missing */
	enum vt_kind kind;
	bool by_kind;		/* only in rounds about its kind of memory */
	const char *missing;
};

struct perf_round;

/**
 * struct perf_run - what is measured, and how
 * @side: the competitors
 * @num_sides: number of competitors
 * @nopin: the NIC that is compared with the others
 * @ns: duration of one sample
 * @repeats: samples of each point
 * @quick: fewer configurations
 * @show: called after each round; may be NULL
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
int perf_lacks(const char *fmt, ...);	/* returns -1: not available here */
const char *perf_why(void);
bool perf_is_lacking(void);

/* Call @fn; returns its result, or -1 if vt_die() or vt_skip() ended it. */
int perf_try(int (*fn)(void *arg), void *arg);

/* --- links --- */

/**
 * struct perf_link - a connected pair of QPs
 * @memory: memory of each end, the same for all sides
 * @len: bytes of memory at each end
 * @service: kind of the QPs
 * @srq: the SRQ for receives; NULL: the QP's own
 * @srqn: XRC: number of @srq
 * @ah: UD: address handle of the receiver
 * @warm: bytes that each operation has already accessed
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
 * @batch: requests in a batch; the last is signaled
 * @post: requests in one post
 * @flight: batches in flight
 * @events: sleep until a completion comes when there is nothing to do
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
	struct stats samples, all;	/* @all: all values, for quantiles */
	uint64_t drops;
	bool failed, lacking;
	char why[256];
};

struct perf_point *perf_point(const char *subject, const char *side, const char *unit);
void perf_point_text(struct perf_point *point, const char *key, const char *value);
void perf_point_number(struct perf_point *point, const char *key, double value);
/* Add a row to the table that the point has under @key. */
void perf_point_row(struct perf_point *point, const char *key, size_t num,
		    const double *value);
void perf_point_fail(struct perf_point *point, const char *why);

/*
 * The points of all sides for one configuration. Fields that are 0 or NULL are left out of
 * the result.
 */
struct perf_round {
	const char *subject, *op, *unit;
	const char *pages, *state, *where;	/* for nopin-odp: the memory */
	enum perf_path path;
	size_t size, align;
	unsigned int qps, threads, post, flight;
	const char *extra;
	struct perf_point *point[PERF_SIDES + 1];
	size_t sides;		/* points of sides; the others are @extra's */
	size_t num;
};

/*
 * Make a point for each side whose kind @kinds (1 << kind) contains, and one for @extra if
 * not NULL.
 */
void perf_round_init(struct perf_round *round, const struct perf_run *run,
		     unsigned int kinds, const char *extra);
/* Let all sides take turns; @sample measures side @i once, and returns 0 or perf_fail(). */
void perf_round_run(struct perf_round *round, const struct perf_run *run,
		    int (*sample)(void *arg, size_t i, double *value), void *arg);
/* Fail the points whose samples were taken beside those of @cause, where these have failed. */
void perf_round_fail_with(struct perf_round *round, const struct perf_round *cause);

/* Have all samples of run->nopin succeeded, but for what is lacking? */
bool perf_all_good(void);

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
