// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Forged RoCEv2 packets; see forge.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forge.h"

#define ROCE_PORT	4791
#define IP_LEN		20
#define UDP_LEN		8
#define BTH_LEN		12
#define ICRC_LEN	4
#define AT_RESV8A	4	/* in the BTH; not covered */

static void crc32_fill(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320U : 0);
	}
}

static uint32_t crc32_update(uint32_t crc, const uint8_t *bytes, size_t len)
{
	static uint32_t table[256];

	if (!table[1])
		crc32_fill(table);
	while (len--)
		crc = crc >> 8 ^ table[(crc ^ *bytes++) & 255];
	return crc;
}

static uint32_t ipv4_of(const union ibv_gid *gid)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint32_t addr;

	if (memcmp(gid->raw, mapped, sizeof(mapped)))
		vt_skip("no IPv4 address");
	memcpy(&addr, gid->raw + 12, sizeof(addr));
	return addr;
}

/*
 * With the path's MTU to be found, Linux sends unconnected sockets' datagrams with
 * id 0 and DF, so that the ICRC is known beforehand.
 */
void forge_open(struct forge *forge, const struct rc_end *from, const struct rc_end *to)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int discover = IP_PMTUDISC_DO;

	forge->saddr = ipv4_of(&from->dev->gid);
	forge->daddr = ipv4_of(&to->dev->gid);
	forge->qpn = to->qp->qp_num;
	forge->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	addr.sin_addr.s_addr = forge->saddr;
	vt_require(!bind(forge->fd, (void *)&addr, sizeof(addr)), "bind: %s",
		   strerror(errno));
	vt_ok(getsockname(forge->fd, (void *)&addr, &len));
	forge->sport = addr.sin_port;
	vt_ok(setsockopt(forge->fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover,
			 sizeof(discover)));
}

void forge_close(struct forge *forge)
{
	close(forge->fd);
}

static void put(struct forged *pkt, const void *bytes, size_t len)
{
	memcpy(pkt->bytes + pkt->len, bytes, len);
	pkt->len += len;
}

static void put32(struct forged *pkt, uint32_t value)
{
	uint32_t net = htonl(value);

	put(pkt, &net, sizeof(net));
}

void forge_begin(const struct forge *forge, struct forged *pkt, enum forge_op op,
		 uint32_t psn, bool ack_req)
{
	pkt->len = 0;
	put32(pkt, (uint32_t)op << 24 | 0x40 << 16 | 0xffff);
	put32(pkt, forge->qpn);
	put32(pkt, (ack_req ? 1U << 31 : 0) | (psn & FORGE_PSN_MASK));
}

void forge_reth(struct forged *pkt, uint64_t addr, uint32_t rkey, uint32_t len)
{
	put32(pkt, addr >> 32);
	put32(pkt, (uint32_t)addr);
	put32(pkt, rkey);
	put32(pkt, len);
}

void forge_aeth(struct forged *pkt, uint8_t syndrome, uint32_t msn)
{
	put32(pkt, (uint32_t)syndrome << 24 | (msn & FORGE_PSN_MASK));
}

/* Whole words of it. */
void forge_payload(struct forged *pkt, size_t len)
{
	memset(pkt->bytes + pkt->len, 0x5a, len);
	pkt->len += len;
}

/* LRH, IP and UDP as the ICRC sees them: ones where the way may change something. */
static uint32_t icrc_begin(const struct forge *forge, size_t len)
{
	uint16_t total = htons(IP_LEN + UDP_LEN + len + ICRC_LEN);
	uint16_t datagram = htons(UDP_LEN + len + ICRC_LEN);
	uint16_t dport = htons(ROCE_PORT);
	uint8_t head[8 + IP_LEN + UDP_LEN];
	uint8_t *ip = head + 8, *udp = ip + IP_LEN;

	memset(head, 0xff, sizeof(head));
	ip[0] = 0x45;
	memcpy(ip + 2, &total, 2);
	memcpy(ip + 4, (uint8_t[]){ 0, 0, 0x40, 0 }, 4);	/* id, DF */
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, &forge->saddr, 4);
	memcpy(ip + 16, &forge->daddr, 4);
	memcpy(udp, &forge->sport, 2);
	memcpy(udp + 2, &dport, 2);
	memcpy(udp + 4, &datagram, 2);
	return crc32_update(0xffffffff, head, sizeof(head));
}

void forge_send(const struct forge *forge, const struct forged *pkt)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(ROCE_PORT),
		.sin_addr.s_addr = forge->daddr,
	};
	uint8_t bytes[sizeof(pkt->bytes) + ICRC_LEN];
	ssize_t len = pkt->len + ICRC_LEN;
	uint32_t crc;

	memcpy(bytes, pkt->bytes, pkt->len);
	bytes[AT_RESV8A] = 0xff;
	crc = crc32_update(icrc_begin(forge, pkt->len), bytes, pkt->len);
	bytes[AT_RESV8A] = 0;
	for (int i = 0; i < ICRC_LEN; i++)
		bytes[pkt->len + i] = ~crc >> 8 * i;
	vt_require(sendto(forge->fd, bytes, len, 0, (void *)&to, sizeof(to)) == len,
		   "sendto: %s", strerror(errno));
}
