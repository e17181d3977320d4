// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The ICRC covers the packet from the IP header on, without the fields that a
 * router may change: those are taken as ones. Eight bytes of ones stand in front,
 * where InfiniBand has its local route header (IBTA annex A17.3.3).
 *
 * It is the CRC of Ethernet: polynomial 0x04c11db7, bits reflected, seeded with
 * ones, inverted at the end, sent least significant byte first.
 */

#include <asm/byteorder.h>
#include <linux/crc32.h>
#include <linux/string.h>

#include "wire/headers.h"
#include "wire/icrc.h"

/*
 * The running CRC begins as all ones; after the eight bytes of ones it has this value.
 * To begin with zero, and to add this value to the first four bytes, gives the same
 * result. Then any number of zero bytes may go in front of them.
 */
#define NOPIN_ICRC_SEED	0xdebb20e3

/* Lengths of the headers, and offsets of fields in them. */
#define IPV4_LEN	20
#define IPV4_TOS	1
#define IPV4_TOTAL	2	/* two bytes */
#define IPV4_ID		4	/* two bytes */
#define IPV4_TTL	8
#define IPV4_CHECK	10	/* two bytes */

#define IPV6_LEN	40
#define IPV6_PAYLOAD	4	/* two bytes */
#define IPV6_HOP_LIMIT	7	/* class and label: the 28 bits after the version */

#define UDP_LEN		8
#define UDP_LENGTH	4	/* two bytes */
#define UDP_CHECK	6	/* two bytes */

#define BTH_LEN		sizeof(struct nopin_bth)
#define BTH_RESV8A	4	/* FECN, BECN and reserved bits */

static void nopin_icrc_prepare_ipv4(u8 *masked, const void *ip)
{
	memcpy(masked, ip, IPV4_LEN);
	masked[IPV4_TOS] = 0xff;
	masked[IPV4_TTL] = 0xff;
	memset(masked + IPV4_CHECK, 0xff, 2);
}

static void nopin_icrc_prepare_ipv6(u8 *masked, const void *ip)
{
	memcpy(masked, ip, IPV6_LEN);
	masked[0] |= 0x0f;
	memset(masked + 1, 0xff, 3);
	masked[IPV6_HOP_LIMIT] = 0xff;
}

static void nopin_icrc_put(u8 *field, u16 value)
{
	field[0] = value >> 8;
	field[1] = value;
}

static void nopin_icrc_add_seed(u8 *first)
{
	__le32 word;

	memcpy(&word, first, sizeof(word));
	word ^= cpu_to_le32(NOPIN_ICRC_SEED);
	memcpy(first, &word, sizeof(word));
}

static u8 *nopin_icrc_ip(struct nopin_icrc *icrc)
{
	return icrc->bytes + NOPIN_CRC32_PIECE;
}

static u8 *nopin_icrc_udp(struct nopin_icrc *icrc)
{
	return nopin_icrc_ip(icrc) + (icrc->ipv4 ? IPV4_LEN : IPV6_LEN);
}

/**
 * nopin_icrc_prepare - mask the IP and UDP headers of a packet
 * @icrc: receives the masked headers
 * @ip: the IPv4 header, 20 bytes without options, or the IPv6 header, 40 bytes
 * @udp: the UDP header
 *
 * Context: any.
 */
void nopin_icrc_prepare(struct nopin_icrc *icrc, const void *ip, const void *udp)
{
	icrc->ipv4 = *(const u8 *)ip >> 4 == 4;
	if (icrc->ipv4)
		nopin_icrc_prepare_ipv4(nopin_icrc_ip(icrc), ip);
	else
		nopin_icrc_prepare_ipv6(nopin_icrc_ip(icrc), ip);
	memset(icrc->bytes, 0, NOPIN_CRC32_PIECE);
	nopin_icrc_add_seed(nopin_icrc_ip(icrc));
	memcpy(nopin_icrc_udp(icrc), udp, UDP_LEN);
	memset(nopin_icrc_udp(icrc) + UDP_CHECK, 0xff, 2);
}

