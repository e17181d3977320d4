// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Unreliable datagrams (IBTA 9.8.3): a datagram arrives whole or not at all. */
#include <arpa/inet.h>

#include "vt.h"

#define GRH	40	/* bytes before the data of each receive */
#define QKEY	0x1234567
#define WRS	32

struct ud_end {
	struct vt_dev *dev;
	struct ibv_pd *pd;
	struct ibv_cq *scq, *rcq;
	struct ibv_qp *qp;
	struct ibv_ah *ah;	/* for the other end */
	struct vt_mem *mem;
	size_t mtu;
};

struct ud_pair {
	struct ud_end a, b;
};

static void free_ah(void *obj)
{
	ibv_destroy_ah(obj);
}

static void end_open(struct ud_end *end, struct vt_dev *dev, enum vt_kind kind)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_UD,
		.cap = { WRS, WRS, 2, 2, 64 },
	};

	end->dev = dev;
	end->mtu = 128U << dev->port.active_mtu;
	end->pd = vt_new_pd(dev->ctx);
	end->scq = vt_new_cq(dev->ctx, WRS);
	end->rcq = vt_new_cq(dev->ctx, WRS);
	init.send_cq = end->scq;
	init.recv_cq = end->rcq;
	end->qp = ibv_create_qp(end->pd, &init);
	vt_require(end->qp, "create_qp: %s", strerror(errno));
	vt_defer(vt_free_qp, end->qp);
	vt_ud_to_rts(end->qp, QKEY);
	end->mem = vt_mem_new(end->pd, kind, GRH + 3 * end->mtu, VT_ACCESS_ALL);
}

static struct ibv_ah *new_ah(struct ud_end *end, const union ibv_gid *to)
{
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.port_num = vt_opts.port,
		.grh = { .dgid = *to, .sgid_index = end->dev->gid_index, .hop_limit = 64 },
	};

	return ibv_create_ah(end->pd, &attr);
}

static struct ibv_ah *want_ah(struct ud_end *end, const union ibv_gid *to)
{
	struct ibv_ah *ah = new_ah(end, to);

	vt_require(ah, "create_ah: %s", strerror(errno));
	vt_defer(free_ah, ah);
	return ah;
}

static void pair_open(struct ud_pair *pair, enum vt_kind kind)
{
	memset(pair, 0, sizeof(*pair));
	vt_need_kind(vt_dev(1), kind, 0);
	end_open(&pair->a, vt_dev(0), kind);
	end_open(&pair->b, vt_dev(1), kind);
	pair->a.ah = want_ah(&pair->a, &pair->b.dev->gid);
	pair->b.ah = want_ah(&pair->b, &pair->a.dev->gid);
}

static void post_recv(struct ud_end *end, uint64_t id, size_t off, size_t len)
{
	struct ibv_sge sge = vt_sge(end->mem, off, len);
	struct ibv_recv_wr *bad, wr = { .wr_id = id, .sg_list = &sge, .num_sge = 1 };

	vt_ok(ibv_post_recv(end->qp, &wr, &bad));
}

static void wr_to(struct vt_wr *wr, struct ud_end *from, const struct ud_end *to,
		  size_t off, size_t len)
{
	vt_wr_init(wr, IBV_WR_SEND, 1);
	vt_wr_local(wr, from->mem, off, len);
	wr->wr.wr.ud.ah = from->ah;
	wr->wr.wr.ud.remote_qpn = to->qp->qp_num;
	wr->wr.wr.ud.remote_qkey = QKEY;
}

static void post_send(struct ud_end *end, struct vt_wr *wr)
{
	struct ibv_send_wr *bad;

	vt_ok(ibv_post_send(end->qp, &wr->wr, &bad));
}

static void send_one(struct ud_end *end, struct vt_wr *wr)
{
	post_send(end, wr);
	vt_want(end->scq, 1, IBV_WC_SUCCESS);
}

/* Check the GRH before the data: an IPv6 header, or an IPv4 header in the last 20 bytes. */
static void check_grh(const struct ud_end *from, const struct ud_end *to,
		      const struct ibv_wc *wc, const uint8_t *grh)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	vt_require(wc->wc_flags & IBV_WC_GRH, "no GRH");
	if (memcmp(from->dev->gid.raw, mapped, sizeof(mapped))) {
		vt_require(grh[0] >> 4 == 6, "an IPv6 header begins with %#x", grh[0]);
		vt_require(!memcmp(grh + 8, from->dev->gid.raw, 16), "another sender");
		vt_require(!memcmp(grh + 24, to->dev->gid.raw, 16), "another receiver");
		return;
	}
	vt_require(grh[20] == 0x45, "an IPv4 header begins with %#x", grh[20]);
	vt_require(!memcmp(grh + 32, from->dev->gid.raw + 12, 4), "another sender");
	vt_require(!memcmp(grh + 36, to->dev->gid.raw + 12, 4), "another receiver");
}

