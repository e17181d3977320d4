// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand memory whose mappings change: munmap(), mmap() over it, mremap(), mprotect(),
 * madvise(). The region keeps serving its addresses, whatever is mapped there. Once a call
 * that takes memory away has returned, the NIC must not access that memory any more.
 */
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odp_bench.h"
#include "odp_system.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

/* --- advice --- */

static void dontneed(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);

	for (int i = 0; i < 3; i++) {
		odp_check(&b);
		vt_ok(madvise(b.mem->addr, LEN, MADV_DONTNEED));
		odp_check_zeros(&b, 0, LEN);
		vt_ok(madvise(b.mem->addr + PAGE, 3 * PAGE, MADV_DONTNEED));
		odp_check(&b);
	}
}

static void advices(const void *arg)
{
	static const int advice[] = { MADV_COLD, MADV_COLLAPSE };
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);

	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		odp_check(&b);
		if (madvise(b.mem->addr, LEN, advice[i]))
			vt_note("madvise %d: %s", advice[i], strerror(errno));
		odp_check_get(&b);
		vt_require(!memcmp(b.back->addr, b.src->addr, LEN), "madvise %d lost data",
			   advice[i]);
	}
	odp_check(&b);
	vt_ok(madvise(b.mem->addr, LEN, MADV_FREE));
	odp_check(&b);
}

static void paged_out(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	long out;

	odp_swap_on(64);
	for (int i = 0; i < 3; i++) {
		odp_check(&b);
		out = odp_paged_out();
		odp_page_out(b.mem->addr, LEN);
		odp_want_paged_out(out);
		odp_check_get(&b);
		vt_require(!memcmp(b.back->addr, b.src->addr, LEN), "data were lost");
	}
}

/* A get maps the zero page; a put after it must not write to that. */
static void read_then_written(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	uint8_t *other = vt_map(LEN, 0);

	odp_check_zeros(&b, 0, LEN);
	odp_check(&b);
	for (size_t i = 0; i < LEN; i++)
		vt_require(!other[i], "the put reached the shared zero page");
}

/* Ranges that begin and end anywhere in pages that are not present. */
static void odd_addresses(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);

	for (unsigned int i = 0; i < 15 * vt_opts.rounds; i++) {
		size_t off = 1 + vt_below(LEN / 2), len = 1 + vt_below(LEN - off);

		vt_ok(madvise(b.mem->addr, LEN, MADV_DONTNEED));
		if (vt_chance(50))	/* drop the other end's pages, too */
			vt_ok(madvise(b.back->map, b.back->map_len, MADV_DONTNEED));
		odp_check_at(&b, off, len, b.mem->addr + off);
		for (size_t j = 0; j < off; j++)
			vt_require(!b.mem->addr[j], "byte %zu, below the range, was written", j);
		for (size_t j = off + len; j < LEN; j++)
			vt_require(!b.mem->addr[j], "byte %zu, above the range, was written", j);
	}
}

/* --- unmapped, mapped, moved --- */

/* The region serves memory that is mapped at its addresses later. */
static void remap_in_place(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);

	for (int i = 0; i < 3; i++) {
		odp_check(&b);
		vt_ok(munmap(b.mem->addr, LEN));
		odp_map_fixed(b.mem->addr, LEN);
		odp_check_zeros(&b, 0, LEN);
		odp_check(&b);
		odp_map_fixed(b.mem->addr + 4 * PAGE, 8 * PAGE);	/* over the old mapping */
		odp_check_zeros(&b, 4 * PAGE, 8 * PAGE);
		odp_check_get(&b);
	}
}

/* An access to a hole fails the QP, but the region stays usable. */
static void hole_then_mapped(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);

	odp_check(&b);
	vt_ok(munmap(b.mem->addr, LEN));
	odp_put_fails(&b, 0, LEN);
	odp_reconnect(&b);
	odp_get_fails(&b, LEN - 8, 8);
	odp_map_fixed(b.mem->addr, LEN);
	odp_reconnect(&b);
	odp_check_zeros(&b, 0, LEN);
	odp_check(&b);
	vt_ok(munmap(b.mem->addr + 8 * PAGE, PAGE));	/* a hole in a message */
	odp_put_fails(&b, 0, LEN);
	odp_map_fixed(b.mem->addr + 8 * PAGE, PAGE);
	odp_reconnect(&b);
	odp_check(&b);
}

