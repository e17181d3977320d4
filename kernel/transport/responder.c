// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The responder: takes request packets in PSN order (IBTA 9.7.4), answers
 * duplicates, and keeps what arrives while it waits for a page or streams the
 * responses of a READ.
 */
#include "device.h"
#include "transport/execute.h"
#include "transport/patience.h"
#include "transport/read.h"
#include "transport/reply.h"
#include "transport/responder.h"

/* NAKs for one gap, in one jiffy. */
#define NOPIN_GAP_NAKS	4

static void nopin_responder_rnr(struct nopin_qp *qp)
{
	nopin_stat_inc(&qp->dev->stats, NOPIN_RNR_NAKS_SENT);
	nopin_reply(qp, qp->rq.expected_psn,
		    NOPIN_AETH_RNR | (qp->attr.min_rnr_timer & NOPIN_AETH_VALUE));
	qp->rq.nak_sent = true;
	qp->rq.gap = false;
}

/* Tell the peer the verdict on its request packet @psn. */
static void nopin_responder_conclude(struct nopin_qp *qp, u32 psn,
				     enum nopin_verdict verdict)
{
	const struct nopin_refusal *refusal = nopin_refusal_by_verdict(verdict);

	if (verdict == NOPIN_RNR)
		nopin_responder_rnr(qp);
	if (refusal) {
		nopin_reply(qp, psn, refusal->nak);
		nopin_rq_refuse(&qp->rq, psn, refusal->nak, refusal->event);
	}
}

/*
 * May the same answer be sent again? A stranger can ask for it without knowing a PSN, so
 * it is sent at most once in a jiffy.
 */
static bool nopin_responder_may_repeat(struct nopin_rq *rq)
{
	if (time_before_eq(jiffies, rq->repeated) && rq->repeated_psn == rq->ack_psn)
		return false;
	rq->repeated = jiffies;
	rq->repeated_psn = rq->ack_psn;
	return true;
}

/*
 * The NAK of a refused request may be lost like any packet. It is sent again when the
 * requester asks again: without an answer the requester would take this QP for dead.
 */
static void nopin_responder_repeat_nak(struct nopin_qp *qp, const struct nopin_pkt *pkt)
{
	if (qp->rq.refused_nak && pkt->ack_req && nopin_responder_may_repeat(&qp->rq))
		nopin_reply(qp, qp->rq.refused_psn, qp->rq.refused_nak);
}

/*
 * Keep a duplicate READ or atomic while busy, but no more of them than the peer may have in
 * flight.
 */
static bool nopin_responder_keep_again(struct nopin_qp *qp, struct sk_buff *skb)
{
	struct nopin_rq *rq = &qp->rq;
	const struct nopin_kept_info info = {};

	if (skb_queue_len(&rq->parked.skbs) - rq->due >= rq->resources_size)
		return false;
	return !nopin_kept_add(&rq->parked, skb, info);
}

/*
 * Answer a duplicate atomic, ATOMIC WRITE or FLUSH. Between the responses of a READ before it
 * the answer would say that the rest of them was lost, so it waits for its turn.
 */
static bool nopin_responder_replay_atomic(struct nopin_qp *qp, struct sk_buff *skb,
					  const struct nopin_pkt *pkt, bool busy)
{
	const u64 *original = nopin_resource_atomic(&qp->rq, pkt);

	if (!original)
		return false;
	if (busy && nopin_rq_repeats(&qp->rq))
		return nopin_responder_keep_again(qp, skb);
	if (nopin_opcode_is_confirmed(nopin_pkt_op(pkt)))
		nopin_reply_done(qp, pkt->psn);
	else
		nopin_reply_atomic(qp, pkt->psn, *original);
	return true;
}

