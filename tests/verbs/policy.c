// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The pinning policy of a device: with "never" programs that register ordinary
 * memory run without pinning any, under the smallest RLIMIT_MEMLOCK.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "rc.h"

#define PAGE	4096UL
#define LEN	(64 * MIB)

static int policy_file(int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/pin",
		 ibv_get_device_name(rc_dev(0)->ctx->device));
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		rc_skip("%s: %s", path, strerror(errno));
	return fd;
}

static bool try_policy(const char *policy)
{
	int fd = policy_file(O_WRONLY);
	bool taken = write(fd, policy, strlen(policy)) == (ssize_t)strlen(policy);

	close(fd);
	return taken;
}

static void restore(void *policy)
{
	try_policy(policy);
	free(policy);
}

static char *get_policy(void)
{
	char *policy = calloc(1, 32);
	int fd = policy_file(O_RDONLY);

	rc_require(policy && read(fd, policy, 31) > 0, "cannot read the policy");
	close(fd);
	policy[strcspn(policy, "\n")] = 0;
	return policy;
}

/* Until the end of the test. */
static void set_policy(const char *policy)
{
	rc_defer(restore, get_policy());
	rc_require(try_policy(policy), "%s refused: %s", policy, strerror(errno));
}

static void values(const void *arg)
{
	static const char *const wrong[] = { "", "sometimes", "neve", "never mind", "\n" };
	char *now;

	(void)arg;
	set_policy("never");
	now = get_policy();
	rc_require(!strcmp(now, "never"), "set to never, reads %s", now);
	free(now);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		rc_require(!*wrong[i] || !try_policy(wrong[i]), "\"%s\" was taken", wrong[i]);
	now = get_policy();
	rc_require(!strcmp(now, "never"), "a refused value left %s", now);
	free(now);
	rc_require(try_policy("ordinary\n"), "ordinary refused");
}

/* An ordinary user with little memory to lock, who must get away with @want. */
static void register_limited(struct ibv_pd *pd, uint8_t *addr, bool want)
{
	struct rlimit old, little = { .rlim_cur = 64 * KIB };
	struct ibv_mr *mr;

	rc_ok(getrlimit(RLIMIT_MEMLOCK, &old));
	little.rlim_max = old.rlim_max;
	rc_ok(setrlimit(RLIMIT_MEMLOCK, &little));
	rc_ok(seteuid(65534));
	mr = ibv_reg_mr(pd, addr, LEN, RC_ACCESS_ALL);
	rc_ok(seteuid(0));
	rc_ok(setrlimit(RLIMIT_MEMLOCK, &old));
	rc_require(!!mr == want, "registering %s", mr ? "succeeded" : strerror(errno));
	if (mr)
		rc_ok(ibv_dereg_mr(mr));
}

static void memlock(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	uint8_t *addr = rc_map(LEN, 0);

	(void)arg;
	set_policy("ordinary");
	register_limited(pair->a.pd, addr, false);
	set_policy("never");
	register_limited(pair->a.pd, addr, true);
}

/* Traffic in ordinary regions, whose pages go away in between. */
static void traffic(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct rc_mem *mem, *peer;

	(void)arg;
	set_policy("never");
	mem = rc_mem_new(pair->a.pd, RC_PINNED, MIB, RC_ACCESS_ALL);
	peer = rc_mem_new(pair->b.pd, RC_ODP, MIB, RC_ACCESS_ALL);
	for (unsigned int i = 0; i < 5 * rc_opts.rounds; i++) {
		size_t off = rc_below(MIB / 2), len = 1 + rc_below(MIB / 2);

		rc_fill(mem->addr, mem->len);
		rc_do(&pair->a, IBV_WR_RDMA_WRITE, mem, off, peer, off, len, IBV_WC_SUCCESS);
		rc_require(!memcmp(mem->addr + off, peer->addr + off, len), "WRITE: data differ");
		rc_fill(peer->addr, peer->len);
		rc_ok(madvise(mem->map, mem->map_len, MADV_PAGEOUT));
		rc_do(&pair->a, IBV_WR_RDMA_READ, mem, off, peer, off, len, IBV_WC_SUCCESS);
		rc_require(!memcmp(mem->addr + off, peer->addr + off, len), "READ: data differ");
		rc_mem_guards(mem);
	}
	rc_require(rc_status_kib("VmPin") == 0, "VmPin is %ld KiB", rc_status_kib("VmPin"));
}

static void reads(struct rc_pair *pair, const struct rc_mem *to, const struct rc_mem *mem,
		  uint8_t byte)
{
	rc_do(&pair->b, IBV_WR_RDMA_READ, to, 0, mem, 0, mem->len, IBV_WC_SUCCESS);
	for (size_t i = 0; i < mem->len; i++)
		rc_require(to->addr[i] == byte, "byte %zu is %#x, want %#x", i, to->addr[i], byte);
}

