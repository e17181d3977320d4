// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * QP 1, the general service interface: the unreliable datagrams by which the kernel's
 * MAD layer sets up connections for librdmacm (IBTA 13.5, A17).
 *
 * ib_mad posts with interrupts off, where nothing can be sent, so a worker sends its
 * datagrams. Buffers are kernel memory under the local DMA key.
 */
#include <linux/if_vlan.h>
#include <linux/inetdevice.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <rdma/ib_cache.h>
#include <rdma/ib_mad.h>

#include "compat.h"
#include "device.h"
#include "entry/gsi.h"
#include "qp/address.h"
#include "queue/cq.h"

/* The room that a receive has to have, in bytes. */
#define NOPIN_GSI_RECV_LEN	(NOPIN_GRH_LEN + IB_MGMT_MAD_SIZE)

/**
 * struct nopin_gsi - queues of a GSI QP
 * @lock: protects the lists and counts; taken with interrupts off
 * @sends: struct nopin_gsi_send, oldest first
 * @recvs: struct nopin_gsi_recv, oldest first
 * @num_sends: on @sends
 * @num_recvs: on @recvs
 * @sent: datagrams sent so far, which gives each its PSN; QP 1 has no window
 * @work: sends @sends; nothing else changes @sent
 * @qp: the QP
 */
struct nopin_gsi {
	spinlock_t lock;	/* protects the lists and counts */
	struct list_head sends;
	struct list_head recvs;
	u32 num_sends;
	u32 num_recvs;
	u32 sent;
	struct work_struct work;
	struct nopin_qp *qp;
};

/* A datagram to send, with a copy of the payload and address of its work request. */
struct nopin_gsi_send {
	struct list_head list;
	u64 wr_id;
	bool signaled;
	bool solicited;
	u32 remote_qpn;
	u32 remote_qkey;
	struct rdma_ah_attr address;
	u32 length;
	u8 data[IB_MGMT_MAD_SIZE];
};

struct nopin_gsi_recv {
	struct list_head list;
	u64 wr_id;
	void *buffer;
};

static void nopin_gsi_complete_send(struct nopin_qp *qp,
				    const struct nopin_gsi_send *send,
				    enum ib_wc_status status)
{
	struct nopin_cqe cqe = {
		.wr_id = send->wr_id,
		.status = status,
		.opcode = IB_UVERBS_WC_SEND,
		.qp_num = NOPIN_GSI_QPN,
		.byte_len = send->length,
	};

	if (send->signaled || status != IB_WC_SUCCESS)
		nopin_cq_post(to_nopin_cq(qp->ibqp.send_cq), &cqe, &qp->ibqp, false);
}

/* A key with the top bit set stands for the QP's own (IBTA 10.2.5). */
static u32 nopin_gsi_qkey(const struct nopin_qp *qp, u32 qkey)
{
	return qkey & BIT(31) ? qp->attr.qkey : qkey;
}

/* A datagram that cannot be sent counts as lost on the way: the MAD layer retries. */
static void nopin_gsi_transmit(struct nopin_qp *qp, const struct nopin_gsi_send *send)
{
	struct nopin_pkt pkt = {
		.opcode = NOPIN_UD_SEND_ONLY,
		.pkey = NOPIN_DEFAULT_PKEY,
		.qpn = send->remote_qpn,
		.qkey = nopin_gsi_qkey(qp, send->remote_qkey),
		.src_qp = NOPIN_GSI_QPN,
		.psn = nopin_psn_add(qp->attr.sq_psn, qp->gsi->sent),
		.solicited = send->solicited,
		.payload_len = send->length,
	};

	if (nopin_address_route(&qp->route, qp->dev->net, &send->address, NOPIN_GSI_QPN,
				send->remote_qpn))
		return;
	qp->gsi->sent++;
	local_bh_disable();
	if (nopin_net_send(&qp->route, &pkt, send->data))
		nopin_stat_inc(&qp->dev->stats, NOPIN_SEND_ERRORS);
	else
		nopin_stat_inc(&qp->dev->stats, NOPIN_SENT_PACKETS);
	local_bh_enable();
}

static struct nopin_gsi_send *nopin_gsi_pop_send(struct nopin_gsi *gsi)
{
	struct nopin_gsi_send *send;

	spin_lock_irq(&gsi->lock);
	send = list_first_entry_or_null(&gsi->sends, struct nopin_gsi_send, list);
	if (send) {
		list_del(&send->list);
		gsi->num_sends--;
	}
	spin_unlock_irq(&gsi->lock);
	return send;
}

static void nopin_gsi_free_send(struct nopin_gsi_send *send)
{
	rdma_destroy_ah_attr(&send->address);
	kfree(send);
}

