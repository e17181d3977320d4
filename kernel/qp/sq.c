// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The requester's window (IBTA 9.7.2). Only this file moves it, both for requests sent as
 * packets and for those carried out within the device:
 *
 *	una_psn		next_psn	unsent_psn
 *	   |  in flight	   |  sent before  |  never sent
 *	   +---------------+---------------+------------
 *
 * A request gets its PSNs when its first packet is sent, and keeps them. So to go back is
 * only to move next_psn. una_psn always belongs to the oldest request in flight, because
 * requests complete in order; for a READ it is the PSN of the next response.
 * A local request takes no PSN. It is carried out once, in its turn: LOCAL_INV when all
 * requests before it have completed. Any other completes with the request before it, so
 * that no local request is ever the oldest in flight.
 *
 * The requester has one timer for all of these:
 *
 *   ACK timeout   (IBTA 9.7.6.1.3) 4.096 us * 2^timeout without a sign of life:
 *		   send again from the oldest unacknowledged PSN
 *   probe	   earlier than that where packets have just been lost (flight.c)
 *   RNR wait	   (IBTA 9.7.5.2.8) the peer had no receive: send again after
 *		   the time that its NAK names
 *   no memory	   for a packet: try again soon
 *   loopback	   a request to a QP of the same device waits for a page: nothing
 *		   is in flight, but is the peer still there?
 */
#include <linux/jiffies.h>
#include <net/inet_ecn.h>

#include "device.h"
#include "qp/qp.h"
#include "wire/packet.h"

/* AETH RNR timer codes in units of 10 us (IBTA table 46). */
static const u32 nopin_rnr_10us[32] = {
	65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192,
	256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288,
	16384, 24576, 32768, 49152,
};

#define NOPIN_NOMEM_US	1000

/**
 * nopin_sq_start - begin to send
 * @qp: the QP; attr.sq_psn is the first PSN
 *
 * Context: sq.lock held.
 */
void nopin_sq_start(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	lockdep_assert_held(&sq->lock);
	sq->una_psn = qp->attr.sq_psn;
	sq->next_psn = qp->attr.sq_psn;
	sq->unsent_psn = qp->attr.sq_psn;
	sq->retries = qp->attr.retry_cnt;
	sq->rnr_retries = qp->attr.rnr_retry;
	sq->reads.head = 0;
	sq->reads.count = 0;
	nopin_flight_start(&sq->flight);
	sq->train.ecn = INET_ECN_NOT_ECT;
	sq->since_ack_req = 0;
	sq->probing = false;
	sq->resent = false;
	sq->failed = false;
	timer_delete(&sq->timer); /* it may still run with the previous connection's timeout */
}

/**
 * nopin_sq_take - take the next request out of the ring
 * @qp: the QP; nopin_sq_waiting() says that there is one
 *
 * Context: sq.lock held.
 * Return: its snapshot; the status is an error when the request is malformed.
 */
struct nopin_swqe *nopin_sq_take(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_swqe *wqe = nopin_sq_wqe(sq, sq->taken);
	u32 inflight = sq->taken - sq->queue.index;
	int err;

	err = nopin_swqe_take(wqe, nopin_queue_entry(&sq->queue, inflight), &qp->cap,
			      qp->service->requests);
	if (err)
		wqe->status = err == -EMSGSIZE ? IB_WC_LOC_LEN_ERR : IB_WC_LOC_QP_OP_ERR;
	sq->taken++;
	return wqe;
}

/**
 * nopin_sq_local_follows - is the next request to be taken a local one?
 * @qp: the QP; nopin_sq_waiting() says that there is one
 *
 * Context: sq.lock held.
 * Return: true when it is at present; the program may change the ring before it is taken.
 */
bool nopin_sq_local_follows(const struct nopin_qp *qp)
{
	const struct nopin_sq *sq = &qp->sq;
	const struct nopin_send_wqe *head =
		nopin_queue_entry(&sq->queue, sq->taken - sq->queue.index);
	u32 opcode = READ_ONCE(head->opcode);

	return nopin_request_is_local(nopin_request_row(opcode, qp->service->requests));
}

/**
 * nopin_sq_number - give a request its PSNs
 * @sq: the requester
 * @wqe: the request that the next packet belongs to
 * @packets: PSNs that it takes
 *
 * Context: sq.lock held.
 */
void nopin_sq_number(struct nopin_sq *sq, struct nopin_swqe *wqe, u32 packets)
{
	wqe->first_psn = sq->next_psn;
	wqe->last_psn = nopin_psn_add(sq->next_psn, packets - 1);
	wqe->numbered = true;
}

