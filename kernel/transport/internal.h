/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What the files of this room share. */
#ifndef NOPIN_TRANSPORT_INTERNAL_H
#define NOPIN_TRANSPORT_INTERNAL_H

#include <linux/skbuff.h>

#include "device.h"
#include "mem/copy.h"
#include "qp/qp.h"
#include "wire/packet.h"
#include "wire/psn.h"

/* Bytes of payload that are few: more of them are worth a search of their own. */
#define NOPIN_SMALL		1024

/*
 * Packets and bytes of payload sent with BH off before the receiving side gets its
 * turn, which over lo and veth finds them in this CPU's cache: two trains of packets
 * of 2 KiB or 4 KiB.
 */
#define NOPIN_BURST		64
#define NOPIN_BURST_BYTES	(120U << 10)

/* What came of carrying out a request. */
enum nopin_verdict {
	NOPIN_DONE,
	NOPIN_PARKED,
	NOPIN_RNR,
	NOPIN_INVALID_REQUEST,
	NOPIN_ACCESS_ERROR,
	NOPIN_OPERATION_ERROR,
	NOPIN_SOURCE_ERROR,	/* loopback only: the requester's own memory */
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

/* transport.c */
bool nopin_transport_admits(struct nopin_qp *qp, const struct net *net,
			    const struct sk_buff *skb);
bool nopin_transport_is_request(const struct nopin_qp *qp, const struct nopin_pkt *pkt);

/* keep.c */
bool nopin_park_skb(struct sk_buff_head *parked, struct sk_buff *skb);
void nopin_park_parse(struct sk_buff *skb, struct nopin_pkt *pkt);

/* entry/resolve.c */
void nopin_fault_work(struct work_struct *work);
void nopin_sq_resolve(struct nopin_qp *qp, struct nopin_wait *wait);

/* send.c */
void nopin_send_describe(struct nopin_pkt *pkt, const struct nopin_swqe *wqe,
			 u32 offset, u32 len);
bool nopin_send_data(struct nopin_qp *qp, struct nopin_swqe *wqe);
bool nopin_send_read(struct nopin_qp *qp, struct nopin_swqe *wqe);
bool nopin_send_atomic(struct nopin_qp *qp, struct nopin_swqe *wqe);

/* requester.c */
bool nopin_requester_run(struct nopin_qp *qp);
void nopin_requester_continue(struct nopin_qp *qp);
void nopin_sq_task(struct tasklet_struct *task);

/* attend.c */
void nopin_sq_attend(struct nopin_qp *qp, ktime_t came);
enum hrtimer_restart nopin_sq_attendant(struct hrtimer *timer);

/* timer.c */
void nopin_sq_timer(struct timer_list *timer);
void nopin_rq_timer(struct timer_list *timer);
void nopin_rq_timer_start(struct nopin_qp *qp);

/* completer.c */
void nopin_completer_rx(struct nopin_qp *qp, const struct net *net,
			struct sk_buff *skb, const struct nopin_pkt *pkt);
void nopin_completer_resume(struct nopin_qp *qp);

/* responder.c */
void nopin_responder_rx(struct nopin_qp *qp, struct nopin_arrival *arrival);
void nopin_responder_resume(struct nopin_qp *qp);
void nopin_rq_task(struct tasklet_struct *task);

void nopin_responder_show_life(struct nopin_qp *qp);
void nopin_responder_refuse(struct nopin_qp *qp, u32 psn,
			    const struct nopin_refusal *refusal);
bool nopin_responder_accepts(struct nopin_qp *qp);
bool nopin_responder_busy(const struct nopin_rq *rq);

/* execute.c */

/**
 * struct nopin_inbound - a SEND or WRITE packet, or several in one piece
 * @pkt: headers; payload_len counts all of the piece
 * @packets: PSNs that it takes
 * @from: where its payload is
 * @park: the half that waits for missing memory
 */
struct nopin_inbound {
	const struct nopin_pkt *pkt;
	u32 packets;
	struct nopin_place from;
	struct nopin_park *park;
};

enum nopin_verdict nopin_execute(struct nopin_qp *qp, struct sk_buff *skb,
				 const struct nopin_pkt *pkt);
void *nopin_execute_reach_remote(struct nopin_qp *qp, struct nopin_hold *hold, u32 rkey,
				 u64 remote_addr, u32 len);
void *nopin_execute_reach_recv(struct nopin_qp *qp, struct nopin_hold *hold, u32 len);
bool nopin_execute_small(struct nopin_qp *qp, const struct sk_buff *skb,
			 const struct nopin_pkt *pkt, struct nopin_hold *hold);
enum nopin_verdict nopin_execute_data(struct nopin_qp *qp,
				      const struct nopin_inbound *in);
bool nopin_execute_names_memory(const struct nopin_qp *qp, const struct nopin_pkt *pkt,
				int right);
bool nopin_execute_take_recv(struct nopin_qp *qp);
void nopin_execute_complete_recv(struct nopin_qp *qp, const struct nopin_pkt *pkt);
void nopin_execute_answered(struct nopin_rq *rq, u32 packets);

/* loopback.c */
struct nopin_qp *nopin_loopback_peer(struct nopin_qp *qp);
bool nopin_loopback_is_alive(struct nopin_qp *qp);
bool nopin_loopback_is_connected(const struct nopin_qp *qp, const struct nopin_qp *peer);
bool nopin_loopback_is_ready(const struct nopin_sq *sq, struct nopin_qp *peer);
bool nopin_loopback_step(struct nopin_qp *qp, const struct nopin_swqe *wqe, u32 *packets);

/* shortcut.c */
u32 nopin_shortcut_run(struct nopin_qp *qp, u32 most);

/* read.c */
enum nopin_verdict nopin_read_begin(struct nopin_qp *qp, const struct nopin_pkt *pkt);
enum nopin_verdict nopin_read_burst(struct nopin_qp *qp);

/* reply.c */
const struct nopin_refusal *nopin_refusal_by_verdict(enum nopin_verdict verdict);
const struct nopin_refusal *nopin_refusal_by_nak(u8 nak);
void nopin_reply(struct nopin_qp *qp, u32 psn, u8 syndrome);
void nopin_reply_stale(struct nopin_qp *qp, u32 psn);
void nopin_reply_atomic(struct nopin_qp *qp, u32 psn, u64 original);

/* transmit.c */
void *nopin_transmit_begin(struct nopin_qp *qp, struct nopin_train *train,
			   const struct nopin_pkt *pkt, u32 more);
void nopin_transmit_end(struct nopin_qp *qp, struct nopin_train *train,
			struct nopin_pkt *pkt);
void nopin_transmit_flush(struct nopin_qp *qp, struct nopin_train *train);

/* gsi.c */
int nopin_gsi_create(struct nopin_qp *qp);
void nopin_gsi_destroy(struct nopin_qp *qp);
void nopin_gsi_rx(struct net *net, struct sk_buff *skb, const struct nopin_pkt *pkt);

#endif /* NOPIN_TRANSPORT_INTERNAL_H */
