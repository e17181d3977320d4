// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Helpers for tests of memory windows: windows, and a region with a window bound to it. */
#include <sys/mman.h>

#include "mw.h"

/* --- windows --- */

static void free_mw(void *obj)
{
	ibv_dealloc_mw(obj);
}

struct ibv_mw *mw_new(struct ibv_pd *pd, enum ibv_mw_type type)
{
	struct ibv_mw *mw = ibv_alloc_mw(pd, type);

	if (!mw && (errno == EOPNOTSUPP || errno == ENOSYS))
		vt_skip("the device has no memory windows");
	vt_require(mw, "alloc_mw: %s", strerror(errno));
	vt_defer(free_mw, mw);
	return mw;
}

struct ibv_mw_bind_info mw_part(const struct vt_mem *mem, size_t off, size_t len,
				unsigned int access)
{
	return (struct ibv_mw_bind_info){
		.mr = mem->mr,
		.addr = mem->iova + off,
		.length = len,
		.mw_access_flags = access,
	};
}

static void post_bind(struct rc_end *end, struct ibv_mw *mw, uint32_t rkey,
		      const struct ibv_mw_bind_info *info)
{
	struct vt_wr wr;

	vt_wr_init(&wr, IBV_WR_BIND_MW, 0xb1);
	wr.wr.bind_mw.mw = mw;
	wr.wr.bind_mw.rkey = rkey;
	wr.wr.bind_mw.bind_info = *info;
	vt_ok(rc_post(end, &wr));
}

/*
 * Bind a window, by ibv_bind_mw() or a work request according to its type; returns its new
 * key.
 */
uint32_t mw_bind(struct rc_end *end, struct ibv_mw *mw,
		 const struct ibv_mw_bind_info *info, enum ibv_wc_status status)
{
	struct ibv_mw_bind verb = {
		.wr_id = 0xb1, .send_flags = IBV_SEND_SIGNALED, .bind_info = *info };
	uint32_t rkey = ibv_inc_rkey(mw->rkey);
	struct ibv_wc wc;

	if (mw->type == IBV_MW_TYPE_1)
		vt_ok(ibv_bind_mw(end->qp, mw, &verb));
	else
		post_bind(end, mw, rkey, info);
	wc = vt_want(end->scq, 0xb1, status);
	vt_require(status != IBV_WC_SUCCESS || wc.opcode == IBV_WC_BIND_MW, "opcode %d",
		   wc.opcode);
	if (mw->type == IBV_MW_TYPE_2)
		mw->rkey = rkey;
	return mw->rkey;
}

void mw_post_inv(struct rc_end *end, enum ibv_wr_opcode op, uint64_t id, uint32_t key)
{
	struct vt_wr wr;

	vt_wr_init(&wr, op, id);
	wr.wr.invalidate_rkey = key;
	vt_ok(rc_post(end, &wr));
}

void mw_local_inv(struct rc_end *end, uint32_t key, enum ibv_wc_status status)
{
	struct ibv_wc wc;

	mw_post_inv(end, IBV_WR_LOCAL_INV, 0x11, key);
	wc = vt_want(end->scq, 0x11, status);
	vt_require(status != IBV_WC_SUCCESS || wc.opcode == IBV_WC_LOCAL_INV, "opcode %d",
		   wc.opcode);
}

/* --- a scene --- */

void mw_scene_bind(struct mw_scene *s, size_t off, size_t len, unsigned int access)
{
	struct ibv_mw_bind_info info = mw_part(s->mem, off, len, access);

	s->off = off;
	s->len = len;
	s->rkey = mw_bind(&s->pair->b, s->mw, &info, IBV_WC_SUCCESS);
	s->base = access & IBV_ACCESS_ZERO_BASED ? 0 : info.addr;
}

/* Bind a window to a part of a region. The region itself grants no remote rights. */
void mw_scene_open(struct mw_scene *s, const struct mw_variant *variant,
		   const struct rc_attr *attr, unsigned int access)
{
	memset(s, 0, sizeof(*s));
	s->type = variant->type;
	s->kind = variant->kind;
	s->pair = rc_pair_new(attr);
	s->local = vt_mem_new(s->pair->a.pd, VT_PINNED, LEN, VT_ACCESS_ALL);
	s->mem = vt_mem_new(s->pair->b.pd, s->kind, LEN,
			    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND);
	s->model = vt_map(LEN, 0);
	vt_fill(s->mem->addr, LEN);
	memcpy(s->model, s->mem->addr, LEN);
	s->mw = mw_new(s->pair->b.pd, s->type);
	if (access)
		mw_scene_bind(s, 1000 + vt_below(1000), 6000 + vt_below(1000), access);
}

