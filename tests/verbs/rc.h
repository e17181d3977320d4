/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the verbs tests share: connected RC pairs, memory of every kind, a
 * random generator that replays, and checks that work in children too.
 *
 * A pair lives on one device (its own loopback) or, with --peer, on two.
 * Whatever a test makes is released after it, in reverse order, however the
 * test ended.
 */
#ifndef RC_H
#define RC_H

#include <errno.h>
#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define KIB		1024UL
#define MIB		(1024 * KIB)
#define GIB		(1024 * MIB)

#define RC_PORT		1
#define RC_ACCESS_ALL	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
			 IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC)

/* --- the run: options, registration, failing, skipping --- */

typedef void (*rc_fn)(const void *arg);

struct rc_opts {
	const char *device;	/* [NETNS:]NAME, NULL: the first */
	const char *peer;	/* the same for end b, NULL: @device */
	int gid_index;		/* -1: the first RoCEv2 one */
	uint64_t seed;
	unsigned int rounds;	/* multiplies the random tests' length */
	unsigned int timeout;	/* seconds for one test */
};

extern struct rc_opts rc_opts;

/* Of every program: for the table of getopt_long(), and what they are. */
#define RC_OPTIONS						\
	{ "device", required_argument, NULL, 'd' },		\
	{ "peer", required_argument, NULL, 'p' },		\
	{ "gid", required_argument, NULL, 'g' },		\
	{ "seed", required_argument, NULL, 's' }
extern const char rc_options_usage[];
bool rc_option(int c, const char *arg);
unsigned long rc_number(const char *text, unsigned long min, unsigned long max);

#define __printf(fmt, args)	__attribute__((format(printf, fmt, args)))
#define __noreturn		__attribute__((noreturn))

__printf(3, 4)
void rc_test(rc_fn fn, const void *arg, const char *fmt, ...);
#define RC_TEST(fn)	rc_test(fn, NULL, "%s", #fn)

int rc_main(int argc, char **argv, void (*add_tests)(void));

__printf(3, 4) __noreturn
void rc_die(const char *file, int line, const char *fmt, ...);
__printf(1, 2) __noreturn
void rc_skip(const char *fmt, ...);
__printf(1, 2)
void rc_note(const char *fmt, ...);

#define rc_fail(...)	rc_die(__FILE__, __LINE__, __VA_ARGS__)
#define rc_require(cond, ...)				\
	do {						\
		if (!(cond))				\
			rc_fail(__VA_ARGS__);		\
	} while (0)
/* For calls that return 0 or an errno, and for those that return -1. */
#define rc_ok(call)					\
	do {						\
		int rc_ret_ = (call);			\
		if (rc_ret_)				\
			rc_fail("%s: %s", #call,	\
				strerror(rc_ret_ < 0 ? errno : rc_ret_)); \
	} while (0)

void rc_defer(void (*release)(void *obj), void *obj);
void rc_release(void *obj);
void rc_forget(void *obj);
size_t rc_mark(void);
void rc_release_to(size_t mark);

/* --- time and chance --- */

uint64_t rc_now_ms(void);
uint64_t rc_now_ns(void);
void rc_sleep_ms(unsigned int ms);
void rc_reseed(uint64_t seed);
uint64_t rc_rand(void);
uint64_t rc_below(uint64_t bound);
bool rc_chance(unsigned int percent);
void rc_fill(void *p, size_t len);
size_t rc_length(size_t max, size_t mtu);

/* --- devices --- */

struct rc_dev {
	struct ibv_context *ctx;
	struct ibv_device_attr_ex attr;
	struct ibv_port_attr port;
	union ibv_gid gid;
	int gid_index;
	bool is_nopin;
};

void rc_dev_open(struct rc_dev *dev, const char *name);
struct rc_dev *rc_dev(int which);
void rc_devs_close(void);
bool rc_is_nopin(const struct rc_dev *dev);
int rc_async_event(struct rc_dev *dev, int timeout_ms);
void rc_want_event(struct rc_dev *dev, enum ibv_event_type type);
void rc_drain_events(struct rc_dev *dev);

/* --- operations --- */

struct rc_op {
	const char *name;
	enum ibv_wr_opcode op;
	enum ibv_wc_opcode wc;
	enum ibv_wc_opcode recv_wc;
	int remote_right;	/* IBV_ACCESS_* that the target needs */
	uint32_t odp_cap;
	bool recv;		/* takes a receive of the target */
	bool imm;
	bool rdma;		/* names remote memory */
	bool fetches;		/* READ and atomics: the answer lands here */
	bool atomic;
};

#define RC_OPS	7
extern const struct rc_op rc_ops[RC_OPS];
const struct rc_op *rc_op(enum ibv_wr_opcode op);

/* --- pairs --- */

struct rc_attr {
	unsigned int mtu;	/* bytes */
	uint32_t wr, sge, inline_len;
	int cqe;		/* of each CQ, 0: room for every request */
	bool sig_all;
	bool channel;		/* completion channels */
	uint8_t timeout, retry_cnt, rnr_retry, min_rnr_timer, rd_atomic;
	int access;		/* of the QPs */
};

extern const struct rc_attr rc_attr_default;

