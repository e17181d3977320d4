// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Pages in the NIC's own memory: how many fit, with whom they share it, what does not move,
 * and moves while the NIC uses the pages.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "migrate.h"

/* --- more pages than fit --- */

static void full(const void *arg)
{
	struct nic nic = nic_of(arg, LEN / 2);
	uint8_t *want;

	for (int i = 0; i < 3; i++) {
		odp_check(&nic.b);
		want = odp_copy_of(nic.mem, LEN);
		vt_require(nic_move_some(&nic, nic.mem, LEN, true) == ENOSPC, "there was room");
		vt_require(nic_away(nic.mem, LEN) == PAGES / 2, "%zu pages are away",
			   nic_away(nic.mem, LEN));
		odp_get(&nic.b, 0, LEN);
		vt_require(!memcmp(nic.b.back->addr, want, LEN), "the NIC read other data");
		vt_require(!memcmp(nic.mem, want, LEN), "data differ");
		vt_ok(nic_move_some(&nic, nic.mem + LEN / 2, LEN / 2, true));
		vt_ok(nic_move_some(&nic, nic.mem + LEN / 2, LEN / 2, true));
	}
}

/* --- device memory (ibv_alloc_dm) that shares the NIC's memory --- */

static void free_dm(void *obj)
{
	ibv_free_dm(obj);
}

static struct ibv_dm *dm_of(struct nic *nic, size_t len)
{
	struct ibv_alloc_dm_attr attr = { .length = len };
	struct ibv_dm *dm = ibv_alloc_dm(nic->end->dev->ctx, &attr);

	if (dm)
		vt_defer(free_dm, dm);
	return dm;
}

static uint64_t max_dm(const struct vt_dev *dev)
{
	struct ibv_device_attr_ex attr = {};

	vt_ok(ibv_query_device_ex(dev->ctx, NULL, &attr));
	return attr.max_dm_size;
}

/* Pages and allocated memory compete for the same space; together they can use all of it. */
static void allocated(const void *arg)
{
	struct nic nic = nic_of(arg, LEN);
	struct vt_dev *dev = nic.end->dev;
	struct ibv_dm *dm;

	vt_require(max_dm(dev) == LEN, "max_dm_size is %" PRIu64, max_dm(dev));
	vt_refused(dm_of(&nic, LEN + 1), ENOMEM);
	dm = dm_of(&nic, LEN / 2 - 1);
	vt_require(dm, "alloc_dm: %s", strerror(errno));
	odp_check(&nic.b);
	vt_require(nic_move_some(&nic, nic.mem, LEN, true) == ENOSPC, "there was room");
	vt_require(nic_away(nic.mem, LEN) == PAGES / 2, "%zu pages are away", nic_away(nic.mem, LEN));
	vt_refused(dm_of(&nic, 1), ENOMEM);
	vt_require(nic_counts(dev, "memory_bytes", LEN), "it is not full");
	vt_require(nic_try_memory(dev, 2 * LEN) == EBUSY, "it was taken from the program");
	odp_check(&nic.b);
	vt_release(dm);
	nic_move(&nic, true);
	vt_refused(dm_of(&nic, 1), ENOMEM);
	nic_move(&nic, false);
	dm = dm_of(&nic, LEN);
	vt_require(dm, "alloc_dm: %s", strerror(errno));
	vt_release(dm);
	vt_ok(nic_try_memory(dev, 2 * LEN));
	vt_require(max_dm(dev) == 2 * LEN, "max_dm_size is %" PRIu64, max_dm(dev));
}

/* When a process ends, its part of the NIC's memory becomes free. */
static void owner_ends(const void *arg)
{
	struct vt_dev *dev = vt_dev(0);
	uint8_t *mem;

	(void)arg;
	nic_set_memory(dev, LEN);
	for (int i = 0; i < 3; i++) {
		int pid = vt_fork();

		if (!pid) {
			struct vt_dev mine;

			vt_dev_open(&mine, vt_opts.device);
			mem = nic_small_pages(LEN);
			memset(mem, 1, LEN);
			_exit(!!nopindv_migrate(ibv_alloc_pd(mine.ctx), mem, LEN, true));
		}
		vt_require(!vt_wait_child(pid, vt_patience_ms()), "the child has no room");
		vt_require(nic_counts(dev, "memory_bytes", 0), "pages are left");
	}
}

/* --- refusals --- */

