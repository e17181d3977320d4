/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The second kind of entry: the DMA address of a page, for a device that does DMA. It is
 * made when the device first needs the page, and removed with the first kind of entry.
 */
#ifndef NOPIN_DMA_H
#define NOPIN_DMA_H

#include <linux/types.h>

#include "mirror/view.h"

struct device;

/* Room of one list: a run for each page of a view, and some for pages cut in two. */
#define NOPIN_DMA_RUNS		(NOPIN_VIEW_RUNS + 8)

/**
 * struct nopin_dma_run - memory that is contiguous to the device and to the kernel
 * @addr: for the device
 * @kaddr: for the kernel
 * @len: bytes
 * @own: mapped for this list alone, and unmapped with it; otherwise mapped by the mirror
 */
struct nopin_dma_run {
	dma_addr_t addr;
	void *kaddr;
	u32 len;
	bool own;
};

/**
 * struct nopin_dma_list - memory in order, by its DMA addresses
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

/* unmap.c */
void nopin_mirror_unmap_all(void);

#endif /* NOPIN_DMA_H */
