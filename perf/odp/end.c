// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The ends of a connection, and how they carry out requests. */
#include <unistd.h>

#include "odp.h"

#define PIECES_MAX	4096

const char *const odp_where_name[ODP_WHERES] = { "remote", "local" };
const char *const odp_op_name[ODP_OPS] = { "write", "read", "send", "atomic" };
const char *const odp_counter_name[ODP_COUNTERS] = {
	"timeouts", "retransmits", "RNR NAKs", "faults", "sent packets",
};

/* --- QPs --- */

static int answer_open(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	(void)times;
	perf_attr_fit(&ask->attr, end->dev, end->dev);
	rc_end_open(&end->rc, end->dev, NULL, &ask->attr);
	end->open = true;
	ask->addr = rc_end_addr(&end->rc);
	return 0;
}

static int answer_connect(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	int err = rc_to_init(&end->rc, &ask->attr) ?:
		  rc_to_rtr(&end->rc, &ask->attr, &ask->addr) ?:
		  rc_to_rts(&end->rc, &ask->attr);

	(void)times;
	return err ? perf_fail("modify_qp: %s", strerror(err)) : 0;
}

static int answer_forget(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	int err = 0;

	(void)ask;
	(void)times;
	for (int i = 0; i < 2; i++) {
		if (end->mr[i] && ibv_dereg_mr(end->mr[i]))
			err = perf_fail("dereg_mr: %s", strerror(errno));
		end->mr[i] = NULL;
	}
	odp_area_close(&end->area);
	odp_area_close(&end->twin);
	odp_area_close(&end->plain);
	return err;
}

static int answer_close(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	if (!end->open)
		return 0;
	end->open = false;
	answer_forget(end, ask, times);
	vt_release(end->rc.qp);
	vt_release(end->rc.rcq);
	vt_release(end->rc.scq);
	vt_release(end->rc.pd);
	return 0;
}

/* --- memory --- */

static int reg_one(struct odp_end *end, int which, enum vt_kind kind, struct odp_area *area)
{
	int access = VT_ACCESS_ALL | (kind == VT_PINNED ? 0 : IBV_ACCESS_ON_DEMAND);

	end->mr[which] = kind == VT_IMPLICIT ?
			 ibv_reg_mr(end->rc.pd, NULL, SIZE_MAX, access) :
			 ibv_reg_mr(end->rc.pd, area->addr, area->len, access);
	if (!end->mr[which])
		return perf_fail("reg_mr of %zu bytes, %s: %s", area->len, vt_kind_name[kind],
				 strerror(errno));
	return 0;
}

static int answer_memory(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	struct odp_area *areas[2] = { &end->area, &end->plain };

	answer_forget(end, ask, times);
	if (ask->len && !vt_kind_works(end->dev, ask->kind, 0))
		return perf_lacks("%s has no %s memory",
				  ibv_get_device_name(end->dev->ctx->device),
				  vt_kind_name[ask->kind]);
	if (ask->len && odp_area_open(&end->area, ask->pages, ask->len))
		return -1;
	/* the twin is for the CPU; warm pages are not compared with the CPU */
	if (ask->len && ask->state != ODP_WARM &&
	    odp_area_open(&end->twin, ask->pages, ask->len))
		return -1;
	if (odp_area_open(&end->plain, ODP_SMALL, ask->plain_len))
		return -1;
	odp_area_fill(&end->plain, ~ask->seed);
	if (ask->len && ask->state != ODP_COLD) {
		odp_area_fill(&end->area, ask->seed);
		if (end->twin.addr)
			odp_area_fill(&end->twin, ask->seed);
	}
	for (int i = ask->len ? ODP_AREA : ODP_PLAIN; i <= ODP_PLAIN; i++) {
		if (reg_one(end, i, i == ODP_AREA ? ask->kind : VT_PINNED, areas[i]))
			return -1;
		ask->iova[i] = (uintptr_t)areas[i]->addr;
		ask->rkey[i] = end->mr[i]->rkey;
		ask->lkey[i] = end->mr[i]->lkey;
	}
	return 0;
}

