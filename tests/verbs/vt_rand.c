// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* A random generator with a seed, to replay tests: splitmix64, one state per thread. */
#include "vt.h"

static __thread uint64_t state;

void vt_reseed(uint64_t seed)
{
	state = seed;
}

uint64_t vt_rand(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint64_t vt_below(uint64_t bound)
{
	return vt_rand() % bound;
}

bool vt_chance(unsigned int percent)
{
	return vt_below(100) < percent;
}

void vt_fill(void *p, size_t len)
{
	uint8_t *to = p;
	uint64_t word;

	for (; len >= sizeof(word); len -= sizeof(word), to += sizeof(word)) {
		word = vt_rand();
		memcpy(to, &word, sizeof(word));
	}
	word = vt_rand();
	memcpy(to, &word, len);
}

/* @edge - 1, @edge or @edge + 1. */
static size_t around(size_t edge)
{
	return edge + vt_below(3) - 1;
}

/* A random length up to @max, often near 0 or near a multiple of @mtu or of 4096. */
size_t vt_length(size_t max, size_t mtu)
{
	size_t len;

	switch (vt_below(8)) {
	case 0:
		len = vt_below(3);
		break;
	case 1:
		len = vt_below(128);
		break;
	case 2:
		len = around(mtu * (1 + vt_below(4)));
		break;
	case 3:
		len = around(4096 * (1 + vt_below(4)));
		break;
	case 4:
		len = around(mtu * (14 + vt_below(5)));
		break;
	case 5:
		len = vt_below(64 * KIB);
		break;
	case 6:
		len = vt_below(8192);
		break;
	default:
		len = vt_chance(25) ? vt_below(max + 1) : vt_below(16 * KIB);
	}
	return len > max ? max : len;
}