static void refusals(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	uint8_t *map = nic_small_pages(4 * PAGE), *file;
	int fd = memfd_create("migrate", MFD_CLOEXEC);

	vt_require(fd >= 0 && !ftruncate(fd, PAGE), "memfd: %s", strerror(errno));
	file = odp_map_file(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	*file = 1;
	vt_require(nic_move_some(&nic, file, PAGE, true) == EINVAL, "a file moved");
	vt_ok(munmap(map + PAGE, PAGE));
	vt_require(nic_move_some(&nic, map, 4 * PAGE, true) == EFAULT, "a hole moved");
	vt_require(nic_move_some(&nic, map, 4 * PAGE, false) == EFAULT, "a hole moved back");
	odp_map_fixed(map + PAGE, PAGE);
	vt_ok(mlock(map, PAGE));
	vt_require(nic_move_some(&nic, map, PAGE, true) == EINVAL, "locked memory moved");
	vt_ok(munlock(map, PAGE));
	if (!madvise(map, PAGE, MADV_MERGEABLE)) {
		vt_require(nic_move_some(&nic, map, PAGE, true) == EINVAL,
			   "memory that may be merged moved");
		vt_ok(madvise(map, PAGE, MADV_UNMERGEABLE));
	}
	vt_require(nic_move_some(&nic, map, SIZE_MAX, true) == EFAULT, "more than all moved");
	vt_require(nic_move_some(&nic, (void *)UINTPTR_MAX, 1, true) == EFAULT, "the end moved");
	vt_ok(nic_move_some(&nic, map + 100, 0, true));
	vt_ok(nic_move_some(&nic, map + PAGE - 1, 2, true));
	vt_require(nic_away(map, 2 * PAGE) == 2, "whole pages");
	vt_ok(nic_move_some(&nic, map, 2 * PAGE, false));
	close(fd);
}

/* Pinned pages do not move. */
static void pinned(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	struct vt_mem *mem;

	if (!odp_pins(nic.end->dev))
		vt_skip("nothing is pinned here");
	mem = vt_mem_new(nic.end->pd, VT_PINNED, 4 * PAGE, VT_ACCESS_ALL);
	memset(mem->addr, 0x5a, 4 * PAGE);
	vt_require(nic_move_some(&nic, mem->addr, 4 * PAGE, true) == EBUSY, "a pinned page moved");
	vt_require(!nic_away(mem->addr, 4 * PAGE), "a pinned page is away");
	for (size_t i = 0; i < 4 * PAGE; i++)
		vt_require(mem->addr[i] == 0x5a, "data differ");
}

/* On a device without memory, or a kernel without support, the call returns EOPNOTSUPP. */
static void without_memory(const void *arg)
{
	struct vt_dev *dev = vt_dev(0);
	uint8_t *mem = nic_small_pages(PAGE);
	struct ibv_pd *pd = vt_new_pd(dev->ctx);

	(void)arg;
	vt_require(nopindv_version() == NOPINDV_VERSION, "another library");
	*mem = 1;
	vt_require(nopindv_migrate(pd, mem, PAGE, true) == EOPNOTSUPP, "it moved");
	vt_require(nopindv_migrate(pd, mem, PAGE, false) == EOPNOTSUPP, "it moved back");
}

static void sizes(const void *arg)
{
	static const char *const wrong[] = { "", "x", "-1", "1M x", "1MM", "2000G" };
	struct vt_dev *dev = vt_dev(0);
	int fd;

	(void)arg;
	nic_set_memory(dev, PAGE);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		fd = nic_memory_file(dev, O_WRONLY);
		vt_require(fd >= 0, "memory: %s", strerror(errno));
		vt_require(!*wrong[i] || write(fd, wrong[i], strlen(wrong[i])) < 0,
			   "\"%s\" was taken", wrong[i]);
		close(fd);
	}
	for (size_t size = 1; size < 64 * MIB; size *= 7)
		vt_ok(nic_try_memory(dev, size));
}

/* --- traffic at the same time --- */

static void disturb_move(struct odp_disturber *d)
{
	/* may fail: pages in use right now stay where they are */
	nopindv_migrate(odp_mem_end(&d->bench)->pd, d->addr, LEN, d->turns % 3);
}

static void disturb_memory(struct odp_disturber *d)
{
	struct rc_end *end = odp_mem_end(&d->bench);

	nopindv_migrate(end->pd, d->addr, LEN, true);
	nic_try_memory(end->dev, d->turns % 2 ? MEMORY : LEN / 2);
}

static void traffic_while(const void *arg, void (*disturb)(struct odp_disturber *d))
{
	struct nic nic = nic_of(arg, MEMORY);
	struct odp_disturber d = { .disturb = disturb, .addr = nic.mem };

	odp_traffic_while(&nic.b, d);
}

static void traffic_while_migrating(const void *arg)
{
	traffic_while(arg, disturb_move);
}

static void traffic_while_memory_changes(const void *arg)
{
	traffic_while(arg, disturb_memory);
}

/*
 * The NIC keeps writing to the whole region while pages move there and back, and reads what
 * it has written.
 */
static void hammered(const void *arg)
{
	struct nic nic = nic_of(arg, MEMORY);
	struct odp_hammer h;

	odp_hammer_start_getting(&h, &nic.b);
	for (unsigned int i = 0; i < 10 * vt_opts.rounds; i++) {
		nic_move_some(&nic, nic.mem, LEN, true);
		for (size_t k = 0; k < LEN; k += PAGE)
			*(volatile uint8_t *)(nic.mem + k);
	}
	odp_hammer_stop(&h);
	vt_require(!h.dead, "a put failed");
	vt_require(!h.differs, "the NIC does not read what it wrote");
	vt_require(odp_hammer_is_seen(&h), "the CPU does not see what the NIC wrote");
	odp_check(&nic.b);
}

void migrate_limits_add(void)
{
	VT_TEST(without_memory);
	odp_test(full, "full", 1U << ODP_REMOTE);
	odp_test(allocated, "allocated", 1U << ODP_REMOTE);
	VT_TEST(owner_ends);
	odp_test(refusals, "refusals", 1U << ODP_REMOTE);
	odp_test(pinned, "pinned", 1U << ODP_REMOTE);
	VT_TEST(sizes);
	odp_test(traffic_while_migrating, "traffic_while_migrating", ODP_RDMA_SIDES);
	odp_test(traffic_while_memory_changes, "traffic_while_memory_changes",
		 1U << ODP_REMOTE);
	odp_test(hammered, "hammered", ODP_RDMA_SIDES);
}
