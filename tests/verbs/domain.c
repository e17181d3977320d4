// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Parent domains and thread domains: they work as the protection domain below them. */
#include "mw.h"

#define BYTES	9000

static void free_td(void *obj)
{
	ibv_dealloc_td(obj);
}

static void free_srq(void *obj)
{
	ibv_destroy_srq(obj);
}

static void free_cq_ex(void *obj)
{
	ibv_destroy_cq(ibv_cq_ex_to_cq(obj));
}

static struct ibv_td *td_new(struct ibv_context *ctx)
{
	struct ibv_td_init_attr attr = {};
	struct ibv_td *td = ibv_alloc_td(ctx, &attr);

	if (!td && errno == EOPNOTSUPP)
		vt_skip("the device has no thread domains");
	vt_require(td, "alloc_td: %s", strerror(errno));
	vt_defer(free_td, td);
	return td;
}

static struct ibv_pd *parent_try(struct ibv_pd *pd, struct ibv_td *td, uint32_t comp_mask)
{
	struct ibv_parent_domain_init_attr attr = { .pd = pd, .td = td, .comp_mask = comp_mask };

	return ibv_alloc_parent_domain(vt_dev(0)->ctx, &attr);
}

static struct ibv_pd *parent_new(struct ibv_context *ctx, struct ibv_pd *pd, struct ibv_td *td)
{
	struct ibv_parent_domain_init_attr attr = { .pd = pd, .td = td };
	struct ibv_pd *parent = ibv_alloc_parent_domain(ctx, &attr);

	vt_require(parent, "alloc_parent_domain: %s", strerror(errno));
	vt_defer(vt_free_pd, parent);
	return parent;
}

/* Connect two QPs in parent domains; @base returns the protection domains below. */
static struct rc_pair *pair_in(struct ibv_pd *base[2], bool threads)
{
	struct rc_pair *pair = calloc(1, sizeof(*pair));
	struct rc_end *end[] = { &pair->a, &pair->b };
	struct rc_addr addr[2];

	vt_require(pair, "out of memory");
	vt_defer(free, pair);
	pair->attr = rc_attr_default;
	for (int i = 0; i < 2; i++) {
		struct vt_dev *dev = vt_dev(i);
		struct ibv_td *td = threads ? td_new(dev->ctx) : NULL;

		base[i] = vt_new_pd(dev->ctx);
		rc_end_open(end[i], dev, parent_new(dev->ctx, base[i], td), &pair->attr);
		addr[i] = rc_end_addr(end[i]);
	}
	for (int i = 0; i < 2; i++)
		rc_connect(end[i], &pair->attr, &addr[!i]);
	return pair;
}

static void data_moves(const void *arg)
{
	const bool *threads = arg;
	struct ibv_pd *base[2];
	struct rc_pair *pair = pair_in(base, *threads);
	struct vt_mem *src, *dst;

	/* a region of either domain is valid in both */
	src = vt_mem_new(vt_chance(50) ? base[0] : pair->a.pd, VT_PINNED, BYTES, VT_ACCESS_ALL);
	dst = vt_mem_new(base[1], VT_PINNED, BYTES, VT_ACCESS_ALL);
	for (unsigned int i = 0; i < 100 * vt_opts.rounds; i++) {
		size_t len = vt_length(BYTES, 1024), off = vt_below(BYTES - len + 1);

		vt_fill(src->addr, BYTES);
		rc_do(&pair->a, IBV_WR_RDMA_WRITE, src, off, dst, off, len, IBV_WC_SUCCESS);
		vt_require(!memcmp(src->addr + off, dst->addr + off, len), "data differ");
	}
	vt_mem_guards(dst);
	rc_works(pair);
}

/* ibv_post_srq_recv() works for an SRQ in a thread domain. */
static void shared_receives(const void *arg)
{
	struct ibv_srq_init_attr init = { .attr = { .max_wr = 16, .max_sge = 2 } };
	struct ibv_context *ctx = vt_dev(0)->ctx;
	struct ibv_pd *pd = parent_new(ctx, vt_new_pd(ctx), td_new(ctx));
	struct ibv_srq *srq = ibv_create_srq(pd, &init);
	struct ibv_recv_wr wr = {}, *bad;

	(void)arg;
	vt_require(srq, "create_srq: %s", strerror(errno));
	vt_defer(free_srq, srq);
	for (unsigned int i = 0; i < init.attr.max_wr; i++)
		vt_ok(ibv_post_srq_recv(srq, &wr, &bad));
	vt_require(ibv_post_srq_recv(srq, &wr, &bad) == ENOMEM, "it took too many");
}

