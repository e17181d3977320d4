// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory regions. To the provider a region is a handle. Whether the kernel mirrors or
 * pins its pages depends on its access flags and on the device's policy, and makes no
 * difference here.
 */
#include <errno.h>
#include <stdlib.h>

#include "ioctl.h"

struct ibv_mr *nopin_reg_mr(struct ibv_pd *pd, void *addr, size_t length,
			    uint64_t hca_va, int access)
{
	struct ib_uverbs_reg_mr_resp resp;
	struct ibv_reg_mr cmd;
	struct verbs_mr *vmr;
	int ret;

	vmr = calloc(1, sizeof(*vmr));
	if (!vmr)
		return NULL;

	ret = ibv_cmd_reg_mr(pd, addr, length, hca_va, access, vmr, &cmd,
			     sizeof(cmd), &resp, sizeof(resp));
	if (ret) {
		free(vmr);
		errno = ret;
		return NULL;
	}
	return &vmr->ibv_mr;
}

static int mr_reg_dmabuf(struct ibv_pd *pd, uint64_t offset, size_t length, uint64_t iova,
			 int fd, int access, struct ibv_mr *mr)
{
	struct nopin_ioctl cmd = {};
	int ret;

	nopin_ioctl_handle(&cmd, UVERBS_ATTR_REG_DMABUF_MR_HANDLE, 0);
	nopin_ioctl_handle(&cmd, UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, pd->handle);
	nopin_ioctl_u64(&cmd, UVERBS_ATTR_REG_DMABUF_MR_OFFSET, offset);
	nopin_ioctl_u64(&cmd, UVERBS_ATTR_REG_DMABUF_MR_LENGTH, length);
	nopin_ioctl_u64(&cmd, UVERBS_ATTR_REG_DMABUF_MR_IOVA, iova);
	nopin_ioctl_u32(&cmd, UVERBS_ATTR_REG_DMABUF_MR_FD, (uint32_t)fd);
	nopin_ioctl_u32(&cmd, UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, (uint32_t)access);
	nopin_ioctl_out(&cmd, UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, &mr->lkey,
			sizeof(mr->lkey));
	nopin_ioctl_out(&cmd, UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, &mr->rkey,
			sizeof(mr->rkey));
	ret = nopin_ioctl_run(pd->context, &cmd, UVERBS_OBJECT_MR, UVERBS_METHOD_REG_DMABUF_MR);
	mr->handle = (uint32_t)cmd.data[0];
	return ret;
}

struct ibv_mr *nopin_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length,
				   uint64_t iova, int fd, int access)
{
	struct verbs_mr *vmr;
	int ret;

	vmr = calloc(1, sizeof(*vmr));
	if (!vmr)
		return NULL;
	ret = mr_reg_dmabuf(pd, offset, length, iova, fd, access, &vmr->ibv_mr);
	if (ret) {
		free(vmr);
		errno = ret;
		return NULL;
	}
	vmr->mr_type = IBV_MR_TYPE_DMABUF_MR;
	vmr->access = access;
	vmr->ibv_mr.context = pd->context;
	vmr->ibv_mr.pd = pd;
	vmr->ibv_mr.addr = (void *)(uintptr_t)offset;
	vmr->ibv_mr.length = length;
	return &vmr->ibv_mr;
}

static int mr_query(struct ibv_context *context, uint32_t handle, struct ibv_mr *mr)
{
	struct nopin_ioctl cmd = {};
	uint64_t length = 0;
	int ret;

	nopin_ioctl_handle(&cmd, UVERBS_ATTR_QUERY_MR_HANDLE, handle);
	nopin_ioctl_out(&cmd, UVERBS_ATTR_QUERY_MR_RESP_LKEY, &mr->lkey, sizeof(mr->lkey));
	nopin_ioctl_out(&cmd, UVERBS_ATTR_QUERY_MR_RESP_RKEY, &mr->rkey, sizeof(mr->rkey));
	nopin_ioctl_out(&cmd, UVERBS_ATTR_QUERY_MR_RESP_LENGTH, &length, sizeof(length));
	ret = nopin_ioctl_run(context, &cmd, UVERBS_OBJECT_MR, UVERBS_METHOD_QUERY_MR);
	mr->length = length;
	return ret;
}

/* Import a region that another program has made, perhaps of that program's memory. */
struct ibv_mr *nopin_import_mr(struct ibv_pd *pd, uint32_t handle)
{
	struct verbs_mr *vmr = calloc(1, sizeof(*vmr));
	int ret;

	if (!vmr)
		return NULL;
	ret = mr_query(pd->context, handle, &vmr->ibv_mr);
	if (ret) {
		free(vmr);
		errno = ret;
		return NULL;
	}
	vmr->mr_type = IBV_MR_TYPE_IMPORTED_MR;
	vmr->ibv_mr.context = pd->context;
	vmr->ibv_mr.pd = pd;
	vmr->ibv_mr.handle = handle;
	return &vmr->ibv_mr;
}

void nopin_unimport_mr(struct ibv_mr *mr)
{
	free(container_of(mr, struct verbs_mr, ibv_mr));
}

int nopin_rereg_mr(struct verbs_mr *vmr, int flags, struct ibv_pd *pd,
		   void *addr, size_t length, int access)
{
	struct ib_uverbs_rereg_mr_resp resp;
	struct ibv_rereg_mr cmd;

	return ibv_cmd_rereg_mr(vmr, (uint32_t)flags, addr, length,
				(uintptr_t)addr, access, pd, &cmd, sizeof(cmd),
				&resp, sizeof(resp));
}

int nopin_dereg_mr(struct verbs_mr *vmr)
{
	int ret = ibv_cmd_dereg_mr(vmr);

	if (!ret)
		free(vmr);
	return ret;
}
