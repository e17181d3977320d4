// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Many objects: 500 QPs, 5000 regions and 50 processes, times --rounds. Each is created,
 * used once with its data compared, and destroyed. Notes print the times, to compare with
 * those of another device.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rc.h"

#define PAGE		4096UL
#define QPS		500
#define REGIONS		5000
#define PROCESSES	50

#define BATCH		64	/* requests posted at a time */
#define BYTES		64	/* in each QP's message */
#define WINDOW		1024	/* pages that the regions share */

/*
 * One QP of many: small queues, and a long ACK timeout as the machine is busy with
 * thousands.
 */
static const struct rc_attr small = {
	.type = IBV_QPT_RC, .mtu = 1024, .wr = 4, .sge = 1, .timeout = 18, .retry_cnt = 7,
	.rnr_retry = 7, .min_rnr_timer = 1, .rd_atomic = 1, .access = VT_ACCESS_ALL,
};

/* Print what was done @num times since @begun; returns the present time. */
static uint64_t tell(const char *things, const char *what, unsigned long num, uint64_t begun)
{
	uint64_t ns = vt_now_ns() - begun;

	vt_note("%lu %s, %s: %.1f ms, %.1f us each", num, things, what, ns / 1e6,
		ns / 1e3 / num);
	return vt_now_ns();
}

/* --- QPs --- */

struct crowd {
	struct rc_end *ends;	/* 2 * i and 2 * i + 1 are connected */
	unsigned long num;	/* QPs created so far */
};

static void crowd_free(void *obj)
{
	struct crowd *crowd = obj;

	while (crowd->num)
		ibv_destroy_qp(crowd->ends[--crowd->num].qp);
	free(crowd->ends);
	free(crowd);
}

static struct crowd *crowd_new(unsigned long num)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));

	vt_require(crowd, "out of memory");
	vt_defer(crowd_free, crowd);
	crowd->ends = calloc(num, sizeof(*crowd->ends));
	vt_require(crowd->ends, "out of memory");
	return crowd;
}

/* Create the PD and CQs that all QPs of one side share. */
static void side_open(struct rc_end *side, struct vt_dev *dev)
{
	*side = (struct rc_end){
		.dev = dev, .pd = vt_new_pd(dev->ctx),
		.scq = vt_new_cq(dev->ctx, 2 * BATCH), .rcq = vt_new_cq(dev->ctx, 2 * BATCH),
	};
}

static void crowd_add(struct crowd *crowd, const struct rc_end *side)
{
	struct rc_end *end = &crowd->ends[crowd->num];
	struct ibv_qp_init_attr init = {
		.send_cq = side->scq, .recv_cq = side->rcq, .qp_type = small.type,
		.cap = {
			.max_send_wr = small.wr, .max_recv_wr = small.wr,
			.max_send_sge = small.sge, .max_recv_sge = small.sge,
		},
	};

	*end = *side;
	end->psn = vt_rand() & 0xffffff;
	end->qp = ibv_create_qp(side->pd, &init);
	vt_require(end->qp, "create_qp, number %lu: %s", crowd->num, strerror(errno));
	crowd->num++;
}

static void crowd_connect(struct crowd *crowd, unsigned long pair)
{
	struct rc_end *a = &crowd->ends[2 * pair], *b = a + 1;
	struct rc_addr of_a = rc_end_addr(a), of_b = rc_end_addr(b);

	rc_connect(a, &small, &of_b);
	rc_connect(b, &small, &of_a);
}

/* One WRITE over each connection, BATCH at a time. */
static void crowd_write(struct crowd *crowd, const struct vt_mem *from,
			const struct vt_mem *to)
{
	unsigned long pairs = crowd->num / 2;

	for (unsigned long i = 0; i < pairs; i++) {
		rc_start(&crowd->ends[2 * i], IBV_WR_RDMA_WRITE, i, from, i * BYTES,
			 to, i * BYTES, BYTES);
		if (i % BATCH != BATCH - 1 && i != pairs - 1)
			continue;
		for (unsigned long n = i % BATCH + 1; n; n--) {
			struct ibv_wc wc = vt_poll(crowd->ends[0].scq);

			vt_require(wc.status == IBV_WC_SUCCESS, "QP of pair %lu: %s",
				   (unsigned long)wc.wr_id, ibv_wc_status_str(wc.status));
		}
	}
}

