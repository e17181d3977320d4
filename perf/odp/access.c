// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The latency of a fault: one access after the other, each to other pages, which are in a
 * given state. A second access to each page then finds it present. For comparison the CPU
 * accesses pages in the same state in the same way: it reads for reads and writes for
 * writes.
 */
#include "odp.h"

#define CHUNK		8	/* accesses by the NIC, then as many by the CPU */
#define SLOTS		128
#define SLOTS_MIN	4
#define BYTES_MAX	(16 * MIB)

struct access {
	enum odp_op op;
	enum odp_where where;
	enum odp_pages pages;
	enum odp_state state;
	enum perf_path path;
	size_t size, align;
	/* Derived from these. */
	size_t slots, stride;
	struct odp_link *link;
	struct perf_round *round, *touch;
	struct stats again[PERF_SIDES];
};

/* One side's turn. */
struct turn {
	struct access *acc;
	struct odp_link *link;
	struct odp_end *near, *cold;
	uint64_t seed;		/* seed of the source data, new for each pass */
	uint64_t holds;		/* seed of the area's present contents */
	uint64_t adds;		/* number of atomic adds to each word */
	struct stats first, again, touch;
};

/* Does the NIC write to the area? */
static bool area_is_target(const struct access *acc)
{
	switch (acc->op) {
	case ODP_READ:
	case ODP_ATOMIC:
		return acc->where == ODP_LOCAL;
	default:
		return acc->where == ODP_REMOTE;
	}
}

static enum odp_op cpu_op(const struct access *acc)
{
	if (acc->op == ODP_ATOMIC && acc->where == ODP_REMOTE)
		return ODP_ATOMIC;
	return area_is_target(acc) ? ODP_WRITE : ODP_READ;
}

static struct odp_ask pieces(const struct access *acc, enum odp_what what, size_t from,
			     size_t num)
{
	return (struct odp_ask){
		.what = what, .which = ODP_AREA, .len = acc->size, .num = num,
		.off = acc->align + from * acc->stride, .stride = acc->stride,
	};
}

/* --- one access --- */

static int shoot(struct turn *t, size_t slot, struct stats *times)
{
	static const enum ibv_wr_opcode opcode[ODP_OPS] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_SEND,
		IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	const struct access *acc = t->acc;
	struct odp_end *near = &t->link->end[0], *far = &t->link->end[1];
	uint64_t at = acc->align + slot * acc->stride;
	bool local = acc->where == ODP_LOCAL;
	int mine = local ? ODP_AREA : ODP_PLAIN, theirs = local ? ODP_PLAIN : ODP_AREA;
	struct ibv_sge sge = {
		.addr = near->iova[mine] + (local ? at : 0), .length = acc->size,
		.lkey = near->lkey[mine],
	};
	uint64_t remote = far->iova[theirs] + (local ? 0 : at);
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = opcode[acc->op],
		.send_flags = IBV_SEND_SIGNALED,
	};
	uint64_t start;
	int err;

	if (acc->op == ODP_ATOMIC) {
		wr.wr.atomic.remote_addr = remote;
		wr.wr.atomic.rkey = far->rkey[theirs];
		wr.wr.atomic.compare_add = 1;
	} else {
		wr.wr.rdma.remote_addr = remote;
		wr.wr.rdma.rkey = far->rkey[theirs];
	}
	start = perf_now();
	err = ibv_post_send(near->rc.qp, &wr, &bad);
	if (err)
		return perf_fail("post_send: %s", strerror(err));
	if (perf_wait(near->rc.scq, 1))
		return -1;
	return !times || stats_add(times, perf_now() - start) ? 0 : perf_fail("out of memory");
}

/* --- data --- */

static int check(struct odp_end *end, struct odp_ask *ask)
{
	return odp_opts.check ? odp_ask(end, ask, NULL) : 0;
}

/* The end that the area is not at. */
static struct odp_end *plain_end(struct turn *t)
{
	return &t->link->end[t->acc->where == ODP_LOCAL];
}

/* New source data for each pass, so that what an earlier pass brought is not right. */
static int renew(struct turn *t)
{
	struct odp_ask fill = { .what = ODP_ASK_FILL };

	if (!area_is_target(t->acc))
		return 0;
	t->seed = vt_rand() | 1;
	fill.seed = t->seed;
	return odp_ask(plain_end(t), &fill, NULL);
}

/* An untouched area holds zeros everywhere: what one access brought is right for the next. */
static int spoil_plain(struct turn *t)
{
	struct odp_ask fill = { .what = ODP_ASK_FILL, .seed = vt_rand() | 1 };

	return t->holds || area_is_target(t->acc) ? 0 : check(plain_end(t), &fill);
}

