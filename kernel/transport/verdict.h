/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The responder's verdict on a request packet. */
#ifndef NOPIN_VERDICT_H
#define NOPIN_VERDICT_H

#include "qp/qp.h"
#include "wire/packet.h"

/* The result of carrying out a request. */
enum nopin_verdict {
	NOPIN_DONE,
	NOPIN_PARKED,
	NOPIN_RNR,
	NOPIN_INVALID_REQUEST,
	NOPIN_ACCESS_ERROR,
	NOPIN_OPERATION_ERROR,
	NOPIN_SOURCE_ERROR,	/* loopback only: in the requester's own memory */
};

/**
 * struct nopin_refusal - what a final verdict on a request means to each side
 * @nak: AETH syndrome that tells the requester
 * @status: what its request completes with
 * @event: for the owner of the responder
 */
struct nopin_refusal {
	u8 nak;
	enum ib_wc_status status;
	enum ib_event_type event;
};

#endif /* NOPIN_VERDICT_H */
