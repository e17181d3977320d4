// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Forged congestion signals, sent by a user of the peer's host through a UDP socket
 * (../hostile/forge.h). A CNP halves the window of its QP, at most once for all that is in
 * flight and never below the least window; and many marked packets cause only few CNPs.
 *
 * For QPs of one device set /sys/module/nopin/parameters/loopback so that packets go over
 * lo.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forge.h"
#include "rc.h"

#define MTU		1024
#define WINDOW		128	/* packets in flight at most */
#define WINDOW_LEAST	8
#define GROWTH		2	/* packets that one acknowledged flight may add */
#define CNP_NS		50000	/* between two CNPs of a QP */
#define CE		3	/* of the traffic class: congestion experienced */
#define ACK		0x1f000000
#define PSN_MASK	0xffffffU

static long long counted(const struct rc_end *end, const char *name)
{
	long long value = vt_counter(end->dev, name);

	vt_require(value >= 0, "no counter %s", name);
	return value;
}

static void want_counted(const struct rc_end *end, const char *name, long long wanted)
{
	uint64_t end_ms = vt_now_ms() + vt_patience_ms();

	while (counted(end, name) < wanted) {
		vt_require(vt_now_ms() < end_ms, "%s: %lld instead of %lld", name,
			   counted(end, name), wanted);
		vt_sleep_ms(5);
	}
	vt_require(counted(end, name) == wanted, "%s: %lld instead of %lld", name,
		   counted(end, name), wanted);
}

static void release_forge(void *obj)
{
	forge_close(obj);
	free(obj);
}

/* Open a UDP socket on the host of end @from, to send forged packets to end @to. */
static struct forge *stranger(const struct rc_end *from, const struct rc_end *to)
{
	struct forge *forge = calloc(1, sizeof(*forge));

	vt_require(forge, "out of memory");
	memcpy(&forge->saddr, &from->dev->gid, sizeof(forge->saddr));
	memcpy(&forge->daddr, &to->dev->gid, sizeof(forge->daddr));
	forge_open_udp(forge, NULL);
	vt_defer(release_forge, forge);
	return forge;
}

static void send_cnps(struct forge *forge, const struct rc_end *to, unsigned int num)
{
	long long before = counted(to, "rp_cnp_handled");
	struct forge_packet packet;

	forge_cnp(&packet, to->qp->qp_num);
	for (unsigned int i = 0; i < num; i++)
		vt_ok(forge_send(forge, &packet));
	want_counted(to, "rp_cnp_handled", before + num);
}

/* --- a requester whose peer is silent, so that all answers are forged --- */

struct flight {
	struct rc_end from, to;
	struct forge *forge;
	uint32_t psn;		/* PSN of the first packet in flight */
	long long sent;		/* packets sent before those */
};

/* Post one long message to end @to, which is in INIT and so never answers. */
static void flight_begin(struct flight *f)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_addr to;
	struct vt_mem *mem;
	struct vt_wr wr;

	attr.mtu = MTU;
	attr.timeout = 0;	/* no ACK timeout */
	rc_end_open(&f->to, vt_dev(0), NULL, &attr);
	rc_end_open(&f->from, vt_dev(1), NULL, &attr);
	vt_ok(rc_to_init(&f->to, &attr));
	to = rc_end_addr(&f->to);
	rc_connect(&f->from, &attr, &to);
	f->forge = stranger(&f->to, &f->from);
	f->psn = f->from.psn;
	f->sent = counted(&f->from, "sent_packets");
	mem = vt_mem_new(f->from.pd, VT_PINNED, MIB, VT_ACCESS_ALL);
	vt_wr_init(&wr, IBV_WR_RDMA_WRITE, 1);
	vt_wr_local(&wr, mem, 0, MIB);
	vt_ok(rc_post(&f->from, &wr));
}

/* Wait until no more packets are sent; returns the number in flight. */
static unsigned int flight_size(const struct flight *f)
{
	long long now = counted(&f->from, "sent_packets"), before;

	do {
		before = now;
		vt_sleep_ms(100);
		now = counted(&f->from, "sent_packets");
	} while (now != before || now == f->sent);
	return now - f->sent;
}