static void nopin_gsi_work(struct work_struct *work)
{
	struct nopin_gsi *gsi = container_of(work, struct nopin_gsi, work);
	struct nopin_qp *qp = gsi->qp;
	struct nopin_gsi_send *send;

	while ((send = nopin_gsi_pop_send(gsi))) {
		if (READ_ONCE(qp->state) == IB_QPS_RTS) {
			nopin_gsi_transmit(qp, send);
			nopin_gsi_complete_send(qp, send, IB_WC_SUCCESS);
		} else {
			nopin_gsi_complete_send(qp, send, IB_WC_WR_FLUSH_ERR);
		}
		nopin_gsi_free_send(send);
	}
}

static int nopin_gsi_copy_payload(struct nopin_gsi_send *send,
				  const struct ib_send_wr *wr)
{
	int i;

	for (i = 0; i < wr->num_sge; i++) {
		const struct ib_sge *sge = &wr->sg_list[i];

		if (sge->length > sizeof(send->data) - send->length)
			return -EINVAL;
		memcpy(send->data + send->length, (void *)(uintptr_t)sge->addr,
		       sge->length);
		send->length += sge->length;
	}
	return 0;
}

static int nopin_gsi_queue_send(struct nopin_qp *qp, const struct ib_send_wr *wr)
{
	struct nopin_gsi *gsi = qp->gsi;
	struct nopin_gsi_send *send;
	unsigned long flags;
	int err;

	if (wr->opcode != IB_WR_SEND)
		return -EINVAL;
	send = kzalloc(sizeof(*send), GFP_ATOMIC);
	if (!send)
		return -ENOMEM;
	err = nopin_gsi_copy_payload(send, wr);
	if (err) {
		kfree(send);
		return err;
	}
	send->wr_id = wr->wr_id;
	send->signaled = wr->send_flags & IB_SEND_SIGNALED || qp->sq_sig_all;
	send->solicited = wr->send_flags & IB_SEND_SOLICITED;
	send->remote_qpn = ud_wr(wr)->remote_qpn & NOPIN_PSN_MASK;
	send->remote_qkey = ud_wr(wr)->remote_qkey;
	rdma_copy_ah_attr(&send->address, &to_nopin_ah(ud_wr(wr)->ah)->attr);

	spin_lock_irqsave(&gsi->lock, flags);
	err = gsi->num_sends < qp->cap.max_send_wr ? 0 : -ENOMEM;
	if (!err) {
		list_add_tail(&send->list, &gsi->sends);
		gsi->num_sends++;
	}
	spin_unlock_irqrestore(&gsi->lock, flags);
	if (err)
		nopin_gsi_free_send(send);
	return err;
}

/**
 * nopin_gsi_post_send - ib_device_ops.post_send of a GSI QP
 * @ibqp: the QP
 * @wr: list of SENDs
 * @bad_wr: gets the first that was not queued
 *
 * Context: any.
 * Return: 0, -EINVAL, or -ENOMEM when the queue is full.
 */
int nopin_gsi_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
			const struct ib_send_wr **bad_wr)
{
	struct nopin_qp *qp = to_nopin_qp(ibqp);
	int err = 0;

	for (; wr; wr = wr->next) {
		err = nopin_gsi_queue_send(qp, wr);
		if (err) {
			*bad_wr = wr;
			break;
		}
	}
	queue_work(system_dfl_wq, &qp->gsi->work);
	return err;
}

static int nopin_gsi_queue_recv(struct nopin_qp *qp, const struct ib_recv_wr *wr)
{
	struct nopin_gsi *gsi = qp->gsi;
	struct nopin_gsi_recv *recv;
	unsigned long flags;
	int err;

	if (wr->num_sge != 1 || wr->sg_list[0].length < NOPIN_GSI_RECV_LEN)
		return -EINVAL;
	recv = kmalloc(sizeof(*recv), GFP_ATOMIC);
	if (!recv)
		return -ENOMEM;
	recv->wr_id = wr->wr_id;
	recv->buffer = (void *)(uintptr_t)wr->sg_list[0].addr;

	spin_lock_irqsave(&gsi->lock, flags);
	err = gsi->num_recvs < qp->cap.max_recv_wr ? 0 : -ENOMEM;
	if (!err) {
		list_add_tail(&recv->list, &gsi->recvs);
		gsi->num_recvs++;
	}
	spin_unlock_irqrestore(&gsi->lock, flags);
	if (err)
		kfree(recv);
	return err;
}

/**
 * nopin_gsi_post_recv - ib_device_ops.post_recv of a GSI QP
 * @ibqp: the QP
 * @wr: list of receives, one element each
 * @bad_wr: gets the first that was not queued
 *
 * Context: any.
 * Return: 0, -EINVAL, or -ENOMEM when the queue is full.
 */
