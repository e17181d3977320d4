// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Copies by a DMA engine (89-dma sets one up). The data must be right. Once a call has
 * unmapped memory, or a completion has ended a request, the engine must not write that
 * memory any more. So the tests reuse freed memory at once, and check it when the engine
 * must have finished. The tests whose names begin with "sent" are about the memory that
 * packets get their payload from: nothing that is put there later may reach the peer.
 *
 * NOPIN_DMA_BYTES (131072): the longest message; some engines need 0.1 ms for a byte.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp_system.h"
#include "rc.h"

#define PAGE	4096UL

static size_t longest(void)
{
	const char *bytes = getenv("NOPIN_DMA_BYTES");

	return bytes ? vt_number(bytes, 64, 4 * MIB) : 128 * KIB;
}

/* Size of the memory: twice the longest message, as more would only be slower. */
static size_t arena(void)
{
	return (2 * longest() + 4 * PAGE) & ~(PAGE - 1);
}

/* A pair whose operations copy from or to @far, memory at end b mapped at @map. */
struct bench {
	struct rc_pair *pair;
	struct vt_mem *near, *far;
	uint8_t *map;
	long long copies;
};

/* The number of copies that engines have made or have failed to make. */
static long long copies(const struct bench *b)
{
	return vt_counter(b->pair->a.dev, "dma_copies") +
	       vt_counter(b->pair->b.dev, "dma_copies") +
	       vt_counter(b->pair->a.dev, "dma_errors") +
	       vt_counter(b->pair->b.dev, "dma_errors");
}

static struct bench bench_new_mtu(const void *kind, unsigned int mtu)
{
	enum vt_kind far = *(const enum vt_kind *)kind;
	struct rc_attr attr = rc_attr_default;
	struct bench b = {};

	attr.mtu = mtu;
	b.pair = rc_pair_new(&attr);
	vt_need_kind(b.pair->b.dev, far, 0);
	b.near = vt_mem_new(b.pair->a.pd, VT_PINNED, arena(), VT_ACCESS_ALL);
	vt_fill(b.near->addr, arena());
	b.map = vt_map(arena(), 0);
	memset(b.map, 1, arena());
	b.far = vt_mem_at(b.pair->b.pd, far, b.map, arena(), VT_ACCESS_ALL);
	b.copies = copies(&b);
	return b;
}

static struct bench bench_new(const void *kind)
{
	return bench_new_mtu(kind, rc_attr_default.mtu);
}

/* Check that an engine made, or failed to make, a copy since the last call. */
static void want_copies(struct bench *b)
{
	long long now = copies(b);

	vt_require(now > b->copies, "no DMA engine has copied anything");
	b->copies = now;
}

static size_t some_length(void)
{
	return longest() / 2 + vt_below(longest() / 2) + 1;
}

static void compare(const uint8_t *is, const uint8_t *want, size_t len, const char *what)
{
	for (size_t i = 0; memcmp(is, want, len) && i < len; i++)
		vt_require(is[i] == want[i], "%s: byte %zu of %zu is %#x, not %#x", what, i,
			   len, is[i], want[i]);
}

static void data(const void *kind)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_SEND,
	};
	struct bench b = bench_new(kind);
	uint8_t *want = vt_map(arena(), 0);

	for (unsigned int i = 0; i < 6 * vt_opts.rounds; i++) {
		enum ibv_wr_opcode op = opcodes[i % ARRAY_SIZE(opcodes)];
		size_t len = some_length(), from = vt_below(arena() - len);
		size_t to = vt_below(arena() - len);
		const struct vt_mem *dst = op == IBV_WR_RDMA_READ ? b.near : b.far;
		const struct vt_mem *src = op == IBV_WR_RDMA_READ ? b.far : b.near;
		struct ibv_sge sge = vt_sge(b.far, to, len);

		vt_fill(src->addr, arena());
		memcpy(want, dst->addr, arena());
		memcpy(want + to, src->addr + from, len);
		if (op == IBV_WR_SEND)
			vt_ok(rc_post_recv(&b.pair->b, i, &sge, 1));
		if (op == IBV_WR_RDMA_READ)
			rc_do(&b.pair->a, op, b.near, to, b.far, from, len, IBV_WC_SUCCESS);
		else
			rc_do(&b.pair->a, op, b.near, from, b.far, to, len, IBV_WC_SUCCESS);
		if (op == IBV_WR_SEND)
			vt_want(b.pair->b.rcq, i, IBV_WC_SUCCESS);
		compare(dst->addr, want, arena(), "data");
	}
	want_copies(&b);
}

static long long sent_bytes(const struct bench *b)
{
	return vt_counter(b->pair->b.dev, "dma_bytes");
}

