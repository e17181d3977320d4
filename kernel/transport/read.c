// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Answering READs. A job sends the responses in bursts; between two bursts the receiving
 * side gets its turn. A QP has one job at a time; requests that arrive meanwhile wait.
 */
#include "device.h"
#include "mem/copy.h"
#include "mem/engine.h"
#include "qp/xrc.h"
#include "transport/ahead.h"
#include "transport/read.h"
#include "transport/transmit.h"

/**
 * nopin_read_begin - check a READ request and make it the current job
 * @qp: the QP, without a job
 * @pkt: the request
 * @again: it is a duplicate of a remembered READ; a later message may be under way
 *
 * Context: rq.lock held, BH off.
 * Return: NOPIN_DONE, or why it is refused.
 */
enum nopin_verdict nopin_read_begin(struct nopin_qp *qp, const struct nopin_pkt *pkt,
				    bool again)
{
	struct ib_pd *pd = nopin_xrc_keys(qp, pkt);
	struct nopin_read_job *job = &qp->rq.read;

	if (!pd || !nopin_rq_may_read(qp) || pkt->dma_len > NOPIN_MAX_MSG)
		return NOPIN_INVALID_REQUEST;
	if (!nopin_rq_grants(qp, pd, pkt, IB_ACCESS_REMOTE_READ))
		return NOPIN_ACCESS_ERROR;
	job->psn = pkt->psn;
	job->pd = pd;
	job->rkey = pkt->rkey;
	job->remote_addr = pkt->remote_addr;
	job->length = pkt->dma_len;
	job->sent = 0;
	job->active = true;
	job->again = again;
	return NOPIN_DONE;
}

static void nopin_read_end(struct nopin_rq *rq)
{
	rq->read.active = false;
	if (!rq->read.again)
		rq->answered++;
}

static u8 nopin_read_opcode(bool first, bool last)
{
	if (first)
		return last ? NOPIN_RC_READ_RESPONSE_ONLY : NOPIN_RC_READ_RESPONSE_FIRST;
	return last ? NOPIN_RC_READ_RESPONSE_LAST : NOPIN_RC_READ_RESPONSE_MIDDLE;
}

static void nopin_read_place(const struct nopin_qp *qp, struct nopin_place *from)
{
	const struct nopin_read_job *job = &qp->rq.read;

	nopin_place_range(from, job->pd, qp->id, job->rkey, job->remote_addr + job->sent,
			  IB_ACCESS_REMOTE_READ);
}

/* Begin a response whose payload an engine gathers. False: the CPU has to do it. */
static noinline bool nopin_read_ahead(struct nopin_qp *qp, const struct nopin_pkt *pkt,
				      enum nopin_copied *copied)
{
	struct nopin_ahead ahead = {
		.park = &qp->rq.park,
		.train = &qp->rq.train,
		.psn = pkt->psn,
		.rest = qp->rq.read.length - qp->rq.read.sent,
		.room = NOPIN_BURST,
	};

	nopin_read_place(qp, &ahead.from);
	return nopin_ahead_fill(qp, &ahead, pkt, copied);
}

static enum nopin_copied nopin_read_gather(struct nopin_qp *qp, u32 len, void *payload)
{
	struct nopin_place from __uninitialized, to __uninitialized;
	struct nopin_read_job *job = &qp->rq.read;
	struct nopin_copy copy __uninitialized;

	if (!len)
		return NOPIN_COPIED;
	nopin_read_place(qp, &from);
	nopin_place_bytes(&to, payload);
	nopin_copy_init(&copy, &from, &to, len, job->length - job->sent);
	return nopin_park_copy(&qp->rq.park, &copy);
}

/* Begin a response. False: there is no memory for it. */
static bool nopin_read_fill(struct nopin_qp *qp, const struct nopin_pkt *pkt,
			    enum nopin_copied *copied)
{
	struct nopin_train *train = &qp->rq.train;
	void *payload;

	if (nopin_engine_is_wanted() && nopin_read_ahead(qp, pkt, copied))
		return true;
	payload = nopin_transmit_begin(qp, train, pkt, 0);
	if (!payload)
		return false;
	*copied = nopin_read_gather(qp, pkt->payload_len, payload);
	if (*copied != NOPIN_COPIED)
		nopin_train_abandon(train);
	return true;
}

/* Send one response. If there is no memory for it the job ends: the peer asks again. */
static enum nopin_verdict nopin_read_step(struct nopin_qp *qp)
{
	struct nopin_read_job *job = &qp->rq.read;
	u32 len = min(qp->mtu, job->length - job->sent);
	bool last = job->sent + len == job->length;
	struct nopin_pkt pkt = {
		.opcode = nopin_read_opcode(!job->sent, last) | qp->service->wire,
		.psn = job->psn,
		.syndrome = NOPIN_AETH_ACK | NOPIN_AETH_NO_CREDITS,
		.msn = qp->rq.msn,
		.payload_len = len,
	};
	enum nopin_copied copied;

	if (!nopin_read_fill(qp, &pkt, &copied)) {
		nopin_read_end(&qp->rq);
		return NOPIN_DONE;
	}
	if (copied == NOPIN_COPY_MISS)
		return NOPIN_PARKED;
	if (copied != NOPIN_COPIED) {
		nopin_read_end(&qp->rq);
		return job->again ? NOPIN_DONE : NOPIN_ACCESS_ERROR;
	}
	nopin_transmit_end(qp, &qp->rq.train, &pkt);
	job->psn = nopin_psn_add(job->psn, 1);
	job->sent += len;
	if (last)
		nopin_read_end(&qp->rq);
	return NOPIN_DONE;
}

/**
 * nopin_read_burst - send responses of the current job
 * @qp: the QP, with a job
 *
 * Context: rq.lock held, BH off.
 * Return: NOPIN_DONE: the burst or the job has ended; else what stopped it.
 */
enum nopin_verdict nopin_read_burst(struct nopin_qp *qp)
{
	struct nopin_read_job *job = &qp->rq.read;
	u32 end = job->sent + min(NOPIN_BURST * qp->mtu, NOPIN_BURST_BYTES);
	enum nopin_verdict verdict;

	do {
		verdict = nopin_read_step(qp);
	} while (verdict == NOPIN_DONE && job->active && job->sent < end);
	nopin_transmit_flush(qp, &qp->rq.train);
	return verdict;
}
