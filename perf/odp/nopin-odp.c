// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* nopin-odp: measures what on-demand paging costs and saves, on any verbs device. */
#include <fnmatch.h>

#include "odp.h"

static void registration(void)
{
	odp_table_title("Registration", "of memory that is there, and of address space");
	perf_registration(&odp_opts.run);
}

/* Subjects that are not @alone have a peer, which may be a server. */
static const struct {
	const char *name;
	void (*measure)(void);
	bool alone;
} subjects[] = {
	{ "access", odp_access, false },
	{ "rate", odp_rate, false },
	{ "prefetch", odp_prefetch, true },
	{ "registration", registration, true },
	{ "memory", odp_memory, true },
	{ "damming", odp_damming, true },
	{ "flood", odp_flood, true },
	{ "overcommit", odp_overcommit, true },
};

void odp_subjects_usage(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		printf("%s%s", i ? ", " : "", subjects[i].name);
}

static void show_values(const struct perf_round *round)
{
	odp_table_values(round, 1e3, "usec");
}

static void show_devices(void)
{
	const struct perf_run *run = &odp_opts.run;

	for (size_t i = 0; i < run->num_sides; i++)
		printf(" %-16s: device %s, memory %s\n", run->side[i].name,
		       ibv_get_device_name(run->side[i].nic->dev[0].ctx->device),
		       vt_kind_name[run->side[i].kind]);
	if (!vt_kind_works(&run->nopin->dev[0], VT_ODP, 0))
		printf(" %s has no on-demand paging: what needs it is left out\n",
		       run->nopin->name);
}

static bool chosen(size_t i)
{
	if (fnmatch(odp_opts.only, subjects[i].name, FNM_EXTMATCH))
		return false;
	if (odp_opts.sock < 0 || !subjects[i].alone)
		return true;
	printf(" %s is about one machine: run it without HOST\n", subjects[i].name);
	return false;
}

static void measure(void)
{
	bool measured = false;

	show_devices();
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		if (!chosen(i))
			continue;
		perf_progress("--- %s (%zu of %zu)", subjects[i].name, i + 1,
			      ARRAY_SIZE(subjects));
		subjects[i].measure();
		perf_result_save();
		measured = true;
	}
	if (!measured)
		vt_fail("no subject to measure: %s", odp_opts.only);
}

int main(int argc, char **argv)
{
	setvbuf(stderr, NULL, _IOLBF, 0);
	vt_reseed(vt_now_ns());
	perf_clock_init();
	odp_options(argc, argv);
	odp_opts.run.show = show_values;
	if (odp_opts.server) {
		if (odp_serve(odp_opts.port, &odp_opts.run.nopin->dev[0]))
			vt_fail("%s", perf_why());
		return EXIT_SUCCESS;
	}
	perf_result_init(&odp_opts.run, odp_opts.json, odp_opts.label);
	measure();
	return odp_all_good() ? EXIT_SUCCESS : EXIT_FAILURE;
}
