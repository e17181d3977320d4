/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers for the tests of every transport: memory of every kind, devices, a random
 * generator with a seed, work requests and completions, and checks that also work in child
 * processes.
 *
 * The end of a test releases all objects that the test made, in reverse order, whether it
 * passed or failed.
 */
#ifndef VT_H
#define VT_H

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

#define VT_ACCESS_ALL	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
			 IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC)

/*
 * A valid key with these bits flipped is not valid. They only distinguish it from earlier
 * keys of its slot; other bits might make it the key of another region.
 */
#define VT_WRONG_KEY	0x50

/* --- the run: options, registration, failing, skipping --- */

typedef void (*vt_fn)(const void *arg);

struct vt_opts {
	const char *device;	/* [NETNS:]NAME, NULL: the first */
	const char *peer;	/* likewise for end b; NULL: use @device */
	unsigned int port;	/* port number of both devices: 1 */
	int gid_index;		/* -1: the first RoCEv2 GID */
	uint64_t seed;
	unsigned int rounds;	/* multiplies the length of random tests */
	unsigned int timeout;	/* seconds for one test */
};

extern struct vt_opts vt_opts;

/* The options that every program has: rows for getopt_long(), the help text, the parser. */
#define VT_OPTIONS						\
	{ "device", required_argument, NULL, 'd' },		\
	{ "peer", required_argument, NULL, 'p' },		\
	{ "gid", required_argument, NULL, 'g' },		\
	{ "seed", required_argument, NULL, 's' }
extern const char vt_options_usage[];
bool vt_option(int c, const char *arg);
unsigned long vt_number(const char *text, unsigned long min, unsigned long max);

#define __printf(fmt, args)	__attribute__((format(printf, fmt, args)))
#define __noreturn		__attribute__((noreturn))

__printf(3, 4)
void vt_test(vt_fn fn, const void *arg, const char *fmt, ...);
#define VT_TEST(fn)	vt_test(fn, NULL, "%s", #fn)

int vt_main(int argc, char **argv, void (*add_tests)(void));

__printf(3, 4) __noreturn
void vt_die(const char *file, int line, const char *fmt, ...);
__printf(1, 2) __noreturn
void vt_skip(const char *fmt, ...);
__printf(1, 2)
void vt_note(const char *fmt, ...);

#define vt_fail(...)	vt_die(__FILE__, __LINE__, __VA_ARGS__)
#define vt_require(cond, ...)				\
	do {						\
		if (!(cond))				\
			vt_fail(__VA_ARGS__);		\
	} while (0)
/* Expect success of a call that returns 0 or an errno, or 0 or -1 with errno set. */
#define vt_ok(call)					\
	do {						\
		int vt_ret_ = (call);			\
		if (vt_ret_)				\
			vt_fail("%s: %s", #call,	\
				strerror(vt_ret_ < 0 ? errno : vt_ret_)); \
	} while (0)
