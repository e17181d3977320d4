/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The part of libibverbs' private provider interface that nopin uses.
 *
 * libibverbs exports this interface to its providers under the symbol version
 * IBVERBS_PRIVATE_<n>, where n is the release of rdma-core that brought it.
 * Distributions do not install the header that declares it, so a provider that
 * is built outside the rdma-core tree brings its own declarations. Inside the
 * tree <infiniband/driver.h> is rdma-core's and this file is not used.
 *
 * NOPIN_RDMA_CORE, from standalone.cmake, is the release that brought the
 * layout of the library that the provider is built for. Releases 62 and 63 have
 * more operations than 59 to 61 under the same symbol version.
 *
 *   release     36 to 56   57, 58   59 to 61   62, 63   64   65
 *   version           34       57         59       59   64   65
 *   operations        76       76         79       81   83   93
 *
 * Layout matters for everything that both sides touch: struct verbs_device,
 * verbs_device_ops, verbs_match_ent, verbs_context_ops, verbs_mr, verbs_qp,
 * verbs_srq and verbs_cq. Operations that nopin does not provide keep their slot and lose
 * their type.
 */
#ifndef NOPIN_STANDALONE_DRIVER_H
#define NOPIN_STANDALONE_DRIVER_H

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>

#if NOPIN_RDMA_CORE == 36
#define IBVERBS_PABI_VERSION 34
#define NOPIN_CONTEXT_OPS 76
#elif NOPIN_RDMA_CORE == 57
#define IBVERBS_PABI_VERSION 57
#define NOPIN_CONTEXT_OPS 76
#elif NOPIN_RDMA_CORE == 59
#define IBVERBS_PABI_VERSION 59
#define NOPIN_CONTEXT_OPS 79
#elif NOPIN_RDMA_CORE == 62
#define IBVERBS_PABI_VERSION 59
#define NOPIN_CONTEXT_OPS 81
#elif NOPIN_RDMA_CORE == 64
#define IBVERBS_PABI_VERSION 64
#define NOPIN_CONTEXT_OPS 83
#elif NOPIN_RDMA_CORE == 65
#define IBVERBS_PABI_VERSION 65
#define NOPIN_CONTEXT_OPS 93
#else
#error "NOPIN_RDMA_CORE is no release that changed the private interface"
#endif

/* For members and parameters that a release added, with their comma. */
#if NOPIN_RDMA_CORE >= 57
#define NOPIN_SINCE_57(...) __VA_ARGS__
#else
#define NOPIN_SINCE_57(...)
#endif
#if NOPIN_RDMA_CORE >= 59
#define NOPIN_SINCE_59(...) __VA_ARGS__
#else
#define NOPIN_SINCE_59(...)
#endif
#if NOPIN_RDMA_CORE >= 62
#define NOPIN_SINCE_62(...) __VA_ARGS__
#else
#define NOPIN_SINCE_62(...)
#endif
#if NOPIN_RDMA_CORE >= 64
#define NOPIN_SINCE_64(...) __VA_ARGS__
#else
#define NOPIN_SINCE_64(...)
#endif
#if NOPIN_RDMA_CORE >= 65
#define NOPIN_SINCE_65(...) __VA_ARGS__
#else
#define NOPIN_SINCE_65(...)
#endif

#ifndef container_of
#define container_of(ptr, type, member)					\
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#endif

/* Requests: the kernel's structures behind the header of the write() ABI. */

#define NOPIN_DECLARE_CMD(_name, _core)					\
	struct _name {							\
		struct ib_uverbs_cmd_hdr hdr;				\
		struct _core core_payload;				\
	}

#define NOPIN_DECLARE_CMD_EX(_name, _core)				\
	struct _name {							\
		struct ib_uverbs_cmd_hdr hdr;				\
		struct ib_uverbs_ex_cmd_hdr ex_hdr;			\
		struct _core core_payload;				\
	}