/* The other differences that nopin.7 tells of. */
static void follows_the_program(const void *arg)
{
	const size_t len = 16 * PAGE;
	struct rc_pair *pair = rc_pair();
	uint8_t *addr = rc_map(len, 0);
	struct rc_mem *to, *mem;
	struct ibv_sge all;

	(void)arg;
	set_policy("never");
	to = rc_mem_new(pair->b.pd, RC_ODP, len, RC_ACCESS_ALL);
	mem = rc_mem_at(pair->a.pd, RC_PINNED, addr, len, RC_ACCESS_ALL);
	memset(addr, 1, len);
	reads(pair, to, mem, 1);
	rc_ok(madvise(addr, len, MADV_DONTNEED));
	reads(pair, to, mem, 0);
	all = rc_sge(mem, 0, len);
	rc_ok(ibv_advise_mr(pair->a.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			    IBV_ADVISE_MR_FLAG_FLUSH, &all, 1));
	rc_require(mmap(addr, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == addr,
		   "mmap: %s", strerror(errno));
	memset(addr, 2, len);
	reads(pair, to, mem, 2);
	rc_ok(mprotect(addr, len, PROT_READ));
	reads(pair, to, mem, 2);
	rc_do(&pair->b, IBV_WR_RDMA_WRITE, to, 0, mem, 0, len, IBV_WC_REM_ACCESS_ERR);
}

/* Before Linux 6.2, rights did not count for memory that is to be read only. */
static bool pins_by_force(void)
{
	unsigned int major, minor;
	struct utsname name;

	rc_ok(uname(&name));
	rc_require(sscanf(name.release, "%u.%u", &major, &minor) == 2, "release %s",
		   name.release);
	return major < 6 || (major == 6 && minor < 2);
}

/* What pinning would refuse is refused, now and not at the first access. */
static void refused(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	uint8_t *addr = rc_map(8 * PAGE, 0);
	static const char *const policies[] = { "ordinary", "never" };

	(void)arg;
	rc_ok(mprotect(addr + 4 * PAGE, PAGE, PROT_READ));
	rc_ok(mprotect(addr + 6 * PAGE, PAGE, PROT_NONE));
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		struct ibv_mr *mr;

		set_policy(policies[i]);
		errno = 0;
		mr = ibv_reg_mr(pair->a.pd, addr, 5 * PAGE, IBV_ACCESS_LOCAL_WRITE);
		rc_require(!mr && errno == EFAULT, "%s: a read-only page: %s", policies[i],
			   strerror(errno));
		mr = ibv_reg_mr(pair->a.pd, addr, 8 * PAGE, 0);
		if (mr && !i && pins_by_force())
			rc_ok(ibv_dereg_mr(mr));
		else
			rc_require(!mr && errno == EFAULT, "%s: a page without rights: %s",
				   policies[i], mr ? "registered" : strerror(errno));
		mr = ibv_reg_mr(pair->a.pd, NULL, PAGE, 0);
		rc_require(!mr && errno == EFAULT, "%s: a hole: %s", policies[i],
			   strerror(errno));
		mr = ibv_reg_mr(pair->a.pd, addr, 6 * PAGE, 0);
		rc_require(mr, "%s: for reading: %s", policies[i], strerror(errno));
		rc_ok(ibv_dereg_mr(mr));
	}
}

/* So is more than the memory allows, when it is asked for later. */
static void refused_later(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	uint8_t *addr = rc_map(4 * PAGE, 0);
	static const char *const policies[] = { "ordinary", "never" };

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		struct ibv_mr *mr;

		set_policy(policies[i]);
		rc_ok(mprotect(addr, 4 * PAGE, PROT_READ));
		mr = rc_reg(pair->a.pd, RC_PINNED, addr, 4 * PAGE, 0, IBV_ACCESS_REMOTE_READ);
		errno = 0;
		rc_require(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
					RC_ACCESS_ALL) && errno == EFAULT,
			   "%s: read-only memory was made writable: %s", policies[i],
			   strerror(errno));
		rc_ok(mprotect(addr, 4 * PAGE, PROT_READ | PROT_WRITE));
		rc_ok(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
				   RC_ACCESS_ALL));
	}
}

static void add_tests(void)
{
	RC_TEST(values);
	RC_TEST(memlock);
	RC_TEST(traffic);
	RC_TEST(follows_the_program);
	RC_TEST(refused);
	RC_TEST(refused_later);
}

int main(int argc, char **argv)
{
	return rc_main(argc, argv, add_tests);
}
