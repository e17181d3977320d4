// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory whose pages the kernel takes, moves and changes: unmapping,
 * remapping, forking, huge pages, files. The data stay right, and once a call
 * that takes memory away has returned, the NIC does not touch it any more.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rc.h"

#define PAGE	4096UL
#define LEN	(32 * PAGE)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* A pair, some registered memory at its end b, and a source of data at end a. */
struct bench {
	enum rc_kind kind;
	struct rc_pair *pair;
	struct rc_mem *src, *back, *dst;
};

static void need(enum rc_kind kind)
{
	rc_need_kind(rc_dev(0), kind, 0x1f);
	rc_need_kind(rc_dev(1), kind, 0x1f);
}

static struct bench bench_at(const void *kind, void *addr, size_t len)
{
	struct bench b = { .kind = *(const enum rc_kind *)kind };

	need(b.kind);
	b.pair = rc_pair();
	b.src = rc_mem_new(b.pair->a.pd, b.kind, len, RC_ACCESS_ALL);
	b.back = rc_mem_new(b.pair->a.pd, b.kind, len, RC_ACCESS_ALL);
	b.dst = rc_mem_at(b.pair->b.pd, b.kind, addr, len, RC_ACCESS_ALL);
	return b;
}

/* WRITE fresh data to @off, see them at @at, READ them back. */
static void check_at(struct bench *b, size_t off, size_t len, const void *at)
{
	rc_fill(b->src->addr, len);
	rc_do(&b->pair->a, IBV_WR_RDMA_WRITE, b->src, 0, b->dst, off, len, IBV_WC_SUCCESS);
	rc_require(!memcmp(at, b->src->addr, len), "WRITE: data differ");
	rc_do(&b->pair->a, IBV_WR_RDMA_READ, b->back, 0, b->dst, off, len, IBV_WC_SUCCESS);
	rc_require(!memcmp(b->back->addr, b->src->addr, len), "READ: data differ");
}

static void check(struct bench *b)
{
	check_at(b, 0, b->dst->len, b->dst->addr);
}

/* READ sees what the memory holds now. */
static void check_read(struct bench *b)
{
	rc_do(&b->pair->a, IBV_WR_RDMA_READ, b->back, 0, b->dst, 0, b->dst->len,
	      IBV_WC_SUCCESS);
	rc_require(!memcmp(b->back->addr, b->dst->addr, b->dst->len), "READ: data differ");
}

static void map_fixed(void *addr, size_t len)
{
	void *got = mmap(addr, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	rc_require(got == addr, "mmap: %s", strerror(errno));
}

/* --- taken away --- */

static void dontneed(const void *arg)
{
	struct bench b = bench_at(arg, rc_map(LEN, 0), LEN);

	for (int i = 0; i < 5; i++) {
		check(&b);
		rc_ok(madvise(b.dst->addr, LEN, MADV_DONTNEED));
		check_read(&b);
		for (size_t j = 0; j < LEN; j++)
			rc_require(!b.back->addr[j], "old data came back");
		rc_ok(madvise(b.dst->addr + PAGE, 3 * PAGE, MADV_DONTNEED));
		check(&b);
	}
}

static void advices(const void *arg)
{
	static const int advice[] = { MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE };
	struct bench b = bench_at(arg, rc_map(LEN, 0), LEN);

	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		check(&b);
		if (madvise(b.dst->addr, LEN, advice[i]))
			rc_note("madvise %d: %s", advice[i], strerror(errno));
		check_read(&b);
		rc_require(!memcmp(b.back->addr, b.src->addr, LEN), "data lost");
	}
	check(&b);
	rc_ok(madvise(b.dst->addr, LEN, MADV_FREE));
	check(&b);
}

/* The same region serves what is mapped at its place later. */
static void remap_in_place(const void *arg)
{
	struct bench b = bench_at(arg, rc_map(LEN, 0), LEN);

	for (int i = 0; i < 5; i++) {
		check(&b);
		rc_ok(munmap(b.dst->addr, LEN));
		map_fixed(b.dst->addr, LEN);
		check_read(&b);
		check(&b);
		map_fixed(b.dst->addr + 4 * PAGE, 8 * PAGE);	/* over the old one */
		check_read(&b);
	}
}

