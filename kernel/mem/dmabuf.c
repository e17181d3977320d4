// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * dma-bufs: memory of another driver, which may move it. Nothing is pinned: the buffer is
 * mapped at the first access and again after each move, as a page of a process is.
 *
 *  access                          the exporter moves the buffer (reservation lock held)
 *  enters the gate
 *  mapped is set: copies           move_notify: waits at the gate
 *  leaves
 *                                  shuts it, clears mapped, opens it, unmaps
 *  enters: not mapped, a miss      the exporter may reuse the old pages
 *  a fault waits for the lock      ...
 *                                  unlocks
 *  maps, and waits until the data are there
 *
 * The device does no DMA: the DMA addresses that it gets are translated to those of system
 * memory, which the CPU reaches. It accepts no memory behind a PCI bus (allow_peer2peer).
 */
#include <linux/cc_platform.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "compat.h"
#include "mem/memory.h"

/**
 * struct nopin_dmabuf - a part of a dma-buf
 * @memory: the common part, first; its addresses are offsets in the buffer
 * @gate: accesses are inside while they read @pages
 * @mapped: @pages are valid; cleared with @gate shut, set while no access reads @pages
 * @pages: kernel address of each page that the range touches
 * @num: how many
 * @sgt: the mapping, valid with @mapped; under the buffer's reservation lock
 * @lock: protects @attach against the end of the region
 * @attach: to the buffer; NULL: the region has ended
 * @taken: counts pages that moves take away
 */
struct nopin_dmabuf {
	struct nopin_memory memory;
	struct nopin_gate gate;
	bool mapped;
	void **pages;
	size_t num;
	struct sg_table *sgt;
	struct mutex lock; /* the attachment */
	struct dma_buf_attachment *attach;
	atomic64_t *taken;
};

static struct nopin_dmabuf *to_nopin_dmabuf(const struct nopin_memory *memory)
{
	return container_of((struct nopin_memory *)memory, struct nopin_dmabuf, memory);
}

static int nopin_dmabuf_open(const struct nopin_memory *memory, u64 va, size_t len,
			     enum nopin_access access, struct nopin_view *view)
{
	struct nopin_dmabuf *dmabuf = to_nopin_dmabuf(memory);

	if (!nopin_gate_enter(&dmabuf->gate))
		return -EAGAIN;
	/* Pairs with nopin_dmabuf_map(). */
	if (!smp_load_acquire(&dmabuf->mapped)) {
		nopin_gate_leave(&dmabuf->gate);
		return -EAGAIN;
	}
	nopin_view_init(view, access == NOPIN_WRITE);
	view->gate = &dmabuf->gate;
	nopin_pages_show(view, dmabuf->pages + nopin_memory_page(memory, va), va, len);
	return 0;
}

/* Fill in @pages. -EFAULT: one of them is not system memory. */
static int nopin_dmabuf_list_pages(struct nopin_dmabuf *dmabuf, struct sg_table *sgt)
{
	struct device *dev = dmabuf->attach->dev;
	struct sg_dma_page_iter iter;
	unsigned long pfn;
	dma_addr_t addr;
	size_t i = 0;

	for_each_sgtable_dma_page(sgt, &iter, dmabuf->memory.va >> PAGE_SHIFT) {
		addr = sg_page_iter_dma_address(&iter);
		pfn = PHYS_PFN(dma_to_phys(dev, addr));
		/* Where it would be bounced or translated, the address is not the memory's. */
		if (dma_need_sync(dev, addr) || !pfn_valid(pfn))
			return -EFAULT;
		dmabuf->pages[i++] = page_address(pfn_to_page(pfn));
		if (i == dmabuf->num)
			return 0;
	}
	return -EFAULT;
}

/* The exporter may still be moving the data to where they are mapped. */
static int nopin_dmabuf_await_data(struct dma_resv *resv)
{
	long ret = dma_resv_wait_timeout(resv, DMA_RESV_USAGE_KERNEL, false,
					 MAX_SCHEDULE_TIMEOUT);

	return ret < 0 ? ret : 0;
}

