// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Payloads that a DMA engine gathers ahead of their packets, a train at a time. The half
 * parks before the first packet. When it goes on, each packet finds its payload in place:
 *
 *  half, lock held                    engine
 *  next packet: nothing ahead
 *  submit the payloads of a train,
 *  park
 *                                     copies
 *  next packet: takes its buffer;
 *   headers, ICRC
 *  ...
 *  the train leaves
 *
 * Only what may be sent at once is gathered, so all of it leaves, or is freed, before the
 * half drops its lock: buffers do not accumulate at QPs whose peers are slow.
 */
#include "mem/offload.h"
#include "transport/ahead.h"
#include "transport/transmit.h"

/* Bytes of payload gathered at a time: as many packets of 4 KiB as one train takes. */
#define NOPIN_AHEAD_BYTES	(60U << 10)

/* Packets gathered at a time: one train, each with a place in the engine's list. */
#define NOPIN_AHEAD_PACKETS	NOPIN_DMA_RUNS

/* Packets from the next on whose payloads one job is to gather, if there is room for them. */
static u32 nopin_ahead_packets(const struct nopin_qp *qp, u32 rest)
{
	return min3(nopin_packets(qp, rest), NOPIN_AHEAD_BYTES / qp->mtu,
		    (u32)NOPIN_AHEAD_PACKETS);
}

/* Nothing has been gathered. False: the CPU has to do it; else the half waits. */
static bool nopin_ahead_begin(const struct nopin_qp *qp, const struct nopin_ahead *ahead,
			      struct nopin_copy *copy)
{
	u32 packets = nopin_ahead_packets(qp, ahead->rest);

	copy->length = min(ahead->rest, packets * qp->mtu);
	if (!nopin_offload_is_wanted(copy))
		return false;
	if (packets > ahead->room && ahead->waits)
		return true;
	copy->length = min(ahead->rest, min(packets, ahead->room) * qp->mtu);
	if (nopin_park_ahead(ahead->park, copy))
		return true;
	return copy->miss.memory && nopin_park_fetch_ahead(ahead->park, &copy->miss);
}

/**
 * nopin_ahead_fill - begin a packet whose payload an engine gathers
 * @qp: the QP
 * @ahead: the packet, of a reliable service, with memory as source
 * @pkt: its opcode and payload_len
 * @copied: with true: NOPIN_COPIED: nopin_transmit_end() is to follow; or NOPIN_COPY_MISS:
 *	the half waits for the engine or for an ACK, and then tries again
 *
 * Context: the half's lock held, BH off, in an RCU read-side section.
 * Return: false: the CPU has to gather the payload.
 */
bool nopin_ahead_fill(struct nopin_qp *qp, const struct nopin_ahead *ahead,
		      const struct nopin_pkt *pkt, enum nopin_copied *copied)
{
	struct nopin_copy copy __uninitialized;
	struct nopin_place to __uninitialized;
	struct sk_buff *skb;

	nopin_place_buffers(&to, ahead->psn, qp->mtu);
	nopin_copy_init(&copy, &ahead->from, &to, pkt->payload_len, ahead->rest);
	skb = nopin_park_take_ahead(ahead->park, &copy);
	if (IS_ERR(skb))
		return false;
	*copied = skb ? NOPIN_COPIED : NOPIN_COPY_MISS;
	if (!skb)
		return nopin_ahead_begin(qp, ahead, &copy);
	nopin_transmit_use(qp, ahead->train, pkt, skb);
	return true;
}
