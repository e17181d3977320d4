// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Device memory: copies to it and from it, every operation with it at either end, and
 * requests that must be refused. Only ibv_memcpy_from_dm() can read it.
 */
#include <unistd.h>

#include "far.h"
#include "mw.h"

struct variant {
	enum ibv_wr_opcode op;
	bool from_dm, to_dm;	/* the requester's memory; the responder's */
};

static void free_dm(void *obj)
{
	ibv_free_dm(obj);
}

static void free_mr(void *obj)
{
	ibv_dereg_mr(obj);
}

static struct ibv_dm *dm_try(struct ibv_context *ctx, size_t len, uint32_t log_align)
{
	struct ibv_alloc_dm_attr attr = { .length = len, .log_align_req = log_align };

	return ibv_alloc_dm(ctx, &attr);
}

static struct ibv_dm *dm_new(struct ibv_context *ctx, size_t len)
{
	struct ibv_dm *dm = dm_try(ctx, len, 0);

	if (!dm && errno == EOPNOTSUPP)
		vt_skip("the device has no device memory");
	vt_require(dm, "alloc_dm(%zu): %s", len, strerror(errno));
	vt_defer(free_dm, dm);
	return dm;
}

static struct ibv_mr *dm_reg(struct ibv_pd *pd, struct ibv_dm *dm, size_t off, size_t len,
			     int access)
{
	struct ibv_mr *mr = ibv_reg_dm_mr(pd, dm, off, len, access | IBV_ACCESS_ZERO_BASED);

	vt_require(mr, "reg_dm_mr(%zu, %zu): %s", off, len, strerror(errno));
	vt_defer(free_mr, mr);
	return mr;
}

static void dm_get(struct far *far, uint8_t *to)
{
	vt_ok(ibv_memcpy_from_dm(to, far->obj, 0, FAR_WHOLE));
}

static void dm_put(struct far *far, const uint8_t *from)
{
	vt_ok(ibv_memcpy_to_dm(far->obj, 0, from, FAR_WHOLE));
}

static struct far *dm_far(struct rc_end *end)
{
	struct ibv_dm *dm = dm_new(end->dev->ctx, FAR_WHOLE);
	struct ibv_mr *mr = dm_reg(end->pd, dm, FAR_MARGIN, FAR_BYTES,
				   VT_ACCESS_ALL | IBV_ACCESS_MW_BIND);
	struct far *far = far_new(end, mr, 0, dm);

	far->get = dm_get;
	far->put = dm_put;
	far_fill(far);
	return far;
}

/* --- copies --- */

static void copy_once(struct far *far, uint8_t *host)
{
	size_t len = 4 * vt_below(FAR_WHOLE / 4 + 1), off = 4 * vt_below((FAR_WHOLE - len) / 4 + 1);

	if (vt_chance(50)) {
		vt_fill(host, len);
		memcpy(far->model + off, host, len);
		vt_ok(ibv_memcpy_to_dm(far->obj, off, host, len));
	} else {
		vt_ok(ibv_memcpy_from_dm(host, far->obj, off, len));
		vt_require(!memcmp(host, far->model + off, len), "data differ");
	}
}

static void copies(const void *arg)
{
	struct far *far = dm_far(&rc_pair()->a);
	uint8_t *host = vt_map(FAR_WHOLE, 0);

	(void)arg;
	for (unsigned int i = 0; i < 100 * vt_opts.rounds; i++)
		copy_once(far, host);
	far_check(far);
}

/* New device memory is zeroed. */
static void begins_empty(const void *arg)
{
	struct ibv_context *ctx = vt_dev(0)->ctx;
	uint8_t *host = vt_map(FAR_WHOLE, 0), *none = vt_map(FAR_WHOLE, 0);

	(void)arg;
	for (int i = 0; i < 10; i++) {
		struct ibv_dm *dm = dm_new(ctx, FAR_WHOLE);

		vt_ok(ibv_memcpy_from_dm(host, dm, 0, FAR_WHOLE));
		vt_require(!memcmp(host, none, FAR_WHOLE), "it is not empty");
		vt_fill(host, FAR_WHOLE);
		vt_ok(ibv_memcpy_to_dm(dm, 0, host, FAR_WHOLE));
		vt_release(dm);
	}
}

/* --- operations --- */

static void operation(const void *arg)
{
	const struct variant *v = arg;
	struct rc_pair *pair = rc_pair();
	struct far *from = v->from_dm ? dm_far(&pair->a) : far_host(&pair->a);
	struct far *to = v->to_dm ? dm_far(&pair->b) : far_host(&pair->b);

	for (unsigned int i = 0; i < 60 * vt_opts.rounds; i++) {
		if (vt_chance(20)) {
			far_fill(from);
			far_fill(to);
		}
		far_play(v->op, from, to);
	}
}

/* --- refusals at the wire --- */

