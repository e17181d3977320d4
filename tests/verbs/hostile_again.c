// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Requests that come again: a responder answers READs and atomics that it remembers, in
 * order and with the result that they had; others change nothing and end nothing.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stranger.h"

#define PAST		4	/* requests that a responder remembers here */
#define BTH_AETH	16	/* bytes */

/* Has the device of the peer sent more than @sent packets? Wait for it for @ms at most. */
static bool has_answered(long long sent, unsigned int ms)
{
	uint64_t end = vt_now_ms() + ms;

	while (vt_counter(vt_dev(1), "sent_packets") == sent && vt_now_ms() < end)
		;
	return vt_counter(vt_dev(1), "sent_packets") > sent;
}

/* A duplicate of a successful READ arrives after its region is deregistered. */
static void read_again_without_region(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	struct vt_mem *far = vt_mem_new(pair->b.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	uint64_t addr = far->iova;
	uint32_t rkey = far->mr->rkey, psn = rq_psn(&pair->b);
	struct stranger stranger;

	(void)arg;
	rc_do(&pair->a, IBV_WR_RDMA_READ, near, 0, far, 0, 64, IBV_WC_SUCCESS);
	stranger_open(&stranger, &pair->a, &pair->b);
	stranger_reads(&stranger, psn, addr, rkey, 64);	/* the response is dropped */
	vt_release(far->mr);
	for (int i = 0; i < 10; i++)
		stranger_reads(&stranger, psn, addr, rkey, 64);
	vt_sleep_ms(SETTLE_MS);
	want_unhurt(pair);
	forge_close(&stranger.forge);
}

/*
 * The responder must answer a repeated READ even in the middle of a later message: the
 * requester's window may fill up before that message ends.
 */
static void read_again_amid_message(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	struct vt_mem *far = vt_mem_new(pair->b.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	uint32_t psn = rq_psn(&pair->b);
	struct forge_packet packet;
	struct stranger stranger;
	uint8_t data[1024] = {};
	long long sent;

	(void)arg;
	rc_do(&pair->a, IBV_WR_RDMA_READ, near, 0, far, 0, 64, IBV_WC_SUCCESS);
	stranger_open(&stranger, &pair->a, &pair->b);
	forge_begin(&packet, FORGE_WRITE_FIRST, stranger.qpn, (psn + 1) & PSN_MASK);
	forge_reth(&packet, far->iova, far->mr->rkey, 2 * sizeof(data));
	forge_put(&packet, data, sizeof(data));
	stranger_sends(&stranger, &packet);
	vt_sleep_ms(SETTLE_MS);
	sent = vt_counter(vt_dev(1), "sent_packets");
	stranger_reads(&stranger, psn, far->iova, far->mr->rkey, 64);
	vt_require(has_answered(sent, vt_patience_ms()), "it was not answered");
	vt_require(vt_counter(vt_dev(1), "sent_packets") == sent + 1, "two answers");
	forge_close(&stranger.forge);
}

static void change_depth(struct rc_end *end, uint8_t depth)
{
	struct ibv_qp_attr attr = { .max_dest_rd_atomic = depth };

	vt_ok(rc_to_state(end, IBV_QPS_SQD));
	vt_ok(ibv_modify_qp(end->qp, &attr, IBV_QP_MAX_DEST_RD_ATOMIC));
	vt_ok(rc_to_state(end, IBV_QPS_RTS));
}

/* Send an atomic with an old PSN. True: it was answered within @ms. */
static bool answers_atomic(struct stranger *s, uint32_t psn, const struct vt_mem *far,
			   unsigned int ms)
{
	long long sent = vt_counter(vt_dev(1), "sent_packets");

	stranger_adds(s, psn, far->iova, far->mr->rkey);
	return has_answered(sent, ms);
}

static void want_atomic(struct stranger *s, uint32_t psn, const struct vt_mem *far,
			const char *which)
{
	vt_require(answers_atomic(s, psn, far, vt_patience_ms()), "not answered: %s", which);
}

/* When max_dest_rd_atomic changes, the newest atomics stay remembered, as many as fit. */
static void atomic_again_after_change(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	uint64_t *word = vt_map(PAGE, 0);	/* an atomic wants it aligned */
	struct vt_mem *far = vt_mem_at(pair->b.pd, VT_PINNED, word, PAGE, VT_ACCESS_ALL);
	uint32_t psn = rq_psn(&pair->b);
	struct stranger s;

	(void)arg;
	for (int i = 0; i < 3; i++)
		rc_do(&pair->a, IBV_WR_ATOMIC_FETCH_AND_ADD, near, 0, far, 0, 8,
		      IBV_WC_SUCCESS);
	stranger_open(&s, &pair->a, &pair->b);
	want_atomic(&s, psn, far, "the oldest before the change");
	change_depth(&pair->b, 2);
	want_atomic(&s, psn + 2, far, "the newest of 2");
	want_atomic(&s, psn + 1, far, "the older one of 2");
	vt_require(!answers_atomic(&s, psn, far, SETTLE_MS), "answered: one that did not fit");
	change_depth(&pair->b, pair->attr.rd_atomic);
	want_atomic(&s, psn + 2, far, "the newest, with more room");
	want_atomic(&s, psn + 1, far, "the older one, with more room");
	rc_do(&pair->a, IBV_WR_ATOMIC_FETCH_AND_ADD, near, 0, far, 0, 8, IBV_WC_SUCCESS);
	want_atomic(&s, psn + 3, far, "one after the change");
	want_atomic(&s, psn + 1, far, "the oldest after another");
	/* Those of the peer add 0, the stranger's 1. */
	vt_require(!*word, "%ld duplicates were carried out", (long)*word);
	want_unhurt(pair);
	forge_close(&s.forge);
}

/* The same without a stranger: run this with a network that duplicates and delays packets. */
static void reads_then_no_region(const void *arg)
{
	struct rc_pair *pair = rc_pair();
	struct vt_mem *near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);

	(void)arg;
	for (int i = 0; i < 100; i++) {
		struct vt_mem *far = vt_mem_new(pair->b.pd, VT_PINNED, PAGE,
						VT_ACCESS_ALL);

		rc_do(&pair->a, IBV_WR_RDMA_READ, near, 0, far, 0, 64, IBV_WC_SUCCESS);
		vt_release(far->mr);
	}
	vt_sleep_ms(SETTLE_MS);
	want_unhurt(pair);
}

/* --- what the answers say --- */

/* A packet socket on the peer's host, which sees the answers. */
static int ear_open(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));

	vt_require(fd >= 0, "packet socket: %s", strerror(errno));
	return fd;
}