struct rc_end {
	struct rc_dev *dev;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *scq, *rcq;
	struct ibv_qp *qp;
	uint32_t psn;
};

struct rc_pair {
	struct rc_end a, b;
	struct rc_attr attr;
};

/* What the other side must know of an end; plain bytes, so that it can travel. */
struct rc_addr {
	union ibv_gid gid;
	uint32_t qpn, psn;
};

/* For rc_defer(). */
void rc_free_pd(void *obj);
void rc_free_cq(void *obj);
void rc_free_qp(void *obj);
void rc_free_channel(void *obj);

void rc_end_open(struct rc_end *end, struct rc_dev *dev, struct ibv_pd *pd,
		 const struct rc_attr *attr);
struct rc_addr rc_end_addr(const struct rc_end *end);
int rc_to_init(struct rc_end *end, const struct rc_attr *attr);
int rc_to_rtr(struct rc_end *end, const struct rc_attr *attr, const struct rc_addr *to);
int rc_to_rts(struct rc_end *end, const struct rc_attr *attr);
int rc_to_state(struct rc_end *end, enum ibv_qp_state state);
enum ibv_qp_state rc_state(const struct rc_end *end);
void rc_connect(struct rc_end *end, const struct rc_attr *attr, const struct rc_addr *to);

struct rc_pair *rc_pair_between(struct rc_dev *dev_a, struct rc_dev *dev_b,
				const struct rc_attr *attr);
struct rc_pair *rc_pair_new(const struct rc_attr *attr);
struct rc_pair *rc_pair(void);
void rc_reconnect(struct rc_pair *pair);
size_t rc_mtus(unsigned int mtus[5]);

/* --- memory --- */

enum rc_kind { RC_PINNED, RC_ODP, RC_IMPLICIT, RC_KINDS };
extern const char *const rc_kind_name[RC_KINDS];

struct rc_mem {
	uint8_t *addr;		/* of the first byte */
	size_t len;
	uint64_t iova;		/* what work requests call it */
	struct ibv_mr *mr;
	uint8_t *map;		/* the mapping around it, canaries included */
	size_t map_len;
};

bool rc_kind_works(const struct rc_dev *dev, enum rc_kind kind, uint32_t odp_caps);
void rc_need_kind(const struct rc_dev *dev, enum rc_kind kind, uint32_t odp_caps);
struct ibv_mr *rc_reg(struct ibv_pd *pd, enum rc_kind kind, void *addr, size_t len,
		      uint64_t iova, int access);
struct rc_mem *rc_mem_new(struct ibv_pd *pd, enum rc_kind kind, size_t len, int access);
struct rc_mem *rc_mem_at(struct ibv_pd *pd, enum rc_kind kind, void *addr,
			 size_t len, int access);
void rc_mem_guards(const struct rc_mem *mem);
void *rc_map(size_t len, int flags);
void *rc_map_large(size_t *len);

static inline struct ibv_sge rc_sge(const struct rc_mem *mem, size_t off, size_t len)
{
	return (struct ibv_sge){ mem->iova + off, (uint32_t)len, mem->mr->lkey };
}

/* --- requests and completions --- */

struct rc_wr {
	struct ibv_send_wr wr;
	struct ibv_sge sge[16];
};

void rc_wr_init(struct rc_wr *wr, enum ibv_wr_opcode op, uint64_t id);
void rc_wr_local(struct rc_wr *wr, const struct rc_mem *mem, size_t off, size_t len);
void rc_wr_inline(struct rc_wr *wr, const struct rc_mem *mem);
void rc_wr_remote(struct rc_wr *wr, const struct rc_mem *mem, size_t off);
void rc_wr_atomic(struct rc_wr *wr, uint64_t compare_add, uint64_t swap);
void rc_wr_chain(struct rc_wr *wr, int num);
int rc_post(struct rc_end *end, struct rc_wr *wr);
int rc_post_recv(struct rc_end *end, uint64_t id, struct ibv_sge *sge, int num);

unsigned int rc_patience_ms(void);
int rc_poll_for(struct ibv_cq *cq, struct ibv_wc *wc, int n, unsigned int ms);
struct ibv_wc rc_poll(struct ibv_cq *cq);
struct ibv_wc rc_want(struct ibv_cq *cq, uint64_t id, enum ibv_wc_status status);
void rc_want_none(struct ibv_cq *cq, unsigned int ms);
void rc_works(struct rc_pair *pair);
void rc_drain(struct ibv_cq *cq);

void rc_start(struct rc_end *end, enum ibv_wr_opcode op, uint64_t id,
	      const struct rc_mem *local, size_t loff,
	      const struct rc_mem *remote, size_t roff, size_t len);

/* One request from a to b and its completion: the plain case. */
void rc_do(struct rc_end *end, enum ibv_wr_opcode op,
	   const struct rc_mem *local, size_t loff,
	   const struct rc_mem *remote, size_t roff, size_t len,
	   enum ibv_wc_status status);

/* --- the process and the machine --- */

long rc_status_kib(const char *field);
uint64_t rc_backlog_drops(void);
int rc_fork(void);
int rc_wait_child(int pid, unsigned int ms);

#endif /* RC_H */
