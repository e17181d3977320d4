// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Commands that no library would send: unknown driver data, absurd sizes, mappings of other
 * contexts, random bytes. Each must fail with an errno, and the device must go on working.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <rdma/ib_user_verbs.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mw.h"
#include "odp_system.h"
#include "rc.h"

#define PAGE	4096UL

/* --- commands written by hand --- */

/* A write() command: its header, the core's part, the driver's part. */
struct command {
	struct ib_uverbs_cmd_hdr hdr;
	union {
		struct ib_uverbs_get_context context;
		struct ib_uverbs_alloc_pd pd;
		struct ib_uverbs_create_cq cq;
		struct ib_uverbs_create_qp qp;
		struct ib_uverbs_reg_mr mr;
		struct ib_uverbs_post_send post;
		struct ib_uverbs_dealloc_pd dealloc_pd;
		struct ib_uverbs_destroy_cq destroy_cq;
		struct ib_uverbs_destroy_qp destroy_qp;
		struct ib_uverbs_dereg_mr dereg_mr;
		uint8_t raw[512];
	};
};

static uint8_t response[1024];

static int command_send(int fd, struct command *cmd, uint32_t number, size_t core,
			const void *driver, size_t driver_len)
{
	size_t len = sizeof(cmd->hdr) + core + driver_len;

	cmd->hdr.command = number;
	cmd->hdr.in_words = len / 4;
	cmd->hdr.out_words = sizeof(response) / 4;
	memcpy(cmd->raw + core, driver, driver_len);
	return write(fd, cmd, len) == (ssize_t)len ? 0 : errno;
}

static void close_fd(void *obj)
{
	close((int)(intptr_t)obj);
}

/* Open the device's file; it has no context yet. */
static int open_file(void)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/dev/infiniband/%s",
		 vt_dev(0)->ctx->device->dev_name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	vt_require(fd >= 0, "%s: %s", path, strerror(errno));
	vt_defer(close_fd, (void *)(intptr_t)fd);
	return fd;
}

static int get_context(int fd, const void *driver, size_t len)
{
	struct command cmd = { .context.response = (uintptr_t)response };

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_GET_CONTEXT,
			    sizeof(cmd.context), driver, len);
}

static int alloc_pd(int fd, const void *driver, size_t len)
{
	struct command cmd = { .pd.response = (uintptr_t)response };

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_ALLOC_PD, sizeof(cmd.pd),
			    driver, len);
}

static int create_cq(int fd, const void *driver, size_t len)
{
	struct command cmd = {
		.cq = { .response = (uintptr_t)response, .cqe = 16, .comp_channel = -1 },
	};

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_CREATE_CQ, sizeof(cmd.cq),
			    driver, len);
}

/* Create a QP on the context of @end, with the handles of its PD and CQs. */
static int create_qp(struct rc_end *end, const void *driver, size_t len)
{
	struct command cmd = {
		.qp = {
			.response = (uintptr_t)response,
			.pd_handle = end->pd->handle,
			.send_cq_handle = end->scq->handle,
			.recv_cq_handle = end->rcq->handle,
			.max_send_wr = 4, .max_recv_wr = 4,
			.max_send_sge = 1, .max_recv_sge = 1,
			.qp_type = IBV_QPT_RC,
		},
	};

	return command_send(end->dev->ctx->cmd_fd, &cmd, IB_USER_VERBS_CMD_CREATE_QP,
			    sizeof(cmd.qp), driver, len);
}

static int reg_mr(struct rc_end *end, void *addr, const void *driver, size_t len)
{
	struct command cmd = {
		.mr = {
			.response = (uintptr_t)response,
			.start = (uintptr_t)addr,
			.length = PAGE,
			.hca_va = (uintptr_t)addr,
			.pd_handle = end->pd->handle,
			.access_flags = IBV_ACCESS_LOCAL_WRITE,
		},
	};

	return command_send(end->dev->ctx->cmd_fd, &cmd, IB_USER_VERBS_CMD_REG_MR,
			    sizeof(cmd.mr), driver, len);
}

