/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Memory regions: memory of a process or of the kernel, and the key to all of it. */
#ifndef NOPIN_REGION_H
#define NOPIN_REGION_H

#include <rdma/ib_verbs.h>

#include "compat.h"
#include "mem/key.h"
#include "mem/memory.h"

/* Rights that a region may be registered with. */
#define NOPIN_REGION_ACCESS						\
	(IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |		\
	 IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC |		\
	 IB_ACCESS_MW_BIND | IB_ACCESS_FLUSH_GLOBAL |			\
	 IB_ZERO_BASED | IB_ACCESS_ON_DEMAND | IB_ACCESS_HUGETLB |	\
	 IB_ACCESS_OPTIONAL)

/**
 * struct nopin_region - a memory region
 * @ibmr: first
 * @key: to all of its memory; rereg replaces it. Of a program's region, only rereg and
 *	dereg follow this pointer, and the core keeps them apart: accesses find the key
 *	by its value.
 * @memory: what is registered; outlives the region while a fault is being taken
 * @other: the second of a kernel user's two lists of pages, of which @memory is the first;
 *	@key stands for one of them or for nothing. Else NULL
 * @staged: the list that was filled last, or NULL
 */
struct nopin_region {
	struct ib_mr ibmr;
	struct nopin_key *key;
	struct nopin_memory *memory;
	struct nopin_memory *other;
	struct nopin_memory *staged;
};

static inline struct nopin_region *to_nopin_region(struct ib_mr *ibmr)
{
	return container_of(ibmr, struct nopin_region, ibmr);
}

struct nopin_region *nopin_region_create(struct ib_pd *pd, u64 va, u64 length,
					 u64 iova, int access);
struct nopin_region *nopin_region_create_direct(struct ib_pd *pd, u64 kaddr, u64 length,
						u64 iova, int access);
struct nopin_region *nopin_region_create_dmabuf(struct ib_pd *pd, int fd, u64 offset,
						u64 length, u64 iova, int access);
struct nopin_region *nopin_region_create_listed(struct ib_pd *pd, u32 pages);
int nopin_region_close(struct nopin_region *region);
void nopin_region_reopen(struct nopin_region *region);
void nopin_region_destroy(struct nopin_region *region);
bool nopin_region_can_change(const struct nopin_region *region, int access);
int nopin_region_change(struct nopin_region *region, struct ib_pd *pd, int access);
bool nopin_region_is_current(const struct nopin_region *region);

/* listed.c */
extern const struct nopin_key_kind nopin_listed_kind;
int nopin_listed_map(struct nopin_region *region, struct scatterlist *sg, int nents,
		     unsigned int *offset);
struct nopin_memory *nopin_listed_offer(struct nopin_region *region, int access);
int nopin_listed_bind(struct ib_pd *pd, u32 value, const struct nopin_memory *memory);

#endif /* NOPIN_REGION_H */