/* Expect that a call returns NULL and sets errno to @err. */
#define vt_refused(call, err)				\
	do {						\
		errno = 0;				\
		vt_require(!(call) && errno == (err), "%s: %s", #call, strerror(errno)); \
	} while (0)

void vt_defer(void (*release)(void *obj), void *obj);
void vt_release(void *obj);
void vt_forget(void *obj);
size_t vt_mark(void);
void vt_release_to(size_t mark);

/* --- time and chance --- */

unsigned int vt_slowness(void);
unsigned int vt_patience_ms(void);
uint64_t vt_now_ms(void);
uint64_t vt_now_ns(void);
void vt_sleep_ms(unsigned int ms);
void vt_reseed(uint64_t seed);
uint64_t vt_rand(void);
uint64_t vt_below(uint64_t bound);
bool vt_chance(unsigned int percent);
void vt_fill(void *p, size_t len);
size_t vt_length(size_t max, size_t mtu);

/* --- devices --- */

struct vt_dev {
	struct ibv_context *ctx;
	struct ibv_device_attr_ex attr;
	struct ibv_port_attr port;
	union ibv_gid gid;
	int gid_index;
	int counters;		/* directory of its hw_counters; -1: none */
	bool is_nopin;
};

void vt_dev_open(struct vt_dev *dev, const char *name);
struct vt_dev *vt_dev(int which);
void vt_devs_close(void);
bool vt_is_nopin(const struct vt_dev *dev);
long long vt_counter(const struct vt_dev *dev, const char *name);
int vt_async_event(struct vt_dev *dev, int timeout_ms);
void vt_want_event(struct vt_dev *dev, enum ibv_event_type type);
void vt_drain_events(struct vt_dev *dev);

/* These fail the test on an error. The end of the test frees the PD or CQ. */
struct ibv_pd *vt_new_pd(struct ibv_context *ctx);
struct ibv_cq *vt_new_cq(struct ibv_context *ctx, int cqe);
void vt_ud_to_rts(struct ibv_qp *qp, uint32_t qkey);

/* Release functions for vt_defer(). */
void vt_free_pd(void *obj);
void vt_free_cq(void *obj);
void vt_free_qp(void *obj);
void vt_free_channel(void *obj);

/* --- memory --- */

enum vt_kind { VT_PINNED, VT_ODP, VT_IMPLICIT, VT_KINDS };
extern const char *const vt_kind_name[VT_KINDS];

struct vt_mem {
	uint8_t *addr;		/* of the first byte */
	size_t len;
	uint64_t iova;		/* the address that work requests use */
	struct ibv_mr *mr;
	uint8_t *map;		/* the mapping around it, canaries included */
	size_t map_len;
};

bool vt_kind_works(const struct vt_dev *dev, enum vt_kind kind, uint32_t odp_caps);
void vt_need_kind(const struct vt_dev *dev, enum vt_kind kind, uint32_t odp_caps);
struct ibv_mr *vt_reg(struct ibv_pd *pd, enum vt_kind kind, void *addr, size_t len,
		      uint64_t iova, int access);
struct vt_mem *vt_mem_new(struct ibv_pd *pd, enum vt_kind kind, size_t len, int access);
struct vt_mem *vt_mem_at(struct ibv_pd *pd, enum vt_kind kind, void *addr,
			 size_t len, int access);
void vt_mem_guards(const struct vt_mem *mem);
void *vt_map(size_t len, int flags);
void *vt_map_large(size_t *len);

static inline struct ibv_sge vt_sge(const struct vt_mem *mem, size_t off, size_t len)
{
	return (struct ibv_sge){ mem->iova + off, (uint32_t)len, mem->mr->lkey };
}

/* --- requests and completions --- */

struct vt_wr {
	struct ibv_send_wr wr;
	struct ibv_sge sge[16];
};

void vt_wr_init(struct vt_wr *wr, enum ibv_wr_opcode op, uint64_t id);
void vt_wr_local(struct vt_wr *wr, const struct vt_mem *mem, size_t off, size_t len);
void vt_wr_inline(struct vt_wr *wr, const struct vt_mem *mem);
void vt_wr_remote(struct vt_wr *wr, const struct vt_mem *mem, size_t off);
void vt_wr_atomic(struct vt_wr *wr, uint64_t compare_add, uint64_t swap);
void vt_wr_chain(struct vt_wr *wr, int num);

int vt_poll_for(struct ibv_cq *cq, struct ibv_wc *wc, int n, unsigned int ms);
struct ibv_wc vt_poll(struct ibv_cq *cq);
struct ibv_wc vt_want(struct ibv_cq *cq, uint64_t id, enum ibv_wc_status status);
void vt_want_none(struct ibv_cq *cq, unsigned int ms);
void vt_drain(struct ibv_cq *cq);

/* --- the process and the machine --- */

long vt_status_kib(const char *field);
uint64_t vt_backlog_drops(void);
int vt_fork(void);
int vt_wait_child(int pid, unsigned int ms);

#endif /* VT_H */
