// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory under a userfaultfd, as in post-copy migration. The NIC's accesses to
 * missing and write-protected pages are reported to the handler. The NIC waits for it as
 * long as necessary, but only QPs that need the page wait.
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odp_bench.h"
#include "odp_system.h"

#define SLOW_MS		300
#define LATE_MS		1000

/* UFFDIO_POISON of Linux 6.6: marks pages as if their memory had failed. */
struct poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};

#define POISON		_IOWR(UFFDIO, 0x08, struct poison)

/**
 * struct handler - a thread that resolves the faults of one range
 * @fd: the userfaultfd
 * @mem: the range
 * @content: the data for missing pages
 * @saved: copies of write-protected pages, made before a write is allowed
 * @delay_ms: delay of the first answer; with @random, the bound of a random delay of each
 * @gate: while it is set answers wait, but not for ever
 * @gave_up: @gate was not cleared in time
 * @missing: faults of missing pages resolved
 * @protected: faults of write-protected pages resolved
 */
struct handler {
	int fd;
	uint8_t *mem;
	uint8_t *content, *saved;
	unsigned int delay_ms;
	bool random;
	bool gate, gave_up;
	unsigned int missing, protected;
	pthread_t thread;
	bool stop;
};

static bool is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set(bool *flag, bool value)
{
	__atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

/* --- the handler --- */

static void give_page(struct handler *h, size_t off)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)h->mem + off,
		.src = (uintptr_t)h->content + off,
		.len = PAGE,
	};
	struct uffdio_range wake = { copy.dst, PAGE };

	h->missing++;
	if (!ioctl(h->fd, UFFDIO_COPY, &copy))
		return;
	vt_require(errno == EEXIST, "UFFDIO_COPY: %s", strerror(errno));
	vt_ok(ioctl(h->fd, UFFDIO_WAKE, &wake));
}

static void let_write(struct handler *h, size_t off)
{
	struct uffdio_writeprotect wp = { { (uintptr_t)h->mem + off, PAGE }, 0 };

	h->protected++;
	memcpy(h->saved + off, h->mem + off, PAGE);
	vt_ok(ioctl(h->fd, UFFDIO_WRITEPROTECT, &wp));
}

static void take_time(struct handler *h)
{
	uint64_t end = vt_now_ms() + vt_patience_ms() / 10;

	vt_sleep_ms(h->random ? vt_below(h->delay_ms) : h->delay_ms);
	if (!h->random)
		h->delay_ms = 0;
	while (is_set(&h->gate) && vt_now_ms() < end)
		vt_sleep_ms(1);
	if (is_set(&h->gate))
		set(&h->gave_up, true);
}

