// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_rereg_mr() on on-demand regions: it changes rights, addresses and PD, one by one and
 * together, also under traffic. A call that fails must change nothing.
 */
#include <sys/mman.h>

#include "odp_bench.h"

#define ODP_ACCESS	(VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)
#define NO_WRITE	(IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND)

static int rereg(struct odp_bench *b, int flags, struct ibv_pd *pd, void *addr, size_t len,
		 int access)
{
	return ibv_rereg_mr(b->mem->mr, flags, pd, addr, len, access);
}

/* Set the address at which the bench accesses its region from now on. */
static void moved_to(struct odp_bench *b, uint8_t *addr)
{
	b->mem->addr = addr;
	b->mem->iova = (uintptr_t)addr;
}

static struct odp_bench fresh_bench(const void *arg)
{
	return odp_bench(arg, vt_map(LEN, 0), LEN);
}

static void rights_taken_and_given(const void *arg)
{
	struct odp_bench b = fresh_bench(arg);
	uint8_t *want;

	for (int i = 0; i < 3; i++) {
		odp_check(&b);
		want = odp_copy_of(b.mem->addr, LEN);
		vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, NO_WRITE));
		odp_check_get(&b);
		odp_put_fails(&b, 0, LEN);
		vt_require(!memcmp(b.mem->addr, want, LEN), "written without the right");
		vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, ODP_ACCESS));
		odp_reconnect(&b);
	}
	odp_check(&b);
}

/*
 * After a change of addresses the old ones are outside of the region. An implicit region
 * becomes explicit.
 */
static void other_addresses(const void *arg)
{
	struct odp_bench b = fresh_bench(arg);
	uint8_t *old = b.mem->addr, *new = vt_map(LEN, 0), *want;

	odp_check(&b);
	want = odp_copy_of(old, LEN);
	vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_TRANSLATION, NULL, new, LEN, 0));
	moved_to(&b, new);
	odp_check(&b);
	vt_require(!memcmp(old, want, LEN), "the put reached the old memory");
	moved_to(&b, old);
	odp_put_fails(&b, 0, 8);
	odp_reconnect(&b);
	odp_get_fails(&b, LEN - 8, 8);
	vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_TRANSLATION, NULL, old, LEN / 2, 0));
	odp_reconnect(&b);
	odp_check_at(&b, 0, LEN / 2, old);
	odp_put_fails(&b, LEN / 2, 1);
}

static void other_pd(const void *arg)
{
	struct odp_bench b = fresh_bench(arg);
	struct rc_end *end = odp_mem_end(&b);
	struct ibv_pd *pd = ibv_alloc_pd(end->dev->ctx);

	vt_require(pd, "alloc_pd: %s", strerror(errno));
	vt_defer(vt_free_pd, pd);
	odp_check(&b);
	vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_PD, pd, NULL, 0, 0));
	odp_put_fails(&b, 0, LEN);
	odp_reconnect(&b);
	odp_get_fails(&b, 0, 8);
	vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_PD, end->pd, NULL, 0, 0));
	odp_reconnect(&b);
	odp_check(&b);
}

static void all_at_once(const void *arg)
{
	const int flags = IBV_REREG_MR_CHANGE_TRANSLATION | IBV_REREG_MR_CHANGE_PD |
			  IBV_REREG_MR_CHANGE_ACCESS;
	struct odp_bench b = fresh_bench(arg);
	struct rc_end *end = odp_mem_end(&b);
	struct ibv_pd *pd = ibv_alloc_pd(end->dev->ctx);
	uint8_t *new = vt_map(LEN, 0);

	vt_require(pd, "alloc_pd: %s", strerror(errno));
	vt_defer(vt_free_pd, pd);
	vt_ok(rereg(&b, flags, pd, new, LEN, NO_WRITE));
	moved_to(&b, new);
	odp_get_fails(&b, 0, 8);
	odp_reconnect(&b);
	vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_PD, end->pd, NULL, 0, 0));
	odp_check_get(&b);
	odp_put_fails(&b, 0, 8);
	odp_reconnect(&b);
	vt_ok(rereg(&b, flags, end->pd, new + PAGE, LEN - PAGE, ODP_ACCESS));
	moved_to(&b, new + PAGE);
	odp_check_at(&b, 0, LEN - PAGE, new + PAGE);
}

