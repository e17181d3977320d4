// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory of every kind, with canaries around what is registered. */
#include <sys/mman.h>
#include <unistd.h>

#include "vt.h"

#define PAGE		4096UL
#define LARGE_LEAST	(1ULL << 37)	/* least size of a large mapping: 128 GiB */
#define CANARY		0xa5

const char *const vt_kind_name[VT_KINDS] = {
	[VT_PINNED] = "pinned",
	[VT_ODP] = "odp",
	[VT_IMPLICIT] = "implicit",
};

bool vt_kind_works(const struct vt_dev *dev, enum vt_kind kind, uint32_t odp_caps)
{
	const struct ibv_odp_caps *odp = &dev->attr.odp_caps;

	if (kind == VT_PINNED)
		return true;
	if (!(odp->general_caps & IBV_ODP_SUPPORT))
		return false;
	if (kind == VT_IMPLICIT && !(odp->general_caps & IBV_ODP_SUPPORT_IMPLICIT))
		return false;
	return (odp->per_transport_caps.rc_odp_caps & odp_caps) == odp_caps;
}

void vt_need_kind(const struct vt_dev *dev, enum vt_kind kind, uint32_t odp_caps)
{
	if (!vt_kind_works(dev, kind, odp_caps))
		vt_skip("%s has no %s memory for this",
			ibv_get_device_name(dev->ctx->device), vt_kind_name[kind]);
}

static void free_mr(void *obj)
{
	ibv_dereg_mr(obj);
}

/* Register a region; an implicit one covers the whole address space, whatever the range. */
struct ibv_mr *vt_reg(struct ibv_pd *pd, enum vt_kind kind, void *addr, size_t len,
		      uint64_t iova, int access)
{
	struct ibv_mr *mr;

	if (kind != VT_PINNED)
		access |= IBV_ACCESS_ON_DEMAND;
	if (kind == VT_IMPLICIT)
		mr = ibv_reg_mr(pd, NULL, SIZE_MAX, access);
	else
		mr = ibv_reg_mr_iova(pd, addr, len, iova, access);
	vt_require(mr, "reg_mr(%s, %zu bytes, access %#x): %s", vt_kind_name[kind],
		   len, access, strerror(errno));
	vt_defer(free_mr, mr);
	return mr;
}

struct mapping {
	void *addr;
	size_t len;
};

static void free_mapping(void *obj)
{
	struct mapping *map = obj;

	munmap(map->addr, map->len);
	free(map);
}

/* Map anonymous private memory; the test may remap parts of it. */
void *vt_map(size_t len, int flags)
{
	struct mapping *map = malloc(sizeof(*map));

	vt_require(map, "out of memory");
	map->len = len;
	map->addr = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	vt_require(map->addr != MAP_FAILED, "mmap(%zu): %s", len, strerror(errno));
	vt_defer(free_mapping, map);
	return map->addr;
}

/*
 * Reserve *@len bytes of address space, or half, a quarter and so on if that fails: a
 * process on User Mode Linux has only 510 GiB.
 */
void *vt_map_large(size_t *len)
{
	void *probe;

	for (;; *len /= 2) {
		probe = mmap(NULL, *len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1, 0);
		if (probe != MAP_FAILED)
			break;
		vt_require(*len > LARGE_LEAST, "mmap(%zu): %s", *len, strerror(errno));
	}
	munmap(probe, *len);
	return vt_map(*len, MAP_NORESERVE);
}

/*
 * Pick an IOVA that is mostly unrelated to the virtual address, sometimes at the very top.
 * Its offset in the page is that of @addr, as the kernel requires.
 */
static uint64_t pick_iova(const void *addr, size_t len)
{
	uint64_t offset = (uintptr_t)addr % PAGE;
	uint64_t pages = (len + offset + PAGE - 1) / PAGE + 1;

	switch (vt_below(4)) {
	case 0:
		return (uintptr_t)addr;
	case 1:
		return 0 - pages * PAGE + offset;
	case 2:
		return offset;
	default:
		return (vt_rand() >> 2 & ~(PAGE - 1)) + offset;
	}
}

/* Register memory at @addr, which the caller maps and unmaps, with its address as the IOVA. */
struct vt_mem *vt_mem_at(struct ibv_pd *pd, enum vt_kind kind, void *addr,
			 size_t len, int access)
{
	struct vt_mem *mem = calloc(1, sizeof(*mem));

	vt_require(mem, "out of memory");
	vt_defer(free, mem);
	mem->addr = addr;
	mem->len = len;
	mem->iova = (uintptr_t)addr;
	mem->mr = vt_reg(pd, kind, addr, len, mem->iova, access);
	return mem;
}

/*
 * Map and register new memory that begins and ends anywhere in a page. Its IOVA is
 * unrelated to its address unless the kind is implicit.
 */
struct vt_mem *vt_mem_new(struct ibv_pd *pd, enum vt_kind kind, size_t len, int access)
{
	struct vt_mem *mem = calloc(1, sizeof(*mem));
	size_t offset = vt_chance(50) ? vt_below(PAGE) : 0;

	vt_require(mem, "out of memory");
	vt_defer(free, mem);
	mem->map_len = (len + offset + 3 * PAGE - 1) & ~(PAGE - 1);
	mem->map = vt_map(mem->map_len, 0);
	memset(mem->map, CANARY, mem->map_len);
	mem->addr = mem->map + PAGE + offset;
	mem->len = len;
	mem->iova = kind == VT_IMPLICIT ? (uintptr_t)mem->addr :
					  pick_iova(mem->addr, len);
	mem->mr = vt_reg(pd, kind, mem->addr, len, mem->iova, access);
	return mem;
}

static void check_canaries(const uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++)
		vt_require(*p == CANARY, "memory outside of the region was written");
}

/* Check that the bytes around the region have not been written. */
void vt_mem_guards(const struct vt_mem *mem)
{
	check_canaries(mem->map, mem->addr);
	check_canaries(mem->addr + mem->len, mem->map + mem->map_len);
}
