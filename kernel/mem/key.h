/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Keys: who may use which bytes of some memory, and for what. The one check that every
 * access by lkey or rkey passes is here.
 */
#ifndef NOPIN_KEY_H
#define NOPIN_KEY_H

#include <linux/completion.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct ib_pd;
struct nopin_dev;
struct nopin_key;
struct nopin_memory;

/**
 * struct nopin_grant - what a work request makes a key stand for
 * @access: IB_ACCESS_*, the rights that it gives
 * @qp: nopin_qp.id of the QP that the work request was posted to
 * @iova: what work requests and peers call the first byte
 * @length: bytes
 * @va: user address of the first byte
 * @memory: that the bytes are of; outlives what is granted
 */
struct nopin_grant {
	int access;
	u64 qp;
	u64 iova;
	u64 length;
	u64 va;
	struct nopin_memory *memory;
};

/**
 * struct nopin_key_kind - what work requests may do to a key
 * @peers_only: it is no lkey
 * @one_qp: only the peer of the QP that it was bound by may use it
 * @invalidates: it may be invalidated, here and by the peer
 * @may_bind: may it stand for this now, NULL: for nothing? 0 or -errno
 * @released: it stands for nothing any more, and nobody uses it; its fields are still
 *	those of before
 *
 * Both are called with the key's lock held.
 */
struct nopin_key_kind {
	bool peers_only;
	bool one_qp;
	bool invalidates;
	int (*may_bind)(const struct nopin_key *key, const struct nopin_grant *grant);
	void (*released)(struct nopin_key *key);
};

/**
 * struct nopin_key - a key and all that it stands for
 * @value: lkey and rkey: index in dev->keys and 8 bits of variation; 0: it stands for
 *	nothing at present
 * @access: IB_ACCESS_*, the rights that it gives
 * @pd: protection domain whose QPs may use it
 * @iova: what work requests and peers call the first byte
 * @length: bytes
 * @va: user address of the first byte
 * @memory: that the bytes are of; outlives the key
 * @kind: what work requests may do to it; NULL: nothing, it is a region's
 * @qp: nopin_qp.id of the QP whose peer alone may use it; 0: any
 * @users: accesses in flight, plus one while the key is valid
 * @idle: completed when @users falls to 0
 * @rcu: lookups are lock-free
 * @lock: with a @kind: one change at a time
 * @last: with a @kind: @value, or what it was before it was 0; under @lock
 * @ended: with a @kind: it never stands for anything again; under @lock
 *
 * Without a @kind none of it changes once it is published but @users: other rights are
 * another struct in its place, so that an access sees all of the old or all of the new.
 * With one it changes only while nobody uses it.
 */
struct nopin_key {
	u32 value;
	int access;
	struct ib_pd *pd;
	u64 iova;
	u64 length;
	u64 va;
	struct nopin_memory *memory;
	const struct nopin_key_kind *kind;
	u64 qp;
	refcount_t users;
	struct completion idle;
	struct rcu_head rcu;
	spinlock_t lock; /* one change at a time */
	u32 last;
	bool ended;
};

/**
 * struct nopin_claim - who asks for memory, and by which key
 * @pd: protection domain of the work request, or of the responding QP
 * @qp: nopin_qp.id of the responding QP; 0: it is the program's own access
 * @key: lkey or rkey
 * @rights: IB_ACCESS_* that the key must give
 */
struct nopin_claim {
	struct ib_pd *pd;
	u64 qp;
	u32 key;
	int rights;
};

/*
 * What is wrong with a claim on [iova, iova + len):
 *
 *   -EINVAL	there is no such key, or it is of another PD, or for others
 *   -EACCES	the key does not give these rights
 *   -ERANGE	the range is not within the key's
 */
struct nopin_key *nopin_key_enter(const struct nopin_claim *claim, u64 iova, u64 len,
				  u64 *va);
void nopin_key_exit(struct nopin_key *key);
int nopin_key_check(const struct nopin_claim *claim, u64 iova, u64 len);
int nopin_key_check_whole(const struct nopin_claim *claim);

struct nopin_key *nopin_key_alloc(struct ib_pd *pd, struct nopin_memory *memory);
int nopin_key_publish(struct nopin_dev *dev, struct nopin_key *key);
void nopin_key_replace(struct nopin_dev *dev, struct nopin_key *old, struct nopin_key *key);
void nopin_key_withdraw(struct nopin_dev *dev, struct nopin_key *key);
struct nopin_key *nopin_key_lookup(struct nopin_dev *dev, u32 value);

/* Keys with a kind: work requests make them stand for something, and for nothing. */
int nopin_key_reserve(struct nopin_dev *dev, struct nopin_key *key);
int nopin_key_bind(struct ib_pd *pd, u32 value, const struct nopin_grant *grant);
int nopin_key_invalidate(struct ib_pd *pd, u32 value, u64 qp);
void nopin_key_discard(struct nopin_dev *dev, struct nopin_key *key);

#endif /* NOPIN_KEY_H */
