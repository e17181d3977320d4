// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The options that every program has. */
#include <stdio.h>

#include "rc.h"

struct rc_opts rc_opts = { .gid_index = -1, .rounds = 1, .timeout = 300 };

const char rc_options_usage[] =
	"  --device [NETNS:]DEV  device of end a (default: the first)\n"
	"  --peer [NETNS:]DEV    device of end b (default: the same)\n"
	"  --gid INDEX           GID index (default: the first RoCEv2 one)\n"
	"  --seed N              replay a run\n";

/* A whole number and nothing behind it; otherwise the program ends. */
unsigned long rc_number(const char *text, unsigned long min, unsigned long max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || *end || end == text || value < min || value > max) {
		fprintf(stderr, "not a number from %lu to %lu: %s\n", min, max, text);
		exit(EXIT_FAILURE);
	}
	return value;
}

/* False: @c is none of RC_OPTIONS. */
bool rc_option(int c, const char *arg)
{
	switch (c) {
	case 'd':
		rc_opts.device = arg;
		return true;
	case 'p':
		rc_opts.peer = arg;
		return true;
	case 'g':
		rc_opts.gid_index = rc_number(arg, 0, 255);
		return true;
	case 's':
		rc_opts.seed = rc_number(arg, 0, ~0UL);
		return true;
	default:
		return false;
	}
}
