// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory windows: the accesses that they allow, binding, and who may use them (IBTA 10.6.6). */
#include <unistd.h>

#include "mw.h"

/* --- what windows are for --- */

static void window_lets_in(const void *arg)
{
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS);
	for (unsigned int n = 0; n < 200 * vt_opts.rounds; n++) {
		if (vt_chance(10))
			mw_lose_page(&s);
		mw_use(&s);
	}
}

static void window_ends(const void *arg)
{
	struct mw_scene s;
	size_t len;

	mw_scene_init(&s, arg, RIGHTS);
	for (int i = 0; i < 3; i++) {
		len = 1 + vt_below(3000);
		mw_refuse(&s, vt_chance(50) ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ, s.rkey,
			  s.base - 1, len);
		mw_refuse(&s, vt_chance(50) ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ, s.rkey,
			  s.base + s.len - len + 1, len);
		mw_refuse(&s, IBV_WR_RDMA_WRITE, s.mem->mr->rkey, s.base, len);
		mw_use(&s);
	}
}

static void window_has_rights(const void *arg)
{
	static const enum ibv_wr_opcode ops[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_ATOMIC_FETCH_AND_ADD };
	struct mw_scene s;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		mw_scene_init(&s, arg, RIGHTS & ~rc_op(ops[i])->remote_right);
		mw_refuse(&s, ops[i], s.rkey, (s.base + 7) & ~7UL, 8);
	}
}

/* The key of a window cannot be used as an lkey. */
static void window_is_no_lkey(const void *arg)
{
	struct mw_scene s;
	struct vt_wr wr;

	mw_scene_init(&s, arg, RIGHTS);
	vt_wr_init(&wr, IBV_WR_SEND, 1);
	vt_wr_local(&wr, s.mem, s.off, 8);
	wr.sge[0].lkey = s.rkey;
	vt_ok(rc_post(&s.pair->b, &wr));
	vt_want(s.pair->b.scq, 1, IBV_WC_LOC_PROT_ERR);
}

static void window_from_zero(const void *arg)
{
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS | IBV_ACCESS_ZERO_BASED);
	for (int i = 0; i < 20; i++)
		mw_use(&s);
	mw_refuse(&s, IBV_WR_RDMA_WRITE, s.rkey, s.len, 1);
	if (s.mem->iova >= s.len)
		mw_refuse(&s, IBV_WR_RDMA_WRITE, s.rkey, s.mem->iova + s.off, 1);
}

/* --- binding --- */

static void bad_binding(const void *arg)
{
	struct vt_mem *mem;
	struct mw_scene s;

	mw_scene_init(&s, arg, 0);
	mw_refuse_bind(&s, mw_part(s.mem, 0, 10, RIGHTS | IBV_ACCESS_ON_DEMAND));
	if (s.kind != VT_IMPLICIT) {
		mw_refuse_bind(&s, mw_part(s.mem, 1, LEN, RIGHTS));
		mw_refuse_bind(&s, mw_part(s.mem, -1, 1, RIGHTS));
		mw_refuse_bind(&s, mw_part(s.mem, 0, -1, RIGHTS));
	}
	/* a region without IBV_ACCESS_MW_BIND, and one without local write access */
	mem = vt_mem_new(s.pair->b.pd, s.kind, LEN, VT_ACCESS_ALL);
	mw_refuse_bind(&s, mw_part(mem, 0, LEN, IBV_ACCESS_REMOTE_READ));
	mem = vt_mem_new(s.pair->b.pd, s.kind, LEN, IBV_ACCESS_MW_BIND);
	mw_refuse_bind(&s, mw_part(mem, 0, LEN, IBV_ACCESS_REMOTE_WRITE));
	mw_refuse_bind(&s, mw_part(mem, 0, LEN, IBV_ACCESS_REMOTE_ATOMIC));
	mw_scene_bind(&s, 0, LEN, RIGHTS);
	mw_use(&s);
}

