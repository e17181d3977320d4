/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The provider's objects, and the verbs that each file contributes.
 *
 * No lock is taken while that of an SQ, RQ, SRQ or CQ is held. No lock is held across a
 * doorbell.
 */
#ifndef NOPIN_H
#define NOPIN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <infiniband/driver.h>
#include <rdma/nopin-abi.h>

#include "ring.h"

#define nopin_unused __attribute__((unused))

/**
 * struct nopin_context - an open device
 * @vctx: libibverbs' part
 * @one_cpu: this machine has a single CPU
 * @qps_lock: protects @qps, and @after and @link of the QPs in it
 * @qps: the QPs, the latest first
 */
struct nopin_context {
	struct verbs_context vctx;
	bool one_cpu;
	pthread_mutex_t qps_lock;
	struct nopin_qp *qps;
};

/**
 * struct nopin_cq - a completion queue
 * @vcq: libibverbs' part
 * @vain: polls that found nothing, counted where there is one CPU; atomic
 * @lock: protects everything below; held from ibv_start_poll() to
 *	  ibv_end_poll()
 * @shared: more than one thread may use the CQ, so @lock is needed
 * @queue: ring of struct nopin_cqe
 * @consumer: completions ever polled
 * @cqe: the completion that an extended poll is at
 */
struct nopin_cq {
	struct verbs_cq vcq;
	uint32_t vain;
	pthread_spinlock_t lock;
	bool shared;
	struct nopin_queue queue;
	uint32_t consumer;
	const struct nopin_cqe *cqe;
};

/**
 * struct nopin_wq - a send or receive queue
 * @lock: protects @producer, @consumer and the entries not yet produced
 * @shared: more than one thread may use the queue, so @lock is needed
 * @queue: the ring
 * @producer: work requests ever posted
 * @consumer: the kernel's consumer index as last read
 * @max_sge: scatter/gather elements that an entry takes
 */
struct nopin_wq {
	pthread_spinlock_t lock;
	bool shared;
	struct nopin_queue queue;
	uint32_t producer;
	uint32_t consumer;
	uint32_t max_sge;
};

/* The QP is owed no doorbell; one that was left out; one that a thread is ringing now. */
enum nopin_debt {
	NOPIN_DEBT_NONE,
	NOPIN_DEBT_OWED,
	NOPIN_DEBT_PAYING,
};

/**
 * struct nopin_qp - a queue pair
 * @vqp: libibverbs' part
 * @refs: references of the program and of threads that may owe a doorbell; atomic
 * @maker: the process that has created it
 * @after: the next QP of the context, or NULL
 * @link: what points to this one
 * @sq: send queue
 * @rq: receive queue
 * @max_inline: bytes of inline data that a send entry takes
 * @op_needed: the NOPIN_OP_* that an opcode needs to be posted to it
 * @send_flags: NOPIN_SEND_SIGNALED when every send is signaled, or 0
 * @next: producer that ibv_wr_complete() will publish; under sq.lock, which is
 *	  held from ibv_wr_start() to ibv_wr_complete() or ibv_wr_abort()
 * @wqe: the entry that the ibv_wr_set_*() calls work on; under sq.lock
 * @wr_err: first error since ibv_wr_start(); under sq.lock
 * @debt: whether it is owed a send doorbell; atomic
 * @late: the kernel has looked at the SQ before a doorbell owed was rung; atomic
 * @cautious: posts still to come that get their doorbell at once; under sq.lock
 * @doubt: what the next @cautious is computed from: grows each time that the kernel is
 *	late, shrinks with each doorbell that is left out; under sq.lock
 */
struct nopin_qp {
	struct verbs_qp vqp;
	unsigned int refs;
	pid_t maker;
	struct nopin_qp *after;
	struct nopin_qp **link;
	struct nopin_wq sq;
	struct nopin_wq rq;
	uint32_t max_inline;
	uint32_t op_needed;
	uint32_t send_flags;
	uint32_t next;
	struct nopin_send_wqe *wqe;
	int wr_err;
	enum nopin_debt debt;
	bool late;
	uint32_t cautious;
	uint32_t doubt;
};

/**
 * struct nopin_srq - a shared receive queue
 * @vsrq: libibverbs' part
 * @wq: its receives
 */
struct nopin_srq {
	struct verbs_srq vsrq;
	struct nopin_wq wq;
};

/**
 * struct nopin_ah - an address handle
 * @ibah: libibverbs' part
 * @number: its number in work requests
 */
struct nopin_ah {
	struct ibv_ah ibah;
	uint32_t number;
};

