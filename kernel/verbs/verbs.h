/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The ib_device_ops, one object per file. */
#ifndef NOPIN_VERBS_H
#define NOPIN_VERBS_H

#include <rdma/ib_verbs.h>
#include <rdma/uverbs_ioctl.h>

#include "compat.h"
#include "device.h"

struct ib_dmah;
struct nopin_mirror;
struct nopin_owner;

/**
 * struct nopin_ucontext - an open device file
 * @ibuctx: first
 * @mirror: of the process that opened it; held so that the mirror exists before the
 *	first region and after the last one
 * @owner: the user who opened it
 */
struct nopin_ucontext {
	struct ib_ucontext ibuctx;
	struct nopin_mirror *mirror;
	struct nopin_owner *owner;
};

struct nopin_pd {
	struct ib_pd ibpd;
};

extern const struct ib_device_ops nopin_device_ops;
extern const struct uapi_definition nopin_uapi[];

/* policy.c */
extern const struct attribute_group nopin_attr_group;
int nopin_policy_init(void);
void nopin_policy_release(struct nopin_dev *dev);
void nopin_policy_set_default(struct nopin_dev *dev);

/* udata.c */
int nopin_udata_read(struct ib_udata *udata, void *req, size_t len);
int nopin_udata_empty(struct ib_udata *udata);
int nopin_udata_write(struct ib_udata *udata, const void *resp, size_t len);
struct ib_ucontext *nopin_udata_ucontext(struct ib_udata *udata);

/* share.c */
struct nopin_owner *nopin_owner_get(struct nopin_dev *dev);
void nopin_owner_keep(struct nopin_dev *dev, struct nopin_owner *owner);
void nopin_owner_put(struct nopin_dev *dev, struct nopin_owner *owner);
struct nopin_owner *nopin_owner_of(struct ib_udata *udata);
struct nopin_owner *nopin_owner_of_pd(const struct ib_pd *ibpd);
atomic_long_t *nopin_owner_kept(struct nopin_owner *owner);
int nopin_share_take_some(struct nopin_dev *dev, struct nopin_owner *owner,
			  enum nopin_kind kind, int num);
void nopin_share_give_some(struct nopin_dev *dev, struct nopin_owner *owner,
			   enum nopin_kind kind, int num);
int nopin_share_take(struct nopin_dev *dev, struct nopin_owner *owner,
		     enum nopin_kind kind);
void nopin_share_give(struct nopin_dev *dev, struct nopin_owner *owner,
		      enum nopin_kind kind);

/* device.c, port.c, stats.c */
int nopin_query_device(struct ib_device *ibdev, struct ib_device_attr *attr,
		       struct ib_udata *udata);
int nopin_query_port(struct ib_device *ibdev, u32 port, struct ib_port_attr *attr);
void nopin_report_port_event(struct ib_device *ibdev, struct net_device *ndev,
			     unsigned long event);
int nopin_query_port_speed(struct ib_device *ibdev, u32 port, u64 *speed);
int nopin_query_pkey(struct ib_device *ibdev, u32 port, u16 index, u16 *pkey);
int nopin_get_port_immutable(struct ib_device *ibdev, u32 port,
			     struct ib_port_immutable *immutable);
enum rdma_link_layer nopin_get_link_layer(struct ib_device *ibdev, u32 port);
struct rdma_hw_stats *nopin_alloc_hw_device_stats(struct ib_device *ibdev);
struct rdma_hw_stats *nopin_alloc_hw_port_stats(struct ib_device *ibdev, u32 port);
int nopin_get_hw_stats(struct ib_device *ibdev, struct rdma_hw_stats *stats,
		       u32 port, int index);

/* ucontext.c, pd.c */
int nopin_alloc_ucontext(struct ib_ucontext *ibuctx, struct ib_udata *udata);
void nopin_dealloc_ucontext(struct ib_ucontext *ibuctx);
void nopin_disassociate_ucontext(struct ib_ucontext *ibuctx);
int nopin_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
int nopin_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);

/* cq.c */
int nopin_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		    struct ib_udata *udata);
int nopin_create_cq_attrs(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
			  struct uverbs_attr_bundle *attrs);
int nopin_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata);
int nopin_modify_cq(struct ib_cq *ibcq, u16 count, u16 period);
int nopin_resize_cq(struct ib_cq *ibcq, unsigned int cqe, struct ib_udata *udata);
int nopin_resize_cq_int(struct ib_cq *ibcq, int cqe, struct ib_udata *udata);
int nopin_poll_cq(struct ib_cq *ibcq, int num, struct ib_wc *wc);
int nopin_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags flags);

