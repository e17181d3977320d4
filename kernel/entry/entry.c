// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Registers the functions of this folder that kernel/qp calls: timers, tasks, workers. */
#include "entry/attend.h"
#include "entry/entry.h"
#include "entry/expire.h"
#include "entry/resolve.h"
#include "entry/task.h"

static const struct nopin_qp_ops nopin_entry_ops = {
	.sq_timer	= nopin_sq_timer,
	.rq_timer	= nopin_rq_timer,
	.sq_attendant	= nopin_sq_attendant,
	.sq_task	= nopin_sq_task,
	.rq_task	= nopin_rq_task,
};

/**
 * nopin_entry_init - get ready for the first QP
 *
 * Context: module init.
 * Return: 0 or -ENOMEM.
 */
int nopin_entry_init(void)
{
	int err;

	nopin_kept_init();
	nopin_qp_set_ops(&nopin_entry_ops);
	err = nopin_park_init(nopin_fault_work);
	if (err)
		return err;
	err = nopin_offload_init(nopin_copied_work);
	if (err)
		nopin_park_exit();
	return err;
}

/**
 * nopin_entry_exit - undo nopin_entry_init(); no QP is left
 *
 * Context: module exit.
 */
void nopin_entry_exit(void)
{
	nopin_qp_table_exit();
	nopin_offload_exit();
	nopin_park_exit();
}
