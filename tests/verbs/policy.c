// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The pinning policy of a device: with "never" programs that register ordinary memory pin
 * nothing, and run under the smallest RLIMIT_MEMLOCK.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "odp_system.h"
#include "rc.h"

#define PAGE	4096UL
#define LEN	(64 * MIB)

static int policy_file(int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/pin",
		 ibv_get_device_name(vt_dev(0)->ctx->device));
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		vt_skip("%s: %s", path, strerror(errno));
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

	vt_require(policy && read(fd, policy, 31) > 0, "cannot read the policy");
	close(fd);
	policy[strcspn(policy, "\n")] = 0;
	return policy;
}

/* Set the policy until the end of the test. */
static void set_policy(const char *policy)
{
	vt_defer(restore, get_policy());
	vt_require(try_policy(policy), "%s refused: %s", policy, strerror(errno));
}

static void values(const void *arg)
{
	static const char *const wrong[] = { "", "sometimes", "neve", "never mind", "\n" };
	char *now;

	(void)arg;
	set_policy("never");
	now = get_policy();
	vt_require(!strcmp(now, "never"), "set to never, reads %s", now);
	free(now);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		vt_require(!*wrong[i] || !try_policy(wrong[i]), "\"%s\" was taken", wrong[i]);
	now = get_policy();
	vt_require(!strcmp(now, "never"), "a refused value left %s", now);
	free(now);
	vt_require(try_policy("ordinary\n"), "ordinary refused");
}

/*
 * Register LEN bytes as an ordinary user with a small RLIMIT_MEMLOCK; @want: must it
 * succeed?
 */
static void register_limited(struct ibv_pd *pd, uint8_t *addr, bool want)
{
	struct rlimit old, little = { .rlim_cur = 64 * KIB };
	struct ibv_mr *mr;

	vt_ok(getrlimit(RLIMIT_MEMLOCK, &old));
	little.rlim_max = old.rlim_max;
	vt_ok(setrlimit(RLIMIT_MEMLOCK, &little));
	vt_ok(seteuid(65534));
	mr = ibv_reg_mr(pd, addr, LEN, VT_ACCESS_ALL);
	vt_ok(seteuid(0));
	vt_ok(setrlimit(RLIMIT_MEMLOCK, &old));
	vt_require(!!mr == want, "registering %s", mr ? "succeeded" : strerror(errno));
	if (mr)
		vt_ok(ibv_dereg_mr(mr));
}

static void memlock(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	uint8_t *addr = vt_map(LEN, 0);

	(void)arg;
	set_policy("ordinary");
	register_limited(pair->a.pd, addr, false);
	set_policy("never");
	register_limited(pair->a.pd, addr, true);
}

/* Traffic in ordinary regions whose pages are swapped out in between. */
static void traffic(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem, *peer;
	long out;

	(void)arg;
	odp_swap_on(64);
	out = odp_paged_out();
	set_policy("never");
	mem = vt_mem_new(pair->a.pd, VT_PINNED, MIB, VT_ACCESS_ALL);
	peer = vt_mem_new(pair->b.pd, VT_ODP, MIB, VT_ACCESS_ALL);
	for (unsigned int i = 0; i < 5 * vt_opts.rounds; i++) {
		size_t off = vt_below(MIB / 2), len = 1 + vt_below(MIB / 2);

		vt_fill(mem->addr, mem->len);
		rc_do(&pair->a, IBV_WR_RDMA_WRITE, mem, off, peer, off, len, IBV_WC_SUCCESS);
		vt_require(!memcmp(mem->addr + off, peer->addr + off, len), "WRITE: data differ");
		vt_fill(peer->addr, peer->len);
		odp_page_out(mem->map, mem->map_len);
		rc_do(&pair->a, IBV_WR_RDMA_READ, mem, off, peer, off, len, IBV_WC_SUCCESS);
		vt_require(!memcmp(mem->addr + off, peer->addr + off, len), "READ: data differ");
		vt_mem_guards(mem);
	}
	odp_want_paged_out(out);
	vt_require(vt_status_kib("VmPin") == 0, "VmPin is %ld KiB", vt_status_kib("VmPin"));
}

static void reads(struct rc_pair *pair, const struct vt_mem *to, const struct vt_mem *mem,
		  uint8_t byte)
{
	rc_do(&pair->b, IBV_WR_RDMA_READ, to, 0, mem, 0, mem->len, IBV_WC_SUCCESS);
	for (size_t i = 0; i < mem->len; i++)
		vt_require(to->addr[i] == byte, "byte %zu is %#x, want %#x", i, to->addr[i], byte);
}

