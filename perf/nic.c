// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The devices of the competitors, and links between them. */
#include <arpa/inet.h>
#include <rdma/rdma_cma.h>
#include <stdio.h>
#include <sys/mman.h>

#include "perf.h"

#define HUGE_PAGE	(2 * MIB)

/* --- devices --- */

/* The connection manager opens the devices itself; find the context of one. */
static struct ibv_context *iwarp_open(const char *name)
{
	struct ibv_context **list = rdma_get_devices(NULL), *ctx = NULL;

	for (size_t i = 0; list && list[i] && !ctx; i++)
		if (!strcmp(ibv_get_device_name(list[i]->device), name))
			ctx = list[i];
	rdma_free_devices(list);
	return ctx;
}

/* Parse NAME@ADDRESS. */
static int iwarp_dev(struct perf_nic *nic, int i, char *spec)
{
	char *at = strchr(spec, '@');
	struct vt_dev *dev = &nic->dev[i];

	if (!at)
		return perf_fail("%s has no address", spec);
	*at = 0;
	nic->iwarp = true;
	nic->addr[i].sin_family = AF_INET;
	if (inet_pton(AF_INET, at + 1, &nic->addr[i].sin_addr) != 1)
		return perf_fail("no address: %s", at + 1);
	dev->ctx = iwarp_open(spec);
	if (!dev->ctx || ibv_query_device_ex(dev->ctx, NULL, &dev->attr))
		return perf_fail("cannot open device %s", spec);
	return 0;
}

/* Open both devices of "A,B"; iWARP devices have an address behind the name. */
int perf_nic_open(struct perf_nic *nic, const char *name, const char *spec)
{
	char text[128], *rest = text, *one;

	nic->name = name;
	snprintf(text, sizeof(text), "%s", spec);
	for (int i = 0; i < 2; i++) {
		one = strsep(&rest, ",");
		if (!one)
			return perf_fail("%s: want two devices", spec);
		if (!strchr(one, '@'))
			perf_nic_roce(nic, i, one);
		else if (iwarp_dev(nic, i, one))
			return -1;
	}
	return 0;
}

/* --- links --- */

struct rc_attr perf_attr(void)
{
	struct rc_attr attr = rc_attr_default;

	attr.wr = PERF_FLIGHT + 2;
	attr.sge = 1;
	attr.rd_atomic = 16;
	return attr;
}

/*
 * Map memory with all pages present, in huge pages if it is large enough. Every second
 * mapping begins some pages later, so that a source and its target differ in their lower
 * address bits: under software emulation a copy between equal ones is several times slower.
 */
#define SKEW	(17 * 4 * KIB)

void *perf_map(size_t len)
{
	static unsigned int maps;
	uint8_t *map = vt_map(len + 2 * HUGE_PAGE, 0);

	if (len >= HUGE_PAGE) {
		map = (uint8_t *)(((uintptr_t)map + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
		madvise(map, len + HUGE_PAGE, MADV_HUGEPAGE);
	} else {
		madvise(map, len + 2 * HUGE_PAGE, MADV_NOHUGEPAGE);
	}
	map += maps++ % 2 * SKEW;
	memset(map, 0, len);
	return map;
}

/*
 * Make a link for each side, not connected yet. All use the same memory, as the speed of
 * copies differs between pages by as much as between similar sides.
 */
void perf_links_init(struct perf_link *link, const struct perf_run *run,
		     enum perf_path path, size_t len, const struct rc_attr *attr)
{
	uint8_t *from = perf_map(len), *to = perf_map(len);

	for (size_t i = 0; i < run->num_sides; i++)
		link[i] = (struct perf_link){
			.side = &run->side[i], .path = path, .memory = { from, to },
			.len = len, .attr = *attr,
		};
}

static void roce_connect(struct perf_link *link)
{
	struct vt_dev *a = &link->side->nic->dev[0];
	struct vt_dev *b = &link->side->nic->dev[link->path == PERF_WIRE];
	struct rc_pair *pair;

	perf_attr_fit(&link->attr, a, b);
	pair = rc_pair_between(a, b, &link->attr);
	link->end[0] = pair->a;
	link->end[1] = pair->b;
}

/*
 * Connect the link if it is not. A link whose QPs have failed gets new ones; the end of the
 * subject releases the old ones.
 */
int perf_link_open(struct perf_link *link)
{
	const struct perf_side *side = link->side;

	if (link->open)
		return 0;
	if (!side->nic)
		return perf_fail("%s", side->missing);
	if (side->nic->iwarp && link->service != PERF_RC)
		return perf_lacks("%s has connections only", side->name);
	if (link->service >= PERF_UD)
		perf_service_connect(link);
	else if (!side->nic->iwarp)
		roce_connect(link);
	else if (perf_iwarp_connect(link))
		return -1;
	for (int i = 0; i < 2; i++)
		link->mem[i] = vt_mem_at(link->end[i].pd, side->kind, link->memory[i],
					 link->len, VT_ACCESS_ALL);
	memset(link->warm, 0, sizeof(link->warm));
	link->open = true;
	return 0;
}

/*
 * Move the QPs to the error state: requests in flight must not reach memory that other
 * sides use.
 */
void perf_link_fail(struct perf_link *link)
{
	for (int i = 0; i < 2; i++)
		rc_to_state(&link->end[i], IBV_QPS_ERR);
	link->open = false;
}