/* From on demand to pinned and back. */
static void pinned_and_back(const void *arg)
{
	struct odp_bench b = fresh_bench(arg);

	odp_check(&b);
	vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_TRANSLATION | IBV_REREG_MR_CHANGE_ACCESS, NULL,
		    b.mem->addr, LEN, VT_ACCESS_ALL));
	odp_check(&b);
	if (odp_pins(odp_mem_end(&b)->dev))
		vt_require(vt_status_kib("VmPin") >= (long)(LEN / KIB), "it was not pinned");
	vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, ODP_ACCESS));
	vt_require(vt_status_kib("VmPin") == 0, "it is still pinned");
	odp_check(&b);
	vt_ok(madvise(b.mem->addr, LEN, MADV_DONTNEED));
	odp_check_zeros(&b, 0, LEN);
	odp_check(&b);
}

/* A call that is refused changes nothing. */
static void refused(const void *arg)
{
	struct odp_bench b = fresh_bench(arg);
	const int trans = IBV_REREG_MR_CHANGE_TRANSLATION;

	odp_check(&b);
	vt_require(rereg(&b, 0, NULL, NULL, 0, 0), "no flags");
	vt_require(rereg(&b, 1 << 7, NULL, NULL, 0, 0), "an unknown flag");
	vt_require(rereg(&b, trans, NULL, NULL, LEN, 0), "no address");
	vt_require(rereg(&b, trans, NULL, b.mem->addr, 0, 0), "no bytes");
	vt_require(rereg(&b, trans, NULL, b.mem->addr, SIZE_MAX - 4 * PAGE, 0), "it wraps");
	vt_require(rereg(&b, trans, NULL, (void *)0xffff888000000000, PAGE, 0),
		   "kernel memory");
	vt_require(rereg(&b, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
			 IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_ON_DEMAND),
		   "remote without local write");
	vt_require(rereg(&b, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, ODP_ACCESS | 1 << 15),
		   "unknown rights");
	odp_check(&b);
}

static void disturb_rereg(struct odp_disturber *d)
{
	struct odp_bench *b = &d->bench;

	vt_ok(rereg(b, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
		    ODP_ACCESS & ~IBV_ACCESS_REMOTE_ATOMIC));
	vt_ok(rereg(b, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, ODP_ACCESS));
}

/* During traffic, add and remove rights that the traffic does not need. */
static void traffic_while_rights_change(const void *arg)
{
	struct odp_bench b = fresh_bench(arg);
	struct odp_disturber d = { .disturb = disturb_rereg };

	odp_traffic_while(&b, d);
}

/* After the right to write is removed, the NIC must not write any more. */
static void quiet_after(const void *arg)
{
	for (unsigned int i = 0; i < 3 * vt_opts.rounds; i++) {
		struct odp_bench b = fresh_bench(arg);
		uint8_t *then = vt_map(LEN, 0);
		struct odp_hammer h;

		odp_hammer_start(&h, &b);
		vt_sleep_ms(vt_below(10));
		vt_ok(rereg(&b, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, NO_WRITE));
		memcpy(then, b.mem->addr, LEN);
		vt_sleep_ms(20);
		vt_require(odp_hammer_dies(&h), "the puts went on");
		vt_require(!memcmp(then, b.mem->addr, LEN), "the NIC still writes");
	}
}

static void add_tests(void)
{
	odp_test(rights_taken_and_given, "rights_taken_and_given", ODP_ALL_SIDES);
	odp_test(other_addresses, "other_addresses", ODP_ALL_SIDES);
	odp_test(other_pd, "other_pd", ODP_ALL_SIDES);
	odp_test(all_at_once, "all_at_once", ODP_ALL_SIDES);
	odp_test(pinned_and_back, "pinned_and_back", ODP_RDMA_SIDES);
	odp_test(refused, "refused", ODP_RDMA_SIDES);
	odp_test(traffic_while_rights_change, "traffic_while_rights_change", ODP_RDMA_SIDES);
	odp_test(quiet_after, "quiet_after", ODP_RDMA_SIDES);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