static void beyond_the_region(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct far *from = far_host(&pair->a), *to = dm_far(&pair->b);

	(void)arg;
	for (int i = 0; i < 4; i++) {
		size_t len = 1 + vt_below(FAR_MARGIN);

		rc_do(&pair->a, i & 1 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, from->mem, 0,
		      to->mem, i & 2 ? FAR_BYTES - len + 1 : (size_t)-1, len,
		      IBV_WC_REM_ACCESS_ERR);
		rc_reconnect(pair);
		far_check(from);
		far_check(to);
	}
}

static void without_the_right(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct far *from = far_host(&pair->a), *to = dm_far(&pair->b);
	struct vt_mem weak = *to->mem;

	(void)arg;
	weak.mr = dm_reg(pair->b.pd, to->obj, FAR_MARGIN, FAR_BYTES, IBV_ACCESS_LOCAL_WRITE);
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, from->mem, 0, &weak, 0, 50, IBV_WC_REM_ACCESS_ERR);
	rc_reconnect(pair);
	weak.mr = dm_reg(pair->b.pd, to->obj, FAR_MARGIN, FAR_BYTES, 0);
	rc_do(&pair->b, IBV_WR_RDMA_READ, &weak, 0, from->mem, 0, 50, IBV_WC_LOC_PROT_ERR);
	rc_reconnect(pair);
	far_check(from);
	far_check(to);
}

/* A window to a part of the region works, and its binding keeps the region alive. */
static void window(const void *arg)
{
	const enum ibv_mw_type *type = arg;
	struct rc_pair *pair = rc_pair();
	struct far *from = far_host(&pair->a), *to = dm_far(&pair->b);
	struct ibv_mw *mw = mw_new(pair->b.pd, *type);
	struct ibv_mw_bind_info info = mw_part(to->mem, 1000, 3000, RIGHTS);
	struct vt_mem part = *to->mem;
	struct ibv_mr view = *to->mem->mr;

	view.rkey = mw_bind(&pair->b, mw, &info, IBV_WC_SUCCESS);
	part.mr = &view;
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, from->mem, 5, &part, 1000, 3000, IBV_WC_SUCCESS);
	memcpy(to->model + FAR_MARGIN + 1000, from->model + FAR_MARGIN + 5, 3000);
	far_check(to);
	vt_require(ibv_dereg_mr(to->mem->mr) == EBUSY, "a region with a window was ended");
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, from->mem, 0, &part, 999, 8, IBV_WC_REM_ACCESS_ERR);
	far_check(to);
	vt_release(mw);
}

/* --- allocating and freeing it --- */

static void in_use(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct ibv_dm *dm = dm_new(vt_dev(0)->ctx, FAR_WHOLE);
	struct ibv_mr *first = dm_reg(pair->a.pd, dm, 0, FAR_WHOLE, VT_ACCESS_ALL);
	struct ibv_mr *second = dm_reg(pair->a.pd, dm, 3, 1, 0);

	(void)arg;
	vt_require(ibv_free_dm(dm) == EBUSY, "two regions are over it");
	vt_release(first);
	vt_require(ibv_free_dm(dm) == EBUSY, "a region is over it");
	vt_release(second);
	vt_release(dm);
}

static void bad_allocations(const void *arg)
{
	struct ibv_alloc_dm_attr odd = { .length = 4096, .comp_mask = 1 };
	struct vt_dev *dev = vt_dev(0);
	size_t most = dev->attr.max_dm_size;
	struct ibv_dm *dm;

	(void)arg;
	dm = dm_new(dev->ctx, most);
	vt_release(dm);
	vt_refused(dm_try(dev->ctx, 0, 0), EINVAL);
	vt_refused(dm_try(dev->ctx, most + 1, 0), ENOMEM);
	vt_refused(dm_try(dev->ctx, SIZE_MAX, 0), ENOMEM);
	vt_refused(dm_try(dev->ctx, 4096, 13), EINVAL);
	vt_refused(dm_try(dev->ctx, 4096, UINT32_MAX), EINVAL);
	vt_refused(ibv_alloc_dm(dev->ctx, &odd), EINVAL);
}