static void nopin_sq_push_read(struct nopin_reads *reads, u32 end_psn)
{
	reads->end_psn[(reads->head + reads->count) % reads->size] = end_psn;
	reads->count++;
}

static void nopin_sq_move(struct nopin_sq *sq, const struct nopin_swqe *wqe, u32 last)
{
	sq->next_psn = nopin_psn_add(last, 1);
	if (nopin_psn_diff(sq->next_psn, sq->unsent_psn) > 0)
		sq->unsent_psn = sq->next_psn;
	if (last == wqe->last_psn)
		sq->next++;
}

/**
 * nopin_sq_sent - move next_psn past a packet that has been sent
 * @qp: the QP
 * @wqe: the packet's request
 * @last: the packet's PSN; of a READ request, PSN of its last response
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_sent(struct nopin_qp *qp, const struct nopin_swqe *wqe, u32 last)
{
	struct nopin_sq *sq = &qp->sq;

	nopin_sq_timer_start(qp);
	if (nopin_psn_diff(sq->next_psn, sq->unsent_psn) < 0)
		nopin_stat_inc(&qp->dev->stats, NOPIN_RETRANSMITS);
	if (wqe->request->answered) {
		nopin_sq_push_read(&sq->reads, last);
		sq->since_ack_req = 0; /* the response acknowledges all before it, too */
	}
	nopin_sq_move(sq, wqe, last);
}

/**
 * nopin_sq_progress - follow up on acknowledged PSNs
 * @qp: the QP, whose una_psn has moved
 *
 * The peer is alive, so the timeout and all retry counts start again.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_progress(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	struct nopin_reads *reads = &sq->reads;

	lockdep_assert_held(&sq->lock);
	sq->progress = jiffies;
	sq->retries = qp->attr.retry_cnt;
	sq->rnr_retries = qp->attr.rnr_retry;
	sq->probing = false;
	sq->resent = false;
	nopin_flight_alive(&sq->flight);

	while (reads->count &&
	       nopin_psn_diff(sq->una_psn, reads->end_psn[reads->head]) > 0) {
		reads->head = (reads->head + 1) % reads->size;
		reads->count--;
	}
	/* The ACK covers packets that were about to be sent again. */
	if (nopin_psn_diff(sq->una_psn, sq->next_psn) > 0) {
		sq->next_psn = sq->una_psn;
		sq->next = sq->queue.index;
	}
}

/* Complete local requests behind the one that has just completed: they are done already. */
static void nopin_sq_complete_local(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	while (!nopin_sq_is_empty(sq) && nopin_swqe_is_over(nopin_sq_oldest(sq))) {
		if (sq->next == sq->queue.index)
			sq->next++;
		nopin_sq_complete(qp, IB_WC_SUCCESS);
	}
}

/**
 * nopin_sq_pass - move past a local request that has been carried out
 * @qp: the QP
 * @wqe: a local request
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_pass(struct nopin_qp *qp, struct nopin_swqe *wqe)
{
	struct nopin_sq *sq = &qp->sq;

	nopin_sq_number(sq, wqe, 0);
	sq->next++;
	nopin_sq_complete_local(qp);
}

/**
 * nopin_sq_acked - move una_psn within the oldest request, or to its end
 * @qp: the QP
 * @psn: first PSN not acknowledged, at most one beyond the request's last
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_acked(struct nopin_qp *qp, u32 psn)
{
	struct nopin_sq *sq = &qp->sq;

	if (nopin_psn_diff(psn, nopin_sq_oldest(sq)->last_psn) > 0) {
		nopin_sq_complete(qp, IB_WC_SUCCESS);
		nopin_sq_complete_local(qp);
	}
	nopin_flight_acked(&sq->flight, psn, (psn - sq->una_psn) & NOPIN_PSN_MASK);
	sq->una_psn = psn;
	nopin_sq_progress(qp);
}

/**
 * nopin_sq_acknowledge - move una_psn: the peer has received every PSN before this one
 * @qp: the QP
 * @psn: first PSN not acknowledged, within the window
 *
 * Context: sq.lock held, BH off.
 * Return: false: among these PSNs is a READ or atomic whose response has not come. The
 *	response was lost, so the request has to be sent again.
 */
