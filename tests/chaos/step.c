// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A step: regions change; receives are posted; requests are posted while memory-management
 * calls run; the results are judged; failed links are connected again.
 */
#include <unistd.h>

#include "chaos.h"

#define VERBS	(1U << LANE_VERBS)
#define BOTH	(1U << LANE_VERBS | 1U << LANE_MM)

static bool touches(int link, int w)
{
	return chaos->links[link].worker[0] == w || chaos->links[link].worker[1] == w;
}

static struct cmd *link_cmd(int link, int end, enum cmd_type type)
{
	struct cmd *cmd = crew_cmd(chaos->links[link].worker[end], LANE_VERBS, type);

	cmd->link = link;
	cmd->end = end;
	return cmd;
}

/* --- links --- */

/* Draw a first PSN, often one that soon wraps. */
static uint32_t draw_psn(void)
{
	return vt_chance(30) ? 0xffffff - vt_below(200) : vt_below(1 << 24);
}

static unsigned int draw_mtu(const struct link *link)
{
	unsigned int mtu = 256U << vt_below(5);

	for (int end = 0; end < 2; end++)
		if (mtu > chaos->mtu[link->worker[end]])
			mtu = chaos->mtu[link->worker[end]];
	return mtu;
}

static void plan_connect(int link)
{
	uint32_t psn[2] = { draw_psn(), draw_psn() };
	unsigned int mtu = draw_mtu(&chaos->links[link]);

	for (int end = 0; end < 2; end++) {
		struct cmd *cmd = link_cmd(link, end, CMD_QP_CONNECT);

		cmd->psn = psn[end];
		cmd->peer_psn = psn[!end];
		cmd->len = mtu;
		cmd->arg = 1 + end * 8;
	}
}

static void make_link(int a, int b, const struct service *service)
{
	int l = chaos->num_links++;
	struct link *link = &chaos->links[l];

	link->service = service;
	link->worker[0] = a;
	link->worker[1] = b;
	for (int end = 0; end < 2; end++) {
		link->shared[end] = vt_chance(40);
		link_cmd(l, end, CMD_QP_MAKE);
	}
}

/* Link every process with every other and with itself: by RC, and by one other service. */
static void make_links(void)
{
	int other = vt_rand() & 0xff;

	for (int a = 0; a < chaos_opts.crew; a++)
		for (int b = a; b < chaos_opts.crew; b++) {
			make_link(a, b, &services[SERVICE_RC]);
			make_link(a, b, &services[1 + other++ % (SERVICES - 1)]);
		}
}

/* The first step: give all workers regions and connections. */
void step_first(void)
{
	for (int w = 0; w < chaos_opts.crew; w++)
		plan_regions_all(w);
	make_links();
	crew_run(VERBS, -1, 0);
	for (int l = 0; l < chaos->num_links; l++)
		plan_connect(l);
	crew_run(VERBS, -1, 0);
}

/* --- posting --- */

static void pieces(struct cmd *cmd, const struct piece *from, int num)
{
	cmd->num = num;
	memcpy(cmd->piece, from, num * sizeof(*from));
}

static bool is_follower(const struct op *op)
{
	return op->allowed == 1U << IBV_WC_WR_FLUSH_ERR;
}

/* Make the receivers of lossy messages read their drop counters: later drops explain losses. */
static void count_drops(void)
{
	bool counts[CREW_MAX] = {};

	for (int i = 0; i < batch.num; i++)
		counts[batch.ops[i].to] |= batch.ops[i].last;
	for (int w = 0; w < chaos_opts.crew; w++)
		if (counts[w])
			crew_cmd(w, LANE_VERBS, CMD_COUNT);
}

static void post_receives(void)
{
	count_drops();
	for (int i = 0; i < batch.num; i++) {
		const struct op *op = &batch.ops[i];
		struct cmd *cmd;

		if (!op->kind->recv || is_follower(op))
			continue;
		cmd = link_cmd(op->link, !op->dir, CMD_RECV);
		cmd->op = i;
		if (!op->kind->rdma)
			pieces(cmd, op->target, op->num_target);
	}
	crew_run(VERBS, -1, 0);
}

static struct cmd *post(const struct op *op)
{
	struct cmd *cmd = link_cmd(op->link, op->dir, CMD_POST);

