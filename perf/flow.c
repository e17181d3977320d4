// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Steady traffic over a link: a number of batches of requests is kept in flight, and a new
 * one is posted as soon as one has completed. One thread serves both ends, as two polling
 * threads might wait for each other's time slices. It yields when there is nothing to poll.
 */
#include <poll.h>
#include <sched.h>

#include "perf.h"

#define POLL_MAX	32
#define EVENT_MS	20000

const char *const perf_op_name[PERF_OPS] = { "write", "read", "send" };

static const enum ibv_wr_opcode opcode[PERF_OPS] = {
	IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_SEND,
};

/* The number of requests of @size bytes in a batch of at most @bytes and @most requests. */
unsigned int perf_batch(size_t size, size_t bytes, unsigned int most)
{
	size_t num = bytes / size;

	return num < 1 ? 1 : num > most ? most : num;
}

static unsigned int requests(const struct perf_flow *flow)
{
	return flow->flight * flow->batch;
}

static bool last_of_batch(const struct perf_flow *flow, unsigned int i)
{
	return i % flow->batch == flow->batch - 1;
}

static void init_send(struct perf_flow *flow, unsigned int i)
{
	struct ibv_send_wr *wr = &flow->wr[i];
	struct vt_mem *far = flow->link->mem[1];
	bool last = last_of_batch(flow, i);

	flow->sge[i] = vt_sge(flow->link->mem[0], i * flow->size, flow->size);
	wr->sg_list = &flow->sge[i];
	wr->num_sge = 1;
	wr->opcode = opcode[flow->op];
	wr->send_flags = last ? IBV_SEND_SIGNALED : 0;
	if (!last && i % flow->batch % flow->post != flow->post - 1)
		wr->next = wr + 1;
	if (flow->link->service == PERF_UD) {
		wr->wr.ud.ah = flow->link->ah;
		wr->wr.ud.remote_qpn = flow->link->end[1].qp->qp_num;
		wr->wr.ud.remote_qkey = PERF_QKEY;
	} else if (flow->link->service == PERF_XRC) {
		wr->qp_type.xrc.remote_srqn = flow->link->srqn;
	}
	if (flow->op == PERF_SEND)
		return;
	wr->wr.rdma.remote_addr = far->iova + i * flow->size;
	wr->wr.rdma.rkey = far->mr->rkey;
}

/* Bytes in front of the data in each receive. */
static size_t gap(const struct perf_flow *flow)
{
	return flow->link->service == PERF_UD ? PERF_GRH : 0;
}

static void init_recv(struct perf_flow *flow, unsigned int i)
{
	size_t room = flow->size + gap(flow);
	struct ibv_recv_wr *wr = &flow->recv[i];

	flow->recv_sge[i] = vt_sge(flow->link->mem[1], i * room, room);
	wr->sg_list = &flow->recv_sge[i];
	wr->num_sge = 1;
	if (!last_of_batch(flow, i))
		wr->next = wr + 1;
}

/* The link must be open. */
void perf_flow_init(struct perf_flow *flow, struct perf_link *link, enum perf_op op,
		    size_t size, unsigned int batch, unsigned int post,
		    unsigned int flight)
{
	*flow = (struct perf_flow){
		.link = link, .op = op, .size = size, .batch = batch, .post = post,
		.flight = flight,
	};
	flow->wr = calloc(requests(flow), sizeof(*flow->wr));
	flow->recv = calloc(requests(flow), sizeof(*flow->recv));
	flow->sge = calloc(requests(flow), sizeof(*flow->sge));
	flow->recv_sge = calloc(requests(flow), sizeof(*flow->recv_sge));
	vt_require(flow->wr && flow->recv && flow->sge && flow->recv_sge, "out of memory");
	vt_require(requests(flow) * (size + gap(flow)) <= link->len &&
		   requests(flow) < link->attr.wr,
		   "%u requests of %zu bytes do not fit", requests(flow), size);
	for (unsigned int i = 0; i < requests(flow); i++) {
		init_send(flow, i);
		init_recv(flow, i);
	}
}

void perf_flow_free(struct perf_flow *flow)
{
	free(flow->wr);
	free(flow->recv);
	free(flow->sge);
	free(flow->recv_sge);
}

/* --- data --- */

static uint8_t *source(const struct perf_flow *flow)
{
	return flow->link->mem[flow->op == PERF_READ]->addr;
}

static uint8_t *target(const struct perf_flow *flow)
{
	return flow->link->mem[flow->op != PERF_READ]->addr;
}

int perf_flow_check(struct perf_flow *flow)
{
	size_t num = gap(flow) ? requests(flow) : 1, len = requests(flow) * flow->size / num;

	for (size_t i = 0; i < num; i++)
		if (memcmp(source(flow) + i * len,
			   target(flow) + i * (len + gap(flow)) + gap(flow), len))
			return perf_fail("the data differ");
	return 0;
}

/* --- posting and polling --- */

static int post_receives(struct perf_flow *flow, unsigned int first)
{
	struct ibv_srq *srq = flow->link->srq;
	struct ibv_recv_wr *bad;
	int err = srq ? ibv_post_srq_recv(srq, &flow->recv[first], &bad) :
			ibv_post_recv(flow->link->end[1].qp, &flow->recv[first], &bad);

	return err ? perf_fail("post_recv: %s", strerror(err)) : 0;
}

static int post_batch(struct perf_flow *flow)
{
	unsigned int first = flow->posted % flow->flight * flow->batch;
	struct ibv_send_wr *bad;
	int err;

	if (flow->op == PERF_SEND && post_receives(flow, first))
		return -1;
	for (unsigned int i = 0; i < flow->batch; i += flow->post) {
		err = ibv_post_send(flow->link->end[0].qp, &flow->wr[first + i], &bad);
		if (err)
			return perf_fail("post_send: %s", strerror(err));
	}
	flow->posted++;
	return 0;
}

