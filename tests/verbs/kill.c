// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Two processes exchange data over many QPs. One of them or both are killed at a random
 * moment: while connecting, under load, in the middle of page faults. The survivor must see
 * error completions on every QP, and the devices must go on working.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rc.h"

#define QPS		8
#define DEPTH		8
#define CHUNK		(16 * KIB)
#define LEN		(QPS * DEPTH * CHUNK)

/* What a worker sends to its peer to connect. */
struct card {
	struct rc_addr qp[QPS];
	uint64_t iova;
	uint32_t rkey;
};

struct worker {
	struct rc_end end[QPS];
	struct vt_mem *mem;
	struct card peer;
	enum vt_kind kind;
	int flight[QPS];
	int dead;
};

/* --- a worker: runs until its peer is gone --- */

static bool swap_cards(int fd, const struct card *mine, struct card *theirs)
{
	return write(fd, mine, sizeof(*mine)) == sizeof(*mine) &&
	       recv(fd, theirs, sizeof(*theirs), MSG_WAITALL) == sizeof(*theirs);
}

static void worker_open(struct worker *w, int which, const struct rc_attr *attr)
{
	for (int i = 0; i < QPS; i++)
		rc_end_open(&w->end[i], vt_dev(which), w->end[0].pd, attr);
	w->mem = vt_mem_new(w->end[0].pd, w->kind, LEN, VT_ACCESS_ALL);
}

/* Returns false if the peer is killed before both are connected. */
static bool worker_connect(struct worker *w, int fd, const struct rc_attr *attr)
{
	struct card mine = { .iova = w->mem->iova, .rkey = w->mem->mr->rkey };

	for (int i = 0; i < QPS; i++)
		mine.qp[i] = rc_end_addr(&w->end[i]);
	if (!swap_cards(fd, &mine, &w->peer))
		return false;
	for (int i = 0; i < QPS; i++)
		rc_connect(&w->end[i], attr, &w->peer.qp[i]);
	/* wait until both are ready: */
	return swap_cards(fd, &mine, &w->peer);
}

/* Post one random request on QP @q; worker_chill() drops its pages now and then. */
static void worker_post(struct worker *w, int q, uint64_t id)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	const struct rc_op *op = rc_op(opcodes[vt_below(ARRAY_SIZE(opcodes))]);
	size_t slot = (q * DEPTH + id % DEPTH) * CHUNK;
	struct vt_mem peer = *w->mem;
	struct ibv_mr peer_mr = { .rkey = w->peer.rkey };
	struct vt_wr wr;

	peer.iova = w->peer.iova + (-w->peer.iova & 7);
	peer.mr = &peer_mr;
	vt_wr_init(&wr, op->op, id);
	vt_wr_local(&wr, w->mem, slot, op->atomic ? 8 : vt_below(CHUNK - 8));
	vt_wr_remote(&wr, &peer, slot);
	if (op->atomic)
		vt_wr_atomic(&wr, 1, 0);
	vt_ok(rc_post(&w->end[q], &wr));
	w->flight[q]++;
}

static void worker_chill(struct worker *w)
{
	size_t page = vt_below(w->mem->map_len / 4096 - 16);

	if (w->kind != VT_PINNED && vt_chance(5))
		madvise(w->mem->map + page * 4096, 16 * 4096, MADV_DONTNEED);
}

/*
 * The kernel takes down a dead peer's memory first, then its regions, then its QPs; so a
 * request may end in any of these.
 */
static bool may_end_in(enum ibv_wc_status status)
{
	return status == IBV_WC_RETRY_EXC_ERR || status == IBV_WC_REM_ACCESS_ERR ||
	       status == IBV_WC_REM_OP_ERR || status == IBV_WC_REM_INV_REQ_ERR ||
	       status == IBV_WC_WR_FLUSH_ERR;
}

/* Keep QP @q busy; returns true once it has failed and all its requests have completed. */
static bool worker_turn(struct worker *w, int q, bool *failed, uint64_t *id)
{
	struct ibv_wc wc;

	while (!*failed && w->flight[q] < DEPTH)
		worker_post(w, q, (*id)++);
	while (ibv_poll_cq(w->end[q].scq, 1, &wc) == 1) {
		w->flight[q]--;
		if (wc.status == IBV_WC_SUCCESS && !*failed)
			continue;
		vt_require(may_end_in(wc.status), "a request ended in \"%s\"",
			   ibv_wc_status_str(wc.status));
		*failed = true;
	}
	return *failed && !w->flight[q];
}

static void worker_run(enum vt_kind kind, int which, int fd)
{
	struct rc_attr attr = rc_attr_default;
	struct worker *w = calloc(1, sizeof(*w));
	bool failed[QPS] = { }, over[QPS] = { };
	uint64_t id[QPS] = { };

	vt_require(w, "out of memory");
	vt_reseed(vt_opts.seed ^ getpid());
	attr.timeout = 14;	/* 67 ms */
	attr.retry_cnt = 3;
	w->kind = kind;
	worker_open(w, which, &attr);
	if (!worker_connect(w, fd, &attr))
		_exit(EXIT_SUCCESS);
	while (w->dead < QPS) {
		for (int q = 0; q < QPS; q++)
			if (!over[q] && worker_turn(w, q, &failed[q], &id[q])) {
				over[q] = true;
				w->dead++;
			}
		worker_chill(w);
	}
	_exit(EXIT_SUCCESS);
}

/* --- the killer --- */

struct variant {
	enum vt_kind kind;
	bool early;		/* kill them while they set up */
};

static pid_t start(enum vt_kind kind, int which, const int fds[2])
{
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	close(fds[!which]);
	worker_run(kind, which, fds[which]);
	_exit(EXIT_FAILURE);
}

/* A worker that was not killed must exit by itself, in time and with success. */
static void end_worker(pid_t pid, bool killed)
{
	int status = vt_wait_child(pid, vt_patience_ms());

	vt_require(status != -1, "the survivor did not see its peer's end");
	if (killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	vt_require(!status, "a worker ended with %#x", status);
}

static void round_of(const struct variant *v)
{
	int victim = vt_below(3);	/* worker 0, worker 1, or both */
	pid_t pids[2];
	int fds[2];

	vt_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	for (int i = 0; i < 2; i++)
		pids[i] = start(v->kind, i, fds);
	close(fds[0]);
	close(fds[1]);
	vt_sleep_ms(v->early ? vt_below(150) : 300 + vt_below(500));
	for (int i = 0; i < 2; i++)
		if (victim == i || victim == 2)
			kill(pids[i], SIGKILL);
	for (int i = 0; i < 2; i++)
		end_worker(pids[i], victim == i || victim == 2);
}

static void kills(const void *arg)
{
	const struct variant *v = arg;

	vt_need_kind(vt_dev(0), v->kind, 0x1f);
	vt_need_kind(vt_dev(1), v->kind, 0x1f);
	for (unsigned int i = 0; i < 6 * vt_opts.rounds; i++)
		round_of(v);
	rc_works(rc_pair());
}

static const struct variant variants[] = {
	{ VT_PINNED, false }, { VT_PINNED, true },
	{ VT_ODP, false }, { VT_ODP, true },
	{ VT_IMPLICIT, false }, { VT_IMPLICIT, true },
};

static void add_tests(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		vt_test(kills, &variants[i], "kill_%s_%s",
			variants[i].early ? "while_connecting" : "under_load",
			vt_kind_name[variants[i].kind]);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
