/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Carrying out one request packet. */
#ifndef NOPIN_EXECUTE_H
#define NOPIN_EXECUTE_H

#include "mem/hold.h"
#include "qp/qp.h"
#include "transport/verdict.h"

/**
 * struct nopin_inbound - a SEND or WRITE packet, or several in one piece
 * @pkt: headers; payload_len counts all of the piece
 * @packets: PSNs that it takes
 * @from: where its payload is
 * @park: of the half that waits if memory is missing
 */
struct nopin_inbound {
	const struct nopin_pkt *pkt;
	u32 packets;
	struct nopin_place from;
	struct nopin_park *park;
};

bool nopin_execute_length_ok(const struct nopin_qp *qp, const struct nopin_pkt *pkt);
void nopin_execute_complete_recv(struct nopin_qp *qp, const struct nopin_pkt *pkt);
enum nopin_verdict nopin_execute_data(struct nopin_qp *qp,
				      const struct nopin_inbound *in);
void *nopin_execute_reach_recv(struct nopin_qp *qp, struct nopin_hold *hold, u32 len);
bool nopin_execute_small(struct nopin_qp *qp, const struct sk_buff *skb,
			 const struct nopin_pkt *pkt, struct nopin_hold *hold);
enum nopin_verdict nopin_execute(struct nopin_qp *qp, struct sk_buff *skb,
				 const struct nopin_pkt *pkt);

/**
 * nopin_execute_reach_remote - find the destination of a small WRITE
 * @qp: the responder
 * @hold: keeps open a page that such WRITEs name
 * @rkey: the region
 * @remote_addr: first byte
 * @len: bytes, not 0
 *
 * Context: rq.lock held, in an RCU read-side section.
 * Return: as nopin_hold_reach(); NULL also when the QP takes no WRITEs.
 */
static inline void *nopin_execute_reach_remote(struct nopin_qp *qp,
					       struct nopin_hold *hold, u32 rkey,
					       u64 remote_addr, u32 len)
{
	if (!(qp->attr.qp_access_flags & IB_ACCESS_REMOTE_WRITE))
		return NULL;
	return nopin_hold_reach(hold, rkey, remote_addr, len, IB_ACCESS_REMOTE_WRITE);
}

#endif /* NOPIN_EXECUTE_H */
