// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* ATOMIC WRITE (IBTA A19): writes eight bytes at once; the responder answers it as a READ. */
#include <pthread.h>

#include "rc.h"

#define BYTES	4096
#define DEPTH	32

/* The device capability flag, for which libibverbs has no name. */
#define DEVICE_ATOMIC_WRITE	(1ULL << 40)

static void need_atomic_write(void)
{
	for (int i = 0; i < 2; i++)
		if (!(vt_dev(i)->attr.device_cap_flags_ex & DEVICE_ATOMIC_WRITE))
			vt_skip("the device has no ATOMIC WRITE");
}

/* Replace the QP of an end by one that also supports ibv_wr_*(). */
static void end_extend(struct rc_end *end, const struct rc_attr *attr)
{
	struct ibv_qp_init_attr_ex init = {
		.send_cq = end->scq,
		.recv_cq = end->rcq,
		.qp_type = IBV_QPT_RC,
		.cap = {
			.max_send_wr = attr->wr,
			.max_recv_wr = attr->wr,
			.max_send_sge = attr->sge,
			.max_recv_sge = attr->sge,
			.max_inline_data = attr->inline_len,
		},
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.pd = end->pd,
		.send_ops_flags = IBV_QP_EX_WITH_ATOMIC_WRITE | IBV_QP_EX_WITH_RDMA_READ,
	};

	vt_release(end->qp);
	end->qp = ibv_create_qp_ex(end->dev->ctx, &init);
	vt_require(end->qp, "create_qp_ex: %s", strerror(errno));
	vt_defer(vt_free_qp, end->qp);
}

static struct rc_pair *pair_new(const struct rc_attr *attr)
{
	struct rc_pair *pair = calloc(1, sizeof(*pair));
	struct rc_addr a, b;

	need_atomic_write();
	vt_require(pair, "out of memory");
	vt_defer(free, pair);
	pair->attr = *attr;
	rc_end_open(&pair->a, vt_dev(0), NULL, attr);
	rc_end_open(&pair->b, vt_dev(1), NULL, attr);
	end_extend(&pair->a, attr);
	a = rc_end_addr(&pair->a);
	b = rc_end_addr(&pair->b);
	rc_connect(&pair->a, attr, &b);
	rc_connect(&pair->b, attr, &a);
	return pair;
}

/* Memory of the peer and a model of its contents; its words are aligned from @first on. */
struct target {
	struct vt_mem *mem;
	uint8_t *model;
	size_t first;
};

static struct target target_new(struct rc_end *end, enum vt_kind kind)
{
	struct target target = { .mem = vt_mem_new(end->pd, kind, BYTES, VT_ACCESS_ALL) };

	target.model = vt_map(BYTES, 0);
	vt_fill(target.model, BYTES);
	memcpy(target.mem->addr, target.model, BYTES);
	target.first = -target.mem->iova & 7;
	return target;
}

static size_t target_pick(const struct target *target)
{
	return target->first + 8 * vt_below((BYTES - target->first) / 8);
}

static void target_check(const struct target *target)
{
	vt_require(!memcmp(target->mem->addr, target->model, BYTES), "memory differs");
	vt_mem_guards(target->mem);
}

static void start_ex(struct rc_end *end, uint64_t id, uint32_t rkey, uint64_t addr,
		     const void *value)
{
	struct ibv_qp_ex *qp = ibv_qp_to_qp_ex(end->qp);

	ibv_wr_start(qp);
	qp->wr_id = id;
	qp->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_atomic_write(qp, rkey, addr, value);
	vt_ok(ibv_wr_complete(qp));
}

static void want_written(struct rc_end *end, uint64_t id)
{
	struct ibv_wc wc = vt_want(end->scq, id, IBV_WC_SUCCESS);

	vt_require(wc.opcode == IBV_WC_ATOMIC_WRITE, "opcode %d", wc.opcode);
}

/*
 * Many in flight, posted both ways: in the end each word must hold the last value written
 * to it.
 */
static void values(const void *arg)
{
	const enum vt_kind *kind = arg;
	struct rc_pair *pair;
	struct target target;
	struct vt_mem *src;

	vt_need_kind(vt_dev(0), *kind, 0);
	vt_need_kind(vt_dev(1), *kind, 0);
	pair = pair_new(&rc_attr_default);
	src = vt_mem_new(pair->a.pd, *kind, 8 * DEPTH, VT_ACCESS_ALL);
	target = target_new(&pair->b, *kind);

	for (unsigned int n = 0; n < 20 * vt_opts.rounds; n++) {
		vt_fill(src->addr, src->len);
		for (int i = 0; i < DEPTH; i++) {
			size_t at = target_pick(&target);
			struct vt_wr wr;

			memcpy(target.model + at, src->addr + 8 * i, 8);
			if (vt_chance(50)) {
				start_ex(&pair->a, i, target.mem->mr->rkey,
					 target.mem->iova + at, src->addr + 8 * i);
				continue;
			}
			vt_wr_init(&wr, IBV_WR_ATOMIC_WRITE, i);
			vt_wr_local(&wr, src, 8 * i, 8);
			vt_wr_remote(&wr, target.mem, at);
			if (vt_chance(30))
				vt_wr_inline(&wr, src);
			vt_ok(rc_post(&pair->a, &wr));
		}
		for (int i = 0; i < DEPTH; i++)
			want_written(&pair->a, i);
		target_check(&target);
	}
}