int nopin_gsi_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
			const struct ib_recv_wr **bad_wr)
{
	struct nopin_qp *qp = to_nopin_qp(ibqp);
	int err = 0;

	for (; wr; wr = wr->next) {
		err = nopin_gsi_queue_recv(qp, wr);
		if (err) {
			*bad_wr = wr;
			break;
		}
	}
	return err;
}

static struct nopin_gsi_recv *nopin_gsi_pop_recv(struct nopin_gsi *gsi)
{
	struct nopin_gsi_recv *recv;
	unsigned long flags;

	spin_lock_irqsave(&gsi->lock, flags);
	recv = list_first_entry_or_null(&gsi->recvs, struct nopin_gsi_recv, list);
	if (recv) {
		list_del(&recv->list);
		gsi->num_recvs--;
	}
	spin_unlock_irqrestore(&gsi->lock, flags);
	return recv;
}

/**
 * struct nopin_gsi_claim - the device whose QP 1 a datagram is for
 * @daddr: the address that the datagram was sent to
 * @ndev: the interface that has @daddr
 * @attr: the device's GID for @daddr on @ndev, a reference
 * @qp: the QP 1 of that device, a reference
 */
struct nopin_gsi_claim {
	struct in6_addr daddr;
	struct net_device *ndev;
	const struct ib_gid_attr *attr;
	struct nopin_qp *qp;
};

static void nopin_gsi_release(struct nopin_gsi_claim *claim)
{
	rdma_put_gid_attr(claim->attr);
	nopin_qp_put(claim->qp);
}

/* Does @dev have the address, and a QP 1? The caller keeps @dev registered. */
static bool nopin_gsi_claim_by(struct nopin_gsi_claim *claim, struct nopin_dev *dev)
{
	claim->attr = rdma_find_gid_by_port(&dev->ibdev, (union ib_gid *)&claim->daddr,
					    IB_GID_TYPE_ROCE_UDP_ENCAP, 1, claim->ndev);
	if (IS_ERR(claim->attr))
		return false;
	claim->qp = nopin_qp_lookup_gsi(dev);
	if (!claim->qp)
		rdma_put_gid_attr(claim->attr);
	return claim->qp;
}

/* For netdev_walk_all_lower_dev_rcu(): nonzero ends the walk, as the device was found. */
static int nopin_gsi_claim_lower(struct net_device *lower, struct netdev_nested_priv *priv)
{
	struct ib_device *ibdev;
	bool found;

	ibdev = ib_device_get_by_netdev(lower, (enum rdma_driver_id)RDMA_DRIVER_NOPIN);
	if (!ibdev)
		return 0;
	found = nopin_gsi_claim_by(priv->data, to_nopin_dev(ibdev));
	ib_device_put(ibdev);
	return found;
}

/*
 * The core gives a device the addresses of its interface and of the interfaces above that
 * one: a VLAN, a bond, a bridge. So the device is on the interface that has the address,
 * or on one below.
 */
static bool nopin_gsi_lookup(struct nopin_gsi_claim *claim, struct net *net,
			     const struct sk_buff *skb, const struct in6_addr *daddr)
{
	struct netdev_nested_priv priv = { .data = claim };

	claim->daddr = *daddr;
	claim->ndev = nopin_net_find(net, skb, daddr);
	return claim->ndev &&
	       (nopin_gsi_claim_lower(claim->ndev, &priv) ||
		netdev_walk_all_lower_dev_rcu(claim->ndev, nopin_gsi_claim_lower, &priv));
}

/*
 * All MADs have the same length (IBTA 13.4.2). The MAD layer does not check the length,
 * and does not post a receive again that has failed, so only a MAD may take a receive.
 */
static bool nopin_gsi_is_mad(const struct nopin_pkt *pkt)
{
	return pkt->opcode == NOPIN_UD_SEND_ONLY && pkt->payload_len == IB_MGMT_MAD_SIZE;
}

/*
 * QP 1 admits any sender that knows the Q_Key, if the packet came by the right interface
 * for its addresses. A packet whose source address could not be answered is dropped.
 */
static bool nopin_gsi_admits(const struct nopin_gsi_claim *claim, struct net *net,
			     const struct sk_buff *skb, const struct nopin_pkt *pkt,
			     const struct in6_addr *saddr)
{
	enum ib_qp_state state = READ_ONCE(claim->qp->state);

	return pkt->qkey == IB_QP1_QKEY && state >= IB_QPS_RTR && state <= IB_QPS_RTS &&
	       nopin_net_are_alike(saddr, &claim->daddr) &&
	       nopin_net_is_one(claim->ndev, saddr) &&
	       nopin_net_came_by(net, skb, claim->ndev->ifindex,
				 nopin_net_is_own(claim->ndev, saddr));
}

