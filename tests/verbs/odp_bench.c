// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The bench for tests of on-demand memory, and threads that run beside a test. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odp_bench.h"

#define PUT_ID	0xa1
#define GET_ID	0xa2
#define RECV_ID	0xa3

#define HAMMER_FLIGHT	8	/* requests in flight */

/* All operations: the first five flags IBV_ODP_SUPPORT_*. */
#define ODP_CAPS	0x1f

static const char *const side_name[ODP_SIDES] = {
	[ODP_REMOTE] = "remote",
	[ODP_LOCAL] = "local",
	[ODP_MESSAGE] = "message",
};

static const struct odp_variant variants[2][ODP_SIDES] = {
	{ { VT_ODP, ODP_REMOTE }, { VT_ODP, ODP_LOCAL }, { VT_ODP, ODP_MESSAGE } },
	{ { VT_IMPLICIT, ODP_REMOTE }, { VT_IMPLICIT, ODP_LOCAL },
	  { VT_IMPLICIT, ODP_MESSAGE } },
};

void odp_test(vt_fn fn, const char *name, unsigned int sides)
{
	for (size_t k = 0; k < ARRAY_SIZE(variants); k++)
		for (size_t s = 0; s < ODP_SIDES; s++)
			if (sides & 1U << s)
				vt_test(fn, &variants[k][s], "%s_%s_%s", name,
					vt_kind_name[variants[k][s].kind], side_name[s]);
}

void odp_need(enum vt_kind kind)
{
	vt_need_kind(vt_dev(0), kind, ODP_CAPS);
	vt_need_kind(vt_dev(1), kind, ODP_CAPS);
}