/* Answer a duplicate READ now or, while busy, in its turn. False: it is dropped. */
static bool nopin_responder_repeat_read(struct nopin_qp *qp, struct sk_buff *skb,
					const struct nopin_pkt *pkt, bool busy)
{
	if (!nopin_resource_has_read(qp, pkt))
		return false;
	if (busy)
		return nopin_responder_keep_again(qp, skb);
	return nopin_read_begin(qp, pkt, true) == NOPIN_DONE;
}

/* No ACK while a READ is answered: some requesters (rxe) would take it for the responses. */
static bool nopin_responder_repeat_ack_asked(struct nopin_qp *qp,
					     const struct nopin_pkt *pkt)
{
	if (!pkt->ack_req || qp->rq.read.active || nopin_rq_repeats(&qp->rq) ||
	    !nopin_responder_may_repeat(&qp->rq))
		return false;
	nopin_responder_repeat_ack(qp);
	return true;
}

/* Answer a duplicate. False: it gets no answer. */
static bool nopin_responder_repeat(struct nopin_qp *qp, struct sk_buff *skb,
				   const struct nopin_pkt *pkt, bool busy)
{
	switch (nopin_pkt_op(pkt)->operation) {
	case NOPIN_RDMA_READ:
		return nopin_responder_repeat_read(qp, skb, pkt, busy);
	case NOPIN_CMP_SWAP:
	case NOPIN_FETCH_ADD:
	case NOPIN_ATOMIC_WRITE:
	case NOPIN_FLUSH:
		return nopin_responder_replay_atomic(qp, skb, pkt, busy);
	default:
		return nopin_responder_repeat_ack_asked(qp, pkt);
	}
}

/*
 * A request with an old PSN: its answer was lost or is still on its way, or the network
 * brought it twice, or a stranger sent it. It changes nothing, whatever it names.
 */
static void nopin_responder_duplicate(struct nopin_qp *qp, struct sk_buff *skb,
				      const struct nopin_pkt *pkt, bool busy)
{
	nopin_stat_inc(&qp->dev->stats, NOPIN_DUPLICATES);
	if (!nopin_responder_repeat(qp, skb, pkt, busy))
		nopin_stat_inc(&qp->dev->stats, NOPIN_DROP_STALE);
}

/*
 * A gap gets one NAK (IBTA 9.7.5.2.1). It gets another when a PSN arrives that is not
 * beyond the first one behind the gap: then the peer has gone back, and the missing packet
 * was lost again, or the NAK was. As a stranger can send such a PSN, the responder sends
 * only a few of these NAKs in a jiffy.
 */
static bool nopin_responder_gap_is_told(const struct nopin_rq *rq, u32 psn)
{
	if (!rq->nak_sent)
		return false;
	return !rq->gap || nopin_psn_diff(psn, rq->gap_psn) > 0 ||
	       (time_before_eq(jiffies, rq->gap_told) &&
		rq->gap_naks >= NOPIN_GAP_NAKS);
}

static void nopin_responder_gap(struct nopin_qp *qp, u32 psn)
{
	struct nopin_rq *rq = &qp->rq;
	bool again = rq->nak_sent && time_before_eq(jiffies, rq->gap_told);

	if (nopin_responder_gap_is_told(rq, psn))
		return;
	nopin_stat_inc(&qp->dev->stats, NOPIN_SEQ_NAKS_SENT);
	nopin_reply(qp, rq->expected_psn, NOPIN_NAK_PSN_SEQUENCE);
	rq->nak_sent = true;
	rq->gap = true;
	rq->gap_psn = psn;
	rq->gap_naks = again ? rq->gap_naks + 1 : 1;
	rq->gap_told = jiffies;
}

/* Drop all kept packets: they are of no use any more. */
static void nopin_responder_forget(struct nopin_rq *rq)
{
	nopin_kept_purge(&rq->parked);
	rq->due = 0;
}

static void nopin_responder_note_ahead(struct nopin_rq *rq, u32 psn)
{
	if (!rq->ahead || nopin_psn_diff(psn, rq->ahead_psn) > 0)
		rq->ahead_psn = psn;
	rq->ahead = true;
}

