// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory that maps a file: memfd, tmpfs and ext4. What the NIC writes to a shared
 * mapping is in the file, even after the page cache is dropped; what it writes to a private
 * mapping is not. Accesses beyond the end of the file fail.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odp_bench.h"
#include "odp_system.h"

/* --- any file --- */

/* Puts into a shared mapping appear in the file and in other mappings of it. */
static void shared(struct odp_bench *b, struct odp_file *file)
{
	uint8_t *want = vt_map(LEN, 0);

	odp_check_at(b, 0, LEN, file->cpu);
	vt_fill(file->cpu, LEN);
	odp_check_get(b);
	vt_require(!memcmp(b->back->addr, file->cpu, LEN), "the NIC reads old data");
	odp_check_at(b, 0, LEN, file->cpu);
	vt_require(pread(file->fd, want, LEN, 0) == LEN, "pread: %s", strerror(errno));
	vt_require(!memcmp(want, b->src->addr, LEN), "read() does not see the put");
}

/* In a private mapping the NIC's write makes a copy of the page, as the CPU's does. */
static void private(struct odp_bench *b, struct odp_file *file)
{
	uint8_t *want;

	vt_fill(file->cpu, LEN);
	want = odp_copy_of(file->cpu, LEN);
	odp_check_get(b);
	vt_require(!memcmp(b->back->addr, want, LEN), "the NIC does not read the file");
	odp_check(b);
	vt_require(!memcmp(file->cpu, want, LEN), "the put reached the file");
	file->cpu[0]++;			/* not visible any more: the mapping has a copy */
	odp_check_get(b);
	vt_require(!memcmp(b->back->addr, b->src->addr, LEN), "the copy was lost");
}

static void truncated(struct odp_bench *b, struct odp_file *file)
{
	odp_check(b);
	vt_ok(ftruncate(file->fd, LEN / 2));
	odp_check_at(b, 0, LEN / 2, file->cpu);
	odp_get_fails(b, 0, LEN);
	odp_reconnect(b);
	odp_put_fails(b, LEN - 8, 8);
	vt_ok(ftruncate(file->fd, LEN));
	odp_reconnect(b);
	odp_check_zeros(b, LEN / 2, LEN / 2);
	odp_check_at(b, 0, LEN, file->cpu);
}

static void hole_punched(struct odp_bench *b, struct odp_file *file)
{
	odp_check(b);
	vt_ok(fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 4 * PAGE));
	odp_check_zeros(b, PAGE, 4 * PAGE);
	odp_check_get(b);
	odp_check_at(b, 0, LEN, file->cpu);
}

/* Truncate the file while puts run; after that they must write nothing. */
static void truncated_under_puts(struct odp_bench *b, struct odp_file *file)
{
	struct odp_hammer h;

	for (int i = 0; i < 2; i++) {
		odp_hammer_start(&h, b);
		vt_sleep_ms(vt_below(10));
		vt_ok(ftruncate(file->fd, i ? LEN / 2 : 0));
		vt_ok(ftruncate(file->fd, LEN));
		odp_hammer_stop(&h);
		if (h.dead)
			odp_reconnect(b);
		odp_check_at(b, 0, LEN, file->cpu);
		odp_hammer_start(&h, b);
		vt_ok(ftruncate(file->fd, PAGE));
		pthread_join(h.thread, NULL);
		vt_require(h.dead, "the puts went on past the end of the file");
		vt_ok(ftruncate(file->fd, LEN));
		for (size_t j = PAGE; j < LEN; j++)
			vt_require(!file->cpu[j], "byte %zu was written past the end", j);
		odp_reconnect(b);
	}
	odp_check_at(b, 0, LEN, file->cpu);
}

/* --- memfd, that is tmpfs --- */

static void memfd_shared(const void *arg)
{
	struct odp_file file = odp_memfd(LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);

	shared(&b, &file);
}

static void memfd_private(const void *arg)
{
	struct odp_file file = odp_memfd(LEN, MAP_PRIVATE);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);

	private(&b, &file);
}

static void memfd_truncated(const void *arg)
{
	struct odp_file file = odp_memfd(LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);

	truncated(&b, &file);
}

static void memfd_hole_punched(const void *arg)
{
	struct odp_file file = odp_memfd(LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);

	hole_punched(&b, &file);
}

