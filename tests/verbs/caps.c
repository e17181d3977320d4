// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Device capabilities: the device must report each capability flag if and only if the
 * feature works.
 */
#include <fcntl.h>
#include <nopin-abi.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mw.h"

/* Flags for which an older libibverbs has no names. */
#define CAP_FLUSH_GLOBAL	(1ULL << 38)
#define CAP_FLUSH_PERSISTENT	(1ULL << 39)
#define CAP_ATOMIC_WRITE	(1ULL << 40)
#define ACCESS_FLUSH_GLOBAL	(1 << 8)
#define ACCESS_FLUSH_PERSISTENT	(1 << 9)

/* The ioctl behind ibv_query_port_speed(3) of rdma-core 62: a method of Linux 7.1. */
#define METHOD_QUERY_PORT_SPEED	7
enum { SPEED_PORT, SPEED_RESPONSE, SPEED_ATTRS };

#define BYTES	4096

static bool modifies(struct ibv_qp *qp, struct ibv_qp_attr attr, int mask)
{
	return !ibv_modify_qp(qp, &attr, mask);
}

/* A change of state may name the present state; the device refuses it if that is wrong. */
static bool says_current_state(void)
{
	struct rc_pair *pair = rc_pair();
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTS };
	int mask = IBV_QP_STATE | IBV_QP_CUR_STATE;

	attr.cur_qp_state = IBV_QPS_RTR;
	if (modifies(pair->a.qp, attr, mask))
		return false;
	attr.cur_qp_state = IBV_QPS_RTS;
	return modifies(pair->a.qp, attr, mask);
}

static bool resizes_qps(void)
{
	struct rc_pair *pair = rc_pair();
	struct ibv_qp_attr attr = { .cap = { .max_send_wr = 500, .max_recv_wr = 500 } };

	return modifies(pair->a.qp, attr, IBV_QP_CAP);
}

static bool has_other_paths(void)
{
	struct rc_pair *pair = rc_pair();
	struct ibv_qp_attr attr = { .path_mig_state = IBV_MIG_REARM };

	return modifies(pair->a.qp, attr, IBV_QP_PATH_MIG_STATE);
}

/* An address handle for a port that does not exist must be refused. */
static bool binds_handles_to_port(void)
{
	struct vt_dev *dev = vt_dev(0);
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = dev->attr.orig_attr.phys_port_cnt + 1,
		.grh = { .dgid = dev->gid, .sgid_index = dev->gid_index, .hop_limit = 1 },
	};
	struct ibv_ah *ah = ibv_create_ah(vt_new_pd(dev->ctx), &attr);

	if (ah)
		ibv_destroy_ah(ah);
	return !ah;
}

static bool has_image_guid(void)
{
	return vt_dev(0)->attr.orig_attr.sys_image_guid;
}

static bool tells_rnr(void)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_pair *pair;
	struct vt_mem *mem;

	attr.rnr_retry = 0;
	pair = rc_pair_new(&attr);
	mem = vt_mem_new(pair->a.pd, VT_PINNED, BYTES, VT_ACCESS_ALL);
	rc_start(&pair->a, IBV_WR_SEND, 1, mem, 0, NULL, 0, BYTES);
	return vt_poll(pair->a.scq).status == IBV_WC_RNR_RETRY_EXC_ERR;
}

static bool resizes_srqs(void)
{
	struct ibv_srq_init_attr init = { .attr = { .max_wr = 16, .max_sge = 1 } };
	struct ibv_srq *srq = ibv_create_srq(vt_new_pd(vt_dev(0)->ctx), &init);
	struct ibv_srq_attr attr = { .max_wr = 200 };
	bool resized;

	vt_require(srq, "create_srq: %s", strerror(errno));
	resized = !ibv_modify_srq(srq, &attr, IBV_SRQ_MAX_WR) &&
		  !ibv_query_srq(srq, &attr) && attr.max_wr >= 200;
	ibv_destroy_srq(srq);
	return resized;
}

static bool has_windows_of(enum ibv_mw_type type)
{
	struct ibv_mw *mw = ibv_alloc_mw(vt_new_pd(vt_dev(0)->ctx), type);

	if (mw)
		ibv_dealloc_mw(mw);
	return mw;
}

static bool has_windows_1(void)
{
	return has_windows_of(IBV_MW_TYPE_1);
}

/*
 * Type 2B windows are bound to a QP, not only to a PD (2A): another QP must not be able to
 * use one.
 */
