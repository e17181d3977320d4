/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The CRC of a packet, computed in the ways that a driver may use. */
#ifndef PERF_CRC_H
#define PERF_CRC_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t (*crc_fn)(uint32_t crc, const void *data, size_t len);

uint32_t crc_tables(uint32_t crc, const void *data, size_t len);
/* The CRC by carry-less multiplication; NULL if this CPU has no such instruction. */
crc_fn crc_folding(void);

#endif /* PERF_CRC_H */