static void *handler_run(void *arg)
{
	struct handler *h = arg;
	struct pollfd fd = { .fd = h->fd, .events = POLLIN };
	struct uffd_msg msg;
	size_t off;

	while (!is_set(&h->stop)) {
		if (poll(&fd, 1, 10) != 1 || read(h->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		off = (msg.arg.pagefault.address & ~(PAGE - 1)) - (uintptr_t)h->mem;
		take_time(h);
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
			let_write(h, off);
		else
			give_page(h, off);
	}
	return NULL;
}

static void handler_end(void *obj)
{
	struct handler *h = obj;

	set(&h->stop, true);
	pthread_join(h->thread, NULL);
	close(h->fd);
	free(h);
}

/* Register the userfaultfd; handler_start() starts the thread. */
static struct handler *handler_new(uint8_t *mem, size_t len, uint64_t mode)
{
	struct handler *h = calloc(1, sizeof(*h));

	vt_require(h, "out of memory");
	h->fd = odp_uffd(mem, len, mode);
	h->mem = mem;
	h->content = vt_map(len, 0);
	h->saved = vt_map(len, 0);
	vt_fill(h->content, len);
	return h;
}

static void handler_start(struct handler *h)
{
	vt_ok(pthread_create(&h->thread, NULL, handler_run, h));
	vt_defer(handler_end, h);
}

static void protect(struct handler *h, size_t len)
{
	struct uffdio_writeprotect wp = {
		{ (uintptr_t)h->mem, len }, UFFDIO_WRITEPROTECT_MODE_WP
	};

	vt_ok(ioctl(h->fd, UFFDIO_WRITEPROTECT, &wp));
}

/* A bench with a long ACK timeout, so that slow faults cause no retransmission. */
static struct odp_bench patient_bench(const void *arg, uint8_t *mem)
{
	struct rc_attr attr = rc_attr_default;

	attr.timeout = 20;		/* 4.3 s */
	return odp_bench_attr(arg, mem, LEN, &attr);
}

/* --- tests --- */

static void missing_run(const void *arg, uint8_t *mem)
{
	struct odp_bench b = patient_bench(arg, mem);
	struct handler *h = handler_new(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	uint64_t start = vt_now_ms();
	unsigned int faults;

	h->delay_ms = SLOW_MS;
	handler_start(h);
	odp_get(&b, 0, LEN);
	vt_require(!memcmp(b.back->addr, h->content, LEN), "got other data than the handler gave");
	vt_require(vt_now_ms() - start >= SLOW_MS, "the handler was not waited for");
	vt_require(h->missing, "no fault reached the handler");
	odp_check(&b);

	vt_ok(madvise(mem, LEN, MADV_REMOVE) && madvise(mem, LEN, MADV_DONTNEED));
	faults = h->missing;
	odp_check_at(&b, 100, LEN - 200, mem + 100);
	vt_require(h->missing > faults, "the put met no fault");
	vt_require(!memcmp(mem, h->content, 100), "beside the put, the page is not the handler's");
	vt_require(!memcmp(mem + LEN - 100, h->content + LEN - 100, 100),
		   "beside the put, the page is not the handler's");
}

static void missing(const void *arg)
{
	missing_run(arg, vt_map(LEN, 0));
}

static void missing_in_file(const void *arg)
{
	missing_run(arg, odp_memfd(LEN, MAP_SHARED).nic);
}

static void write_protected(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0), *want;
	struct odp_bench b = patient_bench(arg, mem);
	struct handler *h;

	madvise(mem, LEN, MADV_NOHUGEPAGE);	/* so that each page faults by itself */
	odp_check(&b);
	want = odp_copy_of(mem, LEN);
	h = handler_new(mem, LEN, UFFDIO_REGISTER_MODE_WP);
	h->delay_ms = SLOW_MS;
	protect(h, LEN);
	handler_start(h);
	odp_get(&b, 0, LEN);
	vt_require(!memcmp(b.back->addr, want, LEN), "got other data");
	vt_require(!h->protected, "a get was reported as a write");
	odp_put(&b, 0, LEN);
	vt_require(h->protected == LEN / PAGE, "%u writes were reported, want %lu",
		   h->protected, LEN / PAGE);
	vt_require(!memcmp(h->saved, want, LEN), "it was written before the handler allowed it");
	odp_check(&b);
	want = odp_copy_of(mem, LEN);
	protect(h, LEN);		/* while the mirror has the pages as writable */
	odp_put(&b, 10 * PAGE, PAGE);
	vt_require(h->protected == LEN / PAGE + 1, "a write after protecting again was missed");
	vt_require(!memcmp(h->saved + 10 * PAGE, want + 10 * PAGE, PAGE),
		   "it was written before the handler allowed it");
	odp_check_get(&b);
}

static void be_late(struct handler *h)
{
	__atomic_store_n(&h->delay_ms, LATE_MS, __ATOMIC_RELEASE);
}

/*
 * Faults that take longer than all ACK timeouts of a requester, at the first page of a
 * message or a later one, after a quick request. Neither end may take the other for dead
 * while it waits.
 */
static void late(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	uint8_t *mem = vt_map(LEN, 0);
	struct odp_bench b;
	struct handler *h;

	attr.timeout = 16;		/* 268 ms */
	attr.retry_cnt = 1;
	b = odp_bench_attr(arg, mem, LEN, &attr);
	madvise(mem, LEN, MADV_NOHUGEPAGE);
	vt_fill(mem, PAGE);
	h = handler_new(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	handler_start(h);
	odp_get(&b, 0, PAGE);
	vt_require(!h->missing, "the first page was missing");
	be_late(h);
	odp_get(&b, PAGE, LEN / 2 - PAGE);
	vt_require(!memcmp(b.back->addr, h->content + PAGE, LEN / 2 - PAGE),
		   "got other data than the handler gave");
	be_late(h);
	odp_get(&b, 0, LEN);
	vt_require(!memcmp(b.back->addr, mem, PAGE) &&
		   !memcmp(b.back->addr + PAGE, h->content + PAGE, LEN - PAGE),
		   "got other data than the handler gave");
	vt_ok(madvise(mem + PAGE, LEN - PAGE, MADV_DONTNEED));
	be_late(h);
	odp_put(&b, 0, LEN);
	vt_require(!memcmp(mem, b.src->addr, LEN), "data differ");
	odp_check(&b);
}

/* The NIC faults in only the pages that the message uses, though the buffer is larger. */
static void unasked(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0);
	struct odp_bench b = patient_bench(arg, mem);
	struct rc_end *a = &b.pair->a;
	struct handler *h;
	struct ibv_sge sge = vt_sge(b.mem, 0, LEN);
	struct vt_wr wr;

	madvise(mem, LEN, MADV_NOHUGEPAGE);
	h = handler_new(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	handler_start(h);
	if (b.v.side == ODP_MESSAGE) {
		vt_ok(rc_post_recv(&b.pair->b, 1, &sge, 1));
		rc_start(a, IBV_WR_SEND, 2, b.src, 0, NULL, 0, 100);
		vt_want(b.pair->b.rcq, 1, IBV_WC_SUCCESS);
	} else {
		vt_wr_init(&wr, IBV_WR_RDMA_READ, 2);
		vt_wr_local(&wr, b.mem, 0, 100);
		vt_wr_local(&wr, vt_mem_new(a->pd, b.v.kind, LEN, VT_ACCESS_ALL), 0,
			    LEN - 100);
		vt_wr_remote(&wr, b.src, 0);
		vt_ok(rc_post(a, &wr));
	}
	vt_want(a->scq, 2, IBV_WC_SUCCESS);
	vt_require(!memcmp(mem, b.src->addr, 100), "data differ");
	vt_require(h->missing == 1, "%u pages were asked for, want 1", h->missing);
}

/* Posting does not wait for the handler, and neither do other QPs. */
static void others_go_on(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0);
	struct odp_bench b = patient_bench(arg, mem);
	struct odp_bench other = odp_bench(arg, vt_map(LEN, 0), LEN);
	struct handler *h = handler_new(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	uint64_t start = vt_now_ms();

	set(&h->gate, true);
	handler_start(h);
	odp_put_start(&b, 0, LEN);
	vt_require(vt_now_ms() - start < vt_patience_ms() / 15, "posting waited for the fault");
	for (int i = 0; i < 20; i++)
		odp_check(&other);
	vt_want_none(odp_cq(&b, true), 1);
	vt_require(!is_set(&h->gave_up), "another QP waited for the fault");
	set(&h->gate, false);
	odp_put_end(&b);
	vt_require(!memcmp(mem, b.src->addr, LEN), "data differ");
	odp_check(&b);
}

/* The handler closes the userfaultfd: its faults become ordinary ones. */
static void handler_closes(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0);
	struct odp_bench b = patient_bench(arg, mem);
	struct handler *h = handler_new(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);

	odp_put_start(&b, 0, LEN);
	odp_uffd_wait(h->fd);
	vt_want_none(odp_cq(&b, true), 10);
	close(h->fd);
	free(h);
	odp_put_end(&b);
	vt_require(!memcmp(mem, b.src->addr, LEN), "data differ");
	odp_check(&b);
}

/* A poisoned page is an error for the NIC, as the CPU would get SIGBUS. */
static void poisoned(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0);
	struct odp_bench b = patient_bench(arg, mem);
	struct handler *h = handler_new(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	struct poison poison = { .range = { (uintptr_t)mem + 5 * PAGE, PAGE } };

	handler_start(h);
	if (ioctl(h->fd, POISON, &poison))
		vt_skip("UFFDIO_POISON: %s", strerror(errno));
	odp_get_fails(&b, 0, LEN);
	odp_reconnect(&b);
	odp_put_fails(&b, 5 * PAGE + 8, 8);
	odp_reconnect(&b);
	odp_check_at(&b, 0, 5 * PAGE, mem);
	odp_check_at(&b, 6 * PAGE, LEN - 6 * PAGE, mem + 6 * PAGE);
	odp_map_fixed(mem + 5 * PAGE, PAGE);
	odp_check(&b);
}

/*
 * Post-copy: traffic all over memory whose pages arrive one by one, in any order, so slowly
 * that a responder has to tell the requester that it is alive.
 */
static void post_copy(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	uint8_t *mem = vt_map(LEN, 0), *want;
	struct odp_bench b;
	struct handler *h;

	attr.timeout = 16;		/* 268 ms */
	attr.retry_cnt = 7;
	b = odp_bench_attr(arg, mem, LEN, &attr);
	h = handler_new(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	h->delay_ms = 60;
	h->random = true;
	want = odp_copy_of(h->content, LEN);
	handler_start(h);
	for (int i = 0; i < 60; i++) {
		size_t off = vt_below(LEN - 1), len = 1 + vt_below(LEN - off);

		len = len > 3 * PAGE ? 3 * PAGE : len;
		if (vt_chance(50)) {
			odp_put(&b, off, len);
			memcpy(want + off, b.src->addr, len);
		} else {
			odp_get(&b, off, len);
			vt_require(!memcmp(b.back->addr, want + off, len), "got wrong data");
		}
	}
	vt_require(!memcmp(mem, want, LEN), "the memory is not what was put and given");
}

/*
 * A page of the requester's own comes shortly before the ACK timeout of the request before,
 * which has not asked for an ACK, as packets were to follow it. Where the network needs
 * longer than the rest of the time, the timeout has to begin anew.
 */
static void in_time(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	uint8_t *mem = vt_map(PAGE, 0);
	struct vt_mem *own, *there;
	struct rc_pair *pair;
	struct handler *h;
	struct vt_wr wr[2];

	(void)arg;
	odp_need(VT_ODP);
	attr.timeout = 18;		/* 1074 ms */
	attr.retry_cnt = 0;
	pair = rc_pair_new(&attr);
	own = vt_mem_at(pair->a.pd, VT_ODP, mem, PAGE, VT_ACCESS_ALL);
	there = vt_mem_new(pair->b.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	h = handler_new(mem, PAGE, UFFDIO_REGISTER_MODE_MISSING);
	h->delay_ms = 800;
	handler_start(h);
	for (int i = 0; i < 2; i++) {
		vt_wr_init(&wr[i], IBV_WR_RDMA_WRITE, i);
		vt_wr_local(&wr[i], i ? own : vt_mem_new(pair->a.pd, VT_PINNED, 8, 0), 0,
			    i ? PAGE : 8);
		vt_wr_remote(&wr[i], there, 0);
	}
	vt_wr_chain(wr, 2);
	vt_ok(rc_post(&pair->a, wr));
	for (int i = 0; i < 2; i++)
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
	vt_require(h->missing == 1, "the page was not missing");
	vt_require(!memcmp(there->addr, h->content, PAGE), "data differ");
}

static void add_tests(void)
{
	odp_test(missing, "missing", ODP_ALL_SIDES);
	odp_test(missing_in_file, "missing_in_file", ODP_ALL_SIDES);
	odp_test(write_protected, "write_protected", ODP_ALL_SIDES);
	odp_test(late, "late", ODP_ALL_SIDES);
	odp_test(unasked, "unasked", 1U << ODP_LOCAL | 1U << ODP_MESSAGE);
	odp_test(others_go_on, "others_go_on", ODP_ALL_SIDES);
	odp_test(handler_closes, "handler_closes", ODP_ALL_SIDES);
	odp_test(poisoned, "poisoned", ODP_ALL_SIDES);
	odp_test(post_copy, "post_copy", ODP_ALL_SIDES);
	VT_TEST(in_time);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