static bool has_windows_2b(void)
{
	struct ibv_mw_bind_info info;
	struct rc_pair *pair, *other;
	struct vt_mem *from, *mem;
	struct ibv_mw *mw;
	struct vt_wr wr;
	uint32_t rkey;

	if (!has_windows_of(IBV_MW_TYPE_2))
		return false;
	pair = rc_pair();
	other = rc_pair();
	from = vt_mem_new(other->a.pd, VT_PINNED, 8, VT_ACCESS_ALL);
	mem = vt_mem_new(pair->b.pd, VT_PINNED, BYTES, VT_ACCESS_ALL | IBV_ACCESS_MW_BIND);
	mw = mw_new(pair->b.pd, IBV_MW_TYPE_2);
	info = mw_part(mem, 0, BYTES, RIGHTS);
	rkey = mw_bind(&pair->b, mw, &info, IBV_WC_SUCCESS);
	vt_wr_init(&wr, IBV_WR_RDMA_WRITE, 1);
	vt_wr_local(&wr, from, 0, 8);
	wr.wr.wr.rdma.rkey = rkey;
	wr.wr.wr.rdma.remote_addr = info.addr;
	vt_ok(rc_post(&other->a, &wr));
	return vt_poll(other->a.scq).status == IBV_WC_REM_ACCESS_ERR;
}

static bool invalidates(void)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = vt_mem_new(pair->b.pd, VT_PINNED, BYTES,
					VT_ACCESS_ALL | IBV_ACCESS_MW_BIND);
	struct ibv_mw *mw = mw_new(pair->b.pd, IBV_MW_TYPE_2);
	struct ibv_mw_bind_info info = mw_part(mem, 0, BYTES, RIGHTS);
	uint32_t rkey = mw_bind(&pair->b, mw, &info, IBV_WC_SUCCESS);

	mw_post_inv(&pair->b, IBV_WR_LOCAL_INV, 1, rkey);
	return vt_poll(pair->b.scq).status == IBV_WC_SUCCESS;
}

static bool has_xrc(void)
{
	struct ibv_xrcd_init_attr init = {
		.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS,
		.fd = -1, .oflags = O_CREAT,
	};
	struct ibv_xrcd *xrcd = ibv_open_xrcd(vt_dev(0)->ctx, &init);

	if (xrcd)
		ibv_close_xrcd(xrcd);
	return xrcd;
}

static bool has_raw_packets(void)
{
	struct ibv_cq *cq = vt_new_cq(vt_dev(0)->ctx, 4);
	struct ibv_qp_init_attr init = {
		.send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RAW_PACKET,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};
	struct ibv_qp *qp = ibv_create_qp(vt_new_pd(vt_dev(0)->ctx), &init);

	if (qp)
		ibv_destroy_qp(qp);
	return qp;
}

static bool registers(int access)
{
	struct ibv_mr *mr = ibv_reg_mr(vt_new_pd(vt_dev(0)->ctx), vt_map(BYTES, 0), BYTES,
				       VT_ACCESS_ALL | access);

	if (mr)
		ibv_dereg_mr(mr);
	return mr;
}

/* Only tests registration; flush.c tests the operation. */
static bool flushes(void)
{
	return registers(ACCESS_FLUSH_GLOBAL);
}

static bool flushes_for_good(void)
{
	return registers(ACCESS_FLUSH_PERSISTENT);
}

/*
 * nopin carries out ATOMIC WRITE on every kernel, but reports it only where the kernel's
 * ABI has the flag. Such a kernel also accepts ACCESS_FLUSH_GLOBAL.
 */
static bool writes_atomically(void)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *from = vt_mem_new(pair->a.pd, VT_PINNED, 16, VT_ACCESS_ALL);
	struct vt_mem *to = vt_mem_new(pair->b.pd, VT_PINNED, 16, VT_ACCESS_ALL);
	size_t at = -to->iova & 7;
	struct vt_wr wr;

	vt_fill(from->addr, 16);
	vt_wr_init(&wr, IBV_WR_ATOMIC_WRITE, 1);
	vt_wr_local(&wr, from, 0, 8);
	vt_wr_remote(&wr, to, at);
	if (rc_post(&pair->a, &wr) || vt_poll(pair->a.scq).status != IBV_WC_SUCCESS)
		return false;
	return !memcmp(from->addr, to->addr + at, 8) && registers(ACCESS_FLUSH_GLOBAL);
}

