// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Two nodes exchange data by every RC operation, at random offsets and lengths, and compare
 * each byte and the bytes around. Used for tests against other RoCEv2 devices, for
 * captures, and for tests that page memory out.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "peer.h"

#define PAGE	4096UL

/* rxe reports IBV_WC_WITH_INV by the kernel's flag, which is another flag in user space. */
#define WITH_INV	(IBV_WC_WITH_INV | IBV_WC_IP_CSUM_OK)

/* --- the pattern: each byte depends on seed and position --- */

static uint64_t pattern_word(uint64_t seed, uint64_t pos)
{
	uint64_t x = (seed ^ (pos / 8)) * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 32;
}

static uint8_t pattern_byte(uint64_t seed, uint64_t pos)
{
	return pattern_word(seed, pos) >> (8 * (pos & 7));
}

void peer_pattern_fill(uint8_t *buf, size_t len, uint64_t seed, uint64_t pos)
{
	uint64_t word;

	for (; len && pos & 7; len--)
		*buf++ = pattern_byte(seed, pos++);
	for (; len >= 8; len -= 8, buf += 8, pos += 8) {
		word = pattern_word(seed, pos);
		memcpy(buf, &word, 8);
	}
	while (len--)
		*buf++ = pattern_byte(seed, pos++);
}

/* The number of bytes from the start that match the pattern. */
size_t peer_pattern_match(const uint8_t *buf, size_t len, uint64_t seed, uint64_t pos)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] != pattern_byte(seed, pos + i))
			break;
	return i;
}

/* --- the server --- */

/* Count the pages that are present, in pieces, as the region may be very large. */
static uint64_t present_pages(const struct peer *peer)
{
	static unsigned char there[65536];
	uint64_t pages = (peer->len + PAGE - 1) / PAGE, page, i, n, sum = 0;

	for (page = 0; page < pages; page += n) {
		n = pages - page < sizeof(there) ? pages - page : sizeof(there);
		if (mincore(peer->mem + page * PAGE, n * PAGE, there))
			peer_die("mincore fails");
		for (i = 0; i < n; i++)
			sum += there[i] & 1;
	}
	return sum;
}

static struct peer_answer serve_page_out(struct peer *peer)
{
	struct peer_answer answer = { .value = present_pages(peer) };

	if (madvise(peer->mem, peer->len, MADV_PAGEOUT))
		peer_die("MADV_PAGEOUT fails");
	answer.more = present_pages(peer);
	return answer;
}

static void serve_recv(struct peer *peer, const struct peer_ask *ask)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)peer->mem + ask->off,
		.length = ask->len,
		.lkey = peer->mr->lkey,
	};
	struct ibv_recv_wr wr = { .sg_list = &sge, .num_sge = 1 }, *bad;

	if (ibv_post_recv(peer->qp, &wr, &bad))
		peer_die("ibv_post_recv fails");
}

static struct peer_answer serve_wait(struct peer *peer)
{
	struct peer_answer answer = { 0 };
	struct ibv_wc wc;

	peer_poll(peer, &wc);
	answer.value = wc.byte_len;
	if (wc.wc_flags & IBV_WC_WITH_IMM)
		answer.more = be32toh(wc.imm_data);
	else if (wc.wc_flags & WITH_INV)
		answer.more = wc.invalidated_rkey;
	return answer;
}

static void serve_local(struct peer *peer, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;
	struct ibv_wc wc;

	wr->send_flags = IBV_SEND_SIGNALED;
	if (ibv_post_send(peer->qp, wr, &bad))
		peer_die("a request of a window cannot be posted");
	peer_poll(peer, &wc);
}

static uint64_t serve_bind(struct peer *peer, const struct peer_ask *ask)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_BIND_MW };

	if (!peer->mw)
		peer->mw = ibv_alloc_mw(peer->pd, IBV_MW_TYPE_2);
	if (!peer->mw)
		peer_die("there are no memory windows");
	wr.bind_mw.mw = peer->mw;
	wr.bind_mw.rkey = ibv_inc_rkey(peer->mw->rkey);
	wr.bind_mw.bind_info = (struct ibv_mw_bind_info) {
		.mr = peer->mr,
		.addr = (uintptr_t)peer->mem + ask->off,
		.length = ask->len,
		.mw_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ,
	};
	serve_local(peer, &wr);
	peer->mw->rkey = wr.bind_mw.rkey;
	return wr.bind_mw.rkey;
}

static void serve_invalidate(struct peer *peer)
{
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_LOCAL_INV, .invalidate_rkey = peer->mw->rkey };

	serve_local(peer, &wr);
}

static struct peer_answer serve_one(struct peer *peer, const struct peer_ask *ask)
{
	uint8_t *at = peer->mem + ask->off;
	struct peer_answer answer = { 0 };

	if (ask->off > peer->len || ask->len > peer->len - ask->off)
		peer_die("the peer asks for memory that is not there");
	switch (ask->kind) {
	case PEER_FILL:
		peer_pattern_fill(at, ask->len, ask->seed, ask->off);
		break;
	case PEER_COMPARE:
		answer.value = peer_pattern_match(at, ask->len, ask->seed, ask->off);
		break;
	case PEER_GET:
		memcpy(&answer.value, at, sizeof(answer.value));
		break;
	case PEER_RECV:
		serve_recv(peer, ask);
		break;
	case PEER_WAIT:
		return serve_wait(peer);
	case PEER_BIND:
		answer.value = serve_bind(peer, ask);
		break;
	case PEER_INVALIDATE:
		serve_invalidate(peer);
		break;
	case PEER_PAGE_OUT:
		return serve_page_out(peer);
	}
	return answer;
}

