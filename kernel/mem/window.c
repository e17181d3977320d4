// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory windows. A window is a key over the same memory as its region's, with its own
 * range and rights. While a window is bound, its region neither ends nor changes, so the
 * memory outlives the binding.
 */
#include <linux/slab.h>

#include "device.h"
#include "mem/memory.h"
#include "mem/window.h"

/* Type 1: may be bound at any time. Its addresses are the region's, not zero-based. */
static int nopin_window_may_bind_any(const struct nopin_key *key,
				     const struct nopin_grant *grant)
{
	return grant && grant->access & IB_ZERO_BASED ? -EINVAL : 0;
}

/* Type 2: must be invalidated before it is bound again (IBTA 10.6.6.2.4). */
static int nopin_window_may_bind_free(const struct nopin_key *key,
				      const struct nopin_grant *grant)
{
	if (key->value)
		return -EBUSY;
	return grant ? 0 : -EINVAL;
}

static void nopin_window_released(struct nopin_key *key)
{
	atomic_dec(&key->memory->windows);
}

static const struct nopin_key_kind nopin_window_type_1 = {
	.peers_only	= true,
	.may_bind	= nopin_window_may_bind_any,
	.released	= nopin_window_released,
};

static const struct nopin_key_kind nopin_window_type_2 = {
	.peers_only	= true,
	.one_qp		= true,
	.invalidates	= true,
	.may_bind	= nopin_window_may_bind_free,
	.released	= nopin_window_released,
};

/**
 * nopin_window_create - make a window that is bound to nothing
 * @window: zeroed except for what the core has set; gets its rkey
 *
 * Return: 0 or -ENOMEM.
 * Context: process.
 */
int nopin_window_create(struct nopin_window *window)
{
	struct ib_mw *ibmw = &window->ibmw;
	struct nopin_key *key = nopin_key_alloc(ibmw->pd, NULL);
	int err;

	if (!key)
		return -ENOMEM;
	key->kind = ibmw->type == IB_MW_TYPE_1 ? &nopin_window_type_1 : &nopin_window_type_2;
	err = nopin_key_reserve(to_nopin_dev(ibmw->device), key);
	if (err) {
		kfree(key);
		return err;
	}
	window->key = key;
	ibmw->rkey = key->last;
	return 0;
}

/**
 * nopin_window_destroy - end a window, whatever it is bound to
 * @window: the window
 *
 * When it returns no access through it is in flight.
 *
 * Context: process.
 */
void nopin_window_destroy(struct nopin_window *window)
{
	nopin_key_discard(to_nopin_dev(window->ibmw.device), window->key);
}

/* A region must allow local writes if its window allows remote ones (IBTA 10.6.6.2.2). */
static int nopin_window_rights(int access)
{
	if (access & (IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC))
		return IB_ACCESS_MW_BIND | IB_ACCESS_LOCAL_WRITE;
	return IB_ACCESS_MW_BIND;
}

/*
 * Has the program been given the region? Before that, the core may take it back, and warns
 * if it is in use; from then on, it lists the region's object. The caller uses a key to it.
 */
static bool nopin_window_region_is_given(struct nopin_memory *memory)
{
	const struct ib_mr *ibmr = READ_ONCE(memory->fresh);
	const struct ib_uobject *uobject;

	if (!ibmr)
		return true;
	uobject = READ_ONCE(ibmr->uobject);
	if (!uobject || list_empty(&uobject->list))
		return false;
	WRITE_ONCE(memory->fresh, NULL);
	return true;
}

/* Keep the region of a key in use until the window is released. */
static int nopin_window_hold(const struct nopin_key *key)
{
	if (key->kind)
		return -EINVAL;
	if (!nopin_window_region_is_given(key->memory))
		return -EBUSY;
	return atomic_inc_unless_negative(&key->memory->windows) ? 0 : -EBUSY;
}

static int nopin_window_grant(struct ib_pd *pd, const struct nopin_binding *binding,
			      struct nopin_grant *grant)
{
	struct nopin_claim claim = {
		.pd = pd,
		.key = binding->lkey,
		.rights = nopin_window_rights(binding->access),
	};
	struct nopin_key *key = nopin_key_enter(&claim, binding->addr, binding->length,
						&grant->va);
	int err;

	if (IS_ERR(key))
		return PTR_ERR(key);
	err = nopin_window_hold(key);
	grant->memory = key->memory;
	nopin_key_exit(key);
	grant->access = binding->access;
	grant->qp = binding->qp;
	grant->iova = binding->access & IB_ZERO_BASED ? 0 : binding->addr;
	grant->length = binding->length;
	return err;
}

/**
 * nopin_window_bind - bind a window to a part of a region, or to nothing
 * @pd: protection domain of the QP
 * @binding: what is asked for, unchecked
 *
 * Return: 0 or a negative errno: the window keeps its previous binding.
 * Context: BH off, no view open and no key in use.
 */
int nopin_window_bind(struct ib_pd *pd, const struct nopin_binding *binding)
{
	struct nopin_grant grant;
	int err;

	if (binding->access & ~NOPIN_WINDOW_ACCESS)
		return -EINVAL;
	if (!binding->length)
		return nopin_key_bind(pd, binding->rkey, NULL);
	rcu_read_lock();
	err = nopin_window_grant(pd, binding, &grant);
	rcu_read_unlock();
	if (err)
		return err;
	err = nopin_key_bind(pd, binding->rkey, &grant);
	if (err)
		atomic_dec(&grant.memory->windows);
	return err;
}
