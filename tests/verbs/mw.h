/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers for memory windows: end b has a region and binds windows to it; end a, its peer,
 * accesses them.
 */
#ifndef MW_H
#define MW_H

#include "rc.h"

#define LEN	9000	/* bytes of a region: several pages and packets */
#define RIGHTS	(IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC)

struct mw_variant {
	enum vt_kind kind;
	enum ibv_mw_type type;
};

struct mw_scene {
	enum ibv_mw_type type;
	enum vt_kind kind;
	struct rc_pair *pair;
	struct vt_mem *local;	/* a's */
	struct vt_mem *mem;	/* b's, under the window */
	uint8_t *model;		/* what @mem should hold */
	struct ibv_mw *mw;
	uint32_t rkey;
	uint64_t base;		/* the address of the window's first byte in requests */
	size_t off, len;	/* of the window in @mem */
};

struct ibv_mw *mw_new(struct ibv_pd *pd, enum ibv_mw_type type);
struct ibv_mw_bind_info mw_part(const struct vt_mem *mem, size_t off, size_t len,
				unsigned int access);
uint32_t mw_bind(struct rc_end *end, struct ibv_mw *mw,
		 const struct ibv_mw_bind_info *info, enum ibv_wc_status status);
void mw_post_inv(struct rc_end *end, enum ibv_wr_opcode op, uint64_t id, uint32_t key);
void mw_local_inv(struct rc_end *end, uint32_t key, enum ibv_wc_status status);

void mw_scene_open(struct mw_scene *s, const struct mw_variant *variant,
		   const struct rc_attr *attr, unsigned int access);
void mw_scene_init(struct mw_scene *s, const struct mw_variant *variant,
		   unsigned int access);
void mw_scene_bind(struct mw_scene *s, size_t off, size_t len, unsigned int access);
void mw_scene_guards(struct mw_scene *s);
void mw_reach(struct mw_scene *s, struct rc_end *end, enum ibv_wr_opcode op, uint32_t rkey,
	      uint64_t addr, size_t len, enum ibv_wc_status status);
void mw_refuse(struct mw_scene *s, enum ibv_wr_opcode op, uint32_t rkey, uint64_t addr,
	       size_t len);
void mw_use(struct mw_scene *s);
void mw_lose_page(struct mw_scene *s);
void mw_refuse_bind(struct mw_scene *s, struct ibv_mw_bind_info info);

void mw_add(vt_fn fn, const char *name, bool type_1, bool type_2);
#define TYPE_1(fn)	mw_add(fn, #fn, true, false)
#define TYPE_2(fn)	mw_add(fn, #fn, false, true)
#define BOTH(fn)	mw_add(fn, #fn, true, true)

#endif /* MW_H */
