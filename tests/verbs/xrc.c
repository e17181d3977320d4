// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Extended reliable connections (IBTA A14): each message of an initiator names the SRQ that
 * it is for, any SRQ in the XRC domain of the target.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "odp_system.h"
#include "rc.h"

#define SRQS	3
#define ROOM	20000	/* bytes of a receive */
#define WRS	16

struct inbox {
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_srq *srq;
	uint32_t num;
	struct vt_mem *mem;	/* WRS receives of ROOM bytes */
	uint64_t posted, taken;
};

struct xrc {
	struct rc_end ini, tgt;
	struct ibv_xrcd *xrcd;
	struct inbox inbox[SRQS];
	struct vt_mem *src;
};

static void close_xrcd(void *obj)
{
	ibv_close_xrcd(obj);
}

static void free_srq(void *obj)
{
	ibv_destroy_srq(obj);
}

static struct rc_attr attr_of(enum ibv_qp_type type)
{
	struct rc_attr attr = rc_attr_default;

	attr.type = type;
	return attr;
}

static struct ibv_xrcd *new_xrcd(struct ibv_context *ctx, int fd, int flags)
{
	struct ibv_xrcd_init_attr init = {
		.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS,
		.fd = fd,
		.oflags = flags,
	};
	struct ibv_xrcd *xrcd = ibv_open_xrcd(ctx, &init);

	vt_require(xrcd, "open_xrcd: %s", strerror(errno));
	vt_defer(close_xrcd, xrcd);
	return xrcd;
}

static void inbox_open(struct inbox *inbox, struct ibv_context *ctx, struct ibv_xrcd *xrcd,
		       enum vt_kind kind)
{
	struct ibv_srq_init_attr_ex init = {
		.attr = { .max_wr = WRS, .max_sge = 2 },
		.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_XRCD |
			     IBV_SRQ_INIT_ATTR_CQ | IBV_SRQ_INIT_ATTR_PD,
		.srq_type = IBV_SRQT_XRC,
		.xrcd = xrcd,
	};

	inbox->pd = vt_new_pd(ctx);
	inbox->cq = vt_new_cq(ctx, WRS);
	init.pd = inbox->pd;
	init.cq = inbox->cq;
	inbox->srq = ibv_create_srq_ex(ctx, &init);
	vt_require(inbox->srq, "create_srq_ex: %s", strerror(errno));
	vt_defer(free_srq, inbox->srq);
	vt_ok(ibv_get_srq_num(inbox->srq, &inbox->num));
	inbox->mem = vt_mem_new(inbox->pd, kind, WRS * ROOM, VT_ACCESS_ALL);
}

static struct ibv_qp *new_target(struct ibv_context *ctx, struct ibv_xrcd *xrcd)
{
	struct ibv_qp_init_attr_ex init = {
		.qp_type = IBV_QPT_XRC_RECV,
		.comp_mask = IBV_QP_INIT_ATTR_XRCD,
		.xrcd = xrcd,
	};
	struct ibv_qp *qp = ibv_create_qp_ex(ctx, &init);

	vt_require(qp, "create_qp_ex: %s", strerror(errno));
	vt_defer(vt_free_qp, qp);
	return qp;
}

static void xrc_connect(struct xrc *x)
{
	struct rc_attr initiator = attr_of(IBV_QPT_XRC_SEND);
	struct rc_attr target = attr_of(IBV_QPT_XRC_RECV);
	struct rc_addr ini = rc_end_addr(&x->ini), tgt = rc_end_addr(&x->tgt);

	rc_connect(&x->tgt, &target, &ini);
	rc_connect(&x->ini, &initiator, &tgt);
	vt_drain_events(x->ini.dev);
	vt_drain_events(x->tgt.dev);
}

static void xrc_reconnect(struct xrc *x)
{
	vt_ok(rc_to_state(&x->ini, IBV_QPS_RESET));
	vt_ok(rc_to_state(&x->tgt, IBV_QPS_RESET));
	x->ini.psn = vt_rand() & 0xffffff;
	x->tgt.psn = vt_rand() & 0xffffff;
	vt_drain(x->ini.scq);
	xrc_connect(x);
}

