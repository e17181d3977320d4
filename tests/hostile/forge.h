/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * RoCEv2 packets that no QP has sent: with any content, and an ICRC that is right.
 *
 * Two ways lead out. A UDP socket is what any user has; it can say only where its host
 * is. A packet socket is what a host on the wire has, and sends whatever it likes.
 */
#ifndef FORGE_H
#define FORGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORGE_MAX	9000	/* an IP packet */
#define FORGE_PORT	4791

enum {
	FORGE_SEND_FIRST = 0x00, FORGE_SEND_MIDDLE = 0x01, FORGE_SEND_ONLY = 0x04,
	FORGE_WRITE_FIRST = 0x06, FORGE_WRITE_MIDDLE = 0x07, FORGE_WRITE_ONLY = 0x0a,
	FORGE_READ = 0x0c,
	FORGE_READ_RESPONSE_FIRST = 0x0d, FORGE_READ_RESPONSE_ONLY = 0x10,
	FORGE_ACK = 0x11, FORGE_ATOMIC_ACK = 0x12, FORGE_CMP_SWAP = 0x13,
	FORGE_FETCH_ADD = 0x14, FORGE_UD_SEND_ONLY = 0x64, FORGE_UD_SEND_ONLY_IMM = 0x65,
	FORGE_CNP = 0x81,
};

#define FORGE_QP1_QKEY	0x80010000U
#define FORGE_ACK_REQ	0x80000000U	/* with a PSN */

/**
 * struct forge - who is said to send, and how packets leave
 * @saddr: the sender, IPv4 as a mapped address
 * @daddr: the receiver
 * @sport: UDP source port, host byte order
 * @fd: UDP socket or packet socket
 * @frames: it is a packet socket
 * @as_ipv6: IPv4 addresses go as mapped ones, in frames of IPv6
 * @ifindex: where frames leave
 * @mac: where they go
 */
struct forge {
	struct in6_addr saddr, daddr;
	uint16_t sport;
	int fd;
	bool frames, as_ipv6;
	int ifindex;
	uint8_t mac[6];
};

/*
 * struct forge_packet - a packet under construction
 * @ib: from the BTH on; room for the ICRC is behind it
 * @len: bytes of it, without the ICRC
 * @fragment: bytes of IP payload in each IPv4 fragment; 0: it is not fragmented
 */
struct forge_packet {
	uint8_t ib[FORGE_MAX];
	size_t len;
	size_t fragment;
};

/* "10.0.0.1" or "fd00::1"; the program ends when it is neither. */
struct in6_addr forge_address(const char *text);

/* The ways out; NETNS may be NULL: here. The program ends when there is none. */
void forge_open_udp(struct forge *forge, const char *netns);
void forge_open_frames(struct forge *forge, const char *netns, const char *ifname,
		       const uint8_t mac[6]);
void forge_close(struct forge *forge);

/* Headers are added one after the other. */
void forge_begin(struct forge_packet *packet, uint8_t opcode, uint32_t qpn, uint32_t psn);
void forge_reth(struct forge_packet *packet, uint64_t va, uint32_t rkey, uint32_t len);
void forge_atomic(struct forge_packet *packet, uint64_t va, uint32_t rkey, uint64_t swap,
		  uint64_t compare);
void forge_deth(struct forge_packet *packet, uint32_t qkey, uint32_t src_qp);
/* A whole packet: nothing but this says that there was congestion. */
void forge_cnp(struct forge_packet *packet, uint32_t qpn);
void forge_put(struct forge_packet *packet, const void *data, size_t len);
void forge_put32(struct forge_packet *packet, uint32_t value);
void forge_put64(struct forge_packet *packet, uint64_t value);
/* The payload is filled up to a multiple of four bytes, and the BTH says so. */
void forge_pad(struct forge_packet *packet);

/* 0, or -1 with errno. */
int forge_send(struct forge *forge, struct forge_packet *packet);

#endif /* FORGE_H */