/* Forge an ACK for all that is in flight. */
static void flight_land(struct flight *f, unsigned int size)
{
	struct forge_packet packet;

	f->sent += size;
	f->psn = (f->psn + size) & PSN_MASK;
	forge_begin(&packet, FORGE_ACK, f->from.qp->qp_num, (f->psn - 1) & PSN_MASK);
	forge_put32(&packet, ACK);
	vt_ok(forge_send(f->forge, &packet));
}

static void once_in_a_flight(const void *arg)
{
	struct flight f;
	unsigned int size;

	(void)arg;
	flight_begin(&f);
	size = flight_size(&f);
	vt_require(size == WINDOW, "%u packets in flight", size);
	send_cnps(f.forge, &f.from, 50);
	flight_land(&f, size);
	size = flight_size(&f);
	vt_require(size >= WINDOW / 2 && size <= WINDOW / 2 + GROWTH,
		   "%u packets in flight after CNPs", size);
}

static void never_below_the_least(const void *arg)
{
	struct flight f;
	unsigned int size;

	(void)arg;
	flight_begin(&f);
	size = flight_size(&f);
	for (int i = 0; i < 12; i++) {
		send_cnps(f.forge, &f.from, 1);
		flight_land(&f, size);
		size = flight_size(&f);
		vt_require(size >= WINDOW_LEAST, "%u packets in flight", size);
	}
	vt_require(size <= WINDOW_LEAST + GROWTH, "still %u packets in flight", size);
}

/* Many CNPs under traffic: the window shrinks and grows again, and all data arrive. */
static void flood_of_cnps(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *near = vt_mem_new(pair->b.pd, VT_PINNED, MIB, VT_ACCESS_ALL);
	struct vt_mem *far = vt_mem_new(pair->a.pd, VT_PINNED, MIB, VT_ACCESS_ALL);
	struct forge *forge = stranger(&pair->a, &pair->b);
	struct forge_packet packet;

	(void)arg;
	forge_cnp(&packet, pair->b.qp->qp_num);
	vt_fill(near->addr, MIB);
	for (int i = 0; i < 8; i++)
		rc_start(&pair->b, IBV_WR_RDMA_WRITE, i, near, 0, far, 0, MIB);
	for (int i = 0; i < 2000; i++)
		vt_ok(forge_send(forge, &packet));
	for (int i = 0; i < 8; i++)
		vt_want(pair->b.scq, i, IBV_WC_SUCCESS);
	vt_require(!memcmp(near->addr, far->addr, MIB), "data differ");
	vt_mem_guards(far);
	rc_works(pair);
}

/*
 * A READ for which the window has become too small waits for the WRITE before it, which has
 * to ask for an ACK. There is no ACK timeout that would help.
 */
static void write_before_a_read(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct vt_mem *near, *far;
	struct rc_pair *pair;
	struct vt_wr wr[2];

	(void)arg;
	attr.mtu = MTU;
	attr.timeout = 0;
	pair = rc_pair_new(&attr);
	near = vt_mem_new(pair->b.pd, VT_PINNED, 64 * MTU, VT_ACCESS_ALL);
	far = vt_mem_new(pair->a.pd, VT_PINNED, 64 * MTU, VT_ACCESS_ALL);
	send_cnps(stranger(&pair->a, &pair->b), &pair->b, 1);
	vt_wr_init(&wr[0], IBV_WR_RDMA_WRITE, 1);
	vt_wr_local(&wr[0], near, 0, 8);
	vt_wr_remote(&wr[0], far, 0);
	vt_wr_init(&wr[1], IBV_WR_RDMA_READ, 2);
	vt_wr_local(&wr[1], near, 0, 64 * MTU);
	vt_wr_remote(&wr[1], far, 0);
	vt_wr_chain(wr, 2);
	vt_ok(rc_post(&pair->b, wr));
	vt_want(pair->b.scq, 1, IBV_WC_SUCCESS);
	vt_want(pair->b.scq, 2, IBV_WC_SUCCESS);
	vt_require(!memcmp(near->addr, far->addr, 64 * MTU), "data differ");
}

