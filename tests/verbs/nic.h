/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers for tests of a device's own memory, to which pages can be moved. Debian's kernels
 * do not support such memory; the debug kernel does.
 */
#ifndef NIC_H
#define NIC_H

#include "vt.h"

int nic_memory_file(const struct vt_dev *dev, int flags);
int nic_try_memory(const struct vt_dev *dev, size_t size);
void nic_set_memory(struct vt_dev *dev, size_t size);
size_t nic_away(const void *addr, size_t len);
uint8_t *nic_small_pages(size_t len);

#endif /* NIC_H */
