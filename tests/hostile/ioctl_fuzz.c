// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Random commands, made from valid ones. An unprivileged child creates each object that
 * verbs can create while its commands are recorded. Then it sends these commands again and
 * again, with random changes in headers, attributes, handles, driver data and pointers. Any
 * result is accepted, but the kernel must not complain and other processes' traffic must go
 * on.
 *
 * The same seed sends the same commands. A child may die of its own commands.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "everything.h"
#include "record.h"

#define NOBODY		65534
#define CHILDREN	2	/* in each round */
#define COMMANDS	3000	/* of each child */
#define SLOT		4096UL	/* bytes for the data that an attribute points to */
#define PER_CHILD_MS	60000

/* A slot for each attribute; behind the last one is an inaccessible page. */
static uint8_t *scratch;

/*
 * Shared by all processes, to check that each child has commands to send, and that some
 * succeed and some fail.
 */
static struct tally {
	uint64_t ready, sent, taken;
} *tally;

/* --- what is changed --- */

static uint64_t odd_number(void)
{
	static const uint64_t numbers[] = {
		0, 1, 2, 7, 8, 0x7f, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 1ULL << 62, 1ULL << 63, ~0ULL, ~0ULL - 4095,
	};

	return vt_chance(70) ? numbers[vt_below(ARRAY_SIZE(numbers))] : vt_rand() >> vt_below(64);
}

/* A pointer to nothing, to the end of valid memory, to read-only memory, or a valid one. */
static uint64_t odd_pointer(void)
{
	switch (vt_below(6)) {
	case 0:
		return 0;
	case 1:
		return (uintptr_t)scratch + RECORD_ATTRS * SLOT - vt_below(64);
	case 2:
		return (uintptr_t)odd_pointer & ~4095ULL;
	case 3:
		return ~0ULL << vt_below(48);
	default:
		return (uintptr_t)scratch + vt_below(RECORD_ATTRS * SLOT - 64);
	}
}

static void spoil_bytes(uint8_t *data, size_t len)
{
	static const uint8_t sizes[] = { 1, 2, 4, 4, 4, 8 };
	size_t size = sizes[vt_below(sizeof(sizes))];
	uint64_t value = odd_number();

	if (size > len)
		return;
	if (vt_chance(20))
		data[vt_below(len)] ^= 1U << vt_below(8);
	else
		memcpy(data + vt_below((len - size) / size + 1) * size, &value, size);
}

static void spoil_attr(struct record_attr *attr)
{
	switch (vt_below(8)) {
	case 0:
		attr->attr.attr_id = vt_chance(50) ? vt_below(16) : vt_rand();
		break;
	case 1:
		attr->attr.len = vt_chance(50) ? attr->attr.len + vt_below(9) - 4 :
						 odd_number();
		break;
	case 2:
		attr->attr.flags = vt_chance(80) ? vt_below(4) : odd_number();
		break;
	case 3:
		attr->attr.attr_data.reserved = vt_chance(50) ? vt_below(8) : odd_number();
		break;
	case 4:
		attr->kept = 0;
		attr->attr.data = odd_pointer();
		break;
	case 5:
		attr->kept = 0;
		attr->attr.data = vt_chance(60) ? vt_below(24) : odd_number();
		break;
	default:
		if (attr->kept)
			spoil_bytes(attr->data, attr->kept);
		else
			attr->attr.data = vt_below(24);
	}
}

static const struct record *some_record(void)
{
	return &records[vt_below(num_records)];
}

/* Add an attribute of another command, or remove one. */
static void spoil_list(struct record *record)
{
	const struct record *other = some_record();
	uint16_t num = record->hdr.num_attrs;

	if (num && vt_chance(40)) {
		record->attrs[vt_below(num)] = record->attrs[num - 1];
		record->hdr.num_attrs--;
	} else if (num < RECORD_ATTRS && other->hdr.num_attrs) {
		record->attrs[num] = other->attrs[vt_below(other->hdr.num_attrs)];
		record->hdr.num_attrs++;
	}
}

static void spoil_header(struct ib_uverbs_ioctl_hdr *hdr)
{
	switch (vt_below(12)) {
	case 0:
		hdr->object_id = vt_chance(80) ? vt_below(20) : odd_number();
		break;
	case 1:
		hdr->driver_id = odd_number();
		break;
	case 2:
		hdr->reserved1 = odd_number();
		break;
	case 3:
		hdr->reserved2 = odd_number();
		break;
	case 4:
		hdr->method_id ^= 0x1000;	/* the driver's own methods */
		break;
	default:
		hdr->method_id = vt_below(12) | (vt_chance(10) ? 0x1000 : 0);
	}
}

static void spoil(struct record *record)
{
	if (record->written)
		spoil_bytes(record->command, record->written);
	else if (vt_chance(10))
		spoil_header(&record->hdr);
	else if (vt_chance(15))
		spoil_list(record);
	else if (record->hdr.num_attrs)
		spoil_attr(&record->attrs[vt_below(record->hdr.num_attrs)]);
}