/* Carry out the client's requests until it says goodbye. */
void peer_serve(struct peer *peer)
{
	struct peer_answer answer;
	struct peer_ask ask;

	for (;;) {
		peer_read(peer->sock, &ask, sizeof(ask));
		answer = serve_one(peer, &ask);
		if (ask.kind == PEER_BYE)
			answer.value = peer_status_kib("VmPin");
		peer_write(peer->sock, &answer, sizeof(answer));
		if (ask.kind == PEER_BYE)
			return;
	}
}

/* --- both --- */

static size_t parse_size(const char *text)
{
	char *end;
	size_t size = strtoull(text, &end, 0);

	switch (*end) {
	case 'T':
		size *= 1024;
		/* fall through */
	case 'G':
		size *= 1024;
		/* fall through */
	case 'M':
		size *= 1024;
		/* fall through */
	case 'K':
		size *= 1024;
	}
	return size;
}

static enum peer_memory parse_memory(const char *text)
{
	if (!strcmp(text, "pinned"))
		return PEER_PINNED;
	if (!strcmp(text, "odp"))
		return PEER_ODP;
	if (!strcmp(text, "implicit"))
		return PEER_IMPLICIT;
	peer_die("--memory: pinned, odp or implicit");
}

static enum ibv_mtu parse_mtu(const char *text)
{
	switch (atoi(text)) {
	case 256: return IBV_MTU_256;
	case 512: return IBV_MTU_512;
	case 1024: return IBV_MTU_1024;
	case 2048: return IBV_MTU_2048;
	case 4096: return IBV_MTU_4096;
	}
	peer_die("--mtu: 256 to 4096");
}

static void usage(void)
{
	puts("usage: nopin-peer [OPTION]... [HOST]\n"
	     "Without HOST: be the server, for one client.\n"
	     "  --device DEV         (default: the first)\n"
	     "  --gid INDEX          (default: the first that is an IPv4 address)\n"
	     "  --port PORT          TCP port (18600)\n"
	     "  --memory KIND        pinned, odp or implicit (odp)\n"
	     "  --region SIZE        bytes to register, as 8M or 1T (8M)\n"
	     "  --mtu MTU            path MTU (1024)\n"
	     "The client's:\n"
	     "  --ops NAME,...       send, send_imm, write, write_imm, read, add, swap,\n"
	     "                       window (all)\n"
	     "  --message SIZE       at most (100000)\n"
	     "  --rounds N           operations of each kind (20)\n"
	     "  --seed N             replay a run\n"
	     "  --exact              every message of --message bytes\n"
	     "  --page-out           page the server's region out before each operation");
}

static void parse_options(int argc, char **argv, struct peer_opts *opts)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "gid", required_argument, NULL, 'g' },
		{ "port", required_argument, NULL, 'p' },
		{ "memory", required_argument, NULL, 'm' },
		{ "region", required_argument, NULL, 'r' },
		{ "mtu", required_argument, NULL, 'M' },
		{ "ops", required_argument, NULL, 'o' },
		{ "message", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 'S' },
		{ "page-out", no_argument, NULL, 'P' },
		{ "exact", no_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd': opts->device = optarg; break;
		case 'g': opts->gid_index = atoi(optarg); break;
		case 'p': opts->port = optarg; break;
		case 'm': opts->memory = parse_memory(optarg); break;
		case 'r': opts->region = parse_size(optarg); break;
		case 'M': opts->mtu = parse_mtu(optarg); break;
		case 'o': opts->ops = optarg; break;
		case 's': opts->message = parse_size(optarg); break;
		case 'n': opts->rounds = strtoul(optarg, NULL, 0); break;
		case 'S': opts->seed = strtoull(optarg, NULL, 0); break;
		case 'e': opts->exact = true; break;
		case 'P': opts->page_out = true; break;
		case 'h': usage(); exit(EXIT_SUCCESS);
		default: exit(EXIT_FAILURE);
		}
	}
	opts->host = argv[optind];
	if (opts->region < 2 * opts->message)
		peer_die("the region is too small for such messages");
}

int main(int argc, char **argv)
{
	struct peer_opts opts = {
		.port = "18600",
		.memory = PEER_ODP,
		.mtu = IBV_MTU_1024,
		.gid_index = -1,
		.region = 8 << 20,
		.message = 100000,
		.rounds = 20,
		.seed = peer_now_ns(),
	};
	struct peer peer = { 0 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_options(argc, argv, &opts);
	peer_open(&peer, &opts);
	printf("registered %zu bytes in %.1f us, at first %.1f us\n", peer.len,
	       peer.register_ns / 1e3, peer.first_ns / 1e3);
	if (opts.host)
		peer_drive(&peer);
	else
		peer_serve(&peer);
	printf("VmPin %ld kB\n", peer_status_kib("VmPin"));
	peer_close(&peer);
	return EXIT_SUCCESS;
}
