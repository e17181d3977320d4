/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Commands written by hand: what the library sends to the module, with any driver data.
 * Each function returns 0 or an errno.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <rdma/ib_user_verbs.h>

#include "rc.h"

#define PAGE	4096UL

/* A write() command: its header, the core's part, the driver's part. */
struct command {
	struct ib_uverbs_cmd_hdr hdr;
	union {
		struct ib_uverbs_get_context context;
		struct ib_uverbs_alloc_pd pd;
		struct ib_uverbs_create_cq cq;
		struct ib_uverbs_create_qp qp;
		struct ib_uverbs_reg_mr mr;
		struct ib_uverbs_post_send post;
		struct ib_uverbs_dealloc_pd dealloc_pd;
		struct ib_uverbs_destroy_cq destroy_cq;
		struct ib_uverbs_destroy_qp destroy_qp;
		struct ib_uverbs_dereg_mr dereg_mr;
		uint8_t raw[512];
	};
};

extern uint8_t response[1024];	/* of the last command */
extern const uint8_t zeros[128];

void need_nopin(void);
int open_file(void);
int command_send(int fd, struct command *cmd, uint32_t number, size_t core,
		 const void *driver, size_t driver_len);

/* @driver, @len: the driver's part of the command. */
int get_context(int fd, const void *driver, size_t len);
int alloc_pd(int fd, const void *driver, size_t len);
int create_cq(int fd, const void *driver, size_t len);
int create_qp(struct rc_end *end, const void *driver, size_t len);
int reg_mr(struct rc_end *end, void *addr, const void *driver, size_t len);
int dealloc_pd(int fd, uint32_t handle, const void *driver, size_t len);
int destroy_cq(int fd, uint32_t handle, const void *driver, size_t len);
int destroy_qp(int fd, uint32_t handle, const void *driver, size_t len);
int dereg_mr(int fd, uint32_t handle, const void *driver, size_t len);

/* The tests of commands_responses.c. */
void commands_responses_add(void);

#endif /* COMMANDS_H */
