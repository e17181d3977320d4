// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The forger: user nobody, with a UDP socket in the namespace of each end. Its packets have
 * a correct ICRC and the address that the receiver expects; all else is random.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

#include "forge.h"
#include "fuzz.h"

#define NOBODY		65534
#define PSN_MASK	0xffffffU
#define AETH_CREDITS	0x1f
#define SOCKETS		2
#define PAYLOAD_MAX	4400	/* somewhat more than a packet may have */

/* The headers of each opcode behind the BTH. */
enum { RETH = 1, ATOMIC = 2, AETH = 4, ORIGINAL = 8, DETH = 16, IMM = 32, PAYLOAD = 64,
       FETH = 128 };

static const struct kind {
	uint8_t opcode;
	uint16_t has;
} kinds[] = {
	{ 0x00, PAYLOAD }, { 0x01, PAYLOAD }, { 0x02, PAYLOAD }, { 0x03, PAYLOAD | IMM },
	{ 0x04, PAYLOAD }, { 0x05, PAYLOAD | IMM }, { 0x06, PAYLOAD | RETH },
	{ 0x07, PAYLOAD }, { 0x08, PAYLOAD }, { 0x09, PAYLOAD | IMM },
	{ 0x0a, PAYLOAD | RETH }, { 0x0b, PAYLOAD | RETH | IMM }, { 0x0c, RETH },
	{ 0x0c, RETH }, { 0x13, ATOMIC }, { 0x14, ATOMIC },
	{ 0x0d, PAYLOAD | AETH }, { 0x0e, PAYLOAD },
	{ 0x0f, PAYLOAD | AETH }, { 0x10, PAYLOAD | AETH },
	{ 0x11, AETH }, { 0x11, AETH },
	{ 0x12, AETH | ORIGINAL },
	{ 0x16, PAYLOAD | IMM }, { 0x17, PAYLOAD | IMM }, /* IMM: the key */
	{ 0x64, PAYLOAD | DETH }, { 0x65, PAYLOAD | DETH | IMM },
	{ 0x1c, FETH | RETH }, { 0x1d, PAYLOAD | RETH },
	{ 0x20, PAYLOAD }, { 0x21, PAYLOAD }, { 0x22, PAYLOAD }, { 0x23, PAYLOAD | IMM },
	{ 0x24, PAYLOAD }, { 0x26, PAYLOAD | RETH }, { 0x27, PAYLOAD }, { 0x28, PAYLOAD },
	{ 0x2a, PAYLOAD | RETH }, { 0x2b, PAYLOAD | RETH | IMM }, { 0xa4, PAYLOAD },
};

static const uint32_t odd_lengths[] = { 0, 1, 0x7fffffff, 0x80000000, 0x80000001, ~0U };

/* --- the fields --- */

/* A PSN far behind, far ahead, or used before; never the next one. */
static uint32_t blind_psn(struct fuzz_psns *psns)
{
	uint32_t been = (psns->next - psns->first) & PSN_MASK;

	switch (vt_below(4)) {
	case 0:
		return psns->first - 1 - vt_below(FUZZ_APART);
	case 1:
		return psns->first + FUZZ_APART + vt_below(FUZZ_APART / 2);
	default:
		return been ? psns->first + vt_below(been) : psns->first - 1;
	}
}

static uint32_t known_psn(struct fuzz_psns *psns)
{
	switch (vt_below(8)) {
	case 0:
		return vt_rand();
	case 1:
	case 2:
		return psns->next + vt_below(128) - 64;
	case 3:
	case 4:
		return psns->next + vt_below(8);
	default:
		return psns->next;
	}
}

/* Requests and responses have PSNs of their own (IBTA 9.2.1: the opcode tells which). */
static bool is_response(uint8_t opcode)
{
	return (opcode & 0x1f) >= FORGE_READ_RESPONSE_FIRST &&
	       (opcode & 0x1f) <= FORGE_ATOMIC_ACK;
}

static uint32_t draw_psn(struct fuzz_target *target, bool response)
{
	struct fuzz_psns *psns = response ? &target->responses : &target->requests;
	uint32_t psn = target->aim == AIM_BLIND ? blind_psn(psns) : known_psn(psns);

	return (psn & PSN_MASK) | (vt_chance(50) ? FORGE_ACK_REQ : 0);
}

static uint64_t draw_va(const struct fuzz_region *region)
{
	switch (vt_below(8)) {
	case 0:
		return region->va - vt_below(4096);
	case 1:
		return region->va + region->len - vt_below(4096);
	case 2:
		return 0 - vt_below(8192);
	case 3:
		return vt_rand();
	default:
		return (region->va + vt_below(region->len)) & ~(vt_chance(50) ? 7ULL : 0);
	}
}

static uint32_t draw_length(uint32_t payload)
{
	switch (vt_below(6)) {
	case 0:
		return odd_lengths[vt_below(ARRAY_SIZE(odd_lengths))];
	case 1:
		return vt_below(1 << 20);
	case 2:
		return vt_rand();
	default:
		return payload;
	}
}

/* The region of the target; now and then one that the target may not access. */
static const struct fuzz_region *draw_region(struct fuzz *fuzz, struct fuzz_target *target)
{
	if (vt_chance(10))
		return &fuzz->still;
	if (vt_chance(10))
		return &fuzz->targets[vt_below(FUZZ_ENDS)].region;
	return &target->region;
}

