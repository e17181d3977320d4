// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Keys: looked up, checked, published and withdrawn.
 *
 * nopin_key_withdraw() waits for the accesses in flight, each of which is counted in
 * @users. On return, no byte is read or written through the key any more. A fault may
 * sleep for long, so it holds a reference to the memory only.
 *
 * Work requests change a key with a kind in place, with BH off. An access that finds such
 * a key checks its value once more after it has been counted in @users:
 *
 *  CPU 0 (invalidates it)	CPU 1 (accesses)	CPU 2 (accesses)
 *				users++, value fits
 *  value = 0			copies			value does not fit
 *  users--, for itself		...
 *  waits for users = 0
 *				users--
 *  it stands for nothing
 *
 * An access uses such a key with BH off. Otherwise a softirq that waits for the access
 * to end could interrupt it.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "compat.h"
#include "device.h"
#include "mem/key.h"

/* A key is the index in dev->keys and bits that change when the index is reused. */
#define NOPIN_KEY_SHIFT		8
#define NOPIN_KEY_INDEXES	XA_LIMIT(1, U32_MAX >> NOPIN_KEY_SHIFT)

/* Rights that only a peer asks for. */
#define NOPIN_KEY_REMOTE						\
	(IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC | \
	 IB_ACCESS_FLUSH_GLOBAL | IB_ACCESS_FLUSH_PERSISTENT)

/* Inside an RCU read-side section, which keeps the struct allocated. */
static struct nopin_key *nopin_key_find(struct nopin_dev *dev, u32 value)
{
	struct nopin_key *key = xa_load(&dev->keys, value >> NOPIN_KEY_SHIFT);

	return key && READ_ONCE(key->value) == value ? key : NULL;
}

/**
 * nopin_key_exit - end the use that a lookup began
 * @key: the key
 *
 * Context: any.
 */
void nopin_key_exit(struct nopin_key *key)
{
	if (refcount_dec_and_test(&key->users))
		complete(&key->idle);
}

/*
 * Likewise, and count a use. If the key has ended since it was found, another one may have
 * replaced it under the same value: look again. If its value has changed meanwhile, it is
 * another key now, or bound to nothing.
 */
static struct nopin_key *nopin_key_use(struct nopin_dev *dev, u32 value)
{
	struct nopin_key *key;

	do {
		key = nopin_key_find(dev, value);
		if (!key)
			return NULL;
	} while (!refcount_inc_not_zero(&key->users));
	smp_rmb(); /* while it is in use it does not change */
	/* Pairs with nopin_key_grant(). */
	if (likely(smp_load_acquire(&key->value) == value))
		return key;
	nopin_key_exit(key);
	return NULL;
}

/**
 * nopin_key_lookup - find a region's key and use it
 * @dev: the device
 * @value: lkey or rkey
 *
 * Return: the key, or NULL; nopin_key_withdraw() waits until nopin_key_exit().
 * Context: any.
 */
struct nopin_key *nopin_key_lookup(struct nopin_dev *dev, u32 value)
{
	struct nopin_key *key;

	rcu_read_lock();
	key = nopin_key_find(dev, value);
	key = key && !key->kind ? nopin_key_use(dev, value) : NULL;
	rcu_read_unlock();
	return key;
}

static bool nopin_key_is_for(const struct nopin_key *key, const struct nopin_claim *claim)
{
	if (key->qp && key->qp != claim->qp)
		return false;
	return !key->kind->peers_only || claim->rights & NOPIN_KEY_REMOTE;
}

static int nopin_key_admit(const struct nopin_key *key, const struct nopin_claim *claim,
			   u64 iova, u64 len)
{
	/* An iova before the first byte wraps to an offset past the last. */
	u64 offset = iova - key->iova;

	if (key->pd != claim->pd)
		return -EINVAL;
	if (unlikely(key->kind) && !nopin_key_is_for(key, claim))
		return -EINVAL;
	if (claim->rights & ~key->access)
		return -EACCES;
	if (offset > key->length || len > key->length - offset)
		return -ERANGE;
	return 0;
}

/**
 * nopin_key_enter - find a key, check an access to it, and use it
 * @claim: who asks, by which key and for which rights
 * @iova: first byte that is to be accessed
 * @len: bytes
 * @va: gets the user address of the first byte
 *
 * Return: the key, in use until nopin_key_exit(); or ERR_PTR() as in key.h.
 * Context: BH off, in an RCU read-side section, until the access is over.
 */
struct nopin_key *nopin_key_enter(const struct nopin_claim *claim, u64 iova, u64 len,
				  u64 *va)
{
	struct nopin_key *key;
	int err;

	key = nopin_key_use(to_nopin_dev(claim->pd->device), claim->key);
	if (!key)
		return ERR_PTR(-EINVAL);
	err = nopin_key_admit(key, claim, iova, len);
	if (err) {
		nopin_key_exit(key);
		return ERR_PTR(err);
	}
	*va = key->va + (iova - key->iova);
	return key;
}