static void xrc_open(struct xrc *x, enum vt_kind kind)
{
	struct rc_attr initiator = attr_of(IBV_QPT_XRC_SEND);
	struct vt_dev *dev = vt_dev(1);

	memset(x, 0, sizeof(*x));
	vt_need_kind(dev, kind, 0);
	rc_end_open(&x->ini, vt_dev(0), NULL, &initiator);
	x->src = vt_mem_new(x->ini.pd, kind, ROOM, VT_ACCESS_ALL);
	x->xrcd = new_xrcd(dev->ctx, -1, O_CREAT);
	for (int i = 0; i < SRQS; i++)
		inbox_open(&x->inbox[i], dev->ctx, x->xrcd, kind);
	x->tgt.dev = dev;
	x->tgt.psn = vt_rand() & 0xffffff;
	x->tgt.qp = new_target(dev->ctx, x->xrcd);
	xrc_connect(x);
}

static size_t place(const struct inbox *inbox, uint64_t id)
{
	(void)inbox;
	return id % WRS * ROOM;
}

static void post(struct inbox *inbox, size_t room)
{
	size_t off = place(inbox, inbox->posted), len = vt_below(room);
	struct ibv_sge sge[2] = { vt_sge(inbox->mem, off, len),
				  vt_sge(inbox->mem, off + len, room - len) };
	struct ibv_recv_wr *bad, wr = {
		.wr_id = inbox->posted++, .sg_list = sge, .num_sge = 2,
	};

	vt_ok(ibv_post_srq_recv(inbox->srq, &wr, &bad));
}

static void start_at(struct xrc *x, enum ibv_wr_opcode op, const struct vt_mem *to, uint32_t num,
		     size_t at, size_t len)
{
	struct vt_wr wr;

	vt_wr_init(&wr, op, 5);
	vt_wr_local(&wr, x->src, 0, len);
	if (rc_op(op)->rdma)
		vt_wr_remote(&wr, to, at);
	if (rc_op(op)->atomic)
		vt_wr_atomic(&wr, 1, 2);
	if (rc_op(op)->imm)
		wr.wr.imm_data = htonl(0xabc00000 + len);
	wr.wr.qp_type.xrc.remote_srqn = num;
	vt_ok(rc_post(&x->ini, &wr));
}

static void start(struct xrc *x, enum ibv_wr_opcode op, const struct inbox *to, uint32_t num,
		  size_t at, size_t len)
{
	start_at(x, op, to ? to->mem : NULL, num, at, len);
}

static void done(struct xrc *x, enum ibv_wc_status status)
{
	vt_want(x->ini.scq, 5, status);
}

static void received(struct xrc *x, struct inbox *inbox, const struct rc_op *op, size_t len)
{
	struct ibv_wc wc = vt_want(inbox->cq, inbox->taken++, IBV_WC_SUCCESS);

	vt_require(wc.opcode == op->recv_wc && wc.byte_len == len, "opcode %d, %u bytes of %zu",
		   wc.opcode, wc.byte_len, len);
	vt_require(wc.qp_num == x->tgt.qp->qp_num, "received by QP %u", wc.qp_num);
	vt_require(!op->imm || wc.imm_data == htonl(0xabc00000 + len), "another immediate");
}

/* The offset of word @index whose address is a multiple of 8, as atomics require. */
static size_t aligned(const struct inbox *inbox, size_t index)
{
	return (-inbox->mem->iova & 7) + 8 * index;
}

/* Atomics add 1, or replace 1 by 2. @before: the word before; @at: the word now */
static void atomic_done(struct xrc *x, const struct rc_op *op, const uint8_t *before,
			const uint8_t *at)
{
	uint64_t old, now, want;

	memcpy(&old, before, 8);
	memcpy(&now, at, 8);
	if (op->op == IBV_WR_ATOMIC_FETCH_AND_ADD)
		want = old + 1;
	else
		want = old == 1 ? 2 : old;
	vt_require(!memcmp(x->src->addr, before, 8), "%s: another answer", op->name);
	vt_require(now == want, "%s: %#llx became %#llx", op->name, (unsigned long long)old,
		   (unsigned long long)now);
}