bool odp_pins(const struct vt_dev *dev)
{
	static const char *const module = "/sys/module/nopin/parameters/pin";
	char path[512], policy[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/pin", dev->ctx->device->ibdev_path);
	f = fopen(access(path, R_OK) ? module : path, "re");
	if (f) {
		if (!fgets(policy, sizeof(policy), f))
			policy[0] = 0;
		fclose(f);
	}
	return strncmp(policy, "never", 5) != 0;
}

static struct odp_bench bench(const struct odp_variant *v, void *addr, size_t len,
			      int access, const struct rc_attr *attr)
{
	struct odp_bench b = { .v = *v };
	struct rc_attr large = *attr;
	enum vt_kind peer_kind;
	unsigned int mtus[5];

	large.mtu = mtus[rc_mtus(mtus) - 1];	/* fewer packets, less time */
	b.pair = rc_pair_new(&large);
	vt_need_kind(odp_mem_end(&b)->dev, v->kind, ODP_CAPS);
	peer_kind = vt_kind_works(odp_peer_end(&b)->dev, v->kind, ODP_CAPS) ?
		    v->kind : VT_PINNED;
	b.src = vt_mem_new(odp_peer_end(&b)->pd, peer_kind, len, VT_ACCESS_ALL);
	b.back = vt_mem_new(odp_peer_end(&b)->pd, peer_kind, len, VT_ACCESS_ALL);
	b.mem = vt_mem_at(odp_mem_end(&b)->pd, v->kind, addr, len, access);
	return b;
}

struct odp_bench odp_bench(const void *variant, void *addr, size_t len)
{
	return bench(variant, addr, len, VT_ACCESS_ALL, &rc_attr_default);
}

struct odp_bench odp_bench_access(const void *variant, void *addr, size_t len, int access)
{
	return bench(variant, addr, len, access, &rc_attr_default);
}

struct odp_bench odp_bench_attr(const void *variant, void *addr, size_t len,
				const struct rc_attr *attr)
{
	return bench(variant, addr, len, VT_ACCESS_ALL, attr);
}

/*
 * The end that has the memory under test. End a posts every request but the SENDs of a get,
 * so for ODP_LOCAL the memory is at end a.
 */
struct rc_end *odp_mem_end(struct odp_bench *b)
{
	return b->v.side == ODP_LOCAL ? &b->pair->a : &b->pair->b;
}

struct rc_end *odp_peer_end(struct odp_bench *b)
{
	return b->v.side == ODP_LOCAL ? &b->pair->b : &b->pair->a;
}

static void send_one(struct rc_end *from, const struct vt_mem *mem, size_t off,
		     struct rc_end *to, const struct vt_mem *into, size_t into_off,
		     size_t len, uint64_t id)
{
	struct ibv_sge sge = vt_sge(into, into_off, len);

	vt_ok(rc_post_recv(to, RECV_ID, &sge, 1));
	rc_start(from, IBV_WR_SEND, id, mem, off, NULL, 0, len);
}

void odp_put_start(struct odp_bench *b, size_t off, size_t len)
{
	struct rc_end *a = &b->pair->a;

	vt_fill(b->src->addr, len);
	switch (b->v.side) {
	case ODP_REMOTE:
		rc_start(a, IBV_WR_RDMA_WRITE, PUT_ID, b->src, 0, b->mem, off, len);
		break;
	case ODP_LOCAL:
		rc_start(a, IBV_WR_RDMA_READ, PUT_ID, b->mem, off, b->src, 0, len);
		break;
	default:
		send_one(a, b->src, 0, &b->pair->b, b->mem, off, len, PUT_ID);
	}
}

void odp_get_start(struct odp_bench *b, size_t off, size_t len)
{
	struct rc_end *a = &b->pair->a;

	switch (b->v.side) {
	case ODP_REMOTE:
		rc_start(a, IBV_WR_RDMA_READ, GET_ID, b->back, 0, b->mem, off, len);
		break;
	case ODP_LOCAL:
		rc_start(a, IBV_WR_RDMA_WRITE, GET_ID, b->mem, off, b->back, 0, len);
		break;
	default:
		send_one(&b->pair->b, b->mem, off, a, b->back, 0, len, GET_ID);
	}
}

/* The CQ in which the request of a put or a get completes. */
struct ibv_cq *odp_cq(struct odp_bench *b, bool put)
{
	return put || b->v.side != ODP_MESSAGE ? b->pair->a.scq : b->pair->b.scq;
}

static void end(struct odp_bench *b, bool put)
{
	struct rc_end *receiver = put ? &b->pair->b : &b->pair->a;

	vt_want(odp_cq(b, put), put ? PUT_ID : GET_ID, IBV_WC_SUCCESS);
	if (b->v.side == ODP_MESSAGE)
		vt_want(receiver->rcq, RECV_ID, IBV_WC_SUCCESS);
}

void odp_put_end(struct odp_bench *b)
{
	end(b, true);
}

void odp_get_end(struct odp_bench *b)
{
	end(b, false);
}

void odp_put(struct odp_bench *b, size_t off, size_t len)
{
	odp_put_start(b, off, len);
	odp_put_end(b);
}

void odp_get(struct odp_bench *b, size_t off, size_t len)
{
	odp_get_start(b, off, len);
	odp_get_end(b);
}

/* --- what fails --- */

static void want_state(struct rc_end *end, const char *whose, enum ibv_qp_state state)
{
	uint64_t until = vt_now_ms() + vt_patience_ms() / 10;

	while (rc_state(end) != state && vt_now_ms() < until)
		vt_sleep_ms(1);
	vt_require(rc_state(end) == state, "the %s's QP is in state %d, want %d", whose,
		   rc_state(end), state);
}

/*
 * Where the responder's memory cannot be had, the requester gets an error completion and
 * both QPs go to the error state. Where the memory of a request itself cannot be had, that
 * request fails locally; the peer is not told, and its QP stays in RTS.
 */
static void want_failure(struct odp_bench *b, bool put)
{
	struct rc_end *a = &b->pair->a, *bb = &b->pair->b;
	uint64_t id = put ? PUT_ID : GET_ID;

	if (b->v.side == ODP_REMOTE) {
		vt_want(a->scq, id, IBV_WC_REM_ACCESS_ERR);
		vt_want_event(bb->dev, IBV_EVENT_QP_ACCESS_ERR);
		want_state(bb, "responder", IBV_QPS_ERR);
	} else if (b->v.side == ODP_LOCAL) {
		vt_want(a->scq, id, IBV_WC_LOC_PROT_ERR);
		want_state(bb, "responder", IBV_QPS_RTS);
	} else if (put) {
		vt_want(a->scq, id, IBV_WC_REM_OP_ERR);
		vt_want(bb->rcq, RECV_ID, IBV_WC_LOC_PROT_ERR);
		want_state(bb, "receiver", IBV_QPS_ERR);
	} else {
		vt_want(bb->scq, id, IBV_WC_LOC_PROT_ERR);
		want_state(bb, "sender", IBV_QPS_ERR);
		want_state(a, "receiver", IBV_QPS_RTS);
		return;
	}
	want_state(a, "requester", IBV_QPS_ERR);
}

static void fails_in_time(struct odp_bench *b, bool put, uint64_t start)
{
	want_failure(b, put);
	vt_require(vt_now_ms() - start < vt_patience_ms() / 10, "the error took %llu ms",
		   (unsigned long long)(vt_now_ms() - start));
}

void odp_put_fails(struct odp_bench *b, size_t off, size_t len)
{
	uint64_t start = vt_now_ms();

	odp_put_start(b, off, len);
	fails_in_time(b, true, start);
}

void odp_get_fails(struct odp_bench *b, size_t off, size_t len)
{
	uint64_t start = vt_now_ms();

	odp_get_start(b, off, len);
	fails_in_time(b, false, start);
}

/* Connect the QPs again; the regions stay as they are. */
void odp_reconnect(struct odp_bench *b)
{
	rc_reconnect(b->pair);
}

/* --- what must be so --- */

void odp_check_at(struct odp_bench *b, size_t off, size_t len, const void *at)
{
	odp_put(b, off, len);
	vt_require(!memcmp(at, b->src->addr, len), "the NIC's write is not what the CPU sees");
	odp_get(b, off, len);
	vt_require(!memcmp(b->back->addr, b->src->addr, len),
		   "the NIC does not read what it wrote");
}

void odp_check(struct odp_bench *b)
{
	odp_check_at(b, 0, b->mem->len, b->mem->addr);
}

void odp_check_get(struct odp_bench *b)
{
	odp_get(b, 0, b->mem->len);
	vt_require(!memcmp(b->back->addr, b->mem->addr, b->mem->len),
		   "the NIC does not read what the CPU sees");
}

void odp_check_zeros(struct odp_bench *b, size_t off, size_t len)
{
	odp_get(b, off, len);
	for (size_t i = 0; i < len; i++)
		vt_require(!b->back->addr[i], "byte %zu is %#x, want zero: old data",
			   off + i, b->back->addr[i]);
}

/* --- others at the same time --- */

/*
 * What the hammer's thread uses. It is not in the test's frame, which a check that fails
 * leaves while the thread runs; the end of the test ends the thread before it releases what
 * the thread accesses.
 */
struct hammering {
	struct odp_hammer own;
	struct odp_bench bench;
	struct odp_hammer *h;	/* the test's */
	uint64_t seed;
	bool gets;
	bool ending, ended;
};

static void hammer_end(void *obj)
{
	struct hammering *run = obj;

	__atomic_store_n(&run->ending, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&run->ended, __ATOMIC_ACQUIRE)) /* the test may have joined it */
		vt_sleep_ms(1);
	free(run);
}

