// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Devices: opening, GIDs, asynchronous events; release functions of verbs objects. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "vt.h"

static struct vt_dev devs[2];
static pid_t opened_by;

/* Enter a network namespace and mount its sysfs, where libibverbs looks for its devices. */
static void enter_netns(const char *name, size_t len)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%.*s", (int)len, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	vt_require(fd >= 0 && !setns(fd, CLONE_NEWNET), "%s: %s", path, strerror(errno));
	close(fd);
	vt_ok(unshare(CLONE_NEWNS));
	vt_ok(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	vt_ok(mount("sysfs", "/sys", "sysfs", 0, NULL));
}

/* Returns NULL with errno set on failure. */
static struct ibv_context *open_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx = NULL;
	int err = list ? ENODEV : errno;

	for (size_t i = 0; list && list[i] && !ctx; i++)
		if (!name || !strcmp(ibv_get_device_name(list[i]), name)) {
			ctx = ibv_open_device(list[i]);
			err = errno;
		}
	if (list)
		ibv_free_device_list(list);
	errno = err;
	return ctx;
}

/* On InfiniBand any GID of the port fits; on Ethernet only a RoCEv2 GID. */
static bool gid_fits(const struct vt_dev *dev, const struct ibv_gid_entry *entry)
{
	enum ibv_gid_type want = dev->port.link_layer == IBV_LINK_LAYER_INFINIBAND ?
				 IBV_GID_TYPE_IB : IBV_GID_TYPE_ROCE_V2;

	return entry->port_num == vt_opts.port && entry->gid_type == want &&
	       (vt_opts.gid_index < 0 || vt_opts.gid_index == (int)entry->gid_index);
}

/*
 * The GID index given by --gid; else the first GID of an IPv4 address, else any GID that
 * fits.
 */
static int find_gid(struct vt_dev *dev)
{
	static const uint8_t ipv4[12] = { [10] = 0xff, [11] = 0xff };
	struct ibv_gid_entry entries[64];
	ssize_t n = ibv_query_gid_table(dev->ctx, entries, ARRAY_SIZE(entries), 0);
	int best = -1;

	for (ssize_t i = 0; i < n; i++) {
		bool is_ipv4 = !memcmp(entries[i].gid.raw, ipv4, sizeof(ipv4));

		if (!gid_fits(dev, &entries[i]))
			continue;
		if (best < 0 || is_ipv4)
			best = i;
		if (is_ipv4)
			break;
	}
	if (best < 0)
		return -1;
	dev->gid = entries[best].gid;
	dev->gid_index = entries[best].gid_index;
	return 0;
}