static uint32_t draw_rkey(const struct fuzz_region *region)
{
	if (vt_chance(85))
		return region->rkey;
	return vt_chance(50) ? region->rkey ^ 1U << vt_below(32) : vt_rand();
}

static uint8_t draw_syndrome(void)
{
	if (vt_chance(40))
		return AETH_CREDITS;
	return vt_chance(50) ? 0x60 | vt_below(6) : vt_rand();
}

static uint32_t draw_payload(void)
{
	switch (vt_below(8)) {
	case 0:
		return 0;
	case 1:
		return 1024;	/* the path MTU */
	case 2:
		return vt_below(PAYLOAD_MAX);
	default:
		return vt_below(128);
	}
}

/* --- the packet --- */

static void put_headers(struct fuzz *fuzz, struct fuzz_target *target, uint16_t has,
			struct forge_packet *packet, uint32_t payload)
{
	const struct fuzz_region *region = draw_region(fuzz, target);

	if (has & FETH) /* often a valid one */
		forge_put32(packet, vt_chance(80) ? 1 | vt_below(2) << 4 : vt_rand());
	if (has & RETH)
		forge_reth(packet, draw_va(region), draw_rkey(region), draw_length(payload));
	if (has & ATOMIC)
		forge_atomic(packet, draw_va(region), draw_rkey(region), vt_rand(), vt_rand());
	if (has & DETH)
		forge_deth(packet, vt_chance(50) ? FORGE_QP1_QKEY : vt_rand(), vt_rand());
	if (has & AETH)
		forge_put32(packet, (uint32_t)draw_syndrome() << 24 | (vt_rand() & PSN_MASK));
	if (has & ORIGINAL)
		forge_put64(packet, vt_rand());
	if (has & IMM)
		forge_put32(packet, vt_rand());
}

/*
 * Flip a bit, but not in the opcode, the QPN or the PSN: the packet might then be for
 * another QP, or due.
 */
static void spoil(struct forge_packet *packet)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 8, 12, 13, 14, 15, 16, 20, 23, 24, 27 };
	size_t at = bytes[vt_below(ARRAY_SIZE(bytes))];

	if (at < packet->len)
		packet->ib[at] ^= 1U << vt_below(8);
}

static void make_packet(struct fuzz *fuzz, struct fuzz_target *target,
			struct forge_packet *packet)
{
	const struct kind *kind = &kinds[vt_below(ARRAY_SIZE(kinds))];
	uint32_t payload = kind->has & PAYLOAD ? draw_payload() : 0;
	uint32_t qpn = vt_chance(97) ? target->qpn : 0x800000 | vt_below(0x7fffff);
	uint8_t opcode = vt_chance(98) ? kind->opcode : vt_rand();
	uint8_t data[PAYLOAD_MAX];

	vt_fill(data, payload);
	forge_begin(packet, opcode, qpn, draw_psn(target, is_response(opcode)));
	put_headers(fuzz, target, kind->has, packet, payload);
	forge_put(packet, data, payload);
	if (vt_chance(95))
		forge_pad(packet);
	if (vt_chance(10))
		spoil(packet);
	if (vt_chance(2))
		packet->len = 12 + vt_below(packet->len - 11);
}

/* --- the process --- */

static const char *netns_of(const char *device, char *buffer, size_t size)
{
	const char *colon = device ? strchr(device, ':') : NULL;

	if (!colon)
		return NULL;
	snprintf(buffer, size, "%.*s", (int)(colon - device), device);
	return buffer;
}

/* Open the socket for packets to the device of @side, at the other side. */
static void open_side(struct forge *forge, int side)
{
	const char *from = side ? vt_opts.device : vt_opts.peer ?: vt_opts.device;
	char buffer[64];

	memset(forge, 0, sizeof(*forge));
	memcpy(&forge->saddr, vt_dev(!side)->gid.raw, sizeof(forge->saddr));
	memcpy(&forge->daddr, vt_dev(side)->gid.raw, sizeof(forge->daddr));
	forge_open_udp(forge, netns_of(from, buffer, sizeof(buffer)));
}

static struct fuzz_target *draw_target(struct fuzz *fuzz)
{
	struct fuzz_target *target;

	do
		target = &fuzz->targets[vt_below(FUZZ_ENDS)];
	while (target->aim == AIM_NEVER);
	return target;
}

__noreturn
static void forger(struct fuzz *fuzz, uint64_t packets)
{
	struct forge out[2][SOCKETS];
	struct forge_packet packet;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 2 * SOCKETS; i++)
		open_side(&out[i / SOCKETS][i % SOCKETS], i / SOCKETS);
	vt_require(!setgid(NOBODY) && !setuid(NOBODY), "setuid: %s", strerror(errno));
	for (uint64_t n = 0; n < packets && !fuzz->over; n++) {
		struct fuzz_target *target = draw_target(fuzz);

		make_packet(fuzz, target, &packet);
		if (forge_send(&out[target->side][vt_below(SOCKETS)], &packet))
			fuzz->refused++;
		fuzz->sent++;
	}
	_exit(EXIT_SUCCESS);
}

pid_t fuzz_forger_start(struct fuzz *fuzz, uint64_t packets)
{
	uint64_t seed = vt_rand();
	pid_t pid = vt_fork();

	if (!pid) {
		vt_reseed(seed);
		forger(fuzz, packets);
	}
	return pid;
}
