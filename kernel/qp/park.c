// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Waiting for pages. An access that misses parks its half of the QP. A context that may
 * sleep resolves the miss (entry/resolve.c) and lets the half go on. Other QPs are not
 * affected.
 */
#include <linux/slab.h>

#include "mem/engine.h"
#include "qp/park.h"
#include "qp/qp.h"

/*
 * One queue is for faults that the kernel resolves, perhaps by way of a file system. The
 * other is for faults that a program has to answer (userfaultfd), as the program may keep
 * that queue full for as long as it likes.
 */
static struct workqueue_struct *nopin_fault_wq;
static struct workqueue_struct *nopin_patient_wq;
static work_func_t nopin_park_fault;

/**
 * nopin_wait_submit - let a worker resolve a miss
 * @wait: of a half that waits
 *
 * Context: any.
 */
void nopin_wait_submit(struct nopin_wait *wait)
{
	wait->patient = false;
	queue_work(nopin_fault_wq, &wait->work);
}

/**
 * nopin_wait_submit_patient - let a worker resolve a miss that a program has to answer
 * @wait: of a half that waits
 *
 * Context: any.
 */
void nopin_wait_submit_patient(struct nopin_wait *wait)
{
	wait->patient = true;
	queue_work(nopin_patient_wq, &wait->work);
}

/**
 * nopin_wait_alloc - allocate what a half of a QP needs when it misses a page
 * @qp: the QP
 * @requester: for the requester; else for the responder
 *
 * Context: process.
 * Return: the wait, to be freed with kfree() while it is not in use; or NULL.
 */
struct nopin_wait *nopin_wait_alloc(const struct nopin_qp *qp, bool requester)
{
	struct nopin_wait *wait = kzalloc(sizeof(*wait), GFP_KERNEL_ACCOUNT);

	if (!wait)
		return NULL;
	INIT_WORK(&wait->work, nopin_park_fault);
	wait->qpn = qp->ibqp.qp_num;
	wait->requester = requester;
	return wait;
}

/**
 * nopin_wait_free - free a wait whose half has been reset
 * @wait: the wait, which no longer belongs to its half
 *
 * Context: any.
 */
void nopin_wait_free(struct nopin_wait *wait)
{
	nopin_miss_drop(&wait->miss);
	if (wait->job)
		nopin_engine_free(wait->job);
	kfree(wait);
}

/*
 * A requester reaches the peer's memory when the peer is on the same device. If the service
 * is unreliable, it must not be held up by what the peer's program does.
 */
static bool nopin_park_is_far(struct nopin_park *park, const struct nopin_copy *copy)
{
	return park->wait->requester && !copy->source_failed &&
	       !nopin_park_qp(park)->service->reliable;
}

/* Wait for a page. False: resolving the same miss has failed, so the access fails. */
static bool nopin_park_miss(struct nopin_park *park, struct nopin_miss *miss)
{
	int err = park->error;

	park->error = 0;
	/* In loopback the retry may miss another page, at the other end. */
	if (err && miss->memory == park->error_memory && miss->va == park->error_va) {
		nopin_miss_drop(miss);
		return false;
	}
	park->wait->miss = *miss;
	miss->memory = NULL; /* the reference has moved to park->wait */
	park->waiting = true;
	park->silent = false;
	park->lost = false;
	if (!park->defer)
		nopin_wait_submit(park->wait);
	return true;
}

static enum nopin_copied nopin_park_missed(struct nopin_park *park,
					   struct nopin_copy *copy)
{
	bool far = nopin_park_is_far(park, copy);
	bool away = far && park->error == -EINPROGRESS;

	park->wait->far = far;
	if (!far && park->error == -EINPROGRESS)
		park->error = 0; /* it is about the peer's page, perhaps of the same address */
	if (nopin_park_miss(park, &copy->miss))
		return NOPIN_COPY_MISS;
	if (away) {
		park->away = true;
		return NOPIN_COPY_MISS;
	}
	return copy->source_failed ? NOPIN_COPY_BAD_SOURCE : NOPIN_COPY_BAD_DESTINATION;
}

/**
 * nopin_park_fetch_ahead - wait for pages of packets whose payloads an engine is to gather
 * @park: of the half that would wait; its lock is held
 * @miss: the pages
 *
 * They are waited for once. If some are missing again, because they cannot be fetched or are
 * taken away as fast as they are, the next packet must do with its own.
 *
 * Context: BH off.
 * Return: false: it has waited already.
 */
bool nopin_park_fetch_ahead(struct nopin_park *park, struct nopin_miss *miss)
{
	park->fetched = !park->fetched;
	park->wait->far = false;
	if (park->fetched)
		return nopin_park_miss(park, miss);
	nopin_miss_drop(miss);
	return false;
}

