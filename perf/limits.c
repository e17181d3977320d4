// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The limits of this machine: a copy, a CRC, a system call, the first touch of a page, a
 * packet over a veth pair. If there are several ways to do the same, the fastest counts, as
 * a driver would use it.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crc.h"
#include "perf.h"

#define PAGE		4096UL
#define CRC_LEN		4096	/* the payload of the largest packet */
#define TRIALS		100

/* --- copies and CRCs: which way is the fastest here --- */

typedef void (*copy_fn)(void *to, const void *from, size_t len);

static void copy_libc(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
}

/*
 * A copy without vectors and "rep movsb", which the C library uses but emulators are slow
 * at.
 */
__attribute__((optimize("no-tree-loop-distribute-patterns", "no-tree-vectorize")))
static void copy_words(void *to, const void *from, size_t len)
{
	const uint64_t *src = from;
	uint64_t *dst = to;
	size_t i;

	for (i = 0; i + 8 <= len / 8; i += 8) {
		uint64_t a = src[i], b = src[i + 1], c = src[i + 2], d = src[i + 3];

		dst[i] = a;
		dst[i + 1] = b;
		dst[i + 2] = c;
		dst[i + 3] = d;
		dst[i + 4] = src[i + 4];
		dst[i + 5] = src[i + 5];
		dst[i + 6] = src[i + 6];
		dst[i + 7] = src[i + 7];
	}
	if (len > i * 8)
		memcpy(dst + i, src + i, len - i * 8);
}

#ifdef __x86_64__
static void copy_rep(void *to, const void *from, size_t len)
{
	size_t words = len / 8;

	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (words) : : "memory");
	memcpy(to, from, len % 8);
}
#else
#define copy_rep	copy_words
#endif

static const copy_fn copies[] = { copy_libc, copy_words, copy_rep };
static copy_fn copy_large = copy_libc, copy_small = copy_libc;
static crc_fn crc = crc_tables;

/* The shortest of many trials, as other programs may be running. */
static uint64_t copy_ns(copy_fn copy, uint8_t *buf, size_t len)
{
	uint64_t best = UINT64_MAX, start, taken;

	for (int trial = 0; trial < TRIALS; trial++) {
		start = perf_now();
		for (int i = 0; i < 4; i++)
			copy(buf + MIB, buf, len);
		taken = perf_now() - start;
		best = taken < best ? taken : best;
	}
	return best;
}

static copy_fn copy_best(uint8_t *buf, size_t len)
{
	uint64_t ns[ARRAY_SIZE(copies)];
	size_t best = 0;

	for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
		ns[i] = copy_ns(copies[i], buf, len);
		if (ns[i] < ns[best])
			best = i;
	}
	return copies[best];
}

static uint64_t crc_ns(crc_fn fn, const uint8_t *buf)
{
	uint64_t best = UINT64_MAX, start, taken;
	volatile uint32_t sum = 0;

	for (int trial = 0; trial < TRIALS; trial++) {
		start = perf_now();
		sum = fn(sum, buf, CRC_LEN);
		taken = perf_now() - start;
		best = taken < best ? taken : best;
	}
	return best;
}

void perf_limits_init(void)
{
	size_t mark = vt_mark();
	uint8_t *buf = perf_map(2 * MIB);
	crc_fn folding = crc_folding();

	vt_fill(buf, CRC_LEN);
	copy_small = copy_best(buf, 4 * KIB);
	copy_large = copy_best(buf, 64 * KIB);
	vt_require(!folding || folding(~0U, buf, CRC_LEN) == crc_tables(~0U, buf, CRC_LEN),
		   "two CRCs of the same data differ");
	if (folding && crc_ns(folding, buf) < crc_ns(crc_tables, buf))
		crc = folding;
	vt_release_to(mark);
}

void perf_copy(void *to, const void *from, size_t len)
{
	(len < 16 * KIB ? copy_small : copy_large)(to, from, len);
}

/* --- single limits --- */

struct limits {
	const struct perf_run *run;
	struct perf_round *round;
	int sock[2];
	uint8_t *buf;
};

static int sample_crc(void *arg, size_t i, double *value)
{
	struct limits *limits = arg;
	uint64_t start = perf_now(), now;
	volatile uint32_t sum = 0;
	double bytes = 0;

	(void)i;
	do {
		sum = crc(sum, limits->buf, CRC_LEN);
		bytes += CRC_LEN;
		now = perf_now();
	} while (now - start < limits->run->ns / 4);
	*value = bytes * 1e9 / (now - start);
	return 0;
}

static int sample_call(void *arg, size_t i, double *value)
{
	uint64_t start = perf_now();

	(void)arg;
	(void)i;
	for (int n = 0; n < 1000; n++)
		syscall(SYS_getppid);
	*value = (perf_now() - start) / 1000.0;
	return 0;
}

static int sample_touch(void *arg, size_t i, double *value)
{
	size_t len = 512 * PAGE;
	uint8_t *map = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start;

	(void)arg;
	(void)i;
	vt_require(map != MAP_FAILED, "mmap: %s", strerror(errno));
	madvise(map, len, MADV_NOHUGEPAGE);
	start = perf_now();
	for (size_t off = 0; off < len; off += PAGE)
		map[off] = 1;
	*value = (perf_now() - start) / 512.0;
	munmap(map, len);
	return 0;
}