static int dealloc_pd(int fd, uint32_t handle, const void *driver, size_t len)
{
	struct command cmd = { .dealloc_pd.pd_handle = handle };

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_DEALLOC_PD, sizeof(cmd.dealloc_pd),
			    driver, len);
}

static int destroy_cq(int fd, uint32_t handle, const void *driver, size_t len)
{
	struct command cmd = {
		.destroy_cq = { .response = (uintptr_t)response, .cq_handle = handle },
	};

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_DESTROY_CQ, sizeof(cmd.destroy_cq),
			    driver, len);
}

static int destroy_qp(int fd, uint32_t handle, const void *driver, size_t len)
{
	struct command cmd = {
		.destroy_qp = { .response = (uintptr_t)response, .qp_handle = handle },
	};

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_DESTROY_QP, sizeof(cmd.destroy_qp),
			    driver, len);
}

static int dereg_mr(int fd, uint32_t handle, const void *driver, size_t len)
{
	struct command cmd = { .dereg_mr.mr_handle = handle };

	return command_send(fd, &cmd, IB_USER_VERBS_CMD_DEREG_MR, sizeof(cmd.dereg_mr),
			    driver, len);
}

static void need_nopin(void)
{
	if (!vt_is_nopin(vt_dev(0)))
		vt_skip("another driver's data");
}

static const uint8_t zeros[128];

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

/* A page behind which nothing can be accessed. */
static uint8_t *last_page(void)
{
	uint8_t *page = vt_map(2 * PAGE, 0);

	vt_ok(mprotect(page + PAGE, PAGE, PROT_NONE));
	return page;
}

/*
 * The core cannot give the response of a command that has made a region, as its last field
 * lies beyond the page; the fields before it have replaced the driver's part of the command
 * by then. The core destroys the region, and warns if that fails.
 */
static void response_over_command(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	uint8_t *page = last_page();
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_reg_mr mr;
		uint8_t driver[offsetof(struct ib_uverbs_reg_mr_resp, rkey)];
	} cmd = {
		.hdr.command = IB_USER_VERBS_CMD_REG_MR,
		.hdr.in_words = sizeof(cmd) / 4,
		.hdr.out_words = sizeof(struct ib_uverbs_reg_mr_resp) / 4,
		.mr = {
			.response = (uintptr_t)page + PAGE - sizeof(cmd.driver),
			.start = (uintptr_t)page,
			.length = 8,
			.hca_va = (uintptr_t)page,
			.pd_handle = pair->a.pd->handle,
			.access_flags = IBV_ACCESS_LOCAL_WRITE,
		},
	};
	void *at = page + PAGE - sizeof(cmd);

	(void)arg;
	need_nopin();
	memcpy(at, &cmd, sizeof(cmd));
	vt_require(write(pair->a.dev->ctx->cmd_fd, at, sizeof(cmd)) < 0 && errno == EFAULT,
		   "reg_mr: %s", strerror(errno));
	vt_require(memcmp(at + offsetof(typeof(cmd), driver), zeros, sizeof(cmd.driver)),
		   "the response did not begin in the driver's part");
	rc_works(pair);
}

/* --- a window on a region that is not given yet --- */

/* A thread that registers a page; the last field of the response lies in another page. */
struct registering {
	struct rc_end *end;
	struct ib_uverbs_reg_mr_resp *response;
	void *page;
	int err;
	pthread_t thread;
};

