// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Packets that are valid but arrive by the wrong way must be dropped. Each is the next
 * packet that its QP expects, with a valid rkey, so a QP that accepted it would carry it
 * out. To prove that, each test then sends the same packet by the right way.
 *
 * Runs in the node of end a, and sends forged packets to end b from its interfaces:
 *
 *   WIRE, WIRE_MAC	the interface that leads to b, and the MAC address of b's interface
 *   ASIDE, ASIDE_MAC	likewise, another interface that leads to b's node
 *   FAR		b's network namespace
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <stdio.h>

#include "forge.h"
#include "rc.h"

#define LEN	1024

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	vt_require(value, "%s is not set", name);
	return value;
}

static void parse_mac(const char *text, uint8_t mac[6])
{
	unsigned int byte[6];

	vt_require(sscanf(text, "%x:%x:%x:%x:%x:%x", &byte[0], &byte[1], &byte[2],
			  &byte[3], &byte[4], &byte[5]) == 6, "not a MAC: %s", text);
	for (int i = 0; i < 6; i++)
		mac[i] = byte[i];
}

static void release_forge(void *obj)
{
	forge_close(obj);
	free(obj);
}

/* Forge frames from @from to @to, sent from the interface that @ifname names. */
static struct forge *frames(const char *ifname, const char *mac_of,
			    const struct rc_end *from, const struct rc_end *to)
{
	struct forge *forge = calloc(1, sizeof(*forge));
	uint8_t mac[6];

	vt_require(forge, "out of memory");
	memcpy(&forge->saddr, &from->dev->gid, sizeof(forge->saddr));
	memcpy(&forge->daddr, &to->dev->gid, sizeof(forge->daddr));
	parse_mac(setting(mac_of), mac);
	forge_open_frames(forge, NULL, setting(ifname), mac);
	vt_defer(release_forge, forge);
	return forge;
}

/* The packet that end @to expects: a WRITE that fills its memory with @value. */
static void due_write(struct forge_packet *packet, const struct rc_end *from,
		      const struct rc_end *to, const struct vt_mem *mem, uint8_t value)
{
	uint8_t data[LEN];

	memset(data, value, sizeof(data));
	forge_begin(packet, FORGE_WRITE_ONLY, to->qp->qp_num, from->psn);
	forge_reth(packet, mem->iova, mem->mr->rkey, LEN);
	forge_put(packet, data, sizeof(data));
}

static struct vt_mem *target(const struct rc_end *end)
{
	struct vt_mem *mem;

	vt_need_kind(end->dev, VT_ODP, IBV_ODP_SUPPORT_WRITE);
	mem = vt_mem_new(end->pd, VT_ODP, LEN, VT_ACCESS_ALL);
	memset(mem->addr, 0, LEN);
	return mem;
}

static bool holds(const struct vt_mem *mem, uint8_t value)
{
	for (size_t i = 0; i < LEN; i++)
		if (((volatile uint8_t *)mem->addr)[i] != value)
			return false;
	return true;
}

static void want_refused(struct forge *forge, struct forge_packet *packet,
			 const struct vt_mem *mem)
{
	vt_ok(forge_send(forge, packet));
	vt_sleep_ms(300);
	vt_require(holds(mem, 0), "it was carried out");
}

static void want_taken(struct forge *forge, struct forge_packet *packet,
		       const struct vt_mem *mem, uint8_t value)
{
	uint64_t end = vt_now_ms() + vt_patience_ms();

	vt_ok(forge_send(forge, packet));
	while (!holds(mem, value)) {
		vt_require(vt_now_ms() < end, "the right packet was not carried out");
		vt_sleep_ms(5);
	}
	vt_mem_guards(mem);
}

/* The same packet through another interface of the same host. */
static void another_interface(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = target(&pair->b);
	struct forge *wire = frames("WIRE", "WIRE_MAC", &pair->a, &pair->b);
	struct forge *aside = frames("ASIDE", "ASIDE_MAC", &pair->a, &pair->b);
	struct forge_packet packet;

	(void)arg;
	due_write(&packet, &pair->a, &pair->b, mem, 0x11);
	want_refused(aside, &packet, mem);
	want_taken(wire, &packet, mem, 0x11);
}

/* A CNP is accepted only from the peer's address, by the interface that leads to the peer. */
static void congestion_from_elsewhere(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct forge *wire = frames("WIRE", "WIRE_MAC", &pair->a, &pair->b);
	struct forge *aside = frames("ASIDE", "ASIDE_MAC", &pair->a, &pair->b);
	struct forge *another = frames("WIRE", "WIRE_MAC", &pair->a, &pair->b);
	long long heeded = vt_counter(vt_dev(1), "rp_cnp_handled");
	struct forge_packet packet;

	(void)arg;
	another->saddr.s6_addr[15] ^= 0x40;
	forge_cnp(&packet, pair->b.qp->qp_num);
	vt_ok(forge_send(aside, &packet));
	vt_ok(forge_send(another, &packet));
	vt_sleep_ms(300);
	vt_require(vt_counter(vt_dev(1), "rp_cnp_handled") == heeded, "it was heeded");
	vt_ok(forge_send(wire, &packet));
	vt_sleep_ms(300);
	vt_require(vt_counter(vt_dev(1), "rp_cnp_handled") == heeded + 1,
		   "the peer's was not heeded");
}

