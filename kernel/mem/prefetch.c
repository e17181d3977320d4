// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_advise_mr(): pages made present before they are needed. All elements are
 * checked before the first page is touched, and the errors are those of the
 * manual page.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "device.h"
#include "mem/region.h"

static struct workqueue_struct *nopin_prefetch_wq;

/* One element: a range of a region, whose struct it keeps. */
struct nopin_prefetch_range {
	struct nopin_region *region;
	u64 va;
	u64 len;
};

/**
 * struct nopin_prefetch - one call
 * @work: without IB_UVERBS_ADVISE_MR_FLAG_FLUSH
 * @fault_flags: NOPIN_FAULT_*
 * @num: ranges that hold a region
 * @range: the elements
 */
struct nopin_prefetch {
	struct work_struct work;
	unsigned int fault_flags;
	u32 num;
	struct nopin_prefetch_range range[];
};

static void nopin_prefetch_free(struct nopin_prefetch *prefetch)
{
	u32 i;

	for (i = 0; i < prefetch->num; i++)
		nopin_region_put(prefetch->range[i].region);
	kvfree(prefetch);
}

static bool nopin_region_is_valid(struct nopin_region *region)
{
	return refcount_read(&region->users);
}

/* In steps that end where spans do: each is one walk of the page tables. */
static int nopin_prefetch_pages(const struct nopin_prefetch_range *range,
				unsigned int fault_flags)
{
	struct nopin_demand demand = {
		.flags = fault_flags,
		.stop = &range->region->stop,
	};
	u64 va = range->va, end = range->va + range->len;
	u64 step;
	int ret = 0;

	for (; va < end && !ret; va += step) {
		if (!nopin_region_is_valid(range->region))
			return -ENOENT;
		if (fatal_signal_pending(current))
			return -EINTR;
		step = min_t(u64, end - va,
			     NOPIN_MISS_MAX - (va & (NOPIN_MISS_MAX - 1)));
		demand.va = va;
		demand.need = step;
		ret = nopin_mirror_fault(range->region->mirror, &demand, NULL);
		if (ret == -EAGAIN) {
			step = 0;
			ret = 0;
		}
		cond_resched();
	}
	return ret;
}

static int nopin_prefetch_run(struct nopin_prefetch *prefetch)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < prefetch->num && !ret; i++)
		ret = nopin_prefetch_pages(&prefetch->range[i],
					   prefetch->fault_flags);
	return ret;
}

static void nopin_prefetch_work(struct work_struct *work)
{
	struct nopin_prefetch *prefetch =
		container_of(work, struct nopin_prefetch, work);

	/* Advice that came to nothing: the access will tell. */
	nopin_prefetch_run(prefetch);
	nopin_prefetch_free(prefetch);
}

static int nopin_prefetch_check(const struct nopin_region *region,
				const struct ib_pd *pd, bool write)
{
	struct nopin_grant grant = nopin_region_grant(region);

	if (grant.pd != pd)
		return -EPERM;
	if (!region->mirror)
		return -EINVAL;
	return write && !ib_access_writable(grant.access) ? -EPERM : 0;
}

static int nopin_prefetch_add(struct nopin_prefetch *prefetch, struct ib_pd *pd,
			      const struct ib_sge *sge)
{
	struct nopin_prefetch_range *range = &prefetch->range[prefetch->num];
	bool write = prefetch->fault_flags & NOPIN_FAULT_WRITE;
	struct nopin_region *region;
	int ret;

	region = nopin_region_lookup(to_nopin_dev(pd->device), sge->lkey);
	if (!region)
		return -ENOENT;
	ret = nopin_prefetch_check(region, pd, write);
	if (!ret && nopin_region_translate(region, sge->addr, sge->length, &range->va))
		ret = -EFAULT;
	if (!ret) {
		nopin_region_get(region);
		range->region = region;
		range->len = sge->length;
		prefetch->num++;
	}
	nopin_region_release(region);
	return ret;
}

static void nopin_prefetch_count(const struct nopin_prefetch *prefetch,
				 struct ib_pd *pd)
{
	u32 i;

	for (i = 0; i < prefetch->num; i++)
		atomic64_inc(&prefetch->range[i].region->prefetches);
	nopin_stat_inc(&to_nopin_dev(pd->device)->stats, NOPIN_PREFETCHES);
}

static int nopin_prefetch_flags(enum ib_uverbs_advise_mr_advice advice,
				unsigned int *flags)
{
	switch (advice) {
	case IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH:
		*flags = 0;
		return 0;
	case IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE:
		*flags = NOPIN_FAULT_WRITE;
		return 0;
	case IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT:
		*flags = NOPIN_FAULT_SNAPSHOT;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * nopin_region_prefetch - make ranges of mirrored regions present
 * @pd: protection domain
 * @advice: for reading, for writing, or only what the process has mapped
 * @flags: IB_UVERBS_ADVISE_MR_FLAG_FLUSH: done on return, else some time later
 * @sges: ranges by lkey
 * @num_sge: how many
 *
 * Return: 0; -EOPNOTSUPP for other advice; -ENOENT for a key that there is not;
 *	-EPERM for a region of another PD, or that is not to be written; -EINVAL
 *	for a pinned region; -EFAULT for a range outside of the region or, when
 *	flushed, of memory; -ENOMEM; -EINTR.
 * Context: process, sleeps.
 */
int nopin_region_prefetch(struct ib_pd *pd, enum ib_uverbs_advise_mr_advice advice,
			  u32 flags, struct ib_sge *sges, u32 num_sge)
{
	struct nopin_prefetch *prefetch;
	unsigned int fault_flags;
	int ret;
	u32 i;

	ret = nopin_prefetch_flags(advice, &fault_flags);
	if (ret)
		return ret;
	prefetch = kvzalloc(struct_size(prefetch, range, num_sge),
			    GFP_KERNEL_ACCOUNT);
	if (!prefetch)
		return -ENOMEM;
	prefetch->fault_flags = fault_flags;
	INIT_WORK(&prefetch->work, nopin_prefetch_work);

	for (i = 0; i < num_sge && !ret; i++)
		ret = nopin_prefetch_add(prefetch, pd, &sges[i]);
	if (ret)
		goto out;
	nopin_prefetch_count(prefetch, pd);
	if (!(flags & IB_UVERBS_ADVISE_MR_FLAG_FLUSH)) {
		queue_work(nopin_prefetch_wq, &prefetch->work);
		return 0;
	}
	ret = nopin_prefetch_run(prefetch);
out:
	nopin_prefetch_free(prefetch);
	return ret;
}

/**
 * nopin_prefetch_init - set up prefetching
 *
 * Return: 0 or -ENOMEM.
 * Context: module load.
 */
int nopin_prefetch_init(void)
{
	nopin_prefetch_wq = alloc_workqueue("nopin_prefetch", WQ_UNBOUND, 0);
	return nopin_prefetch_wq ? 0 : -ENOMEM;
}

/**
 * nopin_prefetch_exit - undo nopin_prefetch_init()
 *
 * Context: module unload, sleeps.
 */
void nopin_prefetch_exit(void)
{
	destroy_workqueue(nopin_prefetch_wq);
}
