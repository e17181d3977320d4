// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory of every kind, with canaries around what is registered. */
#include <sys/mman.h>
#include <unistd.h>

#include "rc.h"

#define PAGE		4096UL
#define LARGE_LEAST	(1ULL << 37)	/* of what is large: 128 GiB */
#define CANARY		0xa5

const char *const rc_kind_name[RC_KINDS] = {
	[RC_PINNED] = "pinned",
	[RC_ODP] = "odp",
	[RC_IMPLICIT] = "implicit",
};

bool rc_kind_works(const struct rc_dev *dev, enum rc_kind kind, uint32_t odp_caps)
{
	const struct ibv_odp_caps *odp = &dev->attr.odp_caps;

	if (kind == RC_PINNED)
		return true;
	if (!(odp->general_caps & IBV_ODP_SUPPORT))
		return false;
	if (kind == RC_IMPLICIT && !(odp->general_caps & IBV_ODP_SUPPORT_IMPLICIT))
		return false;
	return (odp->per_transport_caps.rc_odp_caps & odp_caps) == odp_caps;
}

void rc_need_kind(const struct rc_dev *dev, enum rc_kind kind, uint32_t odp_caps)
{
	if (!rc_kind_works(dev, kind, odp_caps))
		rc_skip("%s has no %s memory for this",
			ibv_get_device_name(dev->ctx->device), rc_kind_name[kind]);
}

static void free_mr(void *obj)
{
	ibv_dereg_mr(obj);
}

/* Register; implicit regions take the place of any range. */
struct ibv_mr *rc_reg(struct ibv_pd *pd, enum rc_kind kind, void *addr, size_t len,
		      uint64_t iova, int access)
{
	struct ibv_mr *mr;

	if (kind != RC_PINNED)
		access |= IBV_ACCESS_ON_DEMAND;
	if (kind == RC_IMPLICIT)
		mr = ibv_reg_mr(pd, NULL, SIZE_MAX, access);
	else
		mr = ibv_reg_mr_iova(pd, addr, len, iova, access);
	rc_require(mr, "reg_mr(%s, %zu bytes, access %#x): %s", rc_kind_name[kind],
		   len, access, strerror(errno));
	rc_defer(free_mr, mr);
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

/* Anonymous private memory; the test may remap parts of it. */
void *rc_map(size_t len, int flags)
{
	struct mapping *map = malloc(sizeof(*map));

	rc_require(map, "out of memory");
	map->len = len;
	map->addr = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	rc_require(map->addr != MAP_FAILED, "mmap(%zu): %s", len, strerror(errno));
	rc_defer(free_mapping, map);
	return map->addr;
}

/*
 * So much address space, or the largest of its halves that there is: a process of
 * User Mode Linux has 510 GiB in all.
 */
void *rc_map_large(size_t *len)
{
	void *probe;

	for (;; *len /= 2) {
		probe = mmap(NULL, *len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1, 0);
		if (probe != MAP_FAILED)
			break;
		rc_require(*len > LARGE_LEAST, "mmap(%zu): %s", *len, strerror(errno));
	}
	munmap(probe, *len);
	return rc_map(*len, MAP_NORESERVE);
}

/*
 * An address that differs from the virtual one in all but the offset in the
 * page (which the kernel wants the same), sometimes at the very top.
 */
static uint64_t pick_iova(const void *addr, size_t len)
{
	uint64_t offset = (uintptr_t)addr % PAGE;
	uint64_t pages = (len + offset + PAGE - 1) / PAGE + 1;

	switch (rc_below(4)) {
	case 0:
		return (uintptr_t)addr;
	case 1:
		return 0 - pages * PAGE + offset;
	case 2:
		return offset;
	default:
		return (rc_rand() >> 2 & ~(PAGE - 1)) + offset;
	}
}

/* Register @addr, which has a life of its own, under its own address. */
struct rc_mem *rc_mem_at(struct ibv_pd *pd, enum rc_kind kind, void *addr,
			 size_t len, int access)
{
	struct rc_mem *mem = calloc(1, sizeof(*mem));

	rc_require(mem, "out of memory");
	rc_defer(free, mem);
	mem->addr = addr;
	mem->len = len;
	mem->iova = (uintptr_t)addr;
	mem->mr = rc_reg(pd, kind, addr, len, mem->iova, access);
	return mem;
}

/*
 * New memory that begins and ends somewhere in a page, under an IOVA that has
 * nothing to do with its address where the kind allows it.
 */
struct rc_mem *rc_mem_new(struct ibv_pd *pd, enum rc_kind kind, size_t len, int access)
{
	struct rc_mem *mem = calloc(1, sizeof(*mem));
	size_t offset = rc_chance(50) ? rc_below(PAGE) : 0;

	rc_require(mem, "out of memory");
	rc_defer(free, mem);
	mem->map_len = (len + offset + 3 * PAGE - 1) & ~(PAGE - 1);
	mem->map = rc_map(mem->map_len, 0);
	memset(mem->map, CANARY, mem->map_len);
	mem->addr = mem->map + PAGE + offset;
	mem->len = len;
	mem->iova = kind == RC_IMPLICIT ? (uintptr_t)mem->addr :
					  pick_iova(mem->addr, len);
	mem->mr = rc_reg(pd, kind, mem->addr, len, mem->iova, access);
	return mem;
}

static void check_canaries(const uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++)
		rc_require(*p == CANARY, "memory outside of the region was written");
}

/* Nothing outside of the region was written. */
void rc_mem_guards(const struct rc_mem *mem)
{
	check_canaries(mem->map, mem->addr);
	check_canaries(mem->addr + mem->len, mem->map + mem->map_len);
}
