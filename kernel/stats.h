/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What a device counts; shown as hw_counters and by `rdma statistic`. */
#ifndef NOPIN_STATS_H
#define NOPIN_STATS_H

#include <linux/atomic.h>
#include <linux/types.h>

enum nopin_counter {
	NOPIN_SENT_PACKETS,
	NOPIN_RECEIVED_PACKETS,
	NOPIN_PAGE_FAULTS,		/* pages made present for an access */
	NOPIN_PAGE_INVALIDATIONS,	/* entries the kernel took away */
	NOPIN_PREFETCHES,		/* advise_mr calls carried out */
	NOPIN_PARKED_PACKETS,		/* packets that waited for a page */
	NOPIN_RETRANSMITS,		/* request packets sent again */
	NOPIN_TIMEOUTS,			/* ACK timer expirations */
	NOPIN_LATE_DOORBELLS,		/* requests waited for one that was left out */
	NOPIN_RNR_NAKS_SENT,
	NOPIN_RNR_NAKS_RECEIVED,
	NOPIN_SEQ_NAKS_SENT,
	NOPIN_SEQ_NAKS_RECEIVED,
	NOPIN_DUPLICATES,		/* request packets received twice */
	NOPIN_DROP_STALE,		/* PSN not due and not to be answered again */
	NOPIN_DROP_MALFORMED,		/* not a packet a RoCEv2 peer would send */
	NOPIN_DROP_ICRC,
	NOPIN_DROP_NO_QP,		/* no such QP, wrong peer, interface or state */
	NOPIN_DROP_NO_RECEIVE,		/* a datagram, and no receive for it */
	NOPIN_SEND_ERRORS,		/* no route, no memory, refused by the stack */
	NOPIN_COUNTERS
};

struct nopin_stats {
	atomic64_t counter[NOPIN_COUNTERS];
};

static inline void nopin_stat_add(struct nopin_stats *stats,
				  enum nopin_counter counter, s64 n)
{
	atomic64_add(n, &stats->counter[counter]);
}

static inline void nopin_stat_inc(struct nopin_stats *stats,
				  enum nopin_counter counter)
{
	atomic64_inc(&stats->counter[counter]);
}

#endif /* NOPIN_STATS_H */
