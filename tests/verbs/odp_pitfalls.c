// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Known effects of on-demand paging on the wire (odp_pitfall.h): T1 tests packet damming,
 * T2 packet floods, T3 floods while pages are being dropped. Each request must complete as
 * soon as its fault is resolved. The caller checks the devices' counters (timeouts,
 * retransmits).
 */
#include "odp_pitfall.h"

#define DELAY_MS	300	/* duration of a fault; longer than the ACK timeout */
#define ACK_TIMEOUT	15	/* 134 ms */
#define SLACK_MS	(400 * vt_slowness())	/* for a busy or emulated machine */
#define TRIES		3	/* which may also stand still for a while */

static void need(enum vt_kind kind)
{
	vt_need_kind(vt_dev(0), kind, 0x1f);
	vt_need_kind(vt_dev(1), kind, 0x1f);
}

/* --- T1 --- */

static void damming(const void *arg)
{
	const struct odp_damming *d = arg;
	uint64_t took, most = DELAY_MS * (d->where == ODP_BOTH ? 2 : 1) + SLACK_MS;
	struct rc_attr attr = rc_attr_default;
	int tries = 0;

	need(d->kind);
	attr.timeout = ACK_TIMEOUT;
	do
		took = odp_damming_run(rc_pair_new(&attr), d);
	while (took >= most && ++tries < TRIES);
	vt_require(took < most, "took %llu ms", (unsigned long long)took);
}

/* --- T2 and T3 --- */

/* All QPs need a page at the same time: the same page, or each its own. */
static void flood(const void *arg)
{
	const struct odp_flood *flood = arg;
	struct odp_flooding *f;

	need(flood->kind);
	f = odp_flood_open(vt_dev(0), vt_dev(1), flood, ACK_TIMEOUT);
	for (unsigned int i = 0; i < 3 * vt_opts.rounds; i++)
		odp_flood_round(f);
	odp_flood_close(f);
}

/* --- all of them --- */

static void add_damming(void)
{
	static const unsigned int gaps[] = { 0, 1, 3, 10 };
	static const char *const words[] = { "", "requester", "responder", "both" };
	static struct odp_damming cases[64];
	size_t n = 0;

	for (enum odp_faulting where = ODP_REQUESTER; where <= ODP_BOTH; where++)
		for (size_t g = 0; g < ARRAY_SIZE(gaps); g++)
			for (int write = 0; write <= 1; write++) {
				struct odp_damming *d = &cases[n++];

				*d = (struct odp_damming){
					.kind = g % 2 ? VT_IMPLICIT : VT_ODP,
					.op = write ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
					.where = where,
					.gap_ms = gaps[g],
					.delay_ms = DELAY_MS,
				};
				vt_test(damming, d, "damming_%s_%s_gap_%u_ms",
					write ? "write" : "read", words[where], gaps[g]);
			}
}

static void add_floods(void)
{
	static const unsigned int qps[] = { 1, 16, 64, ODP_PITFALL_QPS };
	static struct odp_flood cases[32];
	size_t n = 0;

	for (size_t q = 0; q < ARRAY_SIZE(qps); q++)
		for (int same = 0; same <= 1; same++)
			for (int disturbed = 0; disturbed <= 1; disturbed++) {
				struct odp_flood *flood_case = &cases[n++];

				*flood_case = (struct odp_flood){
					.kind = same ? VT_ODP : VT_IMPLICIT,
					.qps = qps[q],
					.same_page = same,
					.disturbed = disturbed,
				};
				vt_test(flood, flood_case, "flood_%u_qps_%s%s", qps[q],
					same ? "one_page" : "a_page_each",
					disturbed ? "_disturbed" : "");
			}
}

static void add_tests(void)
{
	add_damming();
	add_floods();
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
