// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Measures nopin, rxe and siw in turns, and writes the result as JSON. */
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>

#include "perf.h"

static const struct {
	const char *name;
	void (*measure)(const struct perf_run *run);
} subjects[] = {
	{ "limits", perf_limits },
	{ "bandwidth", perf_bandwidth },
	{ "latency", perf_latency },
	{ "services", perf_services },
	{ "cpu", perf_cpu },
	{ "scaling", perf_scaling },
	{ "registration", perf_registration },
	{ "cold", perf_cold },
};

static struct perf_nic nopin, rxe, siw;

static void usage(const char *name)
{
	printf("usage: %s --nopin [NETNS:]DEV,[NETNS:]DEV [OPTION]...\n"
	       "  --rxe DEV,DEV           the kernel's rdma_rxe, over a wire of its own\n"
	       "  --siw DEV@ADDR,DEV@ADDR the kernel's siw\n"
	       "  --missing NIC=REASON    why one of them is not here\n"
	       "  --only GLOB             subjects:", name);
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		printf(" %s", subjects[i].name);
	printf("\n"
	       "  --sample MS             how long a sample takes (default: 150)\n"
	       "  --repeats N             samples of each point (default: 5)\n"
	       "  --quick                 fewer configurations\n"
	       "  --label TEXT            what the machine is called in the result\n"
	       "  --output FILE           where the result goes (default: result.json)\n");
}

static void add_side(struct perf_run *run, const char *name, struct perf_nic *nic,
		     enum vt_kind kind)
{
	struct perf_side *side = &run->side[run->num_sides++];

	side->name = name;
	side->kind = kind;
	side->nic = nic->name ? nic : NULL;
	side->by_kind = nic == &nopin;
	if (!side->missing)
		side->missing = "not given";
}

static void open_nic(struct perf_nic *nic, const char *name, const char *spec)
{
	if (perf_nic_open(nic, name, spec))
		vt_fail("%s: %s", name, perf_why());
}

/* Parse NIC=REASON. The sides are in the order nopin (3 sides), rxe, siw. */
static void missing(struct perf_run *run, const char *text)
{
	const char *reason = strchr(text, '=');

	if (reason && !strncmp(text, "rxe", 3))
		run->side[3].missing = reason + 1;
	else if (reason && !strncmp(text, "siw", 3))
		run->side[4].missing = reason + 1;
}

struct options {
	const char *only, *label, *output;
};

static void parse(int argc, char **argv, struct perf_run *run, struct options *opts)
{
	static const struct option options[] = {
		{ "nopin", required_argument, NULL, 'n' },
		{ "rxe", required_argument, NULL, 'x' },
		{ "siw", required_argument, NULL, 'w' },
		{ "missing", required_argument, NULL, 'm' },
		{ "only", required_argument, NULL, 'o' },
		{ "sample", required_argument, NULL, 's' },
		{ "repeats", required_argument, NULL, 'r' },
		{ "quick", no_argument, NULL, 'q' },
		{ "label", required_argument, NULL, 'l' },
		{ "output", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			open_nic(&nopin, "nopin", optarg);
			break;
		case 'x':
			open_nic(&rxe, "rxe", optarg);
			break;
		case 'w':
			open_nic(&siw, "siw", optarg);
			break;
		case 'm':
			missing(run, optarg);
			break;
		case 'o':
			opts->only = optarg;
			break;
		case 's':
			run->ns = vt_number(optarg, 1, 60000) * 1000000;
			break;
		case 'r':
			run->repeats = vt_number(optarg, 1, 1000000);
			break;
		case 'q':
			run->quick = true;
			break;
		case 'l':
			opts->label = optarg;
			break;
		case 'f':
			opts->output = optarg;
			break;
		case 'h':
			usage(argv[0]);
			exit(EXIT_SUCCESS);
		default:
			usage(argv[0]);
			exit(EXIT_FAILURE);
		}
	}
}

int main(int argc, char **argv)
{
	struct perf_run run = { .ns = 150000000, .repeats = 5 };
	struct options opts = { .only = "*", .label = "machine", .output = "result.json" };

	bool measured = false;

	setvbuf(stderr, NULL, _IOLBF, 0);
	parse(argc, argv, &run, &opts);
	if (!nopin.name) {
		usage(argv[0]);
		return EXIT_FAILURE;
	}
	run.nopin = &nopin;
	add_side(&run, "nopin pinned", &nopin, VT_PINNED);
	add_side(&run, "nopin ODP", &nopin, VT_ODP);
	add_side(&run, "nopin implicit", &nopin, VT_IMPLICIT);
	add_side(&run, "rxe", &rxe, VT_PINNED);
	add_side(&run, "siw", &siw, VT_PINNED);
	vt_reseed(vt_now_ns());
	perf_clock_init();
	perf_limits_init();
	perf_result_init(&run, opts.output, opts.label);
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		if (fnmatch(opts.only, subjects[i].name, FNM_EXTMATCH))
			continue;
		perf_progress("--- %s (%zu of %zu)", subjects[i].name, i + 1,
			      ARRAY_SIZE(subjects));
		subjects[i].measure(&run);
		perf_result_save();
		measured = true;
	}
	if (!measured)
		vt_fail("no subject matches %s", opts.only);
	return perf_all_good() ? EXIT_SUCCESS : EXIT_FAILURE;
}
