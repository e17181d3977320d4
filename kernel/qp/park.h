/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Where a half of a QP waits for a page, or for a copy by an engine. */
#ifndef NOPIN_PARK_H
#define NOPIN_PARK_H

#include <linux/types.h>
#include <linux/workqueue.h>

#include "mem/copy.h"

struct nopin_engine_job;
struct nopin_qp;

/**
 * struct nopin_wait - a page, or a copy by an engine, that a half of a QP waits for
 * @work: fetches the page in process context, then lets the half go on
 * @miss: the page
 * @qpn: number of the QP, by which the QP is looked up when the page has been fetched
 * @requester: the half is the requester; else the responder
 * @patient: a program has to answer the fault, however long it takes
 * @far: the page is of the peer, on the same device, for which this half may wait only
 *	while no program has to answer the fault
 * @pages: pages made present so far that the statistics do not count yet
 * @copied: with @job: lets the half go on when the engine has carried out the copy
 * @job: the copy; NULL: the half waits for a page
 * @qp: with @job: the QP, with a reference until the copy is over
 * @peer: with @job: the QP at the other end, if it is one of the same device; likewise
 *
 * With userfaultfd a fault lasts as long as a program likes, and the exit of that same
 * program may destroy the QP. So the end of a QP does not wait for its faults. While
 * the half waits, this struct belongs to the context that fetches the page. That context
 * gives it back to the half or, when the half has been reset meanwhile, frees it.
 */
struct nopin_wait {
	struct work_struct work;
	struct nopin_miss miss;
	u32 qpn;
	bool requester;
	bool patient;
	bool far;
	u64 pages;
	struct work_struct copied;
	struct nopin_engine_job *job;
	struct nopin_qp *qp;
	struct nopin_qp *peer;
};

/**
 * struct nopin_park - where a half of a QP waits
 * @wait: allocated from RTR on; belongs to the half while it is not @waiting
 * @waiting: the page is being fetched, or an engine copies; the half neither sends nor
 *	receives
 * @silent: the request that waits is for a QP of the same device, which has not been told
 *	of it; the missing page may be the peer's
 * @lost: the packet that waits was dropped, so the copy will not be made again
 * @away: the requester does not wait for the peer's page (nopin_wait.far): the request has
 *	to go as packets
 * @defer: the holder of the lock will call nopin_park_claim(), so a miss is not submitted
 *	to a worker
 * @error: result of resolving the last miss, for the access when it is made again
 * @error_memory: memory of that miss; compared, never dereferenced
 * @error_va: address of that miss
 * @fetched: it has waited for pages so that an engine can gather the payloads of several
 *	packets, and nothing has been sent since; if pages are still missing, the CPU gathers
 *	the next packet's
 * @job: the copy that the half waited for, for the same copy when it is made again
 *
 * Protected by the half's lock.
 */
struct nopin_park {
	struct nopin_wait *wait;
	bool waiting;
	bool silent;
	bool lost;
	bool away;
	bool defer;
	int error;
	const void *error_memory;
	u64 error_va;
	bool fetched;
	struct nopin_engine_job *job;
};

struct nopin_wait *nopin_wait_alloc(const struct nopin_qp *qp, bool requester);
void nopin_wait_free(struct nopin_wait *wait);
void nopin_wait_submit(struct nopin_wait *wait);
void nopin_wait_submit_patient(struct nopin_wait *wait);

enum nopin_copied nopin_park_copy(struct nopin_park *park, struct nopin_copy *copy);
enum nopin_copied nopin_park_atomic(struct nopin_park *park, struct nopin_copy *copy,
				    struct nopin_atomic *atomic);
bool nopin_park_fetch_ahead(struct nopin_park *park, struct nopin_miss *miss);
struct nopin_wait *nopin_park_claim(struct nopin_park *park, bool worker);
void nopin_park_lose(struct nopin_park *park);
bool nopin_park_end(struct nopin_park *park, struct nopin_wait *wait, int err);
void nopin_park_leave(struct nopin_park *park);

/* offload.c */
bool nopin_park_offload(struct nopin_park *park, struct nopin_copy *copy,
			enum nopin_copied *copied);
struct sk_buff *nopin_park_take_ahead(struct nopin_park *park, const struct nopin_copy *copy);
bool nopin_park_ahead(struct nopin_park *park, struct nopin_copy *copy);
void nopin_park_settle(struct nopin_park *park);
void nopin_copied_end(struct nopin_qp *qp, struct nopin_qp *peer);
int nopin_offload_init(work_func_t copied);
void nopin_offload_exit(void);

int nopin_park_init(work_func_t fault);
void nopin_park_exit(void);

#endif /* NOPIN_PARK_H */
