/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A DMA engine that copies in place of the CPU: any dmaengine channel that can
 * DMA_MEMCPY, one for all devices.
 */
#ifndef NOPIN_ENGINE_H
#define NOPIN_ENGINE_H

#include <linux/atomic.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/skbuff.h>
#include <linux/types.h>

#include "mem/copy.h"
#include "mirror/dma.h"

struct nopin_engine_job;

/* Holds that a job has room for; the CPU makes copies of memory that is more scattered. */
#define NOPIN_JOB_HOLDS		8

/**
 * typedef nopin_job_fn - called when a job has ended
 * @job: the job; its submitter owns it again, and calls nopin_engine_free()
 *
 * Context: any, interrupts perhaps off.
 */
typedef void (*nopin_job_fn)(struct nopin_engine_job *job);

/* References that keep memory in place while the engine works on it; @gate may be NULL. */
struct nopin_job_hold {
	struct nopin_key *key;
	struct nopin_gate *gate;
};

/**
 * struct nopin_engine_job - one copy by the engine
 * @list: in the engine's list of jobs, under its lock
 * @over: called when the job has ended
 * @ctx: for @over
 * @source: of the copy
 * @destination: of the copy
 * @length: of the copy, bytes
 * @error: valid when the job has ended; 0: all has been copied
 * @parts: descriptors that have not completed, plus one while they are being submitted
 * @from: where the bytes are
 * @to: where they go
 * @skb: packet that @from is part of, or NULL
 * @buffers: of the packets whose payloads @to are, in order, or empty
 * @holds: how many of @hold are in use
 * @hold: keys that the job uses, and gates that it is inside of
 */
struct nopin_engine_job {
	struct list_head list;
	nopin_job_fn over;
	void *ctx;
	struct nopin_place source;
	struct nopin_place destination;
	size_t length;
	int error;
	atomic_t parts;
	struct nopin_dma_list from;
	struct nopin_dma_list to;
	struct sk_buff *skb;
	struct sk_buff_head buffers;
	unsigned int holds;
	struct nopin_job_hold hold[NOPIN_JOB_HOLDS];
};

/* Enabled while a device wants the engine. */
DECLARE_STATIC_KEY_FALSE(nopin_engine_key);

static inline bool nopin_engine_is_wanted(void)
{
	return static_branch_unlikely(&nopin_engine_key);
}

int nopin_engine_get(void);
void nopin_engine_put(void);
int nopin_engine_init(void);
void nopin_engine_exit(void);

struct nopin_engine_job *nopin_engine_begin(bool only_if_idle);
bool nopin_engine_keep(struct nopin_engine_job *job, struct nopin_key *key,
		       struct nopin_gate *gate);
struct device *nopin_engine_device(void);
void nopin_engine_submit(struct nopin_engine_job *job);
void nopin_engine_abandon(struct nopin_engine_job *job);
void nopin_engine_free(struct nopin_engine_job *job);

#endif /* NOPIN_ENGINE_H */
