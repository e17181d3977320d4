// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory regions. */
#include <net/netlink.h>
#include <rdma/rdma_netlink.h>
#include <rdma/restrack.h>
#include <rdma/uverbs_ioctl.h>

#include "mem/prefetch.h"
#include "mem/region.h"
#include "mirror/stored.h"
#include "verbs/verbs.h"

/**
 * nopin_get_dma_mr - ib_device_ops.get_dma_mr
 * @ibpd: protection domain of a kernel user
 * @access: IB_ACCESS_LOCAL_WRITE; with remote rights only where the user has asked for
 *	IB_PD_UNSAFE_GLOBAL_RKEY
 *
 * The core asks for one such region for each PD of a kernel user; its key becomes the
 * PD's local_dma_lkey. There is no key for all PDs (IBK_LOCAL_DMA_LKEY), as programs could
 * use that, too. The region covers all addresses of the kernel. Accesses to any other
 * address are refused. Within the region the kernel user has to name addresses that have
 * memory.
 *
 * Return: the region or ERR_PTR().
 */
struct ib_mr *nopin_get_dma_mr(struct ib_pd *ibpd, int access)
{
	struct nopin_dev *dev = to_nopin_dev(ibpd->device);
	struct nopin_region *region;
	int err;

	if (access & ~NOPIN_REGION_ACCESS)
		return ERR_PTR(-EOPNOTSUPP);
	err = nopin_share_take(dev, NULL, NOPIN_MRS);
	if (err)
		return ERR_PTR(err);
	region = nopin_region_create_direct(ibpd, PAGE_OFFSET, -PAGE_OFFSET - 1, PAGE_OFFSET,
					    access);
	if (!IS_ERR(region))
		return &region->ibmr;
	nopin_share_give(dev, NULL, NOPIN_MRS);
	return ERR_CAST(region);
}

/**
 * nopin_alloc_mr - ib_device_ops.alloc_mr
 * @ibpd: protection domain of a kernel user
 * @type: IB_MR_TYPE_MEM_REG
 * @pages: how many pages it must have room for
 *
 * Return: the region or ERR_PTR().
 */
struct ib_mr *nopin_alloc_mr(struct ib_pd *ibpd, enum ib_mr_type type, u32 pages)
{
	struct nopin_dev *dev = to_nopin_dev(ibpd->device);
	struct nopin_region *region;
	int err;

	if (type != IB_MR_TYPE_MEM_REG)
		return ERR_PTR(-EOPNOTSUPP);
	if (!pages || pages > NOPIN_MAX_LISTED)
		return ERR_PTR(-EINVAL);
	err = nopin_share_take(dev, NULL, NOPIN_MRS);
	if (err)
		return ERR_PTR(err);
	region = nopin_region_create_listed(ibpd, pages);
	if (!IS_ERR(region))
		return &region->ibmr;
	nopin_share_give(dev, NULL, NOPIN_MRS);
	return ERR_CAST(region);
}

/**
 * nopin_map_mr_sg - ib_device_ops.map_mr_sg
 * @ibmr: from nopin_alloc_mr()
 * @sg: the memory
 * @nents: elements of @sg
 * @offset: of the first byte in the first element, or NULL; receives the offset at which
 *	the next call has to go on
 *
 * Return: the number of elements that had room, or a negative errno.
 */
int nopin_map_mr_sg(struct ib_mr *ibmr, struct scatterlist *sg, int nents,
		    unsigned int *offset)
{
	return nopin_listed_map(to_nopin_region(ibmr), sg, nents, offset);
}

static struct ib_mr *nopin_mr_create(struct ib_pd *ibpd, u64 va, u64 length,
				     u64 iova, int access, struct ib_udata *udata)
{
	struct nopin_owner *owner = nopin_owner_of(udata);
	struct nopin_dev *dev = to_nopin_dev(ibpd->device);
	struct nopin_region *region;
	int err;

	err = nopin_share_take(dev, owner, NOPIN_MRS);
	if (err)
		return ERR_PTR(err);
	region = nopin_region_create(ibpd, va, length, iova, access);
	if (!IS_ERR(region))
		return &region->ibmr;
	nopin_share_give(dev, owner, NOPIN_MRS);
	return ERR_CAST(region);
}