static const struct cap {
	const char *name;
	uint64_t flag;
	bool (*works)(void);
} caps[] = {
	{ "QPs that are resized", IBV_DEVICE_RESIZE_MAX_WR, resizes_qps },
	{ "other paths", IBV_DEVICE_AUTO_PATH_MIG, has_other_paths },
	{ "handles of a port", IBV_DEVICE_UD_AV_PORT_ENFORCE, binds_handles_to_port },
	{ "current state", IBV_DEVICE_CURR_QP_STATE_MOD, says_current_state },
	{ "GUID of the image", IBV_DEVICE_SYS_IMAGE_GUID, has_image_guid },
	{ "RNR NAKs", IBV_DEVICE_RC_RNR_NAK_GEN, tells_rnr },
	{ "SRQs that are resized", IBV_DEVICE_SRQ_RESIZE, resizes_srqs },
	{ "windows", IBV_DEVICE_MEM_WINDOW, has_windows_1 },
	{ "windows of type 2B", IBV_DEVICE_MEM_WINDOW_TYPE_2B, has_windows_2b },
	{ "invalidation", IBV_DEVICE_MEM_MGT_EXTENSIONS, invalidates },
	{ "XRC", IBV_DEVICE_XRC, has_xrc },
	{ "raw packets", IBV_DEVICE_RAW_MULTI, has_raw_packets },
	{ "FLUSH", CAP_FLUSH_GLOBAL, flushes },
	{ "FLUSH for good", CAP_FLUSH_PERSISTENT, flushes_for_good },
	{ "ATOMIC WRITE", CAP_ATOMIC_WRITE, writes_atomically },
};

static void reported(const void *arg)
{
	const struct cap *cap = arg;
	bool says = vt_dev(0)->attr.device_cap_flags_ex & cap->flag;
	bool works = cap->works();

	vt_require(!says || works, "it is reported and does not work");
	vt_require(says || !works, "it works and is not reported");
}

/* The device reports no flag beyond those that the tests above cover. */
static void no_others(const void *arg)
{
	uint64_t left = vt_dev(0)->attr.device_cap_flags_ex;

	(void)arg;
	left &= ~(uint64_t)IBV_DEVICE_PORT_ACTIVE_EVENT; /* tested by 10-devices */
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++)
		left &= ~caps[i].flag;
	vt_require(!left, "unknown: %#llx", (unsigned long long)left);
}

/* Query the speed of the port; returns 0 or an errno. */
static int query_port_speed(const struct vt_dev *dev, uint64_t *speed)
{
	struct {
		struct ib_uverbs_ioctl_hdr hdr;
		struct ib_uverbs_attr attr[SPEED_ATTRS];
	} call = {
		.hdr = {
			.length = sizeof(call),
			.object_id = UVERBS_OBJECT_DEVICE,
			.method_id = METHOD_QUERY_PORT_SPEED,
			.num_attrs = SPEED_ATTRS,
			.driver_id = RDMA_DRIVER_NOPIN,
		},
		.attr = {
			{ .attr_id = SPEED_PORT, .len = sizeof(uint64_t),
			  .flags = UVERBS_ATTR_F_MANDATORY, .data = vt_opts.port },
			{ .attr_id = SPEED_RESPONSE, .len = sizeof(*speed),
			  .flags = UVERBS_ATTR_F_MANDATORY, .data = (uintptr_t)speed },
		},
	};

	return ioctl(dev->ctx->cmd_fd, RDMA_VERBS_IOCTL, &call) ? errno : 0;
}

/* The speed of the network device in Mb/s, or the default that verbs report if it has none. */
static long ndev_speed(const struct vt_dev *dev)
{
	char name[64] = "", path[512];
	long speed = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/ports/%u/gid_attrs/ndevs/%d",
		 dev->ctx->device->ibdev_path, vt_opts.port, dev->gid_index);
	file = fopen(path, "r");
	vt_require(file && fscanf(file, "%63s", name) == 1, "%s: not read", path);
	fclose(file);
	snprintf(path, sizeof(path), "/sys/class/net/%s/speed", name);
	file = fopen(path, "r");
	if (file && fscanf(file, "%ld", &speed) != 1)
		speed = 0;
	if (file)
		fclose(file);
	return speed > 0 ? speed : 2500;
}

static void port_speed(const void *arg)
{
	uint64_t speed = 0;
	int err;

	(void)arg;
	if (!vt_is_nopin(vt_dev(0)))
		vt_skip("another driver's commands");
	err = query_port_speed(vt_dev(0), &speed);
	if (err == EPROTONOSUPPORT)
		vt_skip("this kernel does not ask for it (7.1 does)");
	vt_ok(err);
	vt_require(speed == (uint64_t)ndev_speed(vt_dev(0)) / 100, "%llu00 Mb/s, not %ld",
		   (unsigned long long)speed, ndev_speed(vt_dev(0)));
}

static void add_tests(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++)
		vt_test(reported, &caps[i], "%s", caps[i].name);
	VT_TEST(no_others);
	VT_TEST(port_speed);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
