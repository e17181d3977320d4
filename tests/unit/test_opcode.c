// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Checks the opcode table against IBTA tables 38 and 39, and its rows for consistency. */

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
	assert_int_equal(sizeof(struct nopin_ieth), 4);
	assert_int_equal(sizeof(struct nopin_xrceth), 4);
	assert_int_equal(sizeof(struct nopin_cnp), 16);
	assert_int_equal(sizeof(struct nopin_feth), 4);
}

/* Every known opcode and the length of its headers, in order. */
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
	{ 0x13, 40, false }, { 0x14, 40, false }, { 0x16, 16, true }, { 0x17, 16, true },
	{ 0x1c, 32, false }, { 0x1d, 28, true },
	{ 0x20, 12, true }, { 0x21, 12, true }, { 0x22, 12, true }, { 0x23, 16, true },
	{ 0x24, 12, true }, { 0x25, 16, true }, { 0x26, 28, true }, { 0x27, 12, true },
	{ 0x28, 12, true }, { 0x29, 16, true }, { 0x2a, 28, true }, { 0x2b, 32, true },
	{ 0x64, 20, true }, { 0x65, 24, true },
	{ 0x81, 28, false },
	{ 0xa0, 16, true }, { 0xa1, 16, true }, { 0xa2, 16, true }, { 0xa3, 20, true },
	{ 0xa4, 16, true }, { 0xa5, 20, true }, { 0xa6, 32, true }, { 0xa7, 16, true },
	{ 0xa8, 16, true }, { 0xa9, 20, true }, { 0xaa, 32, true }, { 0xab, 36, true },
	{ 0xac, 32, false }, { 0xad, 16, true }, { 0xae, 12, true }, { 0xaf, 16, true },
	{ 0xb0, 16, true }, { 0xb1, 16, false }, { 0xb2, 24, false },
	{ 0xb3, 44, false }, { 0xb4, 44, false }, { 0xb6, 20, true }, { 0xb7, 20, true },
	{ 0xbc, 36, false }, { 0xbd, 32, true },
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
			assert_int_equal(op->operation, NOPIN_NO_OPERATION);
			assert_int_equal(op->hdr_len, 0);
			continue;
		}
		assert_non_null(op->name);
		assert_int_equal(op->hdr_len, expected[next].hdr_len);
		assert_int_equal(op->payload, expected[next].payload);
		next++;
	}
	assert_int_equal(next, ARRAY_SIZE(expected));
}

static size_t bytes_of_headers(u16 headers)
{
	return NOPIN_BTH_LEN +
	       (headers & NOPIN_HDR_XRCETH ? sizeof(struct nopin_xrceth) : 0) +
	       (headers & NOPIN_HDR_FETH ? sizeof(struct nopin_feth) : 0) +
	       (headers & NOPIN_HDR_RETH ? sizeof(struct nopin_reth) : 0) +
	       (headers & NOPIN_HDR_ATOMIC_ETH ? sizeof(struct nopin_atomic_eth) : 0) +
	       (headers & NOPIN_HDR_AETH ? sizeof(struct nopin_aeth) : 0) +
	       (headers & NOPIN_HDR_ATOMIC_ACK ? sizeof(struct nopin_atomic_ack_eth) : 0) +
	       (headers & NOPIN_HDR_DETH ? sizeof(struct nopin_deth) : 0) +
	       (headers & NOPIN_HDR_IMM ? sizeof(struct nopin_imm_dt) : 0) +
	       (headers & NOPIN_HDR_IETH ? sizeof(struct nopin_ieth) : 0) +
	       (headers & NOPIN_HDR_CNP ? sizeof(struct nopin_cnp) : 0);
}

static bool says(const struct nopin_opcode_info *op, const char *word)
{
	return strstr(op->name, word);
}

/* The names are those of the specification and imply the rest of the row. */
static void rows_are_as_named(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		const struct nopin_opcode_info *op = &nopin_opcodes[i];
		bool response = nopin_opcode_is_response(op);

		if (!op->name)
			continue;
		assert_int_equal(op->hdr_len, bytes_of_headers(op->headers));
		assert_true(op->hdr_len <= NOPIN_MAX_HDR_LEN);
		assert_int_equal(says(op, "First"), op->place == NOPIN_FIRST);
		assert_int_equal(says(op, "Middle"), op->place == NOPIN_MIDDLE);
		assert_int_equal(says(op, "Last"), op->place == NOPIN_LAST);
		assert_int_equal(says(op, "Immediate"), !!(op->headers & NOPIN_HDR_IMM));
		assert_int_equal(says(op, "Invalidate"), !!(op->headers & NOPIN_HDR_IETH));
		assert_int_equal(says(op, "SEND"), op->operation == NOPIN_SEND);
		assert_int_equal(says(op, "WRITE"), op->operation == NOPIN_RDMA_WRITE);
		assert_int_equal(says(op, "READ"),
				 op->operation == (response ? NOPIN_READ_RESPONSE :
							      NOPIN_RDMA_READ));
		assert_int_equal(says(op, "CmpSwap"), op->operation == NOPIN_CMP_SWAP);
		assert_int_equal(says(op, "FetchAdd"), op->operation == NOPIN_FETCH_ADD);
		assert_int_equal(says(op, "AtomicWrite"), op->operation == NOPIN_ATOMIC_WRITE);
		assert_int_equal(says(op, "Flush"), op->operation == NOPIN_FLUSH);
		assert_int_equal(says(op, "ATOMIC"),
				 op->operation == NOPIN_ATOMIC_ACKNOWLEDGE);
		assert_int_equal(says(op, "Response") || says(op, "Ack") ||
				 says(op, "Congestion"), response);
		assert_int_equal(says(op, "UD"), (i & NOPIN_WIRE_SERVICE) == NOPIN_WIRE_UD);
		assert_int_equal(says(op, "UC"), (i & NOPIN_WIRE_SERVICE) == NOPIN_WIRE_UC);
		assert_int_equal(says(op, "XRC"), (i & NOPIN_WIRE_SERVICE) == NOPIN_WIRE_XRC);
		assert_int_equal(says(op, "Congestion"), i == NOPIN_CNP);
		assert_int_equal(!strncmp(op->name, "RC", 2),
				 (i & NOPIN_WIRE_SERVICE) == NOPIN_WIRE_RC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_have_wire_size),
		cmocka_unit_test(table_is_as_specified),
		cmocka_unit_test(rows_are_as_named),
	};

	return cmocka_run_group_tests_name("opcode", tests, NULL, NULL);
}
