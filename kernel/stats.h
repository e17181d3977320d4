/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What a device counts; shown as hw_counters and by `rdma statistic`. */
#ifndef NOPIN_STATS_H
#define NOPIN_STATS_H

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/percpu.h>
#include <linux/types.h>

enum nopin_counter {
	NOPIN_SENT_PACKETS,
	NOPIN_RECEIVED_PACKETS,
	NOPIN_PAGE_FAULTS,		/* pages made present for an access */
	NOPIN_PAGE_INVALIDATIONS,	/* mirror entries that the kernel invalidated */
	NOPIN_PREFETCHES,		/* advise_mr calls carried out */
	NOPIN_PARKED_PACKETS,		/* packets that waited for a page */
	NOPIN_RETRANSMITS,		/* request packets sent again */
	NOPIN_TIMEOUTS,			/* ACK timer expirations */
	NOPIN_LATE_DOORBELLS,		/* requests waited, as their doorbell was left out */
	NOPIN_RNR_NAKS_SENT,
	NOPIN_RNR_NAKS_RECEIVED,
	NOPIN_SEQ_NAKS_SENT,
	NOPIN_SEQ_NAKS_RECEIVED,
	NOPIN_DUPLICATES,		/* request packets received twice */
	NOPIN_DROP_STALE,		/* not awaited, not answered again; broken UC messages */
	NOPIN_DROP_MALFORMED,		/* not a packet a RoCEv2 peer would send */
	NOPIN_DROP_ICRC,
	NOPIN_DROP_NO_QP,		/* no such QP, wrong peer, interface or state */
	NOPIN_DROP_NO_RECEIVE,		/* UD or UC: no receive posted, or no room to wait */
	NOPIN_DMA_COPIES,		/* carried out by a DMA engine */
	NOPIN_DMA_BYTES,
	NOPIN_DMA_ERRORS,		/* the engine failed, so that the CPU copied */
	NOPIN_MIGRATIONS_IN,		/* pages moved into the NIC's memory */
	NOPIN_MIGRATIONS_OUT,		/* pages moved back to the CPU's, for any reason */
	NOPIN_MIGRATION_FAULTS,		/* those of them that the CPU touched */
	NOPIN_MEMORY_BYTES,		/* bytes of the NIC's memory that are in use now */
	NOPIN_ECN_MARKED,		/* packets received with a router's congestion mark */
	NOPIN_CNPS_SENT,
	NOPIN_CNPS_HANDLED,		/* CNPs for which the window was cut, or was already */
	NOPIN_SEND_ERRORS,		/* no route, no memory, refused by the stack */
	NOPIN_COUNTERS
};

/**
 * struct nopin_stats - the counters of a device
 * @counter: NOPIN_COUNTERS for each CPU, so that no packet waits for another CPU's
 * @page_invalidations: counted by the mirror, which does not know struct nopin_dev
 */
struct nopin_stats {
	s64 __percpu *counter;
	atomic64_t page_invalidations;
};

static inline int nopin_stats_init(struct nopin_stats *stats)
{
	stats->counter = __alloc_percpu(NOPIN_COUNTERS * sizeof(s64), sizeof(s64));
	return stats->counter ? 0 : -ENOMEM;
}

static inline void nopin_stats_destroy(struct nopin_stats *stats)
{
	free_percpu(stats->counter);
}

static inline void nopin_stat_add(const struct nopin_stats *stats,
				  enum nopin_counter counter, s64 n)
{
	this_cpu_add(stats->counter[counter], n);
}

static inline void nopin_stat_inc(const struct nopin_stats *stats,
				  enum nopin_counter counter)
{
	nopin_stat_add(stats, counter, 1);
}

/* The sum over all CPUs; may miss what a CPU counts during the call. */
static inline s64 nopin_stat_read(const struct nopin_stats *stats,
				  enum nopin_counter counter)
{
	s64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(stats->counter, cpu)[counter]);
	return sum;
}

#endif /* NOPIN_STATS_H */
