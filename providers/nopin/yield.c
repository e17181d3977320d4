// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Giving way, on a machine with one CPU.
 *
 * What a program waits for comes there from another one that needs the CPU, so who polls
 * a CQ in vain yields now and then.
 *
 * Who looks at memory instead is not seen to wait: it uses up its time slice, and is put
 * off the CPU, before each answer. So after some doorbells the kernel is asked how often
 * this thread was put off, and the clock how long that took. Was it put off with every
 * other doorbell or more, and did a slice pass with each, this may also come of something
 * else that it did in between, for another device; so the next doorbells are looked at one
 * by one. When each of them was like that, the thread sleeps for a moment after each of
 * those that follow, in which the answer can come to what it has just sent; to yield once
 * is not enough, as the scheduler often comes back at once to who has had less than its
 * share. It is looked at rarely where this is not so, as a look is two system calls.
 */
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "nopin.h"

/* Polls in vain, of which the last yields. */
#define VAIN_POLLS	16u

/* Doorbells from one look to the next: one at first, more while nothing is seen. */
#define LOOK_MOST	128u

/* Looks in a row at what seems to wait in vain, before it does. */
#define LOOKS	5u

/* Nanoseconds between doorbells of who uses up its slices: a tick where HZ is 1000. */
#define SLICE_NS	1000000ll

/* Doorbells after which a thread sleeps before it is looked at again. */
#define POLITE_BELLS	4096u

/**
 * struct nopin_manners - of a thread
 * @polite: so many doorbells more it sleeps after
 * @every: doorbells from one look to the next
 * @bells: doorbells since the last look
 * @vain: looks, the last ones, at which it seemed to wait in vain
 * @yields: how often it yielded since then
 * @put_off: how often it had been put off the CPU by then; to yield counts, too
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
 * @vain: counts those of the CQ
 *
 * Not each of them yields, for a program may also poll between steps of work of its
 * own.
 *
 * Return: true if it is worth to poll again.
 */
bool nopin_yield_vain(uint32_t *vain)
{
	/* That threads may lose a count does no harm. */
	uint32_t count = __atomic_load_n(vain, __ATOMIC_RELAXED) + 1;

	__atomic_store_n(vain, count, __ATOMIC_RELAXED);
	if (count % VAIN_POLLS)
		return false;
	manners.yields++;
	sched_yield();
	return true;
}

/*
 * Looks at what it did since the last look: whether it was put off the CPU, other than by
 * its own yields, with every other doorbell or more, and had used up a slice.
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

/* Begins to count its doorbells. */
static void begin(void)
{
	look();
	manners.bells = 0;
	manners.vain = 0;
	manners.every = 1;
}

/* Whether it waits in vain decides about the doorbells that follow. */
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

/**
 * nopin_yield_bell() - a doorbell was rung for sends, on a machine with one CPU
 */
void nopin_yield_bell(void)
{
	static const struct timespec moment = { .tv_nsec = 1 };

	if (manners.polite) {
		nanosleep(&moment, NULL);
		if (!--manners.polite)
			begin();
	} else if (!manners.every) {
		begin();
	} else if (++manners.bells >= manners.every) {
		decide();
	}
}
