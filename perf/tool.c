// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Shared by nopin-perf and nopin-odp: reasons of failures, the clock, devices named by
 * options; and vt_die() and vt_skip() outside of tests. Within perf_try() they end the
 * function that is tried, elsewhere the program.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include "perf.h"

#define POLL_MAX	32

const char *const perf_path_name[PERF_PATHS] = { "local", "wire" };

/* --- why something failed --- */

static char why[256] = "unknown";
static bool lacking;

/* @args may have the reason so far, perf_why(). */
__attribute__((format(printf, 2, 0)))
static void set_why(bool lacks, const char *fmt, va_list args)
{
	char text[sizeof(why)];

	vsnprintf(text, sizeof(text), fmt, args);
	strcpy(why, text);
	lacking = lacks;
}

int perf_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_why(false, fmt, args);
	va_end(args);
	return -1;
}

int perf_lacks(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_why(true, fmt, args);
	va_end(args);
	return -1;
}

const char *perf_why(void)
{
	return why;
}

/* Is the last reason something that this machine or device does not support? */
bool perf_is_lacking(void)
{
	return lacking;
}

/* --- attempts --- */

static jmp_buf *attempt;
static pthread_t attempting;

/* Objects made by @fn are released with the caller's others, even if @fn is ended. */
int perf_try(int (*fn)(void *arg), void *arg)
{
	volatile int err = -1;
	jmp_buf here;

	attempt = &here;
	attempting = pthread_self();
	if (!setjmp(here))
		err = fn(arg);
	attempt = NULL;
	return err;
}

__noreturn
static void give_up(void)
{
	if (attempt && pthread_equal(attempting, pthread_self()))
		longjmp(*attempt, 1);
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, why);
	_exit(EXIT_FAILURE);
}

void vt_die(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	(void)file;
	(void)line;
	va_start(args, fmt);
	set_why(false, fmt, args);
	va_end(args);
	give_up();
}

void vt_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_why(true, fmt, args);
	va_end(args);
	give_up();
}

void vt_note(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "      ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

/* --- the clock --- */

static double ns_per_tick;
static uint64_t tick_base;

static uint64_t ticks(void)
{
#ifdef __x86_64__
	return __rdtsc();
#else
	return vt_now_ns();
#endif
}

/*
 * Calibrate the CPU's time stamp counter: clock_gettime() may be a system call, which may
 * take longer than the time to measure.
 */
void perf_clock_init(void)
{
	uint64_t ns = vt_now_ns(), now;

	tick_base = ticks();
	vt_sleep_ms(50);
	now = ticks();
	ns_per_tick = (double)(vt_now_ns() - ns) / (now - tick_base);
}

uint64_t perf_now(void)
{
	return (ticks() - tick_base) * ns_per_tick;
}

/* --- completions --- */

/* Poll; returns the number of completions, -1 if one is an error. */
int perf_completion(struct ibv_cq *cq, int max)
{
	struct ibv_wc wc[POLL_MAX];
	int got = ibv_poll_cq(cq, max < POLL_MAX ? max : POLL_MAX, wc);

	if (got < 0)
		return perf_fail("poll_cq fails");
	for (int i = 0; i < got; i++)
		if (wc[i].status != IBV_WC_SUCCESS)
			return perf_fail("%s", ibv_wc_status_str(wc[i].status));
	return got;
}

/* Wait for @num completions, all successful. */
int perf_wait(struct ibv_cq *cq, unsigned int num)
{
	uint64_t last = perf_now();
	int got;

	while (num) {
		got = perf_completion(cq, num);
		if (got < 0)
			return -1;
		num -= got;
		if (got) {
			last = perf_now();
			continue;
		}
		sched_yield();
		if (perf_now() - last > PERF_SILENCE_NS)
			return perf_fail("no completion within %llu s",
					 PERF_SILENCE_NS / 1000000000);
	}
	return 0;
}

/* --- devices --- */

/* Open [NETNS:]NAME as one end of @nic. */
void perf_nic_roce(struct perf_nic *nic, int i, const char *spec)
{
	const char *colon = strchr(spec, ':');
	struct vt_dev *dev = &nic->dev[i];

	vt_dev_open(dev, spec);
	if (colon)
		snprintf(nic->netns[i], sizeof(nic->netns[i]), "%.*s",
			 (int)(colon - spec), spec);
	nic->addr[i].sin_family = AF_INET;
	memcpy(&nic->addr[i].sin_addr, dev->gid.raw + 12, 4);
}

/* Limit @attr to what both devices support. */
void perf_attr_fit(struct rc_attr *attr, const struct vt_dev *a, const struct vt_dev *b)
{
	unsigned int mtu = a->port.active_mtu < b->port.active_mtu ?
			   a->port.active_mtu : b->port.active_mtu;

	attr->mtu = 128U << mtu;
	if (attr->rd_atomic > a->attr.orig_attr.max_qp_rd_atom)
		attr->rd_atomic = a->attr.orig_attr.max_qp_rd_atom;
}