NOPIN_DECLARE_CMD(ibv_get_context, ib_uverbs_get_context);
NOPIN_DECLARE_CMD(ibv_query_port, ib_uverbs_query_port);
NOPIN_DECLARE_CMD(ibv_alloc_pd, ib_uverbs_alloc_pd);
NOPIN_DECLARE_CMD(ibv_reg_mr, ib_uverbs_reg_mr);
NOPIN_DECLARE_CMD(ibv_rereg_mr, ib_uverbs_rereg_mr);
NOPIN_DECLARE_CMD(ibv_alloc_mw, ib_uverbs_alloc_mw);
NOPIN_DECLARE_CMD(ibv_resize_cq, ib_uverbs_resize_cq);
NOPIN_DECLARE_CMD(ibv_create_srq, ib_uverbs_create_srq);
NOPIN_DECLARE_CMD(ibv_create_xsrq, ib_uverbs_create_xsrq);
NOPIN_DECLARE_CMD(ibv_open_xrcd, ib_uverbs_open_xrcd);
NOPIN_DECLARE_CMD(ibv_open_qp, ib_uverbs_open_qp);
NOPIN_DECLARE_CMD(ibv_modify_srq, ib_uverbs_modify_srq);
NOPIN_DECLARE_CMD(ibv_query_srq, ib_uverbs_query_srq);
NOPIN_DECLARE_CMD(ibv_query_qp, ib_uverbs_query_qp);
NOPIN_DECLARE_CMD(ibv_modify_qp, ib_uverbs_modify_qp);
NOPIN_DECLARE_CMD_EX(ibv_create_cq_ex, ib_uverbs_ex_create_cq);
NOPIN_DECLARE_CMD_EX(ibv_modify_cq, ib_uverbs_ex_modify_cq);
NOPIN_DECLARE_CMD_EX(ibv_create_qp_ex, ib_uverbs_ex_create_qp);

/* Objects. */

struct ibv_command_buffer;
struct ibv_fd_arr;
struct verbs_create_cq_prov_attr;
struct verbs_sysfs_dev;
struct verbs_xrcd;

enum ibv_mr_type {
	IBV_MR_TYPE_MR,
	IBV_MR_TYPE_NULL_MR,
	IBV_MR_TYPE_IMPORTED_MR,
	IBV_MR_TYPE_DMABUF_MR,
};

struct verbs_mr {
	struct ibv_mr ibv_mr;
	enum ibv_mr_type mr_type;
	int access;
};

struct verbs_dm {
	struct ibv_dm dm;
	uint32_t handle;
};

enum verbs_qp_mask {
	VERBS_QP_XRCD = 1 << 0,
	VERBS_QP_EX = 1 << 1,
};

struct verbs_qp {
	union {
		struct ibv_qp qp;
		struct ibv_qp_ex qp_ex;
	};
	uint32_t comp_mask;
	struct verbs_xrcd *xrcd;
};

struct verbs_xrcd {
	struct ibv_xrcd xrcd;
	uint32_t comp_mask;
	uint32_t handle;
};

struct verbs_srq {
	struct ibv_srq srq;
	enum ibv_srq_type srq_type;
	struct verbs_xrcd *xrcd;
	struct ibv_cq *cq;
	uint32_t srq_num;
};

struct verbs_cq {
	union {
		struct ibv_cq cq;
		struct ibv_cq_ex cq_ex;
	};
};

/* Which devices a provider serves. */

enum {
	VERBS_MATCH_SENTINEL = 0,
	VERBS_MATCH_PCI = 1,
	VERBS_MATCH_MODALIAS = 2,
	VERBS_MATCH_DRIVER_ID = 3,
};

struct verbs_match_ent {
	void *driver_data;
	union {
		const char *modalias;
		uint64_t driver_id;
	} u;
	uint16_t vendor;
	uint16_t device;
	uint8_t kind;
};

#define VERBS_DRIVER_ID(_id)						\
	{								\
		.u.driver_id = (_id), .kind = VERBS_MATCH_DRIVER_ID,	\
	}

struct verbs_device;

struct verbs_device_ops {
	const char *name;
	uint32_t match_min_abi_version;
	uint32_t match_max_abi_version;
	const struct verbs_match_ent *match_table;
	const struct verbs_device_ops **static_providers;
	bool (*match_device)(struct verbs_sysfs_dev *sysfs_dev);
	struct verbs_context *(*alloc_context)(struct ibv_device *device,
					       int cmd_fd, void *private_data);
	struct verbs_context *(*import_context)(struct ibv_device *device,
						int cmd_fd);
	struct verbs_device *(*alloc_device)(struct verbs_sysfs_dev *sysfs_dev);
	void (*uninit_device)(struct verbs_device *device);
};

struct verbs_device {
	struct ibv_device device;
	const struct verbs_device_ops *ops;
	atomic_int refcount;
	struct {
		void *next;
		void *prev;
	} entry;
	struct verbs_sysfs_dev *sysfs;
	uint64_t core_support;
};

