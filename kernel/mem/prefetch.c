// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_advise_mr(): pages made present before they are needed. All elements are
 * checked before the first page is touched, and the errors are those of the
 * manual page.
 *
 * The caller pays for a call, by its nice value, its cgroup and its limits. Only
 * faults without IB_UVERBS_ADVISE_MR_FLAG_FLUSH are left to a worker, for they may
 * wait for a disk. A process has one such worker at a time, which rests most of the
 * time. At most NOPIN_PREFETCH_CALLS calls wait for it; the caller itself carries out
 * further ones. A worker never waits for a program (userfaultfd). It gives up a region
 * that is deregistered, which happens at the latest when the process ends or before
 * the module is unloaded.
 */
#include <linux/hashtable.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "device.h"
#include "mem/key.h"
#include "mem/memory.h"
#include "mem/prefetch.h"

/* Calls of one process that may wait for its worker. */
#define NOPIN_PREFETCH_CALLS	16

/* How long a worker runs between two rests, and its longest rest. */
#define NOPIN_PREFETCH_RUN_US	1000
#define NOPIN_PREFETCH_REST_US	USEC_PER_SEC

static DEFINE_SPINLOCK(nopin_prefetch_lock); /* protects the table and its workers' calls */
static DEFINE_HASHTABLE(nopin_prefetchers, 6);
static struct workqueue_struct *nopin_prefetch_wq;

/* One element: a range of mirrored memory, with a reference to it. */
struct nopin_prefetch_range {
	struct nopin_mirrored *mirrored;
	u64 va;
	u64 len;
	bool writable; /* says its key */
};

/**
 * struct nopin_prefetch - one call
 * @list: in the worker's list of calls
 * @fault_flags: NOPIN_FAULT_*
 * @leave: set when the device goes; NULL for a worker, which may outlive the device
 * @num: ranges in use, each with a reference to its memory
 * @range: the elements
 */
struct nopin_prefetch {
	struct list_head list;
	unsigned int fault_flags;
	const struct nopin_stop *leave;
	u32 num;
	struct nopin_prefetch_range range[];
};

/**
 * struct nopin_prefetcher - the worker of one process; it exists while it has work
 * @node: in the table
 * @mm: of the process; mmgrab() keeps the struct
 * @work: carries out @calls
 * @calls: struct nopin_prefetch.list
 * @num: how many
 */
struct nopin_prefetcher {
	struct hlist_node node;
	struct mm_struct *mm;
	struct work_struct work;
	struct list_head calls;
	unsigned int num;
};

static void nopin_prefetch_free(struct nopin_prefetch *prefetch)
{
	u32 i;

	for (i = 0; i < prefetch->num; i++)
		nopin_memory_put(&prefetch->range[i].mirrored->memory);
	kvfree(prefetch);
}

/* When a worker began to run, by the clock and by its CPU time. */
struct nopin_prefetch_turn {
	ktime_t time;
	u64 cpu_ns;
};

static void nopin_prefetch_begin(struct nopin_prefetch_turn *turn)
{
	turn->time = ktime_get();
	turn->cpu_ns = current->se.sum_exec_runtime;
}

/*
 * Called between two steps of a worker, which rests for four times as long as it had a
 * CPU. The scheduler updates that time when the worker gives up the CPU, so it first
 * sleeps for one jiffy.
 */
static void nopin_prefetch_rest(struct nopin_prefetch_turn *turn)
{
	u64 us;

	if (ktime_us_delta(ktime_get(), turn->time) < NOPIN_PREFETCH_RUN_US)
		return;
	schedule_timeout_idle(1);
	us = 4 * div_u64(current->se.sum_exec_runtime - turn->cpu_ns, NSEC_PER_USEC);
	us = min_t(u64, us, NOPIN_PREFETCH_REST_US);
	if (us > jiffies_to_usecs(1))
		schedule_timeout_idle(usecs_to_jiffies(us) - 1);
	nopin_prefetch_begin(turn);
}

/* May a call go on? @turn: of a worker; NULL: the caller itself carries it out. */
static int nopin_prefetch_continue(const struct nopin_demand *demand,
				   struct nopin_prefetch_turn *turn)
{
	if (turn)
		nopin_prefetch_rest(turn);
	cond_resched();
	if (nopin_stop_is_set(demand->stop))
		return -ENOENT;
	if (nopin_stop_is_set(demand->leave))
		return -EIO;
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* Prefetch in steps that end where spans do: each is one walk of the page tables. */
static int nopin_prefetch_pages(const struct nopin_prefetch_range *range,
				struct nopin_demand *demand,
				struct nopin_prefetch_turn *turn)
{
	struct nopin_mirror *mirror = range->mirrored->mirror;
	u64 va = range->va, end = range->va + range->len;
	u64 step;
	int ret;

