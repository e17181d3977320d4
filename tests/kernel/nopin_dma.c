// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A dmaengine channel with DMA_MEMCPY for nopin's tests. It uses either QEMU's edu device,
 * which copies in two hops through its own 4 KiB buffer and can be put behind an IOMMU, or
 * a kernel thread that copies with memcpy(). Either can be told to fail, to stop, or to
 * report completion before it copies. In the last case a driver that gives the memory back
 * at completion lets the engine write to memory that is in use elsewhere.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

static bool soft;
module_param(soft, bool, 0);
MODULE_PARM_DESC(soft, "a thread copies, and no device (default: no)");

static unsigned int delay_us;
module_param(delay_us, uint, 0644);
MODULE_PARM_DESC(delay_us, "soft: microseconds that each part takes at least (default: 0)");

static unsigned int fail_every;
module_param(fail_every, uint, 0644);
MODULE_PARM_DESC(fail_every, "each so many parts one writes rubbish and fails (default: 0, none)");

static unsigned int stall_after;
module_param(stall_after, uint, 0644);
MODULE_PARM_DESC(stall_after, "after so many parts it stops until it is terminated (default: 0, never)");

static unsigned int early_ms;
module_param(early_ms, uint, 0644);
MODULE_PARM_DESC(early_ms, "it says that a part is done so many milliseconds before it begins (default: 0)");

/* Registers and buffer of the edu device. */
#define EDU_DMA_FROM	0x80
#define EDU_DMA_TO	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_COMMAND	0x98
#define EDU_DMA_START	BIT(0)
#define EDU_DMA_TO_RAM	BIT(1)
#define EDU_BUFFER	0x40000
#define EDU_BYTES	2048U	/* some versions of QEMU do not accept 4096 */

struct part {
	struct dma_async_tx_descriptor tx;
	struct list_head list;
	dma_addr_t to;
	dma_addr_t from;
	size_t len;
};

/**
 * struct engine - the only engine
 * @dma: the device registered with dmaengine
 * @chan: its only channel
 * @lock: protects the lists, @now and cookies
 * @submitted: parts not issued yet
 * @issued: parts issued, to be copied
 * @now: the part being copied; NULL after termination
 * @at_work: held while a part is copied and its callback runs
 * @wake: wakes @thread
 * @thread: makes the copies
 * @count: number of parts processed
 * @regs: registers of the edu device
 * @pdev: the platform device, with @soft
 */
static struct engine {
	struct dma_device dma;
	struct dma_chan chan;
	spinlock_t lock; /* lists, now, cookies */
	struct list_head submitted;
	struct list_head issued;
	struct part *now;
	struct mutex at_work; /* a part */
	wait_queue_head_t wake;
	struct task_struct *thread;
	unsigned int count;
	void __iomem *regs;
	struct platform_device *pdev;
} engine;

static void edu_hop(u64 from, u64 to, size_t len, u64 direction)
{
	writeq(from, engine.regs + EDU_DMA_FROM);
	writeq(to, engine.regs + EDU_DMA_TO);
	writeq(len, engine.regs + EDU_DMA_COUNT);
	writeq(EDU_DMA_START | direction, engine.regs + EDU_DMA_COMMAND);
	while (readq(engine.regs + EDU_DMA_COMMAND) & EDU_DMA_START)
		usleep_range(1000, 2000);
}

static void edu_copy(dma_addr_t to, dma_addr_t from, size_t len)
{
	size_t n;

	for (; len; to += n, from += n, len -= n) {
		n = min_t(size_t, len, EDU_BYTES);
		edu_hop(from, EDU_BUFFER, n, 0);
		edu_hop(EDU_BUFFER, to, n, EDU_DMA_TO_RAM);
	}
}

static void soft_copy(dma_addr_t to, dma_addr_t from, size_t len)
{
	if (READ_ONCE(delay_us))
		usleep_range(delay_us, delay_us + 10);
	memcpy(phys_to_virt(to), phys_to_virt(from), len);
}