/**
 * nopin_reg_user_mr - ib_device_ops.reg_user_mr
 * @ibpd: protection domain
 * @start: user address of the first byte
 * @length: bytes
 * @iova: address of the first byte in work requests and packets
 * @access: IB_ACCESS_*, a combination that the core allows
 * @udata: empty
 *
 * Return: the region or ERR_PTR(), see nopin_region_create().
 */
struct ib_mr *nopin_reg_user_mr(struct ib_pd *ibpd, u64 start, u64 length,
				u64 iova, int access, struct ib_udata *udata)
{
	int err = nopin_udata_empty(udata);

	if (err)
		return ERR_PTR(err);
	return nopin_mr_create(ibpd, start, length, iova, access, udata);
}

/**
 * nopin_reg_user_mr_dmah - ib_device_ops.reg_user_mr as from Linux 6.17
 * @ibpd: protection domain
 * @start: user address of the first byte
 * @length: bytes
 * @iova: address of the first byte in work requests and packets
 * @access: IB_ACCESS_*, a combination that the core allows
 * @dmah: hints on how hardware is to reach the memory; NULL: none
 * @udata: empty
 *
 * Return: the region or ERR_PTR(), -EOPNOTSUPP with hints.
 */
struct ib_mr *nopin_reg_user_mr_dmah(struct ib_pd *ibpd, u64 start, u64 length,
				     u64 iova, int access, struct ib_dmah *dmah,
				     struct ib_udata *udata)
{
	if (dmah)
		return ERR_PTR(-EOPNOTSUPP);
	return nopin_reg_user_mr(ibpd, start, length, iova, access, udata);
}

#if IS_ENABLED(CONFIG_DMA_SHARED_BUFFER)
/* Rights to a dma-buf. Its pages are mapped on demand without IB_ACCESS_ON_DEMAND. */
#define NOPIN_DMABUF_ACCESS						\
	(NOPIN_REGION_ACCESS &						\
	 ~(IB_ACCESS_ON_DEMAND | IB_ACCESS_HUGETLB | IB_ZERO_BASED))

/**
 * nopin_reg_user_mr_dmabuf - ib_device_ops.reg_user_mr_dmabuf up to Linux 6.10
 * @ibpd: protection domain
 * @offset: of the first byte in the buffer
 * @length: bytes
 * @iova: address of the first byte in work requests and packets
 * @fd: of the buffer
 * @access: IB_ACCESS_*, a combination that the core allows
 * @udata: of the command
 *
 * Return: the region or ERR_PTR(), see nopin_region_create_dmabuf().
 */
struct ib_mr *nopin_reg_user_mr_dmabuf(struct ib_pd *ibpd, u64 offset, u64 length,
				       u64 iova, int fd, int access,
				       struct ib_udata *udata)
{
	struct nopin_owner *owner = nopin_owner_of(udata);
	struct nopin_dev *dev = to_nopin_dev(ibpd->device);
	struct nopin_region *region;
	int err;

	if (access & ~NOPIN_DMABUF_ACCESS)
		return ERR_PTR(-EOPNOTSUPP);
	err = nopin_share_take(dev, owner, NOPIN_MRS);
	if (err)
		return ERR_PTR(err);
	region = nopin_region_create_dmabuf(ibpd, fd, offset, length, iova, access);
	if (!IS_ERR(region))
		return &region->ibmr;
	nopin_share_give(dev, owner, NOPIN_MRS);
	return ERR_CAST(region);
}

/**
 * nopin_reg_user_mr_dmabuf_attrs - ib_device_ops.reg_user_mr_dmabuf from 6.11 to 6.16
 * @ibpd: protection domain
 * @offset: of the first byte in the buffer
 * @length: bytes
 * @iova: address of the first byte in work requests and packets
 * @fd: of the buffer
 * @access: IB_ACCESS_*, a combination that the core allows
 * @attrs: of the command
 *
 * Return: as nopin_reg_user_mr_dmabuf().
 */
struct ib_mr *nopin_reg_user_mr_dmabuf_attrs(struct ib_pd *ibpd, u64 offset, u64 length,
					     u64 iova, int fd, int access,
					     struct uverbs_attr_bundle *attrs)
{
	return nopin_reg_user_mr_dmabuf(ibpd, offset, length, iova, fd, access,
					&attrs->driver_udata);
}