/* Check the data of one access in the plain buffer. */
static int check_plain(struct turn *t, size_t slot)
{
	const struct access *acc = t->acc;
	struct odp_end *plain = plain_end(t);
	struct odp_ask ask = {
		.what = ODP_ASK_CHECK, .which = ODP_PLAIN, .len = acc->size, .num = 1,
		.seed = t->holds, .pos = acc->align + slot * acc->stride,
	};
	uint64_t was;

	if (acc->op != ODP_ATOMIC)
		return area_is_target(acc) ? 0 : check(plain, &ask);
	if (acc->where == ODP_LOCAL || !odp_opts.check)
		return 0;
	odp_pattern(&was, sizeof(was), t->holds, ask.pos);
	return *(uint64_t *)plain->plain.addr == was + t->adds ? 0 :
	       perf_fail("the atomic operation brought a wrong value");
}

static int check_area(struct turn *t)
{
	const struct access *acc = t->acc;
	struct odp_ask ask = pieces(acc, ODP_ASK_CHECK, 0, acc->slots);

	if (acc->op == ODP_ATOMIC && acc->where == ODP_REMOTE) {
		ask.what = ODP_ASK_ADDS;
		ask.seed = t->adds;
		return check(t->cold, &ask);
	}
	if (!area_is_target(acc) || acc->op == ODP_ATOMIC)
		return 0;
	ask.seed = t->seed;
	return check(t->cold, &ask);
}

/* Check the results of atomics to one word of the peer: they must count up. */
static int check_words(struct turn *t)
{
	const struct access *acc = t->acc;
	uint64_t was, is;

	if (acc->op != ODP_ATOMIC || acc->where == ODP_REMOTE || !odp_opts.check)
		return 0;
	odp_pattern(&was, sizeof(was), t->seed, 0);
	for (size_t i = 0; i < acc->slots; i++) {
		memcpy(&is, t->cold->area.addr + acc->align + i * acc->stride, sizeof(is));
		if (is != was + i)
			return perf_fail("the atomic operation brought a wrong value");
	}
	return 0;
}

/* --- passes over all pages --- */

static int receive(struct turn *t, size_t num)
{
	const struct access *acc = t->acc;
	struct odp_ask ask = acc->where == ODP_REMOTE ?
		pieces(acc, ODP_ASK_RECEIVE, 0, num) :
		(struct odp_ask){ .what = ODP_ASK_RECEIVE, .which = ODP_PLAIN,
				  .len = acc->size, .num = num };

	return acc->op == ODP_SEND ? odp_ask(&t->link->end[1], &ask, NULL) : 0;
}

static int received(struct turn *t, size_t num)
{
	struct odp_ask ask = { .what = ODP_ASK_RECEIVED, .num = num };

	return t->acc->op == ODP_SEND ? odp_ask(&t->link->end[1], &ask, NULL) : 0;
}

static int touch_chunk(struct turn *t, size_t from, size_t num)
{
	struct odp_ask ask = pieces(t->acc, ODP_ASK_TOUCH, from, num);

	ask.op = cpu_op(t->acc);
	return odp_ask(t->cold, &ask, &t->touch);
}

static int pass_chunk(struct turn *t, size_t from, size_t num, struct stats *times)
{
	for (size_t i = from; i < from + num; i++)
		if (spoil_plain(t) || shoot(t, i, times) || check_plain(t, i))
			return -1;
	return 0;
}

/*
 * One pass over all slots. The CPU's accesses are timed during the first of the two timed
 * passes.
 */
static int pass(struct turn *t, struct stats *times)
{
	const struct access *acc = t->acc;
	bool beside = times == &t->first && acc->state != ODP_WARM;
	size_t num;

	if (renew(t) || receive(t, acc->slots))
		return -1;
	for (size_t from = 0; from < acc->slots; from += num) {
		num = acc->slots - from < CHUNK ? acc->slots - from : CHUNK;
		if ((beside && touch_chunk(t, from, num)) || pass_chunk(t, from, num, times))
			return -1;
	}
	t->adds++;
	return received(t, acc->slots) || check_area(t) || check_words(t) ? -1 : 0;
}

/* Take the pages away, after they have been accessed once. */
static int take(struct turn *t)
{
	const struct access *acc = t->acc;
	struct odp_ask ask = { .what = ODP_ASK_TAKE, .state = acc->state };

	if (acc->state == ODP_COLD || acc->state == ODP_WARM)
		return 0;
	if (acc->state == ODP_DONTNEED && acc->pages != ODP_FILE && acc->pages != ODP_SHARED) {
		t->holds = 0;
		t->adds = 0;
	}
	return odp_ask(t->cold, &ask, NULL);
}