static void measure(struct limits *limits, const char *op, const char *unit, size_t size,
		    int (*sample)(void *arg, size_t i, double *value))
{
	struct perf_run nobody = *limits->run;
	struct perf_round round = { .subject = "limit", .op = op, .unit = unit, .size = size };

	nobody.num_sides = 0;
	perf_round_init(&round, &nobody, 0, "limit");
	perf_round_run(&round, &nobody, sample, limits);
}

/* --- packets --- */

#define TRAIN		15	/* packets of 4 KiB in one large IP packet (GSO) */
#define SEGMENT		64	/* bytes of each, so few that copying does not count */
#define TRAIN_LEN	(TRAIN * SEGMENT)
#define PORT		4799
#define UDP_SEGMENT	103
#define UDP_GRO		104

/* Open a UDP socket in the network namespace @netns. */
static int socket_in(const char *netns)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = -1, sock = -1;
	char path[64];

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	if (*netns)
		there = open(path, O_RDONLY | O_CLOEXEC);
	if (!*netns || (there >= 0 && !setns(there, CLONE_NEWNET)))
		sock = socket(AF_INET, SOCK_DGRAM, 0);
	vt_ok(setns(here, CLONE_NEWNET));
	close(here);
	if (there >= 0)
		close(there);
	return sock;
}

static int open_sockets(struct limits *limits)
{
	struct perf_nic *nic = limits->run->nopin;
	struct timeval patience = { .tv_sec = 1 };
	int segment = SEGMENT, one = 1;
	struct sockaddr_in to = nic->addr[1];

	to.sin_port = htons(PORT);
	for (int i = 0; i < 2; i++)
		limits->sock[i] = socket_in(nic->netns[i]);
	if (limits->sock[0] < 0 || limits->sock[1] < 0)
		return perf_fail("no socket: %s", strerror(errno));
	if (setsockopt(limits->sock[0], IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) ||
	    setsockopt(limits->sock[1], IPPROTO_UDP, UDP_GRO, &one, sizeof(one)) ||
	    setsockopt(limits->sock[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    bind(limits->sock[1], (struct sockaddr *)&to, sizeof(to)) ||
	    connect(limits->sock[0], (struct sockaddr *)&to, sizeof(to)))
		return perf_fail("UDP: %s", strerror(errno));
	return 0;
}

/* Only one byte is copied; the time is added to @ns. */
static ssize_t receive(struct limits *limits, int flags, uint64_t *ns)
{
	uint64_t start = perf_now();
	char byte;
	ssize_t len = recv(limits->sock[1], &byte, 1, MSG_TRUNC | flags);

	*ns += perf_now() - start;
	return len;
}

/*
 * Send one train and receive it. Mostly it is there when send() returns. Where a thread of
 * the kernel brings it later, the wait is a part of its way, and not of @receiving.
 */
static int send_train(struct limits *limits, uint64_t *receiving)
{
	uint64_t waiting = 0;
	ssize_t len;

	if (send(limits->sock[0], limits->buf, TRAIN_LEN, 0) != TRAIN_LEN)
		return perf_fail("send: %s", strerror(errno));
	len = receive(limits, MSG_DONTWAIT, receiving);
	if (len < 0 && errno == EAGAIN && receive(limits, MSG_PEEK, &waiting) >= 0)
		len = receive(limits, MSG_DONTWAIT, receiving);
	if (len < 0)
		return perf_fail("recv: %s", strerror(errno));
	return len == TRAIN_LEN ? 0 : perf_fail("the packets did not arrive as they were sent");
}

/*
 * The cost of a packet, without its data, on its way through the stack and the veth pair in
 * a train: the time of a train without the system calls, divided by its packets.
 */
static int sample_packet(void *arg, size_t i, double *value)
{
	struct limits *limits = arg;
	uint64_t start = perf_now(), receiving = 0, taken;
	int trains = 0;
	double call;

	(void)i;
	do {
		if (send_train(limits, &receiving))
			return -1;
		trains++;
		taken = perf_now() - start;
	} while (taken < limits->run->ns);
	sample_call(NULL, 0, &call);
	*value = (double)(taken - receiving) / trains - call;
	*value /= TRAIN;
	return *value > 0 ? 0 : perf_fail("less than nothing");
}

void perf_limits(const struct perf_run *run)
{
	struct limits limits = { .run = run, .sock = { -1, -1 } };
	size_t mark = vt_mark();

	limits.buf = perf_map(2 * MIB);
	vt_fill(limits.buf, CRC_LEN);
	measure(&limits, "crc", "B/s", CRC_LEN, sample_crc);
	measure(&limits, "call", "ns", 0, sample_call);
	measure(&limits, "touch", "ns", PAGE, sample_touch);
	if (open_sockets(&limits))
		perf_progress("limit packet: %s", perf_why());
	else
		measure(&limits, "packet", "ns", 0, sample_packet);
	for (int i = 0; i < 2; i++)
		if (limits.sock[i] >= 0)
			close(limits.sock[i]);
	vt_release_to(mark);
}