/* The operations of a context. */

typedef void (*verbs_op_slot)(void);

struct verbs_context_ops {
	int (*advise_mr)(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
			 uint32_t flags, struct ibv_sge *sg_list,
			 uint32_t num_sges);
	NOPIN_SINCE_64(verbs_op_slot alloc_buf;)
	struct ibv_dm *(*alloc_dm)(struct ibv_context *context,
				   struct ibv_alloc_dm_attr *attr);
	NOPIN_SINCE_59(verbs_op_slot alloc_dmah;)
	struct ibv_mw *(*alloc_mw)(struct ibv_pd *pd, enum ibv_mw_type type);
	verbs_op_slot alloc_null_mr;
	struct ibv_pd *(*alloc_parent_domain)(struct ibv_context *context,
					      struct ibv_parent_domain_init_attr *attr);
	struct ibv_pd *(*alloc_pd)(struct ibv_context *context);
	struct ibv_td *(*alloc_td)(struct ibv_context *context,
				   struct ibv_td_init_attr *init_attr);
	verbs_op_slot async_event;
	verbs_op_slot attach_counters_point_flow;
	int (*attach_mcast)(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid);
	int (*bind_mw)(struct ibv_qp *qp, struct ibv_mw *mw,
		       struct ibv_mw_bind *mw_bind);
	int (*close_xrcd)(struct ibv_xrcd *xrcd);
	verbs_op_slot cq_event;
	struct ibv_ah *(*create_ah)(struct ibv_pd *pd, struct ibv_ah_attr *attr);
	NOPIN_SINCE_65(verbs_op_slot create_comp_cntr;)
	verbs_op_slot create_counters;
	struct ibv_cq *(*create_cq)(struct ibv_context *context, int cqe,
				    struct ibv_comp_channel *channel,
				    int comp_vector);
	struct ibv_cq_ex *(*create_cq_ex)(struct ibv_context *context,
					  struct ibv_cq_init_attr_ex *attr);
	verbs_op_slot create_flow;
	verbs_op_slot create_flow_action_esp;
	struct ibv_qp *(*create_qp)(struct ibv_pd *pd,
				    struct ibv_qp_init_attr *attr);
	struct ibv_qp *(*create_qp_ex)(struct ibv_context *context,
				       struct ibv_qp_init_attr_ex *attr);
	verbs_op_slot create_rwq_ind_table;
	struct ibv_srq *(*create_srq)(struct ibv_pd *pd,
				      struct ibv_srq_init_attr *attr);
	struct ibv_srq *(*create_srq_ex)(struct ibv_context *context,
					 struct ibv_srq_init_attr_ex *attr);
	verbs_op_slot create_wq;
	NOPIN_SINCE_59(verbs_op_slot dealloc_dmah;)
	int (*dealloc_mw)(struct ibv_mw *mw);
	int (*dealloc_pd)(struct ibv_pd *pd);
	int (*dealloc_td)(struct ibv_td *td);
	int (*dereg_mr)(struct verbs_mr *vmr);
	int (*destroy_ah)(struct ibv_ah *ah);
	NOPIN_SINCE_65(verbs_op_slot destroy_comp_cntr;)
	verbs_op_slot destroy_counters;
	int (*destroy_cq)(struct ibv_cq *cq);
	verbs_op_slot destroy_flow;
	verbs_op_slot destroy_flow_action;
	int (*destroy_qp)(struct ibv_qp *qp);
	verbs_op_slot destroy_rwq_ind_table;
	int (*destroy_srq)(struct ibv_srq *srq);
	verbs_op_slot destroy_wq;
	int (*detach_mcast)(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid);
	NOPIN_SINCE_62(verbs_op_slot dm_export_dmabuf_fd;)
	NOPIN_SINCE_64(verbs_op_slot free_buf;)
	void (*free_context)(struct ibv_context *context);
	int (*free_dm)(struct ibv_dm *dm);
	int (*get_srq_num)(struct ibv_srq *srq, uint32_t *srq_num);
	struct ibv_dm *(*import_dm)(struct ibv_context *context, uint32_t dm_handle);
	struct ibv_mr *(*import_mr)(struct ibv_pd *pd, uint32_t mr_handle);
	struct ibv_pd *(*import_pd)(struct ibv_context *context, uint32_t pd_handle);
	NOPIN_SINCE_65(verbs_op_slot inc_comp_cntr;)
	NOPIN_SINCE_65(verbs_op_slot inc_err_comp_cntr;)
	int (*modify_cq)(struct ibv_cq *cq, struct ibv_modify_cq_attr *attr);
	verbs_op_slot modify_flow_action_esp;
	int (*modify_qp)(struct ibv_qp *qp, struct ibv_qp_attr *attr,
			 int attr_mask);
	verbs_op_slot modify_qp_rate_limit;
	int (*modify_srq)(struct ibv_srq *srq, struct ibv_srq_attr *attr,
			  int attr_mask);
	verbs_op_slot modify_wq;
	struct ibv_qp *(*open_qp)(struct ibv_context *context,
				  struct ibv_qp_open_attr *attr);
	struct ibv_xrcd *(*open_xrcd)(struct ibv_context *context,
				      struct ibv_xrcd_init_attr *attr);
	int (*poll_cq)(struct ibv_cq *cq, int num_entries, struct ibv_wc *wc);
	int (*post_recv)(struct ibv_qp *qp, struct ibv_recv_wr *wr,
			 struct ibv_recv_wr **bad_wr);
	int (*post_send)(struct ibv_qp *qp, struct ibv_send_wr *wr,
			 struct ibv_send_wr **bad_wr);
	verbs_op_slot post_srq_ops;
	int (*post_srq_recv)(struct ibv_srq *srq, struct ibv_recv_wr *wr,
			     struct ibv_recv_wr **bad_wr);
	NOPIN_SINCE_65(verbs_op_slot qp_attach_comp_cntr;)
	NOPIN_SINCE_65(verbs_op_slot query_comp_cntr_caps;)
	int (*query_device_ex)(struct ibv_context *context,
			       const struct ibv_query_device_ex_input *input,
			       struct ibv_device_attr_ex *attr,
			       size_t attr_size);
	verbs_op_slot query_ece;
	int (*query_port)(struct ibv_context *context, uint8_t port_num,
			  struct ibv_port_attr *port_attr);
	NOPIN_SINCE_62(int (*query_port_speed)(struct ibv_context *context,
					       uint32_t port_num, uint64_t *speed);)
	int (*query_qp)(struct ibv_qp *qp, struct ibv_qp_attr *attr,
			int attr_mask, struct ibv_qp_init_attr *init_attr);
	verbs_op_slot query_qp_data_in_order;
	int (*query_rt_values)(struct ibv_context *context,
			       struct ibv_values_ex *values);
	int (*query_srq)(struct ibv_srq *srq, struct ibv_srq_attr *attr);
	NOPIN_SINCE_65(verbs_op_slot read_comp_cntr;)
	verbs_op_slot read_counters;
	NOPIN_SINCE_65(verbs_op_slot read_err_comp_cntr;)
	struct ibv_mr *(*reg_dm_mr)(struct ibv_pd *pd, struct ibv_dm *dm,
				    uint64_t dm_offset, size_t length,
				    unsigned int access);
	struct ibv_mr *(*reg_dmabuf_mr)(struct ibv_pd *pd, uint64_t offset,
					size_t length, uint64_t iova, int fd,
					int access);
	struct ibv_mr *(*reg_mr)(struct ibv_pd *pd, void *addr, size_t length,
				 uint64_t hca_va, int access);
	NOPIN_SINCE_59(verbs_op_slot reg_mr_ex;)
	int (*req_notify_cq)(struct ibv_cq *cq, int solicited_only);
	int (*rereg_mr)(struct verbs_mr *vmr, int flags, struct ibv_pd *pd,
			void *addr, size_t length, int access);
	int (*resize_cq)(struct ibv_cq *cq, int cqe);
	NOPIN_SINCE_65(verbs_op_slot set_comp_cntr;)
	verbs_op_slot set_ece;
	NOPIN_SINCE_65(verbs_op_slot set_err_comp_cntr;)
	void (*unimport_dm)(struct ibv_dm *dm);
	void (*unimport_mr)(struct ibv_mr *mr);
	void (*unimport_pd)(struct ibv_pd *pd);
};