/**
 * nopin_icrc_resize - change the length that the headers name
 * @icrc: from nopin_icrc_prepare()
 * @len: bytes of the packet from the UDP header on
 *
 * Context: any.
 */
void nopin_icrc_resize(struct nopin_icrc *icrc, size_t len)
{
	u8 *ip = nopin_icrc_ip(icrc);

	if (icrc->ipv4) {
		nopin_icrc_put(ip + IPV4_TOTAL, IPV4_LEN + len);
		ip[IPV4_TOTAL] ^= NOPIN_ICRC_SEED >> 16 & 0xff;
		ip[IPV4_TOTAL + 1] ^= NOPIN_ICRC_SEED >> 24;
	} else {
		nopin_icrc_put(ip + IPV6_PAYLOAD, len);
	}
	nopin_icrc_put(nopin_icrc_udp(icrc) + UDP_LENGTH, len);
}

/**
 * nopin_icrc_next - change the headers to those of the next packet of a train
 * @icrc: from nopin_icrc_prepare()
 *
 * Context: any.
 */
void nopin_icrc_next(struct nopin_icrc *icrc)
{
	u8 *id = nopin_icrc_ip(icrc) + IPV4_ID;

	if (icrc->ipv4)
		nopin_icrc_put(id, (id[0] << 8 | id[1]) + 1);
}

/*
 * The masked BTH and the first bytes behind it complete the head that
 * nopin_crc32_headed() wants, so one call covers a whole packet, unless it is short.
 * Zeros in front make the length a multiple of NOPIN_CRC32_PIECE, if the head has room
 * for them. @filled is a constant to the compiler.
 */
static __always_inline u32 nopin_icrc_headers(struct nopin_icrc *icrc, size_t filled,
					      const void *bth, size_t len)
{
	size_t zeros = -(filled + len) % NOPIN_CRC32_PIECE;
	size_t room = NOPIN_CRC32_HEAD - filled - BTH_LEN;
	const void *next = bth + BTH_LEN;
	u8 *masked = nopin_icrc_ip(icrc);

	memcpy(masked + filled, bth, BTH_LEN);
	masked[filled + BTH_RESV8A] = 0xff;
	filled += BTH_LEN;
	len -= BTH_LEN;
	if (len < room)
		return crc32_le(crc32_le(0, masked, filled), next, len);
	memcpy(masked + filled, next, room);
	if (zeros > room)
		zeros = 0;
	room -= zeros;
	return nopin_crc32_headed(0, masked - zeros, next + room, len - room);
}

/**
 * nopin_icrc_begin - the running CRC of the beginning of a packet
 * @icrc: its IP and UDP headers
 * @bth: the BTH, and the bytes behind it
 * @len: bytes at @bth, at least those of the BTH
 *
 * Return: the running CRC, to be continued at the byte after these.
 * Context: any.
 */
u32 nopin_icrc_begin(struct nopin_icrc *icrc, const void *bth, size_t len)
{
	if (icrc->ipv4)
		return nopin_icrc_headers(icrc, IPV4_LEN + UDP_LEN, bth, len);
	return nopin_icrc_headers(icrc, IPV6_LEN + UDP_LEN, bth, len);
}

/**
 * nopin_icrc_update - continue a running CRC
 * @crc: the running CRC
 * @data: the next bytes of extended headers, payload or padding
 * @len: how many
 *
 * Return: the running CRC after them.
 * Context: any.
 */
u32 nopin_icrc_update(u32 crc, const void *data, size_t len)
{
	return nopin_crc32(crc, data, len);
}

/**
 * nopin_icrc_end - turn a running CRC into the ICRC
 * @crc: the running CRC after the padding
 *
 * Return: the ICRC as it stands on the wire.
 * Context: any.
 */
__le32 nopin_icrc_end(u32 crc)
{
	return cpu_to_le32(~crc);
}
