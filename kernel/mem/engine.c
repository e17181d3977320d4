// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Copies by a DMA engine. A job holds the references that keep its memory in place: a use
 * of each key and an entry into each gate. The completion drops them, in whatever context
 * the engine's driver calls it:
 *
 *  begin (BH off)               completion                watch (work)
 *  prep, submit: parts++
 *  ...
 *  issue
 *                               parts--, none left:
 *                               take the job off the list
 *                               unmap, leave the gates,
 *                               exit the keys
 *                               over()
 *                                                         no part ended for a while:
 *                                                         rest, terminate
 *                                                         (no further completion)
 *                                                         take all off the list,
 *                                                         with an error: over()
 *
 * Reclaim may wait for a job to end, so no code here may wait for memory. A driver that
 * cannot terminate needs a watchdog of its own, as the drivers of such channels have; the
 * job then ends with the watchdog's result.
 */
#include <linux/dma-map-ops.h>
#include <linux/dmaengine.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "mem/engine.h"
#include "mem/key.h"

#define pr_engine(fmt, ...) pr_warn("nopin: DMA engine: " fmt, ##__VA_ARGS__)

/* At most this many jobs are the engine's at a time; the CPU makes further copies. */
#define NOPIN_ENGINE_JOBS	64

/* An engine that has jobs and completes no part of one for this long has stopped. */
#define NOPIN_ENGINE_STUCK	HZ

/* A stopped engine gets no jobs for this long. */
#define NOPIN_ENGINE_REST	(10 * HZ)

DEFINE_STATIC_KEY_FALSE(nopin_engine_key);

/**
 * struct nopin_engine - the engine, one for all devices
 * @mutex: protects @users
 * @users: devices that want it
 * @chan: its channel, while there are users
 * @open: there are users; read in an RCU read-side section, in which jobs begin
 * @resting: it has stopped, and no job may begin until @watch changes this
 * @lock: protects @jobs
 * @jobs: jobs under way
 * @count: how many jobs, those being prepared or ended included
 * @progress: when a part of a job ended last, jiffies
 * @watch: looks whether jobs make progress
 * @idle: woken when @count has fallen to 0
 */
static struct nopin_engine {
	struct mutex mutex; /* users */
	unsigned int users;
	struct dma_chan *chan;
	bool open;
	bool resting;
	spinlock_t lock; /* jobs */
	struct list_head jobs;
	atomic_t count;
	unsigned long progress;
	struct delayed_work watch;
	wait_queue_head_t idle;
} nopin_engine;

static struct workqueue_struct *nopin_engine_wq;

/**
 * nopin_engine_device - which device does the DMA?
 *
 * Return: the device that DMA addresses must be made for.
 * Context: between nopin_engine_begin() and the end of the job.
 */
struct device *nopin_engine_device(void)
{
	return nopin_engine.chan->device->dev;
}

static void nopin_engine_uncount(void)
{
	if (atomic_dec_and_test(&nopin_engine.count))
		wake_up(&nopin_engine.idle);
}

/**
 * nopin_engine_begin - begin to prepare a job
 * @only_if_idle: only if the engine has no other job
 *
 * Return: an empty job, for nopin_engine_submit() or nopin_engine_abandon(); NULL: the
 *	engine takes none now.
 * Context: softirq, or process with BH off, in an RCU read-side section until the job is
 *	submitted or abandoned.
 */
struct nopin_engine_job *nopin_engine_begin(bool only_if_idle)
{
	struct nopin_engine *engine = &nopin_engine;
	struct nopin_engine_job *job;

	if (!READ_ONCE(engine->open) || READ_ONCE(engine->resting))
		return NULL;
	if (atomic_read(&engine->count) >= (only_if_idle ? 1 : NOPIN_ENGINE_JOBS))
		return NULL;
	job = kmalloc(sizeof(*job), GFP_ATOMIC | __GFP_NOWARN);
	if (!job)
		return NULL;
	job->error = 0;
	atomic_set(&job->parts, 1);
	job->from.runs = 0;
	job->to.runs = 0;
	job->skb = NULL;
	__skb_queue_head_init(&job->buffers);
	job->holds = 0;
	atomic_inc(&engine->count);
	return job;
}