static_assert(sizeof(struct verbs_context_ops) ==
		      NOPIN_CONTEXT_OPS * sizeof(verbs_op_slot),
	      "each operation has its slot");

/* Functions of the library; they return 0 or a positive errno. */

#define NOPIN_PASTE(_name, _version) _name##_version
#define NOPIN_VERSIONED(_name, _version) NOPIN_PASTE(_name, _version)
#define verbs_register_driver						\
	NOPIN_VERSIONED(verbs_register_driver_, IBVERBS_PABI_VERSION)

void verbs_register_driver(const struct verbs_device_ops *ops);

#if NOPIN_RDMA_CORE == 59
/* Releases 62 and 63, which load this provider too, have this function; 59 to 61 do not. */
__attribute__((weak)) int ibv_cmd_query_port_speed(struct ibv_context *context,
						   uint32_t port_num, uint64_t *speed);

static inline void nopin_register_driver(const struct verbs_device_ops *ops)
{
	if (ibv_cmd_query_port_speed)
		fprintf(stderr, "%s: the provider has to be rebuilt for this libibverbs\n",
			ops->name);
	else
		verbs_register_driver(ops);
}
#else
#define nopin_register_driver verbs_register_driver
#endif

#define PROVIDER_DRIVER(_name, _ops)					\
	static __attribute__((constructor)) void _name##_register(void)	\
	{								\
		nopin_register_driver(&(_ops));				\
	}