static void engine_copy(dma_addr_t to, dma_addr_t from, size_t len)
{
	if (soft)
		soft_copy(to, from, len);
	else
		edu_copy(to, from, len);
}

static void engine_say(struct part *part, enum dmaengine_tx_result error)
{
	struct dmaengine_result result = { .result = error };
	struct dma_async_tx_descriptor *tx = &part->tx;
	bool ours;

	spin_lock_bh(&engine.lock);
	ours = engine.now == part;
	engine.now = NULL;
	if (ours)
		engine.chan.completed_cookie = tx->cookie;
	spin_unlock_bh(&engine.lock);
	if (!ours)
		return;
	if (tx->callback_result)
		tx->callback_result(tx->callback_param, &result);
	else if (tx->callback)
		tx->callback(tx->callback_param);
}

static void engine_stall(struct part *part)
{
	pr_info("stops\n");
	while (READ_ONCE(engine.now) == part && !kthread_should_stop())
		msleep(20);
	WRITE_ONCE(stall_after, 0);
}

static void engine_do(struct part *part)
{
	unsigned int every = READ_ONCE(fail_every), early = READ_ONCE(early_ms);

	engine.count++;
	if (stall_after && engine.count > stall_after) {
		engine_stall(part);
	} else if (every && engine.count % every == 0) {
		if (soft)
			memset(phys_to_virt(part->to), 0x5a, part->len);
		engine_say(part, DMA_TRANS_ABORTED);
	} else if (early) {
		engine_say(part, DMA_TRANS_NOERROR);
		msleep(early);
		engine_copy(part->to, part->from, part->len);
	} else {
		engine_copy(part->to, part->from, part->len);
		engine_say(part, DMA_TRANS_NOERROR);
	}
}

static struct part *engine_next(void)
{
	struct part *part;

	spin_lock_bh(&engine.lock);
	part = list_first_entry_or_null(&engine.issued, struct part, list);
	if (part)
		list_del(&part->list);
	engine.now = part;
	spin_unlock_bh(&engine.lock);
	return part;
}

static int engine_thread(void *unused)
{
	struct part *part;

	while (!kthread_should_stop()) {
		wait_event_interruptible(engine.wake, kthread_should_stop() ||
					 !list_empty_careful(&engine.issued));
		mutex_lock(&engine.at_work);
		part = engine_next();
		if (part)
			engine_do(part);
		mutex_unlock(&engine.at_work);
		kfree(part);
	}
	return 0;
}

static dma_cookie_t engine_submit(struct dma_async_tx_descriptor *tx)
{
	struct part *part = container_of(tx, struct part, tx);
	dma_cookie_t cookie;

	spin_lock_bh(&engine.lock);
	cookie = max(engine.chan.cookie + 1, DMA_MIN_COOKIE);
	tx->cookie = cookie;
	engine.chan.cookie = cookie;
	list_add_tail(&part->list, &engine.submitted);
	spin_unlock_bh(&engine.lock);
	/* If another CPU has issued the part meanwhile, it may be done, and freed. */
	return cookie;
}

static struct dma_async_tx_descriptor *engine_prep(struct dma_chan *chan, dma_addr_t to,
						   dma_addr_t from, size_t len,
						   unsigned long flags)
{
	struct part *part = kzalloc(sizeof(*part), GFP_NOWAIT);

	if (!part)
		return NULL;
	dma_async_tx_descriptor_init(&part->tx, chan);
	part->tx.flags = flags;
	part->tx.tx_submit = engine_submit;
	part->to = to;
	part->from = from;
	part->len = len;
	return &part->tx;
}

static void engine_issue(struct dma_chan *chan)
{
	spin_lock_bh(&engine.lock);
	list_splice_tail_init(&engine.submitted, &engine.issued);
	spin_unlock_bh(&engine.lock);
	wake_up(&engine.wake);
}

static enum dma_status engine_status(struct dma_chan *chan, dma_cookie_t cookie,
				     struct dma_tx_state *state)
{
	return dma_async_is_complete(cookie, READ_ONCE(chan->completed_cookie),
				     READ_ONCE(chan->cookie));
}

