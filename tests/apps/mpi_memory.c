// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A job whose ranks register much more memory than they use, as a job does that registers
 * its heap: each rank has a window, and the previous rank writes a part of it, step by
 * step.
 *
 * usage: mpi-memory MIB PERCENT MILLISECONDS
 *
 * The caller watches how much memory the job uses meanwhile. Each byte written is compared;
 * then rank 0 prints "mpi-memory: all values right".
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "values.h"

#define PIECE	65536
#define PLACES	4	/* the used part is spread over so many places */

static size_t len, part;	/* bytes of the window; bytes used at each place */
static uint8_t *mem, *piece;
static int rank, ranks;
static MPI_Win win;

/* Write the pieces from @from to @to, counted over all places. */
static void write_pieces(size_t from, size_t to)
{
	size_t each = part / PIECE;

	MPI_Win_fence(0, win);
	for (size_t i = from; i < to; i++) {
		fill(piece, PIECE, rank, i);
		MPI_Put(piece, PIECE, MPI_BYTE, (rank + 1) % ranks,
			i / each * (len / PLACES) + i % each * PIECE, PIECE, MPI_BYTE, win);
		/* The next round reuses the buffer. */
		MPI_Win_fence(0, win);
	}
}

static void check_pieces(size_t pieces)
{
	size_t each = part / PIECE;

	for (size_t i = 0; i < pieces; i++) {
		uint8_t *at = mem + i / each * (len / PLACES) + i % each * PIECE;

		if (wrong_at(at, PIECE, (rank + ranks - 1) % ranks, i) == PIECE)
			continue;
		fprintf(stderr, "rank %d: piece %zu is wrong\n", rank, i);
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
}

static void use(int ms)
{
	enum { STEPS = 10 };
	size_t pieces = PLACES * (part / PIECE);

	for (int i = 0; i < STEPS; i++) {
		write_pieces(pieces * i / STEPS, pieces * (i + 1) / STEPS);
		usleep(ms * 1000 / STEPS);
	}
	check_pieces(pieces);
}

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (argc != 4) {
		fprintf(stderr, "usage: mpi-memory MIB PERCENT MILLISECONDS\n");
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	len = strtoul(argv[1], NULL, 0) << 20;
	part = len / PLACES * strtoul(argv[2], NULL, 0) / 100 / PIECE * PIECE;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	piece = malloc(PIECE);
	if (mem == MAP_FAILED || !piece)
		MPI_Abort(MPI_COMM_WORLD, 2);
	MPI_Win_create(mem, len, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	use(atoi(argv[3]));
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_free(&win);
	munmap(mem, len);
	if (!rank)
		printf("mpi-memory: all values right\n");
	MPI_Finalize();
	return 0;
}
