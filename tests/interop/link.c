// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Opens the device, registers memory and connects the two QPs. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

#define PORT_NUM	1
#define POLL_SECONDS	60

#define ACCESS	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
		 IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC)
#define REGION	(ACCESS | IBV_ACCESS_MW_BIND)

void peer_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

uint64_t peer_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* A field of /proc/self/status in KiB; -1 if the field is missing. */
long peer_status_kib(const char *field)
{
	FILE *f = fopen("/proc/self/status", "r");
	size_t len = strlen(field);
	char line[256];
	long value = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, len) && line[len] == ':')
			value = strtol(line + len + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

void peer_read(int sock, void *buf, size_t len)
{
	ssize_t got;

	for (; len; buf = (char *)buf + got, len -= got) {
		got = read(sock, buf, len);
		if (got <= 0)
			peer_die("the peer is gone");
	}
}

void peer_write(int sock, const void *buf, size_t len)
{
	if (send(sock, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
		peer_die("the peer is gone");
}

/* --- TCP --- */

/* The factor by which time limits grow on a slow (debug) kernel. */
static unsigned int patience(void)
{
	const char *text = getenv("NOPIN_PATIENCE");
	int times = text ? atoi(text) : 1;

	return times > 0 ? times : 1;
}

static unsigned int ack_timeout(void)
{
	unsigned int timeout = 16;	/* 0.3 s */

	for (unsigned int times = patience(); times > 1; times /= 2)
		timeout++;
	return timeout < 31 ? timeout : 31;
}

static int link_connect(const struct addrinfo *at)
{
	int sock, tries;

	for (tries = 0; tries < 100; tries++) {
		sock = socket(at->ai_family, SOCK_STREAM, 0);
		if (sock >= 0 && !connect(sock, at->ai_addr, at->ai_addrlen))
			return sock;
		close(sock);
		usleep(100000);
	}
	peer_die("cannot connect: %s", strerror(errno));
}

static int link_accept(const struct addrinfo *at)
{
	int sock, one = 1, no = 0, got;

	sock = socket(at->ai_family, SOCK_STREAM, 0);
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->ai_family == AF_INET6)
		setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(sock, at->ai_addr, at->ai_addrlen) || listen(sock, 1))
		peer_die("cannot listen: %s", strerror(errno));
	got = accept(sock, NULL, NULL);
	close(sock);
	return got;
}

static int link_tcp(const struct peer_opts *opts)
{
	struct addrinfo hints = {
		.ai_family = opts->host ? AF_UNSPEC : AF_INET6,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = opts->host ? 0 : AI_PASSIVE,
	}, *at;
	int sock, err, one = 1;

	err = getaddrinfo(opts->host, opts->port, &hints, &at);
	if (err)
		peer_die("%s: %s", opts->host ? opts->host : "*", gai_strerror(err));
	sock = opts->host ? link_connect(at) : link_accept(at);
	freeaddrinfo(at);
	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return sock;
}

/* --- verbs --- */

static struct ibv_context *link_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL), **dev;
	struct ibv_context *ctx;

	for (dev = list; dev && *dev; dev++)
		if (!name || !strcmp(name, ibv_get_device_name(*dev)))
			break;
	if (!dev || !*dev)
		peer_die("there is no device %s", name ? name : "at all");
	ctx = ibv_open_device(*dev);
	if (!ctx)
		peer_die("cannot open %s", ibv_get_device_name(*dev));
	ibv_free_device_list(list);
	return ctx;
}

/* The index of the first RoCE v2 GID with an IPv4 address. */
static int link_gid_index(struct ibv_context *ctx)
{
	struct ibv_gid_entry entry;
	int i;

	for (i = 0; i < 16; i++)
		if (!ibv_query_gid_ex(ctx, PORT_NUM, i, &entry, 0) &&
		    entry.gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    !entry.gid.global.subnet_prefix)
			return i;
	peer_die("the device has no GID of an IPv4 address");
}

static uint64_t link_register(struct peer *peer)
{
	uint64_t start = peer_now_ns();
	int access = REGION;

	if (peer->opts->memory != PEER_PINNED)
		access |= IBV_ACCESS_ON_DEMAND;
	if (peer->opts->memory == PEER_IMPLICIT)
		peer->mr = ibv_reg_mr(peer->pd, NULL, SIZE_MAX, access);
	else
		peer->mr = ibv_reg_mr(peer->pd, peer->mem, peer->len, access);
	if (!peer->mr)
		peer_die("cannot register %zu bytes: %s", peer->len, strerror(errno));
	return peer_now_ns() - start;
}

/*
 * Map and register the memory. On-demand registration is fast, so time the first one, which
 * has to set things up, separately.
 */