static int engine_terminate(struct dma_chan *chan)
{
	struct part *part, *next;
	LIST_HEAD(all);

	spin_lock_bh(&engine.lock);
	list_splice_tail_init(&engine.submitted, &engine.issued);
	list_splice_init(&engine.issued, &all);
	engine.now = NULL;
	spin_unlock_bh(&engine.lock);
	list_for_each_entry_safe(part, next, &all, list)
		kfree(part);
	return 0;
}

static void engine_synchronize(struct dma_chan *chan)
{
	mutex_lock(&engine.at_work);
	mutex_unlock(&engine.at_work);
}

static int engine_register(struct device *dev)
{
	struct dma_device *dma = &engine.dma;
	int err;

	err = dma_set_mask_and_coherent(dev, soft ? DMA_BIT_MASK(64) : DMA_BIT_MASK(32));
	if (err)
		return err;
	spin_lock_init(&engine.lock);
	INIT_LIST_HEAD(&engine.submitted);
	INIT_LIST_HEAD(&engine.issued);
	mutex_init(&engine.at_work);
	init_waitqueue_head(&engine.wake);

	dma->dev = dev;
	INIT_LIST_HEAD(&dma->channels);
	dma_cap_set(DMA_MEMCPY, dma->cap_mask);
	dma_cap_set(DMA_PRIVATE, dma->cap_mask);
	dma->device_prep_dma_memcpy = engine_prep;
	dma->device_issue_pending = engine_issue;
	dma->device_tx_status = engine_status;
	dma->device_terminate_all = engine_terminate;
	dma->device_synchronize = engine_synchronize;
	engine.chan.device = dma;
	engine.chan.cookie = DMA_MIN_COOKIE;
	engine.chan.completed_cookie = DMA_MIN_COOKIE;
	list_add_tail(&engine.chan.device_node, &dma->channels);

	engine.thread = kthread_run(engine_thread, NULL, "nopin_dma");
	if (IS_ERR(engine.thread))
		return PTR_ERR(engine.thread);
	err = dma_async_device_register(dma);
	if (err)
		kthread_stop(engine.thread);
	return err;
}

static void engine_unregister(void)
{
	dma_async_device_unregister(&engine.dma);
	kthread_stop(engine.thread);
	pr_info("%u parts\n", engine.count);
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int err = pcim_enable_device(pdev);

	if (err)
		return err;
	err = pcim_iomap_regions(pdev, BIT(0), KBUILD_MODNAME);
	if (err)
		return err;
	pci_set_master(pdev);
	engine.regs = pcim_iomap_table(pdev)[0];
	return engine_register(&pdev->dev);
}

static void edu_remove(struct pci_dev *pdev)
{
	engine_unregister();
	pci_clear_master(pdev);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};

static struct pci_driver edu_driver = {
	.name = KBUILD_MODNAME,
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};

/* dmaengine takes the owning module from the driver of the device. */
static struct platform_driver soft_driver = {
	.driver.name = KBUILD_MODNAME,
};

static int soft_probe(struct platform_device *pdev)
{
	return engine_register(&pdev->dev);
}

static int soft_register(void)
{
	engine.pdev = platform_create_bundle(&soft_driver, soft_probe, NULL, 0, NULL, 0);
	return PTR_ERR_OR_ZERO(engine.pdev);
}

static int __init nopin_dma_init(void)
{
	return soft ? soft_register() : pci_register_driver(&edu_driver);
}

static void __exit nopin_dma_exit(void)
{
	if (!soft) {
		pci_unregister_driver(&edu_driver);
		return;
	}
	engine_unregister();
	platform_device_unregister(engine.pdev);
	platform_driver_unregister(&soft_driver);
}

module_init(nopin_dma_init);
module_exit(nopin_dma_exit);

MODULE_DESCRIPTION("DMA channel for nopin's tests");
MODULE_LICENSE("Dual BSD/GPL");