/* --- QPs that ignore CNPs --- */

static void want_unheeded(struct forge *forge, const struct rc_end *to, long long dropped)
{
	long long heeded = counted(to, "rp_cnp_handled");
	struct forge_packet packet;

	dropped += counted(to, "drop_no_qp");
	forge_cnp(&packet, to->qp->qp_num);
	vt_ok(forge_send(forge, &packet));
	vt_sleep_ms(200);
	want_counted(to, "drop_no_qp", dropped);
	want_counted(to, "rp_cnp_handled", heeded);
}

/* A QP that is not connected yet, and one in the error state. */
static void not_connected(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_pair *pair = rc_pair();
	struct rc_end end;

	(void)arg;
	rc_end_open(&end, vt_dev(1), NULL, &attr);
	vt_ok(rc_to_init(&end, &attr));
	want_unheeded(stranger(&pair->a, &end), &end, 1);
	vt_ok(rc_to_state(&pair->b, IBV_QPS_ERR));
	want_unheeded(stranger(&pair->a, &pair->b), &pair->b, 0);
}

static void without_acknowledgements(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_pair *pair;

	(void)arg;
	attr.type = IBV_QPT_UC;
	pair = rc_pair_new(&attr);
	want_unheeded(stranger(&pair->a, &pair->b), &pair->b, 1);
	vt_require(rc_state(&pair->b) == IBV_QPS_RTS, "it is in state %d",
		   rc_state(&pair->b));
}

/* A UD QP has no connection. */
static void to_datagrams(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_UD,
		.send_cq = pair->b.scq,
		.recv_cq = pair->b.rcq,
		.cap = { 1, 1, 1, 1, 0 },
	};
	struct rc_end end = pair->b;

	(void)arg;
	end.qp = ibv_create_qp(pair->b.pd, &init);
	vt_require(end.qp, "create_qp: %s", strerror(errno));
	vt_defer(vt_free_qp, end.qp);
	vt_ud_to_rts(end.qp, 1);
	want_unheeded(stranger(&pair->a, &end), &end, 1);
}

/* --- marked packets --- */

/* Marked packets whose PSNs are old: each counts as a sign of congestion. */
static void flood_of_marks(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct forge *forge = stranger(&pair->a, &pair->b);
	long long marked = counted(&pair->b, "np_ecn_marked_roce_packets");
	long long told = counted(&pair->b, "np_cnp_sent");
	bool ipv6 = !IN6_IS_ADDR_V4MAPPED(&forge->daddr);
	struct forge_packet packet;
	uint64_t begun = vt_now_ns();
	int ce = CE;

	(void)arg;
	vt_ok(setsockopt(forge->fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
			 ipv6 ? IPV6_TCLASS : IP_TOS, &ce, sizeof(ce)));
	forge_begin(&packet, FORGE_SEND_ONLY, pair->b.qp->qp_num,
		    (pair->a.psn - 1000) & PSN_MASK);
	for (int i = 0; i < 1000; i++)
		vt_ok(forge_send(forge, &packet));
	want_counted(&pair->b, "np_ecn_marked_roce_packets", marked + 1000);
	told = counted(&pair->b, "np_cnp_sent") - told;
	vt_require(told >= 1, "there was no CNP");
	vt_require((uint64_t)told <= (vt_now_ns() - begun) / CNP_NS + 1, "%lld CNPs", told);
	rc_works(pair);
}

static void add_tests(void)
{
	VT_TEST(once_in_a_flight);
	VT_TEST(never_below_the_least);
	VT_TEST(flood_of_cnps);
	VT_TEST(write_before_a_read);
	VT_TEST(not_connected);
	VT_TEST(without_acknowledgements);
	VT_TEST(to_datagrams);
	VT_TEST(flood_of_marks);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