static bool hammer_goes_on(const struct hammering *run)
{
	return !run->own.dead && !__atomic_load_n(&run->ending, __ATOMIC_ACQUIRE) &&
	       !__atomic_load_n(&run->h->stop, __ATOMIC_ACQUIRE);
}

/* By how much request @i of a round rotates its source. */
static size_t hammer_turn(const struct odp_bench *b, size_t i)
{
	return i * b->mem->len / HAMMER_FLIGHT;
}

/*
 * Each request of a round puts the source rotated by another amount, so that one that comes
 * late shows. The source itself must not change while requests use it.
 */
static void hammer_post(struct odp_hammer *h, size_t i)
{
	struct odp_bench *b = h->bench;
	uint64_t begin = (b->v.side == ODP_LOCAL ? b->mem : b->src)->iova;
	size_t len = b->mem->len, from = hammer_turn(b, i);

	h->wr.wr.num_sge = from ? 2 : 1;
	h->wr.sge[0].addr = begin + from;
	h->wr.sge[0].length = len - from;
	h->wr.sge[1].addr = begin;
	h->wr.sge[1].length = from;
	vt_ok(rc_post(&b->pair->a, &h->wr));
}

static void hammer_round(struct odp_hammer *h)
{
	struct rc_end *a = &h->bench->pair->a;
	enum ibv_wc_status refused = h->bench->v.side == ODP_LOCAL ?
				     IBV_WC_LOC_PROT_ERR : IBV_WC_REM_ACCESS_ERR;
	struct ibv_wc wc;

	for (int i = 0; i < HAMMER_FLIGHT; i++)
		hammer_post(h, i);
	for (int i = 0; i < HAMMER_FLIGHT; i++) {
		wc = vt_poll(a->scq);
		if (wc.status == IBV_WC_SUCCESS)
			continue;
		vt_require(h->dead || wc.status == refused, "ended in %s",
			   ibv_wc_status_str(wc.status));
		__atomic_store_n(&h->dead, true, __ATOMIC_RELAXED);
	}
}

