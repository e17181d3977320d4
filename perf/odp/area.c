// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory of each kind of page: mapping it, its contents, and taking its pages away. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp.h"

#define HUGE_PAGE	(2 * MIB)
#define THP_ENABLED	"/sys/kernel/mm/transparent_hugepage/enabled"
#define PRESENT		(1ULL << 63)	/* bit of an entry of /proc/self/pagemap */
#define PAGEOUT_TRIES	20
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB	(21 << 26)
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

const char *const odp_pages_name[ODP_PAGES] = {
	[ODP_SMALL] = "4k",
	[ODP_THP] = "thp",
	[ODP_HUGETLB] = "hugetlb",
	[ODP_FILE] = "file",
	[ODP_SHARED] = "shared",
};

const char *const odp_state_name[ODP_STATES] = {
	[ODP_WARM] = "warm",
	[ODP_COLD] = "cold",
	[ODP_DONTNEED] = "dontneed",
	[ODP_PAGEOUT] = "pageout",
	[ODP_FORK] = "fork",
};

size_t odp_page_size(enum odp_pages pages)
{
	return pages == ODP_THP || pages == ODP_HUGETLB ? HUGE_PAGE : ODP_PAGE;
}

/* --- what it holds --- */

static uint64_t pattern_word(uint64_t seed, uint64_t i)
{
	return (seed + i) * 0x9e3779b97f4a7c15ULL;
}

/* Seed 0 gives zeros. */
void odp_pattern(void *buf, size_t len, uint64_t seed, uint64_t pos)
{
	uint8_t *p = buf;

	if (!seed) {
		memset(buf, 0, len);
		return;
	}
	while (len) {
		uint64_t word = pattern_word(seed, pos / 8) >> 8 * (pos % 8);
		size_t part = 8 - pos % 8;

		part = part < len ? part : len;
		memcpy(p, &word, part);
		p += part;
		pos += part;
		len -= part;
	}
}

bool odp_pattern_differs(const void *buf, size_t len, uint64_t seed, uint64_t pos)
{
	uint8_t want[ODP_PAGE];
	const uint8_t *p = buf;

	while (len) {
		size_t part = len < sizeof(want) ? len : sizeof(want);

		odp_pattern(want, part, seed, pos);
		if (memcmp(p, want, part))
			return true;
		p += part;
		pos += part;
		len -= part;
	}
	return false;
}

/* Fill the area; one madvise() call faults in all pages, if the kernel supports it. */
void odp_area_fill(struct odp_area *area, uint64_t seed)
{
	madvise(area->addr, area->len, MADV_POPULATE_WRITE);
	odp_pattern(area->addr, area->len, seed, 0);
	area->seed = seed;
}

/* --- mappings --- */

