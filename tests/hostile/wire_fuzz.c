// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Live traffic on on-demand memory, under forged packets (fuzz_forge.c) that any user of
 * the peer's host could send.
 *
 * Connections that the forger does not aim at, or whose PSNs it does not know, must not be
 * affected: every request succeeds, and every byte is compared. Connections that it knows
 * completely may fail in any way. But their requests must complete, they can be connected
 * again, and no byte outside of the region whose key the forger has is written.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fuzz.h"

#define PACKETS		20000U		/* in one round */
#define SLOTS		6
#define SLOT_LEN	(16 * KIB)
#define MEM_LEN		(SLOTS * SLOT_LEN)
#define MTU		1024U
#define GIVE_UP_MS	3000		/* for requests that never complete */

struct side {
	struct vt_mem *from, *to;	/* for its own requests; for the peer's */
};

struct transfer {
	const struct rc_op *op;
	size_t off, len;
	uint64_t was, add;
};

struct link {
	enum fuzz_aim aim;
	enum vt_kind kind;
	struct rc_pair *pair;
	struct side side[2];
	int active;			/* the end that sends this batch */
	struct transfer transfers[SLOTS];
	struct fuzz_target *targets[2];
	uint64_t batches, losses;
};

static struct fuzz *fuzz;
static struct link links[FUZZ_LINKS];
static struct vt_mem *still;

static struct rc_end *end_of(struct link *link, int which)
{
	return which ? &link->pair->b : &link->pair->a;
}

/* --- what the forger knows --- */

static void publish_next(struct link *link)
{
	for (int i = 0; i < 2; i++) {
		struct ibv_qp_init_attr init;
		struct ibv_qp_attr attr;

		vt_ok(ibv_query_qp(end_of(link, i)->qp, &attr,
				   IBV_QP_RQ_PSN | IBV_QP_SQ_PSN, &init));
		link->targets[i]->requests.next = attr.rq_psn;
		link->targets[i]->responses.next = attr.sq_psn;
	}
}

static void publish(struct link *link)
{
	for (int i = 0; i < 2; i++) {
		struct fuzz_target *target = link->targets[i];
		struct vt_mem *to = link->side[i].to;

		target->side = i;
		target->qpn = end_of(link, i)->qp->qp_num;
		target->requests.first = end_of(link, !i)->psn;
		target->responses.first = end_of(link, i)->psn;
		target->region = (struct fuzz_region){ to->iova, to->mr->rkey, to->len };
		target->aim = link->aim;
	}
	publish_next(link);
}

static void make_still(void)
{
	struct rc_end end;

	rc_end_open(&end, vt_dev(1), NULL, &rc_attr_default);
	still = vt_mem_new(end.pd, VT_ODP, MEM_LEN, VT_ACCESS_ALL);
	memset(still->addr, 0x77, still->len);
	fuzz->still = (struct fuzz_region){ still->iova, still->mr->rkey, still->len };
}

/* --- links --- */

static void open_link(struct link *link, int n)
{
	static const enum fuzz_aim aims[FUZZ_LINKS] = {
		AIM_NEVER, AIM_BLIND, AIM_KNOWING, AIM_BLIND, AIM_KNOWING,
	};
	struct rc_attr attr = rc_attr_default;

	memset(link, 0, sizeof(*link));
	link->aim = aims[n];
	/* no implicit region for AIM_KNOWING: its key gives access to the whole process */
	link->kind = n == 3 ? VT_IMPLICIT : VT_ODP;
	attr.mtu = MTU;
	attr.wr = 16;
	attr.timeout = 18;	/* a second: the machine may be slow */
	if (link->aim == AIM_KNOWING) {
		attr.timeout = 14;	/* 67 ms */
		attr.rnr_retry = 3;
	}
	link->pair = rc_pair_new(&attr);
	for (int i = 0; i < 2; i++) {
		struct ibv_pd *pd = end_of(link, i)->pd;

		link->side[i].from = vt_mem_new(pd, link->kind, MEM_LEN, VT_ACCESS_ALL);
		link->side[i].to = vt_mem_new(pd, link->kind, MEM_LEN, VT_ACCESS_ALL);
		link->targets[i] = &fuzz->targets[2 * n + i];
	}
	publish(link);
}

