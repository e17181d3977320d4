// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Building and parsing packets. Each packet to parse has a heap block of its own size, so
 * that the sanitizer reports any read beyond it.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/kernel.h>

#include "wire/packet.h"

#define MAX_PAYLOAD	4096
#define MAX_PACKET	(NOPIN_MAX_HDR_LEN + MAX_PAYLOAD + 3 + NOPIN_ICRC_LEN)

/* Bytes of struct nopin_pkt up to the hole before its last field, imm_data. */
#define PKT_BYTES	(offsetof(struct nopin_pkt, flush_level) + sizeof(u8))

/* Parse a packet of @len bytes, of which @avail can be read. */
static int parse(struct nopin_pkt *pkt, const u8 *bytes, size_t avail, size_t len)
{
	u8 *block = malloc(avail ? avail : 1);
	int err;

	assert_non_null(block);
	memcpy(block, bytes, avail);
	err = nopin_pkt_parse(pkt, block, avail, len);
	free(block);
	return err;
}

static void assert_same(const struct nopin_pkt *got, const struct nopin_pkt *sent)
{
	assert_memory_equal(got, sent, PKT_BYTES);
	assert_int_equal(got->imm_data, sent->imm_data);
}

static bool is_known(int opcode)
{
	return nopin_opcodes[opcode].name;
}

static bool has(int opcode, u16 headers)
{
	return (nopin_opcodes[opcode].headers & headers) == headers;
}

/* A packet with every field of @opcode, all bytes different. */
static struct nopin_pkt sample(u8 opcode, u32 payload_len)
{
	struct nopin_pkt pkt = {
		.opcode = opcode,
		.solicited = true,
		.ack_req = true,
		.pkey = 0x7fff,
		.qpn = 0x123456,
		.psn = 0xfedcba,
		.payload_len = payload_len,
	};

	if (has(opcode, NOPIN_HDR_RETH) || has(opcode, NOPIN_HDR_ATOMIC_ETH)) {
		pkt.remote_addr = 0x8182838485868788;
		pkt.rkey = 0x90919293;
	}
	if (has(opcode, NOPIN_HDR_RETH))
		pkt.dma_len = 0x12131415;
	if (has(opcode, NOPIN_HDR_FETH)) {
		pkt.flush_type = 2;
		pkt.flush_level = 1;
	}
	if (has(opcode, NOPIN_HDR_ATOMIC_ETH)) {
		pkt.swap_add = 0xa1a2a3a4a5a6a7a8;
		pkt.compare = 0xb1b2b3b4b5b6b7b8;
	}
	if (has(opcode, NOPIN_HDR_AETH)) {
		pkt.syndrome = NOPIN_AETH_ACK | 0x15;
		pkt.msn = 0xc1c2c3;
	}
	if (has(opcode, NOPIN_HDR_ATOMIC_ACK))
		pkt.original = 0xd1d2d3d4d5d6d7d8;
	if (has(opcode, NOPIN_HDR_DETH)) {
		pkt.qkey = 0x80010000;
		pkt.src_qp = 0xe1e2e3;
	}
	if (has(opcode, NOPIN_HDR_IMM))
		memcpy(&pkt.imm_data, "\xf1\xf2\xf3\xf4", 4);
	if (has(opcode, NOPIN_HDR_IETH))
		pkt.rkey = 0x94959697;
	return pkt;
}

/* Does the specification allow @len bytes in a packet of @opcode? */
static bool may_carry(int opcode, u32 len)
{
	bool first = nopin_opcodes[opcode].place & NOPIN_FIRST;
	bool last = nopin_opcodes[opcode].place & NOPIN_LAST;

	if (!nopin_opcodes[opcode].payload)
		return !len;
	if (len > MAX_PAYLOAD)
		return false;
	if (first && last)
		return true;
	return len && (last || len % 4 == 0);
}

