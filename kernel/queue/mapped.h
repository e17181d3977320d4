/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Memory of the kernel that a program may map: rings, and device memory. */
#ifndef NOPIN_MAPPED_H
#define NOPIN_MAPPED_H

#include <rdma/ib_verbs.h>

/**
 * struct nopin_mapped - memory that a program may map
 * @entry: by which mmap() finds the memory; used only with @user
 * @addr: page-aligned
 * @size: bytes, a multiple of the page size
 * @user: a program may map it
 */
struct nopin_mapped {
	struct rdma_user_mmap_entry entry;
	void *addr;
	size_t size;
	bool user;
};

struct nopin_mapped *nopin_mapped_create(struct ib_ucontext *uctx, size_t size);
void nopin_mapped_destroy(struct nopin_mapped *mapped);

int nopin_mapped_mmap(struct ib_ucontext *uctx, struct vm_area_struct *vma);
void nopin_mapped_mmap_free(struct rdma_user_mmap_entry *entry);

/* The offset that a program passes to mmap() on the command file descriptor. */
static inline u64 nopin_mapped_offset(const struct nopin_mapped *mapped)
{
	return rdma_user_mmap_get_offset(&mapped->entry);
}

#endif /* NOPIN_MAPPED_H */