/**
 * nopin_reg_user_mr_dmabuf_dmah - ib_device_ops.reg_user_mr_dmabuf as from Linux 6.17
 * @ibpd: protection domain
 * @offset: of the first byte in the buffer
 * @length: bytes
 * @iova: address of the first byte in work requests and packets
 * @fd: of the buffer
 * @access: IB_ACCESS_*, a combination that the core allows
 * @dmah: hints on how hardware is to reach the memory; NULL: none
 * @attrs: of the command
 *
 * Return: as nopin_reg_user_mr_dmabuf(); -EOPNOTSUPP with hints.
 */
struct ib_mr *nopin_reg_user_mr_dmabuf_dmah(struct ib_pd *ibpd, u64 offset, u64 length,
					    u64 iova, int fd, int access,
					    struct ib_dmah *dmah,
					    struct uverbs_attr_bundle *attrs)
{
	if (dmah)
		return ERR_PTR(-EOPNOTSUPP);
	return nopin_reg_user_mr_dmabuf(ibpd, offset, length, iova, fd, access,
					&attrs->driver_udata);
}
#endif

/*
 * Make a region to replace @region, which the core destroys afterwards. The new one is
 * for the same addresses, so the caller has to be the process that registered them.
 */
static struct ib_mr *nopin_mr_replace(const struct nopin_region *region,
				      struct ib_pd *ibpd, int access,
				      struct ib_udata *udata)
{
	if (!nopin_region_is_current(region))
		return ERR_PTR(-EACCES);
	return nopin_mr_create(ibpd, region->key->va, region->key->length,
			       region->key->iova, access, udata);
}

static struct ib_mr *nopin_mr_change(struct nopin_region *region, struct ib_pd *ibpd,
				     int access, struct ib_udata *udata)
{
	if (access & ~NOPIN_REGION_ACCESS)
		return ERR_PTR(-EOPNOTSUPP);
	if (!nopin_region_can_change(region, access))
		return nopin_mr_replace(region, ibpd, access, udata);
	return ERR_PTR(nopin_region_change(region, ibpd, access)); /* NULL: same region */
}

/**
 * nopin_rereg_user_mr - ib_device_ops.rereg_user_mr
 * @ibmr: the region
 * @flags: what is to change, IB_MR_REREG_*
 * @start: new address, with IB_MR_REREG_TRANS
 * @length: likewise
 * @iova: likewise
 * @access: new rights, with IB_MR_REREG_ACCESS
 * @ibpd: new PD, with IB_MR_REREG_PD
 * @udata: empty
 *
 * Return: NULL: @ibmr itself has changed; a region that replaces it; or ERR_PTR():
 *	nothing has changed; -EBUSY: windows are bound to @ibmr.
 */
struct ib_mr *nopin_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start,
				  u64 length, u64 iova, int access,
				  struct ib_pd *ibpd, struct ib_udata *udata)
{
	struct nopin_region *region = to_nopin_region(ibmr);
	struct ib_mr *mr;
	int err;

	err = nopin_udata_empty(udata) ?: nopin_region_close(region);
	if (err)
		return ERR_PTR(err);
	if (!(flags & IB_MR_REREG_ACCESS))
		access = region->key->access;
	if (!(flags & IB_MR_REREG_PD))
		ibpd = ibmr->pd;
	if (flags & IB_MR_REREG_TRANS)
		mr = nopin_mr_create(ibpd, start, length, iova, access, udata);
	else
		mr = nopin_mr_change(region, ibpd, access, udata);
	if (IS_ERR_OR_NULL(mr))
		nopin_region_reopen(region);
	else /* the core is about to destroy @region, and never takes @mr back */
		WRITE_ONCE(to_nopin_region(mr)->memory->fresh, NULL);
	return mr;
}

/**
 * nopin_dereg_mr - ib_device_ops.dereg_mr
 * @ibmr: the region
 * @udata: of its owner's command
 *
 * Return: 0 or a negative errno; -EBUSY: windows are bound to it.
 */
int nopin_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata)
{
	struct nopin_owner *owner = nopin_owner_of(udata);
	struct nopin_dev *dev = to_nopin_dev(ibmr->device);
	struct nopin_region *region = to_nopin_region(ibmr);
	int err = nopin_region_close(region);

	if (err)
		return err;
	nopin_region_destroy(region);
	nopin_share_give(dev, owner, NOPIN_MRS);
	return 0;
}