static uint64_t completed(const struct perf_flow *flow)
{
	uint64_t received = flow->received / flow->batch;

	return flow->op == PERF_SEND && received < flow->sent ? received : flow->sent;
}

static uint64_t in_flight(const struct perf_flow *flow)
{
	return flow->posted - completed(flow);
}

/* Poll; returns the number of completions, -1 if one is an error. */
static int reap(struct perf_flow *flow)
{
	int sent, received = 0;

	sent = perf_completion(flow->link->end[0].scq, POLL_MAX);
	if (sent < 0)
		return -1;
	flow->sent += sent;
	if (flow->op == PERF_SEND) {
		received = perf_completion(flow->link->end[1].rcq, POLL_MAX);
		if (received < 0)
			return -1;
		flow->received += received;
	}
	return sent + received;
}

/* Arm the CQ, poll once more, and sleep until an event if there is no completion. */
static int wait_event(struct perf_flow *flow)
{
	struct ibv_comp_channel *channel = flow->link->end[0].channel;
	struct pollfd fd = { .fd = channel->fd, .events = POLLIN };
	struct ibv_cq *cq = flow->link->end[0].scq;
	void *context;
	int got;

	if (ibv_req_notify_cq(cq, 0))
		return perf_fail("req_notify_cq fails");
	got = reap(flow);
	if (got)
		return got < 0 ? -1 : 0;
	if (poll(&fd, 1, EVENT_MS) != 1 || ibv_get_cq_event(channel, &cq, &context))
		return perf_fail("no event");
	ibv_ack_cq_events(cq, 1);
	return 0;
}

static int nothing(struct perf_flow *flow, uint64_t last)
{
	if (flow->events)
		return wait_event(flow);
	sched_yield();
	if (perf_now() - last > PERF_SILENCE_NS)
		return perf_fail("no completion within %llu s",
				 PERF_SILENCE_NS / 1000000000);
	return 0;
}

/* One turn of a flow: poll completions, then post as many batches as possible. */
static int turn(struct perf_flow *flow, bool more)
{
	int got = reap(flow);

	while (got >= 0 && more && in_flight(flow) < flow->flight)
		if (post_batch(flow))
			return -1;
	return got;
}

static int turns(struct perf_flow *flow, size_t num, uint64_t start, uint64_t ns)
{
	uint64_t last = start, flying = 0;
	bool more = true;
	int got, sum;

	do {
		sum = 0;
		flying = 0;
		for (size_t i = 0; i < num; i++) {
			got = turn(&flow[i], more);
			if (got < 0)
				return -1;
			sum += got;
			flying += in_flight(&flow[i]);
		}
		if (sum)
			last = perf_now();
		else if (flying && nothing(flow, last))
			return -1;
		more = perf_now() - start < ns;
	} while (more || flying);
	return 0;
}

/*
 * iWARP completes a WRITE when TCP has its data, which may arrive much later on a bad network,
 * in memory that all sides share. A READ behind it returns when they are there.
 */
static int settle(struct perf_flow *flow)
{
	struct perf_link *link = flow->link;
	struct vt_mem *far = link->mem[1];
	struct ibv_sge sge = vt_sge(link->mem[0], 0, 1);
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_RDMA_READ,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = far->iova, .rkey = far->mr->rkey },
	};
	int err;

	if (flow->op != PERF_WRITE || !link->side->nic->iwarp)
		return 0;
	err = ibv_post_send(link->end[0].qp, &wr, &bad);
	return err ? perf_fail("post_send: %s", strerror(err)) : perf_wait(link->end[0].scq, 1);
}

static int run_flows(struct perf_flow *flow, size_t num, uint64_t start, uint64_t ns)
{
	if (turns(flow, num, start, ns))
		return -1;
	for (size_t i = 0; i < num; i++)
		if (settle(&flow[i]))
			return -1;
	return 0;
}

/*
 * Run all flows; @rate is the messages per second from the first post until the last one
 * has arrived.
 */
int perf_flow_run(struct perf_flow *flow, size_t num, uint64_t ns, double *rate)
{
	uint64_t start = perf_now(), messages = 0;

	for (size_t i = 0; i < num; i++)
		flow[i].posted = flow[i].sent = flow[i].received = 0;
	if (run_flows(flow, num, start, ns)) {
		for (size_t i = 0; i < num; i++)
			perf_link_fail(flow[i].link);
		return -1;
	}
	for (size_t i = 0; i < num; i++)
		messages += flow[i].posted * flow[i].batch;
	*rate = messages * 1e9 / (perf_now() - start);
	return 0;
}

/*
 * Prepare a run: fill the source with new data. Before an operation's first use of the
 * memory make a pass that is not measured.
 */
int perf_flow_ready(struct perf_flow *flow)
{
	size_t len = requests(flow) * flow->size, *warm = &flow->link->warm[flow->op];
	double rate;

	vt_fill(source(flow), len);
	if (*warm >= len)
		return 0;
	if (perf_flow_run(flow, 1, 0, &rate))
		return -1;
	*warm = len;
	vt_fill(source(flow), len);
	return 0;
}

/* Measure the messages per second over @num flows from one thread, and compare every byte. */
int perf_flow_rate(struct perf_flow *flow, size_t num, uint64_t ns, double *rate)
{
	for (size_t i = 0; i < num; i++)
		if (perf_flow_ready(&flow[i]))
			return -1;
	if (perf_flow_run(flow, num, ns, rate))
		return -1;
	for (size_t i = 0; i < num; i++)
		if (perf_flow_check(&flow[i]))
			return -1;
	return 0;
}
