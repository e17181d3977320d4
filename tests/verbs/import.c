// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A context that one process shares with another through its file. The other process can
 * use the objects in it, and they survive the end of that process.
 */
#include <stdio.h>
#include <unistd.h>

#include "rc.h"

#define BYTES	8192
#define NOBODY	0xfffffff0U	/* a handle of no object */

/* Objects that the parent makes and the child imports by their handles. */
struct things {
	struct ibv_pd *pd;
	struct vt_mem *mem;	/* in the parent's address space */
	struct ibv_dm *dm;
};

static void free_dm(void *obj)
{
	ibv_free_dm(obj);
}

static void things_make(struct things *t)
{
	struct ibv_alloc_dm_attr attr = { .length = BYTES };
	struct vt_dev *dev = vt_dev(0);

	if (!vt_is_nopin(dev))
		vt_skip("another driver");
	t->pd = vt_new_pd(dev->ctx);
	t->mem = vt_mem_new(t->pd, VT_PINNED, BYTES, VT_ACCESS_ALL);
	vt_fill(t->mem->addr, BYTES);
	t->dm = ibv_alloc_dm(dev->ctx, &attr);
	vt_require(t->dm, "alloc_dm: %s", strerror(errno));
	vt_defer(free_dm, t->dm);
	vt_ok(ibv_memcpy_to_dm(t->dm, 0, t->mem->addr, BYTES));
}

/* Import the context of @of through its file, as a struct vt_dev. */
static void import_device(struct vt_dev *dev, const struct vt_dev *of)
{
	*dev = *of;
	dev->ctx = ibv_import_device(dup(of->ctx->cmd_fd));
	vt_require(dev->ctx, "import_device: %s", strerror(errno));
	vt_require(dev->ctx->num_comp_vectors == of->ctx->num_comp_vectors,
		   "%d completion vectors", dev->ctx->num_comp_vectors);
}

/* QPs of the child, in the parent's PD, access the parent's memory through its region. */
static void use_region(struct vt_dev *dev, struct ibv_pd *pd, const struct things *t)
{
	struct rc_pair pair = { .attr = rc_attr_default };
	struct ibv_mr *mr = ibv_import_mr(pd, t->mem->mr->handle);
	struct rc_addr a, b;
	struct vt_mem *mine, there;

	vt_require(mr, "import_mr: %s", strerror(errno));
	vt_require(mr->rkey == t->mem->mr->rkey && mr->lkey == t->mem->mr->lkey &&
		   mr->length == t->mem->mr->length, "it is another region");
	rc_end_open(&pair.a, dev, pd, &pair.attr);
	rc_end_open(&pair.b, dev, pd, &pair.attr);
	a = rc_end_addr(&pair.a);
	b = rc_end_addr(&pair.b);
	rc_connect(&pair.a, &pair.attr, &b);
	rc_connect(&pair.b, &pair.attr, &a);
	there = *t->mem;
	there.mr = mr;
	mine = vt_mem_new(pd, VT_ODP, BYTES, VT_ACCESS_ALL);
	rc_do(&pair.a, IBV_WR_RDMA_READ, mine, 0, &there, 0, BYTES, IBV_WC_SUCCESS);
	vt_require(!memcmp(mine->addr, t->mem->addr, BYTES), "read something else");
	for (size_t i = 0; i < BYTES; i++)
		mine->addr[i] ^= 0xff;
	rc_do(&pair.a, IBV_WR_RDMA_WRITE, mine, 0, &there, 0, BYTES, IBV_WC_SUCCESS);
	ibv_unimport_mr(mr);
}

static void use_device_memory(struct vt_dev *dev, const struct things *t)
{
	struct ibv_dm *dm = ibv_import_dm(dev->ctx, t->dm->handle);
	uint8_t seen[BYTES];

	vt_require(dm, "import_dm: %s", strerror(errno));
	vt_ok(ibv_memcpy_from_dm(seen, dm, 0, BYTES));
	vt_require(!memcmp(seen, t->mem->addr, BYTES), "device memory differs");
	for (size_t i = 0; i < BYTES; i++)
		seen[i] ^= 0x55;
	vt_ok(ibv_memcpy_to_dm(dm, 0, seen, BYTES));
	vt_require(ibv_memcpy_to_dm(dm, BYTES - 4, seen, 8) == EFAULT, "beyond its end");
	ibv_unimport_dm(dm);
}

static __noreturn void child_run(const struct things *t, const struct vt_dev *of)
{
	struct vt_dev dev;
	struct ibv_pd *pd;
	size_t mark = vt_mark();

	import_device(&dev, of);
	pd = ibv_import_pd(dev.ctx, t->pd->handle);
	vt_require(pd, "import_pd: %s", strerror(errno));
	use_device_memory(&dev, t);
	use_region(&dev, pd, t);
	vt_release_to(mark);
	ibv_unimport_pd(pd);
	vt_ok(ibv_close_device(dev.ctx));
	_exit(EXIT_SUCCESS);
}

static void in_another_process(const void *arg)
{
	const struct vt_dev *dev = vt_dev(0); /* the parent's, also for use in the child */
	uint8_t before[BYTES], seen[BYTES];
	struct things t;
	int pid;

	(void)arg;
	things_make(&t);
	memcpy(before, t.mem->addr, BYTES);
	pid = vt_fork();
	if (!pid)
		child_run(&t, dev);
	vt_require(!vt_wait_child(pid, vt_patience_ms()), "the child failed");
	for (size_t i = 0; i < BYTES; i++)
		vt_require((t.mem->addr[i] ^ before[i]) == 0xff, "byte %zu was not written", i);
	vt_mem_guards(t.mem);
	vt_ok(ibv_memcpy_from_dm(seen, t.dm, 0, BYTES));
	for (size_t i = 0; i < BYTES; i++)
		vt_require(seen[i] == (before[i] ^ 0x55), "byte %zu of device memory", i);
}

static void of_nothing(const void *arg)
{
	struct vt_dev dev;
	struct things t;
	struct ibv_pd *pd;

	(void)arg;
	things_make(&t);
	import_device(&dev, vt_dev(0));
	pd = ibv_import_pd(dev.ctx, t.pd->handle);
	vt_require(pd, "import_pd: %s", strerror(errno));
	vt_refused(ibv_import_pd(dev.ctx, NOBODY), ENOENT);
	vt_refused(ibv_import_mr(pd, NOBODY), ENOENT);
	vt_refused(ibv_import_dm(dev.ctx, NOBODY), ENOENT);
	/* the handle exists but is of another type */
	vt_refused(ibv_import_dm(dev.ctx, t.pd->handle), EINVAL);
	vt_refused(ibv_import_pd(dev.ctx, t.dm->handle), EINVAL);
	vt_require(!ibv_import_device(STDIN_FILENO), "a file that is no device");
	ibv_unimport_pd(pd);
	vt_ok(ibv_close_device(dev.ctx));
}

static void add_tests(void)
{
	VT_TEST(in_another_process);
	VT_TEST(of_nothing);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
