/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Test data that every rank can compute.
 */
#ifndef APPS_VALUES_H
#define APPS_VALUES_H

#include <stddef.h>
#include <stdint.h>

static uint64_t seed = 0x6e6f70696e;

/* The value that rank @from sends in round @round at index @i. */
static inline uint64_t value(int from, unsigned int round, size_t i)
{
	uint64_t x = seed + from * 0x9e3779b97f4a7c15ULL + round * 0xbf58476d1ce4e5b9ULL + i;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static inline uint8_t value_byte(int from, unsigned int round, size_t i)
{
	return value(from, round, i / 8) >> i % 8 * 8;
}

static inline void fill(uint8_t *buf, size_t len, int from, unsigned int round)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = value_byte(from, round, i);
}

/* The index of the first byte that fill() would not write; @len if there is none. */
static inline size_t wrong_at(const uint8_t *buf, size_t len, int from, unsigned int round)
{
	size_t i;

	for (i = 0; i < len && buf[i] == value_byte(from, round, i); i++)
		;
	return i;
}

#endif /* APPS_VALUES_H */
