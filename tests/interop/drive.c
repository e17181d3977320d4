// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The client: performs one operation after the other and verifies each at both ends. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "peer.h"

#define GUARD	64UL	/* bytes before and after the data, which must not change */

struct drive_op {
	const char *name;
	enum ibv_wr_opcode opcode;
	bool recv, imm;
	void (*run)(struct peer *peer, const struct drive_op *op);
};

static uint64_t state;

static uint64_t chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL;
}

static uint64_t chance_below(uint64_t bound)
{
	return (chance() >> 11) % bound;
}

/* A random length; short lengths and multiples of the MTU are frequent. */
static size_t some_length(const struct peer *peer)
{
	size_t most = peer->opts->message, mtu = 128UL << peer->opts->mtu, len;

	if (peer->opts->exact)
		return most;
	switch (chance_below(4)) {
	case 0:
		len = 1 + chance_below(64);
		break;
	case 1:
		len = mtu * (1 + chance_below(8)) + chance_below(3) - 1;
		break;
	default:
		len = 1 + chance_below(most);
	}
	return len < most ? len : most;
}

static uint64_t some_offset(uint64_t space, size_t len)
{
	return GUARD + chance_below(space - len - 2 * GUARD);
}

static struct peer_answer ask(struct peer *peer, enum peer_ask_kind kind,
			      uint64_t off, uint64_t len, uint64_t seed)
{
	struct peer_ask what = { .kind = kind, .off = off, .len = len, .seed = seed };
	struct peer_answer answer;

	peer_write(peer->sock, &what, sizeof(what));
	peer_read(peer->sock, &answer, sizeof(answer));
	return answer;
}

static void theirs_must_be(struct peer *peer, const char *op, uint64_t off,
			   uint64_t len, uint64_t seed)
{
	uint64_t good = ask(peer, PEER_COMPARE, off, len, seed).value;

	if (good != len)
		peer_die("%s: byte %" PRIu64 " of %" PRIu64 " differs at the server (seed %" PRIu64 ")",
			 op, good, len, peer->opts->seed);
}

static void ours_must_be(struct peer *peer, const char *op, uint64_t off,
			 uint64_t len, uint64_t seed, uint64_t pos)
{
	uint64_t good = peer_pattern_match(peer->mem + off, len, seed, pos);

	if (good != len)
		peer_die("%s: byte %" PRIu64 " of %" PRIu64 " differs here (seed %" PRIu64 ")",
			 op, good, len, peer->opts->seed);
}

static void maybe_page_out(struct peer *peer)
{
	struct peer_answer answer;

	if (!peer->opts->page_out)
		return;
	answer = ask(peer, PEER_PAGE_OUT, 0, 0, 0);
	if (answer.value)
		printf("paged out %" PRIu64 " of %" PRIu64 " present pages\n",
		       answer.value - answer.more, answer.value);
}

static void post(struct peer *peer, const struct drive_op *op, uint64_t ours,
		 uint64_t theirs, size_t len, uint64_t operand, uint64_t swap)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)peer->mem + ours,
		.length = len,
		.lkey = peer->mr->lkey,
	};
	struct ibv_send_wr wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = op->opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.imm_data = htobe32((uint32_t)len ^ 0xa5a5a5a5),
	}, *bad;
	struct ibv_wc wc;

	if (op->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ||
	    op->opcode == IBV_WR_ATOMIC_CMP_AND_SWP) {
		wr.wr.atomic.remote_addr = peer->theirs.addr + theirs;
		wr.wr.atomic.rkey = peer->theirs.rkey;
		wr.wr.atomic.compare_add = operand;
		wr.wr.atomic.swap = swap;
	} else {
		wr.wr.rdma.remote_addr = peer->theirs.addr + theirs;
		wr.wr.rdma.rkey = peer->theirs.rkey;
	}
	if (op->opcode == IBV_WR_SEND_WITH_INV)
		wr.invalidate_rkey = peer->theirs.rkey;
	if (ibv_post_send(peer->qp, &wr, &bad))
		peer_die("%s: ibv_post_send fails", op->name);
	peer_poll(peer, &wc);
}

/* SEND and WRITE, with and without immediate: from the client to the server. */
static void run_out(struct peer *peer, const struct drive_op *op)
{
	size_t len = some_length(peer);
	uint64_t ours = some_offset(peer->len, len), old = chance(), new = chance();
	uint64_t theirs = some_offset(peer->theirs.len, len);
	struct peer_answer got;

	peer_pattern_fill(peer->mem + ours, len, new, theirs);
	ask(peer, PEER_FILL, theirs - GUARD, len + 2 * GUARD, old);
	if (op->recv)
		ask(peer, PEER_RECV, theirs, len, 0);
	maybe_page_out(peer);
	post(peer, op, ours, theirs, len, 0, 0);
	if (op->recv) {
		got = ask(peer, PEER_WAIT, 0, 0, 0);
		if (got.value != len)
			peer_die("%s: %" PRIu64 " bytes of %zu arrived", op->name,
				 got.value, len);
		if (op->imm && got.more != ((uint32_t)len ^ 0xa5a5a5a5))
			peer_die("%s: wrong immediate data", op->name);
	}
	theirs_must_be(peer, op->name, theirs, len, new);
	theirs_must_be(peer, op->name, theirs - GUARD, GUARD, old);
	theirs_must_be(peer, op->name, theirs + len, GUARD, old);
}

