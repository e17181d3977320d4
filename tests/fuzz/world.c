// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Creates the world for each input and destroys it again; nothing may be left then. */
#include <linux/slab.h>

#include "device.h"
#include "entry/service.h"
#include "below.h"
#include "host.h"
#include "world.h"

struct world w;

const int region_access[REGIONS] = {
	[OPEN] = NOPIN_REGION_ACCESS & ~(IB_ZERO_BASED | IB_ACCESS_HUGETLB),
	[OPEN_DIRECT] = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |
			IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC,
	[ONLY_READ] = IB_ACCESS_REMOTE_READ,
	[ONLY_LOCAL] = 0,
	[FOREIGN] = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |
		    IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC,
};

static void no_event(struct ib_event *event, void *context)
{
}

static void no_completion(struct ib_cq *cq, void *context)
{
}

static void device_make(void)
{
	struct nopin_dev *dev = calloc(1, sizeof(*dev));

	xa_init_flags(&dev->keys, XA_FLAGS_ALLOC1);
	xa_init_flags(&dev->avs, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ);
	xa_init_flags(&dev->xrc_srqns, XA_FLAGS_ALLOC1);
	dev->stats.counter = calloc(NOPIN_COUNTERS, sizeof(s64));
	w.ndev = calloc(1, sizeof(*w.ndev));
	w.ndev->mtu = 9000;
	dev->ndev = w.ndev;
	w.dev = dev;
	w.pd.device = &dev->ibdev;
	w.other_pd.device = &dev->ibdev;
}

static struct nopin_cq *cq_make(u32 entries)
{
	struct nopin_cq *cq = calloc(1, sizeof(*cq));
	struct nopin_ring_info info;

	cq->ibcq.device = &w.dev->ibdev;
	cq->ibcq.comp_handler = no_completion;
	cq->ibcq.event_handler = no_event;
	fuzz_require(!nopin_cq_create(cq, NULL, entries, &info));
	return cq;
}

static void srq_make(bool xrc)
{
	struct ib_srq_attr attr = { .max_wr = RING, .max_sge = 4 };
	struct nopin_create_srq_resp resp;

	w.srq = calloc(1, sizeof(*w.srq));
	w.srq->ibsrq.device = &w.dev->ibdev;
	w.srq->ibsrq.pd = &w.pd;
	w.srq->ibsrq.event_handler = no_event;
	w.srq->ibsrq.ext.cq = &w.rcq->ibcq;
	w.srq->ibsrq.srq_type = xrc ? IB_SRQT_XRC : IB_SRQT_BASIC;
	w.srq->ibsrq.ext.xrc.xrcd = xrc ? &w.xrcd.ibxrcd : NULL;
	fuzz_require(!nopin_srq_create(w.srq, &attr, NULL, &resp));
	if (xrc)
		fuzz_require(!nopin_xrc_publish(w.srq));
}

void region_make(enum region_kind kind)
{
	struct ib_pd *pd = kind == FOREIGN ? &w.other_pd : &w.pd;
	u64 va = (uintptr_t)w.bytes[kind];

	w.region[kind] = kind == OPEN ?
		nopin_region_create(pd, va, w.len[kind], va, region_access[kind]) :
		nopin_region_create_direct(pd, va, w.len[kind], va, region_access[kind]);
	fuzz_require(!IS_ERR(w.region[kind]));
	w.region[kind]->memory->fresh = NULL; /* as if the core had given it to its program */
}

/* The mirrored region has whole pages; the others end in the middle of a page. */
static void regions_make(void)
{
	static const u8 fill[REGIONS] = {
		[ONLY_READ] = READ_ONLY, [ONLY_LOCAL] = LOCAL, [FOREIGN] = SECRET,
	};
	enum region_kind kind;

	below_space = aligned_alloc(PAGE_SIZE, BELOW_PAGES * PAGE_SIZE);
	for (kind = 0; kind < REGIONS; kind++) {
		w.len[kind] = kind == OPEN ? BELOW_PAGES * PAGE_SIZE : DIRECT_BYTES;
		w.bytes[kind] = kind == OPEN ? below_space : malloc(DIRECT_BYTES);
		memset(w.bytes[kind], fill[kind], w.len[kind]);
		region_make(kind);
	}
}

/* Make one window of each type. */
static void windows_make(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(w.window); i++) {
		w.window[i].ibmw.device = &w.dev->ibdev;
		w.window[i].ibmw.pd = &w.pd;
		w.window[i].ibmw.type = i ? IB_MW_TYPE_2 : IB_MW_TYPE_1;
		fuzz_require(!nopin_window_create(&w.window[i]));
	}
}

static void qp_set_init_attr(struct ib_qp_init_attr *init)
{
	init->cap.max_send_wr = RING;
	init->cap.max_recv_wr = RING;
	init->cap.max_send_sge = 4;
	init->cap.max_recv_sge = 4;
	init->cap.max_inline_data = 64;
	init->sq_sig_type = IB_SIGNAL_ALL_WR;
	init->xrcd = w.type == IB_QPT_XRC_TGT ? &w.xrcd.ibxrcd : NULL;
}