/*
 * Is @seen what the last request of a round puts? A WRITE gathers the source rotated; a READ
 * scatters it, rotated the other way.
 */
static bool hammer_has_put(const struct odp_bench *b, const uint8_t *seen)
{
	size_t len = b->mem->len, from = hammer_turn(b, HAMMER_FLIGHT - 1);
	const uint8_t *put = b->src->addr;

	if (b->v.side == ODP_LOCAL)
		from = len - from;
	return !memcmp(seen, put + from, len - from) && !memcmp(seen + len - from, put, from);
}

static void hammer_get(struct hammering *run)
{
	odp_get(&run->bench, 0, run->bench.mem->len);
	if (!hammer_has_put(&run->bench, run->bench.back->addr))
		run->own.differs = true;
}

static void *hammer_run(void *arg)
{
	struct hammering *run = arg;

	vt_reseed(run->seed);
	while (hammer_goes_on(run)) {
		vt_fill(run->bench.src->addr, run->bench.mem->len);
		hammer_round(&run->own);
		if (run->gets && !run->own.dead)
			hammer_get(run);
		__atomic_fetch_add(&run->own.rounds, 1, __ATOMIC_RELEASE);
	}
	if (!__atomic_load_n(&run->ending, __ATOMIC_ACQUIRE)) {
		run->h->differs = run->own.differs;
		__atomic_store_n(&run->h->dead, run->own.dead, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&run->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static void hammer_start(struct odp_hammer *h, struct odp_bench *b, bool gets)
{
	struct hammering *run = calloc(1, sizeof(*run));
	bool local = b->v.side == ODP_LOCAL;

	vt_require(run, "out of memory");
	*h = (struct odp_hammer){ .bench = b };
	run->h = h;
	run->gets = gets;
	run->seed = vt_rand();
	run->bench = *b;
	run->own.bench = &run->bench;
	vt_wr_init(&run->own.wr, local ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, 1);
	for (int part = 0; part < 2; part++)	/* hammer_post() says how much of it is where */
		vt_wr_local(&run->own.wr, local ? b->mem : b->src, 0, 0);
	vt_wr_remote(&run->own.wr, local ? b->src : b->mem, 0);
	vt_ok(pthread_create(&h->thread, NULL, hammer_run, run));
	vt_defer(hammer_end, run);
	while (__atomic_load_n(&run->own.rounds, __ATOMIC_ACQUIRE) < 3) {
		vt_require(!__atomic_load_n(&run->own.dead, __ATOMIC_RELAXED),
			   "it ended at once");
		vt_sleep_ms(1);
	}
}

void odp_hammer_start(struct odp_hammer *h, struct odp_bench *b)
{
	hammer_start(h, b, false);
}

void odp_hammer_start_getting(struct odp_hammer *h, struct odp_bench *b)
{
	hammer_start(h, b, true);
}

void odp_hammer_stop(struct odp_hammer *h)
{
	__atomic_store_n(&h->stop, true, __ATOMIC_RELEASE);
	vt_ok(pthread_join(h->thread, NULL));
}

bool odp_hammer_is_seen(const struct odp_hammer *h)
{
	return hammer_has_put(h->bench, h->bench->mem->addr);
}

bool odp_hammer_dies(struct odp_hammer *h)
{
	uint64_t end = vt_now_ms() + vt_patience_ms();

	while (!__atomic_load_n(&h->dead, __ATOMIC_RELAXED) && vt_now_ms() < end)
		vt_sleep_ms(1);
	odp_hammer_stop(h);
	return h->dead;
}

struct odp_disturbing {
	struct odp_disturber d;
	pthread_t thread;
	bool stop;
};

static void *disturbing_run(void *arg)
{
	struct odp_disturbing *run = arg;

	while (!__atomic_load_n(&run->stop, __ATOMIC_ACQUIRE)) {
		run->d.disturb(&run->d);
		__atomic_fetch_add(&run->d.turns, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void disturbing_end(void *obj)
{
	struct odp_disturbing *run = obj;

	__atomic_store_n(&run->stop, true, __ATOMIC_RELEASE);
	pthread_join(run->thread, NULL);
	free(run);
}

struct odp_disturbing *odp_disturb_start(const struct odp_bench *b, struct odp_disturber how)
{
	struct odp_disturbing *run = calloc(1, sizeof(*run));

	vt_require(run, "out of memory");
	run->d = how;
	run->d.bench = *b;
	vt_ok(pthread_create(&run->thread, NULL, disturbing_run, run));
	vt_defer(disturbing_end, run);
	return run;
}

int odp_disturb_stop(struct odp_disturbing *run)
{
	int err;

	vt_forget(run);
	__atomic_store_n(&run->stop, true, __ATOMIC_RELEASE);
	vt_ok(pthread_join(run->thread, NULL));
	err = run->d.err;
	free(run);
	return err;
}

/* Check data again and again beside the thread, until both have had enough turns. */
int odp_traffic_while(struct odp_bench *b, struct odp_disturber how)
{
	struct odp_disturbing *run = odp_disturb_start(b, how);
	unsigned int rounds = 0;

	while (rounds < 10 * vt_opts.rounds ||
	       __atomic_load_n(&run->d.turns, __ATOMIC_ACQUIRE) < 3 * vt_opts.rounds) {
		odp_check(b);
		rounds++;
	}
	return odp_disturb_stop(run);
}

/* --- memory --- */

void odp_map_fixed(void *addr, size_t len)
{
	void *got = mmap(addr, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	vt_require(got == addr, "mmap: %s", strerror(errno));
}

uint8_t *odp_map_aligned(size_t len, size_t align)
{
	uintptr_t map = (uintptr_t)vt_map(len + align, MAP_NORESERVE);

	return (uint8_t *)((map + align - 1) & ~(align - 1));
}

/* Map a file; the end of the test unmaps it. */
uint8_t *odp_map_file(int fd, size_t len, int prot, int flags)
{
	uint8_t *map = vt_map(len, 0);
	void *got = mmap(map, len, prot, flags | MAP_FIXED, fd, 0);

	vt_require(got == map, "mmap: %s", strerror(errno));
	return map;
}

uint8_t *odp_copy_of(const void *from, size_t len)
{
	uint8_t *copy = vt_map(len, 0);

	memcpy(copy, from, len);
	return copy;
}

static void close_fd(void *obj)
{
	close((int)(intptr_t)obj);
}

struct odp_file odp_file_of(int fd, size_t len, int nic_flags)
{
	struct odp_file file = { .fd = fd };

	vt_require(fd >= 0, "no file: %s", strerror(errno));
	vt_defer(close_fd, (void *)(intptr_t)fd);
	vt_ok(ftruncate(fd, len));
	file.nic = odp_map_file(fd, len, PROT_READ | PROT_WRITE, nic_flags);
	file.cpu = odp_map_file(fd, len, PROT_READ | PROT_WRITE, MAP_SHARED);
	return file;
}

struct odp_file odp_memfd(size_t len, int nic_flags)
{
	return odp_file_of(memfd_create("verbs", MFD_CLOEXEC), len, nic_flags);
}
