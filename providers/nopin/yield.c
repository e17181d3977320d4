// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Giving way, on a machine with one CPU.
 *
 * What a program waits for comes there from another one that needs the CPU, so who polls
 * a CQ in vain yields now and then.
 *
 * Who looks at memory instead is not seen to wait: it uses up its time slice, and is put
 * off the CPU, before each answer. So after some doorbells the kernel is asked how often
 * this thread was put off. When that was with every other doorbell or more, the thread
 * sleeps for a moment after each of those that follow, in which the answer can come to
 * what it has just sent; to yield once is not enough, as the scheduler often comes back
 * at once to who has had less than its share. It is looked at rarely where this is not
 * so, as each look is a system call.
 */
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "nopin.h"

/* Polls in vain, of which the last yields. */
#define VAIN_POLLS	16u

/* Doorbells from one look to the next, which grow while nothing is seen. */
#define LOOK_FIRST	4u
#define LOOK_MOST	128u

/* Doorbells after which a thread sleeps before it is looked at again. */
#define POLITE_BELLS	4096u

/**
 * struct nopin_manners - of a thread
 * @polite: so many doorbells more it sleeps after
 * @every: doorbells from one look to the next
 * @bells: doorbells since the last look
 * @yields: how often it yielded since then
 * @put_off: how often it had been put off the CPU by then; to yield counts, too
 */
struct nopin_manners {
	uint32_t polite;
	uint32_t every;
	uint32_t bells;
	uint32_t yields;
	long put_off;
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

/* How often it was put off since the last look, but for the times that it yielded. */
static long look(void)
{
	struct rusage usage = {};
	long times;

	getrusage(RUSAGE_THREAD, &usage);
	times = usage.ru_nivcsw - manners.put_off - (long)manners.yields;
	manners.put_off = usage.ru_nivcsw;
	manners.yields = 0;
	return times;
}

/* Whether it waits in vain decides about the doorbells that follow. */
static void decide(void)
{
	if (2 * look() >= (long)manners.bells) {
		manners.polite = POLITE_BELLS;
		manners.every = LOOK_FIRST;
	} else if (manners.every < LOOK_MOST) {
		manners.every *= 2;
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
			look();
	} else if (!manners.every) {
		manners.every = LOOK_FIRST;
		look();
	} else if (++manners.bells >= manners.every) {
		decide();
	}
}