static void exchange(struct ud_end *from, struct ud_end *to)
{
	size_t len = vt_length(from->mtu, from->mtu), off = vt_below(from->mtu);
	size_t at = vt_below(to->mtu);
	bool imm = vt_chance(50);
	struct ibv_wc wc;
	struct vt_wr wr;

	vt_fill(from->mem->addr + off, len);
	post_recv(to, 2, at, GRH + len + vt_below(2));
	wr_to(&wr, from, to, off, len);
	if (imm) {
		wr.wr.opcode = IBV_WR_SEND_WITH_IMM;
		wr.wr.imm_data = htonl(0xabc00000 + len);
	}
	if (len <= 64 && vt_chance(50))
		vt_wr_inline(&wr, from->mem);
	send_one(from, &wr);
	wc = vt_want(to->rcq, 2, IBV_WC_SUCCESS);
	vt_require(wc.byte_len == GRH + len, "%u bytes of %zu", wc.byte_len, GRH + len);
	vt_require(wc.src_qp == from->qp->qp_num, "from QP %u", wc.src_qp);
	vt_require(!(wc.wc_flags & IBV_WC_WITH_IMM) == !imm, "flags %#x", wc.wc_flags);
	vt_require(!imm || wc.imm_data == wr.wr.imm_data, "another immediate");
	check_grh(from, to, &wc, to->mem->addr + at);
	vt_require(!memcmp(to->mem->addr + at + GRH, from->mem->addr + off, len),
		   "data differ");
}

static void ud_data(const void *arg)
{
	struct ud_pair pair;

	pair_open(&pair, *(const enum vt_kind *)arg);
	for (unsigned int i = 0; i < 100 * vt_opts.rounds; i++) {
		exchange(&pair.a, &pair.b);
		exchange(&pair.b, &pair.a);
	}
	vt_mem_guards(pair.a.mem);
	vt_mem_guards(pair.b.mem);
}

/* The length in a GRH, and the checksum of an IPv4 header. @len: of the payload */
static void check_grh_length(const uint8_t *grh, size_t len)
{
	size_t datagram = 8 + 12 + 8 + (len + 3) / 4 * 4 + 4; /* UDP, BTH, DETH, data, ICRC */
	uint32_t sum = 0;

	if (grh[0] >> 4 == 6) {
		vt_require((size_t)(grh[4] << 8 | grh[5]) == datagram, "%d bytes, not %zu",
			   grh[4] << 8 | grh[5], datagram);
		return;
	}
	vt_require((size_t)(grh[22] << 8 | grh[23]) == 20 + datagram, "%d bytes, not %zu",
		   grh[22] << 8 | grh[23], 20 + datagram);
	for (int i = 20; i < 40; i += 2)
		sum += grh[i] << 8 | grh[i + 1];
	vt_require((sum >> 16) + (sum & 0xffff) == 0xffff, "the checksum is wrong");
}

/* Datagrams that are posted together: each has a GRH of its own. */
static void ud_batch(const void *arg)
{
	const size_t len = *(const size_t *)arg;
	struct ud_pair pair;
	struct vt_wr wr[8];
	struct ibv_wc wc;

	pair_open(&pair, VT_PINNED);
	vt_fill(pair.a.mem->addr, len + 8);
	for (int i = 0; i < 8; i++) {
		post_recv(&pair.b, i, i * (GRH + len), GRH + len);
		wr_to(&wr[i], &pair.a, &pair.b, i, len);
	}
	vt_wr_chain(wr, 8);
	post_send(&pair.a, wr);
	for (int i = 0; i < 8; i++) {
		const uint8_t *at = pair.b.mem->addr + i * (GRH + len);

		vt_want(pair.a.scq, 1, IBV_WC_SUCCESS);
		wc = vt_want(pair.b.rcq, i, IBV_WC_SUCCESS);
		check_grh(&pair.a, &pair.b, &wc, at);
		check_grh_length(at, len);
		vt_require(!memcmp(at + GRH, pair.a.mem->addr + i, len), "data differ");
	}
}