	for (; va < end; va += step) {
		ret = nopin_prefetch_continue(demand, turn);
		if (ret)
			return ret;
		if (demand->flags & NOPIN_FAULT_SNAPSHOT)
			va = nopin_mirror_skip_hole(mirror, va);
		if (va >= end)
			break;
		step = min_t(u64, end - va,
			     NOPIN_MISS_MAX - (va & (NOPIN_MISS_MAX - 1)));
		demand->va = va;
		demand->need = step;
		ret = nopin_mirror_fault(mirror, demand, NULL);
		if (ret == -EAGAIN || ret == -EBUSY) /* the mapping changes meanwhile */
			step = 0;
		else if (ret)
			return ret;
	}
	return 0;
}

/* A snapshot asks for writable entries, and gets them where the CPU has such entries. */
static int nopin_prefetch_element(const struct nopin_prefetch *prefetch,
				  const struct nopin_prefetch_range *range,
				  struct nopin_prefetch_turn *turn)
{
	struct nopin_demand demand = {
		.flags = prefetch->fault_flags,
		.stop = &range->mirrored->stop,
		.leave = prefetch->leave,
	};

	if (demand.flags & NOPIN_FAULT_SNAPSHOT && range->writable)
		demand.flags |= NOPIN_FAULT_WRITE;
	return nopin_prefetch_pages(range, &demand, turn);
}

static int nopin_prefetch_run(struct nopin_prefetch *prefetch,
			      struct nopin_prefetch_turn *turn)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < prefetch->num && !ret; i++)
		ret = nopin_prefetch_element(prefetch, &prefetch->range[i], turn);
	return ret;
}

/* The next call that waits. NULL: there is none, and the worker has left the table. */
static struct nopin_prefetch *nopin_prefetcher_next(struct nopin_prefetcher *prefetcher)
{
	struct nopin_prefetch *prefetch;

	spin_lock(&nopin_prefetch_lock);
	prefetch = list_first_entry_or_null(&prefetcher->calls, struct nopin_prefetch,
					    list);
	if (prefetch) {
		list_del(&prefetch->list);
		prefetcher->num--;
	} else {
		hash_del(&prefetcher->node);
	}
	spin_unlock(&nopin_prefetch_lock);
	return prefetch;
}

static void nopin_prefetch_work(struct work_struct *work)
{
	struct nopin_prefetcher *prefetcher =
		container_of(work, struct nopin_prefetcher, work);
	struct nopin_prefetch *prefetch;
	struct nopin_prefetch_turn turn;

	nopin_prefetch_begin(&turn);
	while ((prefetch = nopin_prefetcher_next(prefetcher))) {
		/* Advice may fail without notice: the access reports the error. */
		nopin_prefetch_run(prefetch, &turn);
		nopin_prefetch_free(prefetch);
	}
	mmdrop(prefetcher->mm);
	kfree(prefetcher);
}

static struct nopin_prefetcher *nopin_prefetcher_find(const struct mm_struct *mm)
{
	struct nopin_prefetcher *prefetcher;

	lockdep_assert_held(&nopin_prefetch_lock);
	hash_for_each_possible(nopin_prefetchers, prefetcher, node, (unsigned long)mm)
		if (prefetcher->mm == mm)
			return prefetcher;
	return NULL;
}

static struct nopin_prefetcher *nopin_prefetcher_alloc(struct mm_struct *mm)
{
	struct nopin_prefetcher *prefetcher;

	prefetcher = kzalloc(sizeof(*prefetcher), GFP_KERNEL_ACCOUNT);
	if (!prefetcher)
		return NULL;
	mmgrab(mm);
	prefetcher->mm = mm;
	INIT_WORK(&prefetcher->work, nopin_prefetch_work);
	INIT_LIST_HEAD(&prefetcher->calls);
	return prefetcher;
}

