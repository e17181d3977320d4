// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The TCP connection between client and server. The client sends requests, the server
 * answers. Both must be the same version of the program on the same kind of machine, which
 * the first message checks.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "odp.h"

#define CONNECT_TRIES	50	/* of 100 ms each */
#define GREET_SECONDS	10

/* A machine that is gone is noticed after a minute, in seconds. */
#define ALIVE_IDLE	30
#define ALIVE_INTERVAL	10
#define ALIVE_COUNT	3

struct hello {
	char magic[8];
	uint32_t order, size;
};

static const struct hello hello = {
	.magic = "nopinod1", .order = 0x01020304, .size = sizeof(struct odp_ask),
};

int odp_send(int sock, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len) {
		ssize_t n = send(sock, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

int odp_receive(int sock, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = recv(sock, p, len, 0);

		if (n <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

static void set_option(int sock, int level, int option, int value)
{
	setsockopt(sock, level, option, &value, sizeof(value));
}

/* Answers may take long, and a client may be busy: only the greeting has a time limit. */
static void limit_wait(int sock, time_t seconds)
{
	struct timeval limit = { .tv_sec = seconds };

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static int greet(int sock)
{
	struct hello theirs;

	set_option(sock, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(sock, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(sock, IPPROTO_TCP, TCP_KEEPIDLE, ALIVE_IDLE);
	set_option(sock, IPPROTO_TCP, TCP_KEEPINTVL, ALIVE_INTERVAL);
	set_option(sock, IPPROTO_TCP, TCP_KEEPCNT, ALIVE_COUNT);
	set_option(sock, IPPROTO_TCP, TCP_USER_TIMEOUT,
		   (ALIVE_IDLE + ALIVE_COUNT * ALIVE_INTERVAL) * 1000);
	limit_wait(sock, GREET_SECONDS);
	if (odp_send(sock, &hello, sizeof(hello)) ||
	    odp_receive(sock, &theirs, sizeof(theirs)))
		return perf_fail("the other side says nothing");
	if (memcmp(&theirs, &hello, sizeof(hello)))
		return perf_fail("the other side is no nopin-odp of this version and "
				 "architecture");
	limit_wait(sock, 0);
	return 0;
}

static int connect_once(const struct addrinfo *list)
{
	int sock = -1;

	for (const struct addrinfo *ai = list; ai && sock < 0; ai = ai->ai_next) {
		sock = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, 0);
		if (sock >= 0 && connect(sock, ai->ai_addr, ai->ai_addrlen)) {
			close(sock);
			sock = -1;
		}
	}
	return sock;
}

/*
 * Connect to the server; returns the socket, or -1 if there is no server within some
 * seconds.
 */
int odp_connect(const char *host, unsigned int port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char service[16];
	int err, sock = -1;

	snprintf(service, sizeof(service), "%u", port);
	err = getaddrinfo(host, service, &hints, &list);
	if (err)
		return perf_fail("%s: %s", host, gai_strerror(err));
	for (int i = 0; i < CONNECT_TRIES && sock < 0; i++) {
		sock = connect_once(list);
		if (sock < 0)
			vt_sleep_ms(100);
	}
	freeaddrinfo(list);
	if (sock < 0)
		return perf_fail("%s, port %u: %s", host, port, strerror(errno));
	return greet(sock) ? -1 : sock;
}

static int listen_on(unsigned int port)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any,
	};
	struct sockaddr_in addr4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int sock = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool six = sock >= 0;

	if (!six)
		sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -1;
	set_option(sock, SOL_SOCKET, SO_REUSEADDR, 1);
	if (six)
		set_option(sock, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (bind(sock, six ? (struct sockaddr *)&addr : (struct sockaddr *)&addr4,
		 six ? sizeof(addr) : sizeof(addr4)) || listen(sock, 1))
		return -1;
	return sock;
}

/* The server's state; the client has a connection for each of its sides. */
struct serving {
	int sock;
	struct odp_end end[PERF_SIDES];
	struct odp_ask ask;
	struct stats times;
};

static int answer(void *arg)
{
	struct serving *s = arg;

	odp_answer(&s->end[s->ask.link], &s->ask, &s->times);
	return 0;
}

/* The client hears why a request has failed, even if vt_die() ended it. */
static int serve_one(struct serving *s)
{
	uint64_t num;
	int err;

	if (s->ask.link >= PERF_SIDES)
		return perf_fail("no such connection: %u", s->ask.link);
	if (perf_try(answer, s))
		odp_refuse(&s->ask);
	num = s->times.num;
	err = odp_send(s->sock, &s->ask, sizeof(s->ask)) ||
	      odp_send(s->sock, &num, sizeof(num)) ||
	      odp_send(s->sock, s->times.value, num * sizeof(double));
	stats_clear(&s->times);
	return err ? perf_fail("the client is gone") : 0;
}

/* Serve one client until it disconnects; then the server exits, as perftest does. */
int odp_serve(unsigned int port, struct vt_dev *dev)
{
	struct odp_ask close_it = { .what = ODP_ASK_CLOSE };
	int listener = listen_on(port), err = 0;
	struct serving s = { };

	for (int i = 0; i < PERF_SIDES; i++)
		s.end[i] = (struct odp_end){ .sock = -1, .dev = dev };
	if (listener < 0)
		return perf_fail("port %u: %s", port, strerror(errno));
	printf("Waiting for a client, port %u\n", port);
	fflush(stdout);
	s.sock = accept(listener, NULL, NULL);
	close(listener);
	if (s.sock < 0 || greet(s.sock))
		return perf_fail("no client: %s", perf_why());
	while (!err && !odp_receive(s.sock, &s.ask, sizeof(s.ask)))
		err = serve_one(&s);
	for (int i = 0; i < PERF_SIDES; i++)
		odp_answer(&s.end[i], &close_it, NULL);
	close(s.sock);
	return err;
}
