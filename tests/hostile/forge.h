/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Forged RoCEv2 packets: with any content, and a correct ICRC.
 *
 * They leave by one of two ways. Any user can open a UDP socket, which sends from the
 * addresses of its host only. A packet socket stands for a host on the wire, which can send
 * any frame.
 */
#ifndef FORGE_H
#define FORGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORGE_MAX	9000	/* size of an IP packet */
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
#define FORGE_ACK_REQ	0x80000000U	/* in the word with the PSN */

/**
 * struct forge - the claimed sender, and the way by which packets leave
 * @saddr: address of the sender, IPv4 as a mapped address
 * @daddr: address of the receiver
 * @sport: UDP source port, host byte order
 * @fd: UDP socket or packet socket
 * @frames: @fd is a packet socket
 * @as_ipv6: send IPv4 addresses as mapped addresses in IPv6 packets
 * @ifindex: interface that frames leave by
 * @mac: destination MAC address of frames
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
 * @ib: the packet from the BTH on, with room for the ICRC behind it
 * @len: bytes in @ib, without the ICRC
 * @fragment: bytes of IP payload in each IPv4 fragment; 0: do not fragment
 */
struct forge_packet {
	uint8_t ib[FORGE_MAX];
	size_t len;
	size_t fragment;
};

/* Parse an address like "10.0.0.1" or "fd00::1"; exits on an error. */
struct in6_addr forge_address(const char *text);

/*
 * Open a socket of either kind in the network namespace @netns (NULL: the present one);
 * exits on an error.
 */
void forge_open_udp(struct forge *forge, const char *netns);
void forge_open_frames(struct forge *forge, const char *netns, const char *ifname,
		       const uint8_t mac[6]);
void forge_close(struct forge *forge);

/* Begin a packet with a BTH, then append the other headers in order. */
void forge_begin(struct forge_packet *packet, uint8_t opcode, uint32_t qpn, uint32_t psn);
void forge_reth(struct forge_packet *packet, uint64_t va, uint32_t rkey, uint32_t len);
void forge_atomic(struct forge_packet *packet, uint64_t va, uint32_t rkey, uint64_t swap,
		  uint64_t compare);
void forge_deth(struct forge_packet *packet, uint32_t qkey, uint32_t src_qp);
/* Build a complete CNP. */
void forge_cnp(struct forge_packet *packet, uint32_t qpn);
void forge_put(struct forge_packet *packet, const void *data, size_t len);
void forge_put32(struct forge_packet *packet, uint32_t value);
void forge_put64(struct forge_packet *packet, uint64_t value);
/* Pad the payload to a multiple of four bytes, and set the pad count of the BTH. */
void forge_pad(struct forge_packet *packet);

/* Returns 0, or -1 with errno. */
int forge_send(struct forge *forge, struct forge_packet *packet);

#endif /* FORGE_H */