static int answer_take(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	(void)times;
	return odp_area_take(&end->area, ask->state) ?: odp_area_take(&end->twin, ask->state);
}

static int answer_fill(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	(void)times;
	odp_area_fill(&end->plain, ask->seed);
	return 0;
}

static struct odp_area *asked_area(struct odp_end *end, const struct odp_ask *ask)
{
	return ask->which == ODP_PLAIN ? &end->plain : &end->area;
}

/* Check that all pieces are inside of the area. */
static int pieces_fit(const struct odp_area *area, const struct odp_ask *ask)
{
	uint64_t last = ask->num ? ask->num - 1 : 0;

	if (!area->addr || ask->num > PIECES_MAX || ask->stride > area->len ||
	    ask->len > area->len || ask->off > area->len ||
	    ask->off + last * ask->stride + ask->len > area->len)
		return perf_fail("pieces outside of the memory");
	return 0;
}

static int answer_check(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	struct odp_area *area = asked_area(end, ask);

	(void)times;
	if (pieces_fit(area, ask))
		return -1;
	for (uint64_t i = 0; i < ask->num; i++)
		if (odp_pattern_differs(area->addr + ask->off + i * ask->stride, ask->len,
					ask->seed, ask->pos + i * ask->step))
			return perf_fail("the data differ, in piece %lu", i);
	return 0;
}

static int answer_adds(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	struct odp_area *area = asked_area(end, ask);
	uint64_t was, is;

	(void)times;
	if (pieces_fit(area, ask))
		return -1;
	for (uint64_t i = 0; i < ask->num; i++) {
		uint64_t at = ask->off + i * ask->stride;

		odp_pattern(&was, sizeof(was), area->seed, at);
		memcpy(&is, area->addr + at, sizeof(is));
		if (is != was + ask->seed)
			return perf_fail("word %lu is %#lx, want %#lx", i, is,
					 was + ask->seed);
	}
	return 0;
}

/* --- the CPU's own accesses --- */

static void touch(uint8_t *at, uint8_t *buf, size_t len, enum odp_op op)
{
	if (op == ODP_ATOMIC)
		__atomic_fetch_add((uint64_t *)at, 1, __ATOMIC_SEQ_CST);
	else if (op == ODP_READ)
		memcpy(buf, at, len);
	else
		memcpy(at, buf, len);
	/* keeps the compiler from leaving it out */
	asm volatile("" : : "r" (at), "r" (buf) : "memory");
}

static int answer_touch(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	uint64_t start;

	if (pieces_fit(&end->twin, ask))
		return -1;
	if (ask->len > end->plain.len)
		return perf_fail("a piece is larger than the buffer");
	for (uint64_t i = 0; i < ask->num; i++) {
		start = perf_now();
		touch(end->twin.addr + ask->off + i * ask->stride, end->plain.addr, ask->len,
		      ask->op);
		if (!stats_add(times, perf_now() - start))
			return perf_fail("out of memory");
	}
	return 0;
}

/* --- receives --- */

static int answer_receive(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	struct odp_area *area = asked_area(end, ask);
	struct ibv_sge sge;
	int err;

	(void)times;
	if (pieces_fit(area, ask))
		return -1;
	for (uint64_t i = 0; i < ask->num; i++) {
		sge = (struct ibv_sge){
			.addr = (uintptr_t)area->addr + ask->off + i * ask->stride,
			.length = ask->len,
			.lkey = end->mr[ask->which]->lkey,
		};
		err = rc_post_recv(&end->rc, i, &sge, 1);
		if (err)
			return perf_fail("post_recv: %s", strerror(err));
	}
	return 0;
}

