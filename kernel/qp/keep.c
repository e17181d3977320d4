// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Packets that wait at a half of a QP, for a page or for their turn. No socket or process
 * is charged for their memory, so each half has a budget, and all QPs of the machine
 * together have another, shared among their owners: one program may have many QPs.
 */
#include <linux/mm.h>

#include "net/net.h"
#include "qp/keep.h"
#include "wire/packet.h"

/* All QPs together may keep one part in so many of the machine's memory. */
#define NOPIN_KEPT_SHARE	16

static atomic_long_t nopin_kept_bytes;
static long nopin_kept_limit __read_mostly;

/**
 * nopin_kept_init - set the budget of all QPs together
 *
 * Context: module init.
 */
void nopin_kept_init(void)
{
	nopin_kept_limit = totalram_pages() / NOPIN_KEPT_SHARE * PAGE_SIZE;
}

static void nopin_kept_uncharge(struct sk_buff *skb)
{
	atomic_long_t *charged = nopin_kept_info(skb)->charged;

	atomic_long_sub(skb->truesize, &nopin_kept_bytes);
	if (charged)
		atomic_long_sub(skb->truesize, charged);
}

/*
 * Count a packet until it is freed. As with other things that users share (verbs/share.c),
 * an owner's packets may take no more than remains for others. False: no room.
 */
static bool nopin_kept_charge(struct sk_buff *skb, const struct nopin_kept_info *info)
{
	long all = atomic_long_add_return(skb->truesize, &nopin_kept_bytes);
	long own = info->charged ? atomic_long_add_return(skb->truesize, info->charged) : 0;

	skb_orphan(skb);
	*nopin_kept_info(skb) = *info;
	skb->destructor = nopin_kept_uncharge;
	return all + own <= nopin_kept_limit;
}

/**
 * nopin_kept_add - keep a packet until its half goes on
 * @kept: the half's
 * @skb: data at the BTH, as handed up
 * @info: what to remember of the packet, but for the owner
 *
 * Context: BH off, the half's lock held.
 * Return: 0; -ENOBUFS: the budget is used up; -ENOMEM: treat the packet as lost.
 */
int nopin_kept_add(struct nopin_kept *kept, struct sk_buff *skb,
		   struct nopin_kept_info info)
{
	info.charged = kept->charged;
	if (skb_queue_len(&kept->skbs) >= NOPIN_KEPT_MAX)
		return -ENOBUFS;
	skb = nopin_net_keep(skb);
	if (!skb)
		return -ENOMEM;
	if (kept->bytes + skb->truesize > NOPIN_KEPT_BYTES ||
	    !nopin_kept_charge(skb, &info)) {
		kfree_skb(skb);
		return -ENOBUFS;
	}
	skb_dst_drop(skb);
	kept->bytes += skb->truesize;
	__skb_queue_tail(&kept->skbs, skb);
	return 0;
}

/* Padding and ICRC were trimmed off the skb, but the parser's length includes them. */
static void nopin_kept_parse(struct sk_buff *skb, struct nopin_pkt *pkt)
{
	u8 pad = skb->data[1] >> 4 & 3;

	WARN_ON_ONCE(nopin_pkt_parse(pkt, skb->data, skb_headlen(skb),
				     skb->len + pad + NOPIN_ICRC_LEN));
}

/**
 * nopin_kept_take - take the oldest packet out
 * @kept: the half's
 * @pkt: gets its headers
 *
 * Context: BH off, the half's lock held.
 * Return: the packet, to be freed or to be returned; or NULL.
 */
struct sk_buff *nopin_kept_take(struct nopin_kept *kept, struct nopin_pkt *pkt)
{
	struct sk_buff *skb = __skb_dequeue(&kept->skbs);

	if (!skb)
		return NULL;
	kept->bytes -= skb->truesize;
	nopin_kept_parse(skb, pkt);
	return skb;
}

/**
 * nopin_kept_return - put back a packet that has to wait again
 * @kept: the half's
 * @skb: from nopin_kept_take()
 *
 * Context: BH off, the half's lock held.
 */
void nopin_kept_return(struct nopin_kept *kept, struct sk_buff *skb)
{
	kept->bytes += skb->truesize;
	__skb_queue_head(&kept->skbs, skb);
}