static void binding_of_other_pd(const void *arg)
{
	struct ibv_mw_bind_info info;
	struct ibv_send_wr *bad;
	struct mw_scene s;
	struct vt_wr wr;

	mw_scene_init(&s, arg, 0);
	info = mw_part(s.local, 0, LEN, RIGHTS);
	vt_wr_init(&wr, IBV_WR_BIND_MW, 1);
	wr.wr.bind_mw.mw = s.mw;
	wr.wr.bind_mw.rkey = ibv_inc_rkey(s.mw->rkey);
	wr.wr.bind_mw.bind_info = info;
	vt_require(ibv_post_send(s.pair->b.qp, &wr.wr, &bad) ==
		   (s.type == IBV_MW_TYPE_1 ? EINVAL : EPERM), "a region of another PD");
	if (s.type == IBV_MW_TYPE_2) { /* a key that is not the window's */
		wr.wr.bind_mw.rkey = s.mw->rkey + 0x100;
		wr.wr.bind_mw.bind_info = mw_part(s.mem, 0, LEN, RIGHTS);
		vt_require(ibv_post_send(s.pair->b.qp, &wr.wr, &bad) == EINVAL,
			   "a key of another window");
	}
	/* a window of another PD */
	info = mw_part(s.mem, 0, LEN, RIGHTS);
	mw_bind(&s.pair->a, s.mw, &info, IBV_WC_MW_BIND_ERR);
}

/* Each binding gives a new key and ends the previous binding. */
static void type_1_is_bound_again(const void *arg)
{
	struct ibv_mw_bind_info none = {};
	struct mw_scene s;
	uint32_t old;

	mw_scene_init(&s, arg, RIGHTS);
	for (int i = 0; i < 5; i++) {
		old = s.rkey;
		mw_scene_bind(&s, vt_below(4000), 5000, RIGHTS);
		vt_require(s.rkey != old, "the key is the same");
		mw_use(&s);
		mw_refuse(&s, IBV_WR_RDMA_WRITE, old, s.base, 1);
	}
	s.rkey = mw_bind(&s.pair->b, s.mw, &none, IBV_WC_SUCCESS);
	mw_refuse(&s, IBV_WR_RDMA_READ, s.rkey, s.base, 1);
	vt_ok(ibv_dereg_mr(s.mem->mr));
	vt_forget(s.mem->mr);
}

/* --- who may use it --- */

/* Connect another pair between the same devices, with the responder in @pd. */
static void another_pair(struct mw_scene *s, struct rc_pair *pair, struct ibv_pd *pd)
{
	struct rc_addr a, b;

	pair->attr = rc_attr_default;
	rc_end_open(&pair->a, s->pair->a.dev, s->pair->a.pd, &rc_attr_default);
	rc_end_open(&pair->b, s->pair->b.dev, pd, &rc_attr_default);
	a = rc_end_addr(&pair->a);
	b = rc_end_addr(&pair->b);
	rc_connect(&pair->a, &rc_attr_default, &b);
	rc_connect(&pair->b, &rc_attr_default, &a);
}

static void window_of_one_qp(const void *arg)
{
	bool one = ((const struct mw_variant *)arg)->type == IBV_MW_TYPE_2;
	struct rc_pair other;
	struct ibv_sge sge;
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS);
	another_pair(&s, &other, s.pair->b.pd);
	mw_reach(&s, &other.a, IBV_WR_RDMA_READ, s.rkey, s.base, 9,
		 one ? IBV_WC_REM_ACCESS_ERR : IBV_WC_SUCCESS);
	another_pair(&s, &other, s.pair->b.pd);
	sge = vt_sge(s.local, 0, 0);
	vt_ok(rc_post_recv(&other.b, 3, &sge, 0));
	mw_post_inv(&other.a, IBV_WR_SEND_WITH_INV, 2, s.rkey);
	vt_want(other.a.scq, 2, IBV_WC_REM_ACCESS_ERR);
	vt_want(other.b.rcq, 3, IBV_WC_REM_INV_REQ_ERR);
	mw_use(&s);
	/* the owner may invalidate it through any of its QPs */
	another_pair(&s, &other, s.pair->b.pd);
	mw_local_inv(&other.b, s.rkey, one ? IBV_WC_SUCCESS : IBV_WC_MW_BIND_ERR);
	if (one)
		mw_refuse(&s, IBV_WR_RDMA_READ, s.rkey, s.base, 1);
}

