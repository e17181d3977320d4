// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Device memory: kernel memory that is mapped here, too, so that copying to it and from
 * it needs no call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ioctl.h"

/* As other devices have it: bytes of an access, and where it may begin. */
#define NOPIN_DM_UNIT 4

static int dm_call(struct ibv_context *context, const struct ibv_alloc_dm_attr *attr,
		   struct nopin_dm *dm, uint64_t *offset)
{
	struct nopin_ioctl cmd = {};
	int ret;

	nopin_ioctl_handle(&cmd, UVERBS_ATTR_ALLOC_DM_HANDLE, 0);
	nopin_ioctl_u64(&cmd, UVERBS_ATTR_ALLOC_DM_LENGTH, attr->length);
	nopin_ioctl_u32(&cmd, UVERBS_ATTR_ALLOC_DM_ALIGNMENT, attr->log_align_req);
	nopin_ioctl_out(&cmd, NOPIN_ATTR_ALLOC_DM_OFFSET, offset, sizeof(*offset));
	ret = nopin_ioctl_run(context, &cmd, UVERBS_OBJECT_DM, UVERBS_METHOD_DM_ALLOC);
	dm->vdm.handle = (uint32_t)cmd.data[0];
	return ret;
}

static int dm_check(const struct nopin_dm *dm, uint64_t offset, size_t length)
{
	if (offset > dm->length || length > dm->length - offset)
		return EFAULT;
	return offset % NOPIN_DM_UNIT || length % NOPIN_DM_UNIT ? EINVAL : 0;
}

static int dm_write(struct ibv_dm *ibdm, uint64_t offset, const void *host, size_t length)
{
	struct nopin_dm *dm = to_nopin_dm(ibdm);
	int ret = dm_check(dm, offset, length);

	if (!ret)
		memcpy(dm->addr + offset, host, length);
	return ret;
}

static int dm_read(void *host, struct ibv_dm *ibdm, uint64_t offset, size_t length)
{
	struct nopin_dm *dm = to_nopin_dm(ibdm);
	int ret = dm_check(dm, offset, length);

	if (!ret)
		memcpy(host, dm->addr + offset, length);
	return ret;
}

static int dm_alloc(struct ibv_context *context, const struct ibv_alloc_dm_attr *attr,
		    struct nopin_dm *dm)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t offset = 0;
	int ret;

	ret = dm_call(context, attr, dm, &offset);
	if (ret)
		return ret;
	dm->vdm.dm.context = context;
	dm->vdm.dm.memcpy_to_dm = dm_write;
	dm->vdm.dm.memcpy_from_dm = dm_read;
	dm->length = attr->length;
	dm->size = (attr->length + page - 1) / page * page;
	dm->addr = mmap(NULL, dm->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			context->cmd_fd, (off_t)offset);
	if (dm->addr != MAP_FAILED)
		return 0;
	ret = errno;
	ibv_cmd_free_dm(&dm->vdm);
	return ret;
}

struct ibv_dm *nopin_alloc_dm(struct ibv_context *context, struct ibv_alloc_dm_attr *attr)
{
	struct nopin_dm *dm;
	int ret;

	if (attr->comp_mask) {
		errno = EINVAL;
		return NULL;
	}
	dm = calloc(1, sizeof(*dm));
	if (!dm)
		return NULL;
	ret = dm_alloc(context, attr, dm);
	if (ret) {
		free(dm);
		errno = ret;
		return NULL;
	}
	return &dm->vdm.dm;
}

int nopin_free_dm(struct ibv_dm *ibdm)
{
	struct nopin_dm *dm = to_nopin_dm(ibdm);
	int ret = ibv_cmd_free_dm(&dm->vdm);

	if (ret)
		return ret;
	munmap(dm->addr, dm->size);
	free(dm);
	return 0;
}

struct ibv_mr *nopin_reg_dm_mr(struct ibv_pd *pd, struct ibv_dm *ibdm, uint64_t dm_offset,
			       size_t length, unsigned int access)
{
	struct verbs_mr *vmr;
	int ret;

	vmr = calloc(1, sizeof(*vmr));
	if (!vmr)
		return NULL;
	ret = ibv_cmd_reg_dm_mr(pd, &to_nopin_dm(ibdm)->vdm, dm_offset, length, access,
				vmr, NULL);
	if (ret) {
		free(vmr);
		errno = ret;
		return NULL;
	}
	return &vmr->ibv_mr;
}
