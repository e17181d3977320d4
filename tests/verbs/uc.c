// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Unreliable connections (IBTA 9.8.2): a message arrives whole and in order, or not at all.
 * The next message takes the receive of one that is lost.
 */
#include <arpa/inet.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "odp_system.h"
#include "rc.h"

#define ROOM	70000U	/* bytes of a receive */
#define RECVS	16
#define WIDE	1024U	/* path MTU */
#define PAGE	4096UL

struct uc_end {
	struct rc_end *rc;
	struct vt_mem *src, *dst;
};

struct uc_pair {
	struct rc_pair *rc;
	struct uc_end a, b;
};

static const struct rc_attr *uc_attr(void)
{
	static struct rc_attr attr;

	attr = rc_attr_default;
	attr.type = IBV_QPT_UC;
	attr.mtu = WIDE;
	return &attr;
}

static void end_mem(struct uc_end *end, struct rc_end *rc, enum vt_kind kind)
{
	end->rc = rc;
	end->src = vt_mem_new(rc->pd, kind, ROOM, VT_ACCESS_ALL);
	end->dst = vt_mem_new(rc->pd, kind, RECVS * ROOM, VT_ACCESS_ALL);
}

static void pair_open(struct uc_pair *pair, enum vt_kind kind)
{
	vt_need_kind(vt_dev(1), kind, 0);
	pair->rc = rc_pair_new(uc_attr());
	end_mem(&pair->a, &pair->rc->a, kind);
	end_mem(&pair->b, &pair->rc->b, kind);
}

static void post_recv(struct uc_end *end, uint64_t id, size_t off, size_t len)
{
	struct ibv_sge sge[2] = { vt_sge(end->dst, off, len / 3),
				  vt_sge(end->dst, off + len / 3, len - len / 3) };

	vt_ok(rc_post_recv(end->rc, id, sge, 2));
}

static void send_one(struct uc_end *from, struct vt_wr *wr)
{
	vt_ok(rc_post(from->rc, wr));
	vt_want(from->rc->scq, wr->wr.wr_id, IBV_WC_SUCCESS);
}

static void send_plain(struct uc_end *from, size_t len)
{
	struct vt_wr wr;

	vt_wr_init(&wr, IBV_WR_SEND, 5);
	vt_wr_local(&wr, from->src, 0, len);
	send_one(from, &wr);
}

/* Wait until all earlier messages have been processed: send an empty WRITE with immediate. */
static void flush(struct uc_end *from, struct uc_end *to)
{
	struct vt_wr wr;

	vt_ok(rc_post_recv(to->rc, 99, NULL, 0));
	vt_wr_init(&wr, IBV_WR_RDMA_WRITE_WITH_IMM, 98);
	wr.wr.imm_data = htonl(98);
	wr.wr.num_sge = 0;
	send_one(from, &wr);
	vt_want(to->rc->rcq, 99, IBV_WC_SUCCESS);
}

static void check_recv(const struct rc_op *op, const struct ibv_wc *wc, size_t len)
{
	vt_require(wc->opcode == op->recv_wc && wc->byte_len == len, "opcode %d, %u bytes of %zu",
		   wc->opcode, wc->byte_len, len);
	vt_require(!(wc->wc_flags & IBV_WC_WITH_IMM) == !op->imm, "flags %#x", wc->wc_flags);
	vt_require(!op->imm || wc->imm_data == htonl(0xabc00000 + len), "another immediate");
}

