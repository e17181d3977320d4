// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Keys: found, checked, shown and withdrawn.
 *
 * The end of a key is waited for: whoever copies holds @users, so when
 * nopin_key_withdraw() returns no byte is read or written through it any more. Faults
 * may sleep for long, and hold the memory only.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "device.h"
#include "mem/key.h"

/* A key is the index in dev->keys and bits that change when the index is reused. */
#define NOPIN_KEY_SHIFT		8
#define NOPIN_KEY_INDEXES	XA_LIMIT(1, U32_MAX >> NOPIN_KEY_SHIFT)

/* Inside an RCU read-side section, which keeps the struct. */
static struct nopin_key *nopin_key_find(struct nopin_dev *dev, u32 value)
{
	struct nopin_key *key = xa_load(&dev->keys, value >> NOPIN_KEY_SHIFT);

	return key && key->value == value ? key : NULL;
}

/*
 * Likewise, and use it. One that has ended since it was found may have been replaced, so
 * that the value still stands for something.
 */
static struct nopin_key *nopin_key_use(struct nopin_dev *dev, u32 value)
{
	struct nopin_key *key;

	do {
		key = nopin_key_find(dev, value);
	} while (key && !refcount_inc_not_zero(&key->users));
	return key;
}

/**
 * nopin_key_lookup - find a key and use it
 * @dev: the device
 * @value: lkey or rkey
 *
 * Return: the key, which nopin_key_withdraw() waits for until nopin_key_exit(), or
 *	NULL.
 * Context: any.
 */
struct nopin_key *nopin_key_lookup(struct nopin_dev *dev, u32 value)
{
	struct nopin_key *key;

	rcu_read_lock();
	key = nopin_key_use(dev, value);
	rcu_read_unlock();
	return key;
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

static int nopin_key_admit(const struct nopin_key *key, const struct nopin_range *range)
{
	/* An iova before the first byte wraps to an offset past the last. */
	u64 offset = range->iova - key->iova;

	if (key->pd != range->pd)
		return -EINVAL;
	if (range->rights & ~key->access)
		return -EACCES;
	if (offset > key->length || range->len > key->length - offset)
		return -ERANGE;
	return 0;
}

/**
 * nopin_key_enter - find a key, check an access to it, and use it
 * @range: what is to be accessed
 * @va: gets the user address of the first byte
 *
 * Return: the key, until nopin_key_exit(); or ERR_PTR() as key.h has it.
 * Context: an RCU read-side section, until the access is over.
 */
struct nopin_key *nopin_key_enter(const struct nopin_range *range, u64 *va)
{
	struct nopin_key *key;
	int err;

	key = nopin_key_use(to_nopin_dev(range->pd->device), range->key);
	if (!key)
		return ERR_PTR(-EINVAL);
	err = nopin_key_admit(key, range);
	if (err) {
		nopin_key_exit(key);
		return ERR_PTR(err);
	}
	*va = key->va + (range->iova - key->iova);
	return key;
}

/**
 * nopin_key_check - would an access be let in?
 * @range: what would be accessed
 *
 * Return: 0, or an error as key.h has it.
 * Context: any.
 */
int nopin_key_check(const struct nopin_range *range)
{
	struct nopin_key *key;
	int ret = -EINVAL;

	rcu_read_lock();
	key = nopin_key_find(to_nopin_dev(range->pd->device), range->key);
	if (key)
		ret = nopin_key_admit(key, range);
	rcu_read_unlock();
	return ret;
}

/**
 * nopin_key_alloc - a key that nobody can find yet
 * @pd: protection domain
 * @memory: that its bytes are of; all of it, unless the caller says otherwise
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
	key->pd = pd;
	key->memory = memory;
	return key;
}

/**
 * nopin_key_publish - give a key its value, and let it be found
 * @dev: the device
 * @key: complete but for its value
 *
 * Return: 0 or -ENOMEM: not found by anybody.
 * Context: process.
 */
int nopin_key_publish(struct nopin_dev *dev, struct nopin_key *key)
{
	u8 variation;
	u32 index;
	int ret;

	/* Reserve only: nobody must find the key before it has its value. */
	ret = xa_alloc_cyclic(&dev->keys, &index, NULL, NOPIN_KEY_INDEXES, &dev->key_next,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		return -ENOMEM;
	get_random_bytes(&variation, sizeof(variation));
	key->value = index << NOPIN_KEY_SHIFT | variation;
	xa_store(&dev->keys, index, key, GFP_KERNEL); /* cannot fail: it was reserved */
	return 0;
}

/* Whoever used it has gone; who only looks at it is an RCU reader. */
static void nopin_key_end(struct nopin_key *key)
{
	nopin_key_exit(key);
	wait_for_completion(&key->idle);
	kfree_rcu(key, rcu);
}

/**
 * nopin_key_replace - let the same key stand for something else
 * @dev: the device
 * @old: published; freed
 * @key: takes its value and its place
 *
 * When it returns, no access that @old has let in is in flight.
 *
 * Context: process, sleeps; one call for each key at a time.
 */
void nopin_key_replace(struct nopin_dev *dev, struct nopin_key *old, struct nopin_key *key)
{
	key->value = old->value;
	xa_store(&dev->keys, key->value >> NOPIN_KEY_SHIFT, key, GFP_KERNEL);
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