/**
 * nopin_advise_mr - ib_device_ops.advise_mr
 * @ibpd: protection domain
 * @advice: a kind of prefetch
 * @flags: IB_UVERBS_ADVISE_MR_FLAG_FLUSH
 * @sges: ranges by lkey
 * @num_sge: how many
 * @attrs: of the command
 *
 * Return: 0 or a negative errno, see nopin_region_prefetch().
 */
int nopin_advise_mr(struct ib_pd *ibpd, enum ib_uverbs_advise_mr_advice advice,
		    u32 flags, struct ib_sge *sges, u32 num_sge,
		    struct uverbs_attr_bundle *attrs)
{
	return nopin_region_prefetch(ibpd, advice, flags, sges, num_sge);
}

/**
 * nopin_fill_res_mr_entry - ib_device_ops.fill_res_mr_entry
 * @msg: netlink message of `rdma resource show mr -d`
 * @ibmr: the region
 *
 * Return: 0 or -EMSGSIZE.
 */
int nopin_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr)
{
	const struct nopin_region *region = to_nopin_region(ibmr);
	const char *kind = "by policy";
	struct nlattr *nest;

	if (!nopin_memory_is_mirrored(region->memory))
		return 0;
	if (ibmr->length == U64_MAX)
		kind = "implicit";
	else if (!to_nopin_mirrored(region->memory)->ordinary)
		kind = "explicit";
	nest = nla_nest_start(msg, RDMA_NLDEV_ATTR_DRIVER);
	if (!nest)
		return -EMSGSIZE;
	if (rdma_nl_put_driver_string(msg, "odp", kind)) {
		nla_nest_cancel(msg, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	return 0;
}

/*
 * The owner of a region waits for those who read its counters before it can deregister it.
 * So where there is much to read, the last counter is left out.
 */
static int nopin_mr_put_resident(struct sk_buff *msg, struct nopin_mirrored *mirrored)
{
	s64 resident = nopin_mirror_resident(mirrored->mirror, mirrored->memory.va,
					     mirrored->memory.length, HZ);

	if (resident < 0)
		return 0;
	return rdma_nl_stat_hwcounter_entry(msg, "memory_bytes", resident << PAGE_SHIFT);
}

/* Called only where the kernel can move pages to a device. */
static int nopin_mr_put_moves(struct sk_buff *msg, struct nopin_mirrored *mirrored)
{
	static const char * const names[] = {
		[NOPIN_WATCH_IN] = "migrations_in",
		[NOPIN_WATCH_OUT] = "migrations_out",
		[NOPIN_WATCH_RETURNED] = "migration_faults",
	};
	enum nopin_watched kind;
	u64 pages;

	for (kind = NOPIN_WATCH_IN; kind < NOPIN_WATCH_KINDS; kind++) {
		pages = nopin_mirror_watched(mirrored->mirror, &mirrored->watch, kind);
		if (rdma_nl_stat_hwcounter_entry(msg, names[kind], pages))
			return -EMSGSIZE;
	}
	return nopin_mr_put_resident(msg, mirrored);
}

static int nopin_mr_put_counters(struct sk_buff *msg,
				 struct nopin_mirrored *mirrored)
{
	u64 invalidations = nopin_mirror_watched(mirrored->mirror, &mirrored->watch,
						 NOPIN_WATCH_TAKEN);

	return rdma_nl_stat_hwcounter_entry(msg, "page_invalidations", invalidations) ||
	       rdma_nl_stat_hwcounter_entry(msg, "page_faults",
					    atomic64_read(&mirrored->page_faults)) ||
	       rdma_nl_stat_hwcounter_entry(msg, "prefetches",
					    atomic64_read(&mirrored->prefetches)) ||
	       (NOPIN_WATCH_KINDS > 1 && nopin_mr_put_moves(msg, mirrored));
}

/**
 * nopin_fill_stat_mr_entry - ib_device_ops.fill_stat_mr_entry
 * @msg: netlink message of `rdma statistic show mr`
 * @ibmr: the region
 *
 * Return: 0 or -EMSGSIZE.
 */
int nopin_fill_stat_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct nopin_region *region = to_nopin_region(ibmr);
	struct nlattr *nest;

	if (!nopin_memory_is_mirrored(region->memory))
		return 0;
	nest = nla_nest_start(msg, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	if (!nest)
		return -EMSGSIZE;
	if (nopin_mr_put_counters(msg, to_nopin_mirrored(region->memory))) {
		nla_nest_cancel(msg, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	return 0;
}
