// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Datagrams to multicast groups (IBTA 10.5): each member gets a copy, also the sender if it
 * is one.
 */
#include <arpa/inet.h>

#include "vt.h"

#define GRH		40	/* bytes before the data of each receive */
#define QKEY		0x1234567
#define GROUP_QPN	0xffffff
#define WRS		16
#define MEMBERS		3

struct end {
	struct vt_dev *dev;
	struct ibv_pd *pd;
	struct ibv_cq *scq, *rcq;
	struct ibv_qp *qp;
	struct vt_mem *mem;
};

struct family {
	const char *name;
	const char *group, *other;
};

static const struct family v4 = { "IPv4", "::ffff:239.1.2.3", "::ffff:239.1.2.4" };
static const struct family v6 = { "IPv6", "ff0e::1:2:3", "ff0e::1:2:4" };

static union ibv_gid gid_of(const char *text)
{
	union ibv_gid gid;

	vt_require(inet_pton(AF_INET6, text, gid.raw) == 1, "no address: %s", text);
	return gid;
}

static bool is_mapped(const union ibv_gid *gid)
{
	return !memcmp(gid->raw, gid_of("::ffff:0.0.0.0").raw, 12);
}

static bool is_link_local(const union ibv_gid *gid)
{
	return gid->raw[0] == 0xfe && (gid->raw[1] & 0xc0) == 0x80;
}

/* The index of a GID of the family that can send to the group. */
static uint8_t gid_index(struct vt_dev *dev, const struct family *family)
{
	struct ibv_gid_entry entry;

	for (uint32_t i = 0; i < (uint32_t)dev->port.gid_tbl_len; i++)
		if (!ibv_query_gid_ex(dev->ctx, vt_opts.port, i, &entry, 0) &&
		    entry.gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    is_mapped(&entry.gid) == (family == &v4) &&
		    !is_link_local(&entry.gid))
			return i;
	vt_skip("%s has no %s address", ibv_get_device_name(dev->ctx->device), family->name);
}

static void end_open(struct end *end, struct vt_dev *dev, enum vt_kind kind)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_UD,
		.cap = { WRS, WRS, 1, 1, 64 },
	};

	end->dev = dev;
	end->pd = vt_new_pd(dev->ctx);
	init.send_cq = end->scq = vt_new_cq(dev->ctx, WRS);
	init.recv_cq = end->rcq = vt_new_cq(dev->ctx, WRS);
	end->qp = ibv_create_qp(end->pd, &init);
	vt_require(end->qp, "create_qp: %s", strerror(errno));
	vt_defer(vt_free_qp, end->qp);
	vt_ud_to_rts(end->qp, QKEY);
	end->mem = vt_mem_new(end->pd, kind, 2 * (GRH + 4096), VT_ACCESS_ALL);
}

static void free_ah(void *obj)
{
	ibv_destroy_ah(obj);
}

static struct ibv_ah *new_ah(struct end *end, const struct family *family, const char *to)
{
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.port_num = vt_opts.port,
		.grh = { .dgid = gid_of(to), .sgid_index = gid_index(end->dev, family),
			 .hop_limit = 1 },
	};
	struct ibv_ah *ah = ibv_create_ah(end->pd, &attr);

	vt_require(ah, "create_ah(%s): %s", to, strerror(errno));
	vt_defer(free_ah, ah);
	return ah;
}

static int attach(struct end *end, const char *group)
{
	union ibv_gid gid = gid_of(group);

	return ibv_attach_mcast(end->qp, &gid, 0);
}

static int detach(struct end *end, const char *group)
{
	union ibv_gid gid = gid_of(group);

	return ibv_detach_mcast(end->qp, &gid, 0);
}

struct leave {
	struct ibv_qp *qp;
	union ibv_gid group;
};

static void free_membership(void *obj)
{
	struct leave *leave = obj;

	ibv_detach_mcast(leave->qp, &leave->group, 0);
	free(leave);
}

static void join(struct end *end, const char *group)
{
	struct leave *leave = malloc(sizeof(*leave));

	*leave = (struct leave){ end->qp, gid_of(group) };
	vt_ok(attach(end, group));
	vt_defer(free_membership, leave);
}

static void post_recv(struct end *end, uint64_t id)
{
	struct ibv_sge sge = vt_sge(end->mem, 0, GRH + 4096);
	struct ibv_recv_wr *bad, wr = { .wr_id = id, .sg_list = &sge, .num_sge = 1 };

	vt_ok(ibv_post_recv(end->qp, &wr, &bad));
}

static uint8_t *sent(const struct end *end)
{
	return end->mem->addr + GRH + 4096;
}