/* The other differences of "never" that nopin.7 describes. */
static void follows_the_program(const void *arg)
{
	const size_t len = 16 * PAGE;
	struct rc_pair *pair = rc_pair();
	uint8_t *addr = vt_map(len, 0);
	struct vt_mem *to, *mem;
	struct ibv_sge all;

	(void)arg;
	set_policy("never");
	to = vt_mem_new(pair->b.pd, VT_ODP, len, VT_ACCESS_ALL);
	mem = vt_mem_at(pair->a.pd, VT_PINNED, addr, len, VT_ACCESS_ALL);
	memset(addr, 1, len);
	reads(pair, to, mem, 1);
	vt_ok(madvise(addr, len, MADV_DONTNEED));
	reads(pair, to, mem, 0);
	all = vt_sge(mem, 0, len);
	vt_ok(ibv_advise_mr(pair->a.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			    IBV_ADVISE_MR_FLAG_FLUSH, &all, 1));
	vt_require(mmap(addr, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == addr,
		   "mmap: %s", strerror(errno));
	memset(addr, 2, len);
	reads(pair, to, mem, 2);
	vt_ok(mprotect(addr, len, PROT_READ));
	reads(pair, to, mem, 2);
	rc_do(&pair->b, IBV_WR_RDMA_WRITE, to, 0, mem, 0, len, IBV_WC_REM_ACCESS_ERR);
}

/* Before Linux 6.2, pinning for reading ignores the protection of the mapping. */
static bool pins_by_force(void)
{
	unsigned int major, minor;
	struct utsname name;

	vt_ok(uname(&name));
	vt_require(sscanf(name.release, "%u.%u", &major, &minor) == 2, "release %s",
		   name.release);
	return major < 6 || (major == 6 && minor < 2);
}

/* "never" refuses what pinning would refuse, at registration and not at the first access. */
static void refused(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	uint8_t *addr = vt_map(8 * PAGE, 0);
	static const char *const policies[] = { "ordinary", "never" };

	(void)arg;
	vt_ok(mprotect(addr + 4 * PAGE, PAGE, PROT_READ));
	vt_ok(mprotect(addr + 6 * PAGE, PAGE, PROT_NONE));
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		struct ibv_mr *mr;

		set_policy(policies[i]);
		errno = 0;
		mr = ibv_reg_mr(pair->a.pd, addr, 5 * PAGE, IBV_ACCESS_LOCAL_WRITE);
		vt_require(!mr && errno == EFAULT, "%s: a read-only page: %s", policies[i],
			   strerror(errno));
		mr = ibv_reg_mr(pair->a.pd, addr, 8 * PAGE, 0);
		if (mr && !i && pins_by_force())
			vt_ok(ibv_dereg_mr(mr));
		else
			vt_require(!mr && errno == EFAULT, "%s: a page without rights: %s",
				   policies[i], mr ? "registered" : strerror(errno));
		mr = ibv_reg_mr(pair->a.pd, NULL, PAGE, 0);
		vt_require(!mr && errno == EFAULT, "%s: a hole: %s", policies[i],
			   strerror(errno));
		mr = ibv_reg_mr(pair->a.pd, addr, 6 * PAGE, 0);
		vt_require(mr, "%s: for reading: %s", policies[i], strerror(errno));
		vt_ok(ibv_dereg_mr(mr));
	}
}

/* Both policies refuse a later change to rights that the memory does not allow. */
static void refused_later(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	uint8_t *addr = vt_map(4 * PAGE, 0);
	static const char *const policies[] = { "ordinary", "never" };

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		struct ibv_mr *mr;

		set_policy(policies[i]);
		vt_ok(mprotect(addr, 4 * PAGE, PROT_READ));
		mr = vt_reg(pair->a.pd, VT_PINNED, addr, 4 * PAGE, 0, IBV_ACCESS_REMOTE_READ);
		errno = 0;
		vt_require(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
					VT_ACCESS_ALL) && errno == EFAULT,
			   "%s: read-only memory was made writable: %s", policies[i],
			   strerror(errno));
		vt_ok(mprotect(addr, 4 * PAGE, PROT_READ | PROT_WRITE));
		vt_ok(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
				   VT_ACCESS_ALL));
	}
}

static void add_tests(void)
{
	VT_TEST(values);
	VT_TEST(memlock);
	VT_TEST(traffic);
	VT_TEST(follows_the_program);
	VT_TEST(refused);
	VT_TEST(refused_later);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
