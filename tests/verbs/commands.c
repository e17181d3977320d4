// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Commands that no library would send: unknown driver data, absurd sizes, mappings of other
 * contexts, random bytes. Each must fail with an errno, and the device must go on working.
 */
#include <sys/mman.h>

#include "commands.h"

/* --- driver data --- */

/* Check that the call refuses a nonzero byte in any 4 bytes of @len bytes of driver data. */
#define expect_zero_only(call, len, what)					\
	do {									\
		for (size_t at_ = 0; at_ < (len); at_ += 4) {			\
			uint8_t driver[128] = { };				\
										\
			driver[at_ + vt_below(4)] = 1 << vt_below(8);		\
			vt_require(call, "%s: driver data at %zu taken", what, at_); \
		}								\
	} while (0)

static void unknown_context_data(const void *arg)
{
	int fd = open_file();

	(void)arg;
	need_nopin();
	expect_zero_only(get_context(fd, driver, 64), 64, "get_context");
	vt_ok(get_context(fd, zeros, 64));
	vt_require(get_context(fd, zeros, 8), "a second context");
}

static void unknown_object_data(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	int fd = pair->a.dev->ctx->cmd_fd;
	void *map = vt_map(PAGE, 0);

	(void)arg;
	need_nopin();
	expect_zero_only(alloc_pd(fd, driver, 32), 32, "alloc_pd");
	expect_zero_only(create_cq(fd, driver, 32), 32, "create_cq");
	expect_zero_only(create_qp(&pair->a, driver, 64), 64, "create_qp");
	expect_zero_only(reg_mr(&pair->a, map, driver, 32), 32, "reg_mr");
	vt_ok(alloc_pd(fd, zeros, 32));
	vt_ok(create_cq(fd, zeros, 32));
	vt_ok(create_qp(&pair->a, zeros, 64));
	vt_ok(reg_mr(&pair->a, map, zeros, 32));
	rc_works(pair);
}

/* The handle of the object that the last command made: each response begins with it. */
static uint32_t made(int err)
{
	uint32_t handle;

	vt_ok(err);
	memcpy(&handle, response, sizeof(handle));
	return handle;
}

/* Commands that destroy objects refuse driver data, too. */
static void unknown_end_data(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	int fd = pair->a.dev->ctx->cmd_fd;
	uint32_t handle;

	(void)arg;
	need_nopin();
	handle = made(alloc_pd(fd, zeros, 0));
	expect_zero_only(dealloc_pd(fd, handle, driver, 32), 32, "dealloc_pd");
	vt_ok(dealloc_pd(fd, handle, zeros, 32));
	handle = made(create_cq(fd, zeros, 32));
	expect_zero_only(destroy_cq(fd, handle, driver, 32), 32, "destroy_cq");
	vt_ok(destroy_cq(fd, handle, zeros, 32));
	handle = made(create_qp(&pair->a, zeros, 64));
	expect_zero_only(destroy_qp(fd, handle, driver, 32), 32, "destroy_qp");
	vt_ok(destroy_qp(fd, handle, zeros, 32));
	handle = made(reg_mr(&pair->a, vt_map(PAGE, 0), zeros, 32));
	expect_zero_only(dereg_mr(fd, handle, driver, 32), 32, "dereg_mr");
	vt_ok(dereg_mr(fd, handle, zeros, 32));
	rc_works(pair);
}

/* Too little driver data, or too little room for the response. */
static void short_commands(const void *arg)
{
	struct rc_pair *pair = rc_pair();

	(void)arg;
	need_nopin();
	for (size_t len = 0; len < 16; len += 4) {
		int fd = open_file();

		get_context(fd, zeros, len);
		create_cq(fd, zeros, len);
		create_qp(&pair->a, zeros, len);
	}
	rc_works(pair);
}

/* --- posting without the rings --- */

/* Work requests in the command itself: nopin takes them only from the rings. */
static void post_by_command(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct ib_uverbs_send_wr wrs[2] = { };
	struct command cmd;

	(void)arg;
	need_nopin();
	for (int i = 0; i < 200; i++) {
		cmd = (struct command){
			.post = {
				.response = (uintptr_t)response,
				.qp_handle = pair->a.qp->handle,
				.wr_count = vt_chance(50) ? 1 : vt_rand(),
				.sge_count = vt_chance(50) ? 0 : vt_rand(),
				.wqe_size = vt_chance(50) ? sizeof(wrs[0]) : vt_rand(),
			},
		};
		vt_fill(wrs, sizeof(wrs));
		wrs[0].num_sge = vt_chance(50) ? 0 : wrs[0].num_sge;
		wrs[0].opcode %= 16;
		vt_require(command_send(pair->a.dev->ctx->cmd_fd, &cmd,
					IB_USER_VERBS_CMD_POST_SEND, sizeof(cmd.post),
					wrs, sizeof(wrs)) ||
			   !cmd.post.wr_count, "work requests in a command were taken");
	}
	rc_works(pair);
}

/* --- absurd sizes --- */

static void try_caps(struct rc_end *end, struct ibv_qp_cap cap, const char *what)
{
	struct ibv_qp_init_attr init = {
		.send_cq = end->scq, .recv_cq = end->rcq,
		.qp_type = IBV_QPT_RC, .cap = cap,
	};
	struct ibv_qp *qp = ibv_create_qp(end->pd, &init);

	vt_require(!qp, "a QP with %s", what);
}

