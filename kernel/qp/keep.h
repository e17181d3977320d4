/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Packets that wait at a half of a QP. */
#ifndef NOPIN_KEEP_H
#define NOPIN_KEEP_H

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/skbuff.h>

struct nopin_pkt;

/* The budget of a half of a QP: packets, and bytes of memory with all overhead. */
#define NOPIN_KEPT_MAX		512
#define NOPIN_KEPT_BYTES	(2U << 20)

/**
 * struct nopin_kept - packets that wait at a half of a QP
 * @skbs: oldest first
 * @bytes: memory that they take, the sum of their truesize
 * @charged: memory that the packets of all QPs of the owner take; NULL: of the kernel's own
 *
 * Protected by the half's lock.
 */
struct nopin_kept {
	struct sk_buff_head skbs;
	size_t bytes;
	atomic_long_t *charged;
};

/**
 * struct nopin_kept_info - what a responder knows of a packet that it keeps
 * @due: its PSN follows on that of the request before it; else it is a duplicate
 * @answered: rq.answered when the packet came
 * @charged: nopin_kept.charged
 */
struct nopin_kept_info {
	bool due;
	u32 answered;
	atomic_long_t *charged;
};

static inline struct nopin_kept_info *nopin_kept_info(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct nopin_kept_info) > sizeof(skb->cb));
	return (struct nopin_kept_info *)skb->cb;
}

static inline void nopin_kept_purge(struct nopin_kept *kept)
{
	skb_queue_purge(&kept->skbs);
	kept->bytes = 0;
}

int nopin_kept_add(struct nopin_kept *kept, struct sk_buff *skb,
		   struct nopin_kept_info info);
struct sk_buff *nopin_kept_take(struct nopin_kept *kept, struct nopin_pkt *pkt);
void nopin_kept_return(struct nopin_kept *kept, struct sk_buff *skb);
void nopin_kept_init(void);

#endif /* NOPIN_KEEP_H */
