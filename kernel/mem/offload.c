// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Which copies go to a DMA engine, and how their memory is listed for it.
 *
 * Each end is visited view by view, as for any copy. But its memory is listed instead of
 * copied, and stays in place until the engine is done. The CPU makes copies that are too
 * small or that a device cannot reach, and those that fail here: it reports the error.
 */
#include <linux/moduleparam.h>
#include <linux/skbuff.h>
#include <rdma/ib_verbs.h>

#include "device.h"
#include "mem/copy.h"
#include "mem/offload.h"

static unsigned int nopin_copy_min = 16384;
module_param_named(copy_min, nopin_copy_min, uint, 0644);
MODULE_PARM_DESC(copy_min, "bytes that a copy has at least for a DMA engine to be asked (default: 16384)");

/**
 * struct nopin_collect - one end of a copy that is being listed
 * @job: the job that will copy
 * @copy: the copy
 * @list: gets the memory
 */
struct nopin_collect {
	struct nopin_engine_job *job;
	struct nopin_copy *copy;
	struct nopin_dma_list *list;
};

static bool nopin_collect_runs(struct nopin_collect *collect, const struct nopin_view *view)
{
	const struct nopin_run *run;

	for (run = view->run; run < view->run + view->runs; run++)
		if (!nopin_dma_add_own(collect->list, nopin_engine_device(), run->kaddr,
				       run->len, view->write))
			return false;
	return true;
}

/*
 * Only memory of processes, and only by keys without a kind: to end such a key may sleep.
 * A work request that changes a key with a kind has BH off, and must not wait for an
 * engine.
 */
static bool nopin_collect_may(const struct nopin_key *key)
{
	return !key->kind && (nopin_memory_is_mirrored(key->memory) ||
			      key->memory->ops == &nopin_pinned_ops);
}

/* nopin_view_fn: list a view. */
static int nopin_collect_view(const struct nopin_view *view, size_t off, void *ctx)
{
	struct nopin_collect *collect = ctx;
	struct nopin_key *key = collect->copy->key;
	bool mapped;

	if (!nopin_collect_may(key) || !nopin_engine_keep(collect->job, key, view->gate))
		return -EOPNOTSUPP;
	if (view->gate)
		mapped = nopin_view_map(view, nopin_engine_device(), collect->list);
	else
		mapped = nopin_collect_runs(collect, view);
	return mapped ? 0 : -EOPNOTSUPP;
}

/* Only a payload in the skb's linear part: otherwise it is in many small pieces. */
static bool nopin_collect_packet(struct nopin_engine_job *job, const struct nopin_copy *copy)
{
	struct sk_buff *skb = (struct sk_buff *)copy->from->skb;

	if (copy->from->offset + copy->length > skb_headlen(skb))
		return false;
	if (!nopin_dma_add_own(&job->from, nopin_engine_device(),
			       skb->data + copy->from->offset, copy->length, false))
		return false;
	job->skb = skb_get(skb);
	return true;
}

static bool nopin_collect_memory(struct nopin_engine_job *job, struct nopin_copy *copy,
				 bool source)
{
	struct nopin_collect collect = {
		.job = job,
		.copy = copy,
		.list = source ? &job->from : &job->to,
	};
	int err = nopin_copy_visit(copy, source, nopin_collect_view, &collect);

	nopin_miss_drop(&copy->miss); /* the CPU's copy will miss it too */
	return !err;
}

static bool nopin_collect(struct nopin_engine_job *job, struct nopin_copy *copy)
{
	if (!nopin_collect_memory(job, copy, false))
		return false;
	if (copy->from->kind == NOPIN_PACKET)
		return nopin_collect_packet(job, copy);
	return nopin_collect_memory(job, copy, true);
}

/**
 * nopin_offload_prepare - prepare a job for a copy, if the engine is to make it
 * @copy: one of nopin_offload_may()
 *
 * Return: the job, complete except for @over and @ctx, for nopin_engine_submit(); NULL: the
 *	CPU must copy.
 * Context: softirq, or process with BH off, in an RCU read-side section until the job
 *	is submitted.
 */
struct nopin_engine_job *nopin_offload_prepare(struct nopin_copy *copy)
{
	enum nopin_copying copying;
	struct nopin_engine_job *job;

	if (copy->length < READ_ONCE(nopin_copy_min) || !copy->length)
		return NULL;
	copying = READ_ONCE(to_nopin_dev(copy->to->claim.pd->device)->copying);
	if (copying == NOPIN_COPY_CPU)
		return NULL;
	job = nopin_engine_begin(copying == NOPIN_COPY_AUTO);
	if (!job)
		return NULL;
	job->source = *copy->from;
	job->destination = *copy->to;
	job->length = copy->length;
	if (nopin_collect(job, copy))
		return job;
	nopin_engine_abandon(job);
	return NULL;
}

static bool nopin_place_is(const struct nopin_place *place, const struct nopin_place *other)
{
	if (place->kind != other->kind || place->offset != other->offset)
		return false;
	if (place->kind == NOPIN_PACKET) /* the skb may have been copied, to keep it */
		return true;
	if (place->claim.pd != other->claim.pd)
		return false;
	if (place->kind == NOPIN_SGES)
		return place->sge == other->sge && place->num_sge == other->num_sge;
	return place->claim.qp == other->claim.qp && place->claim.key == other->claim.key &&
	       place->claim.rights == other->claim.rights;
}

/**
 * nopin_offload_is_of - is this the copy that a job has made?
 * @job: the job that the half of the QP waited for
 * @copy: the copy that it is about to make
 *
 * A half resumes the work in which it waited. The packets, lists and receives of that work
 * have not changed meanwhile, so it is enough to compare the places.
 *
 * Return: true when it is.
 * Context: any.
 */
bool nopin_offload_is_of(const struct nopin_engine_job *job, const struct nopin_copy *copy)
{
	return copy->length == job->length && nopin_place_is(copy->from, &job->source) &&
	       nopin_place_is(copy->to, &job->destination);
}
