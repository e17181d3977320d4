/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Memory regions: a key, a range and rights over mirrored or pinned memory. */
#ifndef NOPIN_REGION_H
#define NOPIN_REGION_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/refcount.h>
#include <rdma/ib_verbs.h>

#include "mirror/mirror.h"
#include "mirror/watch.h"

struct nopin_dev;

/* Rights that a region may be registered with. */
#define NOPIN_REGION_ACCESS						\
	(IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |		\
	 IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC |		\
	 IB_ZERO_BASED | IB_ACCESS_ON_DEMAND | IB_ACCESS_HUGETLB |	\
	 IB_ACCESS_OPTIONAL)

/* Who may do what with a region: one thing, as it changes as one. */
struct nopin_grant {
	const struct ib_pd *pd;
	int access; /* IB_ACCESS_* */
};

/**
 * struct nopin_region - a memory region
 * @ibmr: first
 * @ref: keeps this struct; a miss holds one while it sleeps
 * @users: accesses in flight, plus one while the key is valid
 * @idle: completed when @users falls to 0
 * @dev: its device
 * @key: lkey and rkey: index in dev->regions and 8 bits of variation
 * @grant: one of @grants, the other is free; changed by rereg only, which waits for
 *	RCU readers
 * @grants: room for what is granted now and for what will be
 * @iova: what work requests and peers call the first byte
 * @length: bytes
 * @va: user address of the first byte
 * @mirror: mirrored regions, else NULL
 * @umem: pinned regions, else NULL
 * @pages: pinned regions: where the kernel has each page that the region touches
 * @stop: ends the faults that are taken for it
 * @watch: mirrored regions: pages taken away from it
 * @page_faults: pages made present through this region
 * @prefetches: ibv_advise_mr() calls on this region
 * @rcu: lookups are lock-free
 */
struct nopin_region {
	struct ib_mr ibmr;
	struct kref ref;
	refcount_t users;
	struct completion idle;
	struct nopin_dev *dev;
	u32 key;
	const struct nopin_grant __rcu *grant;
	struct nopin_grant grants[2];
	u64 iova;
	u64 length;
	u64 va;
	struct nopin_mirror *mirror;
	struct ib_umem *umem;
	void **pages;
	struct nopin_stop stop;
	struct nopin_watch watch;
	atomic64_t page_faults;
	atomic64_t prefetches;
	struct rcu_head rcu;
};

static inline struct nopin_region *to_nopin_region(struct ib_mr *ibmr)
{
	return container_of(ibmr, struct nopin_region, ibmr);
}

/* What the region grants at this moment; for decisions that rereg need not wait for. */
static inline struct nopin_grant nopin_region_grant(const struct nopin_region *region)
{
	struct nopin_grant grant;

	rcu_read_lock();
	grant = *rcu_dereference(region->grant);
	rcu_read_unlock();
	return grant;
}

/**
 * struct nopin_miss - a page that an access needs and did not find
 * @region: holds a reference, NULL: no miss
 * @va: user address of the first byte that is needed
 * @need: bytes that the access needs, from @va
 * @want: bytes worth having at the same time, at least @need; before the access, how
 *	many the message is going to access from its first byte on, as far as is known
 * @access: what the access will do
 */
struct nopin_miss {
	struct nopin_region *region;
	u64 va;
	size_t need;
	size_t want;
	enum nopin_access access;
};

/* Largest nopin_miss.want, bytes: what one sleep makes present at most. */
#define NOPIN_MISS_MAX	(2U << 20)

/* region.c: keys, making and ending */
struct nopin_region *nopin_region_create(struct ib_pd *pd, u64 va, u64 length,
					 u64 iova, int access);
int nopin_region_destroy(struct nopin_region *region);
bool nopin_region_can_change(const struct nopin_region *region, int access);
void nopin_region_change(struct nopin_region *region, struct ib_pd *pd, int access);
bool nopin_region_is_current(const struct nopin_region *region);
struct nopin_region *nopin_region_find(struct nopin_dev *dev, u32 key);
struct nopin_region *nopin_region_lookup(struct nopin_dev *dev, u32 key);
void nopin_region_release(struct nopin_region *region);
void nopin_region_get(struct nopin_region *region);
void nopin_region_put(struct nopin_region *region);

/* access.c: what the engine does with them */
int nopin_region_translate(const struct nopin_region *region, u64 iova, u64 len,
			   u64 *va);
struct nopin_region *nopin_region_enter(struct ib_pd *pd, u32 key, u64 iova, u64 len,
					int rights, u64 *va);
int nopin_region_open(const struct nopin_region *region, u64 va, size_t len,
		      enum nopin_access access, struct nopin_view *view);
int nopin_region_access(struct ib_pd *pd, u32 key, u64 iova, size_t len,
			int rights, enum nopin_access access,
			nopin_view_fn fn, void *ctx, struct nopin_miss *miss);
int nopin_region_atomic(struct ib_pd *pd, u32 key, u64 iova,
			struct nopin_atomic *atomic, struct nopin_miss *miss);
int nopin_region_check(struct ib_pd *pd, u32 key, u64 iova, u64 len, int rights);

bool nopin_miss_is_current(const struct nopin_miss *miss);
int nopin_miss_resolve(const struct nopin_miss *miss, bool prompt, u64 *pages);
void nopin_miss_drop(struct nopin_miss *miss);

/* prefetch.c */
int nopin_region_prefetch(struct ib_pd *pd, enum ib_uverbs_advise_mr_advice advice,
			  u32 flags, struct ib_sge *sges, u32 num_sge);
int nopin_prefetch_init(void);
void nopin_prefetch_exit(void);

#endif /* NOPIN_REGION_H */
