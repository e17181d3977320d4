// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * An MPI program that checks every value that it receives: messages of all sizes,
 * collectives, and one-sided operations. Needs two or more ranks.
 *
 * usage: mpi-check [SEED]
 *
 * Prints a line "mpi-check: N ranks, all values right" at the end. A wrong value aborts the
 * whole job, with a line that says where.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

#define MAX_LEN		(1 << 20)
#define COUNT		1024	/* 64-bit values of each rank in a window */
#define ROUNDS		64

static int rank, ranks;

static void fail(const char *what, int from, size_t where, uint64_t want, uint64_t got)
{
	fprintf(stderr, "rank %d: %s, from rank %d, at %zu: want %#llx, got %#llx\n", rank,
		what, from, where, (unsigned long long)want, (unsigned long long)got);
	MPI_Abort(MPI_COMM_WORLD, 1);
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
	void *mem = calloc(1, len);

	if (!mem)
		MPI_Abort(MPI_COMM_WORLD, 1);
	return mem;
}

/* Every rank sends to the next one, at odd addresses: lengths around each power of four. */
static void messages(void)
{
	int next = (rank + 1) % ranks, last = (rank + ranks - 1) % ranks;
	uint8_t *out = room(MAX_LEN + 8), *in = room(MAX_LEN + 8);
	MPI_Status status;
	unsigned int round = 0;
	int got;

	for (int size = 1; size <= MAX_LEN; size *= 4)
		for (int len = size - 1; len <= size + 1 && len <= MAX_LEN; len++, round++) {
			unsigned int odd = value(0, round, 0) % 8;

			fill(out + odd, len, rank, round);
			MPI_Sendrecv(out + odd, len, MPI_BYTE, next, round, in + odd, MAX_LEN,
				     MPI_BYTE, last, round, MPI_COMM_WORLD, &status);
			MPI_Get_count(&status, MPI_BYTE, &got);
			if (got != len)
				fail("length", last, round, len, got);
			check("message", in + odd, len, last, round);
		}
	free(out);
	free(in);
}

/* Many messages at a time, received in another order than sent. */
static void crowd(void)
{
	int next = (rank + 1) % ranks, last = (rank + ranks - 1) % ranks;
	enum { N = 32, LEN = 20000 };
	uint8_t *out = room(N * LEN), *in = room(N * LEN);
	MPI_Request request[2 * N];
	MPI_Status status[2 * N];

	for (int i = 0; i < N; i++)
		MPI_Irecv(in + i * LEN, LEN, MPI_BYTE, last, N - i, MPI_COMM_WORLD, &request[i]);
	for (int i = 0; i < N; i++) {
		fill(out + i * LEN, LEN, rank, N - i);
		MPI_Isend(out + i * LEN, LEN, MPI_BYTE, next, N - i, MPI_COMM_WORLD,
			  &request[N + i]);
	}
	MPI_Waitall(2 * N, request, status);
	for (int i = 0; i < N; i++)
		check("one of many", in + i * LEN, LEN, last, N - i);
	free(out);
	free(in);
}

static void collectives(void)
{
	for (size_t len = 1; len <= 1 << 16; len *= 16) {
		uint8_t *out = room(len * ranks), *in = room(len * ranks);
		uint64_t sum = 0, mine = value(rank, 7, len), all;

		for (int to = 0; to < ranks; to++)
			fill(out + to * len, len, rank, to);
		MPI_Alltoall(out, len, MPI_BYTE, in, len, MPI_BYTE, MPI_COMM_WORLD);
		for (int from = 0; from < ranks; from++)
			check("alltoall", in + from * len, len, from, rank);
		MPI_Allreduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
		for (int from = 0; from < ranks; from++)
			sum += value(from, 7, len);
		if (all != sum)
			fail("allreduce", -1, len, sum, all);
		fill(out, len, rank, 9);
		MPI_Bcast(out, len, MPI_BYTE, ranks - 1, MPI_COMM_WORLD);
		check("broadcast", out, len, ranks - 1, 9);
		free(out);
		free(in);
	}
}

/* Put to the next rank, get the data back, and check what the previous rank put here. */
static void put_and_get(MPI_Win win, uint64_t *mem)
{
	int next = (rank + 1) % ranks, last = (rank + ranks - 1) % ranks;
	uint64_t *out = room(COUNT * 8), *back = room(COUNT * 8);

	for (size_t i = 0; i < COUNT; i++)
		out[i] = value(rank, 11, i);
	MPI_Win_fence(0, win);
	MPI_Put(out, COUNT, MPI_UINT64_T, next, 0, COUNT, MPI_UINT64_T, win);
	MPI_Win_fence(0, win);
	MPI_Get(back, COUNT, MPI_UINT64_T, next, 0, COUNT, MPI_UINT64_T, win);
	MPI_Win_fence(0, win);
	for (size_t i = 0; i < COUNT; i++) {
		if (back[i] != out[i])
			fail("get", next, i, out[i], back[i]);
		if (mem[i] != value(last, 11, i))
			fail("put", last, i, value(last, 11, i), mem[i]);
	}
	free(out);
	free(back);
}

/* All ranks add to the same counters; each counter must then hold the sum. */
static void add_together(MPI_Win win, uint64_t *mem)
{
	uint64_t one = 1, *ones = room(COUNT * 8), old, before = 0;

	memset(mem, 0, COUNT * 8);
	for (size_t i = 0; i < COUNT; i++)
		ones[i] = i + 1;
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock_all(0, win);
	for (int to = 0; to < ranks; to++)
		MPI_Accumulate(ones, COUNT - 1, MPI_UINT64_T, to, 0, COUNT - 1, MPI_UINT64_T,
			       MPI_SUM, win);
	for (int i = 0; i < ROUNDS; i++) {
		MPI_Fetch_and_op(&one, &old, MPI_UINT64_T, 0, COUNT - 1, MPI_SUM, win);
		MPI_Win_flush(0, win);
		if (i && old <= before)
			fail("fetch_and_op", 0, i, before + 1, old);
		before = old;
	}
	MPI_Win_unlock_all(win);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, win);
	for (size_t i = 0; i < COUNT - 1; i++)
		if (mem[i] != (i + 1) * ranks)
			fail("accumulate", -1, i, (i + 1) * ranks, mem[i]);
	if (!rank && mem[COUNT - 1] != (uint64_t)ROUNDS * ranks)
		fail("counter", -1, 0, (uint64_t)ROUNDS * ranks, mem[COUNT - 1]);
	MPI_Win_unlock(rank, win);
	free(ones);
}

static void one_sided(void)
{
	uint64_t *mem;
	MPI_Win win;

	MPI_Win_allocate(COUNT * 8, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &mem, &win);
	memset(mem, 0, COUNT * 8);
	put_and_get(win, mem);
	add_together(win, mem);
	MPI_Win_free(&win);
}

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	messages();
	crowd();
	collectives();
	one_sided();
	MPI_Barrier(MPI_COMM_WORLD);
	if (!rank)
		printf("mpi-check: %d ranks, all values right\n", ranks);
	return MPI_Finalize();
}