bool nopin_sq_acknowledge(struct nopin_qp *qp, u32 psn)
{
	struct nopin_sq *sq = &qp->sq;

	while (nopin_psn_diff(psn, sq->una_psn) > 0) {
		const struct nopin_swqe *wqe = nopin_sq_oldest(sq);
		u32 end = nopin_psn_add(wqe->last_psn, 1);

		if (wqe->request->answered)
			return false;
		nopin_sq_acked(qp, nopin_psn_diff(psn, end) < 0 ? psn : end);
	}
	return true;
}

/**
 * nopin_sq_carried - move all PSNs past a piece that was carried out without an ACK
 * @qp: the QP; nothing is in flight
 * @wqe: the request
 * @packets: PSNs that the piece takes
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_carried(struct nopin_qp *qp, const struct nopin_swqe *wqe, u32 packets)
{
	struct nopin_sq *sq = &qp->sq;

	nopin_sq_move(sq, wqe, nopin_psn_add(sq->next_psn, packets - 1));
	nopin_sq_acked(qp, sq->next_psn);
}

/**
 * nopin_sq_carried_whole - complete the request just taken, carried out without an ACK
 * @qp: the QP; nothing else is in flight
 *
 * The short form of nopin_sq_carried() for a request of one PSN. After a run of them on a
 * connected QP nopin_sq_progress() has to be called.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_carried_whole(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;
	u32 psn = nopin_psn_add(sq->next_psn, 1);

	sq->next++;
	sq->next_psn = psn;
	sq->unsent_psn = psn;
	sq->una_psn = psn;
	nopin_sq_complete(qp, IB_WC_SUCCESS);
}

static void nopin_sq_go_back(struct nopin_sq *sq)
{
	lockdep_assert_held(&sq->lock);
	sq->next_psn = sq->una_psn;
	sq->next = sq->queue.index;
	sq->reads.count = 0;
	sq->since_ack_req = 0;
}

/**
 * nopin_sq_rewind - go back to the oldest unacknowledged PSN, to send again from there
 * @sq: the requester
 *
 * The ACK timeout starts again.
 *
 * Context: sq.lock held.
 */
void nopin_sq_rewind(struct nopin_sq *sq)
{
	nopin_sq_go_back(sq);
	sq->progress = jiffies;
}

/**
 * nopin_sq_probe - go back, to send only the oldest unacknowledged packet again
 * @qp: the QP
 *
 * The ACK timeout is not restarted, so that a dead peer is still noticed in time.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_probe(struct nopin_qp *qp)
{
	nopin_flight_probed(&qp->sq.flight);
	nopin_sq_go_back(&qp->sq);
	qp->sq.probing = true;
}

/**
 * nopin_sq_heard - learn from an answer whether the peer takes part in ECN
 * @sq: the requester
 * @ecn: ECN field of the answer's IP header
 *
 * Requests are sent as ECN-capable (routers mark them instead of dropping them) once the
 * peer's answers are. Other peers may never report a mark by a CNP (IBTA A17.9).
 *
 * Context: sq.lock held.
 */
void nopin_sq_heard(struct nopin_sq *sq, u8 ecn)
{
	if (ecn != INET_ECN_NOT_ECT)
		sq->train.ecn = INET_ECN_ECT_0;
}

/**
 * nopin_sq_resend - go back because of a gap in the answers
 * @qp: the QP
 * @psn: PSN of an answer behind the gap
 *
 * The requester goes back once, not for each answer behind the gap. It goes back again only
 * when an answer has a PSN that had not been sent at that time.
 *
 * Context: sq.lock held.
 */
void nopin_sq_resend(struct nopin_qp *qp, u32 psn)
{
	struct nopin_sq *sq = &qp->sq;

	if (sq->resent && nopin_psn_diff(psn, sq->resent_psn) < 0)
		return;
	nopin_flight_lost(qp);
	nopin_sq_rewind(sq);
	sq->resent = true;
	sq->resent_psn = sq->unsent_psn;
}

/**
 * nopin_sq_ask_again - send the last packet again, this time asking for an ACK
 * @sq: the requester
 *
 * The last packet did not ask for an ACK, as another request was to follow and ask. That
 * request cannot be sent: it has failed, or the send queue is being drained.
 *
 * Context: sq.lock held.
 */
void nopin_sq_ask_again(struct nopin_sq *sq)
{
	const struct nopin_swqe *prev;
	u32 next = sq->next;

	if (!sq->since_ack_req)
		return;
	do { /* ends, as the oldest request is never a local one */
		if (next == sq->queue.index)
			return;
		prev = nopin_sq_wqe(sq, --next);
	} while (nopin_request_is_local(prev->request));
	if (prev->request->answered)
		return;
	sq->next = next;
	sq->next_psn = prev->last_psn;
	sq->since_ack_req = NOPIN_ACK_EVERY;
	tasklet_schedule(&sq->task);
}