static void bad_registrations(const void *arg)
{
	const int access = IBV_ACCESS_ZERO_BASED | IBV_ACCESS_LOCAL_WRITE;
	struct rc_pair *pair = rc_pair();
	struct ibv_pd *pd = pair->a.pd;
	struct ibv_dm *dm = dm_new(vt_dev(0)->ctx, FAR_WHOLE);
	struct ibv_mr *mr;

	(void)arg;
	vt_refused(ibv_reg_dm_mr(pd, dm, 0, FAR_WHOLE + 1, access), EINVAL);
	vt_refused(ibv_reg_dm_mr(pd, dm, 1, FAR_WHOLE, access), EINVAL);
	vt_refused(ibv_reg_dm_mr(pd, dm, UINT64_MAX, 2, access), EINVAL);
	vt_refused(ibv_reg_dm_mr(pd, dm, 0, 8, IBV_ACCESS_LOCAL_WRITE), EINVAL);
	vt_refused(ibv_reg_dm_mr(pd, dm, 0, 8, IBV_ACCESS_ZERO_BASED | IBV_ACCESS_REMOTE_WRITE),
		   EINVAL);
	vt_refused(ibv_reg_dm_mr(pd, dm, 0, 8, access | IBV_ACCESS_ON_DEMAND), EOPNOTSUPP);
	dm_reg(pd, dm, FAR_WHOLE, 0, IBV_ACCESS_LOCAL_WRITE); /* no byte of it */
	mr = dm_reg(pd, dm, 0, FAR_WHOLE, IBV_ACCESS_LOCAL_WRITE);
	vt_require(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, 0),
		   "such a region was changed");
}

static void bad_copies(const void *arg)
{
	struct far *far = dm_far(&rc_pair()->a);
	uint8_t *host = vt_map(2 * FAR_WHOLE, 0);

	(void)arg;
	vt_require(ibv_memcpy_to_dm(far->obj, 2, host, 8) == EINVAL, "offset 2");
	vt_require(ibv_memcpy_from_dm(host, far->obj, 4, 6) == EINVAL, "6 bytes");
	vt_require(ibv_memcpy_to_dm(far->obj, 4, host, FAR_WHOLE) == EFAULT, "too long");
	vt_require(ibv_memcpy_from_dm(host, far->obj, FAR_WHOLE + 4, 4) == EFAULT, "too far");
	vt_require(ibv_memcpy_from_dm(host, far->obj, UINT64_MAX - 3, 8) == EFAULT, "it wraps");
	far_check(far);
}

/*
 * Allocate all device memory in pieces, see further allocations fail, free it and allocate
 * again.
 */
static void no_more_than_there_is(const void *arg)
{
	struct vt_dev *dev = vt_dev(0);
	size_t piece = dev->attr.max_dm_size / 4;
	struct ibv_dm *dm[64];
	int n;

	(void)arg;
	dm_new(dev->ctx, 4096);
	for (n = 0; n < 64; n++) {
		dm[n] = dm_try(dev->ctx, piece, 6);
		if (!dm[n])
			break;
		vt_defer(free_dm, dm[n]);
	}
	vt_require(n >= 3 && n < 64 && errno == ENOMEM, "%d pieces, then %s", n,
		   strerror(errno));
	vt_release(dm[0]);
	vt_require(dm[0] = dm_try(dev->ctx, piece, 0), "%s", strerror(errno));
	vt_defer(free_dm, dm[0]);
}

/* A program that has device memory and regions ends without freeing them. */
static void owner_ends(const void *arg)
{
	int pid;

	(void)arg;
	dm_new(vt_dev(0)->ctx, 8);
	pid = vt_fork();
	if (!pid) {
		struct vt_dev dev;
		struct ibv_pd *pd;
		struct ibv_dm *dm;

		vt_dev_open(&dev, vt_opts.device);
		pd = ibv_alloc_pd(dev.ctx);
		dm = dm_try(dev.ctx, dev.attr.max_dm_size / 2, 0);
		_exit(!dm || !ibv_reg_dm_mr(pd, dm, 0, 8, IBV_ACCESS_ZERO_BASED));
	}
	vt_require(!vt_wait_child(pid, vt_patience_ms()), "the child failed");
	vt_release(dm_new(vt_dev(0)->ctx, vt_dev(0)->attr.max_dm_size / 2));
}

static struct variant variants[RC_OPS * 3];

static void add_tests(void)
{
	static const enum ibv_mw_type types[] = { IBV_MW_TYPE_1, IBV_MW_TYPE_2 };
	size_t used = 0;

	VT_TEST(copies);
	VT_TEST(begins_empty);
	for (size_t i = 0; i < RC_OPS; i++)
		for (int where = 1; where < 4; where++) {
			struct variant *v = &variants[used++];

			if (rc_ops[i].op == IBV_WR_ATOMIC_CMP_AND_SWP)
				continue;
			*v = (struct variant){ rc_ops[i].op, where & 1, where & 2 };
			vt_test(operation, v, "%s_%s_to_%s", rc_ops[i].name,
				v->from_dm ? "dm" : "host", v->to_dm ? "dm" : "host");
		}
	VT_TEST(beyond_the_region);
	VT_TEST(without_the_right);
	vt_test(window, &types[0], "window, type 1");
	vt_test(window, &types[1], "window, type 2");
	VT_TEST(in_use);
	VT_TEST(bad_allocations);
	VT_TEST(bad_registrations);
	VT_TEST(bad_copies);
	VT_TEST(no_more_than_there_is);
	VT_TEST(owner_ends);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
