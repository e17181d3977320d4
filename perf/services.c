// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Compares transport services: datagrams, 64 posted at a time; WRITEs over UC and over RC;
 * and SENDs with receives of the QP, of an SRQ and of an XRC SRQ.
 */
#include <fcntl.h>
#include <stdio.h>

#include "perf.h"

#define WINDOW	(512 * KIB)	/* bytes of each batch */
#define BATCHES	2		/* in flight */

static const char *const service_name[PERF_SERVICES] = { "RC", "UC", "UD", "SRQ", "XRC" };

/* --- links --- */

static void free_srq(void *obj)
{
	ibv_destroy_srq(obj);
}

static void free_ah(void *obj)
{
	ibv_destroy_ah(obj);
}

static void free_xrcd(void *obj)
{
	ibv_close_xrcd(obj);
}

static void end_open(struct rc_end *end, struct vt_dev *dev, const struct rc_attr *attr)
{
	*end = (struct rc_end){
		.dev = dev, .psn = vt_rand() & 0xffffff, .pd = vt_new_pd(dev->ctx),
		.scq = vt_new_cq(dev->ctx, attr->wr + 1),
		.rcq = vt_new_cq(dev->ctx, attr->wr + 1),
	};
}

static struct ibv_qp *new_qp(const struct rc_end *end, struct ibv_qp_init_attr_ex init,
			     const struct rc_attr *attr)
{
	struct ibv_qp *qp;

	if (init.qp_type != IBV_QPT_XRC_RECV) {
		init.send_cq = end->scq;
		init.recv_cq = end->rcq;
		init.pd = end->pd;
		init.comp_mask |= IBV_QP_INIT_ATTR_PD;
		init.cap = (struct ibv_qp_cap){
			.max_send_wr = attr->wr, .max_recv_wr = attr->wr,
			.max_send_sge = attr->sge, .max_recv_sge = attr->sge,
		};
	}
	if (init.qp_type == IBV_QPT_XRC_SEND)
		init.cap.max_recv_wr = init.cap.max_recv_sge = 0;
	qp = ibv_create_qp_ex(end->dev->ctx, &init);
	vt_require(qp, "create_qp: %s", strerror(errno));
	vt_defer(vt_free_qp, qp);
	return qp;
}

static void connect_ends(struct perf_link *link, enum ibv_qp_type a, enum ibv_qp_type b)
{
	struct rc_addr of_a = rc_end_addr(&link->end[0]), of_b = rc_end_addr(&link->end[1]);
	struct rc_attr attr = link->attr;

	attr.type = a;
	rc_connect(&link->end[0], &attr, &of_b);
	attr.type = b;
	rc_connect(&link->end[1], &attr, &of_a);
}

static void connect_ud(struct perf_link *link)
{
	struct ibv_qp_init_attr_ex init = { .qp_type = IBV_QPT_UD };
	struct rc_end *end = link->end;
	struct ibv_ah_attr to = {
		.is_global = 1, .port_num = vt_opts.port,
		.grh = { .dgid = end[1].dev->gid, .sgid_index = end[0].dev->gid_index,
			 .hop_limit = 64 },
	};

	for (int i = 0; i < 2; i++) {
		end[i].qp = new_qp(&end[i], init, &link->attr);
		vt_ud_to_rts(end[i].qp, PERF_QKEY);
	}
	link->ah = ibv_create_ah(end[0].pd, &to);
	vt_require(link->ah, "create_ah: %s", strerror(errno));
	vt_defer(free_ah, link->ah);
}

static void connect_srq(struct perf_link *link)
{
	struct ibv_srq_init_attr shared = {
		.attr = { .max_wr = link->attr.wr, .max_sge = link->attr.sge },
	};
	struct ibv_qp_init_attr_ex init = { .qp_type = IBV_QPT_RC };

	link->srq = ibv_create_srq(link->end[1].pd, &shared);
	vt_require(link->srq, "create_srq: %s", strerror(errno));
	vt_defer(free_srq, link->srq);
	link->end[0].qp = new_qp(&link->end[0], init, &link->attr);
	init.srq = link->srq;
	link->end[1].qp = new_qp(&link->end[1], init, &link->attr);
	connect_ends(link, IBV_QPT_RC, IBV_QPT_RC);
}

static struct ibv_xrcd *new_xrcd(struct ibv_context *ctx)
{
	struct ibv_xrcd_init_attr init = {
		.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS,
		.fd = -1, .oflags = O_CREAT,
	};
	struct ibv_xrcd *xrcd = ibv_open_xrcd(ctx, &init);

	if (!xrcd)
		vt_skip("no XRC");
	vt_defer(free_xrcd, xrcd);
	return xrcd;
}

