/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Keys: who may use which bytes of some memory, and for what. The one check that every
 * access by lkey or rkey passes is here.
 */
#ifndef NOPIN_KEY_H
#define NOPIN_KEY_H

#include <linux/completion.h>
#include <linux/refcount.h>
#include <linux/types.h>

struct ib_pd;
struct nopin_dev;
struct nopin_memory;

/**
 * struct nopin_key - a key and all that it stands for
 * @value: lkey and rkey: index in dev->keys and 8 bits of variation
 * @access: IB_ACCESS_*, the rights that it gives
 * @pd: protection domain whose QPs may use it
 * @iova: what work requests and peers call the first byte
 * @length: bytes
 * @va: user address of the first byte
 * @memory: that the bytes are of; outlives the key
 * @users: accesses in flight, plus one while the key is valid
 * @idle: completed when @users falls to 0
 * @rcu: lookups are lock-free
 *
 * Once published none of it changes but @users: other rights are another struct in
 * its place, so that an access sees all of the old or all of the new.
 */
struct nopin_key {
	u32 value;
	int access;
	struct ib_pd *pd;
	u64 iova;
	u64 length;
	u64 va;
	struct nopin_memory *memory;
	refcount_t users;
	struct completion idle;
	struct rcu_head rcu;
};

/**
 * struct nopin_range - bytes that somebody names by a key
 * @pd: protection domain of the work request, or of the responding QP
 * @key: lkey or rkey
 * @rights: IB_ACCESS_* that the key must give
 * @iova: first byte
 * @len: bytes
 */
struct nopin_range {
	struct ib_pd *pd;
	u32 key;
	int rights;
	u64 iova;
	u64 len;
};

/*
 * What is wrong with a range:
 *
 *   -EINVAL	there is no such key, or it is of another PD
 *   -EACCES	the key does not give these rights
 *   -ERANGE	the range is not within the key's
 */
struct nopin_key *nopin_key_enter(const struct nopin_range *range, u64 *va);
void nopin_key_exit(struct nopin_key *key);
int nopin_key_check(const struct nopin_range *range);

struct nopin_key *nopin_key_alloc(struct ib_pd *pd, struct nopin_memory *memory);
int nopin_key_publish(struct nopin_dev *dev, struct nopin_key *key);
void nopin_key_replace(struct nopin_dev *dev, struct nopin_key *old, struct nopin_key *key);
void nopin_key_withdraw(struct nopin_dev *dev, struct nopin_key *key);
struct nopin_key *nopin_key_lookup(struct nopin_dev *dev, u32 value);

#endif /* NOPIN_KEY_H */
