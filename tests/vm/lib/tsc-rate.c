// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Prints how many times in a microsecond the CPU's time stamp counter ticks, as seen
 * by the system's clock: the "cpu MHz" of a guest whose programs time with it. The
 * host's own line is the clock of a core, which is another one and changes.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct sample {
	double us;
	uint64_t ticks;
};

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

/* The reading of both clocks that took the shortest: nothing came in between. */
static struct sample both(void)
{
	struct sample best = { 0, 0 };
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < 50; i++) {
		uint64_t before = __rdtsc();
		double us = now_us();
		uint64_t after = __rdtsc();

		if (after - before < shortest) {
			shortest = after - before;
			best = (struct sample){ us, before + (after - before) / 2 };
		}
	}
	return best;
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 20000000 };
	struct sample begin = both(), end;

	nanosleep(&pause, NULL);
	end = both();
	printf("%.3f\n", (double)(end.ticks - begin.ticks) / (end.us - begin.us));
	return 0;
}