/**
 * nopin_key_check - would an access be allowed?
 * @claim: who asks, by which key and for which rights
 * @iova: first byte that would be accessed
 * @len: bytes
 *
 * Return: 0, or an error as in key.h.
 * Context: BH off.
 */
int nopin_key_check(const struct nopin_claim *claim, u64 iova, u64 len)
{
	struct nopin_key *key;
	u64 va;

	rcu_read_lock();
	key = nopin_key_enter(claim, iova, len, &va);
	if (!IS_ERR(key))
		nopin_key_exit(key);
	rcu_read_unlock();
	return PTR_ERR_OR_ZERO(key);
}

/**
 * nopin_key_check_whole - would an access to all that a key stands for be allowed?
 * @claim: who asks, by which key and for which rights
 *
 * Return: 0, or an error as in key.h.
 * Context: BH off.
 */
int nopin_key_check_whole(const struct nopin_claim *claim)
{
	struct nopin_key *key;
	int err = -EINVAL;

	rcu_read_lock();
	key = nopin_key_use(to_nopin_dev(claim->pd->device), claim->key);
	if (key) {
		err = nopin_key_admit(key, claim, key->iova, key->length);
		nopin_key_exit(key);
	}
	rcu_read_unlock();
	return err;
}

/**
 * nopin_key_alloc - allocate a key that no lookup finds yet
 * @pd: protection domain
 * @memory: memory that contains its bytes, or NULL; the caller sets range and rights
 *
 * Return: the key, to be published or freed by kfree(), or NULL.
 * Context: process.
 */
struct nopin_key *nopin_key_alloc(struct ib_pd *pd, struct nopin_memory *memory)
{
	struct nopin_key *key = kzalloc(sizeof(*key), GFP_KERNEL_ACCOUNT);

	if (!key)
		return NULL;
	refcount_set(&key->users, 1);
	init_completion(&key->idle);
	spin_lock_init(&key->lock);
	key->pd = pd;
	key->memory = memory;
	return key;
}