static void exchange(struct xrc *x, enum ibv_wr_opcode opcode, struct inbox *to)
{
	const struct rc_op *op = rc_op(opcode);
	size_t len = op->atomic ? 8 : vt_length(ROOM, 1024);
	size_t at = op->atomic ? aligned(to, vt_below(100)) : vt_below(ROOM);
	uint8_t before[8];

	vt_fill(x->src->addr, len);
	if (op->recv) {
		at = op->rdma ? at : place(to, to->posted);
		post(to, op->rdma ? 1 : ROOM);
	}
	if (op->atomic && vt_chance(50))
		memcpy(to->mem->addr + at, &(uint64_t){ 1 }, 8);
	memcpy(before, to->mem->addr + at, 8);
	start(x, opcode, to, to->num, at, len);
	done(x, IBV_WC_SUCCESS);
	if (op->recv)
		received(x, to, op, len);
	if (op->atomic)
		atomic_done(x, op, before, to->mem->addr + at);
	else
		vt_require(!memcmp(to->mem->addr + at, x->src->addr, len), "%s: data differ",
			   op->name);
}

static void works(struct xrc *x)
{
	for (size_t i = 0; i < RC_OPS; i++)
		exchange(x, rc_ops[i].op, &x->inbox[vt_below(SRQS)]);
}

/* Every operation, to one SRQ after the other, over one connection. */
static void xrc_data(const void *arg)
{
	struct xrc x;

	xrc_open(&x, *(const enum vt_kind *)arg);
	for (unsigned int i = 0; i < 60 * vt_opts.rounds; i++)
		works(&x);
	for (int i = 0; i < SRQS; i++)
		vt_mem_guards(x.inbox[i].mem);
}

/* A message waits for a receive of the SRQ that it names; it takes no other SRQ's receive. */
static void xrc_is_dry(const void *arg)
{
	struct xrc x;

	(void)arg;
	xrc_open(&x, VT_PINNED);
	post(&x.inbox[0], ROOM);
	start(&x, IBV_WR_SEND, NULL, x.inbox[1].num, 0, 5000);
	vt_want_none(x.inbox[0].cq, 30);
	post(&x.inbox[1], ROOM);
	received(&x, &x.inbox[1], rc_op(IBV_WR_SEND), 5000);
	done(&x, IBV_WC_SUCCESS);
	start(&x, IBV_WR_SEND, NULL, x.inbox[0].num, 0, 100);
	received(&x, &x.inbox[0], rc_op(IBV_WR_SEND), 100);
	done(&x, IBV_WC_SUCCESS);
}

/* An SRQ number that does not exist, or an SRQ of another domain. */
static void xrc_bad_srq(const void *arg)
{
	struct inbox other;
	struct xrc x;

	(void)arg;
	xrc_open(&x, VT_PINNED);
	memset(&other, 0, sizeof(other));
	inbox_open(&other, x.tgt.dev->ctx, new_xrcd(x.tgt.dev->ctx, -1, O_CREAT), VT_PINNED);
	post(&other, ROOM);
	start(&x, IBV_WR_SEND, NULL, other.num, 0, 100);
	done(&x, IBV_WC_REM_INV_REQ_ERR);
	vt_want_none(other.cq, 20);
	xrc_reconnect(&x);
	start(&x, IBV_WR_SEND, NULL, 0xfffff0, 0, 3000);
	done(&x, IBV_WC_REM_INV_REQ_ERR);
	xrc_reconnect(&x);
	start(&x, IBV_WR_RDMA_WRITE, &x.inbox[0], other.num, 0, 3000);
	done(&x, IBV_WC_REM_INV_REQ_ERR);
	xrc_reconnect(&x);
	works(&x);
}

/* Keys are checked against the protection domain of the SRQ that the message names. */
static void xrc_bad_domain(const void *arg)
{
	static const enum ibv_wr_opcode ops[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	struct xrc x;

	(void)arg;
	xrc_open(&x, VT_PINNED);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		start(&x, ops[i], &x.inbox[0], x.inbox[1].num, aligned(&x.inbox[0], 0), 8);
		done(&x, IBV_WC_REM_ACCESS_ERR);
		xrc_reconnect(&x);
	}
	works(&x);
}

/* A message to an SRQ that has been destroyed fails. */
static void xrc_srq_is_gone(const void *arg)
{
	struct xrc x;

	(void)arg;
	xrc_open(&x, VT_PINNED);
	works(&x);
	exchange(&x, IBV_WR_SEND, &x.inbox[2]);
	post(&x.inbox[2], ROOM);
	vt_release(x.inbox[2].srq);
	start(&x, IBV_WR_SEND, NULL, x.inbox[2].num, 0, 100);
	done(&x, IBV_WC_REM_INV_REQ_ERR);
	xrc_reconnect(&x);
	exchange(&x, IBV_WR_SEND, &x.inbox[0]);
}