/* Build the packet; returns its length with padding and ICRC. */
static size_t build(struct nopin_pkt *pkt, u8 *bytes)
{
	size_t hdr_len = nopin_pkt_build(pkt, bytes);

	assert_int_equal(hdr_len, nopin_pkt_op(pkt)->hdr_len);
	assert_int_equal(hdr_len, pkt->hdr_len);
	assert_int_equal((pkt->payload_len + pkt->pad) % 4, 0);
	memset(bytes + hdr_len, 0x5a, pkt->payload_len + pkt->pad + NOPIN_ICRC_LEN);
	return hdr_len + pkt->payload_len + pkt->pad + NOPIN_ICRC_LEN;
}

static void round_trip(void **state)
{
	static const u32 lens[] = { 0, 1, 2, 3, 4, 5, 255, 256, 1024, 4095, 4096, 4097 };
	u8 bytes[MAX_PACKET + 8];

	(void)state;
	for (int opcode = 0; opcode < 256; opcode++) {
		for (size_t i = 0; is_known(opcode) && i < ARRAY_SIZE(lens); i++) {
			struct nopin_pkt sent = sample(opcode, lens[i]);
			struct nopin_pkt got;
			size_t len = build(&sent, bytes);

			if (!may_carry(opcode, lens[i])) {
				assert_int_equal(parse(&got, bytes, len, len), -EINVAL);
				continue;
			}
			memset(&got, 0xee, sizeof(got));
			assert_int_equal(parse(&got, bytes, len, len), 0);
			assert_same(&got, &sent);
			/* the parser reads nothing but the headers */
			assert_int_equal(parse(&got, bytes, sent.hdr_len, len), 0);
		}
	}
}

/* The bytes of two packets, written down from the specification. */
static void layout_is_the_wires(void **state)
{
	static const u8 write_only_imm[] = {
		0x0b, 0xf0, 0x7f, 0xff, 0x00, 0x12, 0x34, 0x56, 0x80, 0xfe, 0xdc, 0xba,
		0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x90, 0x91, 0x92, 0x93,
		0x12, 0x13, 0x14, 0x15, 0xf1, 0xf2, 0xf3, 0xf4,
	};
	static const u8 cmp_swap[] = {
		0x13, 0xc0, 0x7f, 0xff, 0x00, 0x12, 0x34, 0x56, 0x80, 0xfe, 0xdc, 0xba,
		0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x90, 0x91, 0x92, 0x93,
		0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8,
		0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8,
	};
	static const u8 atomic_ack[] = {
		0x12, 0xc0, 0x7f, 0xff, 0x00, 0x12, 0x34, 0x56, 0x80, 0xfe, 0xdc, 0xba,
		0x15, 0xc1, 0xc2, 0xc3, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8,
	};
	static const u8 ud_imm[] = {
		0x65, 0xc0, 0x7f, 0xff, 0x00, 0x12, 0x34, 0x56, 0x80, 0xfe, 0xdc, 0xba,
		0x80, 0x01, 0x00, 0x00, 0x00, 0xe1, 0xe2, 0xe3, 0xf1, 0xf2, 0xf3, 0xf4,
	};
	u8 bytes[NOPIN_MAX_HDR_LEN];
	struct nopin_pkt pkt;

	(void)state;
	pkt = sample(NOPIN_RC_WRITE_ONLY_IMM, 1);
	assert_int_equal(nopin_pkt_build(&pkt, bytes), sizeof(write_only_imm));
	assert_memory_equal(bytes, write_only_imm, sizeof(write_only_imm));

	pkt = sample(NOPIN_RC_CMP_SWAP, 0);
	assert_int_equal(nopin_pkt_build(&pkt, bytes), sizeof(cmp_swap));
	assert_memory_equal(bytes, cmp_swap, sizeof(cmp_swap));

	pkt = sample(NOPIN_RC_ATOMIC_ACK, 0);
	assert_int_equal(nopin_pkt_build(&pkt, bytes), sizeof(atomic_ack));
	assert_memory_equal(bytes, atomic_ack, sizeof(atomic_ack));

	pkt = sample(NOPIN_UD_SEND_ONLY_IMM, 256);
	assert_int_equal(nopin_pkt_build(&pkt, bytes), sizeof(ud_imm));
	assert_memory_equal(bytes, ud_imm, sizeof(ud_imm));
}

