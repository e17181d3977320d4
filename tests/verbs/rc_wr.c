// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Requests made, posted and waited for. */
#include <sched.h>

#include "rc.h"

void rc_wr_init(struct rc_wr *wr, enum ibv_wr_opcode op, uint64_t id)
{
	memset(wr, 0, sizeof(*wr));
	wr->wr.opcode = op;
	wr->wr.wr_id = id;
	wr->wr.send_flags = IBV_SEND_SIGNALED;
	wr->wr.sg_list = wr->sge;
}

/* Add one element of local memory. */
void rc_wr_local(struct rc_wr *wr, const struct rc_mem *mem, size_t off, size_t len)
{
	wr->sge[wr->wr.num_sge++] = rc_sge(mem, off, len);
}

/* Send the elements, all in @mem, inline: the library reads them, no key needed. */
void rc_wr_inline(struct rc_wr *wr, const struct rc_mem *mem)
{
	wr->wr.send_flags |= IBV_SEND_INLINE;
	for (int i = 0; i < wr->wr.num_sge; i++) {
		wr->sge[i].addr += (uintptr_t)mem->addr - mem->iova;
		wr->sge[i].lkey = rc_rand();
	}
}

void rc_wr_remote(struct rc_wr *wr, const struct rc_mem *mem, size_t off)
{
	if (rc_op(wr->wr.opcode)->atomic) {
		wr->wr.wr.atomic.remote_addr = mem->iova + off;
		wr->wr.wr.atomic.rkey = mem->mr->rkey;
	} else {
		wr->wr.wr.rdma.remote_addr = mem->iova + off;
		wr->wr.wr.rdma.rkey = mem->mr->rkey;
	}
}

void rc_wr_atomic(struct rc_wr *wr, uint64_t compare_add, uint64_t swap)
{
	wr->wr.wr.atomic.compare_add = compare_add;
	wr->wr.wr.atomic.swap = swap;
}

/* One behind the other, for one call. */
void rc_wr_chain(struct rc_wr *wr, int num)
{
	for (int i = 0; i < num; i++)
		wr[i].wr.next = i + 1 < num ? &wr[i + 1].wr : NULL;
}

int rc_post(struct rc_end *end, struct rc_wr *wr)
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

/* Who makes the completion needs a CPU too, and a yield is dear on a debug kernel. */
static void pause_poll(uint64_t since)
{
	struct timespec nap = { 0, 200000 };

	if (rc_now_ms() - since < 3)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

/* Up to @n completions, those that come within @ms. */
int rc_poll_for(struct ibv_cq *cq, struct ibv_wc *wc, int n, unsigned int ms)
{
	uint64_t begun = rc_now_ms(), end = begun + ms;
	int got = 0, more;

	do {
		more = ibv_poll_cq(cq, n - got, wc + got);
		rc_require(more >= 0, "poll_cq: %d", more);
		got += more;
		if (!more)
			pause_poll(begun);
	} while (got < n && (more || rc_now_ms() < end));
	return got;
}

/* The next completion; it has to come. */
struct ibv_wc rc_poll(struct ibv_cq *cq)
{
	struct ibv_wc wc;

	rc_require(rc_poll_for(cq, &wc, 1, rc_patience_ms()) == 1, "no completion");
	return wc;
}

/* The next completion is this one. */
struct ibv_wc rc_want(struct ibv_cq *cq, uint64_t id, enum ibv_wc_status status)
{
	struct ibv_wc wc = rc_poll(cq);

	rc_require(wc.status == status, "request %#llx: want \"%s\", got \"%s\" (vendor %#x)",
		   (unsigned long long)wc.wr_id, ibv_wc_status_str(status),
		   ibv_wc_status_str(wc.status), wc.vendor_err);
	rc_require(wc.wr_id == id, "completion of %#llx, want %#llx",
		   (unsigned long long)wc.wr_id, (unsigned long long)id);
	return wc;
}

void rc_want_none(struct ibv_cq *cq, unsigned int ms)
{
	struct ibv_wc wc;

	rc_require(!rc_poll_for(cq, &wc, 1, ms), "completion of %#llx (%s), want none",
		   (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status));
}

void rc_drain(struct ibv_cq *cq)
{
	struct ibv_wc wc;

	while (rc_poll_for(cq, &wc, 1, 0))
		;
}

/* Post one request of @end, with one local element. */
void rc_start(struct rc_end *end, enum ibv_wr_opcode op, uint64_t id,
	      const struct rc_mem *local, size_t loff,
	      const struct rc_mem *remote, size_t roff, size_t len)
{
	struct rc_wr wr;

	rc_wr_init(&wr, op, id);
	rc_wr_local(&wr, local, loff, len);
	if (remote)
		rc_wr_remote(&wr, remote, roff);
	rc_ok(rc_post(end, &wr));
}

/* The same, and its completion. */
void rc_do(struct rc_end *end, enum ibv_wr_opcode op,
	   const struct rc_mem *local, size_t loff,
	   const struct rc_mem *remote, size_t roff, size_t len,
	   enum ibv_wc_status status)
{
	rc_start(end, op, 0xd0, local, loff, remote, roff, len);
	rc_want(end->scq, 0xd0, status);
}

static void write_both_ways(struct rc_end *from, struct rc_end *to)
{
	struct rc_mem *src = rc_mem_new(from->pd, RC_PINNED, 10000, RC_ACCESS_ALL);
	struct rc_mem *dst = rc_mem_new(to->pd, RC_PINNED, 10000, RC_ACCESS_ALL);

	rc_fill(src->addr, src->len);
	rc_do(from, IBV_WR_RDMA_WRITE, src, 0, dst, 0, src->len, IBV_WC_SUCCESS);
	rc_require(!memcmp(src->addr, dst->addr, src->len), "data differ");
	rc_do(from, IBV_WR_RDMA_READ, src, 1, dst, 0, src->len - 1, IBV_WC_SUCCESS);
	rc_require(!memcmp(src->addr + 1, dst->addr, src->len - 1), "data differ");
}

/* The pair still moves data, both ways. */
void rc_works(struct rc_pair *pair)
{
	write_both_ways(&pair->a, &pair->b);
	write_both_ways(&pair->b, &pair->a);
}
