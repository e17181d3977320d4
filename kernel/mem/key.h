/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Keys: who may use which bytes of some memory, and for what. Every access by lkey or
 * rkey passes one check, nopin_key_admit().
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
 * struct nopin_grant - what a work request binds a key to
 * @access: IB_ACCESS_*, the rights that it gives
 * @qp: nopin_qp.id of the QP that the work request was posted to
 * @iova: address that work requests and peers use for the first byte
 * @length: bytes
 * @va: user address of the first byte
 * @memory: memory that contains the bytes; outlives the binding
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
 * @peers_only: the key is no lkey
 * @one_qp: only the peer of the QP that bound the key may use it
 * @invalidates: work requests and the peer may invalidate the key
 * @may_bind: may the key be bound to @grant now (NULL: to nothing)? Returns 0 or -errno
 * @released: called when the key stands for nothing any more and no access uses it; its
 *	fields still have their old values
 *
 * Both functions are called with the key's lock held.
 */
struct nopin_key_kind {
	bool peers_only;
	bool one_qp;
	bool invalidates;
	int (*may_bind)(const struct nopin_key *key, const struct nopin_grant *grant);
	void (*released)(struct nopin_key *key);
};

/**
 * struct nopin_key - a key and what it stands for
 * @value: lkey and rkey: index in dev->keys and 8 bits of variation; 0: it stands for
 *	nothing at present
 * @access: IB_ACCESS_*, the rights that it gives
 * @pd: protection domain whose QPs may use it
 * @iova: address that work requests and peers use for the first byte
 * @length: bytes
 * @va: user address of the first byte
 * @memory: memory that contains the bytes; outlives the key
 * @kind: what work requests may do to it; NULL: nothing
 * @qp: nopin_qp.id of the QP whose peer alone may use it; 0: any
 * @users: accesses in flight, plus one while the key is valid
 * @idle: completed when @users falls to 0
 * @rcu: lookups are lock-free
 * @lock: with a @kind: serialises changes
 * @last: with a @kind: the key's name, which is @value unless that is 0; under @lock
 * @ended: with a @kind: it is never bound again; under @lock
 *
 * Without a @kind, only @users changes once the key is published. To change the rights,
 * another struct takes its place, so that an access sees either all of the old fields
 * or all of the new ones. With a @kind, the fields change only while no access uses the
 * key.
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
 * Errors of a claim on [iova, iova + len):
 *
 *   -EINVAL	there is no such key, or it is of another PD, or not for the claimant
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

/* Keys with a kind: work requests bind and invalidate them. */
int nopin_key_reserve(struct nopin_dev *dev, struct nopin_key *key);
int nopin_key_bind(struct ib_pd *pd, u32 value, const struct nopin_grant *grant);
int nopin_key_invalidate(struct ib_pd *pd, u32 value, u64 qp);
void nopin_key_discard(struct nopin_dev *dev, struct nopin_key *key);

#endif /* NOPIN_KEY_H */