static void memfd_truncated_under_puts(const void *arg)
{
	struct odp_file file = odp_memfd(LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);

	truncated_under_puts(&b, &file);
}

static void disturb_file(struct odp_disturber *d)
{
	vt_ok(fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, d->len, d->len));
	vt_require(pwrite(d->fd, "x", 1, d->len) == 1, "pwrite: %s", strerror(errno));
	vt_ok(ftruncate(d->fd, d->len));
	vt_ok(ftruncate(d->fd, 2 * d->len));
}

/* Traffic on one half of a file while the other half is changed. */
static void memfd_traffic_beside_changes(const void *arg)
{
	struct odp_file file = odp_memfd(2 * LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);
	struct odp_disturber d = { .disturb = disturb_file, .len = LEN, .fd = file.fd };

	odp_traffic_while(&b, d);
}

/* A mapping of a read-only file: gets work and puts fail, though the region allows both. */
static void memfd_read_only(const void *arg)
{
	struct odp_file file = odp_memfd(LEN, MAP_SHARED);
	struct odp_bench b;
	char path[64];
	uint8_t *want;
	int fd;

	vt_fill(file.cpu, LEN);
	want = odp_copy_of(file.cpu, LEN);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file.fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	vt_require(fd >= 0, "open: %s", strerror(errno));
	b = odp_bench(arg, odp_map_file(fd, LEN, PROT_READ, MAP_SHARED), LEN);
	close(fd);
	odp_check_get(&b);
	odp_put_fails(&b, 100, PAGE);
	vt_require(!memcmp(file.cpu, want, LEN), "the put reached a file opened for reading");
	odp_reconnect(&b);
	odp_check_get(&b);
}

/* Huge pages of tmpfs; punching a hole splits one. */
static void tmpfs_huge(const void *arg)
{
	const char *folder = odp_mount("-t tmpfs -o huge=always,size=16m tmpfs");
	size_t len = 2 * MIB;
	struct odp_bench b;
	uint8_t *map;
	int fd;

	fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	vt_require(fd >= 0 && !ftruncate(fd, len), "tmpfs: %s", strerror(errno));
	map = odp_map_aligned(len, len);
	vt_require(mmap(map, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == map,
		   "mmap: %s", strerror(errno));
	memset(map, 0x55, len);
	b = odp_bench(arg, map, LEN);
	odp_check(&b);
	vt_ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5 * PAGE, 9 * PAGE));
	odp_check_zeros(&b, 5 * PAGE, 9 * PAGE);
	odp_check_get(&b);
	odp_check(&b);
	vt_require(map[LEN] == 0x55 && map[len - 1] == 0x55, "beside the hole, data changed");
	odp_map_fixed(map, len);
	close(fd);
}

/* --- ext4 on a loop device --- */

static char disk_folder[64];

static void end_disk(void)
{
	if (disk_folder[0])
		odp_run("umount -l %s/disk %s && rmdir %s", disk_folder, disk_folder, disk_folder);
}

/* Make the disk once, as that takes longer than all tests on it. */
static bool make_disk(void)
{
	static bool tried, made;

	if (tried)
		return made;
	tried = true;
	strcpy(disk_folder, "/tmp/verbs.XXXXXX");
	vt_require(mkdtemp(disk_folder), "mkdtemp: %s", strerror(errno));
	made = odp_run("mount -t tmpfs -o size=20m tmpfs %s && cd %s && mkdir disk &&"
		       "truncate -s 16M image && mkfs.ext4 -q -F image &&"
		       "modprobe -q -a loop ext4; mount -o loop image disk",
		       disk_folder, disk_folder);
	return made;
}

static struct odp_file ext4_file(size_t len, int nic_flags)
{
	char path[128];

	if (!make_disk())
		vt_skip("no ext4 on a loop device here");
	snprintf(path, sizeof(path), "%s/disk", disk_folder);
	return odp_file_of(open(path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600), len, nic_flags);
}

/* Drop the file from memory and read it from the disk. */
static void read_from_disk(struct odp_file *file, uint8_t *into)
{
	vt_ok(fsync(file->fd));
	vt_ok(madvise(file->nic, LEN, MADV_DONTNEED));
	vt_ok(madvise(file->cpu, LEN, MADV_DONTNEED));
	vt_ok(odp_write_file("/proc/sys/vm/drop_caches", "3"));
	vt_require(pread(file->fd, into, LEN, 0) == LEN, "pread: %s", strerror(errno));
}