/* mr.c */
struct ib_mr *nopin_get_dma_mr(struct ib_pd *ibpd, int access);
struct ib_mr *nopin_alloc_mr(struct ib_pd *ibpd, enum ib_mr_type type, u32 pages);
int nopin_map_mr_sg(struct ib_mr *ibmr, struct scatterlist *sg, int nents,
		    unsigned int *offset);
struct ib_mr *nopin_reg_user_mr(struct ib_pd *ibpd, u64 start, u64 length,
				u64 iova, int access, struct ib_udata *udata);
struct ib_mr *nopin_reg_user_mr_dmah(struct ib_pd *ibpd, u64 start, u64 length,
				     u64 iova, int access, struct ib_dmah *dmah,
				     struct ib_udata *udata);
struct ib_mr *nopin_reg_user_mr_dmabuf(struct ib_pd *ibpd, u64 offset, u64 length,
				       u64 iova, int fd, int access,
				       struct ib_udata *udata);
struct ib_mr *nopin_reg_user_mr_dmabuf_attrs(struct ib_pd *ibpd, u64 offset, u64 length,
					     u64 iova, int fd, int access,
					     struct uverbs_attr_bundle *attrs);
struct ib_mr *nopin_reg_user_mr_dmabuf_dmah(struct ib_pd *ibpd, u64 offset, u64 length,
					    u64 iova, int fd, int access,
					    struct ib_dmah *dmah,
					    struct uverbs_attr_bundle *attrs);
struct ib_mr *nopin_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start,
				  u64 length, u64 iova, int access,
				  struct ib_pd *ibpd, struct ib_udata *udata);
int nopin_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata);
int nopin_advise_mr(struct ib_pd *ibpd, enum ib_uverbs_advise_mr_advice advice,
		    u32 flags, struct ib_sge *sges, u32 num_sge,
		    struct uverbs_attr_bundle *attrs);
int nopin_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);
int nopin_fill_stat_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);

/* import.c */
extern const struct uapi_definition nopin_import_uapi[];
int nopin_query_ucontext(struct ib_ucontext *ibuctx, struct uverbs_attr_bundle *attrs);

/* dm.c */
extern const struct uapi_definition nopin_dm_uapi[];
struct ib_dm *nopin_alloc_dm(struct ib_device *ibdev, struct ib_ucontext *ibuctx,
			     struct ib_dm_alloc_attr *attr,
			     struct uverbs_attr_bundle *attrs);
u64 nopin_dm_offset(struct ib_dm *ibdm);
int nopin_dealloc_dm(struct ib_dm *ibdm, struct uverbs_attr_bundle *attrs);
struct ib_mr *nopin_reg_dm_mr(struct ib_pd *ibpd, struct ib_dm *ibdm,
			      struct ib_dm_mr_attr *attr,
			      struct uverbs_attr_bundle *attrs);

/* migrate.c */
extern const struct uapi_definition nopin_migrate_uapi[];
int nopin_memory_set(struct nopin_dev *dev, u64 size);
int nopin_memory_alloc(struct nopin_dev *dev, u64 size, u64 *taken);
void nopin_memory_free(struct nopin_dev *dev, u64 taken);
u64 nopin_memory_size(struct nopin_dev *dev);
u64 nopin_memory_resident(struct nopin_dev *dev);

/* mw.c */
int nopin_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata);
int nopin_dealloc_mw(struct ib_mw *ibmw);

/* qp.c */
int nopin_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *init,
		    struct ib_udata *udata);
int nopin_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		    struct ib_udata *udata);
int nopin_query_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		   struct ib_qp_init_attr *init);
int nopin_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata);
int nopin_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		    const struct ib_send_wr **bad_wr);
int nopin_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
		    const struct ib_recv_wr **bad_wr);

/* srq.c */
int nopin_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init,
		     struct ib_udata *udata);
int nopin_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr,
		     enum ib_srq_attr_mask mask, struct ib_udata *udata);
int nopin_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr);
int nopin_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata);
int nopin_post_srq_recv(struct ib_srq *ibsrq, const struct ib_recv_wr *wr,
			const struct ib_recv_wr **bad_wr);

/* ah.c */
int nopin_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init,
		    struct ib_udata *udata);
int nopin_query_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr);
int nopin_destroy_ah(struct ib_ah *ibah, u32 flags);

/* xrcd.c */
int nopin_alloc_xrcd(struct ib_xrcd *ibxrcd, struct ib_udata *udata);
int nopin_dealloc_xrcd(struct ib_xrcd *ibxrcd, struct ib_udata *udata);

/* mcast.c */
int nopin_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);
int nopin_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);

#endif /* NOPIN_VERBS_H */