static void qps(const void *arg)
{
	unsigned long num = (unsigned long)QPS * vt_opts.rounds, i;
	struct vt_mem *from, *to;
	struct rc_end sides[2];
	struct crowd *crowd;
	uint64_t begun;

	(void)arg;
	side_open(&sides[0], vt_dev(0));
	side_open(&sides[1], vt_dev(1));
	crowd = crowd_new(num);
	from = vt_mem_new(sides[0].pd, VT_PINNED, num / 2 * BYTES, VT_ACCESS_ALL);
	to = vt_mem_new(sides[1].pd, VT_PINNED, num / 2 * BYTES, VT_ACCESS_ALL);
	vt_fill(from->addr, from->len);
	memset(to->addr, 0, to->len);

	begun = vt_now_ns();
	for (i = 0; i < num; i++)
		crowd_add(crowd, &sides[i % 2]);
	begun = tell("QPs", "created", num, begun);
	for (i = 0; i < num / 2; i++)
		crowd_connect(crowd, i);
	begun = tell("QPs", "connected", num, begun);
	crowd_write(crowd, from, to);
	begun = tell("QPs", "used", num, begun);
	vt_require(!memcmp(from->addr, to->addr, from->len), "data differs");
	vt_mem_guards(to);
	begun = vt_now_ns();
	vt_release(crowd);
	tell("QPs", "destroyed", num, begun);
}

/* --- regions --- */

struct herd {
	struct ibv_mr **mrs;
	unsigned long num;
};

static void herd_free(void *obj)
{
	struct herd *herd = obj;

	while (herd->num)
		ibv_dereg_mr(herd->mrs[--herd->num]);
	free(herd->mrs);
	free(herd);
}

static struct herd *herd_new(unsigned long num)
{
	struct herd *herd = calloc(1, sizeof(*herd));

	vt_require(herd, "out of memory");
	vt_defer(herd_free, herd);
	herd->mrs = calloc(num, sizeof(*herd->mrs));
	vt_require(herd->mrs, "out of memory");
	return herd;
}

static void herd_add(struct herd *herd, struct ibv_pd *pd, uint8_t *addr, int access)
{
	herd->mrs[herd->num] = ibv_reg_mr(pd, addr, PAGE, access);
	vt_require(herd->mrs[herd->num], "reg_mr, number %lu: %s", herd->num,
		   strerror(errno));
	herd->num++;
}

/* The word that belongs to region @i: many regions share a page. */
static uint64_t *word_of(uint8_t *window, unsigned long i)
{
	return (uint64_t *)(window + i % WINDOW * PAGE) + i / WINDOW;
}

/* WRITE the word of each region with the region's own key. */
static void herd_write(struct herd *herd, struct rc_pair *pair, uint8_t *window)
{
	struct vt_mem *from = vt_mem_new(pair->a.pd, VT_PINNED, BATCH * 8, VT_ACCESS_ALL);
	struct vt_wr wr;

	for (unsigned long i = 0; i < herd->num; i++) {
		memcpy(from->addr + i % BATCH * 8, &(uint64_t){ ~i }, 8);
		vt_wr_init(&wr, IBV_WR_RDMA_WRITE, i);
		vt_wr_local(&wr, from, i % BATCH * 8, 8);
		wr.wr.wr.rdma.rkey = herd->mrs[i]->rkey;
		wr.wr.wr.rdma.remote_addr = (uintptr_t)word_of(window, i);
		vt_ok(rc_post(&pair->a, &wr));
		if (i % BATCH == BATCH - 1 || i == herd->num - 1)
			for (unsigned long n = i - i % BATCH; n <= i; n++)
				vt_want(pair->a.scq, n, IBV_WC_SUCCESS);
	}
}

static void regions(const void *arg)
{
	const enum vt_kind *kind = arg;
	unsigned long num = (unsigned long)REGIONS * vt_opts.rounds, i;
	struct rc_attr attr = rc_attr_default;
	char things[32];
	struct rc_pair *pair;
	struct herd *herd;
	uint8_t *window;
	uint64_t begun;
	int access = VT_ACCESS_ALL;

	vt_need_kind(vt_dev(1), *kind, IBV_ODP_SUPPORT_WRITE);
	vt_require(num / WINDOW < PAGE / 8, "there is no room for %lu words", num);
	access |= *kind == VT_ODP ? IBV_ACCESS_ON_DEMAND : 0;
	snprintf(things, sizeof(things), "regions (%s)", vt_kind_name[*kind]);
	attr.wr = 2 * BATCH;
	pair = rc_pair_new(&attr);
	window = vt_map(WINDOW * PAGE, 0);
	herd = herd_new(num);

	begun = vt_now_ns();
	for (i = 0; i < num; i++)
		herd_add(herd, pair->b.pd, window + i % WINDOW * PAGE, access);
	begun = tell(things, "registered", num, begun);
	herd_write(herd, pair, window);
	tell(things, "written", num, begun);
	for (i = 0; i < num; i++)
		vt_require(*word_of(window, i) == ~i, "region %lu: data differs", i);
	begun = vt_now_ns();
	vt_release(herd);
	tell(things, "deregistered", num, begun);
}