/* A value that does not fit its field must not change adjacent fields. */
static void build_masks_fields(void **state)
{
	struct nopin_pkt pkt = sample(NOPIN_RC_ACK, 0);
	struct nopin_pkt got;
	u8 bytes[MAX_PACKET];
	size_t len;

	(void)state;
	pkt.ack_req = false;
	pkt.qpn = 0xff000001;
	pkt.psn = 0xff000002;
	pkt.msn = 0xff000003;
	pkt.syndrome = NOPIN_NAK_REMOTE_ACCESS;
	pkt.pkey = 0;
	len = build(&pkt, bytes);
	assert_int_equal(parse(&got, bytes, len, len), 0);
	assert_false(got.ack_req);
	assert_int_equal(got.qpn, 1);
	assert_int_equal(got.psn, 2);
	assert_int_equal(got.msn, 3);
	assert_int_equal(got.syndrome, NOPIN_NAK_REMOTE_ACCESS);
	assert_int_equal(got.pkey, NOPIN_DEFAULT_PKEY);
}

static void unknown_opcodes_are_rejected(void **state)
{
	struct nopin_pkt pkt = sample(NOPIN_RC_SEND_ONLY, 64);
	u8 bytes[MAX_PACKET];
	size_t len = build(&pkt, bytes);

	(void)state;
	for (int opcode = 0; opcode < 256; opcode++) {
		bytes[0] = opcode;
		if (!is_known(opcode))
			assert_int_equal(parse(&pkt, bytes, len, len), -EINVAL);
	}
}

static void short_packets_are_rejected(void **state)
{
	u8 bytes[MAX_PACKET];
	struct nopin_pkt pkt;

	(void)state;
	for (int opcode = 0; opcode < 256; opcode++) {
		size_t hdr_len = nopin_opcodes[opcode].hdr_len;

		if (!is_known(opcode))
			continue;
		pkt = sample(opcode, 0);
		build(&pkt, bytes);
		for (size_t len = 0; len < hdr_len + NOPIN_ICRC_LEN; len++)
			assert_int_equal(parse(&pkt, bytes, len, len), -EINVAL);
		/* long enough, but not all headers can be read */
		for (size_t avail = 0; avail < hdr_len; avail++)
			assert_int_equal(parse(&pkt, bytes, avail, 512), -EINVAL);
	}
}

static void lengths_must_be_padded(void **state)
{
	u8 bytes[MAX_PACKET];
	struct nopin_pkt pkt = sample(NOPIN_RC_SEND_ONLY, 8);
	size_t len = build(&pkt, bytes);

	(void)state;
	for (size_t extra = 1; extra < 4; extra++)
		assert_int_equal(parse(&pkt, bytes, len, len + extra), -EINVAL);

	/* Padding without any payload to pad. */
	pkt = sample(NOPIN_RC_SEND_ONLY, 0);
	len = build(&pkt, bytes);
	for (u8 pad = 1; pad < 4; pad++) {
		bytes[1] = pad << 4;
		assert_int_equal(parse(&pkt, bytes, len, len), -EINVAL);
	}
}

static void oversized_payload_is_rejected(void **state)
{
	static const size_t lens[] = { 4100, 5000, 0xffff, 0xfffffff0, SIZE_MAX - 3, SIZE_MAX };
	struct nopin_pkt pkt = sample(NOPIN_RC_WRITE_ONLY, 4096);
	u8 bytes[MAX_PACKET];
	size_t rest = build(&pkt, bytes) - 4096;

	(void)state;
	assert_int_equal(parse(&pkt, bytes, NOPIN_MAX_HDR_LEN, rest + 4096), 0);
	/* even with 3 bytes of padding 4100 bytes are more than 4096 */
	for (u8 pad = 0; pad < 4; pad++) {
		bytes[1] = pad << 4;
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
			size_t len = lens[i] > SIZE_MAX - rest ? lens[i] : lens[i] + rest;

			assert_int_equal(parse(&pkt, bytes, NOPIN_MAX_HDR_LEN, len), -EINVAL);
		}
	}
}