static void check_guards(void)
{
	for (int n = 0; n < FUZZ_LINKS; n++)
		for (int i = 0; i < 2; i++) {
			vt_mem_guards(links[n].side[i].from);
			vt_mem_guards(links[n].side[i].to);
		}
	vt_mem_guards(still);
	for (size_t i = 0; i < still->len; i++)
		vt_require(still->addr[i] == 0x77, "memory of another domain was written");
}

/* --- traffic: each slot of memory has one transfer at a time --- */

static struct vt_mem *local_of(struct link *link)
{
	return link->side[link->active].from;
}

static struct vt_mem *remote_of(struct link *link)
{
	return link->side[!link->active].to;
}

/* Drop pages, so that transfers meet page faults. */
static void drop_pages(const struct vt_mem *mem, size_t off, size_t len)
{
	uintptr_t begin = ((uintptr_t)mem->addr + off + 4095) & ~4095UL;
	uintptr_t end = ((uintptr_t)mem->addr + off + len) & ~4095UL;

	if (begin < end && vt_chance(60))
		vt_ok(madvise((void *)begin, end - begin, MADV_DONTNEED));
}

static void plan(struct link *link, int slot)
{
	struct transfer *transfer = &link->transfers[slot];
	struct vt_mem *local = local_of(link), *remote = remote_of(link);
	size_t start = slot * SLOT_LEN;

	transfer->op = &rc_ops[vt_below(RC_OPS)];
	transfer->off = start;
	transfer->len = 1 + vt_length(SLOT_LEN - 1, MTU);
	if (transfer->op->atomic) {
		transfer->off += -(remote->iova + start) & 7;
		transfer->len = 8;
		memcpy(&transfer->was, remote->addr + transfer->off, 8);
		transfer->add = vt_rand();
	} else if (transfer->op->fetches) {
		drop_pages(local, start, SLOT_LEN);
		vt_fill(remote->addr + start, transfer->len);
	} else {
		drop_pages(remote, start, SLOT_LEN);
		vt_fill(local->addr + start, transfer->len);
	}
}

static void post_recv(struct link *link, int slot)
{
	struct ibv_sge sge = vt_sge(remote_of(link), slot * SLOT_LEN, SLOT_LEN);

	vt_ok(rc_post_recv(end_of(link, !link->active), slot, &sge, 1));
}

static void post_send(struct link *link, int slot)
{
	struct transfer *transfer = &link->transfers[slot];
	struct vt_wr wr;

	vt_wr_init(&wr, transfer->op->op, slot);
	vt_wr_local(&wr, local_of(link), transfer->off, transfer->len);
	if (transfer->op->rdma)
		vt_wr_remote(&wr, remote_of(link), transfer->off);
	if (transfer->op->atomic)
		vt_wr_atomic(&wr, transfer->add, transfer->was);
	vt_ok(rc_post(end_of(link, link->active), &wr));
}

static void post(struct link *link)
{
	link->active = vt_below(2);
	for (int slot = 0; slot < SLOTS; slot++)
		plan(link, slot);
	for (int slot = 0; slot < SLOTS; slot++)
		if (link->transfers[slot].op->recv)
			post_recv(link, slot);
	for (int slot = 0; slot < SLOTS; slot++)
		post_send(link, slot);
}

static void check_transfer(struct link *link, int slot)
{
	struct transfer *transfer = &link->transfers[slot];
	const uint8_t *local = local_of(link)->addr + transfer->off;
	const uint8_t *remote = remote_of(link)->addr + transfer->off;

	if (transfer->op->atomic)
		vt_require(!memcmp(local, &transfer->was, 8), "%s fetched something else",
			   transfer->op->name);
	else
		vt_require(!memcmp(local, remote, transfer->len), "data of a %s differ",
			   transfer->op->name);
}

static int receives(const struct link *link)
{
	int num = 0;

	for (int slot = 0; slot < SLOTS; slot++)
		num += link->transfers[slot].op->recv;
	return num;
}

/* Print hints at the cause of a failure: QP states, events, PSNs, number of packets forged. */
static void explain(struct link *link)
{
	for (int i = 0; i < 2; i++) {
		const struct fuzz_target *target = link->targets[i];
		struct ibv_qp_init_attr init;
		struct ibv_qp_attr attr;

		vt_ok(ibv_query_qp(end_of(link, i)->qp, &attr, IBV_QP_STATE, &init));
		vt_note("end %c: state %d, event %d, requests %#x to %#x, now %#x", 'a' + i,
			attr.qp_state, vt_async_event(end_of(link, i)->dev, 10),
			target->requests.first, target->requests.next, attr.rq_psn);
	}
	vt_note("end %c was sending; %llu packets forged", 'a' + link->active,
		(unsigned long long)fuzz->sent);
}

