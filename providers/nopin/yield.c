// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Giving way, on a machine with one CPU.
 *
 * There, what a program waits for comes from another process that needs the CPU. So a
 * thread that polls a CQ in vain yields now and then.
 *
 * A thread that polls memory instead does not call the provider while it waits. It uses
 * up its time slice and is preempted before each answer. So after some doorbells look()
 * asks the kernel how often the thread was preempted, and the clock how long that took.
 * The thread seems to wait in vain if it was preempted with at least every other doorbell,
 * and a slice passed for each doorbell. As it may also have done other work in between,
 * for another device, each of the next doorbells is followed by a look. If all these looks
 * agree, the thread sleeps for a moment after each doorbell that follows, so that the
 * answer to what it has just sent can come. To yield once is not enough, as the scheduler
 * often returns at once to a thread that has had less than its share. A thread that does
 * not seem to wait is looked at rarely, as a look is two system calls.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "nopin.h"

/* Of so many polls in vain the last one yields. */
#define VAIN_POLLS	16u

/* Most doorbells from one look to the next: one at first, doubled while nothing is seen. */
#define LOOK_MOST	128u

/* Looks in a row at which the thread has to seem to wait in vain before it sleeps. */
#define LOOKS	5u

/* A thread that uses up its slices takes so long for each doorbell: a tick at HZ 1000. */
#define SLICE_NS	1000000ll

/* The number of doorbells after which a thread sleeps before it is looked at again. */
#define POLITE_BELLS	4096u

/**
 * struct nopin_manners - how a thread waits
 * @polite: doorbells to come after which it sleeps
 * @every: doorbells from one look to the next; 0: there has been no look yet
 * @bells: doorbells since the last look
 * @vain: number of looks in a row, up to the last, at which it seemed to wait in vain
 * @yields: how often it has yielded since the last look
 * @put_off: how often it had been preempted by the last look; a yield counts, too
 * @then: the time of the last look, in nanoseconds
 */
struct nopin_manners {
	uint32_t polite;
	uint32_t every;
	uint32_t bells;
	uint32_t vain;
	uint32_t yields;
	long put_off;
	long long then;
};

static __thread struct nopin_manners manners;

/**
 * nopin_yield_vain() - a poll of a CQ has found nothing, on a machine with one CPU
 * @vain: counts such polls of the CQ
 *
 * Not each of them yields, as a program may also poll between steps of its own work.
 *
 * Return: true if it yielded, so that there may be a completion now.
 */
bool nopin_yield_vain(uint32_t *vain)
{
	/* Threads may lose counts of each other, which does no harm. */
	uint32_t count = __atomic_load_n(vain, __ATOMIC_RELAXED) + 1;

	__atomic_store_n(vain, count, __ATOMIC_RELAXED);
	if (count % VAIN_POLLS)
		return false;
	manners.yields++;
	sched_yield();
	return true;
}

/*
 * True: the thread seems to wait in vain. Since the last look it was preempted, its own
 * yields not counted, with at least every other doorbell, and each took a slice or more.
 */
static bool look(void)
{
	struct timespec now;
	struct rusage usage = {};
	long times;
	long long ns;

	getrusage(RUSAGE_THREAD, &usage);
	times = usage.ru_nivcsw - manners.put_off - (long)manners.yields;
	manners.put_off = usage.ru_nivcsw;
	manners.yields = 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = now.tv_sec * 1000000000ll + now.tv_nsec - manners.then;
	manners.then += ns;
	return 2 * times >= (long)manners.bells && ns >= SLICE_NS * manners.bells;
}

/* Begin anew to count doorbells and to look. */
static void begin(void)
{
	look();
	manners.bells = 0;
	manners.vain = 0;
	manners.every = 1;
}

/* Look whether the thread waits in vain; decide what to do at the doorbells that follow. */
static void decide(void)
{
	if (!look()) {
		manners.vain = 0;
		if (manners.every < LOOK_MOST)
			manners.every *= 2;
	} else if (++manners.vain < LOOKS) {
		manners.every = 1;
	} else {
		manners.polite = POLITE_BELLS;
	}
	manners.bells = 0;
}

/* No cancellation point: the thread may have to say yet that it has paid (defer.c). */
static void nap(void)
{
	static const struct timespec moment = { .tv_nsec = 1 };
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	nanosleep(&moment, NULL);
	pthread_setcancelstate(state, NULL);
}

/**
 * nopin_yield_bell() - a doorbell was rung for sends, on a machine with one CPU
 */
void nopin_yield_bell(void)
{
	if (manners.polite) {
		nap();
		if (!--manners.polite)
			begin();
	} else if (!manners.every) {
		begin();
	} else if (++manners.bells >= manners.every) {
		decide();
	}
}
