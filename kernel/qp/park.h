/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Where a half of a QP waits for a page, or for a copy. */
#ifndef NOPIN_PARK_H
#define NOPIN_PARK_H

#include <linux/types.h>
#include <linux/workqueue.h>

#include "mem/copy.h"

struct nopin_engine_job;
struct nopin_qp;

/**
 * struct nopin_wait - a page being fetched for a half of a QP
 * @work: fetches it in process context, then lets the half go on
 * @miss: the page
 * @qpn: whose; looked up again afterwards
 * @requester: which half
 * @patient: a program has to answer the fault, as long as it may take
 * @pages: made present so far, and not yet counted
 * @copied: instead: an engine has carried out the copy that the half waits for
 * @job: that copy, NULL: it waits for a page
 * @qp: whose; with @job, kept until the copy is over
 * @peer: with @job: the QP at the other end, where that is of the same device; kept
 *
 * With userfaultfd a fault lasts as long as a program likes, and it may be that
 * program's own exit that destroys the QP: so nothing that ends a QP waits for
 * its faults. While the half waits this belongs to whoever fetches the page, who
 * gives it back or, when nobody waits any more, frees it.
 */
struct nopin_wait {
	struct work_struct work;
	struct nopin_miss miss;
	u32 qpn;
	bool requester;
	bool patient;
	u64 pages;
	struct work_struct copied;
	struct nopin_engine_job *job;
	struct nopin_qp *qp;
	struct nopin_qp *peer;
};

/**
 * struct nopin_park - where a half of a QP waits
 * @wait: the half's own while not @waiting; there from RTR on
 * @waiting: the page is being fetched, or an engine copies; the half neither sends nor
 *	receives
 * @silent: the peer has not been told of the request that waits, and its memory may
 *	be what is missing: it is a QP of the same device
 * @defer: whoever holds the lock will fetch the page itself, or see to it
 * @error: what resolving gave; taken by the retried access
 * @error_memory: that @error is of; compared, never followed
 * @error_va: where that access began
 * @job: the copy that it waited for; taken by the same copy when that is made again
 *
 * Protected by the half's lock.
 */
struct nopin_park {
	struct nopin_wait *wait;
	bool waiting;
	bool silent;
	bool defer;
	int error;
	const void *error_memory;
	u64 error_va;
	struct nopin_engine_job *job;
};

struct nopin_wait *nopin_wait_alloc(const struct nopin_qp *qp, bool requester);
void nopin_wait_free(struct nopin_wait *wait);
void nopin_wait_submit(struct nopin_wait *wait);
void nopin_wait_submit_patient(struct nopin_wait *wait);

enum nopin_copied nopin_park_copy(struct nopin_park *park, struct nopin_copy *copy);
enum nopin_copied nopin_park_atomic(struct nopin_park *park, struct nopin_copy *copy,
				    struct nopin_atomic *atomic);
struct nopin_wait *nopin_park_claim(struct nopin_park *park, bool worker);
bool nopin_park_end(struct nopin_park *park, struct nopin_wait *wait, int err);
void nopin_park_leave(struct nopin_park *park);

/* offload.c: copies by an engine */
bool nopin_park_offload(struct nopin_park *park, struct nopin_copy *copy,
			enum nopin_copied *copied);
void nopin_park_settle(struct nopin_park *park);
void nopin_copied_end(struct nopin_qp *qp, struct nopin_qp *peer);
int nopin_offload_init(work_func_t copied);
void nopin_offload_exit(void);

int nopin_park_init(work_func_t fault);
void nopin_park_exit(void);

#endif /* NOPIN_PARK_H */
