// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The run itself: options, one test after the other, failing, cleaning up. */
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
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

static struct deferred {
	void (*release)(void *obj);
	void *obj;
} *deferred;
static size_t num_deferred;

/* Release @obj after the test, in reverse order. */
void vt_defer(void (*release)(void *obj), void *obj)
{
	deferred = realloc(deferred, (num_deferred + 1) * sizeof(*deferred));
	if (!deferred)
		abort();
	deferred[num_deferred++] = (struct deferred){ release, obj };
}

/* What was to happen to @obj; it is the caller's now. */
static struct deferred take_deferred(void *obj)
{
	size_t i = num_deferred;

	while (i-- > 0) {
		struct deferred found = deferred[i];

		if (found.obj != obj)
			continue;
		memmove(&deferred[i], &deferred[i + 1],
			(--num_deferred - i) * sizeof(*deferred));
		return found;
	}
	vt_fail("released what was never made");
}

/* Release @obj now. */
void vt_release(void *obj)
{
	take_deferred(obj).release(obj);
}

/* The test itself will have released @obj. */
void vt_forget(void *obj)
{
	take_deferred(obj);
}

size_t vt_mark(void)
{
	return num_deferred;
}

/* Release what was made since vt_mark() gave @mark. */
void vt_release_to(size_t mark)
{
	while (num_deferred > mark) {
		struct deferred last = deferred[--num_deferred];

		last.release(last.obj);
	}
}

/*
 * cmocka leaves a failed test by longjmp(), which only its own thread may do.
 * A child or another thread says what is wrong and ends its process.
 */
void vt_die(const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (getpid() != main_pid || gettid() != main_tid) {
		fprintf(stderr, "%s:%d: %s\n", file, line, text);
		_exit(EXIT_FAILURE);
	}
	print_error("%s\n", text);
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

/* Each test has a seed of its own, so that it replays alone as in the run. */
static uint64_t seed_of(const char *name)
{
	uint64_t hash = vt_opts.seed;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 0x100000001b3ULL;
	return hash;
}

/* Kernels that look at every access take many times as long. */
static unsigned int slowness(void)
{
	const char *patience = getenv("NOPIN_PATIENCE");
	int times = patience ? atoi(patience) : 1;

	return times > 0 ? times : 1;
}

/* How long to wait for what ought to come at once. */
unsigned int vt_patience_ms(void)
{
	return 30000 * slowness();
}

static void run_case(void **state)
{
	running = *state;
	vt_reseed(seed_of(running->name));
	alarm(vt_opts.timeout * slowness());
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

/* Add one test; @fmt makes its name. */
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
	free(deferred);
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
			cmocka_set_test_filter(optarg);
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

/* Add the tests, run them, and return what main() should. */
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

uint64_t vt_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

uint64_t vt_now_ms(void)
{
	return vt_now_ns() / 1000000;
}

void vt_sleep_ms(unsigned int ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

/* A field of /proc/self/status in KiB, -1 if there is none. */
long vt_status_kib(const char *field)
{
	FILE *f = fopen("/proc/self/status", "r");
	size_t len = strlen(field);
	long value = -1;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, len) && line[len] == ':')
			value = strtol(line + len + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/* Packets that the kernel dropped because a CPU's backlog was full, of all CPUs. */
uint64_t vt_backlog_drops(void)
{
	FILE *f = fopen("/proc/net/softnet_stat", "re");
	unsigned int dropped;
	uint64_t sum = 0;

	vt_require(f, "/proc/net/softnet_stat: %s", strerror(errno));
	while (fscanf(f, "%*x %x%*[^\n]", &dropped) == 1)
		sum += dropped;
	fclose(f);
	return sum;
}

/*
 * A child that dies of its signals, where cmocka would make them failures of the
 * test and go on with the next one, in the child. It leaves by _exit().
 */
int vt_fork(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS };
	pid_t pid = fork();

	vt_require(pid >= 0, "fork: %s", strerror(errno));
	for (size_t i = 0; !pid && i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_DFL);
	return pid;
}

/* The child's wait status, or -1 with the child killed after @ms. */
int vt_wait_child(int pid, unsigned int ms)
{
	uint64_t end = vt_now_ms() + ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (vt_now_ms() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		vt_sleep_ms(5);
	}
	return status;
}
