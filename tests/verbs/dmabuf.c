// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Regions over dma-bufs: buffers of udmabuf, which do not move, and of nopin_mover
 * (tests/kernel), which move during the traffic.
 */
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "far.h"

#define MOVER_EXPORT	_IO('N', 1)
#define MOVER_MOVE	_IO('N', 2)

#define PAGE		4096UL
#define BUFFER		(6 * PAGE)	/* bytes of each buffer */

enum exporter { UDMABUF, MOVER };

struct variant {
	enum exporter exporter;
	enum ibv_wr_opcode op;
	bool from, to;		/* is the memory of requester, responder a dma-buf */
};

/* A buffer: @fd is the dma-buf; the test reads and writes its contents through @file. */
struct buffer {
	int fd, file;
};

static void close_fd(void *obj)
{
	close((int)(intptr_t)obj);
}

static int keep_fd(int fd, const char *what)
{
	vt_require(fd >= 0, "%s: %s", what, strerror(errno));
	vt_defer(close_fd, (void *)(intptr_t)fd);
	return fd;
}

static struct buffer udmabuf_new(void)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = BUFFER };
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	struct buffer buffer;

	if (device < 0)
		vt_skip("/dev/udmabuf: %s", strerror(errno));
	buffer.file = keep_fd(memfd_create("dmabuf", MFD_ALLOW_SEALING | MFD_CLOEXEC), "memfd");
	vt_require(!ftruncate(buffer.file, BUFFER), "ftruncate: %s", strerror(errno));
	vt_require(!fcntl(buffer.file, F_ADD_SEALS, F_SEAL_SHRINK), "seal: %s", strerror(errno));
	create.memfd = buffer.file;
	buffer.fd = keep_fd(ioctl(device, UDMABUF_CREATE, &create), "UDMABUF_CREATE");
	close(device);
	return buffer;
}

static struct buffer mover_new(void)
{
	int file = open("/dev/nopin_mover", O_RDWR | O_CLOEXEC);
	struct buffer buffer;

	if (file < 0)
		vt_skip("/dev/nopin_mover: %s", strerror(errno));
	buffer.file = keep_fd(file, "nopin_mover");
	buffer.fd = keep_fd(ioctl(file, MOVER_EXPORT), "MOVER_EXPORT");
	return buffer;
}

static void free_mr(void *obj)
{
	ibv_dereg_mr(obj);
}

static struct ibv_mr *reg_try(struct ibv_pd *pd, int fd, uint64_t off, size_t len,
			      uint64_t iova, int access)
{
	return ibv_reg_dmabuf_mr(pd, off, len, iova, fd, access);
}

static struct ibv_mr *reg(struct ibv_pd *pd, int fd, uint64_t off, size_t len, uint64_t iova,
			  int access)
{
	struct ibv_mr *mr = reg_try(pd, fd, off, len, iova, access);

	if (!mr && errno == EOPNOTSUPP)
		vt_skip("the device has no regions over dma-bufs");
	vt_require(mr, "reg_dmabuf_mr(%zu bytes): %s", len, strerror(errno));
	vt_defer(free_mr, mr);
	return mr;
}

static void buffer_get(struct far *far, uint8_t *to)
{
	ssize_t got = pread((int)(intptr_t)far->obj, to, FAR_WHOLE, 0);

	vt_require(got == FAR_WHOLE, "pread: %zd, %s", got, strerror(errno));
}

static void buffer_put(struct far *far, const uint8_t *from)
{
	ssize_t put = pwrite((int)(intptr_t)far->obj, from, FAR_WHOLE, 0);

	vt_require(put == FAR_WHOLE, "pwrite: %zd, %s", put, strerror(errno));
}

/* Register a region in the buffer, with a random IOVA that has the same offset in a page. */
static struct far *buffer_far(struct rc_end *end, const struct buffer *buffer)
{
	uint64_t iova = (vt_rand() >> 2 & ~(PAGE - 1)) + FAR_MARGIN;
	struct ibv_mr *mr = reg(end->pd, buffer->fd, FAR_MARGIN, FAR_BYTES, iova,
				VT_ACCESS_ALL);
	struct far *far = far_new(end, mr, iova, (void *)(intptr_t)buffer->file);

	far->get = buffer_get;
	far->put = buffer_put;
	far_fill(far);
	return far;
}

static struct buffer buffer_new(enum exporter exporter)
{
	return exporter == MOVER ? mover_new() : udmabuf_new();
}

static struct far *far_of(struct rc_end *end, const struct variant *v, bool in_buffer,
			  struct buffer *buffer)
{
	if (!in_buffer)
		return far_host(end);
	*buffer = buffer_new(v->exporter);
	return buffer_far(end, buffer);
}

/* --- a thread that moves buffers --- */

struct driver {
	pthread_t thread;
	int file[2];
	bool stop;
	int err;
	unsigned int moves;
};

static void *driver_run(void *arg)
{
	struct driver *driver = arg;

	while (!__atomic_load_n(&driver->stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < 2; i++)
			if (driver->file[i] >= 0 && ioctl(driver->file[i], MOVER_MOVE))
				driver->err = errno;
		driver->moves++;
		vt_sleep_ms(20);
	}
	return NULL;
}

/*
 * True once a move is done: on a busy machine the first one may take longer than all
 * operations.
 */
static bool driver_had_turn(const struct driver *driver)
{
	return __atomic_load_n(&driver->moves, __ATOMIC_RELAXED);
}