static void exchange(struct uc_end *from, struct uc_end *to, enum ibv_wr_opcode opcode)
{
	const struct rc_op *op = rc_op(opcode);
	size_t len = vt_length(ROOM, WIDE), off = vt_below(ROOM - len + 1);
	size_t at = vt_below(ROOM);
	struct ibv_wc wc;
	struct vt_wr wr;

	vt_fill(from->src->addr + off, len);
	if (op->recv)
		post_recv(to, 7, at, op->rdma ? 0 : len + vt_below(2));
	vt_wr_init(&wr, opcode, 5);
	vt_wr_local(&wr, from->src, off, len);
	if (op->rdma)
		vt_wr_remote(&wr, to->dst, at);
	if (op->imm)
		wr.wr.imm_data = htonl(0xabc00000 + len);
	if (len <= 64 && vt_chance(50))
		vt_wr_inline(&wr, from->src);
	send_one(from, &wr);
	if (op->recv) {
		wc = vt_want(to->rc->rcq, 7, IBV_WC_SUCCESS);
		check_recv(op, &wc, len);
	} else {
		flush(from, to);
	}
	vt_require(!memcmp(to->dst->addr + at, from->src->addr + off, len),
		   "%s: data differ", op->name);
}

static const enum ibv_wr_opcode uc_ops[] = {
	IBV_WR_SEND, IBV_WR_SEND_WITH_IMM, IBV_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE_WITH_IMM,
};

static void works(struct uc_pair *pair)
{
	for (size_t i = 0; i < ARRAY_SIZE(uc_ops); i++) {
		exchange(&pair->a, &pair->b, uc_ops[i]);
		exchange(&pair->b, &pair->a, uc_ops[i]);
	}
}

static void uc_data(const void *arg)
{
	struct uc_pair pair;

	pair_open(&pair, *(const enum vt_kind *)arg);
	for (unsigned int i = 0; i < 40 * vt_opts.rounds; i++)
		works(&pair);
	vt_mem_guards(pair.a.dst);
	vt_mem_guards(pair.b.dst);
}

/* --- messages that may be lost --- */

/* Fill a message with data that depend on its number, so that the receiver can check them. */
static void fill_by_number(uint8_t *p, uint32_t number, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(number * 31 + i * 7 + i / 251);
}

static size_t length_by_number(uint32_t number)
{
	return (number * 2654435761U) % (ROOM - 1) + 1;
}

static void send_number(struct uc_end *from, uint32_t number)
{
	size_t len = length_by_number(number);
	struct vt_wr wr;

	fill_by_number(from->src->addr, number, len);
	vt_wr_init(&wr, IBV_WR_SEND_WITH_IMM, number);
	vt_wr_local(&wr, from->src, 0, len);
	wr.wr.imm_data = htonl(number);
	send_one(from, &wr);
}

/* Check that the oldest receive holds a whole message; returns its number. */
static uint32_t check_number(struct uc_end *to, const struct ibv_wc *wc, uint64_t id,
			     uint8_t *expected)
{
	uint32_t number = ntohl(wc->imm_data);
	size_t len = length_by_number(number);

	vt_require(wc->status == IBV_WC_SUCCESS, "status %d", wc->status);
	vt_require(wc->wr_id == id, "receive %lu for %lu", (unsigned long)wc->wr_id,
		   (unsigned long)id);
	vt_require(wc->byte_len == len, "%u bytes of %zu", wc->byte_len, len);
	fill_by_number(expected, number, len);
	vt_require(!memcmp(to->dst->addr + id % RECVS * ROOM, expected, len),
		   "message %u: data differ", number);
	return number;
}

/* Sends numbered messages until enough have been sent, and one of the last has come. */
static void whole_or_not(enum vt_kind kind, bool in_order)
{
	uint32_t messages = 200 * vt_opts.rounds, number = 0, last = 0, arrived = 0;
	uint8_t *expected = malloc(ROOM);
	struct uc_pair pair;
	struct ibv_wc wc;
	uint64_t id;

	vt_defer(free, expected);
	pair_open(&pair, kind);
	for (id = 0; id < RECVS; id++)
		post_recv(&pair.b, id, id % RECVS * ROOM, ROOM);
	while (number < messages || last < messages) { /* and on until the last ones arrive */
		vt_require(number < 2 * messages, "nothing comes any more");
		send_number(&pair.a, ++number);
		while (vt_poll_for(pair.b.rc->rcq, &wc, 1, number < messages ? 0 : 20) > 0) {
			uint32_t came = check_number(&pair.b, &wc, arrived, expected);

			vt_require(came > last || !in_order, "%u after %u", came, last);
			last = came > last ? came : last;
			post_recv(&pair.b, id, id % RECVS * ROOM, ROOM);
			id++;
			arrived++;
		}
	}
	vt_note("%u of %u messages arrived", arrived, number);
	vt_mem_guards(pair.b.dst);
}

