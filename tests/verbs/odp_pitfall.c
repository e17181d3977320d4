// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Provokes packet damming and packet floods. */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odp_pitfall.h"
#include "odp_system.h"

#define PAGE		4096UL
#define SLOW_PAGES	16UL
#define SLOW_LEN	(SLOW_PAGES * PAGE)

/* --- memory whose faults take long --- */

struct slow {
	struct vt_mem *mem;
	uint8_t *content;
	unsigned int delay_ms;
	int uffd;
	pthread_t thread;
	bool stop;
};

/*
 * Resolve a fault after the delay. The copy makes all pages present, not only the faulting
 * one.
 */
static void slow_resolve(struct slow *slow)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)slow->mem->addr,
		.src = (uintptr_t)slow->content,
		.len = SLOW_LEN,
	};

	vt_sleep_ms(slow->delay_ms);
	if (ioctl(slow->uffd, UFFDIO_COPY, &copy) && errno != EEXIST)
		vt_fail("UFFDIO_COPY: %s", strerror(errno));
}

static void *slow_run(void *arg)
{
	struct slow *slow = arg;
	struct pollfd fd = { .fd = slow->uffd, .events = POLLIN };
	struct uffd_msg msg;

	while (!__atomic_load_n(&slow->stop, __ATOMIC_ACQUIRE)) {
		if (poll(&fd, 1, 20) <= 0)
			continue;
		if (read(slow->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT)
			slow_resolve(slow);
	}
	return NULL;
}

static void slow_free(void *arg)
{
	struct slow *slow = arg;

	__atomic_store_n(&slow->stop, true, __ATOMIC_RELEASE);
	pthread_join(slow->thread, NULL);
	close(slow->uffd);
	free(slow);
}

static struct slow *slow_new(struct ibv_pd *pd, enum vt_kind kind, unsigned int delay_ms)
{
	struct slow *slow = calloc(1, sizeof(*slow));

	vt_require(slow, "no memory");
	slow->delay_ms = delay_ms;
	slow->content = vt_map(SLOW_LEN, 0);
	vt_fill(slow->content, SLOW_LEN);
	slow->mem = vt_mem_at(pd, kind, vt_map(SLOW_LEN, 0), SLOW_LEN, VT_ACCESS_ALL);
	slow->uffd = odp_uffd(slow->mem->addr, SLOW_LEN, UFFDIO_REGISTER_MODE_MISSING);
	vt_ok(pthread_create(&slow->thread, NULL, slow_run, slow));
	vt_defer(slow_free, slow);
	return slow;
}

/* --- damming --- */

/* The bytes of the two requests; the first request crosses a page boundary. */
static const struct { size_t off, len; } request[2] = {
	{ 100, PAGE }, { 5 * PAGE + 50, 64 },
};

/* Fill the source; returns a copy of the data that must arrive. */
static uint8_t *prepare(const struct slow *source, struct vt_mem *from)
{
	uint8_t *want = vt_map(SLOW_LEN, 0);

	if (source) {
		memcpy(want, source->content, SLOW_LEN);
		return want;
	}
	vt_fill(want, SLOW_LEN);
	memcpy(from->addr, want, SLOW_LEN);
	return want;
}

static uint64_t two_requests(struct rc_pair *pair, const struct odp_damming *d,
			     struct vt_mem *local, struct vt_mem *remote)
{
	uint64_t begun = vt_now_ms();

	for (int i = 0; i < 2; i++) {
		rc_start(&pair->a, d->op, i + 1, local, request[i].off, remote,
			 request[i].off, request[i].len);
		if (!i)
			vt_sleep_ms(d->gap_ms);
	}
	vt_want(pair->a.scq, 1, IBV_WC_SUCCESS);
	vt_want(pair->a.scq, 2, IBV_WC_SUCCESS);
	return vt_now_ms() - begun;
}

uint64_t odp_damming_run(struct rc_pair *pair, const struct odp_damming *d)
{
	bool read = d->op == IBV_WR_RDMA_READ;
	struct slow *near = NULL, *far = NULL;
	struct vt_mem *local, *remote, *to;
	uint8_t *want;
	uint64_t took;

	if (d->where & ODP_REQUESTER)
		near = slow_new(pair->a.pd, d->kind, d->delay_ms);
	if (d->where & ODP_RESPONDER)
		far = slow_new(pair->b.pd, d->kind, d->delay_ms);
	local = near ? near->mem : vt_mem_new(pair->a.pd, d->kind, SLOW_LEN, VT_ACCESS_ALL);
	remote = far ? far->mem : vt_mem_new(pair->b.pd, d->kind, SLOW_LEN, VT_ACCESS_ALL);
	to = read ? local : remote;
	want = prepare(read ? far : near, read ? remote : local);
	took = two_requests(pair, d, local, remote);
	for (int i = 0; i < 2; i++)
		vt_require(!memcmp(to->addr + request[i].off, want + request[i].off,
				   request[i].len), "request %d: data differ", i + 1);
	vt_require(took >= d->delay_ms, "no fault was taken");
	return took;
}

/* --- floods --- */

static void *disturb(void *arg)
{
	struct odp_flooding *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		vt_ok(madvise(f->map, f->len, MADV_DONTNEED));
		usleep(500);
	}
	return NULL;
}

