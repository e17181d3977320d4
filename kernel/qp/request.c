// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The table of work requests. */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <rdma/ib_verbs.h>

#include "compat.h"
#include "qp/request.h"

const struct nopin_request nopin_requests[NOPIN_REQUESTS] = {
	[IB_UVERBS_WR_SEND] = {
		.completion	= IB_UVERBS_WC_SEND,
		.operation	= NOPIN_SEND,
		.opcode		= {
			[NOPIN_FIRST]	= NOPIN_RC_SEND_FIRST,
			[NOPIN_MIDDLE]	= NOPIN_RC_SEND_MIDDLE,
			[NOPIN_LAST]	= NOPIN_RC_SEND_LAST,
			[NOPIN_ONLY]	= NOPIN_RC_SEND_ONLY,
		},
		.may_inline	= true,
		.takes_recv	= true,
	},
	[IB_UVERBS_WR_SEND_WITH_IMM] = {
		.completion	= IB_UVERBS_WC_SEND,
		.operation	= NOPIN_SEND,
		.opcode		= {
			[NOPIN_FIRST]	= NOPIN_RC_SEND_FIRST,
			[NOPIN_MIDDLE]	= NOPIN_RC_SEND_MIDDLE,
			[NOPIN_LAST]	= NOPIN_RC_SEND_LAST_IMM,
			[NOPIN_ONLY]	= NOPIN_RC_SEND_ONLY_IMM,
		},
		.may_inline	= true,
		.takes_recv	= true,
	},
	[IB_UVERBS_WR_RDMA_WRITE] = {
		.completion	= IB_UVERBS_WC_RDMA_WRITE,
		.operation	= NOPIN_RDMA_WRITE,
		.opcode		= {
			[NOPIN_FIRST]	= NOPIN_RC_WRITE_FIRST,
			[NOPIN_MIDDLE]	= NOPIN_RC_WRITE_MIDDLE,
			[NOPIN_LAST]	= NOPIN_RC_WRITE_LAST,
			[NOPIN_ONLY]	= NOPIN_RC_WRITE_ONLY,
		},
		.may_inline	= true,
	},
	[IB_UVERBS_WR_RDMA_WRITE_WITH_IMM] = {
		.completion	= IB_UVERBS_WC_RDMA_WRITE,
		.operation	= NOPIN_RDMA_WRITE,
		.opcode		= {
			[NOPIN_FIRST]	= NOPIN_RC_WRITE_FIRST,
			[NOPIN_MIDDLE]	= NOPIN_RC_WRITE_MIDDLE,
			[NOPIN_LAST]	= NOPIN_RC_WRITE_LAST_IMM,
			[NOPIN_ONLY]	= NOPIN_RC_WRITE_ONLY_IMM,
		},
		.may_inline	= true,
		.takes_recv	= true,
	},
	[IB_UVERBS_WR_RDMA_READ] = {
		.completion	= IB_UVERBS_WC_RDMA_READ,
		.operation	= NOPIN_RDMA_READ,
		.opcode		= { [NOPIN_ONLY] = NOPIN_RC_READ_REQUEST },
		.answered	= true,
		.fetches	= true,
	},
	[IB_UVERBS_WR_ATOMIC_CMP_AND_SWP] = {
		.completion	= IB_UVERBS_WC_COMP_SWAP,
		.operation	= NOPIN_CMP_SWAP,
		.opcode		= { [NOPIN_ONLY] = NOPIN_RC_CMP_SWAP },
		.answered	= true,
		.fetches	= true,
		.length		= sizeof(u64),
	},
	[IB_UVERBS_WR_ATOMIC_FETCH_AND_ADD] = {
		.completion	= IB_UVERBS_WC_FETCH_ADD,
		.operation	= NOPIN_FETCH_ADD,
		.opcode		= { [NOPIN_ONLY] = NOPIN_RC_FETCH_ADD },
		.answered	= true,
		.fetches	= true,
		.length		= sizeof(u64),
	},
	[IB_UVERBS_WR_ATOMIC_WRITE] = {
		.completion	= IB_UVERBS_WC_ATOMIC_WRITE,
		.operation	= NOPIN_ATOMIC_WRITE,
		.opcode		= { [NOPIN_ONLY] = NOPIN_RC_ATOMIC_WRITE },
		.may_inline	= true,
		.answered	= true,
		.length		= sizeof(u64),
	},
	[IB_UVERBS_WR_FLUSH] = {
		.completion	= IB_UVERBS_WC_FLUSH,
		.operation	= NOPIN_FLUSH,
		.opcode		= { [NOPIN_ONLY] = NOPIN_RC_FLUSH },
		.bare		= true,
		.answered	= true,
	},
	[NOPIN_WR_REG_MR] = {
		.completion	= IB_WC_REG_MR,
		.operation	= NOPIN_REG_MR,
		.bare		= true,
	},
	[IB_UVERBS_WR_LOCAL_INV] = {
		.completion	= IB_UVERBS_WC_LOCAL_INV,
		.operation	= NOPIN_LOCAL_INV,
		.bare		= true,
	},
	[IB_UVERBS_WR_BIND_MW] = {
		.completion	= IB_UVERBS_WC_BIND_MW,
		.operation	= NOPIN_BIND_MW,
		.bare		= true,
	},
	[IB_UVERBS_WR_SEND_WITH_INV] = {
		.completion	= IB_UVERBS_WC_SEND,
		.operation	= NOPIN_SEND,
		.opcode		= {
			[NOPIN_FIRST]	= NOPIN_RC_SEND_FIRST,
			[NOPIN_MIDDLE]	= NOPIN_RC_SEND_MIDDLE,
			[NOPIN_LAST]	= NOPIN_RC_SEND_LAST_INV,
			[NOPIN_ONLY]	= NOPIN_RC_SEND_ONLY_INV,
		},
		.may_inline	= true,
		.takes_recv	= true,
		.invalidates	= true,
	},
};

/* A request with an unknown opcode completes as a SEND, with an error. */
const struct nopin_request nopin_no_request = {
	.completion = IB_UVERBS_WC_SEND,
};
