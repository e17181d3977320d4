/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What differs between kernel versions. Each entry names the version that
 * brought the change; nothing else in the driver looks at the version.
 */
#ifndef NOPIN_COMPAT_H
#define NOPIN_COMPAT_H

#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/version.h>

/* 6.7: shrinkers are allocated by the kernel; before, the caller embeds them. */
typedef unsigned long (*nopin_shrink_fn)(struct shrinker *shrinker,
					 struct shrink_control *sc);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *nopin_shrinker_create(const char *name,
						     nopin_shrink_fn count,
						     nopin_shrink_fn scan)
{
	struct shrinker *shrinker = shrinker_alloc(0, "%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker_register(shrinker);
	return shrinker;
}

static inline void nopin_shrinker_destroy(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#else
static inline struct shrinker *nopin_shrinker_create(const char *name,
						     nopin_shrink_fn count,
						     nopin_shrink_fn scan)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
	if (register_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
	return shrinker;
}

static inline void nopin_shrinker_destroy(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#endif

/* 6.6: memory that only calls and returns write. */
#ifndef VM_SHADOW_STACK
#define VM_SHADOW_STACK		VM_NONE
#endif

/* 6.11: create_cq gets the whole command instead of the driver's part. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define nopin_create_cq_attrs		uverbs_attr_bundle
#define nopin_create_cq_udata(attrs)	(&(attrs)->driver_udata)
#else
#define nopin_create_cq_attrs		ib_udata
#define nopin_create_cq_udata(attrs)	(attrs)
#endif

/*
 * 6.12 and 6.1.115: a UDP packet that is marked FRAGLIST need not have a list to be
 * taken apart. Older kernels follow the list that is not there.
 */
#define NOPIN_LINEAR_FRAGLIST					\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) ||	\
	 (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 115) &&	\
	  LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)))

#endif /* NOPIN_COMPAT_H */