/**
 * nopin_sq_fail - mark the requester as failed, so that it sends and completes nothing more
 * @qp: the QP
 * @status: status of the oldest request in flight; those behind it are flushed
 *
 * Context: sq.lock held; nopin_sq_unlock() drops it and fails the QP.
 */
void nopin_sq_fail(struct nopin_qp *qp, enum ib_wc_status status)
{
	struct nopin_sq *sq = &qp->sq;

	lockdep_assert_held(&sq->lock);
	if (sq->failed)
		return;
	sq->failed = true;
	sq->failure = status;
}

/**
 * nopin_sq_settle - fail the requester if its oldest request cannot be carried out
 * @qp: the QP
 *
 * The requests before a faulty one complete first, as they would have without it.
 *
 * Context: sq.lock held.
 */
void nopin_sq_settle(struct nopin_qp *qp)
{
	const struct nopin_swqe *oldest = nopin_sq_oldest(&qp->sq);

	if (!nopin_sq_is_empty(&qp->sq) && oldest->status != IB_WC_SUCCESS)
		nopin_sq_fail(qp, oldest->status);
}

/**
 * nopin_sq_retry - packets in flight were lost: send them again, or give up
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_retry(struct nopin_qp *qp)
{
	if (!qp->sq.retries) {
		nopin_sq_fail(qp, IB_WC_RETRY_EXC_ERR);
		return;
	}
	qp->sq.retries--;
	nopin_flight_lost(qp);
	nopin_sq_rewind(&qp->sq);
}

/**
 * nopin_sq_timer_start - start the ACK timeout of a packet that is being sent
 * @qp: the QP; next_psn is still that of the packet
 *
 * A running timer is left alone: its handler checks sq.progress when it fires, which
 * costs less than moving the timer with every ACK.
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_timer_start(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	if (!qp->attr.timeout)
		return;
	if (sq->una_psn == sq->unsent_psn) /* nothing was in flight: the time begins now */
		sq->progress = jiffies;
	if (!timer_pending(&sq->timer))
		mod_timer(&sq->timer, jiffies + nopin_flight_patience(qp));
}

/**
 * nopin_sq_timer_restart - the ACK timeout has changed: what is in flight has the new one
 * @qp: the QP; its timer may run with the old timeout, though nothing is in flight
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_timer_restart(struct nopin_qp *qp)
{
	struct nopin_sq *sq = &qp->sq;

	lockdep_assert_held(&sq->lock);
	if (sq->paused) /* the timer is that of the pause */
		return;
	timer_delete(&sq->timer);
	sq->progress = jiffies;
	if (sq->una_psn != sq->unsent_psn || sq->park.waiting)
		nopin_sq_timer_start(qp);
}

static void nopin_sq_pause(struct nopin_sq *sq, unsigned long us)
{
	lockdep_assert_held(&sq->lock);
	sq->paused = true;
	mod_timer(&sq->timer, jiffies + usecs_to_jiffies(us));
}

/**
 * nopin_sq_retry_rnr - the peer has no receive: send again later, or give up
 * @qp: the QP
 * @code: how long to wait, RNR timer code in the low 5 bits
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_retry_rnr(struct nopin_qp *qp, u8 code)
{
	struct nopin_sq *sq = &qp->sq;

	/* It has gone back and waits already, unlike in a pause for lack of memory. */
	if (sq->paused && sq->next_psn == sq->una_psn)
		return;
	if (!sq->rnr_retries) {
		nopin_sq_fail(qp, IB_WC_RNR_RETRY_EXC_ERR);
		return;
	}
	if (sq->rnr_retries != NOPIN_RNR_FOREVER)
		sq->rnr_retries--;
	nopin_sq_rewind(sq);
	sq->probing = true;
	nopin_sq_pause(sq, 10UL * nopin_rnr_10us[code & NOPIN_AETH_VALUE]);
}

/**
 * nopin_sq_timer_nomem - pause for lack of memory for a packet
 * @qp: the QP
 *
 * Context: sq.lock held, BH off.
 */
void nopin_sq_timer_nomem(struct nopin_qp *qp)
{
	nopin_stat_inc(&qp->dev->stats, NOPIN_SEND_ERRORS);
	nopin_sq_pause(&qp->sq, NOPIN_NOMEM_US);
}