static enum nopin_verdict nopin_responder_handle(struct nopin_qp *qp,
						 struct sk_buff *skb,
						 const struct nopin_pkt *pkt)
{
	enum nopin_verdict verdict;
	s32 ahead;

	if (!nopin_rq_accepts(qp)) {
		nopin_responder_repeat_nak(qp, pkt);
		return NOPIN_DONE;
	}
	ahead = nopin_psn_diff(pkt->psn, qp->rq.expected_psn);
	if (ahead > 0) {
		nopin_responder_gap(qp, pkt->psn);
		return NOPIN_DONE;
	}
	if (ahead < 0) {
		nopin_responder_duplicate(qp, skb, pkt, false);
		return NOPIN_DONE;
	}
	nopin_rq_establish(qp);
	qp->rq.nak_sent = false;
	verdict = nopin_execute(qp, skb, pkt);
	nopin_responder_conclude(qp, pkt->psn, verdict);
	return verdict;
}

/* Handle one parked packet. False: it has to wait again. */
static bool nopin_responder_unpark(struct nopin_qp *qp, struct sk_buff *skb,
				   const struct nopin_pkt *pkt)
{
	const struct nopin_kept_info *info = nopin_kept_info(skb);
	struct nopin_rq *rq = &qp->rq;
	bool due = info->due;
	bool parked;

	rq->outstanding = rq->answered - info->answered;
	parked = nopin_responder_handle(qp, skb, pkt) == NOPIN_PARKED;
	rq->outstanding = 0;
	if (parked) {
		nopin_kept_return(&rq->parked, skb);
		return false;
	}
	if (due)
		rq->due--;
	consume_skb(skb);
	if (due && rq->nak_sent) /* the peer has to resend those behind it */
		nopin_responder_forget(rq);
	return true;
}

/* Send a burst of responses, or handle a parked packet. False: nothing can be done now. */
static bool nopin_responder_step(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;
	enum nopin_verdict verdict;
	struct nopin_pkt pkt;
	struct sk_buff *skb;

	if (rq->park.waiting || rq->failed)
		return false;
	if (rq->read.active) {
		verdict = nopin_read_burst(qp);
		nopin_responder_conclude(qp, rq->read.psn, verdict);
		return true;
	}
	skb = nopin_kept_take(&rq->parked, &pkt);
	return skb && nopin_responder_unpark(qp, skb, &pkt);
}

/*
 * Send responses first, then handle the requests behind them. Leave the rest to the
 * tasklet after each burst of a long READ, so that the receiving side gets its turn, and
 * after a quantum.
 */
static void nopin_responder_run(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;
	u64 begun;

	if (!nopin_rq_is_busy(rq))
		return;
	begun = ktime_get_ns();
	while (nopin_responder_step(qp))
		if (rq->read.active ? rq->read.sent : nopin_quantum_is_over(begun))
			break;
	if (nopin_rq_is_busy(rq) && !rq->park.waiting && !rq->failed)
		tasklet_schedule(&rq->task);
}

/* Some packets that arrived while busy were not kept: ask the peer to resend them. */
static void nopin_responder_catch_up(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;

	rq->ahead = false;
	if (nopin_rq_accepts(qp) &&
	    nopin_psn_diff(rq->ahead_psn, rq->expected_psn) >= 0)
		nopin_responder_gap(qp, rq->ahead_psn);
}

/**
 * nopin_responder_resume - go on with responses and parked packets
 * @qp: the QP
 *
 * Context: rq.lock held, BH off; nopin_rq_unlock() drops it.
 */
void nopin_responder_resume(struct nopin_qp *qp)
{
	struct nopin_rq *rq = &qp->rq;

	nopin_responder_run(qp);
	if (unlikely(rq->ahead) && !nopin_rq_is_busy(rq))
		nopin_responder_catch_up(qp);
	if (rq->park.waiting)
		nopin_rq_timer_start(qp);
	else /* the access that it belongs to was retried */
		rq->park.error = 0;
}

