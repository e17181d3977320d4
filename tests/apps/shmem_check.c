// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * An OpenSHMEM program that checks every value that it receives: put and get of all sizes,
 * atomics on shared counters, and collectives. Needs two or more PEs.
 *
 * usage: shmem-check
 *
 * Prints a line "shmem-check: N PEs, all values right" at the end.
 */
#include <shmem.h>
#include <stdio.h>
#include <string.h>

#include "values.h"

#define MAX_LEN		(1 << 20)
#define ROUNDS		50
#define COUNT		64	/* values of each PE in a collective */
#define MOST		64	/* PEs */

static int me, pes, next, last;

/* All static variables are symmetric objects. */
static long counter, word, ticket_seen[MOST * ROUNDS];
static long sums[COUNT], sums_work[SHMEM_REDUCE_MIN_WRKDATA_SIZE + COUNT];
static long sync_area[SHMEM_REDUCE_SYNC_SIZE], collect_sync[SHMEM_COLLECT_SYNC_SIZE];
static uint64_t mine[COUNT], all[COUNT * MOST];

static void fail(const char *what, int from, size_t where, uint64_t want, uint64_t got)
{
	fprintf(stderr, "PE %d: %s, from PE %d, at %zu: want %#llx, got %#llx\n", me, what, from,
		where, (unsigned long long)want, (unsigned long long)got);
	shmem_global_exit(1);
}

static void check(const char *what, const uint8_t *buf, size_t len, int from,
		  unsigned int round)
{
	size_t i = wrong_at(buf, len, from, round);

	if (i < len)
		fail(what, from, i, value_byte(from, round, i), buf[i]);
}

static void *room(size_t len)
{
	void *mem = shmem_malloc(len);

	if (!mem)
		shmem_global_exit(2);
	return mem;
}

/* Put to the next PE and get back; lengths around each power of four, at odd addresses. */
static void put_and_get(void)
{
	uint8_t *out = room(MAX_LEN + 8), *in = room(MAX_LEN + 8), *back = room(MAX_LEN + 8);
	unsigned int round = 0;

	for (int size = 4; size <= MAX_LEN; size *= 4)
		for (int len = size - 1; len <= size + 1 && len <= MAX_LEN; len++, round++) {
			unsigned int odd = value(0, round, 0) % 8;

			fill(out + odd, len, me, round);
			shmem_putmem(in + odd, out + odd, len, next);
			shmem_quiet();
			shmem_getmem(back + odd, in + odd, len, next);
			check("get", back + odd, len, me, round);
			shmem_barrier_all();
			check("put", in + odd, len, last, round);
			shmem_barrier_all();
		}
	shmem_free(back);
	shmem_free(in);
	shmem_free(out);
}

/* A flag that is set after the data: when it is seen the data must be there. */
static void signals(void)
{
	uint8_t *out = room(4096), *in = room(4096);

	for (int i = 1; i <= ROUNDS; i++) {
		fill(out, 4096, me, i);
		shmem_putmem(in, out, 4096, next);
		shmem_fence();
		shmem_long_p(&word, i, next);
		shmem_long_wait_until(&word, SHMEM_CMP_GE, i);
		check("signalled", in, 4096, last, i);
		shmem_barrier_all();
	}
	shmem_free(in);
	shmem_free(out);
}

/* All PEs draw tickets: each number must be drawn exactly once. */
static void tickets(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		long ticket = shmem_long_atomic_fetch_add(&counter, 1, 0);

		if (ticket < 0 || ticket >= (long)pes * ROUNDS)
			fail("fetch_add", 0, i, 0, ticket);
		shmem_long_atomic_inc(&ticket_seen[ticket], 0);
	}
	shmem_barrier_all();
	for (int i = 0; !me && i < pes * ROUNDS; i++)
		if (ticket_seen[i] != 1)
			fail("ticket", -1, i, 1, ticket_seen[i]);
}

/* A counter that only the holder of a lock changes, with a get and a put. */
static void lock_by_swap(void)
{
	long before;

	word = 0;
	counter = 0;
	shmem_barrier_all();
	for (int i = 0; i < ROUNDS; i++) {
		while (shmem_long_atomic_compare_swap(&word, 0, me + 1, 0))
			;
		before = shmem_long_g(&counter, 0);
		shmem_long_p(&counter, before + 1, 0);
		shmem_quiet();
		before = shmem_long_atomic_swap(&word, 0, 0);
		if (before != me + 1)
			fail("lock", 0, i, me + 1, before);
	}
	shmem_barrier_all();
	if (!me && counter != (long)pes * ROUNDS)
		fail("counter", -1, 0, (long)pes * ROUNDS, counter);
}

static void collectives(void)
{
	for (size_t i = 0; i < COUNT; i++) {
		mine[i] = value(me, 5, i);
		sums[i] = me + i;
	}
	shmem_barrier_all();
	shmem_fcollect64(all, mine, COUNT, 0, 0, pes, collect_sync);
	for (size_t i = 0; i < (size_t)COUNT * pes; i++)
		if (all[i] != value(i / COUNT, 5, i % COUNT))
			fail("collect", i / COUNT, i, value(i / COUNT, 5, i % COUNT), all[i]);
	shmem_long_sum_to_all(sums, sums, COUNT, 0, 0, pes, sums_work, sync_area);
	for (size_t i = 0; i < COUNT; i++)
		if (sums[i] != (long)(pes * i + pes * (pes - 1) / 2))
			fail("sum", -1, i, pes * i + pes * (pes - 1) / 2, sums[i]);
}

int main(void)
{
	shmem_init();
	me = shmem_my_pe();
	pes = shmem_n_pes();
	next = (me + 1) % pes;
	last = (me + pes - 1) % pes;
	if (pes > MOST)
		shmem_global_exit(2);
	for (int i = 0; i < SHMEM_REDUCE_SYNC_SIZE; i++)
		sync_area[i] = SHMEM_SYNC_VALUE;
	for (int i = 0; i < SHMEM_COLLECT_SYNC_SIZE; i++)
		collect_sync[i] = SHMEM_SYNC_VALUE;
	shmem_barrier_all();
	put_and_get();
	signals();
	tickets();
	lock_by_swap();
	collectives();
	shmem_barrier_all();
	if (!me)
		printf("shmem-check: %d PEs, all values right\n", pes);
	shmem_finalize();
	return 0;
}