	cmd->op = op->id;
	cmd->opcode = op->kind->op;
	cmd->flags = op->in_line ? IBV_SEND_INLINE : 0;
	if (!op->quiet || chaos_opts.faults)
		cmd->flags |= IBV_SEND_SIGNALED;
	pieces(cmd, op->local, op->num_local);
	cmd->peer = op->to;
	if (op->kind->rdma) {
		cmd->peer_region = op->target[0].region;
		cmd->peer_off = op->target[0].off;
	}
	cmd->imm = op->imm;
	cmd->key_xor = op->key_xor;
	cmd->compare_add = op->compare_add;
	cmd->swap = op->swap;
	cmd->more = op->beside;
	return cmd;
}

/* Post all requests of a link; the last one is signaled. Returns its number, to wait for it. */
static int post_link(int link)
{
	struct cmd *last = NULL;

	for (int i = 0; i < batch.num; i++)
		if (batch.ops[i].link == link)
			last = post(&batch.ops[i]);
	if (!last)
		return -1;
	last->flags |= IBV_SEND_SIGNALED;
	last->more = false;
	return last->op;
}

static void post_requests(void)
{
	int last[LINKS_MAX];

	for (int l = 0; l < chaos->num_links; l++)
		last[l] = post_link(l);
	for (int l = 0; l < chaos->num_links; l++)
		if (last[l] >= 0)
			link_cmd(l, batch.dir[l], CMD_WAIT_SENT)->op = last[l];
}

static void draw_delays(void)
{
	for (int i = 0; i < chaos_opts.crew * LANES; i++) {
		struct cmd *first = chaos->desks[i / LANES].cmds[i % LANES];

		if (vt_chance(40))
			first->delay_us += vt_below(500);
	}
}

/* --- judging --- */

/*
 * With faults injected an operation may fail unexpectedly. Then its bytes are old or new,
 * and its link is connected again.
 */
static void forgive(const struct op *op)
{
	const struct piece *landing;
	int w, num;

	landing = op_landing(op, &w, &num);
	for (int i = 0; i < num; i++)
		model_settle(w, landing[i].off, landing[i].len, 0);
	if (op->kind->atomic)
		model_settle(op->to, op->target[0].off, 8, 0);
	batch.closed[op->link] = true;
	log_count("forgiven");
}

static bool succeeded(const struct op *op)
{
	const struct result *result = &chaos->results[op->id];

	return !result->sent || result->send_status == IBV_WC_SUCCESS;
}

static void judge_sent(const struct op *op)
{
	const struct result *result = &chaos->results[op->id];
	enum ibv_wc_status status = result->sent ? result->send_status : IBV_WC_SUCCESS;

	if (op->from == batch.victim)
		return;
	if (!(op->allowed & 1U << status)) {
		if (!chaos_opts.faults || status == IBV_WC_SUCCESS)
			log_die("operation %d (%s %s, %u bytes, %d to %d): %s, want %s%s",
				op->id, op_service(op)->name, op->kind->name, op->len, op->from, op->to,
				ibv_wc_status_str(status),
				ibv_wc_status_str(__builtin_ctz(op->allowed)),
				op->allowed & (op->allowed - 1) ? " or another" : "");
		forgive(op);
	}
	if (result->sent && status == IBV_WC_SUCCESS && result->send_opcode != op->kind->wc)
		log_die("operation %d (%s %s) completed with opcode %d", op->id,
			op_service(op)->name, op->kind->name, result->send_opcode);
	if (result->sent && op->closes && !op->trouble)
		log_count(status ? "races lost" : "races won");
}

static bool wants_receive(const struct op *op)
{
	if (!op->kind->recv || op->to == batch.victim || op->from == batch.victim)
		return false;
	return !op->dropped && (succeeded(op) || op->recv_fails);
}

static bool is_received_right(const struct op *op)
{
	const struct result *result = &chaos->results[op->id];

	return result->recv_opcode == op->kind->recv_wc &&
	       result->recv_len == op->len + (op->kind->rdma ? 0 : op_service(op)->header) &&
	       result->has_imm == op->kind->imm && (!op->kind->imm || result->imm == op->imm);
}