static void *registering_run(void *arg)
{
	struct registering *r = arg;
	struct command cmd = {
		.hdr.command = IB_USER_VERBS_CMD_REG_MR,
		.hdr.in_words = (sizeof(cmd.hdr) + sizeof(cmd.mr)) / 4,
		.hdr.out_words = sizeof(*r->response) / 4,
		.mr = {
			.response = (uintptr_t)r->response,
			.start = (uintptr_t)r->page,
			.length = PAGE,
			.hca_va = (uintptr_t)r->page,
			.pd_handle = r->end->pd->handle,
			.access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND,
		},
	};

	errno = 0;
	if (write(r->end->dev->ctx->cmd_fd, &cmd, 4 * cmd.hdr.in_words) < 0)
		r->err = errno;
	return NULL;
}

/*
 * The core takes a region back when it cannot give its program the whole response, and
 * warns if that fails. So no window may be bound to it by those who have read the key
 * before the rest.
 */
static void bind_before_response(const void *arg)
{
	uint8_t *map = vt_map(2 * PAGE, 0);
	struct registering r = {
		.end = &rc_pair()->a,
		.page = vt_map(PAGE, 0),
		.response = (void *)(map + PAGE - offsetof(struct ib_uverbs_reg_mr_resp, rkey)),
	};
	struct ibv_mw *mw = mw_new(r.end->pd, IBV_MW_TYPE_2);
	struct ibv_mr mr = { .context = r.end->dev->ctx, .pd = r.end->pd };
	struct ibv_mw_bind_info info = {
		.mr = &mr, .addr = (uintptr_t)r.page, .length = PAGE,
		.mw_access_flags = IBV_ACCESS_REMOTE_READ,
	};
	int uffd;

	(void)arg;
	need_nopin();
	map[0] = 1;
	uffd = odp_uffd(map + PAGE, PAGE, UFFDIO_REGISTER_MODE_MISSING);
	vt_ok(pthread_create(&r.thread, NULL, registering_run, &r));
	odp_uffd_wait(uffd);
	memcpy(&mr.lkey, &r.response->lkey, sizeof(mr.lkey));
	vt_require(mr.lkey, "the key was not given before the rest");
	mw_bind(r.end, mw, &info, IBV_WC_MW_BIND_ERR);
	vt_ok(munmap(map + PAGE, PAGE));
	close(uffd);
	vt_ok(pthread_join(r.thread, NULL));
	vt_require(r.err == EFAULT, "reg_mr: %s", strerror(r.err));
}

/* Bytes of a response for which this kernel has no field are zero. */
static void rest_of_responses(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	int fd = pair->a.dev->ctx->cmd_fd;
	/* sizes of the core's part, and for a QP the driver's */
	const size_t pd = sizeof(struct ib_uverbs_alloc_pd_resp);
	const size_t mr = sizeof(struct ib_uverbs_reg_mr_resp);
	const size_t most = sizeof(struct ib_uverbs_create_qp_resp) + 64;

	(void)arg;
	need_nopin();
	memset(response, 0xa5, sizeof(response));
	vt_ok(alloc_pd(fd, zeros, 32));
	vt_require(!memchr(response + pd, 0xa5, sizeof(response) - pd), "of alloc_pd");
	memset(response, 0xa5, sizeof(response));
	vt_ok(reg_mr(&pair->a, vt_map(PAGE, 0), zeros, 32));
	vt_require(!memchr(response + mr, 0xa5, sizeof(response) - mr), "of reg_mr");
	memset(response, 0xa5, sizeof(response));
	vt_ok(create_cq(fd, zeros, 32));
	vt_require(!memchr(response + most, 0xa5, sizeof(response) - most), "of create_cq");
	memset(response, 0xa5, sizeof(response));
	vt_ok(create_qp(&pair->a, zeros, 64));
	vt_require(!memchr(response + most, 0xa5, sizeof(response) - most), "of create_qp");
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
	VT_TEST(response_over_command);
	VT_TEST(bind_before_response);
	VT_TEST(rest_of_responses);
	VT_TEST(short_commands);
	VT_TEST(post_by_command);
	VT_TEST(absurd_qps);
	VT_TEST(largest_qp);
	VT_TEST(too_many_elements);
	VT_TEST(rings_are_private);
	VT_TEST(random_commands);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