void *_verbs_init_and_alloc_context(struct ibv_device *device, int cmd_fd,
				    size_t alloc_size,
				    struct verbs_context *context_offset,
				    uint32_t driver_id);

#define verbs_init_and_alloc_context(_device, _cmd_fd, _ptr, _member, _id) \
	((__typeof__(_ptr))_verbs_init_and_alloc_context(		\
		_device, _cmd_fd, sizeof(*(_ptr)),			\
		(void *)offsetof(__typeof__(*(_ptr)), _member), _id))

void verbs_uninit_context(struct verbs_context *context);
void verbs_set_ops(struct verbs_context *context,
		   const struct verbs_context_ops *ops);

int ibv_cmd_get_context(struct verbs_context *context,
			struct ibv_get_context *cmd, size_t cmd_size,
			NOPIN_SINCE_57(struct ibv_fd_arr *fds,)
			struct ib_uverbs_get_context_resp *resp,
			size_t resp_size);
int ibv_cmd_query_device_any(struct ibv_context *context,
			     const struct ibv_query_device_ex_input *input,
			     struct ibv_device_attr_ex *attr, size_t attr_size,
			     struct ib_uverbs_ex_query_device_resp *resp,
			     size_t *resp_size);
int ibv_cmd_query_port(struct ibv_context *context, uint8_t port_num,
		       struct ibv_port_attr *port_attr,
		       struct ibv_query_port *cmd, size_t cmd_size);
NOPIN_SINCE_62(int ibv_cmd_query_port_speed(struct ibv_context *context,
					    uint32_t port_num, uint64_t *speed);)

int ibv_cmd_alloc_pd(struct ibv_context *context, struct ibv_pd *pd,
		     struct ibv_alloc_pd *cmd, size_t cmd_size,
		     struct ib_uverbs_alloc_pd_resp *resp, size_t resp_size);
int ibv_cmd_dealloc_pd(struct ibv_pd *pd);

int ibv_cmd_reg_mr(struct ibv_pd *pd, void *addr, size_t length,
		   uint64_t hca_va, int access, struct verbs_mr *vmr,
		   struct ibv_reg_mr *cmd, size_t cmd_size,
		   struct ib_uverbs_reg_mr_resp *resp, size_t resp_size);
int ibv_cmd_rereg_mr(struct verbs_mr *vmr, uint32_t flags, void *addr,
		     size_t length, uint64_t hca_va, int access,
		     struct ibv_pd *pd, struct ibv_rereg_mr *cmd,
		     size_t cmd_size, struct ib_uverbs_rereg_mr_resp *resp,
		     size_t resp_size);
int ibv_cmd_dereg_mr(struct verbs_mr *vmr);
int ibv_cmd_advise_mr(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		      uint32_t flags, struct ibv_sge *sg_list,
		      uint32_t num_sge);

int ibv_cmd_free_dm(struct verbs_dm *dm);
int ibv_cmd_reg_dm_mr(struct ibv_pd *pd, struct verbs_dm *dm, uint64_t offset,
		      size_t length, unsigned int access, struct verbs_mr *vmr,
		      struct ibv_command_buffer *link);

int ibv_cmd_alloc_mw(struct ibv_pd *pd, enum ibv_mw_type type, struct ibv_mw *mw,
		     struct ibv_alloc_mw *cmd, size_t cmd_size,
		     struct ib_uverbs_alloc_mw_resp *resp, size_t resp_size);