/* Map anonymous memory, aligned to its page size. */
static int map_anonymous(struct odp_area *area, int flags)
{
	size_t align = odp_page_size(area->pages);

	area->map_len = area->len + align;
	area->map = mmap(NULL, area->map_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	if (area->map == MAP_FAILED)
		return -1;
	area->addr = (uint8_t *)(((uintptr_t)area->map + align - 1) & ~(align - 1));
	return 0;
}

static int map_small(struct odp_area *area)
{
	if (map_anonymous(area, 0))
		return perf_fail("mmap of %zu bytes: %s", area->len, strerror(errno));
	/* EINVAL: the kernel has no huge pages. */
	if (madvise(area->map, area->map_len, MADV_NOHUGEPAGE) && errno != EINVAL)
		return perf_fail("MADV_NOHUGEPAGE: %s", strerror(errno));
	return 0;
}

static int map_thp(struct odp_area *area)
{
	char text[64] = "";
	int fd = open(THP_ENABLED, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = 0;
	if (fd >= 0)
		close(fd);
	if (!*text || strstr(text, "[never]"))
		return perf_lacks("no transparent huge pages (%s)", THP_ENABLED);
	if (map_anonymous(area, 0))
		return perf_fail("mmap of %zu bytes: %s", area->len, strerror(errno));
	if (madvise(area->addr, area->len, MADV_HUGEPAGE))
		return perf_lacks("MADV_HUGEPAGE: %s", strerror(errno));
	return 0;
}

static int map_hugetlb(struct odp_area *area)
{
	area->len = (area->len + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	area->map_len = area->len;
	area->map = mmap(NULL, area->len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
	area->addr = area->map;
	if (area->map == MAP_FAILED)
		return perf_lacks("no huge pages: %s (vm.nr_hugepages reserves them)",
				  strerror(errno));
	return 0;
}

static int temporary_file(void)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/nopin-odp.XXXXXX", odp_opts.folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int map_file(struct odp_area *area)
{
	bool file = area->pages == ODP_FILE;
	int fd = file ? temporary_file() : memfd_create("nopin-odp", MFD_CLOEXEC);

	if (fd < 0)
		return perf_fail("%s: %s", file ? odp_opts.folder : "memfd_create",
				 strerror(errno));
	area->map_len = area->len;
	area->map = ftruncate(fd, area->len) ? MAP_FAILED :
		    mmap(NULL, area->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	area->addr = area->map;
	close(fd);
	if (area->map == MAP_FAILED)
		return perf_fail("%s of %zu bytes: %s", odp_pages_name[area->pages], area->len,
				 strerror(errno));
	return 0;
}

int odp_area_open(struct odp_area *area, enum odp_pages pages, size_t len)
{
	static int (*const map[ODP_PAGES])(struct odp_area *area) = {
		[ODP_SMALL] = map_small,
		[ODP_THP] = map_thp,
		[ODP_HUGETLB] = map_hugetlb,
		[ODP_FILE] = map_file,
		[ODP_SHARED] = map_file,
	};

	*area = (struct odp_area){ .pages = pages, .len = len };
	if (!map[pages](area))
		return 0;
	if (area->map && area->map != MAP_FAILED)
		munmap(area->map, area->map_len);
	area->map = NULL;
	return -1;
}

void odp_area_close(struct odp_area *area)
{
	if (area->child) {
		kill(area->child, SIGKILL);
		waitpid(area->child, NULL, 0);
	}
	if (area->map)
		munmap(area->map, area->map_len);
	*area = (struct odp_area){ 0 };
}

/* --- pages that are taken away --- */

/* Is any page of the area present? -1 if that cannot be found out. */
static int any_present(const struct odp_area *area)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), present = 0;
	uint64_t entry[512];
	size_t page = (uintptr_t)area->addr / ODP_PAGE;
	size_t left = area->len / ODP_PAGE, part;

	while (fd >= 0 && left && !present) {
		part = left < ARRAY_SIZE(entry) ? left : ARRAY_SIZE(entry);
		if (pread(fd, entry, part * 8, page * 8) != (ssize_t)part * 8)
			present = -1;
		for (size_t i = 0; i < part && !present; i++)
			present = !!(entry[i] & PRESENT);
		page += part;
		left -= part;
	}
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : present;
}

/*
 * Page out the area. The kernel skips pages in use, so try several times. It leaves a file's
 * dirty pages in the page cache, from which a fault is cheap, so write them first.
 */
static int take_pageout(struct odp_area *area)
{
	if (area->pages == ODP_FILE && msync(area->addr, area->len, MS_SYNC))
		return perf_fail("msync: %s", strerror(errno));
	for (int i = 0; i < PAGEOUT_TRIES; i++) {
		if (madvise(area->addr, area->len, MADV_PAGEOUT))
			return perf_lacks("MADV_PAGEOUT: %s", strerror(errno));
		if (any_present(area) != 1)
			return 0;
		vt_sleep_ms(1);
	}
	return perf_lacks("pages are not paged out: is there swap?");
}

static int take_fork(struct odp_area *area)
{
	pid_t child;

	if (area->pages == ODP_FILE || area->pages == ODP_SHARED)
		return perf_lacks("shared pages are not copied on write");
	child = fork();
	if (child < 0)
		return perf_fail("fork: %s", strerror(errno));
	if (child) {
		area->child = child;
		return 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

int odp_area_take(struct odp_area *area, enum odp_state state)
{
	switch (state) {
	case ODP_DONTNEED:
		if (madvise(area->addr, area->len, MADV_DONTNEED))
			return perf_lacks("MADV_DONTNEED: %s", strerror(errno));
		if (area->pages != ODP_FILE && area->pages != ODP_SHARED)
			area->seed = 0;
		return 0;
	case ODP_PAGEOUT:
		return take_pageout(area);
	case ODP_FORK:
		return take_fork(area);
	default:
		return 0;
	}
}

/* User Mode Linux needs a mapping of the host for each page; hosts allow 65530 by default. */
#define UML_MOST	(128 * MIB)

static bool is_user_mode_linux(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "User Mode Linux");
	if (f)
		fclose(f);
	return found;
}

/* The memory available for pages of a process, in bytes. */
size_t odp_room(void)
{
	size_t most = (size_t)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE);

	most -= most / 5;
	return is_user_mode_linux() && most > UML_MOST ? UML_MOST : most;
}