static void transport_version_is_0(void **state)
{
	struct nopin_pkt pkt = sample(NOPIN_RC_SEND_ONLY, 4);
	u8 bytes[MAX_PACKET];
	size_t len = build(&pkt, bytes);
	u8 flags = bytes[1];

	(void)state;
	for (u8 version = 1; version < 16; version++) {
		bytes[1] = flags | version;
		assert_int_equal(parse(&pkt, bytes, len, len), -EINVAL);
	}
}

static void reserved_bits_are_ignored(void **state)
{
	struct nopin_pkt pkt = sample(NOPIN_UD_SEND_ONLY, 4);
	struct nopin_pkt got;
	u8 bytes[MAX_PACKET];
	size_t len = build(&pkt, bytes);

	(void)state;
	bytes[1] ^= 0x40;	/* MigReq */
	bytes[4] = 0xff;	/* FECN, BECN, resv6 */
	bytes[8] |= 0x7f;	/* resv7, beside A */
	bytes[16] = 0xff;	/* DETH */
	assert_int_equal(parse(&got, bytes, len, len), 0);
	assert_same(&got, &pkt);
}

static void pkey_is_the_default(void **state)
{
	static const u16 foreign[] = { 0, 0x8000, 1, 0x8001, 0x7ffe, 0xfffe, 0xbfff };
	struct nopin_pkt pkt = sample(NOPIN_RC_SEND_ONLY, 4);
	u8 bytes[MAX_PACKET];
	size_t len = build(&pkt, bytes);

	(void)state;
	bytes[2] = 0xff;
	bytes[3] = 0xff;
	assert_int_equal(parse(&pkt, bytes, len, len), 0);
	assert_int_equal(pkt.pkey, 0xffff);
	bytes[2] = 0x7f;
	assert_int_equal(parse(&pkt, bytes, len, len), 0);
	assert_int_equal(pkt.pkey, 0x7fff);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		bytes[2] = foreign[i] >> 8;
		bytes[3] = foreign[i] & 0xff;
		assert_int_equal(parse(&pkt, bytes, len, len), -EINVAL);
	}
}

/* Is this syndrome defined? (IBTA table 45) */
static bool syndrome_exists(u8 opcode, int syndrome)
{
	if (syndrome < 0x20)
		return true;
	if ((opcode & ~NOPIN_WIRE_SERVICE) != NOPIN_RC_ACK)
		return false;
	return syndrome < 0x40 || (syndrome >= 0x60 && syndrome <= 0x63);
}

static void syndromes_must_exist(void **state)
{
	u8 bytes[MAX_PACKET];
	struct nopin_pkt pkt;

	(void)state;
	for (int opcode = 0; opcode < 256; opcode++) {
		size_t len;

		if (!has(opcode, NOPIN_HDR_AETH))
			continue;
		pkt = sample(opcode, nopin_opcodes[opcode].payload ? 256 : 0);
		len = build(&pkt, bytes);
		for (int syndrome = 0; syndrome < 256; syndrome++) {
			bytes[NOPIN_BTH_LEN] = syndrome;
			assert_int_equal(parse(&pkt, bytes, len, len),
					 syndrome_exists(opcode, syndrome) ? 0 : -EINVAL);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(layout_is_the_wires),
		cmocka_unit_test(build_masks_fields),
		cmocka_unit_test(unknown_opcodes_are_rejected),
		cmocka_unit_test(short_packets_are_rejected),
		cmocka_unit_test(lengths_must_be_padded),
		cmocka_unit_test(oversized_payload_is_rejected),
		cmocka_unit_test(transport_version_is_0),
		cmocka_unit_test(reserved_bits_are_ignored),
		cmocka_unit_test(pkey_is_the_default),
		cmocka_unit_test(syndromes_must_exist),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