static void connect_xrc(struct perf_link *link)
{
	struct rc_end *end = link->end;
	struct ibv_xrcd *xrcd = new_xrcd(end[1].dev->ctx);
	struct ibv_srq_init_attr_ex shared = {
		.attr = { .max_wr = link->attr.wr, .max_sge = link->attr.sge },
		.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_XRCD |
			     IBV_SRQ_INIT_ATTR_CQ | IBV_SRQ_INIT_ATTR_PD,
		.srq_type = IBV_SRQT_XRC, .xrcd = xrcd, .cq = end[1].rcq, .pd = end[1].pd,
	};

	link->srq = ibv_create_srq_ex(end[1].dev->ctx, &shared);
	vt_require(link->srq, "create_srq_ex: %s", strerror(errno));
	vt_defer(free_srq, link->srq);
	vt_ok(ibv_get_srq_num(link->srq, &link->srqn));
	end[0].qp = new_qp(&end[0], (struct ibv_qp_init_attr_ex){
		.qp_type = IBV_QPT_XRC_SEND }, &link->attr);
	end[1].qp = new_qp(&end[1], (struct ibv_qp_init_attr_ex){
		.qp_type = IBV_QPT_XRC_RECV, .xrcd = xrcd,
		.comp_mask = IBV_QP_INIT_ATTR_XRCD }, &link->attr);
	connect_ends(link, IBV_QPT_XRC_SEND, IBV_QPT_XRC_RECV);
}

/* Connect a link of UD, SRQ or XRC. */
void perf_service_connect(struct perf_link *link)
{
	struct vt_dev *a = &link->side->nic->dev[0];
	struct vt_dev *b = &link->side->nic->dev[link->path == PERF_WIRE];

	perf_attr_fit(&link->attr, a, b);
	end_open(&link->end[0], a, &link->attr);
	end_open(&link->end[1], b, &link->attr);
	if (link->service == PERF_UD)
		connect_ud(link);
	else if (link->service == PERF_SRQ)
		connect_srq(link);
	else
		connect_xrc(link);
}

/* --- what is measured --- */

static const struct row {
	enum perf_service service;
	enum perf_op op;
	size_t size;
	unsigned int post;
} rows[] = {
	{ PERF_UD, PERF_SEND, 64, 64 },
	{ PERF_UD, PERF_SEND, KIB, 64 },
	{ PERF_RC, PERF_SEND, 64, 64 },
	{ PERF_SRQ, PERF_SEND, 64, 64 },
	{ PERF_XRC, PERF_SEND, 64, 64 },
	{ PERF_RC, PERF_SEND, KIB, 64 },
	{ PERF_SRQ, PERF_SEND, KIB, 64 },
	{ PERF_XRC, PERF_SEND, KIB, 64 },
	{ PERF_RC, PERF_WRITE, 64 * KIB, 1 },
	{ PERF_UC, PERF_WRITE, 64 * KIB, 1 },
};

struct services {
	const struct perf_run *run;
	struct perf_link link[PERF_SERVICES][PERF_SIDES];
	const struct row *row;
};

static int sample(void *arg, size_t i, double *value)
{
	struct services *services = arg;
	const struct row *row = services->row;
	struct perf_link *link = &services->link[row->service][i];
	struct perf_flow flow;
	int err;

	if (perf_link_open(link))
		return -1;
	perf_flow_init(&flow, link, row->op, row->size, perf_batch(row->size, WINDOW, 64),
		       row->post, BATCHES);
	err = perf_flow_rate(&flow, 1, services->run->ns, value);
	perf_flow_free(&flow);
	if (row->post == 1)
		*value *= row->size;
	return err;
}

static void measure(struct services *services, enum perf_path path, const struct row *row)
{
	char op[32];
	struct perf_round round = {
		.subject = "services", .op = op, .unit = row->post == 1 ? "B/s" : "msg/s",
		.path = path, .size = row->size, .post = row->post,
	};

	snprintf(op, sizeof(op), "%s %s", service_name[row->service], perf_op_name[row->op]);
	services->row = row;
	perf_round_init(&round, services->run, 1U << VT_PINNED | 1U << VT_ODP, NULL);
	perf_round_run(&round, services->run, sample, services);
}

void perf_services(const struct perf_run *run)
{
	static struct services services;
	struct rc_attr attr = perf_attr();

	services.run = run;
	for (enum perf_path path = 0; path < PERF_PATHS; path++) {
		size_t mark = vt_mark();

		for (enum perf_service s = 0; s < PERF_SERVICES; s++) {
			attr.type = s == PERF_UC ? IBV_QPT_UC : IBV_QPT_RC;
			perf_links_init(services.link[s], run, path, 4 * MIB, &attr);
			for (size_t i = 0; i < run->num_sides; i++)
				services.link[s][i].service = s;
		}
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			measure(&services, path, &rows[i]);
		vt_release_to(mark);
	}
}
