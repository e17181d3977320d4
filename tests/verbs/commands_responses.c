// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Responses that the module cannot give, or that overwrite their own command, and what
 * responses hold beyond what this kernel knows of.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "commands.h"
#include "mw.h"
#include "odp_system.h"

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

void commands_responses_add(void)
{
	VT_TEST(response_over_command);
	VT_TEST(bind_before_response);
	VT_TEST(rest_of_responses);
}