/* An answer: its opcode and PSN, and what follows the AETH. */
struct answer {
	uint8_t opcode;
	uint32_t psn;
	uint8_t data[64];
};

/* Where the BTH of a RoCEv2 packet to the QP @qpn begins; NULL: it is another packet. */
static const uint8_t *find_bth(const uint8_t *ip, size_t len, uint32_t qpn)
{
	size_t header = (ip[0] & 15) * 4;
	const uint8_t *bth = ip + header + 8;

	if (len < header + 8 + BTH_AETH || ip[9] != IPPROTO_UDP ||
	    (bth[-6] << 8 | bth[-5]) != FORGE_PORT)
		return NULL;
	return (bth[5] << 16 | bth[6] << 8 | bth[7]) == (int)qpn ? bth : NULL;
}

/* The next packet to the QP, if one comes within @ms; lo shows each twice. */
static bool ear_next(int ear, uint32_t qpn, struct answer *answer, unsigned int ms)
{
	uint64_t end = vt_now_ms() + ms;
	struct pollfd fd = { .fd = ear, .events = POLLIN };
	struct sockaddr_ll from;
	socklen_t from_len = sizeof(from);
	uint8_t packet[65536] = {};
	const uint8_t *bth;
	ssize_t len;

	for (uint64_t now = vt_now_ms(); now < end; now = vt_now_ms()) {
		if (poll(&fd, 1, end - now) != 1)
			continue;
		len = recvfrom(ear, packet, sizeof(packet), 0, (void *)&from, &from_len);
		if (len < 20 || from.sll_pkttype == PACKET_OUTGOING)
			continue;
		bth = find_bth(packet, len, qpn);
		if (!bth)
			continue;
		answer->opcode = bth[0];
		answer->psn = bth[9] << 16 | bth[10] << 8 | bth[11];
		memcpy(answer->data, bth + BTH_AETH, sizeof(answer->data));
		return true;
	}
	return false;
}

