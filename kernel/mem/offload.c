// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Which copies go to a DMA engine, and how their memory is listed for it.
 *
 * Each end is visited view by view, as for any copy. But its memory is listed instead of
 * copied, and stays in place until the engine is done. The CPU makes copies that are too
 * small or that a device cannot reach, and those that fail here: it reports the error.
 *
 * A copy into packets is made ahead of them, for as many as may be sent at once: a job for
 * each packet would cost more than the packet. The job allocates their buffers, the engine
 * fills in the payloads, and each packet takes its buffer when it is sent.
 */
#include <linux/moduleparam.h>
#include <linux/skbuff.h>
#include <rdma/ib_verbs.h>

#include "device.h"
#include "mem/copy.h"
#include "mem/offload.h"
#include "net/net.h"
#include "wire/psn.h"

static unsigned int nopin_copy_min = 16384;
module_param_named(copy_min, nopin_copy_min, uint, 0644);
MODULE_PARM_DESC(copy_min, "bytes that a copy has at least for a DMA engine to be asked (default: 16384)");

static bool nopin_offload_is_long(size_t length)
{
	return length && length >= READ_ONCE(nopin_copy_min);
}

/* When are copies by the device whose memory is copied to go to the engine? */
static enum nopin_copying nopin_offload_when(const struct nopin_copy *copy)
{
	const struct nopin_place *memory =
		copy->to->kind == NOPIN_BUFFERS ? copy->from : copy->to;

	return READ_ONCE(to_nopin_dev(memory->claim.pd->device)->copying);
}

/**
 * nopin_offload_is_wanted - is a copy long enough, and does its device want an engine?
 * @copy: one of nopin_offload_may()
 *
 * Return: true when the engine may be asked.
 * Context: any.
 */
bool nopin_offload_is_wanted(const struct nopin_copy *copy)
{
	return nopin_offload_is_long(copy->length) &&
	       nopin_offload_when(copy) != NOPIN_COPY_CPU;
}

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

	return !nopin_copy_visit(copy, source, nopin_collect_view, &collect);
}

static bool nopin_collect_buffer(struct nopin_engine_job *job, size_t len)
{
	struct sk_buff *skb = nopin_train_alloc(len);

	if (!skb)
		return false;
	if (!nopin_dma_add_own(&job->to, nopin_engine_device(), skb->data, len, true)) {
		kfree_skb(skb);
		return false;
	}
	__skb_queue_tail(&job->buffers, skb);
	job->length += len;
	return true;
}

static size_t nopin_collected(const struct nopin_dma_list *list)
{
	const struct nopin_dma_run *run;
	size_t len = 0;

	for (run = list->run; run < list->run + list->runs; run++)
		len += run->len;
	return len;
}

/*
 * Packets that are to be sent: as many whole ones as begin the message and have all their
 * memory present and within the engine's reach. Those behind them get jobs of their own.
 */
static bool nopin_collect_buffers(struct nopin_engine_job *job, struct nopin_copy *copy)
{
	size_t len, listed;

	nopin_collect_memory(job, copy, true);
	listed = nopin_collected(&job->from);
	for (job->length = 0; job->length < copy->length;) {
		len = min_t(size_t, copy->to->mtu, copy->length - job->length);
		if (job->length + len > listed || !nopin_collect_buffer(job, len))
			break;
	}
	return nopin_offload_is_long(job->length);
}

static bool nopin_collect_ends(struct nopin_engine_job *job, struct nopin_copy *copy)
{
	if (!nopin_collect_memory(job, copy, false))
		return false;
	if (copy->from->kind == NOPIN_PACKET)
		return nopin_collect_packet(job, copy);
	return nopin_collect_memory(job, copy, true);
}

static bool nopin_collect(struct nopin_engine_job *job, struct nopin_copy *copy)
{
	bool ahead = copy->to->kind == NOPIN_BUFFERS, done;

	done = ahead ? nopin_collect_buffers(job, copy) : nopin_collect_ends(job, copy);
	if (done || !ahead) /* else the CPU's copy will miss it too */
		nopin_miss_drop(&copy->miss);
	return done;
}

/**
 * nopin_offload_prepare - prepare a job for a copy, if the engine is to make it
 * @copy: one of nopin_offload_may(); a job for buffers may be for the beginning of it only
 *
 * Return: the job, complete except for @over and @ctx, for nopin_engine_submit(); NULL: the
 *	CPU must copy; or, for buffers and with @copy->miss, a page is missing.
 * Context: softirq, or process with BH off, in an RCU read-side section until the job
 *	is submitted.
 */
struct nopin_engine_job *nopin_offload_prepare(struct nopin_copy *copy)
{
	struct nopin_engine_job *job;

	if (!nopin_offload_is_wanted(copy))
		return NULL;
	job = nopin_engine_begin(nopin_offload_when(copy) == NOPIN_COPY_AUTO);
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
	if (place->kind == NOPIN_BUFFERS)
		return place->mtu == other->mtu;
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

/**
 * nopin_offload_has_next - has a job filled, or failed to fill, the buffer of the next packet?
 * @job: the job that the half of the QP waited for
 * @copy: the copy into the buffers of that packet and others behind it
 *
 * Return: true: nopin_offload_take() is about that packet. false: it is another copy, or
 *	all its packets have been sent, or the half went back to an earlier packet.
 * Context: any.
 */
bool nopin_offload_has_next(const struct nopin_engine_job *job, const struct nopin_copy *copy)
{
	return job->length && nopin_place_is(copy->to, &job->destination) &&
	       nopin_place_is(copy->from, &job->source);
}

/**
 * nopin_offload_take - take the next packet's buffer out of a job
 * @job: one of nopin_offload_has_next()
 *
 * Return: the buffer with its payload; NULL: the engine has failed, so the CPU must gather.
 * Context: softirq, or process with BH off.
 */
struct sk_buff *nopin_offload_take(struct nopin_engine_job *job)
{
	struct sk_buff *skb = __skb_dequeue(&job->buffers);

	job->source.offset += skb->len;
	job->destination.offset = nopin_psn_add(job->destination.offset, 1);
	job->length -= skb->len;
	if (!job->error)
		return skb;
	kfree_skb(skb);
	return NULL;
}