static void run_read(struct peer *peer, const struct drive_op *op)
{
	size_t len = some_length(peer);
	uint64_t ours = some_offset(peer->len, len), seed = chance(), guard = chance();
	uint64_t theirs = some_offset(peer->theirs.len, len);

	peer_pattern_fill(peer->mem + ours - GUARD, len + 2 * GUARD, guard, 0);
	ask(peer, PEER_FILL, theirs, len, seed);
	maybe_page_out(peer);
	post(peer, op, ours, theirs, len, 0, 0);
	ours_must_be(peer, op->name, ours, len, seed, theirs);
	ours_must_be(peer, op->name, ours - GUARD, GUARD, guard, 0);
	ours_must_be(peer, op->name, ours + len, GUARD, guard, GUARD + len);
}

static void run_atomic(struct peer *peer, const struct drive_op *op)
{
	uint64_t ours = some_offset(peer->len, 8) & ~7UL, seed = chance();
	uint64_t theirs = some_offset(peer->theirs.len, 8) & ~7UL;
	uint64_t operand = chance(), swap = chance(), old, found, want;

	ask(peer, PEER_FILL, theirs - GUARD, 8 + 2 * GUARD, seed);
	old = ask(peer, PEER_GET, theirs, 8, 0).value;
	want = old + operand;
	if (op->opcode == IBV_WR_ATOMIC_CMP_AND_SWP) {
		if (chance_below(2))
			operand = old;
		want = operand == old ? swap : old;
	}
	maybe_page_out(peer);
	post(peer, op, ours, theirs, 8, operand, swap);
	memcpy(&found, peer->mem + ours, 8);
	if (found != old)
		peer_die("%s: fetched what was not there", op->name);
	if (ask(peer, PEER_GET, theirs, 8, 0).value != want)
		peer_die("%s: wrong result", op->name);
	theirs_must_be(peer, op->name, theirs - GUARD, GUARD, seed);
	theirs_must_be(peer, op->name, theirs + 8, GUARD, seed);
}

/*
 * Bind a window, use it, and invalidate it: by the server's LOCAL_INV or the client's
 * SEND_WITH_INV.
 */
static void run_window(struct peer *peer, const struct drive_op *op)
{
	static const struct drive_op write = { .name = "window", .opcode = IBV_WR_RDMA_WRITE };
	static const struct drive_op read = { .name = "window", .opcode = IBV_WR_RDMA_READ };
	size_t len = some_length(peer);
	uint64_t ours = some_offset(peer->len, len), theirs = some_offset(peer->theirs.len, len);
	uint64_t seed = chance(), old = chance();
	uint32_t rkey = peer->theirs.rkey;
	struct peer_answer got;

	ask(peer, PEER_FILL, theirs - GUARD, len + 2 * GUARD, old);
	peer->theirs.rkey = ask(peer, PEER_BIND, theirs, len, 0).value;
	peer_pattern_fill(peer->mem + ours, len, seed, theirs);
	maybe_page_out(peer);
	post(peer, &write, ours, theirs, len, 0, 0);
	theirs_must_be(peer, op->name, theirs, len, seed);
	memset(peer->mem + ours, 0, len);
	post(peer, &read, ours, theirs, len, 0, 0);
	ours_must_be(peer, op->name, ours, len, seed, theirs);
	if (chance_below(4)) {
		ask(peer, PEER_FILL, theirs, len, old);
		ask(peer, PEER_RECV, theirs, len, 0);
		post(peer, op, ours, theirs, len, 0, 0);
		got = ask(peer, PEER_WAIT, 0, 0, 0);
		if (got.value != len || got.more != peer->theirs.rkey)
			peer_die("%s: %" PRIu64 " bytes of %zu arrived, %#" PRIx64 " was invalidated",
				 op->name, got.value, len, got.more);
		theirs_must_be(peer, op->name, theirs, len, seed);
	} else {
		ask(peer, PEER_INVALIDATE, 0, 0, 0);
	}
	theirs_must_be(peer, op->name, theirs - GUARD, GUARD, old);
	theirs_must_be(peer, op->name, theirs + len, GUARD, old);
	peer->theirs.rkey = rkey;
}

static const struct drive_op drive_ops[] = {
	{ "send", IBV_WR_SEND, true, false, run_out },
	{ "send_imm", IBV_WR_SEND_WITH_IMM, true, true, run_out },
	{ "write", IBV_WR_RDMA_WRITE, false, false, run_out },
	{ "write_imm", IBV_WR_RDMA_WRITE_WITH_IMM, true, true, run_out },
	{ "read", IBV_WR_RDMA_READ, false, false, run_read },
	{ "add", IBV_WR_ATOMIC_FETCH_AND_ADD, false, false, run_atomic },
	{ "swap", IBV_WR_ATOMIC_CMP_AND_SWP, false, false, run_atomic },
	{ "window", IBV_WR_SEND_WITH_INV, false, false, run_window },
};

static bool wanted(const char *list, const char *name)
{
	size_t len = strlen(name);

	if (!list)
		return true;
	while (list) {
		list += *list == ',';
		if (!strncmp(list, name, len) && (!list[len] || list[len] == ','))
			return true;
		list = strchr(list, ',');
	}
	return false;
}

/* Run every selected operation, as often as the options say. */
void peer_drive(struct peer *peer)
{
	const struct drive_op *op;
	unsigned int round, done = 0;

	state = peer->opts->seed | 1;
	for (op = drive_ops; op < drive_ops + sizeof(drive_ops) / sizeof(*drive_ops); op++) {
		if (!wanted(peer->opts->ops, op->name))
			continue;
		for (round = 0; round < peer->opts->rounds; round++)
			op->run(peer, op);
		printf("%s ok, %u times\n", op->name, round);
		done++;
	}
	if (!done)
		peer_die("--ops names no operation");
	printf("server's VmPin %" PRIu64 " kB\n", ask(peer, PEER_BYE, 0, 0, 0).value);
}
