// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The table of transport services: what a link of each kind can do and guarantees. */
#include "chaos.h"

#define SENDS	(1U << IBV_WR_SEND | 1U << IBV_WR_SEND_WITH_IMM)
#define WRITES	(1U << IBV_WR_RDMA_WRITE | 1U << IBV_WR_RDMA_WRITE_WITH_IMM)
#define FETCHES	(1U << IBV_WR_RDMA_READ | 1U << IBV_WR_ATOMIC_CMP_AND_SWP | \
		 1U << IBV_WR_ATOMIC_FETCH_AND_ADD)

const struct service services[SERVICES] = {
	[SERVICE_RC] = {
		.name = "RC", .type = IBV_QPT_RC, .reliable = true,
		.ops = SENDS | WRITES | FETCHES, .most = MESSAGE_MAX,
	},
	[SERVICE_UC] = {
		.name = "UC", .type = IBV_QPT_UC,
		/* packets that wait for a page are kept up to a bound, and dropped beyond it */
		.ops = SENDS | WRITES, .most = MESSAGE_MAX / 8,
	},
	[SERVICE_UD] = {
		.name = "UD", .type = IBV_QPT_UD, .one_packet = true, .header = GRH_LEN,
		.ops = SENDS, .most = 4096,
	},
	[SERVICE_XRC] = {
		.name = "XRC", .type = IBV_QPT_XRC_SEND, .reliable = true,
		.ops = SENDS | WRITES | FETCHES, .most = MESSAGE_MAX,
	},
};

/* The longest message that this link can carry. */
uint32_t link_most(const struct link *link)
{
	uint32_t most = link->service->most;

	for (int end = 0; link->service->one_packet && end < 2; end++)
		if (most > chaos->mtu[link->worker[end]])
			most = chaos->mtu[link->worker[end]];
	return most;
}
