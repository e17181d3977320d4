// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The costs of pages that are mapped for a DMA engine, and of moves into a NIC's own memory.
 * Each test measures two things side by side, prints medians and their ratio, and fails when
 * the ratio is out of bounds, as odp_cost does. The engine is the one that the device finds
 * (tests/kernel/nopin_dma.c makes two kinds); `copy` is restored at the end.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cost.h"
#include "nic.h"
#include "nopindv.h"
#include "rc.h"

#define PAGE	4096UL
#define ROUNDS	20
#define PAGES	32UL		/* a round */
#define SAMPLES	(ROUNDS * PAGES)

/* --- the device's engine --- */

static int copy_by(const struct vt_dev *dev, const char *what)
{
	int fd = openat(dev->counters, "../../../copy", O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		fd = openat(dev->counters, "../copy", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, what, strlen(what)) < 0)
		ret = errno;
	close(fd);
	return ret;
}

static void copy_by_cpu(void *dev)
{
	copy_by(dev, "cpu");
}

static void need_engine(struct vt_dev *dev)
{
	int ret = copy_by(dev, "dma");

	if (ret)
		vt_skip("copy=dma: %s", strerror(ret));
	vt_defer(copy_by_cpu, dev);
}

/* --- an entry that is mapped for the engine, and one that is not --- */

struct page_costs {
	double fault[SAMPLES];	/* of a short WRITE to a cold page, less one to a warm page */
	double map[SAMPLES];	/* of the first WRITE that is long enough for the engine,
				 * less the second
				 */
	double taken[SAMPLES];	/* of MADV_DONTNEED of one page */
};

/* The length of WRITEs that the engine copies: NOPIN_DMA_BYTES for one that is slow. */
static size_t copy_len(size_t most)
{
	const char *bytes = getenv("NOPIN_DMA_BYTES");

	return bytes ? vt_number(bytes, 64, most) : most;
}

static double write_ns(struct rc_pair *pair, const struct vt_mem *src,
		       const struct vt_mem *dst, size_t off, size_t len)
{
	uint64_t start = vt_now_ns();

	rc_do(&pair->a, IBV_WR_RDMA_WRITE, src, 0, dst, off, len, IBV_WC_SUCCESS);
	return vt_now_ns() - start;
}

/* First, the engine's threads come to rest. */
static double drop_ns(uint8_t *page)
{
	uint64_t start;

	vt_sleep_ms(1);
	start = vt_now_ns();
	vt_ok(madvise(page, PAGE, MADV_DONTNEED));
	return vt_now_ns() - start;
}

static void round_of(struct page_costs *costs, size_t i, struct rc_pair *pair,
		     const struct vt_mem *src, const struct vt_mem *dst)
{
	size_t len = copy_len(PAGE);
	double first;

	for (size_t page = 0; page < PAGES; page++, i++) {
		first = write_ns(pair, src, dst, page * PAGE, 64);
		costs->fault[i] = first - write_ns(pair, src, dst, page * PAGE, 64);
		first = write_ns(pair, src, dst, page * PAGE, len);
		costs->map[i] = first - write_ns(pair, src, dst, page * PAGE, len);
		vt_require(!memcmp(dst->addr + page * PAGE, src->addr, len), "data differ");
		costs->taken[i] = drop_ns(dst->addr + page * PAGE);
	}
}

static void mapped_entry(const void *arg)
{
	static const char *const by[] = { "cpu", "dma" };
	static struct page_costs costs[2];
	struct rc_pair *pair = rc_pair();
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_at(pair->b.pd, VT_ODP, nic_small_pages(PAGES * PAGE),
				       PAGES * PAGE, VT_ACCESS_ALL);
	double fault, map, taken[2];

	(void)arg;
	need_engine(pair->b.dev);
	vt_fill(src->addr, PAGE);
	for (size_t i = 0; i < SAMPLES; i += PAGES)
		for (int k = 0; k < 2; k++) {
			vt_ok(copy_by(pair->b.dev, by[k]));
			round_of(&costs[k], i, pair, src, dst);
		}
	fault = cost_median(costs[0].fault, SAMPLES);
	map = cost_median(costs[1].map, SAMPLES);
	for (int k = 0; k < 2; k++)
		taken[k] = cost_median(costs[k].taken, SAMPLES);
	vt_note("a fault: %.0f ns; mapping its page for the engine: %.0f ns, ratio %.2f", fault,
		map, map / fault);
	vt_note("MADV_DONTNEED of a page: plain %.0f ns, mapped %.0f ns, ratio %.2f",
		taken[0], taken[1], taken[1] / taken[0]);
	vt_require(map / fault <= 2 * cost_slack(), "a mapping costs too much");
	vt_require(taken[1] / taken[0] <= 3 * cost_slack(), "an unmapping costs too much");
}

/* --- an invalidation while the engine copies --- */

#define COPY_LEN	(32 * PAGE)

/* MADV_DONTNEED of all that a WRITE has begun to fill; -1: the WRITE had ended before. */
static double interrupt_ns(struct rc_pair *pair, const struct vt_mem *src,
			   const struct vt_mem *dst, size_t len)
{
	uint64_t start, took;
	struct ibv_wc wc;
	bool late;

	memset(dst->addr, 1, len);
	rc_start(&pair->a, IBV_WR_RDMA_WRITE, 1, src, 0, dst, 0, len);
	late = ibv_poll_cq(pair->a.scq, 1, &wc);
	start = vt_now_ns();
	vt_ok(madvise(dst->addr, len, MADV_DONTNEED));
	took = vt_now_ns() - start;
	if (!late)
		vt_want(pair->a.scq, 1, IBV_WC_SUCCESS);
	return late ? -1.0 : (double)took;
}