/* The value can be posted even to a QP without inline data. */
static void without_inline_data(const void *arg)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_pair *pair;
	struct target target;
	uint64_t value = vt_rand();

	(void)arg;
	attr.inline_len = 0;
	pair = pair_new(&attr);
	target = target_new(&pair->b, VT_PINNED);
	memcpy(target.model + target.first, &value, 8);
	start_ex(&pair->a, 1, target.mem->mr->rkey, target.mem->iova + target.first, &value);
	want_written(&pair->a, 1);
	target_check(&target);
}

struct watch {
	const uint64_t *word;
	bool stop, torn;
};

/* Watch the word: both halves of each value written are equal, so a mix shows a torn write. */
static void *watch_run(void *arg)
{
	struct watch *watch = arg;

	while (!__atomic_load_n(&watch->stop, __ATOMIC_RELAXED)) {
		uint64_t seen = __atomic_load_n(watch->word, __ATOMIC_RELAXED);

		if (seen >> 32 != (uint32_t)seen)
			watch->torn = true;
	}
	return NULL;
}

static void not_torn(const void *arg)
{
	struct rc_pair *pair = pair_new(&rc_attr_default);
	struct vt_mem *mem = vt_mem_new(pair->b.pd, VT_PINNED, 16, VT_ACCESS_ALL);
	size_t at = -mem->iova & 7;
	struct watch watch = { .word = (uint64_t *)(mem->addr + at) };
	pthread_t thread;

	(void)arg;
	memset(mem->addr, 0, mem->len);
	vt_ok(pthread_create(&thread, NULL, watch_run, &watch));
	for (uint64_t i = 0; i < 300 * vt_opts.rounds; i++) {
		uint64_t value = i << 32 | i;

		start_ex(&pair->a, i, mem->mr->rkey, mem->iova + at, &value);
		want_written(&pair->a, i);
	}
	__atomic_store_n(&watch.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	vt_require(!watch.torn, "half of a value was seen");
}

/* --- what is refused --- */

struct trouble {
	const char *name;
	int skew;		/* of the address */
	size_t len;
	int access;		/* of the region */
	int qp_access;
	enum ibv_wc_status status;
};

static const struct trouble troubles[] = {
	{ "unaligned", 4, 8, VT_ACCESS_ALL, VT_ACCESS_ALL, IBV_WC_REM_INV_REQ_ERR },
	{ "below the region", -8, 8, VT_ACCESS_ALL, VT_ACCESS_ALL, IBV_WC_REM_ACCESS_ERR },
	{ "no right of the region", 0, 8, IBV_ACCESS_REMOTE_READ, VT_ACCESS_ALL,
	  IBV_WC_REM_ACCESS_ERR },
	{ "no right of the QP", 0, 8, VT_ACCESS_ALL, IBV_ACCESS_REMOTE_READ,
	  IBV_WC_REM_INV_REQ_ERR },
	{ "four bytes", 0, 4, VT_ACCESS_ALL, VT_ACCESS_ALL, IBV_WC_LOC_QP_OP_ERR },
};

static void refused(const void *arg)
{
	const struct trouble *trouble = arg;
	struct rc_attr attr = rc_attr_default;
	uint8_t *seen = vt_map(BYTES, 0);
	struct rc_pair *pair;
	struct vt_mem *src, *mem;
	struct vt_wr wr;

	attr.access = trouble->qp_access;
	pair = pair_new(&attr);
	src = vt_mem_new(pair->a.pd, VT_PINNED, 64, VT_ACCESS_ALL);
	mem = vt_mem_new(pair->b.pd, VT_PINNED, BYTES, trouble->access);
	vt_fill(mem->addr, BYTES);
	memcpy(seen, mem->addr, BYTES);
	vt_wr_init(&wr, IBV_WR_ATOMIC_WRITE, 5);
	vt_wr_local(&wr, src, 0, trouble->len);
	vt_wr_remote(&wr, mem, 0);
	wr.wr.wr.rdma.remote_addr += (-mem->iova & 7) + trouble->skew;
	if (trouble->skew < 0)
		wr.wr.wr.rdma.remote_addr -= -mem->iova & 7 ? 8 : 0;
	vt_ok(rc_post(&pair->a, &wr));
	vt_want(pair->a.scq, 5, trouble->status);
	vt_require(!memcmp(mem->addr, seen, BYTES), "memory changed");
	vt_mem_guards(mem);
}

static void add_tests(void)
{
	static const enum vt_kind kinds[] = { VT_PINNED, VT_ODP, VT_IMPLICIT };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		vt_test(values, &kinds[i], "values, %s", vt_kind_name[kinds[i]]);
	VT_TEST(without_inline_data);
	VT_TEST(not_torn);
	for (size_t i = 0; i < ARRAY_SIZE(troubles); i++)
		vt_test(refused, &troubles[i], "refused, %s", troubles[i].name);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