/* --- a turn --- */

/* Does the device support the operation on the area's kind of memory? */
static int able(const struct turn *t)
{
	static const uint32_t caps[ODP_OPS][ODP_WHERES] = {
		[ODP_WRITE] = { IBV_ODP_SUPPORT_WRITE, IBV_ODP_SUPPORT_WRITE },
		[ODP_READ] = { IBV_ODP_SUPPORT_READ, IBV_ODP_SUPPORT_READ },
		[ODP_SEND] = { IBV_ODP_SUPPORT_RECV, IBV_ODP_SUPPORT_SEND },
		[ODP_ATOMIC] = { IBV_ODP_SUPPORT_ATOMIC, IBV_ODP_SUPPORT_ATOMIC },
	};
	const struct access *acc = t->acc;
	const struct vt_dev *dev = t->cold->dev;

	if (acc->op == ODP_ATOMIC &&
	    t->link->end[1].dev->attr.orig_attr.atomic_cap == IBV_ATOMIC_NONE)
		return perf_lacks("the device has no atomic operations");
	if (acc->op == ODP_ATOMIC && acc->align % 8)
		return perf_lacks("atomic operations are aligned to 8 bytes (--align)");
	if (vt_kind_works(dev, t->link->side->kind, caps[acc->op][acc->where]))
		return 0;
	return perf_lacks("the device has no %s %s on %s memory", odp_where_name[acc->where],
			  odp_op_name[acc->op], vt_kind_name[t->link->side->kind]);
}

static int memory(struct turn *t)
{
	const struct access *acc = t->acc;
	struct odp_ask ask = {
		.kind = t->link->side->kind, .pages = acc->pages, .state = acc->state,
		.seed = t->seed, .len = acc->slots * acc->stride,
		.plain_len = (acc->size + ODP_PAGE - 1) & ~(ODP_PAGE - 1),
	};

	t->holds = acc->state == ODP_COLD ? 0 : t->seed;
	return odp_link_memory(t->link, acc->where == ODP_REMOTE, &ask);
}

static int passes(struct turn *t)
{
	if (t->acc->state != ODP_COLD && pass(t, NULL))
		return -1;
	if (take(t) || pass(t, &t->first))
		return -1;
	return t->acc->state == ODP_WARM ? 0 : pass(t, &t->again);
}

static int keep(struct access *acc, size_t i, struct turn *t, double *value)
{
	struct perf_point *cpu = acc->touch ? acc->touch->point[0] : NULL;

	*value = stats_median(&t->first);
	if (!stats_add_all(&acc->round->point[i]->all, &t->first) ||
	    !stats_add_all(&acc->again[i], &t->again))
		return perf_fail("out of memory");
	if (cpu && (!stats_add(&cpu->samples, stats_median(&t->touch)) ||
		    !stats_add_all(&cpu->all, &t->touch)))
		return perf_fail("out of memory");
	return 0;
}

static int sample(void *arg, size_t i, double *value)
{
	struct access *acc = arg;
	struct turn t = {
		.acc = acc, .link = &acc->link[i], .seed = vt_rand() | 1,
		.cold = &acc->link[i].end[acc->where == ODP_REMOTE],
	};
	int err;

	if (odp_link_open(t.link) || able(&t))
		return -1;
	err = memory(&t) ?: passes(&t) ?: keep(acc, i, &t, value);
	stats_clear(&t.first);
	stats_clear(&t.again);
	stats_clear(&t.touch);
	return odp_link_done(t.link, err);
}

/* --- configurations --- */

static void lay_out(struct access *acc)
{
	size_t page = odp_page_size(acc->pages), most;

	acc->stride = (acc->align + acc->size + page - 1) & ~(page - 1);
	most = BYTES_MAX / acc->stride / (odp_opts.run.quick ? 16 : 1);
	acc->slots = odp_opts.iters ? odp_opts.iters : odp_opts.run.quick ? SLOTS / 2 : SLOTS;
	if (!odp_opts.iters && acc->slots > most)
		acc->slots = most;
	if (acc->slots < SLOTS_MIN)
		acc->slots = SLOTS_MIN;
	if (acc->slots > odp_opts.depth - 1)
		acc->slots = odp_opts.depth - 1;
}

static void finish(struct access *acc)
{
	for (size_t i = 0; i < acc->round->num; i++) {
		struct perf_point *point = acc->round->point[i];

		if (point && !point->failed && acc->again[i].num)
			perf_point_number(point, "again", stats_median(&acc->again[i]));
		stats_clear(&acc->again[i]);
	}
	if (acc->touch && !acc->touch->point[0]->samples.num)
		perf_point_fail(acc->touch->point[0], "nobody to compare with");
	odp_table_times(acc->round, acc->touch ? &acc->touch->point[0]->all : NULL);
}

