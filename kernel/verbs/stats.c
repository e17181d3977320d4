// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hw_counters: the same for the device and for its one port. */
#include "device.h"
#include "net/net.h"
#include "verbs/verbs.h"

/* Indexed by enum nopin_counter. */
static const struct rdma_stat_desc nopin_stat_descs[NOPIN_COUNTERS] = {
	[NOPIN_SENT_PACKETS].name	= "sent_packets",
	[NOPIN_RECEIVED_PACKETS].name	= "received_packets",
	[NOPIN_PAGE_FAULTS].name	= "page_faults",
	[NOPIN_PAGE_INVALIDATIONS].name	= "page_invalidations",
	[NOPIN_PREFETCHES].name		= "prefetches",
	[NOPIN_PARKED_PACKETS].name	= "parked_packets",
	[NOPIN_RETRANSMITS].name	= "retransmits",
	[NOPIN_TIMEOUTS].name		= "timeouts",
	[NOPIN_LATE_DOORBELLS].name	= "late_doorbells",
	[NOPIN_RNR_NAKS_SENT].name	= "rnr_naks_sent",
	[NOPIN_RNR_NAKS_RECEIVED].name	= "rnr_naks_received",
	[NOPIN_SEQ_NAKS_SENT].name	= "seq_naks_sent",
	[NOPIN_SEQ_NAKS_RECEIVED].name	= "seq_naks_received",
	[NOPIN_DUPLICATES].name		= "duplicates",
	[NOPIN_DROP_STALE].name		= "drop_stale",
	[NOPIN_DROP_MALFORMED].name	= "drop_malformed",
	[NOPIN_DROP_ICRC].name		= "drop_icrc",
	[NOPIN_DROP_NO_QP].name		= "drop_no_qp",
	[NOPIN_DROP_NO_RECEIVE].name	= "drop_no_receive",
	[NOPIN_DMA_COPIES].name		= "dma_copies",
	[NOPIN_DMA_BYTES].name		= "dma_bytes",
	[NOPIN_DMA_ERRORS].name		= "dma_errors",
	[NOPIN_MIGRATIONS_IN].name	= "migrations_in",
	[NOPIN_MIGRATIONS_OUT].name	= "migrations_out",
	[NOPIN_MIGRATION_FAULTS].name	= "migration_faults",
	[NOPIN_MEMORY_BYTES].name	= "memory_bytes",
	[NOPIN_ECN_MARKED].name		= "np_ecn_marked_roce_packets",
	[NOPIN_CNPS_SENT].name		= "np_cnp_sent",
	[NOPIN_CNPS_HANDLED].name	= "rp_cnp_handled",
	[NOPIN_SEND_ERRORS].name	= "send_errors",
};

static struct rdma_hw_stats *nopin_alloc_stats(void)
{
	return rdma_alloc_hw_stats_struct(nopin_stat_descs, NOPIN_COUNTERS,
					  RDMA_HW_STATS_DEFAULT_LIFESPAN);
}

/**
 * nopin_alloc_hw_device_stats - ib_device_ops.alloc_hw_device_stats
 * @ibdev: the device
 *
 * Return: room for the counters, or NULL.
 */
struct rdma_hw_stats *nopin_alloc_hw_device_stats(struct ib_device *ibdev)
{
	return nopin_alloc_stats();
}

/**
 * nopin_alloc_hw_port_stats - ib_device_ops.alloc_hw_port_stats
 * @ibdev: the device
 * @port: 1
 *
 * Return: room for the counters, or NULL.
 */
struct rdma_hw_stats *nopin_alloc_hw_port_stats(struct ib_device *ibdev, u32 port)
{
	return nopin_alloc_stats();
}

/**
 * nopin_get_hw_stats - ib_device_ops.get_hw_stats
 * @ibdev: the device
 * @stats: filled in
 * @port: 0: the device, 1: its port
 * @index: the counter that is asked for; all are filled in
 *
 * Packets that were dropped before a device was found for them count for every device
 * of the namespace.
 *
 * Return: how many counters were filled in.
 */
int nopin_get_hw_stats(struct ib_device *ibdev, struct rdma_hw_stats *stats,
		       u32 port, int index)
{
	struct nopin_dev *dev = to_nopin_dev(ibdev);
	struct nopin_net_drops drops;
	unsigned int i;

	for (i = 0; i < NOPIN_COUNTERS; i++)
		stats->value[i] = nopin_stat_read(&dev->stats, i);
	stats->value[NOPIN_PAGE_INVALIDATIONS] +=
		atomic64_read(&dev->stats.page_invalidations);
	stats->value[NOPIN_MEMORY_BYTES] = nopin_memory_resident(dev);
	nopin_net_drops(dev->net, &drops);
	stats->value[NOPIN_DROP_MALFORMED] += drops.malformed;
	stats->value[NOPIN_DROP_ICRC] += drops.icrc;
	stats->value[NOPIN_DROP_NO_QP] += drops.no_qp;
	return NOPIN_COUNTERS;
}
