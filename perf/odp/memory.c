// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The memory that a region needs while the NIC touches a part of it: resident and pinned
 * bytes of this process, in intervals. Then the program returns half of the touched pages
 * to the kernel, and finally all. For comparison the CPU touches the same part of such
 * memory.
 */
#include <sys/mman.h>

#include "odp.h"

#define LEN		(256 * MIB)
#define LEN_QUICK	(64 * MIB)
#define PART		8	/* one of so many chunks is touched */
#define STEPS		16
#define TICK_MS		5
#define CHUNK		(64 * KIB)

struct memory {
	size_t len;
	struct odp_link link[PERF_SIDES];
	struct perf_point *cpu;
};

struct watch {
	struct perf_point *point;
	uint64_t start;
	double rss, pinned;	/* values before */
	double touched, held;
	bool first;
};

static double kib(const char *field)
{
	long value = vt_status_kib(field);

	return value < 0 ? 0 : value * KIB;
}

/*
 * Take one reading. Returned pages may stay pinned, so the larger of resident and pinned
 * bytes counts.
 */
static void look(struct watch *w)
{
	double rss = kib("VmRSS") - w->rss, pinned = kib("VmPin") - w->pinned;
	double row[] = { (perf_now() - w->start) / 1e6, w->touched, rss, pinned };

	w->held = rss > pinned ? rss : pinned;
	if (w->first)
		perf_point_row(w->point, "series", ARRAY_SIZE(row), row);
}

static void tick(struct watch *w, unsigned int *now)
{
	uint64_t until = w->start + ++*now * TICK_MS * 1000000ULL, time = perf_now();

	if (time < until)
		vt_sleep_ms((until - time) / 1000000);
	look(w);
}

static int write_chunk(struct odp_link *link, struct ibv_mr *mr, uint8_t *to)
{
	struct odp_end *near = &link->end[0];
	struct ibv_sge sge = { near->iova[ODP_PLAIN], CHUNK, near->lkey[ODP_PLAIN] };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = (uintptr_t)to, .rkey = mr->rkey },
	};
	int err = ibv_post_send(near->rc.qp, &wr, &bad);

	return err ? perf_fail("post_send: %s", strerror(err)) :
		     perf_wait(near->rc.scq, 1);
}

/*
 * Touch the parts, which are spread over the memory, step by step; without a link by the
 * CPU.
 */
static int touch_parts(struct memory *m, struct odp_link *link, struct ibv_mr *mr,
		       uint8_t *map, struct watch *w, unsigned int *now)
{
	size_t chunks = m->len / CHUNK / PART, done = 0;

	for (unsigned int step = 1; step <= STEPS; step++) {
		for (; done < chunks * step / STEPS; done++) {
			uint8_t *to = map + done * PART * CHUNK;

			if (!link)
				memset(to, 1, CHUNK);
			else if (write_chunk(link, mr, to))
				return -1;
			w->touched += CHUNK;
		}
		tick(w, now);
	}
	return 0;
}

static int check(struct memory *m, struct odp_link *link, const uint8_t *map)
{
	const uint8_t *want = link->end[0].plain.addr;

	for (size_t off = 0; odp_opts.check && off < m->len; off += PART * CHUNK)
		if (memcmp(map + off, want, CHUNK))
			return perf_fail("the data differ, at %zu", off);
	return 0;
}

/* Return half of the touched pages to the kernel. */
static void give_back(struct memory *m, uint8_t *map, struct watch *w, unsigned int *now)
{
	madvise(map, m->len / 2, MADV_DONTNEED);
	w->touched /= 2;
	for (int i = 0; i < STEPS / 4; i++)
		tick(w, now);
}

static int run_side(struct memory *m, struct odp_link *link, uint8_t *map, struct watch *w,
		    double *held)
{
	enum vt_kind kind = link ? link->side->kind : VT_PINNED;
	int access = VT_ACCESS_ALL | (kind == VT_PINNED ? 0 : IBV_ACCESS_ON_DEMAND);
	struct ibv_mr *mr = NULL;
	unsigned int now = 0;
	int err = 0;

	look(w);
	if (link)
		mr = kind == VT_IMPLICIT ?
		     ibv_reg_mr(link->end[1].rc.pd, NULL, SIZE_MAX, access) :
		     ibv_reg_mr(link->end[1].rc.pd, map, m->len, access);
	if (link && !mr)
		return perf_fail("reg_mr: %s", strerror(errno));
	look(w);
	err = touch_parts(m, link, mr, map, w, &now);
	*held = w->held;
	if (!err && link)
		err = check(m, link, map);
	if (!err)
		give_back(m, map, w, &now);
	if (mr && ibv_dereg_mr(mr) && !err)
		err = perf_fail("dereg_mr: %s", strerror(errno));
	return err;
}

static int turn(struct memory *m, struct odp_link *link, struct perf_point *point,
		double *held)
{
	struct odp_ask want = { .plain_len = CHUNK, .seed = vt_rand() };
	struct watch w = { .point = point, .first = !point->samples.num };
	uint8_t *map;
	int err;

	if (link && odp_link_memory(link, 1, &want))
		return -1;
	w.rss = kib("VmRSS");
	w.pinned = kib("VmPin");
	map = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return perf_fail("mmap: %s", strerror(errno));
	madvise(map, m->len, MADV_NOHUGEPAGE);
	w.start = perf_now();
	err = run_side(m, link, map, &w, held);
	munmap(map, m->len);
	w.touched = 0;
	if (!err)
		look(&w);
	return err;
}

struct sampling {
	struct memory m;
	struct perf_round *round;
};

static int sample(void *arg, size_t i, double *value)
{
	struct sampling *s = arg;

	if (i == s->round->sides)
		return turn(&s->m, NULL, s->round->point[i], value);
	if (odp_link_open(&s->m.link[i]))
		return -1;
	return odp_link_done(&s->m.link[i],
			     turn(&s->m, &s->m.link[i], s->round->point[i], value));
}

void odp_memory(void)
{
	struct perf_run once = odp_opts.run;
	struct sampling s = { .m.len = once.quick || odp_room() < LEN ? LEN_QUICK : LEN };
	struct perf_round round = {
		.subject = "odp-memory", .op = "write", .unit = "B", .size = s.m.len,
	};

	odp_table_title("Memory", "held by a region of which an eighth is touched");
	s.round = &round;
	if (once.repeats > 3)
		once.repeats = 3;
	odp_links_init(s.m.link, PERF_LOCAL);
	perf_round_init(&round, &once, PERF_ALL_KINDS, "CPU");
	perf_round_run(&round, &once, sample, &s);
	odp_table_values(&round, MIB, "MiB");
	odp_links_close(s.m.link);
}
