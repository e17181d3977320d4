/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The responder's packets without payload. */
#ifndef NOPIN_REPLY_H
#define NOPIN_REPLY_H

#include "transport/verdict.h"

const struct nopin_refusal *nopin_refusal_by_verdict(enum nopin_verdict verdict);
const struct nopin_refusal *nopin_refusal_by_nak(u8 nak);
void nopin_reply(struct nopin_qp *qp, u32 psn, u8 syndrome);
void nopin_reply_alive(struct nopin_qp *qp, u32 psn);
void nopin_reply_done(struct nopin_qp *qp, u32 psn);
void nopin_reply_atomic(struct nopin_qp *qp, u32 psn, u64 original);

#endif /* NOPIN_REPLY_H */