/* Open the directory of the port's counters, else of the device's; -1 if there is neither. */
static int open_counters(const struct ibv_device *device)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/ports/%u/hw_counters", device->ibdev_path,
		 vt_opts.port);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/hw_counters", device->ibdev_path);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static long long read_counter(const struct vt_dev *dev, const char *name)
{
	int fd = dev->counters < 0 ? -1 : openat(dev->counters, name, O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	return len > 0 ? strtoll(text, NULL, 10) : -1;
}

/*
 * The present value of the counter @name, -1 if the device lacks it. The kernel caches
 * counter values for 10 ms (and a tick), so wait for longer than that first.
 */
long long vt_counter(const struct vt_dev *dev, const char *name)
{
	vt_sleep_ms(20);
	return read_counter(dev, name);
}

/* Open "NAME" in this network namespace, or "NETNS:NAME" in the namespace NETNS. */
static void open_anywhere(struct vt_dev *dev, const char *name)
{
	const char *colon = name ? strchr(name, ':') : NULL;
	int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (colon)
		enter_netns(name, colon - name);
	dev->ctx = open_device(colon ? colon + 1 : name);
	dev->counters = dev->ctx ? open_counters(dev->ctx->device) : -1;
	/* Only nopin has this counter. */
	dev->is_nopin = read_counter(dev, "page_invalidations") >= 0;
	/* setns() to a mount namespace sets the current directory to its root. */
	if (colon)
		vt_ok(setns(mnt, CLONE_NEWNS) || setns(net, CLONE_NEWNET) || fchdir(cwd));
	close(cwd);
	close(mnt);
	close(net);
}

void vt_dev_open(struct vt_dev *dev, const char *name)
{
	open_anywhere(dev, name);
	vt_require(dev->ctx, "cannot open device %s: %s", name ? name : "(first)",
		   strerror(errno));
	vt_ok(ibv_query_device_ex(dev->ctx, NULL, &dev->attr));
	vt_ok(ibv_query_port(dev->ctx, vt_opts.port, &dev->port));
	vt_require(dev->port.state == IBV_PORT_ACTIVE, "%s: port is not active",
		   ibv_get_device_name(dev->ctx->device));
	vt_require(!find_gid(dev), "%s: no %s GID", ibv_get_device_name(dev->ctx->device),
		   dev->port.link_layer == IBV_LINK_LAYER_INFINIBAND ? "InfiniBand" : "RoCEv2");
	vt_ok(fcntl(dev->ctx->async_fd, F_SETFL, O_NONBLOCK));
}

/* The device of end a (0) or b (1); a forked child gets its own context. */
struct vt_dev *vt_dev(int which)
{
	if (opened_by != getpid()) {
		memset(devs, 0, sizeof(devs));
		opened_by = getpid();
	}
	if (!vt_opts.peer)
		which = 0;
	if (!devs[which].ctx)
		vt_dev_open(&devs[which], which ? vt_opts.peer : vt_opts.device);
	return &devs[which];
}

/* Close both devices; the next call of vt_dev() opens them again. */
void vt_devs_close(void)
{
	for (int i = 0; i < 2; i++) {
		if (!devs[i].ctx)
			continue;
		ibv_close_device(devs[i].ctx);
		if (devs[i].counters >= 0)
			close(devs[i].counters);
		devs[i].ctx = NULL;
	}
}

bool vt_is_nopin(const struct vt_dev *dev)
{
	return dev->is_nopin;
}

/* The type of the next asynchronous event, -1 if none comes in time. */
int vt_async_event(struct vt_dev *dev, int timeout_ms)
{
	struct pollfd fd = { .fd = dev->ctx->async_fd, .events = POLLIN };
	struct ibv_async_event event;
	int type;

	if (poll(&fd, 1, timeout_ms) != 1 || ibv_get_async_event(dev->ctx, &event))
		return -1;
	type = event.event_type;
	ibv_ack_async_event(&event);
	return type;
}

/* Wait for an event of this type; print and ignore others. */
void vt_want_event(struct vt_dev *dev, enum ibv_event_type type)
{
	uint64_t end = vt_now_ms() + vt_patience_ms();
	int got;

	while (vt_now_ms() < end) {
		got = vt_async_event(dev, 100);
		if (got == (int)type)
			return;
		if (got >= 0)
			vt_note("event: %s", ibv_event_type_str(got));
	}
	vt_fail("no event: %s", ibv_event_type_str(type));
}

void vt_drain_events(struct vt_dev *dev)
{
	while (vt_async_event(dev, 0) >= 0)
		;
}

void vt_free_pd(void *obj)
{
	ibv_dealloc_pd(obj);
}

void vt_free_cq(void *obj)
{
	ibv_destroy_cq(obj);
}

struct ibv_pd *vt_new_pd(struct ibv_context *ctx)
{
	struct ibv_pd *pd = ibv_alloc_pd(ctx);

	vt_require(pd, "alloc_pd: %s", strerror(errno));
	vt_defer(vt_free_pd, pd);
	return pd;
}

struct ibv_cq *vt_new_cq(struct ibv_context *ctx, int cqe)
{
	struct ibv_cq *cq = ibv_create_cq(ctx, cqe, NULL, NULL, 0);

	vt_require(cq, "create_cq: %s", strerror(errno));
	vt_defer(vt_free_cq, cq);
	return cq;
}

/* Move a UD QP from RESET to RTS. */
void vt_ud_to_rts(struct ibv_qp *qp, uint32_t qkey)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = vt_opts.port, .qkey = qkey,
	};

	vt_ok(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			    IBV_QP_QKEY));
	attr.qp_state = IBV_QPS_RTR;
	vt_ok(ibv_modify_qp(qp, &attr, IBV_QP_STATE));
	attr.qp_state = IBV_QPS_RTS;
	vt_ok(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN));
}

void vt_free_qp(void *obj)
{
	ibv_destroy_qp(obj);
}

void vt_free_channel(void *obj)
{
	ibv_destroy_comp_channel(obj);
}