int ibv_cmd_dealloc_mw(struct ibv_mw *mw);

int ibv_cmd_create_cq_ex(struct ibv_context *context,
			 const struct ibv_cq_init_attr_ex *attr,
			 NOPIN_SINCE_59(struct verbs_create_cq_prov_attr *prov,)
			 struct verbs_cq *cq, struct ibv_create_cq_ex *cmd,
			 size_t cmd_size,
			 struct ib_uverbs_ex_create_cq_resp *resp,
			 size_t resp_size, uint32_t cmd_flags);
int ibv_cmd_modify_cq(struct ibv_cq *cq, struct ibv_modify_cq_attr *attr,
		      struct ibv_modify_cq *cmd, size_t cmd_size);
int ibv_cmd_req_notify_cq(struct ibv_cq *cq, int solicited_only);
int ibv_cmd_resize_cq(struct ibv_cq *cq, int cqe, struct ibv_resize_cq *cmd,
		      size_t cmd_size, struct ib_uverbs_resize_cq_resp *resp,
		      size_t resp_size);
int ibv_cmd_destroy_cq(struct ibv_cq *cq);

int ibv_cmd_create_ah(struct ibv_pd *pd, struct ibv_ah *ah, struct ibv_ah_attr *attr,
		      struct ib_uverbs_create_ah_resp *resp, size_t resp_size);
int ibv_cmd_destroy_ah(struct ibv_ah *ah);

int ibv_cmd_attach_mcast(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid);
int ibv_cmd_detach_mcast(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid);
int ibv_cmd_create_srq(struct ibv_pd *pd, struct ibv_srq *srq,
		       struct ibv_srq_init_attr *attr, struct ibv_create_srq *cmd,
		       size_t cmd_size, struct ib_uverbs_create_srq_resp *resp,
		       size_t resp_size);
int ibv_cmd_create_srq_ex(struct ibv_context *context, struct verbs_srq *srq,
			  struct ibv_srq_init_attr_ex *attr, struct ibv_create_xsrq *cmd,
			  size_t cmd_size, struct ib_uverbs_create_srq_resp *resp,
			  size_t resp_size);
int ibv_cmd_open_xrcd(struct ibv_context *context, struct verbs_xrcd *xrcd,
		      int vxrcd_size, struct ibv_xrcd_init_attr *attr,
		      struct ibv_open_xrcd *cmd, size_t cmd_size,
		      struct ib_uverbs_open_xrcd_resp *resp, size_t resp_size);
int ibv_cmd_close_xrcd(struct verbs_xrcd *xrcd);
int ibv_cmd_open_qp(struct ibv_context *context, struct verbs_qp *qp, int vqp_sz,
		    struct ibv_qp_open_attr *attr, struct ibv_open_qp *cmd,
		    size_t cmd_size, struct ib_uverbs_create_qp_resp *resp,
		    size_t resp_size);
int ibv_cmd_modify_srq(struct ibv_srq *srq, struct ibv_srq_attr *attr, int attr_mask,
		       struct ibv_modify_srq *cmd, size_t cmd_size);
int ibv_cmd_query_srq(struct ibv_srq *srq, struct ibv_srq_attr *attr,
		      struct ibv_query_srq *cmd, size_t cmd_size);
int ibv_cmd_destroy_srq(struct ibv_srq *srq);

int ibv_cmd_create_qp_ex2(struct ibv_context *context, struct verbs_qp *qp,
			  struct ibv_qp_init_attr_ex *attr,
			  struct ibv_create_qp_ex *cmd, size_t cmd_size,
			  struct ib_uverbs_ex_create_qp_resp *resp,
			  size_t resp_size
			  NOPIN_SINCE_64(, struct ibv_command_buffer *driver));
int ibv_cmd_query_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr,
		     int attr_mask, struct ibv_qp_init_attr *init_attr,
		     struct ibv_query_qp *cmd, size_t cmd_size);
int ibv_cmd_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr,
		      int attr_mask, struct ibv_modify_qp *cmd,
		      size_t cmd_size);
int ibv_cmd_destroy_qp(struct ibv_qp *qp);
int ibv_cmd_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr,
		      struct ibv_send_wr **bad_wr);
int ibv_cmd_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr,
		      struct ibv_recv_wr **bad_wr);

#endif /* NOPIN_STANDALONE_DRIVER_H */
