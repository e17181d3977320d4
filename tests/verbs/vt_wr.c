// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Building work requests, and waiting for completions. */
#include <sched.h>

#include "vt.h"

void vt_wr_init(struct vt_wr *wr, enum ibv_wr_opcode op, uint64_t id)
{
	memset(wr, 0, sizeof(*wr));
	wr->wr.opcode = op;
	wr->wr.wr_id = id;
	wr->wr.send_flags = IBV_SEND_SIGNALED;
	wr->wr.sg_list = wr->sge;
}

/* Add one element of local memory. */
void vt_wr_local(struct vt_wr *wr, const struct vt_mem *mem, size_t off, size_t len)
{
	wr->sge[wr->wr.num_sge++] = vt_sge(mem, off, len);
}

/*
 * Make the request inline. All its elements are in @mem: convert their IOVAs to addresses,
 * as libibverbs copies the data. Keys are not used, so set random ones.
 */
void vt_wr_inline(struct vt_wr *wr, const struct vt_mem *mem)
{
	wr->wr.send_flags |= IBV_SEND_INLINE;
	for (int i = 0; i < wr->wr.num_sge; i++) {
		wr->sge[i].addr += (uintptr_t)mem->addr - mem->iova;
		wr->sge[i].lkey = vt_rand();
	}
}

static bool is_atomic(enum ibv_wr_opcode op)
{
	return op == IBV_WR_ATOMIC_FETCH_AND_ADD || op == IBV_WR_ATOMIC_CMP_AND_SWP;
}

void vt_wr_remote(struct vt_wr *wr, const struct vt_mem *mem, size_t off)
{
	if (is_atomic(wr->wr.opcode)) {
		wr->wr.wr.atomic.remote_addr = mem->iova + off;
		wr->wr.wr.atomic.rkey = mem->mr->rkey;
	} else {
		wr->wr.wr.rdma.remote_addr = mem->iova + off;
		wr->wr.wr.rdma.rkey = mem->mr->rkey;
	}
}

void vt_wr_atomic(struct vt_wr *wr, uint64_t compare_add, uint64_t swap)
{
	wr->wr.wr.atomic.compare_add = compare_add;
	wr->wr.wr.atomic.swap = swap;
}

/* Link the requests into a list, for one ibv_post_send(). */
void vt_wr_chain(struct vt_wr *wr, int num)
{
	for (int i = 0; i < num; i++)
		wr[i].wr.next = i + 1 < num ? &wr[i + 1].wr : NULL;
}

/*
 * Give up the CPU, which whatever makes the completion needs; after 3 ms sleep rather than
 * yield, since sched_yield() is slow on a debug kernel.
 */
static void pause_poll(uint64_t since)
{
	struct timespec nap = { 0, 200000 };

	if (vt_now_ms() - since < 3)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

/* Poll up to @n completions for up to @ms milliseconds; returns their number. */
int vt_poll_for(struct ibv_cq *cq, struct ibv_wc *wc, int n, unsigned int ms)
{
	uint64_t begun = vt_now_ms(), end = begun + ms;
	int got = 0, more;

	do {
		more = ibv_poll_cq(cq, n - got, wc + got);
		vt_require(more >= 0, "poll_cq: %d", more);
		got += more;
		if (!more)
			pause_poll(begun);
	} while (got < n && (more || vt_now_ms() < end));
	return got;
}

/* Wait for the next completion; fail the test if none comes. */
struct ibv_wc vt_poll(struct ibv_cq *cq)
{
	struct ibv_wc wc;

	vt_require(vt_poll_for(cq, &wc, 1, vt_patience_ms()) == 1, "no completion");
	return wc;
}

/* Wait for the next completion; fail the test unless it has this ID and status. */
struct ibv_wc vt_want(struct ibv_cq *cq, uint64_t id, enum ibv_wc_status status)
{
	struct ibv_wc wc = vt_poll(cq);

	vt_require(wc.status == status, "request %#llx: want \"%s\", got \"%s\" (vendor %#x)",
		   (unsigned long long)wc.wr_id, ibv_wc_status_str(status),
		   ibv_wc_status_str(wc.status), wc.vendor_err);
	vt_require(wc.wr_id == id, "completion of %#llx, want %#llx",
		   (unsigned long long)wc.wr_id, (unsigned long long)id);
	return wc;
}

void vt_want_none(struct ibv_cq *cq, unsigned int ms)
{
	struct ibv_wc wc;

	vt_require(!vt_poll_for(cq, &wc, 1, ms), "completion of %#llx (%s), want none",
		   (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status));
}

void vt_drain(struct ibv_cq *cq)
{
	struct ibv_wc wc;

	while (vt_poll_for(cq, &wc, 1, 0))
		;
}
