/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The invariant CRC of RoCEv2 packets (IBTA annex A17.3.3). */
#ifndef NOPIN_ICRC_H
#define NOPIN_ICRC_H

#include <linux/types.h>

#include "wire/crc32.h"

/**
 * struct nopin_icrc - the IP and UDP headers of a packet, masked for the ICRC
 * @bytes: NOPIN_CRC32_PIECE zeros, some of which may go in front; the two headers,
 *	masked and with the seed added; and room for the BTH and the bytes behind it
 * @ipv4: the IP header is one of IPv4, else of IPv6
 */
struct nopin_icrc {
	u8 bytes[NOPIN_CRC32_PIECE + NOPIN_CRC32_HEAD];
	bool ipv4;
};

void nopin_icrc_prepare(struct nopin_icrc *icrc, const void *ip, const void *udp);
void nopin_icrc_resize(struct nopin_icrc *icrc, size_t len);
void nopin_icrc_next(struct nopin_icrc *icrc);
u32 nopin_icrc_begin(struct nopin_icrc *icrc, const void *bth, size_t len);
u32 nopin_icrc_update(u32 crc, const void *data, size_t len);
__le32 nopin_icrc_end(u32 crc);

#endif /* NOPIN_ICRC_H */