/* A datagram that is dropped takes no receive. */
static void ud_dropped(const void *arg)
{
	struct ud_pair pair;
	struct vt_wr wr;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	wr_to(&wr, &pair.a, &pair.b, 0, 100);
	send_one(&pair.a, &wr);		/* no receive */
	vt_want_none(pair.b.rcq, 20);
	post_recv(&pair.b, 2, 0, GRH + 99);
	send_one(&pair.a, &wr);		/* a receive that is too short */
	wr.wr.wr.ud.remote_qkey = QKEY + 1;
	send_one(&pair.a, &wr);		/* another Q_Key */
	wr.wr.wr.ud.remote_qkey = QKEY;
	wr.wr.wr.ud.remote_qpn = 0xfffffe;
	send_one(&pair.a, &wr);		/* a QP number not in use */
	vt_want_none(pair.b.rcq, 20);
	wr_to(&wr, &pair.a, &pair.b, 0, 99);
	send_one(&pair.a, &wr);
	vt_want(pair.b.rcq, 2, IBV_WC_SUCCESS);
	exchange(&pair.b, &pair.a);
}

/*
 * Only the request that cannot be sent fails; the QP waits in SQE until it is moved to RTS
 * again.
 */
static void ud_too_long(const void *arg)
{
	struct ibv_qp_attr attr = { .cur_qp_state = IBV_QPS_SQE, .qp_state = IBV_QPS_RTS };
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr now;
	struct ud_pair pair;
	struct vt_wr wr;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	wr_to(&wr, &pair.a, &pair.b, 0, pair.a.mtu + 1);
	post_send(&pair.a, &wr);
	vt_want(pair.a.scq, 1, IBV_WC_LOC_LEN_ERR);
	vt_ok(ibv_query_qp(pair.a.qp, &now, IBV_QP_STATE, &init));
	vt_require(now.qp_state == IBV_QPS_SQE, "in state %d", now.qp_state);
	exchange(&pair.b, &pair.a);	/* it still receives */
	vt_ok(ibv_modify_qp(pair.a.qp, &attr, IBV_QP_STATE | IBV_QP_CUR_STATE));
	exchange(&pair.a, &pair.b);
}

static void ud_bad_lkey(const void *arg)
{
	struct ud_pair pair;
	struct vt_wr wr;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	wr_to(&wr, &pair.a, &pair.b, 0, 100);
	wr.sge[0].lkey ^= VT_WRONG_KEY;
	post_send(&pair.a, &wr);
	vt_want(pair.a.scq, 1, IBV_WC_LOC_PROT_ERR);
	exchange(&pair.b, &pair.a);
}

/* An address handle of another PD, or one that has been destroyed. */
static void ud_foreign_ah(const void *arg)
{
	struct ud_pair pair;
	struct ud_end other;
	struct vt_wr wr;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	end_open(&other, vt_dev(0), VT_PINNED);
	other.ah = want_ah(&other, &pair.b.dev->gid);
	post_recv(&pair.b, 2, 0, GRH + 100);
	wr_to(&wr, &pair.a, &pair.b, 0, 100);
	wr.wr.wr.ud.ah = other.ah;
	post_send(&pair.a, &wr);
	vt_require(vt_poll(pair.a.scq).status != IBV_WC_SUCCESS, "sent with another's handle");
	vt_want_none(pair.b.rcq, 20);
}

static void ud_bad_address(const void *arg)
{
	union ibv_gid group = { .raw = { 0xff, 0x12 } }, none = { .raw = { 0 } };
	struct ud_end end;

	(void)arg;
	end_open(&end, vt_dev(0), VT_PINNED);
	vt_require(!new_ah(&end, &group), "an address handle for a multicast group");
	vt_require(!new_ah(&end, &none), "an address handle for nobody");
}

/* UD supports only SENDs. */
static void ud_operations(const void *arg)
{
	static const enum ibv_wr_opcode ops[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	struct ibv_send_wr *bad;
	struct ud_pair pair;
	struct vt_wr wr;

	(void)arg;
	pair_open(&pair, VT_PINNED);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		wr_to(&wr, &pair.a, &pair.b, 0, 8);
		wr.wr.opcode = ops[i];
		vt_require(ibv_post_send(pair.a.qp, &wr.wr, &bad) == EINVAL,
			   "opcode %d is posted", ops[i]);
	}
	exchange(&pair.a, &pair.b);
}

static void add_tests(void)
{
	/* The first go in one packet of the network, the others in a train of packets. */
	static const size_t batches[] = { 32, 300 };
	static const enum vt_kind kinds[VT_KINDS] = { VT_PINNED, VT_ODP, VT_IMPLICIT };

	for (int i = 0; i < VT_KINDS; i++)
		vt_test(ud_data, &kinds[i], "ud_data_%s", vt_kind_name[kinds[i]]);
	for (size_t i = 0; i < ARRAY_SIZE(batches); i++)
		vt_test(ud_batch, &batches[i], "ud_batch_%zu", batches[i]);
	VT_TEST(ud_dropped);
	VT_TEST(ud_too_long);
	VT_TEST(ud_bad_lkey);
	VT_TEST(ud_foreign_ah);
	VT_TEST(ud_bad_address);
	VT_TEST(ud_operations);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