/* After mremap() the NIC finds the data at the new addresses, and a hole at the old ones. */
static void moved(const void *arg)
{
	uint8_t *map = vt_map(2 * LEN, 0), *want;
	struct odp_bench b = odp_bench(arg, map, 2 * LEN);

	odp_check(&b);
	want = odp_copy_of(map, LEN);
	vt_require(mremap(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, map + LEN) ==
		   map + LEN, "mremap: %s", strerror(errno));
	odp_get(&b, LEN, LEN);
	vt_require(!memcmp(b.back->addr, want, LEN), "moved data differ");
	odp_check_at(&b, LEN, LEN, map + LEN);
	odp_get_fails(&b, 0, LEN);
	odp_reconnect(&b);
	odp_put_fails(&b, 0, 8);
	odp_map_fixed(map, LEN);		/* ours again, to unmap */
}

/* MREMAP_DONTUNMAP: the old addresses stay mapped, as zeros. */
static void moved_leaving_mapping(const void *arg)
{
	uint8_t *map = vt_map(2 * LEN, 0), *want;
	struct odp_bench b = odp_bench(arg, map, 2 * LEN);

	odp_check(&b);
	want = odp_copy_of(map, LEN);
	if (mremap(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		   map + LEN) != map + LEN)
		vt_skip("MREMAP_DONTUNMAP: %s", strerror(errno));
	odp_check_zeros(&b, 0, LEN);
	odp_get(&b, LEN, LEN);
	vt_require(!memcmp(b.back->addr, want, LEN), "moved data differ");
	odp_check(&b);
}

static void shrunk_and_grown(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);

	odp_check(&b);
	vt_require(mremap(b.mem->addr, LEN, LEN / 2, 0) == b.mem->addr, "mremap: %s",
		   strerror(errno));
	odp_get_fails(&b, LEN / 2, 8);
	odp_reconnect(&b);
	odp_check_at(&b, 0, LEN / 2, b.mem->addr);
	vt_require(mremap(b.mem->addr, LEN / 2, LEN, 0) == b.mem->addr, "mremap: %s",
		   strerror(errno));
	odp_check_zeros(&b, LEN / 2, LEN / 2);
	odp_check(&b);
}

/*
 * Move the program break back and forth. Give malloc() enough memory first, so that it does
 * not move the break.
 */
static void program_break(const void *arg)
{
	struct odp_bench b;
	uint8_t *start;

	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 4 << 20);
	free(malloc(64 * KIB));
	start = sbrk(0);
	start += -(uintptr_t)start % PAGE;
	vt_ok(brk(start + LEN));
	b = odp_bench(arg, start, LEN);
	odp_check(&b);
	vt_ok(brk(start + LEN / 2));
	odp_check_at(&b, 0, LEN / 2, start);
	odp_put_fails(&b, LEN / 2, LEN / 2);
	odp_reconnect(&b);
	vt_ok(brk(start + LEN));
	odp_check_zeros(&b, LEN / 2, LEN / 2);
	odp_check(&b);
	vt_require(sbrk(0) == start + LEN, "the test's heap grew meanwhile");
}

/* --- protected --- */

