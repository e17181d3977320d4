// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The last READs and atomics, remembered to answer duplicates: as many as the peer may
 * have outstanding (IBTA 9.4.4, 9.4.5, 9.7.5.1.4). A READ or atomic with an old PSN that
 * is neither one of them nor a part of one is not from the peer, or was sent long ago.
 */
#include "qp/qp.h"
#include "wire/packet.h"

/* The @back-th newest, from 1 on. */
static struct nopin_resource *nopin_resource_back(const struct nopin_rq *rq, u32 back)
{
	u32 n = rq->resources_size;

	return &rq->resources[(rq->resource_next + n - back) % n];
}

/**
 * nopin_resource_resize - change how many are remembered
 * @rq: the responder
 * @slots: empty slots for so many, or NULL for 0; gets the old ones, for the caller to free
 * @size: how many; the newest stay remembered, as many as fit
 *
 * Context: rq.lock held.
 */
void nopin_resource_resize(struct nopin_rq *rq, struct nopin_resource **slots, u32 size)
{
	u32 back, kept = min(size, rq->resources_size);

	lockdep_assert_held(&rq->lock);
	for (back = 1; back <= kept; back++)
		(*slots)[kept - back] = *nopin_resource_back(rq, back);
	swap(rq->resources, *slots);
	rq->resources_size = size;
	rq->resource_next = kept < size ? kept : 0;
}

/* The slot for a new one: that of the oldest. */
static struct nopin_resource *nopin_resource_next(struct nopin_rq *rq)
{
	struct nopin_resource *resource = &rq->resources[rq->resource_next];

	rq->resource_next = (rq->resource_next + 1) % rq->resources_size;
	return resource;
}

/**
 * nopin_resource_keep_read - remember a READ
 * @rq: the responder; resources_size is not 0
 * @pkt: the request
 * @packets: PSNs that it takes
 *
 * Context: rq.lock held.
 */
void nopin_resource_keep_read(struct nopin_rq *rq, const struct nopin_pkt *pkt,
			      u32 packets)
{
	*nopin_resource_next(rq) = (struct nopin_resource) {
		.psn = pkt->psn,
		.packets = packets,
		.operation = NOPIN_RDMA_READ,
		.rkey = pkt->rkey,
		.length = pkt->dma_len,
		.remote_addr = pkt->remote_addr,
	};
}

/**
 * nopin_resource_keep_atomic - remember an atomic, an ATOMIC WRITE or a FLUSH
 * @rq: the responder; resources_size is not 0
 * @pkt: the request
 * @original: the value that an atomic found
 *
 * Context: rq.lock held.
 */
void nopin_resource_keep_atomic(struct nopin_rq *rq, const struct nopin_pkt *pkt,
				u64 original)
{
	*nopin_resource_next(rq) = (struct nopin_resource) {
		.psn = pkt->psn,
		.packets = 1,
		.operation = nopin_pkt_op(pkt)->operation,
		.original = original,
	};
}

/* Newest first, as an old one may have the same PSN from 2^24 packets ago. */
static const struct nopin_resource *nopin_resource_find(const struct nopin_rq *rq, u32 psn)
{
	const struct nopin_resource *resource;
	u32 back;

	for (back = 1; back <= rq->resources_size; back++) {
		resource = nopin_resource_back(rq, back);
		if (((psn - resource->psn) & NOPIN_PSN_MASK) < resource->packets)
			return resource;
	}
	return NULL;
}

/**
 * nopin_resource_has_read - is a READ with an old PSN one that is remembered?
 * @qp: the QP
 * @pkt: the request, for all or a part of the remembered READ
 *
 * Context: rq.lock held.
 * Return: true when it is, so that it may be answered again.
 */
bool nopin_resource_has_read(const struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	const struct nopin_resource *read = nopin_resource_find(&qp->rq, pkt->psn);
	u64 offset;

	if (!read || read->operation != NOPIN_RDMA_READ)
		return false;
	offset = (u64)((pkt->psn - read->psn) & NOPIN_PSN_MASK) * qp->mtu;
	return pkt->rkey == read->rkey &&
	       pkt->remote_addr == read->remote_addr + offset &&
	       offset + pkt->dma_len <= read->length;
}

/**
 * nopin_resource_atomic - find an atomic, ATOMIC WRITE or FLUSH with an old PSN
 * @rq: the responder
 * @pkt: the request
 *
 * Context: rq.lock held.
 * Return: the value that it found, or NULL when it is not remembered.
 */
const u64 *nopin_resource_atomic(const struct nopin_rq *rq, const struct nopin_pkt *pkt)
{
	const struct nopin_resource *atomic = nopin_resource_find(rq, pkt->psn);

	if (!atomic || atomic->operation != nopin_pkt_op(pkt)->operation)
		return NULL;
	return &atomic->original;
}
