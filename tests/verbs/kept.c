// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The memory of packets that wait for a page which nobody serves: the QPs of one user take
 * no more than remains for others, and the QPs of others go on (kernel/qp/keep.c).
 *
 * Packets of UC show how many are kept, as a packet that is not kept is lost. QPs of one
 * device send them over lo.
 */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "greedy.h"
#include "odp_system.h"
#include "rc.h"

#define PAGE		4096UL
#define PACKETS		512	/* that a half of a QP keeps at most */
#define ANYBODY		65532
#define LOOPBACK	"/sys/module/nopin/parameters/loopback"

static unsigned int mtu;	/* the widest of the device */
static unsigned int most;	/* packets that a user's QPs may keep, if they were only data */

/* What has become of packets that came, but for those that were carried out. */
static long long outcome(const struct vt_dev *dev)
{
	return vt_counter(dev, "parked_packets") + vt_counter(dev, "drop_no_receive") +
	       vt_counter(dev, "drop_stale");
}

/* Pairs that write to memory of which no page is there. */
struct hole {
	struct vt_dev dev;	/* as the user has opened it */
	uint8_t *map, *from;
	size_t len;
	int uffd;
	struct rc_attr attr;
	struct rc_pair *pair;	/* the last */
	struct vt_mem *src, *mem;
};

static void hole_connect(struct hole *hole)
{
	hole->pair = rc_pair_between(&hole->dev, &hole->dev, &hole->attr);
	hole->src = vt_mem_at(hole->pair->a.pd, VT_ODP, hole->from, hole->len, VT_ACCESS_ALL);
	hole->mem = vt_mem_at(hole->pair->b.pd, VT_ODP, hole->map, hole->len, VT_ACCESS_ALL);
}

/* Root makes the hole, user @uid the pair. */
static void hole_open(struct hole *hole, unsigned int uid)
{
	hole->map = vt_map(hole->len, 0);
	hole->from = vt_map(hole->len, 0);
	vt_fill(hole->from, hole->len);
	hole->uffd = odp_uffd(hole->map, hole->len, UFFDIO_REGISTER_MODE_MISSING);
	greedy_become(uid);
	vt_dev_open(&hole->dev, vt_opts.device);
	hole_connect(hole);
}

/* Send a message; returns how many of its packets were kept. */
static unsigned int keep_some(struct hole *hole)
{
	const struct vt_dev *dev = &hole->dev;
	long long kept = vt_counter(dev, "parked_packets"), before = outcome(dev);
	uint64_t end = vt_now_ms() + vt_patience_ms() / 10;

	rc_do(&hole->pair->a, IBV_WR_RDMA_WRITE, hole->src, 0, hole->mem, 0, hole->len,
	      IBV_WC_SUCCESS);
	while (outcome(dev) - before < PACKETS && vt_now_ms() < end)
		;
	return vt_counter(dev, "parked_packets") - kept;
}

/* Fill one QP after the other, until one can keep nothing. */
static unsigned int all_kept(unsigned int uid)
{
	struct hole hole = { .attr = rc_attr_default, .len = PACKETS * mtu };
	unsigned int some, kept = 0;

	hole.attr.type = IBV_QPT_UC;
	hole.attr.mtu = mtu;
	hole_open(&hole, uid);
	do {
		some = keep_some(&hole);
		kept += some;
		hole_connect(&hole);
	} while (some && kept < most);
	return kept;
}

/* End the wait, and check the data. */
static void hole_fill(struct hole *hole)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)hole->map, hole->len } };

	vt_ok(ioctl(hole->uffd, UFFDIO_ZEROPAGE, &zero));
	vt_want(hole->pair->a.scq, 1, IBV_WC_SUCCESS);
	vt_require(!memcmp(hole->map, hole->from, hole->len), "data differ");
}

/*
 * As user @uid, on a reliable connection: packets wait for a page longer than their peer
 * repeats requests. @keeps: may they be kept? If not, the peer is asked to wait.
 */
static int goes_on(unsigned int uid, bool keeps)
{
	struct hole hole = { .attr = rc_attr_default, .len = 16 * PAGE };
	long long kept, naks;

	hole.attr.mtu = mtu;
	hole.attr.timeout = 14;	/* 67 ms */
	hole.attr.retry_cnt = 3;
	hole_open(&hole, uid);
	rc_works(hole.pair);
	kept = vt_counter(&hole.dev, "parked_packets");
	naks = vt_counter(&hole.dev, "rnr_naks_sent");
	rc_start(&hole.pair->a, IBV_WR_RDMA_WRITE, 1, hole.src, 0, hole.mem, 0, hole.len);
	odp_uffd_wait(hole.uffd);
	vt_sleep_ms(1000);
	kept = vt_counter(&hole.dev, "parked_packets") - kept;
	naks = vt_counter(&hole.dev, "rnr_naks_sent") - naks;
	vt_require(keeps ? kept && !naks : naks && !kept, "%lld packets kept, %lld RNR NAKs",
		   kept, naks);
	hole_fill(&hole);
	rc_works(hole.pair);
	return 0;
}

static void as_user(unsigned int uid, bool keeps, const char *who)
{
	pid_t pid = vt_fork();

	if (!pid)
		_exit(goes_on(uid, keeps));
	vt_require(!vt_wait_child(pid, vt_patience_ms()), "%s does not go on", who);
}

static bool is_about(unsigned int got, unsigned int want)
{
	return got > want - want / 10 && got < want + want / 10;
}

static void bounded_for_a_user(const void *arg)
{
	unsigned int first, second, again, mtus[5];
	struct sysinfo machine;
	pid_t pids[2];

	(void)arg;
	vt_need_kind(vt_dev(0), VT_ODP, 0x1f);
	odp_set(LOOPBACK, "N");
	mtu = mtus[rc_mtus(mtus) - 1];
	vt_ok(sysinfo(&machine));
	/* A sixteenth for all, half of that for the first user, half of the rest for the next. */
	most = (uint64_t)machine.totalram * machine.mem_unit / 32 / mtu;
	pids[0] = greedy_fork(NOBODY, all_kept, &first);
	vt_require(first < most, "one user's QPs keep %u packets", first);
	pids[1] = greedy_fork(SOMEBODY, all_kept, &second);
	vt_note("one user's QPs keep %u packets, then another's %u", first, second);
	as_user(ANYBODY, true, "a user with few packets");
	as_user(NOBODY, false, "the user who has too many");
	for (int i = 0; i < 2; i++)
		greedy_end(pids[i]);
	vt_require(is_about(second, first / 2), "%u packets of one user, then %u of another",
		   first, second);
	pids[0] = greedy_fork(NOBODY, all_kept, &again);
	greedy_end(pids[0]);
	vt_require(is_about(again, first), "%u packets, and later %u", first, again);
}

static void add_tests(void)
{
	VT_TEST(bounded_for_a_user);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