static void wr_make(struct vt_wr *wr, struct end *from, struct ibv_ah *ah, uint32_t qkey,
		    size_t len)
{
	vt_wr_init(wr, IBV_WR_SEND_WITH_IMM, 1);
	vt_wr_local(wr, from->mem, GRH + 4096, len);
	wr->wr.imm_data = htonl(len);
	wr->wr.wr.ud.ah = ah;
	wr->wr.wr.ud.remote_qpn = GROUP_QPN;
	wr->wr.wr.ud.remote_qkey = qkey;
}

static void send_to(struct end *from, struct ibv_ah *ah, uint32_t qkey, size_t len)
{
	struct ibv_send_wr *bad;
	struct vt_wr wr;

	vt_fill(sent(from), len);
	wr_make(&wr, from, ah, qkey, len);
	vt_ok(ibv_post_send(from->qp, &wr.wr, &bad));
	vt_want(from->scq, 1, IBV_WC_SUCCESS);
}

static void received(struct end *end, uint64_t id, const struct end *from, size_t len)
{
	struct ibv_wc wc = vt_want(end->rcq, id, IBV_WC_SUCCESS);

	vt_require(wc.byte_len == GRH + len && ntohl(wc.imm_data) == len, "%u bytes of %zu",
		   wc.byte_len, GRH + len);
	vt_require(wc.src_qp == from->qp->qp_num, "from QP %u", wc.src_qp);
	vt_require(wc.wc_flags & IBV_WC_GRH, "no GRH");
	vt_require(!memcmp(end->mem->addr + GRH, sent(from), len), "data differ");
}

/* Send to the group until a datagram arrives: joining takes the network a while. */
static void settle(struct end *from, struct ibv_ah *ah, struct end *end)
{
	struct ibv_wc wc;

	post_recv(end, 1000);
	for (int tries = 0; tries < 100; tries++) {
		send_to(from, ah, QKEY, 1);
		if (vt_poll_for(end->rcq, &wc, 1, 50) > 0)
			return;
	}
	vt_fail("nothing comes to the group");
}

static void open_members(struct end *a, struct end *members, enum vt_kind kind)
{
	end_open(a, vt_dev(0), kind);
	for (int i = 0; i < MEMBERS; i++)
		end_open(&members[i], vt_dev(1), kind);
}

struct variant {
	const struct family *family;
	enum vt_kind kind;
};

/* Each member gets each datagram, even its own. */
static void mcast_data(const void *arg)
{
	const struct variant *variant = arg;
	const char *group = variant->family->group;
	struct end a, members[MEMBERS];
	struct ibv_ah *ah;

	vt_need_kind(vt_dev(1), variant->kind, 0);
	open_members(&a, members, variant->kind);
	ah = new_ah(&a, variant->family, group);
	join(&a, group);
	for (int i = 0; i < MEMBERS; i++)
		join(&members[i], group);
	settle(&a, ah, &members[0]);
	vt_sleep_ms(20);
	for (unsigned int n = 0; n < 50 * vt_opts.rounds; n++) {
		size_t len = vt_length(1024, 1024);

		post_recv(&a, n);
		for (int i = 0; i < MEMBERS; i++)
			post_recv(&members[i], n);
		send_to(&a, ah, QKEY, len);
		received(&a, n, &a, len);
		for (int i = 0; i < MEMBERS; i++)
			received(&members[i], n, &a, len);
	}
	for (int i = 0; i < MEMBERS; i++)
		vt_mem_guards(members[i].mem);
}

/* Datagrams sent in one batch, which travel as one large packet, are received one by one. */
static void mcast_at_once(const void *arg)
{
	const struct family *family = arg;
	static struct vt_wr wrs[WRS];
	struct ibv_send_wr *bad;
	struct end a, b;
	struct ibv_ah *ah;

	end_open(&a, vt_dev(0), VT_PINNED);
	end_open(&b, vt_dev(1), VT_PINNED);
	ah = new_ah(&a, family, family->group);
	join(&b, family->group);
	settle(&a, ah, &b);
	vt_sleep_ms(20);
	vt_fill(sent(&a), 1024);
	for (unsigned int n = 0; n < WRS; n++) {
		post_recv(&b, n);
		wr_make(&wrs[n], &a, ah, QKEY, 1000 + n % 3);
	}
	vt_wr_chain(wrs, WRS);
	vt_ok(ibv_post_send(a.qp, &wrs[0].wr, &bad));
	for (unsigned int n = 0; n < WRS; n++) {
		vt_want(a.scq, 1, IBV_WC_SUCCESS);
		received(&b, n, &a, 1000 + n % 3);
	}
}