/* Over a network that loses packets, a message that comes is whole, and comes once, in order. */
static void uc_whole_or_not(const void *arg)
{
	whole_or_not(*(const enum vt_kind *)arg, true);
}

/*
 * Over one that doubles or reorders them it is whole as well. As a message may begin with
 * any PSN (IBTA 9.8.2.2), one of a single packet comes as often, and in the order, as its
 * packets do.
 */
static void uc_whole(const void *arg)
{
	whole_or_not(*(const enum vt_kind *)arg, false);
}

/* --- what is refused, and how --- */

/* Without a receive, or with one too short, a message is lost; nothing else happens. */
static void uc_dropped(const void *arg)
{
	struct uc_pair pair;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	send_plain(&pair.a, 100);
	send_plain(&pair.a, 5000);
	vt_want_none(pair.b.rc->rcq, 20);
	post_recv(&pair.b, 1, 0, 99);
	send_plain(&pair.a, 100);
	send_plain(&pair.a, 5000);
	vt_want_none(pair.b.rc->rcq, 20);
	send_plain(&pair.a, 99);
	vt_want(pair.b.rc->rcq, 1, IBV_WC_SUCCESS);
	vt_require(!memcmp(pair.a.src->addr, pair.b.dst->addr, 99), "data differ");
	works(&pair);
}

/*
 * The next message takes the receive to which a message that is too long has partly been
 * written.
 */
static void uc_receive_again(const void *arg)
{
	struct uc_pair pair;
	struct ibv_wc wc;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	post_recv(&pair.b, 1, 0, 3 * WIDE);
	send_plain(&pair.a, 4 * WIDE);
	vt_want_none(pair.b.rc->rcq, 20);
	vt_fill(pair.a.src->addr, 2 * WIDE);
	send_plain(&pair.a, 2 * WIDE);
	wc = vt_want(pair.b.rc->rcq, 1, IBV_WC_SUCCESS);
	vt_require(wc.byte_len == 2 * WIDE, "%u bytes", wc.byte_len);
	vt_require(!memcmp(pair.a.src->addr, pair.b.dst->addr, 2 * WIDE), "data differ");
	works(&pair);
}

static void write_with_key(struct uc_pair *pair, uint32_t flip, size_t len)
{
	struct vt_wr wr;

	vt_wr_init(&wr, IBV_WR_RDMA_WRITE, 5);
	vt_wr_local(&wr, pair->a.src, 0, len);
	vt_wr_remote(&wr, pair->b.dst, 0);
	wr.wr.wr.rdma.rkey ^= flip;
	send_one(&pair->a, &wr);
}

/* A wrong rkey moves no data and is reported to neither side. */
static void uc_bad_rkey(const void *arg)
{
	struct uc_pair pair;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	memset(pair.a.src->addr, 1, ROOM);
	memset(pair.b.dst->addr, 2, ROOM);
	write_with_key(&pair, VT_WRONG_KEY, 100);
	write_with_key(&pair, VT_WRONG_KEY, ROOM);
	flush(&pair.a, &pair.b);
	for (size_t i = 0; i < ROOM; i++)
		vt_require(pair.b.dst->addr[i] == 2, "byte %zu was written", i);
	vt_require(rc_state(pair.b.rc) == IBV_QPS_RTS, "the responder fails");
	works(&pair);
}

