// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* ACKs, NAKs and atomic results: the responder's packets without payload. */
#include "device.h"
#include "transport/reply.h"
#include "transport/transmit.h"

/* By verdict. A verdict that is not final has no NAK. */
static const struct nopin_refusal nopin_refusals[] = {
	[NOPIN_INVALID_REQUEST] = {
		NOPIN_NAK_INVALID_REQUEST, IB_WC_REM_INV_REQ_ERR, IB_EVENT_QP_REQ_ERR },
	[NOPIN_ACCESS_ERROR] = {
		NOPIN_NAK_REMOTE_ACCESS, IB_WC_REM_ACCESS_ERR, IB_EVENT_QP_ACCESS_ERR },
	[NOPIN_OPERATION_ERROR] = {
		NOPIN_NAK_REMOTE_OPERATION, IB_WC_REM_OP_ERR, IB_EVENT_QP_FATAL },
};

/**
 * nopin_refusal_by_verdict - what a verdict means to each side
 * @verdict: of the responder
 *
 * Context: any.
 * Return: the refusal, or NULL when the verdict refuses nothing for good.
 */
const struct nopin_refusal *nopin_refusal_by_verdict(enum nopin_verdict verdict)
{
	if (verdict >= ARRAY_SIZE(nopin_refusals) || !nopin_refusals[verdict].nak)
		return NULL;
	return &nopin_refusals[verdict];
}

/**
 * nopin_refusal_by_nak - what a NAK means to each side
 * @nak: AETH syndrome
 *
 * Context: any.
 * Return: the refusal, or NULL when this syndrome refuses no request for good.
 */
const struct nopin_refusal *nopin_refusal_by_nak(u8 nak)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nopin_refusals); i++)
		if (nak && nopin_refusals[i].nak == nak)
			return &nopin_refusals[i];
	return NULL;
}

static void nopin_reply_send(struct nopin_qp *qp, struct nopin_pkt *pkt)
{
	struct nopin_train *train = &qp->rq.train;

	if (!nopin_transmit_begin(qp, train, pkt, 0)) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_SEND_ERRORS);
		return;
	}
	pkt->msn = qp->rq.msn;
	nopin_transmit_end(qp, train, pkt);
	nopin_transmit_flush(qp, train);
}

/**
 * nopin_reply - send an ACK or a NAK
 * @qp: the QP
 * @psn: of the packet that is answered
 * @syndrome: NOPIN_AETH_*
 *
 * If the reply is lost, here or on the way, the peer asks for it again.
 *
 * Context: rq.lock held, BH off.
 */
void nopin_reply(struct nopin_qp *qp, u32 psn, u8 syndrome)
{
	struct nopin_pkt pkt = {
		.opcode = NOPIN_RC_ACK | qp->service->wire,
		.psn = psn,
		.syndrome = syndrome,
	};

	nopin_reply_send(qp, &pkt);
}

/**
 * nopin_reply_done - answer an ATOMIC WRITE or FLUSH
 * @qp: the QP
 * @psn: of the request
 *
 * Context: rq.lock held, BH off.
 */
void nopin_reply_done(struct nopin_qp *qp, u32 psn)
{
	struct nopin_pkt pkt = {
		.opcode = NOPIN_RC_READ_RESPONSE_ONLY | qp->service->wire,
		.psn = psn,
		.syndrome = NOPIN_AETH_ACK | NOPIN_AETH_NO_CREDITS,
	};

	nopin_reply_send(qp, &pkt);
}

/**
 * nopin_reply_alive - tell the peer only that a request is being worked on
 * @qp: the QP
 * @psn: of the request, or of its next response
 *
 * The packet is a response with a PSN from long ago, which every requester drops. A nopin
 * requester derives @psn from it; to forge one, a stranger would have to know what is in
 * flight.
 *
 * Context: rq.lock held, BH off.
 */
void nopin_reply_alive(struct nopin_qp *qp, u32 psn)
{
	nopin_reply_done(qp, nopin_psn_add(psn, -NOPIN_PSN_PAST));
}

/**
 * nopin_reply_atomic - send the result of an atomic
 * @qp: the QP
 * @psn: of the request
 * @original: what the memory held before
 *
 * Context: rq.lock held, BH off.
 */
void nopin_reply_atomic(struct nopin_qp *qp, u32 psn, u64 original)
{
	struct nopin_pkt pkt = {
		.opcode = NOPIN_RC_ATOMIC_ACK | qp->service->wire,
		.psn = psn,
		.syndrome = NOPIN_AETH_ACK | NOPIN_AETH_NO_CREDITS,
		.original = original,
	};

	nopin_reply_send(qp, &pkt);
}