/* Reserve a value. Its index holds NULL until nopin_key_show(): lookups find nothing. */
static int nopin_key_number(struct nopin_dev *dev, u32 *value)
{
	u8 variation;
	u32 index;
	int ret;

	ret = xa_alloc_cyclic(&dev->keys, &index, NULL, NOPIN_KEY_INDEXES, &dev->key_next,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		return -ENOMEM;
	get_random_bytes(&variation, sizeof(variation));
	*value = index << NOPIN_KEY_SHIFT | variation;
	return 0;
}

/* Cannot fail: the index was reserved. */
static void nopin_key_show(struct nopin_dev *dev, struct nopin_key *key, u32 value)
{
	xa_store(&dev->keys, value >> NOPIN_KEY_SHIFT, key, GFP_KERNEL);
}

/**
 * nopin_key_publish - give a key its value, and let it be found
 * @dev: the device
 * @key: complete but for its value
 *
 * Return: 0 or -ENOMEM: it is not published.
 * Context: process.
 */
int nopin_key_publish(struct nopin_dev *dev, struct nopin_key *key)
{
	int err = nopin_key_number(dev, &key->value);

	if (!err)
		nopin_key_show(dev, key, key->value);
	return err;
}

/* Waits for accesses that use the key; lookups that only read it are RCU readers. */
static void nopin_key_end(struct nopin_key *key)
{
	nopin_key_exit(key);
	wait_for_completion(&key->idle);
	kfree_rcu(key, rcu);
}

/**
 * nopin_key_replace - let the same value stand for something else
 * @dev: the device
 * @old: published; freed
 * @key: takes the value and the place of @old
 *
 * When it returns, no access that @old allowed is in flight.
 *
 * Context: process, sleeps; one call for each key at a time.
 */
void nopin_key_replace(struct nopin_dev *dev, struct nopin_key *old, struct nopin_key *key)
{
	key->value = old->value;
	nopin_key_show(dev, key, key->value);
	nopin_key_end(old);
}

/**
 * nopin_key_withdraw - end a key
 * @dev: the device
 * @key: published; freed
 *
 * When it returns the key is unknown, and no access through it is in flight.
 *
 * Context: process, sleeps until the accesses in flight have ended.
 */
void nopin_key_withdraw(struct nopin_dev *dev, struct nopin_key *key)
{
	xa_erase(&dev->keys, key->value >> NOPIN_KEY_SHIFT);
	nopin_key_end(key);
}

/**
 * nopin_key_reserve - publish a key that work requests will bind
 * @dev: the device
 * @key: with a kind; stands for nothing yet, and gets its name, @last
 *
 * Return: 0 or -ENOMEM: it is not published.
 * Context: process.
 */
int nopin_key_reserve(struct nopin_dev *dev, struct nopin_key *key)
{
	int err = nopin_key_number(dev, &key->last);

	if (err)
		return err;
	refcount_set(&key->users, 0);
	nopin_key_show(dev, key, key->last);
	return 0;
}

/*
 * Make the key stand for nothing, and wait until no access uses it. Accesses copy with BH
 * off and take no key's lock meanwhile: in the lock order a use of a key comes after its
 * lock, as a span's gate does.
 */
static void nopin_key_revoke(struct nopin_key *key)
{
	lockdep_assert_held(&key->lock);
	if (!key->value)
		return;
	WRITE_ONCE(key->value, 0);
	nopin_key_exit(key);
	while (refcount_read(&key->users))
		cpu_relax();
	smp_acquire__after_ctrl_dep(); /* pairs with nopin_key_exit() */
	if (key->kind->released)
		key->kind->released(key);
}

static void nopin_key_grant(struct nopin_key *key, const struct nopin_grant *grant)
{
	key->access = grant->access;
	key->iova = grant->iova;
	key->length = grant->length;
	key->va = grant->va;
	key->memory = grant->memory;
	key->qp = key->kind->one_qp ? grant->qp : 0;
	refcount_set(&key->users, 1);
	smp_store_release(&key->value, key->last); /* pairs with nopin_key_use() */
}

/* A key with a kind, whatever it stands for now; inside an RCU read-side section. */
static struct nopin_key *nopin_key_changeable(struct ib_pd *pd, u32 value)
{
	struct nopin_key *key = xa_load(&to_nopin_dev(pd->device)->keys,
					value >> NOPIN_KEY_SHIFT);

	return key && key->kind && key->pd == pd ? key : NULL;
}

static int nopin_key_bind_locked(struct nopin_key *key, u32 value,
				 const struct nopin_grant *grant)
{
	int err = key->ended ? -EINVAL : key->kind->may_bind(key, grant);

	if (err)
		return err;
	nopin_key_revoke(key);
	key->last = value;
	if (grant)
		nopin_key_grant(key, grant);
	return 0;
}

/**
 * nopin_key_bind - make a key stand for something, as a work request says
 * @pd: protection domain of the QP that the request was posted to
 * @value: the key's value from now on; its index selects the key
 * @grant: what it stands for; NULL: nothing
 *
 * On success, no access to what the key stood for before is in flight any more.
 *
 * Return: 0; -EINVAL: there is no such key; or the error of its kind's @may_bind.
 * Context: BH off, no view open and no key in use.
 */
int nopin_key_bind(struct ib_pd *pd, u32 value, const struct nopin_grant *grant)
{
	struct nopin_key *key;
	int ret = -EINVAL;

	rcu_read_lock();
	key = nopin_key_changeable(pd, value);
	if (key) {
		spin_lock_bh(&key->lock);
		ret = nopin_key_bind_locked(key, value, grant);
		spin_unlock_bh(&key->lock);
	}
	rcu_read_unlock();
	return ret;
}

static int nopin_key_invalidate_locked(struct nopin_key *key, u32 value, u64 qp)
{
	if (key->ended || !key->kind->invalidates || key->last != value)
		return -EINVAL;
	if (qp && key->value && key->qp && key->qp != qp)
		return -EINVAL;
	nopin_key_revoke(key);
	return 0;
}

/**
 * nopin_key_invalidate - make a key stand for nothing, as a work request says
 * @pd: protection domain of the QP
 * @value: the key
 * @qp: nopin_qp.id of the QP whose peer asks for it; 0: the program does
 *
 * On success, no access through the key is in flight. A key that stands for nothing
 * already stays so.
 *
 * Return: 0, or -EINVAL: there is no such key, or this QP may not invalidate it.
 * Context: BH off, no view open and no key in use.
 */
int nopin_key_invalidate(struct ib_pd *pd, u32 value, u64 qp)
{
	struct nopin_key *key;
	int ret = -EINVAL;

	rcu_read_lock();
	key = nopin_key_changeable(pd, value);
	if (key) {
		spin_lock_bh(&key->lock);
		ret = nopin_key_invalidate_locked(key, value, qp);
		spin_unlock_bh(&key->lock);
	}
	rcu_read_unlock();
	return ret;
}

/**
 * nopin_key_discard - end a key with a kind, whatever it is bound to
 * @dev: the device
 * @key: from nopin_key_reserve(); freed
 *
 * When it returns the key is unknown, and no access through it is in flight.
 *
 * Context: process.
 */
void nopin_key_discard(struct nopin_dev *dev, struct nopin_key *key)
{
	spin_lock_bh(&key->lock);
	nopin_key_revoke(key);
	key->ended = true;
	spin_unlock_bh(&key->lock);
	xa_erase(&dev->keys, key->last >> NOPIN_KEY_SHIFT);
	kfree_rcu(key, rcu);
}
