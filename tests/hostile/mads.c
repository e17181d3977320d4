// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Sends datagrams to QP 1 from a UDP socket, without any privileges.
 *
 *	hostile-mads wrong FROM TO COUNT	COUNT of each kind that must be dropped
 *	hostile-mads short FROM TO COUNT	Gets too short to be MADs
 *	hostile-mads right FROM TO COUNT	whole Gets, which are answered
 *	hostile-mads random FROM TO SECONDS SEED
 *
 * A wrong datagram is wrong in one thing only. Random ones may be valid, but name no
 * existing object.
 */
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "forge.h"
#include "vt.h"

#define MAD_LEN		256
#define NOBODY		65534
#define BURST		32	/* datagrams, then a pause for the receiver */

/* Values of the MAD header (IBTA 13.4.2). */
#define CLASS_PERFORMANCE	0x04
#define CLASS_CM		0x07
#define METHOD_GET		0x01
#define METHOD_SEND		0x03

static void put_mad(struct forge_packet *packet, uint8_t class, uint8_t method,
		    uint16_t attribute, size_t len)
{
	uint8_t mad[4096] = { 1, class, 1, method };
	static uint64_t tid;

	tid++;
	memcpy(mad + 8, &tid, sizeof(tid));
	mad[16] = attribute >> 8;
	mad[17] = attribute;
	forge_put(packet, mad, len);
}

/* Begin a valid datagram; the callers then make one thing wrong. */
static void begin(struct forge_packet *packet, size_t len)
{
	forge_begin(packet, FORGE_UD_SEND_ONLY, 1, 0);
	forge_deth(packet, FORGE_QP1_QKEY, 1);
	put_mad(packet, CLASS_PERFORMANCE, METHOD_GET, 0x12, len);
	forge_pad(packet);
}

static void make_long(struct forge_packet *packet, uint32_t n)
{
	begin(packet, MAD_LEN + 1 + n % (4096 - MAD_LEN));
}

static void make_longest(struct forge_packet *packet, uint32_t n)
{
	(void)n;
	begin(packet, 4096);
}

static void make_short(struct forge_packet *packet, uint32_t n)
{
	begin(packet, n % MAD_LEN);
}

static void make_immediate(struct forge_packet *packet, uint32_t n)
{
	forge_begin(packet, FORGE_UD_SEND_ONLY_IMM, 1, n);
	forge_deth(packet, FORGE_QP1_QKEY, 1);
	forge_put32(packet, n);
	put_mad(packet, CLASS_PERFORMANCE, METHOD_GET, 0x12, MAD_LEN);
}

static void make_rc(struct forge_packet *packet, uint32_t n)
{
	forge_begin(packet, FORGE_SEND_ONLY, 1, n);
	put_mad(packet, CLASS_PERFORMANCE, METHOD_GET, 0x12, MAD_LEN);
}

static void make_qkey(struct forge_packet *packet, uint32_t n)
{
	forge_begin(packet, FORGE_UD_SEND_ONLY, 1, n);
	forge_deth(packet, FORGE_QP1_QKEY ^ 1U << n % 32, 1);
	put_mad(packet, CLASS_PERFORMANCE, METHOD_GET, 0x12, MAD_LEN);
}

static void make_pkey(struct forge_packet *packet, uint32_t n)
{
	begin(packet, MAD_LEN);
	packet->ib[2 + n % 2] ^= n % 2 ? 0x10 : 0x20;
}

static void make_version(struct forge_packet *packet, uint32_t n)
{
	begin(packet, MAD_LEN);
	packet->ib[1] |= 1 + n % 15;
}

/* The pad count makes the payload 253 to 255 bytes long. */
static void make_padded(struct forge_packet *packet, uint32_t n)
{
	begin(packet, MAD_LEN);
	packet->ib[1] |= (1 + n % 3) << 4;
}

static void (*const wrong[])(struct forge_packet *packet, uint32_t n) = {
	make_long, make_longest, make_short, make_immediate, make_rc, make_qkey, make_pkey,
	make_version, make_padded,
};

#define WRONG	(sizeof(wrong) / sizeof(wrong[0]))

static void make_right(struct forge_packet *packet, uint32_t n)
{
	(void)n;
	begin(packet, MAD_LEN);
}

static void make_header_only(struct forge_packet *packet, uint32_t n)
{
	(void)n;
	begin(packet, 24);
}

/* A message that the connection manager might parse, with IDs that do not exist. */
static void make_random(struct forge_packet *packet)
{
	static const uint16_t cm_attributes[] = {
		0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a,
	};
	bool cm = vt_below(4);
	size_t at;

	forge_begin(packet, FORGE_UD_SEND_ONLY, 1, vt_rand());
	forge_deth(packet, FORGE_QP1_QKEY, vt_below(8) ? 1 : vt_rand());
	at = packet->len;
	put_mad(packet, cm ? CLASS_CM : vt_rand(), cm ? METHOD_SEND : vt_rand(),
		cm ? cm_attributes[vt_below(11)] : vt_rand(),
		vt_below(8) ? MAD_LEN : vt_below(1024));
	if (cm && packet->len > at)
		packet->ib[at + 2] = 2;	/* the CM's class version */
	for (size_t i = at + 24; i < packet->len; i++)
		packet->ib[i] = vt_rand();
	for (int flips = vt_below(8) ? 0 : vt_below(6); flips > 0; flips--)
		packet->ib[vt_below(packet->len)] ^= 1U << vt_below(8);
	forge_pad(packet);
}

static uint64_t sent;

static void send_one(struct forge *forge, struct forge_packet *packet)
{
	if (forge_send(forge, packet)) {
		perror("send");
		exit(EXIT_FAILURE);
	}
	if (++sent % BURST == 0)
		usleep(10000);
}

static void send_count(struct forge *forge, unsigned long count,
		       void (*make)(struct forge_packet *packet, uint32_t n))
{
	struct forge_packet packet;

	for (unsigned long n = 0; n < count; n++) {
		make(&packet, n);
		send_one(forge, &packet);
	}
}

static void send_random(struct forge *forge, unsigned long seconds)
{
	time_t end = time(NULL) + seconds;
	struct forge_packet packet;

	while (time(NULL) < end) {
		if (vt_below(4))
			make_random(&packet);
		else
			wrong[vt_below(WRONG)](&packet, vt_rand());
		send_one(forge, &packet);
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: hostile-mads wrong|short|right FROM TO COUNT\n"
		"       hostile-mads random FROM TO SECONDS SEED\n");
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct forge forge = {};
	unsigned long count;

	if (argc < 5)
		return usage();
	if (!getuid() && (setgid(NOBODY) || setuid(NOBODY)))
		return EXIT_FAILURE;
	forge.saddr = forge_address(argv[2]);
	forge.daddr = forge_address(argv[3]);
	count = strtoul(argv[4], NULL, 0);
	vt_reseed(argc > 5 ? strtoull(argv[5], NULL, 0) : 1);
	forge_open_udp(&forge, NULL);

	if (!strcmp(argv[1], "wrong"))
		for (size_t kind = 0; kind < WRONG; kind++)
			send_count(&forge, count, wrong[kind]);
	else if (!strcmp(argv[1], "short"))
		send_count(&forge, count, make_header_only);
	else if (!strcmp(argv[1], "right"))
		send_count(&forge, count, make_right);
	else if (!strcmp(argv[1], "random"))
		send_random(&forge, count);
	else
		return usage();
	printf("%llu datagrams by user %d\n", (unsigned long long)sent, getuid());
	return EXIT_SUCCESS;
}
