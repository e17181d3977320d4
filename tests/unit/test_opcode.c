// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The opcode table against IBTA tables 38 and 39, and against itself. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <linux/kernel.h>

#include "wire/headers.h"
#include "wire/opcode.h"
#include "wire/packet.h"

static void headers_have_wire_size(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct nopin_bth), 12);
	assert_int_equal(sizeof(struct nopin_reth), 16);
	assert_int_equal(sizeof(struct nopin_atomic_eth), 28);
	assert_int_equal(sizeof(struct nopin_aeth), 4);
	assert_int_equal(sizeof(struct nopin_atomic_ack_eth), 8);
	assert_int_equal(sizeof(struct nopin_deth), 8);
	assert_int_equal(sizeof(struct nopin_imm_dt), 4);
}

/* Every opcode that is known, and its headers, in the order of the values. */
static const struct {
	u8 opcode;
	u8 hdr_len;
	bool payload;
} expected[] = {
	{ 0x00, 12, true }, { 0x01, 12, true }, { 0x02, 12, true }, { 0x03, 16, true },
	{ 0x04, 12, true }, { 0x05, 16, true }, { 0x06, 28, true }, { 0x07, 12, true },
	{ 0x08, 12, true }, { 0x09, 16, true }, { 0x0a, 28, true }, { 0x0b, 32, true },
	{ 0x0c, 28, false }, { 0x0d, 16, true }, { 0x0e, 12, true }, { 0x0f, 16, true },
	{ 0x10, 16, true }, { 0x11, 16, false }, { 0x12, 24, false },
	{ 0x13, 40, false }, { 0x14, 40, false }, { 0x64, 20, true }, { 0x65, 24, true },
};

static void table_is_as_specified(void **state)
{
	size_t next = 0;

	(void)state;
	for (int i = 0; i < 256; i++) {
		const struct nopin_opcode_info *op = &nopin_opcodes[i];

		if (next == ARRAY_SIZE(expected) ||
		    i != expected[next].opcode) {
			assert_null(op->name);
			assert_int_equal(op->flags, 0);
			assert_int_equal(op->hdr_len, 0);
			continue;
		}
		assert_non_null(op->name);
		assert_int_equal(op->hdr_len, expected[next].hdr_len);
		assert_int_equal(!!(op->flags & NOPIN_OP_PAYLOAD), expected[next].payload);
		next++;
	}
	assert_int_equal(next, ARRAY_SIZE(expected));
}

static size_t flags_hdr_len(u16 flags)
{
	return NOPIN_BTH_LEN +
	       (flags & NOPIN_OP_RETH ? sizeof(struct nopin_reth) : 0) +
	       (flags & NOPIN_OP_ATOMIC_ETH ? sizeof(struct nopin_atomic_eth) : 0) +
	       (flags & NOPIN_OP_AETH ? sizeof(struct nopin_aeth) : 0) +
	       (flags & NOPIN_OP_ATOMIC_ACK ? sizeof(struct nopin_atomic_ack_eth) : 0) +
	       (flags & NOPIN_OP_DETH ? sizeof(struct nopin_deth) : 0) +
	       (flags & NOPIN_OP_IMM ? sizeof(struct nopin_imm_dt) : 0);
}

static void flags_agree(void **state)
{
	const u16 only = NOPIN_OP_FIRST | NOPIN_OP_LAST;

	(void)state;
	for (int i = 0; i < 256; i++) {
		const struct nopin_opcode_info *op = &nopin_opcodes[i];

		if (!op->name)
			continue;
		assert_int_equal(op->hdr_len, flags_hdr_len(op->flags));
		assert_true(op->hdr_len <= NOPIN_MAX_HDR_LEN);
		/* The names are the specification's and say the place in the message. */
		assert_int_equal(!!strstr(op->name, "First"),
				 (op->flags & only) == NOPIN_OP_FIRST);
		assert_int_equal(!!strstr(op->name, "Middle"), !(op->flags & only));
		assert_int_equal(!!strstr(op->name, "Last"),
				 (op->flags & only) == NOPIN_OP_LAST);
		assert_int_equal(!!strstr(op->name, "Immediate"),
				 !!(op->flags & NOPIN_OP_IMM));
		assert_int_equal(!!strstr(op->name, "SEND"), !!(op->flags & NOPIN_OP_SEND));
		assert_int_equal(!!strstr(op->name, "WRITE"),
				 !!(op->flags & NOPIN_OP_WRITE));
		assert_int_equal(!!strstr(op->name, "READ"), !!(op->flags & NOPIN_OP_READ));
		assert_int_equal(strstr(op->name, "Response") || strstr(op->name, "Ack"),
				 !!(op->flags & NOPIN_OP_RESPONSE));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_have_wire_size),
		cmocka_unit_test(table_is_as_specified),
		cmocka_unit_test(flags_agree),
	};

	return cmocka_run_group_tests_name("opcode", tests, NULL, NULL);
}