/**
 * nopin_engine_keep - let a job keep memory in place
 * @job: being prepared
 * @key: key that the caller uses; the job uses it as well
 * @gate: gate that the caller is inside of; the job enters it as well. Or NULL
 *
 * Return: false: there is no room.
 * Context: as nopin_engine_begin().
 */
bool nopin_engine_keep(struct nopin_engine_job *job, struct nopin_key *key,
		       struct nopin_gate *gate)
{
	if (job->holds == NOPIN_JOB_HOLDS)
		return false;
	refcount_inc(&key->users);
	if (gate)
		nopin_gate_enter_again(gate);
	job->hold[job->holds++] = (struct nopin_job_hold){ key, gate };
	return true;
}

/* Some CPUs' caches must be flushed of what was written. */
static void nopin_engine_flush(const struct nopin_dma_list *to)
{
	struct nopin_view view = { .runs = 1 };
	unsigned int i;

	if (!ARCH_IMPLEMENTS_FLUSH_DCACHE_PAGE)
		return;
	for (i = 0; i < to->runs; i++) {
		view.run[0] = (struct nopin_run){ to->run[i].kaddr, to->run[i].len };
		nopin_view_flush(&view);
	}
}

/* Give up the job's memory, which the engine does not touch any more. */
static void nopin_engine_release(struct nopin_engine_job *job)
{
	struct device *dev = nopin_engine_device();
	unsigned int i;

	nopin_engine_flush(&job->to);
	nopin_dma_unmap_own(&job->from, dev, false);
	nopin_dma_unmap_own(&job->to, dev, true);
	for (i = 0; i < job->holds; i++) {
		if (job->hold[i].gate)
			nopin_gate_leave(job->hold[i].gate);
		nopin_key_exit(job->hold[i].key);
	}
	job->holds = 0;
}

/**
 * nopin_engine_abandon - drop a job that was not submitted
 * @job: being prepared; freed
 *
 * Context: as nopin_engine_begin().
 */
void nopin_engine_abandon(struct nopin_engine_job *job)
{
	nopin_engine_release(job);
	nopin_engine_free(job);
	nopin_engine_uncount();
}

/**
 * nopin_engine_free - drop a job that has ended
 * @job: the job; its packet and buffers are freed as well
 *
 * Context: any but interrupts.
 */
void nopin_engine_free(struct nopin_engine_job *job)
{
	kfree_skb(job->skb);
	__skb_queue_purge(&job->buffers);
	kfree(job);
}

/* End a job, which is off the list. */
static void nopin_engine_end(struct nopin_engine_job *job)
{
	nopin_engine_release(job);
	job->over(job);
	nopin_engine_uncount();
}

static void nopin_engine_part_over(struct nopin_engine_job *job)
{
	unsigned long flags;

	if (!atomic_dec_and_test(&job->parts))
		return;
	spin_lock_irqsave(&nopin_engine.lock, flags);
	list_del(&job->list);
	spin_unlock_irqrestore(&nopin_engine.lock, flags);
	nopin_engine_end(job);
}

/* dma_async_tx_callback_result */
static void nopin_engine_completed(void *ctx, const struct dmaengine_result *result)
{
	struct nopin_engine_job *job = ctx;

	WRITE_ONCE(nopin_engine.progress, jiffies);
	if (result && result->result != DMA_TRANS_NOERROR)
		WRITE_ONCE(job->error, -EIO);
	nopin_engine_part_over(job);
}

