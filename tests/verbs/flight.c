// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Many requests in flight: mixed operations, order, fences, signaling, queue limits. */
#include <pthread.h>
#include <sys/mman.h>

#include "rc.h"

#define SLOTS		48
#define SLOT		(16 * KIB)
#define TIGHT_SLOT	320	/* several of them share a page */
#define ARENA		(SLOTS * SLOT)

/* --- a storm of mixed requests, both ways --- */

struct flow {
	struct rc_end *from, *to;
	struct vt_mem *local, *remote;
	uint8_t *want_local, *want_remote;
	size_t slot;
	struct vt_wr wr[SLOTS];
	uint32_t recv_len[SLOTS];
	int recvs;
};

static struct vt_mem *filled(struct rc_end *end, enum vt_kind kind, uint8_t **shadow)
{
	struct vt_mem *mem = vt_mem_new(end->pd, kind, ARENA, VT_ACCESS_ALL);

	*shadow = vt_map(ARENA, 0);
	vt_fill(*shadow, ARENA);
	memcpy(mem->addr, *shadow, ARENA);
	return mem;
}

static void flow_init(struct flow *flow, struct rc_end *from, struct rc_end *to,
		      enum vt_kind local, enum vt_kind remote)
{
	flow->from = from;
	flow->to = to;
	flow->slot = SLOT;
	flow->recvs = 0;
	flow->local = filled(from, local, &flow->want_local);
	flow->remote = filled(to, remote, &flow->want_remote);
}

static void expect_atomic(struct flow *flow, struct vt_wr *wr, size_t off)
{
	uint64_t old, add = vt_rand(), swap = vt_rand(), new;

	memcpy(&old, flow->want_remote + off, 8);
	if (wr->wr.opcode == IBV_WR_ATOMIC_CMP_AND_SWP) {
		add = vt_chance(50) ? old : add;
		new = add == old ? swap : old;
	} else {
		new = old + add;
	}
	vt_wr_atomic(wr, add, swap);
	memcpy(flow->want_remote + off, &new, 8);
	memcpy(flow->want_local + off, &old, 8);
}

/*
 * Post a receive. At times the first part of the message goes behind the rest, and there is
 * spare room.
 */
static void post_recv(struct flow *flow, const struct rc_op *op, size_t off, size_t len)
{
	size_t first = len > 1 && vt_chance(30) ? 1 + vt_below(len - 1) : len;
	size_t rest = len - first;
	struct ibv_sge sge[2] = {
		vt_sge(flow->remote, off + rest, first),
		vt_sge(flow->remote, off, rest),
	};
	int num = rest ? 2 : 1;

	sge[num - 1].length += vt_below(8);
	flow->recv_len[flow->recvs] = len;
	vt_ok(rc_post_recv(flow->to, flow->recvs++, sge, num));
	if (op->rdma)
		return;
	memcpy(flow->want_remote + off + rest, flow->want_local + off, first);
	memcpy(flow->want_remote + off, flow->want_local + off + first, rest);
}

/* Build the request of slot @i and apply it to the shadows. */
static void fill_slot(struct flow *flow, int i, const struct rc_op *op, size_t len)
{
	size_t off = i * flow->slot + (-flow->remote->iova & 7);
	struct vt_wr *wr = &flow->wr[i];

	if (!op->atomic)
		off += vt_below(flow->slot - 16 - len + 1);
	vt_wr_init(wr, op->op, i);
	vt_wr_local(wr, flow->local, off, len);
	wr->wr.send_flags = 0;
	if (i == SLOTS - 1 || vt_chance(30))
		wr->wr.send_flags |= IBV_SEND_SIGNALED;
	if (vt_chance(20))
		wr->wr.send_flags |= IBV_SEND_FENCE;
	if (!op->fetches && len <= 64)
		vt_wr_inline(wr, flow->local);
	wr->wr.imm_data = i;
	if (op->rdma)
		vt_wr_remote(wr, flow->remote, off);
	if (op->atomic)
		expect_atomic(flow, wr, off);
	else if (op->fetches)
		memcpy(flow->want_local + off, flow->want_remote + off, len);
	else if (op->rdma)
		memcpy(flow->want_remote + off, flow->want_local + off, len);
	if (op->recv)
		post_recv(flow, op, off, len);
}

