// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The random model test: its options and its run. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chaos.h"

#define CHECK_EVERY	40	/* steps between two checks of all memory */

struct chaos_opts chaos_opts = { .seconds = 60, .crew = 3 };
struct chaos *chaos;

static void usage(const char *name)
{
	printf("usage: %s [OPTION]...\n"
	       "Random verbs operations of several processes against random memory\n"
	       "management, checked against a model. The processes 0, 2, ... are end a.\n%s"
	       "  --steps N             end after so many steps\n"
	       "  --seconds N           end after so long a time of steps (default: 60)\n"
	       "  --processes N         1 to %d (default: 3)\n"
	       "  --pin                 pinned regions too\n"
	       "  --faults              the kernel injects faults: calls may fail\n"
	       "  --verbose             tell everything that is drawn\n",
	       name, vt_options_usage, CREW_MAX);
}

static void option(int c, const char *name)
{
	if (vt_option(c, optarg))
		return;
	switch (c) {
	case 'n':
		chaos_opts.steps = vt_number(optarg, 1, ~0UL);
		break;
	case 't':
		chaos_opts.seconds = vt_number(optarg, 1, 1000000);
		break;
	case 'c':
		chaos_opts.crew = vt_number(optarg, 1, CREW_MAX);
		break;
	case 'i':
		chaos_opts.pin = true;
		break;
	case 'f':
		chaos_opts.faults = true;
		break;
	case 'v':
		chaos_opts.verbose = true;
		break;
	default:
		usage(name);
		exit(c == 'h' ? EXIT_SUCCESS : EXIT_FAILURE);
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		VT_OPTIONS,
		{ "steps", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 't' },
		{ "processes", required_argument, NULL, 'c' },
		{ "pin", no_argument, NULL, 'i' },
		{ "faults", no_argument, NULL, 'f' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		option(c, argv[0]);
	if (optind < argc) {
		usage(argv[0]);
		exit(EXIT_FAILURE);
	}
}

static bool is_over(uint64_t end)
{
	if (chaos_opts.steps)
		return chaos_step >= chaos_opts.steps;
	return vt_now_ms() >= end;
}

static void run(void)
{
	uint64_t end;

	crew_start();
	step_first();
	end = vt_now_ms() + chaos_opts.seconds * 1000ULL;
	for (; !is_over(end); chaos_step++) {
		if (chaos_step && chaos_step % CHECK_EVERY == 0)
			step_check_all();
		step_run();
	}
	step_check_all();
	crew_end();
}

int main(int argc, char **argv)
{
	uint64_t begun = vt_now_ms();

	setvbuf(stdout, NULL, _IOLBF, 0);
	vt_opts.seed = vt_now_ns() ^ (uint64_t)getpid() << 32;
	parse_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	printf("seed: %#llx\n", (unsigned long long)vt_opts.seed);
	chaos = mmap(NULL, sizeof(*chaos), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (chaos == MAP_FAILED) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	vt_reseed(vt_opts.seed);
	chaos_step = 0;
	run();
	log_summary();
	printf("done in %llu s\n", (unsigned long long)(vt_now_ms() - begun) / 1000);
	return EXIT_SUCCESS;
}