static bool nopin_engine_submit_part(struct nopin_engine_job *job, dma_addr_t to,
				     dma_addr_t from, size_t len)
{
	struct dma_chan *chan = nopin_engine.chan;
	struct dma_async_tx_descriptor *tx;

	if (!is_dma_copy_aligned(chan->device, from, to, len))
		return false;
	tx = dmaengine_prep_dma_memcpy(chan, to, from, len,
				       DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!tx)
		return false;
	tx->callback_result = nopin_engine_completed;
	tx->callback_param = job;
	atomic_inc(&job->parts);
	if (!dma_submit_error(dmaengine_submit(tx)))
		return true;
	atomic_dec(&job->parts);
	return false;
}

/* A position in a list of runs. */
struct nopin_dma_cursor {
	const struct nopin_dma_run *run;
	u32 off;
};

static void nopin_dma_advance(struct nopin_dma_cursor *at, size_t n)
{
	at->off += n;
	if (at->off == at->run->len) {
		at->run++;
		at->off = 0;
	}
}

static bool nopin_engine_submit_parts(struct nopin_engine_job *job)
{
	struct nopin_dma_cursor from = { job->from.run }, to = { job->to.run };
	size_t most = dma_get_max_seg_size(nopin_engine_device());
	size_t left, n;

	for (left = job->length; left; left -= n) {
		n = min3(left, (size_t)from.run->len - from.off,
			 (size_t)to.run->len - to.off);
		n = min(n, most);
		if (!nopin_engine_submit_part(job, to.run->addr + to.off,
					      from.run->addr + from.off, n))
			return false;
		nopin_dma_advance(&from, n);
		nopin_dma_advance(&to, n);
	}
	return true;
}

/**
 * nopin_engine_submit - let the engine copy
 * @job: with @length, @from, @to, @over and @ctx; its @over will be called
 *
 * Context: as nopin_engine_begin().
 */
void nopin_engine_submit(struct nopin_engine_job *job)
{
	struct nopin_engine *engine = &nopin_engine;
	unsigned long flags;
	bool first;

	spin_lock_irqsave(&engine->lock, flags);
	first = list_empty(&engine->jobs);
	if (first)
		WRITE_ONCE(engine->progress, jiffies);
	list_add_tail(&job->list, &engine->jobs);
	spin_unlock_irqrestore(&engine->lock, flags);
	if (first)
		queue_delayed_work(nopin_engine_wq, &engine->watch, NOPIN_ENGINE_STUCK);
	/* After an error the parts submitted before are waited for; the CPU repeats them. */
	if (!nopin_engine_submit_parts(job))
		WRITE_ONCE(job->error, -EAGAIN);
	dma_async_issue_pending(engine->chan);
	nopin_engine_part_over(job);
}

/* End all jobs with an error. No DMA of theirs is in flight any more. */
static void nopin_engine_fail_all(struct nopin_engine *engine)
{
	struct nopin_engine_job *job;

	spin_lock_irq(&engine->lock);
	while ((job = list_first_entry_or_null(&engine->jobs, struct nopin_engine_job,
					       list))) {
		list_del(&job->list);
		spin_unlock_irq(&engine->lock);
		WRITE_ONCE(job->error, -ETIMEDOUT);
		nopin_engine_end(job);
		spin_lock_irq(&engine->lock);
	}
	spin_unlock_irq(&engine->lock);
}

/* False: the driver cannot, or callbacks may be running afterwards. */
static bool nopin_engine_terminate(struct dma_chan *chan)
{
	return chan->device->device_synchronize && !dmaengine_terminate_sync(chan);
}

static void nopin_engine_stop(struct nopin_engine *engine)
{
	pr_engine("%s does not go on: the CPU copies\n", dma_chan_name(engine->chan));
	WRITE_ONCE(engine->resting, true);
	synchronize_rcu(); /* nopin_engine_submit() */
	if (nopin_engine_terminate(engine->chan))
		nopin_engine_fail_all(engine);
}