/* Post slots @from to @to as one chain. */
static void post_chain(struct flow *flow, int from, int to)
{
	struct ibv_send_wr *bad;

	vt_wr_chain(&flow->wr[from], to - from);
	vt_ok(ibv_post_send(flow->from->qp, &flow->wr[from].wr, &bad));
}

static void flow_post(struct flow *flow)
{
	int next;

	for (int i = 0; i < SLOTS; i++) {
		const struct rc_op *op = &rc_ops[vt_below(RC_OPS)];

		fill_slot(flow, i, op, op->atomic ? 8 : vt_length(SLOT - 16, 1024));
	}
	for (int i = 0; i < SLOTS; i = next) {
		next = i + 1 + vt_below(16);
		next = next < SLOTS ? next : SLOTS;
		post_chain(flow, i, next);
	}
}

static void flow_finish(struct flow *flow)
{
	for (int i = 0; i < SLOTS; i++)
		if (flow->wr[i].wr.send_flags & IBV_SEND_SIGNALED)
			vt_want(flow->from->scq, i, IBV_WC_SUCCESS);
	for (int i = 0; i < flow->recvs; i++) {
		struct ibv_wc wc = vt_want(flow->to->rcq, i, IBV_WC_SUCCESS);

		vt_require(wc.byte_len == flow->recv_len[i], "received %u bytes of %u",
			   wc.byte_len, flow->recv_len[i]);
	}
	vt_want_none(flow->from->scq, 2);
	vt_want_none(flow->to->rcq, 2);
	vt_require(!memcmp(flow->local->addr, flow->want_local, ARENA), "local data differ");
	vt_require(!memcmp(flow->remote->addr, flow->want_remote, ARENA),
		   "remote data differ");
	vt_mem_guards(flow->local);
	vt_mem_guards(flow->remote);
}

static void storm(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;
	struct rc_pair *pair;
	unsigned int mtus[5];
	struct flow there, back;

	vt_need_kind(vt_dev(0), kind, 0x1f);
	vt_need_kind(vt_dev(1), kind, 0x1f);
	for (unsigned int i = 0; i < 8 * vt_opts.rounds; i++) {
		struct rc_attr attr = rc_attr_default;

		attr.mtu = mtus[vt_below(rc_mtus(mtus))];
		attr.rd_atomic = 1 + vt_below(16);
		pair = rc_pair_new(&attr);
		flow_init(&there, &pair->a, &pair->b, kind, kind);
		flow_init(&back, &pair->b, &pair->a, kind, kind);
		flow_post(&there);
		flow_post(&back);
		flow_finish(&there);
		flow_finish(&back);
	}
}

/* --- small requests, posted together --- */

/*
 * Drop the target's pages: the first request waits for a fault, and the others wait behind
 * it.
 */
static void chill(struct flow *flow)
{
	uintptr_t from = ((uintptr_t)flow->remote->addr + 4095) & ~4095UL;
	uintptr_t to = ((uintptr_t)flow->remote->addr + ARENA) & ~4095UL;

	vt_ok(madvise((void *)from, to - from, MADV_DONTNEED));
	memset(flow->want_remote + (from - (uintptr_t)flow->remote->addr), 0, to - from);
}

/*
 * Post runs of similar requests in one chain: they share the buffers of packets, and on one
 * device the lookups made for the requests before them.
 */
static void small_post(struct flow *flow)
{
	int run;

	flow->slot = vt_chance(50) ? TIGHT_SLOT : SLOT;
	for (int i = 0; i < SLOTS; i += run) {
		const struct rc_op *op = &rc_ops[vt_below(RC_OPS)];
		size_t len = op->atomic ? 8 : vt_below(300);

		run = 1 + vt_below(SLOTS - i);
		for (int j = i; j < i + run; j++)
			fill_slot(flow, j, op, len);
	}
	post_chain(flow, 0, SLOTS);
}