/**
 * struct nopin_dm - device memory
 * @vdm: libibverbs' part
 * @addr: where it is mapped
 * @length: bytes that were asked for
 * @size: bytes mapped
 */
struct nopin_dm {
	struct verbs_dm vdm;
	uint8_t *addr;
	size_t length;
	size_t size;
};

static inline struct nopin_context *to_nopin_context(struct ibv_context *context)
{
	return container_of(context, struct nopin_context, vctx.context);
}

static inline struct nopin_cq *to_nopin_cq(struct ibv_cq *cq)
{
	return container_of(cq, struct nopin_cq, vcq.cq);
}

static inline struct nopin_cq *to_nopin_cq_ex(struct ibv_cq_ex *cq)
{
	return container_of(cq, struct nopin_cq, vcq.cq_ex);
}

static inline struct nopin_qp *to_nopin_qp(struct ibv_qp *qp)
{
	return container_of(qp, struct nopin_qp, vqp.qp);
}

static inline struct nopin_qp *to_nopin_qp_ex(struct ibv_qp_ex *qp)
{
	return container_of(qp, struct nopin_qp, vqp.qp_ex);
}

static inline struct nopin_srq *to_nopin_srq(struct ibv_srq *srq)
{
	return container_of(srq, struct nopin_srq, vsrq.srq);
}

static inline struct nopin_ah *to_nopin_ah(struct ibv_ah *ah)
{
	return container_of(ah, struct nopin_ah, ibah);
}

static inline struct nopin_dm *to_nopin_dm(struct ibv_dm *dm)
{
	return container_of(dm, struct nopin_dm, vdm.dm);
}

static inline void nopin_cq_lock(struct nopin_cq *cq)
{
	if (cq->shared)
		pthread_spin_lock(&cq->lock);
}

static inline void nopin_cq_unlock(struct nopin_cq *cq)
{
	if (cq->shared)
		pthread_spin_unlock(&cq->lock);
}

static inline void nopin_wq_init(struct nopin_wq *wq, bool shared)
{
	pthread_spin_init(&wq->lock, PTHREAD_PROCESS_PRIVATE);
	wq->shared = shared;
}

static inline void nopin_wq_lock(struct nopin_wq *wq)
{
	if (wq->shared)
		pthread_spin_lock(&wq->lock);
}

static inline void nopin_wq_unlock(struct nopin_wq *wq)
{
	if (wq->shared)
		pthread_spin_unlock(&wq->lock);
}

/* pd.c */
struct ibv_pd *nopin_alloc_pd(struct ibv_context *context);
struct ibv_pd *nopin_import_pd(struct ibv_context *context, uint32_t handle);
void nopin_unimport_pd(struct ibv_pd *ibpd);
struct ibv_pd *nopin_alloc_parent_domain(struct ibv_context *context,
					 struct ibv_parent_domain_init_attr *attr);
int nopin_dealloc_pd(struct ibv_pd *ibpd);
struct ibv_td *nopin_alloc_td(struct ibv_context *context, struct ibv_td_init_attr *attr);
int nopin_dealloc_td(struct ibv_td *ibtd);
bool nopin_pd_is_shared(const struct ibv_pd *ibpd);

/* mr.c */
struct ibv_mr *nopin_reg_mr(struct ibv_pd *pd, void *addr, size_t length,
			    uint64_t hca_va, int access);
struct ibv_mr *nopin_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length,
				   uint64_t iova, int fd, int access);
struct ibv_mr *nopin_import_mr(struct ibv_pd *pd, uint32_t handle);
void nopin_unimport_mr(struct ibv_mr *mr);
int nopin_rereg_mr(struct verbs_mr *vmr, int flags, struct ibv_pd *pd,
		   void *addr, size_t length, int access);
int nopin_dereg_mr(struct verbs_mr *vmr);

/* dm.c */
struct ibv_dm *nopin_alloc_dm(struct ibv_context *context, struct ibv_alloc_dm_attr *attr);
int nopin_free_dm(struct ibv_dm *ibdm);
struct ibv_dm *nopin_import_dm(struct ibv_context *context, uint32_t handle);
void nopin_unimport_dm(struct ibv_dm *ibdm);
struct ibv_mr *nopin_reg_dm_mr(struct ibv_pd *pd, struct ibv_dm *ibdm, uint64_t dm_offset,
			       size_t length, unsigned int access);

/* mw.c */
struct ibv_mw *nopin_alloc_mw(struct ibv_pd *pd, enum ibv_mw_type type);
int nopin_dealloc_mw(struct ibv_mw *mw);

