// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Protection domains, thread domains, and parent domains, which combine one of each.
 *
 * The kernel knows only the protection domain; a parent domain has the same handle. A
 * thread domain adds the program's promise that no two threads use the parent domain's
 * objects at the same time, so their queues need no locks. A program may offer its own
 * allocator for memory of the provider, or allow memory that a confidential VM shares with
 * its host. Neither is used, as only rings could be in such memory, and those are the
 * kernel's.
 */
#include <errno.h>
#include <stdlib.h>

#include "ioctl.h"

/* IBV_PARENT_DOMAIN_INIT_ATTR_ALLOW_CC_UNPROTECTED_ALLOC, of rdma-core 64 */
#define NOPIN_PARENT_ALLOW_CC_UNPROTECTED	(1 << 2)

#define NOPIN_PARENT_COMP_MASK						\
	((uint32_t)(IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS |		\
		    IBV_PARENT_DOMAIN_INIT_ATTR_PD_CONTEXT |		\
		    NOPIN_PARENT_ALLOW_CC_UNPROTECTED))

/**
 * struct nopin_td - a thread domain
 * @ibtd: libibverbs' part
 * @parents: parent domains that it is in; atomic
 */
struct nopin_td {
	struct ibv_td ibtd;
	unsigned int parents;
};

/**
 * struct nopin_pd - a protection domain, or a parent domain
 * @ibpd: libibverbs' part
 * @base: of a parent domain: what it extends, else NULL
 * @td: of a parent domain: its thread domain, or NULL
 * @parents: parent domains that extend it; atomic
 */
struct nopin_pd {
	struct ibv_pd ibpd;
	struct nopin_pd *base;
	struct nopin_td *td;
	unsigned int parents;
};

static struct nopin_pd *to_nopin_pd(const struct ibv_pd *pd)
{
	return container_of((struct ibv_pd *)pd, struct nopin_pd, ibpd);
}

static struct nopin_td *to_nopin_td(struct ibv_td *td)
{
	return container_of(td, struct nopin_td, ibtd);
}

static void refs_get(unsigned int *refs)
{
	__atomic_add_fetch(refs, 1, __ATOMIC_RELAXED);
}

static void refs_put(unsigned int *refs)
{
	__atomic_sub_fetch(refs, 1, __ATOMIC_RELEASE);
}

static bool refs_any(const unsigned int *refs)
{
	return __atomic_load_n(refs, __ATOMIC_ACQUIRE);
}

/**
 * nopin_pd_is_shared() - may several threads use its objects at the same time?
 * @ibpd: a protection domain or a parent domain
 */
bool nopin_pd_is_shared(const struct ibv_pd *ibpd)
{
	return !to_nopin_pd(ibpd)->td;
}

struct ibv_pd *nopin_alloc_pd(struct ibv_context *context)
{
	struct ib_uverbs_alloc_pd_resp resp;
	struct ibv_alloc_pd cmd;
	struct nopin_pd *pd;
	int ret;

	pd = calloc(1, sizeof(*pd));
	if (!pd)
		return NULL;

	ret = ibv_cmd_alloc_pd(context, &pd->ibpd, &cmd, sizeof(cmd), &resp,
			       sizeof(resp));
	if (ret) {
		free(pd);
		errno = ret;
		return NULL;
	}
	return &pd->ibpd;
}

static int pd_query(struct ibv_context *context, uint32_t handle)
{
	struct nopin_ioctl cmd = {};

	nopin_ioctl_handle(&cmd, NOPIN_ATTR_PD_QUERY_HANDLE, handle);
	return nopin_ioctl_run(context, &cmd, UVERBS_OBJECT_PD, NOPIN_METHOD_PD_QUERY);
}

/* Import a PD that another program has made in the same context. */
struct ibv_pd *nopin_import_pd(struct ibv_context *context, uint32_t handle)
{
	struct nopin_pd *pd = calloc(1, sizeof(*pd));
	int ret;

	if (!pd)
		return NULL;
	ret = pd_query(context, handle);
	if (ret) {
		free(pd);
		errno = ret;
		return NULL;
	}
	pd->ibpd.context = context;
	pd->ibpd.handle = handle;
	return &pd->ibpd;
}

void nopin_unimport_pd(struct ibv_pd *ibpd)
{
	free(to_nopin_pd(ibpd));
}

static bool parent_attr_ok(const struct ibv_parent_domain_init_attr *attr)
{
	if (!attr->pd || attr->comp_mask & ~NOPIN_PARENT_COMP_MASK)
		return false;
	return !(attr->comp_mask & IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS) ||
	       (attr->alloc && attr->free);
}

struct ibv_pd *nopin_alloc_parent_domain(struct ibv_context *context,
					 struct ibv_parent_domain_init_attr *attr)
{
	struct nopin_pd *pd;

	if (!parent_attr_ok(attr)) {
		errno = EINVAL;
		return NULL;
	}
	pd = calloc(1, sizeof(*pd));
	if (!pd)
		return NULL;
	pd->ibpd.context = context;
	pd->ibpd.handle = attr->pd->handle;
	pd->base = to_nopin_pd(attr->pd);
	refs_get(&pd->base->parents);
	if (attr->td) {
		pd->td = to_nopin_td(attr->td);
		refs_get(&pd->td->parents);
	}
	return &pd->ibpd;
}

/* To the kernel, objects made in a parent domain belong to the PD below, and keep that. */
static void parent_end(struct nopin_pd *pd)
{
	if (pd->td)
		refs_put(&pd->td->parents);
	refs_put(&pd->base->parents);
}

int nopin_dealloc_pd(struct ibv_pd *ibpd)
{
	struct nopin_pd *pd = to_nopin_pd(ibpd);
	int ret;

	if (refs_any(&pd->parents))
		return EBUSY;
	if (pd->base) {
		parent_end(pd);
		free(pd);
		return 0;
	}
	ret = ibv_cmd_dealloc_pd(ibpd);
	if (!ret)
		free(pd);
	return ret;
}

struct ibv_td *nopin_alloc_td(struct ibv_context *context, struct ibv_td_init_attr *attr)
{
	struct nopin_td *td;

	if (attr->comp_mask) {
		errno = EINVAL;
		return NULL;
	}
	td = calloc(1, sizeof(*td));
	if (!td)
		return NULL;
	td->ibtd.context = context;
	return &td->ibtd;
}

int nopin_dealloc_td(struct ibv_td *ibtd)
{
	struct nopin_td *td = to_nopin_td(ibtd);

	if (refs_any(&td->parents))
		return EBUSY;
	free(td);
	return 0;
}
