// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The test runner: options, the order of tests, failing and skipping. */
#include <fnmatch.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "vt.h"

struct test_case {
	char *name;
	vt_fn fn;
	const void *arg;
};

static struct CMUnitTest *tests;
static size_t num_tests;
static const struct test_case *running;
static pid_t main_pid, main_tid;

/*
 * cmocka leaves a failed or skipped test by longjmp(), which only cmocka's own thread may do.
 * A child process, or another thread, says why and ends the process.
 */
static bool is_cmockas(void)
{
	return getpid() == main_pid && gettid() == main_tid;
}

void vt_die(const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!is_cmockas()) {
		fprintf(stderr, "%s:%d: %s\n", file, line, text);
		_exit(EXIT_FAILURE);
	}
	print_error("fail: %s: %s\n", running ? running->name : "?", text);
	_fail(file, line);
	abort();
}

void vt_skip(const char *fmt, ...)
{
	va_list args;

	printf("skip: %s: ", running->name);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	if (!is_cmockas())
		_exit(EXIT_FAILURE);
	skip();
	abort();
}

void vt_note(const char *fmt, ...)
{
	va_list args;

	printf("note: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(EXIT_FAILURE);
}

static void on_alarm(int sig)
{
	(void)sig;
	say("hangs: ");
	say(running ? running->name : "?");
	say("\n");
	_exit(EXIT_FAILURE);
}

/* Each test has a seed of its own, so that a test run alone does the same as in a full run. */
static uint64_t seed_of(const char *name)
{
	uint64_t hash = vt_opts.seed;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 0x100000001b3ULL;
	return hash;
}

static void run_case(void **state)
{
	running = *state;
	vt_reseed(seed_of(running->name));
	alarm(vt_opts.timeout * vt_slowness());
	running->fn(running->arg);
}

static int end_case(void **state)
{
	(void)state;
	vt_release_to(0);
	alarm(0);
	fflush(stdout);
	return 0;
}

/* Add one test; @fmt gives its name. */
void vt_test(vt_fn fn, const void *arg, const char *fmt, ...)
{
	struct test_case *test = calloc(1, sizeof(*test));
	va_list args;

	tests = realloc(tests, (num_tests + 1) * sizeof(*tests));
	if (!tests || !test)
		abort();
	va_start(args, fmt);
	if (vasprintf(&test->name, fmt, args) < 0)
		abort();
	va_end(args);
	test->fn = fn;
	test->arg = arg;
	tests[num_tests++] = (struct CMUnitTest){
		.name = test->name,
		.test_func = run_case,
		.teardown_func = end_case,
		.initial_state = test,
	};
}

static void free_tests(void)
{
	for (size_t i = 0; i < num_tests; i++) {
		struct test_case *test = tests[i].initial_state;

		free(test->name);
		free(test);
	}
	free(tests);
}

static void usage(const char *name)
{
	printf("usage: %s [OPTION]...\n%s"
	       "  --rounds N            make random tests N times as long\n"
	       "  --timeout SECONDS     for one test (default: 300)\n"
	       "  --only PATTERN        tests whose name matches (* and ?)\n"
	       "  --list                names of the tests\n", name, vt_options_usage);
}

static void list_tests(void)
{
	for (size_t i = 0; i < num_tests; i++)
		printf("%s\n", tests[i].name);
}

/* So that a test that is renamed does not silently drop out of a script. */
static void filter_tests(const char *pattern)
{
	size_t i = 0;

	while (i < num_tests && fnmatch(pattern, tests[i].name, 0))
		i++;
	if (i == num_tests) {
		fprintf(stderr, "no test is called %s\n", pattern);
		exit(EXIT_FAILURE);
	}
	cmocka_set_test_filter(pattern);
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		VT_OPTIONS,
		{ "rounds", required_argument, NULL, 'r' },
		{ "timeout", required_argument, NULL, 't' },
		{ "only", required_argument, NULL, 'o' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (vt_option(c, optarg))
			continue;
		switch (c) {
		case 'r':
			vt_opts.rounds = vt_number(optarg, 1, 1000000);
			break;
		case 't':
			vt_opts.timeout = vt_number(optarg, 1, 1000000);
			break;
		case 'o':
			filter_tests(optarg);
			break;
		case 'l':
			list_tests();
			exit(EXIT_SUCCESS);
		case 'h':
			usage(argv[0]);
			exit(EXIT_SUCCESS);
		default:
			usage(argv[0]);
			exit(EXIT_FAILURE);
		}
	}
}

/* Add the tests, run them, and return the exit status for main(). */
int vt_main(int argc, char **argv, void (*add_tests)(void))
{
	const char *name = strrchr(argv[0], '/');
	int failed;

	main_pid = getpid();
	main_tid = gettid();
	setvbuf(stdout, NULL, _IOLBF, 0);
	vt_opts.seed = vt_now_ns() ^ (uint64_t)main_pid << 32;
	add_tests();
	parse_options(argc, argv);
	printf("seed: 0x%llx\n", (unsigned long long)vt_opts.seed);
	signal(SIGALRM, on_alarm);
	signal(SIGPIPE, SIG_IGN);
	vt_dev(0);
	vt_dev(1);
	failed = _cmocka_run_group_tests(name ? name + 1 : argv[0], tests,
					 num_tests, NULL, NULL);
	vt_devs_close();
	free_tests();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