/* Only members of this group with the right Q_Key receive. */
static void mcast_members_only(const void *arg)
{
	const struct family *family = arg;
	struct end a, members[MEMBERS];
	struct ibv_ah *ah, *other;

	open_members(&a, members, VT_PINNED);
	ah = new_ah(&a, family, family->group);
	other = new_ah(&a, family, family->other);
	join(&members[0], family->group);
	join(&members[1], family->other);
	settle(&a, ah, &members[0]);
	settle(&a, other, &members[1]);
	for (int i = 0; i < MEMBERS; i++)
		post_recv(&members[i], i);
	post_recv(&a, 7);
	send_to(&a, ah, QKEY + 1, 10);
	vt_want_none(members[0].rcq, 20);
	send_to(&a, ah, QKEY, 10);
	received(&members[0], 0, &a, 10);
	vt_want_none(members[1].rcq, 20);
	vt_want_none(members[2].rcq, 0);
	vt_want_none(a.rcq, 0);
	send_to(&a, other, QKEY, 11);
	received(&members[1], 1, &a, 11);
	vt_want_none(members[2].rcq, 20);
}

/* A QP that leaves the group receives nothing more; the others still do. */
static void mcast_leave(const void *arg)
{
	const struct family *family = arg;
	struct end a, members[MEMBERS];
	struct ibv_ah *ah;

	open_members(&a, members, VT_PINNED);
	ah = new_ah(&a, family, family->group);
	join(&members[1], family->group);
	vt_ok(attach(&members[0], family->group));
	vt_ok(attach(&members[0], family->group));	/* joining twice counts once */
	settle(&a, ah, &members[1]);
	vt_sleep_ms(20);
	post_recv(&members[0], 0);
	post_recv(&members[0], 0);
	post_recv(&members[1], 0);
	send_to(&a, ah, QKEY, 100);
	received(&members[0], 0, &a, 100);
	received(&members[1], 0, &a, 100);
	vt_require(ibv_destroy_qp(members[0].qp) == EBUSY, "destroyed as a member");
	vt_ok(detach(&members[0], family->group));
	vt_require(detach(&members[0], family->group) == EINVAL, "left twice");
	post_recv(&members[1], 1);
	send_to(&a, ah, QKEY, 101);
	received(&members[1], 1, &a, 101);
	vt_want_none(members[0].rcq, 20);
}

static void mcast_refused(const void *arg)
{
	struct end end;

	(void)arg;
	end_open(&end, vt_dev(0), VT_PINNED);
	vt_require(attach(&end, "::ffff:10.0.0.1") == EINVAL, "IPv4, and no group");
	vt_require(attach(&end, "fd00::1") == EINVAL, "IPv6, and no group");
}

/* A group takes as many members as the device reports, and no more. */
static void mcast_limit(const void *arg)
{
	struct ibv_device_attr *attr = &vt_dev(0)->attr.orig_attr;
	struct end end;
	int most, i;

	(void)arg;
	most = attr->max_mcast_qp_attach;
	vt_require(most > 0 && attr->max_mcast_grp > 0 && attr->max_total_mcast_qp_attach > 0,
		   "no multicast");
	if (most > 1000)
		vt_skip("%d members are too many to try", most);
	for (i = 0; i <= most; i++) {
		struct end *member = calloc(1, sizeof(*member));

		vt_defer(free, member);
		end_open(member, vt_dev(0), VT_PINNED);
		if (i < most)
			join(member, v4.group);
		else
			vt_require(attach(member, v4.group) == ENOMEM, "%d members", i + 1);
	}
	end_open(&end, vt_dev(0), VT_PINNED);
	join(&end, v4.other);
}

static void add_tests(void)
{
	static const struct variant variants[] = {
		{ &v4, VT_PINNED }, { &v4, VT_ODP }, { &v4, VT_IMPLICIT },
		{ &v6, VT_PINNED }, { &v6, VT_ODP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		vt_test(mcast_data, &variants[i], "mcast_data_%s_%s",
			variants[i].family->name, vt_kind_name[variants[i].kind]);
	for (const struct family *family = &v4; family;
	     family = family == &v4 ? &v6 : NULL) {
		vt_test(mcast_at_once, family, "mcast_at_once_%s", family->name);
		vt_test(mcast_members_only, family, "mcast_members_only_%s", family->name);
		vt_test(mcast_leave, family, "mcast_leave_%s", family->name);
	}
	VT_TEST(mcast_refused);
	VT_TEST(mcast_limit);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