void mw_scene_init(struct mw_scene *s, const struct mw_variant *variant, unsigned int access)
{
	mw_scene_open(s, variant, &rc_attr_default, access);
}

void mw_scene_guards(struct mw_scene *s)
{
	vt_require(!memcmp(s->mem->addr, s->model, LEN), "the region's data differ");
	vt_mem_guards(s->mem);
}

/* Post one request of @end with this rkey and expect @status. */
void mw_reach(struct mw_scene *s, struct rc_end *end, enum ibv_wr_opcode op, uint32_t rkey,
	      uint64_t addr, size_t len, enum ibv_wc_status status)
{
	struct vt_wr wr;

	vt_wr_init(&wr, op, 0xac);
	vt_wr_local(&wr, s->local, 0, len);
	if (rc_op(op)->atomic) {
		wr.wr.wr.atomic.rkey = rkey;
		wr.wr.wr.atomic.remote_addr = addr;
		vt_wr_atomic(&wr, 5, 0);
	} else {
		wr.wr.wr.rdma.rkey = rkey;
		wr.wr.wr.rdma.remote_addr = addr;
	}
	vt_ok(rc_post(end, &wr));
	vt_want(end->scq, 0xac, status);
}

/* Expect a refusal: both QPs fail, and no byte moves. Then reconnect. */
void mw_refuse(struct mw_scene *s, enum ibv_wr_opcode op, uint32_t rkey, uint64_t addr,
	       size_t len)
{
	mw_reach(s, &s->pair->a, op, rkey, addr, len, IBV_WC_REM_ACCESS_ERR);
	mw_scene_guards(s);
	rc_reconnect(s->pair);
}

static void fetch_add(struct mw_scene *s)
{
	size_t at = (s->mem->iova + s->off + 7) / 8 * 8 - s->mem->iova +
		    8 * vt_below(s->len / 8 - 1);
	uint64_t *model = (uint64_t *)(s->model + at), before;

	memcpy(&before, model, 8);
	mw_reach(s, &s->pair->a, IBV_WR_ATOMIC_FETCH_AND_ADD, s->rkey, s->base + at - s->off, 8,
		 IBV_WC_SUCCESS);
	vt_require(!memcmp(s->local->addr, &before, 8), "the value before differs");
	before += 5;
	memcpy(model, &before, 8);
}

/* Access some bytes through the window: a WRITE, a READ or an atomic. */
void mw_use(struct mw_scene *s)
{
	size_t len = vt_length(s->len, s->pair->attr.mtu), at = vt_below(s->len - len + 1);
	uint8_t *model = s->model + s->off + at;

	if (s->base && vt_chance(20)) {
		fetch_add(s);
	} else if (vt_chance(50)) {
		vt_fill(s->local->addr, len);
		memcpy(model, s->local->addr, len);
		mw_reach(s, &s->pair->a, IBV_WR_RDMA_WRITE, s->rkey, s->base + at, len,
			 IBV_WC_SUCCESS);
	} else {
		mw_reach(s, &s->pair->a, IBV_WR_RDMA_READ, s->rkey, s->base + at, len,
			 IBV_WC_SUCCESS);
		vt_require(!memcmp(s->local->addr, model, len), "data differ");
	}
	mw_scene_guards(s);
}

/* Drop a page of the region unless it is pinned; then the page reads as zeros. */
void mw_lose_page(struct mw_scene *s)
{
	size_t page = (-(uintptr_t)s->mem->addr & 4095) + (vt_chance(50) ? 0 : 4096);

	if (s->kind == VT_PINNED || page + 4096 > LEN)
		return;
	vt_require(!madvise(s->mem->addr + page, 4096, MADV_DONTNEED), "madvise: %s",
		   strerror(errno));
	memset(s->model + page, 0, 4096);
}

void mw_refuse_bind(struct mw_scene *s, struct ibv_mw_bind_info info)
{
	mw_bind(&s->pair->b, s->mw, &info, IBV_WC_MW_BIND_ERR);
	rc_reconnect(s->pair);
}

void mw_add(vt_fn fn, const char *name, bool type_1, bool type_2)
{
	static const struct mw_variant variants[] = {
		{ VT_PINNED, IBV_MW_TYPE_1 }, { VT_PINNED, IBV_MW_TYPE_2 },
		{ VT_ODP, IBV_MW_TYPE_1 }, { VT_ODP, IBV_MW_TYPE_2 },
		{ VT_IMPLICIT, IBV_MW_TYPE_1 }, { VT_IMPLICIT, IBV_MW_TYPE_2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		const struct mw_variant *v = &variants[i];

		if (v->type == IBV_MW_TYPE_1 ? type_1 : type_2)
			vt_test(fn, v, "%s, %s, type %d", name, vt_kind_name[v->kind], v->type);
	}
}