static int answer_received(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	(void)times;
	return perf_wait(end->rc.rcq, ask->num);
}

/* --- counters --- */

/* Names of the counters in several drivers; the values of all that exist are added. */
static const char *const counter_names[ODP_COUNTERS][8] = {
	[ODP_TIMEOUTS] = { "timeouts", "local_ack_timeout_err" },
	[ODP_RETRANSMITS] = { "retransmits", "packet_seq_err", "implied_nak_seq_err",
			      "roce_adp_retrans", "completer_retry_err" },
	[ODP_NAKS] = { "rnr_naks_sent", "send_rnr_err", "out_of_buffer" },
	[ODP_FAULTS] = { "page_faults" },
	[ODP_SENT] = { "sent_packets", "sent_pkts" },
};

/* The kernel caches counter values for 10 ms and up to two ticks. */
#define STALE_US	30000

long long odp_counter(const struct vt_dev *dev, const char *name)
{
	usleep(STALE_US);
	return vt_counter(dev, name);
}

void odp_counters(const struct vt_dev *dev, int64_t counter[ODP_COUNTERS])
{
	usleep(STALE_US);
	for (int c = 0; c < ODP_COUNTERS; c++) {
		counter[c] = -1;
		for (int i = 0; counter_names[c][i]; i++) {
			long long value = vt_counter(dev, counter_names[c][i]);

			if (value >= 0)
				counter[c] = value + (counter[c] > 0 ? counter[c] : 0);
		}
	}
}

/* --- asking --- */

void odp_refuse(struct odp_ask *ask)
{
	ask->err = -1;
	ask->lacking = perf_is_lacking();
	snprintf(ask->why, sizeof(ask->why), "%s", perf_why());
}

void odp_answer(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	static int (*const answer[ODP_ASKS])(struct odp_end *end, struct odp_ask *ask,
					     struct stats *times) = {
		[ODP_ASK_OPEN] = answer_open,
		[ODP_ASK_CONNECT] = answer_connect,
		[ODP_ASK_CLOSE] = answer_close,
		[ODP_ASK_MEMORY] = answer_memory,
		[ODP_ASK_TAKE] = answer_take,
		[ODP_ASK_FILL] = answer_fill,
		[ODP_ASK_CHECK] = answer_check,
		[ODP_ASK_ADDS] = answer_adds,
		[ODP_ASK_TOUCH] = answer_touch,
		[ODP_ASK_RECEIVE] = answer_receive,
		[ODP_ASK_RECEIVED] = answer_received,
		[ODP_ASK_FORGET] = answer_forget,
	};

	ask->err = ask->what < ODP_ASKS && ask->which <= ODP_PLAIN && ask->pages < ODP_PAGES &&
		   ask->kind < VT_KINDS ?
		   answer[ask->what](end, ask, times) : perf_fail("no such request");
	if (ask->err)
		odp_refuse(ask);
}

static int ask_elsewhere(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	uint64_t num;
	double value;

	ask->link = end->link;
	if (odp_send(end->sock, ask, sizeof(*ask)) ||
	    odp_receive(end->sock, ask, sizeof(*ask)) ||
	    odp_receive(end->sock, &num, sizeof(num)))
		return perf_fail("the server is gone");
	while (num--)
		if (odp_receive(end->sock, &value, sizeof(value)) ||
		    (times && !stats_add(times, value)))
			return perf_fail("the server is gone");
	if (ask->err && ask->lacking)
		return perf_lacks("%s", ask->why);
	return ask->err ? perf_fail("%s", ask->why) : 0;
}

int odp_ask(struct odp_end *end, struct odp_ask *ask, struct stats *times)
{
	if (end->sock >= 0)
		return ask_elsewhere(end, ask, times);
	odp_answer(end, ask, times);
	return ask->err;
}

/* --- links --- */

