// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Tests the ICRC with packets whose ICRC other implementations computed, and the bits that
 * it covers.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/kernel.h>

#include "wire/icrc.h"
#include "wire/packet.h"

#include "icrc_vectors.h"

#define VECTORS	ARRAY_SIZE(icrc_vectors)
#define MAX_LEN	(40 + 8 + NOPIN_MAX_HDR_LEN + 4096 + NOPIN_ICRC_LEN)

/* Expand a vector: a payload left out of it is the pattern of icrc_vectors.py. */
static void vector_expand(const struct icrc_vector *v, u8 *packet)
{
	size_t head = v->stored - NOPIN_ICRC_LEN;

	assert_true(v->len <= MAX_LEN);
	memcpy(packet, v->data, head);
	for (size_t i = 0; head + i < v->len - NOPIN_ICRC_LEN; i++)
		packet[head + i] = (7 * i + 3) & 0xff;
	memcpy(packet + v->len - NOPIN_ICRC_LEN, v->data + head, NOPIN_ICRC_LEN);
}

static size_t ip_len(const u8 *packet)
{
	return packet[0] >> 4 == 4 ? 20 : 40;
}

/* The running CRC of the first @len bytes of @packet. */
static u32 begin(const u8 *packet, size_t len)
{
	const u8 *udp = packet + ip_len(packet);
	struct nopin_icrc headers;

	nopin_icrc_prepare(&headers, packet, udp);
	return nopin_icrc_begin(&headers, udp + 8, len - ip_len(packet) - 8);
}

/* The ICRC, computed in steps of @step bytes behind the BTH. */
static u32 icrc(const u8 *packet, size_t len, size_t step)
{
	size_t at = ip_len(packet) + 8 + NOPIN_BTH_LEN + step;
	__le32 wire;
	u32 value;
	u32 crc;

	len -= NOPIN_ICRC_LEN;
	at = at < len ? at : len;
	crc = begin(packet, at);
	while (at < len) {
		size_t part = len - at < step ? len - at : step;

		crc = nopin_icrc_update(crc, packet + at, part);
		at += part;
	}
	wire = nopin_icrc_end(crc);
	memcpy(&value, &wire, sizeof(value));
	return value;
}

static u32 icrc_sent(const u8 *packet, size_t len)
{
	u32 value;

	memcpy(&value, packet + len - NOPIN_ICRC_LEN, sizeof(value));
	return value;
}

static void vectors_agree(void **state)
{
	static const size_t steps[] = { 1, 3, 4, 5, 23, 24, 25, 64, 1000, MAX_LEN };
	u8 packet[MAX_LEN];

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		const struct icrc_vector *v = &icrc_vectors[i];

		vector_expand(v, packet);
		for (size_t s = 0; s < ARRAY_SIZE(steps); s++) {
			if (icrc(packet, v->len, steps[s]) != icrc_sent(packet, v->len))
				fail_msg("%s in steps of %zu", v->name, steps[s]);
		}
	}
}

/* The bits of byte @at that a router may change on the way. */
static u8 variant_bits(const u8 *packet, size_t at)
{
	size_t ip = ip_len(packet);

	if (at == ip + 6 || at == ip + 7)	/* UDP checksum */
		return 0xff;
	if (at == ip + 8 + 4)			/* BTH: FECN, BECN, reserved */
		return 0xff;
	if (ip == 20)				/* TOS, TTL, checksum */
		return at == 1 || at == 8 || at == 10 || at == 11 ? 0xff : 0;
	if (at == 0)				/* traffic class */
		return 0x0f;
	return (at >= 1 && at <= 3) || at == 7 ? 0xff : 0;
}

/* Flip each bit of the packet: only bits that the ICRC covers change it. */
static void coverage_is_exact(void **state)
{
	u8 packet[MAX_LEN];

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		const struct icrc_vector *v = &icrc_vectors[i];
		u32 sent;

		if (v->len > 400)
			continue;
		vector_expand(v, packet);
		sent = icrc_sent(packet, v->len);
		for (size_t bit = 0; bit < (v->len - NOPIN_ICRC_LEN) * 8; bit++) {
			u8 mask = 1 << bit % 8;
			bool same;

			if (bit / 8 == 0 && mask & 0xf0)
				continue;	/* the IP version chooses the function */
			packet[bit / 8] ^= mask;
			same = icrc(packet, v->len, MAX_LEN) == sent;
			packet[bit / 8] ^= mask;
			if (same != !!(variant_bits(packet, bit / 8) & mask))
				fail_msg("%s: bit %zu of byte %zu", v->name, bit % 8,
					 bit / 8);
		}
	}
}

/* Headers may begin at any address. */
static void alignment_does_not_matter(void **state)
{
	u8 packet[MAX_LEN];

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		const struct icrc_vector *v = &icrc_vectors[i];

		vector_expand(v, packet);
		for (size_t shift = 1; shift < 8; shift++) {
			u8 *moved = malloc(v->len + shift);

			assert_non_null(moved);
			memcpy(moved + shift, packet, v->len);
			assert_int_equal(icrc(moved + shift, v->len, MAX_LEN),
					 icrc_sent(packet, v->len));
			free(moved);
		}
	}
}

/* Prepared headers can be reused for packets of another length and for the next packet. */
static void headers_serve_a_row(void **state)
{
	u8 packet[MAX_LEN], other[MAX_LEN];

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		const struct icrc_vector *v = &icrc_vectors[i];
		size_t ip, udp_len;
		struct nopin_icrc headers;
		__le32 wire;

		vector_expand(v, packet);
		ip = ip_len(packet);
		udp_len = v->len - ip;
		memcpy(other, packet, v->len);
		memset(other + (ip == 20 ? 2 : 4), 0x5a, 2);	/* length in IP */
		memset(other + ip + 4, 0xa5, 2);		/* and in UDP */
		if (ip == 20) {
			u16 id = (other[4] << 8 | other[5]) - 1;

			other[4] = id >> 8;
			other[5] = id;
		}
		nopin_icrc_prepare(&headers, other, other + ip);
		nopin_icrc_resize(&headers, udp_len);
		nopin_icrc_next(&headers);
		wire = nopin_icrc_end(nopin_icrc_begin(&headers, packet + ip + 8,
						       udp_len - 8 - NOPIN_ICRC_LEN));
		assert_memory_equal(&wire, packet + v->len - NOPIN_ICRC_LEN,
				    NOPIN_ICRC_LEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_agree),
		cmocka_unit_test(coverage_is_exact),
		cmocka_unit_test(alignment_does_not_matter),
		cmocka_unit_test(headers_serve_a_row),
	};

	return cmocka_run_group_tests_name("icrc", tests, NULL, NULL);
}