static void small(const void *arg)
{
	enum vt_kind kind = *(const enum vt_kind *)arg;
	struct rc_pair *pair;
	struct flow there, back;

	vt_need_kind(vt_dev(0), kind, 0x1f);
	vt_need_kind(vt_dev(1), kind, 0x1f);
	pair = rc_pair();
	flow_init(&there, &pair->a, &pair->b, kind, kind);
	flow_init(&back, &pair->b, &pair->a, kind, kind);
	for (unsigned int i = 0; i < 40 * vt_opts.rounds; i++) {
		there.recvs = 0;
		back.recvs = 0;
		if (kind != VT_PINNED && vt_chance(50))
			chill(&there);
		small_post(&there);
		small_post(&back);
		flow_finish(&there);
		flow_finish(&back);
	}
}

/* --- order --- */

/* A fenced request sends the data that the READ before it fetched. */
static void fence(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *here = vt_mem_new(pair->a.pd, VT_PINNED, 64 * KIB, VT_ACCESS_ALL);
	struct vt_mem *there = vt_mem_new(pair->b.pd, VT_PINNED, 128 * KIB, VT_ACCESS_ALL);
	struct vt_wr read, write;

	(void)arg;
	for (unsigned int i = 0; i < 50 * vt_opts.rounds; i++) {
		size_t len = 1 + vt_below(64 * KIB);

		vt_fill(there->addr, 64 * KIB);
		vt_wr_init(&read, IBV_WR_RDMA_READ, 1);
		vt_wr_local(&read, here, 0, len);
		vt_wr_remote(&read, there, 0);
		read.wr.send_flags = 0;
		read.wr.next = &write.wr;
		vt_wr_init(&write, IBV_WR_RDMA_WRITE, 2);
		vt_wr_local(&write, here, 0, len);
		vt_wr_remote(&write, there, 64 * KIB);
		write.wr.send_flags |= IBV_SEND_FENCE;
		vt_ok(rc_post(&pair->a, &read));
		vt_want(pair->a.scq, 2, IBV_WC_SUCCESS);
		vt_require(!memcmp(there->addr, there->addr + 64 * KIB, len),
			   "the fenced WRITE sent what was not read yet");
	}
}

/* A SEND is received after the WRITEs before it have been placed. */
static void write_then_send(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, 256 * KIB, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_new(pair->b.pd, VT_PINNED, 256 * KIB, VT_ACCESS_ALL);
	struct vt_wr write, send;

	(void)arg;
	for (unsigned int i = 0; i < 50 * vt_opts.rounds; i++) {
		size_t len = vt_below(256 * KIB);

		vt_fill(src->addr, len);
		vt_ok(rc_post_recv(&pair->b, i, NULL, 0));
		vt_wr_init(&write, IBV_WR_RDMA_WRITE, 1);
		vt_wr_local(&write, src, 0, len);
		vt_wr_remote(&write, dst, 0);
		write.wr.send_flags = 0;
		write.wr.next = &send.wr;
		vt_wr_init(&send, IBV_WR_SEND, 2);
		vt_ok(rc_post(&pair->a, &write));
		vt_want(pair->b.rcq, i, IBV_WC_SUCCESS);
		vt_require(!memcmp(src->addr, dst->addr, len), "data differ");
		vt_want(pair->a.scq, 2, IBV_WC_SUCCESS);
	}
}

/* Poll for the last byte of a WRITE; then the rest must be there. */
static void write_poll_memory(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, 64 * KIB, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_new(pair->b.pd, VT_PINNED, 64 * KIB, VT_ACCESS_ALL);
	struct vt_wr wr;

	(void)arg;
	for (unsigned int i = 0; i < 50 * vt_opts.rounds; i++) {
		size_t len = 1 + vt_below(64 * KIB);
		uint8_t *last = dst->addr + len - 1;
		uint64_t end = vt_now_ms() + vt_patience_ms();

		vt_fill(src->addr, len);
		src->addr[len - 1] = 1 + i % 255;
		*last = 0;
		vt_wr_init(&wr, IBV_WR_RDMA_WRITE, i);
		vt_wr_local(&wr, src, 0, len);
		vt_wr_remote(&wr, dst, 0);
		vt_ok(rc_post(&pair->a, &wr));
		while (!__atomic_load_n(last, __ATOMIC_ACQUIRE))
			vt_require(vt_now_ms() < end, "data do not come");
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
		vt_require(!memcmp(src->addr, dst->addr, len), "data differ");
	}
}

