// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Measures the speed of messages between two ranks, and compares each byte of the last
 * messages.
 *
 * usage: mpi-speed bandwidth|latency BYTES MILLISECONDS
 *
 * Prints the bandwidth in bytes per second, with up to eight messages in flight, or the
 * latency in microseconds: half a round trip.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLIGHT	8

/*
 * Rounds before the measurement. MPI libraries use thousands of buffers in turn, and each
 * is fresh memory at its first use.
 */
#define WARM	200

static uint8_t *mem[FLIGHT];
static int rank, size;

static uint8_t value(unsigned int round, size_t i)
{
	uint64_t x = (round + 1) * 0x9e3779b97f4a7c15ULL + i / 8 * 0xbf58476d1ce4e5b9ULL;

	return (x ^ x >> 29) >> i % 8 * 8;
}

static void fill(uint8_t *buf, unsigned int round)
{
	for (int i = 0; i < size; i++)
		buf[i] = value(round, i);
}

static void check(const uint8_t *buf, unsigned int round)
{
	for (int i = 0; i < size; i++) {
		if (buf[i] == value(round, i))
			continue;
		fprintf(stderr, "mpi-speed: byte %d of message %u is wrong\n", i, round);
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
}

/* Rank 0 sends a burst of messages; rank 1 answers when it has received all. */
static void burst(unsigned int round)
{
	MPI_Request requests[FLIGHT];
	char token = 0;

	for (int i = 0; i < FLIGHT; i++) {
		if (rank == 0)
			MPI_Isend(mem[i], size, MPI_BYTE, 1, round & 0x3fff, MPI_COMM_WORLD,
				  &requests[i]);
		else
			MPI_Irecv(mem[i], size, MPI_BYTE, 0, round & 0x3fff, MPI_COMM_WORLD,
				  &requests[i]);
	}
	MPI_Waitall(FLIGHT, requests, MPI_STATUSES_IGNORE);
	if (rank == 0)
		MPI_Recv(&token, 1, MPI_BYTE, 1, 0x7fff, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	else
		MPI_Send(&token, 1, MPI_BYTE, 0, 0x7fff, MPI_COMM_WORLD);
}

static void ping_pong(unsigned int round)
{
	(void)round;
	if (rank == 0) {
		MPI_Send(mem[0], size, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
		MPI_Recv(mem[0], size, MPI_BYTE, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	} else {
		MPI_Recv(mem[0], size, MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Send(mem[0], size, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
	}
}

/* The rounds per second that rank 0 measures; it tells rank 1 the number of rounds. */
static double rate(void (*step)(unsigned int round), double seconds)
{
	unsigned int rounds;
	double begun = MPI_Wtime(), took;

	for (unsigned int i = 0; i < WARM; i++)
		step(i);
	took = MPI_Wtime() - begun;
	rounds = WARM + seconds * WARM / took;
	MPI_Bcast(&rounds, 1, MPI_UNSIGNED, 0, MPI_COMM_WORLD);
	begun = MPI_Wtime();
	for (unsigned int i = 0; i < rounds; i++)
		step(i);
	return rounds / (MPI_Wtime() - begun);
}

int main(int argc, char **argv)
{
	int latency, ranks;
	double rounds;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (argc != 4 || ranks != 2 || atoi(argv[2]) <= 0) {
		fprintf(stderr, "usage: mpi-speed bandwidth|latency BYTES MILLISECONDS, 2 ranks\n");
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	latency = !strcmp(argv[1], "latency");
	size = atoi(argv[2]);
	for (int i = 0; i < FLIGHT; i++) {
		mem[i] = malloc(size);
		if (!mem[i])
			MPI_Abort(MPI_COMM_WORLD, 2);
		memset(mem[i], 0, size);
		if (rank == 0)
			fill(mem[i], i);
	}
	rounds = rate(latency ? ping_pong : burst, atoi(argv[3]) / 1e3);
	for (int i = 0; i < (latency ? 1 : FLIGHT); i++)
		check(mem[i], i);
	if (rank == 0)
		printf("mpi-speed: %.6g\n",
		       latency ? 1e6 / rounds / 2 : rounds * FLIGHT * (double)size);
	MPI_Finalize();
	return 0;
}