static void judge_received(const struct op *op)
{
	const struct result *result = &chaos->results[op->id];
	const char *name = op_service(op)->name;

	if (!wants_receive(op) || (chaos_opts.faults && !succeeded(op)))
		return;
	if (!result->received)
		log_die("operation %d (%s %s): nothing was received", op->id, name,
			op->kind->name);
	if (result->recv_status != (op->recv_fails ? IBV_WC_LOC_PROT_ERR : IBV_WC_SUCCESS))
		log_die("operation %d (%s %s): the receive ended with %s", op->id, name,
			op->kind->name, ibv_wc_status_str(result->recv_status));
	if (!op->recv_fails && !is_received_right(op))
		log_die("operation %d (%s %s): received opcode %d, %u bytes of %u, data %#x of %#x",
			op->id, name, op->kind->name, result->recv_opcode, result->recv_len,
			op->len, result->imm, op->imm);
}

/*
 * The immediate data of the last message of a lossy link; 0 for a link where no receive may
 * be missing.
 */
static uint32_t imm_of_last(int link)
{
	for (int i = 0; i < batch.num; i++)
		if (batch.ops[i].last && batch.ops[i].link == link)
			return batch.ops[i].imm;
	return 0;
}

static void wait_receives(void)
{
	int wanted[LINKS_MAX] = {};

	for (int i = 0; i < batch.num; i++)
		wanted[batch.ops[i].link] += wants_receive(&batch.ops[i]);
	for (int l = 0; l < chaos->num_links; l++) {
		struct cmd *cmd;

		if (!wanted[l])
			continue;
		cmd = link_cmd(l, !batch.dir[l], CMD_WAIT_RECEIVED);
		cmd->arg = wanted[l];
		cmd->flags = chaos_opts.faults;
		cmd->imm = imm_of_last(l);
	}
}

/* --- losses, on links where messages may be lost --- */

static bool lost[CREW_MAX];

/* A process reports that bytes have not arrived. */
void step_lost(int w, uint32_t off)
{
	log_event(w, off, 1, "not written");
	lost[w] = true;
}

/* Accept any bytes: the next message took the receive of one that was lost. */
static void give_up(const struct op *op)
{
	const struct piece *landing;
	int w, num;

	landing = op_landing(op, &w, &num);
	for (int i = 0; i < num; i++)
		model_settle(w, landing[i].off, landing[i].len, SETTLE_ANY);
}

/* If the last message took another's receive, or did not arrive, messages were lost. */
static void judge_lossy(const struct op *last)
{
	const struct result *result = &chaos->results[last->id];

	if (result->received && is_received_right(last))
		return;
	for (int i = 0; i < batch.num; i++)
		if (batch.ops[i].link == last->link && batch.ops[i].kind->recv)
			give_up(&batch.ops[i]);
	batch.closed[last->link] = true;
	lost[last->to] = true;
}

static void judge_losses(void)
{
	for (int i = 0; i < batch.num; i++)
		if (batch.ops[i].last)
			judge_lossy(&batch.ops[i]);
}

static bool is_lost(const struct op *op)
{
	return !op_service(op)->reliable && batch.closed[op->link] && !op->closes;
}

/* On one wire each loss must have a reason that the device or the kernel counts. */
static void want_reasons(void)
{
	struct cmd *asked[CREW_MAX] = {};

	for (int w = 0; w < chaos_opts.crew; w++)
		if (lost[w] && w != batch.victim)
			asked[w] = crew_cmd(w, LANE_VERBS, CMD_REASON);
	crew_run(VERBS, -1, 0);
	for (int w = 0; w < chaos_opts.crew; w++) {
		if (asked[w] && !asked[w]->arg && !chaos_opts.faults)
			log_die("process %d was sent something that was lost for no reason", w);
		if (asked[w])
			log_count("lost");
		lost[w] = false;
	}
}

/* --- killed processes, and the survivors --- */

static int link_to_dead(void)
{
	for (int l = 0; l < chaos->num_links; l++)
		if (chaos->links[l].service == &services[SERVICE_RC] && touches(l, batch.victim) &&
		    chaos->links[l].worker[0] != chaos->links[l].worker[1])
			return l;
	return -1;
}

