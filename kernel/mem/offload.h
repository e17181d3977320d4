/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Copies that a DMA engine is asked to carry out. */
#ifndef NOPIN_OFFLOAD_H
#define NOPIN_OFFLOAD_H

#include "mem/copy.h"
#include "mem/engine.h"

/*
 * From memory or a packet to memory, or from memory into buffers of packets? Only such
 * copies may go to the engine.
 */
static inline bool nopin_offload_may(const struct nopin_copy *copy)
{
	return copy->to->kind != NOPIN_BYTES && copy->from->kind != NOPIN_BYTES;
}

/* Does the job fill buffers of packets? */
static inline bool nopin_offload_is_ahead(const struct nopin_engine_job *job)
{
	return job->destination.kind == NOPIN_BUFFERS;
}

bool nopin_offload_is_wanted(const struct nopin_copy *copy);
struct nopin_engine_job *nopin_offload_prepare(struct nopin_copy *copy);
bool nopin_offload_is_of(const struct nopin_engine_job *job, const struct nopin_copy *copy);
bool nopin_offload_has_next(const struct nopin_engine_job *job, const struct nopin_copy *copy);
struct sk_buff *nopin_offload_take(struct nopin_engine_job *job);

#endif /* NOPIN_OFFLOAD_H */
