/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The second kind of entry: where a device that does DMA finds a page. Made when such a
 * device first needs it, and gone with the entry that it stands beside.
 */
#ifndef NOPIN_DMA_H
#define NOPIN_DMA_H

#include <linux/types.h>

#include "mirror/view.h"

struct device;

/* What one list has room for: a view's pages, each by itself, and some ends. */
#define NOPIN_DMA_RUNS		(NOPIN_VIEW_RUNS + 8)

/**
 * struct nopin_dma_run - memory that is contiguous to the device and to the kernel
 * @addr: for the device
 * @kaddr: for the kernel
 * @len: bytes
 * @own: mapped for this list alone, to be unmapped with it; else the mirror's
 */
struct nopin_dma_run {
	dma_addr_t addr;
	void *kaddr;
	u32 len;
	bool own;
};

/**
 * struct nopin_dma_list - memory in its order, as the device reaches it
 * @runs: how many of @run are in use
 * @run: the memory
 */
struct nopin_dma_list {
	unsigned int runs;
	struct nopin_dma_run run[NOPIN_DMA_RUNS];
};

bool nopin_dma_add(struct nopin_dma_list *list, dma_addr_t addr, void *kaddr, size_t len);
bool nopin_dma_add_own(struct nopin_dma_list *list, struct device *dev, void *kaddr,
		       size_t len, bool write);
void nopin_dma_unmap_own(struct nopin_dma_list *list, struct device *dev, bool write);
bool nopin_view_map(const struct nopin_view *view, struct device *dev,
		    struct nopin_dma_list *list);
void nopin_mirror_unmap_all(void);

#endif /* NOPIN_DMA_H */