/* Post a request without data to the killed process. */
static enum ibv_wc_status probe(int link)
{
	int end = chaos->links[link].worker[0] == batch.victim;
	struct cmd *cmd = link_cmd(link, end, CMD_POST);
	struct result *result = &chaos->results[OPS_MAX + link];

	memset(result, 0, sizeof(*result));
	cmd->opcode = IBV_WR_RDMA_WRITE;
	cmd->flags = IBV_SEND_SIGNALED;
	cmd->op = OPS_MAX + link;
	cmd->peer = batch.victim;
	link_cmd(link, end, CMD_WAIT_SENT)->op = OPS_MAX + link;
	crew_run(VERBS, -1, 0);
	return result->send_status;
}

/*
 * Requests to the killed process must fail, but perhaps not at once: a fault in progress
 * keeps its address space, and so its open device, until the fault is done.
 */
static void probe_dead(void)
{
	uint64_t end = vt_now_ns() + vt_patience_ms() * 1000000ULL;
	enum ibv_wc_status status;
	int link;

	link = batch.victim < 0 ? -1 : link_to_dead();
	if (link < 0)
		return;
	while ((status = probe(link)) == IBV_WC_SUCCESS && vt_now_ns() < end)
		vt_sleep_ms(10);
	if (status != IBV_WC_RETRY_EXC_ERR && status != IBV_WC_WR_FLUSH_ERR)
		log_die("a request to the dead process %d: %s", batch.victim,
			ibv_wc_status_str(status));
}

static void reset_links(void)
{
	for (int l = 0; l < chaos->num_links; l++) {
		if (batch.victim >= 0 && touches(l, batch.victim))
			batch.closed[l] = true;
		if (!batch.closed[l])
			continue;
		for (int end = 0; end < 2; end++)
			if (chaos->links[l].worker[end] != batch.victim)
				link_cmd(l, end, CMD_QP_RESET);
		log_count("reconnected");
	}
}

static void replace_dead(void)
{
	if (batch.victim < 0)
		return;
	crew_hire(batch.victim);
	plan_regions_all(batch.victim);
	for (int l = 0; l < chaos->num_links; l++)
		for (int end = 0; end < 2; end++)
			if (chaos->links[l].worker[end] == batch.victim)
				link_cmd(l, end, CMD_QP_MAKE);
}

static void reconnect(void)
{
	for (int l = 0; l < chaos->num_links; l++)
		if (batch.closed[l])
			plan_connect(l);
	crew_run(VERBS, -1, 0);
}

/* --- */

static void draw_victim(void)
{
	batch.victim = -1;
	if (chaos_opts.crew > 1 && chaos_step && !vt_below(200)) {
		batch.victim = vt_below(chaos_opts.crew);
		log_event(batch.victim, 0, MODEL_LEN, "killed");
		log_count("killed");
	}
}

static void plan(void)
{
	memset(chaos->results, 0, sizeof(chaos->results));
	model_step_begin();
	draw_victim();
	for (int w = 0; w < chaos_opts.crew; w++)
		plan_regions(w);
	crew_run(VERBS, -1, 0);
	plan_ops();
	for (int w = 0; w < chaos_opts.crew; w++)
		if (w != batch.victim)
			plan_mm(w);
}

static void judge(void)
{
	for (int i = 0; i < batch.num; i++)
		judge_sent(&batch.ops[i]);
	wait_receives();
	crew_run(VERBS, -1, 0);
	judge_losses();
	for (int i = 0; i < batch.num; i++)
		if (!is_lost(&batch.ops[i]))
			judge_received(&batch.ops[i]);
	probe_dead();
	reset_links();
	crew_run(VERBS, -1, 0);
}

void step_run(void)
{
	unsigned int delay;

	plan();
	post_receives();
	post_requests();
	draw_delays();
	delay = batch.victim >= 0 ? vt_below(3000) : 0;
	crew_run(BOTH, batch.victim, delay);
	judge();
	model_judge(batch.victim, false);
	crew_run(VERBS, -1, 0);
	want_reasons();
	replace_dead();
	crew_run(VERBS, -1, 0);
	reconnect();
}

/* Compare every byte of every process, read by the CPU. */
void step_check_all(void)
{
	model_judge(-1, true);
	crew_run(VERBS, -1, 0);
	log_count("full checks");
}