static double quiet_ns(struct rc_pair *pair, const struct vt_mem *src,
		       const struct vt_mem *dst, size_t len)
{
	uint64_t start;

	memset(dst->addr, 1, len);
	rc_do(&pair->a, IBV_WR_RDMA_WRITE, src, 0, dst, 0, len, IBV_WC_SUCCESS);
	start = vt_now_ns();
	vt_ok(madvise(dst->addr, len, MADV_DONTNEED));
	return vt_now_ns() - start;
}

static void copy_in_flight(const void *arg)
{
	static double quiet[ROUNDS], busy[ROUNDS], copy[ROUNDS];
	struct rc_pair *pair = rc_pair();
	struct vt_mem *src = vt_mem_new(pair->a.pd, VT_PINNED, COPY_LEN, VT_ACCESS_ALL);
	struct vt_mem *dst = vt_mem_at(pair->b.pd, VT_ODP, nic_small_pages(COPY_LEN),
				       COPY_LEN, VT_ACCESS_ALL);
	size_t len = copy_len(COPY_LEN), n = 0;
	double alone, whole;
	uint64_t start;

	(void)arg;
	need_engine(pair->b.dev);
	vt_fill(src->addr, len);
	for (size_t i = 0; i < ROUNDS; i++) {
		quiet[i] = quiet_ns(pair, src, dst, len);
		start = vt_now_ns();
		rc_do(&pair->a, IBV_WR_RDMA_WRITE, src, 0, dst, 0, len, IBV_WC_SUCCESS);
		copy[i] = vt_now_ns() - start;
		busy[n] = interrupt_ns(pair, src, dst, len);
		n += busy[n] >= 0;
	}
	if (!n)
		vt_skip("the engine is too fast to be interrupted");
	alone = cost_median(quiet, ROUNDS);
	whole = cost_median(copy, ROUNDS);
	vt_note("MADV_DONTNEED of %zu bytes: %.0f ns; while the engine copies into them, which takes %.0f ns: %.0f ns (%zu of %u times)",
		len, alone, whole, cost_median(busy, n), n, ROUNDS);
	vt_require(cost_median(busy, n) <= 2 * cost_slack() * (alone + whole),
		   "an invalidation waits for more than the copy");
}

/* --- a page's way into the NIC's memory, and to another NUMA node --- */

static double to_nic_ns(struct ibv_pd *pd, uint8_t *mem, bool to_device)
{
	uint64_t start = vt_now_ns();

	vt_ok(nopindv_migrate(pd, mem, PAGES * PAGE, to_device));
	return (double)(vt_now_ns() - start) / PAGES;
}

static double to_node_ns(uint8_t *mem, int node)
{
	int nodes[PAGES], status[PAGES];
	void *pages[PAGES];
	uint64_t start;

	for (size_t i = 0; i < PAGES; i++) {
		pages[i] = mem + i * PAGE;
		nodes[i] = node;
	}
	start = vt_now_ns();
	vt_require(!syscall(SYS_move_pages, 0, PAGES, pages, nodes, status, 2 /* MPOL_MF_MOVE */),
		   "move_pages: %s", strerror(errno));
	return (double)(vt_now_ns() - start) / PAGES;
}

static double touch_back_ns(struct ibv_pd *pd, volatile uint8_t *mem)
{
	uint64_t start;

	vt_ok(nopindv_migrate(pd, (void *)mem, PAGES * PAGE, true));
	start = vt_now_ns();
	for (size_t i = 0; i < PAGES; i++)
		mem[i * PAGE]++;
	return (double)(vt_now_ns() - start) / PAGES;
}

static void moves(const void *arg)
{
	static double in[ROUNDS], out[ROUNDS], back[ROUNDS], node[2 * ROUNDS];
	struct vt_dev *dev = vt_dev(0);
	struct ibv_pd *pd = vt_new_pd(dev->ctx);
	uint8_t *mem = nic_small_pages(PAGES * PAGE);
	double cpu;

	(void)arg;
	if (access("/sys/devices/system/node/node1", F_OK))
		vt_skip("the machine has one NUMA node (numa=fake=2 makes two)");
	nic_set_memory(dev, MIB);
	memset(mem, 1, PAGES * PAGE);
	to_node_ns(mem, 0);
	for (size_t i = 0; i < ROUNDS; i++) {
		node[2 * i] = to_node_ns(mem, 1);
		node[2 * i + 1] = to_node_ns(mem, 0);
		in[i] = to_nic_ns(pd, mem, true);
		out[i] = to_nic_ns(pd, mem, false);
		back[i] = touch_back_ns(pd, mem);
	}
	cpu = cost_median(node, 2 * ROUNDS);
	vt_note("a page to another node by move_pages(): %.0f ns; into the NIC's memory %.2f, out of it %.2f, back by a touch %.2f of that",
		cpu, cost_median(in, ROUNDS) / cpu, cost_median(out, ROUNDS) / cpu,
		cost_median(back, ROUNDS) / cpu);
	vt_require(cost_median(in, ROUNDS) / cpu <= 4 * cost_slack(), "the way in costs too much");
	vt_require(cost_median(out, ROUNDS) / cpu <= 4 * cost_slack(), "the way out costs too much");
}

static void add_tests(void)
{
	VT_TEST(mapped_entry);
	VT_TEST(copy_in_flight);
	VT_TEST(moves);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
