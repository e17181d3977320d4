// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* CRC32 with eight tables, like the kernel's crc32_le(), and with the driver's own code. */
#include <stdbool.h>
#include <string.h>
#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "crc.h"
#include "wire/crc32.h"

#define TABLES	8

static uint32_t table[TABLES][256];

static void make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
		table[0][i] = crc;
	}
	for (int t = 1; t < TABLES; t++)
		for (int i = 0; i < 256; i++)
			table[t][i] = table[t - 1][i] >> 8 ^
				      table[0][table[t - 1][i] & 0xff];
}

static uint32_t four(uint32_t word, int low)
{
	return table[low + 3][word & 0xff] ^ table[low + 2][word >> 8 & 0xff] ^
	       table[low + 1][word >> 16 & 0xff] ^ table[low][word >> 24];
}

/* Continue @crc, without inversion before or after. Little endian only. */
uint32_t crc_tables(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t word[2];

	if (!table[0][1])
		make_tables();
	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(word, p, sizeof(word));
		crc = four(word[0] ^ crc, 4) ^ four(word[1], 0);
	}
	while (len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	return crc;
}

#ifdef NOPIN_CRC32_FOLD
static uint32_t fold(uint32_t crc, const void *data, size_t len)
{
	if (len < NOPIN_CRC32_HEAD)
		return crc_tables(crc, data, len);
	return nopin_crc32_fold(crc, data, (const uint8_t *)data + NOPIN_CRC32_HEAD,
				  len - NOPIN_CRC32_HEAD);
}
#endif

crc_fn crc_folding(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
		return fold;
#elif defined(NOPIN_CRC32_FOLD)
	if (getauxval(AT_HWCAP) & HWCAP_PMULL)
		return fold;
#endif
	return NULL;
}