static void qp_make(bool shared)
{
	bool target = w.type == IB_QPT_XRC_TGT;
	struct nopin_create_qp_resp resp;
	struct ib_qp_init_attr init = {};
	struct nopin_qp *qp;

	w.service = nopin_service_find(w.type, !target);
	qp_set_init_attr(&init);
	qp = aligned_alloc(64, ALIGN(sizeof(*qp), 64));
	memset(qp, 0, sizeof(*qp));
	qp->ibqp.device = &w.dev->ibdev;
	qp->ibqp.pd = target ? NULL : &w.pd;
	qp->ibqp.qp_type = w.type;
	qp->ibqp.event_handler = no_event;
	qp->ibqp.send_cq = target ? NULL : &w.scq->ibcq;
	qp->ibqp.recv_cq = target ? NULL : &w.rcq->ibcq;
	qp->ibqp.srq = shared && !target ? &w.srq->ibsrq : NULL;
	fuzz_require(!nopin_qp_create(qp, w.service, &init, NULL, &resp));
	w.qp = qp;
}

/* Move the QP through INIT and RTR to RTS. */
void qp_connect(u8 how)
{
	struct ib_qp_attr attr = {
		.qp_state = IB_QPS_INIT,
		.qkey = QKEY,
		.path_mtu = how & 1 ? IB_MTU_256 : IB_MTU_1024,
		.dest_qp_num = how & 0x40 ? w.qp->ibqp.qp_num : QPN_OF_PEER,
		.rq_psn = how & 2 ? 0xfffffe : 100,
		.sq_psn = how & 2 ? 0xfffffd : 200,
		.max_dest_rd_atomic = how >> 2 & 3,
		.max_rd_atomic = 1 + (how >> 4 & 1),
		.qp_access_flags = how & 0x20 ? 0 : IB_ACCESS_REMOTE_WRITE |
				   IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC |
				   IB_ACCESS_FLUSH_GLOBAL,
		.timeout = 10, .retry_cnt = 1, .rnr_retry = 1, .min_rnr_timer = 5,
	};

	below_own = how & 0x40;
	nopin_qp_modify(w.qp, &attr, IB_QP_STATE | IB_QP_QKEY | IB_QP_ACCESS_FLAGS);
	attr.qp_state = IB_QPS_RTR;
	nopin_qp_modify(w.qp, &attr, IB_QP_STATE | IB_QP_AV | IB_QP_PATH_MTU |
			IB_QP_DEST_QPN | IB_QP_RQ_PSN | IB_QP_MAX_DEST_RD_ATOMIC |
			IB_QP_MIN_RNR_TIMER);
	attr.qp_state = IB_QPS_RTS;
	nopin_qp_modify(w.qp, &attr, IB_QP_STATE | IB_QP_TIMEOUT | IB_QP_RETRY_CNT |
			IB_QP_RNR_RETRY | IB_QP_SQ_PSN | IB_QP_MAX_QP_RD_ATOMIC);
}

void world_make(u8 how, u8 connection)
{
	static const enum ib_qp_type types[] = {
		IB_QPT_RC, IB_QPT_UC, IB_QPT_UD, IB_QPT_XRC_TGT, IB_QPT_XRC_INI,
	};

	memset(&w, 0, sizeof(w));
	memset(below_absent, 0, sizeof(below_absent));
	below_fails = false;
	below_foreign = false;
	below_ecn = 0;
	w.type = types[how % ARRAY_SIZE(types)];
	device_make();
	w.scq = cq_make(4 * RING);
	w.rcq = cq_make(how & 0x40 ? RING : 4 * RING);
	mutex_init(&w.xrcd.lock);
	INIT_LIST_HEAD(&w.xrcd.targets);
	xa_init(&w.xrcd.srqs);
	srq_make(w.type == IB_QPT_XRC_TGT);
	regions_make();
	windows_make();
	qp_make(how & 0x80);
	qp_connect(connection);
}

/* Destroy a region, unless windows are bound to it. */
void region_end(enum region_kind kind)
{
	if (!w.region[kind] || nopin_region_close(w.region[kind]))
		return;
	nopin_region_destroy(w.region[kind]);
	w.region[kind] = NULL;
}

static void cq_end(struct nopin_cq *cq)
{
	nopin_cq_destroy(cq);
	free(cq);
}

void world_end(void)
{
	enum region_kind kind;

	nopin_qp_destroy(w.qp);
	host_settle();
	free(w.qp);
	if (w.type == IB_QPT_XRC_TGT)
		nopin_xrc_withdraw(w.srq);
	nopin_srq_destroy(w.srq);
	free(w.srq);
	cq_end(w.scq);
	cq_end(w.rcq);
	nopin_window_destroy(&w.window[0]);
	nopin_window_destroy(&w.window[1]);
	for (kind = 0; kind < REGIONS; kind++) {
		region_end(kind);
		free(w.bytes[kind]);
	}
	host_settle();
	xa_destroy(&w.dev->keys);
	host_run_rcu();
	free(w.dev->stats.counter);
	free(w.dev);
	free(w.ndev);
	if (host_skbs())
		fuzz_fault("%zu packets are left", host_skbs());
}
