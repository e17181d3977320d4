// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A device that is deleted while a verb walks page tables or waits for a program that does
 * not answer (userfaultfd): the verb ends with EIO, and the deletion does not wait for
 * longer than that. Each test deletes its device, which the caller makes again.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/mman.h>

#include "nic.h"
#include "nopindv.h"
#include "odp_bench.h"
#include "odp_system.h"

/* So large that a walk of it takes minutes. */
#define VAST	(1UL << 45)

/* A verb in a thread of its own. */
struct verb {
	int (*call)(struct verb *verb);
	struct ibv_pd *pd;
	void *mem;
	size_t len;
	struct ibv_sge sge;
	int ret;
	pthread_t thread;
};

static int flush(struct verb *verb)
{
	return ibv_advise_mr(verb->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			     IBV_ADVISE_MR_FLAG_FLUSH, &verb->sge, 1);
}

static int move_back(struct verb *verb)
{
	return nopindv_migrate(verb->pd, verb->mem, verb->len, false);
}

static void *verb_run(void *arg)
{
	struct verb *verb = arg;

	verb->ret = verb->call(verb);
	return NULL;
}

/* Nothing is released: the objects go with the device. */
static struct verb verb_of(int (*call)(struct verb *verb), void *mem, size_t len)
{
	struct verb verb = { .call = call, .mem = mem, .len = len };
	struct ibv_context *ctx = vt_dev(0)->ctx;
	struct ibv_mr *mr;

	verb.pd = ibv_alloc_pd(ctx);
	vt_require(verb.pd, "ibv_alloc_pd: %s", strerror(errno));
	mr = ibv_reg_mr(verb.pd, mem, len, VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	vt_require(mr, "ibv_reg_mr: %s", strerror(errno));
	verb.sge = (struct ibv_sge){ (uintptr_t)mem, LEN, mr->lkey };
	return verb;
}

static void ends_with_the_device(struct verb *verb)
{
	uint64_t start = vt_now_ms();

	vt_require(odp_run("timeout %u rdma link delete %s", vt_patience_ms() / 1000,
			   ibv_get_device_name(verb->pd->context->device)),
		   "the device cannot be deleted");
	vt_ok(pthread_join(verb->thread, NULL));
	vt_require(verb->ret == EIO, "the verb says %s", strerror(verb->ret));
	vt_note("gone after %llu ms", (unsigned long long)(vt_now_ms() - start));
}

/* Advice that is carried out in the call waits for the program that has to answer. */
static void flush_without_answer(const void *arg)
{
	uint8_t *mem = vt_map(LEN, 0);
	int uffd = odp_uffd(mem, LEN, UFFDIO_REGISTER_MODE_MISSING);
	struct verb verb = verb_of(flush, mem, LEN);

	(void)arg;
	vt_ok(pthread_create(&verb.thread, NULL, verb_run, &verb));
	odp_uffd_wait(uffd);
	ends_with_the_device(&verb);
}

/*
 * A move of a vast mapping in which almost no page is present. Whoever reads the counters
 * of a region over it meanwhile gets an answer soon.
 */
static void move_of_a_vast_mapping(const void *arg)
{
	uint8_t *mem = mmap(NULL, VAST, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct verb verb;

	(void)arg;
	if (mem == MAP_FAILED)
		vt_skip("no address space of %lu TiB", VAST >> 40);
	nic_set_memory(vt_dev(0), MIB);
	verb = verb_of(move_back, mem, VAST);
	vt_ok(nopindv_migrate(verb.pd, mem, LEN, true));
	vt_ok(pthread_create(&verb.thread, NULL, verb_run, &verb));
	vt_require(odp_run("timeout %u rdma statistic show mr | grep -q migrations_in",
			   vt_patience_ms() / 1000), "the counters cannot be read");
	ends_with_the_device(&verb);
}

static void add_tests(void)
{
	VT_TEST(flush_without_answer);
	VT_TEST(move_of_a_vast_mapping);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