static void window_of_one_pd(const void *arg)
{
	struct rc_pair other;
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS);
	another_pair(&s, &other, NULL);
	mw_reach(&s, &other.a, IBV_WR_RDMA_READ, s.rkey, s.base, 9, IBV_WC_REM_ACCESS_ERR);
	another_pair(&s, &other, NULL);
	mw_local_inv(&other.b, s.rkey, IBV_WC_MW_BIND_ERR);
	mw_use(&s);
}

/* --- over an unreliable connection --- */

/* Wait until all that end a has sent is processed: a WRITE with immediate takes a receive. */
static void uc_flush(struct mw_scene *s)
{
	struct vt_wr wr;

	vt_ok(rc_post_recv(&s->pair->b, 9, NULL, 0));
	vt_wr_init(&wr, IBV_WR_RDMA_WRITE_WITH_IMM, 8);
	wr.wr.num_sge = 0;
	vt_ok(rc_post(&s->pair->a, &wr));
	vt_want(s->pair->a.scq, 8, IBV_WC_SUCCESS);
	vt_want(s->pair->b.rcq, 9, IBV_WC_SUCCESS);
	mw_scene_guards(s);
}

static void uc_write(struct mw_scene *s, uint32_t rkey, uint64_t addr, size_t len)
{
	vt_fill(s->local->addr, len);
	mw_reach(s, &s->pair->a, IBV_WR_RDMA_WRITE, rkey, addr, len, IBV_WC_SUCCESS);
}

/* What the window does not let in is dropped, and nobody is told. */
static void window_of_uc(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	size_t len, at;
	struct mw_scene s;
	uint32_t old;

	attr.type = IBV_QPT_UC;
	mw_scene_open(&s, arg, &attr, RIGHTS);
	for (unsigned int n = 0; n < 50 * vt_opts.rounds; n++) {
		len = vt_length(s.len, attr.mtu);
		at = vt_below(s.len - len + 1);
		uc_write(&s, s.rkey, s.base + at, len);
		memcpy(s.model + s.off + at, s.local->addr, len);
		uc_flush(&s);
		uc_write(&s, s.rkey, s.base - 1, len);
		uc_write(&s, s.rkey, s.base + s.len - len + 1, len);
		uc_write(&s, s.mem->mr->rkey, s.base, len);
		uc_flush(&s);
	}
	old = s.rkey;
	if (s.type == IBV_MW_TYPE_2)
		mw_local_inv(&s.pair->b, s.rkey, IBV_WC_SUCCESS);
	mw_scene_bind(&s, 2000, 5000, RIGHTS);
	uc_write(&s, old, s.base, 100);
	uc_flush(&s);
	if (s.kind != VT_IMPLICIT)
		mw_refuse_bind(&s, mw_part(s.mem, 1, LEN, RIGHTS));
}

/* --- the region below --- */