/* The next answer to one of @num requests from @psn on; ACKs do not count. */
static bool ear_hears(int ear, const struct rc_end *end, uint32_t psn, uint32_t num,
		      struct answer *answer, unsigned int ms)
{
	uint64_t until = vt_now_ms() + ms;

	while (vt_now_ms() < until)
		if (ear_next(ear, end->qp->qp_num, answer, until - vt_now_ms()) &&
		    answer->opcode != FORGE_ACK && ((answer->psn - psn) & PSN_MASK) < num)
			return true;
	return false;
}

static uint64_t original_of(const struct answer *answer)
{
	uint64_t big;

	memcpy(&big, answer->data, sizeof(big));
	return be64toh(big);
}

/* Requests of end a that its peer remembers, and the memory that they name at end b. */
struct past {
	struct rc_pair *pair;
	struct stranger *stranger;
	struct vt_mem *near, *far;
	uint64_t *word;		/* the first of @far */
	uint32_t psn;		/* of the first request */
	uint64_t originals[PAST];
	int ear;
};

#define PAST_READ	1	/* which of them is a READ; the others are atomics */
#define READ_AT		64	/* what it reads, and how much */
#define READ_LEN	64

static void past_atomic(struct past *p, int which, enum ibv_wr_opcode op, uint64_t compare_add,
			uint64_t swap)
{
	struct vt_wr wr;

	p->originals[which] = *p->word;
	vt_wr_init(&wr, op, which);
	vt_wr_local(&wr, p->near, 0, 8);
	vt_wr_remote(&wr, p->far, 0);
	vt_wr_atomic(&wr, compare_add, swap);
	vt_ok(rc_post(&p->pair->a, &wr));
	vt_want(p->pair->a.scq, which, IBV_WC_SUCCESS);
}

/* Make the requests, and then change what was read: a repeated READ brings what is there. */
static void past_make(struct past *p, struct rc_pair *pair, struct stranger *stranger)
{
	p->pair = pair;
	p->stranger = stranger;
	p->near = vt_mem_new(pair->a.pd, VT_PINNED, PAGE, VT_ACCESS_ALL);
	p->word = vt_map(PAGE, 0);	/* an atomic wants it aligned */
	p->far = vt_mem_at(pair->b.pd, VT_PINNED, p->word, PAGE, VT_ACCESS_ALL);
	vt_fill(p->word, PAGE);
	p->psn = rq_psn(&pair->b);
	past_atomic(p, 0, IBV_WR_ATOMIC_FETCH_AND_ADD, vt_rand(), 0);
	rc_do(&pair->a, IBV_WR_RDMA_READ, p->near, 0, p->far, READ_AT, READ_LEN,
	      IBV_WC_SUCCESS);
	past_atomic(p, 2, IBV_WR_ATOMIC_CMP_AND_SWP, *p->word, vt_rand());
	past_atomic(p, 3, IBV_WR_ATOMIC_FETCH_AND_ADD, vt_rand(), 0);
	vt_fill((uint8_t *)p->word + READ_AT, READ_LEN);
	p->ear = ear_open();
}

