/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The invariant CRC of RoCEv2 packets (IBTA annex A17.3.3). */
#ifndef NOPIN_ICRC_H
#define NOPIN_ICRC_H

#include <linux/types.h>

u32 nopin_icrc_begin_ipv4(const void *ip, const void *udp, size_t len);
u32 nopin_icrc_begin_ipv6(const void *ip, const void *udp, size_t len);
u32 nopin_icrc_update(u32 crc, const void *data, size_t len);
__le32 nopin_icrc_end(u32 crc);

#endif /* NOPIN_ICRC_H */