/* --- processes --- */

/**
 * struct people - processes that each have a context, QPs and memory of their own
 * @pids: the children; 0: already waited for
 * @num: number of children
 * @ready: pipe: each child writes a byte when its traffic is done
 * @go: pipe: the parent closes it to make the children exit
 */
struct people {
	pid_t *pids;
	unsigned long num;
	int ready[2], go[2];
};

static void people_free(void *obj)
{
	struct people *people = obj;

	for (unsigned long i = 0; i < people->num; i++) {
		if (!people->pids[i])
			continue;
		kill(people->pids[i], SIGKILL);
		waitpid(people->pids[i], NULL, 0);
	}
	for (int i = 0; i < 2; i++) {
		close(people->ready[i]);
		close(people->go[i]);
	}
	free(people->pids);
	free(people);
}

static struct people *people_new(unsigned long num)
{
	struct people *people = calloc(1, sizeof(*people));

	vt_require(people, "out of memory");
	people->pids = calloc(num, sizeof(*people->pids));
	vt_require(people->pids, "out of memory");
	vt_ok(pipe(people->ready));
	vt_ok(pipe(people->go));
	vt_defer(people_free, people);
	return people;
}

/* The child: WRITE to the other end, READ it back, wait for the parent's signal, exit. */
static __noreturn void live(struct people *people, unsigned long number, enum vt_kind kind)
{
	struct rc_pair *pair = rc_pair_new(&small);
	struct vt_mem *a = vt_mem_new(pair->a.pd, kind, 2 * PAGE, VT_ACCESS_ALL);
	struct vt_mem *b = vt_mem_new(pair->b.pd, kind, 2 * PAGE, VT_ACCESS_ALL);
	char byte = 0;

	vt_fill(a->addr, a->len);
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, a, 0, b, 0, a->len, IBV_WC_SUCCESS);
	vt_require(!memcmp(a->addr, b->addr, a->len), "data differs");
	memset(a->addr, 0, a->len);
	rc_do(&pair->a, IBV_WR_RDMA_READ, a, 0, b, 0, a->len, IBV_WC_SUCCESS);
	vt_require(!memcmp(a->addr, b->addr, a->len), "data differs");
	close(people->go[1]);
	vt_require(write(people->ready[1], &byte, 1) == 1, "the parent is gone");
	if (read(people->go[0], &byte, 1)) /* the end of the file */
		_exit(EXIT_FAILURE);
	if (number % 2) { /* every other child leaves the cleanup to the kernel */
		vt_release_to(0);
		vt_devs_close();
	}
	_exit(EXIT_SUCCESS);
}

static void people_add(struct people *people, enum vt_kind kind)
{
	pid_t pid = vt_fork();

	if (!pid) {
		vt_forget(people); /* owned by the parent */
		live(people, people->num, kind);
	}
	people->pids[people->num++] = pid;
}

/* Wait until all children have done their traffic. */
static void people_meet(struct people *people)
{
	char byte;

	close(people->ready[1]);
	people->ready[1] = -1;
	for (unsigned long i = 0; i < people->num; i++)
		vt_require(read(people->ready[0], &byte, 1) == 1,
			   "only %lu of %lu processes are done", i, people->num);
}

static void people_end(struct people *people)
{
	close(people->go[1]);
	people->go[1] = -1;
	for (unsigned long i = 0; i < people->num; i++) {
		int status = vt_wait_child(people->pids[i], vt_patience_ms());

		people->pids[i] = 0;
		vt_require(!status, "process %lu ended with %#x", i, status);
	}
}

static void processes(const void *arg)
{
	const enum vt_kind *kind = arg;
	unsigned long num = (unsigned long)PROCESSES * vt_opts.rounds;
	struct people *people;
	uint64_t begun;
	char things[32];

	vt_need_kind(vt_dev(0), *kind, IBV_ODP_SUPPORT_WRITE | IBV_ODP_SUPPORT_READ);
	snprintf(things, sizeof(things), "processes (%s)", vt_kind_name[*kind]);
	people = people_new(num);
	begun = vt_now_ns();
	while (people->num < num)
		people_add(people, *kind);
	people_meet(people);
	begun = tell(things, "all there, written and read", num, begun);
	people_end(people);
	tell(things, "ended", num, begun);
}

static void add_tests(void)
{
	static const enum vt_kind kinds[] = { VT_PINNED, VT_ODP };

	VT_TEST(qps);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		vt_test(regions, &kinds[i], "regions, %s", vt_kind_name[kinds[i]]);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		vt_test(processes, &kinds[i], "processes, %s", vt_kind_name[kinds[i]]);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