/*
 * The SRQ that a READ names goes while the target waits for a page of it. The peer asks
 * again, and there is nobody to answer.
 */
static void xrc_read_of_gone_srq(const void *arg)
{
	struct uffdio_zeropage zero = {};
	void *hole = vt_map(4096, 0);
	struct vt_mem *far;
	struct xrc x;
	int uffd;

	(void)arg;
	vt_need_kind(vt_dev(1), VT_ODP, 0x1f);
	xrc_open(&x, VT_PINNED);
	far = vt_mem_at(x.inbox[2].pd, VT_ODP, hole, 4096, VT_ACCESS_ALL);
	uffd = odp_uffd(hole, 4096, UFFDIO_REGISTER_MODE_MISSING);
	start_at(&x, IBV_WR_RDMA_READ, far, x.inbox[2].num, 0, 64);
	odp_uffd_wait(uffd);
	vt_release(x.inbox[2].srq);
	zero.range.start = (uintptr_t)hole;
	zero.range.len = 4096;
	vt_ok(ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	done(&x, IBV_WC_RETRY_EXC_ERR);
	close(uffd);
	xrc_reconnect(&x);
	exchange(&x, IBV_WR_SEND, &x.inbox[0]);
}

/* A receive that is too short fails the receive and the connection, as on RC. */
static void xrc_too_short(const void *arg)
{
	struct xrc x;

	(void)arg;
	xrc_open(&x, VT_PINNED);
	post(&x.inbox[0], 99);
	start(&x, IBV_WR_SEND, NULL, x.inbox[0].num, 0, 100);
	vt_want(x.inbox[0].cq, x.inbox[0].taken++, IBV_WC_LOC_LEN_ERR);
	done(&x, IBV_WC_REM_INV_REQ_ERR);
	xrc_reconnect(&x);
	works(&x);
}

/* All who open an XRC domain by the same file share it, and a target QP can be opened again. */
static void xrc_shared(const void *arg)
{
	struct ibv_qp_open_attr open_attr = {
		.comp_mask = IBV_QP_OPEN_ATTR_NUM | IBV_QP_OPEN_ATTR_XRCD |
			     IBV_QP_OPEN_ATTR_TYPE,
		.qp_type = IBV_QPT_XRC_RECV,
	};
	struct ibv_context *ctx = vt_dev(1)->ctx;
	char path[] = "/tmp/xrcd.XXXXXX";
	struct ibv_xrcd *one, *two;
	int fd = mkstemp(path);
	struct ibv_qp *again;
	struct xrc x;

	(void)arg;
	vt_require(fd >= 0, "mkstemp: %s", strerror(errno));
	unlink(path);
	xrc_open(&x, VT_PINNED);
	one = new_xrcd(ctx, fd, O_CREAT);
	two = new_xrcd(ctx, fd, O_CREAT);
	close(fd);
	memset(&x.inbox[0], 0, sizeof(x.inbox[0]));
	inbox_open(&x.inbox[0], ctx, two, VT_PINNED);
	x.tgt.qp = new_target(ctx, one);
	xrc_reconnect(&x);
	exchange(&x, IBV_WR_SEND, &x.inbox[0]);
	open_attr.qp_num = x.tgt.qp->qp_num;
	open_attr.xrcd = two;
	again = ibv_open_qp(ctx, &open_attr);
	vt_require(again, "open_qp: %s", strerror(errno));
	vt_ok(ibv_destroy_qp(again));
	exchange(&x, IBV_WR_SEND_WITH_IMM, &x.inbox[0]);
}

static void add_tests(void)
{
	static const enum vt_kind kinds[VT_KINDS] = { VT_PINNED, VT_ODP, VT_IMPLICIT };

	for (int i = 0; i < VT_KINDS; i++)
		vt_test(xrc_data, &kinds[i], "xrc_data_%s", vt_kind_name[kinds[i]]);
	VT_TEST(xrc_is_dry);
	VT_TEST(xrc_bad_srq);
	VT_TEST(xrc_bad_domain);
	VT_TEST(xrc_srq_is_gone);
	VT_TEST(xrc_read_of_gone_srq);
	VT_TEST(xrc_too_short);
	VT_TEST(xrc_shared);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