/* After a hole was met, the QP is dead; the region is not. */
static void hole_then_mapped(const void *arg)
{
	struct bench b = bench_at(arg, rc_map(LEN, 0), LEN);
	struct rc_addr to_a = rc_end_addr(&b.pair->a), to_b = rc_end_addr(&b.pair->b);

	check(&b);
	rc_ok(munmap(b.dst->addr, LEN));
	rc_do(&b.pair->a, IBV_WR_RDMA_WRITE, b.src, 0, b.dst, 0, LEN, IBV_WC_REM_ACCESS_ERR);
	map_fixed(b.dst->addr, LEN);
	rc_ok(rc_to_state(&b.pair->a, IBV_QPS_RESET));
	rc_ok(rc_to_state(&b.pair->b, IBV_QPS_RESET));
	rc_connect(&b.pair->a, &rc_attr_default, &to_b);
	rc_connect(&b.pair->b, &rc_attr_default, &to_a);
	check(&b);
}

static void move_pages(const void *arg)
{
	uint8_t *map = rc_map(2 * LEN, 0), *moved;
	struct bench b = bench_at(arg, map, 2 * LEN);

	check(&b);
	moved = mremap(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, map + LEN);
	rc_require(moved == map + LEN, "mremap: %s", strerror(errno));
	check_at(&b, LEN, LEN, moved);
	rc_do(&b.pair->a, IBV_WR_RDMA_READ, b.back, 0, b.dst, 0, LEN, IBV_WC_REM_ACCESS_ERR);
}

/* Moved data are found at their new place. */
static void move_keeps_data(const void *arg)
{
	uint8_t *map = rc_map(2 * LEN, 0);
	struct bench b = bench_at(arg, map, 2 * LEN);

	check(&b);
	rc_require(mremap(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, map + LEN) != MAP_FAILED,
		   "mremap: %s", strerror(errno));
	rc_do(&b.pair->a, IBV_WR_RDMA_READ, b.back, 0, b.dst, LEN, LEN, IBV_WC_SUCCESS);
	rc_require(!memcmp(b.back->addr, b.src->addr, LEN), "data differ");
}

static void protect_and_back(const void *arg)
{
	struct bench b = bench_at(arg, rc_map(LEN, 0), LEN);

	for (int i = 0; i < 5; i++) {
		check(&b);
		rc_ok(mprotect(b.dst->addr, LEN, PROT_READ));
		check_read(&b);
		rc_ok(mprotect(b.dst->addr, LEN, PROT_READ | PROT_WRITE));
	}
	check(&b);
	rc_ok(mprotect(b.dst->addr, LEN, PROT_NONE));
	rc_do(&b.pair->a, IBV_WR_RDMA_READ, b.back, 0, b.dst, 0, 8, IBV_WC_REM_ACCESS_ERR);
}

/* --- fork --- */

struct child {
	pid_t pid;
	int go[2], done[2];
};

static void wait_byte(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		_exit(EXIT_FAILURE);
}

static void tell(int fd)
{
	rc_require(write(fd, "", 1) == 1, "pipe: %s", strerror(errno));
}