/* ah.c */
struct ibv_ah *nopin_create_ah(struct ibv_pd *pd, struct ibv_ah_attr *attr);
int nopin_destroy_ah(struct ibv_ah *ibah);

/* cq.c */
struct ibv_cq *nopin_create_cq(struct ibv_context *context, int cqe,
			       struct ibv_comp_channel *channel,
			       int comp_vector);
struct ibv_cq_ex *nopin_create_cq_ex(struct ibv_context *context,
				     struct ibv_cq_init_attr_ex *attr);
int nopin_req_notify_cq(struct ibv_cq *ibcq, int solicited_only);
int nopin_modify_cq(struct ibv_cq *ibcq, struct ibv_modify_cq_attr *attr);
int nopin_resize_cq(struct ibv_cq *ibcq, int cqe);
int nopin_destroy_cq(struct ibv_cq *ibcq);
int nopin_poll_cq(struct ibv_cq *ibcq, int num_entries, struct ibv_wc *wc);
bool nopin_cq_vain(struct nopin_cq *cq);
void nopin_cq_forget_qp(struct nopin_cq *cq, uint32_t qp_num);

/* cq_ex.c */
bool nopin_cq_ex_supported(const struct ibv_cq_init_attr_ex *attr);
void nopin_cq_ex_init(struct ibv_cq_ex *cq, uint64_t wc_flags);

/* qp.c */
struct ibv_qp *nopin_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr);
struct ibv_qp *nopin_create_qp_ex(struct ibv_context *context,
				  struct ibv_qp_init_attr_ex *attr);
int nopin_query_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int attr_mask,
		   struct ibv_qp_init_attr *init_attr);
int nopin_modify_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int attr_mask);
int nopin_destroy_qp(struct ibv_qp *ibqp);
struct ibv_qp *nopin_open_qp(struct ibv_context *context, struct ibv_qp_open_attr *attr);
void nopin_qp_get(struct nopin_qp *qp);
void nopin_qp_put(struct nopin_qp *qp);

/* srq.c */
struct ibv_srq *nopin_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *attr);
struct ibv_srq *nopin_create_srq_ex(struct ibv_context *context,
				    struct ibv_srq_init_attr_ex *attr);
int nopin_modify_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr, int attr_mask);
int nopin_query_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr);
int nopin_destroy_srq(struct ibv_srq *ibsrq);
int nopin_get_srq_num(struct ibv_srq *ibsrq, uint32_t *srq_num);

/* xrcd.c */
struct ibv_xrcd *nopin_open_xrcd(struct ibv_context *context,
				 struct ibv_xrcd_init_attr *attr);
int nopin_close_xrcd(struct ibv_xrcd *ibxrcd);

/* post.c */
int nopin_post_send(struct ibv_qp *ibqp, struct ibv_send_wr *wr,
		    struct ibv_send_wr **bad_wr);
int nopin_post_recv(struct ibv_qp *ibqp, struct ibv_recv_wr *wr,
		    struct ibv_recv_wr **bad_wr);
int nopin_post_srq_recv(struct ibv_srq *ibsrq, struct ibv_recv_wr *wr,
			struct ibv_recv_wr **bad_wr);
bool nopin_qp_may_send(const struct ibv_qp *ibqp);
void nopin_wq_restart(struct nopin_wq *wq);
bool nopin_wq_has_room(struct nopin_wq *wq, uint32_t index);
bool nopin_wq_publish(struct nopin_wq *wq, uint32_t producer);

/* post_ex.c */
bool nopin_qp_ex_supported(const struct ibv_qp_init_attr_ex *attr);
void nopin_qp_ex_init(struct ibv_qp_ex *qp, uint64_t send_ops);
int nopin_bind_mw(struct ibv_qp *ibqp, struct ibv_mw *mw, struct ibv_mw_bind *bind);

/* doorbell.c */
int nopin_doorbell_send(struct ibv_qp *ibqp);
int nopin_doorbell_recv(struct ibv_qp *ibqp);

/* defer.c */
bool nopin_defer(struct nopin_qp *qp);
int nopin_defer_init(void);
void nopin_defer_end(struct nopin_qp *qp);
bool nopin_pay(void);
void nopin_pay_others(const struct nopin_qp *qp);
bool nopin_pay_qp(struct nopin_qp *qp);

/* yield.c */
bool nopin_yield_vain(uint32_t *vain);
void nopin_yield_bell(void);

#endif /* NOPIN_H */