static void driver_end(struct driver *driver)
{
	__atomic_store_n(&driver->stop, true, __ATOMIC_RELAXED);
	pthread_join(driver->thread, NULL);
	vt_require(!driver->err, "move: %s", strerror(driver->err));
	vt_require(driver->moves, "nothing moved");
}

/* --- operations --- */

static void operation(const void *arg)
{
	struct buffer a = { -1, -1 }, b = { -1, -1 };
	const struct variant *v = arg;
	struct rc_pair *pair = rc_pair();
	struct far *from = far_of(&pair->a, v, v->from, &a);
	struct far *to = far_of(&pair->b, v, v->to, &b);
	struct driver driver = { .file = { a.file, b.file } };

	if (v->exporter == MOVER)
		vt_ok(pthread_create(&driver.thread, NULL, driver_run, &driver));
	for (unsigned int i = 0; i < 40 * vt_opts.rounds ||
	     (v->exporter == MOVER && !driver_had_turn(&driver)); i++) {
		if (vt_chance(20)) {
			far_fill(from);
			far_fill(to);
		}
		far_play(v->op, from, to);
	}
	if (v->exporter == MOVER)
		driver_end(&driver);
}

/* The program closes the dma-buf; the region holds the only reference and goes on working. */
static void outlives_its_file(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct buffer buffer = udmabuf_new();
	struct far *from = far_host(&pair->a), *to = buffer_far(&pair->b, &buffer);

	(void)arg;
	vt_release((void *)(intptr_t)buffer.fd);
	for (int i = 0; i < 10; i++)
		far_play(IBV_WR_RDMA_WRITE, from, to);
}

static void beyond_the_region(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct buffer buffer = udmabuf_new();
	struct far *from = far_host(&pair->a), *to = buffer_far(&pair->b, &buffer);

	(void)arg;
	for (int i = 0; i < 4; i++) {
		size_t len = 1 + vt_below(FAR_MARGIN);

		rc_do(&pair->a, i & 1 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, from->mem, 0,
		      to->mem, i & 2 ? FAR_BYTES - len + 1 : (size_t)-1, len,
		      IBV_WC_REM_ACCESS_ERR);
		rc_reconnect(pair);
		far_check(from);
		far_check(to);
	}
}

static void bad_registrations(const void *arg)
{
	struct ibv_pd *pd = rc_pair()->a.pd;
	struct buffer buffer = udmabuf_new();
	int fd = buffer.fd;

	(void)arg;
	reg(pd, fd, 0, BUFFER, 0, VT_ACCESS_ALL);
	vt_refused(reg_try(pd, -1, 0, PAGE, 0, 0), EBADF);
	vt_refused(reg_try(pd, buffer.file, 0, PAGE, 0, 0), EINVAL);
	vt_refused(reg_try(pd, fd, 0, 0, 0, 0), EINVAL);
	vt_refused(reg_try(pd, fd, 0, BUFFER + 1, 0, 0), EINVAL);
	vt_refused(reg_try(pd, fd, PAGE, BUFFER, 0, 0), EINVAL);
	vt_refused(reg_try(pd, fd, 0 - PAGE, 2 * PAGE, 0, 0), EINVAL);
	vt_refused(reg_try(pd, fd, 0, SIZE_MAX, 0, 0), EINVAL);
	vt_refused(reg_try(pd, fd, 5, PAGE, 6, 0), EINVAL);
	vt_refused(reg_try(pd, fd, 0, 2 * PAGE, 0 - PAGE, 0), EINVAL);
	vt_refused(reg_try(pd, fd, 0, PAGE, 0, IBV_ACCESS_REMOTE_WRITE), EINVAL);
	vt_refused(reg_try(pd, fd, 0, PAGE, 0, IBV_ACCESS_ON_DEMAND), EINVAL);
}

/* A program ends while only its regions hold a buffer. */
static void owner_ends(const void *arg)
{
	int pid;

	(void)arg;
	udmabuf_new();
	pid = vt_fork();
	if (!pid) {
		struct buffer buffer = udmabuf_new();
		struct vt_dev dev;

		vt_dev_open(&dev, vt_opts.device);
		_exit(!reg_try(ibv_alloc_pd(dev.ctx), buffer.fd, 0, BUFFER, 0, 0));
	}
	vt_require(!vt_wait_child(pid, vt_patience_ms()), "the child failed");
}

static struct variant variants[2 * RC_OPS * 3];

static void add_operations(enum exporter exporter, const char *name)
{
	static size_t used;

	for (size_t i = 0; i < RC_OPS; i++)
		for (int where = 1; where < 4; where++) {
			struct variant *v = &variants[used++];

			if (rc_ops[i].op == IBV_WR_ATOMIC_CMP_AND_SWP)
				continue;
			*v = (struct variant){ exporter, rc_ops[i].op, where & 1, where & 2 };
			vt_test(operation, v, "%s_%s_%s_to_%s", name, rc_ops[i].name,
				v->from ? "dmabuf" : "host", v->to ? "dmabuf" : "host");
		}
}

static void add_tests(void)
{
	add_operations(UDMABUF, "udmabuf");
	add_operations(MOVER, "mover");
	VT_TEST(outlives_its_file);
	VT_TEST(beyond_the_region);
	VT_TEST(bad_registrations);
	VT_TEST(owner_ends);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