/* --- how it is sent --- */

static void count(long ret)
{
	tally->sent++;
	tally->taken += ret >= 0;
}

static void send_ioctl(int fd, struct record *record)
{
	struct {
		struct ib_uverbs_ioctl_hdr hdr;
		struct ib_uverbs_attr attrs[RECORD_ATTRS];
	} call = { .hdr = record->hdr };

	for (int i = 0; i < record->hdr.num_attrs; i++) {
		const struct record_attr *attr = &record->attrs[i];

		call.attrs[i] = attr->attr;
		if (!attr->kept)
			continue;
		call.attrs[i].data = (uintptr_t)scratch + i * SLOT;
		memcpy(scratch + i * SLOT, attr->data, attr->kept);
	}
	call.hdr.length = sizeof(call.hdr) + record->hdr.num_attrs * sizeof(call.attrs[0]);
	if (vt_chance(2))
		call.hdr.length = odd_number();
	count(syscall(SYS_ioctl, fd, RDMA_VERBS_IOCTL, &call));
}

/*
 * Send a write() command. Replace its response pointer, which points to a stack frame that
 * is gone.
 */
static void send_written(int fd, struct record *record)
{
	uint64_t to = (uintptr_t)scratch;
	size_t len = vt_chance(90) ? record->written : vt_below(RECORD_DATA);

	if (record->written >= 16)
		memcpy(record->command + 8, &to, sizeof(to));
	count(syscall(SYS_write, fd, record->command, len));
}

static void send_some(int fd)
{
	struct record record = *some_record();

	for (unsigned int n = vt_below(5); n; n--)
		spoil(&record);
	if (record.written)
		send_written(fd, &record);
	else
		send_ioctl(fd, &record);
}

/* --- the child --- */

/* Become an ordinary user, with limited resources. */
static void become_nobody(void)
{
	struct rlimit pinned = { 16 * MIB, 16 * MIB }, files = { 512, 512 };

	vt_ok(setrlimit(RLIMIT_MEMLOCK, &pinned));
	vt_ok(setrlimit(RLIMIT_NOFILE, &files));
	vt_ok(setresgid(NOBODY, NOBODY, NOBODY));
	vt_ok(setresuid(NOBODY, NOBODY, NOBODY));
}

static void map_scratch(void)
{
	size_t len = RECORD_ATTRS * SLOT;

	scratch = vt_map(len + SLOT, 0);
	vt_ok(mprotect(scratch + len, SLOT, PROT_NONE));
}

/* Run the child; it leaves the cleanup to the kernel. */
__noreturn
static void child_run(uint64_t seed)
{
	struct vt_dev dev;

	vt_dev_open(&dev, vt_opts.device);
	become_nobody();
	map_scratch();
	record_begin(dev.ctx->cmd_fd);
	everything_make(&dev);
	record_end();
	vt_reseed(seed);
	vt_require(num_records > 60 && num_records < RECORDS, "%u commands were recorded",
		   num_records);
	tally->ready++;
	for (int i = 0; i < COMMANDS; i++)
		send_some(dev.ctx->cmd_fd);
	_exit(EXIT_SUCCESS);
}

/* --- the parent --- */

static void unmap_tally(void *obj)
{
	munmap(obj, sizeof(*tally));
}

static void map_tally(void)
{
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	vt_require(tally != MAP_FAILED, "mmap: %s", strerror(errno));
	vt_defer(unmap_tally, tally);
}

/* Returns true if the child was killed by its own commands, which is allowed. */
static bool run_child(unsigned int i)
{
	pid_t pid = vt_fork();
	int status;

	if (!pid)
		child_run(vt_opts.seed + i);
	status = vt_wait_child(pid, PER_CHILD_MS * vt_slowness());
	vt_require(status != -1, "child %u hangs", i);
	vt_require(!WIFEXITED(status) || !WEXITSTATUS(status), "child %u gave up", i);
	return WIFSIGNALED(status);
}

static void random_ioctls(const void *arg)
{
	unsigned int children = CHILDREN * vt_opts.rounds, died = 0;
	struct rc_pair *pair;

	(void)arg;
	if (!vt_is_nopin(vt_dev(0)))
		vt_skip("the commands of another driver");
	map_tally();
	pair = rc_pair();
	for (unsigned int i = 0; i < children; i++) {
		died += run_child(i);
		rc_works(pair);
	}
	vt_note("%llu random commands, %llu of them taken, seed %#llx; of %u children %u hurt themselves",
		(unsigned long long)tally->sent, (unsigned long long)tally->taken,
		(unsigned long long)vt_opts.seed, children, died);
	vt_require(tally->ready == children, "%llu of %u children had commands to send",
		   (unsigned long long)tally->ready, children);
	vt_require(tally->taken > tally->sent / 20 && tally->taken < tally->sent,
		   "that tests one side only");
}

static void add_tests(void)
{
	VT_TEST(random_ioctls);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add_tests);
}