/**
 * nopin_park_copy - copy, and wait for a page that is missing, or for an engine
 * @park: of the half that would wait; its lock is held
 * @copy: as for nopin_copy()
 *
 * Context: BH off.
 * Return: NOPIN_COPY_MISS: the half waits, and copies again afterwards, or is to send
 *	packets instead (@park->away); else as nopin_copy().
 */
enum nopin_copied nopin_park_copy(struct nopin_park *park, struct nopin_copy *copy)
{
	enum nopin_copied copied;

	if (nopin_engine_is_wanted() && nopin_park_offload(park, copy, &copied))
		return copied;
	copied = nopin_copy(copy);
	return likely(copied != NOPIN_COPY_MISS) ? copied : nopin_park_missed(park, copy);
}

/**
 * nopin_park_atomic - do an atomic operation, and wait for a page that is missing
 * @park: of the half that would wait; its lock is held
 * @copy: as for nopin_copy_atomic()
 * @atomic: likewise
 *
 * Context: BH off.
 * Return: as nopin_park_copy().
 */
enum nopin_copied nopin_park_atomic(struct nopin_park *park, struct nopin_copy *copy,
				    struct nopin_atomic *atomic)
{
	enum nopin_copied copied = nopin_copy_atomic(copy, atomic);

	return copied != NOPIN_COPY_MISS ? copied : nopin_park_missed(park, copy);
}

/**
 * nopin_park_lose - the packet that a half waits with was dropped
 * @park: of the half, which waits; its lock is held
 *
 * A packet that comes later may go to the same place, with other bytes. So what an engine
 * copies now must not be taken for the copy of that packet.
 *
 * Context: BH off.
 */
void nopin_park_lose(struct nopin_park *park)
{
	park->lost = true;
}

/**
 * nopin_park_end - give the result to the half that waits
 * @park: of the half; its lock is held
 * @wait: what was resolved
 * @err: the result
 *
 * -EBUSY and -EAGAIN (contention, or memory that may have changed during the fault) and
 * -EINTR say nothing about the page: the access is tried again.
 *
 * Context: process, BH off.
 * Return: false: the half no longer waits for @wait, as it has been reset.
 */
bool nopin_park_end(struct nopin_park *park, struct nopin_wait *wait, int err)
{
	if (park->wait != wait)
		return false;
	park->waiting = false;
	park->error = err == -EBUSY || err == -EAGAIN || err == -EINTR ? 0 : err;
	park->error_memory = wait->miss.memory;
	park->error_va = wait->miss.va;
	nopin_miss_drop(&wait->miss);
	park->job = wait->job;
	wait->job = NULL;
	if (park->lost)
		nopin_park_settle(park);
	return true;
}

/**
 * nopin_park_claim - decide who resolves the miss of a half
 * @park: of the half, with @park->defer set; its lock is held
 * @worker: the caller may wait for anything; else it is the program that posted,
 *	which resolves only misses of its own memory
 *
 * Context: process, BH off.
 * Return: the wait that the caller has to resolve; NULL when the half does not wait, or a
 *	worker resolves the miss, or the half waits for an engine.
 */
struct nopin_wait *nopin_park_claim(struct nopin_park *park, bool worker)
{
	park->defer = false;
	if (!park->waiting || park->wait->job)
		return NULL;
	if (worker || nopin_miss_is_current(&park->wait->miss))
		return park->wait;
	nopin_wait_submit(park->wait);
	return NULL;
}

/**
 * nopin_park_leave - stop waiting, for a reset
 * @park: of the half; its lock is held
 *
 * The context that fetches the page keeps the wait, and frees it.
 *
 * Context: BH off.
 */
void nopin_park_leave(struct nopin_park *park)
{
	if (park->waiting)
		park->wait = NULL;
	park->waiting = false;
	park->away = false;
	park->error = 0;
}

/**
 * nopin_park_init - make the workqueues
 * @fault: work function of nopin_wait.work
 *
 * Context: module init.
 * Return: 0 or -ENOMEM.
 */
int nopin_park_init(work_func_t fault)
{
	nopin_park_fault = fault;
	nopin_fault_wq = alloc_workqueue("nopin_fault", WQ_UNBOUND | WQ_SYSFS,
					 WQ_UNBOUND_MAX_ACTIVE);
	if (!nopin_fault_wq)
		return -ENOMEM;
	nopin_patient_wq = alloc_workqueue("nopin_patient", WQ_UNBOUND | WQ_SYSFS,
					   WQ_UNBOUND_MAX_ACTIVE);
	if (nopin_patient_wq)
		return 0;
	destroy_workqueue(nopin_fault_wq);
	return -ENOMEM;
}

/**
 * nopin_park_exit - destroy the workqueues; no QP is left
 *
 * Context: module exit.
 */
void nopin_park_exit(void)
{
	/* A work of the first queue may move to the second, but not back. */
	destroy_workqueue(nopin_fault_wq);
	destroy_workqueue(nopin_patient_wq);
}