static int nopin_dmabuf_map(struct nopin_dmabuf *dmabuf, u64 *pages)
{
	struct dma_resv *resv = dmabuf->attach->dmabuf->resv;
	struct sg_table *sgt;
	int err;

	dma_resv_assert_held(resv);
	sgt = dma_buf_map_attachment(dmabuf->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	err = nopin_dmabuf_list_pages(dmabuf, sgt) ?: nopin_dmabuf_await_data(resv);
	if (err) {
		dma_buf_unmap_attachment(dmabuf->attach, sgt, DMA_BIDIRECTIONAL);
		return err;
	}
	dmabuf->sgt = sgt;
	/* Pairs with nopin_dmabuf_open(). */
	smp_store_release(&dmabuf->mapped, true);
	*pages += dmabuf->num;
	return 0;
}

/* When this returns, no access reads @pages. */
static void nopin_dmabuf_unmap(struct nopin_dmabuf *dmabuf)
{
	unsigned int tries = 0;

	dma_resv_assert_held(dmabuf->attach->dmabuf->resv);
	local_bh_disable();
	while (!nopin_gate_try_shut(&dmabuf->gate)) {
		local_bh_enable();
		nopin_gate_await(&dmabuf->gate, &tries);
		local_bh_disable();
	}
	WRITE_ONCE(dmabuf->mapped, false);
	nopin_gate_open(&dmabuf->gate);
	local_bh_enable();
	dma_buf_unmap_attachment(dmabuf->attach, dmabuf->sgt, DMA_BIDIRECTIONAL);
}

static void nopin_dmabuf_move(struct dma_buf_attachment *attach)
{
	struct nopin_dmabuf *dmabuf = attach->importer_priv;

	if (!dmabuf->mapped) /* perhaps not even attached yet */
		return;
	atomic64_add(dmabuf->num, dmabuf->taken);
	nopin_dmabuf_unmap(dmabuf);
}

static const struct dma_buf_attach_ops nopin_dmabuf_attach_ops = {
	.move_notify = nopin_dmabuf_move,
};

static int nopin_dmabuf_fault_locked(struct nopin_dmabuf *dmabuf, u64 *pages)
{
	struct dma_resv *resv;
	int err = 0;

	lockdep_assert_held(&dmabuf->lock);
	if (!dmabuf->attach)
		return -EFAULT;
	resv = dmabuf->attach->dmabuf->resv;
	dma_resv_lock(resv, NULL);
	if (!dmabuf->mapped)
		err = nopin_dmabuf_map(dmabuf, pages);
	dma_resv_unlock(resv);
	return err;
}

static int nopin_dmabuf_fault(struct nopin_memory *memory, const struct nopin_miss *miss,
			      bool prompt, u64 *pages)
{
	struct nopin_dmabuf *dmabuf = to_nopin_dmabuf(memory);
	int err;

	mutex_lock(&dmabuf->lock);
	err = nopin_dmabuf_fault_locked(dmabuf, pages);
	mutex_unlock(&dmabuf->lock);
	return err;
}

/* A dma-buf belongs to no process in particular. */
static bool nopin_dmabuf_is_current(const struct nopin_memory *memory)
{
	return false;
}

static void nopin_dmabuf_leave(struct nopin_memory *memory)
{
	struct nopin_dmabuf *dmabuf = to_nopin_dmabuf(memory);
	struct dma_buf *buf = dmabuf->attach->dmabuf;

	mutex_lock(&dmabuf->lock);
	dma_resv_lock(buf->resv, NULL);
	if (dmabuf->mapped)
		nopin_dmabuf_unmap(dmabuf);
	dma_resv_unlock(buf->resv);
	dma_buf_detach(buf, dmabuf->attach);
	dmabuf->attach = NULL;
	mutex_unlock(&dmabuf->lock);
	dma_buf_put(buf);
}

static void nopin_dmabuf_free(struct nopin_memory *memory)
{
	struct nopin_dmabuf *dmabuf = to_nopin_dmabuf(memory);

	kvfree(dmabuf->pages);
	kfree(dmabuf);
}

static const struct nopin_memory_ops nopin_dmabuf_ops = {
	.open = nopin_dmabuf_open,
	.fault = nopin_dmabuf_fault,
	.is_current = nopin_dmabuf_is_current,
	.leave = nopin_dmabuf_leave,
	.free = nopin_dmabuf_free,
};

static struct nopin_dmabuf *nopin_dmabuf_alloc(u64 offset, u64 length)
{
	struct nopin_dmabuf *dmabuf = kzalloc(sizeof(*dmabuf), GFP_KERNEL_ACCOUNT);

	if (!dmabuf)
		return NULL;
	nopin_memory_init(&dmabuf->memory, &nopin_dmabuf_ops, offset, length);
	nopin_gate_init(&dmabuf->gate);
	mutex_init(&dmabuf->lock);
	dmabuf->num = nopin_memory_page(&dmabuf->memory, offset + length - 1) + 1;
	dmabuf->pages = kvmalloc_array(dmabuf->num, sizeof(*dmabuf->pages),
				       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (dmabuf->pages)
		return dmabuf;
	kfree(dmabuf);
	return NULL;
}

/**
 * nopin_dmabuf_create - attach to a part of a dma-buf
 * @ibdev: the device
 * @fd: the calling process's file descriptor of the buffer
 * @offset: of the first byte in the buffer
 * @length: bytes, not 0
 * @taken: counts the pages that the exporter takes away; outlives the region
 *
 * Return: the memory, to be ended by nopin_memory_leave(), or ERR_PTR(): -EINVAL when the
 *	range is not in the buffer or @fd is no dma-buf, -EBADF, -ENOMEM; -EOPNOTSUPP when
 *	memory encryption lets devices and the CPU see different bytes; or an error of
 *	the exporter.
 * Context: process.
 */
struct nopin_memory *nopin_dmabuf_create(struct ib_device *ibdev, int fd, u64 offset,
					 u64 length, atomic64_t *taken)
{
	struct nopin_dmabuf *dmabuf;
	struct dma_buf *buf;
	int err = -ENOMEM;

	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		return ERR_PTR(-EOPNOTSUPP);
	buf = dma_buf_get(fd);
	if (IS_ERR(buf))
		return ERR_CAST(buf);
	if (offset > buf->size || length > buf->size - offset) {
		err = -EINVAL;
		goto put_buf;
	}
	dmabuf = nopin_dmabuf_alloc(offset, length);
	if (!dmabuf)
		goto put_buf;
	dmabuf->taken = taken;
	dmabuf->attach = dma_buf_dynamic_attach(buf, &ibdev->dev, &nopin_dmabuf_attach_ops,
						dmabuf);
	if (IS_ERR(dmabuf->attach)) {
		err = PTR_ERR(dmabuf->attach);
		goto free_dmabuf;
	}
	return &dmabuf->memory;

free_dmabuf:
	nopin_memory_put(&dmabuf->memory);
put_buf:
	dma_buf_put(buf);
	return ERR_PTR(err);
}

/* MODULE_IMPORT_NS() takes a name up to 6.12, a string after it; both expand to this. */
MODULE_INFO(import_ns, "DMA_BUF");
