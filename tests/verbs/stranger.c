// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* A stranger who sends packets in the name of a peer. */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "odp_system.h"
#include "stranger.h"

uint32_t rq_psn(const struct rc_end *end)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	vt_ok(ibv_query_qp(end->qp, &attr, IBV_QP_RQ_PSN, &init));
	return attr.rq_psn;
}

void want_unhurt(struct rc_pair *pair)
{
	vt_require(rc_state(&pair->a) == IBV_QPS_RTS && rc_state(&pair->b) == IBV_QPS_RTS,
		   "the QPs are in states %d and %d", rc_state(&pair->a),
		   rc_state(&pair->b));
	rc_works(pair);
}

void stranger_open(struct stranger *s, const struct rc_end *from, const struct rc_end *to)
{
	s->qpn = to->qp->qp_num;
	memcpy(&s->forge.saddr, &from->dev->gid, sizeof(s->forge.saddr));
	memcpy(&s->forge.daddr, &to->dev->gid, sizeof(s->forge.daddr));
	s->forge.as_ipv6 = false;
	if (!IN6_IS_ADDR_V4MAPPED(&s->forge.saddr) || !IN6_IS_ADDR_V4MAPPED(&s->forge.daddr))
		vt_skip("no IPv4 address");
	forge_open_udp(&s->forge, NULL);
}

void stranger_asks(const struct stranger *s, struct forge_packet *packet, uint8_t opcode,
		   uint32_t psn)
{
	forge_begin(packet, opcode, s->qpn, (psn & PSN_MASK) | FORGE_ACK_REQ);
}

void stranger_sends(struct stranger *s, struct forge_packet *packet)
{
	vt_ok(forge_send(&s->forge, packet));
}

void stranger_reads(struct stranger *s, uint32_t psn, uint64_t addr, uint32_t rkey,
		    uint32_t len)
{
	struct forge_packet packet;

	stranger_asks(s, &packet, FORGE_READ, psn);
	forge_reth(&packet, addr, rkey, len);
	stranger_sends(s, &packet);
}

void stranger_adds(struct stranger *s, uint32_t psn, uint64_t addr, uint32_t rkey)
{
	struct forge_packet packet;

	stranger_asks(s, &packet, FORGE_FETCH_ADD, psn);
	forge_atomic(&packet, addr, rkey, 1, 0);
	stranger_sends(s, &packet);
}

void wait_open(struct wait *w, uint8_t rd_atomic)
{
	struct rc_attr attr = rc_attr_default;
	void *hole = vt_map(PAGE, 0);

	attr.rd_atomic = rd_atomic;
	vt_need_kind(vt_dev(1), VT_ODP, 0x1f);
	w->pair = rc_pair_new(&attr);
	w->near = vt_mem_new(w->pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	w->far = vt_mem_at(w->pair->b.pd, VT_ODP, hole, PAGE, VT_ACCESS_ALL);
	w->uffd = odp_uffd(hole, PAGE, UFFDIO_REGISTER_MODE_MISSING);
	stranger_open(&w->stranger, &w->pair->a, &w->pair->b);
}

void wait_begin(struct wait *w)
{
	w->psn = rq_psn(&w->pair->b);
	rc_start(&w->pair->a, IBV_WR_RDMA_WRITE, 1, w->near, 0, w->far, 0, 64);
	odp_uffd_wait(w->uffd);
}

void wait_end(struct wait *w)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)w->far->addr, PAGE } };

	vt_ok(ioctl(w->uffd, UFFDIO_ZEROPAGE, &zero));
	vt_want(w->pair->a.scq, 1, IBV_WC_SUCCESS);
	close(w->uffd);
	forge_close(&w->stranger.forge);
}
