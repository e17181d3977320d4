// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The table of transport services: what each kind of QP can do. */
#include <linux/bits.h>

#include "compat.h"
#include "entry/gsi.h"
#include "entry/receive.h"
#include "entry/service.h"
#include "qp/request.h"
#include "transport/datagram.h"
#include "transport/responder.h"
#include "transport/unreliable.h"
#include "wire/opcode.h"

/* What programs and kernel users may post to an RC QP. */
#define NOPIN_RC_REQUESTS						\
	(BIT(IB_UVERBS_WR_SEND) | BIT(IB_UVERBS_WR_SEND_WITH_IMM) |	\
	 BIT(IB_UVERBS_WR_SEND_WITH_INV) |				\
	 BIT(IB_UVERBS_WR_RDMA_WRITE) | BIT(IB_UVERBS_WR_RDMA_WRITE_WITH_IMM) | \
	 BIT(IB_UVERBS_WR_RDMA_READ) |					\
	 BIT(IB_UVERBS_WR_ATOMIC_CMP_AND_SWP) |				\
	 BIT(IB_UVERBS_WR_ATOMIC_FETCH_AND_ADD) |			\
	 BIT(IB_UVERBS_WR_ATOMIC_WRITE) | BIT(IB_UVERBS_WR_LOCAL_INV))

/* What only programs may post. Kernel users register regions (REG_MR) instead of windows. */
#define NOPIN_USER_REQUESTS						\
	(BIT(IB_UVERBS_WR_BIND_MW) | BIT(IB_UVERBS_WR_FLUSH))

static const struct nopin_service nopin_rc = {
	.name		= "RC",
	.wire		= NOPIN_WIRE_RC,
	.connected	= true,
	.reliable	= true,
	.rings		= true,
	.requests	= NOPIN_RC_REQUESTS | NOPIN_USER_REQUESTS,
	.arrive		= nopin_receive_connected,
	.resume		= nopin_responder_resume,
};

/* RC for kernel users. */
static const struct nopin_service nopin_rc_kernel = {
	.name		= "RC",
	.wire		= NOPIN_WIRE_RC,
	.connected	= true,
	.reliable	= true,
	.rings		= true,
	.requests	= NOPIN_RC_REQUESTS | BIT(NOPIN_WR_REG_MR),
	.arrive		= nopin_receive_connected,
	.resume		= nopin_responder_resume,
};

#define NOPIN_UC_REQUESTS						\
	(BIT(IB_UVERBS_WR_SEND) | BIT(IB_UVERBS_WR_SEND_WITH_IMM) |	\
	 BIT(IB_UVERBS_WR_RDMA_WRITE) | BIT(IB_UVERBS_WR_RDMA_WRITE_WITH_IMM) | \
	 BIT(IB_UVERBS_WR_LOCAL_INV))

static const struct nopin_service nopin_uc = {
	.name		= "UC",
	.wire		= NOPIN_WIRE_UC,
	.connected	= true,
	.rings		= true,
	.requests	= NOPIN_UC_REQUESTS | BIT(IB_UVERBS_WR_BIND_MW),
	.arrive		= nopin_receive_unacknowledged,
	.resume		= nopin_unreliable_resume,
};

/* UC for kernel users. */
static const struct nopin_service nopin_uc_kernel = {
	.name		= "UC",
	.wire		= NOPIN_WIRE_UC,
	.connected	= true,
	.rings		= true,
	.requests	= NOPIN_UC_REQUESTS | BIT(NOPIN_WR_REG_MR),
	.arrive		= nopin_receive_unacknowledged,
	.resume		= nopin_unreliable_resume,
};

static const struct nopin_service nopin_xrc_initiator = {
	.name		= "XRC initiator",
	.wire		= NOPIN_WIRE_XRC,
	.role		= NOPIN_INITIATOR,
	.connected	= true,
	.reliable	= true,
	.rings		= true,
	.requests	= NOPIN_RC_REQUESTS | NOPIN_USER_REQUESTS,
	.arrive		= nopin_receive_answers,
	.resume		= nopin_responder_resume,
};

static const struct nopin_service nopin_xrc_target = {
	.name		= "XRC target",
	.wire		= NOPIN_WIRE_XRC,
	.role		= NOPIN_TARGET,
	.connected	= true,
	.reliable	= true,
	.rings		= true,
	.arrive		= nopin_receive_for_srqs,
	.resume		= nopin_responder_resume,
};

static const struct nopin_service nopin_ud = {
	.name		= "UD",
	.wire		= NOPIN_WIRE_UD,
	.rings		= true,
	.requests	= BIT(IB_UVERBS_WR_SEND) | BIT(IB_UVERBS_WR_SEND_WITH_IMM),
	.arrive		= nopin_receive_datagrams,
	.resume		= nopin_datagram_resume,
};

/* QP 1, for the kernel only; entry/receive.c finds it by address instead of by QPN. */
static const struct nopin_service nopin_gsi = {
	.name		= "GSI",
	.wire		= NOPIN_WIRE_UD,
	.create		= nopin_gsi_create,
	.destroy	= nopin_gsi_destroy,
};

/**
 * nopin_service_find - find the row of a kind of QP
 * @type: type of the QP
 * @user: a program creates it; else the kernel does
 *
 * Context: any.
 * Return: the row, or NULL where that kind is not supported.
 */
const struct nopin_service *nopin_service_find(enum ib_qp_type type, bool user)
{
	switch (type) {
	case IB_QPT_RC:
		return user ? &nopin_rc : &nopin_rc_kernel;
	case IB_QPT_UC:
		return user ? &nopin_uc : &nopin_uc_kernel;
	case IB_QPT_XRC_INI:
		return user ? &nopin_xrc_initiator : NULL;
	case IB_QPT_XRC_TGT: /* belongs to its domain, which may outlive the program */
		return user ? NULL : &nopin_xrc_target;
	case IB_QPT_UD:
		return &nopin_ud;
	case IB_QPT_GSI:
		return user ? NULL : &nopin_gsi;
	default:
		return NULL;
	}
}