/*
 * The core looks for the GID that a datagram was sent to by the VLAN id given here. The
 * VLAN of that GID is the right one: the interface that the datagram came by may be lo.
 */
static void nopin_gsi_put_vlan(struct nopin_cqe *cqe, const struct ib_gid_attr *attr)
{
	u16 vlan = VLAN_N_VID;

	rdma_read_gid_l2_fields(attr, &vlan, NULL);
	if (vlan < VLAN_N_VID) {
		cqe->wc_flags |= NOPIN_WC_KERNEL_VLAN;
		cqe->vendor_err = vlan;
	}
}

/* Receive a MAD that was admitted. This fails only when no receive is posted. */
static void nopin_gsi_receive(struct nopin_qp *qp, struct sk_buff *skb,
			      const struct nopin_pkt *pkt, const struct ib_gid_attr *attr)
{
	struct nopin_gsi_recv *recv = nopin_gsi_pop_recv(qp->gsi);
	struct nopin_cqe cqe = {
		.status = IB_WC_SUCCESS,
		.opcode = IB_WC_RECV,
		.qp_num = NOPIN_GSI_QPN,
		.byte_len = NOPIN_GSI_RECV_LEN,
		.src_qp = pkt->src_qp,
		.sl = ip_hdr(skb)->version == 4 ? NOPIN_SL_IPV4 : NOPIN_SL_IPV6,
		.wc_flags = NOPIN_WC_GRH,
	};

	if (!recv) {
		nopin_stat_inc(&qp->dev->stats, NOPIN_DROP_NO_RECEIVE);
		return;
	}
	cqe.wr_id = recv->wr_id;
	nopin_gsi_put_vlan(&cqe, attr);
	nopin_net_copy_grh(skb, pkt, recv->buffer);
	skb_copy_bits(skb, pkt->hdr_len, recv->buffer + NOPIN_GRH_LEN, pkt->payload_len);
	nopin_cq_post(to_nopin_cq(qp->ibqp.recv_cq), &cqe, &qp->ibqp, pkt->solicited);
	kfree(recv);
}

/**
 * nopin_gsi_rx - take one packet for QP 1 of some device
 * @net: the namespace it arrived in
 * @skb: data at the BTH
 * @pkt: its headers
 *
 * The packet is checked completely before a receive is taken; a bad one is dropped and
 * counted.
 *
 * Context: softirq, in an RCU read-side section.
 * Return: false when no device has the address; the packet has not been counted then.
 */
bool nopin_gsi_rx(struct net *net, struct sk_buff *skb, const struct nopin_pkt *pkt)
{
	struct in6_addr saddr, daddr;
	struct nopin_gsi_claim claim;
	struct nopin_stats *stats;

	nopin_net_addresses(skb, &saddr, &daddr);
	if (!nopin_gsi_lookup(&claim, net, skb, &daddr))
		return false;
	stats = &claim.qp->dev->stats;
	if (!nopin_gsi_is_mad(pkt)) {
		nopin_stat_inc(stats, NOPIN_DROP_MALFORMED);
	} else if (!nopin_gsi_admits(&claim, net, skb, pkt, &saddr)) {
		nopin_stat_inc(stats, NOPIN_DROP_NO_QP);
	} else {
		nopin_stat_inc(stats, NOPIN_RECEIVED_PACKETS);
		nopin_gsi_receive(claim.qp, skb, pkt, claim.attr);
	}
	nopin_gsi_release(&claim);
	return true;
}

/**
 * nopin_gsi_create - make the queues of a GSI QP
 * @qp: the QP
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int nopin_gsi_create(struct nopin_qp *qp)
{
	struct nopin_gsi *gsi = kzalloc(sizeof(*gsi), GFP_KERNEL);

	if (!gsi)
		return -ENOMEM;
	spin_lock_init(&gsi->lock);
	INIT_LIST_HEAD(&gsi->sends);
	INIT_LIST_HEAD(&gsi->recvs);
	INIT_WORK(&gsi->work, nopin_gsi_work);
	gsi->qp = qp;
	qp->gsi = gsi;
	return 0;
}

/**
 * nopin_gsi_destroy - free the queues of a GSI QP
 * @qp: the QP, in the RESET state; lookups no longer find it
 *
 * Context: process.
 */
void nopin_gsi_destroy(struct nopin_qp *qp)
{
	struct nopin_gsi_send *send;
	struct nopin_gsi_recv *recv;

	cancel_work_sync(&qp->gsi->work);
	while ((send = nopin_gsi_pop_send(qp->gsi)))
		nopin_gsi_free_send(send);
	while ((recv = nopin_gsi_pop_recv(qp->gsi)))
		kfree(recv);
	kfree(qp->gsi);
}