/*
 * Keep a request that is the next one, or follows upon the kept ones. When too many wait
 * for one page, an RNR NAK asks the peer to wait and to send them again.
 */
static void nopin_responder_keep(struct nopin_qp *qp, struct sk_buff *skb,
				 const struct nopin_pkt *pkt)
{
	bool read = nopin_pkt_op(pkt)->operation == NOPIN_RDMA_READ;
	struct nopin_rq *rq = &qp->rq;
	const struct nopin_kept_info info = { .due = true, .answered = rq->answered };
	int err = nopin_kept_add(&rq->parked, skb, info);

	if (!err) {
		rq->due++;
		rq->due_end = nopin_psn_add(pkt->psn,
					    read ? nopin_packets(qp, pkt->dma_len) : 1);
		nopin_stat_inc(&qp->dev->stats, NOPIN_PARKED_PACKETS);
	} else if (err == -ENOBUFS && rq->park.waiting && !rq->read.active &&
		   !rq->nak_sent) {
		nopin_responder_rnr(qp);
		nopin_responder_forget(rq);
	} else {
		nopin_responder_note_ahead(rq, pkt->psn);
	}
}

/*
 * Take a request while earlier ones are unfinished. Only the one that follows upon them is
 * kept: a stranger who does not know its PSN takes up no memory.
 */
static void nopin_responder_take_busy(struct nopin_qp *qp, struct sk_buff *skb,
				      const struct nopin_pkt *pkt)
{
	struct nopin_rq *rq = &qp->rq;
	u32 next = rq->due ? rq->due_end : rq->expected_psn;
	s32 ahead = nopin_psn_diff(pkt->psn, next);

	if (!nopin_rq_accepts(qp))
		nopin_responder_repeat_nak(qp, pkt);
	else if (ahead > 0 || (!ahead && !nopin_execute_length_ok(qp, pkt)))
		nopin_responder_note_ahead(rq, pkt->psn);
	else if (!ahead)
		nopin_responder_keep(qp, skb, pkt);
	else if (nopin_psn_diff(pkt->psn, rq->expected_psn) < 0)
		nopin_responder_duplicate(qp, skb, pkt, true);
	else /* kept already */
		nopin_stat_inc(&qp->dev->stats, NOPIN_DUPLICATES);
}

/**
 * nopin_responder_take_small - take a request, if it is a plain one and the next
 * @qp: the QP
 * @skb: data at the BTH
 * @pkt: its headers
 * @hold: keeps open a page that such requests name
 *
 * Context: rq.lock held, BH off, in an RCU read-side section.
 * Return: false: it is not, and nothing was done that nopin_responder_take() would not
 *	do.
 */
bool nopin_responder_take_small(struct nopin_qp *qp, const struct sk_buff *skb,
				const struct nopin_pkt *pkt, struct nopin_hold *hold)
{
	struct nopin_rq *rq = &qp->rq;

	if (nopin_rq_is_busy(rq) || !nopin_rq_accepts(qp) ||
	    pkt->psn != rq->expected_psn || !nopin_execute_small(qp, skb, pkt, hold))
		return false;
	nopin_rq_establish(qp);
	rq->nak_sent = false;
	return true;
}

/**
 * nopin_responder_take - take a request
 * @qp: the QP
 * @skb: data at the BTH; stays the caller's
 * @pkt: its headers
 *
 * Context: rq.lock held, BH off; nopin_rq_unlock() drops it.
 */
void nopin_responder_take(struct nopin_qp *qp, struct sk_buff *skb,
			  const struct nopin_pkt *pkt)
{
	if (nopin_rq_is_busy(&qp->rq))
		nopin_responder_take_busy(qp, skb, pkt);
	else if (nopin_responder_handle(qp, skb, pkt) == NOPIN_PARKED)
		nopin_responder_keep(qp, skb, pkt);
	nopin_responder_resume(qp);
}