static void want_all(struct link *link, struct ibv_cq *cq, int num)
{
	static const char *const aims[] = { "not aimed at", "aimed at blindly" };

	while (num--) {
		struct ibv_wc wc = vt_poll(cq);

		if (wc.status != IBV_WC_SUCCESS)
			explain(link);
		vt_require(wc.status == IBV_WC_SUCCESS, "a connection that is %s: %s",
			   aims[link->aim], ibv_wc_status_str(wc.status));
	}
}

static void finish(struct link *link)
{
	want_all(link, end_of(link, link->active)->scq, SLOTS);
	want_all(link, end_of(link, !link->active)->rcq, receives(link));
	for (int slot = 0; slot < SLOTS; slot++)
		check_transfer(link, slot);
}

/*
 * Wait for all requests; move the QP to the error state if they do not complete. Returns
 * true if all succeeded and both QPs are in RTS.
 */
static bool ended_well(struct link *link)
{
	struct rc_end *end = end_of(link, link->active);
	int got = 0, now, num = receives(link);
	bool well = true;
	struct ibv_wc wc[SLOTS];

	now = vt_poll_for(end->scq, wc, SLOTS, GIVE_UP_MS);
	if (now < SLOTS) {
		vt_ok(rc_to_state(end, IBV_QPS_ERR));
		got = vt_poll_for(end->scq, wc + now, SLOTS - now, vt_patience_ms());
		vt_require(now + got == SLOTS, "%d requests never end", SLOTS - now - got);
	}
	for (int i = 0; i < SLOTS; i++)
		well &= wc[i].status == IBV_WC_SUCCESS;
	return well && vt_poll_for(end_of(link, !link->active)->rcq, wc, num, 100) == num &&
	       rc_state(&link->pair->a) == IBV_QPS_RTS &&
	       rc_state(&link->pair->b) == IBV_QPS_RTS;
}

static void finish_knowing(struct link *link)
{
	if (ended_well(link))
		return;
	link->losses++;
	rc_reconnect(link->pair);
	publish(link);
}

static void run_batch(void)
{
	for (int n = 0; n < FUZZ_LINKS; n++)
		post(&links[n]);
	for (int n = 0; n < FUZZ_LINKS; n++) {
		links[n].batches++;
		if (links[n].aim == AIM_KNOWING)
			finish_knowing(&links[n]);
		else
			finish(&links[n]);
		publish_next(&links[n]);
	}
}

static void unmap_fuzz(void *obj)
{
	munmap(obj, sizeof(struct fuzz));
}

static void begin(void)
{
	fuzz = mmap(NULL, sizeof(*fuzz), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	vt_require(fuzz != MAP_FAILED, "mmap: %s", strerror(errno));
	vt_defer(unmap_fuzz, fuzz);
	vt_need_kind(vt_dev(0), VT_IMPLICIT, IBV_ODP_SUPPORT_WRITE);
	make_still();
	for (int n = 0; n < FUZZ_LINKS; n++)
		open_link(&links[n], n);
	run_batch();
}

static void report(uint64_t packets)
{
	uint64_t batches = 0, losses = 0;

	for (int n = 0; n < FUZZ_LINKS; n++) {
		batches += links[n].batches;
		losses += links[n].losses;
	}
	vt_note("%llu packets forged, %llu of them refused by the socket",
		(unsigned long long)fuzz->sent, (unsigned long long)fuzz->refused);
	vt_note("%llu requests meanwhile; connections lost to who knew all: %llu",
		(unsigned long long)batches * SLOTS, (unsigned long long)losses);
	vt_require(fuzz->sent == packets, "the forger ended early");
	vt_require(losses, "nothing that was forged has arrived");
}

static void wire_fuzz(const void *arg)
{
	uint64_t packets = (uint64_t)PACKETS * vt_opts.rounds;
	int status;
	pid_t pid;

	(void)arg;
	begin();
	pid = fuzz_forger_start(fuzz, packets);
	while (!waitpid(pid, &status, WNOHANG)) {
		run_batch();
		check_guards();
	}
	vt_require(!status, "the forger: status %#x", status);
	run_batch();
	check_guards();
	report(packets);
}

static void add(void)
{
	VT_TEST(wire_fuzz);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add);
}
