/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Shared by the files of a worker: its device, and retries of calls. */
#ifndef WORKER_H
#define WORKER_H

#include "chaos.h"

struct worker {
	struct vt_dev *dev;
	struct ibv_pd *pd;
	struct rc_attr attr;	/* of QPs that connect */
};

extern struct worker worker;

/*
 * With faults injected a call may find no memory; then TRY() repeats it. @failed is an
 * expression that is true when the call has failed and set errno.
 */
static inline bool once_more(bool failed, int *tries)
{
	return failed && chaos_opts.faults && errno == ENOMEM && ++*tries < 2000;
}

static inline bool err_no(int err)
{
	errno = err < 0 ? errno : err;
	return err;
}

#define TRY(failed)							\
	do {								\
		int tries_ = 0;						\
		bool failed_;						\
									\
		do {							\
			failed_ = (failed);				\
		} while (once_more(failed_, &tries_));			\
		vt_require(!failed_, "%s: %s", #failed, strerror(errno)); \
	} while (0)

struct ibv_sge worker_sge(const struct piece *piece);

void worker_links_open(void);
bool worker_link(struct cmd *cmd, int left);
void worker_links_close(void);

#endif /* WORKER_H */
