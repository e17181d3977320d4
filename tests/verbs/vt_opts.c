// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The options that every program has. */
#include <stdio.h>

#include "vt.h"

struct vt_opts vt_opts = { .port = 1, .gid_index = -1, .rounds = 1, .timeout = 300 };

const char vt_options_usage[] =
	"  --device [NETNS:]DEV  device of end a (default: the first)\n"
	"  --peer [NETNS:]DEV    device of end b (default: the same)\n"
	"  --gid INDEX           GID index (default: the first RoCEv2 one)\n"
	"  --seed N              replay a run\n";

/* Parse a whole number from @min to @max; the program exits if @text is anything else. */
unsigned long vt_number(const char *text, unsigned long min, unsigned long max)
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

/* Apply one option; returns false if @c is not one of VT_OPTIONS. */
bool vt_option(int c, const char *arg)
{
	switch (c) {
	case 'd':
		vt_opts.device = arg;
		return true;
	case 'p':
		vt_opts.peer = arg;
		return true;
	case 'g':
		vt_opts.gid_index = vt_number(arg, 0, 255);
		return true;
	case 's':
		vt_opts.seed = vt_number(arg, 0, ~0UL);
		return true;
	default:
		return false;
	}
}
