// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Queries for a program that imports a context, which another program has opened and
 * shares by its file: whether a PD exists, and where to map device memory. The core
 * itself answers the query for a region.
 */
#include <rdma/nopin-abi.h>
#include <rdma/uverbs_ioctl.h>

#include "verbs/verbs.h"

#define UVERBS_MODULE_NAME nopin
#include <rdma/uverbs_named_ioctl.h>

/**
 * nopin_query_ucontext - ib_device_ops.query_ucontext
 * @ibuctx: the context
 * @attrs: of the command, which the core has answered
 *
 * Return: 0.
 */
int nopin_query_ucontext(struct ib_ucontext *ibuctx, struct uverbs_attr_bundle *attrs)
{
	return 0;
}

/* The core has found the PD by its handle, which is all that the program asks. */
static int UVERBS_HANDLER(NOPIN_METHOD_PD_QUERY)(struct uverbs_attr_bundle *attrs)
{
	return 0;
}

static int UVERBS_HANDLER(NOPIN_METHOD_DM_QUERY)(struct uverbs_attr_bundle *attrs)
{
	struct ib_dm *ibdm = uverbs_attr_get_obj(attrs, NOPIN_ATTR_DM_QUERY_HANDLE);
	u64 length = ibdm->length, offset = nopin_dm_offset(ibdm);

	return uverbs_copy_to(attrs, NOPIN_ATTR_DM_QUERY_LENGTH, &length, sizeof(length)) ?:
	       uverbs_copy_to(attrs, NOPIN_ATTR_DM_QUERY_OFFSET, &offset, sizeof(offset));
}

DECLARE_UVERBS_NAMED_METHOD(NOPIN_METHOD_PD_QUERY,
			    UVERBS_ATTR_IDR(NOPIN_ATTR_PD_QUERY_HANDLE, UVERBS_OBJECT_PD,
					    UVERBS_ACCESS_READ, UA_MANDATORY));

DECLARE_UVERBS_NAMED_METHOD(NOPIN_METHOD_DM_QUERY,
			    UVERBS_ATTR_IDR(NOPIN_ATTR_DM_QUERY_HANDLE, UVERBS_OBJECT_DM,
					    UVERBS_ACCESS_READ, UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(NOPIN_ATTR_DM_QUERY_LENGTH,
						UVERBS_ATTR_TYPE(u64), UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(NOPIN_ATTR_DM_QUERY_OFFSET,
						UVERBS_ATTR_TYPE(u64), UA_MANDATORY));

ADD_UVERBS_METHODS(nopin_pd_methods, UVERBS_OBJECT_PD,
		   &UVERBS_METHOD(NOPIN_METHOD_PD_QUERY));
ADD_UVERBS_METHODS(nopin_dm_methods, UVERBS_OBJECT_DM,
		   &UVERBS_METHOD(NOPIN_METHOD_DM_QUERY));

const struct uapi_definition nopin_import_uapi[] = {
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_PD, &nopin_pd_methods),
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_DM, &nopin_dm_methods),
	{},
};
