// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * iWARP QPs need the connection manager. One thread connects both ends: it starts each step
 * and waits for its event.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <rdma/rdma_cma.h>

#include "perf.h"

#define STEP_MS	5000

struct iwarp {
	struct rdma_event_channel *channel;
	struct rdma_cm_id *listener, *id[2];
};

static void free_iwarp(void *obj)
{
	struct iwarp *cm = obj;

	for (int i = 0; i < 2; i++) {
		if (!cm->id[i])
			continue;
		if (cm->id[i]->qp)
			rdma_destroy_qp(cm->id[i]);
		rdma_destroy_id(cm->id[i]);
	}
	if (cm->listener)
		rdma_destroy_id(cm->listener);
	if (cm->channel)
		rdma_destroy_event_channel(cm->channel);
	free(cm);
}

/* Wait for this event; keep the new ID of a connection request. */
static int expect(struct iwarp *cm, enum rdma_cm_event_type want)
{
	struct pollfd fd = { .fd = cm->channel->fd, .events = POLLIN };
	struct rdma_cm_event *event;
	enum rdma_cm_event_type got;
	int status;

	if (poll(&fd, 1, STEP_MS) != 1 || rdma_get_cm_event(cm->channel, &event))
		return perf_fail("no event %s", rdma_event_str(want));
	got = event->event;
	status = event->status;
	if (got == RDMA_CM_EVENT_CONNECT_REQUEST)
		cm->id[1] = event->id;
	rdma_ack_cm_event(event);
	if (got != want)
		return perf_fail("%s (%d), want %s", rdma_event_str(got), status,
				 rdma_event_str(want));
	return 0;
}

static int open_ids(struct iwarp *cm, struct sockaddr_in *from, struct sockaddr_in *to)
{
	struct sockaddr_in at = *to;

	cm->channel = rdma_create_event_channel();
	if (!cm->channel ||
	    rdma_create_id(cm->channel, &cm->listener, NULL, RDMA_PS_TCP) ||
	    rdma_create_id(cm->channel, &cm->id[0], NULL, RDMA_PS_TCP))
		return perf_fail("no id: %s", strerror(errno));
	at.sin_port = 0;
	if (rdma_bind_addr(cm->listener, (struct sockaddr *)&at) ||
	    rdma_listen(cm->listener, 4))
		return perf_fail("listen: %s", strerror(errno));
	at.sin_port = rdma_get_src_port(cm->listener);
	if (rdma_resolve_addr(cm->id[0], (struct sockaddr *)from,
			      (struct sockaddr *)&at, STEP_MS))
		return perf_fail("resolve: %s", strerror(errno));
	if (expect(cm, RDMA_CM_EVENT_ADDR_RESOLVED))
		return -1;
	if (rdma_resolve_route(cm->id[0], STEP_MS))
		return perf_fail("route: %s", strerror(errno));
	return expect(cm, RDMA_CM_EVENT_ROUTE_RESOLVED);
}

static struct ibv_cq *new_cq(struct rc_end *end, int cqe)
{
	struct ibv_cq *cq = ibv_create_cq(end->dev->ctx, cqe, NULL, end->channel, 0);

	if (cq)
		vt_defer(vt_free_cq, cq);
	return cq;
}

/*
 * Create the objects that a QP needs, before the CM's IDs, so that they are released after
 * them.
 */
static int open_end(struct rc_end *end, struct vt_dev *dev, const struct rc_attr *attr)
{
	*end = (struct rc_end){ .dev = dev, .pd = ibv_alloc_pd(dev->ctx) };
	if (!end->pd)
		return perf_fail("alloc_pd: %s", strerror(errno));
	vt_defer(vt_free_pd, end->pd);
	if (attr->channel) {
		end->channel = ibv_create_comp_channel(dev->ctx);
		if (!end->channel)
			return perf_fail("create_comp_channel: %s", strerror(errno));
		vt_defer(vt_free_channel, end->channel);
	}
	end->scq = new_cq(end, attr->wr + 1);
	end->rcq = new_cq(end, attr->wr + 1);
	if (!end->scq || !end->rcq)
		return perf_fail("create_cq: %s", strerror(errno));
	return 0;
}

static int make_qp(struct rc_end *end, struct rdma_cm_id *id, const struct rc_attr *attr)
{
	struct ibv_qp_init_attr init = {
		.send_cq = end->scq,
		.recv_cq = end->rcq,
		.qp_type = IBV_QPT_RC,
		.cap = {
			.max_send_wr = attr->wr, .max_recv_wr = attr->wr,
			.max_send_sge = attr->sge, .max_recv_sge = attr->sge,
			.max_inline_data = attr->inline_len,
		},
	};

	if (id->verbs != end->dev->ctx)
		return perf_fail("the connection is on another device");
	if (rdma_create_qp(id, end->pd, &init))
		return perf_fail("create_qp: %s", strerror(errno));
	end->qp = id->qp;
	return 0;
}

static int connect_ids(struct iwarp *cm, struct perf_link *link)
{
	struct rdma_conn_param param = {
		.initiator_depth = link->attr.rd_atomic,
		.responder_resources = link->attr.rd_atomic,
		.retry_count = 7, .rnr_retry_count = 7,
	};

	if (make_qp(&link->end[0], cm->id[0], &link->attr))
		return -1;
	if (rdma_connect(cm->id[0], &param))
		return perf_fail("connect: %s", strerror(errno));
	if (expect(cm, RDMA_CM_EVENT_CONNECT_REQUEST) ||
	    make_qp(&link->end[1], cm->id[1], &link->attr))
		return -1;
	if (rdma_accept(cm->id[1], &param))
		return perf_fail("accept: %s", strerror(errno));
	if (expect(cm, RDMA_CM_EVENT_ESTABLISHED))
		return -1;
	return expect(cm, RDMA_CM_EVENT_ESTABLISHED);
}

/* Create and connect end[0] and end[1] of @link. */
int perf_iwarp_connect(struct perf_link *link)
{
	struct perf_nic *nic = link->side->nic;
	int far = link->path == PERF_WIRE;
	struct iwarp *cm = calloc(1, sizeof(*cm));

	vt_require(cm, "out of memory");
	if (open_end(&link->end[0], &nic->dev[0], &link->attr) ||
	    open_end(&link->end[1], &nic->dev[far], &link->attr)) {
		free(cm);
		return -1;
	}
	vt_defer(free_iwarp, cm);
	if (open_ids(cm, &nic->addr[0], &nic->addr[far]))
		return -1;
	return connect_ids(cm, link);
}
