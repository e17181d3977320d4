// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Builds and sends forged RoCEv2 packets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forge.h"

#define CRC_POLY	0xedb88320U	/* Ethernet's, reflected */
#define BTH_PAD_SHIFT	4
#define BTH_BECN	0x40000000U	/* in the word with the QPN */
#define ICRC_LEN	4

static void give_up(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static bool is_ipv4(const struct forge *forge)
{
	return IN6_IS_ADDR_V4MAPPED(&forge->daddr) && !forge->as_ipv6;
}

static uint32_t ipv4(const struct in6_addr *address)
{
	return address->s6_addr32[3];
}

struct in6_addr forge_address(const char *text)
{
	struct in6_addr address = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (inet_pton(AF_INET, text, &address.s6_addr32[3]) != 1 &&
	    inet_pton(AF_INET6, text, &address) != 1) {
		fprintf(stderr, "not an address: %s\n", text);
		exit(EXIT_FAILURE);
	}
	return address;
}

/* --- the ICRC (IBTA annex A17.3.3) --- */

static uint32_t crc_table[256];

static void crc_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		crc_table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			crc_table[i] = crc_table[i] >> 1 ^ (crc_table[i] & 1 ? CRC_POLY : 0);
	}
}

static uint32_t crc_update(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		crc = crc >> 8 ^ crc_table[(crc ^ *p++) & 0xff];
	return crc;
}

/* Fields that routers may change count as ones: some IP fields, the UDP checksum, resv8a. */
static void put_icrc(const uint8_t *ip, uint8_t *ib, size_t len)
{
	size_t ip_len = ip[0] >> 4 == 4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
	uint8_t head[8 + sizeof(struct ip6_hdr) + sizeof(struct udphdr) + 5];
	uint8_t *masked = head + 8, *bth = masked + ip_len + sizeof(struct udphdr);
	uint32_t crc;

	memset(head, 0xff, 8);
	memcpy(masked, ip, ip_len + sizeof(struct udphdr));
	memcpy(bth, ib, 5);
	if (ip[0] >> 4 == 4) {
		masked[1] = 0xff;
		masked[8] = 0xff;
		memset(masked + 10, 0xff, 2);
	} else {
		masked[0] |= 0x0f;
		memset(masked + 1, 0xff, 3);
		masked[7] = 0xff;
	}
	memset(bth - 2, 0xff, 2);
	bth[4] = 0xff;
	crc = crc_update(~0U, head, bth + 5 - head);
	crc = ~crc_update(crc, ib + 5, len - 5);
	for (int i = 0; i < ICRC_LEN; i++)
		ib[len + i] = crc >> 8 * i;
}

/* --- ways out --- */

/* Open a socket in another network namespace. */
static int open_socket(const char *netns, int family, int type, int protocol)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there, fd;
	char path[256];

	if (netns) {
		snprintf(path, sizeof(path), "/run/netns/%s", netns);
		there = open(path, O_RDONLY | O_CLOEXEC);
		if (there < 0 || setns(there, CLONE_NEWNET))
			give_up(path);
		close(there);
	}
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		give_up("socket");
	if (netns && setns(here, CLONE_NEWNET))
		give_up("setns");
	close(here);
	return fd;
}

