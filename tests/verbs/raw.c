// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Finds the rings of nopin in the process's mappings and uses them without the provider. */
#include <rdma/ib_user_verbs.h>
#include <stdio.h>
#include <unistd.h>

#include "raw.h"

#define MARKER	0x6d61726b65640000ULL

/* The mappings found by the last call of raw_find_maps(). */
static uint8_t *known[8 * KIB];
static size_t num_known;

static bool is_known(const uint8_t *map)
{
	for (size_t i = 0; i < num_known; i++)
		if (known[i] == map)
			return true;
	return false;
}

/*
 * Find the rings that were mapped since the last call. Mappings inherited from a parent do
 * not count.
 */
void raw_find_maps(struct raw_rings *rings)
{
	static uint8_t *now[ARRAY_SIZE(known)];
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	size_t num = 0;
	char line[512];

	vt_require(maps, "/proc/self/maps: %s", strerror(errno));
	rings->num = 0;
	while (fgets(line, sizeof(line), maps) && num < ARRAY_SIZE(now)) {
		if (!strstr(line, "/uverbs") || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		now[num++] = (uint8_t *)from;
		if (!is_known((uint8_t *)from) && rings->num < MAX_RINGS)
			rings->all[rings->num++] = (struct raw_ring){
				.map = (uint8_t *)from, .len = to - from,
			};
	}
	fclose(maps);
	memcpy(known, now, num * sizeof(*now));
	num_known = num;
}

/* The offset of the 64-bit @value in @ring, 0 if @ring does not hold it. */
static size_t find_value(const struct raw_ring *ring, uint64_t value)
{
	for (size_t at = 0; at + 8 <= ring->len; at += 8)
		if (!memcmp(ring->map + at, &value, 8))
			return at;
	return 0;
}

/*
 * Find the ring whose first two entries hold @id and @id + 1 and are more than @longer
 * bytes apart. Entries of an SQ are longer than those of a CQ, which hold the same IDs.
 */
static struct raw_ring *find_ring(struct raw_rings *rings, uint64_t id, size_t longer)
{
	for (int i = 0; i < rings->num; i++) {
		size_t one = find_value(&rings->all[i], id);
		size_t two = find_value(&rings->all[i], id + 1);

		if (one != sizeof(struct nopin_ring) || two <= one + longer)
			continue;
		rings->all[i].first = one;
		rings->all[i].stride = two - one;
		return &rings->all[i];
	}
	vt_fail("no ring holds the marked requests");
}

/*
 * Find SQ and RQ: post requests with known IDs through the provider and search the rings
 * for them.
 */
void raw_find_rings(struct raw_rings *rings, struct rc_end *end)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;
	struct vt_wr wr;

	for (int i = 0; i < 2; i++) {
		vt_ok(rc_post_recv(end, MARKER + 16 + i, NULL, 0));
		vt_wr_init(&wr, IBV_WR_RDMA_WRITE, MARKER + i);
		vt_ok(rc_post(end, &wr));
		vt_want(end->scq, MARKER + i, IBV_WC_SUCCESS);
	}
	raw_find_maps(rings);
	rings->sq = find_ring(rings, MARKER, sizeof(struct nopin_cqe));
	rings->rq = find_ring(rings, MARKER + 16, 0);
	vt_ok(ibv_query_qp(end->qp, &attr, IBV_QP_CAP, &init));
	rings->sq->entries = init.cap.max_send_wr;
}

/* Ring a doorbell without the provider. @number: IB_USER_VERBS_CMD_POST_SEND or _RECV. */
void raw_doorbell(struct ibv_context *ctx, uint32_t handle, uint32_t number)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_post_send post;
	} cmd = {
		.hdr = { number, sizeof(cmd) / 4, 1 },
		.post = { .qp_handle = handle, .wqe_size = sizeof(struct ib_uverbs_send_wr) },
	};
	uint32_t response = 0;

	cmd.post.response = (uintptr_t)&response;
	if (write(ctx->cmd_fd, &cmd, sizeof(cmd)) < 0)
		return;		/* an error is fine, too */
}

/* Write the next request into the ring, without any of the provider's checks. */
void raw_post(struct raw_ring *sq, const struct nopin_send_wqe *wqe,
	      const struct nopin_sge *sge)
{
	struct nopin_ring *head = (void *)sq->map;
	struct nopin_send_wqe *entry;

	entry = (void *)(sq->map + sq->first + head->producer % sq->entries * sq->stride);
	*entry = *wqe;
	if (sge)
		memcpy(entry + 1, sge, sizeof(*sge));
	__atomic_store_n(&head->producer, head->producer + 1, __ATOMIC_RELEASE);
}
