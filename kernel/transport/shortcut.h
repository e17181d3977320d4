/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Small requests between two QPs of one device. */
#ifndef NOPIN_SHORTCUT_H
#define NOPIN_SHORTCUT_H

#include "qp/qp.h"

u32 nopin_shortcut_run(struct nopin_qp *qp, u32 most);

#endif /* NOPIN_SHORTCUT_H */
