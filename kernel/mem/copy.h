/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Copying between places: memory behind keys, packets, and the kernel's own bytes. */
#ifndef NOPIN_COPY_H
#define NOPIN_COPY_H

#include <rdma/nopin-abi.h>

#include "mem/key.h"
#include "mem/memory.h"

struct sk_buff;

enum nopin_place_kind {
	NOPIN_BYTES,	/* the kernel's own */
	NOPIN_PACKET,	/* payload of a packet */
	NOPIN_RANGE,	/* one range of memory behind a key */
	NOPIN_SGES,	/* a part of a scatter/gather list */
	NOPIN_BUFFERS,	/* payloads of packets to be sent, which only an engine fills */
};

/**
 * struct nopin_place - where bytes come from or go to
 * @kind: which of the others are used
 * @bytes: the first byte
 * @skb: the packet
 * @mtu: bytes of payload of each packet but the last
 * @offset: NOPIN_PACKET: of the first byte in @skb; NOPIN_SGES: of the first byte, counted
 *	over all elements; NOPIN_RANGE: iova of the first byte; NOPIN_BUFFERS: PSN of the
 *	first packet
 * @claim: NOPIN_RANGE: who asks, and by which key; NOPIN_SGES: @pd only
 * @sge: the elements
 * @num_sge: how many
 */
struct nopin_place {
	enum nopin_place_kind kind;
	u32 num_sge;
	u64 offset;
	union {
		void *bytes;
		const struct sk_buff *skb;
		const struct nopin_sge *sge;
		u32 mtu;
	};
	struct nopin_claim claim;
};

/* The result of a copy. */
enum nopin_copied {
	NOPIN_COPIED,
	NOPIN_COPY_MISS,		/* a page is not present: nopin_copy.miss */
	NOPIN_COPY_BAD_SOURCE,		/* no such memory, or no right to it */
	NOPIN_COPY_BAD_DESTINATION,
};

/**
 * struct nopin_copy - one copy
 * @from: where the bytes are
 * @to: where they go
 * @length: how many bytes
 * @want: how many bytes the message still has to copy, these included, as far as is known
 * @source_failed: result: the error is at @from
 * @miss: result, with NOPIN_COPY_MISS: what must be made present, with a reference
 * @view: private: the open view of @to, while views of @from are opened
 * @key: private: key of the memory in view
 */
struct nopin_copy {
	const struct nopin_place *from;
	const struct nopin_place *to;
	size_t length;
	size_t want;
	bool source_failed;
	struct nopin_miss miss;
	const struct nopin_view *view;
	struct nopin_key *key;
};

/*
 * Places and copies are filled in where they are, field by field: to clear a whole struct
 * first, or to return it by value, would cost too much for each packet.
 */
static inline void nopin_place_bytes(struct nopin_place *place, const void *bytes)
{
	place->kind = NOPIN_BYTES;
	place->num_sge = 0;
	place->bytes = (void *)bytes;
}

static inline void nopin_place_packet(struct nopin_place *place, const struct sk_buff *skb,
				      u64 offset)
{
	place->kind = NOPIN_PACKET;
	place->num_sge = 0;
	place->offset = offset;
	place->skb = skb;
}

/* A range that a peer names. @qp: nopin_qp.id of the responding QP. */
static inline void nopin_place_range(struct nopin_place *place, struct ib_pd *pd, u64 qp,
				     u32 key, u64 iova, int rights)
{
	place->kind = NOPIN_RANGE;
	place->num_sge = 0;
	place->offset = iova;
	place->claim.pd = pd;
	place->claim.qp = qp;
	place->claim.key = key;
	place->claim.rights = rights;
}

static inline void nopin_place_sges(struct nopin_place *place, struct ib_pd *pd,
				    const struct nopin_sge *sge, u32 num_sge, u64 offset)
{
	place->kind = NOPIN_SGES;
	place->num_sge = num_sge;
	place->offset = offset;
	place->sge = sge;
	place->claim.pd = pd;
}

static inline void nopin_place_buffers(struct nopin_place *place, u32 psn, u32 mtu)
{
	place->kind = NOPIN_BUFFERS;
	place->num_sge = 0;
	place->offset = psn;
	place->mtu = mtu;
}

/* For an atomic operation @from is NULL. */
static inline void nopin_copy_init(struct nopin_copy *copy, const struct nopin_place *from,
				   const struct nopin_place *to, size_t length, size_t want)
{
	copy->from = from;
	copy->to = to;
	copy->length = length;
	copy->want = want;
	copy->source_failed = false;
	copy->miss.memory = NULL;
}

enum nopin_copied nopin_copy(struct nopin_copy *copy);
enum nopin_copied nopin_copy_atomic(struct nopin_copy *copy, struct nopin_atomic *atomic);
int nopin_copy_visit(struct nopin_copy *copy, bool source, nopin_view_fn fn, void *ctx);
int nopin_sges_check(struct ib_pd *pd, const struct nopin_sge *sges, u32 num, int rights);

#endif /* NOPIN_COPY_H */