static int connect_ends(struct odp_link *link)
{
	struct odp_ask ask[2] = { };

	for (int i = 0; i < 2; i++) {
		struct rc_attr *attr = &ask[i].attr;

		*attr = i ? ask[0].attr : rc_attr_default;
		attr->wr = odp_opts.depth;
		attr->sge = 1;
		if (!i)
			attr->rd_atomic = 16;
		attr->timeout = odp_opts.ack_timeout;
		ask[i].what = ODP_ASK_OPEN;
		if (odp_ask(&link->end[i], &ask[i], NULL))
			return -1;
	}
	/* limit both to what both devices support */
	if (ask[0].attr.mtu > ask[1].attr.mtu)
		ask[0].attr.mtu = ask[1].attr.mtu;
	if (ask[0].attr.rd_atomic > ask[1].attr.rd_atomic)
		ask[0].attr.rd_atomic = ask[1].attr.rd_atomic;
	ask[1].attr = ask[0].attr;
	for (int i = 0; i < 2; i++) {
		struct odp_ask connect = {
			.what = ODP_ASK_CONNECT, .attr = ask[i].attr, .addr = ask[!i].addr,
		};

		if (odp_ask(&link->end[i], &connect, NULL))
			return -1;
	}
	return 0;
}

static void close_link(struct odp_link *link)
{
	struct odp_ask ask = { .what = ODP_ASK_CLOSE };

	for (int i = 0; i < 2; i++)
		odp_ask(&link->end[i], &ask, NULL);
	link->open = false;
}

/* A failed attempt may have left an end open. */
int odp_link_open(struct odp_link *link)
{
	if (link->open)
		return 0;
	close_link(link);
	if (connect_ends(link))
		return -1;
	link->open = true;
	return 0;
}

static void prepare_ends(struct odp_link *link)
{
	struct perf_nic *nic = link->side->nic;

	for (int i = 0; i < 2; i++) {
		link->end[i] = (struct odp_end){
			.sock = i ? odp_opts.sock : -1,
			.link = link->side - odp_opts.run.side,
		};
		link->end[i].dev = &nic->dev[i && link->path == PERF_WIRE && odp_opts.sock < 0];
	}
}

/* Make a link for each side, not connected yet. */
void odp_links_init(struct odp_link *link, enum perf_path path)
{
	for (size_t i = 0; i < odp_opts.run.num_sides; i++) {
		link[i] = (struct odp_link){ .side = &odp_opts.run.side[i], .path = path };
		prepare_ends(&link[i]);
	}
}

void odp_links_close(struct odp_link *link)
{
	for (size_t i = 0; i < odp_opts.run.num_sides; i++)
		close_link(&link[i]);
}

/* Make an area at end @at and a plain buffer at both ends, as @want describes them. */
int odp_link_memory(struct odp_link *link, int at, const struct odp_ask *want)
{
	for (int i = 0; i < 2; i++) {
		struct odp_end *end = &link->end[i];
		struct odp_ask ask = *want;

		ask.what = ODP_ASK_MEMORY;
		if (i != at)
			ask.len = 0;
		if (odp_ask(end, &ask, NULL))
			return -1;
		memcpy(end->iova, ask.iova, sizeof(end->iova));
		memcpy(end->rkey, ask.rkey, sizeof(end->rkey));
		memcpy(end->lkey, ask.lkey, sizeof(end->lkey));
	}
	return 0;
}

/* End a turn: free its memory; after a failure close the QPs, too. */
int odp_link_done(struct odp_link *link, int err)
{
	struct odp_ask forget = { .what = ODP_ASK_FORGET };
	char why[200];
	bool lacking;

	if (!err)
		return odp_ask(&link->end[0], &forget, NULL) ?:
		       odp_ask(&link->end[1], &forget, NULL);
	snprintf(why, sizeof(why), "%s", perf_why());
	lacking = perf_is_lacking();
	close_link(link);
	return lacking ? perf_lacks("%s", why) : perf_fail("%s", why);
}