/* Runs while there are jobs, and while the engine rests. */
static void nopin_engine_watch(struct work_struct *work)
{
	struct nopin_engine *engine =
		container_of(to_delayed_work(work), struct nopin_engine, watch);
	unsigned long delay = NOPIN_ENGINE_STUCK;
	bool busy, stuck;

	spin_lock_irq(&engine->lock);
	busy = !list_empty(&engine->jobs);
	stuck = time_after(jiffies, READ_ONCE(engine->progress) + NOPIN_ENGINE_STUCK);
	spin_unlock_irq(&engine->lock);
	if (engine->resting) {
		WRITE_ONCE(engine->resting, busy);
	} else if (busy && stuck) {
		nopin_engine_stop(engine);
		delay = NOPIN_ENGINE_REST;
	} else if (!busy) {
		return;
	}
	queue_delayed_work(nopin_engine_wq, &engine->watch, delay);
}

/* An IOMMU bounces parts of pages for a device outside of the machine. */
static bool nopin_engine_is_trusted(struct device *dev)
{
	return !dev_is_pci(dev) || !to_pci_dev(dev)->untrusted;
}

/*
 * dma_filter_fn. The CPU's caches have to see the engine's accesses (mirror/dma.c). idxd
 * sleeps while it is out of descriptors, but copies begin with BH off.
 */
static bool nopin_engine_suits(struct dma_chan *chan, void *unused)
{
	struct device *dev = chan->device->dev;

	return dev_is_dma_coherent(dev) && nopin_engine_is_trusted(dev) &&
	       strcmp(dev_driver_string(dev), "idxd");
}

static int nopin_engine_open(struct nopin_engine *engine)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	engine->chan = dma_request_channel(mask, nopin_engine_suits, NULL);
	if (!engine->chan)
		return -ENODEV;
	pr_info("nopin: DMA engine: %s\n", dma_chan_name(engine->chan));
	WRITE_ONCE(engine->open, true);
	static_branch_enable(&nopin_engine_key);
	return 0;
}

static void nopin_engine_close(struct nopin_engine *engine)
{
	static_branch_disable(&nopin_engine_key);
	WRITE_ONCE(engine->open, false);
	synchronize_rcu(); /* nopin_engine_begin() */
	wait_event(engine->idle, !atomic_read(&engine->count));
	cancel_delayed_work_sync(&engine->watch);
	engine->resting = false;
	nopin_mirror_unmap_all();
	dmaengine_synchronize(engine->chan); /* the last completion has returned */
	dma_release_channel(engine->chan);
	engine->chan = NULL;
}

/**
 * nopin_engine_get - a device wants an engine
 *
 * Return: 0, and the caller must call nopin_engine_put(); -ENODEV: there is no engine.
 * Context: process, sleeps.
 */
int nopin_engine_get(void)
{
	struct nopin_engine *engine = &nopin_engine;
	int err = 0;

	mutex_lock(&engine->mutex);
	if (!engine->users)
		err = nopin_engine_open(engine);
	if (!err)
		engine->users++;
	mutex_unlock(&engine->mutex);
	return err;
}

/**
 * nopin_engine_put - a device does not want the engine any more
 *
 * The last put waits for the jobs under way, and unmaps all pages.
 *
 * Context: process, sleeps.
 */
void nopin_engine_put(void)
{
	struct nopin_engine *engine = &nopin_engine;

	mutex_lock(&engine->mutex);
	if (!--engine->users)
		nopin_engine_close(engine);
	mutex_unlock(&engine->mutex);
}

/**
 * nopin_engine_init - prepare for the first user
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int nopin_engine_init(void)
{
	struct nopin_engine *engine = &nopin_engine;

	mutex_init(&engine->mutex);
	spin_lock_init(&engine->lock);
	INIT_LIST_HEAD(&engine->jobs);
	INIT_DELAYED_WORK(&engine->watch, nopin_engine_watch);
	init_waitqueue_head(&engine->idle);
	/* Reclaim may wait for a job that only the watch can end. */
	nopin_engine_wq = alloc_workqueue("nopin_engine", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	return nopin_engine_wq ? 0 : -ENOMEM;
}

/**
 * nopin_engine_exit - no user is left
 *
 * Context: module unload.
 */
void nopin_engine_exit(void)
{
	destroy_workqueue(nopin_engine_wq);
}