/* What cannot be sent stops the send queue, until it is made ready again. */
static int leave_sqe(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = { .cur_qp_state = IBV_QPS_SQE, .qp_state = IBV_QPS_RTS };

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_CUR_STATE);
}

static void uc_bad_lkey(const void *arg)
{
	struct uc_pair pair;
	long long dropped;
	struct vt_wr wr;

	pair_open(&pair, VT_PINNED);
	dropped = vt_counter(vt_dev(1), "drop_stale");
	vt_wr_init(&wr, IBV_WR_SEND, 5);
	vt_wr_local(&wr, pair.a.src, 0, *(const size_t *)arg);
	wr.sge[0].lkey ^= VT_WRONG_KEY;
	vt_ok(rc_post(pair.a.rc, &wr));
	vt_want(pair.a.rc->scq, 5, IBV_WC_LOC_PROT_ERR);
	vt_require(rc_state(pair.a.rc) == IBV_QPS_SQE, "in state %d", rc_state(pair.a.rc));
	exchange(&pair.b, &pair.a, IBV_WR_SEND);	/* it receives on */
	vt_ok(leave_sqe(pair.a.rc->qp));
	works(&pair);
	vt_require(vt_counter(vt_dev(1), "drop_stale") == dropped, "a packet was dropped");
}

/* Waits for the error of the request that fails, and makes the queue ready at once. */
static void *leave_sqe_at_once(void *arg)
{
	struct rc_end *end = arg;
	struct ibv_wc wc = vt_want(end->scq, 5, IBV_WC_LOC_PROT_ERR);

	vt_require(wc.qp_num == end->qp->qp_num, "of QP %u", wc.qp_num);
	vt_ok(leave_sqe(end->qp));
	return NULL;
}

/* What was posted behind a request that fails is flushed, however soon the program goes on. */
static void uc_sqe_left_at_once(const void *arg)
{
	struct uc_pair pair;
	struct vt_wr wr[4];
	pthread_t thread;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	for (unsigned int i = 0; i < 100 * vt_opts.rounds; i++) {
		for (int j = 0; j < 4; j++) {
			vt_wr_init(&wr[j], IBV_WR_SEND, 5 + j);
			vt_wr_local(&wr[j], pair.a.src, 0, 100);
		}
		wr[0].sge[0].lkey ^= VT_WRONG_KEY;
		vt_wr_chain(wr, 4);
		vt_ok(pthread_create(&thread, NULL, leave_sqe_at_once, pair.a.rc));
		vt_ok(rc_post(pair.a.rc, wr));
		vt_ok(pthread_join(thread, NULL));
		for (int j = 1; j < 4; j++)
			vt_want(pair.a.rc->scq, 5 + j, IBV_WC_WR_FLUSH_ERR);
		exchange(&pair.a, &pair.b, IBV_WR_SEND);
	}
}

/* A page that is not there until its program brings it. */
struct hole {
	uint8_t *addr;
	struct vt_mem *mem;
	int uffd;
};

static struct hole hole_open(struct rc_end *end)
{
	struct hole hole = { .addr = vt_map(PAGE, 0) };

	hole.mem = vt_mem_at(end->pd, VT_ODP, hole.addr, PAGE, VT_ACCESS_ALL);
	hole.uffd = odp_uffd(hole.addr, PAGE, UFFDIO_REGISTER_MODE_MISSING);
	return hole;
}

/* Bring the page, once somebody waits for it: @len bytes of data at its begin. */
static void hole_close(struct hole *hole, size_t len)
{
	uint8_t *page = vt_map(PAGE, 0);
	struct uffdio_copy copy = { .dst = (uintptr_t)hole->addr, .src = (uintptr_t)page,
				    .len = PAGE };

	vt_fill(page, len);
	odp_uffd_wait(hole->uffd);
	vt_ok(ioctl(hole->uffd, UFFDIO_COPY, &copy));
	close(hole->uffd);
}

