// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* What the provider registers, and that it refuses wrong answers of the kernel. */
#include <string.h>
#include <time.h>

#include "rig.h"

static void registration(void **state)
{
	const struct verbs_match_ent *match = fake.ops->match_table;

	(void)state;
	CHECK(!strcmp(fake.ops->name, "nopin"));
	CHECK(fake.ops->match_min_abi_version == NOPIN_ABI_VERSION);
	CHECK(fake.ops->match_max_abi_version == NOPIN_ABI_VERSION);
	CHECK(match[0].kind == VERBS_MATCH_DRIVER_ID);
	CHECK(match[0].u.driver_id == RDMA_DRIVER_NOPIN);
	CHECK(match[1].kind == VERBS_MATCH_SENTINEL);
}

static void unknown_response(void **state)
{
	(void)state;
	fake.context_resp.comp_mask = 1;
	CHECK(!fake_open());
	CHECK(errno == EPROTO);
}

static void bad_rings(void **state)
{
	struct rig *rig = *state;
	struct nopin_create_qp_resp good = fake.qp_resp;

	fake.qp_resp.sq.entries = 7;
	CHECK(!qp_create(rig, 0) && errno == EPROTO);
	fake.qp_resp = good;
	fake.qp_resp.sq.stride = FAKE_SEND_STRIDE - 8;
	CHECK(!qp_create(rig, 0) && errno == EPROTO);
	fake.qp_resp = good;
	fake.qp_resp.rq.size = 4096;
	fake.qp_resp.rq.entries = 64;
	CHECK(!qp_create(rig, 0) && errno == EPROTO);
	fake.qp_resp = good;
	CHECK(fake.destroyed == 3);
}

static void raw_clock(void **state)
{
	struct rig *rig = *state;
	struct ibv_values_ex values = {
		.comp_mask = IBV_VALUES_MASK_RAW_CLOCK,
	};
	uint64_t before, after;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	before = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	CHECK(!ibv_query_rt_values_ex(rig->context, &values));
	clock_gettime(CLOCK_REALTIME, &now);
	after = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;

	CHECK(values.comp_mask == IBV_VALUES_MASK_RAW_CLOCK);
	CHECK((uint64_t)values.raw_clock.tv_nsec >= before);
	CHECK((uint64_t)values.raw_clock.tv_nsec <= after);
}

/* What a parent domain only allows is taken; what the provider does not know is not. */
static void parent_domains(void **state)
{
	struct rig *rig = *state;
	struct ibv_parent_domain_init_attr attr = { .pd = rig->pd, .comp_mask = 1 << 2 };
	struct ibv_pd *parent = ibv_alloc_parent_domain(rig->context, &attr);

	CHECK(parent && !ibv_dealloc_pd(parent));
	attr.comp_mask = 1 << 3;
	CHECK(!ibv_alloc_parent_domain(rig->context, &attr) && errno == EINVAL);
	attr.comp_mask = IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS;
	CHECK(!ibv_alloc_parent_domain(rig->context, &attr) && errno == EINVAL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(registration),
		RIG_TEST(unknown_response),
		RIG_TEST(bad_rings),
		RIG_TEST(raw_clock),
		RIG_TEST(parent_domains),
	};

	return RIG_MAIN(argc, argv, tests);
}
