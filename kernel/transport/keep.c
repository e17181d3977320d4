// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Packets that are kept while a half of a QP waits. */
#include "transport/internal.h"

/**
 * nopin_park_skb - keep a packet until its half goes on
 * @parked: the half's queue
 * @skb: data at the BTH, as handed up
 *
 * Context: BH off, the half's lock held.
 * Return: false without memory: as if lost on the way.
 */
bool nopin_park_skb(struct sk_buff_head *parked, struct sk_buff *skb)
{
	skb = nopin_net_keep(skb);
	if (!skb)
		return false;
	skb_dst_drop(skb);
	skb_orphan(skb);
	__skb_queue_tail(parked, skb);
	return true;
}

/**
 * nopin_park_parse - read the headers of a kept packet again
 * @skb: from nopin_park_skb()
 * @pkt: gets them
 *
 * Padding and ICRC were cut off; the parser wants their length back.
 *
 * Context: any.
 */
void nopin_park_parse(struct sk_buff *skb, struct nopin_pkt *pkt)
{
	u8 pad = skb->data[1] >> 4 & 3;

	WARN_ON_ONCE(nopin_pkt_parse(pkt, skb->data, skb_headlen(skb),
				     skb->len + pad + NOPIN_ICRC_LEN));
}