static void disturb_end(void *obj)
{
	struct odp_flooding *f = obj;

	__atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
	pthread_join(f->thread, NULL);
}

static void open_pairs(struct odp_flooding *f, struct vt_dev *a, struct vt_dev *b,
		       unsigned int ack_timeout)
{
	struct rc_attr attr = rc_attr_default;
	struct ibv_pd *near = NULL, *far = NULL;

	attr.wr = 4;
	attr.timeout = ack_timeout;
	for (unsigned int i = 0; i < f->flood.qps; i++) {
		struct rc_pair *pair = &f->pair[i];
		struct rc_addr to_a, to_b;

		rc_end_open(&pair->a, a, near, &attr);
		rc_end_open(&pair->b, b, far, &attr);
		near = pair->a.pd;
		far = pair->b.pd;
		to_a = rc_end_addr(&pair->a);
		to_b = rc_end_addr(&pair->b);
		rc_connect(&pair->a, &attr, &to_b);
		rc_connect(&pair->b, &attr, &to_a);
	}
}

/* Map a file: its pages keep their contents when MADV_DONTNEED drops the mapping @map. */
static void map_pages(struct odp_flooding *f, size_t len)
{
	int fd = memfd_create("flood", 0);

	vt_require(fd >= 0, "memfd_create: %s", strerror(errno));
	vt_ok(ftruncate(fd, len));
	f->len = len;
	f->file = vt_map(len, 0);
	f->map = vt_map(len, 0);
	vt_require(mmap(f->file, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		   f->file, "mmap: %s", strerror(errno));
	vt_require(mmap(f->map, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		   f->map, "mmap: %s", strerror(errno));
	close(fd);
	vt_fill(f->file, len);
}

static size_t flood_offset(const struct odp_flood *flood, unsigned int qp)
{
	return flood->same_page ? qp * 8 : qp * PAGE + 8 * (qp % 500);
}

struct odp_flooding *odp_flood_open(struct vt_dev *a, struct vt_dev *b,
				    const struct odp_flood *flood, unsigned int ack_timeout)
{
	struct odp_flooding *f = calloc(1, sizeof(*f));

	vt_require(f, "no memory");
	vt_defer(free, f);
	f->flood = *flood;
	vt_require(flood->qps && flood->qps <= ODP_PITFALL_QPS, "%u QPs", flood->qps);
	map_pages(f, (flood->qps + 1) * PAGE);
	open_pairs(f, a, b, ack_timeout);
	f->remote = vt_mem_at(f->pair[0].b.pd, flood->kind, f->map, f->len, VT_ACCESS_ALL);
	f->local = vt_mem_at(f->pair[0].a.pd, flood->kind, vt_map(f->len, 0), f->len,
			     VT_ACCESS_ALL);
	if (flood->disturbed) {
		vt_ok(pthread_create(&f->thread, NULL, disturb, f));
		vt_defer(disturb_end, f);
	}
	return f;
}

/* Drop all pages at both ends, then let every QP READ 8 bytes at the same time. */
void odp_flood_round(struct odp_flooding *f)
{
	unsigned int qps = f->flood.qps;

	vt_ok(madvise(f->map, f->len, MADV_DONTNEED));
	vt_ok(madvise(f->local->addr, f->local->len, MADV_DONTNEED));
	for (unsigned int i = 0; i < qps; i++) {
		size_t off = flood_offset(&f->flood, i);

		rc_start(&f->pair[i].a, IBV_WR_RDMA_READ, i, f->local, off, f->remote, off, 8);
	}
	for (unsigned int i = 0; i < qps; i++)
		vt_want(f->pair[i].a.scq, i, IBV_WC_SUCCESS);
	for (unsigned int i = 0; i < qps; i++) {
		size_t off = flood_offset(&f->flood, i);

		vt_require(!memcmp(f->local->addr + off, f->file + off, 8),
			   "QP %u: data differ", i);
	}
}

void odp_flood_close(struct odp_flooding *f)
{
	if (f->flood.disturbed)
		vt_release(f);	/* of what is @f's the thread, as it was deferred last */
}
