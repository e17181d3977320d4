// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Device memory: kernel memory that the program maps, too, so that copying to it and from
 * it needs no system call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ioctl.h"

/* Offset and length of an access are multiples of this, as with other devices. */
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

static int dm_query(struct ibv_context *context, uint32_t handle, struct nopin_dm *dm,
		    uint64_t *offset)
{
	struct nopin_ioctl cmd = {};
	uint64_t length = 0;
	int ret;

	nopin_ioctl_handle(&cmd, NOPIN_ATTR_DM_QUERY_HANDLE, handle);
	nopin_ioctl_out(&cmd, NOPIN_ATTR_DM_QUERY_LENGTH, &length, sizeof(length));
	nopin_ioctl_out(&cmd, NOPIN_ATTR_DM_QUERY_OFFSET, offset, sizeof(*offset));
	ret = nopin_ioctl_run(context, &cmd, UVERBS_OBJECT_DM, NOPIN_METHOD_DM_QUERY);
	dm->vdm.handle = handle;
	dm->length = length;
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

/* Map the device memory at @offset; its length and handle are in @dm already. */
static int dm_map(struct ibv_context *context, struct nopin_dm *dm, uint64_t offset)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	dm->vdm.dm.context = context;
	dm->vdm.dm.handle = dm->vdm.handle;
	dm->vdm.dm.memcpy_to_dm = dm_write;
	dm->vdm.dm.memcpy_from_dm = dm_read;
	dm->size = (dm->length + page - 1) / page * page;
	dm->addr = mmap(NULL, dm->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			context->cmd_fd, (off_t)offset);
	return dm->addr == MAP_FAILED ? errno : 0;
}

static int dm_alloc(struct ibv_context *context, const struct ibv_alloc_dm_attr *attr,
		    struct nopin_dm *dm)
{
	uint64_t offset = 0;
	int ret;

	ret = dm_call(context, attr, dm, &offset);
	if (ret)
		return ret;
	dm->length = attr->length;
	ret = dm_map(context, dm, offset);
	if (ret)
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

/* Import device memory that another program has allocated in the same context. */
struct ibv_dm *nopin_import_dm(struct ibv_context *context, uint32_t handle)
{
	struct nopin_dm *dm = calloc(1, sizeof(*dm));
	uint64_t offset = 0;
	int ret;

	if (!dm)
		return NULL;
	ret = dm_query(context, handle, dm, &offset);
	if (!ret)
		ret = dm_map(context, dm, offset);
	if (!ret)
		return &dm->vdm.dm;
	free(dm);
	errno = ret;
	return NULL;
}

void nopin_unimport_dm(struct ibv_dm *ibdm)
{
	struct nopin_dm *dm = to_nopin_dm(ibdm);

	munmap(dm->addr, dm->size);
	free(dm);
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
