// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What on-demand paging is known to do to the wire, after "Pitfalls of InfiniBand
 * with On-Demand Paging" (ISPASS 2021):
 *
 *   T1  packet damming: a request that follows one whose page is being fetched
 *       is lost, and found again by an ACK timeout only
 *   T2  packet flood: many QPs that fault send again and again what is not lost
 *   T3  both while pages are being taken away
 *
 * Here each request ends with the fault that it needs. What the devices count
 * meanwhile (timeouts, retransmits) is for the caller to look at.
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odp_system.h"

#define PAGE		4096UL
#define SLOW_PAGES	16UL
#define SLOW_LEN	(SLOW_PAGES * PAGE)
#define DELAY_MS	300	/* of a fault; several times the ACK timeout */
#define ACK_TIMEOUT	15	/* 134 ms */
#define SLACK_MS	400	/* for a machine that is busy or emulated */
#define QPS_MAX		256

/* --- memory whose faults take long --- */

struct slow {
	struct vt_mem *mem;
	uint8_t *content;
	int uffd;
	pthread_t thread;
	bool stop;
	unsigned int faults;
};

/* All of it is there at once, after the first fault's time. */
static void slow_resolve(struct slow *slow)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)slow->mem->addr,
		.src = (uintptr_t)slow->content,
		.len = SLOW_LEN,
	};

	vt_sleep_ms(DELAY_MS);
	if (ioctl(slow->uffd, UFFDIO_COPY, &copy) && errno != EEXIST)
		vt_fail("UFFDIO_COPY: %s", strerror(errno));
	slow->faults++;
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

static struct slow *slow_new(struct ibv_pd *pd, enum vt_kind kind)
{
	struct slow *slow = calloc(1, sizeof(*slow));

	vt_require(slow, "no memory");
	slow->content = vt_map(SLOW_LEN, 0);
	vt_fill(slow->content, SLOW_LEN);
	slow->mem = vt_mem_at(pd, kind, vt_map(SLOW_LEN, 0), SLOW_LEN, VT_ACCESS_ALL);
	slow->uffd = odp_uffd(slow->mem->addr, SLOW_LEN, UFFDIO_REGISTER_MODE_MISSING);
	vt_ok(pthread_create(&slow->thread, NULL, slow_run, slow));
	vt_defer(slow_free, slow);
	return slow;
}

/* --- T1 --- */

enum where { REQUESTER = 1, RESPONDER = 2, BOTH = 3 };

struct damming {
	enum vt_kind kind;
	enum ibv_wr_opcode op;
	enum where where;
	unsigned int gap_ms;
};

static struct rc_pair *slow_pair(enum vt_kind kind)
{
	struct rc_attr attr = rc_attr_default;

	vt_need_kind(vt_dev(0), kind, 0x1f);
	vt_need_kind(vt_dev(1), kind, 0x1f);
	attr.timeout = ACK_TIMEOUT;
	return rc_pair_new(&attr);
}

/* Two requests to two pages, the second some time after the first. */
static void damming(const void *arg)
{
	const struct damming *d = arg;
	struct rc_pair *pair = slow_pair(d->kind);
	struct slow *near = NULL, *far = NULL;
	struct vt_mem *local, *remote, *from, *to;
	uint8_t *want = vt_map(SLOW_LEN, 0);
	uint64_t begun, took;

	if (d->where & REQUESTER)
		near = slow_new(pair->a.pd, d->kind);
	if (d->where & RESPONDER)
		far = slow_new(pair->b.pd, d->kind);
	local = near ? near->mem : vt_mem_new(pair->a.pd, d->kind, SLOW_LEN, VT_ACCESS_ALL);
	remote = far ? far->mem : vt_mem_new(pair->b.pd, d->kind, SLOW_LEN, VT_ACCESS_ALL);
	from = d->op == IBV_WR_RDMA_READ ? remote : local;
	to = d->op == IBV_WR_RDMA_READ ? local : remote;
	if (far && from == remote)
		memcpy(want, far->content, SLOW_LEN);
	else if (near && from == local)
		memcpy(want, near->content, SLOW_LEN);
	else
		vt_fill(want, SLOW_LEN), memcpy(from->addr, want, SLOW_LEN);

	begun = vt_now_ms();
	rc_start(&pair->a, d->op, 1, local, 100, remote, 100, PAGE);	/* two pages */
	vt_sleep_ms(d->gap_ms);
	rc_start(&pair->a, d->op, 2, local, 5 * PAGE + 50, remote, 5 * PAGE + 50, 64);
	vt_want(pair->a.scq, 1, IBV_WC_SUCCESS);
	vt_want(pair->a.scq, 2, IBV_WC_SUCCESS);
	took = vt_now_ms() - begun;
	vt_require(!memcmp(to->addr + 100, want + 100, PAGE), "first: data differ");
	vt_require(!memcmp(to->addr + 5 * PAGE + 50, want + 5 * PAGE + 50, 64),
		   "second: data differ");
	vt_require(took >= DELAY_MS, "no fault was taken");
	vt_require(took < DELAY_MS * (near && far ? 2 : 1) + SLACK_MS, "took %llu ms",
		   (unsigned long long)took);
}

/* --- T2 and T3 --- */

struct flood {
	enum vt_kind kind;
	unsigned int qps;
	bool same_page;
	bool disturbed;
};