/* Post a request to move @len bytes of @b->far to @b->near, and wait for its end. */
static void send_some(struct bench *b, const struct rc_op *op, size_t from, size_t to,
		      size_t len)
{
	struct rc_end *end = op->fetches ? &b->pair->a : &b->pair->b;
	const struct vt_mem *local = op->fetches ? b->near : b->far;
	const struct vt_mem *remote = op->fetches ? b->far : b->near;
	size_t off = op->fetches ? to : from, left = len, part;
	struct ibv_sge sge = vt_sge(b->near, to, len);
	struct vt_wr wr;

	vt_wr_init(&wr, op->op, 1);
	for (int parts = 1 + vt_below(4); left; left -= part, off += part) {
		part = --parts ? 1 + vt_below(left) : left;
		vt_wr_local(&wr, local, off, part);
	}
	if (op->rdma)
		vt_wr_remote(&wr, remote, op->fetches ? from : to);
	if (op->recv)
		vt_ok(rc_post_recv(&b->pair->a, 2, &sge, !op->rdma));
	vt_ok(rc_post(end, &wr));
	vt_want(end->scq, 1, IBV_WC_SUCCESS);
	if (op->recv)
		vt_want(b->pair->a.rcq, 2, IBV_WC_SUCCESS);
}

/*
 * Send from memory by every operation that has data, with lists of all kinds, and compare
 * what has arrived. Return: the number of bytes.
 */
static long long send_all(struct bench *b, unsigned int rounds)
{
	uint8_t *want = vt_map(arena(), 0);
	long long sent = 0;

	for (unsigned int i = 0; i < rounds * RC_OPS; i++) {
		size_t len = some_length(), from = vt_below(arena() - len);
		const struct rc_op *op = &rc_ops[i % RC_OPS];
		size_t to = vt_below(arena() - len);

		if (op->atomic)
			continue;
		vt_fill(b->map, arena());
		memcpy(want, b->near->addr, arena());
		memcpy(want + to, b->map + from, len);
		send_some(b, op, from, to, len);
		compare(b->near->addr, want, arena(), op->name);
		sent += len;
	}
	return sent;
}

/*
 * The engine gathers the payload of packets. The CPU's part is the end of a message, if that
 * is shorter than copy_min or than any packet, and a packet whose page was missing.
 */
static void sent(const void *kind)
{
	unsigned int mtus[5];
	size_t n = rc_mtus(mtus);

	for (size_t m = 0; m < n; m++) {
		struct bench b = bench_new_mtu(kind, mtus[m]);
		long long before, bytes;

		send_some(&b, rc_op(IBV_WR_RDMA_WRITE), 0, 0, arena() / 2);
		before = sent_bytes(&b);
		bytes = send_all(&b, vt_opts.rounds);
		before = sent_bytes(&b) - before;
		vt_require(before >= bytes - bytes / 20,
			   "MTU %u: the engine copied %lld bytes of %lld", mtus[m], before,
			   bytes);
	}
}

/* The same with an engine or a network that fails. */
static void sent_anyhow(const void *kind)
{
	struct bench b = bench_new(kind);

	send_all(&b, 2 * vt_opts.rounds);
	want_copies(&b);
}

static void start(struct bench *b, uint64_t id)
{
	size_t len = some_length(), from = vt_below(arena() - len);
	size_t to = vt_below(arena() - len);

	rc_start(&b->pair->a, IBV_WR_RDMA_WRITE, id, b->near, from, b->far, to, len);
}

static void all_are(const uint8_t *p, size_t len, uint8_t value, const char *what)
{
	if (p[0] == value && !memcmp(p, p + 1, len - 1))
		return;
	for (size_t i = 0; i < len; i++)
		vt_require(p[i] == value, "%s: byte %zu became %#x", what, i, p[i]);
}

