/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The invariant CRC of RoCEv2 packets (IBTA annex A17.3.3). */
#ifndef NOPIN_ICRC_H
#define NOPIN_ICRC_H

#include <linux/types.h>

#include "wire/crc32.h"

/**
 * struct nopin_icrc - what counts of the IP and UDP headers of a packet
 * @bytes: NOPIN_CRC32_PIECE zeros, of which some are taken in first; the two headers,
 *	masked and with the seed added; and room for what follows them
 * @ipv4: the first is an IPv4 header, else IPv6
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
