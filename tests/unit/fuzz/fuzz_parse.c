// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Each packet that nopin_pkt_parse() accepts must have the properties that the callers rely
 * on, and building it again must give the same packet.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/packet.h"

unsigned long fuzz_accepted;

#define REQUIRE(condition)							\
	do {									\
		if (!(condition)) {						\
			fprintf(stderr, "fuzz: not so: %s\n", #condition);	\
			abort();						\
		}								\
	} while (0)

static void check_lengths(const struct nopin_pkt *pkt, size_t avail, size_t len)
{
	REQUIRE(nopin_pkt_op(pkt)->name);
	REQUIRE(pkt->hdr_len == nopin_pkt_op(pkt)->hdr_len);
	REQUIRE(pkt->hdr_len <= avail);
	REQUIRE(pkt->pad <= 3);
	REQUIRE(pkt->payload_len <= 4096);
	REQUIRE(pkt->hdr_len + pkt->payload_len + pkt->pad + NOPIN_ICRC_LEN == len);
	REQUIRE((pkt->payload_len + pkt->pad) % 4 == 0);
	REQUIRE(!pkt->payload_len || nopin_pkt_op(pkt)->payload);
}

static void check_fields(const struct nopin_pkt *pkt)
{
	REQUIRE(pkt->qpn <= 0xffffff);
	REQUIRE(pkt->psn <= 0xffffff);
	REQUIRE(pkt->msn <= 0xffffff);
	REQUIRE(pkt->src_qp <= 0xffffff);
	REQUIRE((pkt->pkey & 0x7fff) == 0x7fff);
}

static void check_rebuild(const struct nopin_pkt *pkt, size_t len)
{
	struct nopin_pkt copy = *pkt;
	struct nopin_pkt again;
	u8 headers[NOPIN_MAX_HDR_LEN];

	REQUIRE(nopin_pkt_build(&copy, headers) == pkt->hdr_len);
	REQUIRE(!nopin_pkt_parse(&again, headers, pkt->hdr_len, len));
	REQUIRE(!memcmp(&again, pkt, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct nopin_pkt pkt;
	size_t avail, len;
	u8 *data;

	if (size < 2)
		return 0;
	avail = size - 2;
	len = input[0] << 8 | input[1];
	if (len < avail)
		avail = len;
	/* a block of its own, so that the sanitizer reports any read beyond it */
	data = malloc(avail ? avail : 1);
	REQUIRE(data);
	memcpy(data, input + 2, avail);
	if (!nopin_pkt_parse(&pkt, data, avail, len)) {
		fuzz_accepted++;
		check_lengths(&pkt, avail, len);
		check_fields(&pkt);
		check_rebuild(&pkt, len);
	}
	free(data);
	return 0;
}