static void measure(struct access *acc)
{
	const struct perf_run *run = &odp_opts.run;
	struct perf_run nobody = { };
	bool warm = acc->state == ODP_WARM;
	struct perf_round round = {
		.subject = "odp-access", .op = odp_op_name[acc->op], .unit = "ns",
		.pages = odp_pages_name[acc->pages], .state = odp_state_name[acc->state],
		.where = odp_where_name[acc->where], .path = acc->path, .size = acc->size,
		.align = acc->align,
	};
	struct perf_round touch = round;

	lay_out(acc);
	acc->round = &round;
	acc->touch = warm ? NULL : &touch;
	perf_round_init(&round, run, warm ? PERF_ALL_KINDS : 1U << VT_ODP | 1U << VT_IMPLICIT,
			NULL);
	if (!warm)
		perf_round_init(&touch, &nobody, 0, "CPU");
	perf_round_run(&round, run, sample, acc);
	finish(acc);
}

/* Do the options select this configuration? */
static bool wanted(const struct access *acc)
{
	return odp_opts.ops & 1U << acc->op && odp_opts.wheres & 1U << acc->where &&
	       odp_opts.pages & 1U << acc->pages && odp_opts.paths & 1U << acc->path;
}

static void measure_states(struct access acc, unsigned int states)
{
	for (acc.state = 0; acc.state < ODP_STATES; acc.state++)
		if (states & odp_opts.states & 1U << acc.state && wanted(&acc))
			measure(&acc);
}

#define WARM_COLD	(1U << ODP_WARM | 1U << ODP_COLD)

/* Every operation of one page, with the area at either end. */
static void measure_ops(struct access acc)
{
	for (acc.op = 0; acc.op < ODP_OPS; acc.op++) {
		acc.size = acc.op == ODP_ATOMIC ? 8 : odp_opts.size ? odp_opts.size : ODP_PAGE;
		for (acc.where = 0; acc.where < ODP_WHERES; acc.where++)
			measure_states(acc, WARM_COLD);
	}
}

/*
 * A WRITE, or the operation given by an option, for several sizes, offsets in the page and
 * kinds of pages.
 */
static void measure_shapes(struct access acc)
{
	static const size_t quick[] = { 64, 64 * KIB, MIB };
	static const size_t sizes[] = {
		8, 64, 512, 2 * KIB, 8 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB,
	};
	const size_t *list = odp_opts.run.quick ? quick : sizes;
	size_t num = odp_opts.run.quick ? ARRAY_SIZE(quick) : ARRAY_SIZE(sizes);

	for (size_t i = 0; i < num; i++) {
		acc.size = list[i];
		measure_states(acc, WARM_COLD);
	}
	acc.size = ODP_PAGE;
	measure_states(acc, ~(unsigned int)WARM_COLD);
	for (acc.pages = ODP_SMALL + 1; acc.pages < ODP_PAGES; acc.pages++)
		measure_states(acc, odp_opts.run.quick ? WARM_COLD : ~0U);
	acc.pages = ODP_SMALL;
	acc.size = 128;
	acc.align = 4;
	measure_states(acc, WARM_COLD);
	acc.align = ODP_PAGE - 64;
	measure_states(acc, WARM_COLD);
}

/* Only configurations that the options select, with the size and offset given. */
static void measure_one(struct access acc)
{
	acc.align = odp_opts.align;
	for (acc.op = 0; acc.op < ODP_OPS; acc.op++)
		for (acc.where = 0; acc.where < ODP_WHERES; acc.where++)
			for (acc.pages = 0; acc.pages < ODP_PAGES; acc.pages++) {
				acc.size = acc.op == ODP_ATOMIC ? 8 : odp_opts.size;
				measure_states(acc, ~0U);
			}
}

static void measure_path(enum perf_path path)
{
	struct odp_link links[PERF_SIDES];
	struct access acc = { .path = path, .link = links };

	odp_links_init(links, path);
	if (odp_opts.size) {
		measure_one(acc);
	} else {
		measure_ops(acc);
		if (path == PERF_LOCAL || odp_opts.sock >= 0 || odp_opts.all)
			measure_shapes(acc);
	}
	odp_links_close(links);
}

void odp_access(void)
{
	odp_table_title("Access", "one at a time, to pages in each state");
	for (enum perf_path path = 0; path < PERF_PATHS; path++)
		if (odp_opts.paths & 1U << path)
			measure_path(path);
}