struct flooding {
	struct rc_pair pair[QPS_MAX];
	uint8_t *file, *map;	/* the pages, and the mapping that is taken away */
	size_t len;
	pthread_t thread;
	bool stop;
};

static void *disturb(void *arg)
{
	struct flooding *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		vt_ok(madvise(f->map, f->len, MADV_DONTNEED));
		usleep(500);
	}
	return NULL;
}

static void open_pairs(struct flooding *f, unsigned int n)
{
	struct rc_attr attr = rc_attr_default;
	struct ibv_pd *near = NULL, *far = NULL;

	attr.wr = 4;
	attr.timeout = ACK_TIMEOUT;
	for (unsigned int i = 0; i < n; i++) {
		struct rc_pair *pair = &f->pair[i];
		struct rc_addr to_a, to_b;

		rc_end_open(&pair->a, vt_dev(0), near, &attr);
		rc_end_open(&pair->b, vt_dev(1), far, &attr);
		near = pair->a.pd;
		far = pair->b.pd;
		to_a = rc_end_addr(&pair->a);
		to_b = rc_end_addr(&pair->b);
		rc_connect(&pair->a, &attr, &to_b);
		rc_connect(&pair->b, &attr, &to_a);
	}
}

/* A file's pages stay what they are when a mapping of them is dropped. */
static void map_pages(struct flooding *f, size_t len)
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

static size_t flood_offset(const struct flood *flood, unsigned int qp)
{
	return flood->same_page ? qp * 8 : qp * PAGE + 8 * (qp % 500);
}

static void flood_round(const struct flood *flood, struct flooding *f,
			const struct vt_mem *local, const struct vt_mem *remote)
{
	vt_ok(madvise(f->map, f->len, MADV_DONTNEED));
	vt_ok(madvise(local->addr, local->len, MADV_DONTNEED));
	for (unsigned int i = 0; i < flood->qps; i++) {
		size_t off = flood_offset(flood, i);

		rc_start(&f->pair[i].a, IBV_WR_RDMA_READ, i, local, off, remote, off, 8);
	}
	for (unsigned int i = 0; i < flood->qps; i++)
		vt_want(f->pair[i].a.scq, i, IBV_WC_SUCCESS);
	for (unsigned int i = 0; i < flood->qps; i++) {
		size_t off = flood_offset(flood, i);

		vt_require(!memcmp(local->addr + off, f->file + off, 8), "QP %u: data differ",
			   i);
	}
}

static void free_flooding(void *f)
{
	free(f);
}

/* Every QP needs a page at the same time: the same one, or one each. */
static void flood(const void *arg)
{
	const struct flood *flood = arg;
	struct flooding *f = calloc(1, sizeof(*f));
	struct vt_mem *local, *remote;

	vt_require(f, "no memory");
	vt_defer(free_flooding, f);
	vt_need_kind(vt_dev(0), flood->kind, 0x1f);
	vt_need_kind(vt_dev(1), flood->kind, 0x1f);
	map_pages(f, (flood->qps + 1) * PAGE);
	open_pairs(f, flood->qps);
	remote = vt_mem_at(f->pair[0].b.pd, flood->kind, f->map, f->len, VT_ACCESS_ALL);
	local = vt_mem_at(f->pair[0].a.pd, flood->kind, vt_map(f->len, 0), f->len,
			  VT_ACCESS_ALL);
	if (flood->disturbed)
		vt_ok(pthread_create(&f->thread, NULL, disturb, f));
	for (unsigned int i = 0; i < 3 * vt_opts.rounds; i++)
		flood_round(flood, f, local, remote);
	if (flood->disturbed) {
		__atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
		vt_ok(pthread_join(f->thread, NULL));
	}
}

/* --- all of them --- */

static void add_damming(void)
{
	static const unsigned int gaps[] = { 0, 1, 3, 10 };
	static const char *const words[] = { "", "requester", "responder", "both" };
	static struct damming cases[64];
	size_t n = 0;

	for (enum where where = REQUESTER; where <= BOTH; where++)
		for (size_t g = 0; g < ARRAY_SIZE(gaps); g++)
			for (int write = 0; write <= 1; write++) {
				struct damming *d = &cases[n++];

				*d = (struct damming){
					.kind = g % 2 ? VT_IMPLICIT : VT_ODP,
					.op = write ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
					.where = where,
					.gap_ms = gaps[g],
				};
				vt_test(damming, d, "damming_%s_%s_gap_%u_ms",
					write ? "write" : "read", words[where], gaps[g]);
			}
}

static void add_floods(void)
{
	static const unsigned int qps[] = { 1, 16, 64, QPS_MAX };
	static struct flood cases[32];
	size_t n = 0;

	for (size_t q = 0; q < ARRAY_SIZE(qps); q++)
		for (int same = 0; same <= 1; same++)
			for (int disturbed = 0; disturbed <= 1; disturbed++) {
				struct flood *flood_case = &cases[n++];

				*flood_case = (struct flood){
					.kind = same ? VT_ODP : VT_IMPLICIT,
					.qps = qps[q],
					.same_page = same,
					.disturbed = disturbed,
				};
				vt_test(flood, flood_case, "flood_%u_qps_%s%s", qps[q],
					same ? "one_page" : "a_page_each",
					disturbed ? "_disturbed" : "");
			}
}

static void add_tests(void)
{
	add_damming();
	add_floods();
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