/*
 * The sender waits for no page of the receiver that a program has to bring, however near
 * the receiver is: the message waits there. So it is when the sender has waited for a page
 * of its own just before (@arg).
 */
static void uc_sender_does_not_wait(const void *arg)
{
	const bool *own = arg;
	struct hole from, to;
	struct uc_pair pair;
	struct ibv_sge sge;
	struct vt_wr wr;

	vt_need_kind(vt_dev(0), VT_ODP, 0);
	vt_need_kind(vt_dev(1), VT_ODP, 0);
	pair_open(&pair, VT_PINNED);
	to = hole_open(pair.b.rc);
	sge = vt_sge(to.mem, 0, PAGE);
	vt_ok(rc_post_recv(pair.b.rc, 7, &sge, 1));
	vt_wr_init(&wr, IBV_WR_SEND, 5);
	if (*own) {
		from = hole_open(pair.a.rc);
		vt_wr_local(&wr, from.mem, 0, 3000);
		vt_ok(rc_post(pair.a.rc, &wr));
		vt_want_none(pair.a.rc->scq, 20);
		hole_close(&from, 3000);
	} else {
		from.addr = pair.a.src->addr;
		vt_fill(from.addr, 3000);
		vt_wr_local(&wr, pair.a.src, 0, 3000);
		vt_ok(rc_post(pair.a.rc, &wr));
	}
	vt_want(pair.a.rc->scq, 5, IBV_WC_SUCCESS);
	vt_want_none(pair.b.rc->rcq, 20);
	hole_close(&to, 0);
	vt_want(pair.b.rc->rcq, 7, IBV_WC_SUCCESS);
	vt_require(!memcmp(to.addr, from.addr, 3000), "data differ");
	works(&pair);
}

/* A receive with a bad key is an error of the receiving program: the receive fails. */
static void uc_bad_receive(const void *arg)
{
	struct ibv_sge sge;
	struct uc_pair pair;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	sge = vt_sge(pair.b.dst, 0, 1000);
	sge.lkey ^= VT_WRONG_KEY;
	vt_ok(rc_post_recv(pair.b.rc, 1, &sge, 1));
	send_plain(&pair.a, 100);
	vt_want(pair.b.rc->rcq, 1, IBV_WC_LOC_PROT_ERR);
	vt_want_event(pair.b.rc->dev, IBV_EVENT_QP_FATAL);
	vt_require(rc_state(pair.b.rc) == IBV_QPS_ERR, "in state %d", rc_state(pair.b.rc));
	send_plain(&pair.a, 100);
	rc_reconnect(pair.rc);
	works(&pair);
}

/* A message may begin with any PSN. */
static void uc_any_psn(const void *arg)
{
	struct rc_addr a, b;
	struct uc_pair pair;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	vt_ok(rc_to_state(pair.a.rc, IBV_QPS_RESET));
	vt_ok(rc_to_state(pair.b.rc, IBV_QPS_RESET));
	a = rc_end_addr(pair.a.rc);
	b = rc_end_addr(pair.b.rc);
	a.psn = (a.psn + 1000) & 0xffffff;
	b.psn = (b.psn - 1000) & 0xffffff;
	rc_connect(pair.a.rc, uc_attr(), &b);
	rc_connect(pair.b.rc, uc_attr(), &a);
	works(&pair);
}

/* Operations that need a response are refused. */
static void uc_operations(const void *arg)
{
	static const enum ibv_wr_opcode ops[] = {
		IBV_WR_RDMA_READ, IBV_WR_ATOMIC_FETCH_AND_ADD, IBV_WR_ATOMIC_CMP_AND_SWP,
	};
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTS, .timeout = 14 };
	struct uc_pair pair;
	struct vt_wr wr;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		vt_wr_init(&wr, ops[i], 5);
		vt_wr_local(&wr, pair.a.src, 0, 8);
		vt_wr_remote(&wr, pair.b.dst, 0);
		vt_require(rc_post(pair.a.rc, &wr) == EINVAL, "opcode %d is posted", ops[i]);
	}
	vt_require(ibv_modify_qp(pair.a.rc->qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT) == EINVAL,
		   "a timeout is taken");
	works(&pair);
}

