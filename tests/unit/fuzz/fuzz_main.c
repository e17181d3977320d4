// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Runs the fuzz target on a given number of inputs: each is a packet that is valid for its
 * opcode, with a few bytes changed. The same seed gives the same inputs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kernel.h>

#include "fuzz.h"
#include "wire/packet.h"

#define MAX_INPUT	(2 + NOPIN_MAX_HDR_LEN + 16)

static u64 random_state;

/* splitmix64 */
static u64 random_next(void)
{
	u64 z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static u32 random_below(u32 bound)
{
	return random_next() % bound;
}

static u8 random_opcode(void)
{
	u8 opcode;

	do {
		opcode = random_next();
	} while (!nopin_opcodes[opcode].name);
	return opcode;
}

/* Make a valid packet as input for the target; returns its size. */
static size_t make_packet(u8 *input)
{
	static const u32 payloads[] = { 0, 1, 4, 255, 256, 1024, 4096 };
	struct nopin_pkt pkt = { .opcode = random_opcode() };
	size_t len;

	for (size_t i = 0; i < NOPIN_MAX_HDR_LEN; i++)
		input[2 + i] = random_next();
	pkt.qpn = random_next();
	pkt.psn = random_next();
	pkt.msn = random_next();
	pkt.remote_addr = random_next();
	pkt.rkey = random_next();
	if (nopin_pkt_op(&pkt)->payload)
		pkt.payload_len = payloads[random_below(ARRAY_SIZE(payloads))];
	len = nopin_pkt_build(&pkt, input + 2);
	len += pkt.payload_len + pkt.pad + NOPIN_ICRC_LEN;
	input[0] = len >> 8;
	input[1] = len;
	return 2 + (len < MAX_INPUT - 2 ? len : MAX_INPUT - 2);
}

static void spoil(u8 *input, size_t *size)
{
	for (u32 n = random_below(4); n; n--) {
		switch (random_below(4)) {
		case 0:
			input[random_below(*size)] = random_next();
			break;
		case 1:
			input[random_below(*size)] ^= 1 << random_below(8);
			break;
		case 2:
			input[1] += random_below(9) - 4;
			break;
		default:
			*size = 1 + random_below(*size);
			break;
		}
	}
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 100000;
	u8 input[MAX_INPUT] = { 0 };

	random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	for (unsigned long i = 0; i < count; i++) {
		size_t size = make_packet(input);

		spoil(input, &size);
		LLVMFuzzerTestOneInput(input, size);
	}
	printf("%lu inputs, %lu accepted\n", count, fuzz_accepted);
	/* fail unless some inputs are accepted and some are refused */
	return fuzz_accepted && fuzz_accepted < count ? 0 : 1;
}