/* RoCEv2 packets are never fragmented (IBTA annex A17.4.4). */
static void fragments(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = target(&pair->b);
	struct forge *wire = frames("WIRE", "WIRE_MAC", &pair->a, &pair->b);
	struct forge_packet packet;

	(void)arg;
	if (!IN6_IS_ADDR_V4MAPPED(&wire->daddr))
		vt_skip("only IPv4 packets are cut up here");
	due_write(&packet, &pair->a, &pair->b, mem, 0x22);
	packet.fragment = 256;
	want_refused(wire, &packet, mem);
	packet.fragment = 0;
	want_taken(wire, &packet, mem, 0x22);
}

/* A broadcast frame. */
static void broadcast_frame(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = target(&pair->b);
	struct forge *wire = frames("WIRE", "WIRE_MAC", &pair->a, &pair->b);
	struct forge *all = frames("WIRE", "WIRE_MAC", &pair->a, &pair->b);
	struct forge_packet packet;

	(void)arg;
	memset(all->mac, 0xff, sizeof(all->mac));
	due_write(&packet, &pair->a, &pair->b, mem, 0x33);
	want_refused(all, &packet, mem);
	want_taken(wire, &packet, mem, 0x33);
}

/*
 * An IPv6 packet with IPv4-mapped addresses is not an IPv4 packet. The far node has that
 * address on a dummy interface.
 */
static void mapped_addresses(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *mem = target(&pair->b);
	struct forge *wire = frames("WIRE", "WIRE_MAC", &pair->a, &pair->b);
	struct forge_packet packet;

	(void)arg;
	if (!IN6_IS_ADDR_V4MAPPED(&wire->daddr))
		vt_skip("the connection is one over IPv6");
	due_write(&packet, &pair->a, &pair->b, mem, 0x44);
	wire->as_ipv6 = true;
	want_refused(wire, &packet, mem);
	wire->as_ipv6 = false;
	want_taken(wire, &packet, mem, 0x44);
}

/* Two QPs of one device: a packet from a wire does not come from the other QP. */
static void own_address(const void *arg)
{
	struct rc_pair *pair = rc_pair_between(vt_dev(1), vt_dev(1), &rc_attr_default);
	struct vt_mem *mem = target(&pair->b);
	struct forge *wire = frames("WIRE", "WIRE_MAC", &pair->a, &pair->b);
	struct forge *local = calloc(1, sizeof(*local));
	struct forge_packet packet;

	(void)arg;
	vt_require(local, "out of memory");
	local->saddr = wire->saddr;
	local->daddr = wire->daddr;
	forge_open_udp(local, setting("FAR"));
	vt_defer(release_forge, local);
	due_write(&packet, &pair->a, &pair->b, mem, 0x55);
	want_refused(wire, &packet, mem);
	want_taken(local, &packet, mem, 0x55);
}

/* --- addresses that no peer can have --- */

static int connect_to(const char *address)
{
	struct rc_attr attr = rc_attr_default;
	struct rc_addr to = { .qpn = 5 };
	struct in6_addr gid = forge_address(address);
	struct rc_end end;

	memcpy(to.gid.raw, &gid, sizeof(gid));
	rc_end_open(&end, vt_dev(0), NULL, &attr);
	vt_ok(rc_to_init(&end, &attr));
	return rc_to_rtr(&end, &attr, &to);
}

/*
 * The nodes have 10.0.0.1/24 and so on. @by_us: nopin must refuse, with EINVAL; otherwise
 * the core may refuse with any error.
 */
static const struct refused {
	const char *address;
	bool by_us;
} refused[] = {
	{ "224.0.0.1", true }, { "239.255.255.255", true }, { "255.255.255.255", true },
	{ "10.0.0.255", true }, { "127.255.255.255", true }, { "127.0.0.1", false },
	{ "0.0.0.0", false }, { "ff02::1", true }, { "ff0e::1234", true },
	{ "::", false }, { "::1", false },
};

static bool is_same_family(const char *address)
{
	struct in6_addr gid = forge_address(address), ours;

	memcpy(&ours, &vt_dev(0)->gid, sizeof(ours));
	return IN6_IS_ADDR_V4MAPPED(&gid) == IN6_IS_ADDR_V4MAPPED(&ours);
}

static void refused_addresses(const void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		int ret;

		if (!is_same_family(refused[i].address))
			continue;
		ret = connect_to(refused[i].address);
		/* Since 7.1 the core refuses broadcasts itself. */
		vt_require(ret && (ret == EINVAL || ret == ENODEV || !refused[i].by_us),
			   "to %s: %s", refused[i].address,
			   ret ? strerror(ret) : "accepted");
	}
}

static void good_address(const void *arg)
{
	char text[INET6_ADDRSTRLEN];
	const uint8_t *gid = vt_dev(1)->gid.raw;

	(void)arg;
	if (IN6_IS_ADDR_V4MAPPED(gid))
		inet_ntop(AF_INET, gid + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, gid, text, sizeof(text));
	vt_ok(connect_to(text));
}

static void add(void)
{
	VT_TEST(another_interface);
	VT_TEST(congestion_from_elsewhere);
	VT_TEST(fragments);
	VT_TEST(broadcast_frame);
	VT_TEST(mapped_addresses);
	VT_TEST(own_address);
	VT_TEST(good_address);
	VT_TEST(refused_addresses);
}

int main(int argc, char **argv)
{
	return vt_main(argc, argv, add);
}