static void absurd_qps(const void *arg)
{
	static const uint32_t absurd[] = { 1U << 31, UINT32_MAX, 0x7fffffff, 1U << 26 };
	struct rc_pair *pair = rc_pair();

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(absurd); i++) {
		uint32_t n = absurd[i];

		try_caps(&pair->a, (struct ibv_qp_cap){ n, 1, 1, 1, 0 }, "max_send_wr");
		try_caps(&pair->a, (struct ibv_qp_cap){ 1, n, 1, 1, 0 }, "max_recv_wr");
		try_caps(&pair->a, (struct ibv_qp_cap){ 1, 1, n, 1, 0 }, "max_send_sge");
		try_caps(&pair->a, (struct ibv_qp_cap){ 1, 1, 1, n, 0 }, "max_recv_sge");
		try_caps(&pair->a, (struct ibv_qp_cap){ 1, 1, 1, 1, n }, "max_inline_data");
		try_caps(&pair->a, (struct ibv_qp_cap){ n, n, n, n, n }, "everything");
	}
	rc_works(pair);
}

/* The device can create a QP of the largest size that it reports. */
static void largest_qp(const void *arg)
{
	const struct ibv_device_attr *dev = &vt_dev(0)->attr.orig_attr;
	struct rc_attr attr = rc_attr_default;

	(void)arg;
	attr.wr = dev->max_qp_wr;
	attr.sge = dev->max_sge;
	attr.inline_len = 0;
	attr.cqe = 64;
	rc_works(rc_pair_new(&attr));
	try_caps(&rc_pair()->a, (struct ibv_qp_cap){ dev->max_qp_wr + 1, 1, 1, 1, 0 },
		 "one request too many");
	try_caps(&rc_pair()->a, (struct ibv_qp_cap){ 1, 1, dev->max_sge + 1, 1, 0 },
		 "one element too many");
}

/* More elements than the QP was created for. */
static void too_many_elements(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	struct ibv_sge sge[100];
	struct vt_wr wr;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(sge); i++)
		sge[i] = vt_sge(mem, 0, 1);
	vt_wr_init(&wr, IBV_WR_SEND, 1);
	wr.wr.sg_list = sge;
	wr.wr.num_sge = ARRAY_SIZE(sge);
	vt_require(rc_post(&pair->a, &wr), "100 elements sent");
	vt_require(rc_post_recv(&pair->a, 1, sge, ARRAY_SIZE(sge)), "100 elements received");
	rc_works(pair);
}

/* --- mappings --- */

static bool can_map(int fd, uint64_t page, size_t len)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page * PAGE);

	if (map == MAP_FAILED)
		return false;
	munmap(map, len);
	return true;
}

/* The rings of one context cannot be mapped through another. */
static void rings_are_private(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	int own = pair->a.dev->ctx->cmd_fd, other = open_file();

	(void)arg;
	need_nopin();
	vt_require(!can_map(other, 0, PAGE), "a mapping without a context");
	vt_ok(get_context(other, zeros, 8));
	for (uint64_t page = 0; page < 2000; page++) {
		vt_require(!can_map(other, page, PAGE), "page %llu was mapped",
			   (unsigned long long)page);
		vt_require(!can_map(own, page, 1 * GIB), "1 GiB was mapped at %llu",
			   (unsigned long long)page);
	}
	for (int i = 0; i < 1000; i++)
		vt_require(!can_map(other, vt_rand() >> 13, PAGE << vt_below(10)),
			   "a random page was mapped");
	rc_works(pair);
}

/* --- noise --- */

static void noise(struct command *cmd, size_t len)
{
	uint32_t *word = (uint32_t *)cmd->raw;

	for (size_t i = 0; i < len / 4; i++) {
		switch (vt_below(6)) {
		case 0:
			word[i] = vt_rand();
			break;
		case 1:
			word[i] = vt_below(64);
			break;
		case 2:
			word[i] = 1U << vt_below(32);
			break;
		default:
			word[i] = 0;
		}
	}
	if (vt_chance(90))
		cmd->post.response = (uintptr_t)response;
}

/* Send thousands of random commands; each may succeed or fail with any errno. */
static void random_commands(const void *arg)
{
	struct command cmd;

	(void)arg;
	need_nopin();
	for (unsigned int round = 0; round < 10 * vt_opts.rounds; round++) {
		int fd = open_file();

		vt_ok(get_context(fd, zeros, 8));
		alloc_pd(fd, zeros, 0);
		create_cq(fd, zeros, 0);
		for (int i = 0; i < 500; i++) {
			size_t len = 4 * vt_below(64);
			uint32_t number = vt_below(IB_USER_VERBS_CMD_OPEN_QP + 8);

			noise(&cmd, len);
			command_send(fd, &cmd, number, len, zeros, 4 * vt_below(8));
		}
		vt_release((void *)(intptr_t)fd);
	}
	rc_works(rc_pair());
}

static void add_tests(void)
{
	VT_TEST(unknown_context_data);
	VT_TEST(unknown_object_data);
	VT_TEST(unknown_end_data);
	VT_TEST(short_commands);
	VT_TEST(post_by_command);
	VT_TEST(absurd_qps);
	VT_TEST(largest_qp);
	VT_TEST(too_many_elements);
	VT_TEST(rings_are_private);
	VT_TEST(random_commands);
	commands_responses_add();
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