static void ext4_shared(const void *arg)
{
	struct odp_file file = ext4_file(LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);
	uint8_t *disk = vt_map(LEN, 0);

	shared(&b, &file);
	for (int i = 0; i < 5; i++) {
		odp_put(&b, 0, LEN);
		if (i % 2)		/* fsync() write-protects the pages before the next put */
			vt_ok(fsync(file.fd));
		odp_put(&b, 0, LEN);
		read_from_disk(&file, disk);
		vt_require(!memcmp(disk, b.src->addr, LEN), "round %d: the put is not on disk", i);
		odp_get(&b, 0, LEN);
		vt_require(!memcmp(disk, b.back->addr, LEN), "round %d: got other data", i);
	}
}

static void disturb_sync(struct odp_disturber *d)
{
	vt_ok(fsync(d->fd));
}

/* Pages are written back and write-protected while puts run. */
static void ext4_written_back_under_puts(const void *arg)
{
	struct odp_file file = ext4_file(LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);
	struct odp_disturber d = { .disturb = disturb_sync, .fd = file.fd };
	uint8_t *disk = vt_map(LEN, 0);

	for (int i = 0; i < 3; i++) {
		odp_traffic_while(&b, d);
		read_from_disk(&file, disk);
		vt_require(!memcmp(disk, b.src->addr, LEN), "the last put is not on disk");
	}
}

static void ext4_private(const void *arg)
{
	struct odp_file file = ext4_file(LEN, MAP_PRIVATE);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);

	private(&b, &file);
}

static void ext4_truncated(const void *arg)
{
	struct odp_file file = ext4_file(LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);

	truncated(&b, &file);
	hole_punched(&b, &file);
}

static void ext4_truncated_under_puts(const void *arg)
{
	struct odp_file file = ext4_file(LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);

	truncated_under_puts(&b, &file);
}

/* Write to the file from @off on until the disk is full. */
static void fill_disk(int fd, off_t off)
{
	static const uint8_t zeros[64 * KIB];
	size_t n = sizeof(zeros);

	while (n >= PAGE) {
		if (pwrite(fd, zeros, n, off) == (ssize_t)n)
			off += n;
		else
			n /= 2;
	}
	vt_require(errno == ENOSPC, "the disk is not full: %s", strerror(errno));
}

/* The disk has no block left for a page: the NIC's write must fail, as the CPU's would. */
static void ext4_full(const void *arg)
{
	struct odp_file file = ext4_file(LEN, MAP_SHARED);
	struct odp_bench b = odp_bench(arg, file.nic, LEN);

	fill_disk(file.fd, LEN);
	odp_check_zeros(&b, 0, LEN);
	odp_put_fails(&b, 0, LEN);
	vt_ok(ftruncate(file.fd, LEN));
	odp_reconnect(&b);
	odp_check(&b);
}

static void add_tests(void)
{
	odp_test(memfd_shared, "memfd_shared", ODP_ALL_SIDES);
	odp_test(memfd_private, "memfd_private", ODP_ALL_SIDES);
	odp_test(memfd_truncated, "memfd_truncated", ODP_ALL_SIDES);
	odp_test(memfd_hole_punched, "memfd_hole_punched", ODP_ALL_SIDES);
	odp_test(memfd_truncated_under_puts, "memfd_truncated_under_puts", ODP_RDMA_SIDES);
	odp_test(memfd_traffic_beside_changes, "memfd_traffic_beside_changes", ODP_ALL_SIDES);
	odp_test(memfd_read_only, "memfd_read_only", ODP_ALL_SIDES);
	odp_test(tmpfs_huge, "tmpfs_huge", ODP_RDMA_SIDES);
	odp_test(ext4_shared, "ext4_shared", ODP_RDMA_SIDES);
	odp_test(ext4_written_back_under_puts, "ext4_written_back_under_puts", ODP_RDMA_SIDES);
	odp_test(ext4_private, "ext4_private", ODP_RDMA_SIDES);
	odp_test(ext4_truncated, "ext4_truncated", ODP_RDMA_SIDES);
	odp_test(ext4_truncated_under_puts, "ext4_truncated_under_puts", ODP_RDMA_SIDES);
	odp_test(ext4_full, "ext4_full", ODP_RDMA_SIDES);
}

int main(int argc, char **argv)
{
	atexit(end_disk);
	return vt_main(argc, argv, add_tests);
}