/* Allocate and fill memory: the kernel hands out the pages that were just freed. */
static uint8_t *put_to_use(void)
{
	uint8_t *other = mmap(NULL, 4 * arena(), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	vt_require(other != MAP_FAILED, "mmap");
	memset(other, 0x77, 4 * arena());
	return other;
}

static void check_use(uint8_t *other)
{
	all_are(other, 4 * arena(), 0x77, "other memory");
	munmap(other, 4 * arena());
}

static void protect(struct bench *b)
{
	vt_ok(mprotect(b->map, arena(), PROT_READ));
	vt_ok(mprotect(b->map, arena(), PROT_READ | PROT_WRITE));
}

static void dontneed(struct bench *b)
{
	vt_ok(madvise(b->map, arena(), MADV_DONTNEED));
}

static void pageout(struct bench *b)
{
	odp_page_out(b->map, arena());
}

static void map_over(struct bench *b)
{
	vt_require(mmap(b->map, arena(), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == b->map, "mmap");
}

static void move_away(struct bench *b)
{
	void *place = mmap(NULL, arena(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	vt_require(mremap(b->map, arena(), arena(), MREMAP_MAYMOVE | MREMAP_FIXED, place) ==
		   place, "mremap");
	map_over(b);
	munmap(place, arena());
}

static void fork_away(struct bench *b)
{
	int pid = vt_fork();

	if (!pid) {
		memset(b->map, 3, arena());
		_exit(0);
	}
	memset(b->map, 2, arena());
	vt_wait_child(pid, vt_patience_ms());
}

static const struct event {
	const char *name;
	void (*fn)(struct bench *b);
	bool gap;	/* for a moment the memory cannot be written */
	bool swap;	/* it takes swap */
} events[] = {
	{ "dontneed", dontneed, false, false }, { "map_over", map_over, false, false },
	{ "protect", protect, true, false }, { "pageout", pageout, false, true },
	{ "fork", fork_away, false, false }, { "moved", move_away, true, false },
};

/* The request succeeds, in the new pages; or, with @gap, it may fail in the gap. */
static void taken_away_ends(struct bench *b, uint64_t id, bool gap)
{
	struct ibv_wc wc = vt_poll(b->pair->a.scq);

	vt_require(wc.wr_id == id, "another request");
	if (gap && wc.status == IBV_WC_REM_ACCESS_ERR) {
		vt_drain(b->pair->a.scq);
		rc_reconnect(b->pair);
		return;
	}
	vt_require(wc.status == IBV_WC_SUCCESS, "status %s", ibv_wc_status_str(wc.status));
}

/* The kernel takes pages away while the engine copies. */
static void taken_away(const void *arg)
{
	static const enum vt_kind kind = VT_ODP;
	const struct event *event = arg;
	struct bench b = bench_new(&kind);
	long out;

	if (event->swap)
		odp_swap_on(64);
	out = odp_paged_out();
	for (unsigned int i = 0; i < 2 * vt_opts.rounds; i++) {
		uint8_t *other;

		start(&b, i);
		if (vt_chance(50))
			usleep(vt_below(longest() < 10000 ? 200000 : 200));
		event->fn(&b);
		other = put_to_use();
		taken_away_ends(&b, i, event->gap);
		check_use(other);
	}
	if (event->swap)
		odp_want_paged_out(out);
	want_copies(&b);
}

/* Post a request that moves bytes of @b->far to @b->near. Return: the end that posted it. */
static struct rc_end *start_sending(struct bench *b, uint64_t id)
{
	size_t len = some_length(), from = vt_below(arena() - len);
	size_t to = vt_below(arena() - len);
	bool read = vt_chance(50);
	struct rc_end *end = read ? &b->pair->a : &b->pair->b;

	if (read)
		rc_start(end, IBV_WR_RDMA_READ, id, b->near, to, b->far, from, len);
	else
		rc_start(end, IBV_WR_RDMA_WRITE, id, b->far, from, b->near, to, len);
	return end;
}

/* No byte of this value was in the memory while a request could read it. */
static void has_none(const struct bench *b, uint8_t value, const char *what)
{
	const uint8_t *found = memchr(b->near->addr, value, arena());

	vt_require(!found, "%s: byte %zu is %#x", what, (size_t)(found - b->near->addr), value);
}

static void sent_ends(struct bench *b, struct rc_end *end, bool gap)
{
	struct ibv_wc wc = vt_poll(end->scq);

	if (wc.status == IBV_WC_SUCCESS)
		return;
	vt_require(gap && (wc.status == IBV_WC_REM_ACCESS_ERR ||
			   wc.status == IBV_WC_LOC_PROT_ERR),
		   "status %s", ibv_wc_status_str(wc.status));
	rc_reconnect(b->pair);
}

/* A page in the middle of a message is not there: the request fails, and does so in time. */
static void sent_hole(const void *kind)
{
	struct bench b = bench_new(kind);

	for (unsigned int i = 0; i < 4 * vt_opts.rounds; i++) {
		enum ibv_wc_status want = i % 2 ? IBV_WC_REM_ACCESS_ERR : IBV_WC_LOC_PROT_ERR;
		size_t len = 3 * PAGE + vt_below(arena() - 3 * PAGE);
		size_t hole = (1 + vt_below(len / PAGE - 1)) * PAGE;
		struct rc_end *end = i % 2 ? &b.pair->a : &b.pair->b;

		vt_ok(mprotect(b.map + hole, PAGE, PROT_NONE));
		if (i % 2)
			rc_do(end, IBV_WR_RDMA_READ, b.near, 0, b.far, 0, len, want);
		else
			rc_do(end, IBV_WR_RDMA_WRITE, b.far, 0, b.near, 0, len, want);
		vt_ok(mprotect(b.map + hole, PAGE, PROT_READ | PROT_WRITE));
		rc_reconnect(b.pair);
	}
}

/* The kernel takes pages away while packets are filled from them, and reuses them. */
static void sent_taken_away(const void *arg)
{
	static const enum vt_kind kind = VT_ODP;
	const struct event *event = arg;
	struct bench b = bench_new(&kind);

	if (event->swap)
		odp_swap_on(64);
	for (unsigned int i = 0; i < 4 * vt_opts.rounds; i++) {
		struct rc_end *end;
		uint8_t *other;

		memset(b.map, 1, arena());
		memset(b.near->addr, 1, arena());
		end = start_sending(&b, i);
		if (vt_chance(50))
			usleep(vt_below(longest() < 10000 ? 200000 : 200));
		event->fn(&b);
		other = put_to_use();
		sent_ends(&b, end, event->gap);
		has_none(&b, 0x77, "other memory");
		has_none(&b, 3, "memory of the child");
		check_use(other);
	}
	want_copies(&b);
}

/*
 * When the end that sends is in the error state or is reset, or the region is gone, the
 * program may use the memory for something else.
 */
static void sent_ended(const void *kind)
{
	static const enum ibv_qp_state states[] = { IBV_QPS_ERR, IBV_QPS_RESET };
	struct bench b = bench_new(kind);

	for (unsigned int i = 0; i < 6 * vt_opts.rounds; i++) {
		memset(b.map, 1, arena());
		memset(b.near->addr, 1, arena());
		for (unsigned int n = 0; n < 3; n++)
			start_sending(&b, n);
		if (i % 3 < 2)
			vt_ok(rc_to_state(&b.pair->b, states[i % 3]));
		else
			vt_release(b.far->mr);
		memset(b.map, 0x55, arena());
		vt_sleep_ms(longest() < 10000 ? 500 : 20);
		has_none(&b, 0x55, "after the end");
		rc_reconnect(b.pair);
		if (i % 3 == 2)
			b.far = vt_mem_at(b.pair->b.pd, *(const enum vt_kind *)kind, b.map,
					  arena(), VT_ACCESS_ALL);
	}
	vt_release(b.pair->b.qp);
	want_copies(&b);
}

/*
 * The move to the error state waits for the copy. After it the engine does not write any
 * more.
 */
static void ended(const void *kind)
{
	struct bench b = bench_new(kind);
	struct ibv_wc wc;

	for (unsigned int i = 0; i < 3 * vt_opts.rounds; i++) {
		start(&b, i);
		vt_ok(rc_to_state(i % 2 ? &b.pair->a : &b.pair->b, IBV_QPS_ERR));
		if (i % 2) {
			wc = vt_poll(b.pair->a.scq);
			vt_require(wc.wr_id == i, "another request");
		}
		memset(b.map, 0x55, arena());
		vt_sleep_ms(longest() < 10000 ? 500 : 20);
		if (i % 2)
			all_are(b.map, arena(), 0x55, "after the end");
		vt_drain(b.pair->a.scq);
		rc_reconnect(b.pair);
		vt_drain(b.pair->a.scq);
	}
	want_copies(&b);
}

/* Deregistration waits for the engine. */
static void deregistered(const void *kind)
{
	struct bench b = bench_new(kind);
	uint8_t *other;

	start(&b, 1);
	vt_release(b.far->mr);
	memset(b.map, 0x55, arena());
	other = put_to_use();
	vt_sleep_ms(longest() < 10000 ? 500 : 20);
	all_are(b.map, arena(), 0x55, "after the end");
	check_use(other);
}

/* A process kills itself while copies are in flight. */
static void killed(const void *kind)
{
	int pid = vt_fork(), status;
	struct bench b;

	if (pid) {
		status = vt_wait_child(pid, vt_patience_ms());
		vt_require(status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
			   "the child ended with %#x", status);
		return;
	}
	b = bench_new(kind);
	for (unsigned int i = 0; i < 4; i++)
		start(&b, i);
	raise(SIGKILL);
}

static void add_tests(void)
{
	static const enum vt_kind kinds[] = { VT_PINNED, VT_ODP };
	static const struct {
		const char *name;
		vt_fn fn;
	} tests[] = {
		{ "data", data }, { "ended", ended }, { "deregistered", deregistered },
		{ "killed", killed }, { "sent", sent }, { "sent_anyhow", sent_anyhow },
		{ "sent_ended", sent_ended },
	};

	for (size_t t = 0; t < ARRAY_SIZE(tests); t++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			vt_test(tests[t].fn, &kinds[k], "%s_%s", tests[t].name,
				vt_kind_name[kinds[k]]);
	for (size_t e = 0; e < ARRAY_SIZE(events); e++)
		vt_test(taken_away, &events[e], "taken_away_%s", events[e].name);
	vt_test(sent_hole, &kinds[1], "sent_hole");
	for (size_t e = 0; e < ARRAY_SIZE(events); e++)
		vt_test(sent_taken_away, &events[e], "sent_taken_away_%s", events[e].name);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