static void window_of_the_other(const void *arg)
{
	struct ibv_pd *base[2];
	struct rc_pair *pair = pair_in(base, false);
	struct vt_mem *mem = vt_mem_new(base[1], VT_PINNED, BYTES,
					VT_ACCESS_ALL | IBV_ACCESS_MW_BIND);
	struct ibv_mw *mw = mw_new(pair->b.pd, IBV_MW_TYPE_2);
	struct ibv_mw_bind_info info = mw_part(mem, 0, 100, RIGHTS);

	(void)arg;
	mw_bind(&pair->b, mw, &info, IBV_WC_SUCCESS);
	vt_release(mw);
}

static void cq_in_one(const void *arg)
{
	struct ibv_context *ctx = vt_dev(0)->ctx;
	struct ibv_cq_init_attr_ex attr = {
		.cqe = 16,
		.comp_mask = IBV_CQ_INIT_ATTR_MASK_PD,
		.parent_domain = parent_new(ctx, vt_new_pd(ctx), td_new(ctx)),
	};
	struct ibv_cq_ex *cq = ibv_create_cq_ex(ctx, &attr);

	(void)arg;
	vt_require(cq, "create_cq_ex: %s", strerror(errno));
	vt_defer(free_cq_ex, cq);
}

static void in_use(const void *arg)
{
	struct ibv_context *ctx = vt_dev(0)->ctx;
	struct ibv_pd *pd = vt_new_pd(ctx);
	struct ibv_td *td = td_new(ctx);
	struct ibv_pd *parent = parent_new(ctx, pd, td);

	(void)arg;
	vt_require(ibv_dealloc_pd(pd) == EBUSY, "a parent domain extends it");
	vt_require(ibv_dealloc_td(td) == EBUSY, "a parent domain has it");
	vt_release(parent);
	vt_forget(td);
	vt_ok(ibv_dealloc_td(td));
	vt_forget(pd);
	vt_ok(ibv_dealloc_pd(pd));
}

static void bad_attributes(const void *arg)
{
	struct ibv_td_init_attr odd = { .comp_mask = 1 };
	struct ibv_context *ctx = vt_dev(0)->ctx;
	struct ibv_pd *pd = vt_new_pd(ctx);

	(void)arg;
	td_new(ctx);
	errno = 0;
	vt_require(!ibv_alloc_td(ctx, &odd) && errno == EINVAL, "td: %s", strerror(errno));
	errno = 0;
	vt_require(!parent_try(NULL, NULL, 0) && errno == EINVAL, "no PD: %s", strerror(errno));
	errno = 0;
	vt_require(!parent_try(pd, NULL, 1U << 30) && errno == EINVAL, "mask: %s",
		   strerror(errno));
	errno = 0;
	vt_require(!parent_try(pd, NULL, IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS) &&
		   errno == EINVAL, "no allocators: %s", strerror(errno));
}

/*
 * The device must not promise that data are written in order: programs that poll memory
 * would rely on it.
 */
static void no_order_of_data(const void *arg)
{
	struct rc_pair *pair = rc_pair();

	(void)arg;
	vt_require(!ibv_query_qp_data_in_order(pair->a.qp, IBV_WR_RDMA_WRITE, 0),
		   "data are said to come in order");
	vt_require(!ibv_query_qp_data_in_order(pair->a.qp, IBV_WR_RDMA_READ, 0),
		   "data are said to come in order");
}

static void add_tests(void)
{
	static const bool threads[] = { false, true };

	vt_test(data_moves, &threads[0], "data_moves, parent domain");
	vt_test(data_moves, &threads[1], "data_moves, thread domain");
	VT_TEST(shared_receives);
	VT_TEST(window_of_the_other);
	VT_TEST(cq_in_one);
	VT_TEST(in_use);
	VT_TEST(bad_attributes);
	VT_TEST(no_order_of_data);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