static void protect_and_back(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);

	for (int i = 0; i < 3; i++) {
		uint8_t *want;

		odp_check(&b);
		want = odp_copy_of(b.mem->addr, LEN);
		vt_ok(mprotect(b.mem->addr, LEN, PROT_READ));
		odp_check_get(&b);
		odp_put_fails(&b, i * PAGE, LEN - i * PAGE);
		vt_require(!memcmp(b.mem->addr, want, LEN), "read-only memory was written");
		odp_reconnect(&b);
		odp_check_get(&b);
		vt_ok(mprotect(b.mem->addr, LEN, PROT_READ | PROT_WRITE));
	}
	odp_check(&b);
	vt_ok(mprotect(b.mem->addr, LEN, PROT_NONE));
	odp_get_fails(&b, 0, 8);
	odp_reconnect(&b);
	odp_put_fails(&b, 0, 8);
	vt_ok(mprotect(b.mem->addr, LEN, PROT_READ | PROT_WRITE));
	odp_reconnect(&b);
	odp_check_get(&b);
	odp_check(&b);
}

/* A read-only page in the middle of a message: it and the pages after it must not change. */
static void protected_in_midst(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	uint8_t *want;

	odp_check(&b);
	want = odp_copy_of(b.mem->addr, LEN);
	vt_ok(mprotect(b.mem->addr + 16 * PAGE, PAGE, PROT_READ));
	odp_put_fails(&b, 0, LEN);
	vt_require(!memcmp(b.mem->addr + 16 * PAGE, want + 16 * PAGE, LEN - 16 * PAGE),
		   "data were written from the read-only page on");
	vt_ok(mprotect(b.mem->addr + 16 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	odp_reconnect(&b);
	odp_check(&b);
}

/* --- memory that is taken away is not accessed any more --- */

enum way { UNMAP, READ_ONLY, REMAP, DEREG, WAYS };

struct taking {
	struct odp_variant v;
	enum way way;
};

static void take_away(enum way way, struct odp_bench *b)
{
	switch (way) {
	case UNMAP:
		vt_ok(munmap(b->mem->addr, LEN));
		break;
	case READ_ONLY:
		vt_ok(mprotect(b->mem->addr, LEN, PROT_READ));
		break;
	case REMAP:
		odp_map_fixed(b->mem->addr, LEN);
		break;
	default:
		vt_release(b->mem->mr);
	}
}

/*
 * Take the memory away during puts; from then on the file's pages, seen through another
 * mapping, must not change.
 */
static void quiet_after(const void *arg)
{
	const struct taking *t = arg;

	for (unsigned int i = 0; i < 4 * vt_opts.rounds; i++) {
		struct odp_file file = odp_memfd(LEN, MAP_SHARED);
		struct odp_bench b = odp_bench(&t->v, file.nic, LEN);
		uint8_t *then = vt_map(LEN, 0);	/* now, so that it is elsewhere */
		struct odp_hammer h;

		odp_hammer_start(&h, &b);
		vt_sleep_ms(vt_below(10));
		take_away(t->way, &b);
		memcpy(then, file.cpu, LEN);
		vt_sleep_ms(20);
		vt_require(!memcmp(then, file.cpu, LEN), "the NIC still writes");
		if (t->way == REMAP)
			odp_hammer_stop(&h);
		else
			vt_require(odp_hammer_dies(&h), "the puts went on");
		vt_require(!memcmp(then, file.cpu, LEN), "the NIC still writes");
		if (t->way == UNMAP)
			odp_map_fixed(b.mem->addr, LEN);	/* ours again, to unmap */
	}
}

/* --- invalidations while traffic runs --- */

/* Drop and protect pages next to the region, in the same span. */
static void disturb_neighbours(struct odp_disturber *d)
{
	memset(d->addr, 1, d->len);
	vt_ok(madvise(d->addr, d->len, MADV_DONTNEED));
	vt_ok(mprotect(d->addr, d->len, PROT_READ));
	vt_ok(mprotect(d->addr, d->len, PROT_READ | PROT_WRITE));
}

static void traffic_beside_changes(const void *arg)
{
	size_t len = 256 * KIB;
	uint8_t *map = vt_map(2 * len, 0);
	struct odp_bench b = odp_bench(arg, map, len);
	struct odp_disturber d = {
		.disturb = disturb_neighbours, .addr = map + len, .len = len,
	};

	odp_traffic_while(&b, d);
}

static void disturb_pageout(struct odp_disturber *d)
{
	odp_page_out(d->addr, d->len);
	madvise(d->addr, d->len, MADV_COLLAPSE);
	madvise(d->addr, d->len, MADV_COLD);
}

static void traffic_while_paging_out(const void *arg)
{
	size_t len = 256 * KIB;
	struct odp_bench b = odp_bench(arg, vt_map(len, 0), len);
	struct odp_disturber d = {
		.disturb = disturb_pageout, .addr = b.mem->addr, .len = len,
	};
	uint64_t end = vt_now_ms() + vt_patience_ms();
	long out;

	odp_swap_on(64);
	out = odp_paged_out();
	do { /* a busy machine may find no page at rest in the first turns */
		odp_traffic_while(&b, d);
	} while (odp_paged_out() == out && vt_now_ms() < end);
	odp_want_paged_out(out);
}

static void disturb_protection(struct odp_disturber *d)
{
	/* the memory stays writable, but its mapping splits and merges */
	vt_ok(mprotect(d->addr + d->len / 2, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	vt_ok(mprotect(d->addr + d->len / 2, PAGE, PROT_READ | PROT_WRITE));
}

static void traffic_while_splitting_mappings(const void *arg)
{
	struct odp_bench b = odp_bench(arg, vt_map(LEN, 0), LEN);
	struct odp_disturber d = {
		.disturb = disturb_protection, .addr = b.mem->addr, .len = LEN,
	};

	odp_traffic_while(&b, d);
}

static struct taking takings[WAYS * 5];

static void add_takings(void)
{
	static const char *const ways[] = { "munmap", "mprotect", "mmap_over", "dereg_mr" };
	static const struct odp_variant variants[] = {
		{ VT_ODP, ODP_REMOTE }, { VT_ODP, ODP_LOCAL },
		{ VT_IMPLICIT, ODP_REMOTE }, { VT_IMPLICIT, ODP_LOCAL },
		{ VT_PINNED, ODP_REMOTE },
	};
	struct taking *t = takings;

	for (int way = 0; way < WAYS; way++)
		for (size_t i = 0; i < ARRAY_SIZE(variants); i++, t++) {
			/* the NIC keeps pinned pages, whatever happens to the mappings */
			if (variants[i].kind == VT_PINNED && way != DEREG)
				continue;
			*t = (struct taking){ variants[i], way };
			vt_test(quiet_after, t, "quiet_after_%s_%s_%s", ways[way],
				vt_kind_name[t->v.kind],
				t->v.side == ODP_LOCAL ? "local" : "remote");
		}
}

static void add_tests(void)
{
	odp_test(dontneed, "dontneed", ODP_ALL_SIDES);
	odp_test(advices, "advices", ODP_ALL_SIDES);
	odp_test(paged_out, "paged_out", ODP_ALL_SIDES);
	odp_test(read_then_written, "read_then_written", 1U << ODP_LOCAL | 1U << ODP_MESSAGE);
	odp_test(odd_addresses, "odd_addresses", ODP_ALL_SIDES);
	odp_test(remap_in_place, "remap_in_place", ODP_ALL_SIDES);
	odp_test(hole_then_mapped, "hole_then_mapped", ODP_ALL_SIDES);
	odp_test(moved, "moved", ODP_ALL_SIDES);
	odp_test(moved_leaving_mapping, "moved_leaving_mapping", ODP_ALL_SIDES);
	odp_test(shrunk_and_grown, "shrunk_and_grown", ODP_ALL_SIDES);
	odp_test(program_break, "program_break", ODP_ALL_SIDES);
	odp_test(protect_and_back, "protect_and_back", ODP_ALL_SIDES);
	odp_test(protected_in_midst, "protected_in_midst", ODP_ALL_SIDES);
	odp_test(traffic_beside_changes, "traffic_beside_changes", ODP_ALL_SIDES);
	odp_test(traffic_while_paging_out, "traffic_while_paging_out", ODP_ALL_SIDES);
	odp_test(traffic_while_splitting_mappings, "traffic_while_splitting_mappings",
		 ODP_ALL_SIDES);
	add_takings();
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