/* The child: its memory must keep @want until it writes itself. */
static void child_run(struct child *child, uint8_t *mem, const uint8_t *want)
{
	bool right;

	wait_byte(child->go[0]);
	right = !memcmp(mem, want, LEN);
	memset(mem, 0xcc, LEN);
	tell(child->done[1]);
	wait_byte(child->go[0]);
	for (size_t i = 0; i < LEN; i++)
		right = right && mem[i] == 0xcc;
	_exit(right ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* The region follows the parent; neither sees the other's writes. */
static void fork_and_write(const void *arg)
{
	struct bench b = bench_at(arg, rc_map(LEN, 0), LEN);
	uint8_t *want = rc_map(LEN, 0);
	struct child child;
	int status;

	check(&b);
	memcpy(want, b.dst->addr, LEN);
	rc_ok(pipe(child.go) || pipe(child.done));
	child.pid = rc_fork();
	if (!child.pid)
		child_run(&child, b.dst->addr, want);
	check(&b);
	tell(child.go[1]);
	wait_byte(child.done[0]);
	check_read(&b);
	rc_require(!memcmp(b.dst->addr, b.src->addr, LEN), "the child's write shows");
	check(&b);
	tell(child.go[1]);
	status = rc_wait_child(child.pid, 10000);
	rc_require(!status, "the child saw what the NIC wrote for the parent");
	check(&b);
	close(child.go[0]);
	close(child.go[1]);
	close(child.done[0]);
	close(child.done[1]);
}

/* The NIC's first write after a fork, while the page is shared with the child. */
static void fork_read_then_write(const void *arg)
{
	struct bench b = bench_at(arg, rc_map(LEN, 0), LEN);
	uint8_t *want = rc_map(LEN, 0);
	int go[2], status;
	pid_t pid;

	rc_fill(b.dst->addr, LEN);
	memcpy(want, b.dst->addr, LEN);
	rc_ok(pipe(go));
	pid = rc_fork();
	if (!pid) {
		wait_byte(go[0]);
		_exit(!!memcmp(b.dst->addr, want, LEN));
	}
	check_read(&b);		/* maps the shared pages for reading */
	check(&b);		/* and now they must not be written */
	tell(go[1]);
	status = rc_wait_child(pid, 10000);
	rc_require(!status, "the WRITE reached the child's page");
	close(go[0]);
	close(go[1]);
}

/* --- huge pages --- */

static void huge_pages(const void *arg)
{
	uint8_t *map = rc_map(8 * MIB, 0);
	uint8_t *huge = (uint8_t *)(((uintptr_t)map + 2 * MIB - 1) & ~(2 * MIB - 1));
	struct bench b = bench_at(arg, huge, 4 * MIB);

	rc_ok(madvise(huge, 4 * MIB, MADV_HUGEPAGE));
	check(&b);
	rc_ok(madvise(huge + 5 * PAGE, 3 * PAGE, MADV_DONTNEED));	/* split */
	check_read(&b);
	check(&b);
	rc_ok(mprotect(huge + 100 * PAGE, PAGE, PROT_READ));
	check_read(&b);
	rc_ok(mprotect(huge + 100 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	check(&b);
	if (madvise(huge, 4 * MIB, MADV_COLLAPSE))
		rc_note("no collapse: %s", strerror(errno));
	check_read(&b);
	check(&b);
	map_fixed(huge + MIB, MIB);
	check_read(&b);
	check(&b);
}

/* --- files --- */

struct file {
	int fd;
	uint8_t *nic, *cpu;	/* two mappings of it */
};

static void close_fd(void *obj)
{
	close((int)(intptr_t)obj);
}

static uint8_t *map_file(int fd, size_t len, int flags)
{
	uint8_t *map = rc_map(len, 0);	/* unmapped after the test */
	void *got = mmap(map, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);

	rc_require(got == map, "mmap: %s", strerror(errno));
	return map;
}

static struct file file_new(size_t len, int nic_flags)
{
	struct file file = { .fd = memfd_create("verbs", 0) };

	rc_require(file.fd >= 0, "memfd_create: %s", strerror(errno));
	rc_defer(close_fd, (void *)(intptr_t)file.fd);
	rc_ok(ftruncate(file.fd, len));
	file.nic = map_file(file.fd, len, nic_flags);
	file.cpu = map_file(file.fd, len, MAP_SHARED);
	return file;
}

/* WRITEs to a shared mapping are in the file, and seen through other mappings. */
static void file_shared(const void *arg)
{
	struct file file = file_new(LEN, MAP_SHARED);
	struct bench b = bench_at(arg, file.nic, LEN);

	check_at(&b, 0, LEN, file.cpu);
	rc_fill(file.cpu, LEN);
	check_read(&b);
	check_at(&b, 0, LEN, file.cpu);
}

/* WRITEs to a private mapping stay out of the file. */
static void file_private(const void *arg)
{
	struct file file = file_new(LEN, MAP_PRIVATE);
	struct bench b = bench_at(arg, file.nic, LEN);
	uint8_t *want = rc_map(LEN, 0);

	rc_fill(file.cpu, LEN);
	memcpy(want, file.cpu, LEN);
	check_read(&b);
	check(&b);
	rc_require(!memcmp(file.cpu, want, LEN), "the WRITE reached the file");
}

/* Beyond the end of a file there is nothing. */
static void file_truncated(const void *arg)
{
	struct file file = file_new(LEN, MAP_SHARED);
	struct bench b = bench_at(arg, file.nic, LEN);

	check(&b);
	rc_ok(ftruncate(file.fd, LEN / 2));
	check_at(&b, 0, LEN / 2, file.cpu);
	rc_do(&b.pair->a, IBV_WR_RDMA_READ, b.back, 0, b.dst, 0, LEN, IBV_WC_REM_ACCESS_ERR);
	b = bench_at(arg, file.nic, LEN);
	rc_do(&b.pair->a, IBV_WR_RDMA_WRITE, b.src, 0, b.dst, LEN - 8, 8,
	      IBV_WC_REM_ACCESS_ERR);
	rc_ok(ftruncate(file.fd, LEN));
	b = bench_at(arg, file.nic, LEN);
	check_at(&b, 0, LEN, file.cpu);
}

static void file_hole_punched(const void *arg)
{
	struct file file = file_new(LEN, MAP_SHARED);
	struct bench b = bench_at(arg, file.nic, LEN);

	check(&b);
	rc_ok(fallocate(file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 4 * PAGE));
	check_read(&b);
	for (size_t i = PAGE; i < 5 * PAGE; i++)
		rc_require(!b.back->addr[i], "old data came back");
	check_at(&b, 0, LEN, file.cpu);
}

/* --- once it is taken away, it is not touched --- */

struct hammer {
	struct bench *bench;
	struct rc_wr wr;	/* made before the region goes away */
	pthread_t thread;
	bool stop, dead;
	unsigned int rounds;
};

/* WRITE ever new data all over the region until told to stop or refused. */
static void *hammer_run(void *arg)
{
	struct hammer *h = arg;
	struct rc_end *a = &h->bench->pair->a;
	struct ibv_wc wc;

	rc_reseed(1);
	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE) && !h->dead) {
		rc_fill(h->bench->src->addr, 64);
		for (int i = 0; i < 8; i++)
			rc_ok(rc_post(a, &h->wr));
		for (int i = 0; i < 8; i++) {
			wc = rc_poll(a->scq);
			if (wc.status == IBV_WC_SUCCESS)
				continue;
			rc_require(h->dead || wc.status == IBV_WC_REM_ACCESS_ERR,
				   "ended in %s", ibv_wc_status_str(wc.status));
			h->dead = true;
		}
		__atomic_fetch_add(&h->rounds, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void hammer_start(struct hammer *h, struct bench *b)
{
	*h = (struct hammer){ .bench = b };
	rc_wr_init(&h->wr, IBV_WR_RDMA_WRITE, 1);
	rc_wr_local(&h->wr, b->src, 0, LEN);
	rc_wr_remote(&h->wr, b->dst, 0);
	rc_ok(pthread_create(&h->thread, NULL, hammer_run, h));
	while (__atomic_load_n(&h->rounds, __ATOMIC_ACQUIRE) < 3)
		rc_sleep_ms(1);
}

static void hammer_stop(struct hammer *h)
{
	__atomic_store_n(&h->stop, true, __ATOMIC_RELEASE);
	rc_ok(pthread_join(h->thread, NULL));
}

enum way { UNMAP, READ_ONLY, REMAP, DEREG };

static void take_away(enum way way, struct bench *b)
{
	switch (way) {
	case UNMAP:
		rc_ok(munmap(b->dst->addr, LEN));
		break;
	case READ_ONLY:
		rc_ok(mprotect(b->dst->addr, LEN, PROT_READ));
		break;
	case REMAP:
		map_fixed(b->dst->addr, LEN);
		break;
	case DEREG:
		rc_release(b->dst->mr);
		break;
	}
}

struct taking {
	enum rc_kind kind;
	enum way way;
};

/* The file's pages, seen through another mapping, are still from then on. */
static void quiet_after(const void *arg)
{
	const struct taking *t = arg;

	need(t->kind);
	for (unsigned int i = 0; i < 5 * rc_opts.rounds; i++) {
		struct file file = file_new(LEN, MAP_SHARED);
		struct bench b = bench_at(&t->kind, file.nic, LEN);
		uint8_t *then = rc_map(LEN, 0);
		struct hammer h;

		hammer_start(&h, &b);
		rc_sleep_ms(rc_below(10));
		take_away(t->way, &b);
		memcpy(then, file.cpu, LEN);
		rc_sleep_ms(20);
		rc_require(!memcmp(then, file.cpu, LEN), "the NIC still writes");
		hammer_stop(&h);
		rc_require(!memcmp(then, file.cpu, LEN), "the NIC still writes");
		rc_require(t->way == REMAP || h.dead, "the WRITEs went on");
		if (t->way == UNMAP)
			map_fixed(b.dst->addr, LEN);	/* ours again, to unmap */
	}
}

/* --- invalidations while traffic runs --- */

struct disturber {
	pthread_t thread;
	uint8_t *addr;
	size_t len;
	bool stop;
	void (*disturb)(struct disturber *d);
};

static void disturb_fork(struct disturber *d)
{
	pid_t pid = rc_fork();

	(void)d;
	if (!pid)
		_exit(EXIT_SUCCESS);
	waitpid(pid, NULL, 0);
}

static void disturb_pageout(struct disturber *d)
{
	madvise(d->addr, d->len, MADV_PAGEOUT);
	madvise(d->addr, d->len, MADV_COLLAPSE);
}

/* The neighbours in the same span come and go. */
static void disturb_neighbours(struct disturber *d)
{
	uint8_t *next = d->addr + d->len;

	memset(next, 1, d->len);
	rc_ok(madvise(next, d->len, MADV_DONTNEED));
	rc_ok(mprotect(next, d->len, PROT_READ));
	rc_ok(mprotect(next, d->len, PROT_READ | PROT_WRITE));
}

static void *disturber_run(void *arg)
{
	struct disturber *d = arg;

	while (!__atomic_load_n(&d->stop, __ATOMIC_ACQUIRE))
		d->disturb(d);
	return NULL;
}

static void traffic_while(const void *arg, void (*disturb)(struct disturber *d))
{
	size_t len = 256 * KIB;
	uint8_t *map = rc_map(2 * len, 0);
	struct bench b = bench_at(arg, map, len);
	struct disturber d = { .addr = map, .len = len, .disturb = disturb };

	rc_ok(pthread_create(&d.thread, NULL, disturber_run, &d));
	for (unsigned int i = 0; i < 50 * rc_opts.rounds; i++)
		check(&b);
	__atomic_store_n(&d.stop, true, __ATOMIC_RELEASE);
	rc_ok(pthread_join(d.thread, NULL));
}

static void traffic_while_forking(const void *arg)
{
	traffic_while(arg, disturb_fork);
}

static void traffic_while_paging_out(const void *arg)
{
	traffic_while(arg, disturb_pageout);
}

static void traffic_beside_changes(const void *arg)
{
	traffic_while(arg, disturb_neighbours);
}

static const enum rc_kind kinds[] = { RC_ODP, RC_IMPLICIT };

static const struct taking takings[] = {
	{ RC_ODP, UNMAP }, { RC_ODP, READ_ONLY }, { RC_ODP, REMAP }, { RC_ODP, DEREG },
	{ RC_IMPLICIT, UNMAP }, { RC_IMPLICIT, READ_ONLY }, { RC_IMPLICIT, REMAP },
	{ RC_IMPLICIT, DEREG }, { RC_PINNED, DEREG },
};

static const struct {
	rc_fn fn;
	const char *name;
} topics[] = {
	{ dontneed, "dontneed" },
	{ advices, "advices" },
	{ remap_in_place, "remap_in_place" },
	{ hole_then_mapped, "hole_then_mapped" },
	{ move_pages, "move_pages" },
	{ move_keeps_data, "move_keeps_data" },
	{ protect_and_back, "protect_and_back" },
	{ fork_and_write, "fork_and_write" },
	{ fork_read_then_write, "fork_read_then_write" },
	{ huge_pages, "huge_pages" },
	{ file_shared, "file_shared" },
	{ file_private, "file_private" },
	{ file_truncated, "file_truncated" },
	{ file_hole_punched, "file_hole_punched" },
	{ traffic_while_forking, "traffic_while_forking" },
	{ traffic_while_paging_out, "traffic_while_paging_out" },
	{ traffic_beside_changes, "traffic_beside_changes" },
};

static void add_tests(void)
{
	static const char *const ways[] = { "munmap", "mprotect", "mmap_over", "dereg_mr" };

	for (size_t t = 0; t < ARRAY_SIZE(topics); t++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			rc_test(topics[t].fn, &kinds[k], "%s_%s", topics[t].name,
				rc_kind_name[kinds[k]]);
	for (size_t t = 0; t < ARRAY_SIZE(takings); t++)
		rc_test(quiet_after, &takings[t], "quiet_after_%s_%s",
			ways[takings[t].way], rc_kind_name[takings[t].kind]);
}

int main(int argc, char **argv)
{
	return rc_main(argc, argv, add_tests);
}