static void free_srq(void *obj)
{
	ibv_destroy_srq(obj);
}

/* A receive taken from an SRQ belongs to the QP, and is not lost with its message. */
static void uc_srq(const void *arg)
{
	struct ibv_srq_init_attr init = { .attr = { .max_wr = 4, .max_sge = 1 } };
	struct ibv_recv_wr *bad, wr = { .wr_id = 1, .num_sge = 1 };
	struct ibv_qp_init_attr qp_init = {
		.qp_type = IBV_QPT_UC,
		.cap = { .max_send_wr = 4, .max_send_sge = 1 },
	};
	struct ibv_sge sge;
	struct uc_pair pair;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	qp_init.srq = ibv_create_srq(pair.b.rc->pd, &init);
	vt_require(qp_init.srq, "create_srq: %s", strerror(errno));
	vt_defer(free_srq, qp_init.srq);
	qp_init.send_cq = pair.b.rc->scq;
	qp_init.recv_cq = pair.b.rc->rcq;
	vt_release(pair.b.rc->qp);
	pair.b.rc->qp = ibv_create_qp(pair.b.rc->pd, &qp_init);
	vt_require(pair.b.rc->qp, "create_qp: %s", strerror(errno));
	vt_defer(vt_free_qp, pair.b.rc->qp);
	rc_reconnect(pair.rc);

	send_plain(&pair.a, 100);
	vt_want_none(pair.b.rc->rcq, 20);
	sge = vt_sge(pair.b.dst, 0, 5000);
	wr.sg_list = &sge;
	vt_ok(ibv_post_srq_recv(qp_init.srq, &wr, &bad));
	send_plain(&pair.a, 5001);
	vt_want_none(pair.b.rc->rcq, 20);
	vt_fill(pair.a.src->addr, 5000);
	send_plain(&pair.a, 5000);
	vt_want(pair.b.rc->rcq, 1, IBV_WC_SUCCESS);
	vt_require(!memcmp(pair.a.src->addr, pair.b.dst->addr, 5000), "data differ");
}

static void add_tests(void)
{
	static const enum vt_kind kinds[VT_KINDS] = { VT_PINNED, VT_ODP, VT_IMPLICIT };
	static const size_t lengths[] = { 100, 5000 };
	static const bool no, yes = true;

	for (int i = 0; i < VT_KINDS; i++)
		vt_test(uc_data, &kinds[i], "uc_data_%s", vt_kind_name[kinds[i]]);
	for (int i = 0; i < VT_KINDS; i++)
		vt_test(uc_whole_or_not, &kinds[i], "uc_whole_or_not_%s",
			vt_kind_name[kinds[i]]);
	for (int i = 0; i < VT_KINDS; i++)
		vt_test(uc_whole, &kinds[i], "uc_whole_%s", vt_kind_name[kinds[i]]);
	VT_TEST(uc_dropped);
	VT_TEST(uc_receive_again);
	VT_TEST(uc_bad_rkey);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		vt_test(uc_bad_lkey, &lengths[i], "uc_bad_lkey_%zu", lengths[i]);
	VT_TEST(uc_sqe_left_at_once);
	vt_test(uc_sender_does_not_wait, &no, "uc_sender_does_not_wait");
	vt_test(uc_sender_does_not_wait, &yes, "uc_sender_does_not_wait_after_itself");
	VT_TEST(uc_bad_receive);
	VT_TEST(uc_any_psn);
	VT_TEST(uc_operations);
	VT_TEST(uc_srq);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