/* Send the request again. One that is carried out adds 1, or swaps in 1. */
static void past_repeat(struct past *p, int which)
{
	struct forge_packet packet;
	uint32_t psn = p->psn + which;

	if (which == PAST_READ) {
		stranger_reads(p->stranger, psn, p->far->iova + READ_AT, p->far->mr->rkey,
			       READ_LEN);
	} else if (which == 2) {
		stranger_asks(p->stranger, &packet, FORGE_CMP_SWAP, psn);
		forge_atomic(&packet, p->far->iova, p->far->mr->rkey, 1, *p->word);
		stranger_sends(p->stranger, &packet);
	} else {
		stranger_adds(p->stranger, psn, p->far->iova, p->far->mr->rkey);
	}
}

/* The next answer must be that to the request. */
static void past_answered(struct past *p, int which)
{
	struct answer answer;

	vt_require(ear_hears(p->ear, &p->pair->a, p->psn, PAST, &answer, vt_patience_ms()),
		   "request %d is not answered", which);
	vt_require(answer.psn == ((p->psn + which) & PSN_MASK),
		   "the answer to request %d comes before that to %d",
		   (answer.psn - p->psn) & PSN_MASK, which);
	if (which == PAST_READ) {
		vt_require(answer.opcode == FORGE_READ_RESPONSE_ONLY, "opcode %#x", answer.opcode);
		vt_require(!memcmp(answer.data, (uint8_t *)p->word + READ_AT, READ_LEN),
			   "the READ brings other data");
		return;
	}
	vt_require(answer.opcode == FORGE_ATOMIC_ACK, "opcode %#x", answer.opcode);
	vt_require(original_of(&answer) == p->originals[which],
		   "atomic %d found %#llx, and now %#llx", which,
		   (unsigned long long)p->originals[which],
		   (unsigned long long)original_of(&answer));
}

/* Atomics that are repeated have the results that they had, in any order, and change nothing. */
static void old_results_again(const void *arg)
{
	static const int order[] = { 0, 1, 2, 3, 3, 2, 1, 0, 0 };
	struct rc_pair *pair = rc_pair();
	struct stranger stranger;
	struct past past;
	uint64_t word;

	(void)arg;
	stranger_open(&stranger, &pair->a, &pair->b);
	past_make(&past, pair, &stranger);
	word = *past.word;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		past_repeat(&past, order[i]);
		past_answered(&past, order[i]);
		vt_require(*past.word == word, "a duplicate was carried out");
	}
	want_unhurt(pair);
	forge_close(&stranger.forge);
	close(past.ear);
}

/*
 * The responder waits for a page: a repeated READ waits for its turn, and so do repeated
 * atomics behind it.
 */
static void answered_in_order(const void *arg)
{
	static const int order[PAST] = { PAST_READ, 0, PAST_READ, 3 };
	struct answer answer;
	struct past past;
	struct wait w;

	(void)arg;
	wait_open(&w, PAST);
	past_make(&past, w.pair, &w.stranger);
	wait_begin(&w);
	for (int i = 0; i < PAST; i++)
		past_repeat(&past, order[i]);
	vt_require(!ear_hears(past.ear, &w.pair->a, past.psn, PAST, &answer, SETTLE_MS),
		   "request %d is answered before its turn", (answer.psn - past.psn) & PSN_MASK);
	wait_end(&w);
	for (int i = 0; i < PAST; i++)
		past_answered(&past, order[i]);
	want_unhurt(w.pair);
	close(past.ear);
}

void hostile_again_add(void)
{
	VT_TEST(read_again_without_region);
	VT_TEST(read_again_amid_message);
	VT_TEST(atomic_again_after_change);
	VT_TEST(reads_then_no_region);
	VT_TEST(old_results_again);
	VT_TEST(answered_in_order);
}
