// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The operations of RC: a table of their properties, and posting them. */
#include "rc.h"

const struct rc_op rc_ops[RC_OPS] = {
	{
		.name = "send", .op = IBV_WR_SEND, .wc = IBV_WC_SEND,
		.recv_wc = IBV_WC_RECV, .recv = true,
		.odp_cap = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV,
	}, {
		.name = "send_imm", .op = IBV_WR_SEND_WITH_IMM, .wc = IBV_WC_SEND,
		.recv_wc = IBV_WC_RECV, .recv = true, .imm = true,
		.odp_cap = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV,
	}, {
		.name = "write", .op = IBV_WR_RDMA_WRITE, .wc = IBV_WC_RDMA_WRITE,
		.rdma = true, .remote_right = IBV_ACCESS_REMOTE_WRITE,
		.odp_cap = IBV_ODP_SUPPORT_WRITE,
	}, {
		.name = "write_imm", .op = IBV_WR_RDMA_WRITE_WITH_IMM,
		.wc = IBV_WC_RDMA_WRITE, .recv_wc = IBV_WC_RECV_RDMA_WITH_IMM,
		.rdma = true, .recv = true, .imm = true,
		.remote_right = IBV_ACCESS_REMOTE_WRITE,
		.odp_cap = IBV_ODP_SUPPORT_WRITE,
	}, {
		.name = "read", .op = IBV_WR_RDMA_READ, .wc = IBV_WC_RDMA_READ,
		.rdma = true, .fetches = true,
		.remote_right = IBV_ACCESS_REMOTE_READ,
		.odp_cap = IBV_ODP_SUPPORT_READ,
	}, {
		.name = "cmp_swap", .op = IBV_WR_ATOMIC_CMP_AND_SWP,
		.wc = IBV_WC_COMP_SWAP, .rdma = true, .fetches = true, .atomic = true,
		.remote_right = IBV_ACCESS_REMOTE_ATOMIC,
		.odp_cap = IBV_ODP_SUPPORT_ATOMIC,
	}, {
		.name = "fetch_add", .op = IBV_WR_ATOMIC_FETCH_AND_ADD,
		.wc = IBV_WC_FETCH_ADD, .rdma = true, .fetches = true, .atomic = true,
		.remote_right = IBV_ACCESS_REMOTE_ATOMIC,
		.odp_cap = IBV_ODP_SUPPORT_ATOMIC,
	},
};

const struct rc_op *rc_op(enum ibv_wr_opcode op)
{
	for (size_t i = 0; i < RC_OPS; i++)
		if (rc_ops[i].op == op)
			return &rc_ops[i];
	vt_fail("no such operation: %d", op);
}

int rc_post(struct rc_end *end, struct vt_wr *wr)
{
	struct ibv_send_wr *bad;

	return ibv_post_send(end->qp, &wr->wr, &bad);
}

int rc_post_recv(struct rc_end *end, uint64_t id, struct ibv_sge *sge, int num)
{
	struct ibv_recv_wr wr = { .wr_id = id, .sg_list = sge, .num_sge = num };
	struct ibv_recv_wr *bad;

	return ibv_post_recv(end->qp, &wr, &bad);
}

/* Post one request of @end, with one local element. */
void rc_start(struct rc_end *end, enum ibv_wr_opcode op, uint64_t id,
	      const struct vt_mem *local, size_t loff,
	      const struct vt_mem *remote, size_t roff, size_t len)
{
	struct vt_wr wr;

	vt_wr_init(&wr, op, id);
	vt_wr_local(&wr, local, loff, len);
	if (remote)
		vt_wr_remote(&wr, remote, roff);
	vt_ok(rc_post(end, &wr));
}

/* The same, and wait for the completion. */
void rc_do(struct rc_end *end, enum ibv_wr_opcode op,
	   const struct vt_mem *local, size_t loff,
	   const struct vt_mem *remote, size_t roff, size_t len,
	   enum ibv_wc_status status)
{
	rc_start(end, op, 0xd0, local, loff, remote, roff, len);
	vt_want(end->scq, 0xd0, status);
}

static void write_both_ways(struct rc_end *from, struct rc_end *to)
{
	struct vt_mem *src = vt_mem_new(from->pd, VT_PINNED, 10000, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_new(to->pd, VT_PINNED, 10000, VT_ACCESS_ALL);

	vt_fill(src->addr, src->len);
	rc_do(from, IBV_WR_RDMA_WRITE, src, 0, dst, 0, src->len, IBV_WC_SUCCESS);
	vt_require(!memcmp(src->addr, dst->addr, src->len), "data differ");
	rc_do(from, IBV_WR_RDMA_READ, src, 1, dst, 0, src->len - 1, IBV_WC_SUCCESS);
	vt_require(!memcmp(src->addr + 1, dst->addr, src->len - 1), "data differ");
}

/* Check that the pair still transfers data, both ways. */
void rc_works(struct rc_pair *pair)
{
	write_both_ways(&pair->a, &pair->b);
	write_both_ways(&pair->b, &pair->a);
}
