// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Scatter/gather lists as one run of bytes. */
#include <rdma/nopin-abi.h>

#include "mem/sge.h"

/**
 * nopin_sges_check - would an access to all of a list be let in?
 * @pd: protection domain of the QP
 * @sges: the elements
 * @num: how many
 * @rights: IB_ACCESS_* that each element's region must give
 *
 * The key of an element without bytes is not looked at (IBTA 10.7.3.2).
 *
 * Return: 0 or the first error of nopin_region_check().
 * Context: any.
 */
int nopin_sges_check(struct ib_pd *pd, const struct nopin_sge *sges, u32 num,
		     int rights)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < num && !ret; i++)
		if (sges[i].length)
			ret = nopin_region_check(pd, sges[i].lkey, sges[i].addr,
						 sges[i].length, rights);
	return ret;
}

/* Makes the distances of one element's views those of the whole access. */
struct nopin_sge_shift {
	nopin_view_fn fn;
	void *ctx;
	size_t base;
};

static int nopin_sge_view(const struct nopin_view *view, size_t off, void *ctx)
{
	struct nopin_sge_shift *shift = ctx;

	return shift->fn(view, shift->base + off, shift->ctx);
}

/* Bytes [skip, skip + len) of one element. */
static int nopin_sge_access(struct ib_pd *pd, const struct nopin_sge *sge,
			    u32 skip, size_t len, enum nopin_access access,
			    struct nopin_sge_shift *shift, struct nopin_miss *miss)
{
	int rights = access == NOPIN_WRITE ? IB_ACCESS_LOCAL_WRITE : 0;
	int ret;

	/* The sum may wrap; the region's own range check rejects what does. */
	ret = nopin_region_access(pd, sge->lkey, sge->addr + skip, len, rights,
				  access, nopin_sge_view, shift, miss);
	/* What comes next is in another element, not behind this one. */
	if (ret == -EAGAIN)
		miss->want = min_t(size_t, miss->want, sge->length - skip);
	return ret;
}

/**
 * nopin_sges_access - let the caller read or write a part of a list
 * @pd: protection domain of the QP
 * @sges: the elements
 * @num: how many
 * @offset: first byte, counted over all elements
 * @len: bytes
 * @access: NOPIN_WRITE needs IB_ACCESS_LOCAL_WRITE, NOPIN_READ no right
 * @fn: called for each view, in order; its distances count from @offset
 * @ctx: passed to @fn
 * @miss: as for nopin_region_access(), but nothing behind the element is wanted
 *
 * Return: 0; -ERANGE also when the list ends before the part does; otherwise as
 *	nopin_region_access().
 * Context: softirq, or process with BH off.
 */
int nopin_sges_access(struct ib_pd *pd, const struct nopin_sge *sges, u32 num,
		      u64 offset, size_t len, enum nopin_access access,
		      nopin_view_fn fn, void *ctx, struct nopin_miss *miss)
{
	struct nopin_sge_shift shift = { .fn = fn, .ctx = ctx };
	int ret;
	u32 i;

	for (i = 0; i < num && len; i++) {
		size_t n;

		if (offset >= sges[i].length) {
			offset -= sges[i].length;
			continue;
		}
		n = min_t(u64, len, sges[i].length - offset);
		ret = nopin_sge_access(pd, &sges[i], offset, n, access, &shift, miss);
		if (ret)
			return ret;
		miss->want -= min(miss->want, n);
		shift.base += n;
		len -= n;
		offset = 0;
	}
	return len ? -ERANGE : 0;
}