static void link_memory(struct peer *peer)
{
	peer->len = peer->opts->region;
	peer->mem = mmap(NULL, peer->len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (peer->mem == MAP_FAILED)
		peer_die("cannot map %zu bytes: %s", peer->len, strerror(errno));
	peer->first_ns = peer->register_ns = link_register(peer);
	if (peer->opts->memory == PEER_PINNED)
		return;
	if (ibv_dereg_mr(peer->mr))
		peer_die("cannot deregister: %s", strerror(errno));
	peer->register_ns = link_register(peer);
}

static void link_qp(struct peer *peer)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.cap = {
			.max_send_wr = PEER_DEPTH,
			.max_recv_wr = PEER_DEPTH,
			.max_send_sge = 1,
			.max_recv_sge = 1,
		},
	};
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = PORT_NUM,
		.qp_access_flags = ACCESS,
	};

	peer->cq = ibv_create_cq(peer->ctx, 2 * PEER_DEPTH, NULL, NULL, 0);
	init.send_cq = init.recv_cq = peer->cq;
	peer->qp = peer->cq ? ibv_create_qp(peer->pd, &init) : NULL;
	if (!peer->qp)
		peer_die("cannot create a QP: %s", strerror(errno));
	if (ibv_modify_qp(peer->qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX |
			  IBV_QP_PORT | IBV_QP_ACCESS_FLAGS))
		peer_die("RESET to INIT: %s", strerror(errno));
}

static void link_ready(struct peer *peer, int gid_index)
{
	struct ibv_qp_attr rtr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = peer->opts->mtu,
		.dest_qp_num = peer->theirs.qpn,
		.rq_psn = peer->theirs.psn,
		.max_dest_rd_atomic = 8,
		.min_rnr_timer = 12,
		.ah_attr = {
			.is_global = 1,
			.port_num = PORT_NUM,
			.grh = {
				.dgid = peer->theirs.gid,
				.sgid_index = gid_index,
				.hop_limit = 64,
			},
		},
	};
	struct ibv_qp_attr rts = {
		.qp_state = IBV_QPS_RTS,
		.sq_psn = peer->mine.psn,
		.timeout = ack_timeout(),
		.retry_cnt = 7,
		.rnr_retry = 7,
		.max_rd_atomic = 8,
	};

	if (ibv_modify_qp(peer->qp, &rtr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
			  IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
			  IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))
		peer_die("INIT to RTR: %s", strerror(errno));
	if (ibv_modify_qp(peer->qp, &rts, IBV_QP_STATE | IBV_QP_TIMEOUT |
			  IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
			  IBV_QP_MAX_QP_RD_ATOMIC))
		peer_die("RTR to RTS: %s", strerror(errno));
}

/* Open the device, register memory, exchange cards with the other side, connect the QPs. */
void peer_open(struct peer *peer, const struct peer_opts *opts)
{
	int gid_index;
	char ready = 0;

	peer->opts = opts;
	peer->ctx = link_device(opts->device);
	peer->pd = ibv_alloc_pd(peer->ctx);
	if (!peer->pd)
		peer_die("cannot allocate a PD: %s", strerror(errno));
	link_memory(peer);
	link_qp(peer);

	gid_index = opts->gid_index < 0 ? link_gid_index(peer->ctx) : opts->gid_index;
	peer->mine = (struct peer_card) {
		.addr = (uintptr_t)peer->mem,
		.len = peer->len,
		.qpn = peer->qp->qp_num,
		.psn = (peer->register_ns ^ opts->seed) & 0xffffff,
		.rkey = peer->mr->rkey,
	};
	if (ibv_query_gid(peer->ctx, PORT_NUM, gid_index, &peer->mine.gid))
		peer_die("the device has no GID %d", gid_index);

	peer->sock = link_tcp(opts);
	peer_write(peer->sock, &peer->mine, sizeof(peer->mine));
	peer_read(peer->sock, &peer->theirs, sizeof(peer->theirs));
	link_ready(peer, gid_index);
	peer_write(peer->sock, &ready, 1);
	peer_read(peer->sock, &ready, 1);
}

void peer_close(struct peer *peer)
{
	close(peer->sock);
	if (ibv_destroy_qp(peer->qp) || ibv_destroy_cq(peer->cq) ||
	    (peer->mw && ibv_dealloc_mw(peer->mw)) ||
	    ibv_dereg_mr(peer->mr) || ibv_dealloc_pd(peer->pd) ||
	    ibv_close_device(peer->ctx))
		peer_die("something could not be destroyed: %s", strerror(errno));
	munmap(peer->mem, peer->len);
}

/* Wait for one completion; exit if it is an error. */
void peer_poll(struct peer *peer, struct ibv_wc *wc)
{
	unsigned int seconds = POLL_SECONDS * patience();
	uint64_t end = peer_now_ns() + seconds * 1000000000ULL;
	int n;

	do {
		n = ibv_poll_cq(peer->cq, 1, wc);
		if (n < 0)
			peer_die("ibv_poll_cq fails");
		if (!n && peer_now_ns() > end)
			peer_die("no completion for %u s", seconds);
	} while (!n);
	if (wc->status)
		peer_die("completion: %s", ibv_wc_status_str(wc->status));
}