/* Leave a call to the worker of the process. False: the caller must carry it out. */
static bool nopin_prefetch_defer(struct nopin_prefetch *prefetch)
{
	struct nopin_prefetcher *prefetcher, *fresh;
	bool room = false;

	fresh = nopin_prefetcher_alloc(current->mm);
	spin_lock(&nopin_prefetch_lock);
	prefetcher = nopin_prefetcher_find(current->mm);
	if (!prefetcher && fresh) {
		swap(prefetcher, fresh);
		hash_add(nopin_prefetchers, &prefetcher->node,
			 (unsigned long)prefetcher->mm);
		queue_work(nopin_prefetch_wq, &prefetcher->work);
	}
	if (prefetcher && prefetcher->num < NOPIN_PREFETCH_CALLS) {
		prefetch->leave = NULL;
		list_add_tail(&prefetch->list, &prefetcher->calls);
		prefetcher->num++;
		room = true;
	}
	spin_unlock(&nopin_prefetch_lock);
	if (fresh) {
		mmdrop(fresh->mm);
		kfree(fresh);
	}
	return room;
}

static int nopin_prefetch_check(const struct nopin_key *key, const struct ib_pd *pd,
				bool write)
{
	if (key->pd != pd)
		return -EPERM;
	if (!nopin_memory_is_mirrored(key->memory))
		return -EINVAL;
	return write && !ib_access_writable(key->access) ? -EPERM : 0;
}

static int nopin_prefetch_add(struct nopin_prefetch *prefetch, struct ib_pd *pd,
			      const struct ib_sge *sge)
{
	struct nopin_prefetch_range *range = &prefetch->range[prefetch->num];
	bool write = prefetch->fault_flags & NOPIN_FAULT_WRITE;
	struct nopin_key *key;
	u64 offset;
	int ret;

	key = nopin_key_lookup(to_nopin_dev(pd->device), sge->lkey);
	if (!key)
		return -ENOENT;
	ret = nopin_prefetch_check(key, pd, write);
	offset = sge->addr - key->iova;
	if (!ret && (offset > key->length || sge->length > key->length - offset))
		ret = -EFAULT;
	if (!ret) {
		nopin_memory_get(key->memory);
		range->mirrored = to_nopin_mirrored(key->memory);
		range->va = key->va + offset;
		range->len = sge->length;
		range->writable = ib_access_writable(key->access);
		prefetch->num++;
	}
	nopin_key_exit(key);
	return ret;
}

static void nopin_prefetch_count(const struct nopin_prefetch *prefetch,
				 struct ib_pd *pd)
{
	u32 i;

	for (i = 0; i < prefetch->num; i++)
		atomic64_inc(&prefetch->range[i].mirrored->prefetches);
	nopin_stat_inc(&to_nopin_dev(pd->device)->stats, NOPIN_PREFETCHES);
}

/* Without IB_UVERBS_ADVISE_MR_FLAG_FLUSH: only a snapshot is always taken at once. */
static int nopin_prefetch_later(struct nopin_prefetch *prefetch, bool *taken)
{
	int ret;

	prefetch->fault_flags |= NOPIN_FAULT_PROMPT;
	*taken = !(prefetch->fault_flags & NOPIN_FAULT_SNAPSHOT) &&
		 nopin_prefetch_defer(prefetch);
	if (*taken)
		return 0;
	ret = nopin_prefetch_run(prefetch, NULL);
	return ret == -EINTR || ret == -EIO ? ret : 0;
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
 * Return: 0; -EOPNOTSUPP for other advice; -ENOENT for an unknown key; -EPERM for a
 *	region of another PD, or without the right to write; -EINVAL for a region that
 *	is not mirrored; -EFAULT for a range outside of the region or, when flushed, for
 *	one without memory; -ENOMEM; -EINTR; -EIO: the device goes.
 * Context: process, sleeps.
 */
int nopin_region_prefetch(struct ib_pd *pd, enum ib_uverbs_advise_mr_advice advice,
			  u32 flags, struct ib_sge *sges, u32 num_sge)
{
	struct nopin_prefetch *prefetch;
	unsigned int fault_flags;
	bool taken = false;
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
	prefetch->leave = &to_nopin_dev(pd->device)->leave;

	for (i = 0; i < num_sge && !ret; i++)
		ret = nopin_prefetch_add(prefetch, pd, &sges[i]);
	if (ret)
		goto out;
	nopin_prefetch_count(prefetch, pd);
	if (flags & IB_UVERBS_ADVISE_MR_FLAG_FLUSH)
		ret = nopin_prefetch_run(prefetch, NULL);
	else
		ret = nopin_prefetch_later(prefetch, &taken);
out:
	if (!taken)
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