/* --- atomics against each other --- */

#define ADDERS		4
#define ADDS		200

struct adder {
	pthread_t thread;
	struct rc_pair *pair;
	struct vt_mem *local;
	uint64_t remote_addr;
	uint32_t rkey;
	uint64_t *seen;		/* shared: how often each value was returned */
};

static void *adder_run(void *arg)
{
	struct adder *adder = arg;
	struct vt_wr wr;
	uint64_t old;

	for (int i = 0; i < ADDS; i++) {
		vt_wr_init(&wr, IBV_WR_ATOMIC_FETCH_AND_ADD, i);
		vt_wr_local(&wr, adder->local, 0, 8);
		wr.wr.wr.atomic.remote_addr = adder->remote_addr;
		wr.wr.wr.atomic.rkey = adder->rkey;
		vt_wr_atomic(&wr, 1, 0);
		vt_ok(rc_post(&adder->pair->a, &wr));
		vt_want(adder->pair->a.scq, i, IBV_WC_SUCCESS);
		memcpy(&old, adder->local->addr, 8);
		vt_require(old < ADDERS * ADDS, "read %llu", (unsigned long long)old);
		__atomic_fetch_add(&adder->seen[old], 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* FETCH_ADD of many QPs on one word: each value is returned exactly once. */
static void fetch_add_contended(const void *arg)
{
	uint64_t *word = vt_map(4096, 0), *seen = vt_map(ADDERS * ADDS * 8, 0);
	struct adder adders[ADDERS];

	(void)arg;
	for (int i = 0; i < ADDERS; i++) {
		struct rc_pair *pair = rc_pair();
		struct vt_mem *target = vt_mem_at(pair->b.pd, VT_PINNED, word, 4096,
						  VT_ACCESS_ALL);

		adders[i] = (struct adder){
			.pair = pair,
			.local = vt_mem_new(pair->a.pd, VT_PINNED, 8, VT_ACCESS_ALL),
			.remote_addr = target->iova,
			.rkey = target->mr->rkey,
			.seen = seen,
		};
	}
	for (int i = 0; i < ADDERS; i++)
		vt_ok(pthread_create(&adders[i].thread, NULL, adder_run, &adders[i]));
	for (int i = 0; i < ADDERS; i++)
		vt_ok(pthread_join(adders[i].thread, NULL));
	vt_require(*word == ADDERS * ADDS, "sum is %llu", (unsigned long long)*word);
	for (int i = 0; i < ADDERS * ADDS; i++)
		vt_require(seen[i] == 1, "%d was returned %llu times", i,
			   (unsigned long long)seen[i]);
}

/* --- queue limits --- */

/* A full SQ refuses the next request, reports it in bad_wr, and works again after polling. */
static void send_queue_full(const void *arg)
{
	struct rc_pair *pair = rc_pair();	/* no receives: the SENDs stay in the SQ */
	struct vt_wr wr;
	int posted = 0;

	(void)arg;
	vt_wr_init(&wr, IBV_WR_SEND, 0);
	while (posted < 100000 && !rc_post(&pair->a, &wr))
		wr.wr.wr_id = ++posted;
	vt_require(posted >= (int)rc_attr_default.wr, "full after %d", posted);
	vt_require(posted < 100000, "never full");
	for (int i = 0; i < posted; i++) {
		vt_ok(rc_post_recv(&pair->b, i, NULL, 0));
		vt_want(pair->b.rcq, i, IBV_WC_SUCCESS);
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
	}
	rc_works(pair);
}

static void recv_queue_full(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	int posted = 0;

	(void)arg;
	while (posted < 100000 && !rc_post_recv(&pair->b, posted, NULL, 0))
		posted++;
	vt_require(posted >= (int)rc_attr_default.wr, "full after %d", posted);
	vt_require(posted < 100000, "never full");
	rc_works(pair);
}

/* In a chain with a bad request those before it are posted, and bad_wr points to it. */
static void bad_request_in_chain(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct ibv_send_wr *bad = NULL;
	struct rc_pair *pair;
	struct vt_wr wr[3];

	(void)arg;
	attr.sge = 1;
	attr.inline_len = 0;
	pair = rc_pair_new(&attr);
	for (int i = 0; i < 3; i++)
		vt_wr_init(&wr[i], IBV_WR_SEND, i);
	vt_wr_chain(wr, 3);
	wr[1].wr.num_sge = ARRAY_SIZE(wr[1].sge);
	vt_ok(rc_post_recv(&pair->b, 7, NULL, 0));
	vt_require(ibv_post_send(pair->a.qp, &wr[0].wr, &bad), "it was posted");
	vt_require(bad == &wr[1].wr, "wrong bad_wr");
	vt_want(pair->a.scq, 0, IBV_WC_SUCCESS);
	vt_want(pair->b.rcq, 7, IBV_WC_SUCCESS);
	vt_want_none(pair->a.scq, 20);
	rc_works(pair);
}

static void inline_too_long(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = vt_mem_new(pair->a.pd, VT_PINNED, 64 * KIB, VT_ACCESS_ALL);
	struct vt_wr wr;

	(void)arg;
	vt_wr_init(&wr, IBV_WR_SEND, 0);
	vt_wr_local(&wr, mem, 0, mem->len);
	vt_wr_inline(&wr, mem);
	vt_require(rc_post(&pair->a, &wr), "64 KiB went inline");
	rc_works(pair);
}

/* Two elements of 1.5 GiB are more than one message may carry. */
static void message_too_long(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_wr wr;

	(void)arg;
	vt_wr_init(&wr, IBV_WR_RDMA_WRITE, 5);
	wr.sge[0].length = 3U << 29;
	wr.sge[1].length = 3U << 29;
	wr.wr.num_sge = 2;
	vt_ok(rc_post(&pair->a, &wr));
	vt_want(pair->a.scq, 5, IBV_WC_LOC_LEN_ERR);
}

/* sq_sig_all: every request completes, signaled or not. */
static void signal_all(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_pair *pair;
	struct vt_wr wr;

	(void)arg;
	attr.sig_all = true;
	pair = rc_pair_new(&attr);
	for (int i = 0; i < 10; i++) {
		vt_ok(rc_post_recv(&pair->b, i, NULL, 0));
		vt_wr_init(&wr, IBV_WR_SEND, i);
		wr.wr.send_flags = 0;
		vt_ok(rc_post(&pair->a, &wr));
	}
	for (int i = 0; i < 10; i++)
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
}

/* Ten thousand unsignaled requests go through a queue of 64. */
static void unsignaled_wrap(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, 64, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_new(pair->b.pd, VT_PINNED, 64, VT_ACCESS_ALL);
	struct vt_wr wr;

	(void)arg;
	for (int i = 0; i < 10000; i++) {
		bool last = i % 32 == 31;

		vt_wr_init(&wr, IBV_WR_RDMA_WRITE, i);
		vt_wr_local(&wr, src, 0, 8);
		vt_wr_remote(&wr, dst, 0);
		memcpy(src->addr, &i, sizeof(i));
		wr.wr.send_flags = last ? IBV_SEND_SIGNALED : 0;
		vt_wr_inline(&wr, src);
		vt_ok(rc_post(&pair->a, &wr));
		if (!last)
			continue;
		vt_want(pair->a.scq, i, IBV_WC_SUCCESS);
		vt_require(!memcmp(dst->addr, &i, sizeof(i)), "data differ");
	}
}

static const enum vt_kind kinds[VT_KINDS] = { VT_PINNED, VT_ODP, VT_IMPLICIT };

static void add_tests(void)
{
	for (int i = 0; i < VT_KINDS; i++)
		vt_test(storm, &kinds[i], "storm_%s", vt_kind_name[i]);
	for (int i = 0; i < VT_KINDS; i++)
		vt_test(small, &kinds[i], "small_%s", vt_kind_name[i]);
	VT_TEST(fence);
	VT_TEST(write_then_send);
	VT_TEST(write_poll_memory);
	VT_TEST(fetch_add_contended);
	VT_TEST(send_queue_full);
	VT_TEST(recv_queue_full);
	VT_TEST(bad_request_in_chain);
	VT_TEST(inline_too_long);
	VT_TEST(message_too_long);
	VT_TEST(signal_all);
	VT_TEST(unsignaled_wrap);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
