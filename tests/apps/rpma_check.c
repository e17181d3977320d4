// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Tests librpma, a library for remote memory access: data are written, flushed and read
 * back, and a word behind them is written atomically. Both sides compare each byte.
 *
 * usage: rpma-check server|client ADDRESS PORT
 *
 * The client prints "rpma-check: all values right", and so does the server when the client
 * has gone.
 */
#include <librpma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "values.h"

#define SIZE	(1 << 20)
#define DATA	(SIZE - 8)	/* followed by the atomic word: the round */
#define ROUNDS	5
#define ALWAYS	RPMA_F_COMPLETION_ALWAYS

static const char *address, *port;
static struct rpma_peer *peer;

static void must(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "rpma-check: %s: %s\n", what, rpma_err_2str(ret));
	exit(1);
}

static void check(const char *what, const uint8_t *mem, int round)
{
	size_t i = wrong_at(mem, DATA, 0, round);

	if (i == DATA)
		return;
	fprintf(stderr, "rpma-check: byte %zu %s in round %d is wrong\n", i, what, round);
	exit(1);
}

static uint8_t *room(void)
{
	uint8_t *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	if (mem == MAP_FAILED)
		exit(1);
	return mem;
}

static struct rpma_mr_local *registered(uint8_t *mem, int usage)
{
	struct rpma_mr_local *mr;

	must(rpma_mr_reg(peer, mem, SIZE, usage, &mr), "rpma_mr_reg");
	return mr;
}

static void wait_for(struct rpma_conn *conn, enum rpma_conn_event wanted)
{
	enum rpma_conn_event event;

	must(rpma_conn_next_event(conn, &event), "rpma_conn_next_event");
	if (event == wanted)
		return;
	fprintf(stderr, "rpma-check: %s\n", rpma_utils_conn_event_2str(event));
	exit(1);
}

/* Wait for the one operation in flight, whose ID is @number. */
static void complete(struct rpma_conn *conn, uintptr_t number)
{
	struct rpma_cq *cq;
	struct ibv_wc wc;

	must(rpma_conn_get_cq(conn, &cq), "rpma_conn_get_cq");
	must(rpma_cq_wait(cq), "rpma_cq_wait");
	must(rpma_cq_get_wc(cq, 1, &wc, NULL), "rpma_cq_get_wc");
	if (wc.status == IBV_WC_SUCCESS && wc.wr_id == number)
		return;
	fprintf(stderr, "rpma-check: %s of operation %lu\n", ibv_wc_status_str(wc.status),
		(unsigned long)wc.wr_id);
	exit(1);
}

static void serve(void)
{
	uint8_t *mem = room(), words[64];
	struct rpma_conn_private_data data = { .ptr = words };
	struct rpma_conn_req *req;
	struct rpma_mr_local *mr;
	struct rpma_conn *conn;
	struct rpma_ep *ep;
	uint64_t round;
	size_t len;

	mr = registered(mem, RPMA_MR_USAGE_WRITE_DST | RPMA_MR_USAGE_READ_SRC |
			     RPMA_MR_USAGE_FLUSH_TYPE_VISIBILITY);
	must(rpma_mr_get_descriptor_size(mr, &len), "rpma_mr_get_descriptor_size");
	if (len > sizeof(words))
		exit(1);
	must(rpma_mr_get_descriptor(mr, words), "rpma_mr_get_descriptor");
	data.len = len;
	must(rpma_ep_listen(peer, address, port, &ep), "rpma_ep_listen");
	must(rpma_ep_next_conn_req(ep, NULL, &req), "rpma_ep_next_conn_req");
	must(rpma_conn_req_connect(&req, &data, &conn), "accept");
	wait_for(conn, RPMA_CONN_ESTABLISHED);
	wait_for(conn, RPMA_CONN_CLOSED);
	memcpy(&round, mem + DATA, 8);
	if (round != ROUNDS)
		exit(1);
	check("written", mem, ROUNDS);
	rpma_conn_disconnect(conn);
	must(rpma_conn_delete(&conn), "rpma_conn_delete");
	must(rpma_ep_shutdown(&ep), "rpma_ep_shutdown");
	must(rpma_mr_dereg(&mr), "rpma_mr_dereg");
}

static struct rpma_conn *connected(void)
{
	struct rpma_conn_req *req;
	struct rpma_conn *conn;

	must(rpma_conn_req_new(peer, address, port, NULL, &req), "rpma_conn_req_new");
	must(rpma_conn_req_connect(&req, NULL, &conn), "connect");
	wait_for(conn, RPMA_CONN_ESTABLISHED);
	return conn;
}

static struct rpma_mr_remote *memory_of(struct rpma_conn *conn)
{
	struct rpma_conn_private_data data;
	struct rpma_mr_remote *there;

	must(rpma_conn_get_private_data(conn, &data), "rpma_conn_get_private_data");
	must(rpma_mr_remote_from_descriptor(data.ptr, data.len, &there), "descriptor");
	return there;
}

static void use(void)
{
	uint8_t *out = room(), *in = room();
	struct rpma_mr_local *source = registered(out, RPMA_MR_USAGE_WRITE_SRC);
	struct rpma_mr_local *target = registered(in, RPMA_MR_USAGE_READ_DST);
	struct rpma_conn *conn = connected();
	struct rpma_mr_remote *there = memory_of(conn);

	for (uintptr_t round = 1; round <= ROUNDS; round++) {
		uint64_t pointer = round;

		fill(out, DATA, 0, round);
		must(rpma_write(conn, there, 0, source, 0, DATA, RPMA_F_COMPLETION_ON_ERROR,
				NULL), "rpma_write");
		must(rpma_flush(conn, there, 0, DATA, RPMA_FLUSH_TYPE_VISIBILITY, ALWAYS,
				(void *)round), "rpma_flush");
		complete(conn, round);
		must(rpma_atomic_write(conn, there, DATA, (char *)&pointer, ALWAYS,
				       (void *)(round + 100)), "rpma_atomic_write");
		complete(conn, round + 100);
		must(rpma_read(conn, target, 0, there, 0, SIZE, ALWAYS, (void *)(round + 200)),
		     "rpma_read");
		complete(conn, round + 200);
		check("read back", in, round);
		if (memcmp(in + DATA, &pointer, 8))
			exit(1);
	}
	must(rpma_conn_disconnect(conn), "rpma_conn_disconnect");
	wait_for(conn, RPMA_CONN_CLOSED);
	must(rpma_mr_remote_delete(&there), "rpma_mr_remote_delete");
	must(rpma_conn_delete(&conn), "rpma_conn_delete");
	must(rpma_mr_dereg(&source), "rpma_mr_dereg");
	must(rpma_mr_dereg(&target), "rpma_mr_dereg");
}

int main(int argc, char **argv)
{
	struct ibv_context *context;
	int client;

	if (argc != 4) {
		fprintf(stderr, "usage: rpma-check server|client ADDRESS PORT\n");
		return 2;
	}
	client = !strcmp(argv[1], "client");
	address = argv[2];
	port = argv[3];
	must(rpma_utils_get_ibv_context(address, client ? RPMA_UTIL_IBV_CONTEXT_REMOTE :
					RPMA_UTIL_IBV_CONTEXT_LOCAL, &context), "no device");
	must(rpma_peer_new(context, &peer), "rpma_peer_new");
	if (client)
		use();
	else
		serve();
	must(rpma_peer_delete(&peer), "rpma_peer_delete");
	printf("rpma-check: all values right\n");
	return 0;
}
