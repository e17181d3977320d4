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

#include "wire/crc32.h"
#include "wire/headers.h"
#include "wire/icrc.h"

#define NOPIN_ICRC_SEED	0xdebb20e3	/* ones, after eight bytes of ones */

#define IPV4_LEN	20
#define IPV4_TOS	1	/* offsets of the fields that do not count */
#define IPV4_TTL	8
#define IPV4_CHECK	10	/* two bytes */

#define IPV6_LEN	40
#define IPV6_HOP_LIMIT	7	/* class and label: the 28 bits after the version */

#define UDP_LEN		8
#define UDP_CHECK	6	/* two bytes */

#define BTH_LEN		sizeof(struct nopin_bth)
#define BTH_RESV8A	4	/* FECN, BECN and reserved bits */

/* UDP header and BTH as they count. */
static void nopin_icrc_mask_transport(u8 *masked, const void *udp)
{
	memcpy(masked, udp, UDP_LEN + BTH_LEN);
	memset(masked + UDP_CHECK, 0xff, 2);
	masked[UDP_LEN + BTH_RESV8A] = 0xff;
}

/*
 * The masked headers lie in a copy, at whose end there is room for what follows
 * them: so all of a packet but a short one is computed in one go.
 */
static u32 nopin_icrc_headers(u8 *masked, size_t filled, const void *next, size_t len)
{
	size_t room = NOPIN_CRC32_HEAD - filled;

	if (len < room)
		return crc32_le(crc32_le(NOPIN_ICRC_SEED, masked, filled), next, len);
	memcpy(masked + filled, next, room);
	return nopin_crc32_headed(NOPIN_ICRC_SEED, masked, next + room, len - room);
}

/**
 * nopin_icrc_begin_ipv4 - the running CRC of the beginning of an IPv4 packet
 * @ip: the IPv4 header, 20 bytes without options; id and total length set
 * @udp: the UDP header, the BTH, and what follows them in memory
 * @len: bytes at @udp, at least those of the two headers
 *
 * Return: the running CRC, to be continued at the byte after these.
 * Context: any.
 */
u32 nopin_icrc_begin_ipv4(const void *ip, const void *udp, size_t len)
{
	u8 masked[NOPIN_CRC32_HEAD];

	memcpy(masked, ip, IPV4_LEN);
	masked[IPV4_TOS] = 0xff;
	masked[IPV4_TTL] = 0xff;
	memset(masked + IPV4_CHECK, 0xff, 2);
	nopin_icrc_mask_transport(masked + IPV4_LEN, udp);
	return nopin_icrc_headers(masked, IPV4_LEN + UDP_LEN + BTH_LEN,
				  udp + UDP_LEN + BTH_LEN, len - UDP_LEN - BTH_LEN);
}

/**
 * nopin_icrc_begin_ipv6 - the running CRC of the beginning of an IPv6 packet
 * @ip: the IPv6 header, 40 bytes; payload length set
 * @udp: the UDP header, the BTH, and what follows them in memory
 * @len: bytes at @udp, at least those of the two headers
 *
 * Return: the running CRC, to be continued at the byte after these.
 * Context: any.
 */
u32 nopin_icrc_begin_ipv6(const void *ip, const void *udp, size_t len)
{
	u8 masked[NOPIN_CRC32_HEAD];

	memcpy(masked, ip, IPV6_LEN);
	masked[0] |= 0x0f;
	memset(masked + 1, 0xff, 3);
	masked[IPV6_HOP_LIMIT] = 0xff;
	nopin_icrc_mask_transport(masked + IPV6_LEN, udp);
	return nopin_icrc_headers(masked, IPV6_LEN + UDP_LEN + BTH_LEN,
				  udp + UDP_LEN + BTH_LEN, len - UDP_LEN - BTH_LEN);
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
 * nopin_icrc_end - the ICRC that a running CRC comes to
 * @crc: the running CRC after the padding
 *
 * Return: the ICRC as it stands on the wire.
 * Context: any.
 */
__le32 nopin_icrc_end(u32 crc)
{
	return cpu_to_le32(~crc);
}