static socklen_t udp_address(const struct in6_addr *address, uint16_t port,
			     struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (void *)to;
	struct sockaddr_in *in = (void *)to;

	memset(to, 0, sizeof(*to));
	if (IN6_IS_ADDR_V4MAPPED(address)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = ipv4(address);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	in6->sin6_addr = *address;
	return sizeof(*in6);
}

/*
 * Open a UDP socket for forged packets. IP_PMTUDISC_PROBE forbids fragmentation, so an
 * unconnected socket sends the IPv4 id 0. The ICRC depends on that id.
 */
void forge_open_udp(struct forge *forge, const char *netns)
{
	int family = is_ipv4(forge) ? AF_INET : AF_INET6, never = IP_PMTUDISC_PROBE;
	struct sockaddr_storage from;
	socklen_t len = udp_address(&forge->saddr, 0, &from);

	crc_init();
	forge->frames = false;
	forge->fd = open_socket(netns, family, SOCK_DGRAM, 0);
	if (family == AF_INET && setsockopt(forge->fd, IPPROTO_IP, IP_MTU_DISCOVER, &never,
					    sizeof(never)))
		give_up("IP_MTU_DISCOVER");
	if (bind(forge->fd, (void *)&from, len) ||
	    getsockname(forge->fd, (void *)&from, &len))
		give_up("bind");
	forge->sport = ntohs(family == AF_INET ? ((struct sockaddr_in *)&from)->sin_port :
						 ((struct sockaddr_in6 *)&from)->sin6_port);
}

void forge_open_frames(struct forge *forge, const char *netns, const char *ifname,
		       const uint8_t mac[6])
{
	struct ifreq request = {};

	crc_init();
	forge->frames = true;
	forge->fd = open_socket(netns, AF_PACKET, SOCK_DGRAM, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (ioctl(forge->fd, SIOCGIFINDEX, &request))
		give_up(ifname);
	forge->ifindex = request.ifr_ifindex;
	memcpy(forge->mac, mac, sizeof(forge->mac));
	forge->sport = 0xd123;
}

void forge_close(struct forge *forge)
{
	close(forge->fd);
}

/* --- packets --- */

void forge_put(struct forge_packet *packet, const void *data, size_t len)
{
	if (len > sizeof(packet->ib) - ICRC_LEN - packet->len)
		abort();
	memcpy(packet->ib + packet->len, data, len);
	packet->len += len;
}

void forge_put32(struct forge_packet *packet, uint32_t value)
{
	uint32_t big = htonl(value);

	forge_put(packet, &big, sizeof(big));
}

void forge_put64(struct forge_packet *packet, uint64_t value)
{
	forge_put32(packet, value >> 32);
	forge_put32(packet, value);
}

void forge_begin(struct forge_packet *packet, uint8_t opcode, uint32_t qpn, uint32_t psn)
{
	packet->len = 0;
	packet->fragment = 0;
	forge_put32(packet, (uint32_t)opcode << 24 | 0x40ffff);	/* migrated; P_Key */
	forge_put32(packet, qpn);
	forge_put32(packet, psn);
}

void forge_reth(struct forge_packet *packet, uint64_t va, uint32_t rkey, uint32_t len)
{
	forge_put64(packet, va);
	forge_put32(packet, rkey);
	forge_put32(packet, len);
}

void forge_atomic(struct forge_packet *packet, uint64_t va, uint32_t rkey, uint64_t swap,
		  uint64_t compare)
{
	forge_put64(packet, va);
	forge_put32(packet, rkey);
	forge_put64(packet, swap);
	forge_put64(packet, compare);
}

void forge_deth(struct forge_packet *packet, uint32_t qkey, uint32_t src_qp)
{
	forge_put32(packet, qkey);
	forge_put32(packet, src_qp);
}

void forge_cnp(struct forge_packet *packet, uint32_t qpn)
{
	static const uint8_t reserved[16];

	forge_begin(packet, FORGE_CNP, qpn | BTH_BECN, 0);
	forge_put(packet, reserved, sizeof(reserved));
}

void forge_pad(struct forge_packet *packet)
{
	uint8_t pad = -packet->len & 3;

	packet->ib[1] = (packet->ib[1] & ~(3 << BTH_PAD_SHIFT)) | pad << BTH_PAD_SHIFT;
	forge_put(packet, "\0\0", pad);
}

static size_t put_udp(const struct forge *forge, const struct forge_packet *packet,
		      uint8_t *at)
{
	struct udphdr udp = {
		.source = htons(forge->sport),
		.dest = htons(FORGE_PORT),
		.len = htons(sizeof(udp) + packet->len + ICRC_LEN),
	};

	memcpy(at, &udp, sizeof(udp));
	return sizeof(udp);
}

static uint16_t ip_checksum(const void *header, size_t len)
{
	const uint16_t *words = header;
	uint32_t sum = 0;

	for (size_t i = 0; i < len / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

static size_t put_ip(const struct forge *forge, const struct forge_packet *packet,
		     uint8_t *at)
{
	size_t len = sizeof(struct udphdr) + packet->len + ICRC_LEN;
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(ip) + len),
		.frag_off = htons(packet->fragment ? 0 : IP_DF),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = ipv4(&forge->saddr),
		.daddr = ipv4(&forge->daddr),
	};
	struct ip6_hdr ip6 = {
		.ip6_flow = htonl(6U << 28),
		.ip6_plen = htons(len),
		.ip6_nxt = IPPROTO_UDP,
		.ip6_hlim = 64,
		.ip6_src = forge->saddr,
		.ip6_dst = forge->daddr,
	};

	if (!is_ipv4(forge)) {
		memcpy(at, &ip6, sizeof(ip6));
		return sizeof(ip6);
	}
	ip.check = ip_checksum(&ip, sizeof(ip));
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

static int send_frame(const struct forge *forge, const void *ip, size_t len)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(is_ipv4(forge) ? ETHERTYPE_IP : ETHERTYPE_IPV6),
		.sll_ifindex = forge->ifindex,
		.sll_halen = sizeof(forge->mac),
	};

	memcpy(to.sll_addr, forge->mac, sizeof(forge->mac));
	return sendto(forge->fd, ip, len, 0, (void *)&to, sizeof(to)) == (ssize_t)len ? 0 : -1;
}

/* Send one IPv4 packet in fragments of @step bytes, a multiple of eight. */
static int send_fragments(const struct forge *forge, const uint8_t *packet, size_t len,
			  size_t step)
{
	uint8_t piece[FORGE_MAX];
	struct iphdr ip;
	size_t at, now;
	int ret = 0;

	memcpy(&ip, packet, sizeof(ip));
	len -= sizeof(ip);
	for (at = 0; at < len && !ret; at += now) {
		now = len - at < step ? len - at : step;
		ip.tot_len = htons(sizeof(ip) + now);
		ip.frag_off = htons(at / 8 | (at + now < len ? IP_MF : 0));
		ip.check = 0;
		ip.check = ip_checksum(&ip, sizeof(ip));
		memcpy(piece, &ip, sizeof(ip));
		memcpy(piece + sizeof(ip), packet + sizeof(ip) + at, now);
		ret = send_frame(forge, piece, sizeof(ip) + now);
	}
	return ret;
}

int forge_send(struct forge *forge, struct forge_packet *packet)
{
	size_t ib_len = packet->len + ICRC_LEN, headers;
	uint8_t ip[sizeof(struct ip6_hdr) + sizeof(struct udphdr) + FORGE_MAX];
	struct sockaddr_storage to;
	socklen_t to_len;

	headers = put_ip(forge, packet, ip);
	headers += put_udp(forge, packet, ip + headers);
	put_icrc(ip, packet->ib, packet->len);
	if (forge->frames) {
		memcpy(ip + headers, packet->ib, ib_len);
		if (packet->fragment)
			return send_fragments(forge, ip, headers + ib_len, packet->fragment);
		return send_frame(forge, ip, headers + ib_len);
	}
	to_len = udp_address(&forge->daddr, FORGE_PORT, &to);
	return sendto(forge->fd, packet->ib, ib_len, 0, (void *)&to, to_len) ==
	       (ssize_t)ib_len ? 0 : -1;
}