static void region_stays_below(const void *arg)
{
	int ret, access = VT_ACCESS_ALL;
	struct mw_scene s;

	mw_scene_init(&s, arg, RIGHTS);
	if (s.kind != VT_PINNED)
		access |= IBV_ACCESS_ON_DEMAND;
	ret = ibv_dereg_mr(s.mem->mr);
	vt_require(ret == EBUSY, "dereg_mr under a window: %s", strerror(ret));
	ret = ibv_rereg_mr(s.mem->mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, access);
	vt_require(ret && errno == EBUSY, "rereg_mr under a window: %s", strerror(errno));
	mw_use(&s);
	if (vt_chance(50) && s.type == IBV_MW_TYPE_2)
		mw_local_inv(&s.pair->b, s.rkey, IBV_WC_SUCCESS);
	else
		vt_release(s.mw);
	mw_refuse(&s, IBV_WR_RDMA_WRITE, s.rkey, s.base, 1);
	vt_ok(ibv_rereg_mr(s.mem->mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, access));
	vt_release(s.mem->mr);
}

static void windows_are_many(const void *arg)
{
	struct ibv_mw *mw[300];
	struct mw_scene s;

	mw_scene_init(&s, arg, 0);
	for (size_t i = 0; i < ARRAY_SIZE(mw); i++) {
		struct ibv_mw_bind_info info = mw_part(s.mem, i, 1000, RIGHTS);

		mw[i] = mw_new(s.pair->b.pd, s.type);
		mw_bind(&s.pair->b, mw[i], &info, IBV_WC_SUCCESS);
	}
	for (size_t i = 0; i < ARRAY_SIZE(mw); i++) {
		s.off = i;
		s.len = 1000;
		s.base = s.mem->iova + i;
		s.rkey = mw[i]->rkey;
		mw_use(&s);
	}
}

/* Bind windows with device files of this process, then exit: the kernel cleans up. */
static void bind_and_exit(const struct mw_variant *v)
{
	struct vt_dev dev[2];
	struct ibv_mw_bind_info info;
	struct rc_pair *pair;
	struct ibv_mw *mw[2];
	struct vt_mem *mem;

	vt_dev_open(&dev[0], vt_opts.device);
	vt_dev_open(&dev[1], vt_opts.peer ? vt_opts.peer : vt_opts.device);
	pair = rc_pair_between(&dev[0], &dev[1], &rc_attr_default);
	mw[0] = mw_new(pair->b.pd, v->type);
	mem = vt_mem_new(pair->b.pd, v->kind, LEN, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND);
	mw[1] = mw_new(pair->b.pd, v->type);
	info = mw_part(mem, 0, LEN, RIGHTS);
	for (int i = 0; i < 2; i++)
		mw_bind(&pair->b, mw[i], &info, IBV_WC_SUCCESS);
	_exit(EXIT_SUCCESS);
}

/* The program ends with windows allocated before and after their region. */
static void program_ends(const void *arg)
{
	int pid;

	mw_new(rc_pair()->b.pd, IBV_MW_TYPE_1); /* skips the test without windows */
	for (int i = 0; i < 10; i++) {
		pid = vt_fork();
		if (!pid)
			bind_and_exit(arg);
		vt_require(!vt_wait_child(pid, vt_patience_ms()), "the child failed");
	}
}

static void device_says_so(const void *arg)
{
	const struct ibv_device_attr *attr = &vt_dev(0)->attr.orig_attr;

	(void)arg;
	vt_require(attr->device_cap_flags & IBV_DEVICE_MEM_WINDOW && attr->max_mw > 0 &&
		   attr->device_cap_flags & IBV_DEVICE_MEM_WINDOW_TYPE_2B,
		   "flags %#x, %d windows", attr->device_cap_flags, attr->max_mw);
}

static void add_tests(void)
{
	BOTH(window_lets_in);
	BOTH(window_ends);
	BOTH(window_has_rights);
	BOTH(window_is_no_lkey);
	TYPE_2(window_from_zero);
	BOTH(bad_binding);
	BOTH(binding_of_other_pd);
	TYPE_1(type_1_is_bound_again);
	BOTH(window_of_one_qp);
	BOTH(window_of_one_pd);
	BOTH(window_of_uc);
	BOTH(region_stays_below);
	BOTH(windows_are_many);
	BOTH(program_ends);
	VT_TEST(device_says_so);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
